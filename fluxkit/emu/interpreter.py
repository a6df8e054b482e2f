"""The engine that needs nothing but numpy: runs a straight-line program one operation at a time over many states.

The same code runs on tensors of torch, wherever they lie, so that it is the engine of a GPU too.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from fluxkit.emu.tape import ADD, FLOWS, MULTIPLY, MULTIPLY_ADD, MULTIPLY_SUBTRACT, SMALLEST, Tape

BLOCK = 512
"""States that are run together on a processor; their values fit the cache."""
BLOCK_ELSEWHERE = 65536
"""States that are run together on another device: there the number of operations counts, not that of states."""


@np.errstate(all="ignore")  # fluxes that are not finite are told by the result, as machine code does
def interpret(tape: Tape, inputs: Sequence[Any], outputs: Sequence[Any], block: int | None = None) -> bool:
    """Run a tape.

    Parameters
    ----------
    tape : Tape
        The program.
    inputs : sequence of numpy.ndarray or torch.Tensor
        Shape ``(state, width)``, or ``(1, width)`` where all states share the values.
    outputs : sequence of numpy.ndarray or torch.Tensor
        Of the same kind, dtype and device; to fill, shape ``(state, width)``.
    block : int, optional
        States that are run together; 512, or 65,536 on a device that is no processor. A value is let go after its
        last use; those in use at one time are a small part of all.

    Returns
    -------
    bool
        Whether all values of the first input were finite and not negative.
    """
    into = outputs[0]
    xp: Any = np if isinstance(into, np.ndarray) else sys.modules["torch"]
    elsewhere = str(into.device).partition(":")[0] != "cpu"
    block = block or (BLOCK_ELSEWHERE if elsewhere else BLOCK)
    smallest = SMALLEST[str(into.dtype).removeprefix("torch.")]
    constants = list(xp.asarray(tape.constants[:, None], dtype=into.dtype, device=into.device))
    add_product = getattr(xp, "addcmul", _add_product)
    one = xp.ones(1, dtype=into.dtype, device=into.device)
    operations, ending = tape.operations.tolist(), _ending(tape)
    for start in range(0, len(into), block):
        rows = slice(start, min(start + block, len(into)))
        work: list[Any] = []
        for each in inputs:
            part = each if len(each) == 1 else each[rows]
            turned = xp.empty(part.shape[::-1], dtype=into.dtype, device=into.device)
            turned[:] = part.T  # one value of all states lies together
            work += list(turned)
        work += constants
        for index, (kind, a, b, c) in enumerate(operations):
            if kind == MULTIPLY:
                value = work[a] * work[b]
            elif kind == ADD:
                value = work[a] + work[b]
            elif kind == MULTIPLY_ADD:
                value = add_product(work[c], work[a], work[b])
            elif kind == MULTIPLY_SUBTRACT:
                value = add_product(work[c], work[a], work[b], value=-1)
            else:  # a branch without flux: its reciprocal is taken as zero, so that nothing else is touched
                flows = work[a] > smallest
                value = flows * one if kind == FLOWS else flows / xp.where(flows, work[a], one)
            work.append(value)
            for slot in ending[index]:
                work[slot] = None
        for target, slots in zip(outputs, tape.outputs, strict=True):
            for j, slot in enumerate(slots.tolist()):
                target[rows, j] = work[slot]
    return bool((inputs[0] >= 0).all()) and bool((inputs[0] < np.inf).all())


def _add_product(total: np.ndarray, left: np.ndarray, right: np.ndarray, *, value: int = 1) -> np.ndarray:
    """Do what ``addcmul`` of torch does, for which numpy has no operation."""
    return total + left * right if value == 1 else total - left * right


def _ending(tape: Tape) -> list[list[int]]:
    """Return for each operation the results of others that nothing reads later."""
    ending: list[list[int]] = [[] for _ in tape.operations]
    kept = {slot for slots in tape.outputs for slot in slots.tolist()}
    for slot in range(tape.first_operation, tape.slot_count):
        if slot not in kept:
            ending[tape.last_use[slot]].append(slot)
    return ending
