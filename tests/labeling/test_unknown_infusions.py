"""Experiments that share one flux state but not the rate of infusion: an unknown part of a pool is labeled."""

import json

import numpy as np
import pytest

from fluxkit.emu import simulate_mids
from fluxkit.errors import TracerError
from fluxkit.fluxes import directed_fluxes
from fluxkit.labeling import measurement_model, parse_tracers, simulate
from fluxkit.labeling.likelihood import Likelihood
from fluxkit.labeling.programs import labeling_program
from fluxkit.networks import load_network

CCM = load_network("ccm")
NAMES = ["lactate", "citrate", "glutamate"]
OPEN = {"a": "Glc_x: ?% [U-13C6]", "b": "Glc_x: ?% [1,2-13C2]; Gln_x: 100% [U-13C5]"}


def closed(parts):
    return {
        "a": f"Glc_x: {100 * parts[0]}% [U-13C6]",
        "b": f"Glc_x: {100 * parts[1]}% [1,2-13C2]; Gln_x: 100% [U-13C5]",
    }


def problem(parts):
    """Likelihood with open parts of the data that these parts make, with the flux state and the shares."""
    labeling = simulate(CCM, CCM.reference_fluxes(), closed(parts), fragments=NAMES, noise=0.0)
    model = measurement_model(CCM, labeling.assign_attrs(tracers=json.dumps(OPEN)))
    program = labeling_program(CCM, model.fragments, tuple(parse_tracers(text, CCM) for text in OPEN.values()))
    known = np.flatnonzero(model.measured.ravel())
    data = labeling["mid"].values.ravel()[known]
    likelihood = Likelihood(program, model, known, data, np.full(len(known), 0.01), np.zeros(len(known), dtype=bool))
    return model, program, likelihood, data


def directed():
    state = CCM.reference_fluxes()
    net, exchange = state["net_flux"].values, state["exchange_flux"].values
    return directed_fluxes(CCM, net[None], exchange[None, CCM.reversible])


def test_a_labeled_part_acts_as_a_tracer_of_that_percentage():
    parts = (0.35, 0.8)
    model, _, likelihood, data = problem(parts)
    assert model.weight_names[-2:] == ("labeled part of Glc_x in a", "labeled part of Glc_x in b")
    shares = [CCM.observations.typical_weights[name] for name in model.weight_names[:-2]]
    found = likelihood.prediction(directed(), np.array([[*shares, *parts]]))
    np.testing.assert_allclose(found[0], data, rtol=0, atol=1e-12)


def test_the_gradient_by_a_labeled_part_is_that_of_finite_differences():
    model, program, likelihood, _ = problem((0.35, 0.8))
    rng = np.random.default_rng(0)
    fluxes = rng.uniform(1, 10, (1, program.flux_count))
    weights = rng.uniform(0.2, 0.8, (1, len(model.weight_names)))
    _, by_fluxes, by_weights = likelihood.log_likelihood(fluxes, weights)
    step = 1e-6 * np.eye(weights.size)
    values = [
        likelihood.log_likelihood(np.repeat(fluxes, weights.size, axis=0), weights + s * step)[0] for s in (1, -1)
    ]
    np.testing.assert_allclose(by_weights[0], (values[0] - values[1]) / 2e-6, rtol=1e-5, atol=1e-3)
    assert np.isfinite(by_fluxes).all()


def test_full_strength_is_the_plain_program():
    model, program, likelihood, _ = problem((1.0, 1.0))
    shares = [CCM.observations.typical_weights[name] for name in model.weight_names[:-2]]
    weights = np.array([[*shares, 1.0, 1.0]])
    plain = model.predict(simulate_mids(program, directed()), weights).ravel()
    known = np.flatnonzero(model.measured.ravel())
    np.testing.assert_allclose(likelihood.prediction(directed(), weights)[0], plain[known], rtol=0, atol=1e-12)


def test_the_text_reads_back():
    assert parse_tracers("Glc_x: ?% [U-13C6]", CCM).text == "Glc_x: ?% [U-13C6]"
    assert parse_tracers("?% [U-13C6]glucose", CCM).unknown == {"Glc_x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Glc_x: ?% [U-13C6] + 20% [1-13C]", "must be the only label of its pool"),
        ("Glc_x: x% [U-13C6]", r"cannot read the percentage 'x'; write a number .* or \?"),
    ],
)
def test_other_open_mixtures_are_refused(text, message):
    with pytest.raises(TracerError, match=message):
        parse_tracers(text, CCM)


def test_a_simulation_needs_numbers():
    with pytest.raises(TracerError, match="experiment 'a': .* leaves a percentage open"):
        simulate(CCM, CCM.reference_fluxes(), OPEN, fragments=NAMES)
