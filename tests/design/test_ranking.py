"""Rankings agree with published designs and obey the laws of information."""

import json

import numpy as np
import pytest
import xarray as xr

import fluxkit
from fluxkit.design import PriceTable, design_table
from fluxkit.errors import FluxError, LabelingError, TracerError, UnknownNameError
from fluxkit.labeling import NoiseModel

GLUCOSE = {
    "1": "[1-13C]glucose",
    "2": "[2-13C]glucose",
    "6": "[6-13C]glucose",
    "12": "[1,2-13C2]glucose",
    "U": "[U-13C6]glucose",
    "1+U": "50% [1-13C]glucose + 50% [U-13C6]glucose",
    "12+U": "50% [1,2-13C2]glucose + 50% [U-13C6]glucose",
}
"""What is common and affordable."""


@pytest.fixture(scope="module")
def ccm():
    return fluxkit.load_network("ccm")


@pytest.fixture(scope="module")
def simple():
    return fluxkit.load_network("mlflux_simple")


def test_ranking_finds_12_glucose_for_the_oxidative_pentose_phosphate_pathway(ccm):
    """Metallo, Walther & Stephanopoulos 2009, doi:10.1016/j.jbiotec.2009.07.010."""
    found = fluxkit.design_tracers(ccm, GLUCOSE, fluxes_of_interest="G6PDH")
    assert found["design"].values[0] == "12"
    relative = (found["expected_width"] / found["prior_width"]).sel(flux="G6PDH")
    assert float(relative.sel(design="12")) < 0.6 * float(relative.sel(design="1"))
    assert float(relative.sel(design="12")) < 0.4 * float(relative.sel(design="U"))


def test_ranking_finds_23456_glucose_where_lactate_alone_is_measured(ccm):
    """Crown, Ahn & Antoniewicz 2012, doi:10.1186/1752-0509-6-43: and glutamine tracers perform poorly."""
    candidates = {**GLUCOSE, "23456": "[2,3,4,5,6-13C5]glucose", "34": "[3,4-13C2]glucose", "gln": "[U-13C5]glutamine"}
    found = fluxkit.design_tracers(ccm, candidates, fluxes_of_interest="G6PDH", measurements=["lactate"])
    assert found["design"].values[0] == "23456"
    assert found["design"].values[-1] == "gln"


def test_deuterium_shows_an_exchange_that_carbon_cannot_see():
    """The hydrogen of C4 goes to cytosolic NADH: Lewis et al. 2014, doi:10.1016/j.molcel.2014.05.008."""
    network = fluxkit.load_network("mlflux_glyppp")
    measured = [each for each in network.balanced if network.atom_counts[each].get("C", 0) > 1]
    found = fluxkit.design_tracers(network, fluxes_of_interest="exchange(GAPD)", measurements=measured)
    relative = (found["expected_width"] / found["prior_width"]).squeeze("flux")
    assert found["design"].values[0] == "glc_D4"
    assert float(relative.sel(design="glc_D4")) < 0.6
    carbon = ["glc_1", "glc_12", "glc_34", "glc_U", "glc_456"]
    np.testing.assert_allclose(relative.sel(design=carbon), 1.0, atol=1e-3)


def test_body_water_tells_more_of_liver_glycogen_than_glucose_of_any_label():
    """Glucose from glycogen keeps hydrogens that gluconeogenesis takes from water: doi:10.1172/JCI118803."""
    network = fluxkit.load_network("liver_hc")
    found = fluxkit.design_tracers(network, fluxes_of_interest="GLYG", measurements=["glucose"])
    width = found["expected_width"].squeeze("flux")
    labeled = [each for each in found["design"].values.tolist() if each.startswith("glc_")]
    assert float(width.sel(design="water_5")) < 0.9 * float(width.sel(design=labeled).min())


def test_the_order_of_candidates_changes_nothing(ccm):
    names = list(GLUCOSE)
    mixed = {name: GLUCOSE[name] for name in (*names[4:], *names[:4])}
    ask = {"fluxes_of_interest": ["G6PDH", "PC / GLC_up"], "parallel": 2, "draws": 4}
    xr.testing.assert_allclose(
        fluxkit.design_tracers(ccm, GLUCOSE, **ask), fluxkit.design_tracers(ccm, mixed, **ask), rtol=1e-9
    )


def test_parallel_experiments_tell_at_least_what_each_tells_and_never_widen(ccm):
    ask = {"fluxes_of_interest": ["G6PDH", "PC", "exchange(LDH)"], "draws": 8}
    found = fluxkit.design_tracers(ccm, GLUCOSE, parallel=2, **ask)
    for pair in (each for each in found["design"].values.tolist() if " + " in each):
        both = found.sel(design=pair)
        for one in pair.split(" + "):
            assert (both["expected_width"] <= found["expected_width"].sel(design=one) * (1 + 1e-9)).all()
            assert float(both["information_gain"]) >= float(found["information_gain"].sel(design=one)) - 1e-9
    assert (found["expected_width"] <= found["prior_width"]).all()
    assert (found["information_gain"] >= 0).all()
    assert (found["mean_relative_variance"] <= 1).all()


def test_information_of_parallel_experiments_is_that_of_one_question_with_both(ccm):
    """A set of experiments under one name is the pair of two candidates."""
    ask = {"fluxes_of_interest": ["G6PDH", "PC"], "draws": 4}
    pair = fluxkit.design_tracers(ccm, {"a": GLUCOSE["12"], "b": GLUCOSE["U"]}, parallel=2, **ask).sel(design="a + b")
    named = fluxkit.design_tracers(ccm, {"both": [GLUCOSE["12"], GLUCOSE["U"]]}, **ask).sel(design="both")
    assert float(pair["information_gain"]) == pytest.approx(float(named["information_gain"]), rel=1e-9)
    assert int(named["experiments"]) == 2
    assert float(pair["cost"]) == pytest.approx(float(named["cost"]))


def test_more_measurements_never_widen(ccm):
    sets = {"few": ["lactate", "citrate"], "more": ["lactate", "citrate", "glutamate"]}
    more = {**sets, "most": [*sets["more"], "malate", "hexose-6-phosphate"]}
    found = fluxkit.design_tracers(
        ccm, {"t": GLUCOSE["12"]}, fluxes_of_interest=["G6PDH", "PC", "CS"], measurements=more, draws=8
    )
    widths = [found["expected_width"].sel(design=f"t, {each}") for each in ("few", "more", "most")]
    assert (widths[1] <= widths[0]).all()
    assert (widths[2] <= widths[1]).all()
    costs = [float(found["cost"].sel(design=f"t, {each}")) for each in ("few", "more", "most")]
    assert costs == sorted(costs)


def test_smaller_errors_never_widen(simple):
    ask = {"fluxes_of_interest": None, "draws": 8}
    widths = [
        fluxkit.design_tracers(simple, ["A_x: [1,2-13C2]"], noise=noise, **ask)["expected_width"]
        for noise in (0.02, 0.005)
    ]
    assert (widths[1] <= widths[0]).all()


def test_infinite_noise_leaves_the_prior(simple):
    found = fluxkit.design_tracers(simple, noise=1e9)
    np.testing.assert_allclose((found["expected_width"] / found["prior_width"]).values, 1.0)
    np.testing.assert_allclose(found["information_gain"], 0, atol=1e-9)
    np.testing.assert_allclose(found["power"], 0, atol=1e-9)


def test_unlabeled_nutrients_tell_nothing(ccm):
    found = fluxkit.design_tracers(ccm, ["Glc_x: 100% unlabeled"], fluxes_of_interest=["PC"], draws=2)
    assert float(found["information_gain"].squeeze()) == 0


def test_larger_differences_are_easier_to_detect(simple):
    ask = {"fluxes_of_interest": list(fluxkit.fluxes.flux_space(simple).free[:1]), "draws": 16}
    powers = [fluxkit.design_tracers(simple, difference=each, **ask)["power"].values for each in (0.01, 0.1, 1.0)]
    assert (powers[1] >= powers[0]).all()
    assert (powers[2] >= powers[1]).all()


def test_posterior_draws_of_a_first_experiment_can_be_averaged_over(ccm):
    states = fluxkit.draw_fluxes(ccm, 3, seed=5)
    found = fluxkit.design_tracers(ccm, {"t": GLUCOSE["12"]}, fluxes_of_interest="G6PDH", states=states)
    assert found.attrs["draws"] == 3


def test_ranking_by_a_flux_puts_its_narrowest_first(ccm):
    found = fluxkit.design_tracers(ccm, GLUCOSE, fluxes_of_interest=["G6PDH", "PC"], rank_by="PC", draws=8)
    width = found["expected_width"].sel(flux="PC").values
    assert (np.diff(width) >= 0).all()


def test_designs_without_a_price_are_ranked_but_never_efficient(ccm):
    prices = PriceTable({"[1,2-13C2]glucose": 50.0}, {}, {"*": (1.0, "")})
    found = fluxkit.design_tracers(ccm, GLUCOSE, fluxes_of_interest="G6PDH", prices=prices, draws=2)
    assert found["efficient"].sel(design="12")
    assert np.isnan(found["cost"].sel(design="U"))
    assert not found["efficient"].sel(design="U")


def test_the_default_candidates_say_what_was_left_out(ccm):
    found = fluxkit.design_tracers(ccm, fluxes_of_interest=["PC"], draws=2)
    assert set(ccm.standard_tracers) <= set(found["design"].values.tolist())
    assert "glc_D2" in json.loads(found.attrs["left_out"])
    assert found["units"].values.tolist() == [ccm.flux_unit]
    table = design_table(found)
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert table["relative PC"].between(0, 1).all()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"fluxes_of_interest": ["G6PD"]}, UnknownNameError, "Did you mean 'G6PDH'"),
        ({"candidates": ["[2-2H]glucose"]}, TracerError, "has no H atoms"),
        ({"candidates": {"x": "[1-13C]mannitol"}}, TracerError, "candidate 'x': "),
        ({"candidates": []}, TracerError, "leave candidates out"),
        ({"candidates": "[1-13C]glucose"}, TracerError, "must be a list or mapping"),
        ({"candidates": ["[1-13C]glucose"] * 2}, TracerError, "comes twice"),
        ({"candidates": {"none": []}}, TracerError, "holds no experiment"),
        ({"draws": 0}, FluxError, "at least one flux state; give 32"),
        ({"difference": 0.0}, FluxError, "to detect is 0.0; give a positive number"),
        ({"difference": {"PX": 1.0}}, UnknownNameError, "no flux of interest"),
        ({"parallel": 0}, TracerError, "give 1, 2 or 3"),
        ({"rank_by": "beauty"}, UnknownNameError, "cannot be ranked by 'beauty'"),
        ({"measurements": ["citrat"]}, UnknownNameError, "Did you mean 'citrate'"),
        ({"measurements": "citrate"}, LabelingError, "must be a list of names"),
        ({"measurements": {"a": []}}, LabelingError, "at least one measured name"),
        ({"measurements": ["citrate", "citrate"]}, LabelingError, "twice"),
        ({"measurements": ["glucose"]}, LabelingError, "external pool"),
        ({"noise": NoiseModel(0.01), "purity": 1.5}, TracerError, "purity must lie between 0 and 1"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_the_cure(ccm, given, error, message):
    ask = {"candidates": ["[1-13C]glucose"], "fluxes_of_interest": ["PC"], "draws": 1, **given}
    with pytest.raises(error) as caught:
        fluxkit.design_tracers(ccm, ask.pop("candidates"), **ask)
    assert message in str(caught.value)


def test_too_many_sets_are_refused(simple):
    many = {f"{i}": f"A_x: {i / 4}% [1-13C]" for i in range(1, 301)}
    with pytest.raises(TracerError, match="give fewer candidates"):
        fluxkit.design_tracers(simple, many, parallel=2, draws=1)
