"""Flux ranges: how far each net flux can go within balances and bounds."""

from functools import lru_cache

import numpy as np
import xarray as xr
from scipy.optimize import linprog

from fluxkit.errors import FluxError
from fluxkit.networks import Network
from fluxkit.networks.checks import equality_system

FIXED_RANGE = 1e-9  # of the normalising flux: a narrower range is a fixed flux
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def flux_ranges(network: Network) -> xr.Dataset:
    """Return the smallest and largest net flux of every reaction at steady state (flux variability analysis).

    Parameters
    ----------
    network : Network
        The network; bounds and equalities are obeyed.

    Returns
    -------
    xarray.Dataset
        Over ``reaction``: ``lower`` and ``upper`` in the flux unit of the network (infinite where nothing
        limits the flux), ``fixed`` (the two agree) and ``blocked`` (fixed at zero).

    Notes
    -----
    Two linear programs a reaction (doi:10.1016/j.ymben.2003.09.002).
    """
    lower, upper = (each.copy() for each in range_arrays(network))
    fixed = upper - lower < FIXED_RANGE * network.normalising_flux
    blocked = fixed & (np.abs(lower) < FIXED_RANGE * network.normalising_flux)
    return xr.Dataset(
        {
            "lower": ("reaction", lower, {"units": network.flux_unit}),
            "upper": ("reaction", upper, {"units": network.flux_unit}),
            "fixed": ("reaction", fixed),
            "blocked": ("reaction", blocked),
        },
        coords={"reaction": list(network.reaction_names)},
        attrs={"network": network.name, "units": network.flux_unit},
    )


@lru_cache(maxsize=32)
def range_arrays(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return lower and upper limits of the net fluxes, two read-only arrays of shape ``(reaction,)``."""
    matrix, value = equality_system(network)
    bounds = np.column_stack(network.net_bounds)
    limits = np.empty((2, len(bounds)))
    for side, sign in enumerate((1.0, -1.0)):
        for reaction in range(len(bounds)):
            cost = np.zeros(len(bounds))
            cost[reaction] = sign
            limits[side, reaction] = sign * _minimum(network, cost, matrix, value, bounds)
    limits.setflags(write=False)
    return limits[0], limits[1]


def _minimum(network: Network, cost: np.ndarray, matrix: np.ndarray, value: np.ndarray, bounds: np.ndarray) -> float:
    result = linprog(cost, A_eq=matrix, b_eq=value, bounds=bounds, method="highs", options=_OPTIONS)
    if result.status == 0:
        return float(result.fun)
    if result.status in (3, 4):  # feasibility is known since the network was built: what is left is unbounded
        return -np.inf
    name = network.reaction_names[int(np.flatnonzero(cost)[0])]
    raise FluxError(f"network {network.name!r}: the range of {name!r} cannot be computed; {result.message}")
