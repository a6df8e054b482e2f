"""Runs a straight-line program over many states, on every processor that this process may use.

A program runs as machine code where it can be compiled (:mod:`fluxkit.emu.kernels`), else interpreted
(:mod:`fluxkit.emu.interpreter`); both give the same numbers up to rounding.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from fluxkit.emu.interpreter import interpret
from fluxkit.emu.kernels import kernel
from fluxkit.emu.tape import Tape
from fluxkit.errors import LabelingError

Result = TypeVar("Result")

_NAMES = {np.dtype(name): name for name in ("float64", "float32")}
"""Names of the dtypes that programs run in; looked up here, since ``dtype.name`` takes a microsecond."""
_SMALL = 3_000_000
"""Up to so many operations, counting each state, a second thread costs more than it saves."""


def thread_count() -> int:
    """Return the number of processors that this process may use now."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache(maxsize=1)
def thread_pool() -> ThreadPoolExecutor:
    """Return the threads of this process, started as they are needed, for work that leaves Python's lock.

    Give it :func:`thread_count` pieces of work at a time. Work must not wait for other work that it gives to the pool.
    """
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="fluxkit")


if hasattr(os, "register_at_fork"):  # a forked child inherits the pool without its threads and would wait for ever
    os.register_at_fork(after_in_child=thread_pool.cache_clear)


def share_out(work: Callable[[slice], Result], rows: int, parts: int) -> list[Result]:
    """Do some work on equal parts of rows, the first in this thread and the others in those of the pool.

    Parameters
    ----------
    work : callable
        Takes the rows of a part; see :func:`thread_pool` for what it may do.
    rows : int
        Number of rows.
    parts : int
        Number of parts.
    """
    edges = [rows * k // parts for k in range(parts + 1)]
    own, *rest = [slice(a, b) for a, b in pairwise(edges)]
    others = [thread_pool().submit(work, each) for each in rest]
    return [work(own), *(each.result() for each in others)]


def run_tape(
    tape: Tape,
    inputs: Sequence[np.ndarray],
    states: int,
    block: int | None = None,
    out: Sequence[np.ndarray] | None = None,
) -> tuple[list[np.ndarray], bool]:
    """Run a tape over some states.

    Parameters
    ----------
    tape : Tape
        The program.
    inputs : sequence of numpy.ndarray
        Contiguous arrays of one dtype, shape ``(state, width)``, or ``(1, width)`` where all states share the values.
    states : int
        Number of states.
    block : int, optional
        States that run together where the tape is interpreted.
    out : sequence of numpy.ndarray, optional
        Contiguous arrays to fill, as the outputs: new memory costs as long as a simulation.

    Returns
    -------
    outputs : list of numpy.ndarray
        Shape ``(state, width)`` each.
    good : bool
        Whether all values of the first input were finite and not negative.

    Raises
    ------
    LabelingError
        The inputs are not those of the tape.
    """
    _check_rows(tape, inputs, states)
    code = kernel(tape, _NAMES[inputs[0].dtype]) if states else None
    if code is not None and states == 1 and out is None:
        return code.run_one(inputs)
    shapes = [(states, len(slots)) for slots in tape.outputs]
    outputs = [np.empty(each, dtype=inputs[0].dtype) for each in shapes] if out is None else list(out)
    if out is not None:
        _check_out(outputs, shapes, inputs[0].dtype)
    if not states:
        return outputs, True
    if code is None:
        return outputs, interpret(tape, inputs, outputs, block)
    if states < code.lanes:  # too few for a group of lanes: the last state is repeated
        padded = [each if len(each) == 1 else _padded(each, code.lanes) for each in inputs]
        wide = [np.empty((code.lanes, each.shape[1]), dtype=each.dtype) for each in outputs]
        good = code.run(padded, wide, 0, code.lanes)
        for each, given in zip(wide, outputs, strict=True):
            given[...] = each[:states]
        return outputs, good
    threads = 1 if states * len(tape.operations) <= _SMALL else thread_count()
    parts = min(threads, states // code.lanes)
    return outputs, all(share_out(lambda rows: code.run(inputs, outputs, rows.start, rows.stop), states, parts))


def _check_rows(tape: Tape, inputs: Sequence[np.ndarray], states: int) -> None:
    """Refuse arrays that do not fit: machine code would read memory that is not theirs."""
    dtype = inputs[0].dtype
    fits = len(inputs) == len(tape.inputs)
    for each, width in zip(inputs, tape.inputs, strict=False):
        fits &= each.shape == (states, width) or each.shape == (1, width)
        fits &= each.dtype == dtype and each.flags.c_contiguous
    fits &= dtype in _NAMES
    if not fits:
        given = [(each.shape, each.dtype.name) for each in inputs]
        raise LabelingError(
            f"a program of {states} states was given arrays {given}; give contiguous arrays of one dtype, of "
            f"{states} rows or one, and of widths {tape.inputs}."
        )


def _check_out(out: Sequence[np.ndarray], shapes: Sequence[tuple[int, int]], dtype: np.dtype) -> None:
    """Refuse arrays that machine code cannot fill."""
    for each, shape in zip(out, shapes, strict=True):
        fits = each.shape == shape and each.dtype == dtype and each.flags.c_contiguous and each.flags.writeable
        if not fits:
            raise LabelingError(
                f"out has shape {each.shape} and type {each.dtype}; give a contiguous, writeable array of shape "
                f"{shape} and type {dtype}, or leave it out."
            )


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    wide = np.empty((count, rows.shape[1]), dtype=rows.dtype)
    wide[: len(rows)] = rows
    wide[len(rows) :] = rows[-1]
    return wide
