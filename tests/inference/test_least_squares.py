"""Classical least squares: recovery, the linear covariance, real data, refusals."""

import numpy as np
import pytest

import fluxkit
from fluxkit.errors import LabelingError
from fluxkit.inference import Estimates, FluxEstimate, fit_fluxes
from fluxkit.inference.least_squares import least_squares_fits
from fluxkit.inference.problem import build_density
from tests.inference.problems import TOY, exact_toy_labeling, flux, hct116_control, random_points, toy_labeling


def test_exact_data_give_the_exact_fluxes():
    density = build_density(exact_toy_labeling(), TOY)
    fits = least_squares_fits(density, random_points(density, 5))
    assert fits.ssr[0] < 1e-12
    assert (np.diff(fits.ssr) >= 0).all()
    z, y, _ = density.split(fits.points[0])
    np.testing.assert_allclose(density.space.net(z), TOY.reference_fluxes()["net_flux"], rtol=1e-6)
    np.testing.assert_allclose(density.space.exchange(y), [50], rtol=1e-6)


@pytest.fixture(scope="module")
def fitted():
    estimate = fit_fluxes(toy_labeling(), TOY, starts=5, monte_carlo=100)
    assert isinstance(estimate, FluxEstimate)
    return estimate


def test_the_published_fluxes_are_recovered_and_trusted(fitted):
    table = fitted.intervals.set_index(["reaction", "kind"])
    for reaction, kind, truth in (("v2", "net", 60), ("v2", "exchange", 50)):
        assert table.loc[(reaction, kind), "lower"] < truth < table.loc[(reaction, kind), "upper"]
    assert fitted.diagnostics["parameters_determined"] == pytest.approx(2, abs=1e-3)
    assert fitted.degrees_of_freedom == pytest.approx(6, abs=1e-3)
    assert 0.01 < fitted.p_value < 0.99
    assert fitted.verdict.trusted


def test_monte_carlo_refits_scatter_as_the_linear_covariance_says(fitted):
    density = build_density(toy_labeling(), TOY)
    best = np.concatenate(
        [
            density.space.coordinates(fitted.best["net_flux"].values),
            density.space.exchange_coordinates(fitted.best["exchange_flux"].values[TOY.reversible]),
        ]
    )
    jacobian = density.residuals_with_jacobian(best[None])[1][0]
    covariance = np.linalg.inv(jacobian.T @ jacobian)
    sd = np.abs(density.space.basis[1]) @ np.sqrt(np.diag(covariance)[:1])  # v2, of the one free net flux
    assert flux(fitted, "net", "v2").std() == pytest.approx(sd, rel=0.3)  # 4 standard errors of 100 refits


@pytest.mark.parametrize("unit", [TOY.flux_unit, "nmol/h"])
def test_intervals_hold_the_errors_of_measured_rates(unit):
    """Labeling that says nothing: the rates alone, drawn anew for each refit, scatter as their errors say."""
    labeling = fluxkit.with_rates(toy_labeling(noise=0.5), {"v1": (100.0, 4.0), "v2": (60.0, 6.0)}, TOY, unit=unit)
    estimate = fit_fluxes(labeling, TOY, starts=3, monte_carlo=200)
    # a ratio of two rates has the relative errors of both; on one scale v1 = 100 is known
    expected = 6.0 if unit == TOY.flux_unit else 60 * np.hypot(4 / 100, 6 / 60)
    assert flux(estimate, "net", "v2").std() == pytest.approx(expected, rel=0.25)


def test_a_fit_that_did_not_end_is_counted_and_said(monkeypatch):
    monkeypatch.setattr("fluxkit.inference.least_squares.EVALUATIONS", 1)
    monkeypatch.setattr("fluxkit.inference.least_squares.REFIT_EVALUATIONS", 1)
    estimate = fit_fluxes(toy_labeling(), TOY, starts=3, monte_carlo=4)
    assert estimate.diagnostics["starts_unconverged"] == 3
    assert estimate.diagnostics["refits_unconverged"] == 4
    remarks = "; ".join(estimate.verdict.remarks)
    assert "the best fit was still falling" in remarks
    assert "4 of 4 refits were still falling" in remarks


def test_points_end_inside_the_polytope():
    density = build_density(toy_labeling(noise=0.2, seed=8), TOY)
    fits = least_squares_fits(density, random_points(density, 8))
    assert (density.space.slack(density.split(fits.points)[0]) >= -1e-9).all()


def test_the_prior_pulls_a_fit_towards_itself():
    density = build_density(toy_labeling(noise=0.2, seed=8), TOY)
    starts = random_points(density, 5)
    free, pulled = (least_squares_fits(density, starts, prior=prior) for prior in (False, True))
    assert free.ssr[0] <= pulled.ssr[0] + 1e-9
    assert density.log_prior(free.points[:1])[0][0] < density.log_prior(pulled.points[:1])[0][0]


def test_simulated_draws_are_fitted_one_by_one():
    labeling = toy_labeling(fluxes=fluxkit.draw_fluxes(TOY, 2, seed=1))
    estimates = fit_fluxes(labeling, TOY, starts=2, monte_carlo=2)
    assert isinstance(estimates, Estimates)
    assert list(estimates) == ["draw 0", "draw 1"]


def test_ten_starts_explain_the_hct116_control():
    density = hct116_control()
    fits = least_squares_fits(density, random_points(density, 10, seed=0))
    assert fits.ssr[0] < 45


def test_labeling_without_standard_deviations_is_refused():
    with pytest.raises(LabelingError, match="no standard deviations"):
        fit_fluxes(toy_labeling(noise=0.0), TOY)


@pytest.mark.parametrize("wrong", [{"starts": 0}, {"monte_carlo": 1}])
def test_too_few_starts_or_refits_are_refused(wrong):
    with pytest.raises(LabelingError, match="at least 1 start and 2 refits"):
        fit_fluxes(toy_labeling(), TOY, **wrong)
