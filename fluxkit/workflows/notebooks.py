"""Notebooks run as programs: found by name, given checked parameters, and never left half-written."""

import json
import logging
import os
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fluxkit.errors import NotebookError, suggest
from fluxkit.workflows.parameters import Parameter, check_parameters, read_signature

PARAMETERS_TAG = "parameters"
SUMMARY_TAG = "summary"
# The kernel listens on this machine only and signs its messages: its warning about TCP is noise here.
KERNEL_ARGUMENTS = ["--IPKernelApp.log_level=ERROR"]
STARTS = 3
"""How often a kernel is started that dies before it has answered once."""


def list_notebooks() -> dict[str, Path]:
    """Return the notebooks that come with fluxkit, by name.

    They are looked for in ``notebooks/`` beside the package, then in the working directory.
    """
    found: dict[str, Path] = {}
    for folder in (Path.cwd() / "notebooks", Path(__file__).parents[2] / "notebooks"):
        names = sorted(path for path in folder.glob("*.ipynb") if not path.name.startswith("."))
        found |= {path.stem: path for path in names if not path.stem.endswith(".failed")}
    return found


def find_notebook(name_or_path: str | os.PathLike[str]) -> Path:
    """Find a notebook by the name it is bundled under, or by its path.

    Raises
    ------
    NotebookError
        If there is no such notebook; the message names the nearest, or all of them.
    """
    path = Path(name_or_path)
    if path.suffix == ".ipynb" and path.is_file():
        return path
    bundled = list_notebooks()
    name = path.name.removesuffix(".ipynb")
    if path.parent == Path(".") and name in bundled:
        return bundled[name]
    if not bundled:
        raise NotebookError(
            f"no notebook {str(path)!r}: the installed package carries none. Give the path of an .ipynb "
            "file, or work in a copy of the repository."
        )
    raise NotebookError(f"no notebook {str(path)!r}. {suggest(name, bundled)}")


def notebook_signature(name_or_path: str | os.PathLike[str]) -> dict[str, Parameter]:
    """Return the parameters that a notebook takes, by name.

    A notebook has one cell with the tag ``parameters``, of lines ``name: type = default  # help``.

    Raises
    ------
    NotebookError
        If the notebook cannot be found or read, or its parameters cell is missing or not understood.
    """
    path = find_notebook(name_or_path)
    tagged = [cell for cell in _cells(path) if PARAMETERS_TAG in cell.get("metadata", {}).get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(
            f"{path.name} has {len(tagged)} cells with the tag {PARAMETERS_TAG!r}; tag exactly one, of lines "
            "'name: type = default  # help'."
        )
    return read_signature(_text(tagged[0]["source"]), path.name)


def run_notebook(
    name_or_path: str | os.PathLike[str],
    parameters: Mapping[str, object] | None = None,
    out_dir: str | os.PathLike[str] = "results",
    *,
    progress: bool = True,
    working_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """Run a notebook from top to bottom with the given parameters, and keep the executed copy.

    Names and types are checked before anything is written. The copy appears in `out_dir` under its own name
    only when every cell has run; a run that fails leaves ``NAME.failed.ipynb``, with the error in it.

    Parameters
    ----------
    name_or_path : str or path
        The name of a bundled notebook, such as ``"quantify"``, or the path of an ``.ipynb`` file.
    parameters : mapping of str to object, optional
        Values for the notebook's parameters; the others keep their defaults.
    out_dir : str or path
        Where the executed notebook goes. A notebook with a parameter ``out_dir`` is told, to write there too.
    progress : bool
        Show a progress bar over the cells.
    working_dir : str or path, optional
        The folder in which the notebook's code starts, and from which relative paths in its parameters are seen; the
        working directory by default.

    Returns
    -------
    Path
        The executed notebook.

    Raises
    ------
    NotebookError
        If there is no such notebook, a parameter is unknown or of the wrong type, or a cell fails.
    """
    source, target = find_notebook(name_or_path), Path(out_dir)
    signature = notebook_signature(source)
    checked = check_parameters(parameters or {}, signature, source.name)
    if "out_dir" in signature:
        checked = check_parameters({"out_dir": target} | checked, signature, source.name)
    done, failed = target / source.name, target / f"{source.stem}.failed.ipynb"
    if done.resolve() == source.resolve():
        raise NotebookError(f"running {source.name} into {str(target)!r} would overwrite it; choose another folder.")
    target.mkdir(parents=True, exist_ok=True)
    running = target / f".{source.stem}.{os.getpid()}.running.ipynb"
    try:
        _execute(source, running, checked, failed, progress, working_dir)
        running.replace(done)
        failed.unlink(missing_ok=True)
    finally:
        # Whatever ended the run, an interrupt among it: what was reached is kept under the name of a failure.
        if running.exists():
            running.replace(failed)
    return done


def read_summary(path: str | os.PathLike[str]) -> str:
    """Return what the cells tagged ``summary`` of an executed notebook printed: its findings, as text."""
    lines = []
    for cell in _cells(Path(path)):
        if SUMMARY_TAG in cell.get("metadata", {}).get("tags", []):
            streams = [each for each in cell.get("outputs", []) if each.get("name") == "stdout"]
            lines += [_text(each["text"]) for each in streams]
    return "".join(lines).rstrip()


def _execute(
    source: Path,
    running: Path,
    parameters: dict,
    failed: Path,
    progress: bool,
    working_dir: str | os.PathLike[str] | None,
) -> None:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillException, PapermillExecutionError

    # Not papermill's cwd=, which moves the whole process: other threads may be running other notebooks.
    place: dict[str, Any] = (
        {"resources": {"metadata": {"path": os.fspath(working_dir)}}} if working_dir is not None else {}
    )
    try:
        with _without_false_alarms():
            for attempt in range(STARTS):
                try:
                    papermill.execute_notebook(
                        source, running, parameters, progress_bar=progress, extra_arguments=[*KERNEL_ARGUMENTS], **place
                    )
                    break
                except RuntimeError as error:
                    # Of kernels that start at the same time two may have picked the same port; no cell has run yet.
                    if "died before replying" not in str(error) or attempt + 1 == STARTS:
                        raise
    except PapermillExecutionError as error:
        first = next((line for line in error.source.splitlines() if line.strip()), "")
        raise NotebookError(
            f"{source.name} failed in cell [{error.exec_count}] ({first.strip()!r}): "
            f"{error.ename}: {error.evalue}\nThe run up to there is in {failed}."
        ) from error
    except (PapermillException, DeadKernelError, CellTimeoutError, RuntimeError) as error:
        raise NotebookError(
            f"{source.name} could not be run to its end: {error} What was reached is in {failed}."
        ) from error


@contextmanager
def _without_false_alarms():
    """Silence papermill's word on parameters: it cannot read ``str | None``, and they are checked here."""

    def keep(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(("Passed unknown parameter", "Unable to parse line"))

    loggers = [logging.getLogger(name) for name in ("papermill", "papermill.translators")]
    for logger in loggers:
        logger.addFilter(keep)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(keep)


def _cells(path: Path) -> list[dict]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise NotebookError(f"{path} is not a notebook of format 4: {error}.") from error


def _text(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)
