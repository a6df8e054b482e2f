"""The flux space: its dimension, its walls, its coordinates."""

import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from fluxkit.errors import FluxError
from fluxkit.fluxes import flux_ranges, flux_space, free_fluxes
from fluxkit.fluxes.polytope import prune, unit_rows
from fluxkit.networks import Equality, FluxRule, load_network
from fluxkit.networks.checks import equality_system
from tests.fluxes.small_networks import fork, network, triple

CCM = load_network("ccm")


def test_a_triangle_of_fluxes_has_two_free_fluxes_and_three_walls():
    space = flux_space(triple())
    assert len(space.free) == 2
    assert len(space.offsets) == 3
    corners = np.diag([100.0] * 3)
    for corner in corners:
        z = space.coordinates(np.r_[100.0, corner])
        np.testing.assert_allclose(np.sort(space.slack(z))[:2], 0, atol=1e-10)


@pytest.mark.parametrize("prior", ["targets", "uniform"])
def test_every_point_balances_and_coordinates_return(prior):
    space = flux_space(CCM, prior)
    z = np.random.default_rng(0).normal(size=(5, 7, len(space.free)))
    net = space.net(z)
    matrix, value = equality_system(CCM)
    np.testing.assert_allclose(net @ matrix.T, np.broadcast_to(value, (5, 7, len(value))), atol=1e-9)
    np.testing.assert_allclose(space.coordinates(net), z, atol=1e-9)


def test_the_walls_are_the_bounds():
    space = flux_space(CCM)
    rng = np.random.default_rng(1)
    lower, upper = CCM.net_bounds
    z = space.starts[:500] * rng.uniform(0.8, 3, (500, 1))
    net = space.net(z)
    inside = ((net > lower - 1e-9) & (net < upper + 1e-9)).all(axis=-1)
    np.testing.assert_array_equal((space.slack(z) > -1e-9).all(axis=-1), inside)
    assert 50 < inside.sum() < 450
    np.testing.assert_array_equal(np.isfinite(space.log_prior(z)), (space.slack(z) >= 0).all(axis=-1))


def test_no_wall_is_implied_by_the_others():
    space = flux_space(CCM)
    for row in range(0, len(space.offsets), 7):
        others = np.arange(len(space.offsets)) != row
        system, limits = (
            np.vstack([space.walls[others], space.walls[row]]),
            np.append(space.offsets[others], space.offsets[row] + 1),
        )
        reach = -linprog(-space.walls[row], A_ub=system, b_ub=limits, bounds=(None, None)).fun
        assert reach > space.offsets[row]


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_pruning_keeps_the_polytope(seed):
    rng = np.random.default_rng(seed)
    box = np.vstack([np.eye(3), -np.eye(3), np.eye(3)])
    walls, offsets = unit_rows(
        np.vstack([box, rng.normal(size=(6, 3))]), np.r_[np.ones(6), np.ones(3), rng.uniform(0.3, 3, 6)]
    )
    kept_walls, kept_offsets = prune(walls, offsets)
    assert len(kept_offsets) <= 12  # the second box is redundant
    points = rng.uniform(-1.3, 1.3, (500, 3))
    before = (points @ walls.T <= offsets).all(axis=1)
    np.testing.assert_array_equal((points @ kept_walls.T <= kept_offsets).all(axis=1), before)


def test_log_prior_is_the_stated_normal():
    space = flux_space(fork(left=FluxRule(0, target=30, weight=4), right=FluxRule(0, target=0.2, weight=1)))
    net = np.array([[100.0, 20.0, 80.0], [100.0, 50.0, 50.0]])

    def stated(left, right):
        return -0.5 * ((left - 30) / 45) ** 2 - 0.5 * ((right - 0.2) / 3) ** 2

    found = space.log_prior(space.coordinates(net))
    np.testing.assert_allclose(found[1] - found[0], stated(50, 50) - stated(20, 80), rtol=1e-9)


def test_implied_equalities_leave_the_space():
    # left is at most 0 by a bound, so right = 100 although nothing says so
    ranges = flux_ranges(triple(left=FluxRule(0, 30), right=FluxRule(0, 70), straight=FluxRule(0, 0)))
    assert ranges["fixed"].values.all()
    assert ranges["blocked"].values.tolist() == [False, False, False, True]
    with pytest.raises(FluxError, match="every net flux is fixed; widen"):
        flux_space(triple(left=FluxRule(0, 30), right=FluxRule(0, 70), straight=FluxRule(0, 0)))


def test_equalities_take_a_dimension():
    space = flux_space(triple().with_changes(equalities=(Equality({"left": 2, "right": -1}, 4.0),)))
    net = space.net(np.zeros(1))
    assert len(space.free) == 1
    np.testing.assert_allclose(2 * net[1] - net[2], 4, atol=1e-9)


def test_ranges_agree_with_arithmetic():
    ranges = flux_ranges(triple(left=FluxRule(10, 200), right=FluxRule(0, 50)))
    np.testing.assert_allclose(ranges["lower"], [100, 10, 0, 0], atol=1e-9)
    np.testing.assert_allclose(ranges["upper"], [100, 100, 50, 90], atol=1e-9)
    assert ranges.attrs["units"] == "arbitrary"


def test_an_unbounded_flux_is_refused_with_the_cure():
    open_network = network("up: A_x (a) -> A (a)\nout: A (a) -> B_x (a)")
    with pytest.raises(FluxError, match=re.escape("'up', 'out'; give one of them an upper bound")):
        flux_space(open_network)
    assert np.isinf(flux_ranges(open_network)["upper"]).all()


def test_an_unknown_prior_is_refused():
    with pytest.raises(FluxError, match="unknown prior 'flat'"):
        flux_space(CCM, "flat")


def test_free_fluxes_decide_all_others():
    names = free_fluxes(CCM)
    space = flux_space(CCM)
    assert names == space.free
    rows = space.basis[[CCM.reaction_index[name] for name in names]]
    assert np.linalg.matrix_rank(rows) == len(names)
    assert "GLC_up" not in names


def test_coordinate_k_follows_free_flux_k():
    space = flux_space(CCM)
    net = space.net(space.starts)[:, [CCM.reaction_index[name] for name in space.free]]
    own = [np.corrcoef(space.starts[:, k], net[:, k])[0, 1] for k in range(len(space.free))]
    assert min(own) > 0.6


def test_a_space_is_cached_and_survives_pickling():
    space = flux_space(CCM)
    assert flux_space(load_network("ccm")) is space
    again = pickle.loads(pickle.dumps(space))
    np.testing.assert_array_equal(again.walls, space.walls)
    assert again.free == space.free
