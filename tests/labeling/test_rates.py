"""Measured rates beside labeling: what is kept, pooled and refused."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fluxkit
from fluxkit.errors import LabelingError, UnknownNameError
from fluxkit.labeling import pool_replicates, split_samples
from fluxkit.labeling.rates import rate_row
from tests.inference.problems import TOY, toy_labeling


def samples():
    parts = [toy_labeling(seed=seed) for seed in range(4)]
    return (
        xr.concat(parts, "sample", data_vars=["mid", "mid_sd"], coords="minimal", combine_attrs="override")
        .drop_vars(["net_flux", "exchange_flux"])
        .assign_coords(sample=["a", "b", "c", "d"], condition=("sample", ["x", "x", "y", "y"]))
    )


def test_rates_of_all_samples_come_from_a_mapping():
    found = fluxkit.with_rates(samples(), {"v1": (2.0, 0.1), "v6": (1.5, 0.2)}, TOY, unit="mmol/h")
    assert found["rate"].dims == ("sample", "measured_reaction")
    assert (found["rate"].sel(measured_reaction="v6") == 1.5).all()
    assert (found["rate_sd"].sel(measured_reaction="v1") == 0.1).all()
    assert found["rate"].attrs == {"units": "mmol/h", "absolute": 0}
    assert fluxkit.with_rates(samples(), {"v1": (2.0, 0.1)}, TOY, unit=TOY.flux_unit)["rate"].attrs["absolute"] == 1


def test_rates_by_condition_come_from_a_table(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text("condition,reaction,rate,sd\nx,v1,2,0.1\ny,v1,3,0.2\ny,v6,1,0.1\n")
    found = fluxkit.with_rates(samples(), path, TOY)
    np.testing.assert_array_equal(found["rate"], [[2, np.nan], [2, np.nan], [3, 1], [3, 1]])
    pooled = pool_replicates(found)
    np.testing.assert_array_equal(pooled["y"]["rate"], [3, 1])
    np.testing.assert_array_equal(pooled["y"]["rate_sd"], [0.2, 0.1])
    np.testing.assert_array_equal(split_samples(found)["b"]["rate"], [2, np.nan])


def test_replicates_that_scatter_more_than_stated_widen_the_error():
    table = pd.DataFrame({"sample": ["a", "b"], "reaction": ["v1", "v1"], "rate": [1.0, 3.0], "sd": [0.1, 0.1]})
    pooled = pool_replicates(fluxkit.with_rates(samples(), table, TOY))["x"]
    assert float(pooled["rate"][0]) == 2
    assert float(pooled["rate_sd"][0]) == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reaction,rate\nv1,2", "rates.csv: the column 'sd' is missing; a table of rates has the columns"),
        ("reaction,rate,sd\nv9,2,1", "rates.csv, row 2: network 'toy' has no reaction 'v9'. Did you mean"),
        ("reaction,rate,sd\nv1,two,1", "rates.csv, row 2: the rate is 'two'; give a finite number"),
        ("reaction,rate,sd\nv1,2,0", "rates.csv, row 2: the sd of 'v1' is 0; give a positive"),
        ("reaction,rate,sd\nv1,2,1\nv1,3,1", "rates.csv, row 3: the rate of 'v1' appears twice; keep one row"),
        ("condition,reaction,rate,sd\nz,v1,2,1", "rates.csv, row 2: no sample has the condition 'z'"),
        ("reaction,rate,sd\n", "rates.csv: there is no rate; leave rates out"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path, text, message):
    (tmp_path / "rates.csv").write_text(text)
    with pytest.raises((LabelingError, UnknownNameError), match=message.replace("(", r"\(")):
        fluxkit.with_rates(samples(), tmp_path / "rates.csv", TOY)


def test_a_missing_table_and_a_rate_without_error_are_refused(tmp_path):
    with pytest.raises(LabelingError, match="there is no table of rates"):
        fluxkit.with_rates(samples(), tmp_path / "none.csv", TOY)
    with pytest.raises(LabelingError, match=r"the rate of 'v1' is 2; give \(rate, standard deviation\)"):
        fluxkit.with_rates(samples(), {"v1": 2}, TOY)  # pyright: ignore[reportArgumentType]


def test_a_rate_may_be_a_sum_of_reactions():
    expected = np.zeros(len(TOY.reactions))
    expected[[TOY.reaction_index["v1"], TOY.reaction_index["v6"]]] = [2.5, -1]
    np.testing.assert_array_equal(rate_row("2.5 v1 - v6", TOY), expected)
    np.testing.assert_array_equal(rate_row("-v6 + 2.5*v1", TOY), expected)
    for text in ("v1 / v6", "2", "v1 v6", ""):
        with pytest.raises(LabelingError, match="as a sum of reactions; write"):
            rate_row(text, TOY)


def test_rates_are_not_replaced_or_added_to_in_silence():
    once = fluxkit.with_rates(samples(), {"v1": (2.0, 1.0)}, TOY)
    with pytest.raises(LabelingError, match="holds the rates of 'v1' already; give all rates at once, or take"):
        fluxkit.with_rates(once, {"v1": (2.0, 1.0), "v6": (1.0, 0.1)}, TOY)
    anew = fluxkit.with_rates(once.drop_dims("measured_reaction"), {"v6": (1.0, 0.1)}, TOY)
    assert anew["measured_reaction"].values.tolist() == ["v6"]
