"""Rounding: the affine coordinates in which the prior has zero mean and unit covariance."""

import numpy as np

from fluxkit.errors import FluxError
from fluxkit.fluxes.polytope import chebyshev_centre
from fluxkit.fluxes.sampling import hit_and_run

_PILOTS = 12  # the most rounds before the last one
_PILOT, _LAST = (128, 12), (512, 12)  # chains, kept draws of each
_SETTLED = 0.4  # sd: the centre has stopped moving, but for the scatter of a pilot
_ROUND = 8.0  # largest variance, and inverse of the smallest: the scatter of a pilot on 144 free fluxes stays within 3
_SWEEPS = 10  # between kept draws: an autocorrelation of 0.05 to 0.1 on 39 free fluxes
_STARTS = 2048
_NEWTON = 200  # the networks of the catalog need up to 15


def rounded(
    walls: np.ndarray, offsets: np.ndarray, matrix: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centre, chart and draws: x = centre + chart z, with z of about zero mean and unit covariance.

    The first chart comes from the analytic centre, the next ones from draws, until centre and shape stay.

    Parameters
    ----------
    walls, offsets : numpy.ndarray
        Half-spaces walls x <= offsets with unit rows, shapes ``(wall, free)`` and ``(wall,)``.
    matrix, offset : numpy.ndarray
        Log prior of x = -norm(matrix x - offset)^2 / 2, shapes ``(target, free)`` and ``(target,)``.

    Returns
    -------
    centre : numpy.ndarray
        Shape ``(free,)``.
    chart : numpy.ndarray
        Shape ``(free, free)``; near to diagonal.
    draws : numpy.ndarray
        Draws of z, shape ``(draw, free)``.
    """
    centre, hessian = analytic_centre(walls, offsets, matrix, offset)
    chart = np.linalg.inv(np.linalg.cholesky(hessian)).T
    draws = np.zeros((1, len(centre)))
    rng = np.random.default_rng(0)  # one network, one chart
    last = False
    for pilot in range(_PILOTS + 1):
        chains, keep = _LAST if last else _PILOT
        rows = matrix @ chart
        kept = hit_and_run(
            draws[rng.integers(len(draws), size=chains)],
            walls @ chart,
            offsets - walls @ centre,
            rows.T @ rows,
            rows.T @ (offset - matrix @ centre),
            sweeps=_SWEEPS,
            rng=rng,
            keep=keep,
        )[keep // 3 :]
        kept = kept.reshape(-1, len(centre))
        points = centre + kept @ chart.T
        centre, chart = points.mean(axis=0), symmetric_root(np.cov(points.T))
        draws = np.linalg.solve(chart, (points[-_STARTS:] - centre).T).T
        if last:
            break
        last = _is_round(kept) or pilot == _PILOTS - 1
    return centre, chart, draws


def _is_round(draws: np.ndarray) -> bool:
    """Whether draws, shape ``(draw, free)``, have about zero mean and unit covariance."""
    variances = np.linalg.eigvalsh(np.atleast_2d(np.cov(draws.T)))
    moved = np.abs(draws.mean(axis=0)).max()
    return bool(moved < _SETTLED and variances[0] > 1 / _ROUND and variances[-1] < _ROUND)


def analytic_centre(
    walls: np.ndarray, offsets: np.ndarray, matrix: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return minimum and Hessian of -sum(log(distance to wall)) - log prior: a first centre and shape.

    Newton steps with a line search. The damped step 1 / (1 + decrement), which needs none, takes hundreds of
    steps where the Chebyshev centre lies many sd from the prior, as in the networks of a whole body.

    Parameters
    ----------
    walls, offsets, matrix, offset : numpy.ndarray
        As in :func:`rounded`.

    Raises
    ------
    FluxError
        The search does not converge.
    """
    point = chebyshev_centre(walls, offsets)
    for _ in range(_NEWTON):
        slack, misfit = offsets - walls @ point, matrix @ point - offset
        gradient = walls.T @ (1 / slack) + matrix.T @ misfit
        hessian = (walls / slack[:, None] ** 2).T @ walls + matrix.T @ matrix
        step = -np.linalg.solve(hessian, gradient)
        descent = float(-gradient @ step)  # the squared Newton decrement
        if descent < 1e-10:
            return point, hessian
        rates, pull = walls @ step / slack, matrix @ step
        length = min(1.0, 0.99 / max(float(rates.max()), 1e-300))  # stay inside
        while (
            -np.log1p(-length * rates).sum() + length * (pull @ misfit) + 0.5 * length**2 * (pull @ pull)
            > -0.1 * length * descent
        ):
            length /= 2
        point = point + length * step
    raise FluxError(
        f"the centre of a polytope of {walls.shape[1]} free fluxes was not found in {_NEWTON} steps; "
        "bounds or targets differ too much in size: narrow the widest bounds."
    )


def symmetric_root(covariance: np.ndarray) -> np.ndarray:
    """Return B with B B' = covariance, near to diagonal: sd times the symmetric root of the correlation.

    Parameters
    ----------
    covariance : numpy.ndarray
        Positive definite, shape ``(free, free)``.
    """
    covariance = np.atleast_2d(covariance)
    sd = np.sqrt(np.diag(covariance))
    value, vector = np.linalg.eigh(covariance / np.outer(sd, sd))
    return sd[:, None] * (vector * np.sqrt(value)) @ vector.T
