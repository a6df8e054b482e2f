"""False discovery rates: what is called holds no more errors than stated, with normal posteriors that are exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, norm

from fluxkit.inference.comparison.false_discovery import q_values, s_values

FLUXES, TABLES = 60, 2000


def errors_of(differences: np.ndarray) -> np.ndarray:
    """Posterior probability of the wrong direction, where the posterior of a difference is normal with sd 1."""
    return norm.sf(np.abs(differences))


def false_share(called: np.ndarray, unchanged: np.ndarray) -> np.ndarray:
    """Share of unchanged fluxes among the called ones of each table, 0 where none is called."""
    return (called & unchanged).sum(axis=1) / np.maximum(called.sum(axis=1), 1)


def called(differences: np.ndarray, rate: float) -> np.ndarray:
    return np.array([q_values(errors_of(each)) <= rate for each in differences])


def network_noise(rng: np.random.Generator, tables: int) -> np.ndarray:
    """Errors of sd 1 that go together as those of fluxes do: all are combinations of a few free ones."""
    basis = rng.normal(size=(FLUXES, 8)) * (rng.random((FLUXES, 8)) < 0.4)
    basis[:8] = np.eye(8)
    basis[~basis.any(axis=1), 0] = 1.0
    basis /= np.linalg.norm(basis, axis=1, keepdims=True)
    return rng.normal(size=(tables, 8)) @ basis.T


@pytest.mark.parametrize("rate", [0.05, 0.2])
@pytest.mark.parametrize("noise", ["independent", "network"])
def test_among_unchanged_fluxes_calls_stay_below_the_stated_rate(rate, noise):
    rng = np.random.default_rng(1)
    if noise == "independent":
        differences = rng.normal(size=(TABLES, FLUXES))
    else:
        differences = network_noise(rng, TABLES)
    found = called(differences, rate).any(axis=1).mean()  # any call is a false one
    assert found < rate + 3 * np.sqrt(rate * (1 - rate) / TABLES)
    if noise == "independent":  # and the rate is used up: the probabilities of the tables are exact
        assert found > rate - 3 * np.sqrt(rate * (1 - rate) / TABLES)


@pytest.mark.parametrize("noise", ["independent", "network"])
@pytest.mark.parametrize("changed", [0.1, 0.5])
def test_among_changed_and_unchanged_fluxes_the_share_of_false_calls_stays_below_the_rate(changed, noise):
    rng = np.random.default_rng(2)
    errors = rng.normal(size=(TABLES, FLUXES)) if noise == "independent" else network_noise(rng, TABLES)
    unchanged = rng.random((TABLES, FLUXES)) >= changed
    calls = called(errors + np.where(unchanged, 0.0, 5.0 * rng.choice([-1, 1], size=unchanged.shape)), 0.1)
    share = false_share(calls, unchanged)
    assert share.mean() < 0.1 + 3 * share.std() / np.sqrt(TABLES)
    assert calls[~unchanged].mean() > 0.95  # 5 sd off


def test_unchanged_fluxes_shrunk_by_a_prior_are_called_even_less():
    rng = np.random.default_rng(3)
    shrinkage = 0.5  # a normal prior as wide as the likelihood: the posterior mean moves half-way, its sd to 0.71
    differences = rng.normal(size=(TABLES, FLUXES)) * shrinkage / np.sqrt(shrinkage)
    assert called(differences, 0.05).any(axis=1).mean() < 0.05 / 4


def test_s_values_are_the_share_of_wrong_directions_when_the_prior_is_right():
    rng = np.random.default_rng(4)
    truth = 2.0 * rng.normal(size=(TABLES, FLUXES))
    seen = truth + rng.normal(size=truth.shape)
    posterior_mean, posterior_sd = seen * 4 / 5, np.sqrt(4 / 5)
    errors = errors_of(posterior_mean / posterior_sd)
    wrong = posterior_mean * truth < 0
    values = np.array([s_values(each) for each in errors])
    for rate in (0.01, 0.05):
        chosen = values <= rate
        promised = (errors * chosen).sum(axis=1) / np.maximum(chosen.sum(axis=1), 1)
        share = false_share(chosen, wrong)
        assert share.mean() == pytest.approx(promised.mean(), abs=4 * share.std() / np.sqrt(TABLES))
        assert share.mean() <= rate
        assert chosen.mean() > 0.3


def test_s_values_give_no_room_to_unchanged_fluxes_as_q_values_do():
    """The reason for q-values: of errors uniform on [0, 0.5], the smallest fifth has a mean of 0.05."""
    rng = np.random.default_rng(5)
    differences = rng.normal(size=(TABLES, FLUXES))
    share = np.mean([s_values(errors_of(each)) <= 0.05 for each in differences])
    assert share == pytest.approx(0.2, abs=0.02)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_are_those_of_an_independent_implementation(errors):
    expected = false_discovery_control(np.minimum(2 * np.array(errors), 1.0))
    np.testing.assert_allclose(q_values(np.array(errors)), expected, atol=1e-15)


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_both_values_follow_their_rows_rise_with_the_error_and_ignore_missing_ones(errors, random):
    errors = np.array(errors)
    order = list(range(len(errors)))
    random.shuffle(order)
    for values in (q_values, s_values):
        np.testing.assert_array_equal(values(errors[order]), values(errors)[order])
        assert np.all(np.diff(values(errors)[np.argsort(errors)]) >= -1e-15)
        with_gap = values(np.concatenate([[np.nan], errors]))
        assert np.isnan(with_gap[0])
        np.testing.assert_array_equal(with_gap[1:], values(errors))
    assert np.all(s_values(errors) <= q_values(errors) + 1e-15)


def test_the_s_value_is_the_mean_error_of_a_row_and_all_more_certain_ones():
    np.testing.assert_allclose(s_values(np.array([0.3, 0.0, 0.1, 0.1])), [0.125, 0.0, 0.2 / 3, 0.2 / 3])
