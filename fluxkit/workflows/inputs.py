"""Where a notebook finds its input files."""

from pathlib import Path

from fluxkit.errors import FluxkitError


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
