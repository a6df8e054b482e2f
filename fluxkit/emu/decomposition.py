"""How label flows: the elementary metabolite units (EMUs) behind the measured fragments, traced backwards.

An EMU is a set of atoms of one metabolite. Its mass isotopomer distribution follows from the EMUs of the
substrates that these atoms came from: one EMU if they come from one molecule, the convolution of several if
a reaction joins molecules. Tracing back from the measured fragments finds every EMU that matters and no
other (Antoniewicz, Kelleher & Stephanopoulos 2007, doi:10.1016/j.ymben.2006.09.001).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from fluxkit.networks import Fragment, Network


class Emu(NamedTuple):
    """Some atoms of one metabolite, as sorted ``(element, position)`` pairs."""

    metabolite: str
    atoms: tuple[tuple[str, int], ...]


Source = tuple[Emu, ...]
"""EMUs whose convolution is one source of an EMU; a single EMU where no molecules are joined."""


@dataclass(frozen=True)
class EmuSystem:
    """The EMU balances of a network for some fragments.

    Parameters
    ----------
    network : Network
        The network.
    fragments : tuple of Fragment
        What is asked for.
    targets : tuple of Source
        What each fragment equals, in the order of the fragments.
    balances : mapping of Emu to (mapping of Source to (mapping of directed flux to coefficient))
        For each unknown EMU, its sources and the directed fluxes that carry them.
    inputs : tuple of Emu
        EMUs of the input pools; their distributions are given.
    blocks : tuple of tuple of Emu
        Unknown EMUs in an order in which they can be solved; the EMUs of one block depend on each other.
    """

    network: Network
    fragments: tuple[Fragment, ...]
    targets: tuple[Source, ...]
    balances: Mapping[Emu, Mapping[Source, Mapping[int, float]]]
    inputs: tuple[Emu, ...]
    blocks: tuple[tuple[Emu, ...], ...]

    @property
    def resolved(self) -> bool:
        """Whether the isotopes of different elements are counted apart, because some fragment tells them apart."""
        return any(each.resolved for each in self.fragments)

    @cached_property
    def elements(self) -> tuple[str, ...]:
        """Elements of the fragments, in alphabetical order."""
        return tuple(sorted({element for each in self.fragments for element, _ in each.atoms}))


@dataclass(frozen=True)
class _DirectedReaction:
    flux: int
    home: Mapping[tuple[str, str], tuple[int, int]]  # (element, letter) -> (substrate, position)
    substrates: tuple[str, ...]


def decompose(network: Network, fragments: Iterable[Fragment]) -> EmuSystem:
    """Trace fragments back to the input pools.

    Parameters
    ----------
    network : Network
        The network.
    fragments : iterable of Fragment
        What is measured or asked for.

    Returns
    -------
    EmuSystem
        Balances with equal EMUs merged: an EMU with one source is that source, mirror images of symmetric
        metabolites are one EMU.
    """
    fragments = tuple(fragments)
    producers = _producers(network)
    targets = [_canonical(network, each.metabolite, each.atoms) for each in fragments]
    balances: dict[Emu, dict[Source, dict[int, float]]] = {}
    pending, seen_inputs = list(targets), set()
    while pending:
        emu = pending.pop()
        if emu in balances or emu in seen_inputs:
            continue
        if emu.metabolite in network.inputs:
            seen_inputs.add(emu)
            continue
        balances[emu] = _sources(network, producers, emu)
        pending.extend(each for source in balances[emu] for each in source)
    balances, resolved = _merge_single_sources(balances)
    merged = tuple(_resolve(resolved, (each,)) for each in targets)
    balances = _needed(balances, merged)
    inputs = {each for source in merged for each in source if each not in balances}
    inputs |= {each for sources in balances.values() for source in sources for each in source if each not in balances}
    return EmuSystem(network, fragments, merged, balances, tuple(sorted(inputs)), _blocks(balances))


def _canonical(network: Network, metabolite: str, atoms: Iterable[tuple[str, int]]) -> Emu:
    chosen = tuple(sorted(atoms))
    if metabolite in network.symmetric and metabolite not in network.inputs:  # nothing produces an input pool
        counts = network.atom_counts[metabolite]
        chosen = min(chosen, tuple(sorted((element, counts[element] - 1 - i) for element, i in chosen)))
    return Emu(metabolite, chosen)


def _producers(network: Network) -> dict[str, list[tuple[_DirectedReaction, Mapping[str, str], float]]]:
    """Map each metabolite to the directed reactions that make it, with its letters and coefficient there."""
    producers: dict[str, list[tuple[_DirectedReaction, Mapping[str, str], float]]] = {}
    backward = len(network.reactions)
    for index, reaction in enumerate(network.reactions):
        directions = [(index, reaction.substrates, reaction.products)]
        if reaction.reversible:
            directions.append((backward, reaction.products, reaction.substrates))
            backward += 1
        for flux, substrates, products in directions:
            home = {
                (element, letter): (place, i)
                for place, each in enumerate(substrates)
                for element, letters in each.atoms.items()
                for i, letter in enumerate(letters)
            }
            directed = _DirectedReaction(flux, home, tuple(each.metabolite for each in substrates))
            for each in products:
                variants = [(dict(each.atoms), each.coefficient)]
                if each.metabolite in network.symmetric:
                    mirrored = {element: letters[::-1] for element, letters in each.atoms.items()}
                    variants = [(dict(each.atoms), each.coefficient / 2), (mirrored, each.coefficient / 2)]
                entries = producers.setdefault(each.metabolite, [])
                entries.extend((directed, letters, coefficient) for letters, coefficient in variants)
    return producers


def _sources(network: Network, producers, emu: Emu) -> dict[Source, dict[int, float]]:
    sources: dict[Source, dict[int, float]] = {}
    for reaction, letters, coefficient in producers[emu.metabolite]:
        parts: dict[int, list[tuple[str, int]]] = {}
        for element, i in emu.atoms:
            place, position = reaction.home[element, letters[element][i]]
            parts.setdefault(place, []).append((element, position))
        source = tuple(sorted(_canonical(network, reaction.substrates[place], atoms) for place, atoms in parts.items()))
        fluxes = sources.setdefault(source, {})
        fluxes[reaction.flux] = fluxes.get(reaction.flux, 0.0) + coefficient
    return sources


def _resolve(resolved: Mapping[Emu, Source], source: Source) -> Source:
    """Replace each EMU of a source by what it equals."""
    flat: list[Emu] = []
    for each in source:
        flat.extend(_resolve(resolved, resolved[each]) if each in resolved else (each,))
    return tuple(sorted(flat))


def _merge_single_sources(balances):
    """Replace every EMU that has a single source by it, until none is left; self-supply drops out."""
    resolved: dict[Emu, Source] = {}
    changed = True
    while changed:
        changed = False
        for emu in sorted(balances, key=lambda each: (len(each.atoms), each)):
            merged: dict[Source, dict[int, float]] = {}
            for source, fluxes in balances[emu].items():
                target = _resolve(resolved, source)
                if target == (emu,):
                    continue
                into = merged.setdefault(target, {})
                for flux, coefficient in fluxes.items():
                    into[flux] = into.get(flux, 0.0) + coefficient
            balances[emu] = merged
            if len(merged) == 1:
                resolved[emu] = next(iter(merged))
                del balances[emu]
                changed = True
    return balances, resolved


def _needed(balances, targets):
    found: set[Emu] = set()
    pending = [each for source in targets for each in source]
    while pending:
        emu = pending.pop()
        if emu in balances and emu not in found:
            found.add(emu)
            pending.extend(each for source in balances[emu] for each in source)
    return {emu: balances[emu] for emu in sorted(found)}


def _blocks(balances) -> tuple[tuple[Emu, ...], ...]:
    """Group unknown EMUs into strongly connected components, in an order in which they can be solved."""
    emus = sorted(balances, key=lambda each: (len(each.atoms), each))
    index = {emu: i for i, emu in enumerate(emus)}
    pairs = {
        (i, index[each]) for emu, i in index.items() for source in balances[emu] for each in source if each in index
    }
    if not emus:
        return ()
    rows, columns = (np.array([pair[side] for pair in sorted(pairs)], dtype=int) for side in (0, 1))
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(emus), len(emus)))
    count, label = connected_components(graph, directed=True, connection="strong")
    members: list[list[Emu]] = [[] for _ in range(count)]
    for emu, group in zip(emus, label, strict=True):
        members[group].append(emu)
    waits = [
        {int(label[index[each]]) for emu in group for s in balances[emu] for each in s if each in index}
        for group in members
    ]
    ordered: list[tuple[Emu, ...]] = []
    done: set[int] = set()
    while len(ordered) < count:
        ready = [g for g in range(count) if g not in done and waits[g] <= done | {g}]
        for group in ready:
            ordered.append(tuple(members[group]))
        done.update(ready)
    return tuple(ordered)
