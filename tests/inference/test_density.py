"""Posterior density, gradient and Jacobian against finite differences and independent formulas."""

import numpy as np
import pytest
from scipy.stats import norm

import fluxkit
from fluxkit.emu import simulate_mids
from fluxkit.inference.problem import build_density
from tests.inference.problems import (
    CCM,
    TOY,
    hct116_control,
    parallel_ccm,
    random_points,
    toy_labeling,
)

STEP = 1e-5  # of coordinates whose scale is 1: leaves a relative error of about 1e-9, and rounding of 1e-9


def toy_density():
    return build_density(toy_labeling(), TOY)


DENSITIES = {"toy": toy_density, "hct116": hct116_control, "parallel": parallel_ccm}


def shifted(point):
    """All points one step up, then all one step down, one per coordinate."""
    steps = STEP * np.eye(len(point))
    return np.concatenate([point + steps, point - steps])


def smooth(density, point):
    """Coordinates along which no net flux and no censored zero changes side within a step: no kink."""
    around = shifted(point)
    signs = np.sign(density.space.net(density.split(around)[0]))
    above = density.residuals(around) > 0
    half = len(point)
    same_sign = (signs[:half] == signs[half:]).all(axis=1)
    return same_sign & (~density.censored | (above[:half] == above[half:])).all(axis=1)


@pytest.mark.parametrize("name", DENSITIES)
def test_gradient_equals_central_differences(name):
    density = DENSITIES[name]()
    for point in random_points(density, 3):
        value, gradient = density.log_density(point[None])
        around = density.log_density(shifted(point))[0]
        expected = (around[: density.size] - around[density.size :]) / (2 * STEP)
        kept = smooth(density, point)
        assert kept.mean() > 0.9
        rounding = 1e-15 * abs(value[0]) / STEP
        np.testing.assert_allclose(gradient[0, kept], expected[kept], rtol=1e-5, atol=1e-4 + 10 * rounding)


@pytest.mark.parametrize("name", DENSITIES)
def test_jacobian_equals_central_differences(name):
    density = DENSITIES[name]()
    points = random_points(density, 2, seed=5)
    residual, jacobian = density.residuals_with_jacobian(points)
    np.testing.assert_allclose(residual, density.residuals(points), atol=1e-10)
    for point, rows in zip(points, jacobian, strict=True):
        around = density.residuals(shifted(point))
        expected = (around[: density.size] - around[density.size :]).T / (2 * STEP)
        kept = smooth(density, point)
        np.testing.assert_allclose(rows[:, kept], expected[:, kept], rtol=1e-5, atol=1e-5)


def test_the_hct116_problem_has_everything_that_real_data_bring():
    density = hct116_control()
    names = density.measurement.weight_names
    assert any(each.startswith("dilution") for each in names)
    assert any(each.startswith("w") for each in names)
    assert density.censored.sum() > 5
    assert not density.measurement.keep.all()
    assert not np.allclose(density.measurement.abundance[:, 0], 1)


def test_density_is_prior_plus_normal_likelihood_with_censored_zeros_one_sided():
    density = hct116_control()
    points = random_points(density, 4)
    model = density.prediction(points).reshape(len(points), -1)[:, density.known]
    data, sd, limit = (each.ravel()[density.known] for each in (density.measured, density.sd, density.limit))
    residual = (model - data) / sd
    excess = np.maximum(model - np.nan_to_num(limit), 0) / sd
    square = np.where(np.isnan(limit), residual, excess) ** 2
    expected = density.log_prior(points)[0] - 0.5 * square.sum(axis=1)
    np.testing.assert_allclose(density.log_density(points)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("name", DENSITIES)
def test_log_prior_equals_an_independent_formula(name):
    density = DENSITIES[name]()
    network, space = density.space.network, density.space
    points = random_points(density, 20, seed=1)
    z, y, w = density.split(points)
    net = space.net(z)
    expected = norm.logpdf(w).sum(axis=1)
    for i, reaction in enumerate(network.reaction_names):
        rule = network.rule(reaction)
        if rule.target is not None and np.ptp(net[:, i]) > 1e-6:
            sd = 3 * max(abs(rule.target), 1) / np.sqrt(rule.weight)
            expected += norm.logpdf(net[:, i], rule.target, sd)
    # Log-uniform exchange fluxes, 1/x (x > 0.1, the lower bound); in y times |dx/dy|, here a numerical one.
    x = space.exchange(y)
    slope = (space.exchange(y + 1e-5) - space.exchange(y - 1e-5)) / 2e-5
    varies = space.exchange_scale.varies
    floor = np.where(space.exchange_scale.lower > 0, 0, 1e-3 * network.normalising_flux)
    expected += (np.log(slope[:, varies]) - np.log((x + floor)[:, varies])).sum(axis=1)
    value = density.log_prior(points)[0]
    np.testing.assert_allclose(value - value[0], expected - expected[0], atol=1e-5)


def test_points_that_are_not_finite_have_density_zero():
    density = toy_density()
    points = random_points(density, 3)
    points[1, 0] = np.nan
    value = density.log_density(points)[0]
    assert value[1] == -np.inf
    assert np.isfinite(value[[0, 2]]).all()


def test_another_experiment_scatters_around_the_point_as_its_errors_say():
    density = build_density(fluxkit.with_rates(toy_labeling(), {"v6": (80.0, 8.0), "v7": (60.0, 1.0)}, TOY), TOY)
    point, rng = random_points(density, 1), np.random.default_rng(3)
    residuals = np.array([density.drawn_anew(point[0], rng).all_residuals(point)[0] for _ in range(400)])
    labeling = residuals[:, :-2]
    assert np.abs(labeling.mean(axis=0)).max() < 4 / np.sqrt(400)
    np.testing.assert_allclose(labeling.std(axis=0), 1, rtol=4 / np.sqrt(800))
    rates = (residuals[:, -2:] ** 2).sum(axis=1).mean()  # one of two, since their common factor is unknown
    assert rates == pytest.approx(1, abs=4 * np.sqrt(2 / 400))


def test_the_order_of_dimensions_of_a_dataset_does_not_matter():
    tracers = {"a": "A_x: 100% [2-13C]", "b": "A_x: 100% [1,2-13C2]"}
    labeling = toy_labeling(tracers=tracers)
    turned = labeling.assign({name: labeling[name].transpose("isotopologue", ...) for name in ("mid", "mid_sd")})
    points = random_points(build_density(labeling, TOY), 3)
    straight, other = (build_density(each, TOY).log_density(points)[0] for each in (labeling, turned))
    np.testing.assert_array_equal(straight, other)


def test_ccm_and_toy_are_what_these_tests_think_they_are():
    assert parallel_ccm().measured.shape[0] == 2
    assert parallel_ccm().space.network is CCM


@pytest.mark.parametrize("name", DENSITIES)
def test_the_parts_of_the_density_agree_with_the_whole(name):
    density = DENSITIES[name]()
    points = random_points(density, 4, seed=6)
    value, gradient = density.log_density(points)
    np.testing.assert_allclose(density.log_value(points), value, rtol=1e-12)
    scale = np.abs(gradient).max()
    np.testing.assert_allclose(density.log_gradient(points), gradient, rtol=0, atol=1e-10 * scale)


def test_a_prediction_from_residuals_is_that_of_the_measurement_model():
    density = parallel_ccm()
    points = random_points(density, 2, seed=7)
    state = density._state(points)
    direct = density.measurement.predict(simulate_mids(density.program, state.fluxes), state.weights)
    direct.reshape(2, -1)[:, np.setdiff1d(np.arange(density.measured.size), density.known)] = np.nan
    np.testing.assert_allclose(density.prediction(points), direct, rtol=0, atol=1e-12)
