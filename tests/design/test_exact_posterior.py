"""The linearised width is that of the exact posterior, where the data determine a flux."""

import pytest

import fluxkit
from fluxkit.inference import QuantifySettings, SamplerSettings

NOISE = 0.005
CASES = [
    ("toy", "A_x: 100% [1-13C]", ["B", "D", "C", "E"], ["v5"], 0.15),
    ("mlflux_glyppp", "[1,2-13C2]glucose", ["F6P:C", "DHAP:C", "PG3:C", "R5P:C", "S7P:C", "G6P:C"], ["G6PDH"], 0.15),
    (
        "ccm",
        "[1,2-13C2]glucose",
        ["G6P", "FBP", "PG3", "R5P", "Lac", "Ala", "Ser", "Cit", "Glu", "Asp", "Mal"],
        ["G6PDH", "PC"],
        0.35,  # walls of the polytope and unknown shares, which the linearisation does not know
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "tracer", "fragments", "fluxes", "tolerance"), CASES)
def test_expected_widths_are_those_of_the_exact_posterior(name, tracer, fragments, fluxes, tolerance):
    network = fluxkit.load_network(name)
    states = fluxkit.draw_fluxes(network, 8, seed=0)
    for draw in (0, 1):
        state = states.isel(draw=slice(draw, draw + 1))
        found = fluxkit.design_tracers(
            network, [tracer], fluxes_of_interest=fluxes, measurements=fragments, states=state, noise=NOISE, seed=1
        )
        labeling = fluxkit.simulate(network, state.isel(draw=0), tracer, fragments=fragments, noise=NOISE, seed=3)
        settings = QuantifySettings(starts=8, fallbacks=False, sampler=SamplerSettings(seconds=20))
        estimate = fluxkit.quantify(labeling, network, model=None, settings=settings)
        for flux in fluxes:
            exact = float(estimate.posterior["net_flux"].sel(reaction=flux).std())
            linear = float(found["expected_width"].sel(flux=flux).squeeze())
            assert linear == pytest.approx(exact, rel=tolerance)
