"""Derivatives of MIDs by directed fluxes, against finite differences and a dense implicit adjoint."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxkit.emu import jacobian, pull_back, push_forward, simulate_mids
from fluxkit.errors import FluxError
from fluxkit.labeling import normalise_experiments
from fluxkit.labeling.programs import labeling_program
from fluxkit.networks import load_network, parse_fragment
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
    cotangent = np.random.default_rng(seed).standard_normal((1, *program.shape))
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
    cotangent = np.random.default_rng(seed).standard_normal((1, *program.shape))
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
    expected = central_differences(lambda v: simulate_mids(program, v[None])[0], case.fluxes)
    np.testing.assert_allclose(jacobian(program, case.fluxes), expected, rtol=1e-5, atol=1e-6)


@FEW
@given(labeled_networks(), SEEDS)
def test_jacobian_and_pull_back_are_one_matrix(case, seed):
    program = program_of(case)
    cotangent = np.random.default_rng(seed).standard_normal((1, *program.shape))
    gradient = pull_back(program, case.fluxes[None], cotangent)[1][0]
    slope = jacobian(program, case.fluxes)
    np.testing.assert_allclose(np.tensordot(cotangent[0], slope, 2), gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("directions", [1, 5, 8, 40, 200])
def test_directions_of_many_states_are_those_of_each(directions):
    program, fluxes, _ = pullback_case(3)
    own = np.random.default_rng(2).standard_normal((3, directions, program.flux_count))
    together = push_forward(program, fluxes, own)
    for k in range(3):
        expected = np.einsum("evf,df->dev", jacobian(program, fluxes[k]), own[k])
        np.testing.assert_allclose(together[k], expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(push_forward(program, fluxes[k : k + 1], own[k])[0], together[k])


@pytest.mark.parametrize("shape", [(2, 5), (4, 2, 112), (112,)])
def test_directions_of_a_wrong_shape_are_refused(shape):
    program, fluxes, _ = pullback_case(3)
    with pytest.raises(FluxError, match="direction"):
        push_forward(program, fluxes, np.ones(shape))


@FEW
@given(labeled_networks())
def test_scaling_all_fluxes_is_a_direction_without_slope(case):
    program = program_of(case)
    slope = jacobian(program, case.fluxes) @ case.fluxes
    np.testing.assert_allclose(slope, 0, atol=1e-12)


@FEW
@given(labeled_networks(), SEEDS)
def test_gradients_are_finite_where_fluxes_are_zero(case, seed):
    program = program_of(case)
    cotangent = np.random.default_rng(seed).standard_normal((1, *program.shape))
    assert np.isfinite(pull_back(program, case.fluxes[None], cotangent)[1]).all()


def pullback_case(states, seed=0):
    """The ccm program of two fragments at random flux states, with two cotangents."""
    network = load_network("ccm")
    tracers = normalise_experiments("Glc_x: 100% [U-13C6]", network)
    fragments = tuple(parse_fragment(each, network) for each in ("Cit.m", "Ser.c"))
    program = labeling_program(network, fragments, tuple(tracers.values()))
    rng = np.random.default_rng(seed)
    fluxes = rng.uniform(0.1, 100, (states, program.flux_count))
    return program, fluxes, rng.standard_normal((2, states, *program.shape))


def test_gradients_of_several_programs_do_not_disturb_each_other_in_threads():
    cases = [pullback_case(states, seed) for seed, states in enumerate((1, 4, 7, 16, 32, 33, 100, 16))]
    expected = [[pull_back(program, fluxes, each)[1] for each in pair] for program, fluxes, pair in cases]

    def run(i: int) -> np.ndarray:
        program, fluxes, cotangents = cases[i % 8]
        return pull_back(program, fluxes, cotangents[i // 8 % 2])[1]

    with ThreadPoolExecutor(4) as pool:
        for i, gradient in enumerate(pool.map(run, range(64))):
            np.testing.assert_array_equal(gradient, expected[i % 8][i // 8 % 2])
