"""What tissues burn and what their TCA cycle is fed with, against labeling and against the sum over the body."""

import numpy as np
import pytest

from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.fluxes import draw_fluxes
from fluxkit.labeling import simulate
from fluxkit.networks import load_network
from fluxkit.physiology import (
    carbon_sources,
    conversions_of_state,
    oxidation_by_tissue,
    tissue_fuels,
    unlabeled_share_of_urine,
)

BODY = load_network("wholebody")
STATE = BODY.reference_fluxes()
POOLS = ["AcCoA.M", "Mal.M", "Mal.B", "Mal.K", "PEP.L"]


def enrichment(labeling, name):
    mine = labeling.isel(experiment=0, isotopologue=labeling["fragment"].values == name)
    shifts = mine["mass_shift"].values
    return float((mine["mid"].values * shifts).sum() / shifts.max())


@pytest.mark.parametrize(("tracer", "error"), [("Glc_inf_x: 100% [U-13C6]", 0.15), ("OFA_inf_x: 100% [U-13C2]", 0.05)])
def test_the_label_of_a_tissue_pool_is_that_of_its_sources_in_their_proportions(tracer, error):
    """What cycles through other nutrients is not labeled evenly: mean enrichment is off, more for glucose."""
    sources = carbon_sources(STATE, BODY, POOLS)["value"]
    plasma = [each for each in sources["source"].values if each != "stores"]
    names = [f"{each}.P:C" for each in plasma]
    labeling = simulate(BODY, STATE, tracer, fragments=[*names, *(f"{each}:C" for each in POOLS)])
    rich = np.array([enrichment(labeling, name) for name in names])
    for pool in POOLS:
        expected = float(sources.sel(pool=pool, source=plasma).values @ rich)
        assert enrichment(labeling, f"{pool}:C") == pytest.approx(expected, rel=error, abs=2e-5), pool


def test_shares_of_carbon_sum_to_one():
    np.testing.assert_allclose(carbon_sources(STATE, BODY, POOLS)["value"].sum("source"), 1, rtol=0, atol=1e-9)


def test_what_tissues_burn_sums_to_the_carbon_dioxide_of_the_body():
    burnt = oxidation_by_tissue(STATE, BODY)
    whole = conversions_of_state(STATE, BODY, ["CO2"])
    assert burnt.attrs["units"] == whole.attrs["units"] == "nmol C/min/g body weight"
    difference = whole["value"].sel(target="CO2") - burnt["value"].sum("tissue")
    infused = STATE["net_flux"].sel(reaction="INF_HCO3").item()
    assert float(difference.sel(source="stores")) == pytest.approx(infused, rel=1e-9)
    np.testing.assert_allclose(difference.drop_sel(source="stores"), 0, rtol=0, atol=1e-9)


def test_red_cells_burn_nothing_and_the_brain_burns_glucose():
    burnt = oxidation_by_tissue(STATE, BODY)["value"]
    assert (abs(burnt.sel(tissue="E")) < 1e-12).all()
    assert burnt.sel(tissue="B").idxmax("source").item() == "Glc"


def test_fuels_are_the_three_accounts_by_the_names_of_tissues():
    states = draw_fluxes(BODY, 2, seed=0)
    fuels = tissue_fuels(states, BODY)
    fed = carbon_sources(states, BODY, ["Mal.M"])["value"].sel(pool="Mal.M")
    np.testing.assert_allclose(fuels["tca"].sel(tissue="muscle", source=fed["source"]), fed)
    burnt = oxidation_by_tissue(states, BODY)["value"].sel(tissue="B", source="BHB")
    np.testing.assert_allclose(fuels["burnt"].sel(tissue="brain", source="BHB"), burnt)
    assert fuels["burnt"].attrs["units"] == "nmol C/min/g body weight"
    assert fuels["tca"].sel(tissue="red cells").isnull().all()
    assert "CO2" not in fuels["burnt"].dropna("source", how="all")["source"]
    np.testing.assert_allclose(fuels["made"].sum("source"), 1, rtol=0, atol=1e-9)
    assert fuels["made"].sel(source="Glc").isnull().all()


def test_a_network_without_the_pool_has_no_fuels():
    with pytest.raises(UnknownNameError, match="no tissue of 'wholebody' has a pool 'Malate'; they have"):
        tissue_fuels(STATE, BODY, pool="Malate")


def test_unknown_pools_and_products_are_refused():
    with pytest.raises(UnknownNameError, match=r"no tissue of 'wholebody' has a pool 'Mal.X' with carbon"):
        carbon_sources(STATE, BODY, ["Mal.X"])
    with pytest.raises(UnknownNameError, match="plasma has no nutrient 'CO'"):
        oxidation_by_tissue(STATE, BODY, product="CO")


def test_urine_is_the_mean_of_the_enrichment_over_its_collection():
    times = np.linspace(30, 150, 200_001)
    mean = np.trapezoid(1 - np.exp(-times / 200), times) / 120
    assert unlabeled_share_of_urine(200, 30, 150) == pytest.approx(1 - mean, rel=1e-9)
    assert unlabeled_share_of_urine(1e-3, 0, 150) == pytest.approx(1e-3 / 150)  # a fast pool is steady at once


@pytest.mark.parametrize(("values", "message"), [((0, 0, 1), "must be positive"), ((10, 5, 5), "two rising times")])
def test_impossible_collections_are_refused(values, message):
    with pytest.raises(FluxError, match=message):
        unlabeled_share_of_urine(*values)
