"""Where single atoms go: the steady-state balance of each atom position, and the shortest way to it.

One atom is either labeled or not, so its labeled fraction follows from a linear balance, however reactions split and
join molecules: what flows in carries the fraction of the atom it comes from (Wiechert & de Graaf 1997,
doi:10.1002/(SICI)1097-0290(19970705)55:1<101::AID-BIT12>3.0.CO;2-P).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from scipy.sparse import coo_array, identity
from scipy.sparse.linalg import splu

from fluxkit.errors import FluxError, TracerError, suggest
from fluxkit.fluxes import as_flux_dataset, directed_fluxes
from fluxkit.networks import Network, Participant

_NOTHING = 1e-12  # of the largest flux: less than this is a rounding error of zero


class Atom(NamedTuple):
    """One atom of a metabolite; positions count the atoms of an element from 0."""

    metabolite: str
    element: str
    position: int


@dataclass(frozen=True)
class AtomFlow:
    """A reaction that carries one atom to another place.

    Parameters
    ----------
    source, target : Atom
        Where the atom is before and after.
    reaction : str
        The reaction.
    backward : bool
        Whether it is the backward flux that carries.
    rate : float
        Atoms carried, in the flux unit of the network; half the flux on each of the two ways into a symmetric molecule.
    """

    source: Atom
    target: Atom
    reaction: str
    backward: bool
    rate: float


@dataclass(frozen=True)
class Arrival:
    """How label first comes to an atom: reactions from the tracer, and the flows that bring it, most label first."""

    distance: int
    flows: tuple[AtomFlow, ...] = ()


def atom_paths(network: Network, pool: str, atoms: Sequence[int | tuple[str, int]], fluxes: Any = None) -> pd.DataFrame:
    """Say where label goes that enters with some atoms of an input pool.

    Parameters
    ----------
    network : Network
        The network.
    pool : str
        An input pool: ``"Glc_x"``.
    atoms : sequence of int or (element, position)
        Which of its atoms are labeled, in all molecules; positions from 1, a number alone is a carbon.
    fluxes : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        One flux state; the reference state of the network by default.

    Returns
    -------
    pandas.DataFrame
        One row for each atom of the labeled elements: ``metabolite``, ``element``, ``position`` (from 1),
        ``labeled_fraction`` (NaN where no flux supplies the metabolite), ``distance`` (reactions from the tracer;
        missing where label does not come), the ``reaction`` that brings most of the label by a shortest way, its
        ``direction``, and the atom it comes from, ``source_metabolite`` and ``source_position``. Nearest first, then
        by the label that arrives.

    Raises
    ------
    TracerError
        The pool is no input pool, or has no such atom.
    FluxError
        The fluxes are not one state of this network.
    """
    found = [("C", each) if isinstance(each, (int, np.integer)) else each for each in atoms]
    if pool not in network.inputs:
        raise TracerError(f"{pool!r} is no input pool of {network.name!r}. {suggest(pool, network.inputs)}")
    if not found:
        raise TracerError(f"no atom of {pool!r} is named; give positions such as [1, 2], or ('N', 1).")
    for element, position in found:
        size = network.atom_counts[pool].get(element, 0)
        if not 1 <= position <= size:
            raise TracerError(f"{pool} has atoms 1 to {size} of {element} in {network.name!r}, not {position}.")
    labels = {Atom(pool, element, int(position) - 1): 1.0 for element, position in found}
    return label_table(network, labels, one_state(network, fluxes))


def one_state(network: Network, fluxes: Any = None) -> xr.Dataset:
    """Return one flux state: the reference, the best point of an estimate, or what is given.

    Parameters
    ----------
    network : Network
        The network.
    fluxes : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        The fluxes.

    Raises
    ------
    FluxError
        There are several states, or they do not fit the network.
    """
    if fluxes is None:
        return network.reference_fluxes()
    fluxes = getattr(fluxes, "best", fluxes)
    state = as_flux_dataset(network, fluxes)
    extra = [str(dim) for dim in state["net_flux"].dims if dim != "reaction"]
    if extra:
        raise FluxError(f"a label path needs one flux state, not several over {extra[0]!r}; use .isel({extra[0]}=0).")
    return state


def atom_flows(network: Network, state: xr.Dataset, elements: Iterable[str]) -> list[AtomFlow]:
    """Return every way of every atom that carries flux.

    Parameters
    ----------
    network : Network
        The network.
    state : xarray.Dataset
        One flux state.
    elements : iterable of str
        Elements to follow.
    """
    directed = directed_fluxes(network, state["net_flux"].values, state["exchange_flux"].values)
    least = _NOTHING * max(float(np.abs(directed).max()), 1e-300)
    back = len(network.reactions)
    flows: dict[tuple[Atom, Atom, str, bool], float] = {}
    for i, reaction in enumerate(network.reactions):
        ways = [(float(directed[i]), reaction.substrates, reaction.products, False)]
        if reaction.reversible:
            ways.append((float(directed[back]), reaction.products, reaction.substrates, True))
            back += 1
        for flux, origin, goal, backward in ways:
            if flux <= least:
                continue
            for source, target, share in _transitions(network, origin, goal, elements):
                key = (source, target, reaction.name, backward)
                flows[key] = flows.get(key, 0.0) + share * flux
    return [AtomFlow(*key, rate) for key, rate in flows.items()]


def _transitions(network: Network, origin: Sequence[Participant], goal: Sequence[Participant], elements: Iterable[str]):
    """Every pair of atoms that a reaction connects, with the molecules of product per turn that take this way."""
    for element in elements:
        home = {
            letter: Atom(each.metabolite, element, i)
            for each in origin
            for i, letter in enumerate(each.atoms.get(element, ""))
        }
        for each in goal:
            letters = each.atoms.get(element, "")
            mirrored = each.metabolite in network.symmetric
            for order in (letters, letters[::-1]) if mirrored else (letters,):
                for i, letter in enumerate(order):
                    yield home[letter], Atom(each.metabolite, element, i), each.coefficient / (2 if mirrored else 1)


def labeled_fractions(
    network: Network, flows: Sequence[AtomFlow], labels: Sequence[Mapping[Atom, float]]
) -> dict[Atom, np.ndarray]:
    """Solve the balance of every atom that some flux supplies.

    Parameters
    ----------
    network : Network
        The network.
    flows : sequence of AtomFlow
        From :func:`atom_flows`.
    labels : sequence of mapping of Atom to float
        Labeled fractions of atoms of the input pools, one mapping for each experiment; others are unlabeled.

    Returns
    -------
    dict of Atom to numpy.ndarray
        Labeled fraction in each experiment, shape ``(experiment,)``.
    """
    inputs = set(network.inputs)
    leaving: dict[Atom, list[Atom]] = {}
    for flow in flows:
        leaving.setdefault(flow.source, []).append(flow.target)
    supplied = {atom: None for atom in leaving if atom.metabolite in inputs}
    pending = list(supplied)
    while pending:
        for target in leaving.get(pending.pop(), ()):
            if target not in supplied and target.metabolite not in inputs:
                supplied[target] = None
                pending.append(target)
    fractions = {atom: np.array([each.get(atom, 0.0) for each in labels]) for atom in supplied}
    fractions |= {atom: np.array([each.get(atom, 0.0) for each in labels]) for group in labels for atom in group}
    unknown = {atom: i for i, atom in enumerate(each for each in supplied if each.metabolite not in inputs)}
    if not unknown:
        return fractions
    made = np.zeros(len(unknown))
    known = np.zeros((len(unknown), len(labels)))
    rows, columns, rates = [], [], []
    for flow in flows:
        if flow.target not in unknown:
            continue
        row = unknown[flow.target]
        made[row] += flow.rate
        if flow.source in unknown:
            rows.append(row)
            columns.append(unknown[flow.source])
            rates.append(flow.rate)
        else:
            known[row] += flow.rate * fractions.get(flow.source, 0.0)
    between = coo_array((np.array(rates) / made[rows], (rows, columns)), shape=(len(unknown), len(unknown)))
    solved = splu((identity(len(unknown)) - between).tocsc()).solve(known / made[:, None])
    return fractions | {atom: np.clip(solved[i], 0.0, 1.0) for atom, i in unknown.items()}  # up to rounding


def arrivals(flows: Sequence[AtomFlow], start: Iterable[Atom], fractions: Mapping[Atom, float]) -> dict[Atom, Arrival]:
    """Return how label first comes to each atom, breadth first.

    Parameters
    ----------
    flows : sequence of AtomFlow
        From :func:`atom_flows`.
    start : iterable of Atom
        The labeled atoms.
    fractions : mapping of Atom to float
        Labeled fraction of each atom.
    """
    leaving: dict[Atom, list[AtomFlow]] = {}
    for flow in flows:
        leaving.setdefault(flow.source, []).append(flow)
    reached = {atom: Arrival(0) for atom in start}
    front = list(reached)
    for distance in range(1, len(flows) + 1):
        entering: dict[Atom, list[AtomFlow]] = {}
        for flow in (each for atom in front for each in leaving.get(atom, ())):
            if flow.target not in reached:
                entering.setdefault(flow.target, []).append(flow)
        for atom, ways in entering.items():
            ways.sort(key=lambda each: -each.rate * fractions.get(each.source, 0.0))
            reached[atom] = Arrival(distance, tuple(ways))
        front = list(entering)
        if not front:
            break
    return reached


def label_table(network: Network, labels: Mapping[Atom, float], state: xr.Dataset) -> pd.DataFrame:
    """Return the table of :func:`atom_paths` for any labeled atoms of input pools.

    Parameters
    ----------
    network : Network
        The network.
    labels : mapping of Atom to float
        Labeled fraction of each labeled atom.
    state : xarray.Dataset
        One flux state.
    """
    elements = tuple(dict.fromkeys(atom.element for atom in labels))
    flows = atom_flows(network, state, elements)
    fractions = {atom: float(each[0]) for atom, each in labeled_fractions(network, flows, [labels]).items()}
    reached = arrivals(flows, labels, fractions)
    rows = []
    for metabolite, counts in network.atom_counts.items():
        for atom in (Atom(metabolite, e, i) for e in elements for i in range(counts.get(e, 0))):
            arrival = reached.get(atom)
            first = arrival.flows[0] if arrival and arrival.flows else None
            label = first.rate * fractions.get(first.source, 0.0) if first else 0.0
            rows.append(
                {
                    "metabolite": metabolite,
                    "element": atom.element,
                    "position": atom.position + 1,
                    "labeled_fraction": fractions.get(atom, np.nan),
                    "distance": arrival.distance if arrival else pd.NA,
                    "reaction": first.reaction if first else "",
                    "direction": ("backward" if first.backward else "forward") if first else "",
                    "source_metabolite": first.source.metabolite if first else "",
                    "source_position": first.source.position + 1 if first else pd.NA,
                    "label": label,
                }
            )
    table = pd.DataFrame(rows).astype({"distance": "Int64", "source_position": "Int64"})
    table = table.sort_values(["distance", "label"], ascending=[True, False], kind="stable", na_position="last")
    return table.drop(columns="label").reset_index(drop=True)
