"""How one quantity differs between two posteriors: effect sizes with intervals, and the probability of a change."""

import numpy as np

from fluxkit.inference.estimate import LEVEL

_POINTS = 400
_TAILS = (0.5 - LEVEL / 2, 0.5, 0.5 + LEVEL / 2)
_FIXED = 1e-9  # relative spread below which draws differ by rounding only


def pair_draws(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair the draws of two independent posteriors, each with each.

    Parameters
    ----------
    first, second : numpy.ndarray
        Draws, shapes ``(draw,)``; draws without a value (NaN) are left out, more than 400 become as many quantiles.

    Returns
    -------
    tuple of numpy.ndarray
        Two arrays of equal shape ``(pair,)``. Nothing is random, so exchanging the arguments exchanges the result.
    """
    a, b = (_quantiles(each[~np.isnan(each)]) for each in (first, second))
    return np.repeat(a, len(b)), np.tile(b, len(a))


def _quantiles(draws: np.ndarray) -> np.ndarray:
    if len(draws) <= _POINTS:
        return draws
    return np.quantile(draws, (np.arange(_POINTS) + 0.5) / _POINTS, method="inverted_cdf")


def describe_difference(
    first: np.ndarray, second: np.ndarray, threshold: float = 0.0, fold: float = 1.0
) -> dict[str, float | str]:
    """Summarise paired draws of one quantity.

    Parameters
    ----------
    first, second : numpy.ndarray
        Draws of equal shape ``(pair,)``.
    threshold : float
        Smallest difference that counts, in the unit of the quantity.
    fold : float
        Smallest ratio that counts, at least 1; a change of sign exceeds any.

    Returns
    -------
    dict
        ``difference``, ``ratio`` and ``log2_ratio``, each with ``_lower`` and ``_upper``, ``probability_changed``,
        ``direction`` and ``probability_negligible``; see :func:`fluxkit.inference.compare`.
    """
    with np.errstate(invalid="ignore"):
        row: dict[str, float | str] = dict(interval("difference", second - first))
    logarithm = interval("log2_ratio", log2_ratio(first, second))
    row |= {name.removeprefix("log2_"): float(np.exp2(value)) for name, value in logarithm.items()}
    row |= logarithm
    up = down = np.nan
    if _varies(first) or _varies(second):
        up, down = exceedance(first, second, threshold, fold)
    row["probability_changed"] = max(up, down)
    row["direction"] = "" if np.isnan(up) else "up" if up > down else "down"
    row["probability_negligible"] = max(1 - up - down, 0.0) if np.isfinite(up) else np.nan
    return row


def interval(name: str, draws: np.ndarray) -> dict[str, float]:
    """Return median and 90 % interval of draws as ``name``, ``name_lower`` and ``name_upper``.

    Parameters
    ----------
    name : str
        Name of the quantity.
    draws : numpy.ndarray
        Shape ``(draw,)``; NaN draws do not count.
    """
    known = draws[~np.isnan(draws)]
    if not known.size:
        return {name: np.nan, f"{name}_lower": np.nan, f"{name}_upper": np.nan}
    # between two infinite draws nothing can be interpolated
    method = "linear" if np.isfinite(known).all() else "inverted_cdf"
    low, middle, high = np.quantile(known, _TAILS, method=method).tolist()
    return {name: middle, f"{name}_lower": low, f"{name}_upper": high}


def log2_ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the binary logarithm of second by first, NaN throughout where their medians do not share a sign.

    Parameters
    ----------
    first, second : numpy.ndarray
        Draws of equal shape. Those of the other sign than the medians count as zero: their logarithm is infinite, so
        an interval that ends there says that the flux may stop or turn round.
    """
    sides = [np.sign(np.median(each)) if each.size else np.nan for each in (first, second)]
    if not sides[0] * sides[1] > 0:
        return np.full(first.shape, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = (np.log2(np.maximum(sides[0] * each, 0.0)) for each in (first, second))
        return b - a


def exceedance(first: np.ndarray, second: np.ndarray, threshold: float = 0.0, fold: float = 1.0) -> tuple[float, float]:
    """Return the probabilities that the second exceeds the first by enough, and that it falls short by enough.

    Parameters
    ----------
    first, second : numpy.ndarray
        Draws of equal shape; equal draws count half.
    threshold, fold : float
        What is enough: at least this difference, and at least this ratio.
    """
    more, less = first * fold, first / fold
    positive = first > 0
    upper = np.maximum(first + threshold, np.where(positive, more, less))
    lower = np.minimum(first - threshold, np.where(positive, less, more))
    up = np.mean(second > upper) + 0.5 * np.mean(second == upper)
    down = np.mean(second < lower) + 0.5 * np.mean(second == lower)
    return float(up), float(down)


def _varies(draws: np.ndarray) -> bool:
    return bool(draws.size) and not np.isclose(draws.min(), draws.max(), rtol=_FIXED, atol=0.0)
