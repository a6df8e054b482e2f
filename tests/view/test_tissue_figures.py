"""The figure of what tissues are fed with shows medians and intervals of the draws."""

import numpy as np
import pytest
import xarray as xr

from fluxkit.errors import UnknownNameError
from fluxkit.view import tissue_source_figure


def shares(seed):
    rng = np.random.default_rng(seed)
    values = rng.dirichlet(np.ones(4), (200, 2))
    coords = {"pool": ["Mal.L", "Mal.M"], "source": ["Glc", "Lac", "Pyr", "stores"]}
    return xr.DataArray(values, coords, ("draw", "pool", "source"))


GROUPS = {"glucose": ["Glc"], "lactate and pyruvate": ["Lac", "Pyr"]}


def test_dots_are_medians_of_sums_and_bars_reach_to_the_quantiles():
    given = shares(0)
    figure = tissue_source_figure(given, GROUPS, names={"Mal.L": "liver"})
    both = given.sel(source=["Lac", "Pyr"]).sum("source")
    trace = figure.data[1]
    assert trace.name == "lactate and pyruvate"
    np.testing.assert_allclose(trace.x, both.median("draw"))
    np.testing.assert_allclose(trace.x + np.array(trace.error_x.array), both.quantile(0.95, "draw"))
    np.testing.assert_allclose(trace.x - np.array(trace.error_x.arrayminus), both.quantile(0.05, "draw"))
    assert list(figure.layout.yaxis.ticktext) == ["liver", "Mal.M"]


def test_two_assumptions_stand_one_below_the_other():
    figure = tissue_source_figure({"tail": shares(0), "arterial": shares(1)}, GROUPS)
    assert [each.name for each in figure.data] == [
        "glucose, tail", "lactate and pyruvate, tail", "glucose, arterial", "lactate and pyruvate, arterial",
    ]  # fmt: skip
    rows = np.array([each.y for each in figure.data])
    assert len(np.unique(rows.round(6))) == 8
    assert (abs(rows - np.round(rows)) < 0.5).all()


def test_rows_may_be_tissues_and_those_without_the_pool_are_left_out():
    given = shares(0).rename(pool="tissue").assign_coords(tissue=["liver", "muscle"])
    given = given.reindex(tissue=["liver", "red cells", "muscle"])
    assert list(tissue_source_figure(given, GROUPS).layout.yaxis.ticktext) == ["liver", "muscle"]


def test_unknown_sources_are_refused():
    with pytest.raises(UnknownNameError, match="no share is of the source 'Lak'"):
        tissue_source_figure(shares(0), {"lactate": ["Lak"]})
