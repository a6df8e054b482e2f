"""The flux explorer without a browser: labeling, map and slider agree with the library."""

import numpy as np
import pytest
import traitlets

import fluxkit
from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.fluxes import flux_ranges
from fluxkit.view import map_data
from fluxkit.view.explore import flux_explorer
from fluxkit.view.explore.explorer_scene import largest_changes, slider_scale
from fluxkit.view.explore.forward import predicted_mids, ready_simulator
from fluxkit.view.explore.live_map import live_map, redrawn

TRACERS = {"glucose": "Glc_x: 100% [U-13C6]", "glutamine": "Gln_x: 100% [U-13C5]"}


@pytest.fixture(scope="module")
def ccm():
    return fluxkit.load_network("ccm")


@pytest.fixture
def explorer(ccm):
    return flux_explorer(ccm, TRACERS)


def numbers(text):
    return [float(each) for each in text.replace("M", " ").replace("C", " ").replace(",", " ").split()]


@pytest.mark.parametrize("fragments", [None, ["Cit.m", "Glu.c[2-5]", "alanine"]])
def test_the_labeling_is_that_of_simulate(ccm, fragments):
    draws = fluxkit.draw_fluxes(ccm, 4, seed=5)
    ready = ready_simulator(ccm, draws.isel(draw=0), TRACERS, fragments)
    names = list(dict.fromkeys(ready.fragments))
    expected = fluxkit.simulate(ccm, draws, TRACERS, fragments=names)["mid"].values
    found = [predicted_mids(ready, draws.isel(draw=i)) for i in range(4)]
    np.testing.assert_array_equal(found, expected)  # the same program and the same order of operations


def test_a_pool_that_is_named_twice_is_shown_once(ccm):
    ready = ready_simulator(ccm, ccm.reference_fluxes(), TRACERS)
    names = set(ready.fragments)
    assert {"citrate", "alanine", "pyruvate"} <= names
    assert names.isdisjoint({"cis-aconitate", "Ala", "Pyr", "Glu:N", "glucose"})


def test_what_no_flux_brings_label_to_is_missing_and_comes_back_with_the_flux(ccm):
    state = ccm.reference_fluxes()
    ready = ready_simulator(ccm, state, TRACERS, ["alanine"])
    assert np.isfinite(predicted_mids(ready, state)).all()
    none = state.copy(deep=True)
    none["net_flux"][:], none["exchange_flux"][:] = 0.0, 0.0
    assert np.isnan(predicted_mids(ready, none)).all()


def test_the_live_map_is_the_flux_map_to_a_tenth_of_a_unit(ccm):
    draws = fluxkit.draw_fluxes(ccm, 3, seed=2)
    prepared = live_map(ccm, draws.isel(draw=0))
    for i in range(3):
        state = draws.isel(draw=i)
        live, whole = redrawn(prepared, state), map_data(state, ccm)
        same = max(abs(a["net"]) for a in prepared.data["arrows"]) <= np.abs(state["net_flux"].values).max()
        for a, b in zip(live["arrows"], whole["arrows"], strict=True):
            assert a["name"] == b["name"] and a["net"] == b["net"] and a["exchange"] == b["exchange"]
            assert a["backward"] == b["backward"] and a["label"]["value"] == b["label"]["value"]
            if not same:
                continue  # the scale of the widths is kept from the start
            assert a["width"] == b["width"]
            assert numbers(a["path"]) == pytest.approx(numbers(b["path"]), abs=0.31)  # routes are stored to 0.1
            for one, other in zip(a["heads"], b["heads"], strict=True):
                assert (one["size"], one["net"]) == (other["size"], other["net"])
                assert (one["angle"] - other["angle"] + 180) % 360 == pytest.approx(180, abs=3)
            assert a["label"]["x"] == pytest.approx(b["label"]["x"], abs=0.11)


def test_moving_the_slider_moves_labeling_and_map(ccm, explorer):
    explorer.controls.key = "net PDH"
    explorer.controls.value = 60.0
    names = list(dict.fromkeys(each["fragment"] for each in explorer.bars.panels))
    expected = fluxkit.simulate(ccm, explorer.state, TRACERS, fragments=names)["mid"].values
    np.testing.assert_array_equal(explorer.labeling, expected)
    shown = np.hstack([np.hstack(explorer.bars.now[e]) for e in range(2)])
    np.testing.assert_allclose(shown, expected.ravel(), atol=5.1e-6)  # five digits are shown
    arrow = next(each for each in explorer.map.data["arrows"] if each["name"] == "PDH")
    assert arrow["net"] == pytest.approx(60) and explorer.map.selected == "PDH"
    assert explorer.controls.frame["value"] == 60.0 and explorer.controls.frame["changes"]


def test_the_slider_goes_to_the_end_and_back_on_one_path(explorer):
    explorer.controls.key = "net PC"
    before = explorer.state["net_flux"].values.copy()
    home, end = explorer.controls.value, explorer.controls.frame["high"]
    explorer.move("PC", end)
    assert np.abs(explorer.state["net_flux"].values - before).max() > 10
    explorer.move("PC", home)
    np.testing.assert_allclose(explorer.state["net_flux"].values, before, atol=1e-7)


def test_the_start_comes_back_after_several_moves(explorer):
    start = explorer.bars.start
    explorer.move("PDH", 90.0)
    explorer.move("PGI", 500.0, "exchange")
    assert explorer.bars.now != start
    explorer.controls.resets += 1
    assert explorer.bars.now == start and explorer.controls.frame["changes"] == []
    assert explorer.controls.value == pytest.approx(float(explorer.start["exchange_flux"].sel(reaction="PGI")))


def test_a_reaction_chosen_on_the_map_is_the_one_that_moves(explorer):
    explorer.map.selected = "G6PDH"
    assert explorer.controls.key == "net G6PDH"
    assert explorer.controls.frame["low"] <= explorer.controls.value <= explorer.controls.frame["high"]


def test_a_value_out_of_reach_from_the_page_is_taken_to_the_end_and_in_python_refused(explorer):
    explorer.controls.key = "net PDH"
    explorer.controls.value = 1e9
    assert explorer.controls.value == explorer.controls.frame["value"] == explorer.controls.frame["high"]
    with pytest.raises(FluxError, match="can go from 0 to"):
        explorer.move("PDH", -1.0)
    with pytest.raises(UnknownNameError, match="no net flux of 'PHD' can be moved. Did you mean .*'PDH'"):
        explorer.move("PHD", 1.0)
    with pytest.raises(traitlets.TraitError, match="no flux 'net PHD' can be moved"):
        explorer.controls.key = "net PHD"


def test_it_starts_where_it_is_told(ccm):
    state = fluxkit.draw_fluxes(ccm, 1, seed=9).isel(draw=0)
    explorer = flux_explorer(ccm, TRACERS, ["citrate"], state)
    np.testing.assert_array_equal(explorer.state["net_flux"].values, state["net_flux"].values)
    by_name = dict(zip(ccm.reaction_names, map(float, state["net_flux"].values), strict=True))
    again = flux_explorer(ccm, TRACERS, ["citrate"], by_name)
    assert float(again.state["exchange_flux"].sel(reaction="PGI")) == float(
        ccm.reference_fluxes()["exchange_flux"].sel(reaction="PGI")
    )
    with pytest.raises(FluxError, match="off balance"):
        flux_explorer(ccm, TRACERS, fluxes={**by_name, "PDH": 149.0})


def test_every_flux_that_can_move_is_offered_and_no_other(ccm, explorer):
    keys = {each["key"] for each in explorer.controls.options}
    fixed = flux_ranges(ccm)["fixed"].values
    assert {key for key in keys if key.startswith("net ")} == {
        f"net {name}" for name, still in zip(ccm.reaction_names, fixed, strict=True) if not still
    }
    assert len(keys) == int((~fixed).sum() + ccm.reversible.sum())


def test_sliders_of_exchange_fluxes_are_logarithmic_and_reach_towards_zero():
    assert slider_scale(-5.0, 3.0, "net") == {"low": -5.0, "high": 3.0, "logarithmic": False}
    assert slider_scale(0.1, 1000.0, "exchange") == {"low": 0.1, "high": 1000.0, "logarithmic": True}
    assert slider_scale(0.0, 1000.0, "exchange")["low"] == pytest.approx(1e-3)


def test_the_largest_change_is_named_first_and_small_ones_not_at_all(ccm):
    ready = ready_simulator(ccm, ccm.reference_fluxes(), TRACERS, ["citrate", "malate"])
    before = np.zeros((2, 12))
    after = before.copy()
    after[1, 9], after[0, 2], after[0, 3], after[0, 8] = 0.4, 0.2, -0.1, 0.0005
    found = largest_changes(ready, before, after)
    assert [(each["experiment"], each["fragment"], each["name"], each["after"]) for each in found] == [
        ("glutamine", "malate", "M+2", 0.4),
        ("glucose", "citrate", "M+2", 0.2),
    ]
