"""A sample that was left out: do the fluxes of others predict its labeling?

Fluxes are taken as they are from a posterior; only what belongs to the sample itself is found anew: the labeled part of
its infusion, shares of compartments, blood, dilutions. Nothing of the new labeling goes into the fluxes.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import chi2

from fluxkit.errors import LabelingError
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.estimate import FluxEstimate
from fluxkit.inference.problem import build_density

_STEPS, _SETTLED = 60, 1e-3


@dataclass(frozen=True, eq=False)
class LeftOut:
    """How well fluxes of other samples predict one that was left out.

    Parameters
    ----------
    chi_square : numpy.ndarray
        One for each posterior draw of the fluxes, shape ``(draw,)``.
    of_prior : numpy.ndarray
        The same for draws from the flux prior: what is predicted without any data.
    degrees_of_freedom : int
        Independent data minus the weights that were found anew.
    by_fragment : pandas.DataFrame
        ``experiment``, ``fragment``, ``values`` and the mean square of their standardised residuals, of the posterior
        (median over draws), worst first.
    """

    chi_square: np.ndarray
    of_prior: np.ndarray
    degrees_of_freedom: int
    by_fragment: pd.DataFrame

    @property
    def p_value(self) -> float:
        """Probability of a larger chi-square than the smallest, if the fluxes of the sample are the same."""
        return float(chi2.sf(self.chi_square.min(), self.degrees_of_freedom))

    def __repr__(self) -> str:
        return f"<LeftOut: {self}>"

    def __str__(self) -> str:
        low, middle, high = np.quantile(self.chi_square, [0.05, 0.5, 0.95])
        return (
            f"chi-square {middle:.0f} [{low:.0f}, {high:.0f}] at {self.degrees_of_freedom} degrees of "
            f"freedom; {np.median(self.of_prior):.0f} without the data of the others"
        )


def predict_left_out(
    estimate: FluxEstimate, labeling: xr.Dataset, *, draws: int = 40, prior: str = "targets", seed: int = 0
) -> LeftOut:
    """Predict the labeling of a sample from the posterior fluxes of others.

    Parameters
    ----------
    estimate : FluxEstimate
        Of other samples.
    labeling : xarray.Dataset
        The sample that was left out, without a ``sample`` dimension, with ``mid_sd``. Where its infusion had a rate of
        its own, say so: :func:`fluxkit.labeling.with_open_infusions`.
    draws : int
        Draws of posterior and prior.
    prior : str
        Flux prior of the estimate.
    seed : int
        Seed of the choice of draws.

    Raises
    ------
    LabelingError
        The dataset holds several samples, or draws is below 1.
    """
    if draws < 1:
        raise LabelingError(f"draws = {draws} must be at least 1.")
    if "sample" in labeling.dims:
        raise LabelingError(
            "the dataset holds several samples; pool them, or take one: fluxkit.labeling.pool_replicates."
        )
    density = build_density(labeling, estimate.network, prior)
    rng = np.random.default_rng(seed)
    found = {}
    for name, fluxes in (("posterior", estimate.posterior), ("prior", estimate.prior)):
        net, exchange = (
            fluxes[each].values.reshape(-1, len(estimate.network.reactions)) for each in ("net_flux", "exchange_flux")
        )
        chosen = rng.choice(len(net), size=min(draws, len(net)), replace=False)
        found[name] = _residuals(density, net[chosen], exchange[chosen][:, estimate.network.reversible])
    weights = len(density.measurement.weight_names)
    return LeftOut(
        chi_square=np.einsum("nd,nd->n", found["posterior"], found["posterior"]),
        of_prior=np.einsum("nd,nd->n", found["prior"], found["prior"]),
        degrees_of_freedom=max(density.measurement.n_independent - weights, 1),
        by_fragment=_by_fragment(density, labeling, found["posterior"]),
    )


def _residuals(density: FluxDensity, net: np.ndarray, exchange: np.ndarray) -> np.ndarray:
    """Return the residuals ``(n, datum)`` of flux states at their best weights (damped Gauss-Newton steps)."""
    space = density.space
    fluxes = np.concatenate([space.coordinates(net), space.exchange_coordinates(exchange)], axis=1)
    first, size = fluxes.shape[1], density.size - fluxes.shape[1]
    points = np.concatenate([fluxes, np.zeros((len(net), size))], axis=1)
    if not size:
        return density.residuals(points)
    damping = np.full(len(points), 1e-2)
    residual, cost = _cost(density, points, first)
    for _ in range(_STEPS):
        jacobian = density.residuals_with_jacobian(points)[1][:, :, first:]
        normal = np.einsum("ndp,ndq->npq", jacobian, jacobian) + np.eye(size)
        slope = np.einsum("ndp,nd->np", jacobian, residual) + points[:, first:]
        scale = damping[:, None] * np.einsum("npp->np", normal)
        step = np.linalg.solve(normal + scale[:, :, None] * np.eye(size), slope[:, :, None])[:, :, 0]
        trial = points.copy()
        trial[:, first:] -= np.clip(step, -1.5, 1.5)
        new_residual, new_cost = _cost(density, trial, first)
        better = new_cost < cost
        gain = np.where(better, cost - new_cost, 0.0)
        points[better], residual[better], cost[better] = trial[better], new_residual[better], new_cost[better]
        damping = np.clip(np.where(better, damping / 4, damping * 6), 1e-8, 1e8)
        if (gain < _SETTLED).all() and (better.all() or damping.min() > 1e4):
            break
    return residual


def _cost(density: FluxDensity, points: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    residual, weights = density.residuals(points), points[:, first:]
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
