"""The verdict names what is wrong, and only what is wrong."""

import numpy as np
import pytest
import xarray as xr

from fluxkit.inference.verdict.fit_tests import BUDGET, FitTest
from fluxkit.inference.verdict.trust import judge

GOOD = {"rhat_max": 1.01, "ess_min": 500.0, "largest_residual": 2.0}
NAMES = np.array(["Cit", "Cit", "Lac", "Lac"], dtype=object)


def fit(*residuals):
    return xr.Dataset(
        {"residual": (("experiment", "isotopologue"), np.array([residuals]))},
        coords={"fragment": ("isotopologue", NAMES), "mass_shift": ("isotopologue", [0, 1, 0, 1])},
    )


def test_a_good_fit_with_converged_chains_is_trusted_without_reasons():
    verdict = judge(40.0, 45.0, 0.7, GOOD, fit(1.0, -1.0, 0.5, np.nan))
    assert verdict.trusted
    assert verdict.reasons == ()
    assert str(verdict) == "trusted"


def test_an_improbable_chi_square_names_the_largest_residuals_first():
    verdict = judge(120.0, 45.0, 1e-8, GOOD, fit(1.0, -4.5, np.nan, 3.0))
    assert not verdict.trusted
    assert "Cit M+1 (4.5 sd), Lac M+1 (3.0 sd), Cit M+0 (1.0 sd)" in verdict.reasons[0]


def test_one_value_far_off_is_named():
    verdict = judge(40.0, 45.0, 0.7, {**GOOD, "largest_residual": 6.0}, fit(0.1, 0.2, -6.0, 0.1))
    assert verdict.reasons == ("one value lies 6.0 sd off (Lac M+0 (6.0 sd)); check this ion, or mask it",)


def test_one_value_far_off_is_named_with_its_experiment_where_there_are_several():
    one, two = fit(0.1, 0.2, -1.0, 0.1), fit(0.1, 0.2, -6.0, 0.1)
    both = xr.concat([one, two], "experiment").assign_coords(experiment=["glucose", "glutamine"])
    (reason,) = judge(40.0, 45.0, 0.7, {**GOOD, "largest_residual": 6.0}, both).reasons
    assert "(Lac M+0 in glutamine (6.0 sd))" in reason


def test_a_fit_that_is_too_good_is_trusted_with_a_remark():
    verdict = judge(20.0, 45.0, 0.9995, GOOD, fit(0.1, 0.1, 0.1, 0.1))
    assert verdict.trusted
    assert verdict.reasons == ()
    assert str(verdict).startswith("trusted; remark: the fit is better than the errors of the data allow")
    assert "chi-square 20 at 45 degrees of freedom, p = 0.9995" in verdict.remarks[0]
    assert "replicates" not in verdict.remarks[0]
    (pooled,) = judge(20.0, 45.0, 0.9995, GOOD, fit(0.1, 0.1, 0.1, 0.1), replicates=3).remarks
    assert "the errors of the 3 pooled replicates count as shared, so that their mean keeps them" in pooled
    assert judge(20.0, 45.0, 0.9, GOOD, fit(0.1, 0.1, 0.1, 0.1), replicates=3).remarks == ()


def test_without_spare_data_the_fit_cannot_be_tested():
    verdict = judge(0.1, -1.0, float("nan"), GOOD, fit(0.1, 0.1, 0.1, 0.1))
    assert not verdict.trusted
    assert "measure more fragments" in str(verdict)


@pytest.mark.parametrize("chains", [{"rhat_max": 1.2}, {"ess_min": 20.0}, {"rhat_max": np.nan}, {"ess_min": np.nan}])
def test_chains_that_disagree_or_never_moved_are_not_trusted(chains):
    verdict = judge(40.0, 45.0, 0.7, {**GOOD, **chains}, fit(0.1, 0.1, 0.1, 0.1))
    assert not verdict.trusted
    assert "sample longer" in str(verdict)


def outcome(family, p_value, finding):
    return FitTest(family, p_value, 5.0, finding)


def test_failed_tests_are_reasons_the_most_improbable_first_and_passed_ones_are_not():
    tests = [
        outcome("parts", 1e-3, "the part"),
        outcome("purity", 1e-6, "the purity"),
        outcome("exchange", BUDGET["exchange"], "just not"),
    ]
    verdict = judge(40.0, 45.0, 0.7, GOOD, fit(1.0, -1.0, 0.5, np.nan), tests=tests)
    assert not verdict.trusted
    assert verdict.reasons == ("the purity", "the part")


def test_one_large_fault_that_fails_many_tests_does_not_make_a_long_list():
    tests = [outcome(family, 1e-9 * (i + 1), family) for i, family in enumerate(BUDGET)]
    reasons = judge(120.0, 45.0, 1e-8, GOOD, fit(1.0, -4.5, np.nan, 3.0), tests=tests).reasons
    assert len(reasons) == 4
    assert reasons[-1].endswith(f"({len(BUDGET) - 3} more tests fail, as they do when one fault is large)")


def test_draws_that_do_not_predict_the_data_are_not_trusted():
    verdict = judge(40.0, 45.0, 0.7, {**GOOD, "predictive_p_value": 1e-4}, fit(1.0, -1.0, 0.5, np.nan))
    assert not verdict.trusted
    assert "posterior predictive p = 0.0001" in str(verdict)
