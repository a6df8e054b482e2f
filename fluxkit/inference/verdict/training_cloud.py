"""How far a measured sample lies from what a posterior network was trained on: its experiments, and its answer."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from fluxkit.labeling import normalise_experiments
from fluxkit.networks import Network

FAR = 2.0
"""Root mean square distance, in the network's own sd, beyond which its answer misses the exact one. A calibrated
network stays below one on average."""


def distance_from_network(drawn: np.ndarray, exact: np.ndarray) -> float:
    """Return how far the exact posterior lies from the network's, root mean square over fluxes in the network's sd.

    Parameters
    ----------
    drawn : numpy.ndarray
        Draws of the network, shape ``(draw, parameter)``.
    exact : numpy.ndarray
        Draws of the exact posterior, shape ``(..., parameter)``.
    """
    spread = drawn.std(axis=0)
    known = spread > 0  # a weight that the network does not know never varies
    centre = exact.reshape(-1, exact.shape[-1]).mean(axis=0)
    return float(np.sqrt(np.mean(((centre - drawn.mean(axis=0))[known] / spread[known]) ** 2)))


def compare_with_training(
    labeling: xr.Dataset, network: Network, card: dict[str, Any], drawn: np.ndarray, exact: np.ndarray
) -> tuple[float, list[str]]:
    """Return how far the network's answer lies from the exact one, and remarks where the sample is new to it.

    Parameters
    ----------
    labeling, network, card
        As in :func:`outside_training`.
    drawn, exact
        As in :func:`distance_from_network`.
    """
    distance, remarks = distance_from_network(drawn, exact), []
    unlike = outside_training(labeling, network, card)
    if unlike:
        remarks.append(
            f"the learned network was not trained on such data ({'; '.join(unlike)}); it only proposed starts, the "
            "answer is exact"
        )
    if distance > FAR:
        remarks.append(
            f"the exact answer lies {distance:.1f} sd (root mean square) from what the learned network expected, as "
            "for data unlike those of its training; it only proposed starts, the answer is exact"
        )
    return distance, remarks


def outside_training(labeling: xr.Dataset, network: Network, card: dict[str, Any]) -> list[str]:
    """Return in what a sample differs from the experiments that a network was trained on, in plain words.

    Parameters
    ----------
    labeling : xarray.Dataset
        Labeling without a sample dimension, with ``mid_sd``.
    network : Network
        The metabolic network.
    card : dict
        The model's card; what it does not say is not compared.
    """
    settings = card.get("experiments", {})
    experiments = normalise_experiments(json.loads(labeling.attrs["tracers"]), network)
    found = []
    most = settings.get("experiments")
    if isinstance(most, Sequence) and len(experiments) > len(most):
        found.append(f"{len(experiments)} parallel experiments, trained on at most {len(most)}")
    found += _noise(labeling, settings)
    known = {pool for text in card.get("tracers", ()) for pool in _pools(text, network)}
    strange = {pool for each in experiments.values() for pool in each.labeled_pools} - known
    if known and strange:
        found.append(f"labeled {', '.join(sorted(strange))}, trained on labeled {', '.join(sorted(known))}")
    return found


def _noise(labeling: xr.Dataset, settings: dict[str, Any]) -> list[str]:
    floor, slope = settings.get("floor"), settings.get("slope", 0.0)
    if not isinstance(floor, Sequence) or len(floor) != 2:
        return []
    sd = labeling["mid_sd"].where(labeling["mid"].notnull())
    middle = float(np.nanmedian(sd.values))
    largest = float(np.hypot(floor[1], slope / 4))
    if 0.5 * floor[0] <= middle <= 2 * largest:
        return []
    return [f"a typical sd of {middle:.2g}, trained on {floor[0]:g} to {largest:.2g}"]


def _pools(text: str, network: Network) -> tuple[str, ...]:
    (tracers,) = normalise_experiments(text, network).values()
    return tuple(tracers.labeled_pools)
