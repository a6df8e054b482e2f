"""The entropic map: a smooth bijection between the flux polytope and unbounded coordinates."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import xlogy

from fluxkit.errors import FluxError
from fluxkit.fluxes.space import FluxSpace

BARRIER = 1e-6  # of the entropy: keeps images of far-away points at distances that float64 can hold
TOLERANCE = 1e-11
_DIGITS = 3e-14  # a smaller step than this share of the point is rounding
_BOUNDARY = 0.95  # of the way to the nearest wall, at most, in one step
_CLOSEST = 1e-14  # distance to a wall
_BATCH = 2048


@dataclass(frozen=True, eq=False)
class EntropicMap:
    """Bijection between the inside of walls z <= offsets and all of R^free.

    With distances s = offsets - walls z, u is the gradient of the strictly convex function
    phi(z) = weight sum(s log s - 1e-6 log s) + norm(z)^2 / 2, then shifted and scaled linearly. A wall bends
    it like a logarithm; far from every wall it is nearly linear. Build it with :func:`entropic_map`.

    Parameters
    ----------
    walls, offsets : numpy.ndarray
        Half-spaces, shapes ``(wall, free)`` and ``(wall,)``.
    weight : float
        Weight of the entropy against the quadratic.
    shift : numpy.ndarray
        Gradient that becomes u = 0, shape ``(free,)``.
    scale : numpy.ndarray
        Lower triangular, shape ``(free, free)``: gradient = shift + scale u.
    """

    walls: np.ndarray
    offsets: np.ndarray
    weight: float
    shift: np.ndarray
    scale: np.ndarray

    def to_unbounded(self, z: np.ndarray) -> np.ndarray:
        """Return u, shape ``(..., free)``, of interior points z ``(..., free)``.

        Raises
        ------
        FluxError
            A point is not inside the polytope.
        """
        z = np.asarray(z, dtype=float)
        slack = self._slack(z)
        if not (slack > 0).all():
            raise FluxError(
                "the entropic map holds only strictly inside the flux polytope; a point lies "
                f"{-slack.min():.3g} beyond a wall. Move it inwards, or check the bounds."
            )
        gradient = self._gradient(z.reshape(-1, z.shape[-1]), slack.reshape(-1, len(self.offsets)))
        return solve_triangular(self.scale, (gradient - self.shift).T, lower=True).T.reshape(z.shape)

    def to_polytope(self, u: np.ndarray) -> np.ndarray:
        """Return the interior points z, shape ``(..., free)``, of u ``(..., free)``.

        Damped Newton on the convex phi(z) - u z, all points at once. The result is always strictly inside.
        Its image is u to a relative 1e-8 or better, less where the point is closer than about 1e-7 to a wall
        and float64 cannot tell the distances apart.
        """
        u = np.asarray(u, dtype=float)
        target = (self.shift + u.reshape(-1, u.shape[-1]) @ self.scale.T).copy()
        parts = [self._invert(target[i : i + _BATCH]) for i in range(0, len(target), _BATCH)]
        return np.concatenate(parts).reshape(u.shape) if parts else u.copy()

    def log_det(self, z: np.ndarray) -> np.ndarray:
        """Return log abs(det du/dz) at interior points z ``(..., free)``, shape ``(...)``."""
        z = np.asarray(z, dtype=float)
        points = z.reshape(-1, z.shape[-1])
        constant = np.log(np.abs(np.diag(self.scale))).sum()
        parts = [self._log_det_hessian(points[i : i + _BATCH]) for i in range(0, len(points), _BATCH)]
        return (np.concatenate(parts) - constant).reshape(z.shape[:-1]) if parts else np.empty(z.shape[:-1])

    def inverse_slope(self, z: np.ndarray) -> np.ndarray:
        """Return dz/du at interior points z ``(n, free)``, shape ``(n, free, free)``."""
        hessian = self._hessian(self._slack(z))
        return np.linalg.solve(hessian, np.broadcast_to(self.scale, hessian.shape))

    def _log_det_hessian(self, points: np.ndarray) -> np.ndarray:
        return np.linalg.slogdet(self._hessian(self._slack(points))).logabsdet

    def _slack(self, z: np.ndarray) -> np.ndarray:
        return self.offsets - z @ self.walls.T

    def _gradient(self, z: np.ndarray, slack: np.ndarray) -> np.ndarray:
        return z - self.weight * (np.log(slack) + 1 - BARRIER / slack) @ self.walls

    def _hessian(self, slack: np.ndarray) -> np.ndarray:
        bend = self.weight * (1 + BARRIER / slack) / slack
        free = self.walls.shape[1]
        outer = (self.walls[:, :, None] * self.walls[:, None, :]).reshape(len(self.walls), -1)
        return (bend @ outer).reshape(-1, free, free) + np.eye(free)

    def _objective(self, z: np.ndarray, slack: np.ndarray, target: np.ndarray) -> np.ndarray:
        """phi(z) - target z, infinite outside; its minimum is the inverse of the map."""
        inside = slack.min(axis=-1) > _CLOSEST
        safe = np.where(inside[:, None], slack, 1.0)
        value = self.weight * (xlogy(safe, safe) - BARRIER * np.log(safe)).sum(axis=-1)
        return np.where(inside, value + (0.5 * z**2 - target * z).sum(axis=-1), np.inf)

    def _invert(self, target: np.ndarray) -> np.ndarray:
        z = np.zeros_like(target)
        active = np.arange(len(target))
        size = 1 + np.max(np.abs(target), axis=-1, keepdims=True)
        for _ in range(100):
            point, goal = z[active], target[active]
            slack = self._slack(point)
            residual = self._gradient(point, slack) - goal
            done = (np.abs(residual) <= TOLERANCE * size[active]).all(axis=-1)
            active, point, goal, slack, residual = (each[~done] for each in (active, point, goal, slack, residual))
            if not len(active):
                break
            step = -np.linalg.solve(self._hessian(slack), residual[..., None])[..., 0]
            moved, progress = self._line_search(point, slack, goal, residual, step)
            z[active] = moved
            active = active[progress]
        return z

    def _line_search(
        self, point: np.ndarray, slack: np.ndarray, goal: np.ndarray, residual: np.ndarray, step: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the points after a sufficient decrease, and which of them moved at all."""
        speed = step @ self.walls.T
        length = np.minimum(1.0, _BOUNDARY / np.maximum((speed / slack).max(axis=-1), 1e-300))
        descent = (residual * step).sum(axis=-1)
        before = self._objective(point, slack, goal)
        digits = 1e-13 * (1 + np.abs(before) + np.abs(goal * point).sum(axis=-1))
        accepted = np.zeros(len(point), dtype=bool)
        moved = point.copy()
        for _ in range(40):
            trial = point + length[:, None] * step
            after = self._objective(trial, self._slack(trial), goal)
            good = ~accepted & (after <= before + 1e-4 * length * descent + digits)
            moved[good] = trial[good]
            accepted |= good
            if accepted.all():
                break
            length = np.where(accepted, length, 0.5 * length)
        return moved, accepted & (np.abs(moved - point) > _DIGITS * (1 + np.abs(point))).any(axis=-1)


def entropic_map(space: FluxSpace, weight: float = 0.7) -> EntropicMap:
    """Return the entropic map of a flux space, in which prior draws have zero mean and unit covariance.

    Parameters
    ----------
    space : FluxSpace
        The space.
    weight : float
        Weight of the entropy against the quadratic, positive. The default brings the prior of ccm nearest
        to a normal distribution.
    """
    if not weight > 0:
        raise FluxError(f"the weight of the entropic map is {weight!r}; it must be positive.")
    free = len(space.free)
    plain = EntropicMap(space.walls, space.offsets, weight, np.zeros(free), np.eye(free))
    gradient = plain.to_unbounded(space.starts)
    scale = np.linalg.cholesky(np.atleast_2d(np.cov(gradient.T)))
    return EntropicMap(space.walls, space.offsets, weight, gradient.mean(axis=0), scale)
