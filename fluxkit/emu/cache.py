"""Compiled programs on disk: whole, private to their user, limited in size, and never required."""

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import time
from pathlib import Path

LIMIT = 500 * 10**6
"""Bytes that all programs together may take; those that were not used for longest are removed first."""
ABANDONED = 3600
"""Age in seconds from which a half-written file belongs to no process that still runs."""
_NAME = re.compile(r"[0-9a-f]{64}")


def cache_folder() -> Path | None:
    """Return the folder of compiled programs: ``FLUXKIT_CACHE``, else ``fluxkit`` in the user's cache folder.

    None where it cannot be made, belongs to somebody else, or can be written by others: code from there would not be
    safe to run.
    """
    given = os.environ.get("FLUXKIT_CACHE")
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = (Path(given) if given else base / "fluxkit") / "programs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder.stat()) else None
    except (OSError, RuntimeError):
        return None


def read_program(folder: Path | None, name: str) -> bytes | None:
    """Return stored code, or None where there is none that is private and fits its name and checksum.

    Parameters
    ----------
    folder : pathlib.Path, optional
        As :func:`cache_folder` returns it.
    name : str
        What the code was made from, as 64 hexadecimal digits.
    """
    if folder is None:
        return None
    try:
        with (folder / name).open("rb") as file:
            if not _is_private(os.fstat(file.fileno())):
                return None
            content = file.read()
    except OSError:
        return None
    checksum, code = content[:32], content[32:]
    if _checksum(name, code) != checksum:
        return None
    with contextlib.suppress(OSError):
        os.utime(folder / name)  # used now
    return code


def write_program(folder: Path | None, name: str, code: bytes) -> None:
    """Store code if possible: written aside, then moved into place, so that no reader sees a part of it.

    Parameters
    ----------
    folder : pathlib.Path, optional
        As :func:`cache_folder` returns it.
    name : str
        What the code was made from, as 64 hexadecimal digits.
    code : bytes
        Object code.
    """
    if folder is None:
        return
    try:
        handle, aside = tempfile.mkstemp(dir=folder, prefix=f"{name}.")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_checksum(name, code) + code)
        os.replace(aside, folder / name)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
    with contextlib.suppress(OSError):
        _tidy(folder)


def _tidy(folder: Path) -> None:
    """Remove what killed processes left half-written, and programs beyond the limit; other files are left alone."""
    programs = []
    for path in folder.iterdir():
        if not _NAME.match(path.name):
            continue
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            status = path.lstat()
            if len(path.name) == 64:
                programs.append((status.st_mtime, status.st_size, path))
            elif status.st_mtime < time.time() - ABANDONED:
                path.unlink()
    total = sum(size for _, size, _ in programs)
    for _, size, path in sorted(programs):
        if total <= LIMIT:
            return
        path.unlink(missing_ok=True)
        total -= size


def _checksum(name: str, code: bytes) -> bytes:
    """Return a checksum of code under its name, so that code of another program is not taken for it."""
    return hashlib.sha256(name.encode() + code).digest()


def _is_private(status: os.stat_result) -> bool:
    others_write = bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not others_write)
