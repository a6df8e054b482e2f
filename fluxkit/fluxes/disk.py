"""Flux spaces on disk: what was found out once about a network is not found out again."""

import hashlib
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import scipy

from fluxkit import __version__
from fluxkit.cache import cache_folder, read_kept, write_kept

Arrays = dict[str, np.ndarray]


def kept_arrays(content: str, make: Callable[[], Arrays]) -> Arrays:
    """Return arrays from disk, else make them and keep them; numbers come back bit for bit.

    Parameters
    ----------
    content : str
        What the arrays are made from. What is kept by other versions of the code that makes them does not count.
    make : callable
        Makes the arrays.
    """
    folder = cache_folder("spaces")
    name = hashlib.sha256(f"{content} {_version()}".encode()).hexdigest()
    kept = read_kept(folder, name)
    if kept is not None:
        with np.load(io.BytesIO(kept), allow_pickle=False) as file:
            return dict(file)
    arrays = make()
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # pyright: ignore[reportArgumentType]
    write_kept(folder, name, buffer.getvalue())
    return arrays


@cache
def _version() -> str:
    """Return what changes with the code that finds flux spaces and with the libraries that it calls."""
    try:
        sources = b"".join(each.read_bytes() for each in sorted(Path(__file__).parent.glob("*.py")))
    except OSError:  # inside an archive
        sources = __version__.encode()
    return f"{np.__version__} {scipy.__version__} {hashlib.sha256(sources).hexdigest()}"
