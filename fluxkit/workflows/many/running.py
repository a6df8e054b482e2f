"""Many runs from the plan to the page: what is done already is kept, and one that fails does not stop the rest."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxkit import __version__
from fluxkit.errors import NotebookError
from fluxkit.files import check_folder
from fluxkit.workflows.many.carry_out import ASIDE, Task
from fluxkit.workflows.many.fingerprint import all_values, checksum, data_files, fingerprint
from fluxkit.workflows.many.index import duration, write_index
from fluxkit.workflows.many.manifest import FINISHED, is_done, read_manifest
from fluxkit.workflows.many.plan import Run, plan_runs
from fluxkit.workflows.many.pool import check_pool, open_pool, results_of
from fluxkit.workflows.many.tables import last_line, write_tables
from fluxkit.workflows.notebooks import find_notebook, notebook_signature

_SOURCE = ".notebook-"


@dataclass(frozen=True)
class NotebookRuns:
    """What many runs came to.

    Attributes
    ----------
    out_dir : pathlib.Path
        Holds ``index.html``, ``runs.csv``, ``summary.csv``, ``fluxes.csv`` and a folder for each run.
    records : tuple of dict
        The record of every run, in the order in which they were asked for; also in ``manifest.json`` of its folder.
    kept : tuple of str
        Names of the runs that had been done before.
    """

    out_dir: Path
    records: tuple[dict[str, Any], ...]
    kept: tuple[str, ...] = ()

    @property
    def failed(self) -> dict[str, str]:
        """The last line of the error of each run that failed, by name."""
        return {each["name"]: last_line(each) for each in self.records if each["status"] != FINISHED}

    @property
    def index(self) -> Path:
        """The page over all runs."""
        return self.out_dir / "index.html"

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<NotebookRuns: {len(self.records)} runs{failed}, listed in {str(self.index)!r}>"


def run_notebooks(
    notebook: str | os.PathLike[str],
    runs: str | os.PathLike[str] | Iterable[Mapping[str, object]] | None = None,
    out_dir: str | os.PathLike[str] = "results",
    *,
    grid: Mapping[str, Sequence[object]] | None = None,
    parameters: Mapping[str, object] | None = None,
    workers: int | None = None,
    cluster: Any = None,
    again: bool = False,
    progress: bool | Callable[[str], object] = True,
) -> NotebookRuns:
    """Run a notebook for every sample of a sheet, or for every combination of some values, several at a time.

    All names and values are checked before anything runs. A run that fails is recorded and does not stop the others.
    Runs that have finished with the same parameters, notebook, data and version of fluxkit are kept. A folder appears
    under the name of its run when the run has ended; what is interrupted leaves none.

    Parameters
    ----------
    notebook : str or path
        The name of a bundled notebook, or the path of an ``.ipynb`` file.
    runs : path or iterable of mapping, optional
        A sample sheet (csv, tsv, xlsx): a row a run, columns named as parameters, ``name`` for the folder, empty
        cells for defaults. Or the same as a list, ``[{"name": "a", "seed": 1}, ...]``.
    out_dir : str or path
        Folder of all runs. A notebook with a parameter ``out_dir`` is told the folder of its run within.
    grid : mapping of str to sequence, optional
        Values by parameter: every combination is run, for every row of `runs` where both are given.
    parameters : mapping of str to object, optional
        Parameters that all runs have in common.
    workers : int, optional
        Processes on this machine, each with an equal share of the processors; as many as processors by default. With
        one, runs follow each other in this process.
    cluster : str or object, optional
        The address of a Dask scheduler (``"tcp://host:8786"``), a Dask cluster or a client, to run there instead.
        Its workers need this version of fluxkit and the same files under the same paths. Each takes as many runs at a
        time as it has threads.
    again : bool
        Run also what is done.
    progress : bool or callable
        Say on the error stream when a run has ended and how long the rest may take; or hand each line to a function.

    Returns
    -------
    NotebookRuns
        Records of all runs, ``failed`` ones by name, and the ``index`` page.

    Raises
    ------
    NotebookError
        The notebook, a parameter, the sheet or the grid is wrong, a folder of the name of a run holds something else,
        or the scheduler does not answer; nothing has run then.
    """
    source, target, working_dir = find_notebook(notebook), Path(out_dir), Path.cwd()
    signature = notebook_signature(source)
    check_pool(workers, cluster)
    planned = plan_runs(runs, grid, parameters, signature, source.name)
    check_folder(target)
    _refuse_foreign_folders(planned, target)
    say = _speaker(progress)
    with _folder(target), _alone_in(target), _copy_of(source, target) as copy:
        tasks = _tasks(planned, copy, signature, target, working_dir)
        found = {task.name: read_manifest(task.folder) for task in tasks}
        done = [t for t in tasks if not again and is_done(found[t.name], t.asked["fingerprint"], t.folder)]
        records = {task.name: found[task.name] for task in done}
        todo = [task for task in tasks if task.name not in records]
        if done:
            say(f"{len(done)} of {len(tasks)} runs are done already and are kept.")
        if todo:
            with open_pool(len(todo), workers, cluster) as pool:
                started = time.monotonic()
                for number, (task, record) in enumerate(results_of(todo, pool), start=1):
                    records[task.name] = record
                    say(_line(record, number, len(todo), time.monotonic() - started))
        ordered = [each for task in tasks if (each := records[task.name]) is not None]
        write_tables(ordered, target)
        write_index(ordered, [task.name for task in done], target)
    return NotebookRuns(target, tuple(ordered), tuple(task.name for task in done))


def _tasks(
    planned: Sequence[Run], copy: Path, signature: Mapping[str, Any], target: Path, working_dir: Path
) -> list[Task]:
    """Return runs with all that identifies them; each file is read once."""
    sums: dict[Path, str] = {}
    notebook = {"name": copy.name, "sha256": checksum(copy)}
    tasks = []
    for run in planned:
        values = all_values(run.parameters, signature)
        files = data_files(values, working_dir, target)
        sums |= {path: checksum(path) for path in files.values() if path not in sums}
        data = {name: sums[path] for name, path in files.items()}
        asked = {
            "name": run.name,
            "notebook": notebook,
            "parameters": values,
            "given": list(run.parameters),
            "data": data,
            "seed": values.get("seed"),
            "fingerprint": fingerprint(values, notebook["sha256"], data, __version__),
        }
        tasks.append(
            Task(run.name, copy.absolute(), run.parameters, "out_dir" in signature, target, working_dir, asked)
        )
    return tasks


def _line(record: Mapping[str, Any], number: int, total: int, elapsed: float) -> str:
    took = duration(record["seconds"])
    ended = f"finished in {took}" if record["status"] == FINISHED else f"FAILED after {took}: {last_line(record)}"
    left = total - number
    rest = f"; {left} left, about {duration(elapsed / number * left)}" if left else f"; all done in {duration(elapsed)}"
    return f"[{number}/{total}] {record['name']}: {ended}{rest}"


def _speaker(progress: bool | Callable[[str], object]) -> Callable[[str], object]:
    if callable(progress):
        return progress
    return (lambda line: sys.stderr.write(f"{line}\n")) if progress else (lambda line: None)


def _refuse_foreign_folders(planned: Sequence[Run], target: Path) -> None:
    for run in planned:
        folder = target / run.name
        if folder.exists() and read_manifest(folder) is None and not (folder.is_dir() and not any(folder.iterdir())):
            raise NotebookError(
                f"{str(folder)!r} exists and is not the folder of an earlier run; choose another folder for the "
                "results, or give the run another name."
            )


@contextmanager
def _folder(target: Path) -> Iterator[None]:
    """Make a folder, and take it away again if nothing came into it."""
    new = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if new:
            with suppress(OSError):  # it is in use
                target.rmdir()


@contextmanager
def _copy_of(source: Path, target: Path) -> Iterator[Path]:
    """Give a copy of the notebook, which may be edited while runs go on; clear what interrupted runs left."""
    for each in target.glob(".*"):
        if each.is_dir() and each.name.startswith((ASIDE, _SOURCE)):
            shutil.rmtree(each, ignore_errors=True)
    folder = target / f"{_SOURCE}{os.getpid()}"
    folder.mkdir()
    try:
        yield Path(shutil.copyfile(source, folder / source.name))
    finally:
        for each in target.glob(f"{ASIDE}*"):
            shutil.rmtree(each, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone_in(target: Path) -> Iterator[None]:
    """Refuse a folder that another process writes runs into; the lock goes with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows has no locks on folders
        yield
        return
    handle = os.open(target, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise NotebookError(
                f"another process is running notebooks into {str(target)!r}; wait for it, or choose another folder."
            ) from error
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)
