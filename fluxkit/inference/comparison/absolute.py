"""Estimates in the unit of their measured rates, so that absolute fluxes can be compared."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from fluxkit.errors import FluxError
from fluxkit.inference.estimate import FluxEstimate


def shares_unit_of_rates(estimates: Iterable[FluxEstimate]) -> bool:
    """Say whether rates tell the scale of each estimate, in one unit, so that absolute fluxes can be compared.

    Parameters
    ----------
    estimates : iterable of FluxEstimate
        Those to compare. Rates that two of them share were given once for both, and tell no difference in scale.
    """
    every = list(estimates)
    if not all(each.has_scale for each in every) or len({_unit(each) for each in every}) != 1:
        return False
    return not any(_same_rates(*pair) for pair in combinations(every, 2))


def in_unit_of_rates(groups: Sequence[Sequence[FluxEstimate]]) -> tuple[list[list[FluxEstimate]], str]:
    """Return estimates whose posterior is in the unit of the rates, and that unit.

    Parameters
    ----------
    groups : sequence of sequence of FluxEstimate
        The conditions.

    Raises
    ------
    FluxError
        An estimate has no rates that tell the scale, units differ, or replicates share their rates.
    """
    every = [each for group in groups for each in group]
    scaled = [[replace(each, posterior=each.absolute_fluxes()) for each in group] for group in groups]
    if len({_unit(each) for each in every}) > 1:
        found = ", ".join(dict.fromkeys(f"{_unit(each)!r} of {each.sample!r}" for each in every))
        raise FluxError(
            f"the rates are in different units ({found}); give all of them in one (rate_unit=, --rate-unit)."
        )
    for group in groups:
        for one, other in combinations(group, 2):
            if _same_rates(one, other):
                raise FluxError(
                    f"the replicates {one.sample!r} and {other.sample!r} have the same rates, whose error would count "
                    "as two; pool the replicates, or give the rates by sample."
                )
    return scaled, _unit(every[0])


def _unit(estimate: FluxEstimate) -> str:
    return str(estimate.labeling["rate"].attrs["units"])


def _same_rates(one: FluxEstimate, other: FluxEstimate) -> bool:
    """Return whether the rates of two estimates are one measurement, by their numbers."""
    return all(np.array_equal(one.labeling[each], other.labeling[each], equal_nan=True) for each in ("rate", "rate_sd"))
