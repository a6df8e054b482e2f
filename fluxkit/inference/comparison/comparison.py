"""Comparing conditions: which fluxes changed, by how much, and how many of those called may not have changed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fluxkit.errors import FluxError, UnknownNameError, suggest
from fluxkit.inference.comparison.absolute import in_unit_of_rates, shares_unit_of_rates
from fluxkit.inference.comparison.common import Quantities, common_fluxes
from fluxkit.inference.comparison.difference import describe_difference, interval, pair_draws
from fluxkit.inference.comparison.false_discovery import q_values, s_values
from fluxkit.inference.comparison.one_network import check_one_network
from fluxkit.inference.comparison.replicate_means import draw_means, summarise_draws
from fluxkit.inference.estimate import FluxEstimate, untrusted_reasons, write_fluxes

RATE = 0.05

Group = FluxEstimate | Sequence[FluxEstimate]


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

    def compare(
        self,
        first: str | Sequence[str],
        second: str | Sequence[str],
        quantities: Mapping[str, str] | None = None,
        *,
        threshold: float = 0.0,
        fold: float = 1.0,
        rate: float = RATE,
        absolute: bool = False,
    ) -> pd.DataFrame:
        """Compare two conditions; see :func:`compare`.

        Parameters
        ----------
        first, second : str or sequence of str
            Names of estimates. The name of a condition whose samples were not pooled means all of them, a sequence
            of names means these replicates.
        quantities : mapping of str to str, optional
            Expressions to compare, by name; every flux by default.
        threshold, fold, rate : float
            Smallest difference and smallest ratio that count, and the false discovery rate.
        absolute : bool
            Whether to compare fluxes in the unit of the measured rates.

        Raises
        ------
        UnknownNameError
            Nothing has this name.
        FluxError
            The samples of a condition are of several tissues, or the comparison is not possible.
        """
        groups = self._members(first), self._members(second)
        return compare(*groups, quantities, threshold=threshold, fold=fold, rate=rate, absolute=absolute)

    def common(
        self,
        animals: str | Sequence[str] | None = None,
        quantities: Quantities | None = None,
        *,
        variation: float = 0.2,
        scale: float = 0.5,
        family: str = "half-cauchy",
    ) -> pd.DataFrame:
        """Say which fluxes animals have in common, and how much they vary; see :func:`common_fluxes`.

        Parameters
        ----------
        animals : str or sequence of str, optional
            A condition whose samples were not pooled, or the names of estimates; all of them by default, where they
            are of one condition and one tissue.
        quantities : mapping or sequence of str, optional
            Expressions or functions, by name; every net flux by default.
        variation, scale, family : float, float, str
            Share of the mean beyond which animals vary, and the prior of the scatter between animals.

        Raises
        ------
        UnknownNameError
            Nothing has this name.
        FluxError
            There are fewer than two animals, or they cannot be set side by side.
        """
        chosen = self._replicates() if animals is None else self._members(animals)
        named = {name: each for name, each in self._estimates.items() if any(each is one for one in chosen)}
        return common_fluxes(named, quantities, variation=variation, scale=scale, family=family)

    def _replicates(self) -> list[FluxEstimate]:
        """Return all estimates, which differ in nothing but the animal."""
        every = list(self._estimates.values())
        for kind in ("condition", "tissue"):
            if len(found := dict.fromkeys(_coordinate(each, kind) for each in every)) > 1:
                raise FluxError(
                    f"the estimates are of several {kind}s ({', '.join(map(repr, found))}), whose differences are none "
                    f"between animals; name those of one: {list(self._estimates)}."
                )
        return every

    def _members(self, name: str | Sequence[str]) -> list[FluxEstimate]:
        if not isinstance(name, str):
            return [self[each] for each in name]
        if name in self._estimates:
            return [self[name]]
        of_condition = [each for each in self._estimates.values() if _coordinate(each, "condition") == name]
        if not of_condition:
            conditions = {_coordinate(each, "condition") for each in self._estimates.values()} - {""}
            hint = suggest(name, {*self._estimates, *conditions})
            raise UnknownNameError(f"no estimate or condition is called {name!r}. {hint}")
        if len(tissues := {_coordinate(each, "tissue") for each in of_condition}) > 1:
            raise FluxError(
                f"the samples of condition {name!r} are of the tissues {', '.join(map(repr, sorted(tissues)))}, which "
                f"are no replicates of each other; name the samples of one: {[each.sample for each in of_condition]}."
            )
        return of_condition

    def to_csv(self, path: str | Path) -> Path:
        """Write all intervals as one table."""
        return write_fluxes(self._estimates, path)


def _coordinate(estimate: FluxEstimate, name: str) -> str:
    return str(estimate.labeling[name].item()) if name in estimate.labeling.coords else ""


def compare(
    first: Group,
    second: Group,
    quantities: Mapping[str, str] | None = None,
    *,
    threshold: float = 0.0,
    fold: float = 1.0,
    rate: float = RATE,
    absolute: bool = False,
) -> pd.DataFrame:
    """Compare two estimates of the same network, or two groups of replicates that were quantified one by one.

    Two estimates: their posteriors are independent, so each draw of one is paired with each of the other. What
    pooled replicates scatter is within their posteriors.

    Two groups: each replicate of a condition has its own flux around the mean of the condition. Medians and widths
    of the replicates' posteriors tell the scatter between replicates, which both conditions share, and the means are
    compared (:func:`fluxkit.inference.comparison.replicate_means.draw_means`; exchange fluxes by their logarithms).
    Three replicates in all are the least; with so few, intervals are very wide. A mean is not held to the bounds of its
    flux. An error that all replicates of one condition share, and the other does not, is not seen by their scatter.

    Parameters
    ----------
    first, second : FluxEstimate or sequence of FluxEstimate
        The change is from the first to the second.
    quantities : mapping of str to str, optional
        Expressions (see :meth:`FluxEstimate.quantity`) by name; every net and exchange flux by default.
    threshold : float
        Smallest difference that counts, in the unit of what is compared: a region of practical equivalence
        (Kruschke 2018, doi:10.1177/2515245918771304).
    fold : float
        Smallest ratio that counts, at least 1: with 1.2 a flux of 100 has to exceed 120, or to fall below 83. With a
        threshold too, both have to be passed.
    rate : float
        Which share of the rows that are called changed may be unchanged.
    absolute : bool
        Whether to compare fluxes in the unit of the measured rates, expressions of fluxes too. Else they are compared
        in the unit of the network: where that is relative to an uptake, what changes with the uptake is not seen. Rates
        count as measured in each condition, so one measurement for both tells no difference in scale.

    Returns
    -------
    pandas.DataFrame
        One row per quantity, each number with ``_lower`` and ``_upper`` of its 90 % interval where it has one:

        - ``reaction`` (or name), ``kind``, medians ``first`` and ``second``.
        - ``difference``, ``ratio`` and its logarithm ``log2_ratio``. NaN ratios: the medians differ in sign or are
          zero. A ratio interval down to 0 or up to infinity: the flux may stop or turn round.
        - ``probability_changed``: the posterior probability that it changed in ``direction`` (``"up"`` or ``"down"``)
          by more than threshold and fold; NaN where the network fixes it.
        - ``probability_negligible``: that it changed by less than threshold or fold; 0 without either.
        - ``s_value``: expected share of wrong directions among this row and all more certain ones.
        - ``q_value``: share of unchanged quantities among them, where quantities may be unchanged. It is the
          stricter one, and corrects for the number of rows: ask for the quantities that matter, before looking.
        - ``changed``: whether the q-value is at most the rate.
        - ``trusted``: whether the verdict trusts all estimates that are compared.

        The rate, the threshold, the fold, the unit of the fluxes, how many estimates stand on each side and, by sample,
        the reasons of those that are not trusted (``untrusted``) are in ``attrs``. See
        :mod:`fluxkit.inference.comparison.false_discovery`.

    Raises
    ------
    FluxError
        The estimates belong to different networks, a group is empty, an expression cannot be read, a threshold, fold
        or rate is impossible, or absolute fluxes are asked for where rates do not tell the scale, are not in one unit,
        or are shared by replicates.
    """
    _check_numbers(threshold, fold, rate)
    groups = [[each] if isinstance(each, FluxEstimate) else list(each) for each in (first, second)]
    _check_groups(*groups)
    unit = groups[0][0].network.flux_unit
    if absolute:
        _check_without_factor(quantities)
        groups, unit = in_unit_of_rates(groups)
    rows: list[dict[str, object]] = []
    for name, kind, draws in _quantities(groups, quantities):
        if len(draws[0]) == len(draws[1]) == 1:
            own = draws[0][0], draws[1][0]
            paired = pair_draws(*own)
        else:
            own = paired = _means(draws, logarithmic=kind == "exchange")
        row: dict[str, object] = {"reaction": name, "kind": kind}
        row |= interval("first", own[0]) | interval("second", own[1])
        rows.append(row | describe_difference(*paired, threshold, fold))
    table = pd.DataFrame(rows)
    errors = 1 - table["probability_changed"].to_numpy(dtype=float)
    table["s_value"] = s_values(errors)
    table["q_value"] = q_values(errors)
    table["changed"] = table["q_value"] <= rate
    untrusted = untrusted_reasons((each.sample, each) for group in groups for each in group)
    table["trusted"] = not untrusted
    table.attrs = {"rate": rate, "threshold": threshold, "fold": fold, "replicates": [len(each) for each in groups]}
    table.attrs |= {"unit": unit, "absolute": absolute, "untrusted": untrusted}
    return table


def compare_both(estimates: Sequence[FluxEstimate]) -> pd.DataFrame | None:
    """Compare two conditions, absolutely where rates of both tell the scale.

    Parameters
    ----------
    estimates : sequence of FluxEstimate
        What was quantified, in order.

    Returns
    -------
    pandas.DataFrame or None
        As from :func:`compare`; nothing where there are not two, or where they are replicates of one condition.
    """
    if len(estimates) != 2:
        return None
    conditions = {(_coordinate(each, "condition"), _coordinate(each, "tissue")) for each in estimates}
    if len(conditions) == 1 and conditions != {("", "")}:
        return None
    first, second = estimates
    return compare(first, second, absolute=shares_unit_of_rates(estimates))


def _check_numbers(threshold: float, fold: float, rate: float) -> None:
    if not 0 <= threshold < np.inf:
        raise FluxError(f"threshold = {threshold}: the smallest difference that counts is 0 or more.")
    if not 1 <= fold < np.inf:
        raise FluxError(f"fold = {fold}: the smallest ratio that counts is 1 or more; 1.2 asks for a change by 20 %.")
    if not 0 < rate < 1:
        raise FluxError(f"rate = {rate}: a false discovery rate lies between 0 and 1, such as 0.05.")


def _check_without_factor(quantities: Mapping[str, str] | None) -> None:
    for name, expression in (quantities or {}).items():
        if "rate_factor" in expression:
            raise FluxError(
                f"quantity {name!r}: with absolute=True fluxes are in the unit of the rates already; leave rate_factor "
                f"out of {expression!r}."
            )


def _check_groups(first: list[FluxEstimate], second: list[FluxEstimate]) -> None:
    if not first or not second:
        raise FluxError("a condition without estimates cannot be compared; give at least one on each side.")
    check_one_network([*first, *second])


def _quantities(groups: list[list[FluxEstimate]], quantities: Mapping[str, str] | None):
    """Yield name, kind and, for each group, the draws of each of its members."""
    if quantities is not None:
        for name, expression in quantities.items():
            yield name, "quantity", [[each.quantity(expression).values.ravel() for each in group] for group in groups]
        return
    network = groups[0][0].network
    count = len(network.reactions)
    for kind, columns in (("net", range(count)), ("exchange", np.flatnonzero(network.reversible))):
        tables = [[each.posterior[f"{kind}_flux"].values.reshape(-1, count) for each in group] for group in groups]
        for i in columns:
            yield network.reaction_names[i], kind, [[each[:, i] for each in group] for group in tables]


def _means(draws: list[list[np.ndarray]], logarithmic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return paired draws of the means of two conditions."""
    logarithmic = logarithmic and all(each.min() > 0 for group in draws for each in group)
    if logarithmic:
        draws = [[np.log(each) for each in group] for group in draws]
    summaries = [np.array([summarise_draws(each) for each in group]).T for group in draws]
    first, second = draw_means((summaries[0][0], summaries[1][0]), (summaries[0][1], summaries[1][1]))
    return (np.exp(first), np.exp(second)) if logarithmic else (first, second)
