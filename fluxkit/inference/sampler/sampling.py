"""Reflective Hamiltonian Monte Carlo on a polytope, many chains in one batch.

The first coordinates live inside half-spaces and bounce off them, the others are free. Chains take each step together,
a group of them as lanes of the labeling program; a compiled density takes whole trajectories (Neal 2011, MCMC using
Hamiltonian dynamics, doi:10.1201/b10905-6). The metric is one dense covariance pooled over the chains. Reflections keep
the target invariant (Afshar & Domke 2015, Reflection, refraction and Hamiltonian Monte Carlo, NeurIPS 28). Step sizes
are drawn anew, now and then far smaller for single chains: where the density is stiffer than elsewhere only short steps
are accepted, and a chain that takes none stays there. The samples are judged by rank-normalised split R-hat and bulk
effective sample size (Vehtari et al. 2021, doi:10.1214/20-BA1221).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fluxkit.errors import FluxError, LabelingError
from fluxkit.inference.sampler.chains import ChainState, Density, Trajectories
from fluxkit.inference.sampler.convergence import agree, diagnose

_BLOCK = 5
"""Trajectories between two changes of the step size in warm-up."""
_DRAWS = 20
"""Trajectories between two looks at the clock afterwards."""
_LEAST = 4
"""Draws that are taken at least, however late it is: of fewer there is no R-hat."""
_ROUGH, _ROUGH_STEP = 0.1, 0.3
"""Share of the trajectories whose steps are all shorter, and by what factor: they reach as far with more steps."""
_STIFF, _STIFF_STEP = 0.1, 0.02
"""Chance that a chain alone takes shorter steps, as many as the others, and the least factor."""
_OPEN, _WARM, _TUNED = 0.6, 0.8, 0.9
"""Shares of the time after which no window of the warm-up begins, none goes on, and the step size stays."""


@dataclass(frozen=True)
class SamplerSettings:
    """How long and how carefully to sample.

    Parameters
    ----------
    chains : int
        Number of chains, at least 2; R-hat below 1.01 needs about 100 effective draws per chain.
    windows : tuple of int
        Trajectories of each warm-up window, at least 1; the metric is renewed after each.
    trajectory : float
        Largest length of a trajectory, in units of the whitened posterior.
    target_acceptance : float
        Acceptance to which the step size adapts during warm-up, between 0 and 1.
    rhat, effective_draws : float
        Sampling stops when every parameter is below and above, in two checks in a row; R-hat is never below 1.
    seconds : float
        Sampling stops after this time, warm-up included; how many trajectories still fit is judged by those before.
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
    max_draws: int = 20_000

    def __post_init__(self) -> None:
        if self.chains < 2:
            raise LabelingError(
                f"chains = {self.chains}: whether chains have converged is seen by comparing them (R-hat), so it needs "
                "at least 2; leave chains= out for 16."
            )
        if self.max_draws < 1 or not self.seconds > 0:
            raise LabelingError(f"max_draws = {self.max_draws} and seconds = {self.seconds:g}: both must be positive.")
        if not all(each >= 1 for each in self.windows):
            raise LabelingError(f"windows = {self.windows}: each needs at least 1 trajectory; () is no warm-up at all.")
        if not self.rhat > 1 or not self.effective_draws >= 0:
            raise LabelingError(
                f"rhat = {self.rhat:g} and effective_draws = {self.effective_draws:g}: sampling stops below the one, "
                "which has to exceed 1, and above the other, which cannot be negative; leave them out for 1.01 and 400."
            )
        if not self.trajectory > 0 or not 0 < self.target_acceptance < 1:
            raise LabelingError(
                f"trajectory = {self.trajectory:g} and target_acceptance = {self.target_acceptance:g}: the one must be "
                "positive, the other between 0 and 1; leave them out for 4 and 0.85."
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
    covariance : numpy.ndarray or None
        That of the metric, shape ``(parameter, parameter)``; None where nothing was sampled.
    step : float
        Step size after warm-up, in whitened units.
    """

    draws: np.ndarray
    log_density: np.ndarray
    rhat: np.ndarray
    effective_draws: np.ndarray
    acceptance: float
    gradients: int
    seconds: float
    converged: bool
    covariance: np.ndarray | None = None
    step: float = 0.1


class _Ensemble:
    """All chains with their metric and step size, and how fast they go."""

    def __init__(self, state: ChainState, covariance: np.ndarray, rng: np.random.Generator, step: float = 0.1):
        self.state, self.rng = state, rng
        self.renew(covariance)
        self.gradients = len(state.position)
        self.step = step
        self.pace = 0.0  # steps in a second, at best so far

    def renew(self, covariance: np.ndarray) -> None:
        """Take another metric."""
        self.covariance, self.metric = covariance, self.state.metric(covariance)

    def adapt(self, count: int, length: float, gain: float, target: float, end: float) -> np.ndarray:
        """Run trajectories, with a new step size after every few, until a time at the latest; return the draws."""
        parts = []
        for done in range(0, count, _BLOCK):
            draws, _, probabilities = self.advance(min(_BLOCK, count - done), length, end, 0 if parts else 1)
            if not len(draws):
                break
            parts.append(draws)
            miss = len(draws) * (_mean(probabilities, target) - target)
            self.step = float(np.clip(self.step * np.exp(gain * miss), 1e-4, 2.0))
        return np.concatenate(parts)

    def advance(self, count: int, length: float, end: float, least: int):
        """Run trajectories, as many as fit in before a time, some in any case.

        Return draws, log densities and probabilities of acceptance, NaN where a chain alone took shorter steps.
        """
        plan, alone = self._plan(count, length)
        begin = time.perf_counter()
        fitting = int(np.searchsorted(np.cumsum(plan.steps), self.pace * (end - begin), side="right"))
        kept = slice(0, max(fitting, least) if self.pace or end <= begin else count)
        plan = Trajectories(plan.momenta[kept], plan.chances[kept], plan.step[kept], plan.steps[kept])
        draws, values, probabilities = self.state.run(plan, self.metric)
        steps, passed = int(plan.steps.sum()), time.perf_counter() - begin
        self.gradients += steps * len(self.state.position)
        if passed > 0:
            self.pace = max(self.pace, steps / passed)
        return draws, values, np.where(alone[: len(draws)], np.nan, probabilities)

    def _plan(self, count: int, length: float) -> tuple[Trajectories, np.ndarray]:
        """Draw what some trajectories need: lengths, steps, momenta and chances; return also who steps shorter alone.

        None of it depends on where the chains are.
        """
        chains, size = self.state.position.shape
        reach = length * self.rng.uniform(0.2, 1.0, count)
        rough = np.where(self.rng.random(count) < _ROUGH, _ROUGH_STEP, 1.0)
        steps = np.clip(np.round(reach / (self.step * rough)), 1, 400).astype(np.int64)
        alone = self.rng.random((count, chains)) < _STIFF
        shorter = np.where(alone, _STIFF_STEP ** self.rng.random((count, chains)), 1.0)
        step = self.step * rough[:, None] * shorter * self.rng.uniform(0.7, 1.3, (count, chains))
        momenta, chances = self.rng.standard_normal((count, chains, size)), self.rng.random((count, chains))
        return Trajectories(momenta, chances, step, steps), alone

    def rescue(self) -> np.ndarray:
        """Overwrite chains far below the others (warm-up only); return which."""
        state = self.state
        lost = ~np.isfinite(state.value) | (state.value < np.median(state.value) - 30)
        if lost.any() and not lost.all():
            source = self.rng.choice(np.flatnonzero(~lost), lost.sum())
            for array in (state.position, state.gradient, state.value):
                array[lost] = array[source]
        return lost


def _mean(probabilities: np.ndarray, otherwise: float) -> float:
    """Return the mean of what is known."""
    known = probabilities[np.isfinite(probabilities)]
    return float(known.mean()) if known.size else otherwise


def sample_chains(
    density: Density,
    walls: np.ndarray,
    offsets: np.ndarray,
    start: np.ndarray,
    covariance: np.ndarray,
    settings: SamplerSettings,
    rng: np.random.Generator,
    progress: Callable[[str, float], None] | None = None,
    step: float = 0.1,
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
    step : float
        First step size, in whitened units.

    Raises
    ------
    FluxError
        The density is zero, or not a number, wherever a chain starts.
    """
    begin = time.perf_counter()
    end = begin + settings.seconds
    tell = progress or (lambda stage, fraction: None)
    ensemble = _Ensemble(ChainState(density, walls, offsets, start), covariance, rng, step)
    _check_start(ensemble.state)
    _warm_up(ensemble, covariance, settings, begin, tell)
    draws, densities, passes, checked = [], [], 0, 0
    total, next_check, acceptance = 0, 100, []
    while total < settings.max_draws:
        count = min(_DRAWS, settings.max_draws - total)
        new, levels, probabilities = ensemble.advance(count, settings.trajectory, end, min(count, _LEAST - total))
        if not len(new):
            break
        draws.append(new)
        densities.append(levels)
        acceptance.append(_mean(probabilities, np.nan))
        total += len(new)
        tell("sampling", min(1.0, (time.perf_counter() - begin) / settings.seconds))
        if total >= next_check:
            so_far = np.concatenate(draws).swapaxes(0, 1)
            next_check, passed = int(total * 1.15) + 1, False
            if agree(so_far, settings.rhat):
                rhat, effective = diagnose(so_far)
                passed, checked = _passes(rhat, effective, settings), total
            passes = passes + 1 if passed else 0
            if passes >= 2:
                break
    joined = np.concatenate(draws).swapaxes(0, 1)
    if checked != total:
        rhat, effective = diagnose(joined)
    return Chains(
        draws=joined,
        log_density=np.concatenate(densities).T,
        rhat=rhat,
        effective_draws=effective,
        acceptance=_mean(np.array(acceptance), np.nan),
        gradients=ensemble.gradients,
        seconds=time.perf_counter() - begin,
        converged=bool(_passes(rhat, effective, settings)),
        covariance=ensemble.covariance,
        step=ensemble.step,
    )


def _check_start(state: ChainState) -> None:
    """Refuse chains of which none can move."""
    if not np.isfinite(state.value).any():
        raise FluxError(
            f"none of the {len(state.value)} chains starts where the posterior density is finite (the first has a log "
            f"density of {state.value[0]:g}): look for measured values or errors of an absurd size, and compare "
            "fluxkit.simulate of plausible fluxes with the data."
        )


def _passes(rhat: np.ndarray, effective: np.ndarray, settings: SamplerSettings) -> bool:
    return bool(rhat.max() < settings.rhat and effective.min() > settings.effective_draws)


def _warm_up(ensemble: _Ensemble, covariance: np.ndarray, settings: SamplerSettings, begin: float, tell) -> None:
    """Adapt step size and metric over growing windows; the guess counts as some draws of its own."""
    size = covariance.shape[0]
    previous = np.empty((0, size))
    for k, count in enumerate(settings.windows):
        if time.perf_counter() - begin > _OPEN * settings.seconds:
            break
        length, gain = (0.5, 0.12) if k == 0 else (1.5, 0.06)
        draws = ensemble.adapt(count, length, gain, settings.target_acceptance, begin + _WARM * settings.seconds)
        lost = ensemble.rescue()
        kept = draws[len(draws) // 4 :, ~lost].reshape(-1, size)
        pooled = np.concatenate([previous, kept])
        weight = len(pooled) / 10
        guess = 100.0 / (k + 1) ** 2
        if len(pooled) > 1:  # one draw has no covariance
            covariance = (weight * np.cov(pooled.T) + guess * covariance) / (weight + guess)
            ensemble.renew(covariance)
        previous = kept
        tell("warm-up", min(1.0, (time.perf_counter() - begin) / settings.seconds))
    ensemble.adapt(25, 0.5, 0.1, settings.target_acceptance, begin + _TUNED * settings.seconds)
