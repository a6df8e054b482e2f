"""Comparisons of two conditions: probabilities, intervals and refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.inference import Estimates, FluxEstimate, compare, quantify
from tests.inference.problems import QUICK, TOY, flux, leaky_toy, toy_labeling


@pytest.fixture(scope="module")
def estimate():
    result = quantify(toy_labeling(), TOY, model=None, settings=QUICK)
    assert isinstance(result, FluxEstimate)
    return result


def scaled(estimate, factor):
    """The same estimate with all fluxes of the posterior multiplied."""
    posterior = estimate.posterior.copy()
    for name in ("net_flux", "exchange_flux"):
        posterior[name] = posterior[name] * factor
    return replace(estimate, posterior=posterior)


def test_equal_estimates_have_changed_with_probability_one_half(estimate):
    table = compare(estimate, estimate).set_index(["reaction", "kind"])
    varying = table.drop(("v1", "net"))
    assert len(table) == 7
    np.testing.assert_allclose(varying["probability_changed"], 0.5, atol=0.05)
    np.testing.assert_allclose(varying["ratio"], 1, atol=0.05)
    assert np.all((varying["difference_lower"] < 0) & (varying["difference_upper"] > 0))


def test_a_flux_that_the_network_fixes_has_no_probability(estimate):
    row = compare(estimate, estimate).set_index(["reaction", "kind"]).loc[("v1", "net")]
    assert np.isnan(row["probability_changed"])
    assert row["difference"] == 0


def test_a_known_factor_is_certain_and_within_the_interval_of_the_ratio(estimate):
    table = compare(estimate, scaled(estimate, 2.0)).set_index(["reaction", "kind"]).drop(("v1", "net"))
    assert np.all(table["probability_changed"] > 0.99)
    assert np.all(table["direction"] == "up")
    assert np.all((table["ratio_lower"] < 2) & (table["ratio_upper"] > 2))
    down = compare(scaled(estimate, 2.0), estimate).set_index(["reaction", "kind"])
    assert down.loc[("v2", "net"), "direction"] == "down"


def test_intervals_of_a_comparison_hold_ninety_percent_of_independent_pairs(estimate):
    other = scaled(estimate, 1.01)
    row = compare(estimate, other).set_index(["reaction", "kind"]).loc[("v2", "net")]
    a, b = flux(estimate, "net", "v2"), flux(other, "net", "v2")
    pairs = (b[None] - a[:, None]).ravel()
    assert ((pairs > row["difference_lower"]) & (pairs < row["difference_upper"])).mean() == pytest.approx(
        0.9, abs=0.02
    )
    up = (pairs > 0).mean()
    assert row["probability_changed"] == pytest.approx(max(up, 1 - up), abs=0.03)


def test_quantities_are_compared_by_name(estimate):
    table = compare(estimate, scaled(estimate, 3.0), {"share": "v6 / (v6 + v7)", "twice": "2 * v2"})
    assert table["reaction"].tolist() == ["share", "twice"]
    assert np.all(table["kind"] == "quantity")
    np.testing.assert_allclose(table["ratio"], [1, 3], rtol=0.05)


def test_draws_without_a_value_do_not_count_as_a_change(estimate):
    table = compare(
        estimate, estimate, {"root": "((v2 - 60) / abs(v2 - 60)) ** 0.5 * v2", "infinite": "v2 / (v1 - v1)"}
    )
    root, infinite = table["probability_changed"]
    assert root < 0.6
    assert np.isnan(infinite)


def test_estimates_of_different_networks_are_not_compared(estimate):
    with pytest.raises(FluxError, match="quantify both with the same network"):
        compare(estimate, replace(estimate, network=leaky_toy()))


def test_estimates_are_a_mapping_with_comparisons_and_one_table(estimate, tmp_path):
    estimates = Estimates({"a": estimate, "b": scaled(estimate, 2.0)})
    assert list(estimates) == ["a", "b"]
    assert len(estimates) == 2
    pd.testing.assert_frame_equal(estimates.compare("a", "b"), compare(estimates["a"], estimates["b"]))
    table = pd.read_csv(estimates.to_csv(tmp_path / "fluxes.csv"))
    assert table.groupby("sample").size().to_dict() == {"a": 7, "b": 7}
    assert "FluxEstimate" in repr(estimates)


def test_an_unknown_condition_is_refused_with_the_nearest_name(estimate):
    with pytest.raises(UnknownNameError, match="Did you mean 'control'"):
        Estimates({"control": estimate})["kontrol"]
