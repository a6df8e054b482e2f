"""The posterior density of one condition: exact labeling simulation, measurement model, noise and flux prior.

A point holds, in this order, the net flux coordinates (inside the flux polytope), one coordinate per reversible
exchange flux, and one coordinate per unknown share or dilution of the measurement model. The last two kinds are free
and standard normal under the prior, up to the stated correction of the exchange coordinate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from fluxkit.emu import Program, pull_back, simulate_with_pullback
from fluxkit.fluxes import FluxSpace
from fluxkit.labeling import MeasurementModel

_INVERSE_SQRT_2PI = 1 / np.sqrt(2 * np.pi)


class _Model(NamedTuple):
    """One simulation of some points, with everything that the chain rule needs."""

    net: np.ndarray
    slope: np.ndarray
    fluxes: np.ndarray
    mids: np.ndarray
    by_fluxes: Callable[[np.ndarray], np.ndarray]
    prediction: np.ndarray
    back: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
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
    """

    space: FluxSpace
    program: Program
    measurement: MeasurementModel
    measured: np.ndarray
    sd: np.ndarray
    limit: np.ndarray

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
    def _scale(self) -> np.ndarray:
        return 1.0 / self.sd.ravel()[self.known]

    @cached_property
    def _floor(self) -> np.ndarray:
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

    @cached_property
    def _least(self) -> np.ndarray:
        """Smallest residual of each datum: a censored zero counts only what exceeds its limit."""
        return np.where(self.censored, 0.0, -np.inf)

    @property
    def size(self) -> int:
        """Number of coordinates of a point."""
        return len(self.space.free) + self.space.exchange_scale.size + len(self.measurement.weight_names)

    def split(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return net coordinates, exchange coordinates and weight coordinates of points ``(..., parameter)``."""
        first = len(self.space.free)
        second = first + self.space.exchange_scale.size
        return points[..., :first], points[..., first:second], points[..., second:]

    def _model(self, points: np.ndarray) -> "_Model":
        z, y, w = self.split(points)
        net = self.space.net(z)
        exchange, slope, log_prior, by_y = self.space.exchange_scale.expand(y)
        net = np.maximum(net, self._floor)
        fluxes = self._directed(net, exchange)
        mids, by_fluxes = simulate_with_pullback(self.program, fluxes)
        prediction, back = self.measurement.value_and_pullback(mids, ndtr(w))
        return _Model(net, slope, fluxes, mids, by_fluxes, prediction, back, (log_prior, by_y))

    def _residual(self, prediction: np.ndarray) -> np.ndarray:
        """Standardised residuals ``(model - measured) / sd`` of the data, shape ``(n, datum)``; a censored zero
        counts only what exceeds its limit.
        """
        model = prediction.reshape(len(prediction), -1)[:, self.known]
        return np.maximum((model - self._expected) * self._scale, self._least)

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

    def _cotangent(self, rows: np.ndarray) -> np.ndarray:
        """Spread weights of the data ``(n, datum)`` over the prediction ``(n, experiment, isotopologue)``."""
        full = np.zeros((len(rows), self.measured.size))
        full[:, self.known] = rows
        return full.reshape(len(rows), *self.measured.shape)

    def log_density(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log posterior density ``(n,)`` and gradient ``(n, parameter)`` of points ``(n, parameter)``.

        A point that is not finite (a diverged trajectory) has density zero.
        """
        lost = np.asarray(~np.isfinite(points).all(axis=1))
        if lost.any():
            points = np.where(lost[:, None], 0.0, points)
        model = self._model(points)
        residual = self._residual(model.prediction)
        value, gradient = self._log_prior(points, *model.exchange_prior)
        by_mids, by_weights = model.back(self._cotangent(-residual * self._scale))
        by_fluxes = model.by_fluxes(by_mids)
        shape = len(self.space.free) + self.space.exchange_scale.size
        gradient[:, :shape] += self._flux_gradient(model.net, model.slope, by_fluxes)
        w = points[:, shape:]
        gradient[:, shape:] += by_weights * np.exp(-0.5 * w * w) * _INVERSE_SQRT_2PI
        value = value - 0.5 * np.einsum("nd,nd->n", residual, residual)
        return np.where(lost, -np.inf, value), gradient

    def log_prior(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log prior density ``(n,)`` and its gradient ``(n, parameter)``, up to a constant."""
        return self._log_prior(points, *self.space.exchange_scale.expand(self.split(points)[1])[2:])

    def _log_prior(self, points: np.ndarray, value_y: np.ndarray, gradient_y: np.ndarray):
        z, _, w = self.split(points)
        miss = z @ self.space.prior_matrix.T - self.space.prior_offset
        value = -0.5 * np.einsum("nt,nt->n", miss, miss) + value_y - 0.5 * np.einsum("nk,nk->n", w, w)
        return value, np.concatenate([-miss @ self.space.prior_matrix, gradient_y, -w], axis=1)

    def residuals(self, points: np.ndarray) -> np.ndarray:
        """Return standardised residuals of the data, shape ``(n, datum)``."""
        return self._residual(self._model(points).prediction)

    def prediction(self, points: np.ndarray) -> np.ndarray:
        """Return predicted measurements, shape ``(n, experiment, isotopologue)``."""
        return self._model(points).prediction

    def residuals_with_jacobian(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals ``(n, datum)`` and their exact Jacobian ``(n, datum, parameter)``.

        The rows of all points go through the adjoint together, one lane each.
        """
        model = self._model(points)
        residual = self._residual(model.prediction)
        count, data = residual.shape
        active = np.where(self.censored & (residual <= 0), 0.0, self._scale)
        rows = (np.eye(data)[None] * active[:, None, :]).reshape(count * data, data)
        fluxes, mids, net, slope, w = (
            np.repeat(each, data, axis=0)
            for each in (model.fluxes, model.mids, model.net, model.slope, self.split(points)[2])
        )
        by_mids, by_weights = self.measurement.pullback(mids, ndtr(w), self._cotangent(rows))
        _, by_fluxes = pull_back(self.program, fluxes, by_mids)
        by_point = self._flux_gradient(net, slope, by_fluxes)
        by_weights = by_weights * np.exp(-0.5 * w * w) * _INVERSE_SQRT_2PI
        jacobian = np.concatenate([by_point, by_weights], axis=1)
        return residual, jacobian.reshape(count, data, self.size)

    def with_data(self, measured: np.ndarray) -> "FluxDensity":
        """Return the same density for other measured values of the same shape."""
        return FluxDensity(self.space, self.program, self.measurement, measured, self.sd, self.limit)
