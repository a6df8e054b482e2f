"""The values of a measured table, row by row: numbers that can be trusted, or a message with the row."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from fluxkit.errors import LabelingError, suggest
from fluxkit.labeling.dataset import NOISE_ALLOWANCE
from fluxkit.labeling.isotopologues import isotopologue_name, parse_isotopes, shortest_isotopes
from fluxkit.labeling.table_rows import MISSING, Row, RowTable

_SHIFT = re.compile(r"(?:[Mm]\s*)?(?:\+\s*)?(\d+)(?:\.0+)?")
_WIDEST = 0.5  # no quantity between 0 and 1 varies more
_NAMING = ("condition", "tissue", "animal", "replicate")
_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


@dataclass(frozen=True)
class MeasuredValue:
    """One value as its row states it.

    Parameters
    ----------
    row : int
        Number of the row.
    sample : str
        Name of the sample; empty where the table names none.
    experiment : str
        Name of the experiment.
    name : str
        Metabolite or fragment as written.
    shift : int
        Mass shift.
    value, sd : float
        NaN where nothing was measured, or no sd is stated.
    step : float
        What one more in the last written digit of the value adds to it.
    known : mapping of str to str
        The other cells.
    heavy : mapping of str to int, optional
        Heavy atoms by element, where the row tells isotopes apart.
    limit : float
        Stated detection limit, in the unit of the value; NaN where none is.
    masked : bool
        Whether the row itself says that its value is to be left out.
    """

    row: int
    sample: str
    experiment: str
    name: str
    shift: int
    value: float
    sd: float
    step: float
    known: Mapping[str, str]
    heavy: Mapping[str, int] | None = None
    limit: float = math.nan
    masked: bool = False

    @property
    def isotopes(self) -> str:
        """Which isotopes make the mass shift, or ``unlabeled``; empty where only the mass is known."""
        return "" if self.heavy is None else shortest_isotopes(self.heavy)

    def of_experiment(self, name: str) -> "MeasuredValue":
        """Return the value with the name of its experiment."""
        return replace(self, experiment=name)

    def record(self) -> dict[str, str]:
        """Return the texts that a mask compares."""
        texts = {column: self.known.get(column, "") for column in _NAMING}
        own = {"sample": self.sample, "experiment": self.experiment, "metabolite": self.known["metabolite"]}
        return texts | own | {"mass_shift": str(self.shift), "isotopes": self.isotopes}

    def of_body(self) -> "MeasuredValue":
        """Return the value of a body, ``"liver glucose"``: its tissue is a part of the sample, not a sample."""
        if not self.known["tissue"]:
            return self
        sample = self.sample
        if sample == _sample_name(self.known, _NAMING):
            sample = _sample_name(self.known, [each for each in _NAMING if each != "tissue"])
        return replace(self, name=f"{self.known['tissue']} {self.name}", sample=sample)

    def label(self) -> str:
        """Say which value this is."""
        sample = f" of sample {self.sample!r}" if self.sample else ""
        return f"{isotopologue_name(self.shift, self.isotopes if self.shift else '')} of {self.name!r}{sample}"


def read_values(table: RowTable) -> tuple[list[MeasuredValue], str]:
    """Read every row of a tidy table.

    Parameters
    ----------
    table : RowTable
        The rows as texts.

    Returns
    -------
    values : list of MeasuredValue
    kind : str
        ``"intensity"`` or ``"fraction"``.

    Raises
    ------
    LabelingError
        A column is missing, or a cell does not hold what its column says.
    """
    if "time" in table.columns:
        raise LabelingError(
            f"{table.source} has a 'time' column: time courses cannot be read yet. Keep the rows of one "
            "time at "
            "isotopic steady state and remove the column."
        )
    for column in ("metabolite", "mass_shift"):
        if column not in table.columns and not (column == "mass_shift" and "isotopes" in table.columns):
            raise LabelingError(
                f"{table.source} has no column {column!r}. {suggest(column, table.unused or table.columns)} "
                "A tidy table has one row per mass shift: metabolite, mass_shift, intensity or fraction."
            )
    kinds = [each for each in ("intensity", "fraction") if each in table.columns]
    if len(kinds) != 1:
        have = "both 'intensity' and 'fraction'" if kinds else "neither 'intensity' nor 'fraction'"
        raise LabelingError(f"{table.source} has {have}; keep one column of values.")
    if not table.rows:
        raise LabelingError(f"{table.source} has a header but no rows.")
    return [_value(table, row, kinds[0]) for row in table.rows], kinds[0]


def _value(table: RowTable, row: Row, kind: str) -> MeasuredValue:
    name = row.text("metabolite")
    if not name:
        raise LabelingError(f"no metabolite ({table.where(row.number)}); name it, or remove the row.")
    shift, heavy = _isotopologue(table, row, name)
    value, sd = _number(table, row, kind, name), _number(table, row, "sd", name)
    limit = _number(table, row, "detection_limit", name)
    place = f"{name!r} M+{shift} ({table.where(row.number)})"
    if limit <= 0:
        raise LabelingError(
            f"detection_limit = {limit:.4g} of {place} must be positive; leave the cell empty for none."
        )
    if sd <= 0:
        raise LabelingError(f"sd = {sd:.4g} of {place} must be positive.")
    if kind == "intensity" and value < 0:
        raise LabelingError(
            f"negative intensity {value:.4g} of {place}; correct it, or leave the cell empty if it was not measured."
        )
    if kind == "fraction":
        _check_fraction(value, sd, place)
    step = 10.0 ** int(Decimal(row.text(kind)).as_tuple().exponent) if math.isfinite(value) else math.nan
    known = {column: row.text(column) for column in (*_NAMING, "experiment", "tracer", "metabolite", "formula")}
    drawn = f"draw {row.text('draw')}" if row.text("draw") else ""
    sample = row.text("sample") or drawn or _sample_name(known, _NAMING)
    masked = _is_masked(row, place)
    return MeasuredValue(row.number, sample, "", name, shift, value, sd, step, known, heavy, limit, masked)


def _is_masked(row: Row, place: str) -> bool:
    text = row.text("masked").lower()
    if text in MISSING or text in _NO:
        return False
    if text not in _YES:
        raise LabelingError(f"masked = {row.text('masked')!r} of {place} must be 'yes' or 'no'.")
    return True


def _sample_name(known: Mapping[str, str], columns: Sequence[str]) -> str:
    return " ".join(known[each] for each in columns if known[each])


def _isotopologue(table: RowTable, row: Row, name: str) -> tuple[int, dict[str, int] | None]:
    """Read the mass shift, and the heavy atoms by element where the row states them."""
    text, place = row.text("mass_shift"), f"of {name!r} ({table.where(row.number)})"
    match = _SHIFT.fullmatch(text)
    stated = row.text("isotopes")
    if not stated or stated.lower() in MISSING:
        heavy = parse_isotopes(text) if match is None else None
        if match is None and heavy is None:
            raise LabelingError(
                f"mass shift {text!r} {place} is not one; write 2 or M+2. (Isotopes that are told apart: '13C2 15N1'.)"
            )
        return (int(match[1]), None) if match else (sum((heavy or {}).values()), heavy)
    heavy = parse_isotopes(stated)
    if heavy is None:
        raise LabelingError(f"isotopes {stated!r} {place} cannot be read; write heavy isotopes as in '13C2 15N1'.")
    shift = sum(heavy.values())
    if text and (match is None or int(match[1]) != shift):
        raise LabelingError(f"mass shift {text!r} {place} is not that of {stated!r}, M+{shift}; correct one of them.")
    return shift, heavy


def _check_fraction(value: float, sd: float, place: str) -> None:
    """Refuse what noise of the stated size does not explain."""
    if sd > _WIDEST:
        raise LabelingError(f"sd = {sd:.4g} of {place} is wider than any fraction varies; give it as a fraction of 1.")
    noise = 0.0 if math.isnan(sd) else NOISE_ALLOWANCE * sd
    if value < -noise:
        how_far = f", more than {NOISE_ALLOWANCE:g} sd below zero" if noise else ""
        state = "" if noise else "state its noise in an 'sd' column, "
        raise LabelingError(
            f"negative fraction {value:.4g} of {place}{how_far}; give uncorrected data with natural_abundance=... "
            f"(--natural-abundance), {state}or leave the cell empty."
        )


def _number(table: RowTable, row: Row, column: str, name: str) -> float:
    text = row.text(column)
    if text.lower() in MISSING:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if math.isinf(number):
        comma = " Write decimals with a point." if "," in text else ""
        raise LabelingError(
            f"{column} {text!r} of {name!r} ({table.where(row.number)}) is not a number; correct it, or "
            "leave the "
            f"cell empty if it was not measured.{comma}"
        )
    return number
