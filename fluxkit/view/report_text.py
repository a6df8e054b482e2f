"""What a report says in words: how the fit reads, and what it cannot tell."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fluxkit.inference.comparison.absolute import shares_unit_of_rates
from fluxkit.inference.verdict.trust import P_VALUE, TOO_GOOD
from fluxkit.view.figure_tables import interval_table


def fit_in_words(p_value: float, degrees_of_freedom: float) -> str:
    """Say what a chi-square test means for the reader.

    Parameters
    ----------
    p_value : float
        Probability of a larger chi-square if network and noise model are right.
    degrees_of_freedom : float
        Independent data minus determined parameters.
    """
    if not degrees_of_freedom > 0:
        return "cannot be tested: no more data than parameters"
    if not np.isfinite(p_value):
        return "not tested"
    if p_value < P_VALUE:
        return "worse than the stated noise allows"
    if p_value < 0.05:
        return "barely within the stated noise"
    if p_value > TOO_GOOD:
        return "better than the stated noise: it may be overstated"
    return "agrees with the stated noise"


def limits_of(estimates: Mapping[str, Any]) -> list[str]:
    """Say what these estimates cannot tell and what may not be compared.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample.
    """
    limits = []
    networks = {each.network.name: each.network for each in estimates.values()}
    for network in networks.values():
        if fixed := [f"{name} = {flux:g}" for name, flux in network.fixed_fluxes.items()]:
            tail = _between_samples(estimates) if len(estimates) > 1 else ""
            limits.append(f"Fluxes are relative to {', '.join(fixed)} ({network.flux_unit}).{tail}")
    for name, each in estimates.items():
        table = interval_table(each)
        unknown = list(table.loc[table["status"] == "not determined", "reaction"])
        if unknown:
            limits.append(
                f"{name}: the data do not determine {len(unknown)} of {len(table)} net fluxes. Their "
                f"intervals come mostly from the prior and are no result: {', '.join(unknown)}."
            )
    limits.append(
        "The labeling is taken to be at metabolic and isotopic steady state. A sample that was still "
        "changing when it was quenched gives fluxes that never were."
    )
    if any("weight" in each.posterior for each in estimates.values()):
        limits.append(
            "Shares of compartments in whole-cell mixtures and dilutions by unlabeled pools are "
            "fitted along. They absorb what cannot be told apart, and are no measurement of "
            "compartments."
        )
    return limits


def _between_samples(estimates: Mapping[str, Any]) -> str:
    """Say what may be compared between samples whose fluxes are relative to an uptake."""
    said = (
        " It is the same in every sample by definition, so absolute fluxes must not be compared between samples whose "
        "uptake differs; ratios of fluxes within a sample may."
    )
    if shares_unit_of_rates(estimates.values()):
        return f"{said} Measured rates tell the scale here: times their rate factor, fluxes may be compared."
    return f"{said} A measured uptake or secretion rate of each sample would tell the scale."
