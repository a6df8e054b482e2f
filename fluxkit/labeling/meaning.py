"""What a measured name means in a network: pools, their shares, and what natural isotopes do to them."""

from dataclasses import dataclass

import numpy as np

from fluxkit.errors import LabelingError, UnknownNameError, suggest
from fluxkit.labeling.natural_abundance import correction_matrix
from fluxkit.networks import Fragment, Network, PoolShare, parse_fragment
from fluxkit.networks.network import EXTERNAL_SUFFIX


@dataclass(frozen=True)
class ResolvedMeasurement:
    """What a measured name means in a network.

    Parameters
    ----------
    name : str
        As measured: ``citrate``, or a fragment of the network such as ``Cit.m``.
    fragments : tuple of Fragment
        The pools that are seen together.
    shares : tuple of PoolShare
        Their shares, in the same order.
    diluted : bool
        Whether an unlabelled pool may dilute the mixture.
    formula : str or None
        Elemental formula that the observation table states.
    """

    name: str
    fragments: tuple[Fragment, ...]
    shares: tuple[PoolShare, ...]
    diluted: bool = False
    formula: str | None = None

    @property
    def size(self) -> int:
        """Number of atoms; mass shifts run from 0 to it."""
        return self.fragments[0].size

    @property
    def external(self) -> bool:
        """Whether only external pools are seen: what goes in, not what the network makes of it."""
        return all(each.metabolite.endswith(EXTERNAL_SUFFIX) for each in self.fragments)


def resolve_measurement(name: str, network: Network, elements: str = "C") -> ResolvedMeasurement:
    """Find out what a measured name means: an observation of the network, else a fragment.

    Parameters
    ----------
    name : str
        ``citrate``, ``Cit.m``, ``Glu.c[2-5]``.
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
    if name not in network.observations:
        try:
            fragment = parse_fragment(name, network, elements)
        except UnknownNameError:
            hint = suggest(name, (*network.observations, *network.metabolites))
            raise UnknownNameError(
                f"network {network.name!r} has no observation and no metabolite {name!r}. {hint}"
            ) from None
        return ResolvedMeasurement(name, (fragment,), (PoolShare(fragment.name),))
    entry = network.observations[name]
    fragments = tuple(parse_fragment(each.fragment, network, elements) for each in entry.pools)
    if len({each.size for each in fragments}) > 1:
        sizes = ", ".join(f"{each.name} has {each.size}" for each in fragments)
        raise LabelingError(f"observation {name!r} mixes pools of different size: {sizes} atoms of {elements}.")
    return ResolvedMeasurement(name, fragments, entry.pools, entry.diluted, entry.formula)


def abundance_matrix(meaning: ResolvedMeasurement, formula: str | None, unresolved: str) -> np.ndarray:
    """Return the natural-abundance matrix of one measured fragment, shape ``(size + 1, size + 1)``.

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
        The formula is missing or lacks the labeled atoms, or the fragment spans several elements: then the
        mass shift does not tell how many atoms of each are left to be natural.
    """
    elements = "".join(dict.fromkeys(element for element, _ in meaning.fragments[0].atoms))
    if formula is None:
        raise LabelingError(
            f"fragment {meaning.name!r} has no formula, and natural abundance of {unresolved!r} needs one; "
            "add a 'formula' column (neutral molecule), or give corrected data without natural_abundance= "
            "(--natural-abundance)."
        )
    try:
        return correction_matrix(formula, elements, meaning.size, unresolved)
    except LabelingError as error:
        raise LabelingError(f"fragment {meaning.name!r}: {error}") from error
