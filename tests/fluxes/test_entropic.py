"""The entropic map: a bijection whose density is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxkit.errors import FluxError
from fluxkit.fluxes import entropic_map, flux_space, prior_coordinates
from fluxkit.networks import load_network
from tests.fluxes.small_networks import triple

SPACE = flux_space(load_network("ccm"))
MAP = entropic_map(SPACE)
FREE = len(SPACE.free)


def relative_error(found, wanted):
    return np.linalg.norm(found - wanted, axis=-1) / np.linalg.norm(wanted, axis=-1)


def test_prior_draws_return_from_unbounded_coordinates():
    z, _ = prior_coordinates(SPACE, 1024, np.random.default_rng(0))
    np.testing.assert_allclose(MAP.to_polytope(MAP.to_unbounded(z)), z, atol=1e-9)


def test_normal_numbers_return_from_the_polytope():
    u = np.random.default_rng(1).normal(size=(2, 500, FREE))
    z = MAP.to_polytope(u)
    assert z.shape == u.shape
    assert relative_error(MAP.to_unbounded(z), u).max() < 1e-8


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 5.0, 30.0, 1e3, 1e6]))
def test_every_image_is_inside(seed, size):
    u = size * np.random.default_rng(seed).standard_normal((8, FREE))
    assert (SPACE.slack(MAP.to_polytope(u)) > 0).all()


def test_far_points_return_as_well_as_float64_resolves_the_walls():
    u = 5 * np.random.default_rng(2).standard_normal((200, FREE))
    assert relative_error(MAP.to_unbounded(MAP.to_polytope(u)), u).max() < 1e-6


def test_log_det_is_that_of_finite_differences():
    space = flux_space(triple())
    small = entropic_map(space)
    for z in space.starts[:20]:
        step = 1e-5 * np.eye(2)
        jacobian = (small.to_unbounded(z + step) - small.to_unbounded(z - step)) / 2e-5
        np.testing.assert_allclose(small.log_det(z), np.linalg.slogdet(jacobian).logabsdet, atol=1e-4)


def test_log_det_of_ccm_is_that_of_finite_differences():
    z = 0.5 * SPACE.starts[0]
    step = 1e-6 * np.eye(FREE)
    jacobian = (MAP.to_unbounded(z + step) - MAP.to_unbounded(z - step)) / 2e-6
    np.testing.assert_allclose(MAP.log_det(z), np.linalg.slogdet(jacobian).logabsdet, atol=1e-4)
    assert MAP.log_det(z[None, None]).shape == (1, 1)


def test_prior_draws_are_near_standard_normal():
    u = MAP.to_unbounded(prior_coordinates(SPACE, 4096, np.random.default_rng(3))[0])
    assert np.abs(u.mean(axis=0)).max() < 0.12
    assert np.abs(u.var(axis=0) - 1).max() < 0.25
    assert np.abs(u).max() < 10


def test_a_point_outside_is_refused():
    with pytest.raises(FluxError, match="beyond a wall"):
        MAP.to_unbounded(np.full(FREE, 1e3))


def test_a_weight_that_is_not_positive_is_refused():
    with pytest.raises(FluxError, match="must be positive"):
        entropic_map(SPACE, weight=0.0)


def test_nothing_in_gives_nothing_out():
    assert MAP.to_polytope(np.empty((0, FREE))).shape == (0, FREE)
    assert MAP.log_det(np.empty((0, FREE))).shape == (0,)
