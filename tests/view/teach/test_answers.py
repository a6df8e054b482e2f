"""The right answers of the lesson agree with the simulation of the whole network."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fluxkit
from fluxkit.errors import FluxError, NetworkError
from fluxkit.fluxes import flux_space
from fluxkit.view.explore.forward import ready_simulator
from fluxkit.view.explore.moves import moved_state
from fluxkit.view.teach import cells_beside, grows_most, least_known, lost_carbon

GLUCOSE = {"1": "Glc_x: 100% [1-13C]", "6": "Glc_x: 100% [6-13C]"}


@pytest.fixture(scope="module")
def network():
    return fluxkit.load_network("ccm")


def test_the_carbon_that_the_pentose_phosphate_pathway_loses_is_the_first(network):
    assert lost_carbon(network, "PGD", "CO2") == 1
    # the same by simulation: of two glucoses only the one labeled there brings label into CO2 by this reaction
    state = network.reference_fluxes()
    co2 = [fluxkit.simulate(network, state, GLUCOSE[key], fragments=["CO2"])["mid"].values.ravel() for key in "16"]
    assert co2[0][1] > 3 * co2[1][1]


def test_a_reaction_that_loses_no_single_carbon_is_refused(network):
    with pytest.raises(NetworkError, match="LDH of 'ccm' does not turn one carbon of a single substrate into CO2"):
        lost_carbon(network, "LDH", "CO2")


@pytest.mark.parametrize(
    ("tracer", "answer"),
    [
        ("Glc_x: 100% [1,2-13C2]", "M+1"),  # the pathway loses C1: two labels become one
        ("Glc_x: 100% [1-13C]", "M+0"),  # and one becomes none
        ("Glc_x: 100% [U-13C6]", None),  # what is lost was labeled like what stays
    ],
)
def test_tracers_of_glucose_see_the_pentose_phosphate_pathway_as_textbooks_say(network, tracer, answer):
    space, state = flux_space(network), network.reference_fluxes()
    ready = ready_simulator(network, state, tracer, ["lactate", "citrate"])
    assert grows_most(space, state, ready, "G6PDH", "lactate") == answer


def test_a_flux_of_zero_cannot_be_doubled(network):
    space = flux_space(network)
    state = moved_state(space, network.reference_fluxes(), "G6PDH", 0.0)
    ready = ready_simulator(network, state, GLUCOSE["1"], ["lactate"])
    with pytest.raises(FluxError, match="the net flux of G6PDH is 0"):
        grows_most(space, state, ready, "G6PDH", "lactate")


def table():
    information = [0.9, np.nan, 0.5, 0.1, 0.7]
    names = ["A", "fixed", "C", "D", "E"]
    values = {"median": 1.0, "lower": 0.0, "upper": 2.0}
    net = pd.DataFrame({"reaction": names, "kind": "net", "information": information, **values})
    return pd.concat([net, net.assign(kind="exchange", information=0.0)])


def test_the_least_known_flux_is_last_and_neither_fixed_nor_an_exchange():
    assert least_known(table()) == ["A", "E", "C", "D"]
    assert least_known(table(), 2) == ["A", "D"]


def test_a_truth_outside_its_interval_is_counted_as_such():
    fluxes = {"A": 1.0, "fixed": 9.0, "C": 2.0, "D": 2.1, "E": 0.0}
    truth = xr.Dataset({"net_flux": ("reaction", list(fluxes.values()))}, {"reaction": list(fluxes)})
    beside = cells_beside(table(), truth, [])
    assert beside["inside"].to_dict() == {"A": True, "C": True, "D": False, "E": True}
    assert cells_beside(table(), truth, ["D"])["truth"].tolist() == [2.1]
