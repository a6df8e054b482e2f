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
fluxes = states(500)
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_forked_child_of_a_process_with_threads_simulates_the_same_with_threads_of_its_own():
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK]  # Python 3.12 warns of such forks
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


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
