"""Moves inside the flux space: one flux is set, the others follow by the smallest change that stays feasible."""

from typing import Any

import numpy as np
import xarray as xr
from scipy.optimize import linprog, nnls

from fluxkit.errors import FluxError, UnknownNameError, suggest
from fluxkit.fluxes import FluxSpace

KINDS = ("net", "exchange")
_OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_INSIDE = 1e-6  # sd of the prior by which rounding may put a state outside a wall
_SHY = 1e-9  # of the range: at its very end a single point may be feasible, and none after rounding
_FIXED = 1e-9  # of the normalising flux: a narrower range is a fixed flux


def feasible_range(space: FluxSpace, state: xr.Dataset, reaction: str, kind: str = "net") -> tuple[float, float]:
    """Return how far one flux can go from a state when the other fluxes make way.

    Parameters
    ----------
    space : FluxSpace
        The flux space of the network.
    state : xarray.Dataset
        ``net_flux(reaction)`` and ``exchange_flux(reaction)`` inside the space, in the flux unit of the network.
    reaction : str
        Name of the reaction.
    kind : {"net", "exchange"}
        Which of its fluxes.

    Returns
    -------
    lower, upper : float
        In the flux unit of the network; equal for a fixed flux. The polytope is convex, so that every net flux between
        them is reached from every state.

    Raises
    ------
    UnknownNameError
        The network has no such reaction.
    FluxError
        The state lies outside the space, or an exchange flux is asked of an irreversible reaction.
    """
    index = _position(space, reaction, kind)
    if kind == "exchange":
        place = int(np.flatnonzero(np.flatnonzero(space.network.reversible) == index)[0])
        scale = space.exchange_scale
        return float(scale.lower[place]), float(scale.upper[place])
    z = _coordinates(space, state)
    row = space.basis[index]
    value = float(space.origin[index] + row @ z)
    if np.linalg.norm(row) < _FIXED * space.network.normalising_flux:
        return value, value
    ends = [sign * _lowest(sign * row, space) + float(space.origin[index]) for sign in (1.0, -1.0)]
    lower, upper = min(ends[0], value), max(ends[1], value)
    zero = _FIXED * space.network.normalising_flux
    return (0.0 if abs(lower) < zero else lower), (0.0 if abs(upper) < zero else upper)


def moved_state(space: FluxSpace, state: xr.Dataset, reaction: str, value: float, kind: str = "net") -> xr.Dataset:
    """Return the feasible state nearest to a state at which one flux has a given value.

    Near is meant in the metric of the prior: the coordinates z of the space have unit covariance under it, and
    norm(z' - z) is smallest among all z' inside the walls. A net flux leaves all exchange fluxes, and an exchange flux
    all other fluxes, as they are.

    Parameters
    ----------
    space : FluxSpace
        The flux space of the network.
    state : xarray.Dataset
        ``net_flux(reaction)`` and ``exchange_flux(reaction)`` inside the space, in the flux unit of the network.
    reaction : str
        Name of the reaction.
    value : float
        New value of its flux, within :func:`feasible_range`, in the flux unit of the network.
    kind : {"net", "exchange"}
        Which of its fluxes.

    Returns
    -------
    xarray.Dataset
        ``net_flux(reaction)`` and ``exchange_flux(reaction)``, balanced and within bounds.

    Raises
    ------
    UnknownNameError
        The network has no such reaction.
    FluxError
        The value is out of reach, or the state lies outside the space.

    Notes
    -----
    Least-distance programming by non-negative least squares: Lawson & Hanson 1974, Solving Least Squares Problems,
    chapter 23 (doi:10.1137/1.9781611971217).
    """
    lower, upper = feasible_range(space, state, reaction, kind)
    value, width = float(value), upper - lower
    slack = 1e-6 * max(width, space.network.normalising_flux)
    if not lower - slack <= value <= upper + slack:
        raise FluxError(
            f"the {kind} flux of {reaction!r} cannot be {value:g} {space.network.flux_unit}: it can go from {lower:g} "
            f"to {upper:g}. Choose a value in that range."
        )
    index = space.network.reaction_index[reaction]
    if kind == "exchange":
        exchange = np.array(state["exchange_flux"].values, dtype=float)
        exchange[index] = np.clip(value, lower, upper)
        return _with(space, state, "exchange_flux", exchange)
    z = _coordinates(space, state)
    if width > _FIXED * space.network.normalising_flux:
        value = float(np.clip(value, lower + _SHY * width, upper - _SHY * width))
        z = z + _smallest_step(
            space, z, space.basis[index], value - float(space.origin[index]) - space.basis[index] @ z
        )
    return _with(space, state, "net_flux", np.clip(space.net(z), *space.network.net_bounds))


def _smallest_step(space: FluxSpace, z: np.ndarray, row: np.ndarray, rise: float) -> np.ndarray:
    """Return the shortest step with row @ step = rise that stays inside the walls."""
    straight = row * (rise / (row @ row))
    room = space.slack(z) - space.walls @ straight
    if room.min() >= 0:
        return straight
    across = np.linalg.svd(row[None])[2][1:].T  # directions that keep the chosen flux
    rows = np.vstack([-(space.walls @ across).T, -room])
    weights, _ = nnls(rows, np.append(np.zeros(across.shape[1]), 1.0), maxiter=50 * rows.shape[1])
    rest = rows @ weights
    rest[-1] -= 1.0
    return straight - across @ (rest[:-1] / rest[-1])


def _lowest(cost: np.ndarray, space: FluxSpace) -> float:
    result = linprog(cost, A_ub=space.walls, b_ub=space.offsets, bounds=(None, None), method="highs", options=_OPTIONS)
    if result.status != 0:
        raise FluxError(f"the range of a flux of network {space.network.name!r} is not found: {result.message}")
    return float(result.fun)


def _coordinates(space: FluxSpace, state: xr.Dataset) -> np.ndarray:
    net = np.asarray(state["net_flux"].values, dtype=float)
    if net.shape != (len(space.network.reactions),):
        raise FluxError(
            f"a single state with {len(space.network.reactions)} net fluxes is needed, not an array of shape "
            f"{net.shape}; choose one draw, such as state.isel(draw=0)."
        )
    z = space.coordinates(net)
    off = float(np.abs(space.net(z) - net).max())
    outside = float(space.slack(z).min())
    if off > 1e-6 * space.network.normalising_flux or outside < -_INSIDE:
        what = f"off balance by {off:g}" if outside >= -_INSIDE else f"{-outside:g} prior sd outside the bounds"
        raise FluxError(
            f"the state is not possible in network {space.network.name!r}: {what}. Start from "
            "network.reference_fluxes(), a draw of fluxkit.draw_fluxes, or the best point of an estimate."
        )
    return z


def _position(space: FluxSpace, reaction: str, kind: str) -> int:
    network = space.network
    if kind not in KINDS:
        raise FluxError(f"no kind of flux is called {kind!r}. {suggest(kind, KINDS)}")
    if reaction not in network.reaction_index:
        hint = suggest(reaction, network.reaction_names)
        raise UnknownNameError(f"network {network.name!r} has no reaction {reaction!r}. {hint}")
    index = network.reaction_index[reaction]
    if kind == "exchange" and not network.reversible[index]:
        raise FluxError(f"{reaction!r} is not reversible and has no exchange flux; move its net flux.")
    return index


def _with(space: FluxSpace, state: xr.Dataset, variable: str, values: np.ndarray) -> xr.Dataset:
    arrays: dict[str, Any] = {
        name: ("reaction", np.asarray(state[name].values, dtype=float)) for name in ("net_flux", "exchange_flux")
    }
    arrays[variable] = ("reaction", values)
    names = list(space.network.reaction_names)
    return xr.Dataset(arrays, coords={"reaction": names}, attrs={"units": space.network.flux_unit})
