"""From points to an estimate: fluxes, fit statistics and a verdict."""

import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import ndtr

from fluxkit.fluxes import FluxSpace, prior_coordinates
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.estimate import FluxEstimate
from fluxkit.inference.refinement import Refined
from fluxkit.inference.sampler.sampling import Chains
from fluxkit.inference.verdict.chi_square import chi_square
from fluxkit.inference.verdict.fit_tests import fit_tests
from fluxkit.inference.verdict.misfit import misfit
from fluxkit.inference.verdict.posterior_predictive import predictive_p_value
from fluxkit.inference.verdict.trust import judge
from fluxkit.versions import versions

_KEPT_DRAWS = 250  # per chain, in the result
_PRIOR_DRAWS = 4000


def assemble(
    density: FluxDensity,
    labeling: xr.Dataset,
    name: str,
    refined: Refined,
    chains: Chains,
    rng: np.random.Generator,
    extra: dict[str, float],
    remarks: tuple[str, ...] = (),
    *,
    method: dict[str, Any],
    most_probable: bool = True,
) -> FluxEstimate:
    """Turn points into fluxes, fit statistics and a verdict.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    labeling : xarray.Dataset
        The data that it is of.
    name : str
        Name of the sample.
    refined : Refined
        Refined points, the best first.
    chains : Chains
        Draws.
    rng : numpy.random.Generator
        Source of randomness.
    extra : dict of str to float
        Further diagnostics.
    remarks : tuple of str
        What the verdict should say beside.
    method : dict
        What was done with which settings; what every estimate has is added.
    most_probable : bool
        Whether the best point is the most probable one; else it has the least squares, of which only the whole fit
        is tested.
    """
    network = density.space.network
    keep = np.unique(np.linspace(0, chains.draws.shape[1] - 1, _KEPT_DRAWS).astype(int))
    posterior = _fluxes(density, chains.draws[:, keep], ("chain", "draw")).assign(
        log_density=(("chain", "draw"), chains.log_density[:, keep])
    )
    z, y = _prior_draws(density.space)
    empty = np.zeros((len(z), len(density.measurement.weight_names)))
    prior = _fluxes(density, np.concatenate([z, y, empty], axis=1), ("draw",)).drop_vars("weight")
    point = refined.points[:1]
    fit = fit_dataset(density, labeling, point)
    left = misfit(density, refined, most_probable)
    ssr, freedom, p_value, determined = chi_square(density, refined, left)
    tests = fit_tests(density, labeling, refined, left) if most_probable else ()
    diagnostics = {
        "rhat_max": float(chains.rhat.max()),
        "ess_min": float(chains.effective_draws.min()),
        "acceptance": chains.acceptance,
        "draws": float(chains.draws.shape[0] * chains.draws.shape[1]),
        "gradients": float(chains.gradients),
        "seconds": chains.seconds,
        "starts_at_best": float(np.sum(refined.objective - refined.objective[0] < 2)),
        "parameters_determined": determined,
        "largest_residual": float(np.abs(fit["residual"]).max()),
        **{f"p_value of {each.family}": each.p_value for each in tests},
        **extra,
    }
    if most_probable:
        diagnostics["predictive_p_value"] = predictive_p_value(density, chains.draws, left)
    best = _fluxes(density, point, ("draw",)).isel(draw=0)
    if density.rates is not None:
        factor = density.rates.draw_scale(posterior["net_flux"].values, rng)
        units = {"units": f"{labeling['rate'].attrs['units'] or 'unit of the rates'} per {network.flux_unit}"}
        posterior = posterior.assign(rate_factor=(("chain", "draw"), factor, units))
        best = best.assign(rate_factor=((), float(density.rates.scale(best["net_flux"].values)), units))
        missed = density.rates.residuals(best["net_flux"].values[None])[0]
        diagnostics["largest_rate_residual"] = float(np.abs(missed).max())
    verdict = judge(ssr, freedom, p_value, diagnostics, fit, int(labeling.attrs.get("replicates", 1)), tests)
    verdict = replace(verdict, remarks=(*verdict.remarks, *remarks))
    method = method | _counts(density) | {"versions": versions()}
    return FluxEstimate(
        network, name, labeling, posterior, prior, best, fit, ssr, freedom, p_value, diagnostics, verdict, method
    )


def _counts(density: FluxDensity) -> dict[str, Any]:
    """Count what was fitted and by what."""
    weights = len(density.measurement.weight_names)
    net = len(density.space.free)
    return {
        "parameters": {"net": net, "exchange": density.size - net - weights, "weights": weights},
        "data": {
            "values": len(density.known),
            "censored": int(np.count_nonzero(density.censored)),
            "rates": density.rates.size if density.rates is not None else 0,
        },
    }


@lru_cache(maxsize=8)
def _prior_draws(space: FluxSpace) -> tuple[np.ndarray, np.ndarray]:
    """Return draws from the prior, the same ones for every sample."""
    return prior_coordinates(space, _PRIOR_DRAWS, np.random.default_rng(0))


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
        coords={
            "reaction": list(network.reaction_names),
            "weight_name": list(density.measurement.weight_names),
        },
        attrs={"network": network.name, "units": network.flux_unit},
    )


def fit_dataset(density: FluxDensity, labeling: xr.Dataset, point: np.ndarray) -> xr.Dataset:
    """Return measured and fitted values with their residuals, as :class:`FluxEstimate` holds them.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    labeling : xarray.Dataset
        The data that it is of.
    point : numpy.ndarray
        The best point, shape ``(1, parameter)``.
    """
    shape = density.measured.shape
    standardised = np.full(density.measured.size, np.nan)
    standardised[density.known] = density.residuals(point)[0]
    measured = np.full(density.measured.size, np.nan)
    measured[density.known] = density.measured.ravel()[density.known]
    dims = ("experiment", "isotopologue")
    fields = {
        "measured": measured.reshape(shape),
        "fitted": density.prediction(point)[0],
        "sd": density.sd,
        "residual": standardised.reshape(shape),
    }
    names = [each for each in ("fragment", "mass_shift", "isotopes") if each in labeling.coords]
    coords = {name: ("isotopologue", labeling[name].values) for name in names}
    coords |= {"experiment": ("experiment", list(json.loads(labeling.attrs["tracers"])))}
    return xr.Dataset({name: (dims, value) for name, value in fields.items()}, coords=coords)
