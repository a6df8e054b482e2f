"""The first centre and shape of a flux polytope, and what makes draws count as round."""

import numpy as np
import pytest
from scipy.stats import truncnorm

from fluxkit.errors import FluxError
from fluxkit.fluxes import rounding
from fluxkit.fluxes.rounding import analytic_centre, rounded

UPPER, TARGETS, SPREADS = 3000.0, np.array([10.0, 0.2, 2900.0]), np.array([1.0, 3.0, 50.0])
WALLS, OFFSETS = np.vstack([-np.eye(3), np.eye(3)]), np.r_[np.zeros(3), np.full(3, UPPER)]


def centre_of_interval(target: float, spread: float) -> float:
    """The minimum of -log(x) - log(UPPER - x) + ((x - target) / spread)^2 / 2: a root of a cubic."""
    roots = np.roots([-1.0, UPPER + target, 2 * spread**2 - UPPER * target, -UPPER * spread**2])
    (inside,) = roots[(np.abs(roots.imag) < 1e-9) & (roots.real > 0) & (roots.real < UPPER)].real
    return float(inside)


def test_the_centre_is_found_where_targets_lie_a_thousand_sd_from_the_middle_of_the_bounds():
    centre, hessian = analytic_centre(WALLS, OFFSETS, np.diag(1 / SPREADS), TARGETS / SPREADS)
    expected = np.array([centre_of_interval(*each) for each in zip(TARGETS, SPREADS, strict=True)])
    np.testing.assert_allclose(centre, expected, rtol=1e-6)
    np.testing.assert_allclose(np.diag(hessian), expected**-2 + (UPPER - expected) ** -2 + SPREADS**-2, rtol=1e-5)


def test_without_targets_the_centre_of_a_box_is_its_middle():
    centre, _ = analytic_centre(WALLS, OFFSETS, np.zeros((0, 3)), np.zeros(0))
    np.testing.assert_allclose(centre, UPPER / 2)


def test_a_centre_that_is_not_reached_is_told(monkeypatch):
    monkeypatch.setattr(rounding, "_NEWTON", 2)
    with pytest.raises(FluxError, match="of 3 free fluxes was not found in 2 steps; bounds or targets differ too much"):
        analytic_centre(WALLS, OFFSETS, np.diag(1 / SPREADS), TARGETS / SPREADS)


def test_rounding_goes_on_while_one_direction_is_flat_although_the_mean_stays(monkeypatch):
    seen = []

    def once_flat(draws):
        seen.append(draws)
        return is_round(draws * np.array([1e-2, 1.0, 1.0]) if len(seen) == 1 else draws)

    is_round = rounding._is_round
    monkeypatch.setattr(rounding, "_is_round", once_flat)
    rounded(WALLS, OFFSETS, np.diag(1 / SPREADS), TARGETS / SPREADS)
    assert len(seen) > 1
    assert is_round(seen[-1])
    assert not is_round(seen[-1] + np.array([0.5, 0.0, 0.0]))


def test_rounded_coordinates_are_those_of_the_truncated_normal():
    centre, chart, draws = rounded(WALLS, OFFSETS, np.diag(1 / SPREADS), TARGETS / SPREADS)
    cut = [truncnorm(-t / s, (UPPER - t) / s, t, s) for t, s in zip(TARGETS, SPREADS, strict=True)]
    mean, sd = (np.array([getattr(each, name)() for each in cut]) for name in ("mean", "std"))
    np.testing.assert_allclose((centre - mean) / sd, 0, atol=0.06)  # 4096 draws: a standard error of 0.016
    np.testing.assert_allclose(np.diag(chart), sd, rtol=0.06)
    np.testing.assert_allclose(np.cov(draws.T), np.eye(3), atol=0.1)
