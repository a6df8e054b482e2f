import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import fluxkit
from fluxkit.errors import FluxError, LabelingError, UnknownNameError
from fluxkit.labeling import simulate
from fluxkit.physiology import (
    atom_enrichment,
    conversions_of_state,
    glucose_recycling,
    mixed_vein,
    organ_balances,
    quantity,
    substrate_cycle,
    tissue_balance,
    unmixed_vein,
    urea_turnover,
)
from tests.physiology.small_bodies import body

FLOW, AMOUNT = "mL/min/g", "nmol/mL"
positive = st.floats(0.1, 100.0)

LEG = body(
    "leg",
    """
    feed: S_x (ab) -> X.Pa (ab)
    inf: X_inf_x (ab) -> X.Pa (ab)
    past: X.Pa (ab) -> X.Pv (ab)
    take: X.Pa (ab) -> X.M (ab)
    use: X.M (ab) -> Out.M_x (ab)
    give: Prot.M_x (ab) -> X.Pv (ab)
    leave: X.Pv (ab) -> Out_x (ab)
    """,
)
"""A tissue that takes a nutrient up and gives the same nutrient off from its protein."""


def test_uptake_and_simultaneous_release_of_a_simulated_tissue_are_its_fluxes():
    net = {"feed": 90.0, "inf": 10.0, "past": 70.0, "take": 30.0, "use": 30.0, "give": 12.0, "leave": 82.0}
    labeling = simulate(LEG, net, "X_inf_x: 100% [U-13C2]").squeeze("experiment", drop=True)
    found = tissue_balance(
        quantity(2.0, 0.0, FLOW), quantity(50.0, 0.0, AMOUNT), quantity(41.0, 0.0, AMOUNT),
        atom_enrichment(labeling, "X.Pa"), atom_enrichment(labeling, "X.Pv"),
    )  # fmt: skip
    assert found.attrs == {"units": "nmol/min/g", "basis": "atom"}
    assert float(found["net_uptake"]) == pytest.approx(18.0)
    assert float(found["uptake"]) == pytest.approx(30.0)
    assert float(found["release"]) == pytest.approx(12.0)
    assert float(found["fractional_extraction"]) == pytest.approx(0.3)
    assert float(found["tracer_uptake"]) == pytest.approx(30.0 * 0.1)


@given(positive, positive, positive, st.floats(0.01, 1.0), st.floats(0.0, 1.0))
def test_uptake_is_net_uptake_and_release(flow, artery, vein, artery_enrichment, vein_enrichment):
    found = tissue_balance(
        quantity(flow, 0.01, FLOW), quantity(artery, 0.1, AMOUNT), quantity(vein, 0.1, AMOUNT),
        quantity(artery_enrichment, 0.01, "fraction", basis="atom"),
        quantity(vein_enrichment, 0.01, "fraction", basis="atom"),
    )  # fmt: skip
    np.testing.assert_allclose(
        found["uptake"], found["net_uptake"] + found["release"], atol=1e-9 * flow * (artery + vein)
    )


def test_errors_of_a_balance_agree_with_monte_carlo():
    rng, n = np.random.default_rng(1), 400_000
    values = {"q": (2.0, 0.02), "a": (50.0, 1.0), "v": (41.0, 1.0), "ea": (0.1, 0.002), "ev": (0.08, 0.002)}
    q, a, v, ea, ev = (rng.normal(*each, n) for each in values.values())
    found = tissue_balance(
        quantity(*values["q"], FLOW), quantity(*values["a"], AMOUNT), quantity(*values["v"], AMOUNT),
        quantity(*values["ea"], "fraction", basis="atom"), quantity(*values["ev"], "fraction", basis="atom"),
    )  # fmt: skip
    drawn = {"net_uptake": q * (a - v), "uptake": q * (a - v * ev / ea), "release": q * v * (1 - ev / ea)}
    for name, draws in drawn.items():  # errors of 1 to 3 %: the second order adds less than 1 %
        assert float(found[f"{name}_sd"]) == pytest.approx(draws.std(), rel=0.01)


@given(st.floats(0.0, 0.9), positive, positive)
def test_taking_arterial_blood_out_of_a_mixed_sample_gives_the_vein(share, artery, vein):
    whole = mixed_vein(
        quantity(np.array([share, 1 - share]), 0.0, FLOW), quantity(np.array([artery, vein]), 0.0, AMOUNT), "dim_0"
    )
    back = unmixed_vein(whole, quantity(artery, 0.0, AMOUNT), share)
    np.testing.assert_allclose(back["value"], vein, rtol=1e-9, atol=1e-9 * artery)


def test_balances_refuse_units_and_values_that_cannot_be():
    flow, blood = quantity(2.0, 0.0, FLOW), quantity(50.0, 0.0, AMOUNT)
    tracer = quantity(0.1, 0.0, "fraction", basis="atom")
    with pytest.raises(FluxError, match="flow is in 'mL/min/g' and concentration in 'nmol/L': the volumes must agree"):
        tissue_balance(flow, quantity(50.0, 0.0, "nmol/L"), blood)
    with pytest.raises(FluxError, match="venous concentration is in 'umol/mL', but 'nmol/mL' is needed"):
        tissue_balance(flow, blood, quantity(0.05, 0.0, "umol/mL"))
    with pytest.raises(FluxError, match="the flow is -2 mL/min/g"):
        tissue_balance(quantity(-2.0, 0.0, FLOW), blood, blood)
    with pytest.raises(FluxError, match="enrichment of both artery and vein"):
        tissue_balance(flow, blood, blood, tracer)
    with pytest.raises(FluxError, match="basis of the inputs is 'atom' and 'molecule'"):
        tissue_balance(flow, blood, blood, tracer, tracer.assign_attrs(basis="molecule"))
    with pytest.raises(FluxError, match="does not state its basis"):
        tissue_balance(flow, blood, blood, tracer, quantity(0.1, 0.0, "fraction"))
    with pytest.raises(LabelingError, match="no tracer reaches the tissue"):
        tissue_balance(flow, blood, blood, quantity(0.0, 0.0, "fraction", basis="atom"), tracer)
    with pytest.raises(LabelingError, match="the arterial share is 1 fraction"):
        unmixed_vein(blood, blood, 1.0)
    with pytest.raises(FluxError, match="no blood flows"):
        mixed_vein(quantity(np.zeros(2), 0.0, FLOW), quantity(np.ones(2), 0.0, AMOUNT), "dim_0")


@pytest.fixture(scope="module")
def mouse():
    return fluxkit.load_network("wholebody")


@pytest.mark.parametrize("name", ["wholebody", "wholebody_av", "wholebody_core"])
def test_what_organs_give_to_plasma_others_take(name):
    network = fluxkit.load_network(name)
    balances = organ_balances(network.reference_fluxes(), network, element="C")["value"]
    np.testing.assert_allclose(balances.sum("organ"), 0.0, atol=1e-6 * float(abs(balances).max()))


def test_organs_of_the_fasted_mouse_are_found_by_what_their_reactions_do(mouse):
    fluxes = mouse.reference_fluxes()
    balances = organ_balances(fluxes, mouse, ["Lac", "Glc", "Urea"])["value"]
    net = fluxes["net_flux"].to_series()
    assert float(balances.sel(nutrient="Lac", organ="L")) == pytest.approx(net["L_MCT"])
    assert float(balances.sel(nutrient="Glc", organ="L")) == pytest.approx(net["L_G6PC"] - net["L_HK"])
    assert float(balances.sel(nutrient="Lac", organ="E")) == pytest.approx(net["E_MCT"])
    assert float(balances.sel(nutrient="Glc", organ="outside")) == pytest.approx(net["INF_Glc"])


def test_glucose_cycles_of_the_fasted_mouse_are_those_of_its_liver_and_kidney(mouse):
    fluxes = mouse.reference_fluxes()
    net = fluxes["net_flux"].to_series()
    cori = glucose_recycling(fluxes, mouse)
    assert float(cori["partner_uptake"]) == pytest.approx(-3 * (net["L_MCT"] + net["K_MCT"]))
    alanine = glucose_recycling(fluxes, mouse, "Ala")
    assert float(alanine["partner_uptake"]) == pytest.approx(-3 * (net["L_ALAT"] + net["K_ALAT"]))
    both = conversions_of_state(fluxes, mouse, ["Glc"])["value"].sel(target="Glc")
    assert float(both.sel(source="Ala")) < float(both.sel(source="Lac")) < float(cori["glucose_release"])


def test_urea_made_is_split_again_or_excreted(mouse):
    fluxes = mouse.reference_fluxes()
    urea = urea_turnover(fluxes, mouse)
    assert float(urea["produced"]) == pytest.approx(float(fluxes["net_flux"].sel(reaction="L_UREA")))
    np.testing.assert_allclose(urea["produced"] + urea["infused"], urea["hydrolysed"] + urea["excreted"], rtol=1e-6)
    assert float(urea["nitrogen"]) == pytest.approx(2 * float(urea["produced"]))


def test_glucose_and_its_phosphate_run_in_a_cycle_in_liver(mouse):
    fluxes = mouse.reference_fluxes()
    net = fluxes["net_flux"].to_series()
    found = substrate_cycle(fluxes, mouse, "Glc.P", "G6P.L")
    assert float(found["cycle"]) == pytest.approx(min(net["L_HK"], net["L_G6PC"]))
    same = substrate_cycle(fluxes, mouse, "G6P.L", "Glc.P")
    assert float(same["forward"]) == pytest.approx(float(found["backward"]))


def test_names_that_a_body_does_not_have_are_refused(mouse):
    fluxes = mouse.reference_fluxes()
    with pytest.raises(
        UnknownNameError, match="plasma of network 'wholebody' has no nutrient 'Lax'. Did you mean 'Lac'"
    ):
        organ_balances(fluxes, mouse, ["Lax"])
    with pytest.raises(UnknownNameError, match="has no metabolite 'G6P.X'"):
        substrate_cycle(fluxes, mouse, "Glc.P", "G6P.X")
    cell = fluxkit.load_network("ccm")
    with pytest.raises(UnknownNameError, match="has no compartment .*Name its plasma"):
        organ_balances(cell.reference_fluxes(), cell)
    with pytest.raises(UnknownNameError, match="plasma has no nutrient 'NH3' with C"):
        conversions_of_state(fluxes, mouse, ["NH3"])


def test_a_tissue_of_unknown_flow_or_concentration_has_no_mixed_vein():
    index = xr.DataArray(["leg", "liver"], dims="tissue", coords={"tissue": ["leg", "liver"]})
    flow, blood = quantity(index.copy(data=[1.0, 3.0]), 0.0, FLOW), quantity(index.copy(data=[10.0, 20.0]), 0.0, AMOUNT)
    assert float(mixed_vein(flow, blood)["value"]) == 17.5
    assert float(mixed_vein(flow, blood.isel(tissue=[1, 0]))["value"]) == 17.5
    with pytest.raises(FluxError, match="flow or concentration is NaN at tissue 'liver'"):
        mixed_vein(flow, quantity(index.copy(data=[10.0, np.nan]), 0.0, AMOUNT))
    with pytest.raises(FluxError, match="flow or concentration is NaN at tissue 'leg'"):
        mixed_vein(quantity(index.copy(data=[np.nan, 3.0]), 0.0, FLOW), blood)
    with pytest.raises(FluxError, match="quantity 2 has no tissue 'leg', but quantity 1 has"):
        mixed_vein(flow, blood.isel(tissue=[1]))
