"""The standardised residuals of one experiment as a straight-line program, whatever was measured of it.

Labeling, mixtures, natural isotopes and the renormalisation over what is kept are one program for all data of a
vocabulary: which mass shifts are kept, their values and their standard deviations are its inputs.
"""

from dataclasses import dataclass

import numpy as np

from fluxkit.emu import Program, Slot, Tape, TapeBuilder, tangent
from fluxkit.labeling.likelihood import DATA, FLUXES, WEIGHTS, write_mixture
from fluxkit.labeling.mixing import Mixing

_ALMOST_NOTHING = 1e-6  # beside what is kept, so that what is nearly absent keeps finite derivatives


@dataclass(frozen=True, eq=False)
class ResidualTape:
    """The program, its derivative, and the layout of its data.

    Parameters
    ----------
    values : Tape
        From fluxes, input MIDs, weights and data to ``(model - measured) / sd`` of all mass shifts of all
        measurements; zero where not kept.
    tangent : Tape
        To its derivative along a direction of fluxes and weights.
    abundance : tuple of numpy.ndarray
        Measurement, mass shift that is added to, and exact mass shift, of each factor of natural abundance.
    """

    values: Tape
    tangent: Tape
    abundance: tuple[np.ndarray, np.ndarray, np.ndarray]

    @property
    def size(self) -> int:
        """Number of residuals."""
        return len(self.values.outputs[0])

    def data(self, kept: np.ndarray, mid: np.ndarray, sd: np.ndarray, abundance: np.ndarray) -> np.ndarray:
        """Return the data of the program, float32.

        Parameters
        ----------
        kept : numpy.ndarray
            Which mass shifts are measured, shape ``(lane, value)``, bool.
        mid, sd : numpy.ndarray
            What was measured, same shape; anything where not kept.
        abundance : numpy.ndarray
            Matrices for row vectors of MIDs, shape ``(lane, measurement, width, width)``.
        """
        measurement, seen, exact = self.abundance
        scale = np.divide(1.0, sd, out=np.zeros(kept.shape), where=kept)
        expected = np.multiply(mid, scale, out=np.zeros(kept.shape), where=kept)
        factors = abundance[:, measurement, exact, seen]
        return np.concatenate([kept, scale, expected, factors], axis=1, dtype=np.float32)


def write_residuals(program: Program, mixing: Mixing, sizes: np.ndarray) -> ResidualTape:
    """Write the residuals of all measurements of one experiment.

    Parameters
    ----------
    program : Program
        Simulator of the pools of the mixtures, for one experiment.
    mixing : Mixing
        From pools to mixtures.
    sizes : numpy.ndarray
        Mass shifts of each mixture, shape ``(mixture,)``.
    """
    count = int(sizes.sum())
    places = [(m, i, k) for m, size in enumerate(sizes) for i in range(size) for k in range(i + 1)]
    factor = {key: 3 * count + n for n, key in enumerate(places)}
    builder = TapeBuilder((program.flux_count, len(program.input_values), mixing.n_weights, 3 * count + len(places)))
    exact = program.write(builder)
    residuals: list[Slot] = []
    for mixture, (start, size) in enumerate(zip(mixing.starts.tolist(), sizes.tolist(), strict=True)):
        mixed = write_mixture(builder, mixing, exact, mixture, range(start, start + size))
        seen, total = [], builder.constant(_ALMOST_NOTHING)
        for i in range(size):
            value: Slot = None
            for k in range(i + 1):  # natural isotopes only add mass
                value = builder.multiply_add(value, builder.input(DATA, factor[mixture, i, k]), mixed[k])
            seen.append(builder.multiply(value, builder.input(DATA, start + i)))
            total = builder.add(total, seen[i])
        inverse = builder.reciprocal(total)
        for i in range(size):
            scaled = builder.multiply(builder.multiply(seen[i], inverse), builder.input(DATA, count + start + i))
            expected = builder.input(DATA, 2 * count + start + i)
            residuals.append(builder.multiply_subtract(scaled, builder.constant(1.0), expected))
    tape = builder.finish([residuals])
    measurement, shift, source = np.array(places).T
    return ResidualTape(tape, tangent(tape, (FLUXES, WEIGHTS)), (measurement, shift, source))
