"""The bundled networks: their size as their cards state it, their reference states, tables and speed."""

import re
import time

import numpy as np
import pytest

from fluxkit.networks import list_networks, load_network, parse_fragment, parse_reactions
from fluxkit.networks.catalog import CATALOG
from fluxkit.networks.checks import equality_system

# reactions, reversible, balanced pools, free net fluxes by balances alone, after the linear equalities
SIZES = {
    "ccm": (83, 29, 43, 40, 40),
    "coculture": (108, 46, 62, 46, 46),
    "liver_hc": (36, 10, 18, 18, 18),
    "mlflux_ccm": (52, 34, 31, 21, 21),
    "mlflux_ccm_corrected": (52, 34, 31, 21, 21),
    "mlflux_ecoli": (107, 22, 68, 39, 39),
    "mlflux_glycolysis": (21, 10, 13, 8, 8),
    "mlflux_glyppp": (36, 20, 21, 15, 13),
    "mlflux_simple": (7, 4, 5, 2, 2),
    "mlflux_uppergly": (9, 4, 5, 4, 4),
    "toy": (6, 1, 4, 2, 2),
    "wholebody": (253, 84, 138, 115, 113),
    "wholebody_av": (323, 48, 155, 168, 166),
    "wholebody_core": (174, 54, 90, 84, 82),
    "wholebody_mouse": (294, 110, 148, 146, 144),
}
NAMES = list_networks()
BALANCED = 1e-5  # the reference states are printed with about ten digits


def test_the_sizes_cover_the_catalog():
    assert sorted(SIZES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_network_has_the_size_that_its_card_states(name):
    network = load_network(name)
    reactions, reversible, balanced, free, constrained = SIZES[name]
    assert (len(network.reactions), int(network.reversible.sum()), len(network.balanced)) == (
        reactions,
        reversible,
        balanced,
    )
    assert reactions - np.linalg.matrix_rank(network.stoichiometry) == free
    assert reactions - np.linalg.matrix_rank(equality_system(network)[0]) == constrained
    card = " ".join(network.description.split())
    if name != "toy":
        assert f"{reactions} reactions ({reversible} reversible)" in card
        assert f"{balanced} balanced pools" in card
        if name != "ccm":
            assert re.search(rf"\b({free}|{constrained}) free net fluxes", card)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_state_balances_within_every_bound(name):
    network = load_network(name)
    state = network.reference_fluxes()
    net, exchange = state["net_flux"].values, state["exchange_flux"].values[network.reversible]
    matrix, value = equality_system(network)
    np.testing.assert_allclose(matrix @ net, value, rtol=0, atol=BALANCED)
    for values, (lower, upper) in ((net, network.net_bounds), (exchange, network.exchange_bounds)):
        assert ((values >= lower - BALANCED) & (values <= upper + BALANCED)).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_observed_pool_and_tracer_exists(name):
    network = load_network(name)
    assert len(network.standard_tracers) > 0
    for observation in network.observations.entries.values():
        sizes = {parse_fragment(share.fragment, network).size for share in observation.pools}
        assert len(sizes) == 1, observation.name


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("mlflux", "toy"))])
def test_citrate_and_propionyl_coenzyme_a_are_numbered_alike(name):
    numbering = {"CS": ["abcd", "ef", "dcbfea"], "IDH": ["abcdef", "abcde", "f"], "PCC": ["abc", "d", "acbd"]}
    for reaction in load_network(name).reactions:
        carbons = [each.atoms.get("C") for side in (reaction.substrates, reaction.products) for each in side]
        expected = numbering.get(reaction.name.rpartition("_")[2])
        if expected:
            assert [each for each in carbons if each] == expected, reaction.name


LETTERS = dict(zip(("liver", "muscle", "brain", "kidney", "heart", "intestine", "adipose"), "LMBKHGA", strict=True))


@pytest.mark.parametrize("tissue", LETTERS)
def test_the_mouse_table_reads_eleven_metabolites_of_each_tissue(tissue):
    table = load_network("wholebody_mouse").observations
    mine = [name.removeprefix(f"{tissue} ") for name in table if name.startswith(f"{tissue} ")]
    assert len(mine) == 11
    assert {"glucose", "lactate", "alpha-ketoglutarate", "3-phosphoglycerate"} <= set(mine)
    for name, kind in (("pyruvate", "b"), ("alanine", "a"), ("serine", "a")):  # up to 8 % of plasma
        blood = [each for each in table[f"{tissue} {name}"].pools if each.fragment.endswith(".P")]
        assert [(each.constant, each.weight) for each in blood] == [(0.08, f"{kind}_{LETTERS[tissue]}")]


@pytest.mark.parametrize("name", ["wholebody", "wholebody_core", "wholebody_mouse", "wholebody_av"])
def test_breath_and_urine_hold_what_was_there_before_the_label(name):
    table = load_network(name).observations
    breath, urine = table["breath CO2"], table["urine urea"]
    assert [(each.constant, each.weight) for each in breath.unlabeled] == [(0.1, "r_CO2")]
    assert {each.weight for each in (*urine.pools, *urine.unlabeled)} == {"u_urea"}


def test_mouse_plasma_lactate_is_tail_blood():
    shares = load_network("wholebody_mouse").observations["plasma lactate"].pools
    assert [(each.fragment, each.weight, each.complement) for each in shares] == [
        ("Lac.P", "wa", True),
        ("Lac.M", "wa", False),
    ]


def test_the_corrected_variant_differs_by_symmetry_and_one_atom_transition():
    published, corrected = load_network("mlflux_ccm"), load_network("mlflux_ccm_corrected")
    assert published.symmetric == frozenset()
    assert corrected.symmetric == {"Succ", "Fum"}
    changed = [a.name for a, b in zip(published.reactions, corrected.reactions, strict=True) if a != b]
    assert changed == ["SBA"]
    assert published.rules == corrected.rules
    assert published.reference == corrected.reference


@pytest.mark.parametrize("name", NAMES)
def test_a_network_builds_in_well_under_two_seconds(name):
    start = time.process_time()
    assert load_network.__wrapped__(name) == load_network(name)
    assert time.process_time() - start < 1.0  # 0.1 s at most on one core; the rest is room for a slow machine


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_the_catalog_is_read(name):
    tables = {"fluxes.tsv", "constraints.tsv", "observations.tsv", "tracers.tsv", "map.tsv", "README.md"}
    found = {each.name for each in (CATALOG / name).iterdir()}
    assert len(found - tables) == 1
    assert found - tables <= {"model.rxn", "body.toml"}
    if "model.rxn" in found:
        text = (CATALOG / name / "model.rxn").read_text(encoding="utf-8")
        assert parse_reactions(text)[0] == load_network(name).reactions
