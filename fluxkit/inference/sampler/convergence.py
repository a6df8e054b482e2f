"""Whether chains agree: rank-normalised split R-hat and bulk effective sample size of all parameters at once.

The numbers are those of ArviZ, which takes one parameter at a time and would take as long as the sampling; the formulas
are of Vehtari et al. 2021, Rank-normalization, folding, and localization, doi:10.1214/20-BA1221.
"""

import numpy as np
from scipy.fft import next_fast_len
from scipy.special import ndtri

from fluxkit.emu import share_out, thread_count

_FEW = 6
"""Parameters that are looked at first."""


def diagnose(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rank-normalised split R-hat and bulk effective sample size of each parameter.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape ``(chain, draw, parameter)``.

    Returns
    -------
    rhat, effective_draws : numpy.ndarray
        Shape ``(parameter,)``; NaN with fewer than 4 draws or 2 chains.
    """
    chains, count, size = draws.shape
    if chains < 2 or count < 4:
        return np.full(size, np.nan), np.full(size, np.nan)
    rhat, effective = np.empty(size), np.empty(size)
    halves = _halves(draws)

    def work(rows: slice) -> None:
        rhat[rows], scores = _ranked_rhat(halves[rows])
        effective[rows] = _effective_draws(scores)

    share_out(work, size, min(size, thread_count()))
    return rhat, effective


def agree(draws: np.ndarray, rhat: float) -> bool:
    """Return whether R-hat may be below a limit: that of the few parameters which look worst without ranks is.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape ``(chain, draw, parameter)``.
    rhat : float
        The limit.
    """
    halves = _halves(draws)
    rough = _rhat(halves)
    worst = np.argsort(-np.nan_to_num(rough))[:_FEW]
    return bool(_ranked_rhat(halves[worst])[0].max() < rhat)


def _ranked_rhat(halves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return R-hat of values or of their distances from the median, whichever is larger, and the normal scores."""
    scores = _normal_scores(halves)
    middle = np.median(halves.reshape(len(halves), -1), axis=1)[:, None, None]
    return np.maximum(_rhat(scores), _rhat(_normal_scores(np.abs(halves - middle)))), scores


def _halves(draws: np.ndarray) -> np.ndarray:
    """Return every chain as two, shape ``(parameter, half chain, draw)``."""
    half = draws.shape[1] // 2
    return np.ascontiguousarray(np.concatenate([draws[:, :half], draws[:, -half:]]).transpose(2, 0, 1))


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Replace values by the normal quantiles of their ranks among all of a parameter; ties share their mean rank."""
    flat = values.reshape(len(values), -1)
    order = flat.argsort(axis=1)
    scores = np.empty(flat.shape)
    count = flat.shape[1]
    for row, places, target in zip(flat, order, scores, strict=True):
        ordered = row[places]
        first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
        ranks = 0.5 * (first[:-1] + first[1:] + 1)
        target[places] = np.repeat(ndtri((ranks - 0.375) / (count + 0.25)), np.diff(first))
    return scores.reshape(values.shape)


def _rhat(values: np.ndarray) -> np.ndarray:
    """Return R-hat of values ``(parameter, chain, draw)``."""
    count = values.shape[2]
    between = count * values.mean(axis=2).var(axis=1, ddof=1)
    within = values.var(axis=2, ddof=1).mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt((between / within + count - 1) / count)


def _effective_draws(values: np.ndarray) -> np.ndarray:
    """Return the effective sample size of values ``(parameter, chain, draw)``."""
    _, chains, count = values.shape
    centred = values - values.mean(axis=2, keepdims=True)
    length = next_fast_len(2 * count, real=True)
    spectrum = np.fft.rfft(centred, n=length, axis=2)
    power = np.square(spectrum.real).mean(axis=1) + np.square(spectrum.imag).mean(axis=1)
    covariance = np.fft.irfft(power, n=length, axis=1)[:, :count] / count  # mean over the chains
    within = covariance[:, 0] * count / (count - 1)
    total = covariance[:, 0] + values.mean(axis=2).var(axis=1, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = 1 - (within[:, None] - covariance) / total[:, None]
    correlation[:, 0] = 1.0
    return np.array([chains * count / _correlation_time(each, chains * count) for each in correlation])


def _correlation_time(correlation: np.ndarray, draws: int) -> float:
    """Return the integrated autocorrelation time by Geyer's initial monotone sequence of pairs."""
    if not np.isfinite(correlation).all():
        return 1.0  # a parameter that never varies
    most = max(0, (len(correlation) - 3) // 2)  # the last pair that is looked at
    pairs = correlation[: 2 * most + 2].reshape(-1, 2).sum(axis=1)
    negative = np.flatnonzero(pairs <= 0)
    kept = int(negative[0]) if negative.size else most
    monotone = np.minimum.accumulate(pairs[:kept])
    time = -1.0 + 2.0 * monotone.sum() + max(correlation[2 * kept], 0.0)
    return max(time, 1 / np.log10(draws))
