"""What reacts with what, atom by atom."""

from fluxkit.networks.bodies import BodyPlan, Circulation, Tissue, compose_body, list_modules, list_templates, read_body
from fluxkit.networks.catalog import list_networks, load_network
from fluxkit.networks.checks import check_reachable
from fluxkit.networks.fragments import Fragment, parse_fragment
from fluxkit.networks.network import Equality, FluxRule, Network, Participant, Reaction
from fluxkit.networks.observations import Observation, ObservationTable, PoolShare
from fluxkit.networks.rxn_text import format_reactions, parse_reactions
from fluxkit.networks.tables import read_network, write_network

__all__ = [
    "BodyPlan",
    "Circulation",
    "Equality",
    "FluxRule",
    "Fragment",
    "Network",
    "Observation",
    "ObservationTable",
    "Participant",
    "PoolShare",
    "Reaction",
    "Tissue",
    "check_reachable",
    "compose_body",
    "format_reactions",
    "list_modules",
    "list_networks",
    "list_templates",
    "load_network",
    "parse_fragment",
    "parse_reactions",
    "read_body",
    "read_network",
    "write_network",
]
