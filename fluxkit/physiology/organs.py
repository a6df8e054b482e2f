"""What each organ of a whole-body network takes from plasma and gives to it, read from a flux state."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import xarray as xr

from fluxkit.errors import UnknownNameError, suggest
from fluxkit.fluxes.completion import as_flux_dataset
from fluxkit.networks import Network, Participant, Reaction
from fluxkit.networks.network import EXTERNAL_SUFFIX
from fluxkit.physiology.body_parts import OUTSIDE, PLASMA, compartment_of, nutrient_of, organ_of, parts_of, units_of

__all__ = [
    "OUTSIDE",
    "PLASMA",
    "compartment_of",
    "nutrient_of",
    "organ_of",
    "plasma_pools",
    "released",
    "organ_balances",
    "glucose_recycling",
    "urea_turnover",
    "substrate_cycle",
]


def plasma_pools(network: Network, plasma: Sequence[str] | None = None) -> dict[str, str]:
    """Return the nutrient of every balanced plasma pool, such as ``{"Glc.P": "Glc"}``.

    Parameters
    ----------
    network : Network
        A whole-body network.
    plasma : sequence of str, optional
        Compartments that are plasma; by default the circulation that the network names.

    Raises
    ------
    UnknownNameError
        The network has no plasma.
    NetworkError
        The network names compartments, but no tissue or no circulation among them.
    """
    parts = parts_of(network, plasma)
    named = bool(network.compartments) and plasma is None  # what lies in no tissue is then shared by all of them
    pools = {
        each: nutrient_of(each)
        for each in network.balanced
        if compartment_of(each) in parts.circulation or (named and compartment_of(each) not in parts.tissues)
    }
    if not pools:
        known = sorted({compartment_of(each) for each in network.balanced})
        raise UnknownNameError(
            f"network {network.name!r} has no compartment {list(parts.circulation)} but {known}. Name its plasma."
        )
    return pools


def released(reaction: Reaction, pools: Collection[str]) -> Iterator[tuple[str, float]]:
    """Yield the plasma pools that a reaction changes, and the molecules that each gains per turn.

    Parameters
    ----------
    reaction : Reaction
        A reaction of a whole-body network.
    pools : collection of str
        The pools of plasma, from :func:`plasma_pools`.
    """
    for sign, side in ((-1.0, reaction.substrates), (1.0, reaction.products)):
        for each in side:
            if each.metabolite in pools:
                yield each.metabolite, sign * each.coefficient


def organ_balances(
    fluxes: xr.Dataset,
    network: Network,
    nutrients: Sequence[str] | None = None,
    *,
    element: str | None = None,
    plasma: Sequence[str] | None = None,
) -> xr.Dataset:
    """Return net release of every nutrient by every organ into the circulation; uptake is negative.

    Reactions are found by what they do: all that have a plasma pool on one side. Each belongs to the tissue of its
    other pools, or to the one whose letter begins its name where it has none (urine of the kidney). The sum over organs
    is zero at steady state.

    Parameters
    ----------
    fluxes : xarray.Dataset
        ``net_flux(..., reaction)``, leading dimensions free.
    network : Network
        A whole-body network.
    nutrients : sequence of str, optional
        Names without compartment, such as ``["Glc", "Lac"]``; all by default.
    element : {"C", "N", "H"}, optional
        Count atoms of this element instead of molecules.
    plasma : sequence of str, optional
        Compartments that are plasma; by default the circulation that the network names.

    Returns
    -------
    xarray.Dataset
        Quantity over ``(..., nutrient, organ)`` in the flux unit of the network, with sd 0: the spread over ``draw`` is
        the error of a posterior. Organs are compartments, and ``"outside"``; ``organ_name`` along them is what the
        network calls each.

    Raises
    ------
    UnknownNameError
        The network has no such nutrient in plasma, or no plasma.
    """
    net = as_flux_dataset(network, fluxes, None if "exchange_flux" in fluxes else 0.0)["net_flux"]
    pools = plasma_pools(network, plasma)
    names = list(dict.fromkeys(pools.values())) if nutrients is None else list(nutrients)
    for each in names:
        if each not in pools.values():
            raise UnknownNameError(
                f"plasma of network {network.name!r} has no nutrient {each!r}. {suggest(each, pools.values())}"
            )
    parts = parts_of(network, plasma)
    place = [organ_of(each, parts=parts) for each in network.reactions]
    organs = list(dict.fromkeys(place))
    matrix = np.zeros((len(names), len(organs), len(network.reactions)))
    for column, reaction in enumerate(network.reactions):
        organ = organs.index(place[column])
        for pool, molecules in released(reaction, pools):
            if pools[pool] in names:
                atoms = 1 if element is None else network.atom_counts[pool].get(element, 0)
                matrix[names.index(pools[pool]), organ, column] += molecules * atoms
    used = [bool(matrix[:, i].any()) for i in range(len(organs))]
    kept = [each for each, keep in zip(organs, used, strict=True) if keep]
    coefficients = xr.DataArray(
        matrix[:, used], dims=("nutrient", "organ", "reaction"),
        coords={"nutrient": names, "organ": kept},
    )  # fmt: skip
    value = xr.dot(net.drop_vars("reaction", errors="ignore"), coefficients, dim="reaction")
    value = value.transpose(..., "nutrient", "organ")
    value = value.assign_coords(organ_name=("organ", [parts.tissues.get(each, each) for each in kept]))
    return xr.Dataset({"value": value, "sd": xr.zeros_like(value)}, attrs={"units": units_of(network, element)})


def glucose_recycling(
    fluxes: xr.Dataset,
    network: Network,
    partner: str = "Lac",
    glucose: str = "Glc",
    *,
    plasma: Sequence[str] | None = None,
) -> xr.Dataset:
    """Return net transport of a cycle through glucose: organs that release glucose take up its partner.

    With lactate this is the Cori cycle, with alanine the glucose-alanine cycle (doi:10.1016/j.cmet.2020.07.013). Net
    transport is what organ balances can show; for carbon that goes both ways see
    :func:`fluxkit.physiology.conversions_of_state`.

    Parameters
    ----------
    fluxes : xarray.Dataset
        ``net_flux(..., reaction)``, leading dimensions free.
    network : Network
        A whole-body network.
    partner, glucose : str
        Names without compartment.
    plasma : sequence of str, optional
        Compartments that are plasma; by default the circulation that the network names.

    Returns
    -------
    xarray.Dataset
        In the carbon of the network's flux unit: ``partner_uptake`` by the organs that release glucose,
        ``partner_release`` by the organs that take glucose up, ``glucose_release``, and ``largest_share`` of the
        glucose released that could be made from the partner (a fraction, an upper bound).
    """
    both = organ_balances(fluxes, network, [glucose, partner], element="C", plasma=plasma)["value"]
    both = both.sel(organ=[each for each in both["organ"].values if each != OUTSIDE])
    sugar, other = both.sel(nutrient=glucose, drop=True), both.sel(nutrient=partner, drop=True)
    makers = sugar > 0
    uptake = (-other).where(makers & (other < 0), 0.0).sum("organ")
    release = sugar.where(makers, 0.0).sum("organ")
    return xr.Dataset(
        {
            "partner_uptake": uptake,
            "partner_release": other.where(~makers & (other > 0), 0.0).sum("organ"),
            "glucose_release": release,
            "largest_share": np.minimum(uptake / release.where(release > 0), 1.0),
        },
        attrs={"units": units_of(network, "C"), "partner": partner},
    )


def urea_turnover(
    fluxes: xr.Dataset, network: Network, urea: str = "Urea", *, plasma: Sequence[str] | None = None
) -> xr.Dataset:
    """Return urea made, split again by gut bacteria, and excreted.

    Mass balance of plasma urea: produced + infused = hydrolysed + excreted. What leaves plasma for an external pool is
    excreted, what comes from one infused, whichever organ it passes.

    Parameters
    ----------
    fluxes : xarray.Dataset
        ``net_flux(..., reaction)``, leading dimensions free.
    network : Network
        A whole-body network.
    urea : str
        Its name without compartment.
    plasma : sequence of str, optional
        Compartments that are plasma; by default the circulation that the network names.

    Returns
    -------
    xarray.Dataset
        ``produced``, ``hydrolysed``, ``excreted``, ``infused`` in molecules, ``nitrogen`` of what is produced in
        atoms of N, all in the flux unit of the network.
    """
    net = as_flux_dataset(network, fluxes, None if "exchange_flux" in fluxes else 0.0)["net_flux"]
    pools = plasma_pools(network, plasma)
    names = {pool for pool, name in pools.items() if name == urea}
    organ_balances(fluxes, network, [urea], plasma=plasma)  # refuses a network without it
    parts = {
        name: xr.zeros_like(net.isel(reaction=0, drop=True))
        for name in ("produced", "hydrolysed", "excreted", "infused")
    }
    for place, reaction in enumerate(network.reactions):
        made = sum(each.coefficient for each in reaction.products if each.metabolite in names)
        lost = sum(each.coefficient for each in reaction.substrates if each.metabolite in names)
        flux = (made - lost) * net.isel(reaction=place, drop=True)
        outer = _passes_outside(reaction, set(pools))
        gained, given = ("infused", "excreted") if outer else ("produced", "hydrolysed")
        parts[gained] = parts[gained] + flux.clip(min=0)
        parts[given] = parts[given] + (-flux).clip(min=0)
    nitrogen = network.atom_counts[min(names)].get("N", 2)
    return xr.Dataset({**parts, "nitrogen": nitrogen * parts["produced"]}, attrs={"units": network.flux_unit})


def substrate_cycle(fluxes: xr.Dataset, network: Network, first: str, second: str) -> xr.Dataset:
    """Return how fast two pools are turned into one another by reactions that run against each other.

    A substrate (futile) cycle carries the smaller of the two directions (doi:10.1016/j.cmet.2020.07.013), such as
    glucose and glucose-6-phosphate of the liver. The exchange flux of one reversible reaction is not a cycle.

    Parameters
    ----------
    fluxes : xarray.Dataset
        ``net_flux(..., reaction)``, leading dimensions free.
    network : Network
        The network.
    first, second : str
        Pools with their compartments, ``"Glc.P"`` and ``"G6P.L"``.

    Returns
    -------
    xarray.Dataset
        ``forward`` (first to second), ``backward`` and ``cycle`` in molecules of the first, in the network's flux unit.

    Raises
    ------
    UnknownNameError
        A pool that the network does not have.
    """
    for each in (first, second):
        network.require_metabolite(each, "substrate_cycle")
    net = as_flux_dataset(network, fluxes, None if "exchange_flux" in fluxes else 0.0)["net_flux"]
    forward = backward = xr.zeros_like(net.isel(reaction=0, drop=True))
    for place, reaction in enumerate(network.reactions):
        left, right = _molecules(reaction.substrates), _molecules(reaction.products)
        flux = net.isel(reaction=place, drop=True)
        if first in left and second in right:
            forward = forward + left[first] * flux.clip(min=0)
            backward = backward + left[first] * (-flux).clip(min=0)
        elif second in left and first in right:
            backward = backward + right[first] * flux.clip(min=0)
            forward = forward + right[first] * (-flux).clip(min=0)
    cycle = np.minimum(forward, backward)
    return xr.Dataset({"forward": forward, "backward": backward, "cycle": cycle}, attrs={"units": network.flux_unit})


def _passes_outside(reaction: Reaction, pools: Collection[str]) -> bool:
    """Return whether a reaction joins the circulation with the outside of the body, without a pool of a tissue.

    Parameters
    ----------
    reaction : Reaction
        A reaction of a whole-body network.
    pools : collection of str
        The pools of the circulation.
    """
    others = [each.metabolite for each in (*reaction.substrates, *reaction.products) if each.metabolite not in pools]
    return all(each.endswith(EXTERNAL_SUFFIX) and not compartment_of(each) for each in others)


def _molecules(side: Sequence[Participant]) -> dict[str, float]:
    """Return molecules per turn of every participant of a side; one that stands there twice counts twice."""
    found: dict[str, float] = {}
    for each in side:
        found[each.metabolite] = found.get(each.metabolite, 0.0) + each.coefficient
    return found
