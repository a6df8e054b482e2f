"""Optimised mixtures are at least as good as what they are mixed of, and their texts say what they are."""

import itertools

import numpy as np
import pytest

import fluxkit
from fluxkit.design import optimise_mixture
from fluxkit.errors import TracerError
from fluxkit.labeling import parse_tracers


@pytest.fixture(scope="module")
def ccm():
    return fluxkit.load_network("ccm")


def value_of(network, texts, **ask):
    found = fluxkit.design_tracers(network, {"mixture": list(texts)}, **ask)
    return float(found["information_gain"].squeeze())


def test_a_mixture_is_as_good_as_the_best_point_of_a_grid(ccm):
    """Where lactate alone is measured, mixtures with [U-13C6]glucose may beat pure tracers."""
    ask = {"fluxes_of_interest": ["PC", "PDH", "MCT_in"], "measurements": ["lactate", "citrate"], "draws": 4}
    labels = ["[1-13C]glucose", "[U-13C6]glucose"]
    best = optimise_mixture(ccm, labels, **ask)
    steps = itertools.product(range(0, 101, 20), repeat=2)
    grid = [f"Glc_x: {a}% [1-13C] + {b}% [U-13C6]" for a, b in steps if a + b <= 100]
    assert best.value >= max(value_of(ccm, [each], **ask) for each in grid) - 1e-6
    assert best.value >= max(best.pure.values())
    assert value_of(ccm, best.tracers, **ask) == pytest.approx(best.value, rel=1e-2)  # texts in tenths of a percent


def test_two_experiments_split_into_complementary_tracers(ccm):
    ask = {"fluxes_of_interest": ["G6PDH", "PC"], "draws": 4}
    labels = ["[1,2-13C2]glucose", "[U-13C6]glucose"]
    one, two = (optimise_mixture(ccm, labels, parallel=n, **ask) for n in (1, 2))
    assert two.value > one.value + 0.3
    assert two.fractions[0] != two.fractions[1]
    assert value_of(ccm, two.tracers, **ask) == pytest.approx(two.value, rel=1e-2)


def test_fractions_stay_on_the_simplex_of_each_pool(ccm):
    labels = ["[1,2-13C2]glucose", "[U-13C6]glucose", "[U-13C5]glutamine"]
    best = optimise_mixture(
        ccm, labels, fluxes_of_interest="PC", measurements=["malate"], draws=2, criterion="mean_relative_variance"
    )
    row = np.array(list(best.fractions[0].values()))
    assert (row >= 0).all()
    assert row[:2].sum() <= 1 + 1e-9
    assert row[2] <= 1
    assert 0 <= best.value <= min(best.pure.values()) + 1e-12
    parse_tracers(best.tracers[0], ccm)


@pytest.mark.parametrize(
    ("labels", "given", "message"),
    [
        ("[1-13C]glucose", {}, "give a list of single labels"),
        (["50% [1-13C]glucose"], {}, "no single label"),
        (["[1-13C]glucose", "Glc_x: [1-13C]"], {}, "comes twice"),
        (["[1-13C]glucose"], {"criterion": "beauty"}, "cannot be optimised for 'beauty'"),
        (["[1-13C]glucose"], {"parallel": 4}, "give 1, 2 or 3"),
    ],
)
def test_a_mixture_of_what_is_no_label_is_refused(ccm, labels, given, message):
    with pytest.raises(TracerError, match=message):
        optimise_mixture(ccm, labels, fluxes_of_interest="PC", draws=1, **given)
