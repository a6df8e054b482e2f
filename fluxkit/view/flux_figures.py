"""Figures of fluxes, their intervals and their differences, as plain plotly figures."""

# pandas types most results as "DataFrame or Series", which pyright cannot follow
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
# pyright: reportCallIssue=false, reportReturnType=false

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fluxkit.view.figure_style import (
    BLUE,
    INK,
    OPEN,
    PAPER,
    PRIOR,
    VERMILLION,
    axes_of,
    blank_figure,
    legend_entry,
    of_sample,
    shortened,
)
from fluxkit.view.figure_tables import comparison_table, flux_draws, interval_table, marginal_table
from fluxkit.view.map_data import format_flux
from fluxkit.view.panels import lay_out_panels, place_legend

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ROWS_PER_PANEL = 30


def interval_figure(
    estimate: Any, kind: str = "net", reactions: Sequence[str] | None = None, columns: int = 3
) -> "Figure":
    """Draw the 90 % interval of every flux over its prior interval; grey where the data do not determine it.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate.
    kind : {"net", "exchange"}
        Which fluxes.
    reactions : sequence of str, optional
        Reactions to draw, in this order; by default all, in the order of the network.
    columns : int
        Panels side by side when there are many reactions; 1 suits a page of 400 pixels.

    Returns
    -------
    plotly.graph_objects.Figure
        Fluxes on a scale that is linear around 0 and logarithmic beyond.

    Raises
    ------
    FluxError
        A kind that does not exist.
    UnknownNameError
        A reaction without such a flux.
    """
    table = interval_table(estimate, kind, reactions)
    unit = f" ({estimate.network.flux_unit})"
    figure = blank_figure(f"{kind.capitalize()} fluxes{unit}{of_sample(estimate)}")
    table["text"] = [
        f"{r.reaction}: {format_flux(r.median)} {_interval(r.lower, r.upper)}, {r.status}"
        f"<br>prior {_interval(r.prior_lower, r.prior_upper)}"
        + (f", information {max(r.information, 0):.0%}" if np.isfinite(r.information) else "")
        for r in table.itertuples()
    ]
    marks = {
        "prior": (PRIOR, 9, "prior"),
        "determined": (BLUE, 3.5, "determined"),
        "not determined": (OPEN, 3.5, "not determined"),
        "fixed": (INK, 3.5, "fixed"),
    }
    values, behind = ("median", "lower", "upper"), ("prior_lower", "prior_upper")
    # the prior of exchange fluxes is uniform in the logarithm, so small ones need their room
    _interval_panels(figure, table, marks, values, behind, columns, fine=0.01 if kind == "exchange" else 1.0)
    return figure


def comparison_figure(
    comparison: pd.DataFrame,
    reactions: Sequence[str] | None = None,
    columns: int = 3,
    title: str = "Difference",
) -> "Figure":
    """Draw how much each flux differs between two estimates, with its 90 % interval.

    Parameters
    ----------
    comparison : pandas.DataFrame
        ``reaction``, ``kind``, ``difference``, ``difference_lower``, ``difference_upper`` and
        ``probability_changed`` (0 to 1; NaN for a fixed flux); ``q_value`` and ``changed`` where given.
    reactions : sequence of str, optional
        Rows to draw, in this order; all by default.
    columns : int
        Panels side by side when there are many rows.
    title : str
        Which minus which.

    Returns
    -------
    plotly.graph_objects.Figure
        Coloured where the comparison calls the flux changed.

    Raises
    ------
    FluxError
        A column is missing.
    """
    table = comparison_table(comparison, reactions)
    several = table["kind"].nunique() > 1
    figure = blank_figure(title)
    table["text"] = [
        f"{r.reaction} ({r.kind}): {format_flux(r.difference)} {_interval(r.difference_lower, r.difference_upper)}"
        f"<br>probability of a change {r.probability_changed:.3g}"
        + (f", q-value {r.q_value:.2g}" if "q_value" in table else "")
        for r in table.itertuples()
    ]
    if several:
        table["reaction"] = table["reaction"] + " (" + table["kind"] + ")"
    table["status"] = table["change"]
    marks = {
        "higher": (VERMILLION, 3.5, "higher"),
        "lower": (BLUE, 3.5, "lower"),
        "no clear change": (OPEN, 3.5, "no clear change"),
    }
    values = ("difference", "difference_lower", "difference_upper")
    _interval_panels(figure, table, marks, values, None, columns)
    return figure


def _interval(lower: float, upper: float) -> str:
    return f"[{format_flux(lower)}, {format_flux(upper)}]"


def _interval_panels(
    figure: "Figure",
    table: pd.DataFrame,
    marks: dict[str, tuple[str, float, str]],
    values: tuple[str, str, str],
    behind: tuple[str, str] | None,
    columns: int,
    fine: float = 1.0,
) -> None:
    """Draw horizontal intervals, split into panels of equal length that can stand side by side."""
    shown = [*values, *(behind or ())]
    numbers = table[shown].to_numpy(dtype=float)
    scale = _linear_part(numbers) * fine
    mapped = table.copy()
    mapped[shown] = signed_log(numbers, scale)
    count = max(1, int(np.ceil(len(table) / ROWS_PER_PANEL)))
    chunks = [mapped.iloc[part] for part in np.array_split(np.arange(len(table)), count)]
    length = max(map(len, chunks))
    for number, rows in enumerate(chunks, 1):
        if behind:
            _segments(figure, rows, behind, *marks["prior"][:2], number)
        for status, (colour, width, _) in marks.items():
            some = rows[rows["status"] == status]
            if len(some):
                _segments(figure, some, values[1:], colour, width, number)
                figure.add_scatter(
                    x=some[values[0]], y=some["reaction"], mode="markers", showlegend=False,
                    customdata=some[["text"]], hovertemplate="%{customdata[0]}<extra></extra>",
                    marker={"color": PAPER if status != "fixed" else colour, "size": 7,
                            "line": {"color": colour, "width": 2}}, **axes_of(number),
                )  # fmt: skip
    for status, (colour, _, name) in marks.items():
        if status == "prior" or (table["status"] == status).any():
            legend_entry(figure, name, colour, "square")
    widest = max((len(str(name)) for name in table["reaction"]), default=4)
    room = int(14 + 6.4 * min(widest, 28))
    lay_out_panels(
        figure, [""] * count, min(columns, count), row_height=18 * length + 6, min_width=room + 190,
        gap_x=room + 12, gap_y=34, left=room,
    )  # fmt: skip
    low, high = (np.nanmin(mapped[shown].to_numpy()), np.nanmax(mapped[shown].to_numpy())) if len(table) else (0, 1)
    places, labels = _signed_ticks(numbers, scale)
    pad = 0.04 * max(float(high - low), 0.1)
    figure.update_xaxes(range=[low - pad, high + pad], tickvals=places, ticktext=labels, zeroline=True)
    for number, rows in enumerate(chunks, 1):
        names = list(rows["reaction"])
        axis = "yaxis" if number == 1 else f"yaxis{number}"
        figure.layout[axis].update(
            type="category", categoryorder="array", categoryarray=names, tickvals=names, showgrid=False,
            range=[length - 0.4, -0.6], ticktext=[shortened(str(name), 28) for name in names],
        )  # fmt: skip


def _segments(
    figure: "Figure", rows: pd.DataFrame, ends: tuple[str, ...], colour: str, width: float, number: int
) -> None:
    """Draw one line per row in one trace: None lifts the pen."""
    x = [value for row in rows[list(ends)].itertuples(index=False) for value in (*row, None)]
    y = [name for name in rows["reaction"] for name in (name, name, None)]
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": colour, "width": width}, hoverinfo="skip", showlegend=False,
        **axes_of(number),
    )  # fmt: skip


def signed_log(values: np.ndarray, linear: float) -> np.ndarray:
    """Map fluxes to a scale that is linear near 0 and logarithmic beyond, for either sign.

    ``sign(v) log10(1 + |v| / linear)`` (Webber 2013, doi:10.1088/0957-0233/24/2/027001).

    Parameters
    ----------
    values : numpy.ndarray
        Any numbers.
    linear : float
        Size at which the scale turns from linear to logarithmic.
    """
    values = np.asarray(values, dtype=float)
    return np.sign(values) * np.log10(1 + np.abs(values) / linear)


def _linear_part(values: np.ndarray) -> float:
    """A power of ten about a hundredth of the largest number."""
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max()) if finite.size else 1.0
    return float(10.0 ** np.floor(np.log10(max(largest, 1e-12) / 100) + 1e-9))


def _signed_ticks(values: np.ndarray, linear: float) -> tuple[list[float], list[str]]:
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    sizes = [linear * 10.0**power for power in range(1, 5)]
    ticks = [-size for size in reversed(sizes) if -size >= low * 1.05] + [0.0]
    ticks += [size for size in sizes if size <= high * 1.05]
    labels = [f"{tick:g}".replace("-", "−") for tick in ticks]
    return [float(place) for place in signed_log(np.array(ticks), linear)], labels


def marginal_figure(estimate: Any, reaction: str, kind: str = "net") -> "Figure":
    """Draw what was believed of one flux before the data and after them.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate.
    reaction : str
        Name of the reaction.
    kind : {"net", "exchange"}
        Which flux; exchange fluxes stand on a logarithmic axis.

    Returns
    -------
    plotly.graph_objects.Figure
        Histograms of prior and posterior, with the 90 % interval of the posterior.

    Raises
    ------
    UnknownNameError
        There is no such reaction.
    FluxError
        A kind that does not exist.
    """
    table = marginal_table(estimate, reaction, kind)
    lower, upper = np.quantile(flux_draws(estimate.posterior, reaction, kind), [0.05, 0.95])
    figure = blank_figure(f"{reaction}, {kind} flux{of_sample(estimate)}")
    logarithmic = kind == "exchange" and float(table["lower"].min()) > 0
    edges = np.repeat(np.r_[table["lower"], table["upper"].iloc[-1]], 2)
    for name, colour, fill in (
        ("prior", OPEN, "rgba(154,163,171,0.28)"),
        ("posterior", BLUE, "rgba(0,114,178,0.32)"),
    ):
        heights = np.r_[0.0, np.repeat(table[name], 2), 0.0]
        figure.add_scatter(
            x=edges, y=heights, mode="lines", line={"color": colour, "width": 1.6}, name=name,
            fill="tozeroy", fillcolor=fill, hovertemplate=f"{name}<br>%{{x:.3g}}<extra></extra>",
        )  # fmt: skip
    for place in (lower, upper):
        figure.add_vline(x=float(place), line={"color": BLUE, "width": 1, "dash": "dash"})
    place_legend(figure, 300, left=20, bottom=48)
    unit = estimate.network.flux_unit
    figure.update_xaxes(title=f"flux ({unit}); dashed: 90 % interval", type="log" if logarithmic else "linear")
    figure.update_yaxes(showticklabels=False, showgrid=False, rangemode="tozero")
    return figure
