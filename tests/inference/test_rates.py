"""Measured rates as data: their likelihood against quadrature, their derivatives, and what they tell."""

import numpy as np
import pytest
from scipy.integrate import quad

import fluxkit
from fluxkit.errors import FluxError
from fluxkit.inference import FluxEstimate, QuantifySettings, SamplerSettings
from fluxkit.inference.problem import build_density
from fluxkit.inference.rate_term import RateTerm
from fluxkit.inference.sampler.compiled_density import compiled
from fluxkit.labeling.rates import rate_row
from tests.inference.problems import CCM, hct116_control_labeling, leaky_toy, random_points

RATES = {"GLC_up": (250.0, 12.0), "MCT_out - MCT_in": (430.0, 20.0), "GLN_up": (52.0, 5.0)}


def term(absolute: bool) -> RateTerm:
    names = list(RATES)
    rates, sd = np.array(list(RATES.values())).T
    return RateTerm(np.array([rate_row(name, CCM) for name in names]), rates, sd, absolute)


def fluxes(*states) -> np.ndarray:
    """Net fluxes of ccm whose glucose uptake, lactate secretion and glutamine uptake are these; lactate also enters."""
    net = np.zeros((len(states), len(CCM.reactions)))
    for row, (glucose, lactate, glutamine) in zip(net, states, strict=True):
        for name, value in (("GLC_up", glucose), ("MCT_out", lactate + 5), ("MCT_in", 5), ("GLN_up", glutamine)):
            row[CCM.reaction_index[name]] = value
    return net


def test_an_unknown_factor_is_integrated_out_under_a_log_uniform_prior():
    """Against quadrature; Laplace's method errs by the square of the relative error of the factor, 0.1 % here."""
    rates = term(absolute=False)
    net = fluxes((100, 172, 21), (100, 150, 30), (100, 190, 15))

    def marginal(flux):
        best = rates.scale(flux)

        def density(factor):
            miss = (factor * (rates.rows @ flux) - rates.rates) / rates.sd
            return np.exp(-0.5 * miss @ miss + 0.5 * offset) / factor

        miss = (best * (rates.rows @ flux) - rates.rates) / rates.sd
        offset = miss @ miss
        return np.log(quad(density, 0.5 * best, 1.5 * best, points=[best], epsabs=0)[0]) - 0.5 * offset

    expected = np.array([marginal(each) for each in net])
    found, _ = rates.log_likelihood(net)
    np.testing.assert_allclose(np.diff(found), np.diff(expected), atol=3e-3)


@pytest.mark.parametrize("absolute", [True, False])
def test_gradient_and_jacobian_equal_central_differences(absolute):
    rates = term(absolute)
    net = fluxes((100.0, 170.0, 25.0))
    moving = np.flatnonzero(rates.rows.any(axis=0))
    step = 1e-5 * np.eye(net.shape[1])[moving]
    up, down = rates.log_likelihood(net + step)[0], rates.log_likelihood(net - step)[0]
    np.testing.assert_allclose(rates.log_likelihood(net)[1][0, moving], (up - down) / 2e-5, rtol=1e-6)
    # with the factor projected out, half the sum of squares has the gradient that residual and Jacobian give
    half = [0.5 * np.sum(rates.residuals(net + sign * step) ** 2, axis=1) for sign in (1, -1)]
    slope = (rates.residuals(net)[0] @ rates.jacobian(net)[0])[moving]
    np.testing.assert_allclose(slope, (half[0] - half[1]) / 2e-5, rtol=1e-5, atol=1e-7)


def test_rates_up_to_a_factor_do_not_see_the_scale_of_fluxes():
    rates = term(absolute=False)
    net = np.random.default_rng(1).uniform(10, 200, (5, len(CCM.reactions)))
    np.testing.assert_allclose(rates.log_likelihood(7.3 * net)[0], rates.log_likelihood(net)[0], rtol=1e-12)


@pytest.mark.parametrize("unit", ["nmol/h", CCM.flux_unit])
def test_the_compiled_density_counts_rates_as_the_readable_one(unit):
    labeling = fluxkit.with_rates(hct116_control_labeling(), RATES, CCM, unit=unit)
    density = build_density(labeling, CCM)
    assert density.rates is not None
    assert density.rates.absolute == (unit == CCM.flux_unit)
    points = random_points(density, 16)
    target = compiled(density)
    assert target is not None
    value, gradient = target(points)
    expected, slope = density.log_density(points)
    np.testing.assert_allclose(value, expected, rtol=1e-12)
    np.testing.assert_allclose(density.log_value(points), expected, rtol=1e-12)
    np.testing.assert_allclose(density.log_gradient(points), slope, rtol=0, atol=1e-10 * np.abs(slope).max())
    np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-5 * np.abs(slope).max())  # single precision
    step = 1e-5 * np.eye(density.size)
    around = density.log_density(np.concatenate([points[0] + step, points[0] - step]))[0]
    central = (around[: density.size] - around[density.size :]) / 2e-5
    close = np.isclose(slope[0], central, rtol=1e-4, atol=1e-6 * np.abs(slope).max())
    assert close.mean() > 0.95  # but where a net flux changes side within the step


def test_a_measured_rate_narrows_its_flux_and_gives_absolute_fluxes():
    network = leaky_toy()
    truth = {"v1": 100.0, "v2": 60.0, "v4": 15.0, "v5": 15.0, "v6": 75.0, "v7": 45.0, "v8": 10.0}
    labeling = fluxkit.simulate(
        network, truth, "A_x: 100% [2-13C]", exchange={"v2": 20.0}, fragments=["B", "D"], noise=0.01, seed=3
    )
    settings = QuantifySettings(starts=4, sampler=SamplerSettings(chains=8, windows=(20, 30, 40), max_draws=400))
    plain = fluxkit.quantify(labeling, network, settings=settings)
    rates = {"v1": (3.0, 0.03), "v8": (0.3, 0.01)}
    assert isinstance(plain, FluxEstimate)
    rated = fluxkit.quantify(labeling, network, rates=rates, rate_unit="mmol/h", settings=settings)
    assert isinstance(rated, FluxEstimate)
    width = lambda e: np.ptp(np.quantile(e.posterior["net_flux"].sel(reaction="v8"), [0.05, 0.95]))  # noqa: E731
    assert width(rated) < 0.3 * width(plain)
    assert float(rated.posterior["net_flux"].sel(reaction="v8").mean()) == pytest.approx(10, abs=0.8)
    factor = rated.posterior["rate_factor"]
    assert float(factor.mean()) == pytest.approx(0.03, rel=0.02)
    assert float(factor.std()) == pytest.approx(3e-4, rel=0.3)
    assert factor.attrs["units"].startswith("mmol/h per")
    np.testing.assert_array_equal(
        rated.quantity("v8 * rate_factor"), rated.absolute_fluxes()["net_flux"].sel(reaction="v8")
    )
    assert float(rated.absolute_fluxes()["net_flux"].sel(reaction="v8").mean()) == pytest.approx(0.3, abs=0.02)
    assert rated.absolute_fluxes()["net_flux"].attrs["units"] == "mmol/h"
    with pytest.raises(FluxError, match="'rate_factor'.* It needs measured rates"):
        plain.quantity("v8 * rate_factor")
    assert rated.ssr > 0
    assert rated.degrees_of_freedom < plain.degrees_of_freedom + 2
