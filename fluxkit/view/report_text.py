"""What a report says in words: how the fit reads, what it cannot tell, methods with their sources."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from fluxkit import __version__
from fluxkit.inference.verdict.trust import P_VALUE, TOO_GOOD
from fluxkit.view.figure_tables import interval_table

REFERENCES = {
    "EMU": (
        "Antoniewicz, Kelleher & Stephanopoulos 2007, Elementary metabolite units (EMU), Metab Eng 9, 68",
        "10.1016/j.ymben.2006.09.001",
    ),
    "net and exchange fluxes": (
        "Wiechert & de Graaf 1997, Bidirectional reaction steps in metabolic networks, Biotechnol Bioeng 55, 101",
        "10.1002/(SICI)1097-0290(19970705)55:1<101::AID-BIT12>3.0.CO;2-P",
    ),
    "isotopes": (
        "Meija et al. 2016, Isotopic compositions of the elements 2013, Pure Appl Chem 88, 293",
        "10.1515/pac-2015-0503",
    ),
    "flux posteriors": (
        "Theorell et al. 2017, To be certain about the uncertainty: Bayesian statistics for 13C "
        "metabolic flux analysis, Biotechnol Bioeng 114, 2668",
        "10.1002/bit.26379",
    ),
    "chi-square": (
        "Antoniewicz, Kelleher & Stephanopoulos 2006, Determination of confidence intervals of "
        "metabolic fluxes, Metab Eng 8, 324",
        "10.1016/j.ymben.2006.01.004",
    ),
}
SAMPLING_REFERENCES = {
    "Hamiltonian Monte Carlo": (
        "Neal 2011, MCMC using Hamiltonian dynamics, Handbook of Markov Chain Monte Carlo, chapter 5",
        "10.1201/b10905-6",
    ),
    "reflections": (
        "Afshar & Domke 2015, Reflection, refraction and Hamiltonian Monte Carlo, NeurIPS 28",
        "",
    ),
    "R-hat": (
        "Vehtari et al. 2021, Rank-normalization, folding and localization: an improved R-hat, Bayesian Anal 16, 667",
        "10.1214/20-BA1221",
    ),
}
PACKAGES = ("numpy", "scipy", "xarray", "pandas", "numba", "torch", "plotly")


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
        lower, upper = network.net_bounds
        fixed = [f"{network.reaction_names[i]} = {lower[i]:g}" for i in np.flatnonzero((lower == upper) & (lower != 0))]
        if fixed:
            tail = (
                " It is the same in every sample by definition, so absolute fluxes must not be "
                "compared between samples whose uptake differs; ratios of fluxes within a sample may."
                if len(estimates) > 1
                else ""
            )
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


def methods_of(estimates: Mapping[str, Any]) -> tuple[list[str], dict[str, tuple[str, str]]]:
    """Return the methods as paragraphs, and the references that they rest on (text, DOI).

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample.
    """
    network = next(iter(estimates.values())).network
    references = dict(REFERENCES)
    paragraphs = [
        f"Labeling was simulated in the network {network.name} ({len(network.reactions)} reactions, "
        f"{int(np.sum(network.reversible))} of them reversible, {len(network.balanced)} balanced "
        "pools) with elementary metabolite units at steady state. Reversible reactions have a net and "
        "an exchange flux. Simulated fragments were mixed over compartments and diluted as the "
        "observation table of the network says, given the natural isotopes that the instrument does "
        "not resolve, and renormalised over the mass shifts that were kept.",
        "Before the data, net fluxes are uniform over the flux space times broad normal distributions "
        "around the stated targets, and exchange fluxes are log-uniform. The best point maximises the "
        "posterior density. Chi-square is the sum of squared residuals (fitted minus measured, over "
        "the standard deviation) there; its degrees of freedom are the independent data minus the "
        "parameters that the data determine.",
    ]
    if any("rhat" in key for each in estimates.values() for key in each.diagnostics):
        references |= SAMPLING_REFERENCES
        paragraphs.append(
            "The posterior was sampled with reflective Hamiltonian Monte Carlo on the exact labeling "
            "simulation, in many chains. R-hat near 1 and hundreds of effective draws mean that the "
            "chains agree."
        )
    paragraphs.append(
        "Intervals hold 90 % of the posterior. Information says how much narrower an interval is than "
        "the prior's (0 % = the data say nothing, 100 % = fixed; exchange fluxes on a logarithmic "
        "scale). Residuals within 2 standard deviations are what noise gives; the dotted line of the "
        "residual plot is what pure noise would give."
    )
    return paragraphs, references


def versions() -> dict[str, str]:
    """Return the versions of fluxkit, Python and the packages that the numbers rest on."""
    found = {"fluxkit": __version__, "Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
