import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from fluxkit.errors import LabelingError, UnknownNameError
from fluxkit.fluxes import draw_fluxes
from fluxkit.labeling import (
    NoiseModel,
    check_labeling,
    labeling_dataset,
    notes_of,
    pool_replicates,
    read_labeling,
    simulate,
    split_samples,
    to_table,
)
from fluxkit.networks import load_network

TRACER = "Glc_x: 100% [U-13C6]"
LAC = [0.4, 0.1, 0.1, 0.4]


@pytest.fixture(scope="module")
def ccm():
    return load_network("ccm")


def build(ccm, mid=LAC, dims=("isotopologue",), **changes):
    settings = {
        "dims": dims,
        "fragments": ["lactate"] * 4,
        "mass_shifts": range(4),
        "network": ccm,
        "experiments": {"tracer": TRACER},
    }
    return labeling_dataset(np.asarray(mid), **(settings | changes))


def test_a_dataset_survives_netcdf(ccm, tmp_path):
    first = build(
        ccm, [[LAC]], ("sample", "experiment", "isotopologue"), samples={"sample": ["a"]}, seed=3, notes=["x"]
    )
    first.to_netcdf(tmp_path / "labeling.nc", engine="h5netcdf")
    again = xr.load_dataset(tmp_path / "labeling.nc", engine="h5netcdf")
    xr.testing.assert_equal(first, again)
    assert check_labeling(again, ccm) is again
    assert notes_of(again) == ("x",)
    assert again.attrs["seed"] == 3


def test_simulated_draws_have_the_same_form(ccm):
    draws = build(ccm, [[LAC], [LAC]], ("draw", "experiment", "isotopologue"))
    assert draws.sizes == {"draw": 2, "experiment": 1, "isotopologue": 4}
    assert len(to_table(draws)) == 8


def test_mids_that_do_not_sum_to_one_are_refused(ccm):
    with pytest.raises(
        LabelingError, match=r"MIDs must sum to 1; fragment 'lactate' of experiment 'glc_U' sums to 0\.9\."
    ):
        build(ccm, [[0.3, 0.1, 0.1, 0.4]], ("experiment", "isotopologue"), experiments={"glc_U": TRACER})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mid": [1.1, -0.1, 0.0, 0.0]}, r"negative MID value -0\.1 at M\+1 of fragment 'lactate'"),
        ({"mid": [np.nan] * 4}, "nothing is measured"),
        ({"mid": [np.inf, 0, 0, 0]}, "infinite MID value"),
        ({"mid_sd": [0.01, 0.0, 0.01, 0.01]}, r"mid_sd is 0 at M\+1"),
        ({"mass_shifts": [0, 1, 2, 2]}, r"M\+2 of fragment 'lactate' appears twice"),
        (
            {"mass_shifts": [0, 1, 2, 4]},
            r"mass shift M\+4 of fragment 'lactate' is impossible: it has 3 atoms of C",
        ),
        ({"experiments": {"a": TRACER, "b": TRACER}}, "names 2 experiments"),
    ],
)
def test_impossible_datasets_are_refused(ccm, changes, message):
    with pytest.raises(LabelingError, match=message):
        build(ccm, **changes)


def test_unknown_fragments_and_foreign_networks_are_refused(ccm):
    with pytest.raises(UnknownNameError, match="no observation and no metabolite 'lactat'.*'lactate'"):
        build(ccm, fragments=["lactat"] * 4)
    with pytest.raises(LabelingError, match="belongs to network 'ccm', not 'toy'"):
        check_labeling(build(ccm), load_network("toy"))


def test_only_noise_of_the_stated_size_may_leave_what_is_possible(ccm):
    values, sd = [1.03, -0.01, 0.01, 0.01], [0.01] * 4
    assert build(ccm, mid=values, mid_sd=sd)["mid"].values[1] == -0.01
    for changes in ({"mid_sd": None}, {"mid_sd": [0.001] * 4}, {"mid_sd": sd, "noise": NoiseModel()}):
        with pytest.raises(LabelingError, match="negative MID value"):
            build(ccm, mid=values, **changes)
    with pytest.raises(LabelingError, match="MIDs must sum to 1"):
        build(ccm, seed=1, mid=[0.6, 0.1, 0.1, 0.01], mid_sd=[0.01] * 4)


def test_pooling_keeps_the_noise_of_values_that_carry_their_own(ccm):
    """Normalising each replicate would spread the noise of its sum, and leave one datum less."""
    noisy = np.array([[0.41, 0.12, -0.01, 0.40], [0.39, 0.09, 0.01, 0.42]])[:, None]
    labeling = build(
        ccm, noisy, ("sample", "experiment", "isotopologue"), samples={"sample": ["a", "b"], "condition": ["c", "c"]},
        mid_sd=np.full(noisy.shape, 0.02),
    )  # fmt: skip
    result = pool_replicates(labeling)["c"].isel(experiment=0)
    np.testing.assert_allclose(result["mid"], [0.40, 0.105, 0.0, 0.41], atol=1e-12)
    np.testing.assert_allclose(result["mid_sd"], [0.02, 0.03 / 2**0.5, 0.02, 0.02], atol=1e-12)


@pytest.mark.parametrize("name", ["fragment", "mass_shift"])
def test_missing_coordinates_are_named(ccm, name):
    with pytest.raises(LabelingError, match=f"needs the coordinate '{name}'"):
        check_labeling(build(ccm).drop_vars(name))


def test_missing_attributes_are_named(ccm):
    labeling = build(ccm)
    del labeling.attrs["purity"]
    with pytest.raises(LabelingError, match="needs the attribute 'purity'"):
        check_labeling(labeling)


def test_a_table_reads_back_as_the_same_dataset(ccm):
    frame = pd.DataFrame({"replicate": [1] * 4 + [2] * 4, "metabolite": "lactate", "mass_shift": [0, 1, 2, 3] * 2})
    frame["fraction"] = [*LAC, 0.5, 0.1, 0.1, 0.3]
    first = read_labeling(frame, ccm, {"glc_U": TRACER})
    again = read_labeling(to_table(first), ccm)
    xr.testing.assert_allclose(first, again)
    assert json.loads(again.attrs["tracers"]) == {"glc_U": TRACER}


def test_a_simulated_table_with_noise_reads_back_as_the_same_dataset(ccm):
    """Bit for bit: values below zero and sums that are not 1 are kept, for several draws and experiments."""
    tracers = {"glc": TRACER, "gln": "Gln_x: 100% [U-13C5]"}
    first = simulate(ccm, draw_fluxes(ccm, 3, seed=1), tracers, noise=0.02, seed=2)
    assert (first["mid"] < 0).any()
    again = read_labeling(to_table(first), ccm).rename(sample="draw")
    assert again["draw"].values.tolist() == ["draw 0", "draw 1", "draw 2"]
    for name in ("mid", "mid_sd"):
        np.testing.assert_array_equal(again[name].values, first[name].where(first["mid"].notnull()).values)
    assert any("the values miss a sum of 1 within their sd, and are used as stated" in each for each in notes_of(again))


def pooled(ccm, fractions, **columns):
    n = len(fractions)
    frame = pd.DataFrame(
        {
            "replicate": np.repeat(np.arange(1, n + 1), 4),
            "metabolite": "lactate",
            "mass_shift": [0, 1, 2, 3] * n,
            "fraction": np.ravel(fractions),
        }
    ).assign(**{name: np.repeat(values, 4) for name, values in columns.items()})
    return read_labeling(frame, ccm, TRACER)


def test_pooling_takes_the_mean_and_the_larger_of_noise_and_spread(ccm):
    spread = [[0.40, 0.10, 0.10, 0.40], [0.50, 0.10, 0.10, 0.30], [0.45, 0.10, 0.10, 0.35]]
    result = pool_replicates(pooled(ccm, spread, condition=["c"] * 3))["c"].isel(experiment=0)
    np.testing.assert_allclose(result["mid"], [0.45, 0.10, 0.10, 0.35], rtol=1e-12)
    model = NoiseModel().sd(np.array([0.1]))[0]
    np.testing.assert_allclose(result["mid_sd"], [0.05, model, model, 0.05], rtol=1e-12)
    assert "sample" not in result.dims
    assert result["condition"].item() == "c"


def test_pooling_renormalises_over_what_all_replicates_keep(ccm):
    labeling = pooled(ccm, [[0.4, 0.1, 0.1, 0.4]] * 2, condition=["c"] * 2)
    masked = labeling.copy(deep=True)
    masked["mid"][1, 0] = np.array([0.4, 0.1, np.nan, 0.4]) / 0.9
    result = pool_replicates(masked)["c"].isel(experiment=0)
    np.testing.assert_allclose(result["mid"], [4 / 9, 1 / 9, np.nan, 4 / 9], rtol=1e-12)
    assert "c: lactate M+2 left out: some replicates do not keep it." in notes_of(result)


def test_conditions_and_animals_stay_apart_and_tissues_never_mix(ccm):
    labeling = pooled(ccm, [LAC] * 4, condition=["a", "a", "b", "b"], tissue=["liver", "brain", "liver", "brain"])
    assert list(pool_replicates(labeling)) == ["a, liver", "a, brain", "b, liver", "b, brain"]
    with pytest.raises(LabelingError, match="group 'a' would pool different tissues"):
        pool_replicates(labeling, by="condition")
    with pytest.raises(LabelingError, match="samples have no 'conditon' to pool by. Did you mean 'condition'"):
        pool_replicates(labeling, by="conditon")


def test_pooling_and_splitting_leave_a_single_sample_alone(ccm):
    single = build(ccm)
    assert pool_replicates(single)["sample"] is single
    assert split_samples(single)["sample"] is single
    parts = split_samples(pooled(ccm, [LAC] * 2, condition=["a", "b"]))
    assert list(parts) == ["a 1", "b 2"]
    assert parts["a 1"]["condition"].item() == "a"
