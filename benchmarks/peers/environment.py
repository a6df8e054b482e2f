"""Environments of their own for the tools that fluxkit is measured against; nothing of them is a dependency.

An environment is made once, under ``results/benchmarks/`` (which git ignores), from a list of pinned requirements.
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "results" / "benchmarks"

X3CFLUX = (
    "x3cflux==3.1.2",
    "numpy==2.4.6",
    "scipy==1.17.1",
    "joblib==1.6.0",
    "cvxpy==1.9.3",
    "cyipopt==1.7.0",
    "hopsy==1.7.0",
    "cobyqa==1.1.4",
)
IPOPT = "Ipopt, which cyipopt is compiled against"
IPOPT_CURE = (
    "apt-get install coinor-libipopt-dev pkg-config liblapack-dev libblas-dev gfortran (Debian, Ubuntu), "
    "or brew install ipopt pkgconf (macOS)"
)


def x3cflux_python() -> Path | None:
    """Return the Python of an environment with x3cflux, made on first use (two minutes); ``None`` without Ipopt."""
    return python_with("x3cflux", X3CFLUX, {"ipopt": (IPOPT, IPOPT_CURE)})


def python_with(name: str, requirements: Sequence[str], libraries: dict[str, tuple[str, str]]) -> Path | None:
    """Return the Python of an environment that holds some packages; say why there is none and return ``None``.

    Parameters
    ----------
    name : str
        Name of the environment; its main package is imported as a test.
    requirements : sequence of str
        Pinned requirements; a changed list makes the environment anew.
    libraries : dict of str to (str, str)
        For each pkg-config name that must exist, what it is and how it is installed.
    """
    folder = CACHE / f"environment-{name}"
    python, stamp = folder / "bin" / "python", folder / "requirements.txt"
    wanted = "\n".join(requirements) + "\n"
    if python.exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return python
    missing = [words for package, words in libraries.items() if not _has_library(package)]
    for what, cure in missing:
        print(f"{name} cannot be installed: this machine lacks {what}. Cure: {cure}.")
    if missing:
        return None
    print(f"making an environment for {name} in {folder} (once)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
        [str(python), "-I", "-c", f"import {name}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{name} cannot be installed: {' '.join(command)} failed with\n{done.stderr.strip()[-1000:]}")
            return None
    stamp.write_text(wanted, encoding="utf-8")
    return python


def _has_library(package: str) -> bool:
    """Ask pkg-config, which the packages' own builds ask too."""
    program = shutil.which("pkg-config")
    return program is not None and subprocess.run([program, "--exists", package]).returncode == 0
