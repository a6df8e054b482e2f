"""Straight-line programs: a list of scalar operations without branches, the one form that every engine runs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

MULTIPLY, ADD, MULTIPLY_ADD, MULTIPLY_SUBTRACT, RECIPROCAL, FLOWS = range(6)
"""Kinds: ``a b``, ``a + b``, ``c + a b``, ``c - a b``, ``1 / a`` or zero where ``a`` is no flux, one where it is."""
ARITY = (2, 2, 3, 3, 1, 1)
SMALLEST = {"float64": 1e-300, "float32": 1e-37}
"""A total below this is no flux: its reciprocal would overflow."""
Slot = int | None
"""Place of a value in a program; ``None`` is an exact zero."""


@dataclass(frozen=True, eq=False)
class Tape:
    """A straight-line program from input rows to output rows.

    Slots are numbered: the values of all inputs, the constants, then one slot per operation, whose arguments all come
    before it.

    Parameters
    ----------
    inputs : tuple of int
        Width of each input array.
    constants : numpy.ndarray
        Values of the constant slots.
    operations : numpy.ndarray
        Shape ``(operation, 4)``: kind and up to three argument slots.
    outputs : tuple of numpy.ndarray
        For each output array, the slots of its values.
    fixed : int
        So many operations at the beginning do not depend on the last input array. They run once for all states that
        differ in that array only.
    effort : int
        Level of the code generator, 0 to 3. A higher one takes three times as long for code that is a tenth faster,
        worth it for a program that runs many states.
    """

    inputs: tuple[int, ...]
    constants: np.ndarray
    operations: np.ndarray
    outputs: tuple[np.ndarray, ...]
    fixed: int = 0
    effort: int = 0

    @property
    def first_constant(self) -> int:
        """Slot of the first constant."""
        return sum(self.inputs)

    @property
    def first_operation(self) -> int:
        """Slot of the first operation."""
        return self.first_constant + len(self.constants)

    @property
    def slot_count(self) -> int:
        """Number of slots."""
        return self.first_operation + len(self.operations)

    @cached_property
    def last_use(self) -> np.ndarray:
        """Index of the last operation that reads each slot, -1 where none does; shape ``(slot,)``."""
        last = np.full(self.slot_count, -1)
        for index, (kind, *arguments) in enumerate(self.operations.tolist()):
            last[arguments[: ARITY[kind]]] = index
        return last

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the content."""
        sizes = (self.inputs, len(self.constants), self.fixed, self.effort, [len(each) for each in self.outputs])
        sha = hashlib.sha256(repr(sizes).encode())
        for array in (self.constants, self.operations, *self.outputs):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()


class TapeBuilder:
    """Collects operations: each distinct one once, with exact zeros and ones folded away.

    Parameters
    ----------
    widths : sequence of int
        Width of each input array, as far as it is known; :meth:`input` extends it.
    """

    # Slots are numbered from separate origins while the tape grows; `finish` makes them one range.
    _ORIGIN = 10**8
    _CONSTANT, _OPERATION = 90 * _ORIGIN, 91 * _ORIGIN

    def __init__(self, widths: Sequence[int]):
        self._widths = list(widths)
        self._constants: dict[float, int] = {}
        self._operations: dict[tuple[int, ...], int] = {}
        self._one = self.constant(1.0)

    def input(self, array: int, index: int) -> int:
        """Return the slot of one value of an input array.

        Parameters
        ----------
        array : int
            Which input array.
        index : int
            Column of the value.
        """
        self._widths += [0] * (array + 1 - len(self._widths))
        self._widths[array] = max(self._widths[array], index + 1)
        return array * self._ORIGIN + index

    def constant(self, value: float) -> int:
        """Return the slot of a constant.

        Parameters
        ----------
        value : float
            Its value.
        """
        return self._CONSTANT + self._constants.setdefault(float(value), len(self._constants))

    def multiply(self, left: Slot, right: Slot) -> Slot:
        """Return ``left right``.

        Parameters
        ----------
        left, right : Slot
            The factors.
        """
        if left is None or right is None:
            return None
        if left == self._one:
            return right
        if right == self._one:
            return left
        return self._operation(MULTIPLY, *sorted((left, right)), 0)

    def add(self, left: Slot, right: Slot) -> Slot:
        """Return ``left + right``.

        Parameters
        ----------
        left, right : Slot
            The summands.
        """
        if left is None or right is None:
            return right if left is None else left
        return self._operation(ADD, *sorted((left, right)), 0)

    def multiply_add(self, total: Slot, left: Slot, right: Slot) -> Slot:
        """Return ``total + left right``.

        Parameters
        ----------
        total, left, right : Slot
            Summand and factors.
        """
        if left is None or right is None:
            return total
        if total is None or self._one in (left, right):
            return self.add(total, self.multiply(left, right))
        return self._operation(MULTIPLY_ADD, *sorted((left, right)), total)

    def multiply_subtract(self, total: Slot, left: Slot, right: Slot) -> Slot:
        """Return ``total - left right``.

        Parameters
        ----------
        total, left, right : Slot
            What is subtracted from, and factors.
        """
        if left is None or right is None:
            return total
        total = self.constant(0.0) if total is None else total
        return self._operation(MULTIPLY_SUBTRACT, *sorted((left, right)), total)

    def reciprocal(self, slot: Slot) -> Slot:
        """Return ``1 / slot``, or zero where the slot holds no flux.

        Parameters
        ----------
        slot : Slot
            A value that is not negative.
        """
        return None if slot is None else self._operation(RECIPROCAL, slot, 0, 0)

    def flows(self, slot: Slot) -> Slot:
        """Return one where the slot holds a flux, else zero; its derivative is zero.

        Parameters
        ----------
        slot : Slot
            A value; a flux is more than :data:`SMALLEST`.
        """
        return slot if slot is None or slot == self._one else self._operation(FLOWS, slot, 0, 0)

    def _operation(self, *key: int) -> int:
        return self._OPERATION + self._operations.setdefault(key, len(self._operations))

    def finish(self, outputs: Sequence[Sequence[Slot]]) -> Tape:
        """Return the tape that makes the outputs, without operations that no output needs.

        Parameters
        ----------
        outputs : sequence of sequence of Slot
            For each output array, its values.
        """
        zero = self.constant(0.0)
        wanted = [[zero if slot is None else slot for slot in row] for row in outputs]
        operations = list(self._operations)
        needed = np.zeros(len(operations), dtype=bool)
        needed[[slot - self._OPERATION for row in wanted for slot in row if slot >= self._OPERATION]] = True
        for index in range(len(operations) - 1, -1, -1):
            if needed[index]:
                kind, *arguments = operations[index]
                for slot in arguments[: ARITY[kind]]:
                    if slot >= self._OPERATION:
                        needed[slot - self._OPERATION] = True
        starts = np.cumsum([0, *self._widths])
        first_operation = int(starts[-1]) + len(self._constants)
        moved = first_operation + np.cumsum(needed) - 1

        def place(slot: int) -> int:
            if slot >= self._OPERATION:
                return int(moved[slot - self._OPERATION])
            if slot >= self._CONSTANT:
                return int(starts[-1]) + slot - self._CONSTANT
            return int(starts[slot // self._ORIGIN]) + slot % self._ORIGIN

        rows = np.zeros((int(needed.sum()), 4), dtype=np.int32)
        for row, index in zip(rows, np.flatnonzero(needed), strict=True):
            kind, *arguments = operations[index]
            row[0] = kind
            row[1 : ARITY[kind] + 1] = [place(each) for each in arguments[: ARITY[kind]]]
        return Tape(
            tuple(self._widths),
            np.array(list(self._constants), dtype=float),
            rows,
            tuple(np.array([place(slot) for slot in row], dtype=np.int64) for row in wanted),
        )
