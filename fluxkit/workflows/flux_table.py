"""A flux state as a table: one row per reaction, read from a csv file."""

from pathlib import Path

import pandas as pd
import xarray as xr

from fluxkit.errors import FluxError, suggest
from fluxkit.fluxes import as_flux_dataset
from fluxkit.networks import Network

_COLUMNS = ("reaction", "net_flux", "exchange_flux")


def read_fluxes(path: str | Path, network: Network) -> xr.Dataset:
    """Read a flux state.

    Parameters
    ----------
    path : str or pathlib.Path
        A csv table with columns ``reaction``, ``net_flux`` and, where reactions are reversible, ``exchange_flux``,
        in the flux unit of the network. Net fluxes that the balances decide may be left out.
    network : Network
        The network.

    Returns
    -------
    xarray.Dataset
        ``net_flux(reaction)`` and ``exchange_flux(reaction)``.

    Raises
    ------
    FluxError
        The file is missing or not such a table, or the fluxes are not possible in the network.
    UnknownNameError
        The network has no such reaction.
    """
    path = Path(path)
    if not path.is_file():
        raise FluxError(f"there is no file {str(path)!r}; check the path, or write 'reference'.")
    try:
        table = pd.read_csv(path, comment="#", skipinitialspace=True)
    except ValueError as error:
        raise FluxError(f"{path.name} is not a csv table ({str(error).strip()}).") from error
    for column in _COLUMNS[:2]:
        if column not in table.columns:
            raise FluxError(f"{path.name} has no column {column!r}. {suggest(column, map(str, table.columns))}")
    names = table["reaction"].astype(str).str.strip()
    if names.duplicated().any():
        raise FluxError(f"{path.name}: reaction {names[names.duplicated()].iloc[0]!r} has a second row; keep one.")
    columns = {}
    for column in _COLUMNS[1:]:
        if column not in table.columns:
            continue
        numbers = pd.to_numeric(table[column], errors="coerce")
        wrong = numbers.isna() & table[column].notna()
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise FluxError(f"{path.name}: {column} of {names[row]!r} is {table[column][row]!r}, not a number.")
        columns[column] = {name: float(value) for name, value in zip(names, numbers, strict=True) if value == value}
    exchange = columns.get("exchange_flux")
    return as_flux_dataset(network, columns["net_flux"], exchange, check_bounds=False)
