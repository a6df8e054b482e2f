"""The command line writes the ranking that the function returns."""

import pandas as pd
import pytest

import fluxkit
from fluxkit.__main__ import main
from fluxkit.design import design_table


def test_the_table_is_that_of_the_function(tmp_path, capsys):
    out = tmp_path / "designs.csv"
    words = ["design", "--network", "ccm", "--fluxes", "G6PDH", "PC", "--draws", "2", "--out", str(out)]
    assert main([*words, "--tracers", "a=[1,2-13C2]glucose", "b=[U-13C6]glucose", "--parallel", "2"]) == 0
    expected = design_table(
        fluxkit.design_tracers(
            fluxkit.load_network("ccm"),
            {"a": "[1,2-13C2]glucose", "b": "[U-13C6]glucose"},
            fluxes_of_interest=["G6PDH", "PC"],
            parallel=2,
            draws=2,
        )
    )
    pd.testing.assert_frame_equal(pd.read_csv(out), expected)
    assert "1. a + b:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"), [(["--fluxes", "G6PD"], "Did you mean 'G6PDH'"), (["--prices", "none.tsv"], "edit it")]
)
def test_a_refusal_is_one_message(tmp_path, capsys, words, message):
    assert main(["design", "--network", "ccm", "--out", str(tmp_path / "x.csv"), *words]) == 2
    assert message in capsys.readouterr().err
