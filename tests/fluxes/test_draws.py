"""Draws from the flux prior against analytic distributions, rejection and another sampler."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest, truncexpon, truncnorm, uniform

from fluxkit.errors import FluxError
from fluxkit.fluxes import draw_fluxes, flux_space, prior_coordinates
from fluxkit.networks import FluxRule, load_network
from fluxkit.networks.checks import equality_system
from tests.fluxes.small_networks import fork, triple

CCM = load_network("ccm")
REFERENCE = Path(__file__).parents[1] / "reference" / "ccm" / "flux_prior.tsv"
P_LOW = 1e-4  # seeds are fixed: a p-value below this is a fault, not chance


def test_one_free_flux_follows_the_truncated_normal():
    draws = draw_fluxes(fork(left=FluxRule(5, 60, target=20, weight=4)), 4000, seed=1)
    expected = truncnorm((5 - 20) / 30, (60 - 20) / 30, 20, 30)
    assert kstest(draws["net_flux"].sel(reaction="left"), expected.cdf).pvalue > P_LOW


def test_one_free_flux_without_target_is_uniform():
    for prior, rule in (("targets", FluxRule(5, 60)), ("uniform", FluxRule(5, 60, target=20))):
        draws = draw_fluxes(fork(left=rule), 4000, seed=2, prior=prior)
        assert kstest(draws["net_flux"].sel(reaction="left"), uniform(5, 55).cdf).pvalue > P_LOW


def test_a_target_far_outside_the_bounds_gives_the_tail():
    # 60 sd away the normal is exponential to 1 part in 60^2
    draws = draw_fluxes(fork(left=FluxRule(0, 60, target=100, weight=3600 * 9 * 6.25)), 4000, seed=3)
    sd = 300 / np.sqrt(3600 * 9 * 6.25)
    pace = 40 / sd**2
    gap = 60 - draws["net_flux"].sel(reaction="left").values
    assert gap.min() >= 0
    assert kstest(gap, truncexpon(60 * pace, scale=1 / pace).cdf).pvalue > P_LOW


def test_two_free_fluxes_agree_with_rejection():
    rules = {"left": FluxRule(0, 70, target=60, weight=20), "straight": FluxRule(10, 80, target=10, weight=2)}
    network = triple(**rules)
    draws = draw_fluxes(network, 4000, seed=4)["net_flux"].values
    rng = np.random.default_rng(5)
    left, straight = rng.normal(60, 180 / np.sqrt(20), 200_000), rng.normal(10, 30 / np.sqrt(2), 200_000)
    right = 100 - left - straight
    keep = (left > 0) & (left < 70) & (straight > 10) & (straight < 80) & (right > 0)
    for found, expected in zip(draws[:, 1:].T, (left, right, straight), strict=True):
        assert ks_2samp(found, expected[keep]).pvalue > P_LOW


@pytest.mark.parametrize("source", ["independent", "thinned"])
def test_ccm_draws_agree_with_another_sampler(source):
    if source == "independent":
        net = draw_fluxes(CCM, 4000, seed=6)["net_flux"].values
    else:
        space = flux_space(CCM)
        net = space.net(prior_coordinates(space, 8192, np.random.default_rng(7))[0])
    with REFERENCE.open() as file:
        rows = list(csv.reader((line for line in file if not line.startswith("#")), delimiter="\t"))
    levels = np.array([float(each[1:]) for each in rows[0][1:]])
    assert len(rows) > 80
    scatter = np.sqrt(levels * (1 - levels) * (1 / 4000 + 1 / 23_600))
    for name, *quantiles in rows[1:]:
        share = (net[:, [CCM.reaction_index[name]]] <= np.array(quantiles, dtype=float)).mean(axis=0)
        assert (np.abs(share - levels) < 4.5 * scatter).all(), name


def test_draws_balance_and_keep_the_bounds():
    draws = draw_fluxes(CCM, 200, seed=8)
    matrix, value = equality_system(CCM)
    np.testing.assert_allclose(draws["net_flux"].values @ matrix.T, np.tile(value, (200, 1)), atol=1e-8)
    lower, upper = CCM.net_bounds
    assert ((draws["net_flux"].values >= lower) & (draws["net_flux"].values <= upper)).all()
    exchange = draws["exchange_flux"].values
    low, high = CCM.exchange_bounds
    assert (exchange[:, ~CCM.reversible] == 0).all()
    assert ((exchange[:, CCM.reversible] >= low) & (exchange[:, CCM.reversible] <= high)).all()


def test_coordinates_have_zero_mean_and_unit_covariance():
    space = flux_space(CCM)
    z, y = prior_coordinates(space, 8192, np.random.default_rng(9))
    assert z.shape == (8192, len(space.free))
    assert y.shape == (8192, space.exchange_scale.size)
    assert np.abs(z.mean(axis=0)).max() < 0.1
    assert np.abs(np.cov(z.T) - np.eye(z.shape[1])).max() < 0.15


def test_the_seed_decides_the_draws():
    first, again, other = (draw_fluxes(CCM, 20, seed=seed) for seed in (1, 1, 2))
    assert first.identical(again)
    assert not np.allclose(first["net_flux"], other["net_flux"])
    assert first["net_flux"].dims == ("draw", "reaction")
    assert first.attrs["units"] == CCM.flux_unit
    assert first.attrs["seed"] == 1


@pytest.mark.parametrize("n", [0, -3, 2.5])
def test_an_impossible_number_of_draws_is_refused(n):
    with pytest.raises(FluxError, match="must be positive and whole"):
        draw_fluxes(CCM, n)
