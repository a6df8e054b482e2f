"""What every benchmark simulates: the measurements and tracers of ccm, and flux states from its prior."""

import numpy as np

import fluxkit
from fluxkit.fluxes import directed_fluxes
from fluxkit.labeling import Tracers, parse_tracers
from fluxkit.labeling.meaning import resolve_measurement
from fluxkit.networks import Fragment, Network

TRACERS = {
    "glc_12": "Glc_x: 100% [1,2-13C2]",
    "glc_U": "Glc_x: 50% [U-13C6]",
    "gln_U": "Gln_x: 100% [U-13C5]",
}


def measured_names(network: Network) -> list[str]:
    """Return the carbon measurements of the network's table for simulated experiments."""
    table = network.observations
    return [name for name in table if table[name].sd is not None and ":N" not in name]


def problem(network: Network) -> tuple[tuple[Fragment, ...], tuple[Tracers, ...]]:
    """Return the fragments of all measured pools, and the tracers of the parallel experiments."""
    found = (each for name in measured_names(network) for each in resolve_measurement(name, network).fragments)
    return tuple(dict.fromkeys(found)), tuple(parse_tracers(text, network) for text in TRACERS.values())


def states(network: Network, count: int, seed: int = 0) -> np.ndarray:
    """Return directed fluxes ``(state, directed flux)`` from the flux prior; after 2000 states they repeat."""
    drawn = fluxkit.draw_fluxes(network, min(count, 2000), seed=seed)
    rows = np.arange(count) % drawn.sizes["draw"]
    net, exchange = drawn["net_flux"].values[rows], drawn["exchange_flux"].values[rows]
    return directed_fluxes(network, np.where(network.reversible, net, np.maximum(net, 0)), exchange)
