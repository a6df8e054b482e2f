"""Maps in the format of Escher: read as a layout, and written from one.

An Escher map is a JSON array of a header and a drawing: ``nodes`` (metabolites and markers on the way of reactions),
``reactions`` of cubic segments between nodes, ``text_labels`` and a ``canvas`` (King et al. 2015,
doi:10.1371/journal.pcbi.1004321). What a layout knows beyond that stands in the ``metadata`` of the header.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from fluxkit.errors import NetworkError, suggest
from fluxkit.files import write_text
from fluxkit.networks import Network, Reaction
from fluxkit.networks.network import EXTERNAL_SUFFIX
from fluxkit.view.curves import cut, evaluate, spline
from fluxkit.view.layout import (
    SIDES,
    STEP,
    MapLayout,
    Place,
    Region,
    Route,
    bends,
    label_side,
    main_pairs,
    short_name,
    short_stubs,
)

SCHEMA = "https://escher.github.io/escher/jsonschema/1-0-0#"
HOMEPAGE = "https://escher.github.io"
SCALE = 4.0  # Escher draws larger; a power of two, so that positions come back exactly
MARGIN = 30.0  # map units around a foreign map, for labels at its rim
_KNOWN = "fluxkit"

_HEADER = {"schema": str, "homepage": str, "map_id": str, "map_name": str, "map_description": str}
_DRAWING = {"nodes": dict, "reactions": dict, "text_labels": dict, "canvas": dict}
_MARKER = {"node_type": str, "x": float, "y": float}
_METABOLITE = _MARKER | {
    "bigg_id": str, "name": str, "label_x": float, "label_y": float, "node_is_primary": bool,
}  # fmt: skip
_REACTION = {
    "name": str, "bigg_id": str, "reversibility": bool, "label_x": float, "label_y": float, "gene_reaction_rule": str,
    "genes": list, "metabolites": list, "segments": dict,
}  # fmt: skip
_SEGMENT = {"from_node_id": str, "to_node_id": str, "b1": (dict, type(None)), "b2": (dict, type(None))}
_POINT = {"x": float, "y": float}


def check_escher(document: Any, where: str = "Escher map") -> None:
    """Refuse what is no Escher map: a field that lacks, is unknown or of another kind, a node that does not exist.

    Parameters
    ----------
    document : list
        The parsed JSON.
    where : str
        The place, for messages.

    Raises
    ------
    NetworkError
        The first fault, with its place.
    """
    if not isinstance(document, list) or len(document) != 2:
        raise NetworkError(
            f"{where}: an Escher map is a JSON array of a header and a drawing; save it from Escher anew."
        )
    header, drawing = document
    _fields(header, _HEADER, f"{where}, header", optional=("metadata",))
    _fields(drawing, _DRAWING, f"{where}, drawing")
    _fields(drawing["canvas"], _POINT | {"width": float, "height": float}, f"{where}, canvas")
    for key, label in _numbered(drawing["text_labels"], f"{where}, text label"):
        _fields(label, _POINT | {"text": str}, f"{where}, text label {key}")
    for key, node in _numbered(drawing["nodes"], f"{where}, node"):
        kind = node.get("node_type") if isinstance(node, dict) else None
        if kind not in ("metabolite", "midmarker", "multimarker"):
            raise NetworkError(
                f"{where}, node {key}: node_type {kind!r} is none of metabolite, midmarker, multimarker."
            )
        _fields(node, _METABOLITE if kind == "metabolite" else _MARKER, f"{where}, node {key}")
    for key, reaction in _numbered(drawing["reactions"], f"{where}, reaction"):
        place = f"{where}, reaction {key}"
        _fields(reaction, _REACTION, place)
        for each in reaction["metabolites"]:
            _fields(each, {"coefficient": float, "bigg_id": str}, f"{place}, metabolites")
        for each in reaction["genes"]:
            _fields(each, {"bigg_id": str, "name": str}, f"{place}, genes")
        for number, segment in _numbered(reaction["segments"], f"{place}, segment"):
            _fields(segment, _SEGMENT, f"{place}, segment {number}")
            for end in ("from_node_id", "to_node_id"):
                if segment[end] not in drawing["nodes"]:
                    raise NetworkError(f"{place}, segment {number}: there is no node {segment[end]!r} ({end}).")
            for point in ("b1", "b2"):
                if segment[point] is not None:
                    _fields(segment[point], _POINT, f"{place}, segment {number}, {point}")


def _numbered(group: Mapping[str, Any], where: str) -> Iterable[tuple[str, Any]]:
    for key in group:
        if not any(each.isdigit() for each in key):
            raise NetworkError(f"{where} {key!r}: identifiers are numbers written as text, such as '12'.")
    return group.items()


def _fields(record: Any, wanted: Mapping[str, Any], where: str, optional: tuple[str, ...] = ()) -> None:
    if not isinstance(record, dict):
        raise NetworkError(f"{where}: expected an object with {', '.join(wanted)}, not {record!r}.")
    for name in wanted:
        if name not in record:
            raise NetworkError(f"{where}: field {name!r} is missing.")
    for name, value in record.items():
        if name in optional:
            continue
        if name not in wanted:
            raise NetworkError(f"{where}: unknown field {name!r}. {suggest(name, wanted)}")
        kinds = (int, float) if wanted[name] is float else wanted[name]
        if not isinstance(value, kinds) or (wanted[name] is float and isinstance(value, bool)):
            raise NetworkError(f"{where}: field {name!r} holds {value!r}, a value of the wrong kind.")


def write_escher(layout: MapLayout, network: Network, path: str | Path, *, title: str = "") -> Path:
    """Write a layout as an Escher map.

    Parameters
    ----------
    layout : MapLayout
        From :func:`fluxkit.view.map_layout`, or any other.
    network : Network
        The network whose reactions it places.
    path : str or pathlib.Path
        The JSON file; appears whole or not at all.
    title : str
        Name of the map; that of the network by default.

    Returns
    -------
    pathlib.Path
        The file; :func:`read_escher` gives the same layout again.
    """
    nodes: dict[str, dict[str, Any]] = {}
    ids = {
        key: _add_metabolite(nodes, place.x, place.y, place.name, place.text) for key, place in layout.places.items()
    }
    reactions, routes = {}, {}
    for reaction in network.reactions:
        if reaction.name in layout.routes:
            key = str(len(reactions))
            reactions[key], routes[key] = _written(reaction, layout.routes[reaction.name], layout, ids, nodes)
    known = {
        "scale": SCALE,
        "places": [ids[key] for key in layout.places],
        "external": [ids[key] for key, place in layout.places.items() if place.external],
        "major": [ids[key] for key, place in layout.places.items() if place.major],
        "regions": [[each.name, each.x, each.y, each.width, each.height] for each in layout.regions],
        "routes": routes,
    }
    labels = {
        str(i): {"x": SCALE * (each.x + 20), "y": SCALE * (each.y + each.height - 24), "text": each.name}
        for i, each in enumerate(layout.regions)
    }
    header = {
        "schema": SCHEMA,
        "homepage": HOMEPAGE,
        "map_id": network.name,
        "map_name": title or network.name,
        "map_description": f"Map of {network.name}, written by fluxkit",
        "metadata": {_KNOWN: known},
    }
    canvas = {"x": 0, "y": 0, "width": SCALE * layout.width, "height": SCALE * layout.height}
    document = [header, {"reactions": reactions, "nodes": nodes, "text_labels": labels, "canvas": canvas}]
    check_escher(document, f"map of {network.name!r}")
    return write_text(path, json.dumps(document, allow_nan=False))


def _add_metabolite(nodes: dict[str, Any], x: float, y: float, name: str, text: str, primary: bool = True) -> str:
    key = str(len(nodes))
    x, y = SCALE * x, SCALE * y
    nodes[key] = {"node_type": "metabolite", "x": x, "y": y, "bigg_id": name, "name": text, "label_x": x + 24,
                  "label_y": y - 24, "node_is_primary": primary}  # fmt: skip
    return key


def _written(
    reaction: Reaction, route: Route, layout: MapLayout, ids: Mapping[str, str], nodes: dict[str, dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A reaction as Escher draws it: from the tail over its markers to the head, side metabolites at the middle."""
    points = [(layout.places[route.tail].x, layout.places[route.tail].y), *route.via]
    curve = spline([*points, (layout.places[route.head].x, layout.places[route.head].y)])
    pieces = len(route.via) + 1
    stops: dict[float, tuple[float, float]] = {(i + 1) / pieces: point for i, point in enumerate(route.via)}
    for t in (0.45, 0.5, 0.55):
        x, y = evaluate(curve, t)[0]
        stops.setdefault(t, (float(x), float(y)))
    chain = {}
    for t in sorted(stops):
        chain[t] = str(len(nodes))
        kind = "midmarker" if t == 0.5 else "multimarker"
        nodes[chain[t]] = {"node_type": kind, "x": SCALE * stops[t][0], "y": SCALE * stops[t][1]}
    ends = [(0.0, ids[route.tail]), *chain.items(), (1.0, ids[route.head])]
    segments = []
    for (start, first), (end, last) in pairwise(ends):
        piece = cut(curve, start, end)[0]
        segments.append((first, last, piece[1], piece[2]))
    segments += [(ids[each], chain[0.45], None, None) for each in route.joins]
    segments += [(chain[0.55], ids[each], None, None) for each in route.leaves]
    middle, along = evaluate(curve, 0.5)
    gap = {"right": (12, 0), "left": (-12, 0), "above": (0, -12), "below": (0, 12)}[route.side]
    normal = np.array([-along[1], along[0]])
    normal = -normal if normal @ np.array(gap) > 0 else normal
    for text, out in route.ticks:
        x, y = (float(each) for each in middle + (13 * along if out else -13 * along) + 15 * normal)
        name = next((each.metabolite for each in _everyone(reaction) if short_name(each.metabolite) == text), text)
        tick = _add_metabolite(nodes, x, y, name, text, primary=False)
        segments.append((chain[0.55], tick, None, None) if out else (tick, chain[0.45], None, None))
    label = evaluate(curve, route.fraction)[0] + np.array(gap) + np.array(route.nudge)
    drawn = {
        "name": reaction.note,
        "bigg_id": reaction.name,
        "reversibility": reaction.reversible,
        "label_x": SCALE * float(label[0]),
        "label_y": SCALE * float(label[1]),
        "gene_reaction_rule": "",
        "genes": [],
        "metabolites": [
            {"coefficient": sign * each.coefficient, "bigg_id": each.metabolite}
            for sign, side in ((-1.0, reaction.substrates), (1.0, reaction.products))
            for each in side
        ],
        "segments": {
            str(i): {"from_node_id": first, "to_node_id": last, "b1": _point(b1), "b2": _point(b2)}
            for i, (first, last, b1, b2) in enumerate(segments)
        },
    }
    known = {
        "tail": ids[route.tail],
        "head": ids[route.head],
        "via": [chain[(i + 1) / pieces] for i in range(len(route.via))],
        "joins": [ids[each] for each in route.joins],
        "leaves": [ids[each] for each in route.leaves],
        "ticks": [[text, out] for text, out in route.ticks],
        "label": [route.side, route.fraction, *route.nudge],
    }
    return drawn, known


def _everyone(reaction: Reaction):
    return (*reaction.substrates, *reaction.products)


def _point(point: np.ndarray | None) -> dict[str, float] | None:
    return None if point is None else {"x": SCALE * float(point[0]), "y": SCALE * float(point[1])}


def read_escher(
    path: str | Path, network: Network, *, names: Mapping[str, str] | None = None, partial: bool = False
) -> MapLayout:
    """Read an Escher map as a layout of a network.

    Parameters
    ----------
    path : str or pathlib.Path
        The JSON file.
    network : Network
        The network whose fluxes will be drawn.
    names : mapping of str to str, optional
        What reactions and metabolites of the map (``bigg_id`` or ``name``) are called in the network. Others match by
        ``bigg_id`` or ``name``, whatever their case, ``g6p_c`` like ``G6P.c``; a metabolite without a match takes the
        place that it has in a matched reaction.
    partial : bool
        Whether reactions that only the map or only the network has are left out instead of refused.

    Returns
    -------
    MapLayout
        For :func:`fluxkit.flux_map`. Of a map from elsewhere, secondary metabolites become short ticks, and where a
        metabolite stands more than once, every reaction keeps its own.

    Raises
    ------
    NetworkError
        The file is no Escher map, or reactions do not match; the message offers the nearest names.
    """
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NetworkError(f"{path.name}: this is no JSON file ({error}); save the map from Escher anew.") from error
    check_escher(document, path.name)
    drawing = document[1]
    matched = _match(drawing["reactions"], network, dict(names or {}), partial, path.name)
    metadata = document[0].get("metadata")
    known = metadata.get(_KNOWN) if isinstance(metadata, dict) else None
    if isinstance(known, dict) and _complete(known, drawing, matched):
        return _own_layout(drawing, known, matched)
    return _foreign_layout(drawing, network, dict(names or {}), matched, path.name)


def _match(
    reactions: Mapping[str, Any], network: Network, names: dict[str, str], partial: bool, where: str
) -> dict[str, str]:
    """Name in the network by identifier in the map; the first drawing of a reaction counts."""
    folded = {name.casefold(): name for name in network.reaction_names}
    matched: dict[str, str] = {}
    lost = []
    for key, reaction in reactions.items():
        texts = [reaction["bigg_id"], reaction["name"]]
        said = next((names[each] for each in texts if each in names), None)
        if said is not None and said not in network.reaction_index:
            raise NetworkError(
                f"{where}: names give {texts[0]!r} as {said!r}, but network {network.name!r} has no such reaction. "
                f"{suggest(said, network.reaction_names)}"
            )
        found = said or next((folded[each.casefold()] for each in texts if each.casefold() in folded), None)
        if found is None:
            lost.append(texts[0])
        elif found not in matched.values():
            matched[key] = found
    absent = [name for name in network.reaction_names if name not in matched.values()]
    if not matched or (not partial and (lost or absent)):
        parts = [f"{each!r} ({suggest(each, network.reaction_names)})" for each in lost[:5]]
        more = f" and {len(lost) - 5} more" if len(lost) > 5 else ""
        only_map = f" Only on the map: {', '.join(parts)}{more}." if lost else ""
        shown = ", ".join(map(repr, absent[:12])) + (f" and {len(absent) - 12} more" if len(absent) > 12 else "")
        only_network = f" Only in network {network.name!r}: {shown}." if absent else ""
        raise NetworkError(
            f"{where}: {len(matched)} of {len(reactions)} reactions match.{only_map}{only_network} Give "
            "names={name on the map: name in the network}, or partial=True to leave out what does not match."
        )
    return matched


def _complete(known: Mapping[str, Any], drawing: Mapping[str, Any], matched: Mapping[str, str]) -> bool:
    """Whether our own notes still fit the drawing: nodes may have been moved, but none taken away."""
    try:
        routes = [known["routes"][key] for key in matched]
        used = [*known["places"], *(each[end] for each in routes for end in ("tail", "head"))]
        used += [node for each in routes for part in ("via", "joins", "leaves") for node in each[part]]
        return known["scale"] > 0 and all(each in drawing["nodes"] for each in used)
    except (KeyError, TypeError):
        return False


def _own_layout(drawing: Mapping[str, Any], known: Mapping[str, Any], matched: Mapping[str, str]) -> MapLayout:
    nodes, scale = drawing["nodes"], known["scale"]
    keys: dict[str, str] = {}
    places: dict[str, Place] = {}
    for key in known["places"]:
        node = nodes[key]
        keys[key] = _free_key(node["bigg_id"], places)
        external, major = key in known["external"], key in known["major"]
        places[keys[key]] = Place(node["bigg_id"], node["x"] / scale, node["y"] / scale, node["name"], external, major)
    routes = {}
    for key, name in matched.items():
        each = known["routes"][key]
        side, fraction, *nudge = each["label"]
        routes[name] = Route(
            keys[each["tail"]],
            keys[each["head"]],
            tuple((nodes[via]["x"] / scale, nodes[via]["y"] / scale) for via in each["via"]),
            side,
            fraction,
            (nudge[0], nudge[1]),
            tuple(keys[join] for join in each["joins"]),
            tuple(keys[leave] for leave in each["leaves"]),
            tuple((text, out) for text, out in each["ticks"]),
        )
    canvas = drawing["canvas"]
    regions = tuple(Region(*each) for each in known["regions"])
    return MapLayout(canvas["width"] / scale, canvas["height"] / scale, places, routes, regions)


def _free_key(name: str, places: Mapping[str, Any]) -> str:
    """A metabolite may stand in several places: ``CO2``, ``CO2#2``."""
    count = 2
    key = name
    while key in places:
        key, count = f"{name}#{count}", count + 1
    return key


def _foreign_layout(
    drawing: Mapping[str, Any], network: Network, names: dict[str, str], matched: Mapping[str, str], where: str
) -> MapLayout:
    nodes, canvas = drawing["nodes"], drawing["canvas"]
    pairs = main_pairs(network)
    called = {key: _metabolite_name(node, network, names) for key, node in nodes.items()}
    ends = {}
    for key, name in matched.items():
        reaction = network.reactions[network.reaction_index[name]]
        ends[key] = _ends(drawing["reactions"][key], reaction, nodes, called, pairs[name], where)
    lengths = [np.hypot(nodes[a]["x"] - nodes[b]["x"], nodes[a]["y"] - nodes[b]["y"]) for a, b, *_ in ends.values()]
    scale = float(np.median([each for each in lengths if each > 0] or [STEP])) / STEP
    origin = np.array([canvas["x"], canvas["y"]]) - MARGIN * scale
    xy = {k: ((n["x"] - origin[0]) / scale, (n["y"] - origin[1]) / scale) for k, n in nodes.items()}
    stubs = short_stubs([each[:2] for each in ends.values()], called, xy)
    keys: dict[str, str] = {}
    places: dict[str, Place] = {}
    for tail, head, joins, leaves, _ in ends.values():
        for key in (tail, head, *joins, *leaves):
            if key not in keys:
                name = str(called[key])
                external = name.endswith(EXTERNAL_SUFFIX)
                keys[key] = _free_key(name, places)
                hidden = nodes[key]["node_type"] != "metabolite" or key in stubs
                text = "" if hidden else short_name(name)
                places[keys[key]] = Place(name, float(xy[key][0]), float(xy[key][1]), text, external, not external)
    routes = {}
    for key, (tail, head, joins, leaves, ticks) in ends.items():
        reaction = drawing["reactions"][key]
        line = _path(reaction["segments"], nodes, tail, head)
        line = (line - origin) / scale
        side, fraction = label_side(line, (np.array([reaction["label_x"], reaction["label_y"]]) - origin) / scale)
        if stubs & {tail, head}:  # the name of the reaction stands where that of the outside would
            fraction = 1.0 if head in stubs else 0.0
            dx, dy = (line[-1] - line[0]) * (1 if head in stubs else -1)
            side = SIDES[0 if dx >= 0 else 1] if abs(dx) >= 0.4 * abs(dy) else SIDES[2 if dy < 0 else 3]
        limbs = (tuple(keys[each] for each in joins), tuple(keys[each] for each in leaves))
        routes[matched[key]] = Route(keys[tail], keys[head], bends(line), side, fraction, (0.0, 0.0), *limbs, ticks)
    width, height = (canvas[each] / scale + 2 * MARGIN for each in ("width", "height"))
    return MapLayout(width, height, places, routes)


def _metabolite_name(node: Mapping[str, Any], network: Network, names: Mapping[str, str]) -> str | None:
    if node["node_type"] != "metabolite":
        return None
    folded = {name.casefold(): name for name in network.metabolites}
    for text in (node["bigg_id"], node["name"]):
        if text in names and names[text] in network.atom_counts:
            return names[text]
        for variant in (text, ".".join(text.rsplit("_", 1))):
            if variant.casefold() in folded:
                return folded[variant.casefold()]
    return None


def _ends(
    drawn: Mapping[str, Any],
    reaction: Reaction,
    nodes: Mapping[str, Any],
    called: dict[str, str | None],
    pair: tuple[str, str],
    where: str,
) -> tuple[str, str, list[str], list[str], tuple[tuple[str, bool], ...]]:
    """Nodes of tail, head and limbs, and the ticks; nodes without a name get that of their role."""
    signs = {each["bigg_id"]: each["coefficient"] for each in drawn["metabolites"]}
    used = dict.fromkeys(each[end] for each in drawn["segments"].values() for end in ("from_node_id", "to_node_id"))
    if not used:
        raise NetworkError(f"{where}: reaction {drawn['bigg_id']!r} has no segments; draw it, or take it off the map.")
    metabolites = [each for each in used if nodes[each]["node_type"] == "metabolite"]
    sides = {each: np.sign(signs.get(nodes[each]["bigg_id"], 1.0)) for each in metabolites}
    role = {each.metabolite: -1.0 for each in reaction.substrates} | {
        each.metabolite: 1.0 for each in reaction.products
    }
    agree = sum(sides[each] * role.get(str(called[each]), 0.0) for each in metabolites)
    if agree < 0:  # drawn the other way round
        sides = {each: -sign for each, sign in sides.items()}
    found = []
    for sign, name in ((-1.0, pair[0]), (1.0, pair[1])):
        mine = [each for each in metabolites if sides[each] == sign]
        primary = [each for each in mine if nodes[each]["node_is_primary"]] or mine
        main = next((each for each in primary if called[each] == name), primary[0] if primary else None)
        found.append((main, mine))
    (tail, left), (head, right) = found
    if tail is None or head is None:  # the map ends in the open: the last marker is where the outside is
        other = tail or head or next(iter(used))
        markers = [each for each in used if nodes[each]["node_type"] != "metabolite"] or [other]
        far = max(
            markers,
            key=lambda each: np.hypot(nodes[each]["x"] - nodes[other]["x"], nodes[each]["y"] - nodes[other]["y"]),
        )
        tail, head = (tail or far), (head or far)
    for key, name in ((tail, pair[0]), (head, pair[1])):
        if called[key] is None:
            called[key] = name
    joins, leaves, ticks = [], [], []
    for mine, end, limbs, out in ((left, tail, joins, False), (right, head, leaves, True)):
        for each in mine:
            if each == end:
                continue
            if nodes[each]["node_is_primary"] and called[each] is not None:
                limbs.append(each)
            else:
                ticks.append((short_name(called[each] or nodes[each]["bigg_id"]), out))
    return tail, head, joins, leaves, tuple(ticks)


def _path(segments: Mapping[str, Any], nodes: Mapping[str, Any], tail: str, head: str) -> np.ndarray:
    """Points along the segments from tail to head, shape ``(point, 2)``."""
    leaving: dict[str, list[tuple[str, np.ndarray]]] = {}
    for each in segments.values():
        a, b = each["from_node_id"], each["to_node_id"]
        start, end = (np.array([nodes[key]["x"], nodes[key]["y"]], dtype=float) for key in (a, b))
        b1, b2 = (np.array([p["x"], p["y"]], dtype=float) if p else None for p in (each["b1"], each["b2"]))
        cubic = np.array([start, start if b1 is None else b1, end if b2 is None else b2, end])
        leaving.setdefault(a, []).append((b, cubic))
        leaving.setdefault(b, []).append((a, cubic[::-1]))
    ways: dict[str, list[np.ndarray]] = {tail: []}
    pending = [tail]
    while pending and head not in ways:
        here = pending.pop(0)
        for there, cubic in leaving.get(here, ()):
            if there not in ways:
                ways[there] = [*ways[here], cubic]
                pending.append(there)
    straight = np.array([[nodes[key]["x"], nodes[key]["y"]] for key in (tail, head)], dtype=float)
    if not ways.get(head):
        return straight
    points = [evaluate(np.array([each]), t)[0] for each in ways[head] for t in np.linspace(0, 1, 9)]
    return np.array(points)
