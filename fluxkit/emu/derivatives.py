"""Derivatives of a straight-line program, as straight-line programs.

Both walk the operations of the elimination once and apply the chain rule to each: no system is solved again, and no
Jacobian is formed to find a gradient. A gradient costs two operations for each operation of the program.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fluxkit.emu.tape import (
    ADD,
    ARITY,
    FLOWS,
    MULTIPLY,
    MULTIPLY_ADD,
    MULTIPLY_SUBTRACT,
    RECIPROCAL,
    Slot,
    Tape,
    TapeBuilder,
)
from fluxkit.errors import LabelingError


def adjoint(tape: Tape, by: Sequence[int] = (0,)) -> Tape:
    """Return the program that pulls a cotangent back.

    Parameters
    ----------
    tape : Tape
        A program with one output array.
    by : sequence of int
        Input arrays that the gradient is taken by.

    Returns
    -------
    Tape
        Inputs: those of the tape, then the cotangent of its output. Outputs: that of the tape, then the gradient by
        each of the input arrays.
    """
    width = len(tape.outputs[0])
    builder = TapeBuilder((*tape.inputs, width))
    slots, active = _replay(tape, builder, by)
    return _pull_back(tape, builder, slots, active, [builder.input(len(tape.inputs), j) for j in range(width)], by)


def gradient(tape: Tape, by: Sequence[int] = (0,)) -> Tape:
    """Return the program that gives a single value and its gradient.

    Parameters
    ----------
    tape : Tape
        A program whose one output is a single value.
    by : sequence of int
        Input arrays that the gradient is taken by.

    Returns
    -------
    Tape
        Inputs: those of the tape. Outputs: the value, then the gradient by each of the input arrays.
    """
    builder = TapeBuilder(tape.inputs)
    slots, active = _replay(tape, builder, by)
    return _pull_back(tape, builder, slots, active, [builder.constant(1.0)], by)


def _pull_back(
    tape: Tape, builder: TapeBuilder, slots: list[Slot], active: np.ndarray, cotangents: list[Slot], by: Sequence[int]
) -> Tape:
    """Walk a repeated tape backwards with the cotangents of its outputs."""
    one = builder.constant(1.0)
    gradient: dict[int, Slot] = {}

    def give(slot: int, left: Slot, right: Slot, *, negative: bool = False) -> None:
        if active[slot]:
            change = builder.multiply_subtract if negative else builder.multiply_add
            gradient[slot] = change(gradient.get(slot), left, right)

    for slot, cotangent in zip(tape.outputs[0].tolist(), cotangents, strict=True):
        give(slot, cotangent, one)
    for index in range(len(tape.operations) - 1, -1, -1):
        target = tape.first_operation + index
        cotangent = gradient.pop(target, None)
        if cotangent is None:
            continue
        kind, a, b, c = tape.operations[index].tolist()
        if kind in (MULTIPLY, MULTIPLY_ADD, MULTIPLY_SUBTRACT):
            give(a, cotangent, slots[b], negative=kind == MULTIPLY_SUBTRACT)
            give(b, cotangent, slots[a], negative=kind == MULTIPLY_SUBTRACT)
            if kind != MULTIPLY:
                give(c, cotangent, one)
        elif kind == ADD:
            give(a, cotangent, one)
            give(b, cotangent, one)
        elif kind == RECIPROCAL:
            # in this order: the square of the reciprocal of a tiny flux overflows
            give(a, builder.multiply(cotangent, slots[target]), slots[target], negative=True)
    starts = np.cumsum([0, *tape.inputs])
    rows = [[gradient.get(i) for i in range(starts[k], starts[k + 1])] for k in by]
    return builder.finish([[slots[slot] for slot in tape.outputs[0].tolist()], *rows])


def tangent(tape: Tape, by: Sequence[int] = (0,)) -> Tape:
    """Return the program that pushes a direction forward.

    Parameters
    ----------
    tape : Tape
        A program with one output array.
    by : sequence of int
        Input arrays that move, ascending.

    Returns
    -------
    Tape
        Inputs: those of the tape, then one direction of the moving input arrays, joined in their order. Output: the
        derivative of the output along the direction.

    Raises
    ------
    LabelingError
        The input arrays are not ascending, each once.
    """
    if list(by) != sorted(set(by)):
        raise LabelingError(f"a direction joins input arrays in their order, not {list(by)}; give {sorted(set(by))}.")
    builder = TapeBuilder((*tape.inputs, sum(tape.inputs[k] for k in by)))
    slots, active = _replay(tape, builder, by)
    moving = np.flatnonzero(active[: tape.first_constant]).tolist()
    moved: dict[int, Slot] = {slot: builder.input(len(tape.inputs), i) for i, slot in enumerate(moving)}
    for index, (kind, a, b, c) in enumerate(tape.operations.tolist()):
        target = tape.first_operation + index
        if kind in (MULTIPLY, MULTIPLY_ADD, MULTIPLY_SUBTRACT):
            step = builder.multiply_subtract if kind == MULTIPLY_SUBTRACT else builder.multiply_add
            change = None if kind == MULTIPLY else moved.get(c)
            change = step(step(change, moved.get(a), slots[b]), moved.get(b), slots[a])
        elif kind == ADD:
            change = builder.add(moved.get(a), moved.get(b))
        elif kind == RECIPROCAL:
            change = builder.multiply_subtract(None, builder.multiply(moved.get(a), slots[target]), slots[target])
        else:
            change = None
        if change is not None:
            moved[target] = change
    finished = builder.finish([[moved.get(slot) for slot in tape.outputs[0].tolist()]])
    first = finished.first_constant - finished.inputs[-1]
    depends = ((finished.operations[:, 1:] >= first) & (finished.operations[:, 1:] < finished.first_constant)).any(1)
    return replace(finished, fixed=int(np.argmax(depends)) if depends.any() else 0)


def _replay(tape: Tape, builder: TapeBuilder, by: Sequence[int]) -> tuple[list[Slot], np.ndarray]:
    """Repeat the operations in a builder; return their slots there, and which depend on the moving input arrays."""
    slots: list[Slot] = [builder.input(k, i) for k, width in enumerate(tape.inputs) for i in range(width)]
    slots += [builder.constant(value) if value else None for value in tape.constants.tolist()]
    active = np.zeros(tape.slot_count, dtype=bool)
    starts = np.cumsum([0, *tape.inputs])
    for k in by:
        active[starts[k] : starts[k + 1]] = True
    make = (builder.multiply, builder.add, builder.multiply_add, builder.multiply_subtract)
    make = (*make, builder.reciprocal, builder.flows)
    for index, (kind, *arguments) in enumerate(tape.operations.tolist()):
        used = arguments[: ARITY[kind]]
        order = (used[2], used[0], used[1]) if len(used) == 3 else used
        slots.append(make[kind](*(slots[each] for each in order)))
        active[tape.first_operation + index] = kind != FLOWS and any(active[each] for each in used)
    return slots, active
