"""Common fluxes of animals: coverage, the prior counted once, quantities, real posteriors, refusals."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from scipy.special import ndtri

import fluxkit
from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.inference import Estimates, FluxEstimate, common_fluxes, quantify
from tests.inference.gaussian_estimates import gaussian_estimate
from tests.inference.problems import QUICK, TOY, TRACER, leaky_toy

DRAWS = 1000


def animal(data, error, prior=None, *, name="mouse", **coords) -> FluxEstimate:
    """An animal whose data say this of each flux; with a prior (mean, sd) its posterior contains it."""
    data, error = np.broadcast_arrays(np.asarray(data, dtype=float), np.asarray(error, dtype=float))
    centre, width = data, error
    if prior is not None:
        width = (error**-2 + prior[1] ** -2) ** -0.5
        centre = width**2 * (data / error**2 + prior[0] / prior[1] ** 2)
    estimate = gaussian_estimate(centre, width, sample=name, draws=DRAWS, **coords)
    network = SimpleNamespace(**{**vars(estimate.network), "flux_unit": "nmol/h"})
    drawn = xr.Dataset()
    if prior is not None:
        quantiles = prior[0] + prior[1] * ndtri((np.arange(DRAWS) + 0.5) / DRAWS)
        fluxes = np.tile(quantiles[:, None], (1, len(data)))
        names = estimate.posterior["reaction"].values
        drawn = xr.Dataset({"net_flux": (("draw", "reaction"), fluxes)}, coords={"reaction": names})
    return replace(estimate, network=network, prior=drawn)


def herd(data, error, prior=None, **coords) -> list[FluxEstimate]:
    """One animal for each row of ``data`` and ``error``, shape ``(animal, flux)``."""
    data, error = np.broadcast_arrays(data, error)
    return [animal(row, sd, prior, name=f"m{i}", **coords) for i, (row, sd) in enumerate(zip(data, error, strict=True))]


@pytest.mark.parametrize(("between", "count"), [(10.0, 3), (10.0, 6), (2.0, 5)])
def test_intervals_of_mean_and_scatter_hold_the_truth_of_simulated_animals(between, count):
    rng = np.random.default_rng(count)
    repeats, mean, prior = 250, 60.0, (40.0, 60.0)
    error = rng.uniform(2, 20, (count, repeats))
    data = rng.normal(mean, np.hypot(between, error))
    table = common_fluxes(herd(data, error, prior))
    assert len(table) == repeats and (table["animals"] == count).all()
    least = stats.binom.ppf(0.001, repeats, 0.9)
    for name, truth in (("mean", mean), ("between_sd", between)):
        held = (table[f"{name}_lower"] < truth) & (truth < table[f"{name}_upper"])
        assert held.sum() >= least, (name, held.mean())


def test_many_animals_give_back_mean_and_scatter():
    rng = np.random.default_rng(5)
    data = rng.normal(60.0, np.hypot(10.0, 3.0), (60, 20))
    table = common_fluxes(herd(data, 3.0, (40.0, 60.0)))
    assert table["mean"].mean() == pytest.approx(60.0, abs=4 * np.hypot(10, 3) / np.sqrt(60 * 20))
    assert table["between_sd"].mean() == pytest.approx(10.0, abs=4 * np.hypot(10, 3) / np.sqrt(2 * 60 * 20) + 0.1)
    # 17 % of the mean, each known to 17 % / sqrt(120) = 1.5 %
    more, less = (common_fluxes(herd(data, 3.0, (40.0, 60.0)), variation=each) for each in (0.25, 0.1))
    assert (more["probability_varies"] < 0.05).all() and (less["probability_varies"] > 0.95).all()


def test_the_prior_counts_once_however_many_animals_contain_it():
    data, error, prior = np.full((6, 1), 100.0), 30.0, (0.0, 30.0)
    row = common_fluxes(herd(data, error, prior), scale=1e-6).iloc[0]
    pooled = 6 * 100.0 / 7  # six data and one prior of equal precision
    assert row["mean"] == pytest.approx(pooled, rel=2e-3)
    sd = 30 / np.sqrt(7)
    assert row["mean_upper"] - row["mean_lower"] == pytest.approx(2 * 1.6449 * sd, rel=1e-2)
    naive = common_fluxes([replace(each, prior=xr.Dataset()) for each in herd(data, error, prior)], scale=1e-6)
    assert naive["mean"].item() == pytest.approx(50.0, rel=2e-3)


def test_an_animal_that_is_known_badly_is_drawn_towards_the_others():
    data, error = np.array([[10.0], [10.5], [9.5], [10.2], [20.0]]), np.array([[0.5], [0.5], [0.5], [0.5], [10.0]])
    row = common_fluxes(herd(data, error)).iloc[0]
    assert 9.5 < row["mean of m4"] < 11.0
    assert row["mean of m0"] == pytest.approx(10.0, abs=0.2)
    assert row["probability_varies"] < 0.1


def test_the_table_says_what_cannot_be_told():
    data = np.array([[5.0, 1.0], [6.0, 2.0], [7.0, 3.0]])
    error = np.array([[1.0, 1.0], [1.0, 1e3], [1.0, 1e3]])
    table = common_fluxes(herd(data, error, (0.0, 10.0)), family="half-normal", variation=0.3, scale=0.4)
    assert table["animals"].tolist() == [3, 1]
    assert np.isnan(table.loc[1, ["mean", "between_sd", "probability_varies", "mean of m0"]].astype(float)).all()
    assert table["unit"].tolist() == ["nmol/h", "nmol/h"]
    assert table.attrs == {"variation": 0.3, "scale": 0.4, "family": "half-normal", "untrusted": {}}
    size = np.sqrt(np.mean([5**2, 6**2, 7**2]) + 1)
    assert table.loc[0, "scatter_scale"] == pytest.approx(0.4 * size, rel=0.02)


def test_a_flux_that_the_network_fixes_does_not_vary():
    fixed = [animal([100.0], 1e-12, (100.0, 1e-12), name=name) for name in "ab"]  # up to rounding
    row = common_fluxes(fixed).iloc[0]
    assert row["animals"] == 2
    assert row["mean"] == row["mean_lower"] == row["mean of b"] == pytest.approx(100.0)
    assert row["between_sd"] == 0.0 and np.isnan(row["probability_varies"])


def test_ratios_that_animals_share_are_found_where_their_fluxes_differ():
    network = leaky_toy()
    names = np.array(network.reaction_names)

    def one(name, size, seed):
        rng = np.random.default_rng(seed)
        net = np.zeros((1, 500, len(names)))
        v2 = size * rng.normal(60, 1, 500)
        net[0, :, names == "v2"] = v2
        net[0, :, names == "v6"] = v2 / rng.normal(1.5, 0.02, 500)
        dims = ("chain", "draw", "reaction")
        fields = {"net_flux": (dims, net), "exchange_flux": (dims, np.zeros_like(net))}
        posterior = xr.Dataset(fields, coords={"reaction": names})
        return replace(gaussian_estimate([0.0], sample=name), network=network, posterior=posterior)

    animals = [one(f"m{i}", size, i) for i, size in enumerate((0.5, 1.0, 1.6, 2.2))]

    def logarithm(fluxes):
        net = fluxes["net_flux"]
        return np.log(net.sel(reaction="v2") / net.sel(reaction="v6"))

    table = common_fluxes(animals, {"flux": "v2", "ratio": "v2 / v6", "log": logarithm}).set_index("flux")
    assert table.loc["flux", "probability_varies"] > 0.9
    assert table.loc["ratio", "probability_varies"] < 0.05
    assert table.loc["ratio", "mean"] == pytest.approx(1.5, rel=0.02)
    assert np.exp(table.loc["log", "mean"]) == pytest.approx(1.5, rel=0.02)
    assert common_fluxes(animals, ["v2 / v6"])["flux"].tolist() == ["v2 / v6"]
    with pytest.raises(FluxError, match="cannot evaluate 'v2 / v66'"):
        common_fluxes(animals, ["v2 / v66"])
    with pytest.raises(FluxError, match="'lost' asks for a flux that does not exist.*Known: 'v1'"):
        common_fluxes(animals, {"lost": lambda fluxes: fluxes["net_flux"].sel(reaction="v66")})
    with pytest.raises(FluxError, match="return one value per draw"):
        common_fluxes(animals, {"whole": lambda fluxes: fluxes["net_flux"]})
    with pytest.raises(FluxError, match=r"write \['v2'\]"):
        common_fluxes(animals, "v2")


@pytest.fixture(scope="module")
def simulated():
    """Three animals whose flux v2 is 50, 60 and 70, quantified one by one."""
    estimates, draws = {}, fluxkit.draw_fluxes(TOY, 400, seed=0)
    for i, v2 in enumerate((50.0, 60.0, 70.0)):
        nearest = int(np.abs(draws["net_flux"].sel(reaction="v2").values - v2).argmin())
        state = draws.isel(draw=nearest).assign(exchange_flux=TOY.reference_fluxes()["exchange_flux"])
        labeling = fluxkit.simulate(TOY, state, TRACER, fragments=["B", "D"], noise=0.005, seed=i)
        estimates[f"m{i}"] = quantify(labeling, TOY, model=None, settings=QUICK, seed=i)
    return Estimates(estimates)


def test_simulated_animals_are_told_apart_by_their_labeling(simulated):
    table = simulated.common(variation=0.05).set_index("flux")
    row = table.loc["v2"]
    assert row["animals"] == 3 and row["unit"] == TOY.flux_unit
    assert row["mean_lower"] < 60 < row["mean_upper"]
    assert row["between_sd_lower"] < 10 < row["between_sd_upper"]
    assert row["probability_varies"] > 0.9
    np.testing.assert_allclose(row[["mean of m0", "mean of m1", "mean of m2"]].astype(float), [50, 60, 70], atol=4)
    assert table.loc["v1", "between_sd"] == 0.0
    pd.testing.assert_frame_equal(simulated.common(["m0", "m2"]), common_fluxes([*_two(simulated)]))


def _two(estimates):
    return [replace(estimates[name], sample=name) for name in ("m0", "m2")]


def test_estimates_of_several_conditions_are_no_replicates():
    one, two = (herd(np.ones((2, 1)), 1.0, condition=each) for each in ("control", "drug"))
    named = {f"{c} {i}": each for c, group in (("a", one), ("b", two)) for i, each in enumerate(group)}
    estimates = Estimates(named)
    with pytest.raises(FluxError, match="several conditions .'control', 'drug'."):
        estimates.common()
    pd.testing.assert_frame_equal(estimates.common("drug"), estimates.common(["b 0", "b 1"]))
    with pytest.raises(UnknownNameError, match="no estimate or condition is called 'drag'"):
        estimates.common("drag")


def test_what_cannot_be_set_side_by_side_is_refused_with_the_cure(simulated):
    one = animal([1.0], 1.0, (0.0, 5.0), name="a")
    with pytest.raises(FluxError, match="1 animal .'a'.: what varies between animals needs at least 2; quantify each"):
        common_fluxes([one])
    with pytest.raises(FluxError, match="two animals are called 'a'; give a mapping"):
        common_fluxes([one, one])
    with pytest.raises(FluxError, match="quantify both with the same network"):
        common_fluxes([one, animal([1.0, 2.0], 1.0, (0.0, 5.0), name="b")])
    with pytest.raises(FluxError, match="'a' was quantified with a prior, 'b' without"):
        common_fluxes([one, animal([1.0], 1.0, name="b")])
    with pytest.raises(FluxError, match="'a' and 'b' were quantified with different priors"):
        common_fluxes([one, animal([1.0], 1.0, (0.0, 9.0), name="b")])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variation": 0.0}, "variation = 0.0: give a share of the flux above 0"),
        ({"scale": float("nan")}, "scale = nan"),
        ({"family": "cauchy"}, "half-cauchy"),
    ],
)
def test_impossible_numbers_are_refused(options, words):
    with pytest.raises(FluxError, match=words):
        common_fluxes(herd(np.ones((2, 1)), 1.0), **options)
