"""The tidy tables behind the figures and the report: pure functions of an estimate."""

# pandas types most results as "DataFrame or Series", which pyright cannot follow
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
# pyright: reportCallIssue=false, reportReturnType=false

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import ndtri

from fluxkit.errors import FluxError, LabelingError, UnknownNameError, suggest

KINDS = ("net", "exchange")
COMPARISON_COLUMNS = (
    "reaction",
    "kind",
    "difference",
    "difference_lower",
    "difference_upper",
    "probability_changed",
)
CLEAR = 0.95
"""Probability from which a change is called clear where nothing corrects for how many were looked at."""


def isotopologue_table(estimate: Any, fragments: Sequence[str] | None = None) -> pd.DataFrame:
    """Return measured and fitted labeling, one row per measured isotopologue.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate; ``fit`` is read.
    fragments : sequence of str, optional
        Fragments to keep, in this order; all by default.

    Returns
    -------
    pandas.DataFrame
        ``experiment``, ``fragment``, ``mass_shift``, ``isotopes`` (``"13C2 15N1"``, empty where the mass is seen),
        ``measured``, ``fitted``, ``sd`` (fractions), ``residual`` (fitted minus measured, in standard deviations).
        What was not measured has no row.

    Raises
    ------
    UnknownNameError
        A fragment that the estimate did not use.
    """
    fit = estimate.fit if "experiment" in estimate.fit.dims else estimate.fit.expand_dims(experiment=[""])
    blocks = []
    for e in range(fit.sizes["experiment"]):
        one = fit.isel(experiment=e)
        columns = {name: np.asarray(one[name].values) for name in ("fragment", "mass_shift")}
        columns["isotopes"] = one["isotopes"].values.astype(str) if "isotopes" in one.coords else ""
        columns |= {
            name: np.asarray(one[name].values, dtype=float) for name in ("measured", "fitted", "sd", "residual")
        }
        name = str(one["experiment"].item()) if "experiment" in one.coords else ""
        blocks.append(pd.DataFrame({"experiment": name, **columns}))
    table = pd.concat(blocks, ignore_index=True)
    table["fragment"] = table["fragment"].astype(str)
    table = table[table["measured"].notna() & table["residual"].notna()]
    if fragments is not None:
        table = _choose(table, "fragment", fragments, "fragment")
    return table.reset_index(drop=True)


def isotopologue_names(table: pd.DataFrame) -> pd.Series:
    """Return what each row of :func:`isotopologue_table` counts: ``M+2``, or ``13C2 15N1``.

    Parameters
    ----------
    table : pandas.DataFrame
        With ``mass_shift`` and ``isotopes``.
    """
    return table["isotopes"].where(table["isotopes"] != "", "M+" + table["mass_shift"].astype(str))


def residual_table(estimate: Any) -> pd.DataFrame:
    """Return the standardised residuals from lowest to highest, beside what pure noise would give.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate; ``fit`` is read.

    Returns
    -------
    pandas.DataFrame
        The rows of :func:`isotopologue_table` with ``rank`` (from 1), ``name`` (``"citrate M+2"``,
        ``"Glu.c:C+N 13C2 15N1"``) and ``expected``, the normal order statistic of that rank (Blom 1958).
    """
    table = isotopologue_table(estimate).sort_values("residual", ignore_index=True)
    several = table["experiment"].nunique() > 1
    table["rank"] = np.arange(1, len(table) + 1)
    table["expected"] = ndtri((table["rank"] - 0.375) / (len(table) + 0.25))
    names = table["fragment"] + " " + isotopologue_names(table)
    table["name"] = names + (", " + table["experiment"] if several else "")
    return table


def interval_table(estimate: Any, kind: str = "net", reactions: Sequence[str] | None = None) -> pd.DataFrame:
    """Return posterior and prior intervals of the fluxes of one kind, in pathway order.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate; ``intervals`` is read.
    kind : {"net", "exchange"}
        Which fluxes.
    reactions : sequence of str, optional
        Reactions to keep, in this order; by default all, as the network lists them.

    Returns
    -------
    pandas.DataFrame
        ``reaction``, ``best``, ``median``, ``lower``, ``upper``, ``prior_lower``, ``prior_upper``,
        ``information``, ``unit`` and ``status``: ``"fixed"`` before the data came, ``"determined"`` or
        ``"not determined"`` by them.

    Raises
    ------
    FluxError
        A kind that does not exist.
    UnknownNameError
        A reaction without such a flux.
    """
    _check_kind(kind)
    table = estimate.intervals[estimate.intervals["kind"] == kind].copy()
    order = {name: i for i, name in enumerate(estimate.network.reaction_names)}
    table = table.sort_values("reaction", key=lambda names: names.map(order), ignore_index=True)
    if reactions is not None:
        table = _choose(table, "reaction", reactions, f"{kind} flux of a reaction")
    width = table["prior_upper"] - table["prior_lower"]
    fixed = width.to_numpy() <= 1e-9 * np.maximum(1.0, table["median"].abs().to_numpy())
    told = np.where(table["determined"].to_numpy(dtype=bool), "determined", "not determined")
    table["status"] = np.where(fixed, "fixed", told)
    return table.reset_index(drop=True)


def comparison_table(comparison: pd.DataFrame, reactions: Sequence[str] | None = None) -> pd.DataFrame:
    """Check a comparison of two estimates and say which changes are clear.

    Parameters
    ----------
    comparison : pandas.DataFrame
        ``reaction``, ``kind``, ``difference``, ``difference_lower``, ``difference_upper`` and
        ``probability_changed`` (0 to 1; NaN for a fixed flux); ``changed`` where many are compared.
    reactions : sequence of str, optional
        Rows to keep, in this order.

    Returns
    -------
    pandas.DataFrame
        The same with ``change``: ``"higher"``, ``"lower"`` or ``"no clear change"``. What is ``changed`` is clear; a
        table without that column calls a change clear from a probability of 0.95.

    Raises
    ------
    FluxError
        A column is missing.
    """
    lacking = [name for name in COMPARISON_COLUMNS if name not in comparison.columns]
    if lacking:
        raise FluxError(
            f"the comparison lacks column {lacking[0]!r}; it needs {', '.join(COMPARISON_COLUMNS)}. "
            "Make it with fluxkit.inference.compare(first, second)."
        )
    table = comparison.copy()
    if reactions is not None:
        table = _choose(table, "reaction", reactions, "row of the comparison")
    if "changed" in table:
        clear = table["changed"].to_numpy(dtype=bool)
    else:
        clear = table["probability_changed"].to_numpy(dtype=float) >= CLEAR
    side = np.where(table["difference"].to_numpy(dtype=float) > 0, "higher", "lower")
    table["change"] = np.where(clear, side, "no clear change")
    return table.reset_index(drop=True)


def flux_draws(draws: xr.Dataset, reaction: str, kind: str = "net") -> np.ndarray:
    """Return the finite draws of one flux, shape ``(draw,)``.

    Parameters
    ----------
    draws : xarray.Dataset
        ``net_flux`` and ``exchange_flux`` over any dimensions and ``reaction``.
    reaction : str
        Name of the reaction.
    kind : {"net", "exchange"}
        Which flux.

    Raises
    ------
    UnknownNameError
        The draws have no such reaction.
    """
    array = draws[f"{kind}_flux"]
    known = [str(name) for name in array["reaction"].values]
    if reaction not in known:
        raise UnknownNameError(f"there is no {kind} flux of reaction {reaction!r}. {suggest(reaction, known)}")
    values = np.asarray(array.isel(reaction=known.index(reaction)).values, dtype=float).ravel()
    return values[np.isfinite(values)]


def marginal_table(estimate: Any, reaction: str, kind: str = "net", bins: int = 60) -> pd.DataFrame:
    """Return prior and posterior of one flux as densities over the same bins.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate; ``prior`` and ``posterior`` are read.
    reaction : str
        Name of the reaction.
    kind : {"net", "exchange"}
        Which flux; exchange fluxes, whose prior is uniform in the logarithm, are binned in the logarithm.
    bins : int
        Number of bins.

    Returns
    -------
    pandas.DataFrame
        ``lower``, ``upper`` (edges in the flux unit), ``prior`` and ``posterior``: share of the draws in the
        bin divided by its width (width in decades for exchange fluxes).

    Raises
    ------
    UnknownNameError
        There is no such reaction.
    FluxError
        A kind that does not exist.
    """
    _check_kind(kind)
    draws = {"prior": flux_draws(estimate.prior, reaction, kind)}
    draws["posterior"] = flux_draws(estimate.posterior, reaction, kind)
    both = np.concatenate(list(draws.values()))
    logarithmic = kind == "exchange" and bool(both.size) and float(both.min()) > 0
    if logarithmic:
        draws = {name: np.log10(values) for name, values in draws.items()}
        both = np.log10(both)
    low, high = (float(both.min()), float(both.max())) if both.size else (0.0, 0.0)
    # a flux that is fixed has no spread: one unit of room keeps its bar visible
    pad = 0.0 if high - low > 1e-9 * max(1.0, abs(high)) else 0.5
    edges = np.linspace(low - pad, high + pad, bins + 1)
    table = {
        name: np.histogram(values, edges)[0] / max(len(values), 1) / np.diff(edges) for name, values in draws.items()
    }
    edges = 10**edges if logarithmic else edges
    return pd.DataFrame({"lower": edges[:-1], "upper": edges[1:], **table})


def worst_residuals(estimate: Any, count: int = 3) -> list[tuple[str, float]]:
    """Return the isotopologues that fit worst, with their residuals in standard deviations.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate.
    count : int
        How many.
    """
    table = residual_table(estimate)
    order = table["residual"].abs().sort_values(ascending=False).index[:count]
    return [(str(table.at[i, "name"]), float(table.at[i, "residual"])) for i in order]


def count_determined(estimate: Any, kind: str = "net") -> tuple[int, int]:
    """Return how many fluxes the data determine, and how many were open before.

    Parameters
    ----------
    estimate : FluxEstimate
        An estimate.
    kind : {"net", "exchange"}
        Which fluxes.
    """
    status = interval_table(estimate, kind)["status"]
    return int((status == "determined").sum()), int((status != "fixed").sum())


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise FluxError(f"no kind of flux is called {kind!r}. {suggest(kind, KINDS)}")


def _choose(table: pd.DataFrame, column: str, wanted: Iterable[str], what: str) -> pd.DataFrame:
    """Return the rows of the wanted names, in that order."""
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    known = list(dict.fromkeys(table[column].astype(str)))
    for name in wanted:
        if name not in known:
            error = LabelingError if not known else UnknownNameError
            raise error(f"no {what} is called {name!r}. {suggest(name, known)}")
    position = {name: i for i, name in enumerate(wanted)}
    kept = table[table[column].isin(position)]
    return kept.sort_values(column, key=lambda names: names.map(position), kind="stable")
