"""Means of replicates: Student's t-test in the limit, normal theory in another, honest intervals in between."""

import numpy as np
import pytest
from scipy import integrate, stats

from fluxkit.inference.comparison.replicate_means import draw_means, summarise_draws


def difference(first, second, width):
    """Draws of the difference of two means whose replicates all have this width."""
    groups = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    a, b = draw_means(groups, tuple(np.full(each.shape, width) for each in groups))
    return b - a


@pytest.mark.parametrize(("n", "m"), [(3, 3), (2, 2), (2, 1), (5, 4)])
def test_replicates_that_are_known_exactly_are_compared_as_by_student(n, m):
    rng = np.random.default_rng(n + m)
    for shift in (0.0, 2.0):
        first, second = rng.normal(size=n), rng.normal(shift, size=m)
        draws = difference(first, second, 1e-7)
        test = stats.ttest_ind(second, first)
        up = np.mean(draws > 0)
        assert 2 * min(up, 1 - up) == pytest.approx(test.pvalue, abs=2e-3)
        expected = test.confidence_interval(0.9)
        width = expected.high - expected.low
        np.testing.assert_allclose(np.quantile(draws, [0.05, 0.95]), expected, atol=0.01 * width)


def test_many_uncertain_replicates_without_scatter_are_averaged_as_normal_theory_says():
    first, second = np.zeros(40), np.ones(40)
    first[::2], second[::2] = 1.0, 2.0  # all scatter is explained by the width
    draws = difference(first, second, 0.5)
    assert draws.mean() == pytest.approx(1.0, abs=1e-3)
    assert draws.std() == pytest.approx(0.5 * np.sqrt(2 / 40), rel=0.1)


def test_the_posterior_of_the_difference_is_that_of_quadrature():
    first, second = (np.array([1.0, 2.0, 4.0]), np.array([5.0, 5.5])), (np.array([0.5, 1.0, 2.0]), np.array([1.0, 0.2]))
    a, b = draw_means(first, second)

    def parts(scatter):
        prior = np.sqrt(sum(((scatter / (scatter**2 + w**2)) ** 2).sum() for w in second))
        evidence, mean, variance = prior, [], 0.0
        for c, w in zip(first, second, strict=True):
            v = scatter**2 + w**2
            mean.append((c / v).sum() / (1 / v).sum())
            variance += 1 / (1 / v).sum()
            evidence *= np.exp(-0.5 * ((c - mean[-1]) ** 2 / v).sum()) / np.sqrt(np.prod(v) * (1 / v).sum())
        return evidence, mean[1] - mean[0], variance

    total = integrate.quad(lambda t: parts(t)[0], 0, np.inf, limit=200)[0]
    for limit in (0.0, 2.0, 4.0):

        def weighted(scatter, limit=limit):
            evidence, mean, variance = parts(scatter)
            return evidence * stats.norm.cdf(limit, mean, np.sqrt(variance))

        expected = integrate.quad(weighted, 0, np.inf, limit=200)[0] / total
        assert np.mean(b - a <= limit) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(("scatter", "width"), [(1.0, 0.01), (1.0, 1.0), (0.0, 1.0)])
def test_intervals_hold_the_truth_at_least_as_often_as_they_say(scatter, width):
    rng = np.random.default_rng(7)
    count, held = 300, 0
    for _ in range(count):
        first, second = (rng.normal(shift, np.hypot(scatter, width), 3) for shift in (0.0, 5.0))
        low, high = np.quantile(difference(first, second, width), [0.05, 0.95])
        held += low < 5 < high
    assert held / count > 0.9 - 3 * np.sqrt(0.09 / count)


def test_exchanging_the_conditions_turns_the_difference_round():
    first, second = [1.0, 2.0, 4.0], [5.0, 5.5, 9.0]
    there, back = difference(first, second, 0.5), difference(second, first, 0.5)
    np.testing.assert_allclose(np.quantile(there, [0.05, 0.5]), -np.quantile(back, [0.95, 0.5]), atol=0.02)


def test_units_do_not_matter():
    there, scaled = difference([1, 2, 4], [5, 5.5, 9], 0.5), difference([1000, 2000, 4000], [5000, 5500, 9000], 500)
    np.testing.assert_allclose(scaled, 1000 * there, rtol=1e-9)


def test_what_does_not_vary_stays_as_it_is_and_what_is_unknown_stays_unknown():
    assert set(difference([3, 3], [3, 3], 0.0)) == {0.0}
    assert np.isnan(difference([3, np.nan], [3, 3], 0.1)).all()


def test_draws_are_summarised_by_quantiles_so_that_tails_do_not_matter():
    draws = np.concatenate([np.random.default_rng(0).normal(10, 2, 20_000), [1e9, np.nan]])
    centre, width = summarise_draws(draws)
    assert centre == pytest.approx(10, abs=0.05)
    assert width == pytest.approx(2, abs=0.05)
    assert np.isnan(summarise_draws(np.full(5, np.nan))).all()
