"""Masks: measured values to leave out, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fluxkit.errors import LabelingError, suggest
from fluxkit.labeling.isotopologues import parse_isotopes, shortest_isotopes
from fluxkit.labeling.table_rows import RowTable, read_rows

ANY = "*"
TARGETS = ("sample", "condition", "replicate", "tissue", "animal", "experiment", "metabolite", "mass_shift", "isotopes")
"""Columns by which a mask chooses; an absent column, an empty cell or ``*`` takes every value."""


@dataclass(frozen=True)
class Mask:
    """What to leave out: every measured value whose columns equal the named ones.

    Parameters
    ----------
    chosen : mapping of str to str
        Value by column of :data:`TARGETS`.
    reason : str
        Why.
    place : str
        Where the mask stands, for messages.
    """

    chosen: Mapping[str, str]
    reason: str
    place: str

    def matches(self, record: Mapping[str, str]) -> bool:
        """Whether a measured value, as texts by column, is to be left out."""
        return all(record.get(column) == value for column, value in self.chosen.items())


def read_masks(masks: str | Path | pd.DataFrame | Iterable[Mapping[str, Any]]) -> tuple[Mask, ...]:
    """Read masks.

    Parameters
    ----------
    masks : path, pandas.DataFrame or list of records
        Columns of :data:`TARGETS` and ``reason``; ``*`` takes every value.

    Raises
    ------
    LabelingError
        A mask would take everything, or a column means nothing.
    """
    table = read_rows(masks)
    strange = [*table.unused, *(each for each in table.columns if each not in (*TARGETS, "reason"))]
    if strange:
        raise LabelingError(
            f"masks {table.source}: column {strange[0]!r} means nothing. {suggest(strange[0], (*TARGETS, 'reason'))}"
        )
    return tuple(_mask(table, row.number, row.cells) for row in table.rows)


def _mask(table: RowTable, number: int, cells: Mapping[str, str]) -> Mask:
    chosen = {column: cells[column] for column in TARGETS if cells.get(column, ANY) not in ("", ANY)}
    place = f"masks {table.where(number)}"
    if not chosen:
        raise LabelingError(f"{place}: this mask takes every value; name at least a metabolite or a condition.")
    if "mass_shift" in chosen:
        chosen["mass_shift"] = chosen["mass_shift"].upper().removeprefix("M").removeprefix("+")
    if "isotopes" in chosen:
        heavy = parse_isotopes(chosen["isotopes"])
        if heavy is None:
            raise LabelingError(f"{place}: cannot read isotopes {chosen['isotopes']!r}; write '13C2 15N1'.")
        chosen["isotopes"] = shortest_isotopes(heavy)
    return Mask(chosen, cells.get("reason", ""), place)


def masked(masks: Iterable[Mask], records: list[Mapping[str, str]]) -> list[bool]:
    """Say which measured values the masks leave out.

    Parameters
    ----------
    masks : iterable of Mask
    records : list of mappings
        Texts by column of each value.

    Returns
    -------
    list of bool
        One per record.

    Raises
    ------
    LabelingError
        A mask matches nothing: probably a misspelled name.
    """
    out = [False] * len(records)
    for mask in masks:
        hits = [i for i, record in enumerate(records) if mask.matches(record)]
        if not hits:
            raise LabelingError(f"{mask.place}: this mask matches no measured value. {_why(mask, records)}")
        for i in hits:
            out[i] = True
    return out


def _why(mask: Mask, records: list[Mapping[str, str]]) -> str:
    for column, value in mask.chosen.items():
        known = {record[column] for record in records if record.get(column)}
        if not known:
            return f"The table has no {column}s; write '*'."
        if value not in known:
            return f"No {column} is called {value!r}. {suggest(value, known)}"
    return "Its names exist, but not together; check the combination."
