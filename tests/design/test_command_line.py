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


def test_rates_and_natural_isotopes_reach_the_ranking(tmp_path):
    out, rates = tmp_path / "designs.csv", tmp_path / "rates.csv"
    rates.write_text("reaction,rate,sd\nGLC_up,100,5\nMCT_out - MCT_in,170,8\n")
    network = fluxkit.load_network("ccm")
    words = ["design", "--fluxes", "PC", "--draws", "2", "--tracers", "[U-13C6]glucose", "--out", str(out)]
    words += ["--rates", str(rates), "--rate-unit", network.flux_unit, "--natural-abundance", "CHNOPS"]
    assert main(words) == 0
    ask = {"fluxes_of_interest": "PC", "draws": 2}
    measured = {"rates": {"GLC_up": 5.0, "MCT_out - MCT_in": 8.0}, "rate_unit": network.flux_unit}
    made = fluxkit.design_tracers(network, ["[U-13C6]glucose"], **ask, **measured, natural_abundance="CHNOPS")
    found = pd.read_csv(out)["information_gain"].to_numpy()
    assert found == pytest.approx(made["information_gain"].values, rel=1e-9)
    for less in (
        fluxkit.design_tracers(network, ["[U-13C6]glucose"], **ask, **measured),
        fluxkit.design_tracers(network, ["[U-13C6]glucose"], **ask, natural_abundance="CHNOPS"),
    ):
        assert abs(float(less["information_gain"].squeeze()) - found[0]) > 1e-4  # both count


def test_a_table_of_rates_of_two_conditions_is_refused(tmp_path, capsys):
    rates = tmp_path / "rates.csv"
    rates.write_text("reaction,rate,sd,condition\nGLC_up,100,5,a\nGLC_up,90,5,b\n")
    assert main(["design", "--rates", str(rates), "--out", str(tmp_path / "x.csv")]) == 2
    assert "rates.csv, row 3: the rate of 'GLC_up' appears twice; keep one condition" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"), [(["--fluxes", "G6PD"], "Did you mean 'G6PDH'"), (["--prices", "none.tsv"], "edit it")]
)
def test_a_refusal_is_one_message(tmp_path, capsys, words, message):
    assert main(["design", "--network", "ccm", "--out", str(tmp_path / "x.csv"), *words]) == 2
    assert message in capsys.readouterr().err
