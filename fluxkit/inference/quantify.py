"""The main job: from measured labeling to a posterior over fluxes, with a verdict.

Learned start, exact refinement, exact sampling: a posterior network proposes where to look, Gauss-Newton steps on the
exact simulation find the most probable fluxes, and many chains sample the exact posterior (Theorell et al. 2017,
doi:10.1002/bit.26379) from there. The network never decides the answer, so without one the answer is the same, only
later. A doubtful first answer is sought again from more starts without the network, and chains that disagree go on; the
verdict says so.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from fluxkit.inference.assembly import assemble
from fluxkit.inference.comparison.comparison import Estimates
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.estimate import FluxEstimate
from fluxkit.inference.problem import (
    QuantifySettings,
    build_density,
    choose_model,
    learned_points,
    random_points,
    samples_of,
    with_learned,
)
from fluxkit.inference.refinement import Refined, search
from fluxkit.inference.sampler.compiled_density import compile_ahead, compiled
from fluxkit.inference.sampler.sampling import Chains, SamplerSettings, sample_chains
from fluxkit.inference.sampler.scatter import scattered_starts
from fluxkit.inference.verdict.fallback import missed_aim, sample_longer, search_wider
from fluxkit.inference.verdict.training_cloud import compare_with_training
from fluxkit.labeling.rates import Rates, with_rates
from fluxkit.learning import FluxModel
from fluxkit.networks import Network

Progress = Callable[[str, float], None]


def quantify(
    labeling: xr.Dataset,
    network: Network,
    *,
    model: FluxModel | str | None = "shipped",
    rates: Rates | pd.DataFrame | str | Path | None = None,
    rate_unit: str = "",
    pool: bool = True,
    settings: QuantifySettings | None = None,
    seed: int = 0,
    progress: bool | Progress = False,
) -> FluxEstimate | Estimates:
    """Quantify fluxes from labeling.

    Parameters
    ----------
    labeling : xarray.Dataset
        Measured labeling with standard deviations, from :func:`fluxkit.read_labeling` or :func:`fluxkit.simulate`.
    network : Network
        The network.
    model : FluxModel, str or None
        A trained posterior network for the start, the folder of one, ``"shipped"`` for the bundled one where there is
        one, or ``None`` for none.
    rates : mapping, DataFrame or path, optional
        Measured uptake, secretion or growth with standard deviations, see :func:`fluxkit.with_rates`; a dataset may
        hold them already, and then takes no others.
    rate_unit : str
        Unit of the rates; that of the network's fluxes puts both on one scale, else the common factor is found.
    pool : bool
        Whether to pool the replicates of each condition into one estimate.
    settings : QuantifySettings, optional
        How thoroughly to look and to sample.
    seed : int
        Seed; the same seed gives the same estimate as long as the time limit is not what ends the sampling.
    progress : bool or callable
        Whether to show a progress bar; or a function of a stage and a fraction.

    Returns
    -------
    FluxEstimate or Estimates
        One estimate, or a mapping of them for several conditions or samples.

    Raises
    ------
    LabelingError
        The dataset breaks a rule, or has no standard deviations.
    NetworkError
        No tracer reaches a measured fragment.
    ModelError
        The model is damaged or belongs to another network.
    FluxError
        The posterior density is zero, or not a number, wherever a chain starts.
    """
    settings = settings or QuantifySettings()
    if rates is not None:
        labeling = with_rates(labeling, rates, network, unit=rate_unit)
    parts = samples_of(labeling, network, pool)
    chosen = choose_model(model, network)
    estimates = {}
    for i, (name, part) in enumerate(parts.items()):
        tell = _progress(progress, name, i, len(parts))
        with threadpool_limits(1, "blas"):  # the matrices are small: threads cost more than they bring
            estimates[name] = _quantify_one(part, network, name, chosen, settings, seed + i, tell)
        tell("done", 1.0)
    return Estimates(estimates) if {"sample", "draw"} & set(labeling.dims) else estimates["sample"]


def _progress(progress: bool | Progress, name: str, index: int, count: int) -> Progress:
    if callable(progress):
        return lambda stage, fraction: progress(f"{name}: {stage}", (index + fraction) / count)
    if not progress:
        return lambda stage, fraction: None
    from tqdm.auto import tqdm

    bar = tqdm(total=100, desc=name, bar_format="{desc}: {percentage:3.0f}%|{bar}| {postfix}")

    def tell(stage: str, fraction: float) -> None:
        bar.set_postfix_str(stage, refresh=False)
        bar.update(max(0, int(100 * fraction) - bar.n))
        if stage == "done":
            bar.close()

    return tell


def _quantify_one(
    labeling, network, name, model, settings: QuantifySettings, seed: int, tell: Progress
) -> FluxEstimate:
    rng = np.random.default_rng(seed)
    density = build_density(labeling, network, settings.prior)
    compile_ahead(density)
    best = find_best(density, labeling, model, settings, rng, tell)
    refined, remarks = best.refined, list(best.remarks)
    tell("chains", 0.15)
    chains = sample_posterior(density, refined, settings.sampler, rng, lambda s, f: tell(s, 0.2 + 0.6 * f))
    if settings.fallbacks:
        chains, longer = sample_longer(density, chains, settings, rng, lambda s, f: tell(s, 0.8 + 0.2 * f))
        remarks = remarks + longer
    remarks += missed_aim(chains, settings.sampler)
    extra = {"learned_starts": float(best.learned)}
    if model is not None and best.drawn is not None:
        distance, found = compare_with_training(labeling, network, model.card, best.drawn, chains.draws)
        extra["network_distance"], remarks = distance, remarks + found
    method = _record(best, chains, model, settings, seed)
    return assemble(density, labeling, name, refined, chains, rng, extra, tuple(remarks), method=method)


def _record(
    best: "BestFit", chains: Chains, model: FluxModel | None, settings: QuantifySettings, seed: int
) -> dict[str, Any]:
    """Say what was done, in plain values."""
    used = None
    if model is not None:
        used = {name: model.card[name] for name in ("network", "fluxkit", "sha256") if name in model.card}
        used["steps"] = model.card.get("training", {}).get("steps_run")
    return {
        "kind": "posterior",
        "seed": seed,
        "settings": json.loads(json.dumps(asdict(settings))),  # as it will be read back
        "starts": {"learned": best.learned, "prior": settings.starts - best.learned, "added": best.added},
        "chains": {"number": chains.draws.shape[0], "draws": chains.draws.shape[1]},
        "model": used,
    }


@dataclass(frozen=True, eq=False)
class BestFit:
    """The most probable points, and how they were found.

    Parameters
    ----------
    refined : Refined
        Refined points, best first.
    learned : int
        How many starts a posterior network proposed.
    drawn : numpy.ndarray or None
        Its draws, shape ``(draw, parameter)``.
    remarks : tuple of str
        What was done beside because a first fit was doubtful.
    added : int
        How many starts from the prior that took.
    """

    refined: Refined
    learned: int
    drawn: np.ndarray | None
    remarks: tuple[str, ...]
    added: int = 0


def find_best(
    density: FluxDensity,
    labeling: xr.Dataset,
    model: FluxModel | None,
    settings: QuantifySettings,
    rng: np.random.Generator,
    tell: Progress = lambda stage, fraction: None,
) -> BestFit:
    """Find the most probable fluxes: learned starts, refinement, and more starts where the fit is doubtful.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    labeling : xarray.Dataset
        The data that it is of.
    model : FluxModel or None
        A posterior network that proposes starts.
    settings : QuantifySettings
        How thoroughly to look.
    rng : numpy.random.Generator
        Source of randomness.
    tell : callable
        Called with a stage and the fraction of the work done.
    """
    tell("starts", 0.0)
    starts, learned, drawn = random_points(density, settings.starts, rng), 0, None
    if model is not None:
        drawn = learned_points(density, labeling, model, settings, rng)
        starts, learned = with_learned(density, starts, drawn)
    tell("refinement", 0.05)
    refined, remarks, added = search(density, starts), [], 0
    if settings.fallbacks:
        tell("more starts", 0.1)
        refined, remarks, added = search_wider(density, labeling, refined, drawn, settings, rng)
    return BestFit(refined, learned, drawn, tuple(remarks), added)


def sample_posterior(
    density: FluxDensity,
    refined: Refined,
    settings: SamplerSettings,
    rng: np.random.Generator,
    tell: Progress,
) -> Chains:
    """Sample the posterior by chains that start at refinements of perturbed data around the best points."""
    starts, covariance = scattered_starts(density, refined, settings.chains, rng)
    target, space = compiled(density) or density.log_density, density.space
    return sample_chains(target, space.walls, space.offsets, starts, covariance, settings, rng, tell)
