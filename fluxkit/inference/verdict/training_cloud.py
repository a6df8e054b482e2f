"""How far a measured sample lies from what a posterior network was trained on: its experiments, and its answer."""

from typing import Any

import numpy as np
import xarray as xr

from fluxkit.inference.verdict.training_range import outside_training
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
        As in :func:`~fluxkit.inference.verdict.training_range.outside_training`.
    drawn, exact
        As in :func:`distance_from_network`.
    """
    distance = distance_from_network(drawn, exact)
    remarks = [
        f"{each}; the learned network's start may be worse, but the exact posterior decides the answer"
        for each in outside_training(labeling, network, card)
    ]
    if distance > FAR:
        remarks.append(
            f"the exact answer lies {distance:.1f} sd (root mean square) from what the learned network expected, as "
            "for data unlike those of its training; it only proposed starts, the answer is exact"
        )
    return distance, remarks
