"""Written files: refused before the work if they could not be written after it, and whole or not there at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fluxkit.errors import FluxkitError


def check_folder(out: str | Path) -> None:
    """Refuse a folder that cannot be made or written to.

    Parameters
    ----------
    out : str or pathlib.Path
        The folder; it need not exist.

    Raises
    ------
    FluxkitError
        A file is in the way, or the user may not write there.
    """
    out = Path(out)
    existing = next(each for each in (out, *out.absolute().parents) if each.exists())
    if not existing.is_dir():
        raise FluxkitError(f"cannot write into {str(out)!r}: {str(existing)!r} is a file. Choose another folder.")
    if not os.access(existing, os.W_OK):
        raise FluxkitError(f"cannot write into {str(out)!r}: no permission for {str(existing)!r}. Choose another.")


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a file to write to that takes the place of ``path`` only when everything went well.

    Parameters
    ----------
    path : str or pathlib.Path
        What is written; missing folders are made.

    Yields
    ------
    pathlib.Path
        A file of the same name in a folder of its own beside ``path``.

    Raises
    ------
    FluxkitError
        The folder cannot be made or written to.
    """
    path = Path(path)
    with written_together(path.parent) as folder:
        yield folder / path.name


def write_text(path: str | Path, content: str) -> Path:
    """Write a text file that appears whole or not at all; return its path.

    Parameters
    ----------
    path : str or pathlib.Path
        What is written; missing folders are made.
    content : str
        Written as UTF-8.

    Raises
    ------
    FluxkitError
        The folder cannot be made or written to.
    """
    with written_whole(path) as part:
        part.write_text(content, encoding="utf-8")
    return Path(path)


@contextmanager
def written_together(out: str | Path) -> Iterator[Path]:
    """Give a folder whose files move into ``out`` only when all of them are written.

    Parameters
    ----------
    out : str or pathlib.Path
        Where the files go, in place of those of the same name; made when missing.

    Yields
    ------
    pathlib.Path
        An empty folder within ``out``, hidden; it goes away whatever happens.

    Raises
    ------
    FluxkitError
        The folder cannot be made or written to.
    """
    out = Path(out)
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".writing-") as part:
        folder = Path(part)
        yield folder
        for each in sorted(folder.iterdir()):
            each.replace(out / each.name)
