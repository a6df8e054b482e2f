"""Net and exchange against forward and backward fluxes; states that users write."""

import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.fluxes import as_flux_dataset, directed_fluxes, draw_fluxes, free_fluxes
from fluxkit.networks import load_network

TOY, CCM = load_network("toy"), load_network("ccm")


def refused(text: str, error: type[Exception] = FluxError):
    return pytest.raises(error, match=re.escape(text))


def test_published_toy_state_has_forward_110_and_reverse_50():
    # Antoniewicz et al. 2007, doi:10.1016/j.ymben.2006.09.001: v2 = 110, v3 = 50
    state = TOY.reference_fluxes()
    directed = directed_fluxes(TOY, state["net_flux"].values, state["exchange_flux"].values)
    np.testing.assert_allclose(directed, [100, 110, 20, 20, 80, 60, 50], atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_net_flux_is_forward_minus_backward_and_exchange_the_smaller_of_them(seed):
    rng = np.random.default_rng(seed)
    net = rng.normal(0, 50, (3, len(CCM.reactions)))
    net[:, ~CCM.reversible] = np.abs(net[:, ~CCM.reversible])
    exchange = rng.exponential(10, net.shape) * CCM.reversible
    directed = directed_fluxes(CCM, net, exchange)
    assert directed.min() >= 0
    np.testing.assert_array_equal(directed, directed_fluxes(CCM, net, exchange[:, CCM.reversible]))
    forward, backward = directed[:, : len(CCM.reactions)], np.zeros_like(net)
    backward[:, CCM.reversible] = directed[:, len(CCM.reactions) :]
    np.testing.assert_allclose(forward - backward, net, atol=1e-12)
    np.testing.assert_allclose(np.minimum(forward, backward), exchange, atol=1e-12)


def test_one_exchange_state_serves_many_net_states():
    net = np.full((4, 3, 6), 2.0)
    assert directed_fluxes(TOY, net, np.array([5.0])).shape == (4, 3, 7)


@pytest.mark.parametrize("net", [TOY, CCM], ids=lambda n: n.name)
def test_reference_state_passes_and_keeps_its_values(net):
    reference = net.reference_fluxes()
    xr.testing.assert_equal(as_flux_dataset(net, reference, check_bounds=True), reference)


def test_free_fluxes_are_completed_to_the_reference_state():
    for network in (TOY, CCM):
        reference = network.reference_fluxes()
        values = {name: float(reference["net_flux"].sel(reaction=name)) for name in free_fluxes(network)}
        exchange = {
            each.name: float(reference["exchange_flux"].sel(reaction=each.name))
            for each in network.reactions
            if each.reversible
        }
        state = as_flux_dataset(network, values, exchange)
        np.testing.assert_allclose(state["net_flux"], reference["net_flux"], atol=2e-5)  # printed balance: 1e-5
        np.testing.assert_array_equal(state["exchange_flux"], reference["exchange_flux"])


def test_any_deciding_flux_will_do_and_order_does_not_matter():
    for name, value in (("v2", 60), ("v4", 20), ("v6", 80)):
        state = as_flux_dataset(TOY, {name: value}, exchange=50)
        np.testing.assert_allclose(state["net_flux"], [100, 60, 20, 20, 80, 60])
    shuffled = TOY.reference_fluxes().isel(reaction=slice(None, None, -1))
    np.testing.assert_array_equal(as_flux_dataset(TOY, shuffled)["net_flux"], [100, 60, 20, 20, 80, 60])


def test_leading_dimensions_stay_and_reaction_comes_last():
    draws = draw_fluxes(TOY, 4).transpose("reaction", "draw")
    state = as_flux_dataset(TOY, draws, check_bounds=True)
    assert state["net_flux"].dims == state["exchange_flux"].dims == ("draw", "reaction")


def test_missing_free_fluxes_are_listed():
    given = dict.fromkeys([name for name in free_fluxes(CCM) if name not in ("PDH", "GDH")], 1.0)
    with refused("give these, too: 'PDH', 'GDH'."):
        as_flux_dataset(CCM, given, exchange=1)


def test_contradicting_fluxes_are_refused():
    with refused("contradict the balances"):
        as_flux_dataset(TOY, {"v2": 60, "v4": 30}, exchange=1)


def test_unbalanced_state_names_the_metabolite():
    state = TOY.reference_fluxes()
    state["net_flux"].loc[{"reaction": "v6"}] = 85.0
    with refused("metabolite 'D' is off balance: 80 made, 85 used"):
        as_flux_dataset(TOY, state)


def test_bad_states_are_refused_with_name_and_cure():
    with refused("Did you mean 'v2'", UnknownNameError):
        as_flux_dataset(TOY, {"V2": 60}, exchange=1)
    with refused("exchange fluxes of reversible reactions are missing: 'v2'"):
        as_flux_dataset(TOY, {"v2": 60})
    with refused("the exchange flux of 'v2' is -1"):
        as_flux_dataset(TOY, {"v2": 60}, exchange=-1)
    with refused("'v4' is not reversible"):
        as_flux_dataset(TOY, {"v2": 60}, exchange={"v2": 1, "v4": 1})
    with refused("'v2' is nan"):
        as_flux_dataset(TOY, {"v2": np.nan}, exchange=1)
    with refused("the net flux of 'v4' is -10, but the reaction runs one way"):
        as_flux_dataset(TOY, {"v4": -10}, exchange=1)
    with refused("'net_flux' lacks reaction 'v7'"):
        as_flux_dataset(TOY, TOY.reference_fluxes().isel(reaction=slice(5)))
    with refused("no 'net_flux'"):
        as_flux_dataset(TOY, xr.Dataset({"flux": ("reaction", np.ones(6))}))


def test_bounds_are_checked_when_asked():
    network = TOY.with_changes(rules={**TOY.rules, "v4": TOY.rule("v4").__class__(0, 10)}, reference={})
    as_flux_dataset(network, TOY.reference_fluxes())
    with refused("the net flux of 'v4' lies 10 outside its bounds 0 to 10"):
        as_flux_dataset(network, TOY.reference_fluxes(), check_bounds=True)
