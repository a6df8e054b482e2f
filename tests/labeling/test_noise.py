import numpy as np
import pytest

from fluxkit.errors import LabelingError
from fluxkit.labeling import NoiseModel


def test_sd_adds_floor_slope_and_background_in_quadrature():
    # 0.005^2 + (0.04 * 0.3 * 0.7)^2 + (1e5 / 2e7)^2
    expected = (2.5e-5 + 7.056e-5 + 2.5e-5) ** 0.5
    assert NoiseModel().sd(np.array([0.3]), np.array([2e7]))[0] == pytest.approx(expected, rel=1e-12)


def test_sd_is_the_same_for_a_value_and_its_complement():
    y = np.linspace(0, 1, 11)
    np.testing.assert_allclose(NoiseModel().sd(y), NoiseModel().sd(1 - y), rtol=1e-12)


def test_without_intensities_the_background_does_not_count():
    noise = NoiseModel(background=1e9)
    np.testing.assert_array_equal(noise.sd(np.array([0.0, 1.0])), [0.005, 0.005])
    np.testing.assert_array_equal(noise.sd(np.array([0.0]), np.array([np.nan])), [0.005])


def test_more_ions_never_raise_the_sd_and_the_floor_stays():
    total = np.logspace(4, 14, 40)
    sd = NoiseModel().sd(np.full(40, 0.2), total)
    assert (np.diff(sd) <= 0).all()
    assert sd[-1] == pytest.approx((0.005**2 + (0.04 * 0.16) ** 2) ** 0.5, rel=1e-9)


def test_the_limit_of_an_unknown_total_is_unknown():
    np.testing.assert_array_equal(NoiseModel().limit(np.array([1e7, 0.0])), [0.01, np.nan])


def test_settings_survive_as_text():
    noise = NoiseModel(0.01, 0.02, 3e4)
    assert NoiseModel.from_json(noise.to_json()) == noise


@pytest.mark.parametrize("wrong", [{"floor": -1.0}, {"slope": np.nan}, {"background": np.inf}, {"floor": 0.0}])
def test_impossible_noise_is_refused(wrong):
    with pytest.raises(LabelingError, match=f"noise model: {next(iter(wrong))}"):
        NoiseModel(**wrong)
