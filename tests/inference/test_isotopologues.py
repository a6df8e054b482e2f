"""Fluxes from labeling of which the isotopes of carbon and nitrogen are told apart."""

import numpy as np
import pytest
import xarray as xr

import fluxkit
from fluxkit.fluxes import flux_space, prior_coordinates
from fluxkit.inference.estimate import load_estimate
from fluxkit.inference.problem import build_density
from fluxkit.learning.observed import observe
from fluxkit.learning.vocabulary import build_vocabulary
from fluxkit.networks import FluxRule, Network, parse_reactions
from fluxkit.view import mid_figure
from fluxkit.view.figure_tables import isotopologue_table, residual_table
from fluxkit.view.report import write_report
from tests.inference.problems import CCM, QUICK, random_points

SD = 0.005
TRACERS = {"gln": "Gln_x: 100% [U-13C5,15N2]", "half": "Gln_x: 50% [U-13C5,15N2]; Glc_x: 50% [U-13C6]"}
FRAGMENTS = ("glutamate:C+N", "Gln.c:C+N", "aspartate:C+N", "Ala.c:C+N", "citrate", "lactate")


@pytest.fixture(scope="module")
def truth():
    """A point of the prior with all shares of mixtures at 0.5, and exact labeling at it with a stated sd."""
    space = flux_space(CCM)
    z, y = prior_coordinates(space, 1, np.random.default_rng(7))
    exchange = np.zeros((1, len(CCM.reactions)))
    exchange[:, CCM.reversible] = space.exchange(y)
    fluxes = xr.Dataset(
        {"net_flux": (("draw", "reaction"), space.net(z)), "exchange_flux": (("draw", "reaction"), exchange)},
        coords={"reaction": list(CCM.reaction_names)},
    ).isel(draw=0)
    exact = fluxkit.simulate(CCM, fluxes, TRACERS, fragments=FRAGMENTS, purity=0.99)
    labeling = exact.assign(mid_sd=xr.full_like(exact["mid"], SD)).drop_vars(["net_flux", "exchange_flux"])
    density = build_density(labeling, CCM)
    return density, np.concatenate([z, y, np.zeros((1, len(density.measurement.weight_names)))], axis=1)


def test_residuals_are_zero_at_the_fluxes_that_made_the_labeling(truth):
    density, point = truth
    assert density.measurement.weight_names == ("w8", "w7", "w3")
    assert density.known.size == 2 * (12 + 18 + 10 + 8 + 7 + 4)  # citrate and lactate by mass
    assert np.abs(density.residuals(point)).max() < 1e-9
    assert np.abs(density.residuals(random_points(density, 3))).max() > 10


def test_the_gradient_of_the_likelihood_equals_central_differences(truth):
    density, _ = truth
    points, step = random_points(density, 3, seed=4), 1e-5
    directions = np.random.default_rng(0).normal(size=(6, density.size))

    def likelihood(points):
        (value, gradient), (prior, by_prior) = density.log_density(points), density.log_prior(points)
        return value - prior, gradient - by_prior

    for point in points:
        value, gradient = likelihood(point[None])
        up, down = (likelihood(point + sign * step * directions)[0] for sign in (1, -1))
        rounding = 1e-14 * abs(value[0]) / step
        np.testing.assert_allclose(directions @ gradient[0], (up - down) / (2 * step), rtol=1e-5, atol=10 * rounding)


def two_routes() -> Network:
    """B keeps carbon and nitrogen of A together, or takes them from two molecules; a drain leaves one flux free."""
    text = """v1: A_x (abc){n} -> B (abc){n}
    v2: K_x (abc) + Y_x {n} -> B (abc){n}
    v3: B (abc){n} -> B_x (abc){n}"""
    reactions, symmetric = parse_reactions("\n".join(line.strip() for line in text.splitlines()))
    rules = {"v1": FluxRule(0, 100), "v2": FluxRule(0, 100), "v3": FluxRule(100, 100)}
    return Network("two routes", reactions, symmetric, rules=rules)


@pytest.fixture(scope="module")
def estimates():
    """The share of a route of which both elements are half labeled, by carbon, by nitrogen, and told apart."""
    network = two_routes()
    tracers = "A_x: 50% [U-13C3,15N]; K_x: 50% [U-13C3]; Y_x: 50% [1-15N]"
    fluxes = {"v1": 30.0, "v2": 70.0, "v3": 100.0}
    found = {}
    for name in ("B:C", "B:C+N"):
        labeling = fluxkit.simulate(network, fluxes, tracers, fragments=[name], noise=SD, seed=2)
        found[name] = fluxkit.quantify(labeling, network, model=None, settings=QUICK)
    return found


def test_isotopes_told_apart_say_which_atoms_came_together(estimates):
    """Carbon is half labeled on both routes, so it says nothing; together with nitrogen it says all."""
    width = {}
    for name, estimate in estimates.items():
        row = estimate.intervals.query("reaction == 'v1' and kind == 'net'").iloc[0]
        width[name] = row["upper"] - row["lower"]
        assert row["lower"] < 30 < row["upper"]
    assert width["B:C"] > 60
    # 8 values of sd 0.005; the four that matter change by 0.25 per unit of the share: sd 0.01, 90 % within 1.645 sd
    assert width["B:C+N"] == pytest.approx(2 * 1.645 * 100 * SD / (0.25 * 2), rel=0.2)


def test_an_estimate_names_its_isotopologues(estimates):
    fit = estimates["B:C+N"].fit
    assert fit["isotopes"].values[[0, -1]].tolist() == ["13C0 15N0", "13C3 15N1"]
    table = isotopologue_table(estimates["B:C+N"])
    assert table["isotopes"].nunique() == len(table) == 8
    figure = mid_figure(estimates["B:C+N"])
    bars = next(each for each in figure.data if each.type == "bar")
    assert len(set(bars.x)) == 8  # one place for each, although mass shifts repeat
    np.testing.assert_array_equal(bars.y, table["fitted"])
    assert figure.layout.xaxis.ticktext == ("13C0", "1", "2", "3")
    names = [f"B:C+N {isotopes}" for isotopes in fit["isotopes"].values]
    assert sorted(residual_table(estimates["B:C+N"])["name"]) == names
    by_mass = mid_figure(estimates["B:C"])
    assert next(each for each in by_mass.data if each.type == "bar").x.tolist() == [0, 1, 2, 3]


def test_such_an_estimate_is_saved_and_reported(estimates, tmp_path):
    estimate = estimates["B:C+N"]
    again = load_estimate(estimate.save(tmp_path / "estimate.nc"), estimate.network)
    np.testing.assert_array_equal(again.fit["isotopes"].values, estimate.fit["isotopes"].values)
    page = write_report({"sample": again}, tmp_path / "report.html", title="").read_text(encoding="utf-8")
    worst = int(np.nanargmax(np.abs(estimate.fit["residual"].values)))
    assert f"B:C+N {estimate.fit['isotopes'].values[worst]} (" in page


def test_a_learned_model_reads_what_is_seen_by_mass_and_leaves_the_rest_to_the_fit():
    vocabulary = build_vocabulary(CCM)
    state = CCM.reference_fluxes()
    names = ["citrate", "Glu:N", "glutamate:C+N", "Glu.c:C+N"]
    both = fluxkit.simulate(CCM, state, TRACERS["gln"], fragments=names, noise=SD)
    first = both.isel(isotopologue=slice(0, 9))
    for got, wanted in zip(*(observe(vocabulary, each).encode(vocabulary) for each in (both, first)), strict=True):
        np.testing.assert_array_equal(got, wanted)
