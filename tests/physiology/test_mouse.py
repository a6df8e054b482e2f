from pathlib import Path

import numpy as np
import pytest

from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.physiology import (
    conversion_fluxes,
    direct_contributions,
    direct_oxidation,
    normalised_labeling,
    nutrient_cycle,
    quantity,
    read_mouse,
    recompute_turnover,
    turnover_table,
)

FOLDER = Path(__file__).parents[2] / "data" / "mouse_physiology"
MISSES = {"Glutamine", "C18:1", "Valine"}
"""What mean enrichment and protocol alone cannot explain; data/mouse_physiology/README.md says why."""


@pytest.fixture(scope="module")
def mouse():
    return read_mouse(FOLDER)


@pytest.fixture(scope="module")
def contributions(mouse):
    return direct_contributions(mouse.enrichment, draws=200)


def test_recomputed_turnover_agrees_with_the_published_within_the_errors_of_both(mouse):
    table = turnover_table(mouse)
    assert len(table) == 10
    assert table["consistent"].all()
    close = ["Glucose", "Lactate", "Glycerol", "Alanine", "Glutamine", "C16:0", "C18:2"]
    np.testing.assert_allclose(table.loc[close, "ratio"], 1.0, atol=0.1)


def test_the_misses_are_those_that_are_named(mouse):
    table = turnover_table(mouse)
    assert set(table.index[~table["inputs_explain"]]) == MISSES
    assert table.loc["Glutamine", "ratio"] == pytest.approx(1.08, abs=0.01)
    assert table.loc["C18:1", "ratio"] == pytest.approx(0.77, abs=0.01)
    assert table.loc["Valine", "ratio"] == pytest.approx(0.78, abs=0.01)


def test_published_oxidation_and_storage_are_the_circulatory_flux(mouse):
    import pandas as pd

    rows = pd.read_csv(FOLDER / "circulatory_fluxes.csv", index_col="nutrient")
    parts = rows["oxidation_nmol_C_per_min_per_g"] + rows["storage_nmol_C_per_min_per_g"]
    np.testing.assert_allclose(parts, rows["circulatory_flux_nmol_C_per_min_per_g"], rtol=2e-3)  # four digits


def test_normalised_labeling_of_the_mouse_is_that_of_its_table(mouse):
    ratio = normalised_labeling(mouse.enrichment)["value"]
    assert float(ratio.sel(tracer="Glucose", nutrient="Lactate")) == pytest.approx(0.65, abs=0.005)
    assert float(ratio.sel(tracer="Lactate", nutrient="Glucose")) == pytest.approx(0.345, abs=0.005)


def test_glucose_comes_directly_from_lactate_and_glycerol_and_fatty_acids_from_stores(contributions):
    share = contributions["contribution"]
    glucose = share.sel(target="Glucose").to_series().sort_values(ascending=False)
    assert list(glucose.index[:2]) == ["Lactate", "Glycerol"]
    assert share.sel(target="Lactate").idxmax().item() == "Glucose"
    assert (contributions["other"].sel(target=["C16:0", "C18:1", "C18:2", "Valine"]) > 0.95).all()
    inside = (contributions["lower"] <= share + 1e-9) & (share <= contributions["upper"] + 1e-9)
    assert inside.mean() > 0.95  # at the bound of zero a best value may leave the interval of the draws


def test_alanine_and_glutamine_do_not_fit_a_mixture_of_plasma_nutrients(contributions):
    misfit = contributions["chi_square"].to_series()
    assert set(misfit.index[misfit > 16.9]) == {"Alanine", "Glutamine"}  # 95 % of chi-square with 9 equations


def test_the_cori_cycle_of_the_mouse_carries_more_carbon_than_the_glucose_alanine_cycle(mouse, contributions):
    fluxes = conversion_fluxes(contributions, recompute_turnover(mouse), protocol="one infusion each")
    cori, alanine = (nutrient_cycle(fluxes, "Glucose", each) for each in ("Lactate", "Alanine"))
    assert float(cori["backward"]) == pytest.approx(124, abs=1)
    glycerol = fluxes.sel(source="Glycerol", target="Glucose")
    assert float(glycerol["value"]) == pytest.approx(94, abs=1)
    # the authors' own, doi:10.1101/2024.02.11.579776, nmol C/min/g
    assert abs(float(cori["backward"]) - 115) < float(cori["backward_sd"])
    assert abs(float(glycerol["value"]) - 96) < float(glycerol["sd"])
    assert float(cori["cycle"]) > 10 * float(alanine["cycle"])


def test_direct_oxidation_of_fatty_acids_is_the_published_and_all_of_it_is_less_than_the_co2_of_breath(mouse):
    share = mouse.oxidation["value"] / mouse.circulatory_flux["value"]
    oxidised = quantity(share, 0.05 * share, "fraction")
    found = direct_oxidation(mouse.enrichment, recompute_turnover(mouse, "atom disappearance"), oxidised, draws=50)
    published = {"C16:0": 150, "C18:1": 225, "C18:2": 403}  # nmol C/min/g, doi:10.1101/2024.02.11.579776
    for name, value in published.items():
        assert float(found["value"].sel(nutrient=name)) == pytest.approx(value, rel=0.1)
    assert 0.8 * 1750 < float(found["value"].sum()) < 1750  # CO2 production, nmol C/min/g, same study


def test_only_atoms_were_measured_so_molecules_have_no_turnover(mouse):
    with pytest.raises(FluxError, match="needs enrichment of basis 'molecule', but it states 'atom'"):
        recompute_turnover(mouse, "intact appearance")
    with pytest.raises(UnknownNameError, match="Give the folder data/mouse_physiology"):
        read_mouse(FOLDER / "elsewhere")
