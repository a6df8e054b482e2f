"""Kept results of benchmarks: none is lost, and none is mixed with results that were made otherwise."""

import gzip
import importlib
import json
import os
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def shout(key):
    """Do the work of a case."""
    if key == "bad":
        raise ValueError("no such case")
    return {"shown": key.upper(), "process": os.getpid()}


@pytest.fixture
def keeping(tmp_path, monkeypatch):
    """Return the module, writing into a folder of its own."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("keeping")
    monkeypatch.setattr(module, "PACKED", tmp_path / "kept")
    monkeypatch.setattr(module, "RUNNING", tmp_path / "running")
    return module


def packed_keys(kept):
    lines = gzip.decompress(kept.packed.read_bytes()).decode().splitlines()
    return sorted((line["key"], line["made with"]["seed"]) for line in map(json.loads, lines))


def test_a_later_run_does_only_what_is_missing(keeping):
    kept = keeping.Kept("some", {"seed": 1})
    kept.run(shout, ["a", "b"], 2)
    first = kept.lines()
    kept.run(shout, ["a", "b", "c"], 1)
    assert {key: kept.lines()[key] for key in first} == first
    assert [line["shown"] for line in kept.lines().values()] == ["A", "B", "C"]


def test_packing_keeps_lines_of_all_settings_and_what_still_runs(keeping):
    one, other = (keeping.Kept("some", {"seed": seed}) for seed in (1, 2))
    one.run(shout, ["a"], 1)
    one.pack()
    other.run(shout, ["a", "b"], 1)
    other.pack()
    one.run(shout, ["c"], 1)
    assert packed_keys(one) == [("a", 1), ("a", 2), ("b", 2)]
    one.pack()
    assert packed_keys(one) == [("a", 1), ("a", 2), ("b", 2), ("c", 1)]
    assert sorted(one.lines()) == ["a", "c"]
    one.running.unlink()
    assert sorted(one.lines()) == ["a", "c"]


def test_a_line_that_was_cut_off_is_made_again_and_spoils_no_other(keeping):
    kept = keeping.Kept("some", {"seed": 1})
    kept.run(shout, ["a", "b"], 1)
    kept.running.write_bytes(kept.running.read_bytes()[:-20])
    assert sorted(kept.lines()) == ["a"]
    kept.run(shout, ["a", "b"], 1)
    assert sorted(kept.lines()) == ["a", "b"]


def test_a_case_that_fails_is_named_and_stops_no_other(keeping, capsys):
    kept = keeping.Kept("some", {"seed": 1})
    assert kept.run(shout, ["a", "bad", "b"], 1) == ["bad"]
    assert sorted(kept.lines()) == ["a", "b"]
    assert "no such case" in capsys.readouterr().err


def test_a_line_holds_when_code_changes_and_says_so(keeping, monkeypatch):
    kept = keeping.Kept("some", {"seed": 1})
    kept.run(shout, ["a"], 1)
    monkeypatch.setattr(keeping, "state_of_code", lambda name: "changed")
    kept.run(shout, ["a", "b"], 1)
    assert "made with 2 states of the code" in keeping.describe_making(kept.lines().values())


def test_the_state_of_the_code_is_that_of_what_decides_results(keeping, monkeypatch, tmp_path):
    library = tmp_path / "fluxkit"
    for place in ("emu/a.py", "view/a.py", "networks/catalog/ccm/a.rxn", "networks/catalog/liver/a.rxn"):
        (library / place).parent.mkdir(parents=True)
        (library / place).write_text("before")
    monkeypatch.setattr(keeping, "LIBRARY", library)
    states = [keeping.state_of_code.__wrapped__("quantify")]
    for place in ("view/a.py", "networks/catalog/liver/a.rxn", "emu/a.py", "networks/catalog/ccm/a.rxn"):
        (library / place).write_text("after")
        states.append(keeping.state_of_code.__wrapped__("quantify"))
    assert states[0] == states[1] == states[2]
    assert len(set(states[2:])) == 3


def test_weights_and_card_of_the_shipped_model_decide_which_lines_hold(keeping, monkeypatch, tmp_path):
    shipped = keeping.SHIPPED / "ccm"
    card = json.loads((shipped / keeping.CARD).read_text())
    folder = tmp_path / "ccm"
    folder.mkdir()
    monkeypatch.setattr(keeping, "SHIPPED", tmp_path)

    def checksum(weights, card):
        (folder / keeping.WEIGHTS).write_bytes(weights)
        (folder / keeping.CARD).write_text(json.dumps(card))
        return keeping.model_checksum.__wrapped__()

    own = checksum(b"weights", card)
    assert checksum(b"weights", {**card, "calibration": {}}) == own
    assert checksum(b"other weights", card) != own
    assert checksum(b"weights", {**card, "tracers": card["tracers"][:-1]}) != own


def test_a_new_model_leaves_least_squares_valid(keeping, monkeypatch):
    quantify = importlib.import_module("quantify")
    before = {method: quantify.kept_results(method).made_with for method in quantify.METHODS}
    monkeypatch.setattr(quantify, "model_checksum", lambda: "another")
    changed = {name for name in before if quantify.kept_results(name).made_with != before[name]}
    assert changed == {"quantify", "best fit", "network alone", "converged", "time"}


def test_cases_are_shared_out_by_their_numbers(keeping):
    quantify = importlib.import_module("quantify")
    assert quantify.keys("best fit", 2, 2) == ["best fit 2", "best fit 3"]


def test_machines_are_named_once_with_their_days(keeping):
    machine = importlib.import_module("machine")
    days = [f"2026-01-0{day}, A, 2 cores" for day in (3, 1, 2)]
    assert machine.join_machines([*days, "2026-01-02, B"]) == ["2026-01-01 to 2026-01-03, A, 2 cores", "2026-01-02, B"]
