"""Versions of fluxkit, Python and the packages that numbers rest on."""

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from fluxkit import __version__

PACKAGES = ("numpy", "scipy", "xarray", "pandas", "numba", "torch", "plotly")


def versions() -> dict[str, str]:
    """Return the versions of fluxkit, Python and the packages that are installed here."""
    return dict(_versions())


@lru_cache(maxsize=1)
def _versions() -> tuple[tuple[str, str], ...]:
    found = {"fluxkit": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return tuple(found.items())
