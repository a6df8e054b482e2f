"""What a posterior network is given of some samples: features of the data, and the simulator's linear answer."""

from typing import Any, NamedTuple

import numpy as np

from fluxkit.learning.linearised import Lineariser
from fluxkit.learning.observed import Observed


class Reading(NamedTuple):
    """Arrays in float32, or tensors, of some samples.

    Parameters
    ----------
    rows : numpy.ndarray
        Features of each measurement, shape ``(sample, experiment, measurement, feature)``.
    known : numpy.ndarray
        Which measurements exist, shape ``(sample, experiment, measurement)``, 0 or 1.
    context : numpy.ndarray
        Features of each experiment, shape ``(sample, experiment, context)``.
    present : numpy.ndarray
        Which experiments exist, shape ``(sample, experiment)``, 0 or 1.
    rates : numpy.ndarray
        Features of the measured rates, shape ``(sample, rate feature)``.
    answer : numpy.ndarray
        Features of the linear answer, shape ``(sample, answer feature)``: its centre and point first.
    covariance : numpy.ndarray
        Covariance of the linear answer, shape ``(sample, parameter, parameter)``.
    """

    rows: Any
    known: Any
    context: Any
    present: Any
    rates: Any
    answer: Any
    covariance: Any


def read(lineariser: Lineariser, seen: Observed, experiments: int | None = None) -> Reading:
    """Return what a posterior network is given of what was measured.

    Parameters
    ----------
    lineariser : Lineariser
        In the coordinates of the network.
    seen : Observed
        Measurements of some samples.
    experiments : int, optional
        Places for parallel experiments; as many as a sample has at most by default.
    """
    vocabulary, owner = lineariser.vocabulary, seen.owner
    slot = np.arange(len(owner)) - np.searchsorted(owner, owner)
    places = experiments if experiments is not None else int(slot.max()) + 1
    shape = (seen.samples, places)

    def placed(values: np.ndarray) -> np.ndarray:
        result = np.zeros((*shape, *values.shape[1:]), dtype=np.float32)
        result[owner, slot] = values
        return result

    rows, known, context = (placed(each) for each in seen.encode(vocabulary))
    linear = lineariser.answer(seen)
    return Reading(
        rows,
        known,
        context,
        placed(np.ones(len(owner))),
        seen.rates.features(vocabulary.network.normalising_flux),
        linear.features(),
        linear.covariance.astype(np.float32),
    )
