"""Everything the label path shows, as one plain dictionary: molecules, labeled fractions and steps."""

from collections.abc import Mapping, Sequence
from typing import Any

from fluxkit.errors import LabelingError, TracerError
from fluxkit.labeling import parse_tracers
from fluxkit.networks import Network, parse_fragment
from fluxkit.view.label_path_atoms import (
    Arrival,
    Atom,
    AtomFlow,
    arrivals,
    atom_flows,
    labeled_fractions,
    one_state,
)
from fluxkit.view.map_data import equation

SMALLEST = 0.02  # of the most labeled atom inside the network: less is not shown as labeled
MOST_ATOMS = 12  # labeled atoms that can be followed one by one
ISOTOPES = {"C": "13C", "N": "15N", "H": "2H"}


def label_path_data(
    network: Network, tracer_or_atom: str, fluxes: Any = None, *, smallest: float | None = None, title: str = ""
) -> dict[str, Any]:
    """Return what the label path shows, ready for JSON.

    Parameters
    ----------
    network : Network
        The network.
    tracer_or_atom : str
        A tracer, ``"[1,2-13C2]glucose"``, or atoms of an input pool, ``"Glc_x[1]"`` or ``"Gln_x:N[2]"``.
    fluxes : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        One flux state; the reference state of the network by default.
    smallest : float, optional
        Atoms with a smaller labeled fraction are not steps, metabolites without another are left out; 0 to 1. By
        default 2 % of the largest fraction inside the network.
    title : str
        Text above.

    Returns
    -------
    dict
        ``pools`` in order of distance, each with ``name``, ``distance`` and number of ``atoms`` by element;
        ``choices``, the tracer as a whole and each of its labeled atoms: ``name``, ``start`` (the labeled atoms),
        ``fractions`` (pool, element, position) and ``steps``. A step has the ``reaction``, its ``equation``,
        ``target`` (index of the pool), ``distance``, ``moves`` (pool, element, position, position in the target)
        and a ``text``. ``hidden`` is the number of metabolites with less label. What leaves the network is not
        shown: it is labeled like the metabolite that it comes from.

    Raises
    ------
    TracerError, LabelingError, FluxError
        The tracer or the fluxes do not fit the network.
    """
    if smallest is not None and not 0 <= smallest < 1:
        raise LabelingError(f"smallest = {smallest:g} is a labeled fraction; give a number from 0 to below 1.")
    labels, said = read_labels(network, tracer_or_atom)
    state = one_state(network, fluxes)
    elements = tuple(each for each in ISOTOPES if any(atom.element == each for atom in labels))
    flows = atom_flows(network, state, elements)
    single = sorted(labels) if 1 < len(labels) <= MOST_ATOMS else []
    groups: list[Mapping[Atom, float]] = [labels, *({atom: labels[atom]} for atom in single)]
    solved = labeled_fractions(network, flows, groups)
    if smallest is None:
        balanced = set(network.balanced)
        smallest = SMALLEST * max(
            (float(each[0]) for atom, each in solved.items() if atom.metabolite in balanced), default=0
        )
    pools, hidden = _pools(network, flows, labels, solved, elements, smallest)
    names = ["all labeled atoms" if single else atom_text(next(iter(labels))), *(atom_text(each) for each in single)]
    return {
        "title": title,
        "network": network.name,
        "tracer": said,
        "elements": list(elements),
        "pools": pools,
        "hidden": hidden,
        "smallest": smallest,
        "choices": [
            _choice(
                network, name, group, flows, {atom: float(each[i]) for atom, each in solved.items()}, pools, smallest
            )
            for i, (name, group) in enumerate(zip(names, groups, strict=True))
        ],
    }


def read_labels(network: Network, text: str) -> tuple[dict[Atom, float], str]:
    """Read a tracer, or the name of some atoms of an input pool.

    Parameters
    ----------
    network : Network
        The network.
    text : str
        ``"[1,2-13C2]glucose"``, ``"Glc_x: 50% [U-13C6]"``, ``"Glc_x[1]"`` or ``"Gln_x:N[2]"``.

    Returns
    -------
    labels : dict of Atom to float
        Labeled fraction of each labeled atom.
    said : str
        The canonical text.

    Raises
    ------
    TracerError
        The text cannot be read, or labels nothing.
    """
    if "%" not in text and not any(isotope in text for isotope in (*ISOTOPES.values(), "-D")):
        fragment = parse_fragment(text, network)
        if fragment.metabolite not in network.inputs:
            raise TracerError(
                f"{text!r}: label enters with an input pool, and {fragment.metabolite} is none of "
                f"{network.name!r}; choose one of {', '.join(network.inputs)}."
            )
        return {Atom(fragment.metabolite, *atom): 1.0 for atom in fragment.atoms}, text.strip()
    tracers = parse_tracers(text, network)
    if tracers.unknown:
        raise TracerError(f"{text!r} leaves a percentage open; a label path needs a number.")
    labels: dict[Atom, float] = {}
    for pool, mixture in tracers.pools.items():
        for fraction, heavy in mixture:
            for element, position in heavy:
                atom = Atom(pool, element, position)
                labels[atom] = labels.get(atom, 0.0) + fraction
    if not labels:
        raise TracerError(f"{text!r} labels no atom; write for example '[1,2-13C2]glucose'.")
    return dict(sorted(labels.items())), tracers.text


def atom_text(atom: Atom) -> str:
    """Write an atom as chemists do: ``C1 of Glc_x``.

    Parameters
    ----------
    atom : Atom
        Any atom.
    """
    return f"{atom.element}{atom.position + 1} of {atom.metabolite}"


def _pools(
    network: Network,
    flows: Sequence[AtomFlow],
    labels: Mapping[Atom, float],
    solved: Mapping[Atom, Any],
    elements: Sequence[str],
    smallest: float,
) -> tuple[list[dict[str, Any]], int]:
    """The metabolites that are shown, nearest and most labeled first, with the number of those left out."""
    fractions = {atom: float(each[0]) for atom, each in solved.items()}
    nearest: dict[str, int] = {}
    most: dict[str, float] = {}
    for atom, arrival in arrivals(flows, labels, fractions).items():
        if atom.metabolite not in network.balanced and atom.metabolite not in network.inputs:
            continue
        most[atom.metabolite] = max(most.get(atom.metabolite, 0.0), fractions.get(atom, 0.0))
        if fractions.get(atom, 0.0) >= smallest:
            nearest[atom.metabolite] = min(nearest.get(atom.metabolite, arrival.distance), arrival.distance)
    order = sorted(nearest, key=lambda name: (nearest[name], -most[name]))
    counts = network.atom_counts
    shown = [
        {
            "name": name,
            "distance": nearest[name],
            "atoms": {e: counts[name][e] for e in elements if counts[name].get(e)},
            "symmetric": name in network.symmetric,
        }
        for name in order
    ]
    return shown, len(most) - len(nearest)


def _choice(
    network: Network,
    name: str,
    labels: Mapping[Atom, float],
    flows: Sequence[AtomFlow],
    fractions: Mapping[Atom, float],
    pools: Sequence[dict[str, Any]],
    smallest: float,
) -> dict[str, Any]:
    index = {each["name"]: i for i, each in enumerate(pools)}
    reached = arrivals(flows, labels, fractions)
    return {
        "name": name,
        "start": [[index[each.metabolite], each.element, each.position] for each in labels if each.metabolite in index],
        "fractions": [
            {
                element: [round(fractions.get(Atom(each["name"], element, i), 0.0), 4) for i in range(count)]
                for element, count in each["atoms"].items()
            }
            for each in pools
        ],
        "steps": _steps(network, reached, fractions, index, smallest),
    }


def _steps(
    network: Network,
    reached: Mapping[Atom, Arrival],
    fractions: Mapping[Atom, float],
    index: Mapping[str, int],
    smallest: float,
) -> list[dict[str, Any]]:
    """One step for each reaction that brings label to new atoms of a metabolite: nearest first, then most label."""
    grouped: dict[tuple[int, str, bool, str], list[AtomFlow]] = {}
    for atom, arrival in reached.items():
        if not arrival.flows or atom.metabolite not in index or fractions.get(atom, 0.0) < smallest:
            continue
        first = arrival.flows[0]
        ways = [each for each in arrival.flows if (each.reaction, each.backward) == (first.reaction, first.backward)]
        ways = [each for each in ways if each.source.metabolite in index]
        key = (arrival.distance, first.reaction, first.backward, atom.metabolite)
        if ways:
            grouped.setdefault(key, []).extend(ways)
    carried = {key: sum(each.rate * fractions.get(each.source, 0.0) for each in ways) for key, ways in grouped.items()}
    steps = []
    for key in sorted(grouped, key=lambda each: (each[0], -carried[each])):
        distance, name, backward, target = key
        ways = sorted(grouped[key], key=lambda each: (each.source, each.target))
        steps.append(
            {
                "reaction": name,
                "equation": equation(network.reactions[network.reaction_index[name]]),
                "backward": backward,
                "distance": distance,
                "target": index[target],
                "moves": [
                    [index[each.source.metabolite], each.source.element, each.source.position, each.target.position]
                    for each in ways
                ],
                "text": step_text(name, backward, ways, target in network.symmetric),
            }
        )
    return steps


def step_text(reaction: str, backward: bool, ways: Sequence[AtomFlow], symmetric: bool = False) -> str:
    """Say a step in words: ``ALD carries C1 of FBP.c to C3 of DHAP.c``.

    Parameters
    ----------
    reaction : str
        The reaction.
    backward : bool
        Whether it runs backward.
    ways : sequence of AtomFlow
        The atoms that it carries, to one metabolite.
    symmetric : bool
        Whether the product is a symmetric molecule, whose halves share the label.
    """
    goals: dict[tuple[str, str, int], list[int]] = {}
    for each in ways:
        goals.setdefault(each.source, []).append(each.target.position + 1)
    parts: dict[str, list[tuple[str, str]]] = {}
    for (metabolite, element, position), ends in goals.items():
        pair = (f"{element}{position + 1}", " or ".join(f"{element}{end}" for end in sorted(ends)))
        parts.setdefault(metabolite, []).append(pair)
    said = " and ".join(
        f"{', '.join(origin for origin, _ in pairs)} of {metabolite} to {', '.join(goal for _, goal in pairs)}"
        for metabolite, pairs in parts.items()
    )
    half = ", half of the label each way" if symmetric else ""
    return f"{reaction}{' (backward)' if backward else ''} carries {said} of {ways[0].target.metabolite}{half}"
