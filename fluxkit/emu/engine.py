"""The engine: runs a straight-line program over many flux states at once, forward and adjoint.

States are lanes: each operation is applied to a short row of states that stays in the processor's cache, so
the cost of reading the program is shared. The adjoint walks the same operations backwards, which applies the
transposed elimination to the cotangent (lambda = A^-T g) without forming a Jacobian.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numba import njit

from fluxkit.emu.program import ADD, MULTIPLY, MULTIPLY_ADD, Program
from fluxkit.errors import FluxError, LabelingError

LANES = 32
_THREADS = 2
_SMALLEST = 1e-300
"""A total flux below this is no flux: its reciprocal would overflow."""


@njit(nogil=True, cache=True, error_model="numpy")
def _forward(operations, first, work):
    lanes = work.shape[1]
    for k in range(operations.shape[0]):
        kind, a, b, c = operations[k, 0], operations[k, 1], operations[k, 2], operations[k, 3]
        d = first + k
        if kind == MULTIPLY_ADD:
            for lane in range(lanes):
                work[d, lane] = work[c, lane] + work[a, lane] * work[b, lane]
        elif kind == MULTIPLY:
            for lane in range(lanes):
                work[d, lane] = work[a, lane] * work[b, lane]
        elif kind == ADD:
            for lane in range(lanes):
                work[d, lane] = work[a, lane] + work[b, lane]
        else:  # a branch without flux: its reciprocal is taken as zero, so that nothing else is touched
            for lane in range(lanes):
                value = work[a, lane]
                work[d, lane] = 1.0 / value if value > _SMALLEST else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _backward(operations, first, work, gradient):
    """Walk backwards; what has been read is cleared, so that the array is zero again for the next block."""
    lanes = work.shape[1]
    for k in range(operations.shape[0] - 1, -1, -1):
        kind, a, b, c = operations[k, 0], operations[k, 1], operations[k, 2], operations[k, 3]
        d = first + k
        if kind == MULTIPLY_ADD:
            for lane in range(lanes):
                cotangent = gradient[d, lane]
                gradient[d, lane] = 0.0
                gradient[c, lane] += cotangent
                gradient[a, lane] += cotangent * work[b, lane]
                gradient[b, lane] += cotangent * work[a, lane]
        elif kind == MULTIPLY:
            for lane in range(lanes):
                cotangent = gradient[d, lane]
                gradient[d, lane] = 0.0
                gradient[a, lane] += cotangent * work[b, lane]
                gradient[b, lane] += cotangent * work[a, lane]
        elif kind == ADD:
            for lane in range(lanes):
                cotangent = gradient[d, lane]
                gradient[d, lane] = 0.0
                gradient[a, lane] += cotangent
                gradient[b, lane] += cotangent
        else:
            for lane in range(lanes):
                gradient[a, lane] -= gradient[d, lane] * work[d, lane] * work[d, lane]
                gradient[d, lane] = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _run_block(operations, first, start, fluxes, inputs, constants, outputs, work, values):
    """Run the lanes of one block, the states from ``start`` on; idle lanes repeat the last state.

    Returns a state whose fluxes are not finite and non-negative, or -1.
    """
    wrong = -1
    states, flux_count = fluxes.shape
    input_count, lanes = inputs.shape[1], work.shape[1]
    for i in range(constants.shape[0]):
        work[flux_count + input_count + i, :] = constants[i]
    for lane in range(lanes):
        row = min(start + lane, states - 1)
        source = row if inputs.shape[0] > 1 else 0
        for i in range(flux_count):
            value = fluxes[row, i]
            if not 0.0 <= value < np.inf:
                wrong = row
            work[i, lane] = value
        for i in range(input_count):
            work[flux_count + i, lane] = inputs[source, i]
    _forward(operations, first, work)
    for lane in range(min(lanes, states - start)):
        for i in range(outputs.shape[0]):
            values[start + lane, i] = work[outputs[i], lane]
    return wrong


@njit(nogil=True, cache=True, error_model="numpy")
def _pull_back_block(operations, first, start, outputs, cotangent, work, gradient, flux_gradient):
    """Pull the cotangents of one block back through the values that ``_run_block`` left in the work array.

    The gradient array is all zero before and after.
    """
    states, flux_count = flux_gradient.shape
    count = min(work.shape[1], states - start)
    for lane in range(count):
        for i in range(outputs.shape[0]):
            gradient[outputs[i], lane] += cotangent[start + lane, i]
    _backward(operations, first, work, gradient)
    for lane in range(count):
        for i in range(flux_count):
            flux_gradient[start + lane, i] = gradient[i, lane]
    gradient[:first] = 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _run_blocks(operations, first, fluxes, inputs, constants, outputs, cotangent, values, flux_gradient, lanes):
    """Run states in blocks of lanes; with a cotangent of non-zero length also the adjoint."""
    wrong = -1
    adjoint = cotangent.shape[0] > 0
    slots = first + operations.shape[0]
    work = np.empty((slots, lanes))
    gradient = np.zeros((slots if adjoint else 0, lanes))
    for start in range(0, fluxes.shape[0], lanes):
        wrong = max(wrong, _run_block(operations, first, start, fluxes, inputs, constants, outputs, work, values))
        if adjoint:
            _pull_back_block(operations, first, start, outputs, cotangent, work, gradient, flux_gradient)
    return wrong


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="fluxkit-emu")


if hasattr(os, "register_at_fork"):  # a forked child inherits the pool without its threads and would wait for ever
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _lanes(states: int) -> int:
    """Lanes of a block; fewer when there are few states avoid idle work."""
    return int(min(LANES, max(4, -(-states // 4) * 4)))


def _run(program: Program, fluxes: np.ndarray, inputs: np.ndarray, cotangent: np.ndarray | None):
    states = len(fluxes)
    outputs = program.outputs.reshape(-1)
    values = np.empty((states, len(outputs)))
    flux_gradient = np.empty((states if cotangent is not None else 0, program.flux_count))
    packed = np.empty((0, 0)) if cotangent is None else cotangent.reshape(states, len(outputs))
    shared = (program.operations, program.first_operation)
    lanes = _lanes(states)

    def part(rows: slice) -> int:
        own = inputs if len(inputs) == 1 else inputs[rows]
        cut = packed if cotangent is None else packed[rows]
        target = flux_gradient if cotangent is None else flux_gradient[rows]
        wrong = _run_blocks(*shared, fluxes[rows], own, program.constants, outputs, cut, values[rows], target, lanes)
        return wrong if wrong < 0 else rows.start + wrong

    if states <= 2 * LANES:
        wrong = part(slice(0, states))
    else:
        edges = np.linspace(0, -(-states // lanes), _THREADS + 1).astype(int) * lanes
        rows = [slice(a, min(b, states)) for a, b in pairwise(edges) if a < states]
        wrong = max(_pool().map(part, rows))
    if wrong >= 0:
        raise FluxError(_describe(program, fluxes[wrong], wrong))
    return values.reshape(states, *program.outputs.shape), flux_gradient


def _arguments(program: Program, fluxes, inputs) -> tuple[np.ndarray, np.ndarray]:
    fluxes = np.ascontiguousarray(fluxes, dtype=float)
    if fluxes.ndim != 2 or fluxes.shape[1] != program.flux_count:
        raise FluxError(
            f"directed fluxes have shape {fluxes.shape}, but network {program.system.network.name!r} needs "
            f"(state, {program.flux_count}): forward of every reaction, then backward of the reversible ones."
        )
    inputs = program.input_values if inputs is None else inputs
    inputs = np.ascontiguousarray(np.atleast_2d(np.asarray(inputs, dtype=float)))
    if inputs.shape[0] not in (1, len(fluxes)) or inputs.shape[1:] != program.input_values.shape:
        raise LabelingError(
            f"input values have shape {inputs.shape}; give ({len(program.input_values)},) for all states or "
            f"{(len(fluxes), len(program.input_values))}, as Program.bind returns them."
        )
    return fluxes, inputs


def _describe(program: Program, fluxes: np.ndarray, state: int) -> str:
    network = program.system.network
    names = [
        *network.reaction_names,
        *(f"{each.name} (backward)" for each in network.reactions if each.reversible),
    ]
    i = int(np.flatnonzero(~((fluxes >= 0) & (fluxes < np.inf)))[0])
    return (
        f"state {state}: directed flux {names[i]!r} is {fluxes[i]:g}; directed fluxes are finite and "
        "not negative (forward = max(net, 0) + exchange, backward = max(-net, 0) + exchange)."
    )


def simulate_mids(program: Program, fluxes: np.ndarray, inputs: np.ndarray | None = None) -> np.ndarray:
    """Return the MIDs of all fragments.

    Parameters
    ----------
    program : Program
        The compiled balances.
    fluxes : numpy.ndarray
        Directed fluxes, shape ``(state, directed flux)``, non-negative, in any one unit.
    inputs : numpy.ndarray, optional
        Input values, shape ``(input,)`` or ``(state, input)``; those of the program by default.

    Returns
    -------
    numpy.ndarray
        Shape ``(state, experiment, value)``. The values of a fragment whose supply has no flux in a state
        are all zero, unless they follow without it: it has one possible source only, or none that carries
        label.

    Raises
    ------
    FluxError
        A flux is negative or not finite, or the shape does not fit the network.
    """
    return _run(program, *_arguments(program, fluxes, inputs), None)[0]


def pull_back(
    program: Program, fluxes: np.ndarray, cotangent: np.ndarray, inputs: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the MIDs and the gradient of ``sum(cotangent * mids)`` with respect to the directed fluxes.

    Parameters
    ----------
    program : Program
        The compiled balances.
    fluxes : numpy.ndarray
        Directed fluxes, shape ``(state, directed flux)``.
    cotangent : numpy.ndarray
        Shape ``(state, experiment, value)``.
    inputs : numpy.ndarray, optional
        As in :func:`simulate_mids`.

    Returns
    -------
    mids : numpy.ndarray
        Shape ``(state, experiment, value)``.
    gradient : numpy.ndarray
        Shape ``(state, directed flux)``. Where several sources of one EMU all have zero flux the derivative
        depends on the direction; there the EMU counts as unsupplied.

    Raises
    ------
    FluxError
        As in :func:`simulate_mids`.
    """
    arrays = _arguments(program, fluxes, inputs)
    return _run(program, *arrays, _cotangent(program, len(arrays[0]), cotangent))


def _cotangent(program: Program, states: int, cotangent: np.ndarray) -> np.ndarray:
    cotangent = np.ascontiguousarray(cotangent, dtype=float)
    expected = (states, *program.outputs.shape)
    if cotangent.shape != expected:
        raise FluxError(f"the cotangent has shape {cotangent.shape}, but the MIDs have {expected}; give the same.")
    return cotangent


def simulate_with_pullback(
    program: Program, fluxes: np.ndarray, inputs: np.ndarray | None = None
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """Return the MIDs, and a function that pulls a cotangent back to the directed fluxes.

    The same as :func:`pull_back` for a cotangent that depends on the MIDs. Up to 32 states, all values of the forward
    run are kept, so that it is not repeated.

    Parameters
    ----------
    program : Program
        The compiled balances.
    fluxes : numpy.ndarray
        Directed fluxes, shape ``(state, directed flux)``.
    inputs : numpy.ndarray, optional
        As in :func:`simulate_mids`.

    Returns
    -------
    mids : numpy.ndarray
        Shape ``(state, experiment, value)``.
    pullback : callable
        From a cotangent ``(state, experiment, value)`` to the gradient of ``sum(cotangent * mids)`` by the directed
        fluxes, ``(state, directed flux)``. May be called any number of times, from any thread.

    Raises
    ------
    FluxError
        As in :func:`simulate_mids`.
    """
    fluxes, inputs = _arguments(program, fluxes, inputs)
    states = len(fluxes)
    if not 0 < states <= LANES:
        return _run(program, fluxes, inputs, None)[0], lambda cotangent: pull_back(program, fluxes, cotangent, inputs)[
            1
        ]
    outputs = program.outputs.reshape(-1)
    shared = (program.operations, program.first_operation, 0)
    values = np.empty((states, len(outputs)))
    work = np.empty((program.slot_count, _lanes(states)))
    wrong = _run_block(*shared, fluxes, inputs, program.constants, outputs, work, values)
    if wrong >= 0:
        raise FluxError(_describe(program, fluxes[wrong], wrong))

    def pullback(cotangent: np.ndarray) -> np.ndarray:
        packed = _cotangent(program, states, cotangent).reshape(states, -1)
        gradient = np.empty((states, program.flux_count))
        _pull_back_block(*shared, outputs, packed, work, np.zeros(work.shape), gradient)
        return gradient

    return values.reshape(states, *program.outputs.shape), pullback


def jacobian(program: Program, fluxes: np.ndarray, rows: np.ndarray, inputs: np.ndarray | None = None) -> np.ndarray:
    """Return derivatives of linear combinations of the MIDs of one state with respect to the directed fluxes.

    Parameters
    ----------
    program : Program
        The compiled balances.
    fluxes : numpy.ndarray
        Directed fluxes of one state, shape ``(directed flux,)``.
    rows : numpy.ndarray
        Combinations, shape ``(row, experiment, value)``; each row is one lane of the adjoint.
    inputs : numpy.ndarray, optional
        Input values, shape ``(input,)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(row, directed flux)``.
    """
    fluxes = np.asarray(fluxes, dtype=float)
    if fluxes.ndim != 1:
        raise FluxError(f"the Jacobian is that of one state, but the fluxes have shape {fluxes.shape}; give one row.")
    repeated = np.broadcast_to(fluxes, (len(rows), len(fluxes)))
    return pull_back(program, repeated, rows, inputs)[1]
