"""A doubtful answer is sought again and the verdict says so; a good one is left alone."""

import json
from dataclasses import replace

import numpy as np
import pytest

import fluxkit
from fluxkit.errors import LabelingError
from fluxkit.inference import FluxEstimate, QuantifySettings, SamplerSettings
from fluxkit.inference.problem import build_density
from fluxkit.inference.quantify import sample_posterior
from fluxkit.inference.refinement import refine
from fluxkit.inference.verdict.fallback import doubts, missed_aim, sample_longer, search_wider
from tests.inference.problems import QUICK, TOY, parallel_ccm, random_points, toy_labeling


def quantified(labeling, settings=QUICK) -> FluxEstimate:
    estimate = fluxkit.quantify(labeling, TOY, model=None, settings=settings)
    assert isinstance(estimate, FluxEstimate)
    return estimate


def wrong_tracer():
    return toy_labeling().assign_attrs(tracers=json.dumps({"tracer": "A_x: 100% [1,2-13C2]"}))


def test_a_good_answer_has_no_remark():
    assert quantified(toy_labeling()).verdict.remarks == ()


def test_a_bad_fit_is_sought_from_more_starts_and_the_verdict_says_what_came_of_it():
    verdict = quantified(wrong_tracer(), replace(QUICK, fallback_starts=20)).verdict
    assert not verdict.trusted
    assert "so 20 more starts from the prior alone were tried: the best fit stayed, at chi-square" in verdict.remarks[0]
    assert verdict.remarks[0].startswith("the fit was improbable")
    assert "remark: the fit was improbable" in str(verdict)


def test_fall_backs_can_be_left_out():
    verdict = quantified(wrong_tracer(), replace(QUICK, fallbacks=False)).verdict
    assert not verdict.trusted
    assert not any("tried" in each or "sampled on" in each for each in verdict.remarks)


def test_a_better_optimum_is_found_and_taken():
    density = parallel_ccm()
    points = random_points(density, 4, seed=1)
    stuck = refine(density, points[:1], barriers=(1.0,), iterations=2)  # far from the best fit
    labeling = toy_labeling()  # only names, which a failed test of the whole fit does not need
    settings = QuantifySettings(fallback_starts=4)
    found, remarks, _ = search_wider(density, labeling, stuck, None, settings, np.random.default_rng(0))
    assert found.objective[0] < stuck.objective[0] - 10
    assert (np.diff(found.objective) >= 0).all()
    assert (
        "4 more starts from the prior alone were tried: a better fit was found, log posterior higher by" in remarks[0]
    )


def test_a_best_fit_that_one_start_alone_reached_is_doubted():
    labeling = toy_labeling()
    density = build_density(labeling, TOY)
    refined = refine(density, random_points(density, 4))
    assert doubts(density, labeling, refined, None) == []
    alone = replace(refined, objective=refined.objective + 10 * np.arange(4))
    assert doubts(density, labeling, alone, None) == ["only one of 4 refined starts reached the best fit"]


def test_a_best_fit_far_from_the_learned_network_is_doubted():
    labeling = toy_labeling()
    density = build_density(labeling, TOY)
    refined = refine(density, random_points(density, 4))
    drawn = refined.points[0] + np.random.default_rng(0).normal(size=(200, density.size))
    assert doubts(density, labeling, refined, drawn) == []
    assert doubts(density, labeling, refined, drawn + 5.0) == [
        "the best fit lies far from what the learned network expected"
    ]


def test_chains_that_disagree_are_sampled_on_until_they_agree():
    density = build_density(toy_labeling(), TOY)
    refined = refine(density, random_points(density, 4))
    short = SamplerSettings(chains=8, windows=(5,), max_draws=10)
    rng = np.random.default_rng(0)
    chains = sample_posterior(density, refined, short, rng, lambda stage, fraction: None)
    chains = replace(chains, rhat=np.full(density.size, 1.5))
    settings = QuantifySettings(sampler=replace(short, windows=(20, 30), max_draws=300))
    longer, remarks = sample_longer(density, chains, settings, rng, lambda stage, fraction: None)
    assert longer.rhat.max() < 1.05
    assert longer.draws.shape[1] > 100
    assert remarks[0].startswith("the chains had not converged after")
    assert "(R-hat 1.50, " in remarks[0]
    same, none = sample_longer(density, longer, settings, rng, lambda stage, fraction: None)
    assert same is longer
    assert none == []


def test_chains_go_on_with_what_they_found_where_their_draws_tell_it(monkeypatch):
    density = build_density(toy_labeling(), TOY)
    refined = refine(density, random_points(density, 4))
    settings = SamplerSettings(chains=8, windows=(20, 30), max_draws=400, effective_draws=1e9)
    rng = np.random.default_rng(0)
    chains = sample_posterior(density, refined, settings, rng, lambda stage, fraction: None)
    chains = replace(chains, rhat=np.full(density.size, 1.5))
    asked = []

    def record(*arguments):
        asked.append(arguments)
        return chains

    monkeypatch.setattr("fluxkit.inference.verdict.fallback.sample_chains", record)
    few = replace(chains, draws=chains.draws[:, :10])
    for each in (chains, few):
        sample_longer(density, each, QuantifySettings(sampler=settings), rng, lambda stage, fraction: None)
    (_, _, _, start, covariance, longer, *_, step), (*_, with_few, _, _, _) = asked
    np.testing.assert_array_equal(start, chains.draws[:, -1])
    np.testing.assert_allclose(np.diag(covariance), chains.draws.reshape(-1, density.size).var(axis=0), rtol=0.5)
    assert (longer.windows, with_few.windows) == ((), (20, 30))
    assert step == chains.step


def test_chains_that_agree_less_than_was_asked_for_are_remarked_on():
    density = build_density(toy_labeling(), TOY)
    refined = refine(density, random_points(density, 4))
    asked = SamplerSettings(chains=8, windows=(20, 30), max_draws=300, effective_draws=1e9)
    chains = sample_posterior(density, refined, asked, np.random.default_rng(0), lambda stage, fraction: None)
    assert "sampling ended before the chains agreed as well as was asked for" in missed_aim(chains, asked)[0]
    assert "effective draws where 1e+09 was" in missed_aim(chains, asked)[0]
    assert missed_aim(replace(chains, converged=True), asked) == []
    assert missed_aim(replace(chains, rhat=np.full(density.size, 1.5)), asked) == []  # the verdict says more


def test_chains_that_never_moved_are_no_better_than_others(monkeypatch):
    density = build_density(toy_labeling(), TOY)
    refined = refine(density, random_points(density, 4))
    short, rng = SamplerSettings(chains=8, windows=(5,), max_draws=10), np.random.default_rng(0)
    chains = sample_posterior(density, refined, short, rng, lambda stage, fraction: None)
    chains = replace(chains, rhat=np.full(density.size, 1.5))
    still = replace(chains, rhat=np.full(density.size, np.nan))
    monkeypatch.setattr("fluxkit.inference.verdict.fallback.sample_chains", lambda *arguments: still)
    kept, remarks = sample_longer(density, chains, QuantifySettings(), rng, lambda stage, fraction: None)
    assert kept is chains
    assert "the first draws agree better and were kept" in remarks[0]


def test_longer_chains_stay_within_their_time():
    density = build_density(toy_labeling(), TOY)
    refined = refine(density, random_points(density, 4))
    short = SamplerSettings(chains=8, windows=(5,), max_draws=10)
    rng = np.random.default_rng(0)
    chains = sample_posterior(density, refined, short, rng, lambda stage, fraction: None)
    chains = replace(chains, rhat=np.full(density.size, 1.5))
    endless = replace(short, max_draws=10**6, effective_draws=1e12)
    settings = QuantifySettings(sampler=endless, fallback_seconds=0.5)
    longer, _ = sample_longer(density, chains, settings, rng, lambda stage, fraction: None)
    assert longer.seconds < 3


@pytest.mark.parametrize("wrong", [{"fallback_starts": 0}, {"fallback_seconds": 0.0}])
def test_a_fall_back_of_nothing_is_refused(wrong):
    with pytest.raises(LabelingError, match="fallbacks=False"):
        QuantifySettings(**wrong)
