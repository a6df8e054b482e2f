"""The posterior predictive p-value is that of simulated replicates, and falls where errors are understated."""

import numpy as np
import pytest

from fluxkit.inference.problem import build_density
from fluxkit.inference.refinement import refine
from fluxkit.inference.verdict.misfit import misfit
from fluxkit.inference.verdict.posterior_predictive import predictive_p_value
from tests.inference.problems import TOY, random_points, toy_labeling


def checked(labeling):
    density = build_density(labeling, TOY)
    refined = refine(density, random_points(density, 4))
    rng = np.random.default_rng(0)
    factor = np.linalg.cholesky(np.linalg.inv(refined.precision[0]))
    points = refined.points[0] + rng.normal(size=(300, density.size)) @ factor.T
    points = points[(density.space.slack(density.split(points)[0]) > 0).all(axis=1)]
    return density, points, predictive_p_value(density, points, misfit(density, refined))


def test_it_is_the_share_of_replicates_that_lie_farther_from_their_draw_than_the_data():
    density, points, p_value = checked(toy_labeling())
    rng = np.random.default_rng(1)
    own = (density.residuals(points) ** 2).sum(axis=1)
    replicated = (rng.standard_normal((200, len(points), len(density.known))) ** 2).sum(axis=2)
    assert p_value == pytest.approx((replicated > own).mean(), abs=0.01)
    assert 0.02 < p_value < 0.98


def test_understated_errors_are_seen():
    labeling = toy_labeling(noise=0.03, seed=2)
    assert checked(labeling.assign(mid_sd=labeling["mid_sd"] / 6))[2] < 1e-3
