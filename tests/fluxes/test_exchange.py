"""The exchange coordinate: inverse, derivative and prior."""

import numpy as np
import pytest
from scipy.differentiate import derivative
from scipy.integrate import quad
from scipy.stats import kstest, loguniform

from fluxkit.errors import FluxError
from fluxkit.fluxes import flux_space
from fluxkit.fluxes.exchange import exchange_coordinate
from fluxkit.networks import FluxRule, load_network
from tests.fluxes.small_networks import network

CCM = load_network("ccm")
TEXT = """
up: A_x (a) -> A (a)
swap: A (a) <-> B (a)
turn: B (a) <-> C (a)
out: C (a) -> D_x (a)
leak: B (a) -> E_x (a)
"""


def with_exchange(**bounds):
    rules = {name: FluxRule(-200, 200, exchange_lower=low, exchange_upper=high) for name, (low, high) in bounds.items()}
    return network(TEXT, up=FluxRule(100, 100), out=FluxRule(0, 100), leak=FluxRule(0, 100), **rules)


def test_coordinates_return():
    scale = flux_space(CCM).exchange_scale
    y = np.random.default_rng(0).normal(size=(4, 5, scale.size))
    np.testing.assert_allclose(scale.coordinates(scale.fluxes(y)), y, atol=1e-9)


def test_the_derivative_is_the_slope():
    scale = flux_space(CCM).exchange_scale
    y = np.random.default_rng(1).normal(size=scale.size)
    slope = derivative(lambda t: scale.fluxes(t.T).T[scale.varies], y).df
    np.testing.assert_allclose(scale.expand(y)[1], slope, rtol=1e-6)


def test_the_prior_gradient_is_the_slope():
    scale = flux_space(CCM).exchange_scale
    y = np.random.default_rng(2).normal(size=scale.size)
    step = 1e-5 * np.eye(scale.size)
    slope = (scale.expand(y + step)[2] - scale.expand(y - step)[2]) / 2e-5
    np.testing.assert_allclose(scale.expand(y)[3], slope, atol=1e-6)


@pytest.mark.parametrize("bounds", [(0.1, 1000.0), (0.0, 50.0)])
def test_draws_follow_the_density_that_the_coordinate_states(bounds):
    scale = exchange_coordinate(with_exchange(swap=bounds, turn=(2.0, 2.0)))
    assert scale.size == 1

    def density(y):
        return float(np.exp(scale.expand(np.array([y]))[2]))

    total = quad(density, -8, 8)[0]
    y = scale.coordinates(scale.draw(2000, np.random.default_rng(3)))[:, 0]
    grid = np.linspace(-8, 8, 2001)
    heights = np.array([density(each) for each in grid]) / total
    cdf = np.concatenate([[0], np.cumsum((heights[1:] + heights[:-1]) / 2 * np.diff(grid))])
    assert kstest(y, lambda v: np.interp(v, grid, cdf)).pvalue > 1e-4


def test_the_prior_is_log_uniform_between_the_bounds():
    scale = exchange_coordinate(with_exchange(swap=(0.1, 1000.0), turn=(2.0, 2.0)))
    x = scale.draw(2000, np.random.default_rng(4))
    assert kstest(x[:, 0], loguniform(0.1, 1000).cdf).pvalue > 1e-4
    assert (x[:, 1] == 2).all()


def test_zero_exchange_can_be_demanded():
    scale = exchange_coordinate(with_exchange(swap=(0.0, 0.0), turn=(0.0, 0.0)))
    assert scale.size == 0
    np.testing.assert_array_equal(scale.fluxes(np.empty((3, 0))), np.zeros((3, 2)))
    np.testing.assert_array_equal(scale.expand(np.empty((3, 0)))[2], np.zeros(3))


def test_bounds_hold_at_the_extremes():
    scale = flux_space(CCM).exchange_scale
    low, high = CCM.exchange_bounds
    np.testing.assert_allclose(scale.fluxes(np.full(scale.size, -40.0)), low)
    np.testing.assert_allclose(scale.fluxes(np.full(scale.size, 40.0)), high)
    assert np.isfinite(scale.coordinates(np.stack([low, high]))).all()


def test_crossed_exchange_bounds_are_refused():
    with pytest.raises(FluxError, match="exchange flux of 'swap' has bounds 5000 to 1000; give finite"):
        exchange_coordinate(with_exchange(swap=(5000.0, None), turn=(0.0, 1.0)))
