"""A quantity: values with standard deviations, a unit, and what they mean, and how errors pass through a formula."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from fluxkit.errors import FluxError, LabelingError, UnknownNameError, suggest

MEANINGS = {
    "basis": ("molecule", "atom"),
    "site": ("artery", "tail", "vein"),
    "side": ("appearance", "disappearance"),
}
"""What a quantity may say about itself; quantities that say different things are never compared."""

STEP = 1e-30  # complex steps have no cancellation, so this can be far below rounding


def quantity(value: Any, sd: Any = 0.0, units: str = "", **meaning: str) -> xr.Dataset:
    """Return values with their standard deviation and unit, in the form that all of physiology reads.

    Parameters
    ----------
    value : float, array, xarray.DataArray, pandas.Series or pandas.DataFrame
        Values; labeled axes become dimensions. NaN where nothing was measured.
    sd : float, array, DataArray, Series or DataFrame
        Standard deviation of each value, in the same unit; of a mean, its standard error. Named axes are matched with
        those of ``value`` by name, and may lack some; an axis without a name needs the shape of ``value``.
    units : str
        Unit, such as ``"nmol/min/g"``, ``"nmol C/min/g"`` or ``"fraction"``.
    **meaning : str
        ``basis`` (``"molecule"``: of fully labeled molecules; ``"atom"``: of atoms), ``site`` of sampling
        (``"artery"``, ``"tail"``, ``"vein"``) and ``side`` (``"appearance"``, ``"disappearance"``).

    Returns
    -------
    xarray.Dataset
        ``value`` and ``sd`` of equal shape; unit and meaning in ``attrs``.

    Raises
    ------
    FluxError
        A negative or missing standard deviation; one over other axes or labels than the values.
    UnknownNameError
        A meaning that does not exist.

    Examples
    --------
    >>> glucose = quantity(0.264, 0.009, "fraction", basis="atom", site="artery")
    """
    for name, said in meaning.items():
        if name not in MEANINGS:
            raise UnknownNameError(f"a quantity has no {name!r}. {suggest(name, MEANINGS)}")
        if said not in MEANINGS[name]:
            raise UnknownNameError(f"{name} = {said!r} of a quantity does not exist. {suggest(said, MEANINGS[name])}")
    values = xr.DataArray(value).astype(float)
    errors = _like(xr.DataArray(sd).astype(float), values)
    known = np.isfinite(values.values)
    bad = known & ~(errors.values >= 0)
    if bad.any():
        raise FluxError(
            f"standard deviation {errors.values[bad].flat[0]:.3g} of the value {values.values[bad].flat[0]:.4g} "
            f"{units}: it must be zero or more. Give 0 for a value that is known."
        )
    return xr.Dataset({"value": values, "sd": errors}, attrs={"units": units, **meaning})


def from_range(low: Any, high: Any, units: str = "", **meaning: str) -> xr.Dataset:
    """Return a quantity of which only the range is known: uniform in it, sd = (high - low) / sqrt(12).

    The variance of the uniform distribution, doi:10.59161/JCGM100-2008E (4.3.7).

    Parameters
    ----------
    low, high : float, array, DataArray or Series
        Ends of the range, in ``units``.
    units, **meaning : str
        As in :func:`quantity`.

    Raises
    ------
    FluxError
        The ends are in the wrong order.
    """
    lower, upper = xr.DataArray(low).astype(float), xr.DataArray(high).astype(float)
    if bool((lower > upper).any()):
        raise FluxError(f"range from {lower.values} to {upper.values} {units}: exchange the ends.")
    return quantity((lower + upper) / 2, (upper - lower) / np.sqrt(12), units, **meaning)


def propagate(
    formula: Callable[..., Any], *inputs: xr.Dataset, units: str, same: tuple[str, ...] = (), **meaning: str
) -> xr.Dataset:
    """Apply a formula to quantities by the delta method: variance = sum over inputs of (slope * sd)**2.

    The slopes are exact, by a complex step (doi:10.1137/S003614459631241X). An input that stands in several places of
    the formula is one variable; different inputs have independent errors (law of propagation,
    doi:10.59161/JCGM100-2008E).

    Parameters
    ----------
    formula : callable
        Acts value by value on arrays, and is analytic: no absolute values or comparisons.
    *inputs : xarray.Dataset
        Quantities, as positional arguments of the formula.
    units : str
        Unit of the result.
    same : tuple of str
        Meanings that the inputs share where they state them; the result states them too.
    **meaning : str
        What the result means.

    Raises
    ------
    FluxError
        Two inputs state different meanings of a name in ``same``, or one lacks a label that another has.
    """
    for name in same:
        said = {each.attrs[name] for each in inputs if name in each.attrs}
        if len(said) > 1:
            raise FluxError(
                f"{name} of the inputs is {' and '.join(sorted(map(repr, said)))}: different definitions are never "
                f"mixed. Take both of one {name}."
            )
        meaning |= dict.fromkeys([name] if said else [], next(iter(said), ""))
    pairs = aligned_quantities(*inputs)
    values = [value for value, _ in pairs]
    result = formula(*values)
    variance = xr.zeros_like(result)
    for place, (_, sd) in enumerate(pairs):
        stepped = [value + 1j * STEP if i == place else value for i, value in enumerate(values)]
        variance = variance + (formula(*stepped).imag / STEP * sd) ** 2
    return xr.Dataset({"value": result, "sd": np.sqrt(variance)}, attrs={"units": units, **meaning})


def aligned_quantities(*inputs: xr.Dataset) -> list[tuple[xr.DataArray, xr.DataArray]]:
    """Return value and sd of quantities, their labels in one order; none is dropped.

    Parameters
    ----------
    *inputs : xarray.Dataset
        Quantities.

    Raises
    ------
    FluxError
        One lacks a label, or has another number of values along an axis, than another.
    """
    order: dict[str, tuple[int, np.ndarray]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for place, each in enumerate(inputs, 1):
        for dim in map(str, each["value"].dims):
            first, size = sizes.setdefault(dim, (place, each.sizes[dim]))
            if dim in each.indexes:
                known, labels = order.setdefault(dim, (place, each[dim].values))
                _require_same_labels(dim, (known, labels), (place, each[dim].values))
            if size != each.sizes[dim]:
                raise FluxError(
                    f"quantity {first} has {size} values along {dim!r}, quantity {place} has {each.sizes[dim]}. Give "
                    "both of the same."
                )
    chosen = []
    for each in inputs:
        labels = {dim: order[dim][1] for dim in map(str, each["value"].dims) if dim in each.indexes}
        moved = {dim: names for dim, names in labels.items() if not np.array_equal(each[dim].values, names)}
        chosen.append((each["value"].sel(moved), each["sd"].sel(moved)))
    return chosen


def require_units(given: xr.Dataset, units: str, what: str) -> xr.Dataset:
    """Return a quantity that has a unit, and refuse another.

    Parameters
    ----------
    given : xarray.Dataset
        A quantity.
    units : str
        What its unit must be.
    what : str
        Name of the quantity, for the message.

    Raises
    ------
    FluxError
        The unit is another.
    """
    if given.attrs.get("units") != units:
        raise FluxError(f"{what} is in {given.attrs.get('units')!r}, but {units!r} is needed here. Convert it first.")
    return given


def require_range(given: xr.Dataset, what: str, low: float = 0.0, high: float = np.inf) -> xr.Dataset:
    """Return a quantity whose values lie in a range, and refuse others with their place.

    Parameters
    ----------
    given : xarray.Dataset
        A quantity.
    what : str
        Name of the quantity, for the message.
    low, high : float
        Ends of the range, in the unit of the quantity.

    Raises
    ------
    FluxError
        A rate or flow is outside.
    LabelingError
        A fraction is outside.
    """
    values = given["value"]
    outside = (values < low) | (values > high)
    if bool(outside.any()):
        error = LabelingError if given.attrs.get("units") == "fraction" else FluxError
        wrong = values.values[outside.values].flat[0]
        raise error(
            f"{what} is {wrong:.4g} {given.attrs.get('units', '')}{first_place(outside)}: "
            f"it must be {f'at least {low:g}' if np.isinf(high) else f'between {low:g} and {high:g}'}. "
            "Correct it, or set it to NaN if it was not measured."
        )
    return given


def first_place(where: xr.DataArray) -> str:
    """Return ``" at tracer 'Glucose', nutrient 'Lactate'"`` of the first true value; empty without dimensions.

    Parameters
    ----------
    where : xarray.DataArray
        True where something is wrong.
    """
    if not where.ndim:
        return ""
    index = np.argwhere(where.values)[0]
    parts = [
        f"{dim} {where[dim].values.tolist()[i] if dim in where.coords else int(i)!r}"
        for dim, i in zip(where.dims, index, strict=True)
    ]
    return " at " + ", ".join(parts)


def _like(errors: xr.DataArray, values: xr.DataArray) -> xr.DataArray:
    """Return standard deviations over the axes of the values, in their order."""
    if all(str(dim) == f"dim_{i}" for i, dim in enumerate(errors.dims)) and errors.shape == values.shape:
        errors = errors.rename(dict(zip(errors.dims, values.dims, strict=True)))
    unknown = [str(dim) for dim in errors.dims if dim not in values.dims]
    if unknown:
        raise FluxError(
            f"the standard deviation is over {unknown[0]!r}, the values are over {list(map(str, values.dims))}. "
            "Rename the axis to that of the values it belongs to, or give an array of their shape."
        )
    for dim in map(str, errors.dims):
        if errors.sizes[dim] != values.sizes[dim]:
            raise FluxError(
                f"the standard deviation has {errors.sizes[dim]} values along {dim!r}, but there are "
                f"{values.sizes[dim]} values. Give one for each."
            )
        if dim in errors.indexes and dim in values.indexes:
            names = {0: "the standard deviation", 1: "the value"}
            _require_same_labels(dim, (0, errors[dim].values), (1, values[dim].values), names)
            errors = errors.sel({dim: values[dim].values})
    return (xr.zeros_like(values) + errors).transpose(*values.dims)


def _require_same_labels(
    dim: str, one: tuple[int, np.ndarray], other: tuple[int, np.ndarray], names: dict[int, str] | None = None
) -> None:
    """Refuse two sets of labels that are not the same, and say which lacks what."""
    for (have, labels), (lack, present) in ((one, other), (other, one)):
        missing = [each for each in labels.tolist() if each not in present.tolist()]
        if missing:
            first, second = (names[i] if names else f"quantity {i}" for i in (lack, have))
            raise FluxError(
                f"{first} has no {dim} {', '.join(map(repr, missing))}, but {second} has. Nothing is dropped silently: "
                f"add it, or take what both have with .sel({dim}=[...])."
            )
