"""The bundled bodies come out of their plans exactly as they were once typed."""

import time
from pathlib import Path

import pytest

from fluxkit.networks import load_network, parse_reactions, read_body
from fluxkit.networks.bodies import body_fields, list_modules, list_templates
from fluxkit.networks.bodies.templates import FOLDER, load_template
from fluxkit.networks.catalog import CATALOG

REFERENCE = Path(__file__).parents[2] / "reference"
BODIES = ["coculture", "wholebody", "wholebody_av", "wholebody_core", "wholebody_mouse"]


@pytest.mark.parametrize("name", BODIES)
def test_a_plan_gives_the_typed_reactions_in_their_order(name):
    reactions, symmetric = parse_reactions((REFERENCE / name / "model.rxn").read_text(encoding="utf-8"))
    network = load_network(name)
    assert network.reactions == reactions
    assert network.symmetric == symmetric


@pytest.mark.parametrize("name", BODIES)
def test_the_tables_of_a_bundled_body_go_before_the_templates(name):
    network = load_network(name)
    rows = (CATALOG / name / "fluxes.tsv").read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split("\t")[0] for row in rows] == list(network.reaction_names)
    assert len(network.equalities) == (0 if name == "coculture" else 2)


@pytest.mark.parametrize("name", BODIES)
def test_every_compartment_of_a_bundled_body_has_a_name(name):
    network = load_network(name)
    found = {each.removesuffix("_x").rpartition(".")[2] for each in network.metabolites if "." in each}
    assert found == set(network.compartments)


def test_compartments_are_not_part_of_the_fingerprint():
    network = load_network("wholebody_core")
    assert network.compartments["L"] == "liver"
    assert network.with_changes(compartments={}).fingerprint == network.fingerprint


@pytest.mark.parametrize("name", ["wholebody", "coculture"])
def test_the_templates_prior_is_that_of_the_bundled_table(name):
    network, rules = load_network(name), body_fields(read_body(CATALOG / name / "body.toml"))["rules"]
    assert set(rules) == set(network.reaction_names)
    for reaction in network.reaction_names:
        rule, brought = network.rule(reaction), rules[reaction]
        assert (brought.target, brought.weight if brought.target is not None else None) == (
            rule.target,
            rule.weight if rule.target is not None else None,
        ), reaction
        assert (brought.exchange_lower, brought.exchange_upper) == (rule.exchange_lower, rule.exchange_upper)


def test_a_whole_body_loads_in_well_under_a_second():
    load_network.__wrapped__("wholebody_av")
    start = time.process_time()
    load_network.__wrapped__("wholebody_av")
    assert time.process_time() - start < 0.3


@pytest.mark.parametrize("name", [*list_modules(), *list_templates()])
def test_a_template_says_what_it_is_and_its_table_names_its_reactions(name):
    template = load_template(name)
    names = {each.name for each in template.reactions}
    assert set(template.defaults) <= names
    assert {key for each in template.equalities for key in each.coefficients} <= names
    path = next(FOLDER.glob(f"*/{name}.rxn"))
    assert path.read_text(encoding="utf-8").startswith("# ")
