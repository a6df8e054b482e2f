"""The EMU balances written out on a tape: from fluxes and input MIDs to every MID.

A MID is kept as its labeled part and its sum: one where label can reach the EMU, zero where no flux supplies it. The
sum is the same in every experiment, so that the unlabeled share, sum minus labeled part, costs almost nothing.
"""

from collections.abc import Mapping, Sequence

from fluxkit.emu.decomposition import Emu, EmuSystem, Source
from fluxkit.emu.elimination import Terms, Vector, eliminate, solve
from fluxkit.emu.tape import Slot, TapeBuilder

SUM: tuple[int, ...] = (-1,)
"""Key of the sum of a MID; every other key is the experiment, then the mass shift or the heavy atoms by element."""


class Balances:
    """Solves all blocks on a tape.

    Parameters
    ----------
    system : EmuSystem
        The balances.
    tape : TapeBuilder
        Collects the operations.
    fluxes : sequence of Slot
        The directed fluxes.
    inputs : mapping of Emu to Vector
        The MIDs of the input EMUs.
    """

    def __init__(self, system: EmuSystem, tape: TapeBuilder, fluxes: Sequence[Slot], inputs: Mapping[Emu, Vector]):
        self.system, self.tape, self.fluxes = system, tape, fluxes
        self._known: dict[Source, Vector] = {(emu,): vector for emu, vector in inputs.items()}
        self._weights: dict[tuple[tuple[int, float], ...], Slot] = {}
        for block in system.blocks:
            self._solve(block)

    def mids(self, source: Source) -> Vector:
        """Return the MID of a source; molecules that join are convolved.

        Parameters
        ----------
        source : Source
            The EMUs that join, mostly one.
        """
        if source not in self._known:
            self._known[source] = self._join(self._known[source[:1]], self.mids(source[1:]))
        return self._known[source]

    def unlabeled(self, mid: Vector, experiment: int) -> Slot:
        """Return the share of molecules without label.

        Parameters
        ----------
        mid : Vector
            As :meth:`mids` returns it.
        experiment : int
            Which experiment.
        """
        whole = share = mid.get(SUM)
        for key, slot in mid.items():
            if key[0] == experiment:
                share = self.tape.multiply_subtract(share, self.tape.constant(1.0), slot)
        if share == whole:
            return share
        return self.tape.multiply(share, self.tape.flows(share))  # rounding must not bring it below zero

    def _join(self, left: Vector, right: Vector) -> Vector:
        """Convolve two MIDs of the same experiments."""
        tape = self.tape
        total: Vector = {}
        for one, other in ((left, right), (right, left)):
            for key, slot in one.items():
                if key != SUM:
                    total[key] = tape.multiply_add(total.get(key), slot, self.unlabeled(other, key[0]))
        for i, a in left.items():
            for j, b in right.items():
                if i[0] == j[0] and i != SUM:
                    key = (i[0], *map(int.__add__, i[1:], j[1:]))
                    total[key] = tape.multiply_add(total.get(key), a, b)
        total[SUM] = tape.multiply(left[SUM], right[SUM])
        return total

    def _weight(self, fluxes: Mapping[int, float]) -> Slot:
        key = tuple(sorted(fluxes.items()))
        if key not in self._weights:
            total: Slot = None
            for flux, coefficient in key:
                total = self.tape.multiply_add(total, self.tape.constant(coefficient), self.fluxes[flux])
            self._weights[key] = total
        return self._weights[key]

    def _solve(self, block: tuple[Emu, ...]) -> None:
        index: dict[Source, int] = {(emu,): i for i, emu in enumerate(block)}
        inner: list[dict[int, Slot]] = [{} for _ in block]
        outer: list[Slot] = [None] * len(block)
        supply: list[Terms] = [[] for _ in block]
        for i, emu in enumerate(block):
            for source, fluxes in sorted(self.system.balances[emu].items()):
                weight = self._weight(fluxes)
                if source in index:
                    inner[i][index[source]] = weight
                else:
                    outer[i] = self.tape.add(outer[i], weight)
                    supply[i].append((weight, self.mids(source)))
        unlabeled: Vector = {SUM: self.tape.constant(1.0)}
        if all(mid == unlabeled for terms in supply for _, mid in terms):
            for source in index:
                self._known[source] = unlabeled
        else:
            solved = solve(self.tape, eliminate(self.tape, inner, outer), supply)
            for source, mid in zip(index, solved, strict=True):
                mid[SUM] = self.tape.flows(mid.get(SUM))  # one without rounding, and with derivative zero
                self._known[source] = mid
