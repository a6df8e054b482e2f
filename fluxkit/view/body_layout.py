"""Where the pools of a tissue stand on its flux map: the same pool at the same place in every tissue."""

import numpy as np

from fluxkit.networks import Network
from fluxkit.view.layout import MapLayout, Place, Route, automatic_layout, main_pairs, short_name

PLACES = {
    "G6P": (360, 110), "F6P": (360, 190), "T3P": (360, 280), "PG3": (360, 355), "PEP": (360, 430), "Pyr": (360, 530),
    "P5P": (220, 150), "S7P": (130, 230), "E4P": (235, 250), "Lac": (220, 530), "Ala": (245, 630), "Ser": (520, 300),
    "Gly": (650, 300), "C1": (770, 270), "AcCoA": (510, 520), "OAA": (450, 640), "Cit": (600, 590),
    "AKG": (720, 650), "Suc": (720, 760), "Fum": (590, 820), "Mal": (470, 745), "Asp": (360, 840),
    "Glu": (850, 610), "Gln": (970, 550), "NH3": (960, 690), "AcAc": (700, 435), "KIC": (830, 420),
    "KIV": (850, 790), "Ac": (640, 500), "AcC": (760, 540), "GlcLum": (560, 160), "AcLum": (700, 200),
    "Pal": (560, 400), "OFA": (680, 470), "Urea": (220, 850),
}  # fmt: skip
"""Places of the usual pools, in map units: glycolysis runs down, the citrate cycle clockwise."""

OUTSIDE = {"Glc": (360, 25), "Lac": (110, 530), "Pal": (590, 385), "OFA": (660, 520), "Gln": (1060, 500)}
"""Places of external pools that every tissue knows."""

KNOWN_ENOUGH = 5
ANGLES = np.arange(24) * 2 * np.pi / 24
RADII = (85.0, 112.0, 145.0)
MARGIN = 80.0


def tissue_layout(network: Network, spread: float = 1.0) -> MapLayout:
    """Lay out a tissue: usual pools at their places, the others at free places beside what they react with.

    Parameters
    ----------
    network : Network
        From :func:`fluxkit.view.body_tissue.tissue_network`. One with few usual pools is laid out by
        :func:`fluxkit.view.automatic_layout`.
    spread : float
        Factor of all distances; labels with intervals need more room.
    """
    ends = main_pairs(network)
    names = list(dict.fromkeys(name for pair in ends.values() for name in pair))
    points = {
        name: np.array(PLACES[short_name(name)], dtype=float)
        for name in names
        if not name.endswith("_x") and short_name(name) in PLACES
    }
    if len(points) < KNOWN_ENOUGH:
        return automatic_layout(network, spacing=120.0 * spread)
    inner = {short_name(name) for name in points}
    for name in names:
        stem = short_name(name)
        if name.endswith("_x") and stem in OUTSIDE and "." in name and not (stem in ("Pal", "OFA") and stem in inner):
            points[name] = np.array(OUTSIDE[stem], dtype=float)
    lines = [(points[a], points[b]) for a, b in ends.values() if a in points and b in points and a != b]
    while len(points) < len(names):
        pair = next(
            ((a, b) if a in points else (b, a) for a, b in ends.values() if (a in points) != (b in points)), None
        )
        if pair is None:  # a part that nothing joins to the rest
            first = next(name for name in names if name not in points)
            points[first] = _free_corner(points)
            continue
        near, new = pair
        points[new] = _free_place(points[near], list(points.values()), lines)
        lines += [
            (points[a], points[b]) for a, b in ends.values() if new in (a, b) and a in points and b in points and a != b
        ]
    xy = spread * np.array([points[name] for name in names])
    low = xy.min(0) - MARGIN
    width, height = xy.max(0) - low + MARGIN
    places = {
        name: Place(name, float(x), float(y), short_name(name), name.endswith("_x"), not name.endswith("_x"))
        for name, (x, y) in zip(names, xy - low, strict=True)
    }
    return MapLayout(float(width), float(height), places, _routes(ends, places))


def _free_place(near: np.ndarray, taken: list[np.ndarray], lines: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The place around a pool that is farthest from other pools and arrows, and whose arrow crosses none."""
    spots = near + np.array([r * np.array([np.cos(a), np.sin(a)]) for r in RADII for a in ANGLES])
    away = np.array([0.6, 1.0]) * (spots[:, None] - np.array(taken))  # texts are wider than high
    cost = ((45 / np.maximum(np.hypot(away[..., 0], away[..., 1]), 5)) ** 3).sum(1)
    cost += 0.004 * np.hypot(*(spots - near).T)
    if lines:
        starts, ends = np.array([a for a, _ in lines]), np.array([b for _, b in lines])
        cost += 4.0 * _crossings(near, spots, starts, ends)
        for points, reach in ((spots, 42.0), ((spots + near) / 2, 18.0)):
            cost += 2.0 * np.maximum(0.0, 1 - _gaps(points, starts, ends) / reach).sum(1)
    return spots[int(cost.argmin())]


def _free_corner(points: dict[str, np.ndarray]) -> np.ndarray:
    """A place in the upper right, below what stands there."""
    xy = np.array(list(points.values()))
    column = xy[xy[:, 0] > xy[:, 0].max() - 150]
    return np.array([xy[:, 0].max(), max(80.0, column[:, 1].min() - 110)])


def _gaps(points: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distances of points from lines, shape ``(point, line)``."""
    along = ends - starts
    away = points[:, None] - starts
    t = np.clip((away * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-9), 0.0, 1.0)
    rest = away - t[..., None] * along
    return np.hypot(rest[..., 0], rest[..., 1])


def _crossings(near: np.ndarray, spots: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """How many lines the way from a pool to each spot crosses, shape ``(spot,)``."""
    r, s, gap = (spots - near)[:, None], ends - starts, starts - near
    cross = r[..., 0] * s[:, 1] - r[..., 1] * s[:, 0]
    safe = np.where(np.abs(cross) < 1e-9, np.inf, cross)
    t = (gap[:, 0] * s[:, 1] - gap[:, 1] * s[:, 0]) / safe
    u = (gap[:, 0] * r[..., 1] - gap[:, 1] * r[..., 0]) / safe
    return ((t > 0.02) & (t < 0.98) & (u > 0.02) & (u < 0.98)).sum(1)


def _routes(ends: dict[str, tuple[str, str]], places: dict[str, Place]) -> dict[str, Route]:
    """Bend reactions between the same two pools apart: the first runs straight."""
    count: dict[frozenset[str], int] = {}
    routes = {}
    for name, (tail, head) in ends.items():
        rank = count[frozenset((tail, head))] = count.get(frozenset((tail, head)), -1) + 1
        first, second = sorted((tail, head))
        a, b = places[first], places[second]
        length = max(float(np.hypot(b.x - a.x, b.y - a.y)), 1e-9)
        offset = 26.0 * ((rank + 1) // 2) * (-1) ** rank / length
        via = ((a.x + b.x) / 2 - offset * (b.y - a.y), (a.y + b.y) / 2 + offset * (b.x - a.x))
        routes[name] = Route(tail, head, (via,) if rank and tail != head else ())
    return routes
