import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxkit.errors import FluxError, LabelingError, UnknownNameError
from fluxkit.labeling import simulate
from fluxkit.physiology import (
    TURNOVER_DEFINITIONS,
    atom_enrichment,
    circulatory_flux,
    compare_turnover,
    from_range,
    in_carbon,
    infusion_rate,
    intact_fraction,
    quantity,
    turnover,
)
from tests.physiology.small_bodies import CORI, EXCHANGE, UNIT, cori_fluxes

EXACT = 1e-9  # the simulator and the formulas are both exact to rounding
rates = st.floats(0.1, 10.0)


def of_glucose(fluxes, definition):
    labeling = simulate(CORI, fluxes, "Glc_inf_x: 100% [U-13C6]").squeeze("experiment", drop=True)
    read = intact_fraction if definition.startswith("intact") else atom_enrichment
    infusion = quantity(fluxes["inf_glc"], 0.0, UNIT)
    return labeling, float(turnover(read(labeling, "Glc.P"), infusion, definition=definition)["value"])


def shares(labeling, fragment):
    return labeling["mid"].values[labeling["fragment"].values == fragment]


def test_without_recycling_intact_and_atom_appearance_are_the_flux_of_new_molecules():
    fluxes = cori_fluxes(new=8.0, glucose=2.0, again=0.0, lactate=0.0)
    for basis in ("intact", "atom"):
        assert of_glucose(fluxes, f"{basis} appearance")[1] == pytest.approx(8.0, rel=EXACT)
        assert of_glucose(fluxes, f"{basis} disappearance")[1] == pytest.approx(10.0, rel=EXACT)


@settings(max_examples=20)
@given(new=rates, glucose=rates, again=rates)
def test_atom_appearance_does_not_count_glucose_made_again_from_its_own_carbon(new, glucose, again):
    fluxes = cori_fluxes(new, glucose, again, lactate=0.0)
    assert of_glucose(fluxes, "atom appearance")[1] == pytest.approx(new, rel=1e-6)


@settings(max_examples=20)
@given(new=rates, glucose=rates, again=rates, lactate=rates)
def test_intact_appearance_counts_glucose_made_again_but_for_what_is_whole_again_by_chance(
    new, glucose, again, lactate
):
    fluxes = cori_fluxes(new, glucose, again, lactate)
    labeling, found = of_glucose(fluxes, "intact appearance")
    by_chance = shares(labeling, "Lac.P")[3] ** 2 / shares(labeling, "Glc.P")[6]  # two M+3 lactates make an M+6
    assert found == pytest.approx(new + again * (1 - by_chance), rel=1e-6)


def test_intact_appearance_tends_to_all_of_production_as_the_tracer_tends_to_a_trace():
    errors = [
        13.0 - of_glucose(cori_fluxes(8.0, dose, 5.0, 0.0), "intact appearance")[1] for dose in (0.1, 0.01, 0.001)
    ]
    assert all(error > 0 for error in errors)
    np.testing.assert_allclose(np.array(errors[:-1]) / errors[1:], 10.0, rtol=0.15)  # first order in the dose


def test_unlabeled_lactate_adds_to_atom_appearance_by_how_much_it_dilutes():
    fluxes = cori_fluxes(8.0, 2.0, 5.0, lactate=20.0)
    labeling, found = of_glucose(fluxes, "atom appearance")
    enrichment = [float(atom_enrichment(labeling, name)["value"]) for name in ("Lac.P", "Glc.P")]
    assert found == pytest.approx(8.0 + 5.0 * (1 - enrichment[0] / enrichment[1]), rel=EXACT)


def test_a_tissue_that_exchanges_adds_the_new_molecules_it_gives_back():
    net, swap = {"new": 4.0, "inf": 1.0, "take": 5.0, "protein": 3.0, "use": 8.0}, 7.0
    labeling = simulate(EXCHANGE, net, "A_inf_x: 100% [U-13C2]", exchange={"take": swap}).squeeze(
        "experiment", drop=True
    )
    found = turnover(atom_enrichment(labeling, "A.P"), quantity(1.0, 0, UNIT), definition="atom appearance")
    given_back = swap * (1 - (5.0 + swap) / (5.0 + swap + 3.0))  # share of the tissue's pool that is new
    assert float(found["value"]) == pytest.approx(4.0 + given_back, rel=EXACT)


@given(st.floats(0.01, 0.9), st.floats(0.0, 0.05), st.floats(0.1, 100.0), st.floats(0.0, 5.0), st.floats(0.01, 100.0))
def test_turnover_and_its_error_scale_with_the_infusion(enrichment, sd, infusion, infusion_sd, scale):
    plasma = quantity(enrichment, sd, "fraction", basis="atom")
    one = turnover(plasma, quantity(infusion, infusion_sd, UNIT), definition="atom appearance")
    many = turnover(plasma, quantity(scale * infusion, scale * infusion_sd, UNIT), definition="atom appearance")
    np.testing.assert_allclose(many["value"], scale * one["value"], rtol=1e-12)
    np.testing.assert_allclose(many["sd"], scale * one["sd"], rtol=1e-12, atol=1e-12)


@given(st.floats(0.01, 0.9), st.floats(0.1, 100.0))
def test_disappearance_is_appearance_and_the_infusion(enrichment, infusion):
    for basis, name in (("molecule", "intact"), ("atom", "atom")):
        plasma, rate = quantity(enrichment, 0.0, "fraction", basis=basis), quantity(infusion, 0.0, UNIT)
        ra, rd = (turnover(plasma, rate, definition=f"{name} {side}") for side in ("appearance", "disappearance"))
        np.testing.assert_allclose(rd["value"], ra["value"] + infusion, rtol=1e-12)
        assert TURNOVER_DEFINITIONS[ra.attrs["definition"]].side == "appearance"


def test_the_delta_method_agrees_with_monte_carlo():
    rng, n = np.random.default_rng(0), 400_000
    plasma, rate, tracer = rng.normal(0.2, 0.004, n), rng.normal(30.0, 1.0, n), rng.normal(0.98, 0.005, n)
    found = turnover(
        quantity(0.2, 0.004, "fraction", basis="atom"), quantity(30.0, 1.0, UNIT), definition="atom appearance",
        tracer_enrichment=quantity(0.98, 0.005, "fraction", basis="atom"),
    )  # fmt: skip
    # 400,000 draws know an sd to 0.1 %; the second order of a 2 % error adds less
    assert float(found["sd"]) == pytest.approx(np.std(rate * (tracer / plasma - 1)), rel=0.01)


def test_circulatory_flux_of_mouse_lactate_is_that_of_its_definition():
    plasma = quantity(0.1815, 0.0105, "fraction", basis="atom", site="artery")
    infusion = in_carbon(infusion_rate(quantity(380.0, 0.0, "mM"), from_range(0.08, 0.1, "uL/min/g")), 3)
    found = circulatory_flux(plasma, infusion, protocol="Yuan 2024")
    assert found.attrs["units"] == "nmol C/min/g"
    assert float(found["value"]) == pytest.approx(380 * 0.09 * 3 * (1 / 0.1815 - 1))


def turnovers():
    ours = quantity(300.0, 20.0, UNIT, basis="molecule", side="appearance", site="tail")
    return ours, quantity(330.0, 15.0, UNIT, basis="atom", side="appearance", site="artery")


def test_molecules_in_tail_blood_are_never_compared_with_atoms_in_arterial_blood():
    ours, theirs = turnovers()
    with pytest.raises(FluxError, match="basis is 'molecule' and 'atom': turnovers of different definitions"):
        compare_turnover(ours, theirs)
    with pytest.raises(FluxError, match="site is 'tail' and 'artery'"):
        compare_turnover(ours.assign_attrs(basis="atom"), theirs)
    with pytest.raises(FluxError, match="side is 'disappearance' and 'appearance'"):
        compare_turnover(theirs.assign_attrs(side="disappearance"), theirs)
    with pytest.raises(FluxError, match="does not state its basis"):
        compare_turnover(quantity(1.0, 0.0, UNIT), theirs)
    with pytest.raises(FluxError, match="is in 'nmol C/min/g', but 'nmol/min/g' is needed"):
        compare_turnover(theirs, theirs.assign_attrs(units="nmol C/min/g"))


def test_enrichment_of_another_basis_or_site_than_the_definition_is_refused():
    atoms = quantity(0.2, 0.0, "fraction", basis="atom", site="tail")
    infusion = quantity(1.0, 0.0, UNIT)
    with pytest.raises(
        FluxError, match="'intact appearance' needs enrichment of basis 'molecule', but it states 'atom'"
    ):
        turnover(atoms, infusion, definition="intact appearance")
    with pytest.raises(FluxError, match="samples site 'artery', but the enrichment states 'tail'"):
        circulatory_flux(atoms, infusion, protocol="Yuan 2024")
    with pytest.raises(FluxError, match="needs enrichment of basis 'molecule'"):
        circulatory_flux(atoms, infusion, protocol="Hui 2017")


def test_what_has_no_turnover_is_refused_with_value_place_and_cure():
    infusion = quantity(1.0, 0.0, UNIT)

    def of(value, rate=infusion, **more):
        plasma = quantity(value, 0.0, more.pop("units", "fraction"), basis="atom")
        return turnover(plasma, rate, definition="atom appearance", **more)

    with pytest.raises(FluxError, match="infusion rate is -2 nmol/min/g: it must be at least 0"):
        of(0.2, quantity(-2.0, 0.0, UNIT))
    with pytest.raises(LabelingError, match=r"enrichment 0.9 is above that of the tracer"):
        of(0.9, tracer_enrichment=0.8)
    with pytest.raises(LabelingError, match="the enrichment is zero: without label turnover has no bound"):
        of(0.0)
    with pytest.raises(LabelingError, match="the enrichment is 20 fraction: it must be between 0 and 1"):
        of(20.0)
    with pytest.raises(FluxError, match="the enrichment is in '%', but 'fraction' is needed"):
        of(20.0, units="%")
    with pytest.raises(UnknownNameError, match="Did you mean 'atom appearance'"):
        turnover(quantity(0.2, 0.0, "fraction", basis="atom"), infusion, definition="atom apearance")
    with pytest.raises(FluxError, match="concentration of the infusate is in 'uM', but 'mM'"):
        infusion_rate(quantity(1.0, 0.0, "uM"), quantity(0.1, 0.0, "uL/min/g"))
    with pytest.raises(FluxError, match="only a flux of molecules"):
        in_carbon(quantity(1.0, 0.0, "nmol C/min/g"), 6)


def test_a_quantity_says_only_what_quantities_can_mean():
    with pytest.raises(UnknownNameError, match="basis = 'atoms' of a quantity does not exist. Did you mean 'atom'"):
        quantity(1.0, basis="atoms")
    with pytest.raises(FluxError, match="standard deviation -1 of the value 2"):
        quantity(2.0, -1.0)
    with pytest.raises(FluxError, match="exchange the ends"):
        from_range(2.0, 1.0)


def test_a_fragment_that_tells_isotopes_apart_has_no_one_enrichment():
    labeling = simulate(CORI, cori_fluxes(8.0, 2.0, 5.0, 0.0), "Glc_inf_x: 100% [U-13C6]", noise=0.003)
    assert float(intact_fraction(labeling, "Glc.P")["sd"].squeeze()) == pytest.approx(0.003)
    with pytest.raises(UnknownNameError, match="no fragment 'Glc.Q'"):
        intact_fraction(labeling, "Glc.Q")
