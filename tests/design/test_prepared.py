"""What is prepared once for many tracers is what the library says of each: MIDs of simulate, widths of a ranking."""

import numpy as np
import pytest

import fluxkit
from fluxkit.design import optimise_mixture
from fluxkit.design.mixtures import best_mixture
from fluxkit.design.prepared import PreparedDesign, asked, expect
from fluxkit.errors import LabelingError, TracerError, UnknownNameError
from fluxkit.labeling import parse_tracers

CASES = {
    "toy": ("A_x: 60% [2-13C] + 20% [1,3-13C2]", ("v2", "v5"), 0.98),
    "ccm": ("Glc_x: 50% [1,2-13C2] + 40% [U-13C6]; Gln_x: 70% [U-13C5,15N2]", ("G6PDH", "PC", "exchange(LDH)"), 0.99),
    "coculture": ("Glc_feed_x: 100% [1,2-13C2]", ("T_PDH", "F_PC", "T_PC / T_PDH"), 1.0),
    "liver_hc": ("Glc_x: 100% [6,7-2H2]; H_x: 5% [1-2H]", ("GLYG", "PC"), 0.97),
}


def prepare(name, **given):
    network = fluxkit.load_network(name)
    return PreparedDesign(network, CASES[name][1], **{"draws": 3, "seed": 4, **given})


@pytest.mark.parametrize("name", CASES)
def test_predicted_mids_are_those_of_simulate_at_each_state(name):
    network = fluxkit.load_network(name)
    text, fluxes, purity = CASES[name]
    states = fluxkit.draw_fluxes(network, 3, seed=7)
    prepared = prepare(name, states=states)
    tracers = parse_tracers(text, network)
    expectation = expect(prepared, tracers, fluxes, purity=purity)
    known = prepared.question(tracers.labeled_elements).states
    for k in range(3):
        weights = dict(zip(known.weight_names, known.weights[k].tolist(), strict=True))
        made = fluxkit.simulate(
            network, states.isel(draw=k), text, fragments=list(expectation.mids), purity=purity, weights=weights
        )
        found = np.concatenate([each[k] for each in expectation.mids.values()])
        np.testing.assert_allclose(found, made["mid"].values.ravel(), atol=1e-9)  # rounding of two programs
        names = [shift for each in expectation.names.values() for shift in each]
        assert names == [f"M+{shift}" for shift in made["mass_shift"].values]


@pytest.mark.parametrize("name", CASES)
def test_expected_widths_are_those_of_a_ranking(name):
    network = fluxkit.load_network(name)
    text, fluxes, purity = CASES[name]
    expectation = expect(prepare(name), parse_tracers(text, network), fluxes, purity=purity)
    ranked = fluxkit.design_tracers(network, [text], fluxes_of_interest=fluxes, draws=3, seed=4, purity=purity).squeeze(
        "design"
    )
    for own, other in (
        (expectation.width.mean(axis=0), "expected_width"),
        (expectation.prior_width.mean(axis=0), "prior_width"),
        (expectation.information_gain.mean(), "information_gain"),
    ):
        np.testing.assert_allclose(own, ranked[other], rtol=1e-6)  # programs with other inputs left open


def test_some_fluxes_and_measurements_are_those_of_a_ranking_of_measurement_sets():
    network = fluxkit.load_network("ccm")
    text, fluxes, purity = CASES["ccm"]
    prepared = prepare("ccm")
    names = list(prepared.measurable("CN"))
    few = [names[0], names[4], names[-1]]
    expectation = expect(prepared, parse_tracers(text, network), fluxes[1:], few, purity)
    assert list(expectation.mids) == few
    ranked = fluxkit.design_tracers(
        network, {"t": text}, fluxes_of_interest=fluxes[1:], measurements={"few": few, "all": names},
        draws=3, seed=4, purity=purity,
    )  # fmt: skip
    np.testing.assert_allclose(expectation.width.mean(axis=0), ranked["expected_width"].sel(design="t, few"), rtol=1e-6)


def test_a_prepared_question_has_the_best_mixture_of_optimise_mixture():
    network = fluxkit.load_network("ccm")
    labels = ["Glc_x: [1,2-13C2]", "Glc_x: [U-13C6]"]
    prepared = prepare("ccm")
    found = best_mixture(asked(prepared, "C", ["PC", "G6PDH"]), labels)
    alone = optimise_mixture(network, labels, fluxes_of_interest=["PC", "G6PDH"], draws=3, seed=4)
    assert found.value == pytest.approx(alone.value, rel=1e-5)


def test_what_sees_no_label_is_not_measurable():
    prepared = prepare("ccm")
    assert "glutamate" in prepared.measurable("N")
    assert "pyruvate" in prepared.measurable("C")
    assert "pyruvate" not in prepared.measurable("N")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"fluxes": ["PD"]}, UnknownNameError, "not among those that can be chosen"),
        ({"fluxes": []}, UnknownNameError, "choose at least one"),
        ({"measurements": []}, LabelingError, "measure more"),
        ({"tracers": "Glc_x: ?% [U-13C6]"}, TracerError, "leaves a percentage open"),
    ],
)
def test_what_cannot_be_predicted_is_refused_with_the_cure(given, error, message):
    prepared = prepare("ccm")
    ask = {"tracers": "Glc_x: [U-13C6]", "fluxes": ["PC"], **given}
    with pytest.raises(error, match=message):
        expect(prepared, parse_tracers(ask.pop("tracers"), prepared.network), **ask)
