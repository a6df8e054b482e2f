"""The plan of many runs: which parameters each gets, and what its folder is called."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from fluxkit.errors import NotebookError, suggest
from fluxkit.workflows.many.sheet import read_sheet
from fluxkit.workflows.parameters import Parameter, check_parameters

NAME = "name"
"""The column of a sheet, or the key of a run, that names the folder of the run."""
RESERVED = {"index.html", "runs.csv", "fluxes.csv", "summary.csv"}
_LONGEST = 100
_LABEL = 48
_FORBIDDEN = re.compile(r'[<>:"/\\|?*{}\x00-\x1f\x7f]')


@dataclass(frozen=True)
class Run:
    """One run of a notebook.

    Attributes
    ----------
    name : str
        Of the folder that it writes.
    parameters : dict of str to object
        The values that were given; the others keep their defaults.
    source : str
        Where it was asked for, for messages: ``"samples.csv, row 3"``.
    """

    name: str
    parameters: dict[str, object]
    source: str = ""


def plan_runs(
    runs: str | os.PathLike[str] | Iterable[Mapping[str, object]] | None,
    grid: Mapping[str, Sequence[object]] | None,
    shared: Mapping[str, object] | None,
    signature: Mapping[str, Parameter],
    where: str,
) -> list[Run]:
    """Return the runs that are asked for, all of them checked: every row, at every point of the grid.

    Parameters
    ----------
    runs : path, iterable of mappings, or None
        A sample sheet, or the parameters of each run; ``name`` names its folder.
    grid : mapping of str to sequence, optional
        Values by parameter; every combination is run.
    shared : mapping of str to object, optional
        Parameters that all runs have in common.
    signature : mapping of str to Parameter
        What the notebook declares.
    where : str
        The name of the notebook, for messages.

    Returns
    -------
    list of Run
        In the order of the rows, the last parameter of the grid changing fastest.

    Raises
    ------
    NotebookError
        A name or a value is wrong, or two runs have the same name or would write the same folder.
    """
    rows = _rows(runs, signature, where)
    points = _points(grid, signature, where)
    common = check_parameters(shared or {}, signature, where)
    _refuse_given_twice(rows, points, common)
    varied = _varied([each.parameters for each in rows])
    planned = []
    for row, point in product(rows, points):
        label = row.name or describe({name: row.parameters[name] for name in varied if name in row.parameters})
        parts = [each for each in (label, describe(point)) if each]
        source = ", ".join(each for each in (row.source, f"grid {describe(point)}" if point else "") if each)
        planned.append(Run("_".join(parts) or "run", {**common, **row.parameters, **point}, source))
    _refuse_names(planned)
    return planned


def describe(parameters: Mapping[str, object]) -> str:
    """Return values as a name of a folder: ``frac=0.3_draws=5``; a long one is cut and told apart by a checksum.

    Parameters
    ----------
    parameters : mapping of str to object
        Values by parameter.
    """
    label = "_".join(f"{name}={_FORBIDDEN.sub('-', str(value))}" for name, value in parameters.items())
    label = re.sub(r"\s+", " ", label).strip(" .")
    exact = all(str(value) in label for value in parameters.values())
    if len(label) <= _LABEL and exact:
        return label
    text = json.dumps(parameters, default=repr)
    return f"{label[:_LABEL].strip(' .')}_{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def _rows(runs: object, signature: Mapping[str, Parameter], where: str) -> list[Run]:
    """Return the runs of a sheet or of mappings, ``name`` empty where none is given."""
    if runs is None:
        return [Run("", {})]
    if isinstance(runs, str | os.PathLike):
        found = [(values, f"{os.path.basename(runs)}, row {row}") for row, values in read_sheet(runs, signature, where)]
    elif isinstance(runs, Iterable) and not isinstance(runs, Mapping):
        found = [(each, f"run {i}") for i, each in enumerate(runs, start=1)]
    else:
        raise NotebookError(
            "runs is the path of a sheet or a list with the parameters of each run, [{'name': 'a', ...}, ...], not "
            f"{type(runs).__name__}; values to combine go into grid={{...}}."
        )
    rows = []
    for values, source in found:
        if not isinstance(values, Mapping):
            raise NotebookError(f"{source} is {values!r}; write its parameters as {{'name': value, ...}}.")
        given = dict(values)
        name = given.get(NAME) if NAME in signature else given.pop(NAME, None)
        if "out_dir" in given:
            raise NotebookError(f"{source} sets 'out_dir'; each run writes the folder of its name, so leave it out.")
        try:
            rows.append(Run("" if name is None else str(name), check_parameters(given, signature, where), source))
        except NotebookError as error:
            raise NotebookError(f"{source}: {error}") from error
        if name is not None and not str(name):
            raise NotebookError(f"{source} has an empty name; give one, or leave 'name' out.")
    if not rows:
        raise NotebookError("there is not a single run; give at least one row.")
    return rows


def _points(
    grid: Mapping[str, Sequence[object]] | None, signature: Mapping[str, Parameter], where: str
) -> list[dict[str, object]]:
    """Return the points of a grid."""
    axes: dict[str, list[object]] = {}
    for name, values in (grid or {}).items():
        if name == "out_dir":
            raise NotebookError("the grid varies 'out_dir'; each run writes the folder of its name, so leave it out.")
        if name not in signature:
            raise NotebookError(f"the grid: {where} has no parameter {name!r}. {suggest(name, signature)}")
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise NotebookError(f"the grid of {name!r} is {values!r}; give a list of values, [{values!r}, ...].")
        try:
            axes[name] = [check_parameters({name: each}, signature, where)[name] for each in values]
        except NotebookError as error:
            raise NotebookError(f"the grid: {error}") from error
        if not axes[name]:
            raise NotebookError(f"the grid of {name!r} has no values; give at least one.")
        for i, each in enumerate(axes[name]):
            if each in axes[name][:i]:
                raise NotebookError(f"the grid of {name!r} has {each!r} twice; give it once.")
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def _varied(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the parameters by which rows differ; all of them where there is one row."""
    names = list(dict.fromkeys(name for each in rows for name in each))
    absent = object()
    return [
        name for name in names if len(rows) == 1 or any(r.get(name, absent) != rows[0].get(name, absent) for r in rows)
    ]


def _refuse_given_twice(rows: Sequence[Run], points: Sequence[Mapping], common: Mapping) -> None:
    of_rows = {name for each in rows for name in each.parameters}
    for name in points[0]:
        if name in of_rows:
            raise NotebookError(
                f"parameter {name!r} is in the grid and in {rows[0].source or 'a run'}; keep one of them."
            )
    for name in common:
        if name in of_rows or name in points[0]:
            place = "the grid" if name in points[0] else "the runs"
            raise NotebookError(f"parameter {name!r} is given for all runs and in {place}; keep one of them.")
    if "out_dir" in common:
        raise NotebookError("'out_dir' is given for all runs; each writes the folder of its name, so leave it out.")


def _refuse_names(runs: Sequence[Run]) -> None:
    seen: dict[str, Run] = {}
    for run in runs:
        place = run.source or "the run"
        if wrong := _FORBIDDEN.search(run.name):
            raise NotebookError(f"{place}: the name {run.name!r} cannot be a folder's; replace {wrong[0]!r}.")
        if run.name.startswith(".") or run.name != run.name.strip(" .") or len(run.name) > _LONGEST:
            raise NotebookError(
                f"{place}: the name {run.name!r} cannot be a folder's; it has at most {_LONGEST} characters and no dot "
                "or blank at either end."
            )
        if run.name.lower() in RESERVED:
            raise NotebookError(f"{place}: the name {run.name!r} is kept for the list of all runs; choose another.")
        other = seen.setdefault(run.name.lower(), run)
        if other is not run:
            raise NotebookError(
                f"{place} and {other.source or 'another run'} are both called {run.name!r}; give each a 'name' of its "
                "own."
            )
