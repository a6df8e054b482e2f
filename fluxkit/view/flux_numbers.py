"""The numbers that a flux map shows for each reaction, from an estimate or from plain fluxes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from fluxkit.errors import FluxError, UnknownNameError, suggest
from fluxkit.networks import Network

DRAW_DIMS = {"chain", "draw"}
CHANGED = 0.95  # posterior probability from which a change is called clear


@dataclass(frozen=True)
class FluxNumbers:
    """What is known about the fluxes of a network, each array of shape ``(reaction,)``, NaN where unknown.

    Parameters
    ----------
    net, net_lower, net_upper : numpy.ndarray
        Net flux (median of draws, else the value) with its 90 % interval, in the unit of the network.
    best : numpy.ndarray
        Best fit of the net flux.
    exchange, exchange_lower, exchange_upper : numpy.ndarray
        Exchange flux, likewise; 0 where irreversible.
    information : numpy.ndarray
        How much narrower than the prior the net flux is, 0 to 1.
    determined, exchange_determined : numpy.ndarray of bool
        Whether the data determine the net flux and the exchange flux.
    draws : numpy.ndarray
        Net fluxes, shape ``(draw, reaction)``; one row without uncertainty.
    """

    net: np.ndarray
    net_lower: np.ndarray
    net_upper: np.ndarray
    best: np.ndarray
    exchange: np.ndarray
    exchange_lower: np.ndarray
    exchange_upper: np.ndarray
    information: np.ndarray
    determined: np.ndarray
    exchange_determined: np.ndarray
    draws: np.ndarray


def flux_numbers(estimate_or_fluxes: Any, network: Network) -> FluxNumbers:
    """Collect value, interval and information of every flux.

    Parameters
    ----------
    estimate_or_fluxes : FluxEstimate, xarray.Dataset or mapping of str to float
        An estimate; or ``net_flux(..., reaction)`` and ``exchange_flux`` with no dimensions but ``chain``,
        ``draw`` and ``reaction``; or net fluxes by reaction. In the flux unit of the network.
    network : Network
        The network of these fluxes.

    Raises
    ------
    FluxError
        The fluxes belong to other reactions, are not finite, or hold several samples.
    """
    if hasattr(estimate_or_fluxes, "intervals") and hasattr(estimate_or_fluxes, "posterior"):
        return _from_estimate(estimate_or_fluxes, network)
    if isinstance(estimate_or_fluxes, Mapping) and not isinstance(estimate_or_fluxes, xr.Dataset):
        names = list(estimate_or_fluxes)
        values = np.array([float(estimate_or_fluxes[name]) for name in names])
        estimate_or_fluxes = xr.Dataset({"net_flux": ("reaction", values)}, coords={"reaction": names})
    if not isinstance(estimate_or_fluxes, xr.Dataset):
        raise FluxError(
            f"cannot draw a {type(estimate_or_fluxes).__name__}; give a FluxEstimate, a flux dataset such as "
            "network.reference_fluxes(), or a mapping of reaction to net flux."
        )
    return _from_dataset(estimate_or_fluxes, network)


def _draws(dataset: xr.Dataset, variable: str, network: Network) -> np.ndarray:
    """Return one variable as an array of shape ``(draw, reaction)`` in the order of the network."""
    if variable not in dataset or "reaction" not in dataset[variable].dims:
        raise FluxError(
            f"no {variable!r} over 'reaction' in the fluxes, only {', '.join(map(str, dataset.data_vars))}; "
            "give a dataset such as network.reference_fluxes()."
        )
    array = dataset[variable]
    extra = [str(dim) for dim in array.dims if dim != "reaction" and dim not in DRAW_DIMS]
    if extra:
        raise FluxError(
            f"one map shows one flux state, but {variable!r} has dimension {extra[0]!r}; "
            f"choose with .isel({extra[0]}=0)."
        )
    given = [str(name) for name in array["reaction"].values]
    for name in given:
        if name not in network.reaction_index:
            raise FluxError(
                f"network {network.name!r} has no reaction {name!r}. {suggest(name, network.reaction_names)}"
            )
    lacking = [name for name in network.reaction_names if name not in set(given)]
    if lacking:
        raise FluxError(
            f"the fluxes lack reaction {lacking[0]!r} ({len(lacking)} missing in all); give every reaction a flux."
        )
    array = array.sel(reaction=list(network.reaction_names)).transpose(..., "reaction")
    values = np.asarray(array.values, dtype=float).reshape(-1, len(network.reactions))
    bad = ~np.isfinite(values).all(0)
    if bad.any():
        raise FluxError(
            f"{variable} of {network.reaction_names[int(bad.argmax())]!r} is not finite; leave out the failed draws."
        )
    return values


def _summary(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if len(draws) == 1:
        return draws[0], np.full(draws.shape[1], np.nan), np.full(draws.shape[1], np.nan)
    lower, median, upper = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
    return median, lower, upper


def _from_dataset(dataset: xr.Dataset, network: Network) -> FluxNumbers:
    net = _draws(dataset, "net_flux", network)
    unknown = np.full(net.shape[1], np.nan)
    exchange = (unknown, unknown, unknown)
    if "exchange_flux" in dataset:
        exchange = _summary(_draws(dataset, "exchange_flux", network))
    median, lower, upper = _summary(net)
    best = median if len(net) == 1 else unknown
    known = np.ones(net.shape[1], dtype=bool)
    return FluxNumbers(median, lower, upper, best, *exchange, unknown, known, known, net)


def _from_estimate(estimate: Any, network: Network) -> FluxNumbers:
    net = _draws(estimate.posterior, "net_flux", network)
    table = estimate.intervals
    names = list(network.reaction_names)
    rows = {kind: table[table["kind"] == kind].set_index("reaction").reindex(names) for kind in ("net", "exchange")}
    missing = rows["net"]["median"].isna()
    if missing.any():
        raise UnknownNameError(
            f"the estimate has no interval for reaction {names[int(missing.to_numpy().argmax())]!r}."
        )

    def column(kind: str, name: str) -> np.ndarray:
        return rows[kind][name].to_numpy(dtype=float)

    def exchange(name: str) -> np.ndarray:
        return np.where(network.reversible, column("exchange", name), 0.0)

    return FluxNumbers(
        net=column("net", "median"),
        net_lower=column("net", "lower"),
        net_upper=column("net", "upper"),
        best=column("net", "best"),
        exchange=exchange("median"),
        exchange_lower=exchange("lower"),
        exchange_upper=exchange("upper"),
        information=column("net", "information"),
        determined=rows["net"]["determined"].to_numpy(dtype=bool),
        exchange_determined=rows["exchange"]["determined"].eq(True).to_numpy() | ~network.reversible,
        draws=net,
    )


def probability_higher(draws: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the probability that a flux is higher than in a reference, over all pairs of draws.

    Ties count half, so that equal states give 0.5 (the Mann-Whitney statistic, doi:10.1214/aoms/1177730491).

    Parameters
    ----------
    draws, reference : numpy.ndarray
        Shapes ``(draw, reaction)``; the numbers of draws may differ.
    """
    probability = np.empty(draws.shape[1])
    for i in range(draws.shape[1]):
        order = np.sort(reference[:, i])
        below = np.searchsorted(order, draws[:, i], side="left")
        not_above = np.searchsorted(order, draws[:, i], side="right")
        probability[i] = (below + not_above).mean() / (2 * len(order))
    return probability


def flux_ratio(draws: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return median and 90 % interval of the ratio of net fluxes, from independent pairs of draws.

    Parameters
    ----------
    draws, reference : numpy.ndarray
        Shapes ``(draw, reaction)``.

    Returns
    -------
    median, lower, upper : numpy.ndarray
        Shape ``(reaction,)``; NaN where either flux may be zero (its 90 % interval), or their signs differ.
    """
    n = max(len(draws), len(reference))
    rng = np.random.default_rng(0)  # a fixed pairing: the same estimates always show the same numbers
    left = draws[rng.permutation(n) % len(draws)]
    right = reference[rng.permutation(n) % len(reference)]
    safe = np.where(right == 0, np.nan, right)
    lower, median, upper = np.quantile(left / safe, [0.05, 0.5, 0.95], axis=0)
    signs = [np.sign(np.quantile(each, [0.05, 0.95], axis=0)) for each in (draws, reference)]
    clear = np.all(
        [
            signs[0][0] == signs[0][1],
            signs[1][0] == signs[1][1],
            signs[1][0] == signs[0][0],
            signs[1][0] != 0,
        ],
        axis=0,
    )
    return tuple(np.where(clear, each, np.nan) for each in (median, lower, upper))  # type: ignore[return-value]
