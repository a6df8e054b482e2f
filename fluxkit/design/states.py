"""The flux states that a design is averaged over, and how each coordinate moves the fluxes there.

Coordinates are those of :mod:`fluxkit.inference.density`, scaled to unit variance a priori: rounded net coordinates,
exchange coordinates, and the unknown shares and dilutions of the measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import ndtr

from fluxkit.errors import FluxError
from fluxkit.fluxes import FluxSpace, as_flux_dataset, directed_fluxes, flux_space, prior_coordinates
from fluxkit.networks import Network

_SWEEPS = 30  # of hit-and-run before a draw: independent draws, as in fluxkit.draw_fluxes
_LEVELS = (np.arange(2000)[:, None] + 0.5) / 2000


@dataclass(frozen=True, eq=False)
class DesignStates:
    """Flux states with weights, and the directions of the standard coordinates.

    Parameters
    ----------
    space : FluxSpace
        The flux space.
    weight_names : tuple of str
        Unknown shares and dilutions, the last coordinates.
    net : numpy.ndarray
        Net fluxes, shape ``(state, reaction)``, in the flux unit of the network.
    fluxes : numpy.ndarray
        Directed fluxes, shape ``(state, directed flux)``, in the same unit.
    weights : numpy.ndarray
        Shares and dilutions in [0, 1], shape ``(state, weight)``.
    directions : numpy.ndarray
        Derivatives of fluxes and weights, shape ``(state, coordinate, directed flux + weight)``.
    exchange_sd, decades : numpy.ndarray
        Standard deviations a priori of each exchange coordinate, and of log10(x + c), shape ``(exchange,)``.
    """

    space: FluxSpace
    weight_names: tuple[str, ...]
    net: np.ndarray
    fluxes: np.ndarray
    weights: np.ndarray
    directions: np.ndarray
    exchange_sd: np.ndarray
    decades: np.ndarray

    def __len__(self) -> int:
        return len(self.net)

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return self.directions.shape[1]


def design_states(
    network: Network,
    weight_names: Sequence[str],
    draws: int,
    seed: int,
    prior: str = "targets",
    states: xr.Dataset | None = None,
) -> DesignStates:
    """Return draws from the flux prior, or given flux states, with weights drawn from their prior.

    Parameters
    ----------
    network : Network
        The network.
    weight_names : sequence of str
        Unknown shares and dilutions; uniform in [0, 1] a priori.
    draws : int
        How many draws; not read where states are given.
    seed : int
        Seed of the draws.
    prior : str
        ``"targets"`` or ``"uniform"``; see :func:`fluxkit.draw_fluxes`.
    states : xarray.Dataset, optional
        Flux states to average over instead, such as posterior draws of an earlier experiment.

    Raises
    ------
    FluxError
        There is no draw, or a state does not balance.
    """
    if isinstance(draws, bool) or int(draws) != draws or draws < 1:
        raise FluxError(f"draws = {draws!r}: a design is averaged over at least one flux state; give 32, say.")
    rng = np.random.default_rng(seed)
    space = flux_space(network, prior)
    if states is None:
        z, y = prior_coordinates(space, int(draws), rng, sweeps=_SWEEPS, chains=int(draws))
    else:
        given = as_flux_dataset(network, states)
        net, swap = (
            given[name].transpose(..., "reaction").values.reshape(-1, len(network.reactions))
            for name in ("net_flux", "exchange_flux")
        )
        z, y = space.coordinates(net), space.exchange_coordinates(swap[:, network.reversible])
    w = rng.standard_normal((len(z), len(weight_names)))
    sd = space.exchange_scale.coordinates(space.exchange_scale.quantiles(_LEVELS)).std(axis=0)
    exchange, slope, _, _ = space.exchange_scale.expand(y)
    net = np.maximum(space.net(z), np.where(network.reversible, -np.inf, 0.0))
    fluxes = directed_fluxes(network, net, exchange)
    directions = _directions(space, net, slope * sd, fluxes.shape[1], w)
    return DesignStates(space, tuple(weight_names), net, fluxes, ndtr(w), directions, sd, _decades(space))


def _decades(space: FluxSpace) -> np.ndarray:
    scale = space.exchange_scale
    drawn = scale.quantiles(_LEVELS)[:, scale.varies]
    return np.log10(drawn + scale.offset).std(axis=0)


def _directions(space: FluxSpace, net: np.ndarray, slope: np.ndarray, directed: int, w: np.ndarray) -> np.ndarray:
    """Return how each coordinate moves directed fluxes and weights; forward and backward part at the net flux."""
    network, free, count = space.network, len(space.free), net.shape[1]
    back, varying = np.flatnonzero(network.reversible), np.flatnonzero(space.exchange_scale.varies)
    until = free + len(varying)
    result = np.zeros((len(net), until + w.shape[1], directed + w.shape[1]))
    result[:, :free, :count] = space.basis.T * (net[:, None, :] > 0)
    result[:, :free, count:directed] = -space.basis[back].T * (net[:, None, back] < 0)
    place, weight = np.arange(free, until), np.arange(w.shape[1])
    result[:, place, back[varying]] = result[:, place, count + varying] = slope
    result[:, until + weight, directed + weight] = np.exp(-0.5 * w**2) / np.sqrt(2 * np.pi)
    return result
