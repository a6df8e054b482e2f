"""The flux space: the net fluxes that balances, equalities and bounds allow, in rounded coordinates."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fluxkit.errors import FluxError
from fluxkit.fluxes.disk import kept_arrays
from fluxkit.fluxes.exchange import ExchangeCoordinate, exchange_coordinate
from fluxkit.fluxes.polytope import free_basis, half_spaces, unit_rows
from fluxkit.fluxes.rounding import rounded
from fluxkit.networks import Network

PRIORS = ("targets", "uniform")
TARGET_SPREAD = 3.0  # sd of a target of weight 1, in multiples of the target


@dataclass(frozen=True, eq=False)
class FluxSpace:
    """A polytope of net fluxes, net = origin + basis z with walls z <= offsets, and the prior on it.

    The coordinates are rounded: draws of z from the prior have about zero mean and unit covariance. Number
    k follows free flux k as closely as that allows (symmetric whitening).

    Parameters
    ----------
    network : Network
        The network.
    free : tuple of str
        Names of a set of free fluxes: their values decide all others.
    origin, basis : numpy.ndarray
        Shapes ``(reaction,)`` and ``(reaction, free)``, in the flux unit of the network.
    projection : numpy.ndarray
        Shape ``(free, reaction)``; z = projection (net - origin), read from the free fluxes.
    walls, offsets : numpy.ndarray
        Half-spaces with unit rows, none redundant, shapes ``(wall, free)`` and ``(wall,)``.
    prior_matrix, prior_offset : numpy.ndarray
        Shapes ``(target, free)`` and ``(target,)``: log prior = -norm(prior_matrix z - prior_offset)^2 / 2.
    starts : numpy.ndarray
        Draws of z from the prior at which chains start, shape ``(start, free)``.
    exchange_scale : ExchangeCoordinate
        Coordinate and prior of the exchange fluxes.
    """

    network: Network
    free: tuple[str, ...]
    origin: np.ndarray
    basis: np.ndarray
    projection: np.ndarray
    walls: np.ndarray
    offsets: np.ndarray
    prior_matrix: np.ndarray
    prior_offset: np.ndarray
    starts: np.ndarray
    exchange_scale: ExchangeCoordinate

    def __repr__(self) -> str:
        return (
            f"<FluxSpace of {self.network.name!r}: {len(self.free)} free net fluxes inside "
            f"{len(self.offsets)} walls, {self.exchange_scale.size} free exchange fluxes>"
        )

    def net(self, z: np.ndarray) -> np.ndarray:
        """Return net fluxes, shape ``(..., reaction)``, of coordinates ``(..., free)``."""
        return self.origin + np.asarray(z, dtype=float) @ self.basis.T

    def coordinates(self, net: np.ndarray) -> np.ndarray:
        """Return coordinates, shape ``(..., free)``, of net fluxes ``(..., reaction)`` that balance."""
        return (np.asarray(net, dtype=float) - self.origin) @ self.projection.T

    def slack(self, z: np.ndarray) -> np.ndarray:
        """Return the distances to the walls, shape ``(..., wall)``; all are positive inside the polytope."""
        return self.offsets - np.asarray(z, dtype=float) @ self.walls.T

    def log_prior(self, z: np.ndarray) -> np.ndarray:
        """Return the log prior density of the net coordinates up to a constant; minus infinity outside."""
        residual = np.asarray(z, dtype=float) @ self.prior_matrix.T - self.prior_offset
        inside = (self.slack(z) >= 0).all(axis=-1)
        return np.where(inside, -0.5 * (residual**2).sum(axis=-1), -np.inf)

    def exchange(self, y: np.ndarray) -> np.ndarray:
        """Return exchange fluxes, shape ``(..., reversible)``, of coordinates y."""
        return self.exchange_scale.fluxes(y)

    def exchange_coordinates(self, exchange: np.ndarray) -> np.ndarray:
        """Return the coordinates y of exchange fluxes, shape ``(..., reversible)``."""
        return self.exchange_scale.coordinates(exchange)


def flux_space(network: Network, prior: str = "targets") -> FluxSpace:
    """Return the flux space of a network in coordinates that are rounded for its prior.

    Parameters
    ----------
    network : Network
        The network.
    prior : str
        ``"targets"``: uniform on the polytope times a normal around each stated target, of sd
        3 max(abs(target), 1) / sqrt(weight). ``"uniform"``: uniform alone.

    Raises
    ------
    FluxError
        A flux is unbounded, or nothing is free to vary.
    """
    if prior not in PRIORS:
        raise FluxError(f"unknown prior {prior!r}; write one of {', '.join(map(repr, PRIORS))}.")
    return _flux_space(network, prior)


@lru_cache(maxsize=64)
def _flux_space(network: Network, prior: str) -> FluxSpace:
    parts = kept_arrays(f"flux space {prior} {network.fingerprint}", lambda: _parts(network, prior))
    free = tuple(network.reaction_names[i] for i in parts.pop("free"))
    return FluxSpace(network=network, free=free, exchange_scale=exchange_coordinate(network), **parts)


def _parts(network: Network, prior: str) -> dict[str, np.ndarray]:
    """Return what linear programs and draws find out; a minute for a whole body."""
    origin, basis, free = free_basis(network)
    walls, offsets = half_spaces(network, origin, basis)
    matrix, offset = _least_squares_prior(network, prior, origin, basis)
    centre, chart, starts = rounded(walls, offsets, matrix, offset)
    projection = np.zeros((len(free), len(origin)))
    projection[:, free] = np.linalg.inv(chart)
    walls, offsets = unit_rows(walls @ chart, offsets - walls @ centre)
    return {
        "free": np.asarray(free),
        "origin": origin + basis @ centre,
        "basis": basis @ chart,
        "projection": projection,
        "walls": walls,
        "offsets": offsets,
        "prior_matrix": matrix @ chart,
        "prior_offset": offset - matrix @ centre,
        "starts": starts,
    }


def _least_squares_prior(
    network: Network, prior: str, origin: np.ndarray, basis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the prior as least squares in the free fluxes."""
    rows, values = [], []
    for i, name in enumerate(network.reaction_names):
        rule = network.rule(name)
        if prior == "uniform" or rule.target is None or not basis[i].any():
            continue
        sd = TARGET_SPREAD * max(abs(rule.target), 1.0) / np.sqrt(rule.weight)
        rows.append(basis[i] / sd)
        values.append((rule.target - origin[i]) / sd)
    return np.array(rows).reshape(-1, basis.shape[1]), np.array(values)
