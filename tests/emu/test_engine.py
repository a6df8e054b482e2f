"""The engine: many states at once, inputs per state, threads, and what it refuses."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fluxkit.emu import build_program, decompose, jacobian, pull_back, push_forward, running, simulate_mids
from fluxkit.errors import FluxError, LabelingError
from fluxkit.networks import Network, Participant, Reaction, load_network, parse_fragment
from tests.emu.isotopomer_balance import atoms_of
from tests.emu.random_networks import directed, input_mids

CCM = load_network("ccm")
SYSTEM = decompose(CCM, [parse_fragment(name, CCM) for name in ("Cit.m", "Ser.c", "R5P.c", "Glu.c")])


def glucose(share: float, purity: float = 1.0):
    """Input MIDs for a mixture of [U-13C6] and unlabeled glucose."""
    inputs = {pool: np.eye(1, 1 << len(atoms_of(CCM, pool)))[0] for pool in CCM.inputs}
    size = len(inputs["Glc_x"])
    ones = np.bitwise_count(np.arange(size))
    inputs["Glc_x"] = share * purity**ones * (1 - purity) ** (6 - ones) + (1 - share) * np.eye(1, size)[0]
    return input_mids(CCM, SYSTEM.inputs, inputs)


PROGRAM = build_program(SYSTEM, [glucose(1.0), glucose(0.4, 0.99)])


def states(n: int, seed: int = 0) -> np.ndarray:
    reference = CCM.reference_fluxes()
    fluxes = directed(CCM, reference["net_flux"].values, reference["exchange_flux"].values)
    return fluxes * np.random.default_rng(seed).lognormal(0, 0.5, (n, len(fluxes)))


@pytest.mark.parametrize("n", [1, 2, 5, 33, 64, 65, 200])
def test_a_batch_is_a_loop_over_its_states(n):
    fluxes = states(n)
    cotangent = np.random.default_rng(1).standard_normal((n, *PROGRAM.shape))
    mids, gradient = pull_back(PROGRAM, fluxes, cotangent)
    for k in range(n):
        one, slope = pull_back(PROGRAM, fluxes[k : k + 1], cotangent[k : k + 1])
        np.testing.assert_allclose(mids[k], one[0], rtol=0, atol=1e-15)
        np.testing.assert_allclose(gradient[k], slope[0], rtol=1e-12, atol=1e-15)


def test_no_states_give_no_mids():
    fluxes = states(3)[:0]
    assert simulate_mids(PROGRAM, fluxes).shape == (0, *PROGRAM.shape)
    mids, gradient = pull_back(PROGRAM, fluxes, np.empty((0, *PROGRAM.shape)))
    assert mids.shape == (0, *PROGRAM.shape)
    assert gradient.shape == fluxes.shape
    assert push_forward(PROGRAM, fluxes, states(3)).shape == (0, 3, *PROGRAM.shape)
    assert push_forward(PROGRAM, states(3), fluxes).shape == (3, 0, *PROGRAM.shape)


def test_memory_layout_and_integer_fluxes_change_nothing():
    fluxes = np.round(states(9)) + 1
    expected = simulate_mids(PROGRAM, fluxes)
    wide = np.zeros((9, 2 * fluxes.shape[1]))
    wide[:, ::2] = fluxes
    for same in (np.asfortranarray(fluxes), wide[:, ::2], fluxes.astype(np.int64), fluxes.tolist()):
        np.testing.assert_array_equal(simulate_mids(PROGRAM, same), expected)
    fluxes.setflags(write=False)
    np.testing.assert_array_equal(simulate_mids(PROGRAM, fluxes), expected)


@pytest.mark.parametrize("n", [8, 9, 17, 64, 65, 201])
def test_states_shared_out_to_threads_are_those_of_one_thread(n, monkeypatch):
    fluxes = states(n)
    cotangent = np.random.default_rng(1).standard_normal((n, *PROGRAM.shape))
    expected = pull_back(PROGRAM, fluxes, cotangent)
    monkeypatch.setattr(running, "_SMALL", 0)
    monkeypatch.setattr(running, "thread_count", lambda: 3)
    for found, other in zip(pull_back(PROGRAM, fluxes, cotangent), expected, strict=True):
        np.testing.assert_array_equal(found, other)
    fluxes[-1, 3] = -1
    with pytest.raises(FluxError, match=f"state {n - 1}"):
        simulate_mids(PROGRAM, fluxes)


@pytest.mark.parametrize("n", [1, 5, 8, 70, 200])
def test_given_arrays_are_filled_and_returned(n):
    fluxes, mids = states(n), np.full((n, *PROGRAM.shape), np.nan)
    assert np.shares_memory(simulate_mids(PROGRAM, fluxes, out=mids), mids)
    np.testing.assert_array_equal(mids, simulate_mids(PROGRAM, fluxes))
    cotangent = np.random.default_rng(1).standard_normal(mids.shape)
    out = (np.full(mids.shape, np.nan), np.full(fluxes.shape, np.nan))
    pull_back(PROGRAM, fluxes, cotangent, out=out)
    for found, expected in zip(out, pull_back(PROGRAM, fluxes, cotangent), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_arrays_that_cannot_be_filled_are_refused():
    fluxes, shape = states(9), (9, *PROGRAM.shape)
    locked = np.empty(shape)
    locked.setflags(write=False)
    for wrong in (np.empty((8, *PROGRAM.shape)), np.empty(shape, np.float32), np.empty((*shape, 2))[..., 0], locked):
        with pytest.raises(LabelingError, match="out has shape"):
            simulate_mids(PROGRAM, fluxes, out=wrong)


def test_threads_do_not_disturb_each_other():
    batches = [states(n, seed=n) for n in (3, 70, 150, 3, 70, 150, 40, 90)]
    expected = [simulate_mids(PROGRAM, each) for each in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            found = pool.map(lambda each: simulate_mids(PROGRAM, each), batches)
            for each, truth in zip(found, expected, strict=True):
                np.testing.assert_array_equal(each, truth)


def test_a_program_survives_pickling():
    again = pickle.loads(pickle.dumps(PROGRAM))
    np.testing.assert_array_equal(simulate_mids(again, states(2)), simulate_mids(PROGRAM, states(2)))


def test_inputs_per_state_equal_separate_programs():
    fluxes = states(70)
    shares = np.linspace(0.1, 0.9, 70)
    bound = np.array([PROGRAM.bind([glucose(1.0), glucose(share, 0.98)]) for share in shares])
    together = simulate_mids(PROGRAM, fluxes, bound)
    for k in (0, 31, 32, 69):
        own = build_program(SYSTEM, [glucose(1.0), glucose(shares[k], 0.98)])
        np.testing.assert_allclose(together[k], simulate_mids(own, fluxes[k : k + 1])[0], rtol=0, atol=1e-14)
        np.testing.assert_array_equal(simulate_mids(PROGRAM, fluxes[k : k + 1], bound[k])[0], together[k])


def test_bind_returns_the_inputs_that_the_program_was_built_with():
    np.testing.assert_array_equal(PROGRAM.bind([glucose(1.0), glucose(0.4, 0.99)]), PROGRAM.input_values)


def test_bind_refuses_label_where_the_program_has_folded_a_zero():
    with pytest.raises(LabelingError, match=r"experiment 0: M\+\d of Glc_x is .*build a program"):
        PROGRAM.bind([glucose(0.5), glucose(0.4, 0.99)])


@pytest.mark.parametrize("mid", [[0.5, 0.6], [1.5, -0.5], [1.0], [np.nan, 1.0]])
def test_an_input_that_is_no_mid_is_refused(mid):
    network = load_network("toy")
    system = decompose(network, [parse_fragment("E", network)])
    inputs = {emu: np.eye(1, len(emu.atoms) + 1)[0] for emu in system.inputs}
    single = next(emu for emu in system.inputs if len(emu.atoms) == 1)
    with pytest.raises(LabelingError, match="experiment 0: the input MID of A_x is .* needs 2 values"):
        build_program(system, [{**inputs, single: np.array(mid)}])


@pytest.mark.parametrize("value", [-1e-9, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n", [1, 150])
def test_a_flux_that_is_negative_or_not_finite_is_refused_with_its_name(value, n):
    fluxes = states(n)
    fluxes[-1, CCM.reaction_index["PDH"]] = value
    message = re.escape(f"state {n - 1}: directed flux 'PDH' is {value:g}; directed fluxes are finite and not")
    with pytest.raises(FluxError, match=message):
        simulate_mids(PROGRAM, fluxes)
    with pytest.raises(FluxError, match=message):
        pull_back(PROGRAM, fluxes, np.zeros((n, *PROGRAM.shape)))


def test_a_wrong_backward_flux_is_named():
    fluxes = states(1)
    fluxes[0, len(CCM.reactions)] = -1
    with pytest.raises(FluxError, match=re.escape("'PGI (backward)' is -1")):
        simulate_mids(PROGRAM, fluxes)


@pytest.mark.parametrize("cut", [lambda v: v[0], lambda v: v[:, :-1], lambda v: v[None], lambda v: np.hstack([v, v])])
def test_fluxes_of_a_wrong_shape_are_refused(cut):
    with pytest.raises(FluxError, match=re.escape("network 'ccm' needs (state, 112)")):
        simulate_mids(PROGRAM, cut(states(2)))


def test_other_wrong_shapes_are_refused():
    fluxes, size = states(3), len(PROGRAM.input_values)
    for inputs in (np.zeros(size - 1), np.zeros((2, size)), np.zeros((3, size + 1)), np.zeros((1, 3, size))):
        with pytest.raises(LabelingError, match=re.escape(f"give ({size},) for all states or (3, {size})")):
            simulate_mids(PROGRAM, fluxes, inputs)
    with pytest.raises(FluxError, match="the cotangent has shape"):
        pull_back(PROGRAM, fluxes, np.zeros((3, PROGRAM.shape[1])))
    with pytest.raises(FluxError, match="the Jacobian is that of one state"):
        jacobian(PROGRAM, fluxes)


def test_label_on_one_end_of_a_symmetric_input_pool_is_averaged_once():
    """[1-13C]succinate that enters a symmetric pool is half [1-13C], half [4-13C], no more."""
    atoms = {"C": "abcd"}
    reactions = tuple(
        Reaction(name, (Participant(left, 1.0, atoms),), (Participant(right, 1.0, atoms),))
        for name, left, right in (("in", "Suc_x", "Suc"), ("use", "Suc", "Fum"), ("out", "Fum", "Out_x"))
    )
    network = Network("succinate", reactions, frozenset({"Suc", "Suc_x"}))
    names = ("Fum[1]", "Fum[4]", "Fum[1,4]", "Out_x[2]")
    system = decompose(network, [parse_fragment(name, network) for name in names])
    isotopomers = {"Suc_x": np.eye(16)[1]}
    program = build_program(system, [input_mids(network, system.inputs, isotopomers)])
    found = simulate_mids(program, np.ones((1, 3)))[0, 0]
    np.testing.assert_allclose(found, [0.5, 0.5, 0.5, 0.5, 0, 1, 0, 1, 0], rtol=0, atol=1e-15)
