"""The straight-line program: EMU balances eliminated once, symbolically, for every flux state.

Each block of mutually dependent EMUs is a linear system ``A(v) X = B(v) Y``. It is solved here on symbols,
in the subtraction-free form of Grassmann, Taksar & Heyman (1985, doi:10.1287/opre.33.5.1107): eliminating an
EMU redirects its sources to those that drew on it, so only sums, products and reciprocals of non-negative
numbers remain and no digits cancel. The result is a list of scalar operations without branches, shared by
all experiments as far as it holds only fluxes. Equal operations are made once; exact zeros and ones of the
given inputs are folded away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fluxkit.emu.decomposition import Emu, EmuSystem, Source
from fluxkit.errors import LabelingError

MULTIPLY, ADD, MULTIPLY_ADD, RECIPROCAL = range(4)
Slot = int | None
"""Place of a value in the work array; ``None`` is an exact zero."""


@dataclass(frozen=True)
class Program:
    """A straight-line program over slots: fluxes, input values, constants, then one slot per operation.

    Parameters
    ----------
    system : EmuSystem
        What it solves.
    operations : numpy.ndarray
        Shape ``(operation, 4)``: kind and up to three argument slots.
    constants : numpy.ndarray
        Values of the constant slots.
    input_values : numpy.ndarray
        Default values of the input slots, shape ``(input,)``.
    input_keys : tuple of (experiment, Emu, mass shift)
        Which value each input slot holds.
    outputs : numpy.ndarray
        Slot of each result, shape ``(experiment, value)``; values are the MIDs of the fragments one after
        another.
    flux_count : int
        Number of directed fluxes.
    folded : tuple of (experiment, Emu, mass shift, value)
        The zeros and ones of the inputs that the program has taken in.
    """

    system: EmuSystem
    operations: np.ndarray
    constants: np.ndarray
    input_values: np.ndarray
    input_keys: tuple[tuple[int, Emu, int], ...]
    outputs: np.ndarray
    flux_count: int
    folded: tuple[tuple[int, Emu, int, float], ...] = ()

    @property
    def slot_count(self) -> int:
        """Number of slots of the work array."""
        return self.first_operation + len(self.operations)

    @property
    def first_operation(self) -> int:
        """Slot of the first operation."""
        return self.flux_count + len(self.input_values) + len(self.constants)

    def bind(self, inputs: Sequence[Mapping[Emu, np.ndarray]]) -> np.ndarray:
        """Return input values, shape ``(input,)``, for other input distributions of the same zero pattern.

        Parameters
        ----------
        inputs : sequence of mapping of Emu to numpy.ndarray
            Per experiment, the MID of each input EMU.

        Raises
        ------
        LabelingError
            The MID of an input differs where the program has taken in a zero or a one.
        """
        for experiment, emu, shift, value in self.folded:
            if inputs[experiment][emu][shift] != value:
                given = inputs[experiment][emu][shift]
                raise LabelingError(
                    f"experiment {experiment}: M+{shift} of {emu.metabolite} is {given:g}, but this program "
                    f"was built for {value:g} there; build a program for this tracer."
                )
        return np.array([inputs[experiment][emu][shift] for experiment, emu, shift in self.input_keys], dtype=float)


class _Tape:
    """Collects operations, each distinct one once."""

    def __init__(self, flux_count: int):
        self.flux_count = flux_count
        self.inputs: list[tuple[int, Emu, int]] = []
        self.input_values: list[float] = []
        self.folded: list[tuple[int, Emu, int, float]] = []
        self.constants: dict[float, int] = {}
        self.operations: dict[tuple[int, ...], int] = {}

    # Slots are numbered from separate origins while the tape grows; `finish` makes them one range.
    _INPUT, _CONSTANT, _OPERATION = 10**8, 2 * 10**8, 3 * 10**8

    def input(self, key: tuple[int, Emu, int], value: float) -> int:
        self.inputs.append(key)
        self.input_values.append(value)
        return self._INPUT + len(self.inputs) - 1

    def constant(self, value: float) -> int:
        return self._CONSTANT + self.constants.setdefault(float(value), len(self.constants))

    def _operation(self, *key: int) -> int:
        return self._OPERATION + self.operations.setdefault(key, len(self.operations))

    def _is_one(self, slot: Slot) -> bool:
        return self.constants.get(1.0, -1) + self._CONSTANT == slot if 1.0 in self.constants else False

    def multiply(self, left: Slot, right: Slot) -> Slot:
        if left is None or right is None:
            return None
        if self._is_one(left):
            return right
        if self._is_one(right):
            return left
        return self._operation(MULTIPLY, *sorted((left, right)), 0)

    def add(self, left: Slot, right: Slot) -> Slot:
        if left is None or right is None:
            return right if left is None else left
        return self._operation(ADD, *sorted((left, right)), 0)

    def multiply_add(self, total: Slot, left: Slot, right: Slot) -> Slot:
        if left is None or right is None:
            return total
        if total is None or self._is_one(left) or self._is_one(right):
            return self.add(total, self.multiply(left, right))
        return self._operation(MULTIPLY_ADD, *sorted((left, right)), total)

    def reciprocal(self, slot: Slot) -> Slot:
        return None if slot is None else self._operation(RECIPROCAL, slot, 0, 0)

    def convolve(self, left: list[Slot], right: list[Slot]) -> list[Slot]:
        total: list[Slot] = [None] * (len(left) + len(right) - 1)
        for i, a in enumerate(left):
            for j, b in enumerate(right):
                total[i + j] = self.multiply_add(total[i + j], a, b)
        return total


def build_program(system: EmuSystem, inputs: Sequence[Mapping[Emu, np.ndarray]]) -> Program:
    """Eliminate the EMU balances for the given inputs.

    Parameters
    ----------
    system : EmuSystem
        The balances.
    inputs : sequence of mapping of Emu to numpy.ndarray
        Per experiment, the MID of each input EMU, shape ``(atoms + 1,)``. Exact zeros and ones are folded
        into the program; every other value is an input that can change from run to run.
    """
    network = system.network
    tape = _Tape(len(network.reactions) + int(network.reversible.sum()))
    builder = _Builder(system, tape, inputs)
    for block in system.blocks:
        builder.solve_block(block)
    slots = [[slot for target in system.targets for slot in builder.mids(target)[e]] for e in range(len(inputs))]
    return _finish(system, tape, slots)


class _Builder:
    """Walks the blocks and keeps, for each source, the slots of its MID in each experiment."""

    def __init__(self, system: EmuSystem, tape: _Tape, inputs: Sequence[Mapping[Emu, np.ndarray]]):
        self.system, self.tape, self.experiments = system, tape, range(len(inputs))
        self.known: dict[tuple[Emu, ...], list[list[Slot]]] = {}
        self.weights: dict[tuple[tuple[int, float], ...], Slot] = {}
        for emu in system.inputs:
            self.known[(emu,)] = [
                self._input_slots(e, emu, np.asarray(inputs[e][emu], float)) for e in self.experiments
            ]

    def _input_slots(self, experiment: int, emu: Emu, mid: np.ndarray) -> list[Slot]:
        if mid.shape != (len(emu.atoms) + 1,) or not (mid >= 0).all() or abs(mid.sum() - 1) > 1e-6:
            raise LabelingError(
                f"experiment {experiment}: the input MID of {emu.metabolite} is {mid}; "
                f"it needs {len(emu.atoms) + 1} values, not negative, that sum to 1."
            )
        slots: list[Slot] = []
        for shift, value in enumerate(mid):
            if value in (0.0, 1.0):
                self.tape.folded.append((experiment, emu, shift, float(value)))
            if value == 0.0:
                slots.append(None)
            elif value == 1.0:
                slots.append(self.tape.constant(1.0))
            else:
                slots.append(self.tape.input((experiment, emu, shift), float(value)))
        return slots

    def mids(self, source: Source) -> list[list[Slot]]:
        """Slots of the MID of a source, per experiment."""
        if source not in self.known:
            head, tail = self.known[(source[0],)], self.mids(source[1:])
            self.known[source] = [self.tape.convolve(head[e], tail[e]) for e in self.experiments]
        return self.known[source]

    def _weight(self, fluxes: Mapping[int, float]) -> Slot:
        key = tuple(sorted(fluxes.items()))
        if key not in self.weights:
            total: Slot = None
            for flux, coefficient in key:
                total = self.tape.multiply_add(total, self.tape.constant(coefficient), flux)
            self.weights[key] = total
        return self.weights[key]

    def solve_block(self, block: tuple[Emu, ...]) -> None:
        """Add the operations that solve one block; see the module docstring for the form."""
        tape, size = self.tape, len(block[0].atoms) + 1
        if self._is_unlabeled(block):
            for emu in block:
                self.known[(emu,)] = [[tape.constant(1.0)] + [None] * (size - 1) for _ in self.experiments]
            return
        index: dict[Source, int] = {(emu,): i for i, emu in enumerate(block)}
        # Weight of each EMU of the block in the balance of another.
        inner: list[dict[int, Slot]] = [{} for _ in block]
        outer: list[Slot] = [None] * len(block)  # total weight of sources outside the block
        supply = [[[None] * size for _ in self.experiments] for _ in block]  # weighted sum of these sources
        for i, emu in enumerate(block):
            for source, fluxes in sorted(self.system.balances[emu].items()):
                weight = self._weight(fluxes)
                if source in index:
                    inner[i][index[source]] = weight
                else:
                    outer[i] = tape.add(outer[i], weight)
                    self._accumulate(supply[i], weight, self.mids(source))
        steps = []
        left = set(range(len(block)))
        while left:
            k = min(left, key=lambda each: (self._fill_in(each, left, inner), each))
            left.discard(k)
            remaining = {j: weight for j, weight in sorted(inner[k].items()) if j in left}
            total = outer[k]
            for weight in remaining.values():
                total = tape.add(total, weight)
            inverse = tape.reciprocal(total)
            for i in sorted(left):
                if k in inner[i]:
                    share = tape.multiply(inner[i].pop(k), inverse)
                    for j, weight in remaining.items():
                        if j != i:
                            inner[i][j] = tape.multiply_add(inner[i].get(j), share, weight)
                    outer[i] = tape.multiply_add(outer[i], share, outer[k])
                    self._accumulate(supply[i], share, supply[k])
            steps.append((k, inverse, remaining))
        for k, inverse, remaining in reversed(steps):
            total = [list(each) for each in supply[k]]
            for j, weight in remaining.items():
                self._accumulate(total, weight, self.known[(block[j],)])
            self.known[(block[k],)] = [[tape.multiply(slot, inverse) for slot in mid] for mid in total]

    def _accumulate(self, total, weight: Slot, mids) -> None:
        for e in self.experiments:
            total[e] = [self.tape.multiply_add(old, weight, new) for old, new in zip(total[e], mids[e], strict=True)]

    def _is_unlabeled(self, block: tuple[Emu, ...]) -> bool:
        inside = {(emu,) for emu in block}
        sources = {source for emu in block for source in self.system.balances[emu] if source not in inside}
        one = [self.tape.constant(1.0)]
        return all(mid[:1] == one and not any(mid[1:]) for source in sources for mid in self.mids(source))

    @staticmethod
    def _fill_in(k: int, left: set[int], inner: list[dict[int, Slot]]) -> int:
        """Work caused by eliminating an EMU (Markowitz count)."""
        dependents = sum(1 for i in left if i != k and k in inner[i])
        return dependents * (1 + sum(1 for j in inner[k] if j in left and j != k))


def _finish(system: EmuSystem, tape: _Tape, slots: list[list[Slot]]) -> Program:
    zero = tape.constant(0.0)
    origins = {
        tape._INPUT: tape.flux_count,
        tape._CONSTANT: tape.flux_count + len(tape.inputs),
        tape._OPERATION: tape.flux_count + len(tape.inputs) + len(tape.constants),
    }

    def place(slot: Slot) -> int:
        slot = zero if slot is None else slot
        base = max((origin for origin in origins if slot >= origin), default=0)
        return slot - base + origins.get(base, 0)

    operations = np.zeros((len(tape.operations), 4), dtype=np.int32)
    for row, (kind, *arguments) in enumerate(tape.operations):
        used = {MULTIPLY: 2, ADD: 2, MULTIPLY_ADD: 3, RECIPROCAL: 1}[kind]
        operations[row, 0] = kind
        operations[row, 1 : used + 1] = [place(each) for each in arguments[:used]]
    return Program(
        system=system,
        operations=operations,
        constants=np.array(list(tape.constants), dtype=float),
        input_values=np.array(tape.input_values, dtype=float),
        input_keys=tuple(tape.inputs),
        outputs=np.array([[place(slot) for slot in row] for row in slots], dtype=np.int64),
        flux_count=tape.flux_count,
        folded=tuple(tape.folded),
    )
