"""What an invalid network is told: the reaction, the atom, and the cure."""

import re
from dataclasses import replace

import pytest

from fluxkit.errors import FluxkitError, LabelingError, NetworkError, UnknownNameError
from fluxkit.networks import (
    Equality,
    FluxRule,
    Network,
    Participant,
    Reaction,
    check_reachable,
    load_network,
    parse_fragment,
    parse_reactions,
)

CHAIN = "in: A_x (ab) -> A (ab)\nstep: A (ab) <-> B (ab)\nout: B (ab) -> B_x (ab)\n"


def build(text: str = CHAIN, **fields) -> Network:
    reactions, symmetric = parse_reactions(text)
    return Network("small", reactions, symmetric, **fields)


def refused(message: str, text: str = CHAIN, **fields) -> None:
    with pytest.raises(NetworkError, match=re.escape(message)):
        build(text, **fields)


def test_a_valid_network_is_accepted():
    assert build().balanced == ("A", "B")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "step: A (ab) -> B (ac)",
            "reaction 'step': carbon atom 'b' stands on the left but not on the right",
        ),
        (
            "step: A (ab) -> B (ac)",
            "carbon atom 'c' stands on the right but not on the left; add it to a metabolite on the left",
        ),
        (
            "step: A (ab) -> B (aa)",
            "carbon atom 'a' is produced twice (right side); use a different letter for each atom.",
        ),
        ("step: A (aa) -> B (ab)", "carbon atom 'a' comes from two places (left side)"),
        (
            "step: A (ab) -> B (ab) + N_x {n}",
            "reaction 'step': nitrogen atom 'n' stands on the right but not on the left",
        ),
        ("step: A (ab)[h] -> B (ab)", "reaction 'step': A has 1 hydrogen letters, but 0 in reaction 'in'"),
        (
            "step: A (abc) -> B (abc)",
            "reaction 'step': A has 3 carbon letters, but 2 in reaction 'in'; give it one letter",
        ),
        ("step: A -> B", "reaction 'step': A has 0 carbon letters, but 2 in reaction 'in'"),
        ("step: 0 A (ab) -> B (ab)", "reaction 'step': A has coefficient 0; coefficients are positive"),
        ("in: A (ab) -> B (ab)", "reaction 'in' is defined more than once; rename one of them."),
        ("step: ->", "reaction 'step' is empty; write 'name: A (ab) -> B (ab)'."),
    ],
)
def test_wrong_atoms_are_refused(line, message):
    refused(message, CHAIN.replace("step: A (ab) <-> B (ab)", line))


def test_several_faults_are_told_at_once():
    with pytest.raises(NetworkError) as caught:
        build("in: A_x (ab) -> A (ac)\nout: A (ab) -> A_x2_x (ad)")
    assert len(str(caught.value).splitlines()) == 4


def test_a_network_without_reactions_is_refused():
    refused("network 'small': it has no reactions; add at least one line", "# nothing")


def test_an_element_that_is_not_traced_is_refused():
    step = Reaction("r", (Participant("A_x", 1, {"O": "a"}),), (Participant("B_x", 1, {"O": "a"}),))
    with pytest.raises(
        NetworkError, match="reaction 'r': A_x has atoms of 'O'; the elements that are traced are C, N, H"
    ):
        Network("oxygen", (step,))


@pytest.mark.parametrize("coefficient", [-1.0, float("nan"), float("inf")])
def test_a_coefficient_that_is_no_amount_is_refused(coefficient):
    step = Reaction("r", (Participant("A_x", coefficient),), (Participant("B_x"),))
    with pytest.raises(NetworkError, match=f"reaction 'r': A_x has coefficient {coefficient:g}"):
        Network("amounts", (step,))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            "more: C (ab) -> B (ab)",
            "metabolite 'C' (reaction 'more') is never produced: a dead end at steady state",
        ),
        (
            "more: B (ab) -> C (ab)",
            "metabolite 'C' (reaction 'more') is never consumed: a dead end at steady state",
        ),
        (
            "more: B (ab) <-> C (ab)",
            "metabolite 'C' (reaction 'more') is never connected to a second reaction",
        ),
        ("more: B (ab) -> C (ab)", "add a reaction, or make it external by the name 'C_x'."),
    ],
)
def test_dead_ends_are_refused(extra, message):
    refused(message, CHAIN + extra)


def test_a_symmetric_metabolite_must_exist():
    refused(
        "symmetric metabolite 'Fumm' takes part in no reaction. Did you mean 'Fum'?",
        "%symmetric Fumm\nin: A_x (ab) -> Fum (ab)\nout: Fum (ab) -> B_x (ab)",
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"rules": {"stp": FluxRule()}},
            "a flux rule names reaction 'stp', which does not exist. Did you mean 'step'?",
        ),
        (
            {"equalities": (Equality({"outt": 1.0}),)},
            "an equality names reaction 'outt', which does not exist. Did you mean 'out'?",
        ),
        (
            {"reference": {"in": (1, 0), "inn": (1, 0)}},
            "the reference state names reaction 'inn', which does not exist",
        ),
        ({"reference": {"in": (1, 0)}}, "the reference state lacks reaction 'step'; add its row."),
        (
            {"rules": {"step": FluxRule(2.0, 1.0)}},
            "reaction 'step': lower bound 2 exceeds upper bound 1; swap them.",
        ),
        (
            {"rules": {"step": FluxRule(float("nan"), 1.0)}},
            "reaction 'step': lower bound nan exceeds upper bound 1",
        ),
        (
            {"rules": {"in": FluxRule(-1.0, 1.0)}},
            "reaction 'in': lower bound -1 is negative, but '->' allows one direction only",
        ),
        (
            {"rules": {"step": FluxRule(exchange_lower=2.0, exchange_upper=1.0)}},
            "reaction 'step': exchange bounds 2 to 1 must",
        ),
        (
            {"rules": {"step": FluxRule(exchange_lower=-1.0)}},
            "exchange bounds -1 to inf must satisfy 0 <= lower <= upper.",
        ),
        ({"rules": {"step": FluxRule(exchange_upper=-1.0)}}, "exchange bounds 0 to -1 must satisfy"),
        ({"rules": {"step": FluxRule(weight=0.0)}}, "reaction 'step': target weight 0 must be positive."),
        (
            {"rules": {"in": FluxRule(10.0, 20.0), "out": FluxRule(0.0, 5.0)}},
            "no flux state balances within the bounds; ",
        ),
        (
            {"equalities": (Equality({"in": 1.0}, 1.0), Equality({"in": 1.0}, 2.0))},
            "the linear equalities contradict each other whatever the bounds; remove one of them.",
        ),
        (
            {"sizes": {"L": 0.0}},
            "the size of 'L' is 0; it is a mass per unit of body or a share of the cells, above 0.",
        ),
    ],
)
def test_wrong_flux_rules_are_refused(fields, message):
    refused(message, **fields)


def test_infeasible_bounds_name_a_reaction_and_the_flux_that_it_would_need():
    with pytest.raises(NetworkError, match=r"'out' \(bounds 0 to 5\) would need 10: widen these bounds") as caught:
        build(rules={"in": FluxRule(10.0, 10.0), "step": FluxRule(10.0, 10.0), "out": FluxRule(0.0, 5.0)})
    assert "'in'" not in str(caught.value)


def test_with_changes_checks_anew():
    network = load_network("toy")
    with pytest.raises(NetworkError, match="lower bound 2 exceeds upper bound 1"):
        network.with_changes(rules={"v4": FluxRule(2.0, 1.0)})


def test_no_path_from_a_tracer_to_a_fragment_is_refused():
    network = load_network("ccm")
    fragment = parse_fragment("Nuc_bm_x", network)
    check_reachable(network, [fragment], ["Glc_x"])
    message = "no atom of 'G6P.c:C[1]' can come from the tracers in NH_x; its atoms come from "
    with pytest.raises(NetworkError, match=re.escape(message)):
        check_reachable(network, [replace(parse_fragment("G6P.c[1]", network), name="G6P.c:C[1]")], ["NH_x"])


def test_a_fragment_whose_atoms_have_another_source_names_it():
    text = CHAIN + "in2: C_x (a) -> C (a)\nout2: C (a) -> C2_x (a)"
    network = build(text)
    message = "no atom of 'C' can come from the tracers in A_x; its atoms come from C_x. Label one of these"
    with pytest.raises(NetworkError, match=message):
        check_reachable(network, [parse_fragment("B", network), parse_fragment("C", network)], ["A_x"])


def test_a_single_atom_is_followed_through_symmetric_pools():
    text = "%symmetric B\nin: A_x (ab) -> B (ab)\ncut: B (ab) -> C (a) + D (b)\n"
    network = build(text + "oc: C (a) -> C_x (a)\nod: D (a) -> D_x (a)")
    check_reachable(network, [parse_fragment("C", network), parse_fragment("D_x", network)], ["A_x"])


def test_unknown_names_come_with_the_nearest_ones():
    network = load_network("ccm")
    with pytest.raises(
        UnknownNameError,
        match=r"network 'ccm' has no metabolite 'Cit.n' \(fragment 'Cit.n'\). Did you mean .*'Cit.m'",
    ):
        parse_fragment("Cit.n", network)
    with pytest.raises(UnknownNameError, match="no bundled network is called 'cmm'. Did you mean 'ccm'?"):
        load_network("cmm")
    with pytest.raises(UnknownNameError, match="no observation is called 'citrat'. Did you mean 'citrate'"):
        network.observations["citrat"]
    with pytest.raises(KeyError):
        network.require_metabolite("Cit.n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Glu.c[2-9]", "fragment 'Glu.c[2-9]': Glu.c has atoms 1 to 5 of C, not 6."),
        ("Glu.c[0]", "Glu.c has atoms 1 to 5 of C, not 0."),
        ("Glu.c[3-2]", "cannot read positions '3-2'; write numbers and ranges such as '1,6-7'."),
        ("Glu.c[1,1-2]", "positions '1,1-2' repeat an atom."),
        ("Glu.c:H", "fragment 'Glu.c:H': Glu.c has no H atoms in network 'ccm' (it has 5 C, 1 N)."),
        ("Glu.c:CC", "fragment 'Glu.c:CC': the elements 'CC' repeat; name each element once."),
        ("Glu.c:CN[1]", "positions need one element; write 'Glu.c:C[...]'."),
        ("NH3", "NH3 has no C atoms"),
        ("Glu c", "cannot read fragment 'Glu c'; write 'Glu.c', 'Glu.c:CN', 'Glu.c:C+N' or 'Glu.c[2-5]'."),
    ],
)
def test_wrong_fragments_are_refused(text, message):
    with pytest.raises(LabelingError, match=re.escape(message)):
        parse_fragment(text, load_network("ccm"))


def test_fragments_are_read_as_written():
    network = load_network("ccm")
    assert parse_fragment("Glu.c[2-3,5]", network).atoms == (("C", 1), ("C", 2), ("C", 4))
    assert parse_fragment("Gln.c:N[2]", network).atoms == (("N", 1),)
    assert parse_fragment("NH3", network, "CN").atoms == (("N", 0),)
    assert parse_fragment("Glu.c:CN", network).size == 6


def test_every_refusal_belongs_to_one_family_and_to_a_builtin():
    assert issubclass(NetworkError, (FluxkitError,))
    assert issubclass(NetworkError, ValueError)
    assert issubclass(UnknownNameError, KeyError)
