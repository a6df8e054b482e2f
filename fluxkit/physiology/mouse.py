"""The published infusion study of fasted mice: its tables as quantities, and its turnover computed again."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from fluxkit.errors import UnknownNameError
from fluxkit.physiology.quantity import from_range, quantity
from fluxkit.physiology.turnover import (
    compare_turnover,
    in_carbon,
    infusion_rate,
    turnover,
)

CARBON_FLUX = "nmol C/min/g"
AGREE = 1.96  # two-sided 95 % of the normal


@dataclass(frozen=True)
class MousePhysiology:
    """Published measurements of fasted wild-type mice (doi:10.1101/2024.02.11.579776).

    Parameters
    ----------
    enrichment : xarray.Dataset
        Quantity over ``(tracer, nutrient)``, fraction of carbon in arterial plasma; sd is that of the mean.
    spread : xarray.DataArray
        Standard deviation between animals of the same values.
    infusion : xarray.Dataset
        Quantity over ``nutrient``, nmol C/min/g: the protocol's range as a uniform distribution.
    circulatory_flux, oxidation : xarray.Dataset
        Quantities over ``nutrient``, nmol C/min/g, as published; the flux excludes the tracer.
    carbons : xarray.DataArray
        Carbon atoms per molecule, over ``nutrient``.
    pool_sizes : pandas.DataFrame
        Pool sizes of tissues, nmol per g wet weight (doi:10.1038/s41586-022-05661-6).
    """

    enrichment: xr.Dataset
    spread: xr.DataArray
    infusion: xr.Dataset
    circulatory_flux: xr.Dataset
    oxidation: xr.Dataset
    carbons: xr.DataArray
    pool_sizes: pd.DataFrame


def read_mouse(folder: str | Path) -> MousePhysiology:
    """Read the tables of ``data/mouse_physiology``.

    The published fluxes have no error of their own in the table. Oxidation is flux times the oxidised share, so its
    relative error is at least that of the flux, and is taken for it: an upper bound.

    Parameters
    ----------
    folder : str or Path
        Folder with ``plasma_enrichment.csv``, ``infusion_protocols.csv``, ``circulatory_fluxes.csv`` and
        ``tissue_pool_sizes.csv``; their columns name the units.

    Returns
    -------
    MousePhysiology
        Every table, nutrients in the order of the published fluxes.

    Raises
    ------
    UnknownNameError
        A table is missing.
    """
    tables = {}
    for name in ("plasma_enrichment", "infusion_protocols", "circulatory_fluxes", "tissue_pool_sizes"):
        path = Path(folder) / f"{name}.csv"
        if not path.is_file():
            raise UnknownNameError(f"{path} does not exist. Give the folder data/mouse_physiology of the repository.")
        tables[name] = pd.read_csv(path)
    fluxes = tables["circulatory_fluxes"].set_index("nutrient")
    order = list(fluxes.index)
    long = tables["plasma_enrichment"].set_index(["tracer", "nutrient"])

    def square(column: str) -> xr.DataArray:
        return xr.DataArray(long[column].unstack("nutrient").loc[order, order]).astype(float)

    protocols = tables["infusion_protocols"].rename(columns={"tracer": "nutrient"}).set_index("nutrient").loc[order]
    carbons = xr.DataArray(fluxes["carbons_per_molecule"])
    concentration = quantity(protocols["concentration_mM"], 0.0, "mM")
    low, high = protocols["pump_rate_low_uL_per_min_per_g"], protocols["pump_rate_high_uL_per_min_per_g"]
    oxidation = fluxes["oxidation_nmol_C_per_min_per_g"]
    error = fluxes["oxidation_sem_nmol_C_per_min_per_g"]
    flux = fluxes["circulatory_flux_nmol_C_per_min_per_g"]
    return MousePhysiology(
        enrichment=quantity(
            square("carbon_enrichment_fraction"), square("sem_fraction"), "fraction", basis="atom", site="artery"
        ),
        spread=square("sd_fraction"),
        infusion=in_carbon(infusion_rate(concentration, from_range(low, high, "uL/min/g")), carbons),
        circulatory_flux=quantity(
            flux, flux * error / oxidation, CARBON_FLUX, basis="atom", side="appearance", site="artery"
        ),
        oxidation=quantity(oxidation, error, CARBON_FLUX, basis="atom", site="artery"),
        carbons=carbons,
        pool_sizes=tables["tissue_pool_sizes"],
    )


def recompute_turnover(mouse: MousePhysiology, definition: str = "atom appearance") -> xr.Dataset:
    """Return the turnover of every nutrient, from its enrichment under its own tracer and the infusion protocol.

    Parameters
    ----------
    mouse : MousePhysiology
        The tables.
    definition : {"atom appearance", "atom disappearance"}
        Without, or with, the infused tracer; only atoms were measured.

    Returns
    -------
    xarray.Dataset
        Quantity over ``nutrient``, nmol C/min/g.

    Raises
    ------
    FluxError
        A definition on the basis of molecules.
    """
    diagonal = mouse.enrichment["nutrient"].values
    own = mouse.enrichment.sel(
        tracer=xr.DataArray(diagonal, dims="nutrient", coords={"nutrient": diagonal}),
        nutrient=xr.DataArray(diagonal, dims="nutrient", coords={"nutrient": diagonal}),
    ).drop_vars("tracer")
    return turnover(own, mouse.infusion, definition=definition)


def turnover_table(mouse: MousePhysiology) -> pd.DataFrame:
    """Compare the turnover computed again (atom appearance, arterial blood) with the published circulatory fluxes.

    The published flux is the mean over animals of I (1/E - 1); from the mean enrichment alone that is, to second order,
    I ((1 + cv**2) / E - 1) with the coefficient of variation between animals (doi:10.59161/JCGM100-2008E, 5.1.2), in
    the column ``ratio_of_animals``. Errors of both sides enter as if they were independent; they share the
    enrichments, so the test is a mild one.

    Parameters
    ----------
    mouse : MousePhysiology
        The tables.

    Returns
    -------
    pandas.DataFrame
        One row per nutrient: ``recomputed``, ``recomputed_sd``, ``published``, ``published_sd`` (nmol C/min/g),
        ``ratio`` = recomputed / published with ``ratio_sd`` and its 95 % interval ``ratio_lower``, ``ratio_upper``,
        ``z``, ``consistent`` (the interval holds 1), ``ratio_of_animals``, and ``inputs_explain``: whether the
        published value, as if it had no error, lies between ``range_lower`` and ``range_upper``, which the ends of
        the protocol's range and the 95 % interval of the enrichment give.
    """
    found = recompute_turnover(mouse)
    compared = compare_turnover(found, mouse.circulatory_flux)
    ratio, z = compared["value"].to_series(), compared["z"].to_series()
    relative = (compared["sd"] / compared["value"]).to_series()
    names = list(found["nutrient"].values)
    mean = pd.Series(np.diag(mouse.enrichment["value"].sel(tracer=names, nutrient=names)), names)
    spread = pd.Series(np.diag(mouse.spread.sel(tracer=names, nutrient=names)), names)
    curved = (1 + (spread / mean) ** 2) / mean - 1
    published = mouse.circulatory_flux
    error = pd.Series(np.diag(mouse.enrichment["sd"].sel(tracer=names, nutrient=names)), names)
    infused = mouse.infusion["value"].to_series()
    half = np.sqrt(3) * mouse.infusion["sd"].to_series()  # half of a range from the sd of its uniform distribution
    low = (infused - half) * (1 / (mean + AGREE * error) - 1)
    high = (infused + half) * (1 / (mean - AGREE * error) - 1)
    return pd.DataFrame(
        {
            "recomputed": found["value"].to_series(),
            "recomputed_sd": found["sd"].to_series(),
            "published": published["value"].to_series(),
            "published_sd": published["sd"].to_series(),
            "ratio": ratio,
            "ratio_sd": compared["sd"].to_series(),
            "ratio_lower": ratio * np.exp(-AGREE * relative),
            "ratio_upper": ratio * np.exp(AGREE * relative),
            "z": z,
            "consistent": z.abs() <= AGREE,
            "ratio_of_animals": infused * curved / published["value"].to_series(),
            "range_lower": low,
            "range_upper": high,
            "inputs_explain": published["value"].to_series().between(low, high),
        }
    )
