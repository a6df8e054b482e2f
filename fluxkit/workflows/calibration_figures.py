"""Figures of a calibration: coverage of each flux, ranks, coverage by kind of experiment, and the held-out loss."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fluxkit.learning.calibration import Calibration
from fluxkit.view.figure_style import (
    BLUE,
    INK,
    OPEN,
    ORANGE,
    PRIOR,
    SKY,
    axes_of,
    blank_figure,
    legend_entry,
    shortened,
)
from fluxkit.view.panels import lay_out_panels, place_legend

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

ROWS_PER_PANEL = 30
_COLOURS = {50: SKY, 90: BLUE}
_KINDS = {"net": ("net fluxes", BLUE), "exchange": ("exchange fluxes", ORANGE), "share": ("shares", INK)}
_KOLMOGOROV = 1.628  # 99 % point of the limiting distribution of sqrt(n) times the largest difference


def coverage_figure(numbers: Mapping[str, Any]) -> "Figure":
    """Draw how often the intervals of each flux hold the truth, over the binomial bands.

    Parameters
    ----------
    numbers : mapping
        From :func:`~fluxkit.learning.calibration.calibration_numbers`.
    """
    figure = blank_figure("Coverage of each flux")
    fluxes = numbers["fluxes"]
    panels = -(-len(fluxes) // ROWS_PER_PANEL)
    length = -(-len(fluxes) // panels)
    for panel in range(panels):
        shown = fluxes[panel * length : (panel + 1) * length]
        labels = [f"{each['name']}{' exch.' if each['kind'] == 'exchange' else ''}" for each in shown]
        rows, axes = list(range(len(shown))), axes_of(panel + 1)
        for level, colour in _COLOURS.items():
            low, high = numbers[f"coverage_{level}_band"]
            figure.add_scatter(
                x=[low, high, high, low], y=[-0.6, -0.6, length - 0.4, length - 0.4], fill="toself", mode="none",
                fillcolor=PRIOR, hoverinfo="skip", showlegend=False, **axes,
            )  # fmt: skip
            figure.add_scatter(
                x=[each[f"coverage_{level}"] for each in shown], y=rows, mode="markers", showlegend=False,
                marker={"color": colour, "size": 6}, text=labels,
                hovertemplate=f"%{{text}}: {level} % intervals hold %{{x:.1%}}<extra></extra>", **axes,
            )  # fmt: skip
        names = {"tickvals": rows, "ticktext": [shortened(each, 18) for each in labels]}
        suffix = str(panel + 1) if panel else ""
        figure.update_layout(
            {
                f"yaxis{suffix}": {**names, "range": [length - 0.4, -0.6], "showgrid": False, "zeroline": False},
                f"xaxis{suffix}": {"range": [0.3, 1.0], "tickformat": ".0%", "tickvals": [0.3, 0.5, 0.7, 0.9]},
            }
        )
    for level, colour in _COLOURS.items():
        legend_entry(figure, f"{level} % intervals", colour, "circle")
    lay_out_panels(
        figure, [""] * panels, 3, row_height=15 * length + 20, min_width=300, gap_x=130, gap_y=60, left=120
    )  # fmt: skip
    return figure


def rank_figure(calibration: Calibration) -> "Figure":
    """Draw ranks of the truth: pooled by kind as a histogram, and cumulative ones of each flux against uniform ones.

    Parameters
    ----------
    calibration : Calibration
        Ranks.
    """
    figure = blank_figure("Ranks of the true fluxes")
    ranks, kinds = calibration.ranks, np.array(calibration.kinds)
    counts, bins = calibration.counts(), calibration.bins
    edges = np.linspace(0, 1, bins + 1)
    grid = np.linspace(0, 1, 51)
    below = np.array([np.searchsorted(np.sort(each), grid * (calibration.draws + 1)) for each in ranks.T])
    for kind, (words, colour) in _KINDS.items():
        chosen = kinds == kind
        if not chosen.any():
            continue
        share = counts[chosen].sum(axis=0) * bins / counts[chosen].sum()
        figure.add_scatter(
            x=np.repeat(edges, 2)[1:-1], y=np.repeat(share, 2), mode="lines", line={"color": colour, "width": 2},
            name=words, hovertemplate=f"{words}<br>%{{y:.2f}} of uniform<extra></extra>", **axes_of(1),
        )  # fmt: skip
        for i in np.flatnonzero(chosen):
            figure.add_scatter(
                x=grid, y=below[i] / calibration.samples - grid, mode="lines", opacity=0.5, showlegend=False,
                line={"color": colour, "width": 1}, hovertemplate=f"{calibration.names[i]}<extra></extra>",
                **axes_of(2),
            )  # fmt: skip
    bound = _KOLMOGOROV / np.sqrt(calibration.samples)
    for height in (-bound, bound):
        figure.add_scatter(
            x=[0, 1], y=[height, height], mode="lines", line={"color": OPEN, "width": 1.5, "dash": "dash"},
            hoverinfo="skip", showlegend=False, **axes_of(2),
        )  # fmt: skip
    lay_out_panels(
        figure, ["share of each rank, uniform = 1", "cumulative ranks minus uniform"], 2,
        row_height=240, min_width=340, gap_x=70, gap_y=70, left=50,
    )  # fmt: skip
    rank = {"title": {"text": "rank of the truth, lowest to highest"}, "range": [0, 1]}
    figure.update_layout({"xaxis": rank, "xaxis2": rank, "yaxis": {"rangemode": "tozero"}})
    figure.update_layout(margin_b=54)
    return figure


def strata_figure(numbers: Mapping[str, Any]) -> "Figure":
    """Draw coverage by missingness, noise and number of tracers.

    Parameters
    ----------
    numbers : mapping
        From :func:`~fluxkit.learning.calibration.calibration_numbers`.
    """
    figure = blank_figure("Coverage by kind of experiment")
    strata = numbers["strata"]
    labels = [f"{each['by']}: {each['label']}" for each in strata]
    rows = list(range(len(strata)))
    for level, colour in _COLOURS.items():
        figure.add_vline(x=level / 100, line={"color": OPEN, "width": 1.5, "dash": "dash"})
        figure.add_scatter(
            x=[each[f"coverage_{level}"] for each in strata], y=rows, mode="markers", name=f"{level} % intervals",
            marker={"color": colour, "size": 8}, text=labels,
            error_x={"array": [2 * (each[f"error_{level}"] or 0) for each in strata], "color": colour, "width": 0},
            hovertemplate=f"%{{text}}<br>{level} % intervals hold %{{x:.1%}}<extra></extra>",
        )  # fmt: skip
    place_legend(figure, 24 * len(strata) + 130, left=230, bottom=40)
    figure.update_xaxes(range=[0.3, 1.0], tickformat=".0%")
    figure.update_yaxes(tickvals=rows, ticktext=labels, range=[len(strata) - 0.4, -0.6], showgrid=False, zeroline=False)
    return figure


def course_figure(training: Mapping[str, Any]) -> "Figure":
    """Draw the held-out loss over the steps, without the splines and with them.

    Parameters
    ----------
    training : mapping
        The part of a card.
    """
    figure = blank_figure("Held-out loss")
    for splines, words, colour in ((False, "Gaussian alone", OPEN), (True, "with splines", BLUE)):
        shown = [each for each in training["history"] if each["splines"] == splines]
        if shown:
            figure.add_scatter(
                x=[each["step"] for each in shown], y=[each["val_loss"] for each in shown], mode="lines+markers",
                name=words, line={"color": colour}, marker={"size": 5},
                hovertemplate="step %{x}: %{y:.3f}<extra></extra>",
            )  # fmt: skip
    figure.add_vline(x=training["best_step"], line={"color": OPEN, "width": 1, "dash": "dash"})
    place_legend(figure, 320, left=70, bottom=54)
    figure.update_xaxes(title="step; dashed: the weights that were kept")
    figure.update_yaxes(title="minus log density (nats)")
    return figure
