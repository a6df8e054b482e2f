"""Lines around the densest region of a cloud of points, which hold a given share of them."""

import numpy as np
from scipy.ndimage import gaussian_filter

_SMOOTH = 1.3  # bins
# on which edges of a cell a line enters and leaves, by which of its corners lie inside (bits: lower left, lower right,
# upper right, upper left); edges: 0 below, 1 right, 2 above, 3 left
_CASES = {
    1: ((3, 0),), 2: ((0, 1),), 3: ((3, 1),), 4: ((1, 2),), 5: ((3, 2), (0, 1)), 6: ((0, 2),), 7: ((3, 2),),
    8: ((2, 3),), 9: ((2, 0),), 10: ((0, 3), (1, 2)), 11: ((2, 1),), 12: ((1, 3),), 13: ((1, 0),), 14: ((0, 3),),
}  # fmt: skip


def smooth_density(x: np.ndarray, y: np.ndarray, bins: int = 28) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a smoothed histogram of points in the plane.

    Parameters
    ----------
    x, y : numpy.ndarray
        Shape ``(point,)``.
    bins : int
        Bins in each direction over the range of the points; four more at each end are empty or nearly so.

    Returns
    -------
    density : numpy.ndarray
        Share of the points near each grid point, shape ``(x, y)``; sums to about 1.
    x, y : numpy.ndarray
        The grid, shape ``(bins + 8,)`` each.
    """
    grids = []
    for values in (x, y):
        low, high = float(values.min()), float(values.max())
        step = (high - low) / bins or max(abs(high), 1.0) / bins
        grids.append(low + step * (np.arange(bins + 9) - 4))
    counts = np.histogram2d(x, y, bins=(grids[0], grids[1]))[0] / len(x)
    middle = [(edges[1:] + edges[:-1]) / 2 for edges in grids]
    return gaussian_filter(counts, _SMOOTH, mode="constant"), middle[0], middle[1]


def level_of_share(density: np.ndarray, share: float) -> float:
    """Return the density above which a share of the points lies (highest density region).

    Parameters
    ----------
    density : numpy.ndarray
        Any shape.
    share : float
        0 to 1.
    """
    order = np.sort(density, axis=None)[::-1]
    index = int(np.searchsorted(np.cumsum(order), share * order.sum()))
    return float(order[min(index, len(order) - 1)])


def contour_lines(density: np.ndarray, x: np.ndarray, y: np.ndarray, level: float) -> np.ndarray:
    """Return the line along which a density has a level, by marching squares.

    Parameters
    ----------
    density : numpy.ndarray
        Shape ``(x, y)``.
    x, y : numpy.ndarray
        The grid.
    level : float
        Density of the line.

    Returns
    -------
    numpy.ndarray
        Straight pieces, shape ``(piece, 2, 2)``: start and end, x and y.
    """
    inside = density > level
    pieces = []
    for i in range(len(x) - 1):
        for j in range(len(y) - 1):
            corners = ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))
            case = sum(1 << k for k, corner in enumerate(corners) if inside[corner])
            for edges in _CASES.get(case, ()):
                pieces.append([_crossing(density, x, y, level, corners[e], corners[(e + 1) % 4]) for e in edges])
    return np.array(pieces).reshape(-1, 2, 2)


def _crossing(density, x, y, level, a, b) -> tuple[float, float]:
    t = (level - density[a]) / (density[b] - density[a])
    return (float(x[a[0]] + t * (x[b[0]] - x[a[0]])), float(y[a[1]] + t * (y[b[1]] - y[a[1]])))
