"""How times are taken: the best of several runs, equally many for every program."""

import time
from collections.abc import Callable

REPEATS = {"batch": 5, "one": 200, "jacobian": 20}
"""Runs of a batch of states, of one state, and of the Jacobian of one state."""


def best_time(action: Callable[[], object], repeats: int = REPEATS["batch"]) -> float:
    """Return the shortest of several runs after one that does not count, in seconds."""
    action()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return min(times)
