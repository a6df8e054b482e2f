"""Many runs are planned from a sheet and a grid, and what is wrong in them is refused before anything runs."""

import json
from pathlib import Path

import openpyxl
import pytest

import fluxkit
from fluxkit.errors import NotebookError
from fluxkit.workflows.many.fingerprint import all_values, data_files, fingerprint
from fluxkit.workflows.many.grid import parse_grid, split_values
from fluxkit.workflows.many.index import duration, index_page
from fluxkit.workflows.many.plan import describe, plan_runs
from fluxkit.workflows.many.pool import available_cores, share_cores
from fluxkit.workflows.many.sheet import read_sheet
from fluxkit.workflows.many.tables import write_tables
from fluxkit.workflows.parameters import read_signature

PARAMETERS = """\
frac: float = 0.3  # share of labeled glucose
table: str = "data.csv"
tracers: str | list[str] | None = None
draws: int = 3
pooled: bool = True
out_dir: str = "results"
"""
SIGNATURE = read_signature(PARAMETERS, "story.ipynb")


def sheet(folder: Path, text: str, name: str = "samples.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def plan(runs=None, grid=None, shared=None):
    return plan_runs(runs, grid, shared, SIGNATURE, "story.ipynb")


def test_a_row_of_a_sheet_is_a_run_and_an_empty_cell_the_default(tmp_path):
    text = 'name,frac,draws,tracers\n# a comment\nctrl,0.5,,"Glc_x: 80% [1,2-13C2]"\n\ndrug,1,7,None\n'
    ctrl, drug = plan(sheet(tmp_path, text))
    assert (ctrl.name, ctrl.parameters) == ("ctrl", {"frac": 0.5, "tracers": "Glc_x: 80% [1,2-13C2]"})
    assert (drug.name, drug.parameters) == ("drug", {"frac": 1, "draws": 7, "tracers": None})
    assert (ctrl.source, drug.source) == ("samples.csv, row 3", "samples.csv, row 5")


def test_a_sheet_is_the_same_as_csv_with_semicolons_tsv_or_workbook(tmp_path):
    rows = [["name", "frac", "table", "pooled"], ["a", 0.5, 25, False], ["b", 2, "x.csv", None]]
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(tmp_path / "samples.xlsx")
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    sheet(tmp_path, "\n".join(";".join(row) for row in texts))
    sheet(tmp_path, "\ufeff" + "\n".join("\t".join(row) for row in texts), "samples.tsv")
    first, *others = [plan(tmp_path / f"samples.{each}") for each in ("csv", "tsv", "xlsx")]
    assert first[0].parameters == {"frac": 0.5, "table": "25", "pooled": False}
    assert all(
        each == [type(r)(r.name, r.parameters, s.source) for r, s in zip(first, each, strict=True)] for each in others
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,fraq\na,1", "samples.csv, column 'fraq': story.ipynb has no such parameter. Did you mean 'frac'"),
        ("frac\n0.1\nx", r"samples.csv, row 3, column 'frac': 'x' is not of type float .share of labeled glucose.; "
                         "write a value such as 0.3"),
        ("draws\n0.5", "row 2, column 'draws': '0.5' is not of type int"),
        ("frac,frac\n1,2", "two columns 'frac'"),
        (",frac\n1,2", "column 1 has no heading"),
        ("frac\n1,2", "row 2 has 2 cells for 1 columns"),
        ("name,frac\n,2", "row 2, column 'name' is empty"),
        ("out_dir\nx", "column 'out_dir': each run writes the folder of its name"),
        ("frac\n", "heading and no rows"),
        ("", "is empty"),
        ("name,frac\na,1\nA,2", "row 3 and samples.csv, row 2 are both called 'A'"),
        ("frac\n1\n1", "are both called 'run'"),
        ("name\na/b", "name 'a/b' cannot be a folder's; replace '/'"),
        ("name\n../a", "cannot be a folder's"),
        ("name\n.a", "no dot or blank at either end"),
        ("name\nIndex.html", "is kept for the list of all runs"),
    ],
)  # fmt: skip
def test_a_wrong_sheet_is_refused_with_row_column_and_cure(tmp_path, text, message):
    with pytest.raises(NotebookError, match=message):
        plan(sheet(tmp_path, text))


def test_a_sheet_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(NotebookError, match="no sheet .*missing.csv"):
        plan(tmp_path / "missing.csv")
    with pytest.raises(NotebookError, match="none of .csv, .tsv, .xlsx"):
        plan(sheet(tmp_path, "frac\n1", "samples.ods"))
    with pytest.raises(NotebookError, match="not an xlsx workbook"):
        plan(sheet(tmp_path, "frac\n1", "samples.xlsx"))
    (tmp_path / "latin.csv").write_bytes("name\nMäuse".encode("latin-1"))
    with pytest.raises(NotebookError, match="not UTF-8 text .*'CSV UTF-8'"):
        plan(tmp_path / "latin.csv")


def test_a_formula_that_was_never_computed_is_not_taken_for_an_empty_cell(tmp_path):
    book = openpyxl.Workbook()
    book.worksheets[0].append(["name", "frac"])
    book.worksheets[0].append(["a", "=1/2"])
    book.save(tmp_path / "samples.xlsx")
    with pytest.raises(NotebookError, match="cell B2 holds the formula '=1/2', which was never computed"):
        read_sheet(tmp_path / "samples.xlsx", SIGNATURE, "story.ipynb")


def test_a_parameter_called_name_names_the_folder_and_is_passed(tmp_path):
    signature = read_signature('name: str = "x"', "story.ipynb")
    (run,) = plan_runs(sheet(tmp_path, "name\nctrl"), None, None, signature, "story.ipynb")
    assert (run.name, run.parameters) == ("ctrl", {"name": "ctrl"})


def test_a_grid_runs_every_combination_under_names_that_say_which():
    runs = plan(grid={"frac": [0.1, 1], "draws": [1, 2]}, shared={"pooled": False})
    assert [run.name for run in runs] == ["frac=0.1_draws=1", "frac=0.1_draws=2", "frac=1_draws=1", "frac=1_draws=2"]
    assert runs[1].parameters == {"pooled": False, "frac": 0.1, "draws": 2}
    both = plan([{"name": "a", "frac": 1.0}, {"frac": 0.5, "pooled": True}], grid={"draws": [1, 2]})
    assert [run.name for run in both][:3] == ["a_draws=1", "a_draws=2", "frac=0.5_pooled=True_draws=1"]


def test_a_name_made_of_values_is_short_and_no_path_and_tells_values_apart():
    one, two = (describe({"table": f"data/{'long' * 20}/{i}.csv"}) for i in (1, 2))
    assert one != two and "/" not in one and len(one) < 60
    assert describe({"a": "x/y"}) != describe({"a": "x?y"})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a,b, c", ["a", "b", "c"]),
        ("Glc: 50% [1,2-13C2],Gln", ["Glc: 50% [1,2-13C2]", "Gln"]),
        ("['a','b'],['c']", ["['a','b']", "['c']"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("5'-AMP,3'-AMP", ["5'-AMP", "3'-AMP"]),
        ("", [""]),
    ],
)
def test_commas_in_brackets_and_quotes_belong_to_a_value(text, values):
    assert split_values(text) == values


def test_a_grid_is_read_by_the_declared_types():
    texts = ["frac=0.1,1", "table=25,'a,b'", "tracers=None,['a','b'],''"]
    grid = parse_grid(texts, SIGNATURE, "story.ipynb")
    assert grid == {"frac": [0.1, 1], "table": ["25", "a,b"], "tracers": [None, ["a", "b"], ""]}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["frac"], "name=a,b,c, not 'frac'"),
        (["fraq=1"], "--grid: story.ipynb has no parameter 'fraq'. Did you mean 'frac'"),
        (["frac=1", "frac=2"], "given twice"),
        (["frac=1,x"], "--grid frac: 'x' is not of type float"),
        (["frac=1,,2"], "value 2 is empty"),
    ],
)
def test_a_wrong_grid_is_refused(texts, message):
    with pytest.raises(NotebookError, match=message):
        parse_grid(texts, SIGNATURE, "story.ipynb")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"grid": {"frac": 0.1}}, r"the grid of 'frac' is 0.1; give a list of values, \[0.1, ...\]"),
        ({"grid": {"table": "abc"}}, "give a list of values"),
        ({"grid": {"frac": []}}, "has no values"),
        ({"grid": {"frac": [1, 1.0]}}, "has 1.0 twice"),
        ({"grid": {"frac": ["x"]}}, "the grid: parameter 'frac' of story.ipynb is of type float"),
        ({"grid": {"out_dir": ["x"]}}, "varies 'out_dir'"),
        ({"grid": {"frac": [1]}, "shared": {"frac": 2}}, "given for all runs and in the grid"),
        ({"grid": {"frac": [1]}, "runs": [{"frac": 2}]}, "is in the grid and in run 1"),
        ({"runs": [{"frac": 1}], "shared": {"frac": 2}}, "given for all runs and in the runs"),
        ({"runs": [{"fraq": 1}]}, "run 1: story.ipynb has no parameter 'fraq'"),
        ({"runs": [{"out_dir": "x"}]}, "run 1 sets 'out_dir'"),
        ({"runs": [{"name": ""}]}, "empty name"),
        ({"runs": {"frac": [1, 2]}}, "values to combine go into grid="),
        ({"runs": ["frac"]}, "run 1 is 'frac'; write its parameters as"),
        ({"runs": []}, "not a single run"),
    ],
)  # fmt: skip
def test_wrong_runs_are_refused(given, message):
    with pytest.raises(NotebookError, match=message):
        plan(**given)


def test_data_are_the_files_that_given_and_default_parameters_name(tmp_path):
    folder = tmp_path / "notebooks"
    (folder / "model").mkdir(parents=True)
    for name in ("data.csv", "notebooks/masks.csv", "notebooks/model/card.json"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    values = all_values({"tracers": ["masks.csv", "model", "x" * 5000, "\0", "."]}, SIGNATURE)
    assert values["table"] == "data.csv" and values["frac"] == 0.3 and "out_dir" not in values
    found = data_files(values, folder, tmp_path / "out")
    assert set(found) == {"data.csv", "masks.csv", "model/card.json"}
    assert found["data.csv"] == folder.parent / "data.csv"


def test_a_fingerprint_changes_with_each_of_its_parts():
    parts = ({"frac": 1}, "sum", {"data.csv": "sum"}, "0.1")
    other = ({"frac": 2}, "mus", {"data.csv": "mus"}, "0.2")
    same = fingerprint(*parts)
    assert same == fingerprint(*parts)
    assert len({same, *(fingerprint(*parts[:i], other[i], *parts[i + 1 :]) for i in range(4))}) == 5


def test_processors_are_shared_out_without_one_twice():
    assert share_cores(range(8), 3) == ((0, 1), (2, 3, 4), (5, 6, 7))
    assert share_cores((4, 6), 3) == ((4,), (6,), (4,))
    assert available_cores()


def record(name: str, status: str = "finished", **rest) -> dict:
    files = {"report.html": 1, "a b.ipynb": 1} if status == "finished" else {"story.failed.ipynb": 1}
    return {
        "name": name, "status": status, "error": None, "summary": "", "files": files, "seconds": 12.3, "seed": None,
        "parameters": {"frac": len(name)}, "notebook": {"name": "story.ipynb", "sha256": "a" * 64}, "fluxkit": "0.1",
        "python": "3.11", "packages": {"numpy": "2"}, "start": "2026-01-01T00:00:00", "end": "2026-01-02T00:00:00",
        **rest,
    }  # fmt: skip


def test_the_page_over_all_runs_escapes_what_runs_say_and_loads_nothing(tmp_path):
    bad = "<script>alert(1)</script>"
    records = [
        record("a & b", summary=bad),
        record("c #1", "failed", error=f"{bad}\nValueError: <b>", parameters={"x": bad}),
    ]
    page = index_page(records, ["a & b"], tmp_path)
    assert bad not in page and "<b>" not in page
    assert 'href="a%20%26%20b/report.html"' in page and 'href="a%20%26%20b/a%20b.ipynb"' in page
    assert 'href="c%20%231/story.failed.ipynb"' in page and "ValueError: &lt;b&gt;" in page
    assert "1 of 2 runs finished, 1 failed." in page
    assert "http" not in page and "src=" not in page and "@import" not in page


def test_tables_keep_every_value_as_written_and_of_failed_runs_no_fluxes(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        extra = ",note" if name == "b" else ""
        (tmp_path / name / "fluxes.csv").write_text(f"sample,best{extra}\nNA,0.10{extra}\n", encoding="utf-8")
    files = {"fluxes.csv": 1}
    records = [record("a", files=files, parameters={"status": 1}, summary="one\n\ntwo\n"), record("b", files=files)]
    write_tables([*records, record("c", "failed", error="x\nValueError: no", files=files)], tmp_path)
    assert (tmp_path / "fluxes.csv").read_text() == "run,sample,best,note\na,NA,0.10,\nb,NA,0.10,note\n"
    assert (tmp_path / "summary.csv").read_text() == "run,line\na,one\na,two\n"
    heading, *rows = (tmp_path / "runs.csv").read_text().splitlines()
    assert heading == "run,status,seconds,error,parameter status,frac"
    assert rows == ["a,finished,12.3,,1,", "b,finished,12.3,,,1", "c,failed,12.3,ValueError: no,,1"]
    write_tables([record("c", "failed")], tmp_path)
    assert not (tmp_path / "fluxes.csv").exists() and not (tmp_path / "summary.csv").exists()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.97, "10 s"), (59.9, "1 min 0 s"), (125, "2 min 5 s"), (12000, "3 h 20 min")],
)
def test_a_time_is_said_in_words(seconds, words):
    assert duration(seconds) == words


def test_a_refused_sheet_leaves_no_folder(tmp_path):
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": PARAMETERS, "outputs": []}
    content = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}
    (tmp_path / "story.ipynb").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(NotebookError, match="row 3, column 'frac'"):
        fluxkit.run_notebooks(tmp_path / "story.ipynb", sheet(tmp_path, "frac\n1\nx"), tmp_path / "out")
    with pytest.raises(NotebookError, match="workers=2 are local ones, but cluster='tcp://x:1' has its own"):
        runs = [{"frac": 1}]
        fluxkit.run_notebooks(tmp_path / "story.ipynb", runs, tmp_path / "two", workers=2, cluster="tcp://x:1")
    with pytest.raises(NotebookError, match="workers=0: at least one"):
        fluxkit.run_notebooks(tmp_path / "story.ipynb", runs, tmp_path / "two", workers=0)
    (tmp_path / "mine" / "frac=1").mkdir(parents=True)
    (tmp_path / "mine" / "frac=1" / "thesis.txt").write_text("mine")
    with pytest.raises(NotebookError, match="exists and is not the folder of an earlier run"):
        fluxkit.run_notebooks(tmp_path / "story.ipynb", runs, tmp_path / "mine")
    assert not (tmp_path / "out").exists() and not (tmp_path / "two").exists()
    assert [each.name for each in (tmp_path / "mine").iterdir()] == ["frac=1"]
