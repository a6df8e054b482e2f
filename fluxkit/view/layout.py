"""Where the metabolites and reactions of a network stand on its map.

A bundled network may carry a designed map, ``map.tsv``; any other is laid out from its atom transitions.
Columns of ``map.tsv``, ``-`` for nothing:

kind : canvas (``at`` its size), region, pool, stub (an external pool), or arrow
name : of the metabolite, reaction or compartment
at : ``x,y`` of a pool; ``x,y,width,height`` of a region; ``x,y x,y`` points that an arrow passes
text : what a pool is called on the map; ``-`` hides the name of a stub
ends : two pools, where an arrow does not join the main substrate with the main product
label : of an arrow: side (right, left, above, below), fraction along it, nudge ``dx,dy``; of a pool:
    ``major`` keeps its name on small screens
limbs : ``X5P.c>`` joins from a pool, ``>GAP.c`` leaves to one; ``~GAP>``, ``>~CO2`` are ticks with a text
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

from fluxkit.errors import NetworkError, suggest
from fluxkit.networks import Network, Reaction
from fluxkit.networks.catalog import CATALOG
from fluxkit.networks.network import EXTERNAL_SUFFIX
from fluxkit.networks.tables import read_rows
from fluxkit.view.curves import evaluate, spline

Point = tuple[float, float]
SIDES = ("right", "left", "above", "below")
KINDS = ("canvas", "region", "pool", "stub", "arrow")
STEP = 90.0  # usual length of an arrow, in map units
BEND = 5.0  # map units by which a path may leave our curve before another point is kept


@dataclass(frozen=True)
class Place:
    """A metabolite on the map: centre, text, and whether it is external, the end of a stub."""

    name: str
    x: float
    y: float
    text: str
    external: bool = False
    major: bool = False


@dataclass(frozen=True)
class Region:
    """A compartment drawn as a rounded rectangle: top left corner, width and height."""

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Route:
    """How a reaction runs: its two ends, the points it passes, where its label stands, its limbs.

    Parameters
    ----------
    tail, head : str
        Metabolites that a positive net flux leaves and reaches.
    via : tuple of (x, y)
        Points that the arrow passes.
    side : str
        Side of the label: right, left, above or below.
    fraction : float
        Where along the arrow the label stands.
    nudge : (dx, dy)
        Fine adjustment of the label.
    joins, leaves : tuple of str
        Further metabolites with a place, joined by a thinner curve.
    ticks : tuple of (text, bool)
        Short ticks with a text; true where the molecule leaves.
    """

    tail: str
    head: str
    via: tuple[Point, ...] = ()
    side: str = "right"
    fraction: float = 0.5
    nudge: Point = (0.0, 0.0)
    joins: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    ticks: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class MapLayout:
    """Positions of everything on a map, in map units (pixels at zoom 1)."""

    width: float
    height: float
    places: Mapping[str, Place]
    routes: Mapping[str, Route]
    regions: tuple[Region, ...] = field(default=())


def map_layout(network: Network) -> MapLayout:
    """Return the designed map of a bundled network, or an automatic one.

    Parameters
    ----------
    network : Network
        Any network. A designed map is used where it places every metabolite that the arrows join.
    """
    path = CATALOG / network.name / "map.tsv"
    if network.name and path.is_file() and _fits(network, path):
        return read_layout(path, network)
    return automatic_layout(network)


def _fits(network: Network, path: Path) -> bool:
    """Whether a map was drawn for these reactions; a user's network may share the name of a bundled one."""
    drawn = {row["name"] for _, row in read_rows(path) if row["kind"] == "arrow"}
    return drawn == set(network.reaction_names)


def main_pairs(network: Network) -> dict[str, tuple[str, str]]:
    """Return, for each reaction, the substrate and product that its arrow joins.

    They share most carbon atoms; a pair that several reactions convert beside another one, such as glutamate
    and alpha-ketoglutarate in transaminations, is taken for the helper.

    Parameters
    ----------
    network : Network
        Any network.
    """
    candidates = {each.name: _shared_atoms(each) for each in network.reactions}
    common = Counter(frozenset(pair) for shared in candidates.values() for pair in shared)

    def rank(name: str, pair: tuple[str, str]) -> tuple[int, int, int]:
        carbon, atoms = candidates[name][pair]
        return (-common[frozenset(pair)] if carbon > 1 else -len(candidates), carbon, atoms)

    pairs = {}
    for reaction in network.reactions:
        shared = candidates[reaction.name]
        everyone = [each.metabolite for each in (*reaction.substrates, *reaction.products)]
        fallback = (everyone[0], everyone[-1])
        pairs[reaction.name] = max(shared, key=lambda pair, name=reaction.name: rank(name, pair), default=fallback)
    return pairs


def _shared_atoms(reaction: Reaction) -> dict[tuple[str, str], tuple[int, int]]:
    """Number of carbons, and of atoms, that each pair of substrate and product shares."""
    shared: dict[tuple[str, str], tuple[int, int]] = {}
    for left in reaction.substrates:
        for right in reaction.products:
            counts = {e: len(set(a) & set(right.atoms.get(e, ""))) for e, a in left.atoms.items()}
            if sum(counts.values()):
                shared[left.metabolite, right.metabolite] = (counts.get("C", 0), sum(counts.values()))
    return shared


def short_name(metabolite: str) -> str:
    """Return the name without compartment and without the mark of an external pool."""
    return metabolite.removesuffix("_x").split(".")[0]


def read_layout(path: str | Path, network: Network) -> MapLayout:
    """Read a designed map.

    Parameters
    ----------
    path : str or pathlib.Path
        The ``map.tsv``.
    network : Network
        The network it belongs to.

    Raises
    ------
    NetworkError
        A row cannot be read, names what the network lacks, or an arrow joins pools without a place.
    """
    path = Path(path)
    size: Point = (1200.0, 900.0)
    places: dict[str, Place] = {}
    regions: list[Region] = []
    arrows: list[tuple[str, dict[str, str]]] = []
    for number, row in read_rows(path):
        where, kind, name = f"{path.name}, line {number}", row["kind"], row["name"]
        if kind == "canvas":
            size = _points(row["at"], where)[0]
        elif kind == "region":
            regions.append(Region(name, *_numbers(row["at"], where)))
        elif kind in ("pool", "stub"):
            network.require_metabolite(name, where)
            x, y = _points(row["at"], where)[0]
            text = row.get("text") or short_name(name)
            mark = row.get("label") == "major"
            places[name] = Place(name, x, y, "" if text == "-" else text, kind == "stub", mark)
        elif kind == "arrow":
            arrows.append((where, row))
        else:
            raise NetworkError(f"{where}: unknown kind {kind!r}. {suggest(kind, KINDS)}")
    pairs = main_pairs(network)
    routes = {row["name"]: _route(row, network, pairs, places, where) for where, row in arrows}
    return MapLayout(*size, places, routes, tuple(regions))


def _numbers(text: str, where: str) -> list[float]:
    try:
        return [float(each) for each in text.split(",")]
    except ValueError as error:
        raise NetworkError(f"{where}: cannot read {text!r}; write numbers with commas, '120,80'.") from error


def _points(text: str | None, where: str) -> tuple[Point, ...]:
    if not text or text == "-":
        return ()
    pairs = [_numbers(each, where) for each in text.split()]
    if any(len(each) != 2 for each in pairs):
        raise NetworkError(f"{where}: cannot read {text!r}; write points as 'x,y x,y'.")
    return tuple((x, y) for x, y in pairs)


def _route(
    row: dict[str, str],
    network: Network,
    pairs: Mapping[str, tuple[str, str]],
    places: Mapping[str, Place],
    where: str,
) -> Route:
    name = row["name"]
    if name not in network.reaction_index:
        raise NetworkError(f"{where}: there is no reaction {name!r}. {suggest(name, network.reaction_names)}")
    ends = (row.get("ends") or "-").split()
    tail, head = ends if len(ends) == 2 else pairs[name]
    limbs = [] if row.get("limbs") in (None, "", "-") else row["limbs"].split()
    joins = tuple(each[:-1] for each in limbs if each.endswith(">") and not each.startswith("~"))
    leaves = tuple(each[1:] for each in limbs if each.startswith(">") and not each.startswith(">~"))
    ticks = [(each[1:-1], False) for each in limbs if each.startswith("~")]
    ticks += [(each[2:], True) for each in limbs if each.startswith(">~")]
    for each in (tail, head, *joins, *leaves):
        if each not in places:
            raise NetworkError(f"{where}: {each!r} has no place on the map. {suggest(each, places)}")
    side, fraction, nudge = "right", 0.5, (0.0, 0.0)
    for token in (row.get("label") or "").split():
        if token in SIDES:
            side = token
        elif "," in token:
            nudge = _points(token, where)[0]
        elif token != "-":
            fraction = _numbers(token, where)[0]
    via = _points(row.get("at"), where)
    return Route(tail, head, via, side, fraction, nudge, joins, leaves, tuple(ticks))


def automatic_layout(network: Network, spacing: float = 120.0) -> MapLayout:
    """Lay out any network by stress majorization of the distances between its metabolites, deterministic.

    Parameters
    ----------
    network : Network
        Any network.
    spacing : float
        Distance of two neighbours, in map units.

    Notes
    -----
    Gansner, Koren & North, Graph drawing by stress majorization, 2005, doi:10.1007/978-3-540-31843-9_25.
    """
    ends = main_pairs(network)
    names = list(dict.fromkeys(name for pair in ends.values() for name in pair))
    xy = _stress(_distances(network, ends, names))
    xy = xy @ np.linalg.svd(xy - xy.mean(0), full_matrices=False)[2].T  # the long axis lies flat
    xy = (xy - xy.min(0)) * spacing + 80
    width, height = xy.max(0) + 80
    places = {
        name: Place(name, float(x), float(y), short_name(name), name.endswith("_x"), not name.endswith("_x"))
        for name, (x, y) in zip(names, xy, strict=True)
    }
    return MapLayout(float(width), float(height), places, _fan_out(ends, places))


def _distances(network: Network, ends: Mapping[str, tuple[str, str]], names: list[str]) -> np.ndarray:
    """Shortest paths: arrows have length 1, other atom transfers 2.5; parts without any lie side by side."""
    index = {name: i for i, name in enumerate(names)}
    length = np.full((len(names), len(names)), np.inf)
    for reaction in network.reactions:
        for a, b in _shared_atoms(reaction):
            if a in index and b in index:
                length[index[a], index[b]] = min(length[index[a], index[b]], 2.5)
    for a, b in ends.values():
        length[index[a], index[b]] = 1.0
    length = np.minimum(length, length.T)
    graph = coo_array(np.where(np.isfinite(length), length, 0.0)).tocsr()
    distance = np.asarray(shortest_path(graph, directed=False))
    finite = np.isfinite(distance)
    return np.where(finite, distance, distance[finite].max() + 1.5)


def _stress(distance: np.ndarray, rounds: int = 200) -> np.ndarray:
    n = len(distance)
    centre = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(-0.5 * centre @ distance**2 @ centre)
    scale = np.sqrt(np.maximum(values[-2:], 1e-9)) if n > 1 else np.ones(1)
    xy = (vectors[:, -2:] * scale)[:, ::-1]
    xy = xy * np.where(
        xy[np.abs(xy).argmax(0), range(xy.shape[1])] < 0, -1, 1
    )  # the sign of an eigenvector is arbitrary
    angle = np.arange(n) * 2.399963  # golden angle: parts equal by symmetry
    xy = xy + 0.05 * np.c_[np.cos(angle), np.sin(angle)]
    weight = np.where(distance > 0, 1 / np.maximum(distance, 1e-9) ** 2, 0.0)
    inverse = np.linalg.pinv(np.diag(weight.sum(1)) - weight)
    for _ in range(rounds):
        gap = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
        ratio = -weight * distance / np.where(gap > 1e-9, gap, np.inf)
        np.fill_diagonal(ratio, -ratio.sum(1))
        xy = inverse @ (ratio @ xy)
    return xy


def _fan_out(ends: Mapping[str, tuple[str, str]], places: Mapping[str, Place]) -> dict[str, Route]:
    """Bend reactions between the same two pools apart."""
    seen: dict[frozenset[str], int] = {}
    routes = {}
    for name, (tail, head) in ends.items():
        rank = seen[frozenset((tail, head))] = seen.get(frozenset((tail, head)), -1) + 1
        first, second = sorted((tail, head))
        a, b = places[first], places[second]
        offset = 26.0 * ((rank + 1) // 2) * (-1) ** rank
        length = max(np.hypot(b.x - a.x, b.y - a.y), 1e-9)
        middle = (
            float((a.x + b.x) / 2 - offset * (b.y - a.y) / length),
            float((a.y + b.y) / 2 + offset * (b.x - a.x) / length),
        )
        flat = abs(b.x - a.x) > abs(b.y - a.y)
        side = ("above" if rank % 2 == 0 else "below") if flat else ("right" if rank % 2 == 0 else "left")
        routes[name] = Route(tail, head, (middle,) if rank else (), side)
    return routes


def bends(line: np.ndarray, most: int = 5) -> tuple[Point, ...]:
    """Return the fewest points of a path that the curve of an arrow must pass to stay near it.

    Parameters
    ----------
    line : numpy.ndarray
        Points along the path, shape ``(point, 2)``.
    most : int
        How many to return at most.
    """
    kept: list[int] = []
    while len(kept) < most:
        points = [line[0], *(line[each] for each in sorted(kept)), line[-1]]
        curve = spline([(float(x), float(y)) for x, y in points])
        ours = np.array([evaluate(curve, float(t))[0] for t in np.linspace(0, 1, 60)])
        off = np.hypot(*(line[:, None] - ours[None]).transpose(2, 0, 1)).min(axis=1)
        off[[0, -1, *kept]] = 0.0
        if off.max() <= BEND:
            break
        kept.append(int(off.argmax()))
    return tuple((float(line[each][0]), float(line[each][1])) for each in sorted(kept))


def label_side(line: np.ndarray, label: np.ndarray) -> tuple[str, float]:
    """Return on which side of a path a label stands, and where along it.

    Parameters
    ----------
    line : numpy.ndarray
        Points along the path, shape ``(point, 2)``.
    label : numpy.ndarray
        Position of the label, shape ``(2,)``.
    """
    nearest = int(np.hypot(*(line - label).T).argmin())
    dx, dy = label - line[nearest]
    along = line[min(nearest + 1, len(line) - 1)] - line[max(nearest - 1, 0)]
    steep = abs(along[1]) >= abs(along[0])
    side = SIDES[0 if dx >= 0 else 1] if steep else SIDES[2 if dy < 0 else 3]
    return side, round(min(max(nearest / (len(line) - 1), 0.25), 0.75), 2)


def short_stubs(ends: Iterable[tuple[str, str]], called: Mapping[str, str | None], xy: Mapping[str, Point]) -> set[str]:
    """Return the external pools that end one short arrow, where there is no room for a name.

    Parameters
    ----------
    ends : iterable of (tail, head)
        What each arrow joins.
    called : mapping of str to str
        Metabolite at each end.
    xy : mapping of str to (x, y)
        Position of each end.
    """
    partners: dict[str, list[str]] = {}
    for tail, head in ends:
        partners.setdefault(tail, []).append(head)
        partners.setdefault(head, []).append(tail)
    single = {key: others[0] for key, others in partners.items() if len(others) == 1}
    return {
        key
        for key, other in single.items()
        if str(called[key]).endswith(EXTERNAL_SUFFIX)
        and np.hypot(xy[key][0] - xy[other][0], xy[key][1] - xy[other][1]) < STEP
    }
