"""A notebook runs with the parameters it declares, or is refused before anything is written."""

import json
from pathlib import Path

import numpy as np
import pytest

from fluxkit.errors import NotebookError
from fluxkit.workflows.notebooks import find_notebook, notebook_signature, read_summary, run_notebook
from fluxkit.workflows.parameters import Parameter, parse_assignments, read_signature

PARAMETERS = """\
frac: float = 0.3  # share of labeled glucose
name: str | None = None  # of the sample
tracers: dict[str, str] = {"a": "Glc=1"}  # one text per experiment
draws: int = 3
out_dir: str = "results"  # where to write
"""


def write_notebook(path: Path, *cells: str, parameters: str | None = PARAMETERS, summary: str = "") -> Path:
    sources = [(parameters, ["parameters"])] if parameters is not None else []
    sources += [(cell, []) for cell in cells]
    sources += [(summary, ["summary"])] if summary else []
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    content = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{index}",
                "metadata": {"tags": tags},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for index, (source, tags) in enumerate(sources)
        ],
    }
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_run_leaves_the_executed_notebook_and_its_summary(tmp_path, capfd):
    out = tmp_path / "out"
    notebook = write_notebook(tmp_path / "story.ipynb", summary="print(frac * 2, name, draws, tracers, out_dir)")
    parameters = {"frac": 1, "draws": np.int64(5), "tracers": {"b": "Gln"}}
    executed = run_notebook(notebook, parameters, out, progress=False)
    assert executed == out / "story.ipynb"
    assert names_in(out) == ["story.ipynb"]
    assert "Executing" not in capfd.readouterr().err  # no bar; a starting kernel may have warnings of its own
    assert read_summary(executed) == f"2 None 5 {{'b': 'Gln'}} {out}"


def test_a_failing_cell_leaves_nothing_half_written(tmp_path):
    out = tmp_path / "out"
    notebook = write_notebook(tmp_path / "story.ipynb", "total = 1", "\n1 / (draws - 3)")
    with pytest.raises(
        NotebookError, match=r"story.ipynb failed in cell .*'1 / \(draws - 3\)'.*ZeroDivisionError"
    ) as caught:
        run_notebook(notebook, {}, out, progress=False)
    assert str(out / "story.failed.ipynb") in str(caught.value)
    assert names_in(out) == ["story.failed.ipynb"]
    run_notebook(notebook, {"draws": 4}, out, progress=False)
    assert names_in(out) == ["story.ipynb"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fraq": 0.2}, "story.ipynb has no parameter 'fraq'. Did you mean 'frac'"),
        (
            {"frac": "0.2"},
            "'frac' of story.ipynb is of type float .share of labeled glucose., not '0.2' of type str",
        ),
        ({"frac": True}, "not True of type bool"),
        ({"draws": 2.5}, "'draws' of story.ipynb is of type int, not 2.5"),
        ({"tracers": {"a": 1}}, "'tracers' of story.ipynb is of type dict"),
        ({"name": 3}, r"'name' of story.ipynb is of type str \| None"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_is_written(tmp_path, parameters, message):
    notebook = write_notebook(tmp_path / "story.ipynb")
    with pytest.raises(NotebookError, match=message):
        run_notebook(notebook, parameters, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_notebook_lists_those_there_are(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks" / "stories.ipynb")
    monkeypatch.chdir(tmp_path)
    assert find_notebook("stories").name == "stories.ipynb"
    with pytest.raises(NotebookError, match="no notebook 'storys'. Did you mean 'stories'"):
        find_notebook("storys")
    with pytest.raises(NotebookError, match="no notebook 'zzz.ipynb'. Known: .*'stories'"):
        find_notebook("zzz.ipynb")


def test_a_run_never_overwrites_its_own_source(tmp_path):
    notebook = write_notebook(tmp_path / "story.ipynb")
    with pytest.raises(NotebookError, match="would overwrite it"):
        run_notebook(notebook, {}, tmp_path)


def test_a_notebook_without_parameters_cell_or_of_another_format_is_refused(tmp_path):
    with pytest.raises(NotebookError, match="has 0 cells with the tag 'parameters'"):
        notebook_signature(write_notebook(tmp_path / "none.ipynb", "1", parameters=None))
    (tmp_path / "text.ipynb").write_text("not a notebook", encoding="utf-8")
    with pytest.raises(NotebookError, match="is not a notebook of format 4"):
        notebook_signature(tmp_path / "text.ipynb")


def test_the_signature_is_read_with_types_defaults_and_help():
    signature = read_signature(PARAMETERS, "story")
    assert signature["name"] == Parameter("name", "str | None", "None", "of the sample")
    assert signature["tracers"].default == "{'a': 'Glc=1'}"
    assert list(signature) == ["frac", "name", "tracers", "draws", "out_dir"]


def test_a_type_that_is_not_understood_is_refused_where_it_is_declared():
    with pytest.raises(NotebookError, match="'table' of story has type 'Path'"):
        read_signature('table: Path = "x"', "story")


@pytest.mark.parametrize(
    ("type_", "value", "fits"),
    [
        ("float", 1, True),
        ("int", True, False),
        ("bool", 1, False),
        ("list[float]", [1, 2.5], True),
        ("list[str]", ["a", 1], False),
        ("list", [1, "a"], True),
        ("tuple[float, float]", [1, 2], True),
        ("tuple[float, float]", [1], False),
        ("tuple[int, ...]", [1, 2, 3], True),
        ("dict[str, list[int]]", {"a": [1]}, True),
        ("dict[str, list[int]]", {1: [1]}, False),
        ("str | list[str] | None", ["a"], True),
        ("str | list[str] | None", None, True),
        ("str | list[str] | None", 1.0, False),
        ("Literal['C', 'CN']", "CN", True),
        ("Literal['C', 'CN']", "N", False),
        (None, object, True),
    ],
)
def test_a_declared_type_accepts_its_values_only(type_, value, fits):
    assert Parameter("x", type_, "").accepts(value) is fits


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("float", "0.5", 0.5),
        ("str", "25", "25"),
        ("str", "a=b", "a=b"),
        ("str | None", "None", None),
        ("str", "None", "None"),
        ("bool", "true", True),
        ("list[str]", "['a', 'b']", ["a", "b"]),
        ("int", "many", "many"),
    ],
)
def test_a_text_from_the_command_line_is_read_by_the_declared_type(type_, text, value):
    signature = {"x": Parameter("x", type_, "")}
    assert parse_assignments([f"x={text}"], signature, "story") == {"x": value}


@pytest.mark.parametrize(
    ("assignments", "message"),
    [(["x"], "name=value, not 'x'"), (["y=1"], "no parameter 'y'"), (["x=1", "x=2"], "given twice")],
)
def test_an_assignment_that_cannot_be_read_is_refused(assignments, message):
    with pytest.raises(NotebookError, match=message):
        parse_assignments(assignments, {"x": Parameter("x", "int", "1")}, "story")
