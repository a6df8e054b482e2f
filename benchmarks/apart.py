"""Figures that need a process of their own: first use, memory, and a machine on which no compiler can be found.

``python apart.py ACTION ...`` prints one number; :func:`measure_apart` starts that process.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from cases import problem, states
from timing import best_time

import fluxkit
from fluxkit.emu import jacobian, kernel, pull_back, simulate_mids
from fluxkit.labeling.programs import labeling_program

COMPILERS = ("cc", "gcc", "g++", "c++", "clang", "clang++", "icx", "tcc", "ld", "as", "llc", "nvcc", "cl")


def measure_apart(action: str, *arguments: int, cache: str, path: str | None = None) -> float:
    """Return what :data:`ACTIONS` measures in a new process, with its own folder of compiled programs and PATH."""
    environment = os.environ | {"FLUXKIT_CACHE": cache} | ({} if path is None else {"PATH": path})
    command = [sys.executable, __file__, action, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr.strip()[-1000:]}")
    return float(done.stdout.split()[-1])


def first_uses() -> dict[str, float]:
    """Return the seconds of the first use, each in a fresh folder of compiled programs, and in a later process."""
    seconds = {}
    for action in ("forward", "everything"):
        with tempfile.TemporaryDirectory() as cache:
            seconds[action] = measure_apart(action, cache=cache)
            seconds[f"{action} later"] = measure_apart(action, cache=cache)
    return seconds


def rate_without_compiler(batch: int) -> float:
    """Return states per second of a process that compiles anew and finds no program on its PATH."""
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as empty:
        return measure_apart("rate", batch, cache=cache, path=empty)


def memory(count: int) -> float | None:
    """Return the megabytes that simulating needs beyond input and output; ``None`` where Linux does not count them."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    with tempfile.TemporaryDirectory() as cache:
        return measure_apart("memory", count, cache=cache)


def _use(*, everything: bool) -> float:
    network = fluxkit.load_network("ccm")
    fragments, tracers = problem(network)
    begin = time.perf_counter()
    program = labeling_program(network, fragments, tracers)
    fluxes = np.ones((1, program.flux_count))
    simulate_mids(program, fluxes)
    if everything:
        pull_back(program, fluxes, np.ones((1, *program.shape)))
        jacobian(program, fluxes[0])
    return time.perf_counter() - begin


def _rate(batch: int) -> float:
    found = [name for name in COMPILERS if shutil.which(name)]
    if found:
        raise SystemExit(f"this machine has {', '.join(found)} on the PATH {os.environ['PATH']!r}")
    network = fluxkit.load_network("ccm")
    program, fluxes = labeling_program(network, *problem(network)), states(network, batch)
    rate = batch / best_time(lambda: simulate_mids(program, fluxes))
    if kernel(program.tape, "float64") is None:
        raise SystemExit("the program ran interpreted")
    return rate


def _memory(count: int) -> float:
    network = fluxkit.load_network("ccm")
    program, fluxes = labeling_program(network, *problem(network)), states(network, count)
    simulate_mids(program, fluxes[:200])
    Path("/proc/self/clear_refs").write_text("5")  # Linux counts the peak anew
    before = _resident("VmRSS")
    mids = simulate_mids(program, fluxes)
    return _resident("VmHWM") - before - mids.nbytes / 2**20


def _resident(key: str) -> float:
    found = re.search(rf"{key}:\s+(\d+)", Path("/proc/self/status").read_text())
    if found is None:
        raise SystemExit(f"Linux does not say {key}")
    return int(found[1]) / 1024


ACTIONS = {
    "forward": lambda: _use(everything=False),
    "everything": lambda: _use(everything=True),
    "rate": _rate,
    "memory": _memory,
}

if __name__ == "__main__":
    print(ACTIONS[sys.argv[1]](*map(int, sys.argv[2:])))
