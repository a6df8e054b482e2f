"""The sampler against analytic truncated normals, a uniform polytope and the flux prior."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import beta, ks_2samp, kstest, norm, truncnorm

import fluxkit
from fluxkit.errors import FluxError, LabelingError
from fluxkit.fluxes import flux_space, prior_coordinates
from fluxkit.inference import SamplerSettings
from fluxkit.inference.problem import build_density
from fluxkit.inference.sampler.chains import ChainState, Trajectories
from fluxkit.inference.sampler.sampling import _Ensemble, sample_chains
from tests.inference.problems import CCM, TOY, exact_toy_labeling, hct116_control

SHORT = SamplerSettings(chains=16, windows=(20, 30, 40), max_draws=1500, effective_draws=1e9, seconds=60)
CORRELATION = np.array([[1.0, 0.8], [0.8, 1.0]])


def normal_density(precision):
    return lambda x: (-0.5 * np.einsum("np,pq,nq->n", x, precision, x), -x @ precision)


def sample(density, walls, offsets, start, covariance=None, settings=SHORT, seed=0):
    covariance = np.eye(start.shape[1]) if covariance is None else covariance
    rng = np.random.default_rng(seed)
    return sample_chains(density, np.asarray(walls), np.asarray(offsets), start, covariance, settings, rng)


def thinned(chains, step=8):
    """Draws that are as good as independent, shape ``(draw, parameter)``."""
    return chains.draws[:, ::step].reshape(-1, chains.draws.shape[-1])


@pytest.fixture(scope="module")
def half_normal():
    """A correlated normal distribution that the half-space x + y <= 0.5 cuts."""
    wall = np.array([[1.0, 1.0]]) / np.sqrt(2)
    start = -np.abs(np.random.default_rng(1).standard_normal((16, 2)))
    return sample(normal_density(np.linalg.inv(CORRELATION)), wall, [0.5], start)


def test_a_normal_cut_by_a_half_space_has_its_analytic_marginals(half_normal):
    draws = thinned(half_normal)
    along, across = draws.sum(axis=1) / np.sqrt(2), (draws[:, 0] - draws[:, 1]) / np.sqrt(2)
    scale = np.sqrt(1.8)  # variance along (1, 1); 0.2 across, where nothing is cut
    assert along.max() <= 0.5
    assert kstest(along, truncnorm(-np.inf, 0.5 / scale, scale=scale).cdf).pvalue > 0.001
    assert kstest(across, norm(scale=np.sqrt(0.2)).cdf).pvalue > 0.001


def test_a_normal_cut_by_a_half_space_has_its_analytic_moments(half_normal):
    exact = truncnorm(-np.inf, 0.5 / np.sqrt(1.8), scale=np.sqrt(1.8))
    along = half_normal.draws.sum(axis=-1).ravel() / np.sqrt(2)
    error = 4 * exact.std() / np.sqrt(half_normal.effective_draws.min())
    assert abs(along.mean() - exact.mean()) < error
    assert abs(along.std() - exact.std()) < error


def test_a_normal_in_a_box_with_a_free_coordinate_has_its_analytic_marginals():
    low, high = np.array([-0.3, 1.0]), np.array([0.2, 4.0])
    walls, offsets = np.concatenate([np.eye(2), -np.eye(2)]), np.concatenate([high, -low])
    start = np.random.default_rng(2).uniform([-0.3, 1.0, -1], [0.2, 4.0, 1], (16, 3))
    draws = thinned(sample(normal_density(np.eye(3)), walls, offsets, start))
    for i in range(2):
        assert kstest(draws[:, i], truncnorm(low[i], high[i]).cdf).pvalue > 0.001
    assert kstest(draws[:, 2], norm.cdf).pvalue > 0.001


def test_a_constant_density_on_a_triangle_is_drawn_uniformly():
    walls, offsets = np.array([[-1.0, 0], [0, -1.0], [1, 1]]), np.array([0.0, 0.0, 1.0])
    start = np.random.default_rng(3).dirichlet(np.ones(3), 16)[:, :2]
    chains = sample(lambda x: (np.zeros(len(x)), np.zeros_like(x)), walls, offsets, start, 0.05 * np.eye(2))
    draws = thinned(chains)
    assert chains.acceptance == 1  # reflections keep the energy, to rounding
    for each in (draws[:, 0], draws[:, 1], 1 - draws.sum(axis=1)):
        assert kstest(each, beta(1, 2).cdf).pvalue > 0.001


def test_reflections_keep_the_speed_stay_inside_and_can_be_reversed():
    space = flux_space(CCM)
    rng = np.random.default_rng(4)
    start = space.starts[:32].copy()
    state = ChainState(lambda x: (np.zeros(len(x)), np.zeros_like(x)), space.walls, space.offsets, start)
    root = rng.standard_normal((len(space.free),) * 2)
    metric = state.metric(root @ root.T / len(space.free))
    velocity = rng.standard_normal(start.shape)
    position, moving = start.copy(), velocity.copy()
    state._leapfrog(position, moving, np.full(32, 0.7), 1, metric)  # a flat density only drifts
    assert np.abs(position - start).max() > 0.5
    np.testing.assert_allclose((moving**2).sum(axis=1), (velocity**2).sum(axis=1), rtol=1e-12)
    assert (space.slack(position) > -1e-9).all()
    turned = -moving
    state._leapfrog(position, turned, np.full(32, 0.7), 1, metric)
    np.testing.assert_allclose(position, start, atol=1e-8)
    np.testing.assert_allclose(turned, -velocity, atol=1e-7)


def test_a_chain_that_bounces_without_end_is_rejected_rather_than_cut_short():
    walls, offsets = np.array([[1.0], [-1.0]]), np.array([1e-3, 1e-3])
    flat = lambda x: (np.where(np.isfinite(x[:, 0]), 0.0, -np.inf), np.zeros_like(x))  # noqa: E731
    state = ChainState(flat, walls, offsets, np.zeros((4, 1)))
    momenta = np.random.default_rng(5).standard_normal((1, 4, 1))
    plan = Trajectories(momenta, np.zeros((1, 4)), np.full((1, 4), 100.0), np.array([1]))
    _, _, probability = state.run(plan, state.metric(np.eye(1)))
    assert (probability == 0).all()
    np.testing.assert_array_equal(state.position, np.zeros((4, 1)))


def p_value(first, second) -> float:
    result: Any = ks_2samp(first, second)
    return float(result.pvalue)


def ks_against_prior(network, z, y, names):
    """Smallest p of Kolmogorov-Smirnov tests against prior draws, times their number (Bonferroni)."""
    space = flux_space(network)
    prior = fluxkit.draw_fluxes(network, 2000, seed=11)
    net, exchange = space.net(z), space.exchange(y)
    tests = [p_value(net[:, i], prior["net_flux"].values[:, i]) for i in names]
    reversible = prior["exchange_flux"].values[:, network.reversible]
    tests += [p_value(exchange[:, i], reversible[:, i]) for i in range(exchange.shape[1])]
    return min(tests) * len(tests)


def free_reactions(network):
    return np.flatnonzero(np.ptp(flux_space(network).net(flux_space(network).starts), axis=0) > 1e-6)


def prior_start(space, count, seed=6):
    return np.concatenate(prior_coordinates(space, count, np.random.default_rng(seed)), axis=1)


def test_without_information_in_the_data_the_toy_posterior_is_the_flux_prior():
    labeling = exact_toy_labeling()
    density = build_density(labeling.assign(mid_sd=labeling["mid_sd"] * 1e7), TOY)
    space = density.space
    chains = sample(density.log_density, space.walls, space.offsets, prior_start(space, 16))
    z, y, _ = density.split(thinned(chains))
    assert ks_against_prior(TOY, z, y, free_reactions(TOY)) > 0.01


def test_the_prior_density_of_ccm_is_sampled_as_draw_fluxes_draws_it():
    density = hct116_control()
    space, weights = density.space, len(density.measurement.weight_names)
    start = np.concatenate([prior_start(space, 32), np.zeros((32, weights))], axis=1)
    settings = SamplerSettings(chains=32, windows=(20, 30), max_draws=400, effective_draws=1e9)
    chains = sample(density.log_prior, space.walls, space.offsets, start, settings=settings)
    z, y, w = density.split(thinned(chains, 6))
    assert ks_against_prior(CCM, z, y, free_reactions(CCM)) > 0.01
    assert kstest(w.ravel(), norm.cdf).pvalue > 0.001


def test_where_the_density_is_far_stiffer_than_the_metric_says_chains_move_still():
    """A chain where usual steps are 30 standard deviations must not stay for good."""
    density = normal_density(30.0**2 * np.eye(8))
    state = ChainState(density, -np.eye(8), np.full(8, 10.0), np.zeros((16, 8)))
    ensemble = _Ensemble(state, np.eye(8), np.random.default_rng(0))
    ensemble.step = 1.0
    draws, _, _ = ensemble.advance(500, 4.0, np.inf, 1)
    moved = (np.diff(draws, axis=0) != 0).any(axis=2).mean(axis=0)
    assert moved.min() > 0.01
    assert 0.5 < 30 * np.abs(draws[250:]).max() < 8


def test_the_same_seed_gives_the_same_draws():
    settings = SamplerSettings(chains=4, windows=(5, 5), max_draws=40)
    walls, offsets, start = np.eye(2), np.ones(2), -np.ones((4, 2))
    first, again, other = (
        sample(normal_density(np.eye(2)), walls, offsets, start, settings=settings, seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.draws, again.draws)
    assert not np.array_equal(first.draws, other.draws)


def test_chains_stop_once_they_have_converged_and_say_so():
    start = np.random.default_rng(7).standard_normal((16, 2)) - 3
    settings = SamplerSettings(chains=16, windows=(20, 30), effective_draws=300)
    chains = sample(normal_density(np.eye(2)), np.eye(2), [2.0, 2.0], start, settings=settings)
    assert chains.converged
    assert chains.draws.shape[1] < 1000
    assert chains.rhat.max() < 1.01
    assert chains.effective_draws.min() > 300


@pytest.mark.parametrize("most", [1, 6, 37])
def test_no_chain_gets_more_draws_than_asked_for(most):
    settings = SamplerSettings(chains=4, windows=(5,), max_draws=most)
    chains = sample(normal_density(np.eye(2)), np.eye(2), np.ones(2), -np.ones((4, 2)), settings=settings)
    assert chains.draws.shape == (4, most, 2)


def slow_density(monkeypatch, seconds):
    """A normal density whose every gradient takes some time, by a clock of its own."""
    now = [0.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("fluxkit.inference.sampler.sampling.time", clock)

    def density(x):
        now[0] += seconds
        return normal_density(np.eye(2))(x)

    return density


@pytest.mark.parametrize("cost", [0.01, 0.1])
def test_a_slow_density_ends_sampling_in_time_with_draws_that_have_a_diagnosis(monkeypatch, cost):
    settings = SamplerSettings(chains=4, seconds=60.0, max_draws=10**6, effective_draws=1e12)
    density = slow_density(monkeypatch, cost)
    chains = sample(density, np.eye(2), [5.0, 5.0], -np.ones((4, 2)), settings=settings)
    assert chains.draws.shape[1] >= 4
    assert np.isfinite(chains.rhat).all()
    assert 45 < chains.seconds < 70


def test_a_chain_that_starts_nowhere_is_replaced_and_all_such_chains_are_refused():
    inside = lambda x: (np.where(x[:, 0] < 0, 0.0, -np.inf), np.zeros_like(x))  # noqa: E731
    start = np.array([[-0.5], [0.5], [0.6], [0.7]])
    settings = SamplerSettings(chains=4, windows=(1, 20), max_draws=40)
    chains = sample(inside, [[1.0], [-1.0]], [1.0, 1.0], start, 0.1 * np.eye(1), settings)
    assert np.isfinite(chains.log_density).all()
    with pytest.raises(FluxError, match="none of the 4 chains starts where"):
        sample(inside, [[1.0], [-1.0]], [1.0, 1.0], np.abs(start), settings=settings)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_chains_to_compare_are_refused(count):
    with pytest.raises(LabelingError, match=f"chains = {count}: .* needs at least 2"):
        SamplerSettings(chains=count)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_draws": 0}, "both must be positive"),
        ({"seconds": 0.0}, "both must be positive"),
        ({"windows": (0, 30)}, "each needs at least 1 trajectory"),
        ({"rhat": 1.0}, "rhat = 1 .* has to exceed 1"),
        ({"effective_draws": -1.0}, "effective_draws = -1: .* cannot be negative"),
        ({"trajectory": 0.0}, "the one must be positive"),
        ({"target_acceptance": 1.0}, "the other between 0 and 1"),
    ],
)
def test_settings_that_cannot_sample_are_refused(wrong, message):
    with pytest.raises(LabelingError, match=message):
        SamplerSettings(**wrong)
