"""Refinement against the analytic solution of a linear problem and against scipy on real data."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fluxkit.inference.least_squares import least_squares_fits
from fluxkit.inference.refinement import refine
from tests.inference.problems import hct116_control, random_points


class _LinearDensity:
    """Linear model, normal noise, standard normal prior, in a box: everything is known in closed form."""

    def __init__(self, bounded=3, free=2, data=8, box=50.0, seed=0):
        rng = np.random.default_rng(seed)
        self.size = bounded + free
        self.matrix = rng.standard_normal((data, self.size))
        self.data = self.matrix @ rng.standard_normal(self.size) + rng.standard_normal(data)
        self.space = SimpleNamespace(
            free=tuple("abc"[:bounded]),
            walls=np.concatenate([np.eye(bounded), -np.eye(bounded)]),
            offsets=np.full(2 * bounded, box),
            prior_matrix=np.eye(bounded),
            prior_offset=np.zeros(bounded),
        )
        self.precision = self.matrix.T @ self.matrix + np.eye(self.size)
        self.mode = np.linalg.solve(self.precision, self.matrix.T @ self.data)

    def all_residuals(self, points):
        return points @ self.matrix.T - self.data

    def all_residuals_with_jacobian(self, points):
        return self.all_residuals(points), np.broadcast_to(self.matrix, (len(points), *self.matrix.shape))

    def log_prior(self, points):
        return -0.5 * (points**2).sum(axis=1), -points


def linear_problem(**options) -> Any:
    return _LinearDensity(**options)


def starts_of(problem, count, seed=1):
    return np.random.default_rng(seed).standard_normal((count, problem.size))


def test_a_linear_problem_is_solved_exactly():
    problem = linear_problem()
    refined = refine(problem, starts_of(problem, 6), barriers=(1.0, 1e-6), tolerance=1e-12)
    np.testing.assert_allclose(refined.points, np.broadcast_to(problem.mode, (6, 5)), atol=1e-5)
    np.testing.assert_allclose(refined.precision[0], problem.precision, atol=1e-9)
    np.testing.assert_allclose(refined.data_precision[0], problem.matrix.T @ problem.matrix, rtol=1e-12)


def test_a_mode_beyond_a_wall_is_found_on_the_wall():
    problem = linear_problem(bounded=1, free=0, data=3)
    box = 0.25 * abs(problem.mode[0])
    problem.space.offsets = np.full(2, box)
    refined = refine(problem, 0.1 * box * np.ones((2, 1)), tolerance=1e-9)
    assert (np.abs(refined.points) < box).all()
    np.testing.assert_allclose(refined.points[:, 0], np.sign(problem.mode[0]) * box, atol=0.01)
    pressure = problem.precision[0, 0] * (abs(problem.mode[0]) - box)
    np.testing.assert_allclose(refined.precision[:, 0, 0], problem.precision[0, 0] + pressure**2, rtol=0.05)


def test_refinements_of_perturbed_problems_scatter_like_the_posterior():
    problem, count = linear_problem(), 4000
    rng = np.random.default_rng(2)
    anchors, noise = rng.standard_normal((count, 5)), rng.standard_normal((count, 8))
    points = refine(problem, starts_of(problem, count), barriers=(1e-6,), anchors=anchors, noise=noise).points
    root = np.linalg.cholesky(problem.precision)
    white = (points - problem.mode) @ root
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=4 / np.sqrt(count))
    np.testing.assert_allclose(np.cov(white.T), np.eye(5), atol=6 / np.sqrt(count))


@pytest.fixture(scope="module")
def real():
    density = hct116_control()
    starts = random_points(density, 4, seed=7)
    return density, starts, refine(density, starts)


def test_scipy_with_the_same_prior_gets_no_lower_from_the_same_starts(real):
    density, starts, refined = real
    fits = least_squares_fits(density, starts, prior=True, evaluations=60)
    theirs = -density.log_density(fits.points)[0]
    assert refined.objective[0] < theirs.min() + 0.05
    assert refined.objective.mean() < theirs.mean() + 0.05


def test_refined_points_stay_inside_the_polytope_and_are_sorted(real):
    density, _, refined = real
    assert (density.space.slack(density.split(refined.points)[0]) > 0).all()
    assert (np.diff(refined.objective) >= 0).all()
    np.testing.assert_allclose(refined.objective, -density.log_density(refined.points)[0], rtol=1e-9)


def test_at_the_mode_the_gradient_only_pushes_against_walls_and_kinks(real):
    density, _, refined = real
    gradient = density.log_density(refined.points[:1])[1][0]
    free, space = len(density.space.free), density.space
    z = refined.points[0, :free]
    rows = space.basis[space.network.reversible]  # a reversible net flux that turns round is a kink
    length = np.linalg.norm(rows, axis=1)
    distance = np.abs(space.net(z)[space.network.reversible]) / length
    kinks = rows[distance < 0.05] / length[distance < 0.05, None]
    for normal, away in zip(kinks, distance[distance < 0.05], strict=True):
        for side in (-2 * away, 2 * away):
            beside = refined.points[:1].copy()
            beside[0, :free] += side * normal
            assert density.log_density(beside)[0] < density.log_density(refined.points[:1])[0]
    near = np.concatenate([space.walls[space.slack(z) < 0.05], kinks])
    into, *_ = np.linalg.lstsq(near.T, gradient[:free], rcond=None)
    rest = np.concatenate([gradient[:free] - near.T @ into, gradient[free:]])
    step = np.linalg.solve(refined.precision[0], np.concatenate([rest[:free], gradient[free:]]))
    assert 0.5 * rest @ step < 0.1  # what a Newton step could still gain, in log density
