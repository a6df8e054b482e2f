"""What can be measured of an experiment, as one program for all tracers that label the same elements.

The input MIDs are inputs of the program, so tracers and mixtures share it: none is compiled anew. They are linear in
the fractions of a mixture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import block_diag

from fluxkit.emu import Emu, Program, Slot, Tape, TapeBuilder, build_program, decompose, tangent
from fluxkit.errors import LabelingError
from fluxkit.labeling import Tracers
from fluxkit.labeling.likelihood import FLUXES, INPUTS, WEIGHTS, write_mixture
from fluxkit.labeling.meaning import ResolvedMeasurement, abundance_matrix, resolve_measurement
from fluxkit.labeling.mixing import Mixing, build_mixing
from fluxkit.labeling.programs import input_mids
from fluxkit.labeling.tracers import input_mid
from fluxkit.networks import Network


@dataclass(frozen=True, eq=False)
class Readings:
    """Measurements of one experiment.

    Parameters
    ----------
    measurements : tuple of ResolvedMeasurement
        What is measured.
    program : Program
        Simulator of the pools, for any tracers of the pools that may be labeled.
    mixing : Mixing
        From pools to measurements.
    weight_names : tuple of str
        Unknown shares and dilutions.
    """

    measurements: tuple[ResolvedMeasurement, ...]
    program: Program
    mixing: Mixing
    weight_names: tuple[str, ...]

    @cached_property
    def columns(self) -> Mapping[str, np.ndarray]:
        """Which values belong to each measurement, by name."""
        ends = np.append(self.mixing.starts, len(self.mixing.owner))
        return {m.name: np.arange(a, b) for m, a, b in zip(self.measurements, ends, ends[1:], strict=False)}

    @cached_property
    def values(self) -> Tape:
        """From directed fluxes, input values and weights to the MIDs that are measured."""
        counts = (self.program.flux_count, len(self.program.input_values), len(self.weight_names))
        builder = TapeBuilder(counts)
        exact = self.program.write(builder)
        return builder.finish([_write_readings(builder, self.mixing, exact)])

    @cached_property
    def slopes(self) -> Tape:
        """To their derivative along a direction of fluxes and weights."""
        return tangent(self.values, (FLUXES, WEIGHTS))

    @cached_property
    def input_slopes(self) -> Tape:
        """To their derivative along a direction of input values."""
        return tangent(self.values, (INPUTS,))

    def spread(self, natural_abundance: str) -> np.ndarray | None:
        """Return what natural isotopes make of the MIDs, shape ``(value, value)``; None where they are corrected for.

        Parameters
        ----------
        natural_abundance : str
            Elements whose natural isotopes the instrument does not resolve, as for :func:`fluxkit.simulate`.

        Raises
        ------
        LabelingError
            A measurement has no formula, or is seen by the mass of several labeled elements.
        """
        if not natural_abundance:
            return None
        return np.asarray(block_diag(*(abundance_matrix(m, m.formula, natural_abundance) for m in self.measurements)))

    @cached_property
    def _unlabeled(self) -> Mapping[Emu, np.ndarray]:
        return input_mids(self.program.system, Tracers({}, ""))

    def inputs(self, tracers: Tracers, purity: float) -> np.ndarray:
        """Return the input values of the program under some tracers, shape ``(input,)``.

        Parameters
        ----------
        tracers : Tracers
            What is infused.
        purity : float
            Isotopic purity of every labeled position.
        """
        known = {  # of hundreds of input EMUs a tracer labels few
            emu: input_mid(tracers, emu.metabolite, emu.atoms, purity, resolved=self.program.system.resolved)
            if tracers.pools.get(emu.metabolite)
            else mid
            for emu, mid in self._unlabeled.items()
        }
        return self.program.bind([known])


def _write_readings(builder: TapeBuilder, mixing: Mixing, exact: list[Slot]) -> list[Slot]:
    """Write the MIDs of all measurements; a mixture of which a pool is not supplied sums to one again."""
    ends = [*mixing.starts[1:].tolist(), len(mixing.owner)]
    pools = ((mixing.constant != 0) | (mixing.sign != 0)).sum(axis=0)
    rest = (mixing.rest_constant != 0) | (mixing.rest_sign != 0)
    one, values = builder.constant(1.0), []
    for mixture, (start, end) in enumerate(zip(mixing.starts.tolist(), ends, strict=True)):
        mixed = write_mixture(builder, mixing, exact, mixture, range(start, end))
        if pools[mixture] > 1 or rest[mixture] or mixture in mixing.diluted:
            total: Slot = None
            for slot in mixed:
                total = builder.multiply_add(total, slot, one)
            inverse = builder.reciprocal(total)
            mixed = [builder.multiply(slot, inverse) for slot in mixed]
        values += mixed
    return values


@lru_cache(maxsize=16)
def readings(network: Network, names: tuple[str, ...] | None, elements: str, pools: tuple[str, ...]) -> Readings | None:
    """Return what can be measured of experiments that label some elements of some input pools; cached.

    Parameters
    ----------
    network : Network
        The network.
    names : tuple of str, optional
        Observations and fragments; by default the whole observation table, else every balanced metabolite, each once.
    elements : str
        Labeled elements, ``"CN"``. A measurement without an atom of these sees nothing and is left out.
    pools : tuple of str
        Input pools that may be labeled.

    Returns
    -------
    Readings or None
        None where nothing that is measured holds an atom of these elements.

    Raises
    ------
    UnknownNameError, LabelingError
        A name means nothing in the network.
    """
    measurements = _distinct(network, elements) if names is None else _named(network, names, elements)
    if not measurements:
        return None
    mixing, fragments, weight_names = build_mixing(measurements)
    system = decompose(network, fragments)
    shapes = input_mids(system, Tracers({}, ""))
    generic = {
        emu: np.full(mid.shape, 1.0 / mid.size) if emu.metabolite in pools else mid for emu, mid in shapes.items()
    }
    return Readings(tuple(measurements), build_program(system, [generic]), mixing, weight_names)


def _resolve(network: Network, name: str, elements: str) -> ResolvedMeasurement | None:
    """Return what a name means, or None where its molecule has no atom of these elements."""
    tracked = "".join(each for each in "CNH" if each not in elements)
    try:
        return resolve_measurement(name, network, elements)
    except LabelingError:
        resolve_measurement(name, network, elements + tracked)  # a name that means nothing at all is refused
        return None


def _named(network: Network, names: Sequence[str], elements: str) -> list[ResolvedMeasurement]:
    found = [_resolve(network, name, elements) for name in names]
    for each in found:
        if each is not None and each.external:
            raise LabelingError(
                f"measurement {each.name!r} is an external pool: what goes in, not a result; leave it out."
            )
    return [each for each in found if each is not None]


def _distinct(network: Network, elements: str) -> list[ResolvedMeasurement]:
    """Return all measurements, without second readings of the same atoms of the same pools."""
    names = list(network.observations) or list(network.balanced)
    kept: list[ResolvedMeasurement] = []
    for name in names:
        new = _resolve(network, name, elements)
        if new is None or new.external or any(_covers(each, new) for each in kept):
            continue
        kept.append(new)
    return kept


def _covers(old: ResolvedMeasurement, new: ResolvedMeasurement) -> bool:
    if [(a.constant, a.weight, a.complement) for a in old.shares] != [
        (b.constant, b.weight, b.complement) for b in new.shares
    ]:
        return False
    pairs = list(zip(old.fragments, new.fragments, strict=True))
    return all(a.metabolite == b.metabolite and set(b.atoms) <= set(a.atoms) for a, b in pairs) and (
        old.resolved or not new.resolved
    )
