"""The text of one label, ``[1,2-13C2,5-2H]``, and the atoms that it means."""

import re
from collections.abc import Mapping

from fluxkit.errors import TracerError
from fluxkit.labeling.isotopes import TRACER_ISOTOPES
from fluxkit.labeling.pool_names import pool_stem

Atom = tuple[str, int]
AtomNames = Mapping[str, Mapping[str, tuple[str, int | tuple[int, ...]]]]

_SYMBOLS = {**{f"{mass}{element}": element for element, mass in TRACER_ISOTOPES.items()}, "D": "H"}
_GROUP = re.compile(r"(?:(?P<positions>[^\[\];+]+?)-)??(?P<isotope>13C|15N|2H|D)(?P<count>\d*)(?:,|$)")
_EXAMPLES = "write '[U-13C6]', '[1,2-13C2]', '[2-15N]' or '[1,2-13C2,5-2H]'"

# Order of the atoms in the networks of the catalog: amide nitrogen second; hydrogens 6 and 7 of glucose at C6
_USUAL_NAMES: dict[tuple[str, str, int], dict[str, tuple[str, int | tuple[int, ...]]]] = {
    ("Gln", "N", 2): {"amide": ("N", 2), "alpha": ("N", 1), "amine": ("N", 1)},
    ("Asn", "N", 2): {"amide": ("N", 2), "alpha": ("N", 1), "amine": ("N", 1)},
    ("Glc", "H", 7): {"6,6": ("H", (6, 7))},
}


def read_label(
    text: str, pool: str, counts: Mapping[str, int], where: str, atom_names: AtomNames | None = None
) -> frozenset[Atom]:
    """Read which atoms of a pool a label makes heavy.

    Parameters
    ----------
    text : str
        What stands between the brackets: ``"U-13C5,15N2"``.
    pool : str
        Pool that carries the label.
    counts : mapping of str to int
        Atoms of each element that the network tracks in the pool.
    where : str
        The place of the text, for messages.
    atom_names : mapping, optional
        Chemists' names for atoms: pool -> name -> (element, position or positions), positions from 1 as in
        the text: ``{"Glc_x": {"6,6": ("H", (6, 7))}}``. Added to the usual names (``amide`` of glutamine and
        asparagine, ``6,6`` of glucose with seven hydrogens).

    Returns
    -------
    frozenset of (element, position)
        Zero-based positions.

    Raises
    ------
    TracerError
        The text cannot be read, an atom does not exist, or a number of atoms disagrees with the network.
    """
    names = {**_usual_names(pool, counts), **(atom_names or {}).get(pool, {})}
    atoms: set[Atom] = set()
    compact, end, everywhere = re.sub(r"\s", "", text), 0, False
    while end < len(compact) or not atoms:
        group = _GROUP.match(compact, end)
        if group is None:
            raise TracerError(f"{where}: cannot read the label '[{text}]'; {_EXAMPLES}.")
        element, label = _SYMBOLS[group["isotope"]], f"{where}: '[{text}]'"
        if not counts.get(element):
            raise TracerError(f"{label}: network has no {element} atoms in {pool} ({_have(counts)}); drop this label.")
        found = _positions(group, element, counts, names, pool, label, everywhere)
        if atoms & found:
            raise TracerError(
                f"{label} labels atom {min(atoms & found)[1] + 1} of {element} twice; name each atom once."
            )
        atoms |= found
        everywhere = not group["count"] and (group["positions"] or "U" * everywhere).upper() == "U"
        end = group.end()
    if compact.endswith(","):
        raise TracerError(f"{where}: cannot read the label '[{text}]'; {_EXAMPLES}.")
    return frozenset(atoms)


def _usual_names(pool: str, counts: Mapping[str, int]) -> dict[str, tuple[str, int | tuple[int, ...]]]:
    found = (names for (stem, e, n), names in _USUAL_NAMES.items() if pool_stem(pool) == stem and counts.get(e) == n)
    return next(found, {})


def _have(counts: Mapping[str, int]) -> str:
    return "it has " + (", ".join(f"{n} {e}" for e, n in counts.items()) or "no atoms")


def _positions(group, element: str, counts, names, pool: str, label: str, everywhere: bool) -> set[Atom]:
    """Return the atoms of one group, its number checked; ``everywhere``: a numberless U holds for it too."""
    text, number, size = group["positions"], group["count"], counts[element]
    if text is None or text.upper() == "U":
        stated = int(number) if number else (size if text or everywhere else 1)
        if stated != size:
            raise TracerError(
                f"{label} says {stated} atoms of {element}, but {pool} has {size} in this network. Write "
                f"'{'U-' if text else ''}{group['isotope']}{size}' for all of them, or name the positions."
            )
        return {(element, i) for i in range(size)}
    if text in names and names[text][0] == element:
        given = names[text][1]
        chosen = list(given) if isinstance(given, tuple) else [given]
    elif re.fullmatch(r"\d+(,\d+)*", text):
        chosen = [int(each) for each in text.split(",")]
    else:
        known = ", ".join(repr(each) for each, (e, _) in names.items() if e == element) or "none"
        raise TracerError(
            f"{label}: {pool} has no atom of {element} named {text!r} (named atoms: {known}). "
            f"Use positions 1 to {size}, or pass "
            f"atom_names={{{pool!r}: {{{text!r}: ({element!r}, position)}}}} to parse_tracers."
        )
    _check_positions(chosen, number, element, size, pool, label)
    return {(element, each - 1) for each in chosen}


def _check_positions(chosen: list[int], number: str, element: str, size: int, pool: str, label: str) -> None:
    for each in chosen:
        if not 1 <= each <= size:
            raise TracerError(f"{label}: {pool} has atoms 1 to {size} of {element} in this network, not {each}.")
    if len(set(chosen)) < len(chosen):
        raise TracerError(
            f"{label} names an atom of {element} twice. Positions count the atoms as the network lists them: "
            f"use different numbers (1 to {size}), or pass atom_names."
        )
    if number and int(number) != len(chosen):
        raise TracerError(f"{label} says {number} atoms of {element}, but names {len(chosen)} positions; correct one.")


def format_label(atoms: frozenset[Atom], counts: Mapping[str, int]) -> str:
    """Write atoms as the shortest usual label, such as ``[U-13C5,15N2]``; inverse of :func:`read_label`.

    Parameters
    ----------
    atoms : frozenset of (element, position)
        Zero-based positions.
    counts : mapping of str to int
        Atoms of each element in the pool.
    """
    groups: list[str] = []
    everywhere = False
    for element, mass in TRACER_ISOTOPES.items():
        positions = sorted(i for e, i in atoms if e == element)
        if not positions:
            continue
        number = str(len(positions)) if len(positions) > 1 else ""
        if len(positions) == counts[element] > 1:
            groups.append(f"{'' if everywhere else 'U-'}{mass}{element}{number}")
            everywhere = True
        else:
            groups.append(f"{','.join(str(i + 1) for i in positions)}-{mass}{element}{number}")
            everywhere = False
    return f"[{','.join(groups)}]"
