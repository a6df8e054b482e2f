"""The flux estimate: posterior draws, refined best fit, intervals, fit and verdict of one condition."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from fluxkit.errors import FluxError, ModelError, suggest
from fluxkit.files import written_whole
from fluxkit.fluxes import directed_fluxes
from fluxkit.networks import Network

LEVEL = 0.9
DETERMINED = 0.5
"""A flux counts as determined when the data narrow its interval to half the prior's or less."""


@dataclass(frozen=True)
class Verdict:
    """Whether to trust an estimate, with reasons in plain words.

    Parameters
    ----------
    trusted : bool
        Whether the fluxes may be believed within their intervals.
    reasons : tuple of str
        Why not; empty when trusted.
    remarks : tuple of str
        What to know beside, trusted or not.
    """

    trusted: bool
    reasons: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        word = "trusted" if self.trusted else "not trusted"
        word += "" if not self.reasons else ": " + "; ".join(self.reasons)
        return word + ("" if not self.remarks else f"; remark: {'; '.join(self.remarks)}")


@dataclass(frozen=True, eq=False)
class FluxEstimate:
    """What the fluxes of one condition were, how sure that is, and whether to trust it.

    Parameters
    ----------
    network : Network
        The network.
    sample : str
        Name of the condition or sample.
    labeling : xarray.Dataset
        The data, as used.
    posterior : xarray.Dataset
        ``net_flux(chain, draw, reaction)``, ``exchange_flux`` likewise (0 where irreversible), ``weight(chain, draw,
        weight_name)`` for unknown shares and dilutions, ``log_density(chain, draw)`` and, where rates were measured,
        ``rate_factor(chain, draw)``, the factor from fluxes to rates (1 where both are on one scale). At most 250 draws
        of each chain are kept, spread evenly over its length.
    prior : xarray.Dataset
        ``net_flux(draw, reaction)`` and ``exchange_flux(draw, reaction)`` drawn from the flux prior.
    best : xarray.Dataset
        The most probable point: ``net_flux(reaction)``, ``exchange_flux(reaction)``, ``weight(weight_name)`` and,
        where rates were measured, ``rate_factor``.
    fit : xarray.Dataset
        ``measured``, ``fitted``, ``sd`` and ``residual`` over ``(experiment, isotopologue)`` at the best point;
        NaN = not measured. A residual is (fitted - measured) / sd; a censored zero counts what exceeds its limit.
    ssr : float
        Sum of squared residuals at the best point (chi-square).
    degrees_of_freedom : float
        Independent data minus the number of parameters that the data determine.
    p_value : float
        Probability of a larger chi-square if network and noise model are right.
    diagnostics : dict of str to float
        Sampler and start diagnostics. ``rhat_max`` and ``ess_min`` are the worst over the coordinates of the sampler,
        from all ``draws``, not only those that are kept.
    verdict : Verdict
        Trusted, or not and why.
    method : dict
        How it was found, as plain values for the record: what was done, seed, settings, parameters, starts, model and
        versions.
    """

    network: Network
    sample: str
    labeling: xr.Dataset
    posterior: xr.Dataset
    prior: xr.Dataset
    best: xr.Dataset
    fit: xr.Dataset
    ssr: float
    degrees_of_freedom: float
    p_value: float
    diagnostics: dict[str, float]
    verdict: Verdict
    method: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return (
            f"<FluxEstimate {self.sample!r} of {self.network.name!r}: chi-square {self.ssr:.1f} at "
            f"{self.degrees_of_freedom:.1f} degrees of freedom (p = {self.p_value:.3f}), "
            f"{self._determined()} free fluxes determined, {self.verdict}>"
        )

    def _determined(self) -> str:
        """Say how many fluxes the data determine, of those that the network leaves free."""
        free = self.intervals["information"].notna().to_numpy()
        known = self.intervals["determined"].to_numpy() & free
        return f"{np.count_nonzero(known)} of {np.count_nonzero(free)}"

    @cached_property
    def intervals(self) -> pd.DataFrame:
        """Every net and exchange flux: best, median, 90 % interval of posterior and prior, information.

        ``information`` is how much narrower than the prior's the interval is: 0 = the data say nothing, 1 = fixed by
        the data; for exchange fluxes on a logarithmic scale. It is NaN for a flux that the network fixes.
        """
        return pd.concat([self._intervals("net"), self._intervals("exchange")], ignore_index=True)

    def _intervals(self, kind: str) -> pd.DataFrame:
        columns = slice(None) if kind == "net" else self.network.reversible
        name = f"{kind}_flux"
        draws = self.posterior[name].values.reshape(-1, len(self.network.reactions))[:, columns]
        prior = self.prior[name].values[:, columns]
        tails = (0.5 - LEVEL / 2, 0.5, 0.5 + LEVEL / 2)
        lower, median, upper = np.quantile(draws, tails, axis=0)
        prior_lower, _, prior_upper = np.quantile(prior, tails, axis=0)
        scale = np.log if kind == "exchange" else np.asarray
        floor = 1e-9 if kind == "exchange" else -np.inf
        width, prior_width = (
            scale(np.maximum(b, floor)) - scale(np.maximum(a, floor))
            for a, b in ((lower, upper), (prior_lower, prior_upper))
        )
        free = prior_width > 1e-9 * self.network.normalising_flux
        information = np.where(free, 1 - width / np.where(free, prior_width, 1.0), np.nan)
        return pd.DataFrame(
            {
                "reaction": np.array(self.network.reaction_names, dtype=object)[columns],
                "kind": kind,
                "best": self.best[name].values[columns],
                "median": median,
                "lower": lower,
                "upper": upper,
                "prior_lower": prior_lower,
                "prior_upper": prior_upper,
                "information": information,
                "determined": ~free | (information >= DETERMINED),
                "unit": self.network.flux_unit,
            }
        )

    @cached_property
    def information(self) -> pd.Series:
        """Information by ``(reaction, kind)``; see :attr:`intervals`."""
        return pd.Series(self.intervals.set_index(["reaction", "kind"])["information"])

    def quantity(self, expression: str) -> xr.DataArray:
        """Return posterior draws of an expression of fluxes.

        Parameters
        ----------
        expression : str
            Arithmetic of reaction names (net flux) and their parts ``NAME_forward``, ``NAME_backward``,
            ``NAME_exchange``: ``"PHGDH / (PHGDH + SER_up)"``. Where rates were measured, ``rate_factor`` takes a flux
            to their unit: ``"rate_factor * PHGDH"``.

        Returns
        -------
        xarray.DataArray
            Shape ``(chain, draw)``.

        Raises
        ------
        FluxError
            The expression names an unknown flux, or cannot be read.
        """
        return _evaluate(self.posterior, self.network, expression)

    def absolute_fluxes(self) -> xr.Dataset:
        """Return posterior draws of the fluxes in the unit of the measured rates, which tell the scale.

        Returns
        -------
        xarray.Dataset
            ``net_flux(chain, draw, reaction)`` and ``exchange_flux`` likewise.

        Raises
        ------
        FluxError
            No rates were measured, or they are in the relative unit of the network.
        """
        known = f"so its fluxes are known relative to one of them only ({self.network.flux_unit})"
        if "rate_factor" not in self.posterior:
            raise FluxError(
                f"{self.sample!r} has no measured rates, {known}; quantify it again with rates= (--rates), such as the "
                "uptake of glucose with its error."
            )
        unit = str(self.labeling["rate"].attrs["units"])
        if not self.has_scale:
            raise FluxError(
                f"the rates of {self.sample!r} are in the unit of the network, {known}; give the rates as they were "
                "measured, in a unit such as nmol/h (rate_unit=, --rate-unit)."
            )
        scaled = self.posterior[["net_flux", "exchange_flux"]] * self.posterior["rate_factor"]
        for each in scaled.values():
            each.attrs["units"] = unit or "unit of the rates"
        return scaled.transpose("chain", "draw", "reaction")

    @property
    def has_scale(self) -> bool:
        """Whether measured rates tell the absolute scale of the fluxes.

        Rates in the unit of a network that holds one of its fluxes fixed do not: they are relative to it too.
        """
        if "rate_factor" not in self.posterior:
            return False
        return not (self.network.fixed_fluxes and self.labeling["rate"].attrs.get("absolute", 0))

    def draws(self, count: int = 200) -> xr.Dataset:
        """Return posterior draws that are spread evenly over chains and time, for what is costly to compute of each.

        Parameters
        ----------
        count : int
            How many at most.

        Returns
        -------
        xarray.Dataset
            ``net_flux(draw, reaction)`` and ``exchange_flux(draw, reaction)``.

        Raises
        ------
        FluxError
            The count is below 1.
        """
        if count < 1:
            raise FluxError(f"count = {count} must be at least 1.")
        names, width = ("net_flux", "exchange_flux"), len(self.network.reactions)
        values = {name: self.posterior[name].transpose("draw", "chain", "reaction").values for name in names}
        total = len(values["net_flux"]) * values["net_flux"].shape[1]
        chosen = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
        variables = {name: (("draw", "reaction"), each.reshape(-1, width)[chosen]) for name, each in values.items()}
        return xr.Dataset(variables, coords={"reaction": list(self.network.reaction_names)}, attrs=self.best.attrs)

    def to_csv(self, path: str | Path) -> Path:
        """Write the intervals as one table, ``fluxes.csv``; see :func:`write_fluxes`."""
        return write_fluxes({self.sample: self}, path)

    def to_arviz(self, *, predictions: bool = True, seed: int = 0) -> xr.DataTree:
        """Return posterior, prior, data and predictions as ArviZ reads them; see :mod:`fluxkit.inference.interchange`.

        Parameters
        ----------
        predictions : bool
            Whether to simulate the data of every draw, for ``posterior_predictive`` and ``log_likelihood``.
        seed : int
            Seed of the noise in ``posterior_predictive``.
        """
        from fluxkit.inference.interchange import to_arviz

        return to_arviz(self, predictions=predictions, seed=seed)

    def save(self, path: str | Path) -> Path:
        """Write the estimate as one netCDF file with groups, which xarray reads and :func:`load_estimate` reads back.

        Nothing is lost; :meth:`to_arviz` is for other tools.

        Parameters
        ----------
        path : str or pathlib.Path
            Usually ``estimate.nc``; appears whole or not at all.
        """
        record = {
            "network": self.network.name,
            "fingerprint": self.network.fingerprint,
            "sample": self.sample,
            "ssr": self.ssr,
            "degrees_of_freedom": self.degrees_of_freedom,
            "p_value": self.p_value,
            "diagnostics": self.diagnostics,
            "trusted": self.verdict.trusted,
            "reasons": list(self.verdict.reasons),
            "remarks": list(self.verdict.remarks),
            "method": self.method,
        }
        groups = {name: getattr(self, name) for name in _GROUPS}
        tree = xr.DataTree.from_dict({f"/{name}": dataset for name, dataset in groups.items()})
        tree.attrs["fluxkit_estimate"] = json.dumps(record)
        with written_whole(path) as part:
            tree.to_netcdf(part, engine="h5netcdf")
        return Path(path)


_GROUPS = ("posterior", "prior", "best", "fit", "labeling")


def load_estimate(path: str | Path, network: Network) -> FluxEstimate:
    """Read a saved estimate.

    Parameters
    ----------
    path : str or pathlib.Path
        What :meth:`FluxEstimate.save` wrote.
    network : Network
        The network that it belongs to.

    Raises
    ------
    ModelError
        The file is damaged or missing, or belongs to another network.
    """
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            record = json.loads(tree.attrs["fluxkit_estimate"])
            groups = {name: _plain(tree[name].to_dataset().load()) for name in _GROUPS}
    except (OSError, KeyError, ValueError) as error:
        raise ModelError(
            f"cannot read an estimate from {str(path)!r} ({error}); check the path, or quantify again."
        ) from error
    if record["fingerprint"] != network.fingerprint:
        raise ModelError(
            f"the estimate in {str(path)!r} belongs to another version of network {record['network']!r}; "
            "quantify again."
        )
    return FluxEstimate(
        network=network,
        sample=record["sample"],
        ssr=record["ssr"],
        degrees_of_freedom=record["degrees_of_freedom"],
        p_value=record["p_value"],
        diagnostics=record["diagnostics"],
        verdict=Verdict(record["trusted"], tuple(record["reasons"]), tuple(record.get("remarks", ()))),
        method=record.get("method", {}),
        **groups,
    )


def _plain(dataset: xr.Dataset) -> xr.Dataset:
    """Return what was read as it was written: attributes are numbers of Python again."""
    attrs = {name: each.item() if isinstance(each, np.generic) else each for name, each in dataset.attrs.items()}
    return dataset.drop_encoding().drop_attrs(deep=False).assign_attrs(attrs)


def untrusted_reasons(named: Iterable[tuple[str, FluxEstimate]]) -> dict[str, list[str]]:
    """Return why the verdict does not trust some estimates, by name; those that it trusts are left out.

    Parameters
    ----------
    named : iterable of str and FluxEstimate
        Names with estimates; reasons of several of one name come together.
    """
    found: dict[str, list[str]] = {}
    for name, each in named:
        if not each.verdict.trusted:
            found.setdefault(name, []).extend(each.verdict.reasons)
    return found


def write_fluxes(estimates: Mapping[str, FluxEstimate], path: str | Path) -> Path:
    """Write one row per sample, reaction and kind.

    The columns are sample, reaction, kind, best, median, lower, upper (90 %), information, determined, unit, and
    trusted: what the verdict says of the sample.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample.
    path : str or pathlib.Path
        Usually ``fluxes.csv``; appears whole or not at all.
    """
    with written_whole(path) as part:
        flux_table(estimates).to_csv(part, index=False, float_format="%.6g")
    return Path(path)


def flux_table(estimates: Mapping[str, FluxEstimate]) -> pd.DataFrame:
    """Return the table of :func:`write_fluxes`.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample.
    """
    columns = ["sample", "reaction", "kind", "best", "median", "lower", "upper", "information", "determined", "unit"]
    tables = [each.intervals.assign(sample=name, trusted=each.verdict.trusted) for name, each in estimates.items()]
    return pd.concat(tables).reindex(columns=[*columns, "trusted"])


def _evaluate(fluxes: xr.Dataset, network: Network, expression: str) -> xr.DataArray:
    net, exchange = fluxes["net_flux"], fluxes["exchange_flux"]
    directed = directed_fluxes(network, net.values, exchange.values)
    count = len(network.reactions)
    columns: dict[str, np.ndarray] = {}
    backward = iter(range(count, directed.shape[-1]))
    for i, reaction in enumerate(network.reactions):
        columns[reaction.name] = net.values[..., i].ravel()
        columns[f"{reaction.name}_forward"] = directed[..., i].ravel()
        columns[f"{reaction.name}_exchange"] = exchange.values[..., i].ravel()
        back = directed[..., next(backward)] if reaction.reversible else np.zeros_like(directed[..., i])
        columns[f"{reaction.name}_backward"] = back.ravel()
    if "rate_factor" in fluxes:
        columns.setdefault("rate_factor", fluxes["rate_factor"].values.ravel())
    try:
        value = pd.DataFrame(columns).eval(expression, engine="python")
    except Exception as error:  # pandas raises many kinds for one user mistake
        name = getattr(error, "name", None) or str(error).split("'")[1::2][:1] or [""]
        name = name if isinstance(name, str) else name[0]
        unmeasured = "It needs measured rates: quantify with rates= (--rates)."
        hint = unmeasured if name == "rate_factor" else suggest(name, network.reaction_names)
        raise FluxError(f"cannot evaluate {expression!r}: {error}. {hint}") from error
    shape = net.shape[:-1]
    values = np.broadcast_to(np.asarray(value, dtype=float), int(np.prod(shape))).reshape(shape)
    return xr.DataArray(values, dims=net.dims[:-1], name=expression)
