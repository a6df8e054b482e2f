"""Comparing conditions: the probability that a flux changed, and by how much."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from fluxkit.errors import FluxError, UnknownNameError, suggest
from fluxkit.inference.estimate import LEVEL, FluxEstimate, write_fluxes


class Estimates(Mapping[str, FluxEstimate]):
    """Estimates of several conditions or samples by name, with comparisons between any two.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        In order.
    """

    def __init__(self, estimates: Mapping[str, FluxEstimate]):
        self._estimates = dict(estimates)

    def __getitem__(self, name: str) -> FluxEstimate:
        if name not in self._estimates:
            raise UnknownNameError(f"no estimate is called {name!r}. {suggest(name, self._estimates)}")
        return self._estimates[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._estimates)

    def __len__(self) -> int:
        return len(self._estimates)

    def __repr__(self) -> str:
        return "<Estimates>\n" + "\n".join(f"  {each!r}" for each in self._estimates.values())

    def compare(self, first: str, second: str, quantities: Mapping[str, str] | None = None) -> pd.DataFrame:
        """Compare two conditions; see :func:`compare`.

        Parameters
        ----------
        first, second : str
            Names of the conditions.
        quantities : mapping of str to str, optional
            Expressions to compare, by name; every flux by default.
        """
        return compare(self[first], self[second], quantities)

    def to_csv(self, path: str | Path) -> Path:
        """Write all intervals as one table."""
        return write_fluxes(self._estimates, path)


def compare(first: FluxEstimate, second: FluxEstimate, quantities: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Compare two estimates of the same network.

    The posteriors are independent, so their draws are paired at random.

    Parameters
    ----------
    first, second : FluxEstimate
        The change is from the first to the second.
    quantities : mapping of str to str, optional
        Expressions (see :meth:`FluxEstimate.quantity`) by name; every net and exchange flux by default.

    Returns
    -------
    pandas.DataFrame
        One row per quantity: ``reaction`` (or name), ``kind``, medians ``first`` and ``second`` with their 90 %
        intervals, ``difference``, ``difference_lower``, ``difference_upper``, ``ratio``, ``ratio_lower``,
        ``ratio_upper``, ``probability_changed``: the posterior probability of the more probable ``direction``, NaN
        where the network fixes the flux.

    Raises
    ------
    FluxError
        The estimates belong to different networks, or an expression cannot be read.
    """
    if first.network.fingerprint != second.network.fingerprint:
        raise FluxError(
            f"{first.sample!r} was quantified with network {first.network.name!r}, {second.sample!r} with another one "
            f"({second.network.name!r}); quantify both with the same network."
        )
    rng = np.random.default_rng(0)
    rows = []
    for name, kind, a, b in _pairs(first, second, quantities):
        size = min(len(a), len(b))
        a, b = rng.permutation(a)[:size], rng.permutation(b)[:size]
        with np.errstate(divide="ignore", invalid="ignore"):
            summary = {"first": a, "second": b, "difference": b - a, "ratio": b / a}
        row: dict[str, object] = {"reaction": name, "kind": kind}
        for key, values in summary.items():
            known = values[~np.isnan(values)]
            tails = (0.5 - LEVEL / 2, 0.5, 0.5 + LEVEL / 2)
            with np.errstate(invalid="ignore"):  # a ratio to zero is infinite
                low, middle, high = np.quantile(known, tails) if known.size else (np.nan,) * 3
            row |= {key: middle, f"{key}_lower": low, f"{key}_upper": high}
        known = ~np.isnan(a) & ~np.isnan(b)
        a, b = a[known], b[known]
        varies = a.size > 0 and (a.max() > a.min() or b.max() > b.min())
        up = float(np.mean(b > a) + 0.5 * np.mean(b == a)) if varies else np.nan
        row["probability_changed"] = max(up, 1 - up)
        row["direction"] = "up" if up > 0.5 else "down"
        rows.append(row)
    return pd.DataFrame(rows)


def _pairs(first: FluxEstimate, second: FluxEstimate, quantities: Mapping[str, str] | None):
    if quantities is not None:
        for name, expression in quantities.items():
            yield (
                name,
                "quantity",
                first.quantity(expression).values.ravel(),
                second.quantity(expression).values.ravel(),
            )
        return
    network = first.network
    for kind, columns in (
        ("net", range(len(network.reactions))),
        ("exchange", np.flatnonzero(network.reversible)),
    ):
        draws = [each.posterior[f"{kind}_flux"].values.reshape(-1, len(network.reactions)) for each in (first, second)]
        for i in columns:
            yield network.reaction_names[i], kind, draws[0][:, i], draws[1][:, i]
