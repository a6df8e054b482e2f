"""Classical flux fitting: multi-start least squares without a prior, with Monte Carlo intervals.

For comparison with the posterior and with other tools, and for small networks that the data determine. Bounds of the
free fluxes enter as stiff penalties, as is usual; scipy's trust-region reflective solver does the rest on exact
Jacobians (Branch, Coleman & Li 1999, doi:10.1137/S1064827595289108).
"""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from scipy.optimize import least_squares
from threadpoolctl import threadpool_limits

from fluxkit.errors import LabelingError
from fluxkit.inference.assembly import assemble
from fluxkit.inference.comparison.comparison import Estimates
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.estimate import FluxEstimate
from fluxkit.inference.problem import build_density, random_points, samples_of
from fluxkit.inference.refinement import Refined
from fluxkit.inference.sampler.sampling import Chains
from fluxkit.networks import Network

EVALUATIONS, REFIT_EVALUATIONS = 200, 60
_UNFINISHED = (
    f"the best fit was still falling after {EVALUATIONS} evaluations, so there may be a better one; give more starts, "
    "or compare it with quantify"
)
UNFINISHED_REFITS = 0.1  # share beyond which it is said
PENALTY = 100.0  # residual per unit of rounded flux beyond a bound
_OF_CHAINS = ("rhat_max", "ess_min", "acceptance", "draws", "gradients", "seconds")
_REACH = 4.0  # of exchange and weight coordinates: beyond, nothing changes


@dataclass(frozen=True)
class FitResult:
    """Least-squares fits from several starts, best first.

    Parameters
    ----------
    points : numpy.ndarray
        Shape ``(start, parameter)``; inside the flux polytope.
    ssr : numpy.ndarray
        Sum of squared residuals of the data, shape ``(start,)``.
    converged : numpy.ndarray
        Whether the solver ended at a minimum, not at the limit of its evaluations; shape ``(start,)``.
    """

    points: np.ndarray
    ssr: np.ndarray
    converged: np.ndarray


def least_squares_fits(
    density: FluxDensity, starts: np.ndarray, *, prior: bool = False, evaluations: int = EVALUATIONS
) -> FitResult:
    """Fit from each start.

    Parameters
    ----------
    density : FluxDensity
        Residuals and Jacobians; its prior counts only if asked for.
    starts : numpy.ndarray
        Shape ``(start, parameter)``.
    prior : bool
        Whether to add the normal part of the prior as residuals (a regularised fit).
    evaluations : int
        Most evaluations per start.
    """
    bounded = len(density.space.free)
    upper = np.full(density.size, np.inf)
    upper[bounded:] = _REACH
    points, ssr, converged = [], [], []
    for start in np.clip(starts, -upper, upper):
        solved = least_squares(
            lambda x: _residuals(density, x, prior),
            np.clip(start, -upper + 1e-6, upper - 1e-6),
            jac=lambda x: _jacobian(density, x, prior),  # pyright: ignore[reportArgumentType]
            bounds=(-upper, upper),
            max_nfev=evaluations,
            x_scale="jac",
        )
        point = _pull_inside(density, solved.x)
        residual = density.all_residuals(point[None])[0]
        points.append(point)
        ssr.append(float(residual @ residual))
        converged.append(solved.status > 0)
    order = np.argsort(ssr)
    return FitResult(np.array(points)[order], np.array(ssr)[order], np.array(converged)[order])


def _residuals(density: FluxDensity, point: np.ndarray, prior: bool) -> np.ndarray:
    space = density.space
    z = point[: len(space.free)]
    beyond = np.maximum(space.walls @ z - space.offsets, 0.0) * PENALTY
    parts = [density.all_residuals(point[None])[0], beyond]
    if prior:
        parts += [space.prior_matrix @ z - space.prior_offset, point[len(space.free) :]]
    return np.concatenate(parts)


def _jacobian(density: FluxDensity, point: np.ndarray, prior: bool) -> np.ndarray:
    space, free = density.space, len(density.space.free)
    rows = [density.all_residuals_with_jacobian(point[None])[1][0]]
    active = (space.walls @ point[:free] > space.offsets)[:, None]
    penalty = np.zeros((len(space.offsets), density.size))
    penalty[:, :free] = PENALTY * space.walls * active
    rows.append(penalty)
    if prior:
        regular = np.zeros((len(space.prior_offset) + density.size - free, density.size))
        regular[: len(space.prior_offset), :free] = space.prior_matrix
        regular[len(space.prior_offset) :, free:] = np.eye(density.size - free)
        rows.append(regular)
    return np.concatenate(rows)


def _pull_inside(density: FluxDensity, point: np.ndarray) -> np.ndarray:
    space, free = density.space, len(density.space.free)
    ratio = float(((space.walls @ point[:free]) / space.offsets).max())
    point = point.copy()
    point[:free] /= max(1.0, ratio)
    return point


def fit_fluxes(
    labeling: xr.Dataset,
    network: Network,
    *,
    starts: int = 10,
    monte_carlo: int = 20,
    pool: bool = True,
    seed: int = 0,
) -> FluxEstimate | Estimates:
    """Fit fluxes by classical multi-start least squares.

    Parameters
    ----------
    labeling : xarray.Dataset
        Measured labeling with standard deviations.
    network : Network
        The network.
    starts : int
        Random starts.
    monte_carlo : int
        Refits of labeling and rates with fresh noise; their scatter gives the intervals.
    pool : bool
        Whether to pool the replicates of each condition.
    seed : int
        Seed of starts and noise.

    Returns
    -------
    FluxEstimate or Estimates
        The posterior holds the Monte Carlo refits as one chain. They ignore the prior, so a flux that the data do not
        determine lands anywhere between its bounds. ``diagnostics`` counts the starts and refits that the solver did
        not bring to a minimum (``starts_unconverged``, ``refits_unconverged``); remarks say it of the best fit,
        and of more than a tenth of the refits.

    Raises
    ------
    LabelingError
        The dataset breaks a rule, has no standard deviations, or less than 1 start or 2 refits are asked for.
    """
    if starts < 1 or monte_carlo < 2:
        raise LabelingError(
            f"starts = {starts} and monte_carlo = {monte_carlo}: at least 1 start and 2 refits are needed."
        )
    parts = samples_of(labeling, network, pool)
    with threadpool_limits(1, "blas"):
        fits = {
            name: _fit_one(part, network, name, starts, monte_carlo, seed + i)
            for i, (name, part) in enumerate(parts.items())
        }
    return Estimates(fits) if {"sample", "draw"} & set(labeling.dims) else fits["sample"]


def _fit_one(
    labeling: xr.Dataset, network: Network, name: str, starts: int, monte_carlo: int, seed: int
) -> FluxEstimate:
    rng = np.random.default_rng(seed)
    density = build_density(labeling, network)
    fits = least_squares_fits(density, random_points(density, starts, rng), evaluations=EVALUATIONS)
    best = fits.points[0]
    again = [
        least_squares_fits(density.drawn_anew(best, rng), best[None], evaluations=REFIT_EVALUATIONS)
        for _ in range(monte_carlo)
    ]
    jacobian = density.all_residuals_with_jacobian(fits.points)[1]
    data = jacobian.swapaxes(1, 2) @ jacobian
    ridge = 1e-6 * np.eye(density.size)
    refined = Refined(fits.points, 0.5 * fits.ssr, data + ridge, data, 0)
    chains = Chains(
        np.stack([each.points for each in again], axis=1),
        -0.5 * np.stack([each.ssr for each in again], axis=1),
        np.ones(density.size),
        np.full(density.size, monte_carlo),
        1.0,
        0,
        0.0,
        True,
    )
    extra = {
        "monte_carlo": float(monte_carlo),
        "ess_min": np.inf,
        "starts_unconverged": float(np.count_nonzero(~fits.converged)),
        "refits_unconverged": float(sum(not each.converged[0] for each in again)),
    }
    remarks = [] if fits.converged[0] else [_UNFINISHED]
    if extra["refits_unconverged"] > UNFINISHED_REFITS * monte_carlo:
        remarks.append(
            f"{extra['refits_unconverged']:.0f} of {monte_carlo} refits were still falling after {REFIT_EVALUATIONS} "
            "evaluations, so intervals may be too narrow; compare them with quantify"
        )
    method = {"kind": "least squares", "seed": seed, "starts": {"prior": starts}, "refits": monte_carlo}
    estimate = assemble(
        density, labeling, name, refined, chains, rng, extra, tuple(remarks), method=method, most_probable=False
    )
    kept = {key: value for key, value in estimate.diagnostics.items() if key not in _OF_CHAINS}
    return replace(estimate, diagnostics=kept)
