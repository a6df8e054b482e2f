"""The likelihood of one dataset as straight-line programs: labeling, measurement and residuals in one pass.

What an instrument reports of the exact MIDs is made of sums, products and one division per fragment, so it extends the
labeling program, and one run gives residuals, or their sum of squares with its gradient.
"""

from functools import cached_property, lru_cache

import numpy as np

from fluxkit.emu import Kernel, Program, Slot, Tape, TapeBuilder, gradient, kernel, run_tape, tangent
from fluxkit.emu.engine import refuse
from fluxkit.labeling.measurement import MeasurementModel
from fluxkit.labeling.mixing import Mixing

FLUXES, INPUTS, WEIGHTS, DATA = range(4)
"""The input arrays: directed fluxes, input MIDs, shares and dilutions, and the data (values, then scales)."""


class LikelihoodTapes:
    """The programs of one kind of data: which isotopologues are measured, not what was measured.

    Parameters
    ----------
    program : Program
        Simulator of the fragments that the measurement model asks for.
    measurement : MeasurementModel
        From exact MIDs to what the instrument reports.
    known : numpy.ndarray
        Flat positions (experiment, isotopologue) of the data, shape ``(datum,)``.
    censored : numpy.ndarray
        Data that count only where the prediction exceeds them, shape ``(datum,)``.
    """

    def __init__(self, program: Program, measurement: MeasurementModel, known: np.ndarray, censored: np.ndarray):
        self._program, self._measurement, self._known, self._censored = program, measurement, known, censored

    @cached_property
    def residuals(self) -> Tape:
        """From fluxes, input MIDs, weights and data to the standardised residuals."""
        builder = self._builder()
        return builder.finish([self._write_residuals(builder)])

    @cached_property
    def gradient(self) -> Tape:
        """To minus half the sum of squares, and its gradients by fluxes and by weights."""
        builder = self._builder()
        total: Slot = None
        for slot in self._write_residuals(builder):
            total = builder.multiply_add(total, slot, slot)
        halved = builder.multiply_subtract(None, total, builder.constant(0.5))
        return gradient(builder.finish([[halved]]), (FLUXES, WEIGHTS))

    @cached_property
    def tangent(self) -> Tape:
        """To the derivative of the residuals along a direction of fluxes and weights."""
        return tangent(self.residuals, (FLUXES, WEIGHTS))

    def _builder(self) -> TapeBuilder:
        counts = (self._program.flux_count, len(self._program.input_values), len(self._measurement.weight_names))
        return TapeBuilder((*counts, 2 * len(self._known)))

    def _write_residuals(self, builder: TapeBuilder) -> list[Slot]:
        first = self._measurement.mixing.n_weights
        strengths = {each: builder.input(WEIGHTS, first + i) for i, each in enumerate(self._measurement.strengths)}
        predicted = write_prediction(builder, self._measurement, self._program.write(builder, strengths))
        count = len(self._known)
        residuals = []
        for d, position in enumerate(self._known.tolist()):
            expected, scale = builder.input(DATA, d), builder.input(DATA, count + d)
            residual = builder.multiply_subtract(
                builder.multiply(predicted.get(position), scale), builder.constant(1.0), expected
            )
            if self._censored[d]:  # a zero below the detection limit counts only what exceeds the limit
                residual = builder.multiply(residual, builder.flows(residual))
            residuals.append(residual)
        return residuals


@lru_cache(maxsize=64)
def _tapes(program: Program, measurement: MeasurementModel, known: bytes, censored: bytes) -> LikelihoodTapes:
    """Return the tapes of one kind of data; refits to other values of the same kind share them."""
    return LikelihoodTapes(
        program, measurement, np.frombuffer(known, dtype=np.intp), np.frombuffer(censored, dtype=bool)
    )


class Likelihood:
    """Standardised residuals ``(model - measured) / sd`` of some data, and derivatives.

    Parameters
    ----------
    program : Program
        Simulator of the fragments that the measurement model asks for.
    measurement : MeasurementModel
        From exact MIDs to what the instrument reports.
    known : numpy.ndarray
        Flat positions (experiment, isotopologue) of the data, shape ``(datum,)``.
    expected, sd : numpy.ndarray
        What the prediction of each datum is compared with, and its standard deviation, shape ``(datum,)``.
    censored : numpy.ndarray
        Data that count only where the prediction exceeds them (zeros below a detection limit), shape ``(datum,)``.
    """

    def __init__(
        self,
        program: Program,
        measurement: MeasurementModel,
        known: np.ndarray,
        expected: np.ndarray,
        sd: np.ndarray,
        censored: np.ndarray,
    ):
        self.program, self.measurement = program, measurement
        self._tapes = _tapes(program, measurement, known.tobytes(), np.asarray(censored, dtype=bool).tobytes())
        self._shared = (program.input_values[None], np.concatenate([expected / sd, 1 / sd])[None])

    def residuals(self, fluxes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return standardised residuals, shape ``(state, datum)``.

        Parameters
        ----------
        fluxes : numpy.ndarray
            Directed fluxes, shape ``(state, directed flux)``, finite and not negative.
        weights : numpy.ndarray
            Shares and dilutions in [0, 1], shape ``(state, weight)``.

        Raises
        ------
        FluxError
            A flux is negative or not finite.
        """
        return self._run(self._tapes.residuals, fluxes, weights)[0]

    def prediction(self, fluxes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the prediction of each datum, shape ``(state, datum)``.

        Parameters
        ----------
        fluxes, weights : numpy.ndarray
            As in :meth:`residuals`.

        Raises
        ------
        FluxError
            As in :meth:`residuals`.
        """
        count = self._shared[1].shape[1] // 2
        plain = np.concatenate([np.zeros(count), np.ones(count)])[None]  # the residual from zero, in units of one
        return self._run(self._tapes.residuals, fluxes, weights, data=plain)[0]

    def log_likelihood(self, fluxes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return minus half the sum of squares ``(state,)``, and its gradients by fluxes and by weights.

        Parameters
        ----------
        fluxes, weights : numpy.ndarray
            As in :meth:`residuals`.

        Raises
        ------
        FluxError
            As in :meth:`residuals`.
        """
        value, by_fluxes, by_weights = self._run(self._tapes.gradient, fluxes, weights)
        return value[:, 0], by_fluxes, by_weights

    def push_forward(self, fluxes: np.ndarray, weights: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """Return derivatives of the residuals of one state along directions, shape ``(direction, datum)``.

        Parameters
        ----------
        fluxes : numpy.ndarray
            Directed fluxes of the state, shape ``(directed flux,)``.
        weights : numpy.ndarray
            Shares and dilutions, shape ``(weight,)``.
        directions : numpy.ndarray
            Shape ``(direction, directed flux + weight)``.
        """
        return self._run(self._tapes.tangent, fluxes[None], weights[None], directions)[0]

    def gradient_code(self, dtype: str, lanes: int) -> Kernel | None:
        """Return the machine code of :meth:`log_likelihood`, or None where it cannot be made here.

        Parameters
        ----------
        dtype : str
            ``"float64"`` or ``"float32"``.
        lanes : int
            States in one group of lanes.
        """
        return kernel(self._tapes.gradient, dtype, lanes)

    def residual_code(self) -> Kernel | None:
        """Return the machine code of :meth:`residuals` in double precision, as :meth:`gradient_code` does."""
        return kernel(self._tapes.residuals, "float64")

    def inputs(self, fluxes: np.ndarray, weights: np.ndarray, data: np.ndarray | None = None) -> list[np.ndarray]:
        """Return the input arrays of the programs for arrays of fluxes and weights, with these or other data."""
        inputs, own = self._shared
        return [fluxes, inputs, weights, own if data is None else data]

    def _run(
        self, tape: Tape, fluxes: np.ndarray, weights: np.ndarray, *extra: np.ndarray, data: np.ndarray | None = None
    ) -> list[np.ndarray]:
        arrays = [np.ascontiguousarray(each) for each in (*self.inputs(fluxes, weights, data), *extra)]
        outputs, good = run_tape(tape, arrays, len(arrays[-1] if extra else fluxes))
        if not good:
            raise refuse(self.program, fluxes)
        return outputs


def write_prediction(builder: TapeBuilder, measurement: MeasurementModel, mids: list[Slot]) -> dict[int, Slot]:
    """Write what the instrument reports of exact MIDs.

    Parameters
    ----------
    builder : TapeBuilder
        A tape whose inputs are those of :class:`Likelihood`.
    measurement : MeasurementModel
        The measurement model.
    mids : list of Slot
        Simulated MIDs, one experiment after another.

    Returns
    -------
    dict of int to Slot
        Prediction by flat position (experiment, isotopologue), where something is measured.
    """
    one = builder.constant(1.0)
    width = measurement.measured.shape[1]
    predicted: dict[int, Slot] = {}
    mixing = measurement.mixing
    pools = ((mixing.constant != 0) | (mixing.sign != 0)).sum(axis=0)
    rest = (mixing.rest_constant != 0) | (mixing.rest_sign != 0)
    ends = [*measurement.mixing.starts[1:].tolist(), len(measurement.place)]
    for experiment in range(len(measurement.keep)):
        own = mids[experiment * measurement.n_values :][: measurement.n_values]
        for mixture, (start, end) in enumerate(zip(measurement.mixing.starts.tolist(), ends, strict=True)):
            mixed = write_mixture(builder, measurement.mixing, own, mixture, range(start, end))
            keep = measurement.keep[experiment, start:end]
            abundance = measurement.abundance[start:end, : end - start]
            seen: list[Slot] = [None] * (end - start)
            for i in np.flatnonzero(keep):
                for k in range(i + 1):  # natural isotopes only add mass
                    if abundance[i, k]:
                        seen[i] = builder.multiply_add(seen[i], builder.constant(abundance[i, k]), mixed[k])
            # what is seen of one whole pool sums to one already, or to zero where nothing supplies it
            whole = keep.all() and np.allclose(abundance.sum(axis=0), 1, rtol=0, atol=1e-14)
            if pools[mixture] > 1 or mixture in measurement.mixing.diluted or rest[mixture] or not whole:
                total: Slot = None
                for slot in seen:
                    total = builder.multiply_add(total, slot, one)
                inverse = builder.reciprocal(total)
                seen = [builder.multiply(slot, inverse) for slot in seen]
            for i in np.flatnonzero(keep):
                predicted[experiment * width + int(measurement.place[start + i])] = seen[i]
    return predicted


def write_mixture(builder: TapeBuilder, mixing: Mixing, exact: list[Slot], mixture: int, values: range) -> list[Slot]:
    """Write the distribution of one mixture of pools, diluted by what is unlabeled.

    Parameters
    ----------
    builder : TapeBuilder
        A tape whose inputs are those of :class:`Likelihood`.
    mixing : Mixing
        From pools to mixtures.
    exact : list of Slot
        Simulated values of one experiment.
    mixture : int
        Which mixture.
    values : range
        Its mixture values.

    Returns
    -------
    list of Slot
        One for each mixture value.
    """
    own = (mixing.rest_constant[mixture], mixing.rest_sign[mixture], mixing.rest_weight[mixture])
    mixed: list[Slot] = [_write_share(builder, *own), *[None] * (len(values) - 1)]
    for p in range(len(mixing.sources)):
        own = (mixing.constant[p, mixture], mixing.sign[p, mixture], mixing.weight[p, mixture])
        share = _write_share(builder, *own)
        for k, value in enumerate(values):
            mixed[k] = builder.multiply_add(mixed[k], share, exact[int(mixing.sources[p, value])])
    diluted = mixing.diluted.tolist()
    if mixture in diluted:
        share = builder.input(WEIGHTS, mixing.n_weights - len(diluted) + diluted.index(mixture))
        mixed = [builder.multiply_subtract(slot, share, slot) for slot in mixed]
        mixed[0] = builder.multiply_add(mixed[0], share, builder.constant(1.0))
    return mixed


def _write_share(builder: TapeBuilder, constant: float, slope: float, weight: int) -> Slot:
    share: Slot = builder.constant(float(constant)) if constant else None
    if slope:
        share = builder.multiply_add(share, builder.constant(float(slope)), builder.input(WEIGHTS, int(weight)))
    return share
