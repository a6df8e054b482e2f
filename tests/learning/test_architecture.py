"""The posterior network reads a set, and its density is one: of the draws it makes, and inside the polytope."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import fluxkit
from fluxkit.fluxes import entropic_map, flux_space
from fluxkit.learning.architecture import PosteriorNetwork
from fluxkit.learning.data_module import as_tensors
from fluxkit.learning.experiments import ExperimentSimulator
from fluxkit.learning.store import Chart, FluxModel
from fluxkit.learning.vocabulary import build_vocabulary

TOY = build_vocabulary(fluxkit.load_network("toy"))
CCM = build_vocabulary(fluxkit.load_network("ccm"))
SMALL = {"width": 8, "size": 32, "blocks": 1}


def network(parameters, couplings=0, seed=0, spread=0.3, vocabulary=TOY):
    """Return a network whose densities differ from the standard normal, as after training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        counts = (len(vocabulary.measurements), vocabulary.feature_count, vocabulary.context_count)
        made = PosteriorNetwork(*counts, parameters, couplings=couplings, **SMALL).eval()
        for layer in (made.mean, made.factor):
            torch.nn.init.normal_(layer.weight, std=spread / SMALL["size"] ** 0.5)
            torch.nn.init.normal_(layer.bias, std=spread)
    return made


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def simulated(count=6, seed=0):
    source = ExperimentSimulator(TOY)
    rng = np.random.default_rng(seed)
    return as_tensors(source.batch(source.net_pool(count, rng), rng))


def test_without_couplings_the_density_is_the_multivariate_normal():
    made = network(4).double()
    summary, target = random(5, 32).double(), random(5, 4, seed=1).double()
    mean, factor = made.gaussian(summary)
    normal = torch.distributions.MultivariateNormal(mean, precision_matrix=factor.mT @ factor)
    torch.testing.assert_close(made.log_density(summary, target), normal.log_prob(target), atol=1e-9, rtol=0)


@pytest.mark.parametrize("couplings", [0, 2])
def test_standardised_coordinates_keep_the_density_and_its_draws(couplings):
    """With u = centre + spread s, log p(u) = log p(s) - sum log spread, and draws move along."""
    made = network(2, couplings).double()
    summary, standard = random(5, 32).double(), random(5, 2, seed=1).double()
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


def test_the_gaussian_alone_ignores_the_couplings():
    made = network(4, couplings=2)
    summary, target = random(5, 32), random(5, 4, seed=1)
    bent, straight = (made.log_density(summary, target, bent=bent) for bent in (True, False))
    assert not torch.allclose(bent, straight, atol=1e-3)
    mean, factor = made.gaussian(summary)
    normal = torch.distributions.MultivariateNormal(mean, precision_matrix=factor.mT @ factor)
    torch.testing.assert_close(straight, normal.log_prob(target), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("couplings", [0, 1, 2])
def test_the_density_integrates_to_one_and_draws_follow_it(couplings):
    made = network(2, couplings, seed=2)
    summary, axis = random(1, 32), np.linspace(-12, 12, 301)
    grid = torch.cartesian_prod(torch.tensor(axis), torch.tensor(axis)).float()
    with torch.no_grad():
        drawn = made.draw(summary, 4000, torch.Generator().manual_seed(0))[:, 0].numpy()
        density = made.log_density(summary.expand(len(grid), -1), grid).exp().reshape(301, 301).numpy()
    step = axis[1] - axis[0]
    assert abs(density.sum() * step**2 - 1) < 2e-3
    for i in (0, 1):
        marginal = density.sum(axis=1 - i) * step
        cumulative = np.r_[0, np.cumsum((marginal[1:] + marginal[:-1]) / 2) * step]
        assert stats.kstest(drawn[:, i], lambda x, c=cumulative: np.interp(x, axis, c)).pvalue > 1e-3


def test_couplings_bend_the_gaussian():
    made = network(2, 2, seed=2)
    with torch.no_grad():
        drawn = made.draw(random(1, 32), 4000, torch.Generator().manual_seed(0))[:, 0]
        mean, factor = made.gaussian(random(1, 32))
        white = ((drawn - mean) @ factor[0].T).numpy()
    assert min(stats.kstest(white[:, i], "norm").pvalue for i in (0, 1)) < 1e-3


@pytest.mark.parametrize("couplings", [0, 2])
def test_gradients_are_finite_and_reach_every_weight(couplings):
    made = network(2, couplings).train()
    rows, known, context, present, target = simulated(64)
    loss = -made.log_density(made.summarise(rows, known, context, present), target).mean()
    loss.backward()
    assert torch.isfinite(loss)
    for name, weight in made.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name


def test_an_unmeasured_measurement_adds_nothing():
    made = network(2)
    rows, known, context, present, _ = simulated()
    junk = torch.where(known[..., None] > 0, rows, 1e3 * random(*rows.shape))
    torch.testing.assert_close(
        made.summarise(junk, known, context, present), made.summarise(rows, known, context, present)
    )


def test_an_absent_experiment_adds_nothing():
    made = network(2)
    rows, known, context, present, _ = simulated()
    absent = present[..., None] == 0
    noisy = torch.where(absent, torch.nan, context), torch.where(absent, torch.nan, known)
    torch.testing.assert_close(
        made.summarise(torch.where(absent[..., None], torch.nan, rows), noisy[1], noisy[0], present),
        made.summarise(rows, known, context, present),
    )


def test_the_order_of_experiments_does_not_matter():
    made = network(2)
    rows, known, context, present, _ = simulated()
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        made.summarise(rows[:, order], known[:, order], context[:, order], present[:, order]),
        made.summarise(rows, known, context, present),
        atol=1e-5,  # float32 sums in another order
        rtol=1e-5,
    )


def test_the_number_of_experiments_matters():
    made = network(2)
    rows, known, context, _, _ = simulated(1)
    one = made.summarise(rows[:, :1], known[:, :1], context[:, :1], torch.ones(1, 1))
    twice = [each[:, :1].expand(1, 2, *each.shape[2:]) for each in (rows, known, context)]
    assert not torch.allclose(made.summarise(*twice, torch.ones(1, 2)), one, atol=1e-3)


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
        drawn = model.network.draw(size * random(1, 32, seed=seed), 8, torch.Generator().manual_seed(seed))
    z, y, w = model._split(drawn[:, 0].double().numpy())
    assert (space.slack(z) > 0).all()
    net = space.net(z)
    assert np.isfinite(space.exchange(y)).all() and (space.exchange(y) > 0).all() and np.isfinite(w).all()
    normalising = model.vocabulary.network.normalising_flux
    assert np.abs(net @ model.vocabulary.network.stoichiometry.T).max() < 1e-8 * normalising
