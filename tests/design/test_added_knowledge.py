"""What measured rates, natural isotopes and open percentages do to a design, computed another way."""

import json

import numpy as np
import pytest

import fluxkit
from fluxkit.design import optimise_mixture
from fluxkit.design.information import input_jacobian, mids_with_jacobian
from fluxkit.design.open_fractions import drawn_fractions
from fluxkit.design.rate_information import rate_information
from fluxkit.design.readings import readings
from fluxkit.design.states import design_states
from fluxkit.errors import LabelingError, TracerError, UnknownNameError
from fluxkit.labeling import parse_tracers

UNIT = "nmol/min/g body weight"


@pytest.fixture(scope="module")
def liver():
    return fluxkit.load_network("liver_hc")


@pytest.fixture(scope="module")
def ccm():
    return fluxkit.load_network("ccm")


def conditioned(prior, rows, sd):
    """Return the covariance of normal coordinates given measured sums, by the formula of conditioning."""
    seen = rows @ prior
    return prior - seen.T @ np.linalg.solve(seen @ rows.T + np.diag(sd**2), seen)


def test_rates_alone_leave_what_conditioning_a_normal_prior_leaves(liver):
    rates = {"LACin": 10.0, "PC - PCC": 4.0}
    asked = ["PC", "GLYG", "LACout"]
    found = fluxkit.design_tracers(
        liver, ["Glc_x: 100% unlabeled"], fluxes_of_interest=asked, draws=2, rates=rates, rate_unit=UNIT
    ).squeeze("design")
    basis = design_states(liver, (), 1, 0).space.basis
    place = liver.reaction_index
    rows = np.array([basis[place["LACin"]], basis[place["PC"]] - basis[place["PCC"]]])
    left = conditioned(np.eye(basis.shape[1]), rows, np.array([10.0, 4.0]))
    reach = basis[[place[each] for each in asked]]
    expected = np.sqrt(np.einsum("kp,pq,kq->k", reach, left, reach))
    np.testing.assert_allclose(found["expected_width"], expected, rtol=1e-9)
    assert (found["expected_width"] < found["prior_width"]).all()


def test_an_unknown_factor_is_one_more_coordinate_without_a_prior(ccm):
    rates = {"GLC_up": 5.0, "MCT_out - MCT_in": 8.0, "GLN_up": 3.0}
    states = design_states(ccm, (), 3, 4)
    found = rate_information(states, rates)
    place, sd = ccm.reaction_index, np.array([5.0, 8.0, 3.0])
    rows = np.zeros((3, len(ccm.reactions)))
    rows[0, place["GLC_up"]] = rows[1, place["MCT_out"]] = rows[2, place["GLN_up"]] = 1.0
    rows[1, place["MCT_in"]] = -1.0
    free = len(states.space.free)
    for k in range(3):
        joint = np.hstack([rows @ states.space.basis, (rows @ states.net[k])[:, None]])  # by coordinates, by log factor
        prior = np.diag([*np.ones(free), 1e5])  # a factor that is known to 5 % does not feel it
        expected = conditioned(prior, joint, sd)[:free, :free]
        np.testing.assert_allclose(np.linalg.inv(np.eye(free) + found[k, :free, :free]), expected, atol=1e-6)


def test_one_rate_whose_factor_is_unknown_tells_nothing(ccm):
    states = design_states(ccm, (), 3, 4)
    np.testing.assert_allclose(rate_information(states, {"GLN_up": 3.0}), 0, atol=1e-9)


def test_rates_count_once_for_parallel_experiments(liver):
    ask = {"fluxes_of_interest": ["PC"], "draws": 3, "rates": {"PC": 20.0}, "rate_unit": UNIT}
    blank = "Glc_x: 100% unlabeled"
    found = fluxkit.design_tracers(liver, {"one": blank, "two": [blank, blank]}, **ask)["expected_width"]
    np.testing.assert_allclose(found.sel(design="one"), found.sel(design="two"))


def test_rates_never_widen_and_enter_mixtures_too(ccm):
    labels = ["[1,2-13C2]glucose", "[U-13C6]glucose"]
    ask = {"fluxes_of_interest": ["PC", "G6PDH"], "draws": 3, "measurements": ["lactate", "serine", "citrate"]}
    rates = {"GLC_up": 5.0, "MCT_out - MCT_in": 8.0, "G6PDH": 2.0}
    with_rates = optimise_mixture(ccm, labels, rates=rates, **ask)
    without = optimise_mixture(ccm, labels, **ask)
    assert all(with_rates.widths[each] <= without.widths[each] * (1 + 1e-3) for each in ("PC", "G6PDH"))
    ranked = fluxkit.design_tracers(ccm, [with_rates.tracers[0]], rates=rates, **ask).squeeze("design")
    assert with_rates.value == pytest.approx(float(ranked["information_gain"]), rel=5e-3)  # tenths of a percent


def test_with_natural_isotopes_mids_and_slopes_are_those_of_simulate(ccm):
    names = ("lactate", "serine")
    text = "Glc_x: 70% [1,2-13C2]"
    tracers = parse_tracers(text, ccm)
    reader = readings(ccm, names, "C", ("Glc_x",))
    states = design_states(ccm, sorted(reader.weight_names), 1, 3)
    values, slopes = mids_with_jacobian(states, reader, reader.inputs(tracers, 0.99), reader.spread("CHNOPS"))
    weights = dict(zip(states.weight_names, states.weights[0].tolist(), strict=True))
    count, back = len(ccm.reactions), np.flatnonzero(ccm.reversible)

    def simulated(step, k):
        move = states.fluxes[0] + step * states.directions[0, k, : states.fluxes.shape[1]]
        net, exchange = move[:count].copy(), np.zeros(count)
        net[back] -= move[count:]
        exchange[back] = np.minimum(move[:count][back], move[count:])
        own = {
            each: value + step * states.directions[0, k, states.fluxes.shape[1] + i]
            for i, (each, value) in enumerate(weights.items())
        }
        made = fluxkit.simulate(
            ccm, dict(zip(ccm.reaction_names, net.tolist(), strict=True)), text, fragments=names, purity=0.99,
            exchange={ccm.reaction_names[i]: float(exchange[i]) for i in back}, weights=own,
            natural_abundance="CHNOPS",
        )  # fmt: skip
        return made["mid"].values.ravel()

    np.testing.assert_allclose(values[0], simulated(0.0, 0), atol=1e-9)
    for k in range(0, states.size, 9):
        numeric = (simulated(1e-5, k) - simulated(-1e-5, k)) / 2e-5
        np.testing.assert_allclose(slopes[0, k], numeric, atol=1e-6)  # rounding of the balances / step


@pytest.mark.parametrize("natural", ["", "CHNOPS"])
def test_slopes_by_the_infused_part_are_those_of_differences(ccm, natural):
    reader = readings(ccm, ("lactate", "citrate"), "C", ("Glc_x",))
    states = design_states(ccm, sorted(reader.weight_names), 2, 3)
    spread = reader.spread(natural)
    low, high = (reader.inputs(parse_tracers(f"Glc_x: {each}% [U-13C6]", ccm), 0.99) for each in (20, 70))
    rows, direction = np.stack([low, high]), np.stack([high - low, high - low])
    step = 1e-5
    ahead, behind = (mids_with_jacobian(states, reader, rows + each * direction, spread)[0] for each in (step, -step))
    found = input_jacobian(states, reader, rows, direction, spread)
    np.testing.assert_allclose(found, (ahead - behind) / (2 * step), atol=1e-8)  # step^2 times a third derivative


def test_natural_isotopes_change_the_ranking_of_widths_and_are_written_down(ccm):
    ask = {"fluxes_of_interest": ["PC", "G6PDH"], "draws": 3, "measurements": ["lactate", "serine"]}
    clean, seen = (
        fluxkit.design_tracers(ccm, ["[1,2-13C2]glucose"], natural_abundance=each, **ask) for each in ("", "CHNOPS")
    )
    assert np.abs(clean["expected_width"] / seen["expected_width"] - 1).max() > 1e-3
    assert seen.attrs["natural_abundance"] == "CHNOPS"


def test_common_tracers_of_several_elements_are_left_out_where_natural_isotopes_count(ccm):
    found = fluxkit.design_tracers(
        ccm, fluxes_of_interest="PC", draws=1, measurements=["glutamate", "aspartate"], natural_abundance="CHNOPS"
    )
    assert "gln_U" in found["design"] and "gln_CN" not in found["design"]
    assert "labels several elements" in json.loads(found.attrs["left_out"])["gln_CN"]


def test_an_open_percentage_is_one_more_coordinate_of_its_experiment():
    network = fluxkit.load_network("toy")
    state, sd, seed = network.reference_fluxes(), 0.01, 5
    found = fluxkit.design_tracers(
        network, ["A_x: ?% [2-13C]"], fluxes_of_interest=["v5"], measurements=["B", "D"], states=state, noise=sd,
        seed=seed,
    )  # fmt: skip
    part, slope = (float(each[0, 0]) for each in drawn_fractions(parse_tracers("A_x: ?% [2-13C]", network), 1, seed))
    reader = readings(network, ("B", "D"), "C", ("A_x",))
    states = design_states(network, (), 1, seed, states=state)

    def text(f):
        return f"A_x: {100 * f!r}% [2-13C]"

    _, common = mids_with_jacobian(states, reader, reader.inputs(parse_tracers(text(part), network), 1.0))
    higher, lower = (
        fluxkit.simulate(network, state, text(part + each), fragments=["B", "D"])["mid"].values.ravel()
        for each in (1e-5, -1e-5)
    )
    joint = np.vstack([common[0], slope * (higher - lower) / 2e-5]) / sd
    covariance = np.linalg.inv(np.eye(len(joint)) + joint @ joint.T)  # of all coordinates; the last is the part
    reach = np.zeros(len(joint))
    reach[0] = states.space.basis[network.reaction_index["v5"], 0]
    assert float(found["expected_width"].squeeze()) == pytest.approx(np.sqrt(reach @ covariance @ reach), rel=1e-6)


def test_not_to_know_the_infused_part_never_tells_more(ccm):
    """Two open pools at the drawn parts, against the same parts as numbers."""
    states = fluxkit.draw_fluxes(ccm, 1, seed=3)
    text = "Glc_x: ?% [U-13C6]; Gln_x: ?% [U-13C5]"
    ask = {"fluxes_of_interest": ["PC", "G6PDH", "CS"], "noise": 0.005, "states": states}
    glucose, glutamine = (float(each) for each in drawn_fractions(parse_tracers(text, ccm), 1, 0)[0][0])
    known = f"Glc_x: {100 * glucose!r}% [U-13C6]; Gln_x: {100 * glutamine!r}% [U-13C5]"
    width = fluxkit.design_tracers(ccm, {"open": text, "known": known}, **ask)["expected_width"]
    assert (width.sel(design="open") > width.sel(design="known")).all()
    assert (width.sel(design="open") < fluxkit.design_tracers(ccm, [text], **ask)["prior_width"]).all()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"rates": {"GLC_upp": 1.0}}, UnknownNameError, "no reaction 'GLC_upp'"),
        ({"rates": {"GLC_up": -1.0}}, LabelingError, "give a positive number in glucose uptake = 100"),
        ({"rates": {"GLC_up": (250.0, 12.0)}}, LabelingError, "standard deviation of the rate 'GLC_up'"),
        ({"rates": {}}, LabelingError, "give standard deviations by reaction"),
        ({"natural_abundance": "Xx"}, LabelingError, "Xx"),
    ],
)
def test_knowledge_that_makes_no_sense_is_refused_with_the_cure(ccm, given, error, message):
    with pytest.raises(error) as caught:
        fluxkit.design_tracers(
            ccm, ["[1-13C]glucose"], fluxes_of_interest="PC", draws=1, measurements=["lactate"], **given
        )
    assert message in str(caught.value)


def test_fractions_are_what_a_mixture_is_optimised_for(ccm):
    with pytest.raises(TracerError, match="fractions are what is looked for"):
        optimise_mixture(ccm, ["Glc_x: ?% [1-13C]", "Glc_x: [U-13C6]"], fluxes_of_interest="PC", draws=1)
