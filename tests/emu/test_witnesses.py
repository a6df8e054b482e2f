"""EMU simulation against a published result, stored references and two independent programs."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxkit.emu import build_program, decompose, simulate_mids
from fluxkit.networks import load_network, parse_fragment
from tests.emu.dense_emu import DenseEmu, exact, solve_exactly
from tests.emu.isotopomer_balance import atoms_of, marginal_mid, solve_isotopomers
from tests.emu.random_networks import directed, input_mids, labeled_networks, program_of, split

SLOW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def reference_state(network):
    state = network.reference_fluxes()
    return directed(network, state["net_flux"].values, state["exchange_flux"].values)


def pool_isotopomers(network, labeled: dict[str, list[tuple[str, int]]], elements: str = "CNH"):
    """Isotopomers of every input pool: pure where labeled, else unlabeled."""
    inputs = {}
    for pool in network.inputs:
        atoms = atoms_of(network, pool, elements)
        inputs[pool] = np.eye(1 << len(atoms))[sum(1 << atoms.index(atom) for atom in labeled.get(pool, []))]
    return inputs


def mids_of(network, names, inputs, fluxes, elements="C"):
    fragments = [parse_fragment(name, network, elements) for name in names]
    system = decompose(network, fragments)
    program = build_program(system, [input_mids(network, system.inputs, inputs)])
    values = simulate_mids(program, fluxes[None])[0, 0]
    cuts = np.cumsum([each.size + 1 for each in fragments])[:-1]
    return dict(zip(names, np.split(values, cuts), strict=True))


@pytest.mark.parametrize(
    ("fragment", "published", "tolerance"),
    [
        # Antoniewicz, Kelleher & Stephanopoulos 2007, doi:10.1016/j.ymben.2006.09.001: MID of F, four digits.
        ("F_x", [0.0001, 0.8008, 0.1983, 0.0009], 5e-5),
        ("D", [0.0001, 0.8008, 0.1983, 0.0009], 5e-5),
        # Further EMUs at the same state, from an independent isotopomer balance, printed with four digits.
        ("B", [0.0000, 0.9336, 0.0661, 0.0003], 5e-5),
        ("D[1,2]", [0.0010, 0.9981, 0.0010], 5e-5),
        ("D[2,3]", [0.0133, 0.9733, 0.0133], 5e-5),
    ],
)
def test_toy_reproduces_the_published_mid(fragment, published, tolerance):
    network = load_network("toy")
    inputs = pool_isotopomers(network, {"A_x": [("C", 1)]})
    found = mids_of(network, [fragment], inputs, reference_state(network))[fragment]
    np.testing.assert_allclose(found, published, rtol=0, atol=tolerance)


def test_toy_agrees_with_the_isotopomer_balance():
    network = load_network("toy")
    fluxes, inputs = reference_state(network), pool_isotopomers(network, {"A_x": [("C", 1)]})
    truth = solve_isotopomers(network, fluxes, inputs)
    for name, mid in mids_of(network, network.balanced, inputs, fluxes).items():
        atoms = atoms_of(network, name)
        np.testing.assert_allclose(mid, marginal_mid(truth[name], atoms, atoms), rtol=0, atol=1e-12)


def test_ccm_carbon_agrees_with_the_isotopomer_balance():
    network = load_network("ccm")
    fluxes = reference_state(network)
    labeled = {"Glc_x": [("C", 0), ("C", 1)], "Gln_x": [("C", i) for i in range(5)]}
    truth = solve_isotopomers(network, fluxes, pool_isotopomers(network, labeled, "C"), "C")
    names = [name for name in network.balanced if network.atom_counts[name].get("C")]
    for name, mid in mids_of(network, names, pool_isotopomers(network, labeled), fluxes).items():
        atoms = atoms_of(network, name, "C")
        np.testing.assert_allclose(mid, marginal_mid(truth[name], atoms, atoms), rtol=0, atol=1e-10)


def test_ccm_nitrogen_agrees_with_the_isotopomer_balance():
    network = load_network("ccm")
    fluxes, labeled = reference_state(network), {"Gln_x": [("N", 1)]}
    truth = solve_isotopomers(network, fluxes, pool_isotopomers(network, labeled, "N"), "N")
    names = [name for name in network.balanced if network.atom_counts[name].get("N")]
    for name, mid in mids_of(network, names, pool_isotopomers(network, labeled), fluxes, "N").items():
        atoms = atoms_of(network, name, "N")
        np.testing.assert_allclose(mid, marginal_mid(truth[name], atoms, atoms), rtol=0, atol=1e-10)


@SLOW
@given(labeled_networks(experiments=2))
def test_random_networks_agree_with_the_isotopomer_balance(case):
    found = split(case, simulate_mids(program_of(case), case.fluxes[None])[0])
    for e, inputs in enumerate(case.inputs):
        truth = solve_isotopomers(case.network, case.fluxes, inputs)
        for fragment, mid in zip(case.fragments, found, strict=True):
            if fragment.metabolite in truth:  # else no flux makes it
                expected = marginal_mid(
                    truth[fragment.metabolite], atoms_of(case.network, fragment.metabolite), fragment.atoms
                )
                np.testing.assert_allclose(mid[e], expected, rtol=0, atol=1e-10)


@SLOW
@given(labeled_networks())
def test_random_networks_agree_with_dense_blocks(case):
    keys = [(each.metabolite, each.atoms) for each in case.fragments]
    reference = DenseEmu(case.network, keys)
    inputs = input_mids(case.network, _input_keys(reference), case.inputs[0])
    expected = reference.solve(case.fluxes, inputs)
    found = split(case, simulate_mids(program_of(case), case.fluxes[None])[0, 0])
    for key, mid in zip(keys, found, strict=True):
        if expected[key].any():
            np.testing.assert_allclose(mid, expected[key], rtol=0, atol=1e-12)


def _input_keys(reference: DenseEmu):
    used = [each for ways in reference.sources.values() for _, _, source in ways for each in source]
    return {key for key in [*used, *reference.fragments] if key not in reference.sources}


@settings(SLOW, max_examples=40)
@given(
    size=st.lists(st.floats(-6, 6), min_size=4, max_size=4),
    ratio=st.floats(-5, 5),
    share=st.floats(0, 1),
)
def test_wide_fluxes_keep_ten_digits_of_exact_fractions(size, ratio, share):
    """Exchange up to 1e5 times net, fluxes from 1e-6 to 1e6: no digits cancel without subtraction."""
    network = load_network("toy")
    v4, v5, net = 10 ** size[0], 10 ** size[1], 10 ** size[2]
    exchange = net * 10**ratio
    flux = {"v2": net, "v4": v4 + v5, "v5": v5, "v6": net + v5}
    flux |= {"v1": flux["v2"] + flux["v4"] + v5, "v7": flux["v4"] + 2 * v5}
    values = np.array([flux[name] for name in network.reaction_names])
    fluxes = directed(network, values, np.where(network.reversible, exchange, 0.0))
    labeled = pool_isotopomers(network, {"A_x": [("C", 1)]})["A_x"]
    isotopomers = {"A_x": share * labeled + (1 - share) * np.eye(8)[7]}
    names = ["B", "C", "D", "E"]
    found = mids_of(network, names, isotopomers, fluxes)
    keys = [(name, parse_fragment(name, network).atoms) for name in names]
    reference = DenseEmu(network, keys)
    inputs = input_mids(network, _input_keys(reference), isotopomers)
    inputs = {key: exact(mid) for key, mid in inputs.items()}
    truth = reference.solve(exact(fluxes), inputs, solve_exactly)
    for key in keys:
        np.testing.assert_allclose(found[key[0]], truth[key].astype(float), rtol=1e-10, atol=1e-14)
