"""A mix of labelings as the page shows it, and the tracer text that means the same."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fluxkit.errors import TracerError
from fluxkit.labeling import Tracers, parse_tracers
from fluxkit.labeling.label_text import Atom, format_label
from fluxkit.networks import Network

Part = Mapping[str, Any]
"""One labeling: ``pool``, ``atoms`` (``["C1", "C2"]``) and ``fraction`` of the molecules of its pool, 0 to 1."""


def part_atoms(part: Part) -> frozenset[Atom]:
    """Return the labeled atoms of one labeling, as (element, zero-based position)."""
    return frozenset((each[0], int(each[1:]) - 1) for each in part["atoms"])


def part_label(network: Network, part: Part) -> str:
    """Return the label of one labeling, ``[1,2-13C2]``; ``unlabeled`` where no atom is chosen."""
    atoms = part_atoms(part)
    return format_label(atoms, network.atom_counts[part["pool"]]) if atoms else "unlabeled"


def mix_tracers(network: Network, mix: Sequence[Part]) -> Tracers:
    """Return the tracers that a mix means; what is not labeled of a pool is left out, and so is what has no share.

    Parameters
    ----------
    network : Network
        The network.
    mix : sequence of Part
        The labelings.

    Raises
    ------
    TracerError
        No labeling, one without an atom, one that comes twice, a share that is no number from 0 to 100 %, more than
        100 % of a pool, or nothing that is labeled.
    """
    if not mix:
        raise TracerError("there is no labeling; add one, or take a standard tracer.")
    total: dict[str, float] = {}
    seen: dict[tuple[str, str], int] = {}
    terms: dict[str, list[str]] = {}
    for number, part in enumerate(mix, 1):
        pool, fraction = part["pool"], part["fraction"]
        label = part_label(network, part)
        if not isinstance(fraction, (int, float)) or not 0 <= fraction <= 1:
            given = "no number" if not isinstance(fraction, (int, float)) else f"{100 * fraction:g} %"
            raise TracerError(f"labeling {number}, {label} of {pool}: the share is {given}; give 0 to 100 %.")
        if not part["atoms"]:
            raise TracerError(
                f"labeling {number} of {pool} has no labeled atom; choose one in the drawing, or remove the labeling."
            )
        if (pool, label) in seen:
            raise TracerError(
                f"labelings {seen[pool, label]} and {number} are both {label} of {pool}; change the atoms of one, or "
                "remove it."
            )
        seen[pool, label] = number
        total[pool] = total.get(pool, 0.0) + fraction
        if fraction:
            terms.setdefault(pool, []).append(f"{100 * fraction:.10g}% {label}")
    for pool, whole in total.items():
        if whole > 1 + 1e-9:
            raise TracerError(
                f"the shares of {pool} sum to {100 * whole:.4g} %, above 100 %; lower one, or scale them."
            )
    if not terms:
        raise TracerError("the share of every labeling is 0 %; raise one.")
    return parse_tracers("; ".join(f"{pool}: {' + '.join(each)}" for pool, each in terms.items()), network)


def in_tenths(mix: Sequence[Part]) -> list[dict[str, Any]]:
    """Return a mix whose shares are tenths of a percent, and sum to no more than before in each pool.

    Parameters
    ----------
    mix : sequence of Part
        The labelings.
    """
    parts = [1000 * part["fraction"] for part in mix]
    whole = [math.floor(each + 1e-6) for each in parts]
    for pool in {part["pool"] for part in mix}:
        own = [i for i, part in enumerate(mix) if part["pool"] == pool]
        left = math.floor(sum(parts[i] for i in own) + 1e-6) - sum(whole[i] for i in own)
        for i in sorted(own, key=lambda i: whole[i] - parts[i])[: max(left, 0)]:  # those that lost most
            whole[i] += 1
    return [{**part, "fraction": each / 1000} for part, each in zip(mix, whole, strict=True)]


def read_mix(network: Network, text: str) -> list[dict[str, Any]]:
    """Return the mix that a tracer text means.

    Parameters
    ----------
    network : Network
        The network.
    text : str
        As for :func:`fluxkit.labeling.parse_tracers`.

    Raises
    ------
    TracerError
        The text cannot be read, does not fit the network, leaves a percentage open, or labels nothing.
    """
    tracers = parse_tracers(text, network)
    if tracers.unknown:
        raise TracerError(f"{text!r} leaves a percentage open; a design needs a number.")
    mix = [
        {"pool": pool, "atoms": [f"{element}{i + 1}" for element, i in sorted(atoms)], "fraction": fraction}
        for pool, mixture in tracers.pools.items()
        for fraction, atoms in mixture
    ]
    if not mix:
        raise TracerError(f"{text!r} labels no atom; write a label, as in '{network.inputs[0]}: 100% [1-13C]'.")
    return mix
