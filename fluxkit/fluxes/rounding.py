"""Rounding: the affine coordinates in which the prior has zero mean and unit covariance."""

import numpy as np

from fluxkit.fluxes.polytope import chebyshev_centre
from fluxkit.fluxes.sampling import hit_and_run

_PILOTS = 12  # the most rounds before the last one
_PILOT, _LAST = (128, 12), (512, 12)  # chains, kept draws of each
_SETTLED = 0.4  # sd: the centre has stopped moving, but for the scatter of a pilot
_SWEEPS = 10  # between kept draws: an autocorrelation of 0.05 to 0.1 on 39 free fluxes
_STARTS = 2048


def rounded(
    walls: np.ndarray, offsets: np.ndarray, matrix: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return centre, chart and draws: x = centre + chart z, with z of about zero mean and unit covariance.

    The first chart comes from the analytic centre, the next ones from draws, until the centre stays.

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
        points = centre + kept.reshape(-1, len(centre)) @ chart.T
        centre, chart = points.mean(axis=0), symmetric_root(np.cov(points.T))
        draws = np.linalg.solve(chart, (points[-_STARTS:] - centre).T).T
        if last:
            break
        moved = np.abs(kept.mean(axis=(0, 1))).max()
        last = moved < _SETTLED or pilot == _PILOTS - 1
    return centre, chart, draws


def analytic_centre(
    walls: np.ndarray, offsets: np.ndarray, matrix: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return minimum and Hessian of -sum(log(distance to wall)) - log prior: a first centre and shape.

    Parameters
    ----------
    walls, offsets, matrix, offset : numpy.ndarray
        As in :func:`rounded`.
    """
    point = chebyshev_centre(walls, offsets)
    hessian = np.eye(len(point))
    for _ in range(200):
        slack = offsets - walls @ point
        gradient = walls.T @ (1 / slack) + matrix.T @ (matrix @ point - offset)
        hessian = (walls / slack[:, None] ** 2).T @ walls + matrix.T @ matrix
        step = -np.linalg.solve(hessian, gradient)
        decrement = np.sqrt(max(-gradient @ step, 0))
        point = point + step / (1 + decrement)  # self-concordant: this step never leaves the polytope
        if decrement < 1e-9:
            break
    return point, hessian


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
