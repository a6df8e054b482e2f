"""Kernels that stay on disk until any of the files changes that they are made of.

By itself numba looks at the file of the kernel alone and would go on with a kernel that has the old form of what it
takes from other files.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

_SOURCES = ("kernel_arrays.py", "lane_products.py", "trajectory_kernels.py")
STAMP = hashlib.sha256(b"".join((Path(__file__).parent / name).read_bytes() for name in _SOURCES)).hexdigest()
"""Changes with the files that the kernels are made of."""


class _StampedCache(FunctionCache):
    """Numba's cache of one function, in which the stamp is part of what a kernel is found by."""

    def _index_key(self, sig, codegen):
        return (*super()._index_key(sig, codegen), STAMP)


def kernel(**options: Any) -> Callable[[Callable], Any]:
    """Return a decorator that compiles a function as :func:`numba.njit` does, and keeps it on disk.

    Parameters
    ----------
    **options
        Options of :func:`numba.njit`, without ``cache``.
    """

    def compiled(function: Callable) -> Any:
        dispatcher: Any = njit(**options)(function)
        dispatcher._cache = _StampedCache(function)
        return dispatcher

    return compiled
