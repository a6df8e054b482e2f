"""Figures of experimental design: expected widths of fluxes by tracer, and cost against information."""

# pandas and xarray type most results too widely for pyright
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fluxkit.errors import FluxError, UnknownNameError, suggest
from fluxkit.view.figure_style import BLUE, INK, MUTED, OPEN, ORANGE, PAPER, PRIOR, SKY, blank_figure, shortened
from fluxkit.view.panels import FONT, WIDTH, place_legend

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_MOST_PANELS = 6
_LETTER = 6.2  # pixels of a letter of the labels
_GAP = 0.028


def design_width_figure(
    designs: xr.Dataset, fluxes: Sequence[str] | None = None, top: int = 20, title: str = "What each design would tell"
) -> "Figure":
    """Draw the expected width of each flux by design, against the width that it has before any experiment.

    Parameters
    ----------
    designs : xarray.Dataset
        From :func:`fluxkit.design_tracers`.
    fluxes : sequence of str, optional
        Which of its fluxes, at most six; the first six by default.
    top : int
        How many designs, the best first.
    title : str
        Title of the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        One panel per flux; a dot is the mean over the flux prior, the line its 10 to 90 % range, both relative to the
        prior's width, which the grey bar fills. The best design of each panel is coloured.

    Raises
    ------
    UnknownNameError, FluxError
        A flux is not among those of the designs, or there are too many.
    """
    known = designs["flux"].values.astype(str).tolist()
    chosen = known[:_MOST_PANELS] if fluxes is None else list(fluxes)
    for each in chosen:
        if each not in known:
            raise UnknownNameError(f"these designs are not for the flux {each!r}. {suggest(each, known)}")
    if not 1 <= len(chosen) <= _MOST_PANELS:
        raise FluxError(f"{len(chosen)} fluxes in one figure; choose 1 to {_MOST_PANELS} of them with fluxes=.")
    shown = designs.isel(design=slice(0, max(1, top)))
    names = [shortened(each, 34) for each in shown["design"].values.astype(str)]
    places = np.arange(len(names), dtype=float)
    figure = blank_figure(title)
    share = (1 - _GAP * (len(chosen) - 1)) / len(chosen)
    for k, flux in enumerate(chosen):
        _draw_widths(figure, shown.sel(flux=flux), k + 1, places)
        suffix, start = "" if k == 0 else str(k + 1), k * (share + _GAP)
        figure.update_layout(
            {
                f"xaxis{suffix}": {
                    "domain": [start, min(start + share, 1.0)], "anchor": f"y{suffix}", "range": [0, 1.06],
                    "tickvals": [0, 0.5, 1], "ticktext": ["0", "50 %", "100 %"], "zeroline": False,
                },
                f"yaxis{suffix}": {
                    "anchor": f"x{suffix}", "range": [len(names) - 0.4, -0.6], "tickvals": places, "zeroline": False,
                    "ticktext": names, "showticklabels": k == 0, "showgrid": False, "ticks": "outside", "ticklen": 5,
                    "tickcolor": PAPER,
                },
            }
        )  # fmt: skip
        figure.add_annotation(
            x=start, y=1, xref="paper", yref="paper", xanchor="left", yanchor="bottom", yshift=3, showarrow=False,
            text=f"{flux}<br><span style='color:{MUTED}'>prior {_number(shown, flux)}</span>", align="left",
            font={"size": FONT - 1},
        )  # fmt: skip
    left = int(24 + _LETTER * max(map(len, names)))
    place_legend(figure, 188 + 21 * len(names), left=left, bottom=56, top=108)
    figure.add_annotation(
        x=0.5, y=0, xref="paper", yref="paper", yanchor="top", yshift=-26, showarrow=False, font={"size": FONT},
        text="expected width, relative to the width before any experiment",
    )  # fmt: skip
    return figure


def _number(designs: xr.Dataset, flux: str) -> str:
    one = designs["prior_width"].sel(flux=flux)
    units = " decades" if str(one["units"].values) == "decades" else ""
    return f"± {float(one):.2g}{units}"


def _draw_widths(figure: "Figure", one: xr.Dataset, panel: int, places: np.ndarray) -> None:
    prior = float(one["prior_width"])
    mean = one["expected_width"].values / prior
    low, high = (np.minimum(one["width"].sel(quantile=q).values / prior, 1.0) for q in (0.1, 0.9))
    axes = {"xaxis": f"x{panel}" if panel > 1 else "x", "yaxis": f"y{panel}" if panel > 1 else "y"}
    first = panel == 1
    figure.add_bar(
        x=np.ones(len(places)), y=places, orientation="h", width=0.72, marker_color=PRIOR, name="before any experiment",
        opacity=0.55, showlegend=first, hoverinfo="skip", **axes,
    )  # fmt: skip
    lines_x = np.stack([low, high, np.full(len(low), np.nan)], axis=1).ravel()
    figure.add_scatter(
        x=lines_x, y=np.repeat(places, 3), mode="lines", line={"color": SKY, "width": 4}, hoverinfo="skip",
        name="10 to 90 % of the flux prior", showlegend=first, **axes,
    )  # fmt: skip
    best = mean <= mean.min() * (1 + 1e-9)
    hover = np.stack([one["design"].values.astype(str), one["tracers"].values.astype(str)], axis=1)
    numbers = np.stack([one["expected_width"].values, one["power"].values], axis=1)
    for name, which, colour in (("mean", ~best, BLUE), ("best of the panel", best, ORANGE)):
        figure.add_scatter(
            x=mean[which], y=places[which], mode="markers", name=name, showlegend=first,
            marker={"color": colour, "size": 8, "line": {"color": PAPER, "width": 1}},
            customdata=np.concatenate([hover[which], numbers[which].astype(object)], axis=1),
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>± %{customdata[2]:.3g} " + str(one["units"].values)
            + ", %{x:.0%} of the prior<br>power %{customdata[3]:.0%}<extra></extra>",
            **axes,
        )  # fmt: skip


def design_cost_figure(designs: xr.Dataset, title: str = "Cost against information") -> "Figure":
    """Draw what designs cost against what they tell, and the front of those that none beats.

    Parameters
    ----------
    designs : xarray.Dataset
        From :func:`fluxkit.design_tracers`.
    title : str
        Title of the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        Information gain in nats, with the 10 to 90 % range of the flux prior for the designs of the front; costs on a
        logarithmic scale. Designs of unknown cost are not drawn.

    Raises
    ------
    FluxError
        No design has a cost.
    """
    known = designs.isel(design=np.flatnonzero(np.isfinite(designs["cost"].values)))
    if not known.sizes["design"]:
        raise FluxError("no design has a known cost; add prices of its tracers and measurements, see read_prices.")
    efficient = known["efficient"].values.astype(bool)
    front = known.isel(design=np.flatnonzero(efficient)).sortby("cost")
    figure = blank_figure(title)
    figure.add_scatter(
        x=front["cost"].values, y=front["information_gain"].values, mode="lines", name="front", hoverinfo="skip",
        line={"color": ORANGE, "width": 1.6, "shape": "hv"}, showlegend=False,
    )  # fmt: skip
    counts = known["experiments"].values
    symbols = ("circle", "diamond", "square")
    for size in np.unique(counts):
        symbol = symbols[min(int(size), len(symbols)) - 1]
        what = "one experiment" if size == 1 else f"{size} parallel experiments"
        for on_front, colour, name in ((False, OPEN, what), (True, ORANGE, f"{what}, none is better")):
            part = known.isel(design=np.flatnonzero((counts == size) & (efficient == on_front)))
            if part.sizes["design"]:
                _draw_costs(figure, part, name, colour, symbol, on_front)
    _name_front(figure, front, known["cost"].values)
    place_legend(figure, 470, left=60, bottom=54)
    units = known["cost"].attrs.get("units", "")
    ticks = _ticks(known["cost"].values)
    figure.update_layout(
        xaxis={"type": "log", "title": f"cost of a design, {units} (rough)", "tickvals": ticks, "zeroline": False},
        yaxis={"title": "information gain about the chosen fluxes, nats", "rangemode": "tozero"},
    )
    return figure


def _draw_costs(figure: "Figure", part: xr.Dataset, name: str, colour: str, symbol: str, ranges: bool) -> None:
    gain = part["information_gain"].values
    low, high = (part["information_quantile"].sel(quantile=q).values for q in (0.1, 0.9))
    errors = {
        "type": "data", "symmetric": False, "array": np.maximum(high - gain, 0), "thickness": 1.2, "width": 0,
        "arrayminus": np.maximum(gain - low, 0), "color": "rgba(230,159,0,0.45)",
    }  # fmt: skip
    figure.add_scatter(
        x=part["cost"].values, y=gain, mode="markers", name=name, error_y=errors if ranges else None,
        marker={
            "color": colour, "size": 9 if ranges else 6, "symbol": symbol, "opacity": 1 if ranges else 0.6,
            "line": {"color": PAPER, "width": 1 if ranges else 0},
        },
        customdata=np.stack([part["design"].values.astype(str), part["tracers"].values.astype(str)], axis=1),
        hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>%{y:.2f} nats, %{x:.0f}<extra></extra>",
    )  # fmt: skip


def _name_front(figure: "Figure", front: xr.Dataset, costs: np.ndarray) -> None:
    """Write names beside the designs of the front, where the one before leaves room."""
    x, y = np.log10(front["cost"].values), front["information_gain"].values
    wide = max(float(np.ptp(np.log10(costs))), 0.05)
    high = max(float(y.max()), 1e-9)
    written: list[tuple[float, float, float]] = []
    for i in np.argsort(-y):  # what tells most is named first
        text = shortened(str(front["design"].values[i]), 24)
        length = wide * _LETTER * len(text) / (0.85 * WIDTH)
        right = x[i] + length > x.max() + 0.1 * wide
        start = x[i] - length if right else x[i]
        if any(abs(y[i] - b) < 0.065 * high and start < a + n and a < start + length for a, b, n in written):
            continue
        written.append((start, y[i], length))
        figure.add_annotation(
            x=x[i], y=y[i], text=text, showarrow=False, font={"size": FONT - 1, "color": INK},
            xanchor="right" if right else "left", xshift=-8 if right else 8, yshift=9,
        )  # fmt: skip


def _ticks(costs: np.ndarray) -> list[float]:
    low, high = float(costs.min()), float(costs.max())
    steps = [m * 10.0**e for e in range(-2, 8) for m in (1, 1.5, 2, 3, 5, 7)]
    return [each for each in steps if 0.8 * low <= each <= 1.25 * high] or [low]
