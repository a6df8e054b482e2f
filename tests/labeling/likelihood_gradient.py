"""The gradient of a likelihood against finite differences of simulator, measurement model and sum of squares."""

import numpy as np

from fluxkit.emu import simulate_mids
from fluxkit.labeling import MeasurementModel, parse_tracers
from fluxkit.labeling.likelihood import Likelihood
from fluxkit.labeling.programs import labeling_program
from fluxkit.networks import Network


def assert_likelihood_gradient(model: MeasurementModel, network: Network, tracers: list[str]) -> None:
    """Compare gradients by all directed fluxes and weights at two random states, with random data.

    A step of 1e-5 of each value leaves about 1e-9 of the largest slope.
    """
    rng = np.random.default_rng(1)
    program = labeling_program(network, model.fragments, tuple(parse_tracers(text, network) for text in tracers))
    known = np.flatnonzero(model.measured.ravel())
    data, sd = rng.uniform(0, 0.5, len(known)), rng.uniform(0.05, 0.2, len(known))
    none = np.zeros(len(known), dtype=bool)
    likelihood = Likelihood(program, model, known, data, sd, none)
    fluxes = rng.uniform(1, 10, (2, program.flux_count))
    weights = rng.uniform(0.1, 0.9, (2, len(model.weight_names)))

    def by_hand(points: np.ndarray) -> np.ndarray:
        mids = simulate_mids(program, points[:, : program.flux_count])
        predicted = model.predict(mids, points[:, program.flux_count :]).reshape(len(points), -1)[:, known]
        return -0.5 * np.sum(((predicted - data) / sd) ** 2, axis=1)

    value, by_fluxes, by_weights = likelihood.log_likelihood(fluxes, weights)
    assert np.abs(by_weights).min() > 0
    for state, point in enumerate(np.concatenate([fluxes, weights], axis=1)):
        np.testing.assert_allclose(value[state], by_hand(point[None]), rtol=1e-11)
        step = np.diag(1e-5 * point)
        expected = (by_hand(point + step) - by_hand(point - step)) / (2e-5 * point)
        found = np.concatenate([by_fluxes[state], by_weights[state]])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8 * np.abs(expected).max())
