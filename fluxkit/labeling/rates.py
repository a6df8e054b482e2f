"""Measured rates beside labeling: uptake, secretion and growth, with their errors.

A rate belongs to a reaction, as a net flux in its direction, or to a sum of reactions (``MCT_out - MCT_in``). Where the
network counts fluxes relative to one of them (glucose uptake = 100) the common factor between rates and fluxes is
unknown and follows from the data.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from fluxkit.errors import LabelingError, UnknownNameError, suggest
from fluxkit.networks import Network

COLUMNS = ("reaction", "rate", "sd")
_TERM = re.compile(r"([+-]?)\s*(\d+(?:\.\d+)?(?=[\s*]))?\s*\*?\s*([A-Za-z_][\w.]*)")
Rates = Mapping[str, tuple[float, float]]
"""Rate and standard deviation by reaction."""


def with_rates(
    labeling: xr.Dataset,
    rates: Rates | pd.DataFrame | str | Path,
    network: Network,
    *,
    unit: str = "",
) -> xr.Dataset:
    """Return a labeling dataset that also holds measured rates.

    Parameters
    ----------
    labeling : xarray.Dataset
        Measured labeling.
    rates : mapping, DataFrame or path
        Rate and standard deviation by reaction, or by a sum of reactions, for all samples; or a table (csv, tsv) with
        the columns ``reaction``, ``rate``, ``sd``, and ``condition`` or ``sample`` where they differ.
    network : Network
        The network whose reactions are meant.
    unit : str
        Unit of the rates. The unit of the network's own fluxes says that rates and fluxes are on one scale; any other
        leaves their common factor to be found.

    Returns
    -------
    xarray.Dataset
        With ``rate`` and ``rate_sd`` over ``(sample, measured_reaction)``, in the given unit; NaN = not measured.

    Raises
    ------
    UnknownNameError
        The network has no such reaction, the dataset no such sample or condition.
    LabelingError
        A rate is not finite, its standard deviation not positive, a row appears twice, or the dataset holds rates
        already.
    """
    table, place = _as_table(rates)
    if "rate" in labeling:
        held = ", ".join(map(repr, labeling["measured_reaction"].values.tolist()))
        raise LabelingError(
            f"{place}: the dataset holds the rates of {held} already; give all rates at once, or take the old ones out "
            'with labeling.drop_dims("measured_reaction").'
        )
    column = next((each for each in ("condition", "sample") if each in table.columns), None)
    if column and (column not in labeling.coords or "sample" not in labeling[column].dims):
        raise LabelingError(f"{place}: the rates differ by {column}, but the samples have none; leave the column out.")
    known = [str(each) for each in labeling[column].values] if column else []
    names = list(dict.fromkeys(table["reaction"].astype(str)))
    dims = ("sample", "measured_reaction") if "sample" in labeling.dims else ("measured_reaction",)
    shape = (*((labeling.sizes["sample"],) if "sample" in labeling.dims else ()), len(names))
    value, sd = np.full(shape, np.nan), np.full(shape, np.nan)
    for row, line in zip(table.to_dict("records"), range(2, len(table) + 2), strict=True):
        where = f"{place}, row {line}" if isinstance(rates, str | Path | pd.DataFrame) else place
        name = str(row["reaction"])
        rate_row(name, network, where)
        rate, error = _number(row["rate"], "rate", where), _number(row["sd"], "sd", where)
        if not error > 0:
            raise LabelingError(f"{where}: the sd of {name!r} is {error:g}; give a positive standard deviation.")
        key = str(row[column]) if column else None
        if column and key not in known:
            raise UnknownNameError(f"{where}: no sample has the {column} {key!r}. {suggest(str(key), known)}")
        chosen = np.array([each == key for each in known]) if column else np.ones(shape[:-1], dtype=bool)
        k = names.index(name)
        if np.isfinite(value[chosen, k] if value.ndim > 1 else value[k]).any():
            raise LabelingError(f"{where}: the rate of {name!r} appears twice; keep one row.")
        value[chosen, k] = rate
        sd[chosen, k] = error
    attrs = {"units": unit, "absolute": int(bool(unit) and unit == network.flux_unit)}
    return labeling.assign(rate=(dims, value, attrs), rate_sd=(dims, sd, attrs)).assign_coords(measured_reaction=names)


def read_rate_errors(rates: pd.DataFrame | str | Path) -> dict[str, float]:
    """Return the standard deviations of a table of rates, by reaction: what the design of an experiment asks for.

    Parameters
    ----------
    rates : DataFrame or path
        As for :func:`fluxkit.with_rates`, with one row for each rate.

    Raises
    ------
    LabelingError
        A column is missing, a standard deviation is no number, or a row appears twice.
    """
    table, place = _as_table(rates)
    errors: dict[str, float] = {}
    for row, line in zip(table.to_dict("records"), range(2, len(table) + 2), strict=True):
        name = str(row["reaction"])
        if name in errors:
            raise LabelingError(f"{place}, row {line}: the rate of {name!r} appears twice; keep one condition.")
        errors[name] = _number(row["sd"], "sd", f"{place}, row {line}")
    return errors


def rate_row(text: str, network: Network, where: str = "rates") -> np.ndarray:
    """Return the coefficients of the net fluxes in a measured rate, shape ``(reaction,)``.

    Parameters
    ----------
    text : str
        A reaction, or a sum such as ``LAC_out - LAC_in`` or ``2 GLC_up + FRU_up``.
    network : Network
        The network.
    where : str
        The place of the text, for messages.

    Raises
    ------
    UnknownNameError
        The network has no such reaction.
    LabelingError
        The text is no sum of reactions.
    """
    row = np.zeros(len(network.reactions))
    if text in network.reaction_index:
        row[network.reaction_index[text]] = 1.0
        return row
    terms = _TERM.findall(text)
    unsigned = any(not sign for sign, _, _ in terms[1:])
    if (
        not terms
        or unsigned
        or "".join("".join(each) for each in terms).replace(" ", "") != text.replace(" ", "").replace("*", "")
    ):
        raise LabelingError(f"{where}: cannot read {text!r} as a sum of reactions; write 'A', 'A - B' or '2 A + B'.")
    for sign, number, name in terms:
        if name not in network.reaction_index:
            raise UnknownNameError(
                f"{where}: network {network.name!r} has no reaction {name!r}. {suggest(name, network.reaction_names)}"
            )
        row[network.reaction_index[name]] += (-1.0 if sign == "-" else 1.0) * float(number or 1)
    return row


def _as_table(rates: Rates | pd.DataFrame | str | Path) -> tuple[pd.DataFrame, str]:
    if isinstance(rates, pd.DataFrame):
        table, place = rates, "rates"
    elif isinstance(rates, str | Path):
        path = Path(rates)
        if not path.is_file():
            raise LabelingError(f"there is no table of rates {str(path)!r}; give the path of a csv or tsv file.")
        table, place = pd.read_csv(path, sep=None, engine="python", comment="#"), path.name
    else:
        for name, pair in rates.items():
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise LabelingError(f"the rate of {name!r} is {pair!r}; give (rate, standard deviation).")
        table, place = pd.DataFrame([(n, *pair) for n, pair in rates.items()], columns=list(COLUMNS)), "rates"
    missing = [each for each in COLUMNS if each not in table.columns]
    if missing:
        raise LabelingError(
            f"{place}: the column {missing[0]!r} is missing; a table of rates has the columns {', '.join(COLUMNS)}, "
            "and 'condition' or 'sample' where rates differ."
        )
    if not len(table):
        raise LabelingError(f"{place}: there is no rate; leave rates out, or give one.")
    return table, place


def _number(value: object, name: str, where: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise LabelingError(f"{where}: the {name} is {value!r}; give a finite number.")
    return number


def pool_rates(part: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the rates of a group of replicates: their mean, with the larger of the stated sd and their spread.

    Parameters
    ----------
    part : xarray.Dataset
        Samples of one group.
    """
    if "rate" not in part:
        return {}
    rate, stated = part["rate"], (part["rate_sd"] ** 2).mean("sample") ** 0.5
    spread = rate.std("sample", ddof=1) if part.sizes["sample"] > 1 else xr.zeros_like(stated)
    spread = spread.fillna(0.0)
    sd = stated.where(stated > spread, spread)
    mean = rate.mean("sample")
    return {"rate": mean.assign_attrs(rate.attrs), "rate_sd": sd.assign_attrs(rate.attrs)}
