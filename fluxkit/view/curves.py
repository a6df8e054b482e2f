"""Smooth curves through a few points, as cubic Bezier segments that can be cut."""

from collections.abc import Callable, Sequence

import numpy as np

Point = tuple[float, float]


def spline(points: Sequence[Point]) -> np.ndarray:
    """Return the cubic segments of a smooth curve through points.

    Two points give a straight line, three a parabola that passes the middle one, more a centripetal-looking
    Catmull-Rom curve.

    Parameters
    ----------
    points : sequence of (x, y)
        At least two points.

    Returns
    -------
    numpy.ndarray
        Shape ``(segment, 4, 2)``: the control points of each segment.
    """
    p = np.asarray(points, dtype=float)
    if len(p) == 2:
        return np.array([[p[0], p[0] + (p[1] - p[0]) / 3, p[1] - (p[1] - p[0]) / 3, p[1]]])
    if len(p) == 3:
        control = 2 * p[1] - (p[0] + p[2]) / 2
        return np.array([[p[0], p[0] + 2 / 3 * (control - p[0]), p[2] + 2 / 3 * (control - p[2]), p[2]]])
    padded = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    slope = (padded[2:] - padded[:-2]) / 6
    return np.stack([p[:-1], p[:-1] + slope[:-1], p[1:] - slope[1:], p[1:]], axis=1)


def evaluate(curve: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Return position and unit tangent at a fraction of the curve.

    Parameters
    ----------
    curve : numpy.ndarray
        Shape ``(segment, 4, 2)``.
    t : float
        From 0 (start) to 1 (end); each segment takes an equal share.
    """
    index = min(int(t * len(curve)), len(curve) - 1)
    s = t * len(curve) - index
    a, b, c, d = curve[index]
    position = (1 - s) ** 3 * a + 3 * (1 - s) ** 2 * s * b + 3 * (1 - s) * s**2 * c + s**3 * d
    slope = (1 - s) ** 2 * (b - a) + 2 * (1 - s) * s * (c - b) + s**2 * (d - c)
    length = float(np.hypot(*slope))
    return position, slope / length if length > 0 else np.array([1.0, 0.0])


def cut(curve: np.ndarray, start: float, end: float) -> np.ndarray:
    """Return the part of a curve between two fractions.

    Parameters
    ----------
    curve : numpy.ndarray
        Shape ``(segment, 4, 2)``.
    start, end : float
        Fractions with ``0 <= start < end <= 1``.
    """
    n = len(curve)
    first = min(int(start * n), n - 1)
    last = min(int(np.ceil(end * n)) - 1, n - 1)
    pieces = []
    for i in range(first, last + 1):
        low = max(start * n - i, 0.0)
        high = min(end * n - i, 1.0)
        pieces.append(_split(curve[i], low, high))
    return np.array(pieces)


def _split(p: np.ndarray, low: float, high: float) -> np.ndarray:
    """Polar form of a cubic: the control points of the part from ``low`` to ``high``."""

    def blossom(u: float, v: float, w: float) -> np.ndarray:
        points = p
        for s in (u, v, w):
            points = (1 - s) * points[:-1] + s * points[1:]
        return points[0]

    return np.array(
        [blossom(low, low, low), blossom(low, low, high), blossom(low, high, high), blossom(high, high, high)]
    )


def leave(curve: np.ndarray, inside: Callable[[np.ndarray], bool]) -> float:
    """Return the fraction at which a curve first leaves the region that it starts in.

    Parameters
    ----------
    curve : numpy.ndarray
        Shape ``(segment, 4, 2)``.
    inside : callable
        Whether a point lies in the region.
    """
    steps = np.linspace(0, 0.45, 46)
    outside = next((t for t in steps if not inside(evaluate(curve, float(t))[0])), 0.45)
    low, high = max(float(outside) - 0.01, 0.0), float(outside)
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(evaluate(curve, middle)[0]) else (low, middle)
    return high


def shorten(curve: np.ndarray, start: float, end: float) -> np.ndarray:
    """Return a curve shortened by lengths at its two ends.

    Parameters
    ----------
    curve : numpy.ndarray
        Shape ``(segment, 4, 2)``.
    start, end : float
        Lengths to take away; at least a tenth of the curve stays.
    """
    grid = np.linspace(0, 1, 101)
    points = np.array([evaluate(curve, float(t))[0] for t in grid])
    length = np.r_[0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
    scale = min(1.0, 0.9 * length[-1] / max(start + end, 1e-9))
    low = float(np.interp(start * scale, length, grid))
    high = float(np.interp(length[-1] - end * scale, length, grid))
    return cut(curve, low, high)


def reverse(curve: np.ndarray) -> np.ndarray:
    """Return the curve run backward, shape ``(segment, 4, 2)``."""
    return curve[::-1, ::-1]


def svg_path(curve: np.ndarray) -> str:
    """Return the ``d`` attribute of an SVG path."""

    def show(point: np.ndarray) -> str:
        return f"{point[0]:.1f},{point[1]:.1f}"

    return f"M{show(curve[0, 0])}" + "".join(f"C{show(b)} {show(c)} {show(d)}" for _, b, c, d in curve)
