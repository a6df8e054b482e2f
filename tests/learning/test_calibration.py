"""Calibration finds right posteriors right, and wrong ones wrong, by exact counts of ranks."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy import stats

import fluxkit
from fluxkit.learning import Chart
from fluxkit.learning.calibration import (
    DRAWS,
    Calibration,
    calibrate,
    calibration_numbers,
    coverage_band,
    pooled,
    strata,
)
from fluxkit.learning.experiments import ExperimentSettings, ExperimentSimulator
from fluxkit.learning.vocabulary import build_vocabulary

TOY = fluxkit.load_network("toy")
VOCABULARY = build_vocabulary(TOY)
SIMULATOR = ExperimentSimulator(VOCABULARY)


def of_ranks(ranks, **changes):
    samples, quantities = ranks.shape
    rng = np.random.default_rng(1)
    made = Calibration(
        tuple(f"v{i}" for i in range(quantities)),
        ("net",) * quantities,
        ranks,
        np.full(ranks.shape, 0.5),
        rng.uniform(0, 0.7, samples),
        rng.uniform(0.002, 0.02, samples),
        rng.integers(1, 4, samples),
    )
    return replace(made, **changes)


def test_an_interval_holds_exactly_its_share_of_the_ranks():
    every = of_ranks(np.arange(DRAWS + 1)[:, None])
    assert every.inside(0.5).sum() == 100
    assert every.inside(0.9).sum() == 180
    assert (every.inside(0.9)[::-1] == every.inside(0.9)).all()  # central


def test_uniform_ranks_pass_and_their_p_values_are_uniform():
    rng = np.random.default_rng(0)
    right = of_ranks(rng.integers(0, DRAWS + 1, (1000, 200)))
    assert right.bins == 20
    assert right.counts().sum(axis=1).tolist() == [1000] * 200
    assert stats.kstest(right.uniformity(), "uniform").pvalue > 1e-3
    numbers = calibration_numbers(right)
    assert abs(numbers["coverage_90"] - 0.9) < 4 * numbers["coverage_90_error"]
    assert numbers["coverage_90_outside"] <= 8  # 2 expected of 200 outside a band of 99 %
    assert numbers["rank_p_lowest_adjusted"] > 0.01


@pytest.mark.parametrize(
    ("spoil", "held"),
    [
        (lambda u: stats.norm.cdf(2 * stats.norm.ppf(u)), 0.59),  # half as wide as the truth scatters
        (lambda u: stats.norm.cdf(0.5 * stats.norm.ppf(u)), 0.999),  # twice as wide
        (lambda u: stats.norm.cdf(stats.norm.ppf(u) + 1), 0.74),  # off by one standard deviation
    ],
)
def test_posteriors_too_narrow_too_wide_or_shifted_are_found(spoil, held):
    """A normal truth against a normal posterior: the 90 % interval holds it with a known probability."""
    uniform = np.random.default_rng(0).random((1000, 5))
    wrong = calibration_numbers(of_ranks((spoil(uniform) * (DRAWS + 1)).astype(int)))
    assert wrong["coverage_90"] == pytest.approx(held, abs=0.03)
    assert wrong["rank_p_lowest_adjusted"] < 1e-6
    assert wrong["coverage_90_outside"] == 5


def test_the_band_is_binomial():
    low, high = coverage_band(500, 0.9)
    inside = stats.binom.cdf(round(500 * high), 500, 0.9) - stats.binom.cdf(round(500 * low) - 1, 500, 0.9)
    assert 0.99 <= inside < 0.993
    wide, narrow = coverage_band(100, 0.9), coverage_band(10_000, 0.9)
    assert wide[0] < narrow[0] < 0.9 < narrow[1] < wide[1]


def test_the_pooled_error_counts_experiments_and_not_fluxes():
    one = np.random.default_rng(0).random((400, 1)) < 0.9
    assert pooled(one)[1] == pytest.approx(np.sqrt(0.9 * 0.1 / 400), rel=0.2)
    assert pooled(np.repeat(one, 50, axis=1)) == pytest.approx(pooled(one))


def test_strata_show_where_a_posterior_is_wrong():
    """Too narrow where many measurements are missing, right elsewhere."""
    rng = np.random.default_rng(0)
    ranks, missing = rng.integers(0, DRAWS + 1, (1500, 4)), np.linspace(0, 0.6, 1500)
    ranks[1000:] = np.where(rng.random((500, 4)) < 0.5, 0, ranks[1000:])
    found = {(each["by"], each["label"]): each for each in strata(of_ranks(ranks, missing=missing))}
    shares = [each["coverage_90"] for (by, _), each in found.items() if by == "measurements missing"]
    assert shares[0] == pytest.approx(0.9, abs=0.03) and shares[1] == pytest.approx(0.9, abs=0.03)
    assert shares[2] == pytest.approx(0.45, abs=0.03)
    for by in ("measurements missing", "noise (sd)", "tracers"):
        assert sum(each["samples"] for (key, _), each in found.items() if key == by) == 1500
    assert ("measurements missing", "0% to 20%") in found


class PriorAlone:
    """A posterior that learned nothing, which is calibrated all the same; or one that is too sure of itself."""

    def __init__(self, narrow=1.0):
        rng = np.random.default_rng(7)
        self.targets = torch.from_numpy(SIMULATOR.batch(SIMULATOR.net_pool(5000, rng), rng).target)
        self.narrow = narrow

    def summarise(self, reading):
        return reading.present

    def draw(self, summary, count, generator):
        drawn = self.targets[torch.randint(len(self.targets), (count, len(summary)), generator=generator)]
        return drawn.mean(dim=(0, 1)) + self.narrow * (drawn - drawn.mean(dim=(0, 1)))


def model_of(network):
    chart = Chart(SIMULATOR.map, SIMULATOR.space.origin, SIMULATOR.space.basis)
    return SimpleNamespace(vocabulary=VOCABULARY, network=network, chart=chart, weight_names=VOCABULARY.weight_names)


def test_the_prior_is_a_calibrated_posterior_as_wide_as_itself():
    calibration = calibrate(model_of(PriorAlone()), SIMULATOR, 1000)
    numbers = calibration_numbers(calibration)
    assert abs(numbers["coverage_50"] - 0.5) < 4 * numbers["coverage_50_error"]
    assert abs(numbers["coverage_90"] - 0.9) < 4 * numbers["coverage_90_error"]
    assert numbers["rank_p_lowest_adjusted"] > 1e-3
    assert numbers["width_to_prior_median"] == pytest.approx(1, abs=0.05)


def test_half_the_prior_is_too_narrow():
    numbers = calibration_numbers(calibrate(model_of(PriorAlone(0.5)), SIMULATOR, 300))
    assert numbers["coverage_90"] < 0.8
    assert numbers["rank_p_lowest_adjusted"] < 1e-3


def test_fluxes_that_vary_are_named_and_fixed_ones_left_out():
    calibration = calibrate(model_of(PriorAlone()), SIMULATOR, 40)
    net = [name for name, kind in zip(calibration.names, calibration.kinds, strict=True) if kind == "net"]
    varies = [name for name, row in zip(TOY.reaction_names, SIMULATOR.space.basis, strict=True) if np.abs(row).max()]
    assert net == varies
    assert calibration.kinds.count("exchange") == SIMULATOR.space.exchange_scale.size
    assert calibration.ranks.shape == (40, len(calibration.names))


def test_the_circumstances_of_an_experiment_are_those_that_were_drawn():
    settings = ExperimentSettings(experiments=(0.0, 1.0), floor=(0.004, 0.004), slope=0.0, missing=0.0, gaps=0.0)
    calibration = calibrate(model_of(PriorAlone()), ExperimentSimulator(VOCABULARY, settings), 100)
    assert set(calibration.tracers) == {2}
    assert calibration.missing.max() < 0.5  # single mass shifts are masked, and with them a few measurements
    assert np.median(calibration.noise) == pytest.approx(0.004, rel=0.25)  # the floor scatters by exp(0.4 N)


def test_the_same_seed_gives_the_same_calibration():
    first, again, other = (calibrate(model_of(PriorAlone()), SIMULATOR, 40, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.ranks, again.ranks)
    assert not np.array_equal(first.ranks, other.ranks)
