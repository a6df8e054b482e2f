"""The observation table: which measured names mean which pools, in which proportions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from fluxkit.errors import LabelingError, UnknownNameError, suggest

UNLABELED = "unlabeled"
"""What a mixture calls a pool without label that no reaction of the network touches."""


@dataclass(frozen=True)
class PoolShare:
    """One pool of a measured mixture, with its share of the molecules.

    The share is ``constant`` or, where ``weight`` names an unknown in [0, 1], ``constant`` times ``weight`` or
    ``1 - weight``.

    Parameters
    ----------
    fragment : str
        Fragment of the network.
    constant : float
        From 0 to 1.
    weight : str or None
        Name of the unknown.
    complement : bool
        Whether the unknown counts as ``1 - weight``.
    """

    fragment: str
    constant: float = 1.0
    weight: str | None = None
    complement: bool = False


@dataclass(frozen=True)
class Observation:
    """What one measured name means.

    Parameters
    ----------
    name : str
        The name in measured tables, ``"citrate"``.
    pools : tuple of PoolShare
        Fragments of the network whose mixture is measured.
    formula : str or None
        Elemental formula of the neutral molecule; needed for natural abundance.
    diluted : bool
        Whether an unlabeled pool that does not take part may dilute the measured one, by an unknown
        fraction.
    sd : float or None
        Typical standard deviation of a MID value, for simulated experiments.
    note : str
        Remarks and sources.
    unlabeled : tuple of PoolShare
        Shares of a pool without label in the mixture: fixed carbon that breath does not see, urine from before the
        infusion.
    """

    name: str
    pools: tuple[PoolShare, ...]
    formula: str | None = None
    diluted: bool = False
    sd: float | None = None
    note: str = ""
    unlabeled: tuple[PoolShare, ...] = ()

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the unknown weights, each once."""
        shares = (*self.pools, *self.unlabeled)
        return tuple(dict.fromkeys(each.weight for each in shares if each.weight is not None))


@dataclass(frozen=True)
class ObservationTable:
    """Observations by measured name, and typical values of their unknown weights."""

    entries: Mapping[str, Observation] = field(default_factory=dict)
    typical_weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", MappingProxyType(dict(self.entries)))
        object.__setattr__(self, "typical_weights", MappingProxyType(dict(self.typical_weights)))

    def __reduce__(self):
        return (ObservationTable, (dict(self.entries), dict(self.typical_weights)))

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def with_pools(self, name: str, pools: str) -> "ObservationTable":
        """Return a table in which a measured name means other pools.

        Parameters
        ----------
        name : str
            A name of the table.
        pools : str
            As :func:`parse_pools` reads it, ``"Lac.P:1"``.

        Raises
        ------
        UnknownNameError
            The table has no such name.
        LabelingError
            The pools cannot be read.
        """
        shares = parse_pools(pools, f"observation {name!r}")
        known, unlabeled = split_unlabeled(shares)
        entry = replace(self[name], pools=known, unlabeled=unlabeled)
        return ObservationTable({**self.entries, name: entry}, self.typical_weights)

    def with_rows(self, other: "ObservationTable") -> "ObservationTable":
        """Return a table in which the rows of another go before those of the same name, and its further rows follow.

        Parameters
        ----------
        other : ObservationTable
            Rows, with the typical values of their weights.
        """
        entries = {**self.entries, **other.entries}
        used = {weight for each in entries.values() for weight in each.weights}
        typical = {**self.typical_weights, **other.typical_weights}
        return ObservationTable(entries, {name: value for name, value in typical.items() if name in used})

    def __getitem__(self, name: str) -> Observation:
        if name not in self.entries:
            raise UnknownNameError(f"no observation is called {name!r}. {suggest(name, self.entries)}")
        return self.entries[name]


_NAME = r"[A-Za-z_]\w*"


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


def _parse_share(fragment: str, text: str) -> PoolShare:
    """Read ``0.3``, ``w3``, ``1-w3``, ``0.95*w3`` or ``0.95*(1-w3)``."""
    constant, complement = "1", False
    if match := re.fullmatch(rf"(?:([^*]+)\*)?({_NAME})", text):
        constant, weight = match[1] or "1", match[2]
    elif match := re.fullmatch(rf"1-({_NAME})", text):
        weight, complement = match[1], True
    elif match := re.fullmatch(rf"([^*]+)\*\(1-({_NAME})\)", text):
        constant, weight, complement = match[1], match[2], True
    else:
        return PoolShare(fragment, _fraction(text))
    return PoolShare(fragment, _fraction(constant), weight, complement)


def format_share(share: PoolShare) -> str:
    """Write a share as :func:`parse_pools` reads it.

    Parameters
    ----------
    share : PoolShare
        Share of one pool.
    """
    constant = repr(float(share.constant)).removesuffix(".0")  # the shortest text that reads back as the same number
    if share.weight is None:
        return constant
    text = f"1-{share.weight}" if share.complement else share.weight
    if share.constant == 1.0:
        return text
    return f"{constant}*({text})" if share.complement else f"{constant}*{text}"


def parse_pools(text: str, where: str) -> tuple[PoolShare, ...]:
    """Read a mixture such as ``"Cit.m:1-w3;Cit.c:w3"``.

    Parameters
    ----------
    text : str
        Pools separated by ``;``, each ``fragment:share``; a share is a number, a name of an unknown weight in
        [0, 1], one minus that name, or a constant part of these: ``"Lac.K:0.95*(1-w);Lac.K2:0.95*w;Lac.P:0.05"``.
        A pool may have several shares (``Lac.L:0.92;Lac.L:0.06*(1-b);Lac.P:0.02;Lac.P:0.06*b``: 2 to 8 % blood), and
        ``unlabeled`` stands for a pool without label.
    where : str
        The place of the text, for messages.

    Raises
    ------
    LabelingError
        A share cannot be read, the shares cannot sum to one, or none is of a pool of the network.
    """
    shares = []
    for part in text.split(";"):
        fragment, _, share = part.strip().rpartition(":")
        if not fragment:
            raise LabelingError(f"{where}: pool {part.strip()!r} needs 'fragment:share', for example 'Cit.m:1-w3'.")
        try:
            shares.append(_parse_share(fragment, re.sub(r"\s", "", share)))
        except ValueError as error:
            raise LabelingError(
                f"{where}: share {share.strip()!r} of pool {fragment!r} is neither a number from 0 to 1 "
                "nor a weight name; write 0.3, w3, 1-w3, or a part of these such as 0.95*w3 and 0.95*(1-w3)."
            ) from error
    rising = dict.fromkeys((each.weight for each in shares if each.weight is not None), 0.0)
    for each in shares:
        if each.weight is not None:
            rising[each.weight] += -each.constant if each.complement else each.constant
    total = sum(each.constant for each in shares if each.weight is None or each.complement)
    if len(rising) > 1 or any(abs(slope) > 1e-9 for slope in rising.values()) or abs(total - 1) > 1e-9:
        raise LabelingError(
            f"{where}: the shares of {text!r} do not sum to 1; give numbers that do, a pair w and 1-w, or such a pair "
            "of a part beside numbers: 0.95*w, 0.95*(1-w) and 0.05."
        )
    if all(each.fragment == UNLABELED for each in shares):
        raise LabelingError(f"{where}: {text!r} is only {UNLABELED!r}; name the pools of the network in it.")
    return tuple(shares)


def split_unlabeled(shares: tuple[PoolShare, ...]) -> tuple[tuple[PoolShare, ...], tuple[PoolShare, ...]]:
    """Return the shares of pools of the network, and those of a pool without label.

    Parameters
    ----------
    shares : tuple of PoolShare
        As :func:`parse_pools` returns them.
    """
    known = tuple(each for each in shares if each.fragment != UNLABELED)
    return known, tuple(each for each in shares if each.fragment == UNLABELED)
