"""The record of one run: what went in, what it ran on, how long it took and how it ended."""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fluxkit import __version__

FILE = "manifest.json"
FORMAT = 1
FINISHED, FAILED = "finished", "failed"
PACKAGES = (
    "numpy", "scipy", "xarray", "pandas", "numba", "llvmlite", "torch", "pytorch-lightning", "zuko", "arviz-stats",
    "h5netcdf", "plotly", "papermill", "ipykernel",
)  # fmt: skip


def new_manifest(asked: Mapping[str, Any], started: datetime) -> dict[str, Any]:
    """Return the record of a run that ends now, of what was asked for and what it ran on.

    Parameters
    ----------
    asked : mapping
        Name, notebook, parameters, data and fingerprint of the run.
    started : datetime.datetime
        When it began.
    """
    ended = datetime.now(UTC)
    return {
        "format": FORMAT,
        **asked,
        "fluxkit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "start": started.isoformat(timespec="seconds"),
        "end": ended.isoformat(timespec="seconds"),
        "seconds": round((ended - started).total_seconds(), 3),
    }


def write_manifest(manifest: Mapping[str, Any], folder: Path) -> None:
    """Write the record into the folder of its run.

    Parameters
    ----------
    manifest : mapping
        The record.
    folder : pathlib.Path
        The folder.
    """
    text = json.dumps(manifest, indent=2, ensure_ascii=False, default=repr)
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the record of a run, or None where there is none of this format.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the run.
    """
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(found, dict) and found.get("format") == FORMAT and "fingerprint" in found and "files" in found
    return found if known else None


def is_done(manifest: Mapping[str, Any] | None, fingerprint: str, folder: Path) -> bool:
    """Tell whether a run has finished, with this fingerprint, and its files are as it left them.

    Parameters
    ----------
    manifest : mapping or None
        From :func:`read_manifest`.
    fingerprint : str
        From :func:`fluxkit.workflows.many.fingerprint.fingerprint`.
    folder : pathlib.Path
        The folder of the run.
    """
    if manifest is None or manifest["status"] != FINISHED or manifest["fingerprint"] != fingerprint:
        return False
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == size for name, size in manifest["files"].items()
    )


def written_files(folder: Path) -> dict[str, int]:
    """Return the files of a run with their sizes in bytes, without the record itself.

    Parameters
    ----------
    folder : pathlib.Path
        The folder of the run.
    """
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    return {each.relative_to(folder).as_posix(): each.stat().st_size for each in files if each != folder / FILE}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
