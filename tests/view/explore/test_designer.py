"""The tracer designer without a browser: what is picked is the tracer text, what is shown is what the library says."""

import json

import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

import fluxkit
from fluxkit.design import PriceTable
from fluxkit.errors import LabelingError, TracerError, UnknownNameError
from fluxkit.view.explore import tracer_designer
from fluxkit.view.explore.designer_scene import HALF
from fluxkit.view.explore.mix import in_tenths, mix_tracers, part_label, read_mix
from fluxkit.view.explore.molecule import molecule

START = {
    "toy": "A_x: 60% [2-13C]",
    "ccm": "Glc_x: 50% [1,2-13C2] + 50% [U-13C6]",
    "coculture": "Gln_feed_x: 100% [U-13C5]",
    "liver_hc": "H_x: 5% [1-2H]",
}


@pytest.fixture(scope="module")
def ccm():
    return fluxkit.load_network("ccm")


@pytest.fixture
def designer(ccm):
    return tracer_designer(ccm, START["ccm"], fluxes_of_interest=["G6PDH", "PC", "exchange(LDH)"], draws=4, seed=1)


@pytest.mark.parametrize("name", START)
def test_half_widths_and_cost_are_those_of_a_ranking_of_the_text_that_is_shown(name):
    network = fluxkit.load_network(name)
    widget = tracer_designer(network, START[name], draws=4, seed=1)
    ranked = fluxkit.design_tracers(network, [widget.tracers], fluxes_of_interest=widget.fluxes, draws=4, seed=1)
    ranked = ranked.squeeze("design")
    shown = widget.answer["intervals"]
    assert [each["flux"] for each in shown] == ranked["flux"].values.tolist()
    half = [each["half"] for each in shown]
    np.testing.assert_allclose(half, 1.6448536 * ranked["expected_width"], rtol=5e-6)  # six digits are shown
    np.testing.assert_allclose([each["prior"] for each in shown], 1.6448536 * ranked["prior_width"], rtol=5e-6)
    assert widget.answer["gain"] == pytest.approx(float(ranked["information_gain"]), abs=1e-4)
    cost = widget.answer["cost"]
    seen = list(widget.measurements)  # what holds no labeled atom is not paid for
    ranked = fluxkit.design_tracers(network, [widget.tracers], measurements=seen, draws=1)
    if name == "toy":
        assert np.isnan(ranked["cost"].squeeze()) and cost["tracers"] is None
    else:
        assert cost["tracers"] + cost["measuring"] == pytest.approx(float(ranked["cost"].squeeze()), abs=0.02)


@pytest.mark.parametrize("name", ["toy", "liver_hc"])
def test_the_bars_are_the_means_of_simulate_over_the_states(name):
    network = fluxkit.load_network(name)
    states = fluxkit.draw_fluxes(network, 5, seed=3)
    widget = tracer_designer(network, START[name], states=states, purity=0.95)
    panels = widget.answer["panels"]
    names = [each["fragment"] for each in panels]
    made = fluxkit.simulate(network, states, START[name], fragments=names, purity=0.95)["mid"].squeeze("experiment")
    shown = np.concatenate([each["mean"] for each in panels])
    np.testing.assert_allclose(shown, made.mean("draw").values, atol=6e-6)  # five digits are shown
    lower = np.concatenate([each["low"] for each in panels])
    np.testing.assert_allclose(lower, made.quantile(0.1, "draw").values, atol=6e-6)


def test_picking_atoms_and_moving_shares_makes_the_text(designer):
    mix = [dict(each) for each in designer.mix]
    mix[0] = {**mix[0], "atoms": ["C3", "C4"], "fraction": 0.2}
    designer.mix = mix
    assert designer.tracers == designer.answer["text"] == "Glc_x: 20% [3,4-13C2] + 50% [U-13C6]"
    designer.mix = [*mix, {"pool": "Gln_x", "atoms": ["N2"], "fraction": 0.125}]
    assert designer.tracers == "Glc_x: 20% [3,4-13C2] + 50% [U-13C6]; Gln_x: 12.5% [2-15N]"
    assert designer.answer["elements"] == "CN"
    designer.tracers = "[U-13C5]glutamine"
    assert designer.mix == [{"pool": "Gln_x", "atoms": [f"C{i}" for i in range(1, 6)], "fraction": 1.0}]
    assert designer.answer["labels"] == ["[U-13C5]"]


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from([f"C{i}" for i in range(1, 7)]), min_size=1), st.integers(1, 330)),
        min_size=1, max_size=3, unique_by=lambda each: frozenset(each[0]),
    )
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_mix_reads_back_from_its_text(parts):
    network = fluxkit.load_network("mlflux_uppergly")
    mix = [{"pool": "Glc_x", "atoms": sorted(atoms), "fraction": share / 1000} for atoms, share in parts]
    again = read_mix(network, mix_tracers(network, mix).text)
    assert [(each["pool"], each["atoms"]) for each in again] == [(each["pool"], each["atoms"]) for each in mix]
    assert [each["fraction"] for each in again] == pytest.approx([each["fraction"] for each in mix], rel=1e-15)


def test_fewer_measurements_never_narrow_and_can_be_named(designer):
    before = [each["half"] for each in designer.answer["intervals"]]
    all_cost = designer.answer["cost"]["measuring"]
    designer.measurements = ["lactate", "serine"]
    assert designer.measurements == ("lactate", "serine")
    assert [each["fragment"] for each in designer.answer["panels"]] == ["lactate", "serine"]
    after = [each["half"] for each in designer.answer["intervals"]]
    assert all(b >= a * (1 - 1e-9) for a, b in zip(before, after, strict=True))
    assert designer.answer["cost"]["measuring"] < all_cost
    with pytest.raises(UnknownNameError, match="Did you mean 'lactate'"):
        designer.measurements = ["lactat"]


def test_optimising_never_tells_less_than_before(designer):
    before = designer.answer["gain"]
    text = designer.optimise()
    assert designer.tracers == text
    assert designer.answer["gain"] >= before - 1e-4
    assert "Optimised" in designer.notice and "before" in designer.notice


@given(st.lists(st.tuples(st.sampled_from("AB"), st.floats(0, 1)), min_size=1, max_size=6), st.booleans())
def test_shares_in_tenths_of_a_percent_stay_near_and_fill_no_pool_above_its_sum(parts, full):
    sums = {pool: sum(share for own, share in parts if own == pool) or 1.0 for pool in "AB"}
    scale = {pool: each if full else max(each, 1.0) for pool, each in sums.items()}
    mix = [{"pool": pool, "atoms": ["C1"], "fraction": share / scale[pool]} for pool, share in parts]
    after = in_tenths(mix)
    for old, new in zip(mix, after, strict=True):
        assert 1000 * new["fraction"] == pytest.approx(round(1000 * new["fraction"]), abs=1e-9)
        assert abs(new["fraction"] - old["fraction"]) < 0.001 + 1e-8
    for pool in "AB":
        before, now = (sum(each["fraction"] for each in one if each["pool"] == pool) for one in (mix, after))
        assert before - 0.001 - 1e-8 < now <= before + 1e-8


def test_shares_that_would_each_be_rounded_up_do_not_overfill_the_pool():
    mix = [
        {"pool": "A_x", "atoms": [each], "fraction": share}
        for each, share in zip("abc", [0.0006, 0.3996, 0.5998], strict=True)
    ]
    assert [each["fraction"] for each in in_tenths(mix)] == [0.0, 0.4, 0.6]  # one by one: 100.1 %


def test_the_buttons_of_the_page_read_texts_and_say_what_is_wrong(designer):
    designer.request = {"do": "read", "text": "100% [1-13C]glucose", "number": 1}
    assert designer.tracers == "Glc_x: 100% [1-13C]" and designer.notice == "Read."
    designer.request = {"do": "read", "text": "100% [1-13C]mannose", "number": 2}
    assert "no input pool 'mannose'" in designer.notice
    assert designer.tracers == "Glc_x: 100% [1-13C]"
    designer.count, designer.request = 9, {"do": "optimise", "number": 9}
    assert designer.answer["count"] == 9


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ([], "there is no labeling; add one"),
        ([{"pool": "Glc_x", "atoms": [], "fraction": 1.0}], "has no labeled atom; choose one in the drawing"),
        ([{"pool": "Glc_x", "atoms": ["C1"], "fraction": 1.2}], "the share is 120 %; give 0 to 100 %"),
        ([{"pool": "Glc_x", "atoms": ["C1"], "fraction": 0.0}], "the share of every labeling is 0 %; raise one"),
        (
            [{"pool": "Glc_x", "atoms": [each], "fraction": 0.6} for each in ("C1", "C2")],
            "the shares of Glc_x sum to 120 %, above 100 %; lower one, or scale them",
        ),
        ([{"pool": "Glc_x", "atoms": ["C1"], "fraction": 0.2}] * 2, "labelings 1 and 2 are both [1-13C] of Glc_x"),
    ],
)
def test_a_mix_that_is_no_tracer_is_refused_in_the_page_with_the_cure(designer, mix, message):
    designer.mix = mix
    assert message in designer.answer["refusal"]
    assert "panels" not in designer.answer
    with pytest.raises(TracerError):
        _ = designer.tracers


def test_what_else_the_page_may_ask_wrongly_is_refused_there(designer):
    designer.purity = 1.3
    assert "purity is 130 %" in designer.answer["refusal"]
    designer.purity, designer.fluxes = 1.0, []
    assert "choose at least one" in designer.answer["refusal"]
    designer.fluxes, designer.left_out = ["PC"], list(designer.answer["measurable"])
    assert "measure more" in designer.answer["refusal"]
    designer.left_out = []
    assert designer.answer["refusal"] == ""


def test_rates_and_natural_isotopes_are_those_of_a_ranking(ccm):
    ask = {"draws": 3, "rates": {"GLC_up": 5.0, "MCT_out - MCT_in": 8.0}, "natural_abundance": "CHNOPS"}
    widget = tracer_designer(ccm, START["ccm"], fluxes_of_interest=["PC", "G6PDH"], **ask)
    ranked = fluxkit.design_tracers(ccm, [START["ccm"]], fluxes_of_interest=["PC", "G6PDH"], **ask).squeeze("design")
    shown = [each["half"] for each in widget.answer["intervals"]]
    np.testing.assert_allclose(shown, 1.6448536 * ranked["expected_width"], rtol=5e-6)  # six digits are shown
    widget.tracers = "[U-13C5,15N2]glutamine"
    assert "Measure one element" in widget.answer["refusal"]


def test_wrong_values_from_python_are_refused_by_name(ccm, designer):
    with pytest.raises(traitlets.TraitError, match="no input pool 'Glk_x'"):
        designer.mix = [{"pool": "Glk_x", "atoms": [], "fraction": 1.0}]
    with pytest.raises(traitlets.TraitError, match="Glc_x has no atom 'C7'"):
        designer.mix = [{"pool": "Glc_x", "atoms": ["C7"], "fraction": 1.0}]
    with pytest.raises(traitlets.TraitError, match="lacks"):
        designer.mix = [{"pool": "Glc_x"}]
    with pytest.raises(traitlets.TraitError, match="no flux 'PDX'"):
        designer.fluxes = ["PDX"]
    with pytest.raises(UnknownNameError, match="G6PDH"):
        tracer_designer(ccm, fluxes_of_interest=["G6PD"])
    with pytest.raises(TracerError, match="leaves a percentage open"):
        tracer_designer(ccm, "Glc_x: ?% [U-13C6]")
    with pytest.raises(LabelingError, match="not the text 'citrate'; write"):
        tracer_designer(ccm, measurements="citrate")
    with pytest.raises(UnknownNameError, match="Did you mean 'citrate'"):
        tracer_designer(ccm, fluxes_of_interest="PC", measurements=["citrat"], draws=2)
    for purity in (1.4, 0.0, float("nan")):
        with pytest.raises(TracerError, match=f"above 0 and at most 1, not {purity}; write 0.99 for 99 %"):
            tracer_designer(ccm, purity=purity)
    with pytest.raises(LabelingError, match="floor = -1.0 must be zero or a positive number"):
        tracer_designer(ccm, fluxes_of_interest="PC", noise=-1, draws=2)


def test_a_label_without_a_price_is_named(ccm):
    prices = PriceTable({"[1-13C]glucose": 40.0}, {}, {"*": (1.0, "")})
    widget = tracer_designer(ccm, START["ccm"], fluxes_of_interest="PC", draws=2, prices=prices)
    assert widget.answer["cost"]["missing"] == ["[1,2-13C2] of Glc_x", "[U-13C6] of Glc_x"]
    widget.tracers = "Glc_x: 50% [1-13C]"
    assert widget.answer["cost"]["tracers"] == 20.0


def test_expressions_can_be_asked_for_beside_all_fluxes_of_the_network(ccm):
    widget = tracer_designer(ccm, START["ccm"], fluxes_of_interest=["G6PDH / GLC_up", "PC"], draws=2)
    assert widget.fluxes == ["G6PDH / GLC_up", "PC"]
    assert {"PDH", "exchange(PGI)", "G6PDH / GLC_up"} <= set(widget.data["fluxes"])


@pytest.mark.parametrize("name", fluxkit.list_networks())
def test_every_atom_of_every_nutrient_is_drawn_once_and_apart_from_the_others(name):
    network = fluxkit.load_network(name)
    for pool in network.inputs:
        drawn = molecule(network, pool)
        keys = {f"{e}{i + 1}" for e, n in network.atom_counts[pool].items() for i in range(n)}
        assert {each["key"] for each in drawn["atoms"]} == keys and len(drawn["atoms"]) == len(keys)
        for i, a in enumerate(drawn["atoms"]):
            assert a["radius"] <= a["x"] <= drawn["width"] - a["radius"]
            assert a["radius"] <= a["y"] <= drawn["height"] - a["radius"]
            for b in drawn["atoms"][:i]:
                assert np.hypot(a["x"] - b["x"], a["y"] - b["y"]) > a["radius"] + b["radius"], (pool, a, b)


def test_nitrogens_and_hydrogens_hang_where_chemists_say():
    def bonds(name, pool):
        return {each["key"]: each["bond"] for each in molecule(fluxkit.load_network(name), pool)["atoms"]}

    assert bonds("ccm", "Gln_x")["N1"] == "C2" and bonds("ccm", "Gln_x")["N2"] == "C5"  # alpha, amide
    glucose = bonds("liver_hc", "Glc_x")
    assert glucose["H6"] == glucose["H7"] == "C6" and glucose["H1"] == "C1"
    assert bonds("wholebody_core", "Leu_inf_x")["C6"] == "C4"


def test_every_standard_tracer_is_a_button_that_means_its_text(designer, ccm):
    for each in designer.data["standards"]:
        assert mix_tracers(ccm, each["mix"]).text == each["text"]
    assert part_label(ccm, designer.data["standards"][0]["mix"][0]) == "[U-13C6]"


def test_the_page_holds_the_answer_and_loads_nothing(designer, tmp_path):
    page = designer.to_html(tmp_path / "design.html").read_text(encoding="utf-8")
    assert json.dumps(designer.tracers)[1:-1] in page
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page


def test_half_of_a_90_percent_interval():
    assert pytest.approx(1.6448536269514722) == HALF
