"""The information of an experiment is that of finite differences and of pencil and paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fluxkit
from fluxkit.design.criteria import detection_power, information_gain, posterior_covariance
from fluxkit.design.information import mids_with_jacobian
from fluxkit.design.readings import readings
from fluxkit.design.states import design_states
from fluxkit.labeling import parse_tracers


@pytest.mark.parametrize(
    ("name", "text", "fragments"),
    [
        (
            "ccm",
            "60% [1,2-13C2]glucose; 100% [U-13C5]glutamine",
            ("citrate", "lactate", "Glu.c:C", "hexose-6-phosphate"),
        ),
        ("ccm", "100% [U-13C5,15N2]glutamine", ("glutamate", "asparagine", "proline")),
        ("liver_hc", "5% [2H]water; 80% [6,6-2H2]glucose", ("glucose", "malate")),
    ],
)
def test_jacobians_are_finite_differences_of_simulated_labeling(name, text, fragments):
    network = fluxkit.load_network(name)
    tracers = parse_tracers(text, network)
    reader = readings(network, fragments, tracers.labeled_elements, tracers.labeled_pools)
    states = design_states(network, reader.weight_names, 2, seed=4)
    values, slopes = mids_with_jacobian(states, reader, reader.inputs(tracers, 0.99))
    weights = dict(zip(states.weight_names, states.weights[0].tolist(), strict=True))
    count = len(network.reactions)
    back = np.flatnonzero(network.reversible)

    def simulated(step, k):
        """Simulate after a small step along coordinate k, from forward and backward fluxes."""
        move = states.fluxes[0] + step * states.directions[0, k, : states.fluxes.shape[1]]
        net = move[:count].copy()
        net[back] -= move[count:]
        exchange = np.zeros(count)
        exchange[back] = np.minimum(move[:count][back], move[count:])
        own = {
            each: value + step * states.directions[0, k, states.fluxes.shape[1] + i]
            for i, (each, value) in enumerate(weights.items())
        }
        fluxes = dict(zip(network.reaction_names, net.tolist(), strict=True))
        swap = {network.reaction_names[i]: float(exchange[i]) for i in back}
        made = fluxkit.simulate(network, fluxes, text, exchange=swap, fragments=fragments, purity=0.99, weights=own)
        return made["mid"].values.ravel()

    np.testing.assert_allclose(values[0], simulated(0.0, 0), atol=1e-9)
    for k in range(0, states.size, 5):
        step = 1e-5
        numeric = (simulated(step, k) - simulated(-step, k)) / (2 * step)
        np.testing.assert_allclose(slopes[0, k], numeric, atol=1e-6)  # rounding of the balances / step


def test_the_toy_network_agrees_with_pencil_and_paper():
    """Under [1-13C]A only the first atom of B and D is labeled, by two linear balances.

    With v5 the flux into D from C and b the exchange flux of v2, D is fed by f = 100 - 2 v5 + b from B and by v5 with
    an unlabeled first atom: d = a x, a = f / (f + v5), and x (100 + b) = 100 + b d is the label of B.
    """
    network = fluxkit.load_network("toy")
    state = network.reference_fluxes()
    sd = 0.01
    found = fluxkit.design_tracers(
        network, ["A_x: [1-13C]"], fluxes_of_interest=["v5"], measurements=["D"], states=state, noise=sd
    )

    def label(v5, b):
        a = (100 - 2 * v5 + b) / (100 - v5 + b)
        return a * 100 / (100 + b - b * a)

    states = design_states(network, (), 1, 0, states=state)
    by_v5, by_b = label(20 + 1e-30j, 50).imag / 1e-30, label(20, 50 + 1e-30j).imag / 1e-30  # complex steps
    index = network.reaction_index["v5"]
    reach = states.space.basis[index, 0]
    backward = len(network.reactions)
    slope = np.array([by_v5 * reach, by_b * states.directions[0, 1, backward]])
    information = 2 * np.outer(slope, slope) / sd**2  # M+0 and M+1 move against each other
    expected = abs(reach) * np.sqrt(np.linalg.inv(np.eye(2) + information)[0, 0])
    assert float(found["expected_width"].squeeze()) == pytest.approx(expected, rel=1e-9)
    assert float(found["information_gain"].squeeze()) == pytest.approx(np.log(abs(reach) / expected), rel=1e-9)


def test_power_is_the_share_of_simulated_pairs_that_are_told_apart():
    rng = np.random.default_rng(0)
    prior, noise, delta, n = 2.0, 1.5, 3.0, 400_000
    first = prior * rng.standard_normal(n)
    seen = np.stack([first, first + delta]) + noise * rng.standard_normal((2, n))
    share = prior**2 / (prior**2 + noise**2)
    width = prior * np.sqrt(1 - share)
    told = np.abs(share * (seen[1] - seen[0])) > 1.959964 * np.sqrt(2) * width
    assert float(detection_power(width, prior, delta)) == pytest.approx(told.mean(), abs=3e-3)  # binomial error


def test_a_design_that_tells_nothing_detects_nothing():
    assert float(detection_power(np.array(2.0), np.array(2.0), np.array(50.0))) < 1e-6


def test_fluxes_that_follow_from_others_add_no_information():
    rng = np.random.default_rng(1)
    slopes = rng.standard_normal((1, 5, 8))
    gradients = rng.standard_normal((1, 2, 5))
    more = np.concatenate([gradients, gradients.sum(axis=1, keepdims=True)], axis=1)
    information = slopes @ slopes.mT
    gains = [information_gain(posterior_covariance(information, each), each)[0] for each in (gradients, more)]
    assert gains[0] == pytest.approx(gains[1], rel=1e-9)


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
@settings(max_examples=30)
def test_information_does_not_depend_on_units_and_never_falls_with_more_data(seed, exponent):
    rng = np.random.default_rng(seed)
    first, second = (each @ each.mT for each in rng.standard_normal((2, 1, 6, 3)))
    gradients = rng.standard_normal((1, 3, 6))
    scaled = gradients * np.array([1.0, 10.0**exponent, 5.0])[:, None]
    gain = information_gain(posterior_covariance(first, gradients), gradients)[0]
    assert gain == pytest.approx(information_gain(posterior_covariance(first, scaled), scaled)[0], rel=1e-6, abs=1e-9)
    assert information_gain(posterior_covariance(first + second, gradients), gradients)[0] >= gain - 1e-9
