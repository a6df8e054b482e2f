from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.view import comparison_figure, interval_figure, marginal_figure, mid_figure, residual_figure
from fluxkit.view.figure_style import OPEN, PRIOR
from fluxkit.view.figure_tables import (
    comparison_table,
    count_determined,
    interval_table,
    isotopologue_table,
    marginal_table,
    residual_table,
    worst_residuals,
)
from fluxkit.view.flux_figures import signed_log
from tests.view.synthetic_estimate import synthetic_comparison, synthetic_estimate


@pytest.fixture(scope="module")
def ccm():
    return synthetic_estimate("ccm")


@pytest.fixture(scope="module")
def toy():
    return synthetic_estimate("toy", experiments=2)


def test_every_measured_isotopologue_has_a_row_and_nothing_else(toy):
    measured = toy.fit["measured"].values
    table = isotopologue_table(toy)
    assert len(table) == np.isfinite(measured).sum() == 14
    kept = measured[np.isfinite(measured)]
    np.testing.assert_array_equal(table["measured"], kept)
    np.testing.assert_allclose(table["residual"], (table["fitted"] - table["measured"]) / table["sd"], atol=1e-12)


def test_a_fit_without_experiments_gives_the_same_table(toy):
    one = SimpleNamespace(fit=toy.fit.isel(experiment=0, drop=True))
    table = isotopologue_table(one)
    assert set(table["experiment"]) == {""}
    first = isotopologue_table(toy)
    first = first[first["experiment"] == "tracer 1"]
    np.testing.assert_array_equal(table["fitted"], first["fitted"])


def test_sorted_residuals_stand_beside_their_normal_order_statistics(ccm):
    table = residual_table(ccm)
    assert (np.diff(table["residual"]) >= 0).all()
    # the middle of an odd number of ranks is the median of the normal; the ranks are symmetric
    np.testing.assert_allclose(table["expected"] + table["expected"][::-1].to_numpy(), 0, atol=1e-12)
    assert norm.cdf(table["expected"].iloc[0]) == pytest.approx(0.625 / (len(table) + 0.25))
    name, size = worst_residuals(ccm, 1)[0]
    assert abs(size) == table["residual"].abs().max()
    assert name in set(table["name"])


def test_intervals_keep_the_order_of_the_network_and_tell_three_kinds_apart(ccm):
    table = interval_table(ccm)
    assert tuple(table["reaction"]) == ccm.network.reaction_names
    assert table.set_index("reaction").at["GLC_up", "status"] == "fixed"
    known, free = count_determined(ccm)
    assert free == len(table) - 1
    assert known == (table["status"] == "determined").sum()
    exchange = interval_table(ccm, "exchange")
    assert len(exchange) == ccm.network.reversible.sum()


def test_prior_and_posterior_densities_integrate_to_one(ccm):
    net = marginal_table(ccm, "PDH")
    width = net["upper"] - net["lower"]
    assert (net["prior"] * width).sum() == pytest.approx(1)
    assert (net["posterior"] * width).sum() == pytest.approx(1)
    exchange = marginal_table(ccm, "LDH", "exchange")
    decades = np.log10(exchange["upper"]) - np.log10(exchange["lower"])
    assert (exchange["posterior"] * decades).sum() == pytest.approx(1)


def test_a_fixed_flux_still_has_a_histogram(ccm):
    table = marginal_table(ccm, "GLC_up")
    assert table["lower"].iloc[0] < 100 < table["upper"].iloc[-1]
    assert ((table["upper"] - table["lower"]) * table["posterior"]).sum() == pytest.approx(1)
    assert len(marginal_figure(ccm, "GLC_up").data) == 2


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_the_flux_axis_is_odd_and_keeps_order(value, linear):
    here, there, more = signed_log(np.array([value, -value, value + abs(value) * 0.1 + linear]), linear)
    assert here == -there
    assert more > here


def test_bars_are_fitted_and_dots_are_measured(toy):
    figure = mid_figure(toy, fragments=["F"])
    table = isotopologue_table(toy, ["F"])
    bars = np.concatenate([np.asarray(each.y) for each in figure.data if each.type == "bar"])
    dots = [each for each in figure.data if each.type == "scatter" and each.error_y.array is not None]
    np.testing.assert_array_equal(bars, table["fitted"])
    np.testing.assert_array_equal(np.concatenate([each.y for each in dots]), table["measured"])
    np.testing.assert_array_equal(np.concatenate([each.error_y.array for each in dots]), table["sd"])
    assert [each.text for each in figure.layout.annotations] == ["F, tracer 1", "F, tracer 2"]


def test_panels_neither_overlap_nor_leave_the_page(ccm):
    figure = mid_figure(ccm, columns=4)
    boxes = []
    for i in range(figure.layout.meta["panels"]["count"]):
        suffix = str(i + 1) if i else ""
        boxes.append((*figure.layout[f"xaxis{suffix}"].domain, *figure.layout[f"yaxis{suffix}"].domain))
    assert all(0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 for x0, x1, y0, y1 in boxes)
    for i, (x0, x1, y0, y1) in enumerate(boxes):
        for u0, u1, v0, v1 in boxes[:i]:
            assert x1 <= u0 or u1 <= x0 or y1 <= v0 or v1 <= y0


def test_every_flux_is_drawn_once_and_the_undetermined_are_grey(ccm):
    figure = interval_figure(ccm)
    dots = [each for each in figure.data if each.mode == "markers" and each.x[0] is not None]
    drawn = {str(name): each.marker.line.color for each in dots for name in each.y}
    table = interval_table(ccm)
    assert sum(len(each.y) for each in dots) == len(table)
    for row in table.to_dict("records"):
        assert (drawn[row["reaction"]] == OPEN) == (row["status"] == "not determined")
    priors = [each for each in figure.data if each.mode == "lines" and each.line.color == PRIOR]
    assert sum(len(each.x) for each in priors) == 3 * len(table)


def test_intervals_lie_where_the_axis_says(toy):
    figure = interval_figure(toy, reactions=["v2"])
    row = interval_table(toy, reactions=["v2"]).iloc[0]
    ticks = dict(zip(figure.layout.xaxis.ticktext, figure.layout.xaxis.tickvals, strict=True))
    assert ticks["0"] == 0
    segment = next(each for each in figure.data if each.mode == "lines" and each.line.color != PRIOR)
    assert (segment.x[0] < ticks["10"]) == (row["lower"] < 10)
    assert segment.x[0] < segment.x[1]


def test_clear_changes_are_coloured_and_fixed_fluxes_are_not(ccm):
    table = synthetic_comparison(ccm, ccm).head(3)
    table["probability_changed"] = [np.nan, 0.97, 0.94]
    table["difference"] = [0.0, -5.0, 5.0]
    assert list(comparison_table(table)["change"]) == ["no clear change", "lower", "no clear change"]
    figure = comparison_figure(table)
    assert {each.name for each in figure.data if each.name} == {"lower", "no clear change"}


def test_names_of_the_worst_isotopologues_stand_apart(ccm):
    figure = residual_figure(ccm)
    for side in (1, -1):
        places = sorted(note.ay for note in figure.layout.annotations if note.ay * side > 0)
        low, high = figure.layout.yaxis.range
        assert all(b - a > 0.05 * (high - low) for a, b in pairwise(places))
        assert all(low < place < high for place in places)


@pytest.mark.parametrize(
    ("draw", "error", "message"),
    [
        (lambda e: mid_figure(e, ["citrat"]), UnknownNameError, "no fragment is called 'citrat'. Did you mean"),
        (lambda e: interval_figure(e, "nett"), FluxError, "kind of flux is called 'nett'. Did you mean 'net'"),
        (lambda e: interval_figure(e, reactions=["PDHH"]), UnknownNameError, "'PDHH'. Did you mean 'PDH'"),
        (lambda e: marginal_figure(e, "PDHH"), UnknownNameError, "no net flux of reaction 'PDHH'"),
        (lambda e: comparison_figure(e.intervals), FluxError, "the comparison lacks column 'difference'"),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest_ones(ccm, draw, error, message):
    with pytest.raises(error, match=message):
        draw(ccm)
