"""Diagnostics of chains against ArviZ, and on draws whose answer is known."""

import numpy as np
import pytest
from arviz_stats.base.array import array_stats

from fluxkit.inference.sampler.convergence import agree, diagnose


def autocorrelated(chains, count, size, seed=0):
    """Autoregressive chains of which some parameters are apart, heavy-tailed, or repeat values as rejections do."""
    rng = np.random.default_rng(seed)
    draws = rng.standard_normal((chains, count, size))
    for i in range(1, count):
        draws[:, i] += np.linspace(0, 0.95, size) * draws[:, i - 1]
    draws[..., 1] = np.tan(np.clip(draws[..., 1], -1.5, 1.5))
    draws[0, :, 2] += 2
    draws[:, 1::3, 3] = draws[:, ::3, 3][:, : draws[:, 1::3].shape[1]]
    draws[1, :, 4] *= 3
    return draws


@pytest.mark.parametrize(("chains", "count"), [(16, 500), (16, 101), (4, 64), (2, 7), (3, 4), (8, 21)])
def test_the_numbers_are_those_of_arviz(chains, count):
    draws = autocorrelated(chains, count, 7)
    rhat, effective = diagnose(draws)
    for i in range(draws.shape[2]):
        own = draws[..., i]
        assert rhat[i] == pytest.approx(array_stats.rhat(own, chain_axis=0, draw_axis=1), rel=1e-12)
        assert effective[i] == pytest.approx(array_stats.ess(own, chain_axis=0, draw_axis=1), rel=1e-9)


def test_too_few_draws_have_no_diagnosis():
    for shape in ((1, 100, 2), (4, 3, 2)):
        assert all(np.isnan(each).all() for each in diagnose(np.zeros(shape)))


def test_effective_draws_of_independent_draws_are_their_number_and_of_copies_far_fewer():
    draws = np.random.default_rng(8).standard_normal((8, 500, 1))
    assert diagnose(draws)[1][0] == pytest.approx(4000, rel=0.2)
    assert diagnose(np.repeat(draws[:, :50], 10, axis=1))[1][0] < 600
    shifted = draws + np.arange(8)[:, None, None]
    assert diagnose(shifted)[0][0] > 1.5


def test_a_first_look_never_refuses_chains_that_agree():
    draws = np.random.default_rng(9).standard_normal((16, 400, 20))
    largest = diagnose(draws)[0].max()
    assert agree(draws, largest + 1e-9)
    draws[3, :, 7] += 1
    assert not agree(draws, 1.01)
