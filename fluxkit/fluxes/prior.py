"""Draws of flux states from the flux prior."""

import numpy as np
import xarray as xr

from fluxkit.errors import FluxError
from fluxkit.fluxes.sampling import hit_and_run
from fluxkit.fluxes.space import FluxSpace, flux_space
from fluxkit.networks import Network

_CHAINS = 1024
_THINNING = 10  # sweeps: on the 39 free fluxes of ccm an autocorrelation below 0.1
_INDEPENDENT = 30  # sweeps: an autocorrelation that 40,000 draws do not tell from zero


def prior_coordinates(
    space: FluxSpace, n: int, rng: np.random.Generator, *, sweeps: int = _THINNING, chains: int = _CHAINS
) -> tuple[np.ndarray, np.ndarray]:
    """Draw coordinates of net and exchange fluxes from the prior, fast: the stream that training reads.

    Parameters
    ----------
    space : FluxSpace
        The space; its prior is drawn from.
    n : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.
    sweeps : int
        Sweeps of hit-and-run before each draw.
    chains : int
        The most chains; beyond that many, draws are thinned states of the same chains. Chains start from the
        stationary draws that the space holds.

    Returns
    -------
    z : numpy.ndarray
        Net coordinates, shape ``(n, free)``.
    y : numpy.ndarray
        Exchange coordinates, shape ``(n, exchange)``.
    """
    if n < 1:
        raise FluxError(f"cannot draw {n!r} flux states; the number must be positive.")
    chains = min(n, chains)
    z = hit_and_run(
        space.starts[rng.integers(len(space.starts), size=chains)],
        space.walls,
        space.offsets,
        space.prior_matrix.T @ space.prior_matrix,
        space.prior_matrix.T @ space.prior_offset,
        sweeps=sweeps,
        rng=rng,
        keep=-(-n // chains),
    )
    y = space.exchange_coordinates(space.exchange_scale.draw(n, rng))
    return z.reshape(-1, len(space.free))[:n], y


def draw_fluxes(network: Network, n: int, seed: int = 0, prior: str = "targets") -> xr.Dataset:
    """Draw flux states from the prior: balanced, within bounds, spread as the network allows.

    Parameters
    ----------
    network : Network
        The network.
    n : int
        Number of draws.
    seed : int
        Seed; the same seed gives the same draws.
    prior : str
        ``"targets"``: net fluxes uniform on the polytope times a normal around each stated target, of sd
        3 max(abs(target), 1) / sqrt(weight). ``"uniform"``: net fluxes uniform on the polytope. Exchange
        fluxes are log-uniform between their bounds.

    Returns
    -------
    xarray.Dataset
        ``net_flux(draw, reaction)`` and ``exchange_flux(draw, reaction)`` (0 where irreversible) in the flux
        unit of the network.

    Raises
    ------
    FluxError
        ``n`` is not a positive whole number, the prior is unknown, or a flux is unbounded.
    """
    if int(n) != n or n < 1:
        raise FluxError(f"cannot draw {n!r} flux states; the number must be positive and whole.")
    space = flux_space(network, prior)
    z, y = prior_coordinates(space, int(n), np.random.default_rng(seed), sweeps=_INDEPENDENT, chains=int(n))
    exchange = np.zeros((len(z), len(network.reactions)))
    exchange[:, network.reversible] = space.exchange(y)
    net = np.clip(space.net(z), *network.net_bounds)  # rounding at a bound
    units = {"units": network.flux_unit}
    return xr.Dataset(
        {
            "net_flux": (("draw", "reaction"), net, units),
            "exchange_flux": (("draw", "reaction"), exchange, units),
        },
        coords={"reaction": list(network.reaction_names)},
        attrs={"network": network.name, **units, "seed": seed, "prior": prior},
    )
