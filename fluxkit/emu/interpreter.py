"""The engine that needs nothing but numpy: runs a straight-line program one operation at a time over many states."""

from collections.abc import Sequence

import numpy as np

from fluxkit.emu.tape import ADD, FLOWS, MULTIPLY, MULTIPLY_ADD, MULTIPLY_SUBTRACT, SMALLEST, Tape

BLOCK = 512
"""States that are run together; their values fit the cache."""


def interpret(tape: Tape, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> bool:
    """Run a tape.

    Parameters
    ----------
    tape : Tape
        The program.
    inputs : sequence of numpy.ndarray
        Shape ``(state, width)``, or ``(1, width)`` where all states share the values.
    outputs : sequence of numpy.ndarray
        Arrays to fill, shape ``(state, width)``.

    Returns
    -------
    bool
        Whether all values of the first input were finite and not negative.
    """
    states = len(outputs[0])
    smallest = SMALLEST[str(outputs[0].dtype)]
    last = tape.last_use[tape.first_operation :]
    ending: list[list[int]] = [[] for _ in tape.operations]
    kept = {slot for slots in tape.outputs for slot in slots.tolist()}
    for index, use in enumerate(last.tolist()):
        slot = tape.first_operation + index
        if slot not in kept and use >= 0:
            ending[use].append(slot)
    operations = tape.operations.tolist()
    for start in range(0, states, BLOCK):
        rows = slice(start, min(start + BLOCK, states))
        work: list = []
        for each in inputs:
            work.extend(np.ascontiguousarray((each if len(each) == 1 else each[rows]).T))
        work.extend(tape.constants.astype(outputs[0].dtype))
        work.extend([None] * len(operations))
        for index, (kind, a, b, c) in enumerate(operations):
            if kind == MULTIPLY:
                value = work[a] * work[b]
            elif kind == ADD:
                value = work[a] + work[b]
            elif kind == MULTIPLY_ADD:
                value = work[a] * work[b] + work[c]
            elif kind == MULTIPLY_SUBTRACT:
                value = work[c] - work[a] * work[b]
            elif kind == FLOWS:
                value = (work[a] > smallest).astype(outputs[0].dtype)
            else:  # a branch without flux: its reciprocal is taken as zero, so that nothing else is touched
                flows = work[a] > smallest
                value = np.where(flows, 1 / np.where(flows, work[a], 1), 0).astype(outputs[0].dtype)
            work[tape.first_operation + index] = value
            for slot in ending[index]:
                work[slot] = None
        for into, slots in zip(outputs, tape.outputs, strict=True):
            for j, slot in enumerate(slots.tolist()):
                into[rows, j] = work[slot]
    return bool((inputs[0] >= 0).all() and (inputs[0] < np.inf).all())
