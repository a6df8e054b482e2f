"""Costs add up, and the table of prices is checked."""

import math

import numpy as np
import pytest

import fluxkit
from fluxkit.design import PriceTable, candidate_tracers, read_prices, standard_tracers
from fluxkit.design.prices import efficient
from fluxkit.errors import LabelingError
from fluxkit.labeling import parse_tracers

PRICES = PriceTable({"[1-13C]glucose": 10.0, "[U-13C5]glutamine": 4.0}, {"GC": 7.0}, {"lactate": (2.0, "GC")})


def test_a_mixture_costs_its_fractions_and_unlabeled_molecules_nothing():
    network = fluxkit.load_network("ccm")
    mixture = parse_tracers("30% [1-13C]glucose; 50% [U-13C5]glutamine", network)
    assert PRICES.tracer_costs(network, [mixture]) == [pytest.approx(5.0)]
    assert PRICES.tracer_costs(network, [parse_tracers("Glc_x: 100% unlabeled", network)]) == [0.0]


def test_what_has_no_price_has_no_cost():
    network = fluxkit.load_network("ccm")
    assert math.isnan(PRICES.tracer_costs(network, [parse_tracers("[2-13C]glucose", network)])[0])
    assert math.isnan(PRICES.measurement_cost(["citrate"]))


def test_a_platform_is_paid_once_for_all_fragments_that_it_sees():
    prices = PriceTable({}, {"GC": 7.0}, {"*": (2.0, "GC"), "lactate": (1.0, "GC")})
    assert prices.measurement_cost(["lactate"]) == 8.0
    assert prices.measurement_cost(["lactate", "citrate", "malate"]) == 12.0


def test_all_common_tracers_have_a_price():
    known = read_prices().tracers
    assert len(standard_tracers()) == 26
    for text in standard_tracers().values():
        assert text.rpartition("% ")[2] in known


def test_what_a_network_cannot_take_is_left_out_with_a_note():
    found, left_out = candidate_tracers(fluxkit.load_network("ccm"))
    assert {"glc_12", "gln_U", "gln_amideN", "lac_U"} <= set(found)
    assert "no H atoms" in left_out["glc_D2"]
    assert "no input pool 'water'" in left_out["water_5"]
    texts = [each.text for each in found.values()]
    assert len(set(texts)) == len(texts)


def test_an_efficient_design_is_beaten_by_none():
    rng = np.random.default_rng(0)
    cost, gain = rng.integers(1, 20, 60).astype(float), rng.integers(1, 20, 60).astype(float)
    cost[:3] = np.nan
    found = efficient(cost, gain)
    for i in range(60):
        beaten = ((cost < cost[i]) & (gain >= gain[i])) | ((cost <= cost[i]) & (gain > gain[i]))
        if found[i]:
            assert not beaten.any()
        elif np.isfinite(cost[i]):
            assert beaten.any() or (found & (cost == cost[i]) & (gain == gain[i])).any()
    assert not found[:3].any()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tracer\t[1-13C]glucose\t-5\t1\t", "'-5' is no price or amount; give zero or a positive number"),
        ("tracer\t[1-13C]glucose\tcheap\t1\t", "'cheap' is no price"),
        ("tracr\t[1-13C]glucose\t5\t1\t", "kind 'tracr'; write tracer, platform or measurement"),
        ("measurement\t*\t5\t1\tNMR", "needs the platform 'NMR', which has no price"),
    ],
)
def test_a_wrong_table_of_prices_is_refused_with_its_place(tmp_path, line, message):
    path = tmp_path / "prices.tsv"
    path.write_text(f"kind\tname\tprice\tamount\tplatform\n{line}\n", encoding="utf-8")
    with pytest.raises(LabelingError) as caught:
        read_prices(path)
    assert message in str(caught.value)


def test_a_negative_price_is_refused():
    with pytest.raises(LabelingError, match="the price of 'GC' is -1"):
        PriceTable({}, {"GC": -1.0})


def test_a_missing_table_is_refused_with_the_one_to_copy(tmp_path):
    with pytest.raises(LabelingError, match="copy .*prices.tsv"):
        read_prices(tmp_path / "none.tsv")
