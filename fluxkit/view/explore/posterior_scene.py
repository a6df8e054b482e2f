"""What the viewer of a posterior shows, reduced to what a page can carry: histograms, thinned draws, contours."""

# pandas types most results as "DataFrame or Series", which pyright cannot follow
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

from typing import Any

import numpy as np

from fluxkit.errors import FluxError
from fluxkit.inference.comparison.comparison import RATE
from fluxkit.inference.comparison.difference import describe_difference, pair_draws
from fluxkit.inference.comparison.false_discovery import q_values
from fluxkit.view.explore.contours import contour_lines, level_of_share, smooth_density
from fluxkit.view.figure_tables import KINDS, flux_draws, interval_table

BINS = (12, 44)  # fewest and most of a histogram
PAIRS = 12
POINTS = 500
TIED = 0.995  # rank correlation under the prior from which the network, not the data, ties two fluxes
SHARES = (0.5, 0.9)
_FLOOR = 1e-9  # of exchange fluxes on a logarithmic axis


def posterior_scene(estimate: Any, compare: Any = None, rate: float = RATE) -> dict[str, Any]:
    """Return marginals, intervals and correlated pairs of a posterior, ready for JSON.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate.
    compare : FluxEstimate, optional
        An estimate of another condition on the same network.
    rate : float
        False discovery rate at which a flux is called changed.

    Returns
    -------
    dict
        ``title``, ``names`` of the conditions, ``unit``, ``rate``, ``fluxes`` and ``pairs``. Fluxes that the network
        fixes are left out. A flux holds ``key`` (``"net PDH"``), ``reaction``, ``kind``, ``logarithmic``, ``prior`` (a
        histogram), ``shift`` (difference of the medians over the wider interval), ``change`` (see :func:`changes`; both
        None without comparison) and ``states``, one for each condition: ``histogram``, ``best``, ``median``, ``lower``,
        ``upper``, ``information`` and ``determined``. A histogram holds ``low``, ``high`` and ``heights``, 100 at the
        mode. A pair holds ``x``, ``y`` (keys), ``correlation`` (of ranks, Spearman) and ``clouds``: ``points`` and
        ``contours`` (by share: straight pieces x, y to x, y). Positions on a logarithmic axis are decimal logarithms.

    Raises
    ------
    FluxError
        The two estimates are of different networks, or no flux is free.
    """
    states = [estimate] if compare is None else [estimate, compare]
    if compare is not None and tuple(compare.network.reaction_names) != tuple(estimate.network.reaction_names):
        raise FluxError(
            f"the estimates are of different networks, {estimate.network.name!r} and {compare.network.name!r}; compare "
            "two conditions quantified with the same network."
        )
    tables = {kind: [interval_table(each, kind).set_index("reaction") for each in states] for kind in KINDS}
    fluxes, draws, priors = [], [], []
    for kind in KINDS:
        first = tables[kind][0]
        for reaction in first.index[first["status"] != "fixed"]:
            values = [_axis(flux_draws(each.posterior, reaction, kind), kind) for each in states]
            prior = _axis(flux_draws(estimate.prior, reaction, kind), kind)
            rows = [table.loc[reaction] for table in tables[kind]]
            fluxes.append(_flux(str(reaction), kind, rows, prior, values))
            draws.append(values)
            priors.append(prior)
    for item, change in zip(fluxes, changes(fluxes, states, rate), strict=True):
        item["change"] = change
    if not fluxes:
        raise FluxError(f"every flux of network {estimate.network.name!r} is fixed; there is no posterior to show.")
    names = [each.sample or f"condition {i + 1}" for i, each in enumerate(states)]
    return {
        "title": f"Posterior of {' and '.join(names)}",
        "names": names,
        "unit": estimate.network.flux_unit,
        "rate": rate,
        "fluxes": fluxes,
        "pairs": _pairs([each["key"] for each in fluxes], draws, priors),
    }


def changes(fluxes: list[dict[str, Any]], states: list[Any], rate: float = RATE) -> list[dict[str, Any] | None]:
    """Say of each flux how it differs between two conditions, by the rules of :func:`fluxkit.inference.compare`.

    Parameters
    ----------
    fluxes : list of dict
        With ``reaction`` and ``kind``.
    states : list of FluxEstimate
        One or two estimates.
    rate : float
        False discovery rate at which a flux is called changed.

    Returns
    -------
    list
        None for each flux of a single estimate; else a dict with ``probability`` (that the flux differs in
        ``direction``, ``"up"`` or ``"down"``), ``q`` (false discovery rate at which it is just called), ``changed``,
        and ``difference`` of net fluxes or ``ratio`` of exchange fluxes, second against first, each a list of median
        and 90 % interval; None where the draws give none.
    """
    if len(states) < 2:
        return [None] * len(fluxes)
    found = []
    for item in fluxes:
        drawn = [flux_draws(each.posterior, item["reaction"], item["kind"]) for each in states]
        found.append(describe_difference(*pair_draws(*drawn)))
    errors = q_values(np.array([1 - row["probability_changed"] for row in found]))
    return [_change(item, row, q, rate) for item, row, q in zip(fluxes, found, errors, strict=True)]


def _change(item: dict[str, Any], row: dict[str, Any], q: float, rate: float) -> dict[str, Any] | None:
    if np.isnan(row["probability_changed"]):
        return None
    name = "ratio" if item["kind"] == "exchange" else "difference"
    size = [row[f"{name}{end}"] for end in ("", "_lower", "_upper")]
    return {
        "probability": round(float(row["probability_changed"]), 4),
        "direction": row["direction"],
        "q": round(float(q), 4),
        "changed": bool(q <= rate),
        name: [_short(each, 3) for each in size] if np.isfinite(size).all() else None,
    }


def histogram(values: np.ndarray) -> dict[str, Any]:
    """Return a histogram with its mode at 100.

    Parameters
    ----------
    values : numpy.ndarray
        Shape ``(draw,)``, on the axis on which they are shown. One in 500 at each end is left out.

    Returns
    -------
    dict
        ``low``, ``high`` and ``heights`` of bins of equal width, the more the more draws.
    """
    low, high = (float(each) for each in np.quantile(values, [0.002, 0.998]))
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    bins = int(np.clip(2.2 * len(values) ** (1 / 3), *BINS))
    counts = np.histogram(values, bins=bins, range=(low, high))[0]
    return {"low": _short(low), "high": _short(high), "heights": (100 * counts // max(counts.max(), 1)).tolist()}


def _axis(values: np.ndarray, kind: str) -> np.ndarray:
    return np.log10(np.maximum(values, _FLOOR)) if kind == "exchange" else values


def _short(value: float, digits: int = 5) -> float:
    return float(f"{float(value):.{digits}g}")


def _flux(reaction: str, kind: str, rows: list, prior: np.ndarray, values: list[np.ndarray]) -> dict[str, Any]:
    states = [
        {
            "histogram": histogram(each),
            **{name: _short(row[name]) for name in ("best", "median", "lower", "upper")},
            "information": None if np.isnan(row["information"]) else round(float(row["information"]), 3),
            "determined": bool(row["determined"]),
        }
        for row, each in zip(rows, values, strict=True)
    ]
    shift = None
    if len(values) > 1:
        quantiles = [np.quantile(each, [0.05, 0.5, 0.95]) for each in values]
        widest = max(max(each[2] - each[0] for each in quantiles), 1e-9)
        shift = _short((quantiles[1][1] - quantiles[0][1]) / widest, 4)
    return {
        "key": f"{kind} {reaction}",
        "reaction": reaction,
        "kind": kind,
        "logarithmic": kind == "exchange",
        "prior": histogram(prior),
        "shift": shift,
        "states": states,
    }


def rank_correlation(columns: list[np.ndarray]) -> np.ndarray:
    """Return Spearman's correlation of ranks between all pairs.

    Parameters
    ----------
    columns : list of numpy.ndarray
        Draws of each quantity, all of one length.

    Returns
    -------
    numpy.ndarray
        Shape ``(quantity, quantity)``; 0 where one does not vary.
    """
    table = np.column_stack(columns)
    ranks = np.argsort(np.argsort(table, axis=0, kind="stable"), axis=0).astype(float)  # draws hardly ever tie
    ranks -= ranks.mean(axis=0)
    ranks[:, np.ptp(table, axis=0) == 0] = 0.0
    size = np.sqrt((ranks**2).sum(axis=0))
    return (ranks.T @ ranks) / np.outer(*(np.where(size > 0, size, 1.0),) * 2)


def strongest_pairs(posterior: np.ndarray, prior: np.ndarray, count: int = PAIRS) -> list[tuple[int, int]]:
    """Return the most correlated pairs, without those that the network ties together before any data.

    Parameters
    ----------
    posterior, prior : numpy.ndarray
        Correlations, shape ``(flux, flux)``.
    count : int
        The most pairs.

    Returns
    -------
    list of (int, int)
        The strongest first. Of fluxes that are tied (all steps of a chain), the first stands for the others.
    """
    tied = np.abs(prior) > TIED
    first = [int(np.flatnonzero(tied[i, : i + 1])[0]) if tied[i, : i + 1].any() else i for i in range(len(prior))]
    kept = np.array([i for i, each in enumerate(first) if each == i])
    rows, columns = np.triu_indices(len(kept), 1)
    strength = np.abs(posterior[kept[rows], kept[columns]])
    order = np.argsort(-strength, kind="stable")[:count]
    return [(int(kept[rows[k]]), int(kept[columns[k]])) for k in order if strength[k] > 0]


def _pairs(keys: list[str], draws: list[list[np.ndarray]], priors: list[np.ndarray]) -> list[dict[str, Any]]:
    before = rank_correlation(priors)
    now = rank_correlation([each[0] for each in draws])
    return [
        {
            "key": f"{keys[i]} | {keys[j]}",
            "x": keys[i],
            "y": keys[j],
            "correlation": round(float(now[i, j]), 3),
            "clouds": [cloud(a, b) for a, b in zip(draws[i], draws[j], strict=True)],
        }
        for i, j in strongest_pairs(now, before)
    ]


def cloud(x: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return thinned points, and lines around the shares of :data:`SHARES`, of the joint draws of two fluxes.

    Parameters
    ----------
    x, y : numpy.ndarray
        Shape ``(draw,)``.
    """
    step = max(1, -(-len(x) // POINTS))
    density, grid_x, grid_y = smooth_density(x, y)
    contours = {}
    for share in SHARES:
        lines = contour_lines(density, grid_x, grid_y, level_of_share(density, share))
        contours[f"{share:g}"] = [[_short(v, 4) for v in piece.ravel()] for piece in lines]
    points = [[_short(a, 4), _short(b, 4)] for a, b in zip(x[::step], y[::step], strict=True)]
    return {"points": points, "contours": contours}
