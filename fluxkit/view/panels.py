"""Panels of equal size in one plotly figure, which a page can set out anew when its width changes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FONT = 12
WIDTH = 900  # pixels that the horizontal gaps are meant for
TITLE = 34  # pixels that the title takes
TOP = 80  # pixels above the panels


def lay_out_panels(
    figure: "Figure",
    titles: Sequence[str],
    columns: int,
    *,
    row_height: int,
    min_width: int,
    gap_x: int,
    gap_y: int,
    left: int = 34,
) -> None:
    """Place the axes ``x``, ``x2``, ... in rows of equal panels, and set the height of the figure.

    The numbers stay in ``figure.layout.meta["panels"]``, by which a page arranges the panels anew.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        Figure to change.
    titles : sequence of str
        One title per panel; the annotations of the figure become these.
    columns : int
        Panels side by side.
    row_height, min_width : int
        Height of a panel, and width below which fewer stand side by side, in pixels.
    gap_x, gap_y, left : int
        Space between panels, and at the left of the first, in pixels.
    """
    count = max(len(titles), 1)
    columns = max(1, min(columns, count))
    rows = -(-count // columns)
    top, right, bottom = TOP + 18, 12, 34
    inner = rows * row_height + (rows - 1) * gap_y
    wide, high = (gap_x / (WIDTH - left - right), gap_y / inner)
    width, height = (1 - (columns - 1) * wide) / columns, row_height / inner
    annotations = []
    for i, title in enumerate(titles):
        row, column = divmod(i, columns)
        x, y = column * (width + wide), 1 - row * (height + high)
        suffix = "" if i == 0 else str(i + 1)
        axes = {
            f"xaxis{suffix}": {"domain": [x, min(x + width, 1.0)], "anchor": f"y{suffix}"},
            f"yaxis{suffix}": {"domain": [max(y - height, 0.0), y], "anchor": f"x{suffix}"},
        }
        figure.update_layout(axes)
        annotations.append(
            {
                "x": x, "y": y, "xref": "paper", "yref": "paper", "text": title, "showarrow": False,
                "xanchor": "left", "yanchor": "bottom", "yshift": 2, "font": {"size": FONT - 1},
            }
        )  # fmt: skip
    panels = {
        "count": count, "most": columns, "row_height": row_height,
        "min_width": min_width, "gap_x": gap_x, "gap_y": gap_y,
    }  # fmt: skip
    figure.update_layout(annotations=annotations, meta={"panels": panels})
    place_legend(figure, inner + top + bottom, left=left, right=right, bottom=bottom, top=top)


def place_legend(figure: "Figure", height: int, *, left: int, bottom: int, right: int = 14, top: int = TOP) -> None:
    """Set height and margins in pixels, with the legend between the title and the panels.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        Figure to change.
    height : int
        Height of the whole figure.
    left, bottom, right, top : int
        Margins; the top one holds the title and a legend of up to two lines.
    """
    figure.update_layout(
        height=height,
        margin={"l": left, "r": right, "t": top, "b": bottom},
        legend={
            "xref": "container", "x": 8 / WIDTH, "xanchor": "left",
            "yref": "container", "y": 1 - TITLE / height, "yanchor": "top",
        },
    )  # fmt: skip
