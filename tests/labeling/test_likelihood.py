"""The likelihood on one tape equals simulator, measurement model and residuals taken one after another."""

import numpy as np
import pytest
from scipy.special import ndtr

from fluxkit.emu import simulate_mids
from fluxkit.errors import FluxError
from tests.inference.problems import hct116_control, parallel_ccm, random_points


def by_hand(density, fluxes, weights):
    """Standardised residuals from the measurement model; a censored zero counts what exceeds its limit."""
    predicted = density.measurement.predict(simulate_mids(density.program, fluxes), weights)
    predicted = predicted.reshape(len(fluxes), -1)[:, density.known]
    limit, measured = density.limit.ravel()[density.known], density.measured.ravel()[density.known]
    sd = density.sd.ravel()[density.known]
    return np.where(density.censored, np.maximum(predicted - np.nan_to_num(limit), 0), predicted - measured) / sd


@pytest.mark.parametrize("problem", [hct116_control, parallel_ccm])
def test_residuals_and_their_sum_of_squares_are_those_of_each_step(problem):
    density = problem()
    points = random_points(density, 20)
    state = density._state(points)
    expected = by_hand(density, state.fluxes, ndtr(density.split(points)[2]))
    found = density.likelihood.residuals(state.fluxes, state.weights)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)  # values of 1e-12 over an sd of 0.001
    value, _, _ = density.likelihood.log_likelihood(state.fluxes, state.weights)
    np.testing.assert_allclose(value, -0.5 * np.sum(expected**2, axis=1), rtol=1e-11)


@pytest.mark.parametrize("problem", [hct116_control, parallel_ccm])
def test_pools_without_supply_are_predicted_as_by_each_step(problem):
    density = problem()
    fluxes = density._state(random_points(density, 6)).fluxes
    weights = np.full((6, len(density.measurement.weight_names)), 0.3)
    names = density.space.network.reaction_names
    reversible = np.flatnonzero(density.space.network.reversible).tolist()
    for state, fragment in zip(fluxes, density.measurement.fragments, strict=False):
        for k, reaction in enumerate(density.space.network.reactions):
            if fragment.metabolite in {each.metabolite for each in reaction.products}:
                state[names.index(reaction.name)] = 0.0
            if reaction.reversible and fragment.metabolite in {each.metabolite for each in reaction.substrates}:
                state[len(names) + reversible.index(k)] = 0.0
    found = density.likelihood.residuals(fluxes, weights)
    np.testing.assert_allclose(found, by_hand(density, fluxes, weights), rtol=0, atol=1e-9)


def test_a_negative_flux_is_refused_by_name():
    density = hct116_control()
    state = density._state(random_points(density, 2))
    state.fluxes[1, 0] = -1.0
    for action in (density.likelihood.residuals, density.likelihood.log_likelihood):
        with pytest.raises(FluxError, match="state 1: directed flux .* is -1"):
            action(state.fluxes, state.weights)


def test_the_measured_example_uses_every_part_of_the_measurement_model():
    """Censored zeros, mixtures and dilution, masks, natural abundance."""
    density = hct116_control()
    assert density.censored.any()
    assert len(density.measurement.weight_names) > 1
    assert not density.measurement.keep.all()
    assert not np.allclose(density.measurement.abundance, np.eye(*density.measurement.abundance.shape))
