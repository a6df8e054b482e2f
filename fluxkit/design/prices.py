"""What a design costs, from a table of prices that the user can edit."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fluxkit.errors import LabelingError, TracerError
from fluxkit.labeling import Tracers, parse_tracers
from fluxkit.networks import Network
from fluxkit.networks.tables import read_rows

_TABLE = Path(__file__).with_name("prices.tsv")
ANY = "*"
"""The measurement that stands for every fragment without a row of its own."""


@dataclass(frozen=True)
class PriceTable:
    """Prices of tracers, instrument runs and measurements, in one currency.

    Parameters
    ----------
    tracers : mapping of str to float
        Price of what one experiment needs of a tracer if all molecules of its pool are this tracer, by
        ``[1,2-13C2]glucose``.
    platforms : mapping of str to float
        Price of the runs of one experiment on an instrument.
    measurements : mapping of str to (float, str)
        Price of one fragment in one experiment, and the instrument that sees it; ``*`` for all others.
    currency : str
        Unit of the prices.

    Raises
    ------
    LabelingError
        A price is negative or not finite, or an instrument has no price.
    """

    tracers: Mapping[str, float] = field(default_factory=dict)
    platforms: Mapping[str, float] = field(default_factory=dict)
    measurements: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    currency: str = "USD"

    def __post_init__(self) -> None:
        prices = {**self.tracers, **self.platforms, **{name: price for name, (price, _) in self.measurements.items()}}
        for name, price in prices.items():
            if not (math.isfinite(price) and price >= 0):
                raise LabelingError(f"the price of {name!r} is {price:g}; give zero or a positive {self.currency}.")
        for name, (_, platform) in self.measurements.items():
            if platform and platform not in self.platforms:
                raise LabelingError(
                    f"measurement {name!r} needs the platform {platform!r}, which has no price; add a row 'platform'."
                )

    def measurement_cost(self, fragments: Iterable[str]) -> float:
        """Return the price of measuring some fragments in one experiment; NaN where one has no price.

        Parameters
        ----------
        fragments : iterable of str
            Names of the measurements.
        """
        rows = [self.measurements.get(each, self.measurements.get(ANY, (math.nan, ""))) for each in fragments]
        runs = {platform for _, platform in rows if platform}
        return sum(price for price, _ in rows) + sum(self.platforms[each] for each in sorted(runs))

    def label_prices(self, network: Network) -> dict[tuple, float]:
        """Return the price of each label that a network can take, by input pool and atoms.

        Parameters
        ----------
        network : Network
            Network that knows what the common names of the table mean.
        """
        known: dict[tuple, float] = {}
        for text, price in self.tracers.items():
            try:
                parsed = parse_tracers(text, network)
            except TracerError:  # a table for many networks names tracers that this one cannot take
                continue
            known |= {(pool, atoms): price for pool, mixture in parsed.pools.items() for _, atoms in mixture}
        return known

    def tracer_costs(self, network: Network, experiments: Iterable[Tracers]) -> list[float]:
        """Return the price of the tracers of each experiment; NaN where one has no price.

        Parameters
        ----------
        network : Network
            Network that knows what the common names of the table mean.
        experiments : iterable of Tracers
            The experiments. Molecules without label cost nothing.
        """
        known = self.label_prices(network)
        return [
            sum(
                fraction * known.get((pool, atoms), math.nan)
                for pool, mixture in each.pools.items()
                for fraction, atoms in mixture
                if fraction
            )
            for each in experiments
        ]


def read_prices(path: str | Path | None = None) -> PriceTable:
    """Read a table of prices.

    Parameters
    ----------
    path : str or pathlib.Path, optional
        Tab-separated with the columns ``kind`` (tracer, platform, measurement), ``name``, ``price``, ``amount`` (g of a
        tracer, runs of a platform, for one experiment) and ``platform``; by default the one of the package, with rough
        list prices.

    Raises
    ------
    LabelingError
        There is no such file, a kind is unknown, or a price is not a number, or negative.
    """
    path = _TABLE if path is None else Path(path)
    if not path.is_file():
        raise LabelingError(f"there is no table of prices {str(path)!r}; copy {str(_TABLE)!r} and edit it.")
    tracers, platforms, measurements = {}, {}, {}
    for line, row in read_rows(path, ("kind", "name", "price")):
        where, name = f"{path.name}, line {line}", row["name"]
        price = _number(row["price"], where) * _number(row.get("amount") or "1", where)
        if row["kind"] == "tracer":
            tracers[name] = price
        elif row["kind"] == "platform":
            platforms[name] = price
        elif row["kind"] == "measurement":
            measurements[name] = (price, row.get("platform", ""))
        else:
            raise LabelingError(f"{where}: kind {row['kind']!r}; write tracer, platform or measurement.")
    return PriceTable(tracers, platforms, measurements)


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise LabelingError(f"{where}: {text!r} is no price or amount; give zero or a positive number.")
    return value


def efficient(cost: np.ndarray, information: np.ndarray) -> np.ndarray:
    """Return which designs no other beats: none costs less and tells as much, or costs as much and tells more.

    Parameters
    ----------
    cost, information : numpy.ndarray
        Shape ``(design,)``; a design whose cost is not known is never efficient.
    """
    result = np.zeros(len(cost), dtype=bool)
    best = -np.inf
    for i in np.lexsort((-information, cost)):  # the cheapest first, NaN last
        if np.isfinite(cost[i]) and information[i] > best:
            result[i], best = True, information[i]
    return result
