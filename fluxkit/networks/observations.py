"""The observation table: which measured names mean which pools, in which proportions."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fluxkit.errors import LabelingError, UnknownNameError, suggest


@dataclass(frozen=True)
class PoolShare:
    """One pool of a measured mixture, with its share of the molecules.

    The share is ``constant`` or, where ``weight`` names an unknown in [0, 1], ``weight`` or ``1 - weight``.
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
        Whether an unlabelled pool that does not take part may dilute the measured one, by an unknown
        fraction.
    sd : float or None
        Typical standard deviation of a MID value, for simulated experiments.
    note : str
        Remarks and sources.
    """

    name: str
    pools: tuple[PoolShare, ...]
    formula: str | None = None
    diluted: bool = False
    sd: float | None = None
    note: str = ""

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of the unknown weights, each once."""
        return tuple(dict.fromkeys(each.weight for each in self.pools if each.weight is not None))


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

    def __getitem__(self, name: str) -> Observation:
        if name not in self.entries:
            raise UnknownNameError(f"no observation is called {name!r}. {suggest(name, self.entries)}")
        return self.entries[name]


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value


def parse_pools(text: str, where: str) -> tuple[PoolShare, ...]:
    """Read a mixture such as ``"Cit.m:1-w3;Cit.c:w3"``.

    Parameters
    ----------
    text : str
        Pools separated by ``;``, each ``fragment:share``; a share is a number, a name of an unknown weight in
        [0, 1], or one minus that name.
    where : str
        The place of the text, for messages.

    Raises
    ------
    LabelingError
        A share cannot be read, or the shares cannot sum to one.
    """
    shares = []
    for part in text.split(";"):
        fragment, _, share = part.strip().rpartition(":")
        share = share.strip()
        if not fragment:
            raise LabelingError(f"{where}: pool {part.strip()!r} needs 'fragment:share', for example 'Cit.m:1-w3'.")
        if re.fullmatch(r"1\s*-\s*[A-Za-z_]\w*", share):
            shares.append(PoolShare(fragment, weight=share.split("-")[1].strip(), complement=True))
        elif re.fullmatch(r"[A-Za-z_]\w*", share):
            shares.append(PoolShare(fragment, weight=share))
        else:
            try:
                shares.append(PoolShare(fragment, constant=_fraction(share)))
            except ValueError as error:
                raise LabelingError(
                    f"{where}: share {share!r} of pool {fragment!r} is neither a number from 0 to 1 "
                    "nor a weight name; write 0.3, w3 or 1-w3."
                ) from error
    total = sum(each.constant for each in shares if each.weight is None)
    names = [each.weight for each in shares if each.weight is not None]
    paired = all(
        sum(s.weight == name and s.complement for s in shares)
        == sum(s.weight == name and not s.complement for s in shares)
        for name in names
    )
    expected = 1.0 - len(set(names))
    if not paired or abs(total - expected) > 1e-9 or len(set(names)) > 1:
        raise LabelingError(f"{where}: the shares of {text!r} do not sum to 1; use numbers, or one pair w and 1-w.")
    return tuple(shares)
