"""The flux space of every bundled network, up to the size of a whole body."""

import numpy as np
import pytest
from scipy.stats import ks_2samp

from fluxkit.fluxes import draw_fluxes, flux_space, prior_coordinates
from fluxkit.fluxes.sampling import hit_and_run
from fluxkit.networks import list_networks, load_network
from fluxkit.networks.checks import equality_system

# net fluxes that bounds, balances and equalities leave free, and exchange fluxes that vary
FREE = {
    "ccm": (39, 29),
    "coculture": (46, 46),
    "liver_hc": (16, 10),
    "mlflux_ccm": (13, 22),
    "mlflux_ccm_corrected": (13, 22),
    "mlflux_ecoli": (38, 21),
    "mlflux_glycolysis": (7, 9),
    "mlflux_glyppp": (12, 17),
    "mlflux_simple": (1, 1),
    "mlflux_uppergly": (3, 4),
    "toy": (1, 1),
    "wholebody": (98, 84),
    "wholebody_av": (166, 48),
    "wholebody_core": (67, 54),
    "wholebody_mouse": (131, 110),
}
# the space of wholebody_av takes about ten seconds
NAMES = [pytest.param(name, marks=pytest.mark.slow if name == "wholebody_av" else ()) for name in list_networks()]


@pytest.mark.parametrize("name", NAMES)
def test_draws_balance_within_every_bound(name):
    network = load_network(name)
    draws = draw_fluxes(network, 200, seed=1)
    net, exchange = draws["net_flux"].values, draws["exchange_flux"].values
    matrix, value = equality_system(network)
    np.testing.assert_allclose(net @ matrix.T, np.tile(value, (200, 1)), rtol=0, atol=1e-9 * np.abs(net).max())
    lower, upper = network.net_bounds
    assert ((net >= lower) & (net <= upper)).all()
    low, high = network.exchange_bounds
    moving = exchange[:, network.reversible]
    assert ((moving >= low) & (moving <= high)).all()
    assert not exchange[:, ~network.reversible].any()


@pytest.mark.parametrize("name", NAMES)
def test_coordinates_have_zero_mean_and_unit_covariance(name):
    space = flux_space(load_network(name))
    assert (len(space.free), space.exchange_scale.size) == FREE[name]
    z, _ = prior_coordinates(space, 4096, np.random.default_rng(2))
    # 4096 draws scatter by 0.016 in the mean; covariances of 166 coordinates by 1.5 as a whole
    assert np.abs(z.mean(axis=0)).max() < 0.15
    variances = np.linalg.eigvalsh(np.atleast_2d(np.cov(z.T)))
    assert 0.3 < variances[0] <= variances[-1] < 3.0


def test_draws_of_a_whole_body_do_not_depend_on_where_the_chains_start():
    space = flux_space(load_network("wholebody"))
    corner = space.starts[np.argmin(space.slack(space.starts).min(axis=1))]
    precision, linear = space.prior_matrix.T @ space.prior_matrix, space.prior_matrix.T @ space.prior_offset
    chains = hit_and_run(
        np.tile(corner, (256, 1)),
        space.walls,
        space.offsets,
        precision,
        linear,
        sweeps=120,
        rng=np.random.default_rng(3),
    )[0]
    draws, _ = prior_coordinates(space, 1024, np.random.default_rng(4), sweeps=30)
    pvalues = [ks_2samp(a, b).pvalue for a, b in zip(chains.T, draws.T, strict=True)]
    assert min(pvalues) > 1e-4 / len(pvalues)
