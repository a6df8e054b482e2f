"""Labeling programs: from directed fluxes to the MIDs of all fragments in parallel experiments, and derivatives.

The EMU balances are solved once, on symbols; what remains is a straight-line program for any number of flux states.
All experiments share what holds only fluxes. Exact zeros and ones of the given inputs are folded away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from fluxkit.emu import derivatives
from fluxkit.emu.balances import SUM, Balances
from fluxkit.emu.decomposition import Emu, EmuSystem
from fluxkit.emu.elimination import Vector
from fluxkit.emu.tape import Slot, Tape, TapeBuilder
from fluxkit.errors import LabelingError

_EFFORT = 2
"""Simulations run on many states: see :class:`fluxkit.emu.tape.Tape`."""
FLUXES, INPUTS = range(2)
"""The input arrays of a tape: directed fluxes, and the values of the input MIDs that were not folded."""


@dataclass(frozen=True, eq=False)
class Program:
    """Simulates the MIDs of some fragments in parallel experiments.

    Parameters
    ----------
    system : EmuSystem
        What it solves.
    inputs : tuple of mapping of Emu to numpy.ndarray
        Per experiment, the MID of each input EMU.
    """

    system: EmuSystem
    inputs: tuple[Mapping[Emu, np.ndarray], ...]

    @cached_property
    def _pattern(self) -> "_InputPattern":
        return _InputPattern(self.system, self.inputs)

    @cached_property
    def input_values(self) -> np.ndarray:
        """Values of the inputs that were not folded, shape ``(input,)``."""
        return self._pattern.values

    @cached_property
    def flux_count(self) -> int:
        """Number of directed fluxes."""
        network = self.system.network
        return len(network.reactions) + int(network.reversible.sum())

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Shape of the MIDs of one state: experiments, values of all fragments one after another."""
        return len(self.inputs), sum(len(each.isotopologues) for each in self.system.fragments)

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
        return self._pattern.bind(inputs)

    @cached_property
    def tape(self) -> Tape:
        """From directed fluxes and input values to MIDs, one experiment after another."""
        builder = TapeBuilder((self.flux_count, len(self.input_values)))
        return replace(builder.finish([self.write(builder)]), effort=_EFFORT)

    def write(self, builder: TapeBuilder, strengths: Mapping[tuple[int, str], Slot] | None = None) -> list[Slot]:
        """Write the program on a tape whose first two inputs are directed fluxes and input values.

        Parameters
        ----------
        builder : TapeBuilder
            Collects the operations.
        strengths : mapping of (int, str) to Slot, optional
            For an experiment and an input pool, which part of the pool the given input MIDs describe; the rest of it
            is unlabeled.

        Returns
        -------
        list of Slot
            The MIDs of all fragments, one experiment after another.
        """
        return _write(builder, self.system, self._pattern, self.flux_count, strengths or {})

    @cached_property
    def adjoint(self) -> Tape:
        """From fluxes, input values and a cotangent of the MIDs to MIDs and the gradient by the fluxes."""
        return replace(derivatives.adjoint(self.tape), effort=_EFFORT)

    @cached_property
    def tangent(self) -> Tape:
        """From fluxes, input values and a direction of the fluxes to the derivative of the MIDs."""
        return replace(derivatives.tangent(self.tape), effort=_EFFORT)


def build_program(system: EmuSystem, inputs: Sequence[Mapping[Emu, np.ndarray]]) -> Program:
    """Return the program for the given inputs.

    Parameters
    ----------
    system : EmuSystem
        The balances.
    inputs : sequence of mapping of Emu to numpy.ndarray
        Per experiment, the MID of each input EMU: shape ``(atoms + 1,)``, or one axis for each of its elements
        in alphabetical order where a fragment tells isotopes apart. Exact zeros and ones are folded into the
        program; every other value is an input that can change from run to run.

    Raises
    ------
    LabelingError
        An input is no MID.
    """
    for experiment, each in enumerate(inputs):
        for emu in system.inputs:
            mid, size = np.asarray(each[emu], dtype=float), len(_keys(system, emu.atoms))
            if mid.size != size or not (mid >= 0).all() or abs(mid.sum() - 1) > 1e-6:
                raise LabelingError(
                    f"experiment {experiment}: the input MID of {emu.metabolite} is {mid}; "
                    f"it needs {size} values, not negative, that sum to 1."
                )
    return Program(system, tuple(inputs))


def _keys(system: EmuSystem, atoms: Sequence[tuple[str, int]]) -> list[tuple[int, ...]]:
    """Return what each value of a MID of these atoms counts: mass, or heavy atoms by element."""
    if not system.resolved:
        return [(shift,) for shift in range(len(atoms) + 1)]
    counts = [sum(1 for element, _ in atoms if element == each) for each in system.elements]
    return list(product(*(range(count + 1) for count in counts)))


class _InputPattern:
    """Which values of the input MIDs are exact zeros and ones, and which are inputs of the program.

    Parameters
    ----------
    system : EmuSystem
        The balances.
    inputs : sequence of mapping of Emu to numpy.ndarray
        Per experiment, the MID of each input EMU.
    """

    def __init__(self, system: EmuSystem, inputs: Sequence[Mapping[Emu, np.ndarray]]):
        self.experiments = len(inputs)
        places = [
            (experiment, emu, place, float(value))
            for experiment, each in enumerate(inputs)
            for emu in system.inputs
            for place, value in enumerate(np.ravel(each[emu]))
        ]
        self.folded = [each for each in places if each[3] in (0.0, 1.0)]
        self.free = {each[:3]: index for index, each in enumerate(p for p in places if p[3] not in (0.0, 1.0))}
        self.values = np.array([each[3] for each in places if each[3] not in (0.0, 1.0)], dtype=float)

    def bind(self, inputs: Sequence[Mapping[Emu, np.ndarray]]) -> np.ndarray:
        """Return the input values of other MIDs of the same pattern.

        Parameters
        ----------
        inputs : sequence of mapping of Emu to numpy.ndarray
            Per experiment, the MID of each input EMU.

        Raises
        ------
        LabelingError
            A value differs where the pattern has a zero or a one.
        """
        for experiment, emu, place, value in self.folded:
            given = float(np.ravel(inputs[experiment][emu])[place])
            if given != value:
                raise LabelingError(
                    f"experiment {experiment}: M+{place} of {emu.metabolite} is {given:g}, but this program "
                    f"was built for {value:g} there; build a program for this tracer."
                )
        return np.array([np.ravel(inputs[e][emu])[place] for e, emu, place in self.free], dtype=float)


def _write(
    tape: TapeBuilder,
    system: EmuSystem,
    pattern: _InputPattern,
    flux_count: int,
    strengths: Mapping[tuple[int, str], Slot],
) -> list[Slot]:
    one = tape.constant(1.0)
    inputs: dict[Emu, Vector] = {emu: {SUM: one} for emu in system.inputs}
    keys = {emu: _keys(system, emu.atoms) for emu in system.inputs}
    for experiment, emu, place, value in pattern.folded:
        if value and place:
            inputs[emu][experiment, *keys[emu][place]] = strengths.get((experiment, emu.metabolite), one)
    for (experiment, emu, place), index in pattern.free.items():
        if place:
            part = strengths.get((experiment, emu.metabolite), one)
            inputs[emu][experiment, *keys[emu][place]] = tape.multiply(tape.input(INPUTS, index), part)
    balances = Balances(system, tape, [tape.input(FLUXES, i) for i in range(flux_count)], inputs)
    values: list[Slot] = []
    for experiment in range(pattern.experiments):
        for fragment, target in zip(system.fragments, system.targets, strict=True):
            mid = balances.mids(target)
            row: list[Slot] = [balances.unlabeled(mid, experiment)]
            row += [None] * (len(fragment.isotopologues) - 1)
            for place, key in enumerate(_keys(system, fragment.atoms)[1:], 1):
                seen = place if fragment.resolved else sum(key)  # elements that are not told apart add up
                row[seen] = tape.add(row[seen], mid.get((experiment, *key)))
            values += row
    return values
