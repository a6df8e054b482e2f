"""A part of a dataset is what reading that part of the table gives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from fluxkit.errors import LabelingError, TracerError, UnknownNameError
from fluxkit.labeling import notes_of, pool_replicates, read_labeling, select_labeling, with_open_infusions
from fluxkit.networks import load_network

MICE = Path(__file__).parents[2] / "data" / "mouse_infusion"
BODY = load_network("wholebody_mouse")


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(MICE / "labeling.csv")


@pytest.fixture(scope="module")
def mice():
    return read_labeling(MICE / "labeling.csv", BODY, masks=MICE / "masks.tsv", unknown="drop")


def test_all_tissues_of_a_mouse_are_one_sample(mice):
    assert mice.sizes["sample"] == 2  # replicates
    assert mice["experiment"].values.tolist() == ["M1", "M5", "M7", "M3", "M4", "M10"]
    assert "tissue" not in mice.coords
    assert {"plasma glucose", "liver citrate", "brain lactate"} <= set(mice["fragment"].values)
    assert "lung glucose is not in network 'wholebody_mouse'; left out." in notes_of(mice)


def test_other_networks_keep_tissues_as_samples(table):
    cells = table[(table.metabolite == "citrate") & table.tissue.isin(["liver", "heart"]) & (table.experiment == "M1")]
    cells = cells.drop(columns=["tracer", "experiment"])
    labeling = read_labeling(cells, "ccm", "Glc_x: 100% [U-13C6]")
    assert sorted(set(labeling["tissue"].values)) == ["heart", "liver"]


def test_masks_speak_of_tissue_and_metabolite_as_the_table_does(mice):
    masks = pd.read_csv(MICE / "masks.tsv", sep="\t")
    row = masks[(masks.tissue == "brain") & (masks.mass_shift == "4") & (masks.experiment == "M1")].iloc[0]
    place = (mice["fragment"] == f"brain {row.metabolite}") & (mice["mass_shift"] == 4)
    value = (
        mice["mid"]
        .isel(isotopologue=np.flatnonzero(place.values))
        .sel(experiment="M1", sample=f"fasted {row.replicate}")
    )
    assert value.isnull().all()


def test_selected_experiments_and_tissues_are_those_of_the_smaller_table(table):
    whole = read_labeling(table, BODY, unknown="drop")
    part = select_labeling(whole, experiments=["M1", "M3"], tissues=["plasma", "liver"])
    rows = table[table.experiment.isin(["M1", "M3"]) & table.tissue.isin(["plasma", "liver"])]
    read = read_labeling(rows, BODY, unknown="drop")
    for name in ("mid", "mid_sd"):
        xr.testing.assert_equal(part[name], read[name])
    assert part.attrs["tracers"] == read.attrs["tracers"]
    assert part.attrs["formulas"] == read.attrs["formulas"]


def test_a_fragment_can_be_chosen_and_replicates_pooled(mice):
    part = select_labeling(mice, fragments=["liver citrate"], experiments=["M1"])
    assert set(part["fragment"].values) == {"liver citrate"}
    assert pool_replicates(part)["fasted"]["mid"].dims == ("experiment", "isotopologue")


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ({"experiments": ["M2"]}, UnknownNameError, "the dataset has no experiment 'M2'. Did you mean"),
        ({"tissues": ["lung"]}, UnknownNameError, "the dataset has no tissue 'lung'"),
        ({"fragments": ["citrate"]}, UnknownNameError, "the dataset has no fragment 'citrate'"),
        ({"experiments": "M1"}, LabelingError, r"experiments must be a list of names.*write \['M1'\]"),
        (
            {"fragments": ["adipose 3-phosphoglycerate"]},
            LabelingError,
            "nothing is measured in this part of labeling.csv",
        ),
    ],
)
def test_what_is_not_there_is_refused(mice, choice, error, message):
    with pytest.raises(error, match=message):
        select_labeling(mice, **choice)


def test_infusions_of_a_rate_of_their_own_are_left_open(mice):
    opened = with_open_infusions(select_labeling(mice, experiments=["M1", "M3"]), BODY)
    assert opened.attrs["tracers"] == '{"M1": "Glc_inf_x: ?% [U-13C6]", "M3": "Lac_inf_x: ?% [U-13C3]"}'
    mixed = mice.assign_attrs(tracers='{"M1": "Glc_inf_x: 50% [U-13C6] + 50% [1-13C]"}')
    with pytest.raises(TracerError, match="Glc_inf_x is fed a mixture"):
        with_open_infusions(mixed, BODY)
    nothing = mice.assign_attrs(tracers='{"M1": "Glc_inf_x: 100% unlabeled"}')
    with pytest.raises(TracerError, match="labels nothing"):
        with_open_infusions(nothing, BODY)


def test_a_part_is_read_and_pooled_at_once(mice):
    read = read_labeling(
        MICE / "labeling.csv",
        BODY,
        masks=MICE / "masks.tsv",
        unknown="drop",
        experiments=["M1", "M3"],
        tissues=["plasma", "muscle"],
        pool=True,
    )
    (pooled,) = pool_replicates(select_labeling(mice, experiments=["M1", "M3"], tissues=["plasma", "muscle"])).values()
    xr.testing.assert_identical(read, pooled)


def test_several_conditions_are_not_pooled_into_one():
    cells = MICE.parent / "hct116" / "labeling.csv"
    with pytest.raises(LabelingError, match="holds 2 conditions or samples .control, PHGDH inhibitor., which"):
        read_labeling(cells, "ccm", "Glc_x: 100% [U-13C6]", pool=True, unknown="drop")
