"""What every benchmark simulates: the measurements and tracers of ccm, and flux states from its prior."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import xarray as xr

import fluxkit
from fluxkit.errors import NetworkError
from fluxkit.fluxes import directed_fluxes
from fluxkit.labeling import Tracers, parse_tracers
from fluxkit.labeling.meaning import resolve_measurement
from fluxkit.networks import Fragment, Network, check_reachable

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


@dataclass(frozen=True)
class DrawnCase:
    """One simulated experiment set of ccm, drawn at random.

    Parameters
    ----------
    number : int
        Its number, which fixes everything else.
    truth : xarray.Dataset
        The true fluxes, from the flux prior.
    tracers : dict of str to str
        One to four parallel experiments.
    fragments : list of str
        What is measured.
    noise : float
        Standard deviation of every value.
    missing : float
        Share of the measurements that was left out, in expectation.
    exact, labeling : xarray.Dataset
        The labeling without noise and with it; neither holds the truth.
    """

    number: int
    truth: xr.Dataset
    tracers: dict[str, str]
    fragments: list[str]
    noise: float
    missing: float
    exact: xr.Dataset
    labeling: xr.Dataset


@cache
def carbon_tracers(network: Network) -> dict[str, str]:
    """Return the network's standard 13C tracers and those of the other benchmarks, by name."""
    carbon = {name: text for name, text in network.standard_tracers.items() if "13C" in text}
    standard = {name: text for name, text in carbon.items() if _tells_anything(text, network)}
    return {**standard, **{f"{name}_mixed": text for name, text in TRACERS.items() if text not in standard.values()}}


def drawn_case(number: int, seed: int = 30_000) -> DrawnCase:
    """Draw an experiment set: fluxes, 1 to 4 tracers, noise 0.002 to 0.02 and 0 to 60 % missing measurements.

    Parameters
    ----------
    number : int
        Number of the case.
    seed : int
        Seed of the series; each benchmark that tunes something must tune on another series.
    """
    network = fluxkit.load_network("ccm")
    rng = np.random.default_rng([seed, number])
    pool = carbon_tracers(network)
    chosen = rng.choice(list(pool), size=rng.integers(1, 5), replace=False)
    tracers = {str(name): pool[name] for name in chosen}
    noise, missing = float(np.exp(rng.uniform(np.log(0.002), np.log(0.02)))), float(rng.uniform(0, 0.6))
    names = [name for name in measured_names(network) if rng.random() >= missing]
    truth = fluxkit.draw_fluxes(network, 1, seed=int(rng.integers(2**31))).isel(draw=0)
    exact = _without_truth(fluxkit.simulate(network, truth, tracers, fragments=names))
    labeling = _without_truth(
        fluxkit.simulate(network, truth, tracers, fragments=names, noise=noise, seed=int(rng.integers(2**31)))
    )
    return DrawnCase(number, truth, tracers, names, noise, missing, exact, labeling)


def _tells_anything(text: str, network: Network) -> bool:
    """Return whether a tracer reaches every measured pool; acetate reaches none."""
    try:
        check_reachable(network, problem(network)[0], parse_tracers(text, network).labeled_pools)
    except NetworkError:
        return False
    return True


def _without_truth(labeling: xr.Dataset) -> xr.Dataset:
    return labeling.drop_vars(["net_flux", "exchange_flux"])
