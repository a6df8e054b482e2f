"""Estimates: saved without loss, tables with the promised columns, expressions of fluxes."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fluxkit
from fluxkit.errors import FluxError, ModelError
from fluxkit.inference import FluxEstimate, QuantifySettings, SamplerSettings, Verdict, load_estimate, quantify
from tests.inference.problems import CCM, QUICK, SD, TOY, flux, leaky_toy, toy_labeling


@pytest.fixture(scope="module")
def estimate():
    result = quantify(toy_labeling(), TOY, model=None, settings=QUICK)
    assert isinstance(result, FluxEstimate)
    return result


def test_saving_and_loading_loses_nothing(estimate, tmp_path):
    path = estimate.save(tmp_path / "new" / "estimate.nc")
    again = load_estimate(path, TOY)
    for name in ("posterior", "prior", "best", "fit", "labeling"):
        xr.testing.assert_identical(getattr(again, name), getattr(estimate, name))
    for name in ("sample", "ssr", "degrees_of_freedom", "p_value", "diagnostics", "verdict"):
        assert getattr(again, name) == getattr(estimate, name)
    pd.testing.assert_frame_equal(again.intervals, estimate.intervals)
    assert [each.name for each in path.parent.iterdir()] == ["estimate.nc"]


@pytest.fixture(scope="module")
def rich():
    """An estimate that holds all there is: unknown shares, censored zeros, isotopes, two experiments, remarks."""
    tracers = {"glc": "Glc_x: 100% [U-13C6]", "gln": "Gln_x: 100% [U-13C5,15N2]"}
    names = ["Glu.c:C+N", "citrate", "lactate", "alanine"]
    labeling = fluxkit.simulate(CCM, CCM.reference_fluxes(), tracers, fragments=names, noise=SD, seed=1)
    low = labeling["mid"] < SD
    limit = xr.full_like(labeling["mid"], 0.01).where(low)
    labeling = labeling.assign(mid=labeling["mid"].where(~low, 0.0), mid_limit=limit)
    labeling = labeling.assign_coords(condition="Kontrolle β", animal=3).assign_attrs(replicates=2, seed=5)
    settings = QuantifySettings(starts=2, sampler=SamplerSettings(chains=2, windows=(4, 4), max_draws=6))
    found = quantify(labeling, CCM, model=None, settings=settings)
    assert isinstance(found, FluxEstimate)
    verdict = Verdict(False, ("chains 'a' and \"b\"; λ",), ("first remark", "zweite Bemerkung: µ → 0"))
    diagnostics = found.diagnostics | {"missing": np.nan, "endless": np.inf, "third": 1 / 3}
    return replace(found, sample="Probe 1/β", verdict=verdict, diagnostics=diagnostics, p_value=0.1 + 0.2)


def assert_same_bits(found: xr.Dataset, wanted: xr.Dataset) -> None:
    """The same variables, bit for bit, and attributes of the same type; texts may change their fixed width."""
    assert set(found.variables) == set(wanted.variables) and set(found.coords) == set(wanted.coords)
    assert found.sizes == wanted.sizes
    for name, variable in wanted.variables.items():
        again = found.variables[name]
        assert again.dims == variable.dims and again.attrs == variable.attrs
        if variable.dtype.kind in "OU":
            assert again.values.astype(object).tolist() == variable.values.astype(object).tolist()
        else:
            assert again.dtype == variable.dtype and again.values.tobytes() == variable.values.tobytes()
    assert {k: (type(v), v) for k, v in found.attrs.items()} == {k: (type(v), v) for k, v in wanted.attrs.items()}


def test_every_field_comes_back_bit_for_bit(rich, tmp_path):
    assert {"isotopes", "condition"} <= set(rich.labeling.coords) and "mid_limit" in rich.labeling
    assert rich.posterior.sizes["weight_name"] > 0 and rich.fit.sizes["experiment"] == 2
    again = load_estimate(rich.save(tmp_path / "estimate.nc"), CCM)
    twice = load_estimate(again.save(tmp_path / "twice.nc"), CCM)
    for each in (again, twice):
        for field in fields(FluxEstimate):
            value, wanted = getattr(each, field.name), getattr(rich, field.name)
            if isinstance(wanted, xr.Dataset):
                assert_same_bits(value, wanted)
            elif field.name != "network":
                assert type(value) is type(wanted)
                assert repr(value) == repr(wanted)  # a float shows all its bits, NaN too
        assert each.network is CCM
        pd.testing.assert_frame_equal(each.intervals, rich.intervals, check_exact=True)


def test_a_damaged_file_is_refused(estimate, tmp_path):
    path = estimate.save(tmp_path / "estimate.nc")
    content = path.read_bytes()
    for damaged in (b"", b"not a netCDF file", content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match="cannot read an estimate"):
            load_estimate(path, TOY)
    with pytest.raises(ModelError, match="check the path"):
        load_estimate(tmp_path / "missing.nc", TOY)


def test_a_netcdf_file_that_is_no_estimate_is_refused(tmp_path):
    xr.Dataset({"x": 1.0}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ModelError, match="cannot read an estimate"):
        load_estimate(tmp_path / "other.nc", TOY)


def test_an_estimate_of_another_network_is_refused(estimate, tmp_path):
    with pytest.raises(ModelError, match="another version of network 'toy'"):
        load_estimate(estimate.save(tmp_path / "estimate.nc"), leaky_toy())


def test_the_table_has_one_row_per_flux_with_the_promised_columns(estimate, tmp_path):
    table = pd.read_csv(estimate.to_csv(tmp_path / "fluxes.csv"))
    promised = ["sample", "reaction", "kind", "best", "median", "lower", "upper", "information", "unit", "trusted"]
    assert [each for each in table.columns if each in promised] == promised
    assert set(table["sample"]) == {"sample"}
    assert list(zip(table["reaction"], table["kind"], strict=True)) == [
        *((name, "net") for name in TOY.reaction_names),
        ("v2", "exchange"),
    ]
    for column in ("best", "median", "lower", "upper"):
        np.testing.assert_allclose(table[column], estimate.intervals[column], rtol=1e-5)
    assert set(table["unit"]) == {TOY.flux_unit}
    assert set(table["trusted"]) == {estimate.verdict.trusted}


def test_intervals_are_quantiles_of_the_draws(estimate):
    row = estimate.intervals.set_index(["reaction", "kind"]).loc[("v2", "net")]
    lower, median, upper = np.quantile(flux(estimate, "net", "v2"), [0.05, 0.5, 0.95])
    assert (row["lower"], row["median"], row["upper"]) == pytest.approx((lower, median, upper), rel=1e-12)
    low, high = np.quantile(estimate.prior["net_flux"].sel(reaction="v2"), [0.05, 0.95])
    assert row["information"] == pytest.approx(1 - (upper - lower) / (high - low))


def test_nothing_half_written_is_left_behind(estimate, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", lambda self, path, **_: (path.write_text("samp"), fail()))
    monkeypatch.setattr(xr.DataTree, "to_netcdf", lambda self, path, **_: (path.write_text("CDF"), fail()))
    for write in (estimate.to_csv, estimate.save):
        with pytest.raises(OSError, match="disk full"):
            write(tmp_path / "result")
    assert list(tmp_path.iterdir()) == []


def test_expressions_know_net_forward_backward_and_exchange_fluxes(estimate):
    net, exchange = flux(estimate, "net", "v2"), flux(estimate, "exchange", "v2")
    expected = {
        "v2": net,
        "v2_exchange": exchange,
        "v2_forward": np.maximum(net, 0) + exchange,
        "v2_backward": np.maximum(-net, 0) + exchange,
        "v2_forward - v2_backward": net,
        "v6 / (v6 + v7)": flux(estimate, "net", "v6") / (flux(estimate, "net", "v6") + flux(estimate, "net", "v7")),
        "v6_backward": np.zeros_like(net),
        "2.5": np.full_like(net, 2.5),
    }
    for expression, values in expected.items():
        result = estimate.quantity(expression)
        assert result.dims == ("chain", "draw")
        np.testing.assert_allclose(result.values.ravel(), values, atol=1e-12)


@pytest.mark.parametrize(
    ("expression", "words"),
    [("v22 / v6", "Did you mean 'v2'"), ("v2 +", "cannot evaluate 'v2 \\+'"), ("", "cannot evaluate")],
)
def test_an_expression_that_cannot_be_read_is_refused_with_a_hint(estimate, expression, words):
    with pytest.raises(FluxError, match=words):
        estimate.quantity(expression)


def test_the_text_of_an_estimate_says_what_matters(estimate):
    assert "6 of 6 free fluxes determined, trusted" in repr(estimate)
