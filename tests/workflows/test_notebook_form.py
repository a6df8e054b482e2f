"""Every notebook reads the same way: typed parameters, a question, few lines a cell, few calls, an answer."""

import ast
import json
from pathlib import Path

import pytest

from fluxkit.workflows.parameters import read_signature

NOTEBOOKS = sorted(
    each for each in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb") if not each.stem.endswith(".failed")
)
MOST_LINES = 20
MOST_CALLS = 10
NOT_COUNTED = {"notes_of"}  # reads what a dataset says of itself; nothing is to be learned for it
BY_HAND = {"teaching_app"}  # an app without code to read


def cells_of(path: Path, kind: str) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(each["source"]) for each in cells if each["cell_type"] == kind]


def functions_called(codes: list[str]) -> set[str]:
    """Return the functions of fluxkit that are called, by ``fluxkit.name(...)`` or imported from it.

    Classes, methods and what is in ``NOT_COUNTED`` are not among them.
    """
    trees = [ast.parse(code) for code in codes]
    imported = {
        alias.asname or alias.name
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fluxkit")
        for alias in node.names
        if alias.name[0].islower()
    }
    called = set()
    for node in (each for tree in trees for each in ast.walk(tree) if isinstance(each, ast.Call)):
        if isinstance(node.func, ast.Name) and node.func.id in imported:
            called.add(node.func.id)
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "fluxkit":
            called.add(node.func.attr)
    return called - NOT_COUNTED


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_parameter_has_a_type_and_a_word(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    (cell,) = [each for each in content["cells"] if "parameters" in each["metadata"].get("tags", [])]
    signature = read_signature("".join(cell["source"]), path.name)
    assert signature and all(each.type and each.help for each in signature.values())


@pytest.mark.parametrize("path", [each for each in NOTEBOOKS if each.stem not in BY_HAND], ids=lambda path: path.stem)
def test_a_question_is_asked_and_answered(path):
    words = cells_of(path, "markdown")
    assert "**Question.**" in words[0]
    assert any(each.startswith("**Answer.**") for each in words)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_hold_no_dead_code_and_read_notes_by_their_function(path):
    for code in cells_of(path, "code"):
        tests = [each.test for each in ast.walk(ast.parse(code)) if isinstance(each, ast.If | ast.IfExp)]
        assert not any(isinstance(each, ast.Constant) for each in tests), code
        assert 'attrs["notes"]' not in code


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_calls_are_few(path):
    codes = cells_of(path, "code")
    longest = max(codes, key=lambda code: len(code.splitlines()))
    assert len(longest.splitlines()) <= MOST_LINES, longest
    assert len(functions_called(codes)) <= MOST_CALLS, functions_called(codes)
