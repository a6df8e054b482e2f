"""The one style of all figures, which colour-blind readers can use: colours, an empty figure, its small parts."""

from typing import TYPE_CHECKING, Any

from fluxkit.view.panels import FONT

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


def blank_figure(title: str) -> "Figure":
    """Return an empty figure in the shared style.

    Parameters
    ----------
    title : str
        Title of the figure.
    """
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


def axes_of(number: int) -> dict[str, str]:
    """Return the axes of a panel, as plotly names them in a trace.

    Parameters
    ----------
    number : int
        Number of the panel, from 1.
    """
    suffix = "" if number == 1 else str(number)
    return {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}


def legend_entry(figure: "Figure", name: str, colour: str, symbol: str) -> None:
    """Add an entry to the legend that stands for many traces.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        Figure to change.
    name, colour : str
        What the entry says, in which colour.
    symbol : str
        ``"square"`` for bars and lines, ``"circle"`` for dots.
    """
    figure.add_scatter(
        x=[None], y=[None], mode="markers", name=name, hoverinfo="skip",
        marker={"color": colour, "size": 10 if symbol == "square" else 7, "symbol": symbol},
    )  # fmt: skip


def of_sample(estimate: Any) -> str:
    """Return the tail of a title that names the sample, empty where it has no name.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate.
    """
    return f": {estimate.sample}" if getattr(estimate, "sample", "") else ""


def shortened(text: str, limit: int = 26) -> str:
    """Return a text that fits, with an ellipsis for what is cut off.

    Parameters
    ----------
    text : str
        Any text.
    limit : int
        The most letters.
    """
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
