"""Tables over all runs: how each ended, the fluxes they found, and what their summaries say."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fluxkit.files import written_whole

RUNS, FLUXES, SUMMARY = "runs.csv", "fluxes.csv", "summary.csv"
_OWN = ("run", "status", "seconds", "error")


def write_tables(records: Sequence[Mapping[str, Any]], out_dir: Path) -> None:
    """Write ``runs.csv``, and where runs left any, ``summary.csv`` and ``fluxes.csv`` with a column ``run``.

    Parameters
    ----------
    records : sequence of mapping
        The record of every run.
    out_dir : pathlib.Path
        The folder of all runs.
    """
    names = list(dict.fromkeys(name for each in records for name in each["parameters"]))
    columns = {name: f"parameter {name}" if name in _OWN else name for name in names}
    rows = []
    for each in records:
        own = {"run": each["name"], "status": each["status"], "seconds": each["seconds"], "error": last_line(each)}
        rows.append({**own, **{columns[name]: each["parameters"].get(name, "") for name in names}})
    _write(out_dir / RUNS, [*_OWN, *columns.values()], rows)
    lines = [{"run": each["name"], "line": line} for each in records for line in summary_lines(each)]
    _write(out_dir / SUMMARY, ["run", "line"], lines)
    fluxes = [row for each in records for row in _fluxes(each, out_dir / str(each["name"]))]
    _write(out_dir / FLUXES, list(dict.fromkeys(name for row in fluxes for name in row)), fluxes)


def last_line(record: Mapping[str, Any]) -> str:
    """Return the last line of a run's error, which says what is wrong; empty where there is none.

    Parameters
    ----------
    record : mapping
        Of the run.
    """
    lines = [line.strip() for line in str(record["error"] or "").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def summary_lines(record: Mapping[str, Any]) -> list[str]:
    """Return what the summary cells of a run have printed, line by line.

    Parameters
    ----------
    record : mapping
        Of the run.
    """
    return [line.rstrip() for line in record["summary"].splitlines() if line.strip()]


def _fluxes(record: Mapping[str, Any], folder: Path) -> list[dict[str, str]]:
    """Return the rows of a run's fluxes as they are written; those of a failed run are not."""
    if record["status"] != "finished" or FLUXES not in record["files"]:
        return []
    with (folder / FLUXES).open(encoding="utf-8", newline="") as file:
        return [{"run": str(record["name"]), **_plain(row)} for row in csv.DictReader(file)]


def _plain(row: Mapping[Any, Any]) -> dict[str, str]:
    return {("run in its table" if key == "run" else key): value or "" for key, value in row.items() if key is not None}


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Write a table; one without rows is none, and an earlier one of its name goes."""
    if not rows:
        path.unlink(missing_ok=True)
        return
    with written_whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
