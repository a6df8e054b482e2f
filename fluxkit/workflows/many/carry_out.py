"""One run of many, from its start in a folder aside to its record in the folder of its name."""

import os
import shutil
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fluxkit.errors import FluxkitError, NotebookError
from fluxkit.workflows.many.manifest import (
    FAILED,
    FINISHED,
    new_manifest,
    read_manifest,
    write_manifest,
    written_files,
)
from fluxkit.workflows.notebooks import read_summary, run_notebook

ASIDE = ".running-"
"""How the hidden folder of an unfinished run begins."""
_TEXTS = {".ipynb", ".html", ".json", ".csv", ".tsv", ".txt", ".md"}


@dataclass(frozen=True)
class Task:
    """One run, ready to be carried out by any process that sees the same files.

    Attributes
    ----------
    name : str
        Of the run.
    notebook : pathlib.Path
        A copy of the notebook that stays as it is while runs go on.
    given : dict of str to object
        Parameters to pass; ``out_dir`` is added where the notebook takes it.
    takes_out_dir : bool
        Whether it does.
    out_dir : pathlib.Path
        The folder of all runs, as the user wrote it.
    working_dir : pathlib.Path
        Where the notebook's code starts.
    asked : dict of str to object
        What the record says of the task: notebook, parameters, data, seed, fingerprint.
    cores : tuple of tuple of int
        The processors of each local worker, where they are shared out.
    """

    name: str
    notebook: Path
    given: dict[str, object]
    takes_out_dir: bool
    out_dir: Path
    working_dir: Path
    asked: dict[str, Any] = field(default_factory=dict)
    cores: tuple[tuple[int, ...], ...] = ()

    @property
    def folder(self) -> Path:
        """Where the results go, from everywhere."""
        return self.working_dir / self.out_dir / self.name


def carry_out(task: Task) -> dict[str, Any]:
    """Run a notebook, and put its folder in place when it has ended, well or not.

    Parameters
    ----------
    task : Task
        The run.

    Returns
    -------
    dict
        The record.
    """
    started, aside = datetime.now(UTC), f"{ASIDE}{uuid.uuid4().hex}"
    staging = task.folder.parent / aside
    _keep_to_own_cores(task.cores)
    try:
        if not task.notebook.is_file():
            raise NotebookError(
                f"the process that should run {task.name!r} does not see {str(task.notebook)!r}; workers need the same "
                "files under the same paths as the process that starts the runs."
            )
        staging.mkdir(parents=True)
        return _run(task, staging, started)
    except (FluxkitError, OSError) as error:
        return fail(task, str(error), started)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def fail(task: Task, error: str, started: datetime) -> dict[str, Any]:
    """Return the record of a run that left nothing else, written where this is possible.

    Parameters
    ----------
    task : Task
        The run.
    error : str
        Why it failed.
    started : datetime.datetime
        When it began.
    """
    manifest = {**new_manifest(task.asked, started), "status": FAILED, "error": error, "summary": "", "files": {}}
    staging = task.folder.parent / f"{ASIDE}{uuid.uuid4().hex}"
    with suppress(OSError):
        staging.mkdir()
        write_manifest(manifest, staging)
        put_in_place(staging, task.folder)
    return manifest


def put_in_place(staging: Path, folder: Path) -> None:
    """Let a finished folder take the place of an earlier one; files that no run wrote are kept.

    Parameters
    ----------
    staging, folder : pathlib.Path
        From where to where, beside each other.
    """
    if not folder.exists():
        staging.replace(folder)
        return
    before = read_manifest(folder) or {"files": {}}
    for name in written_files(folder):
        if name not in before["files"] and not (staging / name).exists():
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).replace(staging / name)
    old = folder.parent / f"{ASIDE}{uuid.uuid4().hex}"
    folder.replace(old)
    staging.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def _run(task: Task, staging: Path, started: datetime) -> dict[str, Any]:
    given = dict(task.given)
    if task.takes_out_dir:
        given["out_dir"] = os.fspath(task.out_dir / staging.name)
    outcome: dict[str, Any]
    try:
        executed = run_notebook(task.notebook, given, staging, progress=False, working_dir=task.working_dir)
        outcome = {"status": FINISHED, "error": None, "summary": read_summary(executed)}
    except NotebookError as error:
        outcome = {"status": FAILED, "error": _reason(error), "summary": ""}
    _rename_within(staging, task.name)
    outcome = {key: _renamed(value, staging.name, task.name) for key, value in outcome.items()}
    manifest = {**new_manifest(task.asked, started), **outcome, "files": written_files(staging)}
    write_manifest(manifest, staging)
    put_in_place(staging, task.folder)
    return manifest


def _reason(error: NotebookError) -> str:
    """Return what the cell raised, or why the notebook could not be run."""
    cause = error.__cause__
    if cause is not None and hasattr(cause, "ename") and hasattr(cause, "evalue"):
        return f"{cause.ename}: {cause.evalue}".rstrip(": \n")  # pyright: ignore[reportAttributeAccessIssue]
    return str(error)


def _rename_within(staging: Path, name: str) -> None:
    """Let texts name the folder in which they will be found, not the one in which they were written."""
    for each in staging.rglob("*"):
        if each.suffix in _TEXTS and each.is_file():
            content = each.read_bytes()
            if staging.name.encode() in content:
                each.write_bytes(content.replace(staging.name.encode(), name.encode()))


def _renamed(value: object, before: str, after: str) -> object:
    return value.replace(before, after) if isinstance(value, str) else value


def _keep_to_own_cores(cores: tuple[tuple[int, ...], ...]) -> None:
    """Keep this thread, and the kernel that it starts, to the processors of its worker."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        return
    from distributed import get_worker

    number = get_worker().name
    with suppress(OSError, ValueError, TypeError):
        os.sched_setaffinity(0, cores[int(str(number)) % len(cores)])
