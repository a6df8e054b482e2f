"""Figures of designs show the numbers of the ranking."""

import numpy as np
import pytest

import fluxkit
from fluxkit.design import PriceTable
from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.view.design_figures import design_cost_figure, design_width_figure


@pytest.fixture(scope="module")
def designs():
    network = fluxkit.load_network("ccm")
    candidates = {"12": "[1,2-13C2]glucose", "U": "[U-13C6]glucose", "gln": "[U-13C5]glutamine"}
    return fluxkit.design_tracers(
        network, candidates, fluxes_of_interest=["G6PDH", "PC", "exchange(LDH)"], parallel=2, draws=3
    )


def test_dots_are_widths_relative_to_the_prior_in_the_order_of_the_ranking(designs):
    figure = design_width_figure(designs, ["PC"])
    drawn = {}
    for trace in figure.data:
        if trace.type == "scatter" and trace.mode == "markers":
            drawn |= dict(zip(np.asarray(trace.y).tolist(), np.asarray(trace.x).tolist(), strict=True))
    expected = (designs["expected_width"] / designs["prior_width"]).sel(flux="PC").values
    np.testing.assert_allclose([drawn[float(i)] for i in range(len(expected))], expected)
    assert list(figure.layout.yaxis.ticktext) == designs["design"].values.tolist()


def test_the_best_of_each_panel_is_marked(designs):
    figure = design_width_figure(designs, top=4)
    best = [trace for trace in figure.data if trace.name == "best of the panel"]
    assert len(best) == 3
    for trace, flux in zip(best, designs["flux"].values.tolist(), strict=True):
        lowest = designs["expected_width"].sel(flux=flux).isel(design=slice(0, 4)).values.argmin()
        assert list(trace.y) == [float(lowest)]


def test_every_design_of_known_cost_is_drawn_and_the_front_is_marked(designs):
    figure = design_cost_figure(designs)
    dots = [trace for trace in figure.data if trace.mode == "markers"]
    assert sum(len(trace.x) for trace in dots) == designs.sizes["design"]
    marked = {str(each[0]) for trace in dots if "none is better" in trace.name for each in trace.customdata}
    assert marked == set(designs["design"].values[designs["efficient"].values].tolist())


def test_what_cannot_be_drawn_is_refused(designs):
    with pytest.raises(UnknownNameError, match="not for the flux 'PCX'"):
        design_width_figure(designs, ["PCX"])
    with pytest.raises(FluxError, match="choose 1 to 6"):
        design_width_figure(designs, [])
    network = fluxkit.load_network("ccm")
    free = fluxkit.design_tracers(network, ["[1-13C]glucose"], fluxes_of_interest="PC", draws=1, prices=PriceTable())
    with pytest.raises(FluxError, match="no design has a known cost"):
        design_cost_figure(free)
