"""Estimates for other tools: the groups of ArviZ, with predictions that agree with the simulator and with the fit."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm

import fluxkit
from fluxkit.inference import FluxEstimate, QuantifySettings, SamplerSettings, load_estimate, quantify
from fluxkit.inference.problem import build_density
from fluxkit.labeling import pool_replicates
from tests.inference.problems import CCM, QUICK, SD, TOY, TRACER, hct116, leaky_toy, toy_labeling

RATES = {"v1": (3.0, 0.06), "v6 + 2 v8": (2.9, 0.1), "v8": (0.3, 0.02)}
LONG = 300  # draws of a chain, of which an estimate keeps fewer


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


@pytest.fixture(scope="module", params=["relative", "absolute"])
def rated(request):
    """An estimate of which one rate of four is missing; absolute rates are the relative ones times 33."""
    network = leaky_toy()
    state = {"v1": 100.0, "v2": 60.0, "v4": 15.0, "v5": 15.0, "v6": 75.0, "v7": 45.0, "v8": 10.0}
    exchange = {"v2": 20.0}
    labeling = fluxkit.simulate(network, state, TRACER, exchange=exchange, fragments=["B", "D"], noise=0.01, seed=3)
    factor, unit = (1.0, "mmol/h") if request.param == "relative" else (33.0, network.flux_unit)
    rates = {name: (factor * rate, factor * sd) for name, (rate, sd) in {"v7": (1.0, 1.0), **RATES}.items()}
    labeling = fluxkit.with_rates(labeling, rates, network, unit=unit)
    labeling["rate"] = labeling["rate"].where(labeling["measured_reaction"] != "v7")
    sampler = SamplerSettings(chains=4, windows=(20, 30), effective_draws=np.inf, max_draws=LONG)
    settings = QuantifySettings(starts=2, sampler=sampler)
    found = quantify(labeling, network, model=None, settings=settings)
    assert isinstance(found, FluxEstimate)
    return found


def rates_of_draws(estimate) -> np.ndarray:
    """Rates of every draw but for noise, shape ``(chain, draw, rate)``."""
    v1, v6, v8 = (estimate.posterior["net_flux"].sel(reaction=name).values for name in ("v1", "v6", "v8"))
    return estimate.posterior["rate_factor"].values[..., None] * np.stack([v1, v6 + 2 * v8, v8], axis=-1)


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


def test_measured_rates_are_in_the_groups_of_data_and_of_draws(rated):
    tree = rated.to_arviz()
    rate, sd = (rated.labeling[name].sel(measured_reaction=list(RATES)).values for name in ("rate", "rate_sd"))
    data, constant = tree["observed_data"]["rate"], tree["constant_data"]["rate_sd"]
    assert data["measured_reaction"].values.tolist() == constant["measured_reaction"].values.tolist() == list(RATES)
    np.testing.assert_array_equal(data, rate)
    np.testing.assert_array_equal(constant, sd)
    assert data.attrs["units"] == rated.labeling["rate"].attrs["units"]
    factor = tree["posterior"]["rate_factor"]
    np.testing.assert_array_equal(factor, rated.posterior["rate_factor"])
    assert (float(factor.std()) == 0) == bool(rated.labeling["rate"].attrs["absolute"])
    assert "rate_factor" not in tree["prior"]
    shape = (factor.sizes["chain"], factor.sizes["draw"], len(RATES))
    for group in ("posterior_predictive", "log_likelihood"):
        assert tree[group]["rate"].dims == ("chain", "draw", "measured_reaction")
        assert tree[group]["rate"].shape == shape
        assert set(tree[group].data_vars) == {"mid", "rate"}
    silent = rated.to_arviz(predictions=False)
    assert "rate" in silent["observed_data"]
    assert "rate_factor" in silent["posterior"]


def test_the_log_likelihood_of_rates_is_normal_around_flux_times_factor(rated):
    tree = rated.to_arviz()
    rate, sd = tree["observed_data"]["rate"].values, tree["constant_data"]["rate_sd"].values
    expected = norm.logpdf(rate, rates_of_draws(rated), sd)
    np.testing.assert_allclose(tree["log_likelihood"]["rate"], expected, rtol=1e-12, atol=1e-12)


def test_the_log_likelihood_of_rates_is_that_of_the_fit_once_the_factor_is_integrated_out(rated):
    """In the factor it is a parabola around the best one; Laplace's integral takes that off and weighs its width."""
    tree = rated.to_arviz()
    term = build_density(rated.labeling, rated.network).rates
    assert term is not None
    net, factor = rated.posterior["net_flux"].values, rated.posterior["rate_factor"].values
    found = tree["log_likelihood"]["rate"].sum("measured_reaction").values + np.log(term.sd * np.sqrt(2 * np.pi)).sum()
    if not term.absolute:
        flux = net @ term.rows.T / term.sd
        length = np.linalg.norm(flux, axis=-1)
        t = flux @ (term.rates / term.sd) / length
        found = found + 0.5 * (length * (factor - t / length)) ** 2 - 0.5 * np.log1p(t**2)
    fitted, _ = term.log_likelihood(net.reshape(-1, net.shape[-1]))
    np.testing.assert_allclose(found.ravel(), fitted, atol=1e-8)


def test_predicted_rates_have_the_noise_of_the_data_and_leave_that_of_mids_as_it_is(rated):
    tree = rated.to_arviz(seed=4)
    miss = tree["posterior_predictive"]["rate"].values - rates_of_draws(rated)
    noise = miss / tree["constant_data"]["rate_sd"].values
    assert noise.std() == pytest.approx(1, rel=4 / np.sqrt(2 * noise.size))
    assert abs(noise.mean()) < 4 / np.sqrt(noise.size)
    plain = replace(rated, labeling=rated.labeling.drop_vars(["rate", "rate_sd"])).to_arviz(seed=4)
    for group in ("posterior_predictive", "log_likelihood"):
        assert set(plain[group].data_vars) == {"mid"}
        xr.testing.assert_identical(plain[group]["mid"], tree[group]["mid"])


def test_an_estimate_with_rates_that_was_saved_exports_the_same(rated, tmp_path):
    tree = rated.to_arviz()
    rated.save(tmp_path / "estimate.nc")
    xr.testing.assert_identical(load_estimate(tmp_path / "estimate.nc", rated.network).to_arviz(), tree)
    tree.to_netcdf(tmp_path / "arviz.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "arviz.nc", engine="h5netcdf") as again:
        xr.testing.assert_identical(again.load(), tree)


def test_long_chains_are_thinned_to_250_draws_while_the_diagnostics_are_of_all(rated):
    stats = rated.to_arviz(predictions=False)["sample_stats"]
    assert stats.sizes["draw"] == 250
    assert stats.attrs["draws"] == stats.sizes["chain"] * LONG


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


def test_arviz_reads_rates(rated):
    pytest.importorskip("arviz_base")
    arviz = pytest.importorskip("arviz_stats")
    if not hasattr(arviz, "summary"):
        pytest.skip("arviz_stats is installed without xarray support")
    tree, names = rated.to_arviz(), list(RATES)
    if rated.labeling["rate"].attrs["absolute"]:
        names.remove("v1")  # the network fixes it, and ArviZ refuses what is the same in all draws
    tree["log_likelihood"] = tree["log_likelihood"].to_dataset().sel(measured_reaction=names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a factor that is 1 has no R-hat
        table = arviz.summary(tree, var_names=["rate_factor", "net_flux"], round_to="none")
        found = {name: arviz.loo(tree, var_name=name) for name in ("mid", "rate")}
    assert table.loc["rate_factor", "mean"] == pytest.approx(float(rated.posterior["rate_factor"].mean()))
    assert found["mid"].n_data_points == tree["observed_data"].sizes["datum"]
    assert found["rate"].n_data_points == len(names)
    assert np.isfinite(found["rate"].elpd)
    assert found["rate"].p > 0
