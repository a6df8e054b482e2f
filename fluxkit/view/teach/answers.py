"""Right answers to the questions of a lesson, found by the library instead of being written down."""

# pandas types most results as "DataFrame or Series", which pyright cannot follow
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportReturnType=false

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from fluxkit.errors import FluxError, NetworkError, UnknownNameError, suggest
from fluxkit.fluxes import FluxSpace
from fluxkit.networks import Network
from fluxkit.view.explore.forward import ReadySimulator, predicted_mids
from fluxkit.view.explore.moves import feasible_range, moved_state

SEEN = 0.005
"""Change of a fraction that a good instrument sees."""


def lost_carbon(network: Network, reaction: str, product: str) -> int:
    """Return which carbon of its only substrate a reaction gives to a product of one carbon, counted from 1.

    Parameters
    ----------
    network : Network
        The network.
    reaction, product : str
        Names, such as ``"PGD"`` and ``"CO2"``.

    Raises
    ------
    UnknownNameError
        The network has no such reaction.
    NetworkError
        The reaction has several substrates, or does not make the product from one carbon.
    """
    if reaction not in network.reaction_index:
        raise UnknownNameError(
            f"{network.name!r} has no reaction {reaction!r}. {suggest(reaction, network.reaction_names)}"
        )
    found = network.reactions[network.reaction_index[reaction]]
    letters = [each.atoms.get("C", "") for each in found.products if each.metabolite == product]
    if len(found.substrates) != 1 or len(letters) != 1 or len(letters[0]) != 1:
        raise NetworkError(
            f"{reaction} of {network.name!r} does not turn one carbon of a single substrate into {product}; "
            "ask about a decarboxylation."
        )
    return found.substrates[0].atoms["C"].index(letters[0]) + 1


def grows_most(
    space: FluxSpace, state: xr.Dataset, ready: ReadySimulator, reaction: str, fragment: str, factor: float = 2.0
) -> str | None:
    """Return the isotopologue of a fragment that grows most when one net flux is multiplied.

    Parameters
    ----------
    space : FluxSpace
        Flux space of the network.
    state : xarray.Dataset
        The flux state before.
    ready : ReadySimulator
        Tracer and fragments, of the first experiment.
    reaction : str
        The reaction whose net flux changes.
    fragment : str
        The fragment that is looked at.
    factor : float
        By what the flux is multiplied; it goes no further than is possible.

    Returns
    -------
    str or None
        ``"M+1"``; None where nothing grows by :data:`SEEN`.

    Raises
    ------
    FluxError
        The net flux is zero, so that no factor changes it.
    """
    before = float(state["net_flux"].sel(reaction=reaction))
    if abs(before) < 1e-9 * space.network.normalising_flux:
        raise FluxError(f"the net flux of {reaction} is 0, and {factor:g} times 0 is 0; start from another state.")
    after = float(np.clip(factor * before, *feasible_range(space, state, reaction)))
    moved = moved_state(space, state, reaction, after)
    change = (predicted_mids(ready, moved) - predicted_mids(ready, state))[0]
    places = [i for i, name in enumerate(ready.fragments) if name == fragment]
    best = max(places, key=lambda i: change[i] if np.isfinite(change[i]) else -np.inf)
    return ready.names[best] if change[best] >= SEEN else None


def least_known(intervals: pd.DataFrame, count: int = 4) -> list[str]:
    """Return net fluxes from well known to unknown, the last of which the data tell least about.

    Parameters
    ----------
    intervals : pandas.DataFrame
        The intervals of an estimate: ``reaction``, ``kind``, ``information``.
    count : int
        How many, evenly spread over all.
    """
    net = intervals[(intervals["kind"] == "net") & intervals["information"].notna()]
    order = net.sort_values("information", ascending=False, kind="stable")["reaction"].tolist()
    if len(order) <= count:
        return order
    return [order[round(i * (len(order) - 1) / (count - 1))] for i in range(count)]


def cells_beside(intervals: pd.DataFrame, truth: xr.Dataset, reactions: Sequence[str]) -> pd.DataFrame:
    """Return the true net fluxes of a simulated cell beside what was found.

    Parameters
    ----------
    intervals : pandas.DataFrame
        The intervals of an estimate.
    truth : xarray.Dataset
        ``net_flux(reaction)`` of the cell.
    reactions : sequence of str
        Which net fluxes; all that are not fixed by the network for an empty sequence.

    Returns
    -------
    pandas.DataFrame
        By ``reaction``: ``truth``, ``median``, ``lower``, ``upper`` and ``inside``, whether the 90 % interval holds the
        truth.
    """
    net = intervals[(intervals["kind"] == "net") & intervals["information"].notna()].set_index("reaction")
    net = net.loc[list(reactions)] if len(reactions) else net
    table = net[["median", "lower", "upper"]].copy()
    table.insert(0, "truth", truth["net_flux"].sel(reaction=list(net.index)).values)
    slack = 1e-6 * table[["lower", "upper"]].abs().max(axis=1)
    table["inside"] = (table["truth"] >= table["lower"] - slack) & (table["truth"] <= table["upper"] + slack)
    return table
