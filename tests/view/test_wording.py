"""Findings in words: what is called changed is said plainly, the rest with care."""

from dataclasses import replace

import numpy as np
import pytest

from fluxkit.inference import Verdict, compare
from fluxkit.view.figure_tables import comparison_table
from fluxkit.view.report_parts import comparison_rows, comparison_rule
from fluxkit.view.wording import describe_changes
from tests.inference.gaussian_estimates import gaussian_estimate


@pytest.fixture(scope="module")
def table():
    """A sure change, one that is clear alone but not among nine, a reversed flux, a fixed one, and unchanged ones."""
    first = gaussian_estimate([20, 20, 5, 7, 20, 20, 20, 20, 20], [1, 1, 0.5, 0, 1, 1, 1, 1, 1])
    second = gaussian_estimate([40, 22.7, -5, 7, 20, 20, 20, 20, 20], [1, 1, 0.5, 0, 1, 1, 1, 1, 1], seed=1)
    return compare(first, second)


def test_a_change_that_is_clear_alone_but_not_among_many_is_only_possible(table):
    assert table.loc[1, "probability_changed"] > 0.95
    words = describe_changes(table, "a", "b")
    assert "R0: 20 [18.4, 21.6] in a, 40 [38.4, 41.6] in b; it rose, ratio 2 [1.8" in words[0]
    assert "it may have risen, ratio 1.1" in words[1]
    assert comparison_table(table)["change"].tolist()[:4] == ["higher", "no clear change", "lower", "no clear change"]
    assert "it rose" in describe_changes(table.drop(columns="changed"), "a", "b")[1]


def test_what_has_no_ratio_or_no_probability_gets_none(table):
    words = describe_changes(table, "a", "b")
    assert "it fell, probability 0.999 or more" in words[2]
    assert words[3].endswith("whether it changed cannot be told")
    assert not any("nan" in each for each in words)


def test_the_report_shows_q_values_and_says_what_is_called(table):
    page = comparison_rows(table)
    assert "q-value" in page and "&lt; 0.001" in page
    assert "nan" not in page
    assert "changed at a false discovery rate of 5 %" in comparison_rule(table)
    first, second = gaussian_estimate([10.0]), gaussian_estimate([20.0], seed=1)
    said = comparison_rule(compare(first, second, threshold=2.0, fold=1.2, rate=0.1))
    assert (
        "changed by more than 2 (in the unit of the row) and a factor of 1.2 at a false discovery rate of 10 %" in said
    )
    assert "to ∞" in comparison_rows(compare(gaussian_estimate([1.0]), second))  # the first flux may be zero
    plain = table.copy()
    plain.attrs = {}
    assert comparison_rule(plain) == ""
    assert "does not trust what is compared" in comparison_rule(plain.assign(trusted=False))
    assert "q-value" not in comparison_rows(plain.drop(columns=["q_value", "changed"]))


def test_a_table_that_went_through_a_file_is_shown_alike(table, tmp_path):
    import pandas as pd

    table.to_csv(tmp_path / "comparison.csv", index=False)
    again = pd.read_csv(tmp_path / "comparison.csv")
    assert comparison_table(again)["change"].tolist() == comparison_table(table)["change"].tolist()
    assert np.allclose(again["q_value"], table["q_value"], equal_nan=True)


def test_what_is_not_trusted_is_said_beside_every_change():
    first, second = gaussian_estimate([10.0], sample="good"), gaussian_estimate([20.0], sample="bad", seed=1)
    doubtful = replace(second, verdict=Verdict(False, ("the chains have not converged",)))
    (words,) = describe_changes(compare(first, doubtful), "a", "b")
    assert words.endswith("; the verdict does not trust all of this")
    assert "does not trust 'bad', so this comparison cannot be trusted either" in comparison_rule(
        compare(first, doubtful)
    )
    assert "trust" not in comparison_rule(compare(first, second))
    assert "Unit of fluxes: relative." in comparison_rule(compare(first, second))
