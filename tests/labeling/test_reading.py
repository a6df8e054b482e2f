import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from fluxkit.errors import LabelingError, TracerError, UnknownNameError
from fluxkit.labeling import NoiseModel, notes_of, pool_replicates, read_labeling
from fluxkit.networks import load_network

HCT116 = Path(__file__).parents[2] / "data" / "hct116"
TRACER = "Glc_x: 98.9% [U-13C6]"
LAC = "metabolite,mass_shift,fraction\nlactate,0,0.4\nlactate,1,0.1\nlactate,2,0.1\nlactate,3,0.4\n"


@pytest.fixture(scope="module")
def ccm():
    return load_network("ccm")


@pytest.fixture(scope="module")
def cells(ccm):
    return read_labeling(
        HCT116 / "labeling.csv",
        ccm,
        TRACER,
        purity=0.99,
        natural_abundance="C",
        masks=HCT116 / "masks.tsv",
    )


@pytest.fixture
def read(ccm, tmp_path):
    """Read a text as if it were a file; the tracer is glucose unless said."""

    def reader(text, tracers=TRACER, name="table.csv", **settings):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return read_labeling(path, ccm, tracers, **settings)

    return reader


def of(labeling, fragment):
    return labeling.isel(isotopologue=labeling["fragment"].values == fragment)


def test_one_metabolite_of_the_cells_agrees_with_a_calculation_by_hand(cells):
    # counts of fumarate, control, replicate 1, as published; M+4 is masked
    counts = np.array([3.396967e07, 3295062, 1.640402e07, 1.405616e07])
    total = 67724912.0
    y = counts / total
    sd = np.sqrt(0.005**2 + (0.04 * y * (1 - y)) ** 2 + (1e5 / total) ** 2)
    mine = of(cells, "fumarate").sel(sample="control 1").isel(experiment=0)
    np.testing.assert_allclose(mine["mid"], [*y, np.nan], rtol=1e-12)
    np.testing.assert_allclose(mine["mid_sd"], [*sd, np.nan], rtol=1e-12)
    assert mine["intensity"].values[4] == 1.150255e07


def test_the_cells_have_two_conditions_in_three_replicates(cells):
    assert cells.sizes == {"sample": 6, "experiment": 1, "isotopologue": 130}
    assert cells["condition"].values.tolist() == ["control"] * 3 + ["PHGDH inhibitor"] * 3
    assert list(pool_replicates(cells)) == ["control", "PHGDH inhibitor"]
    assert cells.attrs["purity"] == 0.99
    assert json.loads(cells.attrs["formulas"])["citrate"] == "C6H8O7"


def test_single_zeros_are_censored_and_undetected_metabolites_are_missing(cells):
    mine = of(cells, "3-phosphoglycerate").sel(sample="PHGDH inhibitor 1").isel(experiment=0)
    total = 37796.59 + 4747912
    assert mine["mid"].values[1] == 0
    assert mine["mid_limit"].values[1] == pytest.approx(1e5 / total, rel=1e-12)
    assert np.isnan(mine["mid_limit"].values[0])
    assert of(cells, "glycine")["mid"].isnull().all()
    assert any(each.startswith("glycine is zero at every mass shift in control 1") for each in notes_of(cells))


def test_a_pooled_zero_needs_every_replicate_to_be_zero(cells):
    pooled = of(pool_replicates(cells)["control"], "ribose-5-phosphate").isel(experiment=0)
    raw = of(cells, "ribose-5-phosphate").sel(sample=["control 1", "control 2", "control 3"])["intensity"]
    totals = raw.sum("isotopologue").values.ravel()
    assert pooled["mid"].values[1] == 0
    assert pooled["mid_limit"].values[1] == pytest.approx(np.mean(1e5 / totals), rel=1e-12)
    assert pooled["mid"].values[0] > 0
    assert np.isnan(pooled["mid_limit"].values[0])


def test_every_measured_fragment_sums_to_one(cells):
    for name in dict.fromkeys(cells["fragment"].values.tolist()):
        total = of(cells, name)["mid"].sum("isotopologue", min_count=1)
        assert (np.isnan(total) | (abs(total - 1) < 1e-12)).all()


def test_csv_tsv_workbook_and_frame_read_the_same(read, ccm, tmp_path):
    frame = pd.DataFrame(
        {"Metabolite": "lactate", "Mass Shift": ["M+0", "M+1", "M+2", "M+3"], "MID": [0.4, 0.1, 0.1, 0.4]}
    )
    frame["Replicate"] = 1
    frame.to_excel(tmp_path / "book.xlsx", sheet_name="mids", index=False)
    text = frame.to_csv(index=False)
    datasets = [
        read(text),
        read(text.replace(",", ";"), name="semicolon.csv"),
        read(text.replace(",", "\t"), name="tab.tsv"),
        read("\ufeff" + text.replace("\n", "\r\n"), name="windows.csv"),
        read_labeling(frame, ccm, TRACER),
        read_labeling(tmp_path / "book.xlsx", "ccm", TRACER, sheet="mids"),
    ]
    for each in datasets[1:]:
        xr.testing.assert_equal(datasets[0], each)


def test_rows_may_come_in_any_order(read):
    lines = LAC.splitlines()
    xr.testing.assert_equal(read(LAC), read("\n".join([lines[0], *reversed(lines[1:])])))


def test_a_table_without_samples_has_no_sample_dimension(read):
    labeling = read(LAC)
    assert labeling["mid"].dims == ("experiment", "isotopologue")
    assert "mid_limit" not in labeling
    np.testing.assert_allclose(labeling["mid_sd"], NoiseModel().sd(labeling["mid"].values))


def test_a_stated_sd_is_used_as_it_is(read):
    text = "metabolite,mass_shift,intensity,sd\nlactate,0,3e7,3e5\nlactate,3,1e7,2e5\n"
    labeling = read(text)
    np.testing.assert_allclose(labeling["mid_sd"].values[0, [0, 3]], [0.0075, 0.005], rtol=1e-12)
    assert labeling.attrs["noise"] == ""


def with_sd(fractions, sd=0.01):
    rows = "".join(f"lactate,{shift},{value},{sd}\n" for shift, value in enumerate(fractions))
    return "metabolite,mass_shift,fraction,sd\n" + rows


def test_noise_of_the_stated_size_is_used_as_it_is(read):
    values = [0.4213, 0.1043, -0.0184, 0.4312]
    labeling = read(with_sd(values))
    np.testing.assert_array_equal(labeling["mid"].values[0], values)
    np.testing.assert_array_equal(labeling["mid_sd"].values[0], [0.01] * 4)
    assert "lactate: the values miss a sum of 1 within their sd, and are used as stated." in notes_of(labeling)


def test_fractions_that_were_normalised_and_rounded_are_normalised_again(read):
    """Their sum misses 1 by rounding only, so one datum is lost whatever the digits say."""
    for values in ([0.401, 0.100, 0.1, 0.4], [0.4, 0.1, 0.1, 0.4], [1 / 3, 1 / 3, 1 / 6, 1 / 6]):
        labeling = read(with_sd(values))
        assert labeling["mid"].sum().item() == pytest.approx(1, abs=1e-15)
        assert not any("used as stated" in each for each in notes_of(labeling))


def test_masked_noisy_fractions_are_renormalised_over_what_is_kept(read):
    labeling = read(with_sd([0.42, 0.11, 0.10, 0.44]), masks=[{"metabolite": "lactate", "mass_shift": 3}])
    np.testing.assert_allclose(labeling["mid"].values[0], [42 / 63, 11 / 63, 10 / 63, np.nan])
    np.testing.assert_allclose(labeling["mid_sd"].values[0, :3], 0.01 / 0.63)


def test_missing_mass_shifts_of_intensities_are_not_measured(read):
    labeling = read("metabolite,mass_shift,intensity\nlactate,0,3e7\nlactate,3,1e7\nlactate,2,n/a\n")
    np.testing.assert_allclose(labeling["mid"].values[0], [0.75, np.nan, np.nan, 0.25])
    assert "lactate M+1, M+2 not measured everywhere; renormalised over what is." in notes_of(labeling)


def test_parallel_experiments_come_from_a_tracer_column(read):
    body = "".join(
        f"{e},{t},lactate,{m},{f}\n"
        for e, t in (("glc", "100% [U-13C6]glucose"), ("gln", "Gln_x: 100% [U-13C5]"))
        for m, f in enumerate((0.7, 0.1, 0.1, 0.1))
    )
    labeling = read("experiment,tracer,metabolite,mass_shift,fraction\n" + body, None)
    assert labeling["experiment"].values.tolist() == ["glc", "gln"]
    assert json.loads(labeling.attrs["tracers"])["gln"] == "Gln_x: 100% [U-13C5]"


def test_capitals_do_not_matter_and_it_is_said(read):
    labeling = read(LAC.replace("lactate", "Lactate"))
    assert set(labeling["fragment"].values) == {"lactate"}
    assert "Lactate is read as lactate." in notes_of(labeling)


def test_metabolites_of_the_network_can_be_named_directly(read):
    assert set(read(LAC.replace("lactate", "Lac.c"))["fragment"].values) == {"Lac.c"}


def test_unknown_metabolites_can_be_dropped_with_a_note(read):
    labeling = read(LAC + "unobtanium,0,1\n", unknown="drop")
    assert set(labeling["fragment"].values) == {"lactate"}
    assert any(each.startswith("unobtanium is not in network 'ccm'") for each in notes_of(labeling))


def test_masks_renormalise_what_is_kept(read):
    masks = [{"metabolite": "lactate", "mass_shift": 3, "reason": "interference"}]
    labeling = read(LAC, masks=masks)
    np.testing.assert_allclose(labeling["mid"].values[0], [4 / 6, 1 / 6, 1 / 6, np.nan])
    assert "lactate: 1 values masked." in notes_of(labeling)


REFUSED = [
    (
        LAC.replace("0,0.4", "0,0.3"),
        r"MIDs must sum to 1; fragment 'lactate'.* sums to 0\.9 \(table.csv, rows 2-5\)\. Normalise",
    ),
    (LAC.replace(",0.", ",").replace(",4", ",40").replace(",1\n", ",10\n"), "sums to 100 .*divide by 100"),
    (LAC.replace("0,0.4", "0,-0.4"), r"negative fraction -0\.4 of 'lactate' M\+0 \(table.csv, row 2\)"),
    (
        LAC.replace("fraction", "intensity").replace("1,0.1", "1,-5"),
        r"negative intensity -5 of 'lactate' M\+1 .*row 3",
    ),
    (LAC.replace("2,0.1", "2,none so far"), "fraction 'none so far' of 'lactate' .*row 4.* is not a number"),
    (LAC.replace("2,0.1", "2,inf"), "is not a number"),
    (LAC.replace("2,0.1", '2,"0,1"'), "Write decimals with a point"),
    (LAC + "lactate,M+3,0.4\n", r"M\+3 of 'lactate' has two values \(table.csv, rows 5-6\)"),
    (
        LAC + "lactate,4,0\n",
        r"mass shift M\+4 of 'lactate' \(table.csv, row 6\) is impossible: it has 3 atoms",
    ),
    (LAC + "lactate,heavy,0\n", "mass shift 'heavy' of 'lactate' .*row 6.* write 2 or M"),
    (LAC + ",0,0.1\n", "no metabolite .*row 6"),
    (LAC.replace("metabolite", "name"), "has no column 'metabolite'"),
    (LAC.replace("fraction", "value"), "neither 'intensity' nor 'fraction'"),
    (
        LAC.replace("metabolite", "fragment,metabolite").replace("lactate", "lactate,lactate"),
        "both mean metabolite",
    ),
    (LAC.replace("fraction", "fraction,time").replace("\nl", ",0\nl"), "time courses cannot be read yet"),
    ("metabolite,mass_shift,fraction\n", "a header but no rows"),
    ("", "table.csv is empty"),
    (LAC.replace("0.4", "").replace("0.1", "NA"), "nothing is measured"),
    (
        LAC.replace("0.4", "0").replace("0.1", "0"),
        "nothing is measured in table.csv: every fraction is zero, missing or masked. Check the column 'fraction'",
    ),
    (
        "formula," + LAC.replace("lac", "C2H6O3,lac"),
        r"formula 'C2H6O3' of 'lactate' has 2 atoms of C, but Lac.c has 3.*row 2",
    ),
    (
        "formula," + LAC.replace("lac", "C3H6O3,lac").replace("C3H6O3,lactate,1", "C3H7O3,lactate,1"),
        "has the formulas",
    ),
    ("sd," + LAC.replace("lac", "0,lac"), r"sd = 0 of 'lactate' M\+0 .*must be positive"),
    ("sd," + LAC.replace("lac", "2,lac"), r"sd = 2 of 'lactate' M\+0 .*row 2.* give it as a fraction of 1"),
    (
        "sd," + LAC.replace("lac", "0.01,lac").replace("1,0.1", "1,-0.07"),
        r"negative fraction -0\.07 of 'lactate' M\+1 \(table.csv, row 3\), more than 6 sd below zero; give uncorrected",
    ),
    (
        "sd," + LAC.replace("lac", "0.01,lac").replace("0,0.4", "0,0.2"),
        r"MIDs must sum to 1; fragment 'lactate'.* sums to 0\.8 \(table.csv, rows 2-5\)\. Normalise",
    ),
    (
        "sd," + LAC.replace("lac", "0.05,lac").replace("lactate,3,0.4\n", "lactate,3,\n"),
        "sums to 0.6 ",  # a wide sd does not excuse a mass shift that is missing
    ),
    (
        "sd," + LAC.replace("lac", "0.4,lac").replace(",0.", ",").replace(",4", ",40").replace(",1\n", ",10\n"),
        "divide by 100",
    ),
    ("experiment," + LAC.replace("lac", "e1,lac"), None),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_bad_tables_are_refused_with_place_and_cure(read, text, message):
    if message is None:
        assert read(text)["experiment"].values.tolist() == ["e1"]
        return
    with pytest.raises(LabelingError, match=message):
        read(text)


def test_unknown_metabolites_are_refused_with_the_nearest_names(read):
    cure = r"leave it out with unknown='drop' \(--unknown drop\)"
    with pytest.raises(UnknownNameError, match=rf"'lactat'\. Did you mean 'lactate'.*table.csv, rows 2-5\) .*{cure}"):
        read(LAC.replace("lactate", "lactat"))


def test_a_needed_formula_that_is_missing_is_refused(read):
    with pytest.raises(LabelingError, match="'Lac.c' has no formula.*add a 'formula' column"):
        read(LAC.replace("lactate", "Lac.c"), natural_abundance="C")


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"tracers": None}, LabelingError, "no 'tracer' column; say what was infused"),
        ({"tracers": {"a": TRACER, "b": TRACER}}, LabelingError, "no 'experiment' column"),
        ({"tracers": "Glc_x: 100% [7-13C]"}, TracerError, "Glc_x"),
        ({"purity": 1.5}, LabelingError, "purity = 1.5"),
        ({"unknown": "skip"}, LabelingError, "'error' or 'drop'"),
        ({"natural_abundance": "Xx"}, LabelingError, "Xx"),
        ({"masks": [{"metabolite": "lactat"}]}, LabelingError, "matches no measured value.*'lactate'"),
        (
            {"masks": [{"metabolite": "lactate", "condition": "a"}]},
            LabelingError,
            r"The table has no conditions; write '\*'",
        ),
        ({"masks": [{"metabolite": "*"}]}, LabelingError, "takes every value"),
        (
            {"masks": [{"metabolite": "lactate", "colour": "red"}]},
            LabelingError,
            "column 'colour' means nothing",
        ),
        ({"masks": [{"metabolite": "lactate"}]}, LabelingError, "nothing is measured"),
    ],
)
def test_bad_settings_are_refused(read, changes, error, message):
    with pytest.raises(error, match=message):
        read(LAC, **changes)


def test_files_that_cannot_be_read_are_refused(ccm, tmp_path):
    with pytest.raises(LabelingError, match="there is no file"):
        read_labeling(tmp_path / "absent.csv", ccm, TRACER)
    (tmp_path / "table.pdf").write_text("x")
    with pytest.raises(LabelingError, match=r"save the table as .csv, .tsv or .xlsx"):
        read_labeling(tmp_path / "table.pdf", ccm, TRACER)
    (tmp_path / "broken.xlsx").write_text("x")
    with pytest.raises(LabelingError, match="cannot be opened as a workbook"):
        read_labeling(tmp_path / "broken.xlsx", ccm, TRACER)
    (tmp_path / "latin.csv").write_bytes(LAC.replace("lactate", "lactaté").encode("latin-1"))
    with pytest.raises(LabelingError, match="not UTF-8"):
        read_labeling(tmp_path / "latin.csv", ccm, TRACER)
    pd.DataFrame({"metabolite": ["lactate"]}).to_excel(tmp_path / "book.xlsx", sheet_name="mids", index=False)
    with pytest.raises(UnknownNameError, match="no sheet 'mid'. Did you mean 'mids'"):
        read_labeling(tmp_path / "book.xlsx", ccm, TRACER, sheet="mid")


def test_tracers_are_said_once(read):
    text = "tracer," + LAC.replace("lac", "[U-13C6]glucose,lac")
    assert read(text, None).sizes["experiment"] == 1
    with pytest.raises(LabelingError, match=r"has a 'tracer' column, and tracers= \(--tracers\) is given too"):
        read(text)


def test_an_experiment_without_tracer_is_refused(read):
    with pytest.raises(LabelingError, match="experiment 'e2' .*rows 2-5.* has no tracer; tracers= names 'e1'"):
        read("experiment," + LAC.replace("lac", "e2,lac"), {"e1": TRACER})
