"""A sample sheet: a table with one run a row, whose columns are the parameters of a notebook."""

import csv
import datetime
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from fluxkit.errors import NotebookError, suggest
from fluxkit.workflows.parameters import Parameter

SUFFIXES = (".csv", ".tsv", ".xlsx")


def read_sheet(
    path: str | os.PathLike[str], signature: Mapping[str, Parameter], where: str
) -> list[tuple[int, dict[str, object]]]:
    """Read a sample sheet by the types that a notebook declares.

    An empty cell leaves the parameter at its default; lines that begin with ``#`` are comments.

    Parameters
    ----------
    path : path
        csv (comma or semicolon), tsv, or the first sheet of an xlsx file.
    signature : mapping of str to Parameter
        What the notebook declares.
    where : str
        The name of the notebook, for messages.

    Returns
    -------
    list of (int, dict)
        The number of each row, the heading being row 1, with its parameters and its ``name``, if there is one.

    Raises
    ------
    NotebookError
        The file cannot be read, a column is no parameter, or a cell is not of the type of its column.
    """
    path = Path(path)
    lines = [(i, cells) for i, cells in _lines(path) if any(cells) and not cells[0].startswith("#")]
    if not lines:
        raise NotebookError(f"{path.name} is empty; its first row names the parameters, each other row is a run.")
    columns = _columns(lines[0][1], signature, where, path.name)
    rows = []
    for number, cells in lines[1:]:
        if any(cells[len(columns) :]):
            raise NotebookError(
                f"{path.name}, row {number} has {len(cells)} cells for {len(columns)} columns; put quotes around a "
                f"cell that holds the separator."
            )
        rows.append((number, _values(dict(zip(columns, cells, strict=False)), signature, f"{path.name}, row {number}")))
    if not rows:
        raise NotebookError(f"{path.name} has a heading and no rows; add a row for each run.")
    return rows


def read_value(text: str, parameter: Parameter, place: str) -> object:
    """Read a text by the declared type, or refuse it.

    Parameters
    ----------
    text : str
        As it was typed.
    parameter : Parameter
        What the notebook declares.
    place : str
        Where the text stands, for the message.

    Raises
    ------
    NotebookError
        The text is not of the type.
    """
    value = parameter.read(text)
    if not parameter.accepts(value):
        tail = f" ({parameter.help})" if parameter.help else ""
        raise NotebookError(
            f"{place}: {text!r} is not of type {parameter.type}{tail}; write a value such as {parameter.default}."
        )
    return value


def _columns(heading: list[str], signature: Mapping[str, Parameter], where: str, sheet: str) -> list[str]:
    while heading and not heading[-1]:
        heading = heading[:-1]
    for i, name in enumerate(heading, start=1):
        if not name:
            raise NotebookError(f"{sheet}, column {i} has no heading; name the parameter it holds, or remove it.")
        if name in heading[: i - 1]:
            raise NotebookError(f"{sheet} has two columns {name!r}; keep one of them.")
        if name == "out_dir":
            raise NotebookError(
                f"{sheet}, column 'out_dir': each run writes the folder of its name; remove the column."
            )
        if name != "name" and name not in signature:
            raise NotebookError(
                f"{sheet}, column {name!r}: {where} has no such parameter. {suggest(name, {*signature, 'name'})} "
                "Rename or remove the column."
            )
    return heading


def _values(cells: Mapping[str, str], signature: Mapping[str, Parameter], place: str) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, text in cells.items():
        if not text:
            if name == "name":
                raise NotebookError(f"{place}, column 'name' is empty; give each row a name, or remove the column.")
            continue
        column = f"{place}, column {name!r}"
        values[name] = read_value(text, signature[name], column) if name in signature else text
    return values


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    if path.suffix.lower() not in SUFFIXES:
        raise NotebookError(f"the sheet {path.name!r} is none of {', '.join(SUFFIXES)}; save it as one of them.")
    if not path.is_file():
        raise NotebookError(f"there is no sheet {str(path)!r}, seen from {str(Path.cwd())!r}; check the path.")
    if path.suffix.lower() == ".xlsx":
        yield from _lines_of_workbook(path)
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotebookError(f"{path.name} is not UTF-8 text ({error.reason}); save it as 'CSV UTF-8'.") from error
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    separator = "\t" if path.suffix.lower() == ".tsv" else ";" if first.count(";") > first.count(",") else ","
    for number, cells in enumerate(csv.reader(text.splitlines(keepends=True), delimiter=separator), start=1):
        yield number, [each.strip() for each in cells]


def _lines_of_workbook(path: Path) -> Iterator[tuple[int, list[str]]]:
    from zipfile import BadZipFile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        # The values as last computed, and the formulas: one that was never computed would pass for an empty cell.
        shown, written = (load_workbook(path, data_only=each) for each in (True, False))
    except (BadZipFile, InvalidFileException, KeyError) as error:
        raise NotebookError(f"{path.name} is not an xlsx workbook: {error}; save it as one, or as csv.") from error
    rows = zip(shown.worksheets[0].iter_rows(), written.worksheets[0].iter_rows(), strict=True)
    for number, (cells, formulas) in enumerate(rows, start=1):
        for cell, formula in zip(cells, formulas, strict=True):
            if cell.value is None and formula.value is not None:
                raise NotebookError(
                    f"{path.name}, cell {cell.coordinate} holds the formula {formula.value!r}, which was never "
                    "computed; open and save the workbook, or write the value."
                )
        yield number, [_cell_text(each.value) for each in cells]


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value).strip()
