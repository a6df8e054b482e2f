"""Differences of two known posteriors: normal theory, thresholds, ratios, and exchange of the two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import norm

from fluxkit.inference.comparison.difference import describe_difference, exceedance, pair_draws

QUANTILES = ndtri((np.arange(4000) + 0.5) / 4000)
SHIFT, SD = 3.0, np.hypot(1.0, 2.0)


def describe(first, second, **options):
    return describe_difference(*pair_draws(np.asarray(first), np.asarray(second)), **options)


def normal_pair():
    return 10 + 1.0 * QUANTILES, 10 + SHIFT + 2.0 * QUANTILES


def test_the_difference_of_normal_posteriors_is_normal():
    row = describe(*normal_pair())
    z = norm.ppf(0.95)
    found = [row[name] for name in ("difference_lower", "difference", "difference_upper")]
    np.testing.assert_allclose(found, [SHIFT - z * SD, SHIFT, SHIFT + z * SD], atol=0.01 * SD)
    assert row["probability_changed"] == pytest.approx(norm.cdf(SHIFT / SD), abs=2e-3)
    assert row["direction"] == "up"
    assert row["probability_negligible"] == 0


@pytest.mark.parametrize("threshold", [0.5, 2.0, 5.0])
def test_a_threshold_asks_for_a_change_by_more_than_that(threshold):
    row = describe(*normal_pair(), threshold=threshold)
    up, down = norm.sf(threshold, SHIFT, SD), norm.cdf(-threshold, SHIFT, SD)
    assert row["probability_changed"] == pytest.approx(up, abs=2e-3)
    assert row["probability_negligible"] == pytest.approx(1 - up - down, abs=3e-3)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_fold_asks_for_a_ratio_beyond_it_whatever_the_sign(sign):
    """Log-normal posteriors: the logarithm of their ratio is normal."""
    first, second = sign * np.exp(0.2 * QUANTILES), sign * np.exp(0.3 + 0.1 * QUANTILES)
    sd = np.hypot(0.2, 0.1)
    row = describe(first, second, fold=1.2)
    grown, shrunk = norm.sf(np.log(1.2), 0.3, sd), norm.cdf(-np.log(1.2), 0.3, sd)
    assert row["probability_changed"] == pytest.approx(grown, abs=2e-3)
    assert row["direction"] == ("up" if sign > 0 else "down")
    assert row["probability_negligible"] == pytest.approx(1 - grown - shrunk, abs=3e-3)
    z = norm.ppf(0.95)
    found = [row[name] for name in ("log2_ratio_lower", "log2_ratio", "log2_ratio_upper")]
    np.testing.assert_allclose(found, np.array([0.3 - z * sd, 0.3, 0.3 + z * sd]) / np.log(2), atol=0.01)
    np.testing.assert_allclose(np.log2([row["ratio_lower"], row["ratio"], row["ratio_upper"]]), found)


def test_a_flux_that_turns_round_has_no_ratio_and_exceeds_every_fold():
    row = describe(10 + QUANTILES, -10 + QUANTILES, fold=100.0)
    assert np.isnan([row["ratio"], row["log2_ratio"], row["log2_ratio_lower"]]).all()
    assert row["probability_changed"] == 1
    assert row["direction"] == "down"


def test_a_flux_that_may_stop_has_a_ratio_interval_down_to_zero():
    row = describe(10 + QUANTILES, 1 + QUANTILES)  # below zero with probability 0.16
    assert row["ratio_lower"] == 0
    assert row["log2_ratio_lower"] == -np.inf
    assert row["ratio"] == pytest.approx(0.1, abs=0.002)
    assert 0.2 < row["ratio_upper"] < 0.3


def test_threshold_and_fold_have_both_to_be_passed():
    first, second = np.array([1.0, 100.0]), np.array([1.5, 110.0])
    both = [exceedance(a, b, 1.0, 1.2) for a, b in zip(first[:, None], second[:, None], strict=True)]
    assert both == [(0.0, 0.0), (0.0, 0.0)]  # 0.5 is too little, 1.1-fold too
    assert exceedance(first[:1], np.array([2.1]), 1.0, 1.2) == (1.0, 0.0)


# whole numbers, so that no rounding decides on which side of a threshold a pair lies
posteriors = st.lists(st.integers(-100, 100).map(float), min_size=2, max_size=12)


@given(posteriors, posteriors, st.sampled_from([0.0, 1.0, 7.5]), st.sampled_from([1.0, 2.0]))
def test_exchanging_the_two_turns_every_number_round(first, second, threshold, fold):
    options = {"threshold": threshold, "fold": fold}
    there, back = describe(first, second, **options), describe(second, first, **options)
    np.testing.assert_allclose(there["difference_lower"], -back["difference_upper"], atol=1e-9)
    np.testing.assert_allclose(there["difference"], -back["difference"], atol=1e-9)
    np.testing.assert_allclose(there["probability_changed"], back["probability_changed"], atol=1e-12)
    pairs = pair_draws(np.array(first), np.array(second))
    swapped = exceedance(*reversed(pairs), threshold, fold)
    np.testing.assert_allclose(exceedance(*pairs, threshold, fold), swapped[::-1], atol=1e-12)


@given(posteriors, posteriors, st.sampled_from([0.25, 2.0, 1024.0]))
def test_units_change_no_probability_and_no_ratio(first, second, unit):
    there = describe(first, second, threshold=1.0, fold=1.5)
    scaled = describe(unit * np.array(first), unit * np.array(second), threshold=unit, fold=1.5)
    for name in ("probability_changed", "probability_negligible", "log2_ratio", "log2_ratio_upper"):
        np.testing.assert_allclose(scaled[name], there[name], atol=1e-12)
    np.testing.assert_allclose(scaled["difference"], unit * there["difference"], atol=1e-9)


def test_what_differs_by_rounding_only_is_fixed():
    row = describe(100 + 1e-13 * QUANTILES, 100 + 1e-13 * QUANTILES)
    assert np.isnan(row["probability_changed"])
    assert row["direction"] == ""
