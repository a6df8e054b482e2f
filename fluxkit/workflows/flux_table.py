"""A flux state as a table: one row per reaction, read from a csv file."""

import csv
from pathlib import Path

import xarray as xr

from fluxkit.errors import FluxError, suggest
from fluxkit.fluxes import as_flux_dataset
from fluxkit.networks import Network


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
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        rows, header = list(reader), list(reader.fieldnames or ())
    for column in ("reaction", "net_flux"):
        if column not in header:
            raise FluxError(f"{path.name} has no column {column!r}. {suggest(column, header)}")
    columns: dict[str, dict[str, float]] = {"net_flux": {}, "exchange_flux": {}}
    seen = set()
    for number, row in enumerate(rows, 2):
        name = (row["reaction"] or "").strip()
        if name in seen:
            raise FluxError(f"{path.name}, row {number}: reaction {name!r} has a second row; keep one.")
        seen.add(name)
        for column, values in columns.items():
            text = (row.get(column) or "").strip()
            try:
                values.update({name: float(text)} if text else {})
            except ValueError:
                raise FluxError(f"{path.name}, row {number}: {column} {text!r} of {name!r} is not a number.") from None
    return as_flux_dataset(network, columns["net_flux"], columns["exchange_flux"] or None)
