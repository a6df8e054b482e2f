"""The compiled density and its trajectories equal the readable ones."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fluxkit.inference.compiled_density import compiled
from fluxkit.inference.problem import build_density
from fluxkit.inference.sampling import _Ensemble
from fluxkit.inference.trajectory_kernels import Metric
from tests.inference.problems import TOY, hct116_control, parallel_ccm, random_points, toy_labeling

DENSITIES = {"toy": lambda: build_density(toy_labeling(), TOY), "hct116": hct116_control, "parallel": parallel_ccm}


@pytest.mark.parametrize("name", DENSITIES)
@pytest.mark.parametrize("chains", [1, 3, 8, 16, 17])
def test_value_and_gradient_are_those_of_the_readable_density(name, chains):
    density = DENSITIES[name]()
    points = random_points(density, chains)
    value, gradient = compiled(density)(points)
    expected_value, expected_gradient = density.log_density(points)
    np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    scale = np.abs(expected_gradient).max()
    np.testing.assert_allclose(gradient, expected_gradient, rtol=0, atol=1e-12 * scale)


def test_a_lost_chain_has_density_zero_and_harms_no_other():
    density = hct116_control()
    points = random_points(density, 16)
    target = compiled(density)
    value, gradient = target(points)
    points[3, 5], points[12, 0] = np.nan, np.inf
    again, slope = target(points)
    others = np.delete(np.arange(16), [3, 12])
    assert (again[[3, 12]] == -np.inf).all()
    np.testing.assert_array_equal(again[others], value[others])
    np.testing.assert_array_equal(slope[others], gradient[others])


def test_threads_that_share_a_density_do_not_disturb_each_other():
    density = hct116_control()
    target = compiled(density)
    batches = [random_points(density, 16, seed=seed) for seed in range(4)]
    expected = [target(each) for each in batches]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda i: (i % 4, target(batches[i % 4])), range(200)):
            np.testing.assert_array_equal(found[1][0], expected[found[0]][0])
            np.testing.assert_array_equal(found[1][1], expected[found[0]][1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_can_go_on():
    density = hct116_control()
    target, points = compiled(density), random_points(density, 16)
    value, _ = target(points)
    child = os.fork()
    if child == 0:
        os._exit(int(not np.array_equal(compiled(density)(points)[0], value)))
    for _ in range(200):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        pytest.fail("the child waits for ever")
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_trajectory_equals_one_taken_step_by_step():
    density = hct116_control()
    space, target, rng = density.space, compiled(density), np.random.default_rng(3)
    start = density.space.starts[:16]
    start = np.concatenate([start, rng.standard_normal((16, density.size - start.shape[1]))], axis=1)
    factor = 0.02 * np.eye(density.size)
    normals = space.walls @ factor[: space.walls.shape[1]]
    velocity, step = rng.standard_normal(start.shape), np.full(16, 0.3)
    ends = []
    for each in (target, density.log_density):
        ensemble = _Ensemble(each, space.walls, space.offsets, start, rng)
        ensemble.metric = Metric(factor, normals, normals @ normals.T)
        position, speed = start.copy(), velocity.copy()
        value, gradient = ensemble._leapfrog(position, speed, step, 12)
        ends.append((position, speed, value, gradient))
    assert not np.allclose(ends[0][0], start, atol=0.01)
    for found, expected in zip(*ends, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * np.abs(expected).max())
