"""What the tissues of a body live on, from a flux state: what feeds their TCA cycle, what they burn, what is made."""

import xarray as xr

from fluxkit.errors import UnknownNameError
from fluxkit.networks import Network
from fluxkit.physiology.body_parts import units_of
from fluxkit.physiology.carbon_origins import carbon_sources, conversions_of_state, oxidation_by_tissue


def tissue_fuels(fluxes: xr.Dataset, network: Network, *, pool: str = "Mal", made: str = "Glc") -> xr.Dataset:
    r"""Return what each tissue feeds its TCA cycle with and burns, and what a nutrient of plasma is made from.

    Every carbon is followed back, through all exchange, to the circulating nutrient that it last was in.

    Parameters
    ----------
    fluxes : xarray.Dataset
        ``net_flux`` and ``exchange_flux`` over ``(..., reaction)``, such as ``estimate.draws(100)``.
    network : Network
        A whole-body network.
    pool : str
        Of the TCA cycle, without compartment: its carbon is what the cycle is fed with.
    made : str
        The nutrient of plasma whose making is asked for, without compartment.

    Returns
    -------
    xarray.Dataset
        Over the names of tissues and the nutrients of plasma: ``tca(..., tissue, source)``, fractions of the carbon of
        the pool (:func:`carbon_sources`), NaN in tissues without it; ``burnt(..., tissue, source)``, carbon atoms into
        CO2 in the network's flux unit, without CO2 that is fixed and given back (:func:`oxidation_by_tissue`);
        ``made(..., source)``, fractions of the carbon of the nutrient, without what went out and came back as itself
        (:func:`conversions_of_state`).

    Raises
    ------
    UnknownNameError
        No tissue has the pool, or plasma has no such nutrient.
    """
    pools = {f"{pool}.{key}": name for key, name in network.compartments.items() if f"{pool}.{key}" in network.balanced}
    if not pools:
        held = sorted({name.rpartition(".")[0] for name in network.balanced} - {""})
        raise UnknownNameError(f"no tissue of {network.name!r} has a pool {pool!r}; they have {', '.join(held)}.")
    fed = carbon_sources(fluxes, network, list(pools))["value"]
    fed = fed.assign_coords(pool=list(pools.values())).rename(pool="tissue")
    burnt = oxidation_by_tissue(fluxes, network)["value"].drop_sel(source="CO2")
    burnt = burnt.assign_coords(
        tissue=[network.compartments.get(str(each), str(each)) for each in burnt["tissue"].values]
    )
    into = conversions_of_state(fluxes, network, [made])["value"].sel(target=made, drop=True).drop_sel(source=made)
    parts = {"tca": fed, "burnt": burnt, "made": into / into.sum("source")}
    units = {"tca": "fraction", "burnt": units_of(network, "C"), "made": "fraction"}
    named = {name: part.assign_attrs(units=units[name]) for name, part in parts.items()}
    return xr.Dataset(dict(zip(named, xr.align(*named.values(), join="outer"), strict=True)))
