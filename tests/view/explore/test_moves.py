"""Moves in the flux space: what every moved state obeys, how far it goes, and that it goes no farther than it must."""

from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.fluxes import as_flux_dataset, draw_fluxes, flux_ranges, flux_space
from fluxkit.networks import load_network
from fluxkit.networks.checks import equality_system
from fluxkit.view.explore import feasible_range, moved_state

NAMES = ("toy", "ccm")


@cache
def setting(name):
    network = load_network(name)
    draws = draw_fluxes(network, 6, seed=3)
    states = [network.reference_fluxes()[["net_flux", "exchange_flux"]], *(draws.isel(draw=i) for i in range(6))]
    moving = [
        n for n, still in zip(network.reaction_names, flux_ranges(network)["fixed"].values, strict=True) if not still
    ]
    return network, flux_space(network), states, moving


@settings(max_examples=60)
@given(st.sampled_from(NAMES), st.integers(0, 6), st.integers(0, 10**6), st.floats(0, 1))
@example("ccm", 0, 0, 0.0)
@example("ccm", 3, 7, 1.0)
def test_every_moved_state_balances_and_obeys_the_bounds(name, state, reaction, share):
    network, space, states, moving = setting(name)
    reaction = moving[reaction % len(moving)]
    lower, upper = feasible_range(space, states[state], reaction)
    value = lower + share * (upper - lower)
    moved = moved_state(space, states[state], reaction, value)
    as_flux_dataset(network, moved, check_bounds=True)  # refuses what is off by 1e-6
    low, high = network.net_bounds
    assert (moved["net_flux"].values >= low).all() and (moved["net_flux"].values <= high).all()
    # the ends are left by 1e-9 of the range
    assert float(moved["net_flux"].sel(reaction=reaction)) == pytest.approx(
        value, abs=1e-8 * max(1.0, upper - lower, abs(value))
    )
    np.testing.assert_array_equal(moved["exchange_flux"].values, states[state]["exchange_flux"].values)


@pytest.mark.parametrize("reaction", ["PDH", "PC", "G6PDH", "IDH_c", "SHMT"])
def test_the_ends_of_a_range_are_those_of_a_linear_program_on_the_whole_network(reaction):
    network, space, states, _ = setting("ccm")
    matrix, value = equality_system(network)
    cost = np.array([float(n == reaction) for n in network.reaction_names])
    bounds = np.column_stack(network.net_bounds)
    ends = [s * linprog(s * cost, A_eq=matrix, b_eq=value, bounds=bounds, method="highs").fun for s in (1, -1)]
    lower, upper = feasible_range(space, states[2], reaction)
    assert [lower, upper] == pytest.approx(ends, abs=1e-5)
    for end in (lower, upper):
        z = space.coordinates(moved_state(space, states[2], reaction, end)["net_flux"].values)
        assert space.slack(z).min() == pytest.approx(0, abs=1e-6)  # in sd of the prior: it touches a wall


@pytest.mark.parametrize(("reaction", "share"), [("PDH", 0.6), ("PC", 0.4), ("CTP", 0.9)])
def test_the_change_is_the_smallest_that_a_general_optimiser_finds(reaction, share):
    _, space, states, _ = setting("ccm")
    lower, upper = feasible_range(space, states[1], reaction)
    value = lower + share * (upper - lower)
    z = space.coordinates(states[1]["net_flux"].values)
    moved = space.coordinates(moved_state(space, states[1], reaction, value)["net_flux"].values)
    row = space.basis[space.network.reaction_index[reaction]]
    target = value - space.origin[space.network.reaction_index[reaction]]
    other = minimize(
        lambda x: ((x - z) @ (x - z)) / 2, moved + 0.01, jac=lambda x: x - z, method="SLSQP", options={"maxiter": 500},
        constraints=[
            {"type": "eq", "fun": lambda x: row @ x - target, "jac": lambda x: row},
            {"type": "ineq", "fun": space.slack, "jac": lambda x: -space.walls},
        ],
    )  # fmt: skip
    assert other.success
    assert np.linalg.norm(moved - z) == pytest.approx(np.linalg.norm(other.x - z), rel=1e-4)


def test_a_small_move_inside_goes_along_the_covariance_of_the_prior():
    _, space, states, _ = setting("ccm")
    index = space.network.reaction_index["PDH"]
    net = states[0]["net_flux"].values
    moved = moved_state(space, states[0], "PDH", net[index] + 0.01)["net_flux"].values
    covariance = space.basis @ space.basis[index]
    np.testing.assert_allclose(moved - net, 0.01 * covariance / covariance[index], atol=1e-9)


def test_an_exchange_flux_moves_alone_between_its_bounds():
    network, space, states, _ = setting("ccm")
    lower, upper = feasible_range(space, states[0], "PGI", "exchange")
    k = list(np.array(network.reaction_names)[network.reversible]).index("PGI")
    assert (lower, upper) == (network.exchange_bounds[0][k], network.exchange_bounds[1][k])
    moved = moved_state(space, states[0], "PGI", 3.5, "exchange")
    changed = (moved["exchange_flux"] != states[0]["exchange_flux"]).values
    assert [n for n, each in zip(network.reaction_names, changed, strict=True) if each] == ["PGI"]
    np.testing.assert_array_equal(moved["net_flux"].values, states[0]["net_flux"].values)


def test_what_cannot_be_is_refused_with_the_cure():
    _, space, states, _ = setting("ccm")
    with pytest.raises(FluxError, match=r"'PDH' cannot be 1e\+06 .*: it can go from 0 to"):
        moved_state(space, states[0], "PDH", 1e6)
    with pytest.raises(UnknownNameError, match="no reaction 'PHD'. Did you mean .*'PDH'"):
        feasible_range(space, states[0], "PHD")
    with pytest.raises(FluxError, match="'PDH' is not reversible and has no exchange flux"):
        feasible_range(space, states[0], "PDH", "exchange")
    with pytest.raises(FluxError, match="possible in network .* Start from network.reference_fluxes"):
        feasible_range(space, states[0].assign(net_flux=states[0]["net_flux"] + 0.01), "PDH")
    with pytest.raises(FluxError, match="prior sd outside the bounds"):
        feasible_range(space, states[0].assign(net_flux=("reaction", space.net(9 * np.ones(len(space.free))))), "PDH")
    with pytest.raises(FluxError, match="choose one draw"):
        feasible_range(space, draw_fluxes(space.network, 2), "PDH")
