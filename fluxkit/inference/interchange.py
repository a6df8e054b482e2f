"""Estimates for other tools: posterior, prior, data and predictions in the groups that ArviZ reads."""

import json

import numpy as np
import xarray as xr

from fluxkit import __version__
from fluxkit.fluxes import directed_fluxes
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.estimate import FluxEstimate
from fluxkit.inference.problem import build_density
from fluxkit.labeling.isotopologues import isotopologue_names

_BATCH = 1000


def to_arviz(estimate: FluxEstimate, *, predictions: bool = True, seed: int = 0) -> xr.DataTree:
    r"""Return an estimate as the groups that ArviZ and tools beside it read.

    The layout is that of ArviZ 1 (Kumar et al. 2019, doi:10.21105/joss.01143): a DataTree of xarray with ``chain`` and
    ``draw`` first. Nothing of ArviZ is needed to make it, and ``to_netcdf`` writes it for any tool that reads
    netCDF. To go on with the estimate in fluxkit, use :meth:`FluxEstimate.save` and
    :func:`fluxkit.inference.load_estimate`.

    Parameters
    ----------
    estimate : FluxEstimate
        From :func:`fluxkit.quantify`; an estimate of :func:`fluxkit.fit_fluxes` has refits in place of draws.
    predictions : bool
        Whether to simulate the labeling of every draw, for ``posterior_predictive`` and ``log_likelihood``.
    seed : int
        Seed of the noise in ``posterior_predictive``.

    Returns
    -------
    xarray.DataTree
        - ``posterior``: ``net_flux(chain, draw, reaction)``, ``exchange_flux(chain, draw, reversible_reaction)`` and,
          where there are unknown shares or dilutions, ``weight(chain, draw, weight_name)``.
        - ``prior``: the fluxes likewise, in one chain.
        - ``sample_stats``: ``lp``, the log posterior density up to a constant; diagnostics in ``attrs``.
        - ``observed_data``: ``mid(datum)``, the values that the fit used, with coordinates ``experiment``,
          ``fragment``, ``mass_shift`` and, where isotopes are told apart, ``isotopes``; ``constant_data``:
          ``mid_sd(datum)`` and ``mid_limit(datum)`` (where a zero is censored, NaN elsewhere).
        - ``posterior_predictive``: ``mid(chain, draw, datum)``, simulated with the noise of the data.
        - ``log_likelihood``: ``mid(chain, draw, datum)``, as the fit weighs each datum: that of a normal
          distribution, and :math:`-r^2/2` of a censored zero, where r is by how many sd it exceeds the limit. Where no
          draw exceeds the limit it is constant; ArviZ's ``loo`` asks to leave such data out.
    """
    groups = {
        "posterior": _posterior(estimate),
        "prior": _fluxes(estimate, estimate.prior.expand_dims("chain")),
        "sample_stats": _sample_stats(estimate),
    }
    density = build_density(estimate.labeling, estimate.network)
    groups |= _data(estimate, density)
    if predictions:
        groups |= _predictions(estimate, density, groups["observed_data"], np.random.default_rng(seed))
    library = {"inference_library": "fluxkit", "inference_library_version": __version__}
    tree = xr.DataTree.from_dict({name: each.assign_attrs(library) for name, each in groups.items()})
    tree.attrs = {
        "sample": estimate.sample,
        "network": estimate.network.name,
        "fingerprint": estimate.network.fingerprint,
        "flux_unit": estimate.network.flux_unit,
        "chi_square": estimate.ssr,
        "degrees_of_freedom": estimate.degrees_of_freedom,
        "p_value": estimate.p_value,
        "verdict": str(estimate.verdict),
    }
    return tree


def _numbered(dataset: xr.Dataset) -> xr.Dataset:
    """Number chains and draws."""
    return dataset.assign_coords({dim: np.arange(dataset.sizes[dim]) for dim in ("chain", "draw")})


def _fluxes(estimate: FluxEstimate, draws: xr.Dataset) -> xr.Dataset:
    """Return fluxes of which the exchange fluxes are those of reversible reactions: the others are no parameters."""
    reversible = np.flatnonzero(estimate.network.reversible)
    exchange = draws["exchange_flux"].isel(reaction=reversible).rename(reaction="reversible_reaction")
    return _numbered(draws[["net_flux"]].assign(exchange_flux=exchange).drop_attrs(deep=False))


def _posterior(estimate: FluxEstimate) -> xr.Dataset:
    fluxes = _fluxes(estimate, estimate.posterior)
    weight = estimate.posterior.get("weight")
    return fluxes if weight is None or not weight.size else fluxes.assign(weight=weight)


def _sample_stats(estimate: FluxEstimate) -> xr.Dataset:
    stats = estimate.posterior[["log_density"]].rename(log_density="lp")
    stats = stats.drop_vars([each for each in stats.coords if each not in ("chain", "draw")]).drop_attrs(deep=False)
    return _numbered(stats).assign_attrs({name: float(value) for name, value in estimate.diagnostics.items()})


def _data(estimate: FluxEstimate, density: FluxDensity) -> dict[str, xr.Dataset]:
    experiment, isotopologue = np.unravel_index(density.known, density.measured.shape)
    names = list(json.loads(estimate.labeling.attrs["tracers"]))
    labels = isotopologue_names(estimate.labeling)[isotopologue].tolist()
    if len(names) > 1:
        labels = [f"{names[i]} {label}" for i, label in zip(experiment, labels, strict=True)]
    coords = {"datum": labels, "experiment": ("datum", [names[i] for i in experiment])}
    for name in ("fragment", "mass_shift", "isotopes"):
        if name in estimate.labeling.coords:
            coords[name] = ("datum", estimate.labeling[name].values[isotopologue])
    values = {
        "mid": density.measured.ravel()[density.known],
        "mid_sd": density.sd.ravel()[density.known],
        "mid_limit": np.where(density.censored, density.limit.ravel()[density.known], np.nan),
    }
    data = xr.Dataset({name: ("datum", value) for name, value in values.items()}, coords=coords)
    return {"observed_data": data[["mid"]], "constant_data": data[["mid_sd", "mid_limit"]]}


def _predictions(
    estimate: FluxEstimate, density: FluxDensity, data: xr.Dataset, rng: np.random.Generator
) -> dict[str, xr.Dataset]:
    """Simulate the labeling of every draw."""
    shape = (estimate.posterior.sizes["chain"], estimate.posterior.sizes["draw"])
    net, exchange, weights = (
        each.values.reshape(shape[0] * shape[1], each.shape[-1])
        for each in (estimate.posterior[name] for name in ("net_flux", "exchange_flux", "weight"))
    )
    fluxes = directed_fluxes(estimate.network, net, exchange)
    fitted = np.empty((len(fluxes), len(density.known)))
    for i in range(0, len(fluxes), _BATCH):
        part = slice(i, i + _BATCH)
        fitted[part] = density.likelihood.prediction(fluxes[part], weights[part])
    sd = density.sd.ravel()[density.known]
    expected = np.where(density.censored, density.limit.ravel()[density.known], density.measured.ravel()[density.known])
    residual = (fitted - expected) / sd
    residual[:, density.censored] = np.maximum(residual[:, density.censored], 0.0)
    constant = np.where(density.censored, 0.0, np.log(sd) + 0.5 * np.log(2 * np.pi))
    values = {
        "posterior_predictive": fitted + sd * rng.standard_normal(fitted.shape),
        "log_likelihood": -0.5 * residual**2 - constant,
    }
    dims = ("chain", "draw", "datum")
    return {
        name: _numbered(xr.Dataset({"mid": (dims, each.reshape(*shape, len(sd)))}, coords=data.coords))
        for name, each in values.items()
    }
