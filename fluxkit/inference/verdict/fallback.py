"""What is done when a first answer is doubtful: more starts without the learned network, then longer chains."""

import time
from dataclasses import replace

import numpy as np
import xarray as xr

from fluxkit.inference.density import FluxDensity
from fluxkit.inference.problem import QuantifySettings, random_points
from fluxkit.inference.refinement import Refined, search
from fluxkit.inference.sampler.compiled_density import compiled
from fluxkit.inference.sampler.sampling import Chains, SamplerSettings, sample_chains
from fluxkit.inference.verdict.chi_square import chi_square
from fluxkit.inference.verdict.fit_tests import BUDGET, fit_tests
from fluxkit.inference.verdict.misfit import Misfit, misfit
from fluxkit.inference.verdict.training_cloud import FAR, distance_from_network
from fluxkit.inference.verdict.trust import EFFECTIVE_DRAWS, RHAT

_SAME = 2.0
"""Points whose minus log posterior differs by less count as one best fit."""
_BATCH = 16
_OWN = 10
"""Draws per parameter at which their covariance counts as much as that of the metric."""
_ENOUGH = 10.0
"""So many times more draws need no second warm-up."""
_TIMES = 3.0
"""Longest second sampling, in multiples of the first: who allows little time does not want to wait for more."""


def doubts(
    density: FluxDensity, labeling: xr.Dataset, refined: Refined, drawn: np.ndarray | None, fit: Misfit | None = None
) -> list[str]:
    """Return why the best of the refined points may not be the best fit, in plain words.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    labeling : xarray.Dataset
        The data that it is of.
    refined : Refined
        Refined points.
    drawn : numpy.ndarray or None
        Draws of the posterior network that proposed starts, shape ``(draw, parameter)``.
    fit : Misfit, optional
        What the best of the points leaves unexplained, where it is known already.
    """
    found, fit = [], fit or misfit(density, refined)
    _, freedom, p_value, _ = chi_square(density, refined, fit)
    if freedom > 0 and p_value < BUDGET["whole"]:
        found.append(f"the fit was improbable (p = {p_value:.1g})")
    elif any(each.failed for each in fit_tests(density, labeling, refined, fit)):
        found.append("a test of the fit failed")
    if len(refined.objective) > 1 and refined.objective[1] - refined.objective[0] >= _SAME:
        found.append(f"only one of {len(refined.objective)} refined starts reached the best fit")
    if drawn is not None and distance_from_network(drawn, refined.points[:1]) > FAR:
        found.append("the best fit lies far from what the learned network expected")
    return found


def search_wider(
    density: FluxDensity,
    labeling: xr.Dataset,
    refined: Refined,
    drawn: np.ndarray | None,
    settings: QuantifySettings,
    rng: np.random.Generator,
) -> tuple[Refined, list[str], int]:
    """Search from many more starts where the best fit is doubtful, all from the prior, none from a network.

    Parameters
    ----------
    density, labeling, refined, drawn
        As in :func:`doubts`.
    settings : QuantifySettings
        How many starts, and for how long.
    rng : numpy.random.Generator
        Draws the starts.

    Returns
    -------
    refined : Refined
        The points so far and the new ones, best first.
    remarks : list of str
        What was done and why; empty where nothing was.
    tried : int
        How many starts were added.
    """
    left = misfit(density, refined)
    why = doubts(density, labeling, refined, drawn, left)
    if not why:
        return refined, [], 0
    begin, tried, joined = time.perf_counter(), 0, refined
    while tried < settings.fallback_starts and time.perf_counter() - begin < settings.fallback_seconds:
        count = min(_BATCH, settings.fallback_starts - tried)
        joined = _merged(joined, search(density, random_points(density, count, rng)))
        tried += count
    before, after = chi_square(density, refined, left)[0], chi_square(density, joined)[0]
    gain = refined.objective[0] - joined.objective[0]
    outcome = (
        f"a better fit was found, log posterior higher by {gain:.1f}, chi-square {after:.0f} instead of {before:.0f}"
        if gain >= _SAME
        else (f"the best fit stayed, at chi-square {after:.0f}")
    )
    remark = f"{' and '.join(why)}, so {tried} more starts from the prior alone were tried: {outcome}"
    return joined, [remark], tried


def _merged(first: Refined, second: Refined) -> Refined:
    order = np.argsort(np.concatenate([first.objective, second.objective]), kind="stable")
    parts = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])[order]
        for name in ("points", "objective", "precision", "data_precision")
    }
    return Refined(**parts, iterations=first.iterations + second.iterations)


def converged(chains: Chains) -> bool:
    """Return whether chains agree well enough for the verdict."""
    return bool(chains.rhat.max() <= RHAT and chains.effective_draws.min() >= EFFECTIVE_DRAWS)


def _disagreement(chains: Chains) -> float:
    """Return the largest R-hat; chains of which one parameter never moved have none, which is worst of all."""
    return float(np.nan_to_num(chains.rhat, nan=np.inf).max())


def _agreement(chains: Chains) -> str:
    """Say how well chains agree."""
    if np.isnan(chains.rhat).any():
        return "some flux never moved"
    return f"R-hat {chains.rhat.max():.2f}, {chains.effective_draws.min():.0f} effective draws"


def missed_aim(chains: Chains, settings: SamplerSettings) -> list[str]:
    """Return a remark where chains agree well enough to be trusted, but not as well as was asked for.

    Parameters
    ----------
    chains : Chains
        What was sampled.
    settings : SamplerSettings
        What was asked for.
    """
    if chains.converged or not converged(chains):
        return []
    return [
        f"sampling ended before the chains agreed as well as was asked for (R-hat {chains.rhat.max():.3f} where "
        f"{settings.rhat:g} was the aim, {chains.effective_draws.min():.0f} effective draws where "
        f"{settings.effective_draws:g} was); the ends of the widest intervals are a little rough, which more time cures"
    ]


def sample_longer(
    density: FluxDensity, chains: Chains, settings: QuantifySettings, rng: np.random.Generator, tell
) -> tuple[Chains, list[str]]:
    """Sample on from where chains that have not converged ended, with the metric and step that they found.

    Warm-up is repeated only where they have too few draws to tell a metric.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    chains : Chains
        What was sampled so far.
    settings : QuantifySettings
        For how long.
    rng : numpy.random.Generator
        Source of randomness.
    tell : callable
        Called with a stage and the fraction of the time used.

    Returns
    -------
    chains : Chains
        The new draws alone, where they agree better: the old ones then were warm-up.
    remarks : list of str
        What was done; empty where nothing was.
    """
    if converged(chains):
        return chains, []
    space, sampler = density.space, settings.sampler
    seconds = min(settings.fallback_seconds, _TIMES * sampler.seconds)
    covariance, known = _renewed_covariance(chains)
    longer = replace(sampler, seconds=seconds, windows=() if known else sampler.windows[-2:])
    target = compiled(density) or density.log_density
    start = np.ascontiguousarray(chains.draws[:, -1])
    more = sample_chains(target, space.walls, space.offsets, start, covariance, longer, rng, tell, chains.step)
    better = converged(more) or _disagreement(more) <= _disagreement(chains)
    remark = f"the chains had not converged after {chains.seconds:.0f} s ({_agreement(chains)}), so they were sampled "
    remark += f"on for {more.seconds:.0f} s ({_agreement(more)})"
    return (more if better else chains), [remark + ("" if better else "; the first draws agree better and were kept")]


def _renewed_covariance(chains: Chains) -> tuple[np.ndarray, bool]:
    """Return that of the draws, as far as they are many, with that of the metric; and whether draws alone tell it."""
    pooled = chains.draws.reshape(-1, chains.draws.shape[2])
    weight = len(pooled) / (_OWN * pooled.shape[1])
    metric = np.eye(pooled.shape[1]) if chains.covariance is None else chains.covariance
    return (weight * np.cov(pooled.T) + metric) / (weight + 1), weight > _ENOUGH
