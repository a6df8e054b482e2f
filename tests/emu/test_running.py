"""Threads and processes: a forked child simulates like its parent, and the processors of now are used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fluxkit.emu import thread_count, thread_pool

ROOT = Path(__file__).parents[2]
FORK = """
import os, signal
import numpy as np
from fluxkit.emu import running
from tests.emu.test_engine import PROGRAM, simulate_mids, states

running.thread_count = lambda: 4
fluxes = states(5000)
expected = simulate_mids(PROGRAM, fluxes)  # starts threads
assert running.thread_pool()._threads
child = os.fork()
if not child:
    signal.alarm(60)  # a child that waits for threads of its parent waits for ever
    same = all(np.array_equal(simulate_mids(PROGRAM, fluxes), expected) for _ in range(3))
    os._exit(0 if same and running.thread_pool()._threads else 1)
assert os.waitpid(child, 0)[1] == 0
assert np.array_equal(simulate_mids(PROGRAM, fluxes), expected)
"""
FORK_WHILE_A_THREAD_WORKS = """
import os, signal, threading
import numpy as np
from fluxkit.emu import kernels, pull_back
from tests.emu.test_engine import PROGRAM, simulate_mids, states

fluxes = states(3)
expected = simulate_mids(PROGRAM, fluxes)
cotangent = np.ones((3, *PROGRAM.shape))
begun, go_on = threading.Event(), threading.Event()
function = getattr({module}, "{name}")

def slow(*given):
    begun.set()
    {wait}
    return function(*given)

{module}.{name} = slow
thread = threading.Thread(target=pull_back, args=(PROGRAM, fluxes, cotangent))
thread.start()
begun.wait()
child = os.fork()
{module}.{name} = function
if not child:
    signal.alarm(60)
    mids, gradient = pull_back(PROGRAM, fluxes, cotangent)
    os._exit(0 if np.array_equal(mids, expected) and np.isfinite(gradient).all() else 1)
assert os.waitpid(child, 0)[1] == 0
go_on.set()
thread.join()
assert kernels.kernel(PROGRAM.adjoint, "float64") is not None
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")


def run_script(script: str, cache: Path) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]  # Python 3.12 warns of such forks
    env = os.environ | {"FLUXKIT_CACHE": str(cache)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@needs_fork
def test_a_forked_child_of_a_process_with_threads_simulates_the_same_with_threads_of_its_own(tmp_path):
    run_script(FORK, tmp_path)


@needs_fork
@pytest.mark.parametrize(
    ("name", "wait"),
    [("kernels.read_kept", "go_on.wait()"), ("compiler.emit_object", "go_on.wait(0.3)")],
    ids=["a program is held by the thread", "LLVM is held by the thread"],
)
def test_a_child_forked_while_a_thread_compiles_compiles_for_itself(tmp_path, name, wait):
    """The child does not wait for locks of threads that did not come along; a fork waits until LLVM is done."""
    module, name = name.split(".")
    script = FORK_WHILE_A_THREAD_WORKS.replace("{module}", module).replace("{name}", name).replace("{wait}", wait)
    run_script(f"from fluxkit.emu import {module}\n{script}", tmp_path)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes are not bound to processors here")
def test_the_processors_are_counted_anew_when_the_process_is_bound_to_one():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert thread_count() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert thread_count() == len(before)


def test_all_work_is_given_to_one_pool():
    assert thread_pool() is thread_pool()
