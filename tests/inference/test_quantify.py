"""The main job on the published toy network and on real data: recovery, exact posterior, calibration, refusals."""

import json

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import linprog
from scipy.stats import chisquare

import fluxkit
from fluxkit.errors import LabelingError, NetworkError
from fluxkit.fluxes import as_flux_dataset
from fluxkit.inference import Estimates, FluxEstimate, QuantifySettings, SamplerSettings, fit_statistics, quantify
from fluxkit.inference.problem import build_density
from fluxkit.inference.quantify import sample_posterior
from fluxkit.inference.refinement import refine
from fluxkit.inference.verdict.chi_square import chi_square, independent_data
from fluxkit.labeling import pool_replicates
from fluxkit.networks import FluxRule, Network, parse_reactions
from tests.inference.problems import (
    CCM,
    QUICK,
    TOY,
    TRACER,
    exact_toy_labeling,
    flux,
    hct116_control,
    leaky_toy,
    random_points,
    toy_labeling,
)

LONG = QuantifySettings(starts=4, sampler=SamplerSettings(windows=(20, 30, 40), effective_draws=4000))


def one(labeling, network=TOY, settings=QUICK, **options) -> FluxEstimate:
    estimate = quantify(labeling, network, model=None, settings=settings, **options)
    assert isinstance(estimate, FluxEstimate)
    return estimate


def several(labeling, **options) -> Estimates:
    estimates = quantify(labeling, TOY, model=None, settings=QUICK, **options)
    assert isinstance(estimates, Estimates)
    return estimates


@pytest.fixture(scope="module")
def published():
    return one(toy_labeling())


def test_the_published_fluxes_are_recovered_and_covered(published):
    table = published.intervals.set_index(["reaction", "kind"])
    for reaction, kind, truth in (("v2", "net", 60), ("v2", "exchange", 50), ("v5", "net", 20), ("v7", "net", 60)):
        row = table.loc[(reaction, kind)]
        assert row["lower"] < truth < row["upper"]
        assert row["best"] == pytest.approx(truth, rel=0.2)
        assert row["determined"]
    assert published.verdict.trusted
    assert 0.01 < published.p_value < 0.99


def test_every_draw_balances_and_stays_within_bounds(published):
    for states in (published.posterior, published.prior, published.best):
        checked = as_flux_dataset(TOY, states, check_bounds=True)  # refuses anything else
        np.testing.assert_array_equal(checked["net_flux"], states["net_flux"])


def test_residuals_and_chi_square_belong_to_the_best_point(published):
    fit = published.fit
    residual = (fit["fitted"] - fit["measured"]) / fit["sd"]
    np.testing.assert_allclose(fit["residual"], residual, atol=1e-12)
    assert published.ssr == pytest.approx(float((residual**2).sum()))
    best = fluxkit.simulate(TOY, published.best[["net_flux", "exchange_flux"]], TRACER, fragments=["B", "D"])
    np.testing.assert_allclose(fit["fitted"], best["mid"], atol=1e-9)


def grid_posterior(density, net_points, exchange_points):
    """Points and normalised weights of a grid over polytope and exchange coordinate, jittered within its cells."""
    walls, offsets = density.space.walls, density.space.offsets
    ends = [
        [sign * linprog(sign * axis, walls, offsets, bounds=(None, None)).fun for sign in (1, -1)]
        for axis in np.eye(len(density.space.free))
    ]
    cells = [*[(low, high, net_points) for low, high in ends], (-4.5, 4.5, exchange_points)]
    mesh = np.meshgrid(*[np.arange(count) for *_, count in cells], indexing="ij")
    index = np.stack(mesh, axis=-1).reshape(-1, density.size) + np.random.default_rng(9).random(
        (mesh[0].size, len(mesh))
    )
    low, high, count = np.array(cells).T
    points = low + (high - low) * index / count
    points = points[(density.space.slack(points[:, :-1]) > 0).all(axis=1)]
    value = density.log_density(points)[0]
    weight = np.exp(value - value.max())
    return points, weight / weight.sum()


def assert_same_posterior(estimate, density, points, weight):
    """Means, sds and tail probabilities within 4 standard errors, and 1 % of an sd for the grid."""
    z, y, _ = density.split(points)
    net, exchange = density.space.net(z), density.space.exchange(y)[:, 0]
    effective = estimate.diagnostics["ess_min"]
    names = estimate.network.reaction_names
    pairs = [(net[:, i], flux(estimate, "net", name)) for i, name in enumerate(names) if np.ptp(net[:, i]) > 1e-6]
    pairs.append((np.log(exchange), np.log(flux(estimate, "exchange", "v2"))))
    for grid, draws in pairs:
        mean = weight @ grid
        sd = np.sqrt(weight @ (grid - mean) ** 2)
        assert abs(draws.mean() - mean) < sd * (4 / np.sqrt(effective) + 0.01)
        assert abs(draws.std() / sd - 1) < 6 / np.sqrt(effective) + 0.02
        order = np.argsort(grid)
        for level in (0.1, 0.5, 0.9):
            cut = grid[order][np.searchsorted(np.cumsum(weight[order]), level)]
            below = weight[grid <= cut].sum()
            assert abs((draws <= cut).mean() - below) < 4 * np.sqrt(level * (1 - level) / effective) + 0.01


def test_the_posterior_equals_a_grid_over_one_net_and_one_exchange_flux():
    labeling = toy_labeling(noise=0.05, seed=3)
    density = build_density(labeling, TOY)
    assert_same_posterior(one(labeling, settings=LONG), density, *grid_posterior(density, 1000, 200))


def test_the_posterior_equals_a_grid_over_two_net_fluxes_and_one_exchange_flux():
    network = leaky_toy()
    state = fluxkit.draw_fluxes(network, 1, seed=5).isel(draw=0)
    labeling = fluxkit.simulate(network, state, TRACER, fragments=["B", "D"], noise=0.05, seed=4)
    density = build_density(labeling, network)
    assert len(density.space.free) == 2
    assert_same_posterior(one(labeling, network, LONG), density, *grid_posterior(density, 100, 50))


@pytest.fixture(scope="module")
def replay():
    """Ranks of the true fluxes among posterior draws, and fit statistics, of 100 data sets from the prior."""
    states = fluxkit.draw_fluxes(TOY, 100, seed=21)
    labeling = fluxkit.simulate(TOY, states, TRACER, fragments=["B", "D"], noise=0.02, seed=22)
    settings = SamplerSettings(chains=8, windows=(10, 10), trajectory=2.0, max_draws=40, effective_draws=1e9)
    ranks, fits = [], []
    for i in range(100):
        density = build_density(labeling.isel(draw=i), TOY)
        rng = np.random.default_rng(i)
        refined = refine(density, random_points(density, 4, seed=i), barriers=(1.0, 0.01))
        chains = sample_posterior(density, refined, settings, rng, lambda stage, fraction: None)
        z, y, _ = density.split(chains.draws[:, ::10].reshape(-1, density.size)[:29])
        truth = states.isel(draw=i)
        net = density.space.net(z)[:, 1] < float(truth["net_flux"][1])
        exchange = density.space.exchange(y)[:, 0] < float(truth["exchange_flux"][1])
        ranks.append([net.sum(), exchange.sum()])
        fits.append(chi_square(density, refined)[:3])
    return np.array(ranks), np.array(fits)


def test_ranks_of_true_fluxes_among_posterior_draws_are_uniform(replay):
    for ranks in replay[0].T:  # 0 to 29, in ten classes of three
        assert chisquare(np.bincount(ranks // 3, minlength=10)).pvalue > 0.005


def test_chi_square_is_on_average_its_degrees_of_freedom_and_p_values_are_spread(replay):
    ssr, freedom, p_value = replay[1].T
    assert abs((ssr - freedom).mean()) < 4 * np.sqrt(2 * freedom.mean() / len(ssr))
    assert (p_value < 0.05).mean() < 0.15
    assert 0.35 < p_value.mean() < 0.65


def test_normalised_values_lose_one_datum_per_fragment_and_noisy_ones_do_not():
    noisy = toy_labeling()
    total = noisy["mid"].groupby("fragment").sum()
    closed = noisy.assign(mid=noisy["mid"] / total.sel(fragment=noisy["fragment"]).drop_vars("fragment"))
    assert independent_data(build_density(noisy, TOY)) == 8
    assert independent_data(build_density(closed, TOY)) == 6
    control = hct116_control()
    assert independent_data(control) == control.measurement.n_independent


def test_the_same_seed_gives_the_same_estimate():
    labeling = toy_labeling()
    first, again, other = (one(labeling, seed=seed) for seed in (3, 3, 4))
    xr.testing.assert_identical(first.posterior, again.posterior)
    assert not np.array_equal(first.posterior["net_flux"], other.posterior["net_flux"])


def test_a_flux_that_the_data_do_not_determine_is_flagged():
    estimate = one(exact_toy_labeling(fragments=["B"], tracers="A_x: 100% [U-13C3]"))
    table = estimate.intervals.set_index(["reaction", "kind"])
    assert ("v2", "exchange") in table.index[~table["determined"].to_numpy(dtype=bool)]
    assert abs(table["information"].to_dict()["v2", "exchange"]) < 0.2
    assert table.loc[("v1", "net"), "determined"]  # the network fixes it
    assert np.isnan(table.loc[("v1", "net"), "information"])


def test_a_wrong_tracer_is_not_trusted():
    labeling = toy_labeling().assign_attrs(tracers=json.dumps({"tracer": "A_x: 100% [1,2-13C2]"}))
    verdict = one(labeling).verdict
    assert not verdict.trusted
    assert "does not explain the data" in str(verdict)


def test_a_corrupted_fragment_is_not_trusted_and_named():
    labeling = toy_labeling(fragments=["B", "C", "D", "E"])
    mid = labeling["mid"].copy()
    place = np.flatnonzero(labeling["fragment"] == "E")
    mid[0, place] = mid[0, place[::-1]].values
    verdict = one(labeling.assign(mid=mid)).verdict
    assert not verdict.trusted
    assert any("one value lies" in each and "(E M+" in each for each in verdict.reasons)


@pytest.fixture(scope="module")
def replicates():
    """Two conditions of three replicates each, at other fluxes."""
    first, second = (as_flux_dataset(TOY, {"v1": 100, "v5": v5}, exchange={"v2": 50}) for v5 in (20.0, 30.0))
    states = xr.concat([first] * 3 + [second] * 3, dim="sample")
    labeling = toy_labeling(fluxes=states)
    return labeling.assign_coords(
        sample=[f"s{i}" for i in range(6)],
        condition=("sample", np.repeat(["control", "drug"], 3).astype(object)),
        replicate=("sample", np.tile([1, 2, 3], 2)),
    ).drop_vars(["net_flux", "exchange_flux"])


def test_replicates_are_pooled_into_one_estimate_per_condition(replicates):
    estimates = several(replicates)
    assert list(estimates) == ["control", "drug"]
    pooled = pool_replicates(replicates)["control"]
    np.testing.assert_allclose(estimates["control"].fit["measured"], pooled["mid"])
    for name, truth in (("control", 20), ("drug", 30)):
        assert np.quantile(flux(estimates[name], "net", "v5"), 0.5) == pytest.approx(truth, abs=1.5)


def test_without_pooling_every_sample_gets_its_estimate(replicates):
    estimates = several(replicates.isel(sample=slice(2)), pool=False)
    assert list(estimates) == ["s0", "s1"]
    assert [each.sample for each in estimates.values()] == ["s0", "s1"]


def test_simulated_draws_are_quantified_one_by_one():
    states = fluxkit.draw_fluxes(TOY, 2, seed=1)
    assert list(several(toy_labeling(fluxes=states))) == ["draw 0", "draw 1"]


def test_fit_statistics_has_one_row_per_sample(replicates):
    table = fit_statistics(replicates, TOY, model=None, starts=3)
    assert table["sample"].tolist() == [f"s{i}" for i in range(6)]
    assert set(table["data"]) == {8}
    assert max(table["chi_square"]) < 25
    assert min(table["p_value"]) > 0.001
    assert table["where"].astype(str).str.match(r"[BD] M\+[0-3]$").all()


def test_progress_is_told_in_order():
    told = []
    one(toy_labeling(), progress=lambda stage, fraction: told.append((stage, fraction)))
    fractions = [each for _, each in told]
    assert fractions == sorted(fractions)
    assert told[-1] == ("sample: done", 1.0)


def test_labeling_without_standard_deviations_is_refused():
    with pytest.raises(LabelingError, match="no standard deviations"):
        quantify(toy_labeling(noise=0.0), TOY, model=None)


def test_labeling_of_another_network_is_refused():
    with pytest.raises(LabelingError, match="belongs to network 'toy', not 'ccm'"):
        quantify(toy_labeling(), CCM, model=None)


def test_a_fragment_that_no_tracer_reaches_is_refused_by_name():
    text = "up: A_x (a) -> A (a)\nout: A (a) -> A_out_x (a)\nin: D_x (a) -> D (a)\ndown: D (a) -> D_out_x (a)"
    reactions, symmetric = parse_reactions(text)
    rules = {"up": FluxRule(50, 100), "in": FluxRule(10, 100)}
    network = Network("apart", reactions, symmetric, rules=rules)
    state = fluxkit.draw_fluxes(network, 1).isel(draw=0)
    labeling = fluxkit.simulate(network, state, "A_x: 100% [1-13C]", fragments=["D"], noise=0.01)
    with pytest.raises(NetworkError, match="D"):
        quantify(labeling, network, model=None)


@pytest.mark.parametrize("wrong", [{"starts": 0}, {"learned_draws": 0}])
def test_fewer_than_one_start_is_refused(wrong):
    with pytest.raises(LabelingError, match="at least 1"):
        QuantifySettings(**wrong)


def test_hct116_control_is_explained_without_a_learned_model():
    density = hct116_control()
    refined = refine(density, random_points(density, 6, seed=0))
    ssr, freedom, p_value, determined = chi_square(density, refined)
    assert ssr < 60
    assert 40 < freedom < 70
    assert p_value > 0.05
    assert 10 < determined < 40


def test_few_draws_of_hct116_stay_near_the_best_fit():
    density = hct116_control()
    refined = refine(density, random_points(density, 3, seed=1), barriers=(1.0, 0.03))
    settings = SamplerSettings(chains=8, windows=(5,), max_draws=20)
    chains = sample_posterior(density, refined, settings, np.random.default_rng(0), lambda stage, fraction: None)
    assert chains.draws.shape == (8, 20, density.size)
    assert (density.space.slack(density.split(chains.draws)[0]) > 0).all()
    assert np.median(chains.log_density) > -refined.objective[0] - 150
