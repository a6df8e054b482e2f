"""Draws of flux states from the flux prior."""

import numpy as np
import xarray as xr

from fluxkit.errors import FluxError
from fluxkit.fluxes.sampling import hit_and_run
from fluxkit.fluxes.space import FluxSpace, flux_space
from fluxkit.networks import Network

SWEEPS = 20
_CHAINS = 1024


def prior_coordinates(space: FluxSpace, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw coordinates of net and exchange fluxes from the prior.

    Parameters
    ----------
    space : FluxSpace
        The space; its prior is drawn from.
    n : int
        Number of draws. Beyond 1,024 they are thinned states of 1,024 chains that start from stationary draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    z : numpy.ndarray
        Net coordinates, shape ``(n, free)``.
    y : numpy.ndarray
        Exchange coordinates, shape ``(n, exchange)``.
    """
    chains = min(n, _CHAINS)
    keep = -(-n // chains) if n else 0
    starts = space.starts[rng.integers(len(space.starts), size=chains)]
    precision = space.prior_matrix.T @ space.prior_matrix
    linear = space.prior_matrix.T @ space.prior_offset
    z = hit_and_run(starts, space.walls, space.offsets, precision, linear, sweeps=SWEEPS, rng=rng, keep=keep)
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
        ``"targets"``: uniform on the polytope times a broad normal around each stated target, with exchange fluxes
        log-uniform between their bounds. ``"uniform"``: the net fluxes uniform on the polytope.

    Returns
    -------
    xarray.Dataset
        ``net_flux(draw, reaction)`` and ``exchange_flux(draw, reaction)`` (0 where irreversible) in the flux unit
        of the network.

    Raises
    ------
    FluxError
        ``n`` is not a positive number, or a flux is unbounded.
    """
    if int(n) != n or n < 1:
        raise FluxError(f"cannot draw {n!r} flux states; n must be a positive whole number.")
    space = flux_space(network, prior)
    z, y = prior_coordinates(space, int(n), np.random.default_rng(seed))
    exchange = np.zeros((len(z), len(network.reactions)))
    exchange[:, network.reversible] = space.exchange(y)
    return xr.Dataset(
        {
            "net_flux": (("draw", "reaction"), space.net(z), {"units": network.flux_unit}),
            "exchange_flux": (("draw", "reaction"), exchange, {"units": network.flux_unit}),
        },
        coords={"reaction": list(network.reaction_names)},
        attrs={"network": network.name, "units": network.flux_unit, "seed": seed, "prior": prior},
    )
