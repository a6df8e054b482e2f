"""Isotopes of different elements told apart, from tracers to datasets."""

import json
from math import comb

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from fluxkit.errors import LabelingError, UnknownNameError
from fluxkit.fluxes import draw_fluxes
from fluxkit.labeling import (
    check_labeling,
    labeling_dataset,
    measurement_model,
    notes_of,
    pool_replicates,
    read_labeling,
    simulate,
    split_samples,
    to_table,
)
from fluxkit.labeling.isotopologues import format_isotopes, isotopologue_names, parse_isotopes
from fluxkit.networks import Network, load_network, parse_reactions
from tests.labeling.likelihood_gradient import assert_likelihood_gradient

CCM = load_network("ccm")
GLUTAMINE = "Gln_x: 100% [U-13C5,15N2]"
TRACERS = {"gln": GLUTAMINE, "mix": "Gln_x: 60% [U-13C5,15N2] + 20% [2-15N]; Glc_x: 50% [U-13C6]"}
GLUTAMATE = [f"13C{c} 15N{n}" for c in range(6) for n in range(2)]


def values_of(labeling, fragment, *shape):
    found = labeling["mid"].values[..., labeling["fragment"].values == fragment]
    return found.reshape(*found.shape[:-1], *shape) if shape else found


def by_mass(joint):
    """Add up a distribution over heavy atoms of two elements by their total."""
    result = np.zeros((*joint.shape[:-2], joint.shape[-2] + joint.shape[-1] - 1))
    for i in range(joint.shape[-2]):
        for j in range(joint.shape[-1]):
            result[..., i + j] += joint[..., i, j]
    return result


def two_routes(element: str) -> Network:
    """B is taken up whole, or joined from one molecule of carbon and one of the other element."""
    left, right = "{}" if element == "N" else "[]"
    atoms = f"{left}n{right}"
    text = f"v1: A_x (abc){atoms} -> B (abc){atoms}\nv2: K_x (abc) + Y_x {atoms} -> B (abc){atoms}\n"
    reactions, symmetric = parse_reactions(text + f"v3: B (abc){atoms} -> B_x (abc){atoms}")
    return Network("two routes", reactions, symmetric)


@pytest.mark.parametrize(("element", "isotope"), [("N", "15N"), ("H", "2H")])
def test_two_routes_mix_as_calculated_by_hand(element, isotope):
    """Atoms that come together are heavy together; atoms that come apart are heavy by chance."""
    purity = 0.9
    tracers = f"A_x: 50% [U-13C3,{isotope}]; K_x: 30% [1-13C]; Y_x: 40% [1-{isotope}]"
    network = two_routes(element)
    fluxes = {"v1": 60.0, "v2": 40.0, "v3": 100.0}
    found = simulate(network, fluxes, tracers, fragments=[f"B:C+{element}"], purity=purity)
    carbon = np.array([comb(3, k) * purity**k * (1 - purity) ** (3 - k) for k in range(4)])
    whole = 0.5 * np.outer(np.eye(4)[0], [1, 0]) + 0.5 * np.outer(carbon, [1 - purity, purity])
    joined = np.outer([1 - 0.3 * purity, 0.3 * purity, 0, 0], [1 - 0.4 * purity, 0.4 * purity])
    np.testing.assert_allclose(values_of(found, f"B:C+{element}", 4, 2)[0], 0.6 * whole + 0.4 * joined, atol=1e-14)
    assert found["isotopes"].values.tolist() == [f"13C{c} {isotope}{n}" for c in range(4) for n in range(2)]
    assert found["mass_shift"].values.tolist() == [0, 1, 1, 2, 2, 3, 3, 4]


def test_told_apart_or_not_labeling_agrees_for_any_fluxes():
    """Summed over nitrogen, over carbon, and by mass, the joint distribution is what is seen without telling apart."""
    names = ["Glu.c:C+N", "Glu.c:C", "Glu.c:N", "Glu.c:CN", "Gln.c:C+N", "Gln.c"]
    found = simulate(CCM, draw_fluxes(CCM, 3, seed=1), TRACERS, fragments=names, purity=0.98)
    joint = values_of(found, "Glu.c:C+N", 6, 2)
    np.testing.assert_allclose(joint.sum(axis=-1), values_of(found, "Glu.c:C"), atol=1e-13)
    np.testing.assert_allclose(joint.sum(axis=-2), values_of(found, "Glu.c:N"), atol=1e-13)
    np.testing.assert_allclose(by_mass(joint), values_of(found, "Glu.c:CN"), atol=1e-13)
    np.testing.assert_allclose(by_mass(values_of(found, "Gln.c:C+N", 6, 3)), values_of(found, "Gln.c"), atol=1e-13)
    independent = joint.sum(axis=-1)[..., None] * joint.sum(axis=-2)[..., None, :]
    assert abs(joint - independent).max() > 0.01  # telling apart says more than both elements alone


def test_carbon_and_hydrogen_of_the_liver_are_told_apart():
    network = load_network("liver_hc")
    tracers = "Glc_x: 30% [6,7-2H2] + 20% [U-13C6]; H_x: 5% [1-2H]"
    names = ["Lac:C+H", "Lac:C", "Lac:H", "Glc:C+H", "Glc:CH"]
    found = simulate(network, network.reference_fluxes(), tracers, fragments=names)
    joint = values_of(found, "Lac:C+H", 4, 5)
    np.testing.assert_allclose(joint.sum(axis=-1), values_of(found, "Lac:C"), atol=1e-13)
    np.testing.assert_allclose(joint.sum(axis=-2), values_of(found, "Lac:H"), atol=1e-13)
    np.testing.assert_allclose(by_mass(values_of(found, "Glc:C+H", 7, 8)), values_of(found, "Glc:CH"), atol=1e-13)
    assert found["isotopes"].values[1] == "13C0 2H1"


def test_a_measured_name_means_the_same_mixture_of_pools_told_apart():
    names = ["glutamate:C+N", "Glu:C+N", "Glu.m:C+N", "Glu.c:C+N"]
    found = simulate(CCM, CCM.reference_fluxes(), GLUTAMINE, fragments=names, weights={"w8": 0.3})
    mixed = 0.7 * values_of(found, "Glu.m:C+N") + 0.3 * values_of(found, "Glu.c:C+N")
    np.testing.assert_allclose(values_of(found, "glutamate:C+N"), mixed, rtol=1e-12)
    np.testing.assert_array_equal(values_of(found, "Glu:C+N"), values_of(found, "glutamate:C+N"))
    with pytest.raises(LabelingError, match="Lac.c has no N atoms"):
        simulate(CCM, CCM.reference_fluxes(), GLUTAMINE, fragments=["lactate:C+N"])
    with pytest.raises(UnknownNameError, match="no observation and no metabolite 'glutamat:C\\+N'"):
        simulate(CCM, CCM.reference_fluxes(), GLUTAMINE, fragments=["glutamat:C+N"])


def test_natural_isotopes_add_to_the_count_of_their_element():
    """Unlabeled glutamate shows binomial counts; carbon alone is corrected as if nitrogen were not seen."""
    fluxes = CCM.reference_fluxes()
    seen = simulate(CCM, fluxes, "Gln_x: 100% unlabeled", fragments=["glutamate:C+N"], natural_abundance="CN")
    carbon = np.array([comb(5, k) * 0.0107**k * 0.9893 ** (5 - k) for k in range(6)])
    expected = np.outer(carbon, [0.99636, 0.00364])
    np.testing.assert_allclose(values_of(seen, "glutamate:C+N", 6, 2)[0], expected, rtol=1e-9)
    both = simulate(CCM, fluxes, GLUTAMINE, fragments=["glutamate:C+N", "Glu"], natural_abundance="C")
    joint = values_of(both, "glutamate:C+N", 6, 2)[0]
    np.testing.assert_allclose(joint.sum(axis=-1), values_of(both, "Glu")[0], rtol=1e-9)
    with pytest.raises(LabelingError, match="natural O makes other peaks where the isotopes of C and N are told apart"):
        simulate(CCM, fluxes, GLUTAMINE, fragments=["glutamate:C+N"], natural_abundance="CNO")


def test_the_likelihood_of_isotopes_told_apart_has_the_gradient_of_finite_differences():
    tracers = {"a": GLUTAMINE, "b": "Gln_x: 50% [2-15N]"}
    names = ["glutamate:C+N", "lactate", "aspartate:C+N"]
    labeling = simulate(CCM, CCM.reference_fluxes(), tracers, fragments=names, natural_abundance="CN")
    labeling["mid"][1, [2, 3, 15]] = np.nan
    model = measurement_model(CCM, labeling.drop_vars(["net_flux", "exchange_flux"]))
    assert not model.measured[1, [2, 3, 15]].any()
    assert_likelihood_gradient(model, CCM, list(tracers.values()))


@given(st.dictionaries(st.sampled_from("CHN"), st.integers(0, 9), min_size=1))
def test_isotopes_read_back_as_they_are_written(heavy):
    assert parse_isotopes(format_isotopes(heavy)) == heavy


@pytest.mark.parametrize(
    ("text", "heavy"),
    [
        ("15N1, 13C2", {"C": 2, "N": 1}),
        ("13C-15N", {"C": 1, "N": 1}),
        ("D3", {"H": 3}),
        ("unlabelled", {}),
        ("13C2 13C1", None),
        ("C2", None),
        ("", None),
    ],
)
def test_usual_spellings_of_isotopes_are_read(text, heavy):
    assert parse_isotopes(text) == heavy


@pytest.fixture(scope="module")
def simulated():
    names = ["glutamate:C+N", "lactate", "Asp.c:C+N", "Glu.c"]
    return simulate(CCM, draw_fluxes(CCM, 2, seed=2), TRACERS, fragments=names, noise=0.01, seed=3)


def test_a_table_of_isotopes_told_apart_reads_back_as_the_same_dataset(simulated, tmp_path):
    to_table(simulated).to_csv(tmp_path / "table.csv", index=False)
    again = read_labeling(tmp_path / "table.csv", CCM).rename(sample="draw")
    for name in ("mid", "mid_sd", "fragment", "mass_shift", "isotopes"):
        np.testing.assert_array_equal(again[name].values, simulated[name].values)


def test_such_a_dataset_survives_netcdf_and_an_ordinary_one_has_no_isotopes(simulated, tmp_path):
    simulated.to_netcdf(tmp_path / "labeling.nc", engine="h5netcdf")
    again = xr.load_dataset(tmp_path / "labeling.nc", engine="h5netcdf")
    xr.testing.assert_equal(check_labeling(again, CCM), simulated)
    names = isotopologue_names(again)
    assert names[[2, 13]].tolist() == ["glutamate:C+N 13C1 15N0", "lactate M+1"]
    assert "isotopes" not in simulate(CCM, CCM.reference_fluxes(), GLUTAMINE, fragments=["Glu.c"]).coords


def frame_of(metabolite="glutamate:C+N", **changes):
    columns = {"metabolite": metabolite, "isotopes": GLUTAMATE, "intensity": np.arange(1.0, 13.0) * 1e6}
    return pd.DataFrame(columns | changes)


@pytest.mark.parametrize(
    "frame",
    [
        frame_of(),
        frame_of("Glutamate:C+N"),
        frame_of("glutamate"),
        frame_of("glutamate", mass_shift=[c + n for c in range(6) for n in range(2)]),
        frame_of().rename(columns={"isotopes": "mass_shift"}),
        frame_of(isotopes=[text.replace("13C0", "").replace("15N0", "").strip() or "unlabeled" for text in GLUTAMATE]),
        frame_of()[::-1],
    ],
)
def test_every_spelling_of_a_table_gives_the_same_dataset(frame):
    found = read_labeling(frame, CCM, GLUTAMINE)
    assert found["fragment"].values.tolist() == ["glutamate:C+N"] * 12
    assert found["isotopes"].values.tolist() == GLUTAMATE
    np.testing.assert_allclose(found["mid"].values[0], np.arange(1, 13) / 78, rtol=1e-12)
    assert json.loads(found.attrs["formulas"]) == {"glutamate:C+N": "C5H9NO4"}


LABELED = {"metabolite": ["glutamate:C+N"], "mass_shift": [""], "isotopes": ["13C1 15N1"], "fraction": [1.0]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"isotopes": [""], "mass_shift": [2]},
            r"M\+2 of 'glutamate:C.N' .* may be '13C1 15N1' or '13C2 15N0'; say",
        ),
        ({"isotopes": ["13C6 15N1"]}, "13C6 15N1 of 'glutamate:C.N' .* is impossible: .*'13C5 15N1' at most"),
        ({"isotopes": ["13C1 2H1"]}, "13C1 2H1 of 'glutamate:C.N' .* is impossible"),
        ({"mass_shift": [3]}, r"mass shift '3' of 'glutamate:C\+N' .* is not that of '13C1 15N1', M\+2"),
        ({"isotopes": ["C1N1"]}, "isotopes 'C1N1' of .* cannot be read; write heavy isotopes as in '13C2 15N1'"),
        (
            {"metabolite": ["glutamate:CN"]},
            r"is seen by the mass of its 6 atoms of CN; name .*'glutamate:C\+N'",
        ),
        ({"isotopes": [""]}, "mass shift '' of 'glutamate:C.N' .* is not one; write 2 or M"),
    ],
)
def test_rows_that_do_not_say_which_isotopologue_are_refused(changes, message):
    with pytest.raises(LabelingError, match=message):
        read_labeling(pd.DataFrame(LABELED | changes), CCM, GLUTAMINE)


def test_two_rows_of_one_isotopologue_are_refused_by_its_name():
    twice = pd.concat([frame_of(), frame_of()[-1:]], ignore_index=True)
    with pytest.raises(LabelingError, match=r"13C5 15N1 of 'glutamate:C\+N' has two values \(table, rows 11-12\)"):
        read_labeling(twice, CCM, GLUTAMINE)


def test_masks_choose_isotopologues_by_their_isotopes_or_by_mass():
    mask = [{"metabolite": "glutamate:C+N", "isotopes": "15N1 13C2", "reason": "interference"}]
    found = read_labeling(frame_of(), CCM, GLUTAMINE, masks=mask)
    assert np.flatnonzero(found["mid"].isnull().values[0]).tolist() == [5]
    unlabeled = read_labeling(frame_of(), CCM, GLUTAMINE, masks=[{"isotopes": "13C0 15N0"}])
    assert np.flatnonzero(unlabeled["mid"].isnull().values[0]).tolist() == [0]
    found = read_labeling(frame_of(), CCM, GLUTAMINE, masks=[{"metabolite": "glutamate:C+N", "mass_shift": "M+3"}])
    assert np.flatnonzero(found["mid"].isnull().values[0]).tolist() == [5, 6]
    missing = read_labeling(frame_of()[:-1], CCM, GLUTAMINE)
    assert any(each.startswith("glutamate:C+N 13C5 15N1 not measured everywhere") for each in notes_of(missing))


def test_pooling_and_splitting_keep_isotopes_and_name_what_they_leave_out():
    frame = pd.concat([frame_of().assign(replicate=1), frame_of()[:-1].assign(replicate=2)])
    labeling = read_labeling(frame.assign(condition="c"), CCM, GLUTAMINE)
    pooled = pool_replicates(labeling)["c"]
    assert pooled["isotopes"].values.tolist() == GLUTAMATE
    np.testing.assert_allclose(pooled["mid"].values[0], [*np.arange(1, 12) / 66, np.nan], rtol=1e-12)
    assert "c: glutamate:C+N 13C5 15N1 left out: some replicates do not keep it." in notes_of(pooled)
    assert split_samples(labeling)["c 1"]["isotopes"].values.tolist() == GLUTAMATE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"isotopes": ["13C0 15N0"] * 2}, "isotopologue 13C0 15N0 of fragment 'Glu.c:C.N' appears twice"),
        ({"isotopes": None}, "fragment 'Glu.c:C.N' tells isotopes apart, but M.0 without isotopes is none of them"),
        (
            {"isotopes": ["13C0 15N0", "15N1"]},
            "isotopes '15N1' of M.1 is none .*; use '13C0 15N0' .* to '13C5 15N1'",
        ),
        ({"isotopes": ["13C0 15N0", "13C1 15N1"]}, "isotopes '13C1 15N1' of M.1 is none of them"),
        ({"fragments": ["Glu.c:CN"] * 2}, "fragment 'Glu.c:CN' is seen by its mass, but M.0 of it has isotopes"),
        ({"mid": [1.2, -0.2]}, "negative MID value -0.2 at 13C0 15N1 of fragment 'Glu.c:C.N'"),
    ],
)
def test_impossible_datasets_are_refused(changes, message):
    given = {"mid": [0.9, 0.1], "fragments": ["Glu.c:C+N"] * 2, "isotopes": ["13C0 15N0", "13C0 15N1"]}
    mid, *_ = (settings := given | changes).values()
    with pytest.raises(LabelingError, match=message):
        labeling_dataset(
            np.array(mid),
            dims=("isotopologue",),
            fragments=settings["fragments"],
            mass_shifts=[0, 0 if changes.get("isotopes") == ["13C0 15N0"] * 2 else 1],
            isotopes=settings["isotopes"],
            network=CCM,
            experiments={"tracer": GLUTAMINE},
        )
