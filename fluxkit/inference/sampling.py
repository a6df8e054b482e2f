"""Reflective Hamiltonian Monte Carlo on a polytope, many chains in one batch.

The first coordinates live inside half-spaces and bounce off them, the others are free. Chains take each step together,
a group of them as lanes of the labeling program; a compiled density takes whole trajectories. The metric is one dense
covariance pooled over the chains. Reflections keep the target invariant (Afshar & Domke 2015, Reflection, refraction
and Hamiltonian Monte Carlo, NeurIPS 28); the samples are judged by rank-normalised split R-hat and bulk effective
sample size (Vehtari et al. 2021, doi:10.1214/20-BA1221).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fluxkit.errors import LabelingError
from fluxkit.inference.trajectory_kernels import Metric, drift

Density = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Maps points ``(chain, parameter)`` to log density ``(chain,)`` and gradient ``(chain, parameter)``.

One with a method ``leapfrog`` takes its own steps, as :class:`fluxkit.inference.compiled_density.CompiledDensity` does.
"""


@dataclass(frozen=True)
class SamplerSettings:
    """How long and how carefully to sample.

    Parameters
    ----------
    chains : int
        Number of chains; R-hat below 1.01 needs about 100 effective draws per chain.
    windows : tuple of int
        Trajectories of each warm-up window; the metric is renewed after each.
    trajectory : float
        Largest length of a trajectory, in units of the whitened posterior.
    target_acceptance : float
        Acceptance to which the step size adapts during warm-up.
    rhat, effective_draws : float
        Sampling stops when every parameter is below and above, in two checks in a row.
    seconds : float
        Sampling stops after this time at the latest, warm-up included.
    max_draws : int
        Most draws per chain.
    """

    chains: int = 16
    windows: tuple[int, ...] = (30, 50, 80, 120, 200)
    trajectory: float = 4.0
    target_acceptance: float = 0.85
    rhat: float = 1.01
    effective_draws: float = 400.0
    seconds: float = 60.0
    max_draws: int = 4000

    def __post_init__(self) -> None:
        if self.chains < 1 or self.max_draws < 1 or not self.seconds > 0:
            raise LabelingError(
                f"chains = {self.chains}, max_draws = {self.max_draws} and seconds = {self.seconds:g}: all must be "
                "positive."
            )


@dataclass(frozen=True)
class Chains:
    """Draws with their diagnostics.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape ``(chain, draw, parameter)``.
    log_density : numpy.ndarray
        Shape ``(chain, draw)``.
    rhat, effective_draws : numpy.ndarray
        Shape ``(parameter,)``.
    acceptance : float
        Mean acceptance after warm-up.
    gradients : int
        Number of gradients, warm-up included.
    seconds : float
        Wall time.
    converged : bool
        Whether both criteria of the settings were met.
    """

    draws: np.ndarray
    log_density: np.ndarray
    rhat: np.ndarray
    effective_draws: np.ndarray
    acceptance: float
    gradients: int
    seconds: float
    converged: bool


class _Ensemble:
    """The moving state of all chains: positions, densities, gradients, metric and step size."""

    def __init__(self, density: Density, walls: np.ndarray, offsets: np.ndarray, start: np.ndarray, rng):
        self.density, self.walls, self.offsets, self.rng = density, walls, offsets, rng
        self.bounded = walls.shape[1]
        self.position = start.copy()
        self.log_density, self.gradient = density(self.position)
        self.gradients = len(start)
        self.step = 0.1
        self.acceptance = 1.0

    def set_metric(self, covariance: np.ndarray) -> None:
        """Whiten by the Cholesky factor of a covariance, shape ``(parameter, parameter)``."""
        ridge = 1e-9 * np.trace(covariance) / len(covariance)
        factor = np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))
        normals = self.walls @ factor[: self.bounded]
        self.metric = Metric(factor, normals, normals @ normals.T)

    def _leapfrog(self, position: np.ndarray, velocity: np.ndarray, step: np.ndarray, steps: int):
        """Take steps in place; return log density and gradient at the end."""
        compiled = getattr(self.density, "leapfrog", None)
        if compiled is not None:
            return compiled(position, velocity, self.gradient, step, steps, self.metric)
        metric, log_density, gradient = self.metric, self.log_density, self.gradient
        velocity += 0.5 * step[:, None] * (gradient @ metric.factor)
        for i in range(steps):
            speed = velocity @ metric.normals.T
            gap = self.offsets - position[:, : self.bounded] @ self.walls.T
            drift(position, velocity, step, speed, gap, *metric)
            log_density, gradient = self.density(position)
            half = 0.5 if i == steps - 1 else 1.0
            velocity += half * step[:, None] * (gradient @ metric.factor)
        return log_density, gradient

    def trajectory(self, steps: int, jitter: np.ndarray) -> np.ndarray:
        """Move every chain along one trajectory and accept or reject; return the acceptance probabilities."""
        step = self.step * jitter
        position = self.position.copy()
        velocity = self.rng.standard_normal(position.shape)
        energy = self.log_density - 0.5 * np.einsum("kp,kp->k", velocity, velocity)
        log_density, gradient = self._leapfrog(position, velocity, step, steps)
        self.gradients += steps * len(position)
        with np.errstate(invalid="ignore", over="ignore"):
            change = log_density - 0.5 * np.einsum("kp,kp->k", velocity, velocity) - energy
        inside = (position[:, : self.bounded] @ self.walls.T <= self.offsets + 1e-9).all(axis=1)
        probability = np.where(
            np.isfinite(change) & inside, np.exp(np.minimum(np.nan_to_num(change, nan=-1e9), 0.0)), 0.0
        )
        accept = self.rng.random(len(position)) < probability
        self.position = np.where(accept[:, None], position, self.position)
        self.gradient = np.where(accept[:, None], gradient, self.gradient)
        self.log_density = np.where(accept, log_density, self.log_density)
        return probability

    def advance(self, count: int, length: float, gain: float = 0.0, target: float = 0.85):
        """Run trajectories; with a gain the step size adapts. Return draws and log densities."""
        draws = np.empty((count, *self.position.shape))
        densities = np.empty((count, len(self.position)))
        accepted = 0.0
        for i in range(count):
            reach = length * self.rng.uniform(0.2, 1.0)
            factor = 0.3 if self.rng.random() < 0.1 else 1.0
            jitter = factor * self.rng.uniform(0.7, 1.3, len(self.position))
            steps = int(np.clip(round(reach / (self.step * factor)), 1, 400))
            probability = self.trajectory(steps, jitter).mean()
            accepted += probability
            if gain:
                self.step = float(np.clip(self.step * np.exp(gain * (probability - target)), 1e-4, 2.0))
            draws[i], densities[i] = self.position, self.log_density
        self.acceptance = accepted / max(count, 1)
        return draws, densities

    def rescue(self) -> np.ndarray:
        """Overwrite chains far below the others (warm-up only); return which."""
        lost = ~np.isfinite(self.log_density) | (self.log_density < np.median(self.log_density) - 30)
        if lost.any() and not lost.all():
            source = self.rng.choice(np.flatnonzero(~lost), lost.sum())
            for array in (self.position, self.gradient, self.log_density):
                array[lost] = array[source]
        return lost


def sample_chains(
    density: Density,
    walls: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    covariance: np.ndarray,
    settings: SamplerSettings,
    rng: np.random.Generator,
    progress: Callable[[str, float], None] | None = None,
) -> Chains:
    """Sample a log density inside a polytope.

    Parameters
    ----------
    density : callable
        Log density and gradient of points ``(chain, parameter)``.
    walls, offsets : numpy.ndarray
        Half-spaces ``walls @ point[:bounded] <= offsets``, shapes ``(wall, bounded)`` and ``(wall,)``.
    start : numpy.ndarray
        One interior point per chain, shape ``(chain, parameter)``.
    covariance : numpy.ndarray
        First guess of the posterior covariance, shape ``(parameter, parameter)``.
    settings : SamplerSettings
        How long to sample.
    rng : numpy.random.Generator
        Source of randomness.
    progress : callable, optional
        Called with a stage and the fraction of the time used.
    """
    begin = time.perf_counter()
    tell = progress or (lambda stage, fraction: None)
    ensemble = _Ensemble(density, walls, offsets, start, rng)
    ensemble.set_metric(covariance)
    _warm_up(ensemble, covariance, settings, begin, tell)
    draws, densities, passes, checked = [], [], 0, 0
    total, next_check, acceptance = 0, 100, []
    while total < settings.max_draws and time.perf_counter() - begin < settings.seconds:
        new, levels = ensemble.advance(20, settings.trajectory)
        draws.append(new)
        densities.append(levels)
        acceptance.append(ensemble.acceptance)
        total += 20
        tell("sampling", min(1.0, (time.perf_counter() - begin) / settings.seconds))
        if total >= next_check:
            rhat, effective = diagnose(np.concatenate(draws).swapaxes(0, 1))
            passes = passes + 1 if _passes(rhat, effective, settings) else 0
            next_check, checked = int(total * 1.15) + 1, total
            if passes >= 2:
                break
    if not draws:
        new, levels = ensemble.advance(20, settings.trajectory)
        draws, densities, acceptance, total = [new], [levels], [ensemble.acceptance], 20
    joined = np.concatenate(draws).swapaxes(0, 1)
    if checked != total:
        rhat, effective = diagnose(joined)
    return Chains(
        draws=joined,
        log_density=np.concatenate(densities).T,
        rhat=rhat,
        effective_draws=effective,
        acceptance=float(np.mean(acceptance)),
        gradients=ensemble.gradients,
        seconds=time.perf_counter() - begin,
        converged=bool(_passes(rhat, effective, settings)),
    )


def _passes(rhat: np.ndarray, effective: np.ndarray, settings: SamplerSettings) -> bool:
    return bool(rhat.max() < settings.rhat and effective.min() > settings.effective_draws)


def _warm_up(ensemble: _Ensemble, covariance: np.ndarray, settings: SamplerSettings, begin: float, tell) -> None:
    """Adapt step size and metric over growing windows; the guess counts as some draws of its own."""
    size = covariance.shape[0]
    previous = np.empty((0, size))
    for k, count in enumerate(settings.windows):
        if time.perf_counter() - begin > 0.6 * settings.seconds:
            break
        length = 0.5 if k == 0 else 1.5
        draws, _ = ensemble.advance(count, length, gain=0.12 if k == 0 else 0.06, target=settings.target_acceptance)
        lost = ensemble.rescue()
        kept = draws[count // 4 :, ~lost].reshape(-1, size)
        pooled = np.concatenate([previous, kept])
        weight = len(pooled) / 10
        guess = 100.0 / (k + 1) ** 2
        covariance = (weight * np.cov(pooled.T) + guess * covariance) / (weight + guess)
        ensemble.set_metric(covariance)
        previous = kept
        tell("warm-up", min(1.0, (time.perf_counter() - begin) / settings.seconds))
    ensemble.advance(25, 0.5, gain=0.1, target=settings.target_acceptance)


def diagnose(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rank-normalised split R-hat and bulk effective sample size of each parameter.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape ``(chain, draw, parameter)``.

    Returns
    -------
    rhat, effective_draws : numpy.ndarray
        Shape ``(parameter,)``.
    """
    from arviz_stats.base.array import array_stats

    columns = [draws[..., i] for i in range(draws.shape[-1])]
    rhat = [array_stats.rhat(each, chain_axis=0, draw_axis=1) for each in columns]
    effective = [array_stats.ess(each, chain_axis=0, draw_axis=1) for each in columns]
    return np.array(rhat, dtype=float), np.array(effective, dtype=float)
