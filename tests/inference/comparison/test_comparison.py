"""Comparisons of two conditions: probabilities, intervals, false discoveries, replicates and refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import fluxkit
from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.inference import Estimates, FluxEstimate, Verdict, compare, quantify
from fluxkit.inference.comparison.comparison import compare_both
from tests.inference.gaussian_estimates import gaussian_estimate, replicates
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
    with pytest.raises(UnknownNameError, match="no estimate or condition is called 'kontrol'. Did you mean 'control'"):
        Estimates({"control": estimate}).compare("control", "kontrol")


def test_a_flux_that_the_network_fixes_is_not_counted_and_not_called(estimate):
    table = compare(estimate, scaled(estimate, 2.0)).set_index(["reaction", "kind"])
    fixed = table.loc[("v1", "net")]
    assert fixed["direction"] == "" and not fixed["changed"]
    assert np.isnan(fixed[["q_value", "s_value", "probability_negligible"]].astype(float)).all()
    expected = stats.false_discovery_control(np.minimum(2 * (1 - table["probability_changed"].drop(("v1", "net"))), 1))
    np.testing.assert_allclose(table["q_value"].drop(("v1", "net")), expected, atol=1e-12)


def test_known_changes_are_found_among_unchanged_fluxes():
    truth, changes = np.linspace(10, 100, 40), np.zeros(40)
    changes[[3, 17, 30]] = [8, -8, 12]
    rng = np.random.default_rng(1)
    first, second = (
        gaussian_estimate(each + rng.normal(size=40), seed=i) for i, each in enumerate((truth, truth + changes))
    )
    table = compare(first, second)
    assert table.index[table["changed"]].tolist() == [3, 17, 30]
    assert table.loc[table["changed"], "direction"].tolist() == ["up", "down", "up"]
    held = (table["difference_lower"] < changes) & (changes < table["difference_upper"])
    assert held.mean() >= stats.binom.ppf(0.001, 40, 0.9) / 40


def test_unchanged_fluxes_are_called_in_no_more_tables_than_stated():
    rng = np.random.default_rng(2)
    rate, tables = 0.2, 60
    wrong = 0
    for i in range(tables):
        pair = [gaussian_estimate(rng.normal(size=20), draws=100, seed=2 * i + k) for k in range(2)]
        wrong += compare(*pair, rate=rate)["changed"].any()
    assert wrong <= stats.binom.ppf(0.999, tables, rate)


def test_probabilities_and_q_values_are_those_of_normal_theory():
    shifts = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    table = compare(gaussian_estimate(np.zeros(6)), gaussian_estimate(shifts, seed=1))
    exact = stats.norm.sf(shifts / np.sqrt(2))
    np.testing.assert_allclose(1 - table["probability_changed"], exact, atol=1e-3)
    np.testing.assert_allclose(table["q_value"], stats.false_discovery_control(2 * exact), atol=4e-3)
    np.testing.assert_allclose(table["s_value"], np.cumsum(exact[::-1])[::-1] / np.arange(6, 0, -1), atol=1e-3)


def test_exchanging_the_conditions_turns_the_table_round():
    first, second = gaussian_estimate([5, 8, -3], [1, 2, 1]), gaussian_estimate([9, 7, -9], [2, 1, 1], seed=1)
    options = {"threshold": 1.0, "fold": 1.1, "rate": 0.1}
    there, back = compare(first, second, **options), compare(second, first, **options)
    for name in ("probability_changed", "probability_negligible", "s_value", "q_value"):
        np.testing.assert_allclose(there[name], back[name], atol=1e-12)
    assert there["changed"].tolist() == back["changed"].tolist()
    turned = {"up": "down", "down": "up"}
    assert there["direction"].map(turned).tolist() == back["direction"].tolist()
    for name in ("difference", "log2_ratio"):
        np.testing.assert_allclose(there[f"{name}_lower"], -back[f"{name}_upper"], atol=1e-9)
    np.testing.assert_allclose(there["first"], back["second"])


def test_a_threshold_turns_sure_but_small_changes_into_negligible_ones():
    first, second = gaussian_estimate([100, 100], 0.5), gaussian_estimate([103, 120], 0.5, seed=1)
    assert compare(first, second)["changed"].tolist() == [True, True]
    for options in ({"threshold": 10.0}, {"fold": 1.1}):
        table = compare(first, second, **options)
        assert table["changed"].tolist() == [False, True]
        np.testing.assert_allclose(table["probability_negligible"], [1, 0], atol=1e-6)
        asked = {"rate": 0.05, "threshold": 0.0, "fold": 1.0, "replicates": [1, 1], "absolute": False} | options
        assert table.attrs == asked | {"unit": "relative", "untrusted": {}}


def test_the_table_has_the_same_columns_for_estimates_and_for_replicates(estimate):
    plain = compare(estimate, estimate)
    groups = compare([estimate] * 3, [estimate] * 3)
    assert list(plain.columns) == list(groups.columns)
    promised = "q_value s_value changed probability_changed probability_negligible log2_ratio ratio difference"
    assert set(promised.split()) <= set(plain.columns)
    assert not groups["changed"].any()
    np.testing.assert_allclose(groups["first"], plain["first"], rtol=0.05)


def test_replicates_that_are_known_exactly_are_compared_as_by_student():
    rng = np.random.default_rng(3)
    first, second = rng.normal(50, 1, (3, 4)), rng.normal([50, 51, 53, 60], 1, (3, 4))
    table = compare(replicates(first, 1e-6), replicates(second, 1e-6))
    exact = stats.ttest_ind(second, first).pvalue
    np.testing.assert_allclose(2 * (1 - table["probability_changed"]), exact, atol=3e-3)
    np.testing.assert_allclose(table["first"], first.mean(axis=0), rtol=1e-3)
    np.testing.assert_allclose(table["difference"], second.mean(axis=0) - first.mean(axis=0), atol=0.02)


def test_scatter_between_replicates_makes_a_difference_doubtful_that_each_pair_would_call_sure():
    first, second = np.array([[10.0], [14.0], [18.0]]), np.array([[13.0], [17.0], [21.0]])
    groups = replicates(first, 0.2), replicates(second, 0.2)
    assert compare(groups[0][0], groups[1][0])["changed"].all()
    assert compare(*groups)["probability_changed"].item() < 0.9


def test_replicates_without_a_difference_are_called_in_no_more_tables_than_stated():
    rng = np.random.default_rng(4)
    rate, tables, wrong = 0.2, 20, 0
    for _ in range(tables):
        groups = [replicates(rng.normal(20, 1, (3, 10)), 0.3, draws=50) for _ in range(2)]
        wrong += compare(*groups, rate=rate)["changed"].any()
    assert wrong <= stats.binom.ppf(0.999, tables, rate)


def test_exchange_fluxes_of_replicates_are_compared_by_their_logarithms(estimate):
    groups = [[scaled(estimate, factor) for factor in factors] for factors in ((1.0, 1.1, 1.2), (9.0, 10.0, 11.0))]
    row = compare(*groups).set_index(["reaction", "kind"]).loc[("v2", "exchange")]
    middle = np.median(flux(estimate, "exchange", "v2"))
    assert row["first"] == pytest.approx(middle * (1.0 * 1.1 * 1.2) ** (1 / 3), rel=0.02)
    assert row["ratio"] == pytest.approx((9 * 10 * 11 / (1.0 * 1.1 * 1.2)) ** (1 / 3), rel=0.03)
    assert row["first_lower"] > 0 and row["changed"]


def test_conditions_whose_samples_were_not_pooled_are_compared_by_name(estimate):
    groups = [*replicates(np.zeros((3, 2)), condition="control"), *replicates(np.ones((2, 2)), condition="drug")]
    estimates = Estimates({each.sample: each for each in groups})
    by_condition = estimates.compare("control", "drug", fold=1.1)
    named = estimates.compare(["control 1", "control 2", "control 3"], ["drug 1", "drug 2"], fold=1.1)
    pd.testing.assert_frame_equal(by_condition, named)
    pd.testing.assert_frame_equal(by_condition, compare(groups[:3], groups[3:], fold=1.1))
    one_pair = estimates.compare("control 1", "drug 1")
    pd.testing.assert_frame_equal(one_pair, compare(groups[0], groups[3]))


def test_too_few_replicates_and_mixed_tissues_are_refused():
    one, two = replicates(np.zeros((2, 2)), condition="a"), replicates(np.zeros((1, 2)), condition="b")
    assert len(compare(one, two)) == 2  # three replicates in all
    with pytest.raises(FluxError, match="a condition without estimates"):
        compare(one, [])
    mixed = Estimates({f"s{i}": gaussian_estimate([0.0], condition="a", tissue=t) for i, t in enumerate("kl")})
    with pytest.raises(FluxError, match="of the tissues 'k', 'l', which are no replicates"):
        mixed.compare("a", "a")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": -1.0}, "threshold = -1.0"),
        ({"fold": 0.5}, "1.2 asks for a change by 20 %"),
        ({"rate": 0.0}, "rate lies between 0 and 1"),
        ({"rate": float("nan")}, "rate = nan"),
    ],
)
def test_impossible_numbers_are_refused(estimate, options, words):
    with pytest.raises(FluxError, match=words):
        compare(estimate, estimate, **options)


def with_factor(centres, factor, sd=0.01, unit="nmol/h", **options):
    """An estimate whose rates say that fluxes times ``factor``, give or take ``sd`` of it, are in ``unit``."""
    known = gaussian_estimate(centres, 0.01, **options)
    factors = gaussian_estimate([factor], sd * factor, seed=77).posterior["net_flux"].isel(reaction=0, drop=True)
    measured = {"rate": ("measured_reaction", [100 * factor], {"units": unit, "absolute": 0})}
    measured["rate_sd"] = ("measured_reaction", [sd * 100 * factor], {})
    labeling = known.labeling.assign(measured)
    return replace(known, labeling=labeling, posterior=known.posterior.assign(rate_factor=factors))


def test_absolute_fluxes_see_what_relative_ones_cannot():
    """The uptake, 100 by definition, doubles; so does the second flux, of which the share stays the same."""
    first, second = with_factor([100, 40], 2.0, sample="a"), with_factor([100, 40], 4.0, sample="b", seed=1)
    relative = compare(first, second)
    absolute = Estimates({"a": first, "b": second}).compare("a", "b", absolute=True)
    assert not relative["changed"].any()
    assert absolute["changed"].all()
    np.testing.assert_allclose(absolute["first"], [200, 80], rtol=0.01)
    np.testing.assert_allclose(absolute["ratio"], 2, rtol=0.01)
    width = absolute["first_upper"] - absolute["first_lower"]
    np.testing.assert_allclose(width, 2 * 1.645 * 0.01 * absolute["first"], rtol=0.05)  # that of the factor
    assert (relative.attrs["unit"], absolute.attrs["unit"]) == ("relative", "nmol/h")
    share = {"share": "R1 / R0", "both": "R0 + R1"}
    pd.testing.assert_series_equal(
        compare(first, second, share, absolute=True).set_index("reaction")["changed"],
        pd.Series({"share": False, "both": True}, name="changed"),
        check_names=False,
    )


def test_absolute_fluxes_need_rates_in_one_unit():
    first = with_factor([100, 40], 2.0, sample="a")
    with pytest.raises(FluxError, match=r"'bare' has no measured rates, .* \(relative\); quantify it again with rates"):
        compare(first, gaussian_estimate([100, 40], sample="bare"), absolute=True)
    with pytest.raises(FluxError, match=r"different units \('nmol/h' of 'a', 'mmol/h' of 'b'\)"):
        compare(first, with_factor([100, 40], 2.0, unit="mmol/h", sample="b"), absolute=True)


def test_a_comparison_of_what_is_not_trusted_says_so():
    first, second = gaussian_estimate([1.0], sample="good"), gaussian_estimate([9.0], sample="bad")
    assert compare(first, second)["trusted"].all()
    doubtful = replace(second, verdict=Verdict(False, ("the chains have not converged",)))
    table = compare(first, doubtful)
    assert not table["trusted"].any()
    assert table.attrs["untrusted"] == {"bad": ["the chains have not converged"]}


def test_two_conditions_are_compared_and_two_replicates_are_not():
    first, second = with_factor([100, 40], 2.0, condition="control"), with_factor([100, 40], 2.1, condition="drug")
    both = compare_both([first, second])
    assert both is not None and both.attrs["absolute"]
    bare = gaussian_estimate([100, 40], sample="bare", condition="drug")
    relative = compare_both([first, bare])
    assert relative is not None and not relative.attrs["absolute"]
    assert compare_both(replicates(np.ones((2, 1)), condition="control")) is None
    assert compare_both([first]) is None
    shared = compare_both([first, with_factor([100, 40], 2.0, condition="drug")])
    assert shared is not None and not shared.attrs["absolute"]  # one measurement for both tells no difference


def test_units_are_compared_though_samples_have_one_name():
    with pytest.raises(FluxError, match="different units .'nmol/h' of 'sample', 'mmol/h' of 'sample'."):
        compare(with_factor([100, 40], 2.0), with_factor([100, 40], 2.0, unit="mmol/h"), absolute=True)


def test_replicates_that_share_a_rate_are_not_compared_absolutely():
    """Its error would be averaged away as if it had been measured once for each."""
    first = [with_factor([100, 40], 2.0, sample=f"a{i}", seed=i) for i in range(3)]
    second = [with_factor([100, 40], 4.0 + 0.1 * i, sample=f"b{i}", seed=i) for i in range(3)]
    with pytest.raises(
        FluxError, match="the replicates 'a0' and 'a1' have the same rates, .* give the rates by sample"
    ):
        compare(first, second, absolute=True)
    own = [with_factor([100, 40], 2.0 + 0.05 * i, sample=f"a{i}", seed=i) for i in range(3)]
    assert compare(own, second, absolute=True)["changed"].all()


def test_rates_in_the_relative_unit_of_the_network_tell_no_scale(estimate):
    labeling = fluxkit.with_rates(estimate.labeling, {"v6": (80.0, 4.0)}, TOY, unit=TOY.flux_unit)
    known = quantify(labeling, TOY, model=None, settings=QUICK)
    assert isinstance(known, FluxEstimate)
    with pytest.raises(FluxError, match="are in the unit of the network, .* give the rates as they were measured"):
        known.absolute_fluxes()
    both = compare_both([known, known])
    assert both is not None and not both.attrs["absolute"]


def test_a_factor_is_not_applied_twice():
    one = with_factor([100, 40], 2.0)
    with pytest.raises(FluxError, match="'x': .* leave rate_factor out of 'rate_factor"):
        compare(one, one, {"x": "rate_factor * R1"}, absolute=True)
