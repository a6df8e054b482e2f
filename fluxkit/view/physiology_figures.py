"""Figures of whole-body physiology: turnover, sources, oxidation, balances and cycles, as plain plotly figures."""

# pandas and xarray type most results too widely for pyright
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from fluxkit.errors import FluxError
from fluxkit.view.body_nutrients import circulating
from fluxkit.view.figure_style import (
    BLUE,
    INK,
    MUTED,
    OPEN,
    ORANGE,
    PAPER,
    PRIOR,
    SKY,
    VERMILLION,
    blank_figure,
)
from fluxkit.view.panels import FONT, place_legend

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

SOURCES = (BLUE, ORANGE, "#009e73", "#cc79a7", SKY, VERMILLION, "#c9b800", INK)
"""One colour per source, from Okabe & Ito; the yellow is darkened to be seen on white."""
DARK = (BLUE, "#009e73", VERMILLION, INK)
"""Those on which numbers are white."""


def turnover_figure(
    table: pd.DataFrame, units: str = "nmol C/min/g", title: str = "Turnover of circulating nutrients"
) -> "Figure":
    """Draw turnover computed again beside the published, and their ratio with its 95 % interval.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`fluxkit.physiology.turnover_table`; one row per nutrient.
    units, title : str
        Unit of the turnover; title of the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        Left: both, +- 1 sd, on a logarithmic scale. Right: recomputed / published; coloured where the inputs do not
        explain the published value, or where the interval leaves 1.

    Raises
    ------
    FluxError
        A column is missing.
    """
    _require(table, ("recomputed", "recomputed_sd", "published", "published_sd", "ratio", "ratio_lower", "ratio_upper"))
    rows = table.sort_values("published")
    names, places = list(rows.index), np.arange(len(rows), dtype=float)
    figure = blank_figure(title)
    for name, column, colour, shift in (
        ("published", "published", MUTED, -0.14),
        ("recomputed", "recomputed", BLUE, 0.14),
    ):
        figure.add_scatter(
            x=rows[column], y=places + shift, mode="markers", name=f"{name} ± sd", customdata=names,
            marker={"color": colour, "size": 8},
            error_x={"type": "data", "array": rows[f"{column}_sd"], "color": colour, "thickness": 1.6, "width": 3},
            hovertemplate="%{customdata}, " + name + ": %{x:.3g} ± %{error_x.array:.2g}<extra></extra>",
        )  # fmt: skip
    explained = rows["inputs_explain"].astype(bool) if "inputs_explain" in rows else pd.Series(True, rows.index)
    inside = (rows["ratio_lower"] <= 1) & (rows["ratio_upper"] >= 1)
    kinds = (
        ("ratio, 95 % interval", inside & explained, BLUE),
        ("inputs alone do not explain it", inside & ~explained, ORANGE),
        ("interval leaves 1", ~inside, VERMILLION),
    )
    for name, which, colour in kinds:
        if not which.any():
            continue
        part = rows[which]
        figure.add_scatter(
            x=part["ratio"], y=places[which.to_numpy()], mode="markers", name=name, xaxis="x2", yaxis="y2",
            marker={"color": colour, "size": 8, "symbol": "diamond"}, customdata=part.index,
            error_x={
                "type": "data", "symmetric": False, "array": part["ratio_upper"] - part["ratio"],
                "arrayminus": part["ratio"] - part["ratio_lower"], "color": colour, "thickness": 1.6, "width": 3,
            },
            hovertemplate="%{customdata}: %{x:.2f}<extra></extra>",
        )  # fmt: skip
    figure.add_shape(type="line", x0=1, x1=1, y0=0, y1=1, xref="x2", yref="y2 domain", line={"color": OPEN, "width": 1})
    place_legend(figure, 120 + 30 * len(rows), left=88, bottom=52)
    span = [-0.6, len(rows) - 0.4]
    figure.update_layout(
        xaxis={
            "domain": [0, 0.62], "type": "log", "title": units, "tickvals": [20, 50, 100, 200, 500, 1000, 2000],
            "zeroline": False,
        },
        xaxis2={"domain": [0.68, 1], "anchor": "y2", "title": "recomputed / published", "zeroline": False},
        yaxis={"tickvals": places, "ticktext": names, "range": span, "zeroline": False},
        yaxis2={"anchor": "x2", "tickvals": places, "showticklabels": False, "range": span, "zeroline": False},
    )  # fmt: skip
    return figure


def source_figure(contributions: xr.Dataset, smallest: float = 0.02) -> "Figure":
    """Draw what each metabolite is made from directly, as stacked bars.

    Parameters
    ----------
    contributions : xarray.Dataset
        From :func:`fluxkit.physiology.direct_contributions`.
    smallest : float
        Sources that give no target this share are drawn together.

    Returns
    -------
    plotly.graph_objects.Figure
        Shares of carbon; grey is what no circulating nutrient explains.
    """
    share = contributions["contribution"].to_pandas()
    order = [each for each in share.max().sort_values(ascending=False).index if share[each].max() >= smallest]
    shown, rest = order[: len(SOURCES)], [each for each in share.columns if each not in order[: len(SOURCES)]]
    figure = blank_figure("Direct sources of carbon")
    lower, upper = contributions["lower"].to_pandas(), contributions["upper"].to_pandas()
    level = contributions.attrs.get("level", 0.9)
    for source, colour in zip(shown, SOURCES, strict=False):
        hover = np.stack([lower[source], upper[source]], axis=1)
        figure.add_bar(
            x=share[source], y=list(share.index), orientation="h", name=str(source), marker_color=colour,
            customdata=hover,
            text=[f"{100 * each:.0f}" if each >= 0.06 else "" for each in share[source]], textposition="inside",
            insidetextanchor="middle", textangle=0,
            textfont={"color": PAPER if colour in DARK else INK, "size": FONT - 1},
            hovertemplate=f"%{{y}} from {source}: %{{x:.1%}}<br>{level:.0%} interval %{{customdata[0]:.1%}} to "
            "%{customdata[1]:.1%}<extra></extra>",
        )  # fmt: skip
    others = (
        ("other nutrients", share[rest].sum(axis=1), OPEN),
        ("not explained", contributions["other"].to_series(), PRIOR),
    )
    for name, values, colour in others:
        figure.add_bar(
            x=values, y=list(share.index), orientation="h", name=name, marker_color=colour,
            hovertemplate="%{y}, " + name + ": %{x:.1%}<extra></extra>",
        )  # fmt: skip
    place_legend(figure, 130 + 28 * len(share), left=96, bottom=48)
    figure.update_layout(barmode="stack", legend={"traceorder": "normal"})
    figure.update_xaxes(title="share of carbon", tickformat=".0%", range=[0, 1.005], zeroline=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def source_matrix_figure(matrix: xr.Dataset, title: str | None = None) -> "Figure":
    """Draw normalised labeling or direct contributions as a table of numbers on colour.

    Parameters
    ----------
    matrix : xarray.Dataset
        From :func:`fluxkit.physiology.normalised_labeling` or :func:`fluxkit.physiology.direct_contributions`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        Rows are what is labeled or made, columns the tracer or source; numbers in percent, none below 0.5.
    """
    if "contribution" in matrix:
        values, title = matrix["contribution"], title or "Direct contributions, % of carbon"
        values, across = values.transpose("target", "source"), "direct source"
    else:
        values, title = matrix["value"], title or "Normalised labeling, % of the infused nutrient's"
        values, across = values.transpose(..., "tracer"), "tracer infused"
    numbers = values.to_pandas() * 100
    text = [["" if not each >= 0.5 else f"{each:.0f}" for each in row] for row in numbers.to_numpy()]
    figure = blank_figure(title)
    figure.add_heatmap(
        z=numbers.to_numpy(), x=list(numbers.columns), y=list(numbers.index), text=text, texttemplate="%{text}",
        colorscale=[[0, PAPER], [0.5, SKY], [1, BLUE]], zmin=0, zmax=100, xgap=1, ygap=1, textfont={"size": FONT},
        colorbar={"title": "%", "thickness": 10, "outlinewidth": 0},
        hovertemplate="%{y}, " + across + " %{x}: %{z:.1f} %<extra></extra>",
    )  # fmt: skip
    figure.update_layout(height=120 + 32 * len(numbers), margin={"l": 96, "r": 20, "t": 48, "b": 76})
    figure.update_xaxes(title=across, showgrid=False, zeroline=False, tickangle=-30)
    figure.update_yaxes(title="", autorange="reversed", showgrid=False, zeroline=False)
    return figure


OTHERS = "several organs"


def organ_figure(
    balances: xr.Dataset,
    *,
    names: Mapping[str, str] | None = None,
    leave_out: tuple[str, ...] = ("CO2", "Urea", "NH3"),
    smallest: float = 0.01,
) -> "Figure":
    """Draw what organs send one another through plasma, from organs that release to organs that take up.

    Parameters
    ----------
    balances : xarray.Dataset
        From :func:`fluxkit.physiology.organ_balances`, of carbon; over further dimensions the median is drawn.
    names : mapping of str to str, optional
        What organs and nutrients are called, where not as the network (organs) and usage (nutrients) have it.
    leave_out : tuple of str
        Nutrients that are not drawn: waste would dwarf the rest.
    smallest : float
        Least share of all transport that a band must have to be drawn; what is thinner is left out, so a nutrient's
        bands need not add up. Where all bands to one side are thinner, they are drawn as one, "several organs".

    Returns
    -------
    plotly.graph_objects.Figure
        A Sankey diagram; the width of a band is net transport in the unit of ``balances``.

    Raises
    ------
    FluxError
        The balances count molecules, which nutrients of different size cannot be compared by.
    """
    units = balances.attrs.get("units", "")
    if " C" not in units:
        raise FluxError(f"the balances are in {units!r}: bands compare carbon. Use organ_balances(..., element='C').")
    called = {str(each): circulating(str(each)).name for each in balances["nutrient"].values}
    if "organ_name" in balances.coords:
        pairs = zip(map(str, balances["organ"].values), map(str, balances["organ_name"].values), strict=True)
        called |= {key: name for key, name in pairs if key != name}
    called |= names or {}
    net = balances["value"]
    net = net.median([each for each in net.dims if each not in ("nutrient", "organ")])
    kept = [each for each in net["nutrient"].values if each not in leave_out]
    table = net.sel(nutrient=kept).transpose("nutrient", "organ").to_pandas()
    total = table.clip(lower=0).to_numpy().sum()
    order = list(table.clip(lower=0).sum(axis=1).sort_values(ascending=False).index)
    links, nodes = [], {}
    colour = {each: SOURCES[i] if i < len(SOURCES) else OPEN for i, each in enumerate(order)}

    def node(column: str, key: str) -> int:
        return nodes.setdefault((column, key), len(nodes))

    for nutrient in order:
        row = table.loc[nutrient]
        bands = {organ: value for organ, value in row.items() if abs(value) >= smallest * total}
        for sign in (1, -1):  # what leaves through thin bands alone leaves through one of them together
            if bands and not any(sign * value > 0 for value in bands.values()):
                bands |= {OTHERS: sign * (sign * row).clip(lower=0).sum()}
        for organ, value in bands.items():
            middle = node("plasma", nutrient)
            ends = (node("from", organ), middle) if value > 0 else (middle, node("to", organ))
            links.append((*ends, abs(value), nutrient))
    figure = blank_figure(f"Carbon between organs, {units}")
    outside = {"from": "infusion, diet", "to": "excretion"}
    texts = [called.get(key, outside.get(column, key) if key == "outside" else key) for column, key in nodes]
    figure.add_sankey(
        arrangement="snap",
        node={
            "label": texts, "pad": 14, "thickness": 14, "line": {"width": 0},
            "color": [colour[key] if column == "plasma" else MUTED for column, key in nodes],
            "hovertemplate": "%{label}: %{value:.0f} " + units + "<extra></extra>",
        },
        link={
            "source": [each[0] for each in links], "target": [each[1] for each in links],
            "value": [each[2] for each in links], "color": [_pale(colour[each[3]]) for each in links],
            "hovertemplate": "%{source.label} to %{target.label}: %{value:.0f} " + units + "<extra></extra>",
        },
        textfont={"size": FONT, "color": INK},
    )  # fmt: skip
    for x, anchor, text in ((0, "left", "released by"), (0.5, "center", "through plasma"), (1, "right", "taken up by")):
        figure.add_annotation(
            x=x, y=1.0, xref="paper", yref="paper", yshift=20, text=text, showarrow=False, xanchor=anchor,
            font={"color": MUTED, "size": FONT},
        )  # fmt: skip
    figure.update_layout(height=560, margin={"l": 12, "r": 12, "t": 76, "b": 16})
    return figure


def oxidation_figure(shares: xr.Dataset, direct: xr.Dataset | None = None) -> "Figure":
    """Draw how much of each infused nutrient is burnt: recovered in breath, and corrected for kept bicarbonate.

    Parameters
    ----------
    shares : xarray.Dataset
        From :func:`fluxkit.physiology.oxidised_fraction`, over ``nutrient``.
    direct : xarray.Dataset, optional
        From :func:`fluxkit.physiology.direct_oxidation`, drawn beside it in its own unit.

    Returns
    -------
    plotly.graph_objects.Figure
        Bars with +- 1 sd; a dotted line at 1, above which a share cannot be.
    """
    figure = blank_figure("Oxidation of circulating nutrients")
    parts = (
        ("recovered in breath", "recovered", "recovered_sd", SKY),
        ("corrected for bicarbonate", "value", "sd", BLUE),
    )
    for name, value, error, colour in parts:
        _bars(figure, shares["nutrient"].values, shares[value], shares[error], name, colour)
    place_legend(figure, 130 + 32 * shares.sizes["nutrient"], left=96, bottom=52)
    figure.add_vline(x=1, line={"color": OPEN, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="share of the infused label that is burnt", tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False)
    if direct is not None:
        _bars(figure, direct["nutrient"].values, direct["value"], direct["sd"], "burnt directly", ORANGE, axes="2")
        figure.update_layout(
            xaxis={"domain": [0, 0.5]},
            xaxis2={"domain": [0.56, 1], "anchor": "y2", "title": f"burnt directly, {direct.attrs['units']}"},
            yaxis2={"anchor": "x2", "matches": "y", "showticklabels": False, "showgrid": False},
        )  # fmt: skip
    return figure


def balance_figure(balance: xr.Dataset, dim: str = "tissue", title: str = "Balance of tissues") -> "Figure":
    """Draw what each tissue takes up and gives off at the same time, and the net of both.

    Parameters
    ----------
    balance : xarray.Dataset
        From :func:`fluxkit.physiology.tissue_balance`, over ``dim``.
    dim : str
        Dimension of the tissues, or of whatever was compared.
    title : str
        Title of the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        Uptake to the right, release to the left, net uptake beside them; +- 1 sd.
    """
    figure = blank_figure(title)
    parts = (("uptake", "uptake", 1, BLUE), ("release", "release", -1, ORANGE), ("net uptake", "net_uptake", 1, INK))
    for name, variable, sign, colour in parts:
        if variable in balance:
            _bars(figure, balance[dim].values, sign * balance[variable], balance[f"{variable}_sd"], name, colour)
    place_legend(figure, 130 + 42 * balance.sizes[dim], left=110, bottom=52)
    figure.update_xaxes(title=f"{balance.attrs['units']}, release below zero", zeroline=True)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def cycle_figure(cycles: Mapping[str, xr.Dataset], title: str = "Cycles between nutrients") -> "Figure":
    """Draw the two directions of cycles such as the Cori cycle; the cycle carries the smaller.

    Parameters
    ----------
    cycles : mapping of str to xarray.Dataset
        By name, each from :func:`fluxkit.physiology.nutrient_cycle` or :func:`fluxkit.physiology.substrate_cycle`, in
        one unit. Over ``draw`` the median is drawn with the 90 % interval, else the value with +- 1 sd where known.
    title : str
        Title of the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        Bars per cycle: forward, backward and the cycle itself.

    Raises
    ------
    FluxError
        The cycles are in different units, or there are none.
    """
    units = {each.attrs.get("units") for each in cycles.values()}
    if len(units) != 1:
        raise FluxError(f"cycles of units {sorted(map(str, units))} cannot stand on one axis. Give cycles of one unit.")
    figure = blank_figure(title)
    for name, colour in (("forward", BLUE), ("backward", ORANGE), ("cycle", INK)):
        middle, low, high = zip(*(_interval(each, name) for each in cycles.values()), strict=True)
        figure.add_bar(
            x=middle, y=list(cycles), orientation="h", name=name, marker_color=colour,
            error_x={
                "type": "data", "symmetric": False, "array": np.subtract(high, middle),
                "arrayminus": np.subtract(middle, low), "color": MUTED, "thickness": 1.4, "width": 3,
            },
            hovertemplate="%{y}, " + name + ": %{x:.3g}<extra></extra>",
        )  # fmt: skip
    place_legend(figure, 130 + 56 * len(cycles), left=150, bottom=52)
    figure.update_xaxes(title=str(units.pop()), rangemode="tozero", zeroline=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    return figure


def _interval(cycle: xr.Dataset, name: str) -> tuple[float, float, float]:
    """Return middle, lower and upper value of one direction."""
    value = cycle[name]
    if value.ndim:
        return float(value.median()), float(value.quantile(0.05)), float(value.quantile(0.95))
    error = float(cycle[f"{name}_sd"]) if f"{name}_sd" in cycle else 0.0
    return float(value), float(value) - error, float(value) + error


def _bars(figure: "Figure", names, values, errors, name: str, colour: str, axes: str = "") -> None:
    figure.add_bar(
        x=np.asarray(values), y=list(names), orientation="h", name=name, marker_color=colour, xaxis=f"x{axes}",
        yaxis=f"y{axes}", hovertemplate="%{y}, " + name + ": %{x:.3g} ± %{error_x.array:.2g}<extra></extra>",
        error_x={"type": "data", "array": np.asarray(errors), "color": MUTED, "thickness": 1.4, "width": 3},
    )  # fmt: skip


def _pale(colour: str, opacity: float = 0.38) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def _require(table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    missing = [each for each in columns if each not in table]
    if missing:
        raise FluxError(f"the table has no column {missing[0]!r}. Make it with turnover_table.")
