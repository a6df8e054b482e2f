"""What was measured of some samples, as arrays over the words of a vocabulary: the one form of training and use."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from fluxkit.errors import LabelingError
from fluxkit.labeling import Tracers, parse_tracers
from fluxkit.labeling.programs import input_mids
from fluxkit.labeling.tracers import labeled_elements
from fluxkit.learning.measured_rates import MeasuredRates, read_rates
from fluxkit.learning.vocabulary import Vocabulary, encode_context, encode_values


@dataclass(frozen=True, eq=False)
class Observed:
    """Measurements of some samples; each experiment of each sample is a lane.

    Parameters
    ----------
    owner : numpy.ndarray
        Sample of each lane, rising, shape ``(lane,)``.
    inputs : numpy.ndarray
        Input values of the simulator, shape ``(lane, input)``.
    tracers : numpy.ndarray
        Features of the tracers, shape ``(lane, feature)``.
    mode : numpy.ndarray
        Which natural isotopes the data still carry, shape ``(lane,)``, int.
    mid, sd : numpy.ndarray
        Shape ``(lane, measurement, width)``; anything where not kept.
    kept : numpy.ndarray
        Which mass shifts are measured, same shape, bool.
    rates : MeasuredRates
        Measured rates of the samples.
    """

    owner: np.ndarray
    inputs: np.ndarray
    tracers: np.ndarray
    mode: np.ndarray
    mid: np.ndarray
    sd: np.ndarray
    kept: np.ndarray
    rates: MeasuredRates

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.rates.value)

    def encode(self, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return features of each lane: rows ``(lane, measurement, feature)``, which measurements
        are known ``(lane, measurement)``, 0 or 1, and context ``(lane, feature)``.

        Parameters
        ----------
        vocabulary : Vocabulary
            What the network can read.
        """
        known = np.asarray(self.kept.any(axis=-1), dtype=np.float32)
        rows = encode_values(vocabulary, self.mid, self.sd, self.kept)
        return rows, known, encode_context(self.tracers, self.mode)


def observe(vocabulary: Vocabulary, labeling: xr.Dataset) -> Observed:
    """Read one measured sample.

    Parameters
    ----------
    vocabulary : Vocabulary
        What the network can read.
    labeling : xarray.Dataset
        A labeling dataset without a sample dimension, with ``mid_sd``.

    Raises
    ------
    LabelingError
        There are several samples, or no standard deviations.
    """
    if "mid_sd" not in labeling:
        raise LabelingError(
            "labeling has no standard deviations; read it with a noise model, or simulate it with noise= (--noise)."
        )
    if strange := [str(dim) for dim in labeling["mid"].dims if dim not in ("experiment", "isotopologue")]:
        raise LabelingError(f"a posterior network reads one sample at a time; select one along {strange[0]!r}.")
    network = vocabulary.network
    experiments = {k: parse_tracers(v, network) for k, v in json.loads(labeling.attrs["tracers"]).items()}
    purity = float(labeling.attrs["purity"])
    mid, sd, kept = _measured(vocabulary, labeling, list(experiments.values()))
    inputs, understood = _inputs(vocabulary, list(experiments.values()), purity)
    return Observed(
        owner=np.zeros(len(experiments), dtype=int),
        inputs=inputs,
        tracers=np.array([vocabulary.tracer_features(each, purity) for each in experiments.values()]),
        mode=np.full(len(experiments), {"": 0, "C": 1}.get(labeling.attrs["natural_abundance"], 2)),
        mid=mid,
        sd=sd,
        kept=kept & understood[:, None, None],
        rates=read_rates(labeling, vocabulary.rates),
    )


def _measured(
    vocabulary: Vocabulary, labeling: xr.Dataset, experiments: Sequence[Tracers]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return MIDs, standard deviations and what is measured, shape ``(experiment, measurement, width)`` each."""
    elements = labeled_elements(experiments) or "C"
    order = ("experiment", "isotopologue") if "experiment" in labeling["mid"].dims else ("isotopologue",)
    mid, sd = (labeling[name].transpose(*order).values.reshape(len(experiments), -1) for name in ("mid", "mid_sd"))
    shape = (len(experiments), len(vocabulary.measurements), vocabulary.width)
    values, scales, kept = np.zeros(shape), np.ones(shape), np.zeros(shape, dtype=bool)
    taken: set[int] = set()
    names, shifts = labeling["fragment"].values.astype(str), labeling["mass_shift"].values
    for name in dict.fromkeys(names):
        place = vocabulary.find(name, elements)
        if place is None or place in taken:
            continue  # unknown to the network, or a second reading; the exact refinement uses it all the same
        taken.add(place)
        columns = np.flatnonzero(names == name)
        values[:, place, shifts[columns]] = np.nan_to_num(mid[:, columns])
        scales[:, place, shifts[columns]] = np.nan_to_num(sd[:, columns], nan=1.0)
        kept[:, place, shifts[columns]] = np.isfinite(mid[:, columns])
    return values, scales, kept


def _inputs(vocabulary: Vocabulary, experiments: Sequence[Tracers], purity: float) -> tuple[np.ndarray, np.ndarray]:
    """Return simulator inputs ``(experiment, input)``, and which experiments label only pools that training labeled."""
    program = vocabulary.program
    inputs = np.tile(program.input_values, (len(experiments), 1))
    understood = np.ones(len(experiments), dtype=bool)
    for k, each in enumerate(experiments):
        try:
            inputs[k] = program.bind([input_mids(program.system, each, purity)])
        except LabelingError:
            understood[k] = False
    return inputs, understood
