"""Estimates for other tools: posterior, prior, data and predictions in the groups that ArviZ reads."""

import json

import numpy as np
import xarray as xr

from fluxkit import __version__
from fluxkit.fluxes import directed_fluxes
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.estimate import FluxEstimate
from fluxkit.inference.problem import build_density
from fluxkit.inference.rate_term import RateTerm
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
        Whether to simulate the data of every draw, for ``posterior_predictive`` and ``log_likelihood``.
    seed : int
        Seed of the noise in ``posterior_predictive``.

    Returns
    -------
    xarray.DataTree
        - ``posterior``: ``net_flux(chain, draw, reaction)``, ``exchange_flux(chain, draw, reversible_reaction)``,
          where there are unknown shares or dilutions ``weight(chain, draw, weight_name)``, and where rates were
          measured ``rate_factor(chain, draw)``, the factor from fluxes to rates (1 where both are on one scale).
        - ``prior``: the fluxes likewise, in one chain. The factor has none that could be drawn from: it is log-uniform.
        - ``sample_stats``: ``lp``, the log posterior density up to a constant, with an unknown factor integrated out;
          diagnostics in ``attrs``.
        - ``observed_data``: ``mid(datum)``, the values that the fit used, with coordinates ``experiment``,
          ``fragment``, ``mass_shift`` and, where isotopes are told apart, ``isotopes``; ``constant_data``:
          ``mid_sd(datum)`` and ``mid_limit(datum)`` (where a zero is censored, NaN elsewhere). Where rates were
          measured, ``rate(measured_reaction)`` and ``rate_sd(measured_reaction)`` beside, in the unit of the rates.
        - ``posterior_predictive``: ``mid(chain, draw, datum)`` and ``rate(chain, draw, measured_reaction)``, simulated
          with the noise of the data.
        - ``log_likelihood``: ``mid(chain, draw, datum)``, as the fit weighs each datum: that of a normal
          distribution, and :math:`-r^2/2` of a censored zero, where r is by how many sd it exceeds the limit. Beside
          it ``rate(chain, draw, measured_reaction)``, that of a normal distribution around the flux times the factor
          of the draw. It is constant where no draw exceeds a limit, and for an absolute rate of a flux that the network
          fixes; ArviZ's ``loo`` asks to leave such data out.

    Notes
    -----
    Estimates keep at most 250 draws of each chain, spread evenly over its length. The effective sample size and R-hat
    that ArviZ finds are those of the kept draws, flux by flux. ``ess_min`` and ``rhat_max`` of the diagnostics are the
    worst ones over the coordinates of the sampler, from all draws (``draws`` of them), so the numbers differ.

    Given fluxes :math:`v` and factor :math:`s`, rates are independent normal variables with mean
    :math:`s\, c_k \cdot v` and sd :math:`\sigma_k`, where :math:`c_k` are the coefficients of rate :math:`k`. The fit
    integrates an unknown factor out by Laplace's method, which ties the rates to each other. Each draw of the fluxes
    has a draw of the factor, given which rates are independent again, as leave-one-out needs. Where a relative rate is
    the only one, it does no more than set the factor, and leaving it out has no meaning. With both variables in
    ``log_likelihood`` ArviZ asks which one is meant: ``loo(tree, var_name="mid")``.
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
    others = {name: estimate.posterior[name] for name in ("weight", "rate_factor") if name in estimate.posterior}
    return fluxes.assign({name: each for name, each in others.items() if each.size})


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
    groups = {"observed_data": data[["mid"]], "constant_data": data[["mid_sd", "mid_limit"]]}
    if density.rates is not None:
        rates = _rate_data(estimate.labeling, density.rates)
        groups["observed_data"] = groups["observed_data"].merge(rates[["rate"]])
        groups["constant_data"] = groups["constant_data"].merge(rates[["rate_sd"]])
    return groups


def _rate_data(labeling: xr.Dataset, rates: RateTerm) -> xr.Dataset:
    measured = labeling["rate"].notnull().values
    values = {"rate": rates.rates, "rate_sd": rates.sd}
    return xr.Dataset(
        {name: ("measured_reaction", value, labeling["rate"].attrs) for name, value in values.items()},
        coords={"measured_reaction": labeling["measured_reaction"].values.astype(str)[measured].tolist()},
    )


def _predictions(
    estimate: FluxEstimate, density: FluxDensity, data: xr.Dataset, rng: np.random.Generator
) -> dict[str, xr.Dataset]:
    """Simulate the data of every draw."""
    predicted = {"mid": _mids(estimate, density)}  # first, so that their noise is the same with rates and without
    if density.rates is not None:
        predicted["rate"] = _rates(estimate, density.rates)
    noisy, log_likelihood = {}, {}
    for name, (fitted, sd, value) in predicted.items():
        dims = ("chain", "draw", *data[name].dims)
        noisy[name] = (dims, fitted + sd * rng.standard_normal(fitted.shape), data[name].attrs)
        log_likelihood[name] = (dims, value)
    groups = {"posterior_predictive": noisy, "log_likelihood": log_likelihood}
    return {name: _numbered(xr.Dataset(each, coords=data.coords)) for name, each in groups.items()}


def _mids(estimate: FluxEstimate, density: FluxDensity) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return predicted MIDs of every draw, their sd and log likelihoods; all but sd ``(chain, draw, datum)``."""
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
    fitted = fitted.reshape(*shape, -1)
    sd = density.sd.ravel()[density.known]
    expected = np.where(density.censored, density.limit.ravel()[density.known], density.measured.ravel()[density.known])
    residual = (fitted - expected) / sd
    residual[..., density.censored] = np.maximum(residual[..., density.censored], 0.0)
    return fitted, sd, -0.5 * residual**2 - np.where(density.censored, 0.0, _normal_constant(sd))


def _rates(estimate: FluxEstimate, rates: RateTerm) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return predicted rates of every draw, their sd and log likelihoods; all but sd ``(chain, draw, rate)``."""
    factor = estimate.posterior["rate_factor"].values[..., None]
    fitted = factor * (estimate.posterior["net_flux"].values @ rates.rows.T)
    return fitted, rates.sd, -0.5 * ((fitted - rates.rates) / rates.sd) ** 2 - _normal_constant(rates.sd)


def _normal_constant(sd: np.ndarray) -> np.ndarray:
    return np.log(sd) + 0.5 * np.log(2 * np.pi)
