"""What takes long to make, on disk: whole, private to its user, limited in size, and never required."""

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import time
from pathlib import Path

LIMIT = 500 * 10**6
"""Bytes that one folder may take; what was not used for longest is removed first."""
ABANDONED = 3600
"""Age in seconds from which a half-written file belongs to no process that still runs."""
_NAME = re.compile(r"[0-9a-f]{64}")


def cache_folder(kind: str) -> Path | None:
    """Return the folder of one kind of things: in ``FLUXKIT_CACHE``, else in ``fluxkit`` in the user's cache folder.

    None where it cannot be made, belongs to somebody else, or can be written by others: code from there would not be
    safe to run.

    Parameters
    ----------
    kind : str
        ``"programs"``: machine code; ``"spaces"``: flux spaces.
    """
    given = os.environ.get("FLUXKIT_CACHE")
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = (Path(given) if given else base / "fluxkit") / kind
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder.stat()) else None
    except (OSError, RuntimeError):
        return None


def read_kept(folder: Path | None, name: str) -> bytes | None:
    """Return what is stored, or None where there is nothing that is private and fits its name and checksum.

    Parameters
    ----------
    folder : pathlib.Path, optional
        As :func:`cache_folder` returns it.
    name : str
        What it was made from, as 64 hexadecimal digits.
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
    checksum, content = content[:32], content[32:]
    if _checksum(name, content) != checksum:
        return None
    with contextlib.suppress(OSError):
        os.utime(folder / name)  # used now
    return content


def write_kept(folder: Path | None, name: str, content: bytes) -> None:
    """Store something if possible: written aside, then moved into place, so that no reader sees a part of it.

    Parameters
    ----------
    folder : pathlib.Path, optional
        As :func:`cache_folder` returns it.
    name : str
        What it was made from, as 64 hexadecimal digits.
    content : bytes
        What to store.
    """
    if folder is None:
        return
    try:
        handle, aside = tempfile.mkstemp(dir=folder, prefix=f"{name}.")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_checksum(name, content) + content)
        os.replace(aside, folder / name)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
    with contextlib.suppress(OSError):
        _tidy(folder)


def _tidy(folder: Path) -> None:
    """Remove what killed processes left half-written, and what is beyond the limit; other files are left alone."""
    kept = []
    for path in folder.iterdir():
        if not _NAME.match(path.name):
            continue
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            status = path.lstat()
            if len(path.name) == 64:
                kept.append((status.st_mtime, status.st_size, path))
            elif status.st_mtime < time.time() - ABANDONED:
                path.unlink()
    total = sum(size for _, size, _ in kept)
    for _, size, path in sorted(kept):
        if total <= LIMIT:
            return
        path.unlink(missing_ok=True)
        total -= size


def _checksum(name: str, content: bytes) -> bytes:
    """Return a checksum of content under its name, so that one of another name is not taken for it."""
    return hashlib.sha256(name.encode() + content).digest()


def _is_private(status: os.stat_result) -> bool:
    others_write = bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not others_write)
