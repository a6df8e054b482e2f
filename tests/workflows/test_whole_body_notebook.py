"""The notebook on fasted mice runs on other mice and tissues, and says what it cannot know."""

import re

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


def test_two_tissues_are_fitted_and_a_mouse_is_predicted(run):
    out, executed = run
    summary = read_summary(executed)
    chi_square, freedom = map(int, re.search(r"tail plasma: chi-square (\d+) at (\d+) degrees", summary).groups())
    assert chi_square < 1.5 * freedom
    low, high = map(int, re.search(r"\d+% is glucose \[(\d+)%, (\d+)%\]", summary).groups())
    assert 50 < low <= high  # with blood of the tail, glucose gives muscle more
    numbers = re.search(r"M4, left out: chi-square (\d+) .* at (\d+)\.\d degrees .*; (\d+) without", summary)
    left, freedom, without = numbers.groups()
    assert int(left) < 2 * int(freedom) < int(without)
    fluxes = pd.read_csv(out / "fluxes.csv")
    assert {"M_PDH", "L_G6PC", "INF_Glc"} <= set(fluxes["reaction"])
    assert "nmol/min/g body weight" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"animals": ["M2"]}, "the dataset has no experiment 'M2'"),
        ({"plasma": "venous"}, "plasma = 'venous' must be 'tail' or 'arterial'"),
        ({"tissue": "lung"}, "tissue = 'lung' one of"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_sampled(change, message, tmp_path):
    with pytest.raises(NotebookError, match=message):
        fluxkit.run_notebook("whole_body", {**SMALL, **change}, tmp_path / "out", progress=False)
    assert not (tmp_path / "out" / "fluxes.csv").exists()
