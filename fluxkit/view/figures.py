"""The figures of an estimate, as plain plotly figures in one style that colour-blind readers can use."""

# pandas types most results as "DataFrame or Series", which pyright cannot follow
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
# pyright: reportCallIssue=false, reportReturnType=false

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fluxkit.view.figure_tables import (
    comparison_table,
    flux_draws,
    interval_table,
    isotopologue_table,
    marginal_table,
    residual_table,
)
from fluxkit.view.map_data import format_flux
from fluxkit.view.panels import FONT, lay_out_panels, place_legend

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

# Okabe & Ito 2008, Color Universal Design, with ink and greys beside it
INK, MUTED, GRID, PAPER = "#1b1f24", "#667079", "#e4e7ea", "#ffffff"
BLUE, SKY, ORANGE, VERMILLION = "#0072b2", "#56b4e9", "#e69f00", "#d55e00"
PRIOR, OPEN = "#d9dee3", "#9aa3ab"

FACE = '"Helvetica Neue", "Liberation Sans", Arial, sans-serif'
DARK = {
    INK: "#e8ebee", MUTED: "#9aa4ad", GRID: "#2c343b", PAPER: "#14181c", BLUE: "#56b4e9", SKY: "#3f86b3",
    PRIOR: "#333c44", OPEN: "#7b858e", VERMILLION: "#f0883e",
}  # fmt: skip
"""What each colour becomes on a dark page."""

AGREEMENT = (
    (2.0, "fitted, within 2 sd", SKY),
    (3.0, "fitted, 2 to 3 sd off", ORANGE),
    (np.inf, "fitted, over 3 sd off", VERMILLION),
)
LABELED_RESIDUALS = 3
ROWS_PER_PANEL = 30


def mid_figure(estimate: Any, fragments: Sequence[str] | None = None, columns: int = 4) -> "Figure":
    """Draw measured labeling (dots, +-1 sd) over fitted (bars), one panel per fragment and experiment.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate.
    fragments : sequence of str, optional
        Fragments to draw; all by default.
    columns : int
        Panels side by side; 2 suits a page of 400 pixels.

    Returns
    -------
    plotly.graph_objects.Figure
        Bars are coloured by the size of the standardised residual.

    Raises
    ------
    UnknownNameError
        A fragment that the estimate did not use.
    """
    table = isotopologue_table(estimate, fragments)
    figure = _figure(f"Measured and fitted labeling{_of(estimate)}")
    several = table["experiment"].nunique() > 1
    panels = list(table.groupby(["experiment", "fragment"], sort=False))
    steps = np.digitize(table["residual"].abs(), [limit for limit, _, _ in AGREEMENT[:-1]])
    colours = pd.Series([AGREEMENT[i][2] for i in steps], index=table.index)
    for number, (_, rows) in enumerate(panels, 1):
        axes = _axes(number)
        hover = rows[["sd", "residual", "measured", "fitted"]].to_numpy()
        text = (
            "M+%{x}<br>measured %{customdata[2]:.4f} ± %{customdata[0]:.4f}<br>fitted %{customdata[3]:.4f}"
            "<br>residual %{customdata[1]:+.1f} sd<extra></extra>"
        )
        shared = {"x": rows["mass_shift"], "customdata": hover, "hovertemplate": text, "showlegend": False}
        figure.add_bar(y=rows["fitted"], marker_color=list(colours[rows.index]), **shared, **axes)
        error = {"type": "data", "array": rows["sd"], "thickness": 1.2, "width": 3, "color": INK}
        figure.add_scatter(
            y=rows["measured"],
            mode="markers",
            error_y=error,
            marker={"color": INK, "size": 5},
            **shared,
            **axes,
        )
    _legend_only(figure, "measured ± sd", INK, "circle")
    for i, (_, name, colour) in enumerate(AGREEMENT):
        if i in steps or i == 0:
            _legend_only(figure, name, colour, "square")
    titles = [_short(f"{fragment}, {experiment}" if several else fragment) for (experiment, fragment), _ in panels]
    lay_out_panels(figure, titles, columns, row_height=104, min_width=172, gap_x=34, gap_y=46)
    figure.update_xaxes(dtick=1, showgrid=False, ticks="", zeroline=False)
    figure.update_yaxes(range=[0, 1.04], tickvals=[0, 0.5, 1], zeroline=False)
    return figure


def residual_figure(estimate: Any) -> "Figure":
    """Draw the standardised residual of every isotopologue, sorted, against what pure noise would give.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate.

    Returns
    -------
    plotly.graph_objects.Figure
        Bands at 2 and 3 standard deviations; the worst isotopologues are named.
    """
    table = residual_table(estimate)
    figure = _figure(f"Residuals{_of(estimate)}")
    top = max(3.6, 1.12 * float(table["residual"].abs().max())) if len(table) else 3.6
    for low, high, colour, opacity in ((-2, 2, SKY, 0.16), (-3, 3, SKY, 0.10)):
        figure.add_hrect(y0=low, y1=high, fillcolor=colour, opacity=opacity, line_width=0, layer="below")
    figure.add_scatter(
        x=table["rank"], y=table["expected"], mode="lines", name="pure noise", hoverinfo="skip",
        line={"color": MUTED, "width": 1.4, "dash": "dot"},
    )  # fmt: skip
    names = ("within 2 sd", "2 to 3 sd", "over 3 sd")
    steps = np.digitize(table["residual"].abs(), [2.0, 3.0])
    for i, (name, colour) in enumerate(zip(names, (BLUE, ORANGE, VERMILLION), strict=True)):
        rows = table[steps == i]
        figure.add_scatter(
            x=rows["rank"], y=rows["residual"], mode="markers", name=name,
            marker={"color": colour, "size": 6.5}, customdata=rows[["name", "measured", "fitted", "sd"]],
            hovertemplate="%{customdata[0]}<br>%{y:+.1f} sd<br>measured %{customdata[1]:.4f} ± "
            "%{customdata[3]:.4f}<br>fitted %{customdata[2]:.4f}<extra></extra>",
            visible=True if len(rows) else None, showlegend=bool(len(rows)),
        )  # fmt: skip
    top = max(top, _name_worst(figure, table, gap=0.13 * top) + 0.1 * top)
    place_legend(figure, 380, left=52, bottom=48)
    figure.update_xaxes(title="isotopologues, from lowest to highest residual", showgrid=False, zeroline=False)
    figure.update_yaxes(
        title="(fitted − measured) / sd", range=[-top, top], tickvals=_whole_numbers(top), zeroline=True
    )
    return figure


def _name_worst(figure: "Figure", table: pd.DataFrame, gap: float) -> float:
    """Write the names of the largest residuals beside their dots; return how far out the names reach."""
    outside = table[table["residual"].abs() > 2]
    reach = 0.0
    for rows, sign in ((outside[outside["residual"] > 0][::-1], 1), (outside[outside["residual"] < 0], -1)):
        place = -np.inf
        for _, row in rows.head(LABELED_RESIDUALS)[::-1].iterrows():
            place = max(abs(row["residual"]), place + gap)  # outward, where the sorted dots leave room
            reach = max(reach, place)
            figure.add_annotation(
                x=row["rank"], y=row["residual"], text=_short(row["name"], 30), axref="x", ayref="y",
                ax=row["rank"] - sign * len(table) * 0.09, ay=sign * place,
                xanchor="right" if sign > 0 else "left", yanchor="middle",
                arrowhead=0, arrowwidth=1, arrowcolor=OPEN, standoff=4, font={"size": FONT - 1, "color": INK},
            )  # fmt: skip
    return reach


def _whole_numbers(top: float) -> list[int]:
    step = 1 if top < 6 else 2 if top < 14 else int(np.ceil(top / 6))
    return list(range(-int(top // step) * step, int(top) + 1, step))


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
    figure = _figure(f"{kind.capitalize()} fluxes{unit}{_of(estimate)}")
    table["text"] = [
        f"{r.reaction}: {format_flux(r.median)} [{format_flux(r.lower)}, {format_flux(r.upper)}], {r.status}"
        f"<br>prior [{format_flux(r.prior_lower)}, {format_flux(r.prior_upper)}]"
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
        ``probability_changed`` (0 to 1; NaN for a fixed flux).
    reactions : sequence of str, optional
        Rows to draw, in this order; all by default.
    columns : int
        Panels side by side when there are many rows.
    title : str
        Which minus which.

    Returns
    -------
    plotly.graph_objects.Figure
        Coloured where the probability of a change is at least 0.95.

    Raises
    ------
    FluxError
        A column is missing.
    """
    table = comparison_table(comparison, reactions)
    several = table["kind"].nunique() > 1
    figure = _figure(title)
    table["text"] = [
        f"{r.reaction} ({r.kind}): {format_flux(r.difference)} "
        f"[{format_flux(r.difference_lower)}, {format_flux(r.difference_upper)}]"
        f"<br>probability of a change {r.probability_changed:.3g}"
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
                            "line": {"color": colour, "width": 2}}, **_axes(number),
                )  # fmt: skip
    for status, (colour, _, name) in marks.items():
        if status == "prior" or (table["status"] == status).any():
            _legend_only(figure, name, colour, "square")
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
            range=[length - 0.4, -0.6], ticktext=[_short(str(name), 28) for name in names],
        )  # fmt: skip


def _segments(
    figure: "Figure", rows: pd.DataFrame, ends: tuple[str, ...], colour: str, width: float, number: int
) -> None:
    """Draw one line per row in one trace: None lifts the pen."""
    x = [value for row in rows[list(ends)].itertuples(index=False) for value in (*row, None)]
    y = [name for name in rows["reaction"] for name in (name, name, None)]
    figure.add_scatter(
        x=x, y=y, mode="lines", line={"color": colour, "width": width}, hoverinfo="skip", showlegend=False,
        **_axes(number),
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
    figure = _figure(f"{reaction}, {kind} flux{_of(estimate)}")
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


def _figure(title: str) -> "Figure":
    """Start an empty figure in the shared style."""
    from plotly.graph_objects import Figure  # plotly loads when the first figure is drawn

    axis = {
        "gridcolor": GRID, "zerolinecolor": OPEN, "zerolinewidth": 1, "linecolor": GRID, "tickcolor": GRID,
        "automargin": False, "title": {"font": {"size": FONT}, "standoff": 8}, "tickfont": {"size": FONT - 1},
    }  # fmt: skip
    style = {
        "layout": {
            "font": {"family": FACE, "size": FONT, "color": INK},
            "paper_bgcolor": PAPER, "plot_bgcolor": PAPER, "xaxis": axis, "yaxis": axis, "bargap": 0.22,
            "colorway": [BLUE, ORANGE, "#009e73", "#cc79a7", SKY, VERMILLION, "#f0e442", INK],
            "hoverlabel": {"bgcolor": PAPER, "bordercolor": OPEN, "font": {"color": INK, "size": FONT}},
            "legend": {"orientation": "h", "font": {"size": FONT}},
        }
    }  # fmt: skip
    heading = {"text": title, "x": 0.01, "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 10}}
    heading["font"] = {"size": FONT + 3}
    return Figure(layout={"template": style, "title": heading, "dragmode": False, "hovermode": "closest"})


def _axes(number: int) -> dict[str, str]:
    suffix = "" if number == 1 else str(number)
    return {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}


def _legend_only(figure: "Figure", name: str, colour: str, symbol: str) -> None:
    """Add an entry to the legend that stands for many traces."""
    figure.add_scatter(
        x=[None], y=[None], mode="markers", name=name, hoverinfo="skip",
        marker={"color": colour, "size": 10 if symbol == "square" else 7, "symbol": symbol},
    )  # fmt: skip


def _of(estimate: Any) -> str:
    return f": {estimate.sample}" if getattr(estimate, "sample", "") else ""


def _short(text: str, limit: int = 26) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
