"""What the cards of the bundled networks say about labeling at their reference states."""

import numpy as np
import pytest

from fluxkit.labeling import simulate
from fluxkit.networks import load_network


def mid_of(name: str, tracer: str, fragment: str) -> np.ndarray:
    network = load_network(name)
    return simulate(network, network.reference_fluxes(), tracer, fragments=[fragment])["mid"].values.ravel()


def enrichment(name: str, tracer: str, fragment: str) -> float:
    mid = mid_of(name, tracer, fragment)
    return float(mid @ np.arange(len(mid)) / (len(mid) - 1))


def test_heavy_water_labels_the_hydrogens_of_glucose_as_liver_does():
    # H2 exchanges wholly, H5 comes with gluconeogenesis and H6 with the TCA cycle: H2 > H5 > H6
    network = load_network("liver_hc")
    names = [f"Glc:H[{i}]" for i in range(1, 8)]
    found = simulate(network, network.reference_fluxes(), "H_x: 5% [1-2H]", fragments=names)
    share = found["mid"].values.reshape(7, 2)[:, 1] / 0.05
    np.testing.assert_allclose(share, [0.39, 0.96, 0.81, 0.84, 0.91, 0.57, 0.44], atol=0.006)  # two digits


# Enrichment of the second nutrient over that of the infused one in plasma: at the reference state, and measured by
# Yuan et al. in fasted mice, toward whom the state was tuned
NORMALISED = [
    ("Glc", 6, "Lac.P", 0.62, 0.65),
    ("Lac", 3, "Glc.P", 0.23, 0.35),
    ("Glyc", 3, "Glc.P", 0.37, 0.35),
    ("Glyc", 3, "Lac.P", 0.27, 0.33),
    ("Lac", 3, "Ala.P", 0.52, 0.80),
    ("Gln", 5, "Glc.P", 0.040, 0.05),
    ("Pal", 2, "BHB.P", 0.077, 0.079),
    ("OFA", 2, "BHB.P", 0.33, 0.35),
    ("BHB", 4, "Glc.P", 0.013, 0.017),
]


@pytest.mark.parametrize(("infused", "carbons", "product", "stated", "measured"), NORMALISED)
def test_nutrients_of_the_body_label_each_other_as_stated_and_nearly_as_measured(
    infused, carbons, product, stated, measured
):
    tracer = f"{infused}_inf_x: 100% [U-13C{carbons}]"
    found = enrichment("wholebody", tracer, product) / enrichment("wholebody", tracer, f"{infused}.P")
    assert found == pytest.approx(stated, rel=0.02)
    assert 0.6 < found / measured < 1.1


def test_unlabeled_malate_tells_two_cell_types_apart():
    tracer = "Glc_feed_x: 100% [1,2-13C2]"
    shares = [mid_of("coculture", tracer, f"Mal.{cell}")[0] for cell in "TF"]
    np.testing.assert_allclose(shares, [0.61, 0.28], atol=0.005)


@pytest.mark.parametrize(
    ("tracer", "fragment", "change"),
    [
        ("Glc_x: 100% [U-13C6]", "OGA", 0.015),
        ("Glc_x: 100% [U-13C6]", "PYR", 0.012),
        ("Gln_x: 100% [U-13C5]", "OGA", 0.007),
        ("Glc_x: 100% [1,2-13C2]", "R5P", 0.006),
    ],
)
def test_symmetry_and_the_right_aldolase_change_published_labels(tracer, fragment, change):
    published, corrected = (mid_of(name, tracer, fragment) for name in ("mlflux_ccm", "mlflux_ccm_corrected"))
    assert np.abs(published - corrected).max() == pytest.approx(change, abs=0.0005)
