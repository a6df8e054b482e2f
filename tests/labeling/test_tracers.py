"""Tracer texts: what they mean, what they refuse, and the label that they bring in."""

import pickle
from itertools import product
from string import ascii_letters

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isocor.mscorrectors import MetaboliteCorrectorFactory

from fluxkit.errors import TracerError
from fluxkit.labeling.tracers import (
    Tracers,
    input_mid,
    labeled_elements,
    normalise_experiments,
    parse_tracers,
)
from fluxkit.networks import Network, load_network, parse_reactions

POOLS = {
    "Glc_x": {"C": 6, "H": 7},
    "Lac_x": {"C": 3, "H": 4},
    "Prop_x": {"C": 3, "H": 5},
    "H_x": {"H": 1},
    "Gln_inf_x": {"C": 5, "N": 2},
    "Ser_inf_x": {"C": 3, "N": 1},
    "Pal_inf_x": {"C": 2},
    "HCO3_inf_x": {"C": 1},
    "NH3_inf_x": {"N": 1},
    "Urea_inf_x": {"C": 1, "N": 2},
    "Ala_inf_x": {"C": 3, "N": 1},
    "ProtGln.M_x": {"C": 5, "N": 2},
    "Ac_feed_x": {"C": 2},
    "Ac_inf_x": {"C": 2},
}


def transport_network(pools: dict[str, dict[str, int]]) -> Network:
    """Every pool flows in and out unchanged."""
    lines = []
    for i, (pool, counts) in enumerate(pools.items()):
        atoms = "".join(f"{o}{ascii_letters[: counts[e]]}{c}" for e, (o, c) in BRACKETS.items() if counts.get(e))
        lines += [f"in{i}: {pool} {atoms} -> M{i} {atoms}", f"out{i}: M{i} {atoms} -> Out{i}_x {atoms}"]
    reactions, symmetric = parse_reactions("\n".join(lines))
    return Network("transport", reactions, symmetric)


BRACKETS = {"C": "()", "N": "{}", "H": "[]"}
NETWORK = transport_network(POOLS)
CCM = load_network("ccm")


def heavy(text: str, network: Network = NETWORK, **keywords) -> frozenset:
    """The atoms of the one label of a text."""
    (mixture,) = parse_tracers(text, network, **keywords).pools.values()
    ((_, atoms),) = mixture
    return atoms


def carbons(*positions: int) -> set:
    return {("C", each - 1) for each in positions}


def test_mixtures_give_each_kind_of_molecule_its_fraction():
    tracers = parse_tracers("Glc_x: 80% [1,2-13C2] + 20% [U-13C6]; Gln_x: 100% [U-13C5,15N2]", CCM)
    assert tracers.pools["Glc_x"] == ((0.8, carbons(1, 2)), (0.2, carbons(1, 2, 3, 4, 5, 6)))
    assert tracers.pools["Gln_x"] == ((1.0, carbons(1, 2, 3, 4, 5) | {("N", 0), ("N", 1)}),)
    assert tracers.labeled_pools == ("Glc_x", "Gln_x")
    assert tracers.labeled_elements == "CN"


@pytest.mark.parametrize(
    ("network", "text", "pool", "atoms"),
    [
        ("toy", "A_x: 100% [2-13C]", "A_x", carbons(2)),
        ("ccm", "Glc_x: 100% [U-13C6]", "Glc_x", carbons(1, 2, 3, 4, 5, 6)),
        ("ccm", "Glc_x: 100% [1,2-13C2]", "Glc_x", carbons(1, 2)),
        ("ccm", "Glc_x: 100% [6-13C]", "Glc_x", carbons(6)),
        ("ccm", "Gln_x: 100% [U-13C5]", "Gln_x", carbons(1, 2, 3, 4, 5)),
        ("ccm", "Gln_x: 100% [2-15N]", "Gln_x", {("N", 1)}),
        ("ccm", "Gln_x: 100% [amide-15N]", "Gln_x", {("N", 1)}),
        ("ccm", "Lac_x: 100% [3-13C]", "Lac_x", carbons(3)),
    ],
)
def test_texts_of_the_catalog_mean_their_atoms(network, text, pool, atoms):
    tracers = parse_tracers(text, load_network(network))
    assert tracers.pools == {pool: ((1.0, atoms),)}


@pytest.mark.parametrize(
    ("text", "atoms"),
    [
        ("H_x: 5% [1-2H]", {("H", 0)}),
        ("Glc_x: 100% [6,7-2H2]", {("H", 5), ("H", 6)}),
        ("Glc_x: 100% [6,6-2H2]", {("H", 5), ("H", 6)}),
        ("Glc_x: 100% [6,6-D2]", {("H", 5), ("H", 6)}),
        ("Glc_x: 100% [1,2-13C2,5-2H]", {*carbons(1, 2), ("H", 4)}),
        ("Glc_x: 100% [1-13C,2-2H]", {*carbons(1), ("H", 1)}),
        ("HCO3_inf_x: 100% [U-13C]", carbons(1)),
        ("Ala_inf_x: 100% [1-15N]", {("N", 0)}),
        ("Urea_inf_x: 100% [1,2-15N2]", {("N", 0), ("N", 1)}),
        ("Ser_inf_x: 100% [U-13C3,15N]", {*carbons(1, 2, 3), ("N", 0)}),
        ("Gln_inf_x: 100% [U-13C,15N]", {*carbons(1, 2, 3, 4, 5), ("N", 0), ("N", 1)}),
        ("Gln_inf_x: 100% [13C5,2-15N]", {*carbons(1, 2, 3, 4, 5), ("N", 1)}),
        ("Gln_inf_x: 100% [U-13C5,amide-15N]", {*carbons(1, 2, 3, 4, 5), ("N", 1)}),
        ("ProtGln.M_x: 100% [ 1 , 2 - 13C2 ]", carbons(1, 2)),
    ],
)
def test_labels_of_every_kind_are_understood(text, atoms):
    assert heavy(text) == atoms


def test_atoms_can_be_given_names():
    names = {"Lac_x": {"methyl": ("H", (2, 3, 4)), "1": ("C", 3)}}
    assert heavy("Lac_x: [methyl-2H3]", atom_names=names) == {("H", 1), ("H", 2), ("H", 3)}
    assert heavy("Lac_x: [1-13C]", atom_names=names) == carbons(3)
    assert heavy("Lac_x: [1-2H]", atom_names=names) == {("H", 0)}


@pytest.mark.parametrize(
    ("text", "pool"),
    [
        ("[U-13C6]glucose", "Glc_x"),
        ("100% [U-13C6]-D-glucose", "Glc_x"),
        ("50 % [U-13C6] Glucose + 25% [1-13C]glucose", "Glc_x"),
        ("glutamine: 100% [U-13C5]", "Gln_inf_x"),
        ("Gln: 100% [U-13C5]", "Gln_inf_x"),
        ("Gln_inf: 100% [U-13C5]", "Gln_inf_x"),
        ("100% [U-13C5]L-glutamine", "Gln_inf_x"),
        ("5% [2H]water", "H_x"),
        ("[13C]bicarbonate", "HCO3_inf_x"),
        ("Ac_feed_x: 100% [U-13C2]", "Ac_feed_x"),
    ],
)
def test_common_names_mean_the_one_input_pool(text, pool):
    assert parse_tracers(text, NETWORK).labeled_pools == (pool,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Glcc_x: 100% [U-13C6]", "no input pool 'Glcc_x'. Did you mean 'Glc_x'"),
        ("M0: 100% [U-13C6]", "'M0' is not an input of network 'transport'.*Its inputs: Glc_x, Lac_x"),
        ("Out0_x: 100% [U-13C6]", "'Out0_x' is not an input"),
        ("[U-13C6]glucos", "no input pool 'glucos'. Did you mean .*'glucose'"),
        ("[U-13C2]acetate", "'acetate' may be any of the input pools Ac_feed_x, Ac_inf_x.*Write the pool"),
        ("Lac_x: 100% [4-13C]", "Lac_x has atoms 1 to 3 of C in this network, not 4"),
        ("Lac_x: 100% [0-13C]", "atoms 1 to 3 of C in this network, not 0"),
        ("Lac_x: 100% [U-15N]", "no N atoms in Lac_x .it has 3 C, 4 H."),
        ("Lac_x: 100% [methyl-2H3]", "no atom of H named 'methyl'.*positions 1 to 4, or pass atom_names"),
        ("Lac_x: 100% [U-13C6]", "says 6 atoms of C, but Lac_x has 3.*Write 'U-13C3'"),
        ("Gln_inf_x: 100% [U-13C5,15N]", "says 1 atoms of N, but Gln_inf_x has 2.*Write '15N2'"),
        ("Lac_x: 100% [1,2-13C3]", "says 3 atoms of C, but names 2 positions"),
        ("Lac_x: 100% [1,1-13C2]", "names an atom of C twice"),
        ("Lac_x: 100% [1-13C,1-13C]", "labels atom 1 of C twice"),
        ("Lac_x: 80% [1-13C] + 30% [U-13C3]", "sum to 110 %, above 100 %"),
        ("Lac_x: 80% [1-13C] + 30% unlabeled", "sum to 110 %"),
        ("Lac_x: 101% [1-13C]", "101 % is not between 0 and 100"),
        ("Lac_x: -5% [1-13C]", "-5 % is not between 0 and 100"),
        ("Lac_x: nan% [1-13C]", "nan % is not between 0 and 100"),
        ("Lac_x: lots% [1-13C]", "cannot read the percentage 'lots'"),
        ("Lac_x: % [1-13C]", "cannot read the percentage ''"),
        ("Lac_x: 0.8 [1-13C]", "cannot be read; write"),
        ("Lac_x: 80% [1-13C] + [2-13C]", "a mixture needs a percentage at each label"),
        ("Lac_x: 20% [1-13C] + 20% [1-13C]", "comes twice; add up"),
        ("Lac_x: 20% [1-13C]; Lac_x: 20% [2-13C]", "pool Lac_x comes twice; join"),
        ("Lac_x: 20% [1-13C]; 20% [2-13C]lactate", "pool Lac_x comes twice"),
        ("50% [U-13C6]glucose + 50% [U-13C3]lactate", "mixes the pools Glc_x and Lac_x; separate"),
        ("Lac_x: 100% [1-14C]", "cannot read the label '.1-14C.'; write"),
        ("Lac_x: 100% []", "cannot read the label"),
        ("Lac_x: 100% [1-13C,]", "cannot read the label"),
        ("Lac_x: 100%", "cannot be read; write"),
        ("Lac_x", "cannot be read; write"),
        ("100% [U-13C3]", "names no pool"),
        ("", "name no pool"),
        (" ; ", "name no pool"),
        (3, "written as text, not int"),
    ],
)
def test_bad_texts_are_refused_with_place_and_cure(text, message):
    with pytest.raises(TracerError, match=message):
        parse_tracers(text, NETWORK)


@st.composite
def tracer_texts(draw) -> str:
    entries = []
    for pool in draw(st.lists(st.sampled_from(sorted(POOLS)), min_size=1, max_size=4, unique=True)):
        atoms = [(e, i) for e, n in POOLS[pool].items() for i in range(1, n + 1)]
        labels = st.frozensets(st.sampled_from(atoms), min_size=1)
        terms = []
        chosen = draw(st.lists(labels, min_size=1, max_size=3, unique=True))
        for label in chosen:
            percent = draw(st.floats(0, 100 / len(chosen)).filter(lambda x: x == 0 or x > 1e-6))
            groups = [f"{i}-{ISOTOPE[e]}" for e, i in sorted(label)]
            terms.append(f"{percent!r}% [{','.join(groups)}]")
        entries.append(f"{pool}: {' + '.join(terms)}")
    return "; ".join(entries)


ISOTOPE = {"C": "13C", "N": "15N", "H": "2H"}


@given(tracer_texts())
def test_the_canonical_text_reads_back_as_the_same_tracers(text):
    tracers = parse_tracers(text, NETWORK)
    assert parse_tracers(tracers.text, NETWORK) == tracers


def test_the_canonical_text_is_the_usual_one():
    text = "[U-13C,U-15N]glutamine; Glc_x: 33.3% [5-2H,1-13C,2-13C] + 20.0% [1,2,3,4,5,6-13C6]"
    canonical = "Glc_x: 33.3% [1,2-13C2,5-2H] + 20% [U-13C6]; Gln_inf_x: 100% [U-13C5,15N2]"
    assert str(parse_tracers(text, NETWORK)) == canonical
    assert str(parse_tracers("Lac_x: 100% unlabelled", NETWORK)) == "Lac_x: 100% unlabeled"


def test_tracers_survive_pickling_and_hash_like_their_equals():
    tracers = parse_tracers("Glc_x: 50% [U-13C6]", CCM)
    copy = pickle.loads(pickle.dumps(tracers))
    assert copy == tracers
    assert hash(copy) == hash(tracers)


def test_fractions_above_one_cannot_exist():
    with pytest.raises(TracerError, match="sum to at most 1"):
        Tracers({"A_x": ((0.7, frozenset()), (0.4, frozenset({("C", 0)})))}, "")


def test_experiments_take_one_text_or_named_texts():
    assert list(normalise_experiments("Glc_x: [U-13C6]", CCM)) == ["tracer"]
    gln = parse_tracers("Gln_x: [2-15N]", CCM)
    both = normalise_experiments({"glc": "Glc_x: [U-13C6]", "gln": gln}, CCM)
    assert list(both) == ["glc", "gln"]
    assert both["gln"] == gln
    assert labeled_elements(both.values()) == "CN"


@pytest.mark.parametrize(
    ("tracers", "message"),
    [
        ({}, "must be a text, or map experiment names"),
        (["Glc_x: [U-13C6]"], "must be a text, or map experiment names"),
        ({"": "Glc_x: [U-13C6]"}, "an experiment needs a name"),
        ({"one": "Glc_x: [U-13C6]", "two": "Glc_x: [9-13C]"}, "experiment 'two': .*atoms 1 to 6"),
        ({"one": 5}, "experiment 'one': tracers are written as text"),
    ],
)
def test_bad_experiments_are_refused(tracers, message):
    with pytest.raises(TracerError, match=message):
        normalise_experiments(tracers, CCM)


def enumerated_mid(mixture, atoms, purity, natural) -> np.ndarray:
    """Independent: add up the probability of every pattern of heavy and light atoms."""
    mid = np.zeros(len(atoms) + 1)
    rest = 1 - sum(fraction for fraction, _ in mixture)
    for fraction, label in [*mixture, (rest, frozenset())]:
        for pattern in product((0, 1), repeat=len(atoms)):
            chance = fraction
            for atom, is_heavy in zip(atoms, pattern, strict=True):
                p = purity if atom in label else natural[atom[0]]
                chance *= p if is_heavy else 1 - p
            mid[sum(pattern)] += chance
    return mid


NATURE = {"C": 0.0107, "N": 0.00364, "H": 0.000115}
fragments = st.lists(
    st.sampled_from([("C", i) for i in range(6)] + [("H", i) for i in range(7)]), unique=True, max_size=7
)


@given(tracer_texts(), fragments, st.floats(0, 1), st.booleans())
def test_input_mids_equal_the_enumeration_of_isotopomers(text, atoms, purity, natural):
    tracers = parse_tracers(text, NETWORK)
    mid = input_mid(tracers, "Glc_x", tuple(atoms), purity, natural)
    nature = NATURE if natural else dict.fromkeys(NATURE, 0.0)
    expected = enumerated_mid(tracers.pools.get("Glc_x", ()), atoms, purity, nature)
    np.testing.assert_allclose(mid, expected, atol=1e-13)


@given(tracer_texts(), fragments, st.floats(0, 1), st.booleans())
def test_input_mids_told_apart_equal_the_enumeration_of_isotopomers_by_element(text, atoms, purity, natural):
    tracers = parse_tracers(text, NETWORK)
    mid = input_mid(tracers, "Glc_x", tuple(atoms), purity, natural, resolved=True)
    nature = NATURE if natural else dict.fromkeys(NATURE, 0.0)
    elements = sorted({element for element, _ in atoms})
    expected = np.zeros([sum(e == element for e, _ in atoms) + 1 for element in elements])
    mixture = tracers.pools.get("Glc_x", ())
    for fraction, label in [*mixture, (1 - sum(f for f, _ in mixture), frozenset())]:
        for pattern in product((0, 1), repeat=len(atoms)):
            chance = fraction
            for atom, is_heavy in zip(atoms, pattern, strict=True):
                p = purity if atom in label else nature[atom[0]]
                chance *= p if is_heavy else 1 - p
            heavy = [element for (element, _), is_heavy in zip(atoms, pattern, strict=True) if is_heavy]
            expected[tuple(heavy.count(element) for element in elements)] += chance
    np.testing.assert_allclose(mid, expected, atol=1e-13)


@given(tracer_texts(), fragments, st.floats(0, 1), st.booleans(), st.randoms())
def test_input_mids_sum_to_one_whatever_the_order_of_the_atoms(text, atoms, purity, natural, random):
    tracers = parse_tracers(text, NETWORK)
    shuffled = random.sample(atoms, len(atoms))
    mids = [input_mid(tracers, "Glc_x", tuple(each), purity, natural) for each in (atoms, shuffled)]
    assert mids[0].sum() == pytest.approx(1, abs=1e-12)
    assert mids[0].min() >= 0
    np.testing.assert_allclose(mids[0], mids[1], atol=1e-14)


def test_input_mid_of_half_labeled_glucose_is_binomial_in_the_purity():
    tracers = parse_tracers("Glc_x: 50% [1,2-13C2]", CCM)
    mid = input_mid(tracers, "Glc_x", (("C", 0), ("C", 1), ("C", 2)), purity=0.99)
    np.testing.assert_allclose(mid, [0.5 + 0.5e-4, 0.5 * 0.0198, 0.5 * 0.9801, 0], atol=1e-15)


@pytest.mark.parametrize("natural", [False, True])
def test_impure_tracers_have_the_pattern_that_isocor_corrects_for(natural):
    isocor = MetaboliteCorrectorFactory("C6", "13C", tracer_purity=[0.02, 0.98], correct_NA_tracer=natural)
    labels = ["1-13C", "1,2-13C2", "1,2,3-13C3", "1,2,3,4-13C4", "1,2,3,4,5-13C5", "U-13C6"]
    atoms = tuple(("C", i) for i in range(6))
    for j, label in enumerate(labels, 1):
        mid = input_mid(parse_tracers(f"Glc_x: [{label}]", CCM), "Glc_x", atoms, 0.98, natural)
        np.testing.assert_allclose(mid, isocor.compute_correction_matrix()[:, j], atol=1e-14)


def test_a_pool_without_tracer_is_unlabeled():
    tracers = parse_tracers("Glc_x: [U-13C6]", CCM)
    np.testing.assert_array_equal(input_mid(tracers, "Lac_x", (("C", 0), ("C", 1))), [1, 0, 0])


@pytest.mark.parametrize("purity", [-0.1, 1.01, 99, float("nan")])
def test_an_impossible_purity_is_refused(purity):
    with pytest.raises(TracerError, match="between 0 and 1"):
        input_mid(parse_tracers("Glc_x: [U-13C6]", CCM), "Glc_x", (("C", 0),), purity=purity)
