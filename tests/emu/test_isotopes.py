"""Fragments that tell the isotopes of different elements apart, against the balance of every isotopomer."""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings

from fluxkit.emu import build_program, decompose, jacobian, pull_back, simulate_mids
from fluxkit.networks import Fragment, Network, load_network, parse_fragment
from tests.emu.isotopomer_balance import Atom, atoms_of, marginal_mid, solve_isotopomers
from tests.emu.random_networks import Labeled, directed, input_mids, labeled_networks, program_of, supplied

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def counts_by_element(isotopomers: np.ndarray, atoms: list[Atom], chosen) -> np.ndarray:
    """Distribution over the numbers of heavy atoms, one axis for each element in alphabetical order."""
    elements = sorted({element for element, _ in chosen})
    index = np.arange(len(isotopomers))
    masks = [sum(1 << atoms.index(atom) for atom in chosen if atom[0] == element) for element in elements]
    table = np.zeros([mask.bit_count() + 1 for mask in masks])
    np.add.at(table, tuple(np.bitwise_count(index & mask) for mask in masks), isotopomers)
    return table


def element_mids(network: Network, keys, inputs: dict[str, np.ndarray]) -> dict:
    """The MID of each input EMU with one axis for each of its elements."""
    return {key: counts_by_element(inputs[key[0]], atoms_of(network, key[0]), key[1]) for key in keys}


def apart(fragments: tuple[Fragment, ...]) -> tuple[Fragment, ...]:
    """The same atoms, isotopes told apart."""
    return tuple(replace(each, resolved=True) for each in fragments)


def tables(case: Labeled, fragments: tuple[Fragment, ...]) -> list[np.ndarray]:
    """The simulated distribution of each fragment, with one axis for each element where isotopes are told apart."""
    system = decompose(case.network, fragments)
    program = build_program(system, [element_mids(case.network, system.inputs, each) for each in case.inputs])
    values = simulate_mids(program, case.fluxes[None])[0]
    found = np.split(values, np.cumsum([len(each.isotopologues) for each in fragments])[:-1], axis=-1)
    shapes = [np.max(each.isotopologues, axis=0) + 1 for each in fragments]
    return [each.reshape(len(each), *shape) for each, shape in zip(found, shapes, strict=True)]


def by_mass(table: np.ndarray) -> np.ndarray:
    """Sum the values of equal mass."""
    masses = np.indices(table.shape).sum(axis=0)
    return np.bincount(masses.ravel(), weights=table.ravel())


@FEW
@given(labeled_networks(experiments=2))
def test_random_networks_agree_with_the_isotopomer_balance_element_by_element(case):
    fragments = apart(case.fragments)
    found = tables(case, fragments)
    for e, inputs in enumerate(case.inputs):
        truth = solve_isotopomers(case.network, case.fluxes, inputs)
        for fragment, table in zip(fragments, found, strict=True):
            name = fragment.metabolite
            if name in truth:
                expected = counts_by_element(truth[name], atoms_of(case.network, name), fragment.atoms)
                np.testing.assert_allclose(table[e], expected, rtol=0, atol=1e-12)


@settings(FEW, max_examples=12)
@given(labeled_networks())
def test_sums_over_equal_mass_are_the_nominal_mid_and_sums_over_others_are_that_of_one_element(case):
    found = tables(case, apart(case.fragments))
    nominal = simulate_mids(program_of(case), case.fluxes[None])[0, 0]
    cuts = np.cumsum([each.size + 1 for each in case.fragments])[:-1]
    for table, mid in zip(found, np.split(nominal, cuts), strict=True):
        np.testing.assert_allclose(by_mass(table[0]), mid, rtol=0, atol=1e-12)
    living = supplied(case)  # of an atom that nothing supplies, the origin may be known although that of all is not
    for element in "CHN":
        chosen = [
            (replace(each, atoms=tuple(atom for atom in each.atoms if atom[0] == element)), table)
            for each, table in zip(case.fragments, found, strict=True)
        ]
        chosen = [(each, table) for each, table in chosen if each.atoms and each.metabolite in living]
        if not chosen:
            continue
        single = simulate_mids(program_of(replace(case, fragments=tuple(f for f, _ in chosen))), case.fluxes[None])
        cuts = np.cumsum([each.size + 1 for each, _ in chosen])[:-1]
        whole = {each.name: each for each in case.fragments}
        for (fragment, table), mid in zip(chosen, np.split(single[0, 0], cuts), strict=True):
            axis = sorted({e for e, _ in whole[fragment.name].atoms}).index(element)
            rest = tuple(k for k in range(table[0].ndim) if k != axis)
            np.testing.assert_allclose(table[0].sum(axis=rest), mid, rtol=0, atol=1e-12)


def test_one_program_sees_some_fragments_by_mass_and_others_by_isotope():
    """Glutamate of ccm on [U-13C5,15N2]glutamine and [1,2-13C2]glucose: marginals, masses and both together agree."""
    network = load_network("ccm")
    atoms = atoms_of(network, "Gln_x")
    inputs = {pool: np.eye(1, 1 << len(atoms_of(network, pool)))[0] for pool in network.inputs}
    inputs["Gln_x"] = np.eye(1 << len(atoms))[sum(1 << i for i, (element, _) in enumerate(atoms) if element in "CN")]
    inputs["Glc_x"] = np.eye(len(inputs["Glc_x"]))[3]
    state = network.reference_fluxes()
    net, exchange = state["net_flux"].values, state["exchange_flux"].values
    names = ("Glu.c:C+N", "Glu.c:CN", "Glu.c:C", "Glu.c:N", "Gln.c:C+N", "Asn.c:C+N", "Asn.c:CN", "Cit.m:C")
    fragments = tuple(parse_fragment(name, network) for name in names)
    found = dict(zip(names, tables(Labeled(network, net, exchange, (inputs,), ()), fragments), strict=True))
    glutamate = found["Glu.c:C+N"][0]
    assert glutamate.shape == (6, 2)
    assert glutamate[5, 1] > 0.01
    assert glutamate[5, 0] > 0.01
    np.testing.assert_allclose(glutamate.sum(axis=1), found["Glu.c:C"][0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(glutamate.sum(axis=0), found["Glu.c:N"][0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(by_mass(glutamate), found["Glu.c:CN"][0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(by_mass(found["Asn.c:C+N"][0]), found["Asn.c:CN"][0], rtol=0, atol=1e-14)
    by_name = tuple(parse_fragment(name, network) for name in ("Glu.c:CN", "Cit.m:C"))
    system = decompose(network, by_name)
    program = build_program(system, [input_mids(network, system.inputs, inputs)])
    alone = simulate_mids(program, directed(network, net, exchange)[None])[0, 0]
    together = np.concatenate([found["Glu.c:CN"][0], found["Cit.m:C"][0]])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-14)


@settings(FEW, max_examples=12)
@given(labeled_networks(positive=True))
def test_derivatives_of_resolved_isotopes_are_one_matrix_and_sum_to_those_of_the_nominal_mid(case):
    system = decompose(case.network, apart(case.fragments))
    program = build_program(system, [element_mids(case.network, system.inputs, each) for each in case.inputs])
    cotangent = np.random.default_rng(0).standard_normal((1, *program.shape))
    slope = jacobian(program, case.fluxes)
    gradient = pull_back(program, case.fluxes[None], cotangent)[1][0]
    np.testing.assert_allclose(np.tensordot(cotangent[0], slope, 2), gradient, rtol=1e-9, atol=1e-9)
    masses = [sum(key) for each in system.fragments for key in each.isotopologues]
    owner = [k for k, each in enumerate(system.fragments) for _ in each.isotopologues]
    summed = np.zeros((sum(each.size + 1 for each in system.fragments), len(case.fluxes)))
    starts = np.cumsum([0, *(each.size + 1 for each in system.fragments)])
    np.add.at(summed, starts[owner] + masses, slope[0])
    np.testing.assert_allclose(summed, jacobian(program_of(case), case.fluxes)[0], rtol=1e-9, atol=1e-9)


def test_marginal_counts_of_one_element_are_its_mid():
    """The two ways of counting in these tests agree."""
    network = load_network("ccm")
    atoms = atoms_of(network, "Gln_x", "CN")
    isotopomers = np.random.default_rng(0).dirichlet(np.ones(1 << len(atoms)))
    carbon = [atom for atom in atoms if atom[0] == "C"]
    expected = marginal_mid(isotopomers, atoms, carbon)
    np.testing.assert_allclose(counts_by_element(isotopomers, atoms, carbon), expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(counts_by_element(isotopomers, atoms, atoms).sum(axis=1), expected, rtol=0, atol=1e-15)
