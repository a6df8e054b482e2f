"""Where results go: refused before the work if they could not be written after it, and written whole."""

import os
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
def written_whole(path: Path) -> Iterator[Path]:
    """Give a file to write to that takes the place of ``path`` only when everything went well.

    Parameters
    ----------
    path : pathlib.Path
        What is written; missing folders are made.
    """
    check_folder(path.parent)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def find_file(path: str | Path) -> Path:
    """Find an input file of a notebook, which may run from the project's folder or from its own beneath it.

    Parameters
    ----------
    path : str or pathlib.Path
        As the user wrote it: relative to the working directory, or to the folder above.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    FluxkitError
        There is no such file in either place.
    """
    for place in (Path(path), Path.cwd().parent / path):
        if place.is_file():
            return place
    raise FluxkitError(
        f"there is no file {str(path)!r}, seen from {str(Path.cwd())!r} or the folder above; check the path."
    )
