"""A sample that was left out: do the fluxes of others predict its labeling?

Fluxes are taken as they are from a posterior; only what belongs to the sample itself is found anew: the labeled part of
its infusion, shares of compartments, blood, dilutions. Nothing of the new labeling goes into the fluxes. Weights may be
held, too, at what they were in the other samples.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri

from fluxkit.errors import LabelingError, UnknownNameError, suggest
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.estimate import FluxEstimate
from fluxkit.inference.problem import build_density
from fluxkit.inference.verdict.misfit import chi_square_tail, closed_fragments
from fluxkit.labeling import with_open_infusions

_STEPS, _SETTLED = 60, 1e-3
_EDGE = 1e-6
"""Nearest that a held weight comes to 0 or 1, which have no finite coordinate; far below what labeling resolves."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """How well fluxes of other samples predict one that was left out.

    Parameters
    ----------
    chi_square : numpy.ndarray
        One for each posterior draw of the fluxes, shape ``(draw,)``.
    of_prior : numpy.ndarray
        The same for draws from the flux prior: what is predicted without any data.
    degrees_of_freedom : float
        Of the draw of median chi-square: independent data, without censored zeros below their limit (they tell
        nothing), minus the weights that followed them.
    fitted_weights : float
        How many weights followed the data rather than their prior, mean over the posterior's draws: the trace of their
        hat matrix. A weight that the data say nothing of counts 0.
    by_fragment : pandas.DataFrame
        ``experiment``, ``fragment``, ``values`` and the mean square of their standardised residuals, of the posterior
        (median over draws), worst first.
    """

    chi_square: np.ndarray
    of_prior: np.ndarray
    degrees_of_freedom: float
    fitted_weights: float
    by_fragment: pd.DataFrame

    @property
    def p_value(self) -> float:
        """Probability of a larger chi-square than that of the median draw; NaN without degrees of freedom."""
        return chi_square_tail(float(self.chi_square[_median_draw(self.chi_square)]), self.degrees_of_freedom)

    def __repr__(self) -> str:
        return f"<LeftOut: {self}>"

    def __str__(self) -> str:
        low, middle, high = np.quantile(self.chi_square, [0.05, 0.5, 0.95])
        return (
            f"chi-square {middle:.0f} [{low:.0f}, {high:.0f}] at {self.degrees_of_freedom:.1f} degrees of "
            f"freedom ({self.fitted_weights:.1f} weights fitted); {np.median(self.of_prior):.0f} without the data "
            "of the others"
        )


def predict_left_out(
    estimate: FluxEstimate,
    labeling: xr.Dataset,
    *,
    draws: int = 40,
    prior: str = "targets",
    seed: int = 0,
    weights_of: Mapping[str, float] | FluxEstimate | None = None,
    open_infusions: bool = False,
) -> LeftOut:
    """Predict the labeling of a sample from the posterior fluxes of others.

    The weights that are found anew have a normal prior, so each takes between 0 and 1 degree of freedom, the trace of
    ``J (J'J + 1)^-1 J'`` with the Jacobian J of the residuals by their coordinates (effective number of parameters,
    doi:10.1111/1467-9868.00353).

    Parameters
    ----------
    estimate : FluxEstimate
        Of other samples.
    labeling : xarray.Dataset
        The sample that was left out, without a ``sample`` dimension, with ``mid_sd``.
    draws : int
        Draws of posterior and prior.
    prior : str
        Flux prior of the estimate.
    seed : int
        Seed of the choice of draws.
    weights_of : mapping of str to float, or FluxEstimate, optional
        Weights that are held instead of found anew: their values, 0 to 1, or an estimate, such as ``estimate`` itself,
        whose posterior medians hold the weights of equal name. So one sees what is predicted with the dilutions of the
        other samples.
    open_infusions : bool
        Whether the sample was infused at a rate of its own, so that the labeled part of each tracer is to be found:
        :func:`fluxkit.labeling.with_open_infusions`.

    Raises
    ------
    TracerError
        An open infusion is a mixture of tracers, or labels nothing.
    LabelingError
        The dataset holds several samples, draws is below 1, or a held weight is outside 0 to 1.
    UnknownNameError
        A held weight is none of the sample's, or none of them is.
    """
    if draws < 1:
        raise LabelingError(f"draws = {draws} must be at least 1.")
    if "sample" in labeling.dims:
        raise LabelingError(
            "the dataset holds several samples; pool them, or take one: fluxkit.labeling.pool_replicates."
        )
    labeling = with_open_infusions(labeling, estimate.network) if open_infusions else labeling
    density = build_density(labeling, estimate.network, prior)
    held = _held(weights_of, density.measurement.weight_names)
    rng = np.random.default_rng(seed)
    found = {}
    for name, fluxes in (("posterior", estimate.posterior), ("prior", estimate.prior)):
        net, exchange = (
            fluxes[each].values.reshape(-1, len(estimate.network.reactions)) for each in ("net_flux", "exchange_flux")
        )
        chosen = rng.choice(len(net), size=min(draws, len(net)), replace=False)
        found[name] = _fitted(density, net[chosen], exchange[chosen][:, estimate.network.reversible], held)
    (residual, points), (of_prior, _) = found["posterior"], found["prior"]
    chi_square = np.einsum("nd,nd->n", residual, residual)
    independent, fitted = _counts(density, residual, points, np.isnan(held))
    return LeftOut(
        chi_square=chi_square,
        of_prior=np.einsum("nd,nd->n", of_prior, of_prior),
        degrees_of_freedom=float((independent - fitted)[_median_draw(chi_square)]),
        fitted_weights=float(fitted.mean()),
        by_fragment=_by_fragment(density, labeling, residual),
    )


def _median_draw(chi_square: np.ndarray) -> int:
    """Return which draw has the median chi-square, of an even number the lower one."""
    return int(np.argsort(chi_square, kind="stable")[(len(chi_square) - 1) // 2])


def _held(weights_of: Mapping[str, float] | FluxEstimate | None, names: tuple[str, ...]) -> np.ndarray:
    """Return the coordinate of every weight that is held, NaN where it is found anew; shape ``(weight,)``."""
    if weights_of is None:
        return np.full(len(names), np.nan)
    if isinstance(weights_of, Mapping):
        values = {str(name): float(value) for name, value in weights_of.items()}
        for name, value in values.items():
            if name not in names:
                raise UnknownNameError(f"the sample has no weight {name!r} to hold. {suggest(name, names)}")
            if not 0 <= value <= 1:
                raise LabelingError(f"weights_of[{name!r}] = {value:g} must be between 0 and 1.")
    else:
        posterior, values = weights_of.posterior, {}
        if "weight" in posterior:
            median = posterior["weight"].median([each for each in posterior["weight"].dims if each != "weight_name"])
            values = {str(name): float(median.sel(weight_name=name)) for name in median["weight_name"].values}
        if not set(values) & set(names):
            raise UnknownNameError(
                f"the estimate has no weight of the sample's {list(names)}, so none is held. Leave weights_of out, or "
                "give values by name."
            )
    return np.array([ndtri(np.clip(values[each], _EDGE, 1 - _EDGE)) if each in values else np.nan for each in names])


def _fitted(
    density: FluxDensity, net: np.ndarray, exchange: np.ndarray, held: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return residuals ``(n, datum)`` and points of flux states at their best weights (damped Gauss-Newton steps)."""
    space = density.space
    fluxes = np.concatenate([space.coordinates(net), space.exchange_coordinates(exchange)], axis=1)
    points = np.concatenate([fluxes, np.tile(np.nan_to_num(held), (len(net), 1))], axis=1)
    free = fluxes.shape[1] + np.flatnonzero(np.isnan(held))
    size = len(free)
    residual, cost = _cost(density, points, free)
    if not size:
        return residual, points
    damping = np.full(len(points), 1e-2)
    for _ in range(_STEPS):
        jacobian = density.residuals_with_jacobian(points)[1][:, :, free]
        normal = np.einsum("ndp,ndq->npq", jacobian, jacobian) + np.eye(size)
        slope = np.einsum("ndp,nd->np", jacobian, residual) + points[:, free]
        scale = damping[:, None] * np.einsum("npp->np", normal)
        step = np.linalg.solve(normal + scale[:, :, None] * np.eye(size), slope[:, :, None])[:, :, 0]
        trial = points.copy()
        trial[:, free] -= np.clip(step, -1.5, 1.5)
        new_residual, new_cost = _cost(density, trial, free)
        better = new_cost < cost
        gain = np.where(better, cost - new_cost, 0.0)
        points[better], residual[better], cost[better] = trial[better], new_residual[better], new_cost[better]
        damping = np.clip(np.where(better, damping / 4, damping * 6), 1e-8, 1e8)
        if (gain < _SETTLED).all() and (better.all() or damping.min() > 1e4):
            break
    return residual, points


def _counts(
    density: FluxDensity, residual: np.ndarray, points: np.ndarray, anew: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of independent data, and of weights that follow them, at each draw."""
    free = density.size - len(anew) + np.flatnonzero(anew)
    jacobian = density.residuals_with_jacobian(points)[1][:, :, free]
    silent = density.censored & (residual <= 0)
    jacobian = np.where(silent[:, :, None], 0.0, jacobian)
    normal = np.einsum("ndp,ndq->npq", jacobian, jacobian)
    fitted = np.einsum("npp->n", np.linalg.solve(normal + np.eye(len(free)), normal))
    rows = np.array([row[: len(density.known)] for row in closed_fragments(density)]).reshape(-1, len(density.known))
    closed = ((rows != 0)[None] & ~silent[:, None]).any(-1).sum(-1)
    return (~silent).sum(1) - closed, fitted


def _cost(density: FluxDensity, points: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    residual, weights = density.residuals(points), points[:, free]
    return residual, 0.5 * (np.einsum("nd,nd->n", residual, residual) + np.einsum("np,np->n", weights, weights))


def _by_fragment(density: FluxDensity, labeling: xr.Dataset, residual: np.ndarray) -> pd.DataFrame:
    width = labeling.sizes["isotopologue"]
    experiments = labeling["experiment"].values.astype(str) if "experiment" in labeling.coords else np.array([""])
    table = pd.DataFrame(
        {
            "experiment": experiments[density.known // width],
            "fragment": labeling["fragment"].values.astype(str)[density.known % width],
            "mean_square": np.median(residual**2, axis=0),
        }
    )
    grouped = table.groupby(["experiment", "fragment"], sort=False)["mean_square"].agg(["count", "mean"]).reset_index()
    grouped = grouped.rename(columns={"count": "values", "mean": "mean_square"})
    return grouped.sort_values("mean_square", ascending=False, ignore_index=True)
