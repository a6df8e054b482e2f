"""Isotopologues in words: ``M+2`` where the mass is seen, ``13C2 15N1`` where isotopes are told apart."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import xarray as xr

from fluxkit.labeling.isotopes import TRACER_ISOTOPES
from fluxkit.networks import Fragment

Isotopologue = tuple[int, str]
"""Mass shift, and which isotopes make it: ``(3, "13C2 15N1")``; no text where only the mass is seen."""

_HEAVY = {**{f"{mass}{element}": element for element, mass in TRACER_ISOTOPES.items()}, "D": "H"}
_PART = re.compile(r"(13C|15N|2H|D)(\d*)")


def format_isotopes(heavy: Mapping[str, int]) -> str:
    """Write the heavy atoms of each element, elements in alphabetical order: ``13C2 15N0``.

    Parameters
    ----------
    heavy : mapping of str to int
        Heavy atoms by element.
    """
    return " ".join(f"{TRACER_ISOTOPES[element]}{element}{heavy[element]}" for element in sorted(heavy))


def shortest_isotopes(heavy: Mapping[str, int]) -> str:
    """Write the heavy atoms of each element that has any, ``unlabeled`` where none has.

    Parameters
    ----------
    heavy : mapping of str to int
        Heavy atoms by element.
    """
    return format_isotopes({element: count for element, count in heavy.items() if count}) or "unlabeled"


def parse_isotopes(text: str) -> dict[str, int] | None:
    """Read ``13C2 15N1`` as ``{"C": 2, "N": 1}``; return ``None`` for what is no such text.

    Parameters
    ----------
    text : str
        Heavy isotopes with their counts (1 where none is written), apart by spaces or any of ``, ; + - _``; ``D``
        is ``2H``; ``unlabeled`` is none.
    """
    if re.fullmatch(r"unlabell?ed", text.strip(), re.IGNORECASE):
        return {}
    parts = [_PART.fullmatch(each) for each in re.split(r"[\s,;+\-_]+", text.strip())]
    heavy = {_HEAVY[each[1]]: int(each[2] or 1) for each in parts if each is not None}
    return heavy if len(heavy) == len(parts) else None


@lru_cache(maxsize=4096)  # asked for each row of a table
def isotopologues_of(fragment: Fragment) -> tuple[Isotopologue, ...]:
    """Return what each value of a fragment counts, in the order of the simulated values.

    Parameters
    ----------
    fragment : Fragment
        Told apart (``Glu.c:C+N``) or seen by mass.
    """
    if not fragment.resolved:
        return tuple((shift, "") for (shift,) in fragment.isotopologues)
    elements = elements_of(fragment)
    return tuple(
        (sum(counts), format_isotopes(dict(zip(elements, counts, strict=True)))) for counts in fragment.isotopologues
    )


def elements_of(fragment: Fragment) -> tuple[str, ...]:
    """Return the elements of a fragment in alphabetical order.

    Parameters
    ----------
    fragment : Fragment
    """
    return tuple(sorted({element for element, _ in fragment.atoms}))


def place_of(fragment: Fragment, shift: int, heavy: Mapping[str, int] | None = None) -> int | None:
    """Return which value of a fragment an isotopologue is, or ``None`` where it is none or may be several.

    Parameters
    ----------
    fragment : Fragment
        The fragment.
    shift : int
        Mass shift.
    heavy : mapping of str to int, optional
        Heavy atoms by element, where they are known; an element that is not named has none.
    """
    elements = elements_of(fragment)
    if heavy is None:
        fits = [i for i, (each, _) in enumerate(isotopologues_of(fragment)) if each == shift]
        return fits[0] if len(fits) == 1 else None
    foreign = any(count and element not in elements for element, count in heavy.items())
    if foreign or not (fragment.resolved or len(elements) == 1):
        return None
    counts = tuple(heavy.get(each, 0) for each in elements)
    return fragment.isotopologues.index(counts) if counts in fragment.isotopologues else None


def isotopologue_name(shift: int, isotopes: str = "") -> str:
    """Name one isotopologue for people: ``M+2``, or ``13C2 15N0``.

    Parameters
    ----------
    shift : int
        Mass shift.
    isotopes : str
        Which isotopes; empty where only the mass is seen.
    """
    return isotopes or f"M+{shift}"


def isotope_texts(labeling: xr.Dataset) -> list[str]:
    """Return the ``isotopes`` of each isotopologue of a dataset, empty texts where it has none.

    Parameters
    ----------
    labeling : xarray.Dataset
        A labeling dataset, or another with its coordinates.
    """
    if "isotopes" not in labeling.coords:
        return [""] * labeling.sizes["isotopologue"]
    return [str(each) for each in labeling["isotopes"].values]


def isotopologue_names(labeling: xr.Dataset) -> np.ndarray:
    """Return the name of each isotopologue of a dataset for people: ``citrate M+2``, ``Glu.c:C+N 13C2 15N0``.

    Parameters
    ----------
    labeling : xarray.Dataset
        A labeling dataset, or another with its coordinates.

    Returns
    -------
    numpy.ndarray
        Texts, shape ``(isotopologue,)``.
    """
    texts: Sequence[str] = isotope_texts(labeling)
    rows = zip(labeling["fragment"].values, labeling["mass_shift"].values, texts, strict=True)
    return np.array([f"{fragment} {isotopologue_name(shift, text)}" for fragment, shift, text in rows], dtype=object)


def value_name(labeling: xr.Dataset, value: int) -> str:
    """Return the name of one value for people: ``citrate M+2``, and ``in NAME`` where there are several experiments.

    Parameters
    ----------
    labeling : xarray.Dataset
        A labeling dataset, or another with its coordinates, over ``(experiment, isotopologue)`` or ``(isotopologue,)``.
    value : int
        Place of the value, counted through the isotopologues of the first experiment, then of the next.
    """
    row, column = divmod(int(value), labeling.sizes["isotopologue"])
    name = str(isotopologue_names(labeling)[column])
    if labeling.sizes.get("experiment", 1) == 1:
        return name
    return f"{name} in {labeling['experiment'].values[row]}"
