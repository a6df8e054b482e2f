"""From a dataset to a posterior density and to the points where the search starts."""

import json
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from fluxkit.errors import LabelingError
from fluxkit.fluxes import flux_space, prior_coordinates
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.rate_term import RateTerm
from fluxkit.inference.sampler.sampling import SamplerSettings
from fluxkit.labeling import (
    check_labeling,
    measurement_model,
    normalise_experiments,
    pool_replicates,
    split_samples,
)
from fluxkit.labeling.programs import labeling_program
from fluxkit.labeling.rates import rate_row
from fluxkit.learning import FluxModel, has_model, load_model
from fluxkit.networks import Network, check_reachable


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
    fallbacks : bool
        Whether to act by itself where the first answer is doubtful: more starts from the prior alone, then longer
        chains. The verdict says what was done.
    fallback_starts : int
        How many more starts.
    fallback_seconds : float
        For how long at most, the starts and the chains each; chains at most three times as long as the sampler's own
        limit.
    """

    starts: int = 16
    learned_draws: int = 256
    sampler: SamplerSettings = field(default_factory=SamplerSettings)
    prior: str = "targets"
    fallbacks: bool = True
    fallback_starts: int = 48
    fallback_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.starts < 1 or self.learned_draws < 1:
            raise LabelingError(
                f"starts = {self.starts} and learned_draws = {self.learned_draws}: at least 1 of each is needed."
            )
        if self.fallback_starts < 1 or not self.fallback_seconds > 0:
            raise LabelingError(
                f"fallback_starts = {self.fallback_starts} and fallback_seconds = {self.fallback_seconds:g}: both must "
                "be positive; fallbacks=False does without."
            )


def choose_model(model: FluxModel | str | None, network: Network) -> FluxModel | None:
    """Return the posterior network that the ``model`` argument of public functions means.

    Parameters
    ----------
    model : FluxModel, str or None
        A model, ``"shipped"`` for the bundled one where there is one, the folder of a saved one, or none.
    network : Network
        The network that it must belong to.
    """
    if isinstance(model, FluxModel) or model is None:
        return model
    if model == "shipped":
        return load_model(network) if has_model(network) else None
    return load_model(network, model)


def samples_of(labeling: xr.Dataset, network: Network, pool: bool) -> dict[str, xr.Dataset]:
    """Return what is fitted, one dataset per condition or sample, by name.

    Parameters
    ----------
    labeling : xarray.Dataset
        Labeling of one sample, of several, or of simulated draws.
    network : Network
        The network.
    pool : bool
        Whether to pool the replicates of each condition.

    Raises
    ------
    LabelingError
        The dataset breaks a rule, or has no standard deviations.
    """
    check_labeling(labeling, network)
    if "mid_sd" not in labeling:
        raise LabelingError(
            "labeling has no standard deviations; read it with a noise model, or simulate it with noise= (--noise)."
        )
    if "draw" in labeling.dims:
        names = [f"draw {i}" for i in range(labeling.sizes["draw"])]
        labeling = labeling.rename(draw="sample").assign_coords(sample=names)
    return pool_replicates(labeling) if pool else split_samples(labeling)


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
        name: labeling[name].transpose(..., "isotopologue").values.reshape(shape)
        for name in ("mid", "mid_sd", "mid_limit")
        if name in labeling
    }
    limit = arrays.get("mid_limit", np.full(shape, np.nan))
    space, rates = flux_space(network, prior), _rate_term(labeling, network)
    return FluxDensity(space, program, measurement, arrays["mid"], arrays["mid_sd"], limit, rates)


def _rate_term(labeling: xr.Dataset, network: Network) -> RateTerm | None:
    """Return the measured rates of a sample, where it has some."""
    if "rate" not in labeling or not bool(labeling["rate"].notnull().any()):
        return None
    measured = labeling["rate"].notnull().values
    names = labeling["measured_reaction"].values.astype(str)[measured]
    return RateTerm(
        rows=np.array([rate_row(name, network) for name in names]),
        rates=labeling["rate"].values[measured].astype(float),
        sd=labeling["rate_sd"].values[measured].astype(float),
        absolute=bool(labeling["rate"].attrs["absolute"]),
    )


def learned_points(
    density: FluxDensity, labeling: xr.Dataset, model: FluxModel, settings: QuantifySettings, rng: np.random.Generator
) -> np.ndarray:
    """Return draws of a posterior network as points ``(draw, parameter)``; a weight that it does not know is zero."""
    space = density.space
    z, y, w = model.draw(labeling, settings.learned_draws, int(rng.integers(2**31)))
    if settings.prior != "targets":  # the model speaks of the coordinates of the stated prior
        z = space.coordinates(flux_space(space.network).net(z))
    own = np.zeros((len(z), len(density.measurement.weight_names)))
    for k, name in enumerate(density.measurement.weight_names):
        if name in model.weight_names:
            own[:, k] = w[:, model.weight_names.index(name)]
    return np.concatenate([z, y, own], axis=1)


def with_learned(density: FluxDensity, starts: np.ndarray, drawn: np.ndarray) -> tuple[np.ndarray, int]:
    """Put the most probable draws of a network in the place of half of the starts; return starts and that half."""
    half = len(starts) // 2
    order = np.argsort(-density.log_value(drawn))
    return np.concatenate([drawn[order[:half]], starts[half:]]), half


def random_points(density: FluxDensity, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw points from the prior of fluxes and weights, shape ``(count, parameter)``."""
    z, y = prior_coordinates(density.space, count, rng)
    return np.concatenate([z, y, rng.standard_normal((count, len(density.measurement.weight_names)))], axis=1)
