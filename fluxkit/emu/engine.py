"""The engine: runs a straight-line program over many flux states at once, forward and adjoint.

States are lanes: each operation is applied to a short row of states that stays in the processor's cache, so the cost of
reading the program is shared. The adjoint walks the same operations backwards, which applies the transposed elimination
to the cotangent (lambda = A^-T g) without forming a Jacobian.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
from numba import njit

from fluxkit.emu.program import ADD, MULTIPLY, MULTIPLY_ADD, Program

LANES = 32
_THREADS = 2


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
                work[d, lane] = 1.0 / value if value > 0.0 else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _backward(operations, first, work, gradient):
    lanes = work.shape[1]
    for k in range(operations.shape[0] - 1, -1, -1):
        kind, a, b, c = operations[k, 0], operations[k, 1], operations[k, 2], operations[k, 3]
        d = first + k
        if kind == MULTIPLY_ADD:
            for lane in range(lanes):
                cotangent = gradient[d, lane]
                gradient[c, lane] += cotangent
                gradient[a, lane] += cotangent * work[b, lane]
                gradient[b, lane] += cotangent * work[a, lane]
        elif kind == MULTIPLY:
            for lane in range(lanes):
                cotangent = gradient[d, lane]
                gradient[a, lane] += cotangent * work[b, lane]
                gradient[b, lane] += cotangent * work[a, lane]
        elif kind == ADD:
            for lane in range(lanes):
                cotangent = gradient[d, lane]
                gradient[a, lane] += cotangent
                gradient[b, lane] += cotangent
        else:
            for lane in range(lanes):
                gradient[a, lane] -= gradient[d, lane] * work[d, lane] * work[d, lane]


@njit(nogil=True, cache=True, error_model="numpy")
def _run_blocks(operations, first, fluxes, inputs, constants, outputs, cotangent, values, flux_gradient, lanes):
    """Run states in blocks of lanes; with a cotangent of non-zero length also the adjoint."""
    states, flux_count = fluxes.shape
    input_count, output_count = inputs.shape[1], outputs.shape[0]
    adjoint = cotangent.shape[0] > 0
    slots = first + operations.shape[0]
    work = np.empty((slots, lanes))
    gradient = np.empty((slots if adjoint else 0, lanes))
    for i in range(constants.shape[0]):
        work[flux_count + input_count + i, :] = constants[i]
    for start in range(0, states, lanes):
        for lane in range(lanes):
            row = min(start + lane, states - 1)
            source = row if inputs.shape[0] > 1 else 0
            for i in range(flux_count):
                work[i, lane] = fluxes[row, i]
            for i in range(input_count):
                work[flux_count + i, lane] = inputs[source, i]
        _forward(operations, first, work)
        count = min(lanes, states - start)
        for lane in range(count):
            for i in range(output_count):
                values[start + lane, i] = work[outputs[i], lane]
        if adjoint:
            gradient[:] = 0.0
            for lane in range(count):
                for i in range(output_count):
                    gradient[outputs[i], lane] += cotangent[start + lane, i]
            _backward(operations, first, work, gradient)
            for lane in range(count):
                for i in range(flux_count):
                    flux_gradient[start + lane, i] = gradient[i, lane]


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="fluxkit-emu")


def _run(program: Program, fluxes: np.ndarray, inputs: np.ndarray, cotangent: np.ndarray | None):
    states = len(fluxes)
    outputs = program.outputs.reshape(-1)
    values = np.empty((states, len(outputs)))
    flux_gradient = np.empty((states if cotangent is not None else 0, program.flux_count))
    packed = np.empty((0, 0)) if cotangent is None else cotangent.reshape(states, -1)
    shared = (program.operations, program.first_operation)
    # An adjoint keeps every value; fewer lanes when there are few states avoid idle work.
    lanes = int(min(LANES, max(4, -(-states // 4) * 4)))

    def part(rows: slice) -> None:
        own = inputs if len(inputs) == 1 else inputs[rows]
        cut = packed if cotangent is None else packed[rows]
        target = flux_gradient if cotangent is None else flux_gradient[rows]
        _run_blocks(*shared, fluxes[rows], own, program.constants, outputs, cut, values[rows], target, lanes)

    if states <= 2 * LANES:
        part(slice(0, states))
    else:
        edges = np.linspace(0, -(-states // lanes), _THREADS + 1).astype(int) * lanes
        rows = [slice(a, min(b, states)) for a, b in zip(edges[:-1], edges[1:], strict=True) if a < states]
        list(_pool().map(part, rows))
    return values.reshape(states, *program.outputs.shape), flux_gradient


def _arguments(program: Program, fluxes, inputs) -> tuple[np.ndarray, np.ndarray]:
    fluxes = np.ascontiguousarray(fluxes, dtype=float)
    inputs = program.input_values if inputs is None else inputs
    return fluxes, np.ascontiguousarray(np.atleast_2d(np.asarray(inputs, dtype=float)))


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
        Shape ``(state, experiment, value)``. The values of a fragment that no flux supplies are all zero.
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
        Shape ``(state, directed flux)``.
    """
    arrays = _arguments(program, fluxes, inputs)
    return _run(program, *arrays, np.ascontiguousarray(cotangent, dtype=float))


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
    repeated = np.broadcast_to(fluxes, (len(rows), len(fluxes)))
    return pull_back(program, repeated, rows, inputs)[1]
