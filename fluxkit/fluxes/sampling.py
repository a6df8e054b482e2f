"""Draws from a normal distribution cut by a polytope: hit-and-run on many chains at once."""

import numpy as np
from numba import njit
from scipy.special import ndtr, ndtri

BLOCK = 512  # chains at a time: their distances to the walls stay in the cache
_FAR = -30.0  # sd: beyond the digits of the normal distribution function, where its tail is exponential


def hit_and_run(
    starts: np.ndarray,
    walls: np.ndarray,
    offsets: np.ndarray,
    precision: np.ndarray,
    linear: np.ndarray,
    *,
    sweeps: int,
    rng: np.random.Generator,
    keep: int = 1,
) -> np.ndarray:
    """Draw from exp(-z'Hz/2 + c'z) on the polytope walls z <= offsets.

    Every step draws exactly from the target along one line. The chains of a block share the lines, which are
    drawn without looking at the chains: given the lines the chains are independent, and the target is left
    invariant. A sweep is one random orthonormal set of lines (doi:10.1287/opre.32.6.1296).

    Parameters
    ----------
    starts : numpy.ndarray
        One interior point per chain, shape ``(chain, free)``.
    walls, offsets : numpy.ndarray
        Half-spaces, shapes ``(wall, free)`` and ``(wall,)``.
    precision, linear : numpy.ndarray
        H, shape ``(free, free)``, and c, shape ``(free,)``; zeros draw uniformly.
    sweeps : int
        Sweeps between kept draws, each of ``free`` steps.
    rng : numpy.random.Generator
        Source of randomness.
    keep : int
        Draws to keep of each chain.

    Returns
    -------
    numpy.ndarray
        Shape ``(keep, chain, free)``.
    """
    chains, free = starts.shape
    kept = np.empty((keep, chains, free))
    for first in range(0, chains, BLOCK):
        block = slice(first, first + BLOCK)
        points = starts[block].T.copy()
        for draw in range(keep):
            for _ in range(sweeps):
                _sweep(points, walls, offsets, precision, linear, rng)
            kept[draw, block] = points.T
    return kept


def _sweep(
    points: np.ndarray,
    walls: np.ndarray,
    offsets: np.ndarray,
    precision: np.ndarray,
    linear: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Move every chain once along each of ``free`` orthogonal lines, in place."""
    free, chains = points.shape
    lines = np.linalg.qr(rng.standard_normal((free, free)))[0]
    rates, curvatures = (walls @ lines).T.copy(), lines.T @ precision @ lines
    position = lines.T @ points  # coordinates along the lines: a step changes one row
    slopes = lines.T @ linear
    slack = offsets[:, None] - walls @ points  # anew, so that rounding does not add up
    uniform = rng.random((free, chains))
    low, high = np.empty(chains), np.empty(chains)
    step, before = np.zeros(chains), np.zeros(len(offsets))
    for k in range(free):
        _move_and_look(slack, before, step, rates[k], low, high)
        slope = slopes[k] - curvatures[k] @ position
        step = _line_draw(low, high, curvatures[k, k], slope, uniform[k])
        position[k] += step
        before = rates[k]
    moved = lines @ position
    inside = (walls @ moved < offsets[:, None]).all(axis=0)
    points[:, inside] = moved[:, inside]


@njit(nogil=True, cache=True, error_model="numpy")
def _move_and_look(slack, before, step, rate, low, high):
    """Take the last step of every chain, then see how far it may go along the next line, in one pass.

    ``slack``, shape (wall, chain), shrinks by ``before``, shape (wall,), times ``step``, shape (chain,). The
    next line shrinks it by ``rate``, shape (wall,): the next step lies between ``low`` and ``high``, shape (chain,).
    """
    low[:], high[:] = -np.inf, np.inf
    for w in range(slack.shape[0]):
        reach = 1.0 / rate[w]
        for c in range(slack.shape[1]):
            slack[w, c] = max(slack[w, c] - before[w] * step[c], 0.0)
        if rate[w] > 0.0:
            for c in range(slack.shape[1]):
                high[c] = min(high[c], slack[w, c] * reach)
        elif rate[w] < 0.0:
            for c in range(slack.shape[1]):
                low[c] = max(low[c], slack[w, c] * reach)


def _line_draw(
    low: np.ndarray, high: np.ndarray, curvature: float, slope: np.ndarray, uniform: np.ndarray
) -> np.ndarray:
    """Invert the distribution function of exp(-curvature t^2 / 2 + slope t) on [low, high]."""
    width = high - low
    if curvature * float(np.max(width)) ** 2 < 1e-8 and float(np.max(np.abs(slope) * width)) < 1e-8:
        return low + uniform * width
    scale = 1 / np.sqrt(max(curvature, 1e-300))
    centre = slope / max(curvature, 1e-300)
    start, stop = (low - centre) / scale, (high - centre) / scale
    mirror = start > -stop  # the lower tail has the digits
    left, right = np.where(mirror, -stop, start), np.where(mirror, -start, stop)
    below, above = ndtr(left), ndtr(right)
    share = np.where(mirror, 1 - uniform, uniform)
    value = ndtri(below + share * (above - below))
    far = right < _FAR
    if far.any():
        pace = -right[far]
        reach = -np.expm1(-pace * (right[far] - left[far]))
        value[far] = right[far] + np.log1p(-(1 - share[far]) * reach) / pace
    value = np.clip(value, left, right)
    step = np.where(mirror, -value, value) * scale + centre
    return np.clip(step, low, high)
