"""The network as a value: frozen, comparable, hashable, and able to travel between processes."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from fluxkit.networks import (
    Equality,
    FluxRule,
    Network,
    Participant,
    Reaction,
    list_networks,
    load_network,
    parse_reactions,
)

CHAIN = "in: A_x (ab) -> A (ab)\nstep: A (ab) <-> B (ab)\nout: B (ab) -> B_x (ab)\n"


def small(**fields) -> Network:
    return Network("small", parse_reactions(CHAIN)[0], **fields)


def test_a_bundled_network_is_loaded_once():
    assert {"toy", "ccm"} <= set(list_networks())
    assert load_network("ccm") is load_network("ccm")


def test_fluxes_of_ccm_are_scaled_to_the_glucose_uptake():
    assert load_network("ccm").normalising_flux == 100


def test_a_network_cannot_be_changed():
    network = small(rules={"in": FluxRule(0.0, 1.0)}, equalities=(Equality({"in": 1.0}, 1.0),))
    with pytest.raises(FrozenInstanceError):
        network.name = "other"
    with pytest.raises(TypeError):
        network.rules["in"] = FluxRule()
    with pytest.raises(TypeError):
        network.equalities[0].coefficients["in"] = 2.0
    with pytest.raises(TypeError):
        network.reactions[0].substrates[0].atoms["C"] = "ba"
    for array in (network.stoichiometry, network.reversible, *network.net_bounds, *network.exchange_bounds):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_later_changes_of_the_arguments_do_not_reach_the_network():
    rules, reactions = {"in": FluxRule(0.0, 1.0)}, list(parse_reactions(CHAIN)[0])
    network = Network("small", reactions, {"A"}, rules)
    rules["in"] = FluxRule(0.0, 2.0)
    reactions.clear()
    assert network.rule("in").upper == 1.0
    assert len(network.reactions) == 3
    assert network == Network("small", parse_reactions(CHAIN)[0], frozenset({"A"}), {"in": FluxRule(0.0, 1.0)})


@pytest.mark.parametrize("name", ["toy", "ccm"])
@pytest.mark.parametrize("travel", [lambda n: pickle.loads(pickle.dumps(n)), copy.deepcopy])
def test_a_network_survives_pickling_and_copying(name, travel):
    network = load_network(name)
    again = travel(network)
    assert again == network
    assert hash(again) == hash(network)
    assert again.standard_tracers == network.standard_tracers
    assert again.stoichiometry.tolist() == network.stoichiometry.tolist()


def test_equal_networks_have_equal_fingerprints_whatever_the_type_of_a_number():
    one = small(rules={"in": FluxRule(0, 1, note="a")}, equalities=(Equality({"in": 1}, 1),))
    two = small(rules={"in": FluxRule(-0.0, np.float64(1.0), note="a")}, equalities=(Equality({"in": 1.0}, 1.0),))
    assert one == two
    assert one.fingerprint == two.fingerprint
    assert hash(one) == hash(two)
    assert len(one.fingerprint) == 64


def test_names_and_notes_of_a_network_are_no_part_of_its_fingerprint():
    network = small(rules={"in": FluxRule(0.0, 1.0)})
    other = network.with_changes(name="other", description="text", rules={"in": FluxRule(0.0, 1.0, note="why")})
    assert other.fingerprint == network.fingerprint
    assert other != network


@pytest.mark.parametrize(
    "change",
    [
        {"rules": {"in": FluxRule(0.0, 2.0)}},
        {"rules": {"in": FluxRule(0.0, 1.0, target=0.5)}},
        {"symmetric": frozenset({"A"})},
        {"equalities": (Equality({"in": 1.0}, 0.5),)},
        {"reactions": parse_reactions(CHAIN.replace("<->", "->"))[0]},
        {"reactions": parse_reactions(CHAIN.replace("<-> B (ab)", "<-> B (ba)"))[0]},
    ],
)
def test_whatever_decides_labeling_or_fluxes_changes_the_fingerprint(change):
    network = small(rules={"in": FluxRule(0.0, 1.0)})
    assert network.with_changes(**change).fingerprint != network.fingerprint


def test_the_side_of_a_cofactor_changes_the_fingerprint():
    first, *rest = parse_reactions(CHAIN)[0]
    cofactor = Participant("ATP_x")
    before = Network("n", (replace(first, substrates=(*first.substrates, cofactor)), *rest))
    after = Network("n", (replace(first, products=(cofactor, *first.products)), *rest))
    assert before.fingerprint != after.fingerprint


def test_an_external_product_of_a_reversible_reaction_is_an_input():
    network = Network("open", parse_reactions("in: A_x (a) -> A (a)\nout: A (a) <-> B_x (a)\nend: A (a) -> C_x (a)")[0])
    assert network.inputs == ("A_x", "B_x")
    assert network.balanced == ("A",)


def test_a_network_describes_itself():
    assert repr(load_network("toy")) == (
        "<Network 'toy': 6 reactions (1 reversible), 4 balanced pools, flux unit: A uptake = 100>"
    )
    assert isinstance(load_network("toy").reactions[0], Reaction)
