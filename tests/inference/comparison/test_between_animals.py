"""The hierarchical model of one quantity: closed forms, quadrature, limits, calibration."""

import numpy as np
import pytest
from scipy import stats

from fluxkit.errors import FluxError
from fluxkit.inference.comparison.between_animals import common_posterior, mean_given_scatter
from fluxkit.inference.comparison.without_prior import without_prior

CENTRE, WIDTH = np.array([10.0, 14.0, 9.0, 12.0]), np.array([1.0, 3.0, 0.5, 2.0])
TAILS = (0.05, 0.5, 0.95)


@pytest.mark.parametrize("prior", [(0.0, np.inf), (20.0, 5.0)])
def test_the_mean_for_a_known_scatter_is_that_of_generalised_least_squares(prior):
    for scatter in (0.1, 1.0, 10.0):
        mean, sd, _ = mean_given_scatter(CENTRE, WIDTH, np.array([scatter]), prior)
        inverse = np.linalg.inv(np.diag(WIDTH**2) + scatter**2 * np.eye(4))
        one = np.ones(4)
        precision = one @ inverse @ one + 1 / prior[1] ** 2
        expected = (one @ inverse @ CENTRE + prior[0] / prior[1] ** 2) / precision
        assert mean.item() == pytest.approx(expected, rel=1e-12)
        assert sd.item() == pytest.approx(precision**-0.5, rel=1e-12)


def test_the_evidence_of_a_scatter_is_the_density_of_the_data_as_one_normal_vector():
    scatters, prior = np.array([0.3, 2.0, 7.0]), (20.0, 5.0)
    evidence = mean_given_scatter(CENTRE, WIDTH, scatters, prior)[2]
    expected = [
        stats.multivariate_normal(np.full(4, prior[0]), np.diag(WIDTH**2 + t**2) + prior[1] ** 2).logpdf(CENTRE)
        for t in scatters
    ]
    np.testing.assert_allclose(np.diff(evidence), np.diff(expected), rtol=1e-10)


def test_without_scatter_animals_are_pooled_by_precision_with_one_prior():
    found = common_posterior(CENTRE, WIDTH, scale=1e-6, family="half-normal", prior=(20.0, 5.0))
    precision = np.append(1 / WIDTH**2, 1 / 25)
    mean = precision @ np.append(CENTRE, 20.0) / precision.sum()
    expected = stats.norm(mean, precision.sum() ** -0.5).ppf(TAILS)
    np.testing.assert_allclose(found.mean_quantiles(TAILS), expected, rtol=1e-6)
    np.testing.assert_allclose(found.animals, mean, rtol=1e-6)


def test_with_endless_scatter_the_mean_is_that_of_the_means_and_animals_keep_their_own():
    mean, _, _ = mean_given_scatter(CENTRE, WIDTH, np.array([1e6]))
    assert mean.item() == pytest.approx(CENTRE.mean(), rel=1e-9)
    apart = CENTRE * 1e6
    np.testing.assert_allclose(common_posterior(apart, WIDTH, scale=1e6).animals, apart, rtol=1e-9)


@pytest.mark.parametrize("family", ["half-cauchy", "half-normal"])
def test_the_posterior_is_that_of_quadrature_over_mean_and_scatter(family):
    prior = (8.0, 6.0)
    found = common_posterior(CENTRE, WIDTH, scale=2.0, family=family, prior=prior)
    t = np.geomspace(1e-5, 3e3, 4000)[:, None]
    mu = np.linspace(-30, 50, 1601)
    of_scatter = {"half-cauchy": stats.halfcauchy, "half-normal": stats.halfnorm}[family]
    density = of_scatter.pdf(t, scale=2.0) * stats.norm.pdf(mu, *prior)
    own = np.zeros((4, *density.shape))
    for a, (y, w) in enumerate(zip(CENTRE, WIDTH, strict=True)):
        density = density * stats.norm.pdf(y, mu, np.hypot(w, t))
        own[a] = (y / w**2 + mu / t**2) / (1 / w**2 + 1 / t**2)
    density *= np.gradient(t[:, 0])[:, None]
    density /= density.sum()
    for quantiles, grid, marginal in (
        (found.mean_quantiles(TAILS), mu, density.sum(axis=0)),
        (found.scatter_quantiles(TAILS), t[:, 0], density.sum(axis=1)),
    ):
        cumulated = np.cumsum(marginal) - marginal / 2
        np.testing.assert_allclose(np.interp(quantiles, grid, cumulated), TAILS, atol=2e-3)
    np.testing.assert_allclose(found.animals, (own * density).sum(axis=(1, 2)), rtol=1e-3)
    assert found.probability_beyond(0.2) == pytest.approx(density[t[:, 0] > 0].sum(where=t > 0.2 * abs(mu)), abs=3e-3)


@pytest.mark.parametrize("family", ["half-cauchy", "half-normal"])
@pytest.mark.parametrize("count", [2, 5])
def test_intervals_hold_the_truth_as_often_as_they_say_when_truths_come_from_the_priors(family, count):
    rng = np.random.default_rng(count)
    repeats, prior, scale = 400, (50.0, 20.0), 5.0
    draw = {"half-cauchy": stats.halfcauchy, "half-normal": stats.halfnorm}[family]
    held = np.zeros(2)
    for _ in range(repeats):
        mean, scatter = rng.normal(*prior), draw.rvs(scale=scale, random_state=rng)
        truth = rng.normal(mean, scatter, count)
        error = rng.uniform(1, 15, count)
        data = rng.normal(truth, error)
        # each animal by itself, with the prior
        width = (error**-2 + prior[1] ** -2) ** -0.5
        centre = width**2 * (data / error**2 + prior[0] / prior[1] ** 2)
        found = common_posterior(*without_prior(centre, width, *prior), scale=scale, family=family, prior=prior)
        low, high = found.mean_quantiles((0.05, 0.95))
        held[0] += low < mean < high
        low, high = found.scatter_quantiles((0.05, 0.95))
        held[1] += low < scatter < high
    band = stats.binom.ppf([0.001, 0.999], repeats, 0.9)
    assert ((band[0] <= held) & (held <= band[1])).all(), held / repeats


def test_units_do_not_matter():
    one = common_posterior(CENTRE, WIDTH, scale=2.0, prior=(8.0, 6.0))
    other = common_posterior(1e5 * CENTRE, 1e5 * WIDTH, scale=2e5, prior=(8e5, 6e5))
    np.testing.assert_allclose(other.animals, 1e5 * one.animals, rtol=1e-9)
    np.testing.assert_allclose(other.scatter_quantiles(TAILS), 1e5 * np.array(one.scatter_quantiles(TAILS)), rtol=1e-9)
    assert other.probability_beyond(0.2) == pytest.approx(one.probability_beyond(0.2), rel=1e-9)


def test_animals_that_are_known_exactly_scatter_as_students_distribution_says():
    values = np.array([9.0, 10.0, 12.0, 13.0, 11.5])
    found = common_posterior(values, np.zeros(5), scale=1e4)  # a flat prior of the scatter: n - 2 degrees of freedom
    expected = stats.t(3, values.mean(), np.sqrt(values.var() * 5 / (3 * 5))).ppf(TAILS)
    np.testing.assert_allclose(found.mean_quantiles(TAILS), expected, rtol=1e-3)
    np.testing.assert_allclose(found.animals, values, rtol=1e-12)


def test_the_prior_divides_out_of_its_product_with_the_data():
    data, error, prior = np.array([3.0, -5.0]), np.array([2.0, 4.0]), (1.0, 6.0)
    width = (error**-2 + prior[1] ** -2) ** -0.5
    centre = width**2 * (data / error**2 + prior[0] / prior[1] ** 2)
    found = without_prior(centre, width, *prior)
    np.testing.assert_allclose(found, [data, error], rtol=1e-12)
    np.testing.assert_array_equal(without_prior(centre, width, 0.0, np.inf), [centre, width])


def test_an_animal_that_knows_no_more_than_the_prior_says_nothing():
    centre, width = without_prior(np.array([5.0, 5.0, np.nan, 2.0]), np.array([9.5, 11.0, 1.0, 0.0]), 0.0, 10.0)
    np.testing.assert_array_equal(width, [np.inf, np.inf, np.inf, 0.0])
    np.testing.assert_array_equal(centre, [0.0, 0.0, 0.0, 2.0])
    found = common_posterior(np.array([0.0, 4.0, 6.0]), np.array([np.inf, 1.0, 1.0]), scale=1.0)
    fewer = common_posterior(np.array([4.0, 6.0]), np.array([1.0, 1.0]), scale=1.0)
    assert found.mean_quantiles(TAILS) == fewer.mean_quantiles(TAILS)
    assert found.animals[0] == pytest.approx(5.0)  # what the others let expect


def test_an_unknown_prior_of_the_scatter_is_refused():
    with pytest.raises(FluxError, match="Did you mean 'half-cauchy'"):
        common_posterior(CENTRE, WIDTH, scale=1.0, family="cauchy")
