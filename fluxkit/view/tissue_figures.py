"""What tissues are fed with and burn, with intervals: one row a tissue, one dot a nutrient."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import xarray as xr

from fluxkit.errors import UnknownNameError, suggest
from fluxkit.view.figure_style import BLUE, MUTED, OPEN, ORANGE, SKY, VERMILLION, blank_figure
from fluxkit.view.panels import FONT

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = (BLUE, VERMILLION, "#009e73", ORANGE, "#cc79a7", SKY, MUTED)


def tissue_source_figure(
    shares: xr.DataArray | Mapping[str, xr.DataArray],
    sources: Mapping[str, Sequence[str]],
    *,
    names: Mapping[str, str] | None = None,
    title: str = "Direct sources of carbon",
    level: float = 0.9,
) -> "Figure":
    """Draw of which circulating nutrients a pool of each tissue is made, with intervals of the posterior.

    Parameters
    ----------
    shares : xarray.DataArray or mapping of str to xarray.DataArray
        Over ``(draw, tissue, source)`` or ``(draw, pool, source)``: ``tca`` of
        :func:`fluxkit.physiology.tissue_fuels`, or ``value`` of :func:`fluxkit.physiology.carbon_sources`, of posterior
        draws. Several by name are drawn one below the other in each row, the first filled, the next ones open.
    sources : mapping of str to sequence of str
        What to show: nutrients that count together, ``{"glucose": ["Glc"], "lactate and pyruvate": ["Lac", "Pyr"]}``.
    names : mapping of str to str, optional
        What to call each pool, ``{"Mal.M": "muscle"}``.
    title : str
        Title of the figure.
    level : float
        Probability inside an interval.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    UnknownNameError
        There is no such source.
    """
    several = {"": shares} if isinstance(shares, xr.DataArray) else dict(shares)
    several = {name: each.rename(tissue="pool") if "tissue" in each.dims else each for name, each in several.items()}
    several = {name: each.dropna("pool", how="all") for name, each in several.items()}
    first = next(iter(several.values()))
    known = [str(each) for each in first["source"].values]
    for each in (name for group in sources.values() for name in group):
        if each not in known:
            raise UnknownNameError(f"no share is of the source {each!r}. {suggest(each, known)}")
    pools = [str(each) for each in first["pool"].values]
    figure = blank_figure(title)
    tails = [0.5 - level / 2, 0.5, 0.5 + level / 2]
    count = len(sources) * len(several)
    for i, (label, each) in enumerate(several.items()):
        for k, (source, colour) in enumerate(zip(sources, COLOURS * len(sources), strict=False)):
            shares_of_group = each.sel(source=list(sources[source])).sum("source")
            lower, middle, upper = shares_of_group.quantile(tails, "draw").transpose("quantile", "pool").values
            offset = 0.7 * ((k * len(several) + i + 0.5) / count - 0.5)
            figure.add_scatter(
                x=middle,
                y=[row + offset for row in range(len(pools))],
                mode="markers",
                name=f"{source}, {label}" if label else source,
                marker={"color": colour, "size": 8, "symbol": "circle" if i == 0 else "circle-open"},
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": upper - middle,
                    "arrayminus": middle - lower,
                    "color": colour,
                    "thickness": 1.5,
                    "width": 0,
                },
                hovertemplate="%{x:.1%}<extra>" + f"{source} {label}".strip() + "</extra>",
            )
    for row in range(1, len(pools)):
        figure.add_hline(y=row - 0.5, line={"color": OPEN, "width": 0.5})
    labels = [(names or {}).get(each, each) for each in pools]
    figure.update_yaxes(
        tickvals=list(range(len(pools))), ticktext=labels, autorange="reversed", showgrid=False, zeroline=False
    )
    figure.update_xaxes(title=f"share of carbon, {level:.0%} intervals", tickformat=".0%", range=[-0.01, 1.01])
    height = 110 + len(pools) * max(28, 13 * count)
    figure.update_layout(
        height=height, margin={"l": 96, "r": 16, "t": 76, "b": 52}, legend={"y": 1, "yanchor": "bottom"}
    )
    figure.update_layout(legend={"x": 0, "font": {"size": FONT - 1}})
    return figure
