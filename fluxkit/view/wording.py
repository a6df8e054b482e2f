"""Findings in words: what changed between two conditions, by how much, and how sure that is."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

SURE = 0.95


def describe_changes(comparison: pd.DataFrame, first: str, second: str) -> list[str]:
    """Say in one sentence per row what changed.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From :func:`fluxkit.inference.compare`, of named quantities between 0 and 1 or of fluxes.
    first, second : str
        Names of the two conditions.

    Returns
    -------
    list of str
        In the order of the rows: values with 90 % intervals, their ratio where they have one, and the probability of
        the change. What the comparison calls changed rose or fell; the rest may have. What the verdict does not trust
        is said.
    """
    return [_sentence(row, first, second) for row in comparison.to_dict("records")]


def _sentence(row: Mapping[Any, Any], first: str, second: str) -> str:
    share = row["kind"] == "quantity" and row["first_lower"] >= -0.01 and row["first_upper"] <= 1.01
    probability = row["probability_changed"]
    word = "rose" if row["direction"] == "up" else "fell"
    if not row.get("changed", probability >= SURE):
        word = f"may have {'risen' if word == 'rose' else 'fallen'}"
    values = f"{_value(row, 'first', share)} in {first}, {_value(row, 'second', share)} in {second}"
    if math.isnan(probability):
        return f"{row['reaction']}: {values}; whether it changed cannot be told"
    ratio = ""
    if not math.isnan(row["ratio"]):
        ratio = f"ratio {_number(row['ratio'])} [{_number(row['ratio_lower'])}, {_number(row['ratio_upper'])}], "
    return (
        f"{row['reaction']}: {values}; it {word}, {ratio}"
        f"probability {min(probability, 0.999):.3f}{' or more' if probability > 0.999 else ''}"
        f"{'' if row.get('trusted', True) else '; the verdict does not trust all of this'}"
    )


def _value(row: Mapping[Any, Any], name: str, share: bool) -> str:
    middle, low, high = row[name], row[f"{name}_lower"], row[f"{name}_upper"]
    if share:
        return f"{100 * middle:.3g} % [{100 * low:.3g}, {100 * high:.3g}]"
    return f"{_number(middle)} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    return f"{value:.3g}"
