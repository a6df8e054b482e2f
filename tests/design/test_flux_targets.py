"""Fluxes of interest are read, differentiated and refused."""

import numpy as np
import pytest

import fluxkit
from fluxkit.design.flux_targets import flux_targets, target_gradients
from fluxkit.design.states import design_states
from fluxkit.errors import FluxError, UnknownNameError


@pytest.fixture(scope="module")
def states():
    return design_states(fluxkit.load_network("ccm"), (), 6, seed=1)


def gradients(states, texts):
    targets = flux_targets(states.space.network, texts)
    return target_gradients(targets, states.space, states.net, states.exchange_sd, states.decades)


def test_the_gradient_of_an_expression_is_its_finite_difference(states):
    space, index = states.space, states.space.network.reaction_index

    def value(net):
        pick = {name: net[:, index[name]] for name in ("G6PDH", "PFK", "CS", "PDH")}
        return (2 * pick["G6PDH"] - pick["PFK"]) * -pick["PDH"] / (pick["CS"] + 1e2) + 0.5

    found = gradients(states, "(2*G6PDH - PFK) * -PDH / (CS + 1e2) + 0.5")[:, 0, : len(space.free)]
    step = 1e-5
    for k in range(len(space.free)):
        move = step * space.basis[:, k]
        numeric = (value(states.net + move) - value(states.net - move)) / (2 * step)
        np.testing.assert_allclose(found[:, k], numeric, atol=1e-6)  # central differences err by step^2


def test_a_net_flux_by_expression_is_the_net_flux(states):
    both = gradients(states, ["PC", "PC + 0 * CS"])
    np.testing.assert_allclose(both[:, 0], both[:, 1])


def test_prior_widths_of_net_fluxes_are_the_spread_of_prior_draws(states):
    network = states.space.network
    drawn = fluxkit.draw_fluxes(network, 2000, seed=2)["net_flux"]
    for name in ("G6PDH", "PC", "CS"):
        width = np.linalg.norm(gradients(states, name)[0, 0])
        assert width == pytest.approx(float(drawn.sel(reaction=name).std()), rel=0.1)  # coordinates are nearly white


def test_the_prior_width_of_an_exchange_flux_is_that_of_its_logarithm(states):
    network = states.space.network
    drawn = fluxkit.draw_fluxes(network, 4000, seed=3)["exchange_flux"].sel(reaction="LDH")
    spread = np.log10(drawn + states.space.exchange_scale.offset).std()
    assert np.linalg.norm(gradients(states, "exchange(LDH)")[0, 0]) == pytest.approx(float(spread), rel=0.05)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("G6PD", UnknownNameError, "has no reaction 'G6PD'. Did you mean 'G6PDH'"),
        ("G6PDX / CS", UnknownNameError, "flux of interest 'G6PDX / CS'"),
        ("exchange(PKX)", UnknownNameError, "has no reaction 'PKX'"),
        ("exchange(PK)", FluxError, "irreversible and has no exchange flux; ask for its net flux 'PK'"),
        ("G6PDH /", FluxError, "cannot read the flux of interest"),
        ("(G6PDH", FluxError, "cannot read the flux of interest"),
        ("G6PDH ^ 2", FluxError, "cannot read the flux of interest"),
        ("exchange(LDH) / PK", FluxError, "cannot read the flux of interest"),
        ("G6PDH PK", FluxError, "cannot read the flux of interest"),
    ],
)
def test_a_flux_that_cannot_be_understood_is_refused(text, error, message):
    with pytest.raises(error) as caught:
        flux_targets(fluxkit.load_network("ccm"), [text])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "message"),
    [([], "no flux of interest"), (["PC", "PC"], "comes twice"), (["GLC_up"], "is fixed"), (["PC / 0"], "divides by")],
)
def test_fluxes_that_no_design_can_be_for_are_refused(states, texts, message):
    with pytest.raises(FluxError, match=message):
        gradients(states, texts)
