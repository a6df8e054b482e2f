"""Where the labelable atoms of an input molecule are drawn: carbons as a chain, the others at their carbons."""

from functools import lru_cache
from math import cos, radians, sin
from pathlib import Path
from typing import Any

from fluxkit.labeling.isotopes import TRACER_ISOTOPES
from fluxkit.labeling.pool_names import pool_stem
from fluxkit.networks import Network
from fluxkit.networks.tables import read_rows

_TABLE = Path(__file__).with_name("molecules.tsv")
_STEP, _RISE = 64, 11  # between carbons, and of the zigzag above and below its middle
_BOND = {"C": 50, "N": 46, "H": 38}
_RADIUS = {"C": 18, "N": 17, "H": 13}
_ANGLES = {1: (0,), 2: (-35, 35), 3: (-62, 0, 62)}
_ORDER = "CNH"


def molecule(network: Network, pool: str) -> dict[str, Any]:
    """Return the drawing of one input molecule, ready for JSON.

    Parameters
    ----------
    network : Network
        The network; only atoms that it tracks are drawn.
    pool : str
        An input pool.

    Returns
    -------
    dict
        ``pool``, ``title`` (a common name where there is one), ``elements``, ``width`` and ``height`` of the drawing,
        and ``atoms``: each with ``key`` (``C1``), ``element``, ``position`` (from 1), ``isotope``, ``x``, ``y``,
        ``radius``, ``bond`` (key of the atom it hangs on, or "") and ``group`` (``CHOH``, or "").
    """
    counts = network.atom_counts[pool]
    known = _known(pool, counts)
    atoms = _carbons(counts.get("C", 0), known)
    height = max((each["y"] for each in atoms), default=0.0)
    for element in (e for e in _ORDER if e != "C" and counts.get(e)):
        homes = known[element]
        if len(homes) != counts[element] or not counts.get("C"):
            top = height + 54 if atoms else 0.0
            atoms += [_atom(element, i, 30 + 46.0 * i, top, "") for i in range(counts[element])]
            height = top
            continue
        for home in dict.fromkeys(homes):
            atoms += _around(atoms, home, [i for i, each in enumerate(homes) if each == home], element)
    return {
        "pool": pool,
        "title": known["name"] or pool,
        "elements": [e for e in _ORDER if counts.get(e)],
        **_fit(atoms),
    }


@lru_cache(maxsize=1)
def _rows() -> dict[str, dict[str, str]]:
    return {row["stem"]: row for _, row in read_rows(_TABLE, ("stem", "name"))}


def _known(pool: str, counts: Any) -> dict[str, Any]:
    """Return what the table says of a molecule; nothing of its carbons where their number is another one."""
    row = _rows().get(pool_stem(pool), {})
    groups = row.get("groups", "").split()
    fits = len(groups) == counts.get("C", 0)
    places = {e: [int(i) for i in row.get(name, "").split()] for e, name in (("N", "nitrogens"), ("H", "hydrogens"))}
    return {
        "name": row.get("name", "") if fits else "",
        "groups": groups if fits else [],
        "bonds": [int(i) for i in row.get("bonds", "").split()] if fits else [],
        **{e: homes if fits else [] for e, homes in places.items()},
    }


def _atom(element: str, index: int, x: float, y: float, bond: str, group: str = "") -> dict[str, Any]:
    return {
        "key": f"{element}{index + 1}", "element": element, "position": index + 1,
        "isotope": f"{TRACER_ISOTOPES[element]}{element}", "x": x, "y": y, "radius": _RADIUS[element],
        "bond": bond, "group": group,
    }  # fmt: skip


def _carbons(count: int, known: dict[str, Any]) -> list[dict[str, Any]]:
    """Return carbons in a zigzag, the first above; a branch leaves away from the middle."""
    bonds = known["bonds"] or list(range(count))
    groups = known["groups"] or [""] * count
    atoms: list[dict[str, Any]] = []
    for i in range(count):
        x, y = _STEP * i, _RISE if i % 2 else -_RISE
        if bonds[i] != i:
            home = atoms[bonds[i] - 1]
            x, y = home["x"], home["y"] + (_BOND["C"] if home["y"] > 0 else -_BOND["C"])
        atoms.append(_atom("C", i, float(x), float(y), f"C{bonds[i]}" if bonds[i] else "", groups[i]))
    return atoms


def _around(atoms: list[dict[str, Any]], home: int, members: list[int], element: str) -> list[dict[str, Any]]:
    """Return atoms that hang on one carbon, fanned out away from the chain."""
    carbon = atoms[home - 1]
    away = 1.0 if carbon["y"] > 0 else -1.0
    taken = sum(each["bond"] == carbon["key"] and each["element"] != "C" for each in atoms)
    angles = _ANGLES.get(len(members) + taken, tuple(range(-80, 81, 40)))[taken : taken + len(members)]
    reach = _BOND[element]
    return [
        _atom(
            element, i, carbon["x"] + reach * sin(radians(angle)), carbon["y"] + away * reach * cos(radians(angle)),
            carbon["key"],
        )
        for i, angle in zip(members, angles, strict=True)
    ]  # fmt: skip


def _fit(atoms: list[dict[str, Any]]) -> dict[str, Any]:
    """Move a drawing into the corner of its frame."""
    left = min(each["x"] - each["radius"] for each in atoms) - 8
    top = min(each["y"] - each["radius"] for each in atoms) - 6
    moved = [{**each, "x": round(each["x"] - left, 1), "y": round(each["y"] - top, 1)} for each in atoms]
    width = max(each["x"] + each["radius"] for each in moved) + 8
    height = max(each["y"] + each["radius"] for each in moved) + 6
    return {"width": round(width, 1), "height": round(height, 1), "atoms": moved}
