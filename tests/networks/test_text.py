"""The ``.rxn`` text and the tables beside it, read and written."""

import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from fluxkit.errors import LabelingError, NetworkError, UnknownNameError
from fluxkit.networks import (
    Equality,
    FluxRule,
    Network,
    Observation,
    ObservationTable,
    Participant,
    format_reactions,
    list_networks,
    load_network,
    parse_reactions,
    read_network,
    write_network,
)
from fluxkit.networks.observations import format_share, parse_pools
from tests.emu.random_networks import networks

CHAIN = "in: A_x (ab) -> A (ab)\nstep: A (ab) <-> B (ab)\nout: B (ab) -> B_x (ab)\n"


def folder_of(tmp_path, text=CHAIN, **tables):
    (tmp_path / "small.rxn").write_text(text, encoding="utf-8")
    paths = {}
    for name, content in tables.items():
        paths[name] = tmp_path / f"{name}.tsv"
        paths[name].write_text(content, encoding="utf-8")
    return read_network(tmp_path / "small.rxn", **paths)


def read_again(network: Network, folder) -> Network:
    write_network(network, folder)
    tables = {"constraints": "constraints.tsv", "observations": "observations.tsv", "tracers": "tracers.tsv"}
    found = {key: folder / file for key, file in tables.items() if (folder / file).is_file()}
    return read_network(
        folder / "model.rxn",
        bounds=folder / "fluxes.tsv",
        **found,
        name=network.name,
        flux_unit=network.flux_unit,
        description=network.description,
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(networks())
def test_text_of_a_random_network_reads_back(network):
    reactions, symmetric = parse_reactions(format_reactions(network))
    assert (reactions, symmetric) == (network.reactions, network.symmetric)


@pytest.mark.parametrize("name", list_networks())
def test_a_bundled_network_reads_back(name, tmp_path):
    network = load_network(name)
    assert parse_reactions(format_reactions(network))[0] == network.reactions
    again = read_again(network, tmp_path / "new" / name)
    assert again.fingerprint == network.fingerprint
    assert again.reference == network.reference
    assert again.observations.typical_weights == network.observations.typical_weights
    assert list(again.observations) == list(network.observations)
    assert again.standard_tracers == network.standard_tracers


def test_everything_of_a_network_reads_back(tmp_path):
    rules = {
        "in": FluxRule(0.1, np.inf, 1 / 3, 0.7, note="a 'note' with \"quotes\""),
        "step": FluxRule(-np.inf, 7.0, None, 1.0, 0.0, np.inf),
        "out": FluxRule(0.0, 9.0),
    }
    table = ObservationTable(
        {
            "alanine": Observation("alanine", parse_pools("A:w1;B:1-w1", "x"), "C3H7NO2", True, 0.01, "note"),
            "both": Observation("both", parse_pools("A[1]:0.25;B[1]:0.75", "x")),
            "bloody": Observation("bloody", parse_pools("A:0.9*(1-w2);B:0.9*w2;A:0.1", "x")),
        },
        {"w1": 0.3},
    )
    network = Network(
        "small",
        parse_reactions("%symmetric A B\n" + CHAIN)[0],
        frozenset({"A", "B"}),
        rules,
        (Equality({"in": 1 / 3, "out": -1 / 3}), Equality({"in": 1.0}, 2.5)),
        {"in": (2.5, 0.0), "step": (2.5, 1e-3), "out": (2.5, 0.0)},
        observations=table,
        standard_tracers={"one": "A_x: 100% [1-13C]"},
        compartments={"L": "liver", "Pa": "arterial plasma"},
        sizes={"L": 1 / 3},
    )
    assert read_again(network, tmp_path) == network


def test_decimal_coefficients_and_comments_are_read():
    text = (
        "# head\n\n%symmetric B\nr1: 2.5 A_x (ab){n} + ATP_x -> 1e-2 B (ab){n}[] # why\n"
        "r2: B(ab){n}->0.1 C_x (ab) {n}\n"
    )
    (first, second), symmetric = parse_reactions(text)
    assert first.substrates == (Participant("A_x", 2.5, {"C": "ab", "N": "n"}), Participant("ATP_x"))
    assert first.products[0].coefficient == 0.01
    assert (first.note, symmetric, first.reversible) == ("why", {"B"}, False)
    network = Network("scaled", (first, second))
    assert network.stoichiometry.tolist() == [[0.01, -1.0]]
    assert parse_reactions(format_reactions(network))[0] == network.reactions


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "A (ab) -> B (ab)",
            "cannot read 'A (ab) -> B (ab)'; write 'name: A (ab) -> B (ab)', or '<->' if reversible.",
        ),
        (": A (ab) -> B (ab)", "cannot read ': A (ab) -> B (ab)'"),
        ("r: A (ab) = B (ab)", "cannot read 'r: A (ab) = B (ab)'"),
        ("r: A (a) -> B (a) -> C (a)", "cannot read 'r: A (a) -> B (a) -> C (a)'"),
        ("r: A (a) <-> B (a) -> C (a)", "cannot read 'B (a) -> C (a)'"),
        (
            "r: A (a1) -> B (a1)",
            "cannot read 'A (a1)'; write 'Name (carbons){nitrogens}[hydrogens]' with one letter per atom",
        ),
        ("r: A (a)+B (b) -> C (ab)", "cannot read 'A (a)+B (b)'"),
        ("r: 2A (a) -> B (a)", "cannot read '2A (a)'"),
        ("r: A {n}(a) -> B {n}(a)", "cannot read 'A {n}(a)'"),
        ("r: A (a -> B (a)", "cannot read 'A (a'"),
        ("r: -1 A (a) -> B (a)", "cannot read '-1 A (a)'"),
        ("%symetric A", "unknown directive '%symetric'; only %symmetric, %compartment and %size are known."),
    ],
)
def test_a_malformed_line_is_refused_with_its_number(line, message):
    with pytest.raises(NetworkError, match=re.escape("model.rxn, line 2: " + message)):
        parse_reactions("# first\n" + line, "model.rxn")


@pytest.mark.parametrize("line", ["%size L", "%size L much", "%size L 0.1\n%size L 0.1"])
def test_a_size_is_one_number_per_compartment(line, tmp_path):
    message = f"cannot read {line.splitlines()[-1]!r}; write '%size L 0.05' once per compartment."
    with pytest.raises(NetworkError, match=re.escape(message)):
        folder_of(tmp_path, CHAIN + line)


def test_tables_set_bounds_targets_and_the_reference_state(tmp_path):
    network = folder_of(
        tmp_path,
        bounds="\ufeff# comment\nname\tlb\tub\ttarget\tweight\texch\tref\n"
        "in\t1\t1\t-\t0\t9\t1\nstep\t-\t5\t2\t0\t3\t1\nout\t\t\t1\t4\t\t1\n",
    )
    assert network.rule("in") == FluxRule(1.0, 1.0)
    assert network.rule("step") == FluxRule(-np.inf, 5.0)  # a target of weight 0 is none
    assert network.rule("out") == FluxRule(0.0, np.inf, 1.0, 4.0)
    assert network.reference == {"in": (1.0, 0.0), "step": (1.0, 3.0), "out": (1.0, 0.0)}
    assert network.reference_fluxes()["exchange_flux"].values.tolist() == [0.0, 3.0, 0.0]
    assert network.exchange_bounds[1].tolist() == [10.0]


def test_a_network_without_reference_state_says_how_to_get_one(tmp_path):
    with pytest.raises(
        UnknownNameError, match="network 'small' stores no reference state. Draw one with fluxkit.draw_fluxes"
    ):
        folder_of(tmp_path).reference_fluxes()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "reaction\tlb\nin\t1",
            "bounds.tsv, line 1: there is no column 'name' (tab-separated). Known: 'lb', 'reaction'.",
        ),
        ("name\tlower\nin\t1", "bounds.tsv: unknown column 'lower'. "),
        (
            "name\tlb\nin\tone",
            "bounds.tsv, line 2: lb = 'one' is not a number; write a number, or '-' for none.",
        ),
        ("name\tlb\n# c\nin\t1\nin\t2", "bounds.tsv, line 4: reaction 'in' has a second row; keep one."),
        ("name\tlb\nin\t1\t2", "bounds.tsv, line 2: 3 cells in 2 columns; separate cells by one tab."),
        ("name\tlb\n\t1", "bounds.tsv, line 2: 'name' is empty; fill it, or delete the row."),
        ("name\tlb\ninn\t1", "a flux rule names reaction 'inn', which does not exist. Did you mean 'in'?"),
        ("name\tref\nin\t1\nstep\t-\nout\t1", "the reference state lacks reaction 'step'; add its row."),
    ],
)
def test_a_wrong_flux_table_is_refused(tmp_path, table, message):
    with pytest.raises(NetworkError, match=re.escape(message)):
        folder_of(tmp_path, bounds=table)


def test_equalities_are_read(tmp_path):
    network = folder_of(tmp_path, constraints="# c\n2 in - 1.5 out = 1e0 # c\n1 in + 1 in -2 step = 0\n")
    assert network.equalities == (
        Equality({"in": 2.0, "out": -1.5}, 1.0),
        Equality({"in": 2.0, "step": -2.0}),
    )


@pytest.mark.parametrize("line", ["in - out = 0", "2 in - 1 out", "2 in = x", "2 = 0", "1 in 2 = 0"])
def test_a_malformed_equality_is_refused(tmp_path, line):
    message = f"constraints.tsv, line 1: cannot read {line!r}; write '2 A - 1 B = 0' with a number per reaction."
    with pytest.raises(NetworkError, match=re.escape(message)):
        folder_of(tmp_path, constraints=line)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (
            "ala\tA:0.5",
            LabelingError,
            "line 2: the shares of 'A:0.5' do not sum to 1; give numbers that do, a pair w and 1-w, or such a pair "
            "of a part beside numbers: 0.95*w, 0.95*(1-w) and 0.05.",
        ),
        (
            "ala\tA:-0.5;B:1.5",
            LabelingError,
            "share '-0.5' of pool 'A' is neither a number from 0 to 1 nor a weight name",
        ),
        ("ala\tA:1-w;B:v", LabelingError, "do not sum to 1"),
        ("ala\tA:0.9*w;B:1-w;B:0.1", LabelingError, "the shares of 'A:0.9*w;B:1-w;B:0.1' do not sum to 1"),
        ("ala\tA:0.9*w;B:0.9*1-w;B:0.1", LabelingError, "share '0.9*1-w' of pool 'B' is neither a number"),
        ("ala\tA:1.9*w;B:1-w", LabelingError, "share '1.9*w' of pool 'A' is neither a number from 0 to 1"),
        ("ala\tA", LabelingError, "pool 'A' needs 'fragment:share', for example 'Cit.m:1-w3'."),
        ("ala\tA:1\nala\tB:1", NetworkError, "line 3: observation 'ala' has a second row; keep one."),
        ("ala\tC:1", UnknownNameError, "observation 'ala': network 'small' has no metabolite 'C'"),
        ("ala\tA[3]:1", LabelingError, "observation 'ala': fragment 'A[3]': A has atoms 1 to 2 of C, not 3."),
        ("ala\tunlabeled:1", LabelingError, "line 2: 'unlabeled:1' is only 'unlabeled'; name the pools of the network"),
        ("ala\t", NetworkError, "line 2: 'pools' is empty; fill it, or delete the row."),
    ],
)
def test_a_wrong_observation_is_refused(tmp_path, rows, error, message):
    with pytest.raises(error, match=re.escape(message)):
        folder_of(tmp_path, observations="measured\tpools\n" + rows)


def test_a_share_may_be_part_of_an_unknown_one():
    pools = parse_pools("Lac.K:0.95*(1-w);Lac.K2:0.95 * w;Lac.P:0.05", "x")
    assert [(each.constant, each.weight, each.complement) for each in pools] == [
        (0.95, "w", True),
        (0.95, "w", False),
        (0.05, None, False),
    ]
    texts = [f"{each.fragment}:{format_share(each)}" for each in pools]
    assert texts == ["Lac.K:0.95*(1-w)", "Lac.K2:0.95*w", "Lac.P:0.05"]


def test_a_name_cannot_come_to_mean_no_pool_at_all():
    table = ObservationTable({"ala": Observation("ala", parse_pools("A:1", "x"))})
    message = "observation 'ala': 'unlabeled:1' is only 'unlabeled'; name the pools of the network in it."
    with pytest.raises(LabelingError, match=re.escape(message)):
        table.with_pools("ala", "unlabeled:1")


def test_a_wrong_file_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="there is no file .*missing.rxn'; check the path."):
        read_network(tmp_path / "missing.rxn")
    (tmp_path / "model.txt").write_text(CHAIN)
    with pytest.raises(NetworkError, match="cannot read 'model.txt': networks are read from .rxn text"):
        read_network(tmp_path / "model.txt")
    (tmp_path / "latin.rxn").write_bytes("# caf\xe9\n".encode("latin-1"))
    with pytest.raises(NetworkError, match="latin.rxn is not text in UTF-8; save it as plain text."):
        read_network(tmp_path / "latin.rxn")
