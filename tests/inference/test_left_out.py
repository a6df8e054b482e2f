"""A left-out sample of the same fluxes is predicted to its noise, one of other fluxes is not."""

import numpy as np
import pytest
import xarray as xr

from fluxkit.errors import LabelingError
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


def measured(fluxes, share, seed=0):
    """Data at a labeled part and shares of compartments of their own."""
    weights = {"w3": 0.2, "w6": 0.8, "w8": 0.4}
    labeling = simulate(
        CCM, fluxes, f"Glc_x: {share}% [U-13C6]", fragments=NAMES, weights=weights, noise=0.004, seed=seed
    )
    return with_open_infusions(labeling, CCM)


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
