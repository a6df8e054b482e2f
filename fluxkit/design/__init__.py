"""Which experiment next: tracers, mixtures and measurements ranked by what they will tell about chosen fluxes."""

from fluxkit.design.mixtures import MixtureDesign, optimise_mixture
from fluxkit.design.prices import PriceTable, read_prices
from fluxkit.design.ranking import design_tracers
from fluxkit.design.standard_tracers import candidate_tracers, standard_tracers
from fluxkit.design.table import design_table

__all__ = [
    "design_tracers",
    "optimise_mixture",
    "MixtureDesign",
    "candidate_tracers",
    "standard_tracers",
    "design_table",
    "PriceTable",
    "read_prices",
]
