"""Where chains are and how they move: trajectories of Hamiltonian Monte Carlo for any density."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fluxkit.inference.sampler.kernel_arrays import Metric
from fluxkit.inference.sampler.trajectory_kernels import OUTSIDE, drift

Density = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Maps points ``(chain, parameter)`` to log density ``(chain,)`` and gradient ``(chain, parameter)``.

One with a method ``run`` takes trajectories by itself, as
:class:`fluxkit.inference.sampler.compiled_density.CompiledDensity` does.
"""


@dataclass(frozen=True)
class Trajectories:
    """What is drawn before some trajectories are taken.

    Parameters
    ----------
    momenta : numpy.ndarray
        Whitened velocities to start with, shape ``(trajectory, chain, parameter)``.
    chances : numpy.ndarray
        Uniform random numbers that decide on acceptance, shape ``(trajectory, chain)``.
    step : numpy.ndarray
        Size of the steps, shape ``(trajectory, chain)``.
    steps : numpy.ndarray
        Number of steps, shape ``(trajectory,)``.
    """

    momenta: np.ndarray
    chances: np.ndarray
    step: np.ndarray
    steps: np.ndarray


class ChainState:
    """Positions of chains with log density and gradient.

    Parameters
    ----------
    density : callable
        See :data:`Density`.
    walls, offsets : numpy.ndarray
        Half-spaces ``walls @ point[:bounded] <= offsets``, shapes ``(wall, bounded)`` and ``(wall,)``.
    start : numpy.ndarray
        One interior point per chain, shape ``(chain, parameter)``.
    """

    def __init__(self, density: Density, walls: np.ndarray, offsets: np.ndarray, start: np.ndarray):
        self.density, self.walls, self.offsets = density, walls, offsets
        self.bounded = walls.shape[1]
        self.position = start.copy()
        self.value, self.gradient = density(self.position)

    def metric(self, covariance: np.ndarray) -> Metric:
        """Return the whitening by the Cholesky factor of a covariance, shape ``(parameter, parameter)``."""
        ridge = 1e-9 * np.trace(covariance) / len(covariance)
        factor = np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))
        normals = self.walls @ factor[: self.bounded]
        return Metric(factor, normals, normals @ normals.T)

    def run(self, plan: Trajectories, metric: Metric) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Move every chain along trajectories, each accepted or rejected.

        Parameters
        ----------
        plan : Trajectories
            The trajectories.
        metric : Metric
            Whitening.

        Returns
        -------
        positions : numpy.ndarray
            After each trajectory, shape ``(trajectory, chain, parameter)``.
        values, probabilities : numpy.ndarray
            Log density, and probability of acceptance, shape ``(trajectory, chain)``.
        """
        compiled = getattr(self.density, "run", None)
        if compiled is not None:
            return compiled(self, plan, metric)
        positions, values = np.empty(plan.momenta.shape), np.empty(plan.chances.shape)
        probabilities = np.empty(plan.chances.shape)
        for i, steps in enumerate(plan.steps):
            probabilities[i] = self._trajectory(plan.momenta[i].copy(), plan.chances[i], plan.step[i], steps, metric)
            positions[i], values[i] = self.position, self.value
        return positions, values, probabilities

    def _trajectory(self, velocity, chances, step, steps: int, metric: Metric) -> np.ndarray:
        """Move every chain along one trajectory and accept or reject; return the acceptance probabilities."""
        position = self.position.copy()
        energy = self.value - 0.5 * np.einsum("kp,kp->k", velocity, velocity)
        value, gradient = self._leapfrog(position, velocity, step, steps, metric)
        with np.errstate(invalid="ignore", over="ignore"):
            change = value - 0.5 * np.einsum("kp,kp->k", velocity, velocity) - energy
        inside = (position[:, : self.bounded] @ self.walls.T <= self.offsets + OUTSIDE).all(axis=1)
        possible = np.isfinite(change) & inside
        probability = np.where(possible, np.exp(np.minimum(np.nan_to_num(change, nan=-1e9), 0.0)), 0.0)
        accept = chances < probability
        self.position = np.where(accept[:, None], position, self.position)
        self.gradient = np.where(accept[:, None], gradient, self.gradient)
        self.value = np.where(accept, value, self.value)
        return probability

    def _leapfrog(self, position, velocity, step, steps: int, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
        """Take steps in place; return log density and gradient at the end."""
        value, gradient = self.value, self.gradient
        velocity += 0.5 * step[:, None] * (gradient @ metric.factor)
        for i in range(steps):
            speed = velocity @ metric.normals.T
            gap = self.offsets - position[:, : self.bounded] @ self.walls.T
            drift(position, velocity, step, speed, gap, *metric)
            value, gradient = self.density(position)
            half = 0.5 if i == steps - 1 else 1.0
            velocity += half * step[:, None] * (gradient @ metric.factor)
        return value, gradient
