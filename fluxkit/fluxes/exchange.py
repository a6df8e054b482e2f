"""The exchange coordinate: exchange fluxes as nearly normal numbers."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from fluxkit.errors import FluxError
from fluxkit.networks import Network

OFFSET = 0.1  # of the normalising flux: below it labeling hardly sees how small an exchange flux is
FLOOR = 1e-3  # of the normalising flux: where the log-uniform prior levels off if the lower bound is zero
_EDGE = 1e-15


@dataclass(frozen=True, eq=False)
class ExchangeCoordinate:
    """A smooth increasing map between exchange fluxes x and real numbers y.

    With t = (log(x + c) - log(lo + c)) / (log(hi + c) - log(lo + c)), y = Phi^-1(t), c = 0.1 of the
    normalising flux: small exchange fluxes, which labeling cannot tell apart, are drawn together. The prior
    on x is log-uniform between the bounds: density proportional to 1 / (x + e) with e = 0. For a lower bound
    of zero e = 1e-3 of the normalising flux: log-uniform above that, flat below. Equal bounds make a fixed
    exchange flux, which has no coordinate.

    Parameters
    ----------
    lower, upper : numpy.ndarray
        Bounds, shape ``(reversible,)``, in the flux unit of the network.
    varies : numpy.ndarray
        Which exchange fluxes have a coordinate, shape ``(reversible,)``, bool.
    offset : float
        c, in the flux unit of the network.
    floor : numpy.ndarray
        e, shape ``(reversible,)``.
    """

    lower: np.ndarray
    upper: np.ndarray
    varies: np.ndarray
    offset: float
    floor: np.ndarray

    @cached_property
    def size(self) -> int:
        """Number of coordinates."""
        return int(self.varies.sum())

    @cached_property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """log(lo + c), and log(hi + c) - log(lo + c), of the coordinates; shape ``(coordinate,)`` each.

        The logarithms are of exchange fluxes in the flux unit of the network.
        """
        low = np.log(self.lower[self.varies] + self.offset)
        return low, np.log(self.upper[self.varies] + self.offset) - low

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bound of the exchange fluxes with a coordinate, in the flux unit of the network.

        Shape ``(coordinate,)`` each.
        """
        return self.lower[self.varies], self.upper[self.varies]

    def fluxes(self, y: np.ndarray) -> np.ndarray:
        """Return exchange fluxes, shape ``(..., reversible)``, of coordinates ``(..., coordinate)``."""
        y = np.asarray(y, dtype=float)
        low, span = self.ends
        moved = np.clip(np.exp(low + span * ndtr(y)) - self.offset, *self.bounds)
        if self.size == len(self.lower):
            return moved
        x = np.broadcast_to(self.lower, (*y.shape[:-1], len(self.lower))).copy()
        x[..., self.varies] = moved
        return x

    def coordinates(self, x: np.ndarray) -> np.ndarray:
        """Return coordinates, shape ``(..., coordinate)``; at or beyond a bound, the outermost one (7.9)."""
        low, span = self.ends
        t = (np.log(np.maximum(np.asarray(x, dtype=float)[..., self.varies], 0) + self.offset) - low) / span
        return ndtri(np.clip(t, _EDGE, 1 - _EDGE))

    def expand(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return everything a sampler needs at once.

        Parameters
        ----------
        y : numpy.ndarray
            Coordinates, shape ``(..., coordinate)``.

        Returns
        -------
        fluxes : numpy.ndarray
            Exchange fluxes, shape ``(..., reversible)``.
        derivative : numpy.ndarray
            dx/dy of the coordinates, shape ``(..., coordinate)``.
        log_prior : numpy.ndarray
            Up to a constant, shape ``(...)``.
        log_prior_gradient : numpy.ndarray
            Shape ``(..., coordinate)``.
        """
        y = np.asarray(y, dtype=float)
        x = self.fluxes(y)
        moved = x if self.size == len(self.lower) else x[..., self.varies]
        shifted, floored = moved + self.offset, moved + self.floor[self.varies]
        square = y * y
        derivative = shifted * self.ends[1] * np.exp(-0.5 * square) / np.sqrt(2 * np.pi)
        log_prior = (np.log(shifted / floored) - 0.5 * square).sum(axis=-1)
        return x, derivative, log_prior, (1 / shifted - 1 / floored) * derivative - y

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Draw exchange fluxes from their prior, shape ``(n, reversible)``."""
        return self.quantiles(rng.random((n, self.size)))

    def quantiles(self, level: np.ndarray) -> np.ndarray:
        """Return exchange fluxes, shape ``(n, reversible)``, at levels 0 to 1 of their prior.

        Parameters
        ----------
        level : numpy.ndarray
            Shape ``(n, coordinate)`` or ``(n, 1)``.
        """
        x = np.broadcast_to(self.lower, (len(level), len(self.lower))).copy()
        floor = self.floor[self.varies]
        low, high = self.lower[self.varies] + floor, self.upper[self.varies] + floor
        x[:, self.varies] = low * (high / low) ** level - floor
        return np.clip(x, self.lower, self.upper)


def exchange_coordinate(network: Network) -> ExchangeCoordinate:
    """Return the exchange coordinate of the reversible reactions of a network.

    Parameters
    ----------
    network : Network
        The network.

    Raises
    ------
    FluxError
        A lower bound exceeds its upper bound, or an upper bound is infinite.
    """
    lower, upper = network.exchange_bounds
    names = [each.name for each in network.reactions if each.reversible]
    for name, low, high in zip(names, lower, upper, strict=True):
        if not 0 <= low <= high < np.inf:
            raise FluxError(
                f"network {network.name!r}: the exchange flux of {name!r} has bounds {low:g} to {high:g}; "
                "give finite 0 <= lower <= upper (defaults: 1e-3 and 10 times the normalising flux)."
            )
    scale = network.normalising_flux
    varies = upper - lower > FLOOR * 1e-6 * scale
    return ExchangeCoordinate(lower, upper, varies, OFFSET * scale, np.where(lower > 0, 0.0, FLOOR * scale))
