"""The main job: from measured labeling to a posterior over fluxes, with a verdict.

Learned start, exact refinement, exact sampling: a posterior network proposes where to look, Gauss-Newton steps on the
exact simulation find the most probable fluxes, and many chains sample the exact posterior from there. The network never
decides the answer, so without one the answer is the same, only later.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import ndtr
from scipy.stats import chi2
from threadpoolctl import threadpool_limits

from fluxkit.errors import LabelingError
from fluxkit.fluxes import flux_space, prior_coordinates
from fluxkit.inference.comparison import Estimates
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.estimate import FluxEstimate
from fluxkit.inference.refinement import Refined, refine
from fluxkit.inference.sampling import Chains, SamplerSettings, sample_chains
from fluxkit.inference.trust import judge
from fluxkit.labeling import (
    check_labeling,
    measurement_model,
    normalise_experiments,
    pool_replicates,
    split_samples,
)
from fluxkit.labeling.programs import labeling_program
from fluxkit.learning import FluxModel, has_model, load_model
from fluxkit.networks import Network, check_reachable

Progress = Callable[[str, float], None]
_KEPT_DRAWS = 250  # per chain, in the result
_PRIOR_DRAWS = 4000


@dataclass(frozen=True)
class QuantifySettings:
    """How thoroughly to look for the best fluxes and to sample around them.

    Parameters
    ----------
    starts : int
        Refined starts; with a learned model half of them come from the network, the rest from the prior.
    learned_draws : int
        Draws of the network from which the most probable become starts.
    sampler : SamplerSettings
        Chains and stopping rule.
    prior : str
        ``"targets"``, or ``"uniform"`` for comparisons; see :func:`fluxkit.draw_fluxes`.
    """

    starts: int = 16
    learned_draws: int = 256
    sampler: SamplerSettings = SamplerSettings()
    prior: str = "targets"


def quantify(
    labeling: xr.Dataset,
    network: Network,
    *,
    model: FluxModel | str | None = "shipped",
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
    """
    settings = settings or QuantifySettings()
    check_labeling(labeling, network)
    if "mid_sd" not in labeling:
        raise LabelingError("labeling has no standard deviations; read it with a noise model, or simulate it with noise=.")
    chosen = _model(model, network)
    if "draw" in labeling.dims:
        labeling = labeling.rename(draw="sample").assign_coords(sample=[f"draw {i}" for i in range(labeling.sizes["draw"])])
    parts = pool_replicates(labeling) if pool else split_samples(labeling)
    estimates = {}
    for i, (name, part) in enumerate(parts.items()):
        tell = _progress(progress, name, i, len(parts))
        with threadpool_limits(1, "blas"):  # the matrices are small: threads cost more than they bring
            estimates[name] = _quantify_one(part, network, name, chosen, settings, seed + i, tell)
        tell("done", 1.0)
    return next(iter(estimates.values())) if "sample" not in labeling.dims else Estimates(estimates)


def _model(model: FluxModel | str | None, network: Network) -> FluxModel | None:
    if isinstance(model, FluxModel) or model is None:
        return model
    if model == "shipped":
        return load_model(network) if has_model(network) else None
    return load_model(network, model)


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


def build_density(labeling: xr.Dataset, network: Network, prior: str = "targets") -> FluxDensity:
    """Return the exact posterior density of one sample.

    Parameters
    ----------
    labeling : xarray.Dataset
        Labeling without a sample dimension, with ``mid_sd``.
    network : Network
        The network.
    prior : str
        ``"targets"`` or ``"uniform"``.
    """
    experiments = normalise_experiments(json.loads(labeling.attrs["tracers"]), network)
    measurement = measurement_model(network, labeling)
    labeled = {pool for each in experiments.values() for pool in each.labeled_pools}
    if labeled:
        check_reachable(network, measurement.fragments, labeled)
    program = labeling_program(
        network, measurement.fragments, tuple(experiments.values()), float(labeling.attrs["purity"])
    )
    shape = (len(experiments), labeling.sizes["isotopologue"])
    arrays = {
        name: labeling[name].values.reshape(shape) if name in labeling else np.full(shape, np.nan)
        for name in ("mid", "mid_sd", "mid_limit")
    }
    return FluxDensity(
        flux_space(network, prior), program, measurement, arrays["mid"], arrays["mid_sd"], arrays["mid_limit"]
    )


def _quantify_one(labeling, network, name, model, settings: QuantifySettings, seed: int, tell: Progress) -> FluxEstimate:
    rng = np.random.default_rng(seed)
    density = build_density(labeling, network, settings.prior)
    tell("starts", 0.0)
    starts, learned = find_starts(density, labeling, model, settings, rng)
    tell("refinement", 0.05)
    refined = refine(density, starts)
    tell("chains", 0.15)
    chains = sample_posterior(density, refined, settings.sampler, rng, lambda s, f: tell(s, 0.2 + 0.8 * f))
    return assemble(density, labeling, name, refined, chains, rng, {"learned_starts": float(learned)})


def find_starts(density: FluxDensity, labeling, model: FluxModel | None, settings: QuantifySettings, rng):
    """Return starting points ``(start, parameter)``, and how many of them a posterior network proposed."""
    space, count = density.space, settings.starts
    z, y = prior_coordinates(space, count, rng)
    w = rng.standard_normal((count, len(density.measurement.weight_names)))
    starts = np.concatenate([z, y, w], axis=1)
    if model is None:
        return starts, 0
    z, y, w = model.draw(labeling, settings.learned_draws, int(rng.integers(2**31)))
    place = [model.weight_names.index(n) if n in model.weight_names else -1 for n in density.measurement.weight_names]
    own = np.where(np.array(place, dtype=int) >= 0, w[:, place], 0.0) if place else np.empty((len(w), 0))
    drawn = np.concatenate([z, y, own], axis=1)
    value = density.log_density(drawn)[0]
    half = count // 2
    starts[:half] = drawn[np.argsort(-value)[:half]]
    return starts, half


def sample_posterior(
    density: FluxDensity, refined: Refined, settings: SamplerSettings, rng: np.random.Generator, tell: Progress
) -> Chains:
    """Sample the posterior by chains that start at refinements of perturbed data around the best points."""
    count, space = settings.chains, density.space
    near = refined.objective - refined.objective[0] < 10
    base = refined.points[near][rng.integers(near.sum(), size=count)]
    z, y = prior_coordinates(space, count, rng)
    w = rng.standard_normal((count, len(density.measurement.weight_names)))
    scattered = refine(
        density,
        base,
        barriers=(0.1,),
        iterations=15,
        tolerance=0.05,
        anchors=np.concatenate([z, y, w], axis=1),
        noise=rng.standard_normal((count, len(density.known))),
    )
    precision = scattered.precision[:: max(1, count // 4)].mean(axis=0)
    covariance = np.linalg.inv(precision)
    return sample_chains(
        density.log_density, space.walls, space.offsets, scattered.points, covariance, settings, rng, tell
    )


def assemble(density: FluxDensity, labeling, name: str, refined: Refined, chains: Chains, rng, extra) -> FluxEstimate:
    """Turn points into fluxes, fit statistics and a verdict."""
    network = density.space.network
    keep = np.unique(np.linspace(0, chains.draws.shape[1] - 1, _KEPT_DRAWS).astype(int))
    posterior = _fluxes(density, chains.draws[:, keep], ("chain", "draw")).assign(
        log_density=(("chain", "draw"), chains.log_density[:, keep])
    )
    z, y = prior_coordinates(density.space, _PRIOR_DRAWS, rng)
    empty = np.zeros((len(z), len(density.measurement.weight_names)))
    prior = _fluxes(density, np.concatenate([z, y, empty], axis=1), ("draw",)).drop_vars("weight")
    point = refined.points[:1]
    residual = density.residuals(point)[0]
    fit = _fit(density, labeling, point, residual)
    determined = float(np.trace(np.linalg.solve(refined.precision[0], refined.data_precision[0])))
    silent = int(np.sum(density.censored & (residual <= 0)))  # a censored zero below its limit tells nothing
    freedom = density.measurement.n_independent - silent - determined
    ssr = float(residual @ residual)
    p_value = float(chi2.sf(ssr, freedom)) if freedom > 0 else float("nan")
    diagnostics = {
        "rhat_max": float(chains.rhat.max()),
        "ess_min": float(chains.effective_draws.min()),
        "acceptance": chains.acceptance,
        "draws": float(chains.draws.shape[0] * chains.draws.shape[1]),
        "gradients": float(chains.gradients),
        "seconds": chains.seconds,
        "starts_at_best": float(np.sum(refined.objective - refined.objective[0] < 2)),
        "parameters_determined": determined,
        "largest_residual": float(np.abs(residual).max(initial=0.0)),
        **extra,
    }
    best = _fluxes(density, point, ("draw",)).isel(draw=0)
    verdict = judge(ssr, freedom, p_value, diagnostics, fit)
    return FluxEstimate(
        network, name, labeling, posterior, prior, best, fit, ssr, freedom, p_value, diagnostics, verdict
    )


def _fluxes(density: FluxDensity, points: np.ndarray, dims: tuple[str, ...]) -> xr.Dataset:
    network = density.space.network
    z, y, w = density.split(points)
    exchange = np.zeros((*points.shape[:-1], len(network.reactions)))
    exchange[..., network.reversible] = density.space.exchange(y)
    units = {"units": network.flux_unit}
    return xr.Dataset(
        {
            "net_flux": ((*dims, "reaction"), density.space.net(z), units),
            "exchange_flux": ((*dims, "reaction"), exchange, units),
            "weight": ((*dims, "weight_name"), ndtr(w)),
        },
        coords={"reaction": list(network.reaction_names), "weight_name": list(density.measurement.weight_names)},
        attrs={"network": network.name, "units": network.flux_unit},
    )


def _fit(density: FluxDensity, labeling: xr.Dataset, point: np.ndarray, residual: np.ndarray) -> xr.Dataset:
    shape = density.measured.shape
    standardised = np.full(density.measured.size, np.nan)
    standardised[density.known] = residual
    measured = np.full(density.measured.size, np.nan)
    measured[density.known] = density.measured.ravel()[density.known]
    dims = ("experiment", "isotopologue")
    fields = {
        "measured": measured.reshape(shape),
        "fitted": density.prediction(point)[0],
        "sd": density.sd,
        "residual": standardised.reshape(shape),
    }
    coords = {name: labeling[name] for name in ("fragment", "mass_shift")}
    coords["experiment"] = list(json.loads(labeling.attrs["tracers"]))
    return xr.Dataset({name: (dims, value) for name, value in fields.items()}, coords=coords)


