"""Means of two conditions whose replicates were quantified one by one."""

from functools import lru_cache

import numpy as np
from scipy.special import ndtri

_GRID = 1024
_DRAWS = 2**15
_HALF = 0.341344746  # between the median of a normal distribution and one sd


def summarise_draws(draws: np.ndarray) -> tuple[float, float]:
    """Return the median of draws and half the width of their central 68 %.

    Parameters
    ----------
    draws : numpy.ndarray
        Shape ``(draw,)``; NaN draws do not count.
    """
    known = draws[~np.isnan(draws)]
    if not known.size:
        return np.nan, np.nan
    low, middle, high = np.quantile(known, (0.5 - _HALF, 0.5, 0.5 + _HALF), method="inverted_cdf").tolist()
    return middle, (high - low) / 2 if np.isfinite(low) and np.isfinite(high) else np.nan


def draw_means(
    centres: tuple[np.ndarray, np.ndarray], widths: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw the means of two conditions from a hierarchical model of their replicates.

    .. math:: m_{cr} \sim N(\theta_{cr}, s_{cr}^2), \qquad \theta_{cr} \sim N(\mu_c, \tau^2)

    with a flat prior on the means :math:`\mu_c` and Jeffreys' prior on the scatter between replicates :math:`\tau`,
    which the two conditions share: :math:`p(\tau)^2 \propto \sum [\tau / (\tau^2 + s_{cr}^2)]^2`
    (Bodnar et al. 2017, doi:10.1002/sim.7156; Röver 2020, doi:10.18637/jss.v093.i06). Given :math:`\tau` the means
    are normal; :math:`\tau` itself is integrated on a grid. Where replicates are known exactly, this is Student's
    t-test; where they are not, their widths count too, so intervals are wider.

    Parameters
    ----------
    centres : tuple of numpy.ndarray
        Posterior median :math:`m` of each replicate, by condition; shapes ``(replicate,)``.
    widths : tuple of numpy.ndarray
        Posterior sd :math:`s` of each; same shapes.

    Returns
    -------
    tuple of numpy.ndarray
        Paired draws of the two means, shapes ``(32768,)``, of a Sobol sequence, so nothing is random;
        NaN where a centre or a width is not finite, constant where replicates neither scatter nor vary.
    """
    every = np.concatenate([*centres, *widths])
    if not np.isfinite(every).all():
        return np.full(_DRAWS, np.nan), np.full(_DRAWS, np.nan)
    scale = _scale(centres, widths)
    if scale <= 1e-12 * np.abs(every).max():
        return np.full(_DRAWS, centres[0].mean()), np.full(_DRAWS, centres[1].mean())
    uniform = _sequence()
    scatter = _draw_scatter(centres, widths, scale, uniform[:, 0])
    return (
        _draw_mean(centres[0], widths[0], scatter, uniform[:, 1]),
        _draw_mean(centres[1], widths[1], scatter, uniform[:, 2]),
    )


@lru_cache
def _sequence() -> np.ndarray:
    """Return points that fill the unit cube evenly, shape ``(draw, 3)``."""
    from scipy.stats.qmc import Sobol

    return Sobol(3, scramble=False).random(_DRAWS) + 0.5 / _DRAWS


def _scale(centres: tuple[np.ndarray, np.ndarray], widths: tuple[np.ndarray, np.ndarray]) -> float:
    """Return a typical distance of replicates from the mean of their condition."""
    deviations = np.concatenate([each - each.mean() for each in centres])
    freedom = max(len(deviations) - 2, 1)
    return float(np.sqrt(np.median(np.concatenate(widths)) ** 2 + deviations @ deviations / freedom))


def _draw_scatter(centres, widths, scale: float, uniform: np.ndarray) -> np.ndarray:
    """Draw the scatter between replicates from its marginal posterior."""
    edges = np.linspace(0.0, 1.0, _GRID + 1)
    share = (edges[1:] + edges[:-1]) / 2
    scatter = scale * share / (1 - share)
    every = np.concatenate(widths)
    log_density = -2 * np.log(1 - share)  # of the share, where that of the scatter is flat
    log_density += 0.5 * np.log(((scatter[:, None] / (scatter[:, None] ** 2 + every**2)) ** 2).sum(axis=1))
    for centre, width in zip(centres, widths, strict=True):
        mean, precision = _weighted_mean(centre, width, scatter)
        variance = scatter[:, None] ** 2 + width**2
        misfit = ((centre - mean[:, None]) ** 2 / variance).sum(axis=1)
        log_density -= 0.5 * (np.log(variance).sum(axis=1) + np.log(precision) + misfit)
    cumulated = np.concatenate([[0.0], np.cumsum(np.exp(log_density - log_density.max()))])
    drawn = np.interp(uniform * cumulated[-1], cumulated, edges)
    return scale * drawn / (1 - drawn)


def _draw_mean(centre: np.ndarray, width: np.ndarray, scatter: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    mean, precision = _weighted_mean(centre, width, scatter)
    return mean + ndtri(uniform) / np.sqrt(precision)


def _weighted_mean(centre: np.ndarray, width: np.ndarray, scatter: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and precision of the mean of a condition, shapes ``(scatter,)``."""
    weight = 1 / (scatter[:, None] ** 2 + width**2)
    total = weight.sum(axis=1)
    return weight @ centre / total, total
