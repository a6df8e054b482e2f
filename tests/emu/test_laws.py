"""Laws that labeling at steady state obeys whatever the network."""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from fluxkit.emu import simulate_mids
from fluxkit.errors import NetworkError
from fluxkit.networks import Fragment, Network, load_network, parse_fragment
from tests.emu.isotopomer_balance import atoms_of
from tests.emu.random_networks import Labeled, directed, isotopomers, labeled_networks, program_of, split, supplied

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def simulated(case: Labeled, fluxes=None) -> np.ndarray:
    return simulate_mids(program_of(case), (case.fluxes if fluxes is None else fluxes)[None])[0]


@FEW
@given(labeled_networks(experiments=2))
def test_mids_sum_to_one_and_are_not_negative_beyond_rounding(case):
    values = simulated(case)
    assert (values >= -1e-14).all()  # the unlabeled share is one minus the rest
    for fragment, mid in zip(case.fragments, split(case, values), strict=True):
        if fragment.metabolite in supplied(case):
            np.testing.assert_allclose(mid.sum(axis=-1), 1, rtol=0, atol=1e-12)


@FEW
@given(labeled_networks(), st.floats(-6, 6))
def test_scaling_all_fluxes_leaves_mids(case, power):
    scaled = simulated(case, case.fluxes * 10**power)
    np.testing.assert_allclose(scaled, simulated(case), rtol=0, atol=1e-12)


@FEW
@given(labeled_networks(), st.randoms(use_true_random=False))
def test_names_and_order_of_reactions_change_nothing(case, random):
    order = list(range(len(case.network.reactions)))
    random.shuffle(order)
    names = list(case.network.balanced)
    fresh = dict(zip(names, random.sample([f"Z{i}" for i in range(len(names))], len(names)), strict=True))

    def renamed(participants):
        return tuple(replace(p, metabolite=fresh.get(p.metabolite, p.metabolite)) for p in participants)

    reactions = [case.network.reactions[i] for i in order]
    reactions = [
        replace(each, substrates=renamed(each.substrates), products=renamed(each.products)) for each in reactions
    ]
    network = Network("renamed", tuple(reactions), frozenset(fresh[name] for name in case.network.symmetric))
    fragments = tuple(Fragment(each.name, fresh[each.metabolite], each.atoms) for each in case.fragments)
    other = Labeled(network, case.net[order], case.exchange[order], case.inputs, fragments)
    np.testing.assert_allclose(simulated(other), simulated(case), rtol=0, atol=1e-12)


@FEW
@given(labeled_networks())
def test_unlabeled_in_is_unlabeled_out(case):
    unlabeled = {pool: np.eye(1, len(each))[0] for pool, each in case.inputs[0].items()}
    for mid in split(case, simulated(replace(case, inputs=(unlabeled,)))):
        np.testing.assert_array_equal(mid, np.eye(1, mid.shape[-1]))


@FEW
@given(labeled_networks(linear=True, experiments=2), st.floats(0, 1))
def test_without_condensation_mixing_tracers_mixes_mids(case, share):
    first, second = case.inputs
    mixed = {pool: share * first[pool] + (1 - share) * second[pool] for pool in first}
    values = simulated(case)
    expected = share * values[0] + (1 - share) * values[1]
    found = simulated(replace(case, inputs=(mixed,)))[0]
    for fragment, mid, truth in zip(case.fragments, split(case, found), split(case, expected), strict=True):
        if fragment.metabolite in supplied(case):
            np.testing.assert_allclose(mid, truth, rtol=0, atol=1e-12)


@settings(FEW, max_examples=40)
@given(labeled_networks())
def test_a_branch_without_flux_might_as_well_not_exist(case):
    alive = (case.net != 0) | (case.exchange != 0)
    assume(not alive.all())
    reactions = tuple(each for each, flux in zip(case.network.reactions, alive, strict=True) if flux)
    kept = {p.metabolite for each in reactions for p in (*each.substrates, *each.products)}
    try:
        network = Network("alive", reactions, case.network.symmetric & kept)
    except NetworkError:
        assume(False)
        return
    inputs = tuple({pool: each[pool] for pool in network.inputs} for each in case.inputs)
    fragments = tuple(each for each in case.fragments if each.metabolite in kept)
    small = Labeled(network, case.net[alive], case.exchange[alive], inputs, fragments)
    whole = {each.name: mid for each, mid in zip(case.fragments, split(case, simulated(case)), strict=True)}
    assert np.isfinite(np.concatenate([mid.ravel() for mid in whole.values()])).all()
    for fragment, mid in zip(fragments, split(small, simulated(small)), strict=True):
        np.testing.assert_allclose(whole[fragment.name], mid, rtol=0, atol=1e-13)


@settings(FEW, max_examples=25)
@given(st.data())
def test_ccm_stays_finite_whatever_fluxes_are_zero(data):
    network = load_network("ccm")
    names = ("Cit.m", "Glu.c", "R5P.c", "Suc.m", "Asn.c")
    fragments = tuple(parse_fragment(name, network, "CN") for name in names)
    inputs = {pool: data.draw(isotopomers(network, pool)) for pool in ("Glc_x", "Gln_x")}
    for pool in set(network.inputs) - set(inputs):
        inputs[pool] = np.eye(1, 1 << len(atoms_of(network, pool)))[0]
    state = network.reference_fluxes()
    case = Labeled(network, state["net_flux"].values, state["exchange_flux"].values, (inputs,), fragments)
    fluxes = directed(network, case.net, case.exchange)
    off = data.draw(st.lists(st.integers(0, len(fluxes) - 1), max_size=60))
    tiny = data.draw(st.lists(st.integers(0, len(fluxes) - 1), max_size=5))
    fluxes[off], fluxes[tiny] = 0.0, 5e-324
    values = simulated(case, fluxes)
    assert np.isfinite(values).all()
    assert (values >= 0).all()
    assert max(mid.sum() for mid in split(case, values[0])) < 1 + 1e-9


def test_a_closed_cycle_that_turns_without_supply_has_no_labeling():
    network = load_network("toy")
    fluxes = np.zeros(7)
    fluxes[[1, 6]] = 5.0  # B and D only exchange
    fragments = (parse_fragment("D", network), parse_fragment("C", network))
    case = Labeled(network, np.zeros(6), np.zeros(6), ({"A_x": np.eye(8)[2]},), fragments)
    np.testing.assert_array_equal(simulated(case, fluxes), np.zeros((1, 7)))
