"""Rows of a measured table, with the place of each for messages: csv, tsv, xlsx or a DataFrame."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fluxkit.errors import LabelingError, UnknownNameError, suggest

MISSING = frozenset({"", "-", "na", "n/a", "nan", "none", "nd", "n.d.", "nf", "n/f"})
"""What a cell says, in any case, when nothing was measured."""

ALIASES: Mapping[str, tuple[str, ...]] = {
    "sample": ("sample", "sample_name"),
    "draw": ("draw",),
    "condition": ("condition", "group", "treatment"),
    "replicate": ("replicate", "rep"),
    "tissue": ("tissue",),
    "animal": ("animal", "mouse"),
    "experiment": ("experiment",),
    "tracer": ("tracer", "tracers"),
    "metabolite": ("metabolite", "fragment", "compound"),
    "formula": ("formula",),
    "isotopes": ("isotopes",),
    "mass_shift": ("mass_shift", "isotopologue", "isotopolog", "mass_isotopomer"),
    "intensity": ("intensity", "peak_area", "area", "counts"),
    "fraction": ("fraction", "mid", "abundance", "relative_abundance"),
    "sd": ("sd", "std", "mid_sd"),
    "detection_limit": ("detection_limit",),
    "masked": ("masked",),
    "time": ("time",),
    "reason": ("reason", "note"),
}
"""Columns by their names; capitals, spaces and hyphens do not matter."""


@dataclass(frozen=True)
class Row:
    """One row: its number as the user sees it, and its texts by column."""

    number: int
    cells: Mapping[str, str]

    def text(self, column: str, default: str = "") -> str:
        """Return a cell, or the default where it is empty or the column is absent."""
        return self.cells.get(column) or default


@dataclass(frozen=True)
class RowTable:
    """A table as texts.

    Parameters
    ----------
    source : str
        Name of the file, with the sheet.
    columns : tuple of str
        Known columns, by the names of :data:`ALIASES`.
    unused : tuple of str
        Columns that mean nothing here.
    rows : tuple of Row
        Rows that are not empty.
    """

    source: str
    columns: tuple[str, ...]
    unused: tuple[str, ...]
    rows: tuple[Row, ...]

    def where(self, numbers: int | Iterable[int]) -> str:
        """Say where rows stand: ``table.csv, rows 3-6``."""
        listed = sorted({numbers} if isinstance(numbers, int) else set(numbers))
        spans: list[list[int]] = []
        for each in listed:
            if spans and each == spans[-1][1] + 1:
                spans[-1][1] = each
            else:
                spans.append([each, each])
        shown = ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in spans[:6]) + (", ..." if len(spans) > 6 else "")
        return f"{self.source}, {'row' if len(listed) == 1 else 'rows'} {shown}"


def read_rows(table: str | Path | pd.DataFrame | Iterable[Mapping[str, Any]], sheet: str | None = None) -> RowTable:
    """Read a table of any supported kind.

    Parameters
    ----------
    table : path, pandas.DataFrame or list of records
        ``.csv`` (comma or semicolon), ``.tsv`` or ``.txt`` (tab), ``.xlsx``. Rows of a file are counted as an
        editor counts lines, the header being the first; rows of a frame from 0.
    sheet : str, optional
        Sheet of a workbook; the first by default.

    Raises
    ------
    LabelingError
        The file is missing, unreadable or of another kind, or two columns mean the same.
    UnknownNameError
        The workbook has no such sheet.
    """
    if isinstance(table, pd.DataFrame):
        body = [(i, list(row)) for i, row in enumerate(table.itertuples(index=False, name=None))]
        return _build("table", [str(each) for each in table.columns], body)
    if not isinstance(table, str | Path):
        return read_rows(pd.DataFrame([dict(each) for each in table], dtype=object))
    path = Path(table)
    if not path.is_file():
        raise LabelingError(f"there is no file {str(table)!r}; check the path.")
    if path.suffix.lower() == ".xlsx":
        return _read_workbook(path, sheet)
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise LabelingError(f"cannot read {path.name!r}: save the table as .csv, .tsv or .xlsx.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelingError(f"{path.name} is not UTF-8 text (byte {error.start}); save it as CSV UTF-8.") from error
    first = text.split("\n", 1)[0]
    delimiter = "\t" if path.suffix.lower() != ".csv" else ";" if ";" in first and "," not in first else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines = [(reader.line_num, cells) for cells in reader if cells and not cells[0].startswith("#")]
    if not lines:
        raise LabelingError(f"{path.name} is empty.")
    return _build(path.name, lines[0][1], lines[1:])


def _read_workbook(path: Path, sheet: str | None) -> RowTable:
    from zipfile import BadZipFile

    from openpyxl import load_workbook  # slow to import, and not every table is a workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, OSError) as error:
        raise LabelingError(f"{path.name} cannot be opened as a workbook ({error}); save it again as .xlsx.") from error
    try:
        if sheet is not None and sheet not in book.sheetnames:
            raise UnknownNameError(f"{path.name} has no sheet {sheet!r}. {suggest(sheet, book.sheetnames)}")
        name = sheet or book.sheetnames[0]
        lines = [(i, list(cells)) for i, cells in enumerate(book[name].iter_rows(values_only=True), 1)]
    finally:
        book.close()
    lines = [(i, cells) for i, cells in lines if any(each is not None for each in cells)]
    if not lines:
        raise LabelingError(f"sheet {name!r} of {path.name} is empty.")
    return _build(f"{path.name}, sheet {name!r}", [_as_text(each) for each in lines[0][1]], lines[1:])


def _as_text(cell: Any) -> str:
    if cell is None or (isinstance(cell, float) and cell != cell):
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _build(source: str, header: list[str], body: list[tuple[int, list[Any]]]) -> RowTable:
    meaning = {alias: name for name, aliases in ALIASES.items() for alias in aliases}
    found: dict[str, int] = {}
    unused = []
    for i, title in enumerate(header):
        plain = title.strip().lower().replace(" ", "_").replace("-", "_")
        name = meaning.get(plain)
        if name is None:
            unused.extend([title.strip()] if title.strip() else [])
        elif name in found:
            raise LabelingError(f"{source}: columns {header[found[name]]!r} and {title!r} both mean {name}; keep one.")
        else:
            found[name] = i
    rows = []
    for number, cells in body:
        texts = {name: _as_text(cells[i]) for name, i in found.items() if i < len(cells)}
        if any(texts.values()):
            rows.append(Row(number, texts))
    return RowTable(source, tuple(found), tuple(unused), tuple(rows))
