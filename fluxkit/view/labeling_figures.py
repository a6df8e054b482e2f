"""Figures of measured against fitted labeling, as plain plotly figures."""

# pandas types most results as "DataFrame or Series", which pyright cannot follow
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
# pyright: reportCallIssue=false, reportReturnType=false

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fluxkit.view.figure_style import (
    BLUE,
    INK,
    MUTED,
    OPEN,
    ORANGE,
    SKY,
    VERMILLION,
    axes_of,
    blank_figure,
    legend_entry,
    of_sample,
    shortened,
)
from fluxkit.view.figure_tables import isotopologue_names, isotopologue_table, residual_table
from fluxkit.view.panels import FONT, lay_out_panels, place_legend

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

AGREEMENT = (
    (2.0, "fitted, within 2 sd", SKY),
    (3.0, "fitted, 2 to 3 sd off", ORANGE),
    (np.inf, "fitted, over 3 sd off", VERMILLION),
)
LABELED_RESIDUALS = 3


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
        Bars are coloured by the size of the standardised residual. Where isotopes are told apart, the bars stand in
        groups of the same number of heavy atoms of the first element, which the axis names (``13C0, 1, 2``).

    Raises
    ------
    UnknownNameError
        A fragment that the estimate did not use.
    """
    table = isotopologue_table(estimate, fragments)
    figure = blank_figure(f"Measured and fitted labeling{of_sample(estimate)}")
    several = table["experiment"].nunique() > 1
    panels = list(table.groupby(["experiment", "fragment"], sort=False))
    steps = np.digitize(table["residual"].abs(), [limit for limit, _, _ in AGREEMENT[:-1]])
    colours = pd.Series([AGREEMENT[i][2] for i in steps], index=table.index)
    told_apart: dict[int, dict] = {}
    for number, (_, rows) in enumerate(panels, 1):
        axes = axes_of(number)
        hover = rows[["sd", "residual", "measured", "fitted"]].assign(name=isotopologue_names(rows)).to_numpy()
        text = (
            "%{customdata[4]}<br>measured %{customdata[2]:.4f} ± %{customdata[0]:.4f}<br>fitted %{customdata[3]:.4f}"
            "<br>residual %{customdata[1]:+.1f} sd<extra></extra>"
        )
        x, told_apart[number] = _positions(rows)
        shared = {"x": x, "customdata": hover, "hovertemplate": text, "showlegend": False}
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
    legend_entry(figure, "measured ± sd", INK, "circle")
    for i, (_, name, colour) in enumerate(AGREEMENT):
        if i in steps or i == 0:
            legend_entry(figure, name, colour, "square")
    titles = [shortened(f"{fragment}, {experiment}" if several else fragment) for (experiment, fragment), _ in panels]
    lay_out_panels(figure, titles, columns, row_height=104, min_width=172, gap_x=34, gap_y=46)
    figure.update_xaxes(dtick=1, showgrid=False, ticks="", zeroline=False)
    figure.update_yaxes(range=[0, 1.04], tickvals=[0, 0.5, 1], zeroline=False)
    for number, ticks in told_apart.items():
        figure.layout[f"xaxis{number if number > 1 else ''}"].update(ticks)
    return figure


def _positions(rows: pd.DataFrame) -> tuple[np.ndarray, dict]:
    """Return where the bars of one panel stand, and the ticks of its axis: mass shifts, or groups of isotopologues."""
    if not (rows["isotopes"] != "").any():
        return rows["mass_shift"].to_numpy(), {}
    groups = rows["isotopes"].str.split(" ").str[0].to_numpy()
    begins = np.r_[True, groups[1:] != groups[:-1]]
    x = np.arange(len(rows)) + np.cumsum(begins) - 1  # an empty place between groups
    counts = [each if i == 0 else re.sub(r"^\d+[A-Z]", "", each) for i, each in enumerate(groups[begins])]
    return x, {"tickmode": "array", "tickvals": x[begins].tolist(), "ticktext": counts, "tickangle": 0}


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
    figure = blank_figure(f"Residuals{of_sample(estimate)}")
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
                x=row["rank"], y=row["residual"], text=shortened(row["name"], 30), axref="x", ayref="y",
                ax=row["rank"] - sign * len(table) * 0.09, ay=sign * place,
                xanchor="right" if sign > 0 else "left", yanchor="middle",
                arrowhead=0, arrowwidth=1, arrowcolor=OPEN, standoff=4, font={"size": FONT - 1, "color": INK},
            )  # fmt: skip
    return reach


def _whole_numbers(top: float) -> list[int]:
    step = 1 if top < 6 else 2 if top < 14 else int(np.ceil(top / 6))
    return list(range(-int(top // step) * step, int(top) + 1, step))
