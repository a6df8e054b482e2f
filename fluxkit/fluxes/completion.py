"""Flux states that users write: checked, and completed by the balances where they decide the rest."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from fluxkit.errors import FluxError, UnknownNameError, suggest
from fluxkit.fluxes.polytope import free_basis, independent_rows
from fluxkit.networks import Network
from fluxkit.networks.checks import equality_system

BALANCE_TOLERANCE = 1e-6  # of the flux through the pool


def as_flux_dataset(
    network: Network,
    fluxes: xr.Dataset | Mapping[str, float],
    exchange: Mapping[str, float] | float | None = None,
    *,
    check_bounds: bool = False,
) -> xr.Dataset:
    """Return fluxes as a checked flux dataset in the order of the network.

    Parameters
    ----------
    network : Network
        The network.
    fluxes : xarray.Dataset or mapping of str to float
        ``net_flux(..., reaction)`` and ``exchange_flux(..., reaction)``, or net fluxes by reaction name: all
        of them, or enough for the balances to decide the rest (such as :func:`free_fluxes`).
    exchange : mapping of str to float, or float, optional
        Exchange flux of each reversible reaction by name, or one number for all. Needed unless the dataset
        has ``exchange_flux`` or nothing is reversible.
    check_bounds : bool
        Refuse net fluxes outside the bounds of the network, too.

    Returns
    -------
    xarray.Dataset
        ``net_flux(..., reaction)`` and ``exchange_flux(..., reaction)`` (0 where irreversible).

    Raises
    ------
    FluxError
        A flux is missing, not finite, of impossible sign or out of bounds, or a pool is off balance.
    UnknownNameError
        The network has no such reaction.
    """
    if isinstance(fluxes, xr.Dataset):
        net = _from_dataset(network, fluxes, "net_flux")
        if exchange is None and "exchange_flux" in fluxes:
            swap = _from_dataset(network, fluxes, "exchange_flux")
        else:
            swap = _exchange_by_name(network, exchange)
        attrs = dict(fluxes.attrs)
    else:
        net = xr.DataArray(_net_by_name(network, fluxes), dims="reaction")
        swap, attrs = _exchange_by_name(network, exchange), {}
    names = list(network.reaction_names)
    state = xr.Dataset({"net_flux": net, "exchange_flux": swap}).assign_coords(reaction=names)
    state.attrs = {**attrs, "network": network.name, "units": network.flux_unit}
    _check_values(network, state)
    _check_balance(network, state["net_flux"].values)
    if check_bounds:
        _check_bounds(network, state["net_flux"].values)
    return state


def _from_dataset(network: Network, fluxes: xr.Dataset, variable: str) -> xr.DataArray:
    if variable not in fluxes or "reaction" not in fluxes[variable].coords:
        raise FluxError(
            f"the flux dataset has no {variable!r} with a named 'reaction' dimension; "
            f"it holds {', '.join(map(repr, map(str, fluxes.data_vars))) or 'nothing'}. Name the array so."
        )
    values = fluxes[variable]
    have = [str(name) for name in values["reaction"].values]
    _check_names(network, have, variable)
    missing = [name for name in network.reaction_names if name not in set(have)]
    if missing or len(have) > len(network.reactions):
        what = f"lacks reaction {_listed(missing)}" if missing else "names a reaction twice"
        raise FluxError(f"{variable!r} {what}; give each reaction of network {network.name!r} once.")
    return values.sel(reaction=list(network.reaction_names)).transpose(..., "reaction").astype(float)


def _listed(names: list[str], limit: int = 12) -> str:
    return ", ".join(map(repr, names[:limit])) + (", ..." if len(names) > limit else "")


def _check_names(network: Network, names: list[str], where: str) -> None:
    for name in names:
        if name not in network.reaction_index:
            hint = suggest(name, network.reaction_names)
            raise UnknownNameError(f"{where}: network {network.name!r} has no reaction {name!r}. {hint}")


def _exchange_by_name(network: Network, exchange: Mapping[str, float] | float | None) -> xr.DataArray:
    reversible = [each.name for each in network.reactions if each.reversible]
    if exchange is None:
        exchange = {}
    if not isinstance(exchange, Mapping):
        exchange = dict.fromkeys(reversible, float(exchange))
    _check_names(network, list(exchange), "exchange")
    missing = [name for name in reversible if name not in exchange]
    if missing:
        raise FluxError(
            f"exchange fluxes of reversible reactions are missing: {_listed(missing)}. Give "
            "exchange={name: flux} for each (in a table: its column 'exchange_flux'), or one number for all "
            "(exchange=0: one-way flux only)."
        )
    values = np.zeros(len(network.reactions))
    for name, value in exchange.items():
        values[network.reaction_index[name]] = value
    return xr.DataArray(values, dims="reaction")


def _net_by_name(network: Network, fluxes: Mapping[str, float]) -> np.ndarray:
    _check_names(network, list(fluxes), "fluxes")
    given = [network.reaction_index[name] for name in fluxes]
    values = np.array([float(value) for value in fluxes.values()])
    if not np.isfinite(values).all():
        name = next(name for name, value in fluxes.items() if not np.isfinite(value))
        raise FluxError(f"the net flux of {name!r} is {fluxes[name]}; give a finite number.")
    if len(given) == len(network.reactions):
        net = np.empty(len(given))
        net[given] = values
        return net
    origin, basis, free = free_basis(network)
    missing = independent_rows(basis, free, tuple(given))
    if missing:
        raise FluxError(
            f"{len(given)} net fluxes do not decide the other {len(network.reactions) - len(given)} of "
            f"network {network.name!r}; give these, too: "
            f"{_listed([network.reaction_names[i] for i in missing], 50)}."
        )
    net = origin + basis @ np.linalg.lstsq(basis[given], values - origin[given], rcond=None)[0]
    off = np.abs(net[given] - values)
    worst = int(off.argmax())
    if off[worst] > BALANCE_TOLERANCE * max(network.normalising_flux, np.abs(net).max()):
        raise FluxError(
            f"the given net fluxes contradict the balances: {list(fluxes)[worst]!r} = {values[worst]:g}, but "
            f"all together are best met by {net[given][worst]:g}. Leave one of them out."
        )
    net[given] = values
    return net


def _check_values(network: Network, state: xr.Dataset) -> None:
    for variable in ("net_flux", "exchange_flux"):
        values = state[variable].values.reshape(-1, len(network.reactions))
        broken = ~np.isfinite(values).all(axis=0)
        if broken.any():
            name = network.reaction_names[int(broken.argmax())]
            raise FluxError(f"{variable!r} of {name!r} is not a finite number; give its value.")
    tolerance = 1e-9 * network.normalising_flux
    net = state["net_flux"].values.reshape(-1, len(network.reactions)).min(axis=0)
    swap = state["exchange_flux"].values.reshape(-1, len(network.reactions))
    for i, reaction in enumerate(network.reactions):
        if not reaction.reversible and net[i] < -tolerance:
            raise FluxError(
                f"the net flux of {reaction.name!r} is {net[i]:g}, but the reaction runs one way ('->'); "
                "give a flux >= 0, or write '<->' in the network."
            )
        if not reaction.reversible and np.abs(swap[:, i]).max() > tolerance:
            raise FluxError(f"{reaction.name!r} is not reversible; its exchange flux must be 0.")
        if swap[:, i].min() < -tolerance:
            low = swap[:, i].min()
            raise FluxError(f"the exchange flux of {reaction.name!r} is {low:g}; give a number >= 0.")


def _check_balance(network: Network, net: np.ndarray) -> None:
    net = net.reshape(-1, len(network.reactions))
    matrix, value = equality_system(network)
    residual = net @ matrix.T - value
    through = np.abs(net) @ np.abs(matrix).T + np.abs(value) + network.normalising_flux
    excess = np.abs(residual) / through
    state, row = np.unravel_index(int(excess.argmax()), excess.shape)
    if excess[state, row] <= BALANCE_TOLERANCE:
        return
    if row >= len(network.balanced):
        raise FluxError(
            f"equality {row - len(network.balanced) + 1} of network {network.name!r} is off by "
            f"{residual[state, row]:g} {network.flux_unit}; change the fluxes that it names."
        )
    made = np.clip(matrix[row] * net[state], 0, None).sum()
    raise FluxError(
        f"metabolite {network.balanced[row]!r} is off balance: {made:g} made, "
        f"{made - residual[state, row]:g} used ({network.flux_unit}). Correct a flux, or give only the free "
        "fluxes and let the balances decide the rest."
    )


def _check_bounds(network: Network, net: np.ndarray) -> None:
    net = net.reshape(-1, len(network.reactions))
    lower, upper = network.net_bounds
    beyond = np.maximum(lower - net.min(axis=0), net.max(axis=0) - upper)
    worst = int(beyond.argmax())
    if beyond[worst] > 1e-6 * network.normalising_flux:
        name = network.reaction_names[worst]
        raise FluxError(
            f"the net flux of {name!r} lies {beyond[worst]:g} outside its bounds {lower[worst]:g} to "
            f"{upper[worst]:g} {network.flux_unit}; widen the bounds, or change the flux."
        )
