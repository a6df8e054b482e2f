"""What each organ of a whole-body network takes from plasma and gives to it, read from a flux state."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fluxkit.errors import UnknownNameError, suggest
from fluxkit.fluxes.completion import as_flux_dataset
from fluxkit.networks import Network, Reaction
from fluxkit.networks.network import EXTERNAL_SUFFIX

PLASMA = ("P", "Pa", "Pv")
"""Compartments that are plasma in the bundled whole-body networks: plasma, arterial, venous."""

OUTSIDE = "outside"
"""The organ of what enters or leaves plasma through none: infusion, diet, breath, urine."""


def compartment_of(metabolite: str) -> str:
    """Return the compartment of a metabolite, ``"L"`` of ``"Lac.L"`` and of ``"TG.L_x"``; empty where it has none.

    Parameters
    ----------
    metabolite : str
        Name with its compartment.
    """
    return metabolite.removesuffix(EXTERNAL_SUFFIX).rpartition(".")[2] if "." in metabolite else ""


def nutrient_of(metabolite: str) -> str:
    """Return the name of a metabolite without compartment, ``"Lac"`` of ``"Lac.P"``.

    Parameters
    ----------
    metabolite : str
        Name with its compartment.
    """
    return metabolite.rpartition(".")[0] or metabolite


def plasma_pools(network: Network, plasma: Sequence[str] = PLASMA) -> dict[str, str]:
    """Return the nutrient of every balanced plasma pool, such as ``{"Glc.P": "Glc"}``.

    Parameters
    ----------
    network : Network
        A whole-body network.
    plasma : sequence of str
        Compartments that are plasma.

    Raises
    ------
    UnknownNameError
        The network has no plasma.
    """
    pools = {each: nutrient_of(each) for each in network.balanced if compartment_of(each) in plasma}
    if not pools:
        known = sorted({compartment_of(each) for each in network.balanced})
        raise UnknownNameError(
            f"network {network.name!r} has no compartment {list(plasma)} but {known}. Name its plasma."
        )
    return pools


def organ_of(reaction: Reaction, plasma: Sequence[str] = PLASMA) -> str:
    """Return the organ in which a reaction runs: the compartment of what takes part and is not plasma.

    Parameters
    ----------
    reaction : Reaction
        A reaction of a whole-body network.
    plasma : sequence of str
        Compartments that are plasma.
    """
    found = {compartment_of(each.metabolite) for each in (*reaction.substrates, *reaction.products)}
    return "+".join(sorted(found - {"", *plasma})) or OUTSIDE


def organ_balances(
    fluxes: xr.Dataset,
    network: Network,
    nutrients: Sequence[str] | None = None,
    *,
    element: str | None = None,
    plasma: Sequence[str] = PLASMA,
) -> xr.Dataset:
    """Return net release of every nutrient by every organ into plasma; uptake is negative.

    Reactions are found by what they do: all that have a plasma pool on one side, whatever their names. The sum over
    organs is zero at steady state.

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
    plasma : sequence of str
        Compartments that are plasma.

    Returns
    -------
    xarray.Dataset
        Quantity over ``(..., nutrient, organ)`` in the flux unit of the network, with sd 0: the spread over ``draw`` is
        the error of a posterior. Organs are compartments, and ``"outside"``.

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
    organs = list(dict.fromkeys(organ_of(each, plasma) for each in network.reactions))
    matrix = np.zeros((len(names), len(organs), len(network.reactions)))
    for column, reaction in enumerate(network.reactions):
        organ = organs.index(organ_of(reaction, plasma))
        for sign, side in ((-1.0, reaction.substrates), (1.0, reaction.products)):
            for each in side:
                if pools.get(each.metabolite) in names:
                    atoms = 1 if element is None else network.atom_counts[each.metabolite].get(element, 0)
                    matrix[names.index(pools[each.metabolite]), organ, column] += sign * each.coefficient * atoms
    used = [bool(matrix[:, i].any()) for i in range(len(organs))]
    coefficients = xr.DataArray(
        matrix[:, used], dims=("nutrient", "organ", "reaction"),
        coords={"nutrient": names, "organ": [each for each, keep in zip(organs, used, strict=True) if keep]},
    )  # fmt: skip
    value = xr.dot(net.drop_vars("reaction", errors="ignore"), coefficients, dim="reaction")
    value = value.transpose(..., "nutrient", "organ")
    return xr.Dataset({"value": value, "sd": xr.zeros_like(value)}, attrs={"units": _units(network, element)})


def glucose_recycling(
    fluxes: xr.Dataset, network: Network, partner: str = "Lac", glucose: str = "Glc", *, plasma: Sequence[str] = PLASMA
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
    plasma : sequence of str
        Compartments that are plasma.

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
        attrs={"units": _units(network, "C"), "partner": partner},
    )


def urea_turnover(
    fluxes: xr.Dataset, network: Network, urea: str = "Urea", *, plasma: Sequence[str] = PLASMA
) -> xr.Dataset:
    """Return urea made, split again by gut bacteria, and excreted.

    Mass balance of plasma urea (doi:10.1038/s42255-021-00419-2): produced + infused = hydrolysed + excreted.

    Parameters
    ----------
    fluxes : xarray.Dataset
        ``net_flux(..., reaction)``, leading dimensions free.
    network : Network
        A whole-body network.
    urea : str
        Its name without compartment.
    plasma : sequence of str
        Compartments that are plasma.

    Returns
    -------
    xarray.Dataset
        ``produced``, ``hydrolysed``, ``excreted``, ``infused`` in molecules, ``nitrogen`` of what is produced in
        atoms of N, all in the flux unit of the network.
    """
    net = as_flux_dataset(network, fluxes, None if "exchange_flux" in fluxes else 0.0)["net_flux"]
    names = {pool for pool, name in plasma_pools(network, plasma).items() if name == urea}
    organ_balances(fluxes, network, [urea], plasma=plasma)  # refuses a network without it
    parts = {
        name: xr.zeros_like(net.isel(reaction=0, drop=True))
        for name in ("produced", "hydrolysed", "excreted", "infused")
    }
    for place, reaction in enumerate(network.reactions):
        made = sum(each.coefficient for each in reaction.products if each.metabolite in names)
        lost = sum(each.coefficient for each in reaction.substrates if each.metabolite in names)
        flux = (made - lost) * net.isel(reaction=place, drop=True)
        gained, given = ("infused", "excreted") if organ_of(reaction, plasma) == OUTSIDE else ("produced", "hydrolysed")
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
        left = {each.metabolite: each.coefficient for each in reaction.substrates}
        right = {each.metabolite: each.coefficient for each in reaction.products}
        flux = net.isel(reaction=place, drop=True)
        if first in left and second in right:
            forward = forward + left[first] * flux.clip(min=0)
            backward = backward + left[first] * (-flux).clip(min=0)
        elif second in left and first in right:
            backward = backward + right[first] * flux.clip(min=0)
            forward = forward + right[first] * (-flux).clip(min=0)
    cycle = np.minimum(forward, backward)
    return xr.Dataset({"forward": forward, "backward": backward, "cycle": cycle}, attrs={"units": network.flux_unit})


def _units(network: Network, element: str | None) -> str:
    amount, slash, rest = network.flux_unit.partition("/")
    if element is None:
        return network.flux_unit
    return f"{amount} {element}{slash}{rest}" if slash else f"{network.flux_unit} {element}"
