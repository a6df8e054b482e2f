"""Derivatives of MIDs by directed fluxes, against finite differences and a dense implicit adjoint."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxkit.emu import jacobian, pull_back, simulate_mids
from tests.emu.dense_emu import DenseEmu
from tests.emu.random_networks import input_mids, labeled_networks, program_of, split

FEW = settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SEEDS = st.integers(0, 2**32 - 1)


def central_differences(function, fluxes):
    """Derivative by each flux; a step of 1e-5 of the flux leaves about 1e-9 of error in smooth MIDs."""
    columns = []
    for k in np.eye(len(fluxes)):
        step = 1e-5 * fluxes @ k
        columns.append((function(fluxes + step * k) - function(fluxes - step * k)) / (2 * step))
    return np.stack(columns, axis=-1)


@FEW
@given(labeled_networks(positive=True, experiments=2), SEEDS)
def test_pull_back_equals_central_differences(case, seed):
    program, fluxes = program_of(case), case.fluxes
    cotangent = np.random.default_rng(seed).standard_normal((1, *program.outputs.shape))
    mids, gradient = pull_back(program, fluxes[None], cotangent)
    np.testing.assert_array_equal(mids, simulate_mids(program, fluxes[None]))
    expected = central_differences(lambda v: np.sum(cotangent * simulate_mids(program, v[None])), fluxes)
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-5, atol=1e-6)


@FEW
@given(labeled_networks(positive=True), SEEDS)
def test_pull_back_equals_the_dense_implicit_adjoint(case, seed):
    program = program_of(case)
    keys = [(each.metabolite, each.atoms) for each in case.fragments]
    reference = DenseEmu(case.network, keys)
    used = {each for ways in reference.sources.values() for _, _, source in ways for each in source}
    inputs = input_mids(case.network, used - set(reference.sources), case.inputs[0])
    cotangent = np.random.default_rng(seed).standard_normal((1, *program.outputs.shape))
    wanted: dict = {}
    for key, each in zip(keys, split(case, cotangent[0, 0]), strict=True):
        wanted[key] = wanted.get(key, 0) + each
    expected = reference.gradient(case.fluxes, inputs, wanted)
    gradient = pull_back(program, case.fluxes[None], cotangent)[1][0]
    np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-10)


@FEW
@given(labeled_networks(positive=True, experiments=2))
def test_jacobian_equals_central_differences(case):
    program = program_of(case)
    rows = np.eye(program.outputs.size).reshape(-1, *program.outputs.shape)
    expected = central_differences(lambda v: simulate_mids(program, v[None]).ravel(), case.fluxes)
    np.testing.assert_allclose(jacobian(program, case.fluxes, rows), expected, rtol=1e-5, atol=1e-6)


@FEW
@given(labeled_networks())
def test_scaling_all_fluxes_is_a_direction_without_slope(case):
    program = program_of(case)
    rows = np.eye(program.outputs.size).reshape(-1, *program.outputs.shape)
    slope = jacobian(program, case.fluxes, rows) @ case.fluxes
    np.testing.assert_allclose(slope, 0, atol=1e-12)


@FEW
@given(labeled_networks(), SEEDS)
def test_gradients_are_finite_where_fluxes_are_zero(case, seed):
    program = program_of(case)
    cotangent = np.random.default_rng(seed).standard_normal((1, *program.outputs.shape))
    assert np.isfinite(pull_back(program, case.fluxes[None], cotangent)[1]).all()
