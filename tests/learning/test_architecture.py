"""The posterior network reads a set, and its density is one: of the draws it makes, and inside the polytope."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import fluxkit
from fluxkit.fluxes import entropic_map, flux_space
from fluxkit.learning import Chart, FluxModel
from fluxkit.learning.architecture import PosteriorNetwork, Summary
from fluxkit.learning.data_module import as_tensors
from fluxkit.learning.experiments import ExperimentSimulator
from fluxkit.learning.reading import Reading
from fluxkit.learning.vocabulary import build_vocabulary

TOY = build_vocabulary(fluxkit.load_network("toy"))
CCM = build_vocabulary(fluxkit.load_network("ccm"))
SMALL = {"width": 8, "size": 32, "blocks": 1}


def network(parameters, couplings=0, seed=0, spread=0.3, vocabulary=TOY):
    """Return a network whose densities differ from the standard normal, as after training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        counts = (len(vocabulary.measurements), vocabulary.feature_count, vocabulary.context_count)
        made = PosteriorNetwork(*counts, vocabulary.rate_count, parameters, couplings=couplings, **SMALL).eval()
        for layer in (made.mean, made.trust):
            torch.nn.init.normal_(layer.weight, std=spread / SMALL["size"] ** 0.5)
            torch.nn.init.normal_(layer.bias, std=spread)
    return made


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def summary_of(batch, parameters, seed=0, size=1.0):
    """Return a random summary whose linear answer has a covariance of full rank."""
    root = random(batch, parameters, 2 * parameters, seed=seed + 10) / (2 * parameters) ** 0.5
    centre, point = (size * random(batch, parameters, seed=seed + k) for k in (11, 12))
    return Summary(size * random(batch, 32, seed=seed), centre, point, root @ root.mT)


def double(summary):
    return Summary(*(each.double() for each in summary))


def normal_of(made, summary):
    """The Gaussian part as torch knows it."""
    mean, root = made.gaussian(summary)
    return torch.distributions.MultivariateNormal(mean, root @ root.mT)


def simulated(count=6, seed=0):
    """Return what a network is given, and the targets."""
    source = ExperimentSimulator(TOY)
    rng = np.random.default_rng(seed)
    *reading, target = as_tensors(source.batch(source.net_pool(count, rng), rng))
    return Reading(*reading), target


def test_without_couplings_the_density_is_the_multivariate_normal():
    made = network(4).double()
    summary, target = double(summary_of(5, 4)), random(5, 4, seed=1).double()
    expected = normal_of(made, summary).log_prob(target)
    torch.testing.assert_close(made.log_density(summary, target), expected, atol=1e-9, rtol=0)


def test_full_trust_gives_the_posterior_of_the_linear_answer():
    """With weights of zero the network adds nothing: what is left is the centre and covariance that it was told."""
    made = network(4).double()
    with torch.no_grad():
        for layer in (made.mean, made.trust):
            layer.weight.zero_()
            layer.bias.zero_()
        made.trust.bias[:4] = 1.0  # trust in the centre
        made.trust.bias[12:] = -4.0  # widened by exp(-4)
        summary, target = double(summary_of(5, 4)), random(5, 4, seed=1).double()
        covariance = summary.covariance + np.exp(-8) * torch.eye(4).double()
        expected = torch.distributions.MultivariateNormal(summary.centre, covariance).log_prob(target)
        torch.testing.assert_close(made.log_density(summary, target), expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize("couplings", [0, 2])
def test_standardised_coordinates_keep_the_density_and_its_draws(couplings):
    """With u = centre + spread s, log p(u) = log p(s) - sum log spread, and draws move along."""
    made = network(2, couplings).double()
    summary, standard = double(summary_of(5, 2)), random(5, 2, seed=1).double()
    with torch.no_grad():
        density = made.log_density(summary, standard)
        drawn = made.draw(summary, 3, torch.Generator().manual_seed(0))
        centre, spread = torch.tensor([3.0, -1.0]).double(), torch.tensor([0.2, 5.0]).double()
        made.target_mean.copy_(centre)
        made.target_scale.copy_(spread)
        moved = made.log_density(summary, centre + spread * standard)
        again = made.draw(summary, 3, torch.Generator().manual_seed(0))
    torch.testing.assert_close(moved, density - spread.log().sum(), atol=1e-9, rtol=0)
    torch.testing.assert_close(again, centre + spread * drawn, atol=1e-9, rtol=0)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -1e6])
def test_a_covariance_without_a_factor_leaves_the_prior_and_the_other_samples(broken):
    made, summary = network(5), summary_of(3, 5)
    spoiled = summary.covariance.clone()
    spoiled[1, 2, 2] = broken
    mean, root = made.gaussian(summary._replace(covariance=spoiled))
    torch.testing.assert_close(mean, made.gaussian(summary)[0], rtol=0, atol=0)
    torch.testing.assert_close(root[1], torch.eye(5), rtol=0, atol=0)
    torch.testing.assert_close(root[[0, 2]], made.gaussian(summary)[1][[0, 2]], rtol=0, atol=0)
    assert made.draw(summary._replace(covariance=spoiled), 4).isfinite().all()


def test_a_covariance_that_is_singular_in_single_precision_still_gives_a_density():
    made, one = network(4, spread=0.0), torch.full((4, 4), 1e12)  # 1e12 + 1 is 1e12 in single precision
    summary = summary_of(2, 4)._replace(covariance=torch.stack([one, torch.eye(4)]))
    assert torch.linalg.cholesky_ex(made.gaussian(summary)[1] * 0 + one)[1].any()
    assert made.log_density(summary, torch.zeros(2, 4)).isfinite().all()


def test_the_gaussian_alone_ignores_the_couplings():
    made = network(4, couplings=2)
    summary, target = summary_of(5, 4), random(5, 4, seed=1)
    bent, straight = (made.log_density(summary, target, bent=bent) for bent in (True, False))
    assert not torch.allclose(bent, straight, atol=1e-3)
    torch.testing.assert_close(straight, normal_of(made, summary).log_prob(target), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("couplings", [0, 1, 2])
def test_the_density_integrates_to_one_and_draws_follow_it(couplings):
    made = network(2, couplings, seed=2)
    summary, axis = summary_of(1, 2), np.linspace(-12, 12, 301)
    grid = torch.cartesian_prod(torch.tensor(axis), torch.tensor(axis)).float()
    with torch.no_grad():
        drawn = made.draw(summary, 4000, torch.Generator().manual_seed(0))[:, 0].numpy()
        everywhere = Summary(*(each.expand(len(grid), *each.shape[1:]) for each in summary))
        density = made.log_density(everywhere, grid).exp().reshape(301, 301).numpy()
    step = axis[1] - axis[0]
    assert abs(density.sum() * step**2 - 1) < 2e-3
    for i in (0, 1):
        marginal = density.sum(axis=1 - i) * step
        cumulative = np.r_[0, np.cumsum((marginal[1:] + marginal[:-1]) / 2) * step]
        assert stats.kstest(drawn[:, i], lambda x, c=cumulative: np.interp(x, axis, c)).pvalue > 1e-3


def test_couplings_bend_the_gaussian():
    made = network(2, 2, seed=2)
    with torch.no_grad():
        drawn = made.draw(summary_of(1, 2), 4000, torch.Generator().manual_seed(0))[:, 0]
        mean, root = made.gaussian(summary_of(1, 2))
        white = ((drawn - mean) @ torch.linalg.inv(root[0]).T).numpy()
    assert min(stats.kstest(white[:, i], "norm").pvalue for i in (0, 1)) < 1e-3


@pytest.mark.parametrize("couplings", [0, 2])
def test_gradients_are_finite_and_reach_every_weight(couplings):
    made = network(2, couplings).train()
    reading, target = simulated(64)
    loss = -made.log_density(made.summarise(reading), target).mean()
    loss.backward()
    assert torch.isfinite(loss)
    for name, weight in made.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name


def assert_same(left, right, **tolerance):
    for one, other in zip(left, right, strict=True):
        torch.testing.assert_close(one, other, **tolerance)


def test_an_unmeasured_measurement_adds_nothing():
    made, (reading, _) = network(2), simulated()
    junk = torch.where(reading.known[..., None] > 0, reading.rows, 1e3 * random(*reading.rows.shape))
    assert_same(made.summarise(reading._replace(rows=junk)), made.summarise(reading))


def test_an_absent_experiment_adds_nothing():
    made, (reading, _) = network(2), simulated()
    absent = reading.present[..., None] == 0
    junk = reading._replace(
        rows=torch.where(absent[..., None], torch.nan, reading.rows),
        known=torch.where(absent, torch.nan, reading.known),
        context=torch.where(absent, torch.nan, reading.context),
    )
    assert_same(made.summarise(junk), made.summarise(reading))


def test_the_order_of_experiments_does_not_matter():
    made, (reading, _) = network(2), simulated()
    order = torch.tensor([2, 0, 3, 1])
    moved = {name: getattr(reading, name)[:, order] for name in ("rows", "known", "context", "present")}
    # float32 sums in another order
    assert_same(made.summarise(reading._replace(**moved)), made.summarise(reading), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["present", "rates", "answer"])
def test_the_number_of_experiments_rates_and_the_linear_answer_matter(name):
    made, (reading, _) = network(2), simulated(1)
    once = {each: getattr(reading, each)[:, :1] for each in ("rows", "known", "context", "present")}
    one = reading._replace(**once)
    changed = {"rates": one.rates + 1.0, "answer": one.answer + 1.0}
    twice = {each: value.expand(1, 2, *value.shape[2:]) for each, value in once.items()}
    other = one._replace(**twice) if name == "present" else one._replace(**{name: changed[name]})
    assert not torch.allclose(made.summarise(other).state, made.summarise(one).state, atol=1e-3)


def model_of(vocabulary, **options):
    space = flux_space(vocabulary.network)
    weights = len(vocabulary.weight_names)
    made = network(len(space.free) + space.exchange_scale.size + weights, vocabulary=vocabulary, **options)
    return FluxModel(vocabulary, made, Chart(entropic_map(space), space.origin, space.basis), {})


MODELS = {"toy": model_of(TOY, couplings=2), "ccm": model_of(CCM, couplings=2)}


@pytest.mark.parametrize("name", ["toy", "ccm"])
@settings(max_examples=15)
@given(seed=st.integers(0, 2**31), size=st.sampled_from([0.1, 1.0, 10.0, 1e3]))
def test_every_draw_lies_inside_the_polytope_and_balances(name, seed, size):
    model = MODELS[name]
    space = flux_space(model.vocabulary.network)
    with torch.no_grad():
        summary = summary_of(1, model.network.parameters_count, seed, size)
        drawn = model.network.draw(summary, 8, torch.Generator().manual_seed(seed))
    z, y, w = model._split(drawn[:, 0].double().numpy())
    assert (space.slack(z) > 0).all()
    net = space.net(z)
    assert np.isfinite(space.exchange(y)).all() and (space.exchange(y) > 0).all() and np.isfinite(w).all()
    normalising = model.vocabulary.network.normalising_flux
    assert np.abs(net @ model.vocabulary.network.stoichiometry.T).max() < 1e-8 * normalising
