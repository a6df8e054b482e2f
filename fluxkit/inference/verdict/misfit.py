"""What the best fit leaves unexplained, and how much of it chance would leave: residuals with their covariance.

At the most probable point the standardised residuals ``r`` of a model that is linear near it have, over the prior and
the noise together, a covariance of at most ``W = I - J P^-1 J'``, with ``J`` the Jacobian of the residuals and ``P``
the curvature of minus the log posterior: fluxes that follow the data take variance out of the residuals. A fault that
shifts the data along a direction ``d`` is then best seen by the score ``d'r / sqrt(d'W d)``, normal with unit variance
without the fault; one that shifts a group ``g`` of values in an unknown direction by ``r_g' W_gg^-1 r_g``, chi-square
(mean-shift model: Cook & Weisberg 1982, Residuals and Influence in Regression, chapter 2,
https://hdl.handle.net/11299/37076).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, ndtr  # scipy.stats takes long to load

from fluxkit.inference.density import FluxDensity
from fluxkit.inference.refinement import Refined
from fluxkit.inference.verdict.bound_pressure import holds

_CLOSED = 0.03  # of the sd of a sum: nearer to 1 than noise would leave it, but farther than rounding does
_LEFT = 0.1
"""Smallest share of a shift that the fluxes must leave to the residuals: of less, curvature decides more than noise."""
_WIDTH, _STEP = 0.25, 1e-4
"""Least curvature of the prior: walls and ends of exchange fluxes hold a coordinate within about two prior sd."""


@dataclass(frozen=True, eq=False)
class Misfit:
    """Residuals of labeling and rates at the best point, without silent ones (zeros below their detection limit).

    Parameters
    ----------
    residual : numpy.ndarray
        Standardised residuals (fitted - measured) / sd, shape ``(datum,)``.
    covariance : numpy.ndarray
        Their covariance by chance, shape ``(datum, datum)``.
    position : numpy.ndarray
        Flat position (experiment, isotopologue) of each, -1 for a rate; shape ``(datum,)``.
    closed : numpy.ndarray
        Orthonormal directions without noise, since the values of a fragment were normalised to sum to 1; shape
        ``(closed, datum)``.
    jacobian : numpy.ndarray
        Derivatives of the residuals by the parameters, shape ``(datum, parameter)``.
    kept : numpy.ndarray
        Which residuals of the posterior these are, shape ``(residual,)``, bool.
    determined : float
        How many parameters the data determine: the trace of ``J P^-1 J'``.
    """

    residual: np.ndarray
    covariance: np.ndarray
    position: np.ndarray
    closed: np.ndarray
    jacobian: np.ndarray
    kept: np.ndarray
    determined: float

    @property
    def degrees_of_freedom(self) -> float:
        """Independent data minus the parameters that they determine."""
        return len(self.residual) - len(self.closed) - self.determined

    def scores(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how far the data lie along some directions.

        Parameters
        ----------
        directions : numpy.ndarray
            Shifts of the data in units of their sd, shape ``(direction, datum)``.

        Returns
        -------
        score : numpy.ndarray
            In standard deviations, shape ``(direction,)``; positive where the data are shifted along the direction.
            NaN where the fluxes follow nearly all of the shift, so that it cannot be seen.
        amount : numpy.ndarray
            Estimated shift in units of the direction, shape ``(direction,)``.
        """
        directions = directions - (directions @ self.closed.T) @ self.closed
        variance = np.einsum("kd,kd->k", directions @ self.covariance, directions)
        seen = variance > _LEFT * np.einsum("kd,kd->k", directions, directions)
        variance = np.where(seen, variance, np.nan)
        along = -(directions @ self.residual)
        return along / np.sqrt(variance), along / variance

    def group(self, members: np.ndarray) -> tuple[float, float]:
        """Return chi-square of a group of residuals and its degrees of freedom.

        Parameters
        ----------
        members : numpy.ndarray
            Which data, shape ``(datum,)``, bool.
        """
        inside = np.array([row[members] for row in self.closed if row[members].any()]).reshape(-1, members.sum())
        values, vectors = np.linalg.eigh(self.covariance[np.ix_(members, members)])
        seen = values > _LEFT
        along = vectors[:, seen].T @ self.residual[members]
        return float(np.sum(along**2 / values[seen])), float(seen.sum() - len(inside))


def misfit(density: FluxDensity, refined: Refined, prior: bool = True) -> Misfit:
    """Return what the first of the refined points leaves unexplained.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    refined : Refined
        Its refined points.
    prior : bool
        Whether the point is the most probable one; else it has the least squares, and the precision is that of the
        data.
    """
    residual, jacobian = (each[0] for each in density.all_residuals_with_jacobian(refined.points[:1]))
    count = len(density.known)
    silent = np.zeros(len(residual), dtype=bool)
    silent[:count] = density.censored & (residual[:count] <= 0)
    closed = [row[~silent] for row in closed_fragments(density)]
    closed = [row / np.linalg.norm(row) for row in closed if row.any()]
    position = np.concatenate([density.known, np.full(len(residual) - count, -1)])[~silent]
    rates = density.rates
    if rates is not None and not rates.absolute:  # an unknown common factor takes one direction
        net = np.maximum(density.space.net(density.split(refined.points[0])[0]), density.least_net)
        scaled = np.concatenate([np.zeros(count), (net @ rates.rows.T) / rates.sd])[~silent]
        if scaled.any():  # what does not flow has no factor
            closed.append(scaled / np.linalg.norm(scaled))
    residual, jacobian = residual[~silent], jacobian[~silent]
    precision = curvature(density, refined) if prior else refined.precision[0]
    followed = jacobian @ np.linalg.solve(precision, jacobian.T)
    covariance = np.eye(len(residual)) - 0.5 * (followed + followed.T)
    rows = np.array(closed).reshape(-1, len(residual))
    return Misfit(residual, covariance, position, rows, jacobian, ~silent, float(np.trace(followed)))


def curvature(density: FluxDensity, refined: Refined) -> np.ndarray:
    """Return the curvature of minus the log posterior at the best point, shape ``(parameter, parameter)``.

    The prior of net fluxes without a target is flat between the walls, and that of small exchange fluxes nearly so;
    both still end somewhere, which counts as a normal prior of two prior sd. Without it fluxes that hardly matter would
    seem to follow the data at any length.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    refined : Refined
        Its refined points.
    """
    free, matrix = len(density.space.free), density.space.prior_matrix
    of_prior = np.zeros((density.size, density.size))
    of_prior[:free, :free] = _at_least(matrix.T @ matrix, _WIDTH)
    others = np.arange(free, density.size)
    of_prior[others, others] = np.maximum(_bend(density, refined.points[0])[free:], _WIDTH)
    return refined.precision[0] - np.eye(density.size) + of_prior + holds(density, refined.points[0]).kinks


def _at_least(matrix: np.ndarray, least: float) -> np.ndarray:
    """Raise the eigenvalues of a symmetric matrix to at least a value."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, least)) @ vectors.T


def _bend(density: FluxDensity, point: np.ndarray) -> np.ndarray:
    """Return minus the second derivatives of the log prior by each coordinate, shape ``(parameter,)``."""
    moved = point + _STEP * np.concatenate([np.eye(density.size), -np.eye(density.size)])
    up, down = np.split(density.log_prior(moved)[1], 2)
    return np.diagonal(down - up) / (2 * _STEP)


def closed_fragments(density: FluxDensity) -> list[np.ndarray]:
    """Return the unit vectors along which normalised fragments have no noise, each of shape ``(residual,)``.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    """
    model, directions = density.measurement, []
    place = np.full(density.measured.size, -1)
    place[density.known] = np.arange(len(density.known))
    width = density.measured.shape[1]
    ends = [*model.mixing.starts[1:].tolist(), len(model.place)]
    for experiment in range(len(density.measured)):
        for start, end in zip(model.mixing.starts.tolist(), ends, strict=True):
            columns = model.place[start:end][model.keep[experiment, start:end]]
            sd = density.sd[experiment, columns]
            if columns.size and abs(density.measured[experiment, columns].sum() - 1) < _CLOSED * np.linalg.norm(sd):
                row = np.zeros(density.residual_count)
                row[place[experiment * width + columns]] = sd / np.linalg.norm(sd)
                directions.append(row)
    return directions


def sidak(p_values: np.ndarray) -> float:
    """Return the probability that the smallest of some p-values is as small by chance; 1 without any.

    Parameters
    ----------
    p_values : numpy.ndarray
        P-values; NaN for tests that cannot be made.
    """
    known = p_values[np.isfinite(p_values)]
    return float(-np.expm1(known.size * np.log1p(-min(known.min(), 1 - 1e-16)))) if known.size else 1.0


def two_sided(scores: np.ndarray) -> np.ndarray:
    """Return the probability of scores as large in either direction."""
    return 2 * ndtr(-np.abs(scores))


def upper_tail(scores: np.ndarray) -> np.ndarray:
    """Return the probability of scores as large in their own direction."""
    return ndtr(-scores)


def chi_square_tail(value: float, freedom: float) -> float:
    """Return the probability of a larger chi-square; NaN without degrees of freedom."""
    return float(chdtrc(freedom, value)) if freedom > 0 else float("nan")
