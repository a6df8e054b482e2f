"""The posterior density of one condition: exact labeling simulation, measurement model, noise and flux prior.

A point holds, in this order, the net flux coordinates (inside the flux polytope), one coordinate per reversible
exchange flux, and one coordinate per unknown share or dilution of the measurement model. The last two kinds are free
and standard normal under the prior, up to the stated correction of the exchange coordinate.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from fluxkit.emu import Program
from fluxkit.fluxes import FluxSpace
from fluxkit.inference.rate_term import RateTerm
from fluxkit.labeling import MeasurementModel
from fluxkit.labeling.likelihood import Likelihood

_INVERSE_SQRT_2PI = 1 / np.sqrt(2 * np.pi)


class _State(NamedTuple):
    """Fluxes and weights at some points, with what the chain rule needs."""

    net: np.ndarray
    slope: np.ndarray
    fluxes: np.ndarray
    weights: np.ndarray
    exchange_prior: tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class FluxDensity:
    """Unnormalised log posterior over fluxes and measurement weights, with gradients and Gauss-Newton terms.

    Parameters
    ----------
    space : FluxSpace
        Which fluxes are possible, and their prior.
    program : Program
        Simulator of the fragments that the measurement model asks for.
    measurement : MeasurementModel
        From exact MIDs to what the instrument reports.
    measured, sd : numpy.ndarray
        Measured MIDs and their standard deviations, shape ``(experiment, isotopologue)``; NaN = not measured.
    limit : numpy.ndarray
        Detection limit where a measured zero is censored, NaN elsewhere; same shape.
    rates : RateTerm, optional
        Measured rates.
    """

    space: FluxSpace
    program: Program
    measurement: MeasurementModel
    measured: np.ndarray
    sd: np.ndarray
    limit: np.ndarray
    rates: RateTerm | None = None

    @cached_property
    def known(self) -> np.ndarray:
        """Flat positions of the data, shape ``(datum,)``."""
        return np.flatnonzero((np.isfinite(self.measured) & self.measurement.measured).ravel())

    @cached_property
    def censored(self) -> np.ndarray:
        """Which data are zeros below a detection limit, shape ``(datum,)``."""
        return np.asarray(np.nan_to_num(self.limit.ravel()[self.known]) > 0)

    @cached_property
    def _expected(self) -> np.ndarray:
        """What a prediction is compared with: the datum, or the limit of a censored zero."""
        return np.where(self.censored, self.limit.ravel()[self.known], self.measured.ravel()[self.known])

    @cached_property
    def least_net(self) -> np.ndarray:
        """Smallest net flux: rounding must not turn an irreversible reaction round."""
        return np.where(self.space.network.reversible, -np.inf, 0.0)

    @cached_property
    def _reversible(self) -> np.ndarray:
        return np.flatnonzero(self.space.network.reversible)

    @cached_property
    def _reversible_basis(self) -> np.ndarray:
        return self.space.basis[self._reversible]

    @cached_property
    def _varying(self) -> np.ndarray:
        return np.flatnonzero(self.space.exchange_scale.varies)

    @property
    def size(self) -> int:
        """Number of coordinates of a point."""
        return len(self.space.free) + self.space.exchange_scale.size + len(self.measurement.weight_names)

    def split(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return net coordinates, exchange coordinates and weight coordinates of points ``(..., parameter)``."""
        first = len(self.space.free)
        second = first + self.space.exchange_scale.size
        return points[..., :first], points[..., first:second], points[..., second:]

    @cached_property
    def likelihood(self) -> Likelihood:
        """The likelihood of the data by directed fluxes and weights."""
        sd = self.sd.ravel()[self.known]
        return Likelihood(self.program, self.measurement, self.known, self._expected, sd, self.censored)

    def _state(self, points: np.ndarray) -> _State:
        z, y, w = self.split(points)
        exchange, slope, log_prior, by_y = self.space.exchange_scale.expand(y)
        net = np.maximum(self.space.net(z), self.least_net)
        return _State(net, slope, self._directed(net, exchange), ndtr(w), (log_prior, by_y))

    def _directed(self, net: np.ndarray, exchange: np.ndarray) -> np.ndarray:
        """Return directed fluxes; :func:`fluxkit.fluxes.directed_fluxes` without its checks and copies."""
        count, back = net.shape[-1], self._reversible
        fluxes = np.empty((len(net), count + len(back)))
        np.maximum(net, 0.0, out=fluxes[:, :count])
        fluxes[:, back] += exchange
        fluxes[:, count:] = np.maximum(-net.take(back, axis=1), 0.0) + exchange
        return fluxes

    def _flux_gradient(self, net: np.ndarray, slope: np.ndarray, directed: np.ndarray) -> np.ndarray:
        """Carry a gradient by directed fluxes ``(n, directed)`` to net and exchange coordinates."""
        count, back = net.shape[-1], self._reversible
        forward, backward = directed[:, :count], directed[:, count:]
        by_net = (forward * (net > 0)) @ self.space.basis
        by_net -= (backward * (net.take(back, axis=1) < 0)) @ self._reversible_basis
        by_exchange = forward.take(back, axis=1) + backward
        return np.concatenate([by_net, by_exchange.take(self._varying, axis=1) * slope], axis=1)

    def log_density(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log posterior density ``(n,)`` and gradient ``(n, parameter)`` of points ``(n, parameter)``.

        A point that is not finite (a diverged trajectory) has density zero.
        """
        lost = np.asarray(~np.isfinite(points).all(axis=1))
        if lost.any():
            points = np.where(lost[:, None], 0.0, points)
        state = self._state(points)
        prior, gradient = self._log_prior(points, *state.exchange_prior)
        value, by_fluxes, by_weights = self.likelihood.log_likelihood(state.fluxes, state.weights)
        if self.rates is not None:
            of_rates, by_net = self.rates.log_likelihood(state.net)
            value = value + of_rates
            gradient[:, : len(self.space.free)] += by_net @ self.space.basis
        shape = len(self.space.free) + self.space.exchange_scale.size
        gradient[:, :shape] += self._flux_gradient(state.net, state.slope, by_fluxes)
        gradient[:, shape:] += by_weights * _normal_density(points[:, shape:])
        return np.where(lost, -np.inf, value + prior), gradient

    def log_value(self, points: np.ndarray) -> np.ndarray:
        """Return the log posterior density ``(n,)`` of points ``(n, parameter)`` without its gradient."""
        state = self._state(points)
        residual = self.likelihood.residuals(state.fluxes, state.weights)
        value = self._log_prior(points, *state.exchange_prior)[0] - 0.5 * np.einsum("nd,nd->n", residual, residual)
        return value if self.rates is None else value + self.rates.log_likelihood(state.net)[0]

    def log_gradient(self, points: np.ndarray) -> np.ndarray:
        """Return the gradient of the log posterior density ``(n, parameter)``, by way of the Jacobian."""
        residual, jacobian = self.residuals_with_jacobian(points)
        gradient = self.log_prior(points)[1] - np.einsum("nd,ndp->np", residual, jacobian)
        if self.rates is not None:
            by_net = self.rates.log_likelihood(self._net(points))[1]
            gradient[:, : len(self.space.free)] += by_net @ self.space.basis
        return gradient

    def log_prior(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log prior density ``(n,)`` and its gradient ``(n, parameter)``, up to a constant."""
        return self._log_prior(points, *self.space.exchange_scale.expand(self.split(points)[1])[2:])

    def _log_prior(self, points: np.ndarray, value_y: np.ndarray, gradient_y: np.ndarray):
        z, _, w = self.split(points)
        miss = z @ self.space.prior_matrix.T - self.space.prior_offset
        value = -0.5 * np.einsum("nt,nt->n", miss, miss) + value_y - 0.5 * np.einsum("nk,nk->n", w, w)
        return value, np.concatenate([-miss @ self.space.prior_matrix, gradient_y, -w], axis=1)

    def residuals(self, points: np.ndarray) -> np.ndarray:
        """Return standardised residuals ``(model - measured) / sd`` of the data, shape ``(n, datum)``.

        A censored zero counts only what exceeds its limit.
        """
        state = self._state(points)
        return self.likelihood.residuals(state.fluxes, state.weights)

    def prediction(self, points: np.ndarray) -> np.ndarray:
        """Return predicted measurements, shape ``(n, experiment, isotopologue)``; NaN where nothing is measured."""
        state = self._state(points)
        predicted = np.full((len(points), self.measured.size), np.nan)
        predicted[:, self.known] = self.likelihood.prediction(state.fluxes, state.weights)
        return predicted.reshape(len(points), *self.measured.shape)

    def residuals_with_jacobian(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals ``(n, datum)`` and their exact Jacobian ``(n, datum, parameter)``.

        The parameters of a point go through the tangent of the labeling program together, one lane each.
        """
        state = self._state(points)
        directions = self._directions(state, self.split(points)[2])
        jacobian = np.empty((len(points), len(self.known), self.size))
        for k in range(len(points)):
            moved = self.likelihood.push_forward(state.fluxes[k], state.weights[k], directions[k])
            jacobian[k] = moved.T
        return self.likelihood.residuals(state.fluxes, state.weights), jacobian

    @property
    def residual_count(self) -> int:
        """Number of residuals of labeling and rates together."""
        return len(self.known) + (self.rates.size if self.rates is not None else 0)

    def all_residuals(self, points: np.ndarray) -> np.ndarray:
        """Return standardised residuals of labeling, then of rates, shape ``(n, residual)``."""
        residual = self.residuals(points)
        if self.rates is None:
            return residual
        return np.concatenate([residual, self.rates.residuals(self._net(points))], axis=1)

    def all_residuals_with_jacobian(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals of labeling and rates ``(n, residual)`` and their Jacobian ``(n, residual, parameter)``."""
        residual, jacobian = self.residuals_with_jacobian(points)
        if self.rates is None:
            return residual, jacobian
        net = self._net(points)
        rows = np.zeros((len(points), self.rates.size, self.size))
        rows[..., : len(self.space.free)] = self.rates.jacobian(net) @ self.space.basis
        residual = np.concatenate([residual, self.rates.residuals(net)], axis=1)
        return residual, np.concatenate([jacobian, rows], axis=1)

    def _net(self, points: np.ndarray) -> np.ndarray:
        return np.maximum(self.space.net(self.split(points)[0]), self.least_net)

    def _directions(self, state: _State, w: np.ndarray) -> np.ndarray:
        """Return how each parameter moves directed fluxes and weights, ``(n, parameter, directed flux + weight)``."""
        count, back = state.net.shape[-1], self._reversible
        free, directed = len(self.space.free), state.fluxes.shape[1]
        result = np.zeros((len(w), self.size, directed + w.shape[1]))
        result[:, :free, :count] = self.space.basis.T * (state.net[:, None, :] > 0)
        result[:, :free, count:directed] = -self._reversible_basis.T * (state.net[:, None, back] < 0)
        for k, (i, reaction) in enumerate(zip(self._varying, back[self._varying], strict=True)):
            result[:, free + k, [reaction, count + i]] = state.slope[:, k, None]
        weights = np.arange(w.shape[1])
        result[:, free + state.slope.shape[1] + weights, directed + weights] = _normal_density(w)
        return result

    def drawn_anew(self, point: np.ndarray, rng: np.random.Generator) -> "FluxDensity":
        """Return the density of what another experiment would measure, labeling and rates, if a point were true.

        Parameters
        ----------
        point : numpy.ndarray
            Shape ``(parameter,)``.
        rng : numpy.random.Generator
            Source of the noise.
        """
        exact = np.nan_to_num(self.prediction(point[None])[0])
        measured = exact + self.sd * rng.standard_normal(exact.shape)
        rates = self.rates and self.rates.drawn_anew(self._net(point[None])[0], rng)
        return FluxDensity(self.space, self.program, self.measurement, measured, self.sd, self.limit, rates)


def _normal_density(w: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * w * w) * _INVERSE_SQRT_2PI
