"""Fragments: which atoms of a metabolite are seen together."""

import re
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from fluxkit.errors import LabelingError

if TYPE_CHECKING:
    from fluxkit.networks.network import Network

_FRAGMENT = re.compile(
    r"(?P<metabolite>[A-Za-z_][\w.\-]*?)(?::(?P<elements>[CNH]+|[CNH](?:\+[CNH])+))?(?:\[(?P<positions>[\d,\s\-]+)\])?"
)


@dataclass(frozen=True)
class Fragment:
    """Some atoms of one metabolite whose labeling is seen as one mass distribution.

    Parameters
    ----------
    name : str
        As written: ``Glu.c``, ``Glu.c:CN``, ``Glu.c:C+N``, ``Glu.c[2-5]``, ``Glc:H[1,6-7]``.
    metabolite : str
        Metabolite of the network.
    atoms : tuple of (element, position)
        Zero-based positions in the order of the network.
    resolved : bool
        Whether isotopes of different elements are told apart (``Glu.c:C+N``), or only the mass is seen.
    """

    name: str
    metabolite: str
    atoms: tuple[tuple[str, int], ...]
    resolved: bool = False

    @property
    def size(self) -> int:
        """Number of atoms: the largest mass shift."""
        return len(self.atoms)

    @property
    def isotopologues(self) -> tuple[tuple[int, ...], ...]:
        """What each value of the distribution counts.

        The mass shift, ``(0,), (1,), ...``; or, where isotopes are told apart, the heavy atoms of each element in
        alphabetical order, ``(0, 0), (0, 1), ...``.
        """
        if not self.resolved:
            return tuple((shift,) for shift in range(self.size + 1))
        elements = [element for element, _ in self.atoms]
        return tuple(product(*(range(elements.count(each) + 1) for each in sorted(set(elements)))))


def parse_fragment(text: str, network: "Network", elements: str = "C") -> Fragment:
    """Read the name of a fragment.

    Parameters
    ----------
    text : str
        ``metabolite``, ``metabolite:elements`` or ``metabolite:element[positions]``; positions count the
        atoms of one element from 1. ``C+N`` instead of ``CN`` tells the isotopes of the elements apart.
    network : Network
        Network of the metabolite.
    elements : str
        Elements to take when the name says none; elements that the metabolite lacks add nothing.

    Raises
    ------
    UnknownNameError
        The network has no such metabolite.
    LabelingError
        The text cannot be read, or an atom does not exist.
    """
    match = _FRAGMENT.fullmatch(text.strip())
    if match is None:
        raise LabelingError(f"cannot read fragment {text!r}; write 'Glu.c', 'Glu.c:CN', 'Glu.c:C+N' or 'Glu.c[2-5]'.")
    metabolite = network.require_metabolite(match["metabolite"], f"fragment {text!r}")
    counts = network.atom_counts[metabolite]
    resolved = "+" in (match["elements"] or "")
    chosen = (match["elements"] or elements).replace("+", "")
    if len(set(chosen)) != len(chosen):
        raise LabelingError(f"fragment {text!r}: the elements {chosen!r} repeat; name each element once.")
    missing = [each for each in chosen if not counts.get(each)]
    if missing and (match["elements"] or len(missing) == len(chosen)):
        have = ", ".join(f"{n} {e}" for e, n in counts.items()) or "no atoms"
        raise LabelingError(
            f"fragment {text!r}: {metabolite} has no {missing[0]} atoms in network {network.name!r} (it has {have})."
        )
    if match["positions"] is None:
        atoms = tuple((each, i) for each in chosen for i in range(counts.get(each, 0)))
        return Fragment(text.strip(), metabolite, atoms, resolved)
    if len(chosen) != 1:
        raise LabelingError(f"fragment {text!r}: positions need one element; write '{metabolite}:{chosen[0]}[...]'.")
    positions = parse_positions(match["positions"], f"fragment {text!r}")
    for position in positions:
        if not 1 <= position <= counts[chosen]:
            raise LabelingError(
                f"fragment {text!r}: {metabolite} has atoms 1 to {counts[chosen]} of {chosen}, not {position}."
            )
    return Fragment(text.strip(), metabolite, tuple((chosen, each - 1) for each in positions))


def parse_positions(text: str, where: str) -> tuple[int, ...]:
    """Read ``"1,6-7"`` as ``(1, 6, 7)``.

    Parameters
    ----------
    text : str
        Numbers and ranges, separated by commas.
    where : str
        The place of the text, for messages.

    Raises
    ------
    LabelingError
        The text cannot be read, or names an atom twice.
    """
    positions: list[int] = []
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            raise LabelingError(f"{where}: cannot read positions {text!r}; write numbers and ranges such as '1,6-7'.")
        positions.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
    if len(set(positions)) != len(positions):
        raise LabelingError(f"{where}: positions {text!r} repeat an atom.")
    return tuple(sorted(positions))
