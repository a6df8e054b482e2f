"""Exact refinement: many starts at once climb to the most probable fluxes by Gauss-Newton steps inside the polytope.

A logarithmic barrier keeps every step inside the bounds and is then lowered until it no longer matters; steps stop
short of the nearest wall (fraction-to-boundary rule). Jacobians come from the tangent of the labeling program, so they
are exact (Nocedal & Wright 2006, Numerical Optimization, chapters 10 and 19, doi:10.1007/978-0-387-40065-5).
"""

from dataclasses import dataclass

import numpy as np

from fluxkit.inference.density import FluxDensity


@dataclass(frozen=True)
class Refined:
    """Refined points, best first.

    Parameters
    ----------
    points : numpy.ndarray
        Shape ``(start, parameter)``.
    objective : numpy.ndarray
        Minus log posterior, shape ``(start,)``.
    precision : numpy.ndarray
        Posterior precision of a normal approximation at each point, shape ``(start, parameter, parameter)``: that of
        the data, plus one in every coordinate, since all coordinates have unit variance under the prior, plus the
        square of the pressure on each wall, since a density that falls like exp(-pressure * distance) from a wall has
        the variance 1 / pressure^2.
    data_precision : numpy.ndarray
        The part of it that the data contribute (Gauss-Newton).
    iterations : int
        Iterations of the batch.
    """

    points: np.ndarray
    objective: np.ndarray
    precision: np.ndarray
    data_precision: np.ndarray
    iterations: int


def refine(
    density: FluxDensity,
    starts: np.ndarray,
    *,
    barriers: tuple[float, ...] = (1.0, 0.1, 0.01, 1e-3),
    iterations: int = 25,
    tolerance: float = 1e-3,
    anchors: np.ndarray | None = None,
    noise: np.ndarray | None = None,
) -> Refined:
    """Refine all starts to posterior modes.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    starts : numpy.ndarray
        Interior points, shape ``(start, parameter)``.
    barriers : tuple of float
        Falling weights of the barrier.
    iterations : int
        Most iterations per barrier weight.
    tolerance : float
        A start rests when two steps in a row lower the objective by less.
    anchors : numpy.ndarray, optional
        Prior draws, shape ``(start, parameter)``, that take the place of the prior's centre.
    noise : numpy.ndarray, optional
        Standardised noise to add to the data, shape ``(start, datum)``. With anchors and noise the refined points
        scatter like the posterior (randomise then optimise), good starts for chains.

    Returns
    -------
    Refined
        Sorted by objective.
    """
    problem = _Problem(density, anchors, noise)
    points = problem.pull_inside(starts)
    total = 0
    for barrier in barriers:
        objective = problem.objective(points, barrier)
        damping = np.full(len(points), 1e-3)  # anew: a start that rests on rounding has driven it up
        rest = np.zeros(len(points), dtype=int)
        for _ in range(iterations):
            active = np.flatnonzero(rest < 2)
            if not active.size:
                break
            total += 1
            gradient, hessian = problem.expand(points[active], barrier, active)
            gain = problem.step(points, objective, damping, gradient, hessian, barrier, active)
            rest[active] = np.where(gain < tolerance, rest[active] + 1, 0)
    jacobian = density.all_residuals_with_jacobian(points)[1]
    data = jacobian.swapaxes(1, 2) @ jacobian
    objective = problem.objective(points, 0.0)
    order = np.argsort(objective)
    precision = data + np.eye(density.size) + problem.wall_precision(points, barriers[-1])
    return Refined(points[order], objective[order], precision[order], data[order], total)


def search(density: FluxDensity, starts: np.ndarray) -> Refined:
    """Refine all starts roughly, then the better half to the end.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    starts : numpy.ndarray
        Interior points, shape ``(start, parameter)``.

    Returns
    -------
    Refined
        Half of the starts, at least 4 where there are as many; sorted by objective.
    """
    rough = refine(density, starts, barriers=(1.0, 0.1), tolerance=0.05)
    return refine(density, rough.points[: max(4, len(starts) // 2)], barriers=(0.01, 1e-3))


class _Problem:
    """Objective and Gauss-Newton expansion of a batch, with the barrier of the flux polytope."""

    def __init__(self, density: FluxDensity, anchors: np.ndarray | None, noise: np.ndarray | None):
        self.density, self.space, self.noise = density, density.space, noise
        self.anchors = anchors
        self.bounded = len(self.space.free)
        prior = np.eye(density.size)
        prior[: self.bounded, : self.bounded] = self.space.prior_matrix.T @ self.space.prior_matrix
        self.prior = prior

    def pull_inside(self, points: np.ndarray) -> np.ndarray:
        """Shrink net coordinates towards the origin of the polytope until each lies 1e-4 of the way inside."""
        points = points.copy()
        ratio = (points[:, : self.bounded] @ self.space.walls.T) / self.space.offsets
        points[:, : self.bounded] /= np.maximum(ratio.max(axis=1, keepdims=True) / (1 - 1e-4), 1.0)
        return points

    def gap(self, points: np.ndarray) -> np.ndarray:
        return self.space.offsets - points[:, : self.bounded] @ self.space.walls.T

    def _prior(self, points: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.anchors is None:
            value, gradient = self.density.log_prior(points)
            return -value, -gradient
        miss = points - self.anchors[rows]
        gradient = miss @ self.prior
        return 0.5 * np.einsum("np,np->n", miss, gradient), gradient

    def _shift(self, residual: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return residual if self.noise is None else residual + self.noise[rows]

    def objective(self, points: np.ndarray, barrier: float, rows: np.ndarray | None = None) -> np.ndarray:
        rows = np.arange(len(points)) if rows is None else rows
        residual = self._shift(self.density.all_residuals(points), rows)
        value = 0.5 * np.einsum("nd,nd->n", residual, residual) + self._prior(points, rows)[0]
        gap = self.gap(points)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = value - barrier * np.log(gap).sum(axis=1)
        return np.where((gap > 0).all(axis=1) & np.isfinite(value), value, np.inf)

    def expand(self, points: np.ndarray, barrier: float, rows: np.ndarray):
        residual, jacobian = self.density.all_residuals_with_jacobian(points)
        residual = self._shift(residual, rows)
        gradient = self._prior(points, rows)[1] + np.einsum("ndp,nd->np", jacobian, residual)
        hessian = jacobian.swapaxes(1, 2) @ jacobian + self.prior
        if barrier:
            inverse = 1.0 / self.gap(points)
            walls, z = self.space.walls, slice(0, self.bounded)
            gradient[:, z] += barrier * inverse @ walls
            scaled = inverse[..., None] * walls
            hessian[:, z, z] += barrier * (scaled.swapaxes(1, 2) @ scaled)
        return gradient, hessian

    def wall_precision(self, points: np.ndarray, barrier: float) -> np.ndarray:
        """Return the sum of pressure^2 (normal normal') over the walls, shape ``(start, parameter, parameter)``.

        At the minimum with a barrier the pressure on a wall is barrier / distance.
        """
        pressed = (barrier / self.gap(points))[..., None] * self.space.walls
        result = np.zeros((len(points), self.density.size, self.density.size))
        result[:, : self.bounded, : self.bounded] = pressed.swapaxes(1, 2) @ pressed
        return result

    def step(self, points, objective, damping, gradient, hessian, barrier, active) -> np.ndarray:
        """Try damped steps for the active rows; updates points, objectives and damping, returns the gains."""
        gain = np.zeros(len(active))
        waiting = np.arange(len(active))
        diagonal = np.einsum("npp->np", hessian)
        for _ in range(8):
            rows = active[waiting]
            matrix = hessian[waiting].copy()
            index = np.arange(matrix.shape[1])
            matrix[:, index, index] += damping[rows, None] * diagonal[waiting]
            move = -np.linalg.solve(matrix, gradient[waiting][..., None])[..., 0]
            free = np.abs(move[:, self.bounded :]).max(axis=1, initial=0.0)
            move *= np.minimum(1.0, 2.0 / np.maximum(free, 1e-300))[:, None]
            move *= self._largest_step(points[rows], move)[:, None]
            trial = points[rows] + move
            value = self.objective(trial, barrier, rows)
            better = value < objective[rows]
            done = rows[better]
            gain[waiting[better]] = objective[done] - value[better]
            points[done], objective[done] = trial[better], value[better]
            damping[done] = np.maximum(damping[done] / 5, 1e-8)
            damping[rows[~better]] = np.minimum(damping[rows[~better]] * 6, 1e8)
            waiting = waiting[~better]
            if not waiting.size:
                break
        return gain

    def _largest_step(self, points: np.ndarray, move: np.ndarray) -> np.ndarray:
        speed = move[:, : self.bounded] @ self.space.walls.T
        with np.errstate(divide="ignore"):
            reach = np.where(speed > 0, self.gap(points) / speed, np.inf).min(axis=1)
        return np.minimum(1.0, 0.98 * reach)
