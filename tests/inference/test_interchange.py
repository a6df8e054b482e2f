"""Estimates for other tools: the groups of ArviZ, with predictions that agree with the simulator and with the fit."""

import warnings

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

import fluxkit
from fluxkit.inference import FluxEstimate, QuantifySettings, SamplerSettings, quantify
from fluxkit.inference.problem import build_density
from fluxkit.labeling import pool_replicates
from tests.inference.problems import CCM, QUICK, SD, TOY, TRACER, hct116, toy_labeling


@pytest.fixture(scope="module")
def estimate():
    found = quantify(toy_labeling(), TOY, model=None, settings=QUICK)
    assert isinstance(found, FluxEstimate)
    return found


@pytest.fixture(scope="module")
def measured():
    """Mixed pools, dilutions, censored zeros and missing values of real data; few draws are enough."""
    settings = QuantifySettings(starts=2, sampler=SamplerSettings(chains=2, windows=(4, 4), max_draws=6))
    return quantify(pool_replicates(hct116())["control"], CCM, model=None, settings=settings)


@pytest.fixture(scope="module")
def tree(measured):
    return measured.to_arviz()


def test_every_group_that_arviz_knows_is_there_with_chain_and_draw_first(tree):
    drawn = {"posterior", "prior", "sample_stats", "posterior_predictive", "log_likelihood"}
    assert set(tree.children) == drawn | {"observed_data", "constant_data"}
    for name in drawn:
        for variable in tree[name].data_vars.values():
            assert variable.dims[:2] == ("chain", "draw")
        for dim in tree[name].sizes:  # ArviZ selects by labels, so every dimension has unique ones
            assert tree[name].indexes[dim].is_unique
    assert not {"chain", "draw"} & {dim for name in ("observed_data", "constant_data") for dim in tree[name].dims}
    assert all(each.attrs["inference_library"] == "fluxkit" for each in tree.children.values())


def test_draws_of_posterior_and_prior_are_those_of_the_estimate(measured, tree):
    posterior = tree["posterior"]
    np.testing.assert_array_equal(posterior["net_flux"], measured.posterior["net_flux"])
    np.testing.assert_array_equal(posterior["weight"], measured.posterior["weight"])
    np.testing.assert_array_equal(posterior["exchange_flux"], measured.posterior["exchange_flux"][..., CCM.reversible])
    assert posterior["reversible_reaction"].values.tolist() == np.array(CCM.reaction_names)[CCM.reversible].tolist()
    np.testing.assert_array_equal(tree["prior"]["net_flux"][0], measured.prior["net_flux"])
    np.testing.assert_array_equal(tree["sample_stats"]["lp"], measured.posterior["log_density"])
    assert tree["sample_stats"].attrs["rhat_max"] == measured.diagnostics["rhat_max"]
    assert tree.attrs["verdict"] == str(measured.verdict)


def test_observed_data_are_the_values_that_the_fit_used(measured, tree):
    used = np.isfinite(measured.fit["residual"].values)
    data, constant = tree["observed_data"], tree["constant_data"]
    assert data.sizes["datum"] == used.sum() < used.size
    np.testing.assert_array_equal(data["mid"], measured.fit["measured"].values[used])
    np.testing.assert_array_equal(constant["mid_sd"], measured.fit["sd"].values[used])
    columns = np.nonzero(used)[1]
    np.testing.assert_array_equal(data["fragment"], measured.fit["fragment"].values[columns])
    np.testing.assert_array_equal(data["mass_shift"], measured.fit["mass_shift"].values[columns])
    assert data["datum"].values[0] == "3-phosphoglycerate M+0"
    assert 0 < np.isfinite(constant["mid_limit"]).sum() < data.sizes["datum"]


def test_the_log_likelihood_is_that_of_the_residuals_of_the_fit(measured, tree):
    """The residuals come from the likelihood program that the sampler runs, not from the simulator used here."""
    density = build_density(measured.labeling, CCM)
    draws = measured.posterior.stack(s=("chain", "draw")).transpose("s", ...)
    fluxes = fluxkit.fluxes.directed_fluxes(CCM, draws["net_flux"].values, draws["exchange_flux"].values)
    residual = density.likelihood.residuals(fluxes, draws["weight"].values)
    sd = tree["constant_data"]["mid_sd"].values
    expected = np.where(density.censored, -0.5 * residual**2, norm.logpdf(residual) - np.log(sd))
    found = tree["log_likelihood"]["mid"].values.reshape(expected.shape)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_predictions_are_simulations_of_the_draws_with_the_noise_of_the_data(estimate):
    predicted = estimate.to_arviz(seed=4)["posterior_predictive"]["mid"]
    draws = estimate.posterior.isel(chain=0)
    exact = fluxkit.simulate(TOY, draws[["net_flux", "exchange_flux"]], TRACER, fragments=["B", "D"])
    noise = predicted.isel(chain=0).values - exact["mid"].values.reshape(draws.sizes["draw"], -1)
    assert noise.std() == pytest.approx(SD, rel=4 / np.sqrt(2 * noise.size))
    assert abs(noise.mean()) < 4 * SD / np.sqrt(noise.size)
    xr.testing.assert_identical(predicted, estimate.to_arviz(seed=4)["posterior_predictive"]["mid"])
    assert not np.allclose(predicted, estimate.to_arviz(seed=5)["posterior_predictive"]["mid"])


def test_predictions_can_be_left_out_and_an_absence_of_weights_is_no_variable(estimate):
    tree = estimate.to_arviz(predictions=False)
    assert set(tree.children) == {"posterior", "prior", "sample_stats", "observed_data", "constant_data"}
    assert set(tree["posterior"].data_vars) == {"net_flux", "exchange_flux"}


def test_data_of_several_experiments_and_isotopes_keep_their_names():
    tracers = {"glc": "Glc_x: 100% [U-13C6]", "gln": "Gln_x: 100% [U-13C5,15N2]"}
    labeling = fluxkit.simulate(CCM, CCM.reference_fluxes(), tracers, fragments=["Glu.c:C+N"], noise=SD)
    refits = fluxkit.fit_fluxes(labeling, CCM, starts=1, monte_carlo=2)
    data = refits.to_arviz()["observed_data"]
    assert data["datum"].values[[0, -1]].tolist() == ["glc Glu.c:C+N 13C0 15N0", "gln Glu.c:C+N 13C5 15N1"]
    assert set(data.coords) == {"datum", "experiment", "fragment", "mass_shift", "isotopes"}


def test_the_tree_is_written_and_read_as_it_is(tree, tmp_path):
    tree.to_netcdf(tmp_path / "arviz.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "arviz.nc", engine="h5netcdf") as again:
        xr.testing.assert_identical(again.load(), tree)


def test_arviz_reads_it(estimate):
    pytest.importorskip("arviz_base")
    arviz = pytest.importorskip("arviz_stats")
    if not hasattr(arviz, "summary"):
        pytest.skip("arviz_stats is installed without xarray support")
    tree = estimate.to_arviz()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a flux that the network fixes has no R-hat
        table = arviz.summary(tree, var_names=["net_flux", "exchange_flux"], round_to="none")
        out = arviz.loo(tree)
    draws = estimate.posterior["net_flux"].sel(reaction="v2").values
    assert table.loc["net_flux[v2]", "mean"] == pytest.approx(draws.mean())
    assert table.loc["exchange_flux[v2]", "r_hat"] < 1.05
    assert out.n_data_points == tree["observed_data"].sizes["datum"]
