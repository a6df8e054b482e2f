"""What a fit leaves unexplained, against least squares with the fault as a parameter of its own."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chi2, kstest

import fluxkit
from fluxkit.inference.problem import build_density
from fluxkit.inference.rate_term import RateTerm
from fluxkit.inference.refinement import refine
from fluxkit.inference.verdict.chi_square import chi_square
from fluxkit.inference.verdict.misfit import Misfit, misfit, sidak
from tests.inference.problems import TOY, TRACER, hct116_control, random_points, toy_labeling

DATA, PARAMETERS = 12, 5


def linear_misfit(seed=0):
    """Misfit of a linear model with a standard normal prior, with its Jacobian and the data."""
    rng = np.random.default_rng(seed)
    jacobian, measured = rng.normal(size=(DATA, PARAMETERS)), 2 * rng.normal(size=DATA)
    precision = jacobian.T @ jacobian + np.eye(PARAMETERS)
    residual = jacobian @ np.linalg.solve(precision, jacobian.T @ measured) - measured
    followed = jacobian @ np.linalg.solve(precision, jacobian.T)
    kept = np.ones(DATA, dtype=bool)
    position, closed = np.arange(DATA), np.empty((0, DATA))
    fit = Misfit(residual, np.eye(DATA) - followed, position, closed, jacobian, kept, float(np.trace(followed)))
    return fit, jacobian, measured


def least_squares(jacobian, measured, extra):
    """Smallest sum of squares with the prior as data, and free amounts of some extra shifts of the data."""
    prior = np.hstack([np.eye(PARAMETERS), np.zeros((PARAMETERS, extra.shape[1]))])
    rows = np.vstack([np.hstack([jacobian, extra]), prior])
    values = np.concatenate([measured, np.zeros(PARAMETERS)])
    found = np.linalg.lstsq(rows, values, rcond=None)[0]
    return float(np.sum((rows @ found - values) ** 2)), found[PARAMETERS:]


def test_a_score_is_what_a_free_amount_of_the_fault_would_gain():
    fit, jacobian, measured = linear_misfit()
    direction = np.random.default_rng(1).normal(size=DATA)
    (score,), (amount,) = fit.scores(direction[None])
    without, _ = least_squares(jacobian, measured, np.empty((DATA, 0)))
    with_fault, fitted = least_squares(jacobian, measured, direction[:, None])
    assert score**2 == pytest.approx(without - with_fault, rel=1e-9)
    assert amount == pytest.approx(fitted[0], rel=1e-9)
    assert np.sign(score) == np.sign(amount)


def test_chi_square_of_a_group_is_what_leaving_it_out_would_gain():
    fit, jacobian, measured = linear_misfit()
    members = np.arange(DATA) < 3
    value, freedom = fit.group(members)
    without, _ = least_squares(jacobian, measured, np.empty((DATA, 0)))
    freed, _ = least_squares(jacobian, measured, np.eye(DATA)[:, members])
    assert value == pytest.approx(without - freed, rel=1e-9)
    assert freedom == 3


def test_a_shift_that_the_parameters_follow_is_not_tested():
    fit, jacobian, _ = linear_misfit()
    unit = jacobian[:, 0] / np.linalg.norm(jacobian[:, 0])
    strong = replace(fit, covariance=np.eye(DATA) - 0.999 * np.outer(unit, unit))
    assert np.isnan(strong.scores(unit[None])[0])


def test_normalised_values_have_no_noise_along_their_sum():
    density = hct116_control()
    refined = refine(density, random_points(density, 2, seed=0), barriers=(1.0, 0.01))
    fit = misfit(density, refined)
    assert len(fit.closed) > 10
    whole = np.abs(fit.closed @ fit.residual) < 1e-9  # the others hold censored zeros, which the sum does not count
    assert whole.sum() > 10
    np.testing.assert_allclose((fit.closed @ fit.covariance)[whole], fit.closed[whole], atol=1e-9)
    np.testing.assert_allclose(fit.closed @ fit.closed.T, np.eye(len(fit.closed)), atol=1e-12)
    ssr, freedom, _, determined = chi_square(density, refined)
    assert freedom == pytest.approx(len(fit.residual) - len(fit.closed) - determined)
    assert ssr == pytest.approx(float(fit.residual @ fit.residual))


def test_rates_of_which_nothing_flows_take_no_direction_from_the_data():
    density = build_density(toy_labeling(), TOY)
    refined = refine(density, random_points(density, 2), barriers=(1.0, 0.01))
    nothing = RateTerm(np.zeros((2, len(TOY.reactions))), np.ones(2), np.ones(2), absolute=False)
    plain, fit = (misfit(each, refined) for each in (density, replace(density, rates=nothing)))
    assert np.isfinite(fit.covariance).all()
    assert len(fit.closed) == len(plain.closed)
    assert fit.degrees_of_freedom == pytest.approx(plain.degrees_of_freedom + 2)


@pytest.fixture(scope="module")
def null():
    """P-values of groups and of single values over data sets from the prior, without a fault."""
    states = fluxkit.draw_fluxes(TOY, 60, seed=31)
    labeling = fluxkit.simulate(TOY, states, TRACER, fragments=["B", "D", "E"], noise=0.02, seed=32)
    group, value = [], []
    for i in range(60):
        density = build_density(labeling.isel(draw=i), TOY)
        fit = misfit(density, refine(density, random_points(density, 4, seed=i), barriers=(1.0, 0.01)))
        group.append(chi2.sf(*fit.group(np.arange(len(fit.residual)) < 4)))
        value.append(fit.scores(np.eye(len(fit.residual)))[0])
    return np.array(group), np.array(value)


def test_without_a_fault_p_values_of_a_group_are_uniform(null):
    assert kstest(null[0], "uniform").pvalue > 0.01
    assert (null[0] < 0.01).sum() <= 3  # 0.6 expected; more than 3 in 0.3 % of the cases


def test_without_a_fault_scores_of_values_have_unit_variance(null):
    scores = null[1][np.isfinite(null[1])]
    assert 0.8 < scores.std() < 1.1
    assert np.abs(scores).max() < 4.5


def test_the_smallest_of_many_p_values_is_corrected_for_their_number():
    rng = np.random.default_rng(0)
    corrected = [sidak(rng.random(50)) for _ in range(400)]
    assert kstest(corrected, "uniform").pvalue > 0.01
    assert sidak(np.array([np.nan, 0.2])) == pytest.approx(0.2)
    assert sidak(np.array([np.nan])) == 1.0
    assert sidak(np.array([1e-30, 0.5])) == pytest.approx(2e-30)
