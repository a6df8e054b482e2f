"""What a measured name means in a network: pools, their shares, and what natural isotopes do to them."""

import re
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from fluxkit.errors import LabelingError, UnknownNameError, suggest
from fluxkit.labeling.isotopologues import Isotopologue, elements_of, isotopologues_of
from fluxkit.labeling.natural_abundance import correction_matrix, parse_elements
from fluxkit.networks import Fragment, Network, PoolShare, parse_fragment
from fluxkit.networks.network import EXTERNAL_SUFFIX
from fluxkit.networks.observations import Observation

_SEEN_THROUGH = re.compile(r"(?P<name>.+):(?P<elements>[CNH]+|[CNH](?:\+[CNH])+)")


@dataclass(frozen=True)
class ResolvedMeasurement:
    """What a measured name means in a network.

    Parameters
    ----------
    name : str
        As measured: ``citrate``, ``glutamate:C+N``, or a fragment of the network such as ``Cit.m``.
    fragments : tuple of Fragment
        The pools that are seen together.
    shares : tuple of PoolShare
        Their shares, in the same order.
    diluted : bool
        Whether an unlabeled pool may dilute the mixture.
    formula : str or None
        Elemental formula that the observation table states.
    unlabeled : tuple of PoolShare
        Shares of a pool without label.
    """

    name: str
    fragments: tuple[Fragment, ...]
    shares: tuple[PoolShare, ...]
    diluted: bool = False
    formula: str | None = None
    unlabeled: tuple[PoolShare, ...] = ()

    @property
    def size(self) -> int:
        """Number of atoms; mass shifts run from 0 to it."""
        return self.fragments[0].size

    @property
    def resolved(self) -> bool:
        """Whether the isotopes of different elements are told apart."""
        return self.fragments[0].resolved

    @property
    def isotopologues(self) -> tuple[Isotopologue, ...]:
        """Mass shift, and isotopes where they are told apart, of each value of the distribution."""
        return isotopologues_of(self.fragments[0])

    @property
    def external(self) -> bool:
        """Whether only external pools are seen: what goes in, not what the network makes of it."""
        return all(each.metabolite.endswith(EXTERNAL_SUFFIX) for each in self.fragments)


def resolve_measurement(name: str, network: Network, elements: str = "C") -> ResolvedMeasurement:
    """Find out what a measured name means: an observation of the network, else a fragment.

    Parameters
    ----------
    name : str
        ``citrate``, ``Cit.m``, ``Glu.c[2-5]``, ``Glu.c:C+N``; ``glutamate:C+N`` is the observation ``glutamate``
        of which all pools are seen through these elements, whatever its pools name.
    network : Network
        Network with its observation table.
    elements : str
        Elements that some tracer labels; a pool that names no elements is seen through these.

    Raises
    ------
    UnknownNameError
        Neither; the message offers the nearest names.
    LabelingError
        The pools of a mixture differ in size, or hold no atom of these elements.
    """
    entry = _observation(name, network)
    if entry is None:
        try:
            fragment = parse_fragment(name, network, elements)
        except (UnknownNameError, LabelingError) as error:
            if isinstance(error, LabelingError) and set(name) & set(":["):
                raise  # a fragment is meant
            hint = suggest(name, (*network.observations, *network.metabolites))
            raise UnknownNameError(
                f"network {network.name!r} has no observation and no metabolite {name!r}. {hint}"
            ) from None
        return ResolvedMeasurement(name, (fragment,), (PoolShare(fragment.name),))
    fragments = tuple(parse_fragment(each.fragment, network, elements) for each in entry.pools)
    if len({(each.size, each.resolved and each.isotopologues) for each in fragments}) > 1:
        sizes = ", ".join(f"{each.name} has {each.size}" for each in fragments)
        raise LabelingError(f"observation {name!r} mixes pools of different size: {sizes} atoms of {elements}.")
    return ResolvedMeasurement(name, fragments, entry.pools, entry.diluted, entry.formula, entry.unlabeled)


def _observation(name: str, network: Network) -> Observation | None:
    """Return the observation of this name, seen through the elements that ``name:elements`` states."""
    if name in network.observations:
        return network.observations[name]
    match = _SEEN_THROUGH.fullmatch(name)
    if match is None or match["name"] not in network.observations or match["name"] in network.atom_counts:
        return None
    entry = network.observations[match["name"]]
    for each in entry.pools:
        if "[" in each.fragment:
            raise LabelingError(
                f"fragment {name!r}: observation {entry.name!r} names atoms ({each.fragment}), so its elements are "
                f"known; write {entry.name!r}."
            )
    pools = (replace(each, fragment=f"{each.fragment.partition(':')[0]}:{match['elements']}") for each in entry.pools)
    return replace(entry, name=name, pools=tuple(pools))


def abundance_matrix(meaning: ResolvedMeasurement, formula: str | None, unresolved: str) -> np.ndarray:
    """Return the natural-abundance matrix of one measured fragment, square in its isotopologues.

    Where isotopes are told apart, natural isotopes of an element add to the count of that element alone: the matrix
    is the Kronecker product of those of the elements.

    Parameters
    ----------
    meaning : ResolvedMeasurement
        The fragment.
    formula : str or None
        Elemental formula of the fragment.
    unresolved : str
        Elements whose natural isotopes the instrument does not resolve.

    Raises
    ------
    LabelingError
        The formula is missing or lacks the labeled atoms, or the fragment spans several elements and is seen by
        mass: then the mass shift does not tell how many atoms of each are left to be natural. Where isotopes are
        told apart, an element that is not among them.
    """
    elements = "".join(dict.fromkeys(element for element, _ in meaning.fragments[0].atoms))
    if formula is None:
        raise LabelingError(
            f"fragment {meaning.name!r} has no formula, and natural abundance of {unresolved!r} needs one; "
            "add a 'formula' column (neutral molecule), or give corrected data without natural_abundance= "
            "(--natural-abundance)."
        )
    try:
        if meaning.resolved:
            return _resolved_matrix(meaning.fragments[0], formula, unresolved)
        return correction_matrix(formula, elements, meaning.size, unresolved)
    except LabelingError as error:
        raise LabelingError(f"fragment {meaning.name!r}: {error}") from error


def _resolved_matrix(fragment: Fragment, formula: str, unresolved: str) -> np.ndarray:
    elements, natural = elements_of(fragment), parse_elements(unresolved)
    for each in natural:
        if each not in elements:
            raise LabelingError(
                f"natural {each} makes other peaks where the isotopes of {' and '.join(elements)} are told apart; give "
                f"natural_abundance={''.join(e for e in natural if e in elements)!r} (--natural-abundance), or measure "
                "the mass instead (one element, or 'CN' without '+')."
            )
    sizes = [sum(element == each for element, _ in fragment.atoms) for each in elements]
    return reduce(
        np.kron,
        [
            correction_matrix(formula, each, size, each if each in natural else "")
            for each, size in zip(elements, sizes, strict=True)
        ],
    )
