"""The notebook on fasted mice runs on other mice and tissues, and says what it cannot know."""

import pandas as pd
import pytest

import fluxkit
from fluxkit.errors import NotebookError
from fluxkit.workflows.notebooks import read_summary

SMALL = {"tissues": ["plasma", "muscle"], "other_plasma": False, "seconds": 4.0, "left_out": ["M4"]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("mouse")
    return out, fluxkit.run_notebook("whole_body", SMALL, out, progress=False)


def test_two_tissues_are_quantified_and_a_mouse_is_predicted(run):
    out, executed = run
    summary = read_summary(executed)
    assert "tail plasma: chi-square" in summary
    assert "M4, left out: chi-square" in summary
    fluxes = pd.read_csv(out / "fluxes.csv")
    assert {"M_PDH", "L_G6PC", "INF_Glc"} <= set(fluxes["reaction"])
    assert "nmol/min/g body weight" in (out / "report.html").read_text(encoding="utf-8")


def test_a_mouse_that_the_table_lacks_is_refused(tmp_path):
    with pytest.raises(NotebookError, match="the dataset has no experiment 'M2'"):
        fluxkit.run_notebook("whole_body", {**SMALL, "animals": ["M2"]}, tmp_path / "out", progress=False)
