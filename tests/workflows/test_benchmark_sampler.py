"""A peer of the sampler gets the posterior itself, and no evaluation that it does not need."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FACTOR = np.array([[2.0, 0.0], [1.0, 3.0]])


class Normal:
    """A standard normal density that counts."""

    def __init__(self):
        self.values = self.gradients = 0

    def log_value(self, points):
        self.values += len(points)
        return -0.5 * (points**2).sum(axis=1)

    def log_density(self, points):
        self.gradients += len(points)
        return -0.5 * (points**2).sum(axis=1), -points


@pytest.fixture
def sampler(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("sampler")


def test_a_peer_reads_density_and_gradient_of_one_point_in_one_evaluation(sampler):
    density = Normal()
    model, x = sampler.OnePoint(density, FACTOR, gradients=True), np.array([0.3, -0.2])
    value, gradient = model.log_density(x), model.log_gradient(x)
    assert (density.values, density.gradients, model.calls) == (0, 1, 1)
    steps = [(model.log_density(x + h) - model.log_density(x - h)) / 2e-5 for h in 1e-5 * np.eye(2)]
    np.testing.assert_allclose(gradient, steps, rtol=1e-8)  # central differences of a square are exact but for rounding
    assert value == pytest.approx(-0.5 * ((FACTOR @ x) ** 2).sum())


def test_a_peer_without_gradients_pays_for_none(sampler):
    density = Normal()
    model = sampler.OnePoint(density, FACTOR, gradients=False)
    assert model.log_density(np.array([0.3, -0.2])) == pytest.approx(-0.5 * (0.6**2 + 0.3**2))
    assert (density.values, density.gradients, model.calls) == (1, 0, 1)


def test_effective_draws_of_chains_that_have_not_met_are_left_out(sampler):
    told = {"case": 0, "seconds": 2.0, "calls": 1000, "ess": 20.0, "warm-up": 0.5, "step": 0.123, "acceptance": 0.44}
    text = sampler.summarise([{**told, "sampler": "far", "rhat": 7.0}, {**told, "sampler": "near", "rhat": 1.01}], 2.0)
    assert "| far | 50% of the time | 0.12 | 0.44 | 7.000 | 1,000 | 500 |  |  |  |" in text
    assert "| near | 50% of the time | 0.12 | 0.44 | 1.010 | 1,000 | 500 | 20 | 10 | 20 |" in text


@pytest.mark.parametrize("best", [0.05, 3.0])
def test_the_step_of_a_peer_is_tuned_to_the_acceptance_asked_for(sampler, best, monkeypatch):
    rng, rounds = np.random.default_rng(0), iter(range(400))

    def move(steps, n_samples):
        """Of chains that accept 0.44 of their moves at the best step, and fewer at longer ones."""
        rates = 1 / (1 + (0.56 / 0.44) * np.array(steps) / best)
        return rng.binomial(10 * n_samples, rates) / (10 * n_samples), np.zeros((len(steps), n_samples, 2))

    monkeypatch.setattr(sampler, "time", SimpleNamespace(perf_counter=lambda: next(rounds)))
    chains, step = sampler.tune(lambda points, step: [step] * len(points), move, np.zeros((16, 2)), 0.44, 300)
    assert chains == [step] * 16
    # A step off by 10 % changes this acceptance by 0.024, ten standard errors of the mean of the later 150 rounds.
    assert step == pytest.approx(best, rel=0.1)
