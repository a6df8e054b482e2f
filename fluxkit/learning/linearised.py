"""The exact simulator's own linear answer: a few damped Gauss-Newton steps, and the normal posterior where they end.

A posterior network that reads MIDs alone has to learn the inverse of the simulator from examples. This gives it what
the simulator knows anyway: with the prior normal in the coordinates ``theta`` (unbounded net coordinates, exchange
coordinates, weights), residuals ``r`` and their exact Jacobian ``J``, each level of noise adds a step

    delta = -((1 + e) 1 + J'J)^-1 (J'r + theta),

from the prior's centre on, cut short where a part of it goes further down, with a standard deviation added to all data
that falls from level to level: far from the truth the linearisation errs more than the instrument does. The ridge ``e``
is 3e-7 of the largest diagonal entry of J'J, which is summed in single precision: its rounding must not make the matrix
singular. It is part of the covariance that is returned, too. What is left at the last level is no posterior (the model
is curved, and the search may end in another valley): the network learns how far to trust it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import get_lapack_funcs
from scipy.special import ndtr

from fluxkit.emu import run_tape
from fluxkit.fluxes import directed_fluxes
from fluxkit.fluxes.exchange import ExchangeCoordinate, exchange_coordinate
from fluxkit.learning.chart import Chart
from fluxkit.learning.observed import Observed
from fluxkit.learning.vocabulary import Vocabulary

LEVELS = (0.1, 0.03, 0.01, 0.003)
"""Standard deviations added to all MID values, one Gauss-Newton step each."""
LENGTHS = (1.0, 0.5, 0.25, 0.1)
"""Shares of a step that are tried."""
_WITHIN = 0.9  # of the way to the nearest wall of the flux polytope, at most, in one step
_FARTHEST = 4.0  # of exchange and weight coordinates, in standard deviations
_QUANTILES = 2000
_DIGITS = 3e-7  # of float32, in which J'J is summed: the ridge e
_FACTOR, _SUBSTITUTE, _INVERT = get_lapack_funcs(("potrf", "potrs", "potri"), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class LinearAnswer:
    """Points and the normal posterior at the last of them, in standard coordinates: zero mean, unit sd a priori.

    Parameters
    ----------
    centres : numpy.ndarray
        Point plus full step of each level, shape ``(sample, level, parameter)``.
    point : numpy.ndarray
        Where the last level was linearised, shape ``(sample, parameter)``.
    covariance : numpy.ndarray
        Of the last level, shape ``(sample, parameter, parameter)``.
    cost : numpy.ndarray
        Half the sum of squares of data and prior at the point, shape ``(sample,)``.
    count : numpy.ndarray
        Number of measured values, shape ``(sample,)``.
    """

    centres: np.ndarray
    point: np.ndarray
    covariance: np.ndarray
    cost: np.ndarray
    count: np.ndarray

    def features(self) -> np.ndarray:
        """Return the last centre, the point, the widths, earlier centres, and how well the data are met, float32."""
        widths = np.sqrt(np.einsum("spp->sp", self.covariance))
        misfit = np.stack([np.log1p(self.cost / np.maximum(self.count, 1)), np.log1p(self.count)], axis=1)
        far = 2 * _FARTHEST
        parts = [self.centres[:, -1], self.point, widths, self.centres[:, :-1].reshape(len(widths), -1), misfit]
        return np.concatenate([np.clip(np.nan_to_num(each), -far, far) for each in parts], axis=1, dtype=np.float32)


def feature_count(parameters: int) -> int:
    """Return the number of features of a linear answer.

    Parameters
    ----------
    parameters : int
        Number of flux coordinates.
    """
    return (2 + len(LEVELS)) * parameters + 2


@dataclass(frozen=True, eq=False)
class _Points:
    """Points of all samples: rounded net coordinates, exchange coordinates, weights, and their standard coordinates."""

    z: np.ndarray
    y: np.ndarray
    w: np.ndarray
    standard: np.ndarray


class Lineariser:
    """Makes linear answers for one vocabulary in the coordinates of one model.

    Parameters
    ----------
    vocabulary : Vocabulary
        What can be measured.
    chart : Chart
        Net flux coordinates.
    """

    def __init__(self, vocabulary: Vocabulary, chart: Chart):
        self.vocabulary, self.chart = vocabulary, chart
        network = vocabulary.network
        self.exchange: ExchangeCoordinate = exchange_coordinate(network)
        self.free, self.weights = chart.basis.shape[1], len(vocabulary.weight_names)
        self.size = self.free + self.exchange.size + self.weights
        self._back = np.flatnonzero(network.reversible)
        self._varying = np.flatnonzero(self.exchange.varies)
        self._least = np.where(network.reversible, -np.inf, 0.0)
        self._rated = np.array([network.reaction_index[name] for name in vocabulary.rates], dtype=int)
        self._real = np.arange(vocabulary.width) < vocabulary.sizes[:, None]

    @cached_property
    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of all coordinates a priori, shape ``(parameter,)`` each."""
        level = (np.arange(_QUANTILES)[:, None] + 0.5) / _QUANTILES
        y = self.exchange.coordinates(self.exchange.quantiles(level))
        ones, zeros = (np.full(self.size, value) for value in (1.0, 0.0))
        place = slice(self.free, self.free + self.exchange.size)
        zeros[place], ones[place] = y.mean(axis=0), np.maximum(y.std(axis=0), 1e-6)
        return zeros, ones

    def answer(self, seen: Observed) -> LinearAnswer:
        """Return the linear answer to what was measured.

        Parameters
        ----------
        seen : Observed
            Measurements of some samples.
        """
        points = self._centre(seen.samples)
        centres = np.empty((seen.samples, len(LEVELS), self.size))
        covariance = np.empty((seen.samples, self.size, self.size))
        cost = np.empty(seen.samples)
        for level, added in enumerate(LEVELS):
            data, last = self._data(seen, added), level == len(LEVELS) - 1
            rounded = self.chart.map.inverse_slope(points.z)
            step, cost = np.empty((seen.samples, self.size)), self._cost(points, seen, data)
            for s, gradient, matrix in self._normal_equations(points, rounded, seen, data):
                step[s], inverse = _solve(matrix, gradient, last)
                if last:
                    covariance[s] = inverse
            centres[:, level] = points.standard + step
            if not last:
                points = self._search(points, rounded, step, seen, data, cost)
        count = np.bincount(seen.owner, seen.kept.sum(axis=(1, 2)), minlength=seen.samples)
        count = count + (seen.rates.precision > 0).sum(axis=1)
        return LinearAnswer(centres, points.standard, covariance, cost, count)

    def _centre(self, samples: int) -> _Points:
        z = np.repeat(self.chart.map.to_polytope(np.zeros((1, self.free))), samples, axis=0)
        mean = self.scale[0][self.free : self.free + self.exchange.size]
        return self._at(z, np.tile(mean, (samples, 1)), np.zeros((samples, self.weights)))

    def _at(self, z: np.ndarray, y: np.ndarray, w: np.ndarray) -> _Points:
        mean, spread = self.scale
        theta = np.concatenate([self.chart.map.to_unbounded(z), y, w], axis=1)
        return _Points(z, y, w, (theta - mean) / spread)

    def _data(self, seen: Observed, added: float) -> np.ndarray:
        sd = np.sqrt(seen.sd[:, self._real] ** 2 + added**2)
        abundance = self.vocabulary.abundance[seen.mode]
        return self.vocabulary.residuals.data(seen.kept[:, self._real], seen.mid[:, self._real], sd, abundance)

    def _state(self, points: _Points) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return net fluxes, derivatives of the exchange fluxes, and directed fluxes."""
        exchange, slope, _, _ = self.exchange.expand(points.y)
        net = np.maximum(self.chart.net_of_rounded(points.z), self._least)
        return net, slope, directed_fluxes(self.vocabulary.network, net, exchange)

    def _arrays(self, points: _Points, seen: Observed) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return directed fluxes and weights of samples, and inputs of lanes, in single precision."""
        return tuple(  # type: ignore[return-value]
            np.ascontiguousarray(each, dtype=np.float32)
            for each in (self._state(points)[2], ndtr(points.w), seen.inputs)
        )

    def _residuals(self, points: _Points, seen: Observed, data: np.ndarray) -> np.ndarray:
        fluxes, weights, inputs = self._arrays(points, seen)
        arrays = (fluxes[seen.owner], inputs, weights[seen.owner], data)
        return run_tape(self.vocabulary.residuals.values, arrays, len(inputs))[0][0]

    def _cost(self, points: _Points, seen: Observed, data: np.ndarray) -> np.ndarray:
        residual = self._residuals(points, seen, data).astype(float)
        squares = np.bincount(seen.owner, np.einsum("lv,lv->l", residual, residual), minlength=seen.samples)
        of_rates, _ = self._rates(points, seen)
        squares += np.einsum("sr,sr->s", of_rates, of_rates)
        return 0.5 * squares + 0.5 * np.einsum("sp,sp->s", points.standard, points.standard)

    def _rates(self, points: _Points, seen: Observed) -> tuple[np.ndarray, np.ndarray]:
        flux = self.chart.net_of_rounded(points.z)[:, self._rated]
        return seen.rates.residuals(flux, self.chart.basis[self._rated])

    def _directions(self, points: _Points, rounded: np.ndarray) -> np.ndarray:
        """Return how each standard coordinate moves directed fluxes and weights, float32.

        Shape ``(sample, parameter, directed flux + weight)``.
        """
        net, slope, directed = self._state(points)
        count, back, until = net.shape[1], self._back, self.free + self.exchange.size
        result = np.zeros((len(net), self.size, directed.shape[1] + self.weights), dtype=np.float32)
        by_net = rounded.mT.astype(np.float32) @ self.chart.basis.T.astype(np.float32)
        result[:, : self.free, :count] = by_net * (net[:, None, :] > 0)
        result[:, : self.free, count : directed.shape[1]] = -by_net[:, :, back] * (net[:, None, back] < 0)
        place, varying = np.arange(self.free, until), self._varying
        result[:, place, back[varying]] = result[:, place, count + varying] = slope
        weight = np.arange(self.weights)
        density = np.exp(-0.5 * points.w**2) / np.sqrt(2 * np.pi)
        result[:, until + weight, directed.shape[1] + weight] = density
        result *= self.scale[1][:, None]
        return result

    def _normal_equations(
        self, points: _Points, rounded: np.ndarray, seen: Observed, data: np.ndarray
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield sample, gradient ``J'r + theta`` and matrix ``(1 + e) 1 + J'J`` of each sample."""
        directions, (fluxes, weights, inputs) = self._directions(points, rounded), self._arrays(points, seen)
        residual = self._residuals(points, seen, data)
        of_rates, by_rounded = self._rates(points, seen)
        moved = np.empty((self.size, residual.shape[1]), dtype=np.float32)
        edges = np.searchsorted(seen.owner, np.arange(seen.samples + 1))
        kept = seen.kept[:, self._real]
        for s in range(seen.samples):
            jacobian, left = [np.zeros((self.size, 0), dtype=np.float32)], [np.zeros(0, dtype=np.float32)]
            for lane in range(edges[s], edges[s + 1]):
                shared = (fluxes[s : s + 1], inputs[lane : lane + 1], weights[s : s + 1], data[lane : lane + 1])
                run_tape(self.vocabulary.residuals.tangent, (*shared, directions[s]), self.size, out=[moved])
                jacobian.append(moved[:, kept[lane]])
                left.append(residual[lane, kept[lane]])
            slope = np.concatenate(jacobian, axis=1)
            matrix = (slope @ slope.T).astype(float)
            gradient = (slope @ np.concatenate(left)).astype(float) + points.standard[s]
            if (seen.rates.precision[s] > 0).any():
                rows = by_rounded[s] @ rounded[s]
                matrix[: self.free, : self.free] += rows.T @ rows
                gradient[: self.free] += rows.T @ of_rates[s]
            matrix[np.diag_indices(self.size)] += 1.0 + _DIGITS * matrix.diagonal().max()
            yield s, gradient, matrix

    def _search(
        self,
        points: _Points,
        rounded: np.ndarray,
        step: np.ndarray,
        seen: Observed,
        data: np.ndarray,
        cost: np.ndarray,
    ) -> _Points:
        """Return the best points along the steps, the old ones where none is better."""
        until = self.free + self.exchange.size
        moves = step * self.scale[1]
        z_step = np.einsum("sij,sj->si", rounded, moves[:, : self.free])
        slack = self.chart.map.offsets - points.z @ self.chart.map.walls.T
        room = _WITHIN / np.maximum((z_step @ self.chart.map.walls.T / slack).max(axis=1, initial=0.0), 1e-300)
        best, lowest = points, cost.copy()
        for length in LENGTHS:
            trial = self._at(
                points.z + np.minimum(length, room)[:, None] * z_step,
                np.clip(points.y + length * moves[:, self.free : until], -_FARTHEST, _FARTHEST),
                np.clip(points.w + length * moves[:, until:], -_FARTHEST, _FARTHEST),
            )
            value = self._cost(trial, seen, data)
            better = value < lowest
            lowest = np.where(better, value, lowest)
            chosen = (
                np.where(better[:, None], getattr(trial, name), getattr(best, name))
                for name in ("z", "y", "w", "standard")
            )
            best = _Points(*chosen)
        return best


def _solve(matrix: np.ndarray, gradient: np.ndarray, invert: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Return ``-matrix^-1 gradient``, and the inverse where it is wanted."""
    factor, failed = _FACTOR(matrix, lower=1)
    known = np.isfinite(gradient).all() and np.isfinite(factor.diagonal()).all()  # LAPACK may let NaN pass
    if failed or not known:  # data unlike any of training: the prior
        return np.zeros_like(gradient), np.eye(len(gradient)) if invert else None
    step, _ = _SUBSTITUTE(factor, -gradient, lower=1)
    if not invert:
        return step, None
    inverse, _ = _INVERT(factor, lower=1)
    return step, np.tril(inverse) + np.tril(inverse, -1).T
