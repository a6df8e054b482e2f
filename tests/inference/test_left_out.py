"""A left-out sample of the same fluxes is predicted to its noise, one of other fluxes is not."""

import numpy as np
import pytest
import xarray as xr

from fluxkit.errors import LabelingError, UnknownNameError
from fluxkit.fluxes import draw_fluxes
from fluxkit.inference import predict_left_out
from fluxkit.labeling import simulate, with_open_infusions
from fluxkit.networks import load_network

CCM = load_network("ccm")
NAMES = ["lactate", "alanine", "citrate", "malate", "glutamate", "serine", "ribose-5-phosphate"]
STATE = CCM.reference_fluxes()


class Known:
    """An estimate that knows the fluxes exactly."""

    network = CCM
    prior = draw_fluxes(CCM, 8, seed=1)
    posterior = xr.concat([STATE] * 2, "draw").expand_dims("chain")


def measured(fluxes, share, seed=0, opened=True):
    """Data at a labeled part and shares of compartments of their own."""
    weights = {"w3": 0.2, "w6": 0.8, "w8": 0.4}
    labeling = simulate(
        CCM, fluxes, f"Glc_x: {share}% [U-13C6]", fragments=NAMES, weights=weights, noise=0.004, seed=seed
    )
    return with_open_infusions(labeling, CCM) if opened else labeling


def test_an_infusion_is_opened_where_that_is_asked_for():
    opened = predict_left_out(Known(), measured(STATE, 70), draws=1)
    asked = predict_left_out(Known(), measured(STATE, 70, opened=False), draws=1, open_infusions=True)
    np.testing.assert_allclose(asked.chi_square, opened.chi_square, rtol=1e-12)


def test_the_same_fluxes_predict_other_data_to_their_noise():
    left = predict_left_out(Known(), measured(STATE, 70), draws=2)
    assert left.chi_square == pytest.approx(left.degrees_of_freedom, abs=3.5 * np.sqrt(2 * left.degrees_of_freedom))
    assert left.p_value > 1e-3
    assert np.median(left.of_prior) > 5 * left.degrees_of_freedom
    assert set(left.by_fragment["fragment"]) == set(NAMES)
    assert "degrees of freedom" in repr(left)


def test_other_fluxes_are_told_apart():
    other = draw_fluxes(CCM, 1, seed=5).isel(draw=0)
    left = predict_left_out(Known(), measured(other, 70), draws=2)
    assert left.p_value < 1e-6
    assert left.by_fragment["mean_square"].iloc[0] == left.by_fragment["mean_square"].max() > 10


def test_several_samples_or_no_draws_are_refused():
    several = measured(STATE, 70).expand_dims(sample=["a", "b"])
    with pytest.raises(LabelingError, match="holds several samples"):
        predict_left_out(Known(), several)
    with pytest.raises(LabelingError, match="draws = 0"):
        predict_left_out(Known(), measured(STATE, 70), draws=0)


def test_the_number_of_fitted_weights_is_what_the_data_fix_of_them():
    left = predict_left_out(Known(), measured(STATE, 70), draws=2)
    names = 1 + len({"w3", "w6", "w8"})  # and the labeled part of the infusion
    assert 1 < left.fitted_weights <= names
    vague = measured(STATE, 70)
    vague["mid_sd"] = 1e4 * vague["mid_sd"]  # tells nothing of any weight, and sums to 1 closer than noise would
    blind = predict_left_out(Known(), vague, draws=2)
    assert blind.fitted_weights < 0.01
    count = int(vague["mid"].notnull().sum())
    assert left.degrees_of_freedom + left.fitted_weights == pytest.approx(count, abs=0.1)  # two draws of one state
    assert blind.degrees_of_freedom == pytest.approx(count - len(NAMES), abs=0.01)
    assert f"({left.fitted_weights:.1f} weights fitted)" in str(left)


def test_weights_that_are_held_are_not_fitted():
    data = measured(STATE, 70)
    free = predict_left_out(Known(), data, draws=2)
    right = predict_left_out(Known(), data, draws=2, weights_of={"w3": 0.2, "w6": 0.8, "w8": 0.4})
    wrong = predict_left_out(Known(), data, draws=2, weights_of={"w3": 0.8, "w6": 0.8, "w8": 0.4})
    assert right.fitted_weights < free.fitted_weights
    assert right.degrees_of_freedom > free.degrees_of_freedom
    assert right.p_value > 1e-3 > wrong.p_value
    assert (free.chi_square <= right.chi_square + 2).all()  # the prior of the weights may hold them back a little


def test_the_weights_of_an_estimate_are_held_at_its_posterior_medians():
    class Others(Known):
        """An estimate that knows two weights, one of them of this sample."""

        posterior = Known.posterior.assign(
            weight=(("chain", "draw", "weight_name"), [[[0.1, 0.5], [0.3, 0.5]]]),
        ).assign_coords(weight_name=["w3", "of another sample"])

    data = measured(STATE, 70)
    held = predict_left_out(Others(), data, draws=2, weights_of=Others())
    by_value = predict_left_out(Others(), data, draws=2, weights_of={"w3": 0.2})
    np.testing.assert_array_equal(held.chi_square, by_value.chi_square)
    with pytest.raises(UnknownNameError, match="so none is held"):
        predict_left_out(Known(), data, draws=1, weights_of=Known())


def test_zeros_below_their_detection_limit_are_no_data():
    data = measured(STATE, 70)
    base = predict_left_out(Known(), data, draws=2)
    zeros = data["mid"].where(data["mid"] > 0.04, 0.0)
    limit = xr.where(zeros == 0, 0.08, np.nan)
    censored = predict_left_out(Known(), data.assign(mid=zeros, mid_limit=limit), draws=2)
    count = int((zeros == 0).sum())
    assert count > 3
    assert censored.degrees_of_freedom <= base.degrees_of_freedom - count + 1.5  # weights then follow the data less


def test_more_draws_do_not_raise_the_p_value():
    """It is that of the median draw: a draw that fits by luck does not speak for the others."""
    left = predict_left_out(Known(), measured(STATE, 70), draws=2)
    spread = type(left)(np.array([1.0, 60.0, 400.0]), left.of_prior, 50.0, left.fitted_weights, left.by_fragment)
    assert spread.p_value == pytest.approx(0.157, abs=0.001)  # chi-square 60 at 50 degrees of freedom
    none = type(left)(left.chi_square, left.of_prior, -1.0, left.fitted_weights, left.by_fragment)
    assert np.isnan(none.p_value)


def test_a_weight_that_the_sample_does_not_have_is_refused():
    with pytest.raises(UnknownNameError, match="no weight 'w33' to hold"):
        predict_left_out(Known(), measured(STATE, 70), draws=1, weights_of={"w33": 0.5})
    with pytest.raises(LabelingError, match=r"weights_of\['w3'\] = 1.5 must be between 0 and 1"):
        predict_left_out(Known(), measured(STATE, 70), draws=1, weights_of={"w3": 1.5})
