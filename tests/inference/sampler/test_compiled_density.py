"""The compiled density and its trajectories equal the readable ones."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import fluxkit
from fluxkit.inference.problem import build_density
from fluxkit.inference.sampler import compiled_density
from fluxkit.inference.sampler.chains import ChainState, Trajectories
from fluxkit.inference.sampler.compiled_density import CompiledDensity, compile_ahead, compiled
from fluxkit.inference.sampler.lane_products import LANES
from fluxkit.inference.sampler.trajectory_kernels import drift, trajectories
from tests.inference.problems import (
    CCM,
    SD,
    TOY,
    TRACER,
    hct116_control,
    hct116_control_labeling,
    leaky_toy,
    parallel_ccm,
    random_points,
    toy_labeling,
)

DENSITIES = {
    "toy": lambda: build_density(toy_labeling(), TOY),
    "hct116": hct116_control,
    "parallel": parallel_ccm,
    "uniform prior": lambda: build_density(hct116_control_labeling(), CCM, prior="uniform"),
    "nothing reversible": lambda: one_way(),
}


def one_way():
    """Posterior of a network without reversible reactions: net fluxes are its only coordinates."""
    network = leaky_toy("->")
    state = fluxkit.draw_fluxes(network, 1, seed=3).isel(draw=0)
    labeling = fluxkit.simulate(network, state, TRACER, fragments=["B", "D"], noise=SD, seed=1)
    density = build_density(labeling, network)
    assert density.size == len(density.space.free)
    return density


def compiled_form(density, precision="float32") -> CompiledDensity:
    target = compiled(density, precision)
    assert target is not None
    return target


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", DENSITIES)
@pytest.mark.parametrize("chains", [1, 3, 8, 16, 17])
def test_value_is_exact_and_the_gradient_good_enough_to_propose(name, chains, precision):
    density = DENSITIES[name]()
    points = random_points(density, chains)
    value, gradient = compiled_form(density, precision)(points)
    expected_value, expected_gradient = density.log_density(points)
    np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    scale = np.abs(expected_gradient).max(axis=1, keepdims=True)
    error = np.abs(gradient - expected_gradient) / scale
    assert error.max() < 1e-5  # mostly of the interpolation


def test_a_point_outside_has_density_zero():
    density = hct116_control()
    points = random_points(density, 2)
    points[1, : len(density.space.free)] *= 100
    value, _ = compiled_form(density)(points)
    assert np.isfinite(value[0])
    assert value[1] == -np.inf


def test_a_lost_chain_has_density_zero_and_harms_no_other():
    density = hct116_control()
    points = random_points(density, 16)
    target = compiled_form(density)
    value, gradient = target(points)
    points[3, 5], points[12, 0] = np.nan, np.inf
    again, slope = target(points)
    others = np.delete(np.arange(16), [3, 12])
    assert (again[[3, 12]] == -np.inf).all()
    np.testing.assert_array_equal(again[others], value[others])
    np.testing.assert_array_equal(slope[others], gradient[others])


def test_what_fails_while_code_is_made_ahead_is_no_error_yet_and_the_rest_is_made(monkeypatch):
    made = []

    def fails_at_first(tape, dtype, lanes):
        made.append((dtype, lanes))
        if len(made) == 1:
            raise MemoryError("no memory for code")

    monkeypatch.setattr(compiled_density, "kernel", fails_at_first)
    before = set(threading.enumerate())
    compile_ahead(build_density(toy_labeling(), TOY))
    for each in set(threading.enumerate()) - before:
        assert not each.daemon
        each.join()
    assert made == [("float64", None), ("float64", None), ("float32", LANES)]


def test_threads_that_share_a_density_do_not_disturb_each_other():
    density = hct116_control()
    target = compiled_form(density)
    batches = [random_points(density, 16, seed=seed) for seed in range(4)]
    expected = [target(each) for each in batches]
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda i: (i % 4, target(batches[i % 4])), range(200)):
            np.testing.assert_array_equal(found[1][0], expected[found[0]][0])
            np.testing.assert_array_equal(found[1][1], expected[found[0]][1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_can_go_on():
    density = hct116_control()
    target, points = compiled_form(density), random_points(density, 16)
    value, _ = target(points)
    child = os.fork()
    if child == 0:
        os._exit(int(not np.array_equal(compiled_form(density)(points)[0], value)))
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


@pytest.mark.parametrize("chains", [3, 16])
def test_trajectories_equal_those_taken_step_by_step(chains):
    density = hct116_control()
    space, rng = density.space, np.random.default_rng(3)
    start = space_points(density, chains)
    plan = Trajectories(
        momenta=rng.standard_normal((3, chains, density.size)),
        chances=rng.random((3, chains)),
        step=np.full((3, chains), 0.3),
        steps=np.array([12, 1, 5]),
    )
    ends = []
    for target in (compiled_form(density, "float64"), density.log_density):
        state = ChainState(target, space.walls, space.offsets, start)
        metric = state.metric(1e-4 * np.eye(density.size))
        found = state.run(plan, metric)
        ends.append((*found, state.position, state.value))
    assert 0 < ends[0][2].mean() < 1
    assert np.abs(ends[0][0][-1] - start).max() > 0.01
    for found, expected in zip(*ends, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_a_trajectory_can_be_reversed_although_it_sees_the_labeling_in_single_precision():
    density = hct116_control()
    space, rng, chains = density.space, np.random.default_rng(4), 8
    state = ChainState(compiled_form(density), space.walls, space.offsets, space_points(density, chains))
    metric = state.metric(1e-4 * np.eye(density.size))
    start, momenta = state.position.copy(), rng.standard_normal((1, chains, density.size))
    step = np.full((1, chains), 0.2)
    always = np.zeros((1, chains))
    forth = Trajectories(momenta.copy(), always, step, np.array([1]))
    _, _, probability = state.run(forth, metric)
    assert (probability > 0).all()
    moved = state.position.copy()
    # one step by hand gives the velocity at its end, from which the way back starts
    half = 0.5 * step[0][:, None]
    before = momenta[0] + half * (compiled_form(density)(start)[1] @ metric.factor)
    gap = space.offsets - start[:, : space.walls.shape[1]] @ space.walls.T
    place = start.copy()
    drift(place, before, step[0], before @ metric.normals.T, gap, *metric)
    np.testing.assert_allclose(place, moved, rtol=1e-9, atol=1e-9)
    after = before + half * (compiled_form(density)(place)[1] @ metric.factor)
    state.run(Trajectories(-after[None], always, step, np.array([1])), metric)
    np.testing.assert_allclose(state.position, start, rtol=0, atol=1e-7)


@pytest.mark.parametrize("name", ["hct116", "nothing reversible"])
def test_a_trajectory_of_many_steps_with_bounces_can_be_reversed(name):
    density = DENSITIES[name]()
    density = replace(density, sd=density.sd * 100)  # so flat that trajectories get far
    target, space, steps, step = compiled_form(density), density.space, 12, np.full((1, LANES), 0.15)
    start, free = space_points(density, LANES), len(space.free)
    state = ChainState(target, space.walls, space.offsets, start)
    motion = target._motion(state.metric(np.eye(density.size)))
    lanes = target._to_lanes(start, state.gradient)
    momenta = np.random.default_rng(5).standard_normal((1, density.size, LANES))
    velocity = momenta.copy()
    ends = []
    for _ in range(2):  # forth, and with the velocity turned round back
        x, y, by_x, by_y, value = (each[0] for each in lanes)
        found, places = np.empty((1, 2, LANES)), np.empty_like(velocity)
        trajectories(
            x, y, by_x, by_y, value, velocity, np.zeros((1, LANES)), step, np.array([steps]), motion,
            target._shape, target._programs(0), places, found,
        )  # fmt: skip
        assert (found[:, 1] > 0).all()  # none is rejected
        ends.append(target._from_lanes(lanes, LANES)[0])
        velocity *= -1
    straight = start + steps * step[0, 0] * momenta[0].T
    assert (space.slack(straight[:, :free]) < 0).any(axis=1).sum() > 1  # where those would be without walls
    assert (space.slack(ends[0][:, :free]) > -1e-9).all()
    assert np.abs(ends[0] - start).max() > 0.5
    np.testing.assert_allclose(ends[1], start, atol=1e-5)  # of rounding in single precision
    np.testing.assert_allclose(velocity, momenta, atol=1e-4)


def space_points(density, chains):
    points = random_points(density, chains)
    points[:, : len(density.space.free)] = density.space.starts[:chains]
    return points
