"""Structural checks: an invalid network is refused with the reaction, the atom and the cure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog

from fluxkit.errors import NetworkError, suggest

if TYPE_CHECKING:
    from fluxkit.networks.fragments import Fragment
    from fluxkit.networks.network import Network, Participant, Reaction

ELEMENT_NAMES = {"C": "carbon", "N": "nitrogen", "H": "hydrogen"}


def check_network(network: "Network") -> None:
    """Refuse a network whose atoms, names, bounds or balances are wrong.

    Parameters
    ----------
    network : Network
        The network to check.

    Raises
    ------
    NetworkError
        The first group of faults found, each with the reaction, the atom and the cure.
    """
    for check in (
        _names,
        _participants,
        _atom_counts,
        _atom_transitions,
        _symmetry,
        _dead_ends,
        _rules,
        _sizes,
        _feasibility,
    ):
        faults = check(network)
        if faults:
            raise NetworkError(f"network {network.name!r}: " + "\n".join(faults))


def _names(network: "Network") -> list[str]:
    if not network.reactions:
        return ["it has no reactions; add at least one line 'name: A (ab) -> B (ab)'."]
    repeated = [name for name, n in Counter(network.reaction_names).items() if n > 1]
    return [f"reaction {name!r} is defined more than once; rename one of them." for name in repeated]


def _participants(network: "Network") -> list[str]:
    faults = []
    for reaction in network.reactions:
        if not reaction.substrates and not reaction.products:
            faults.append(f"reaction {reaction.name!r} is empty; write 'name: A (ab) -> B (ab)'.")
        for _, each in _sides(reaction):
            unknown = sorted(set(each.atoms) - set(ELEMENT_NAMES))
            if unknown:
                faults.append(
                    f"reaction {reaction.name!r}: {each.metabolite} has atoms of {unknown[0]!r}; "
                    f"the elements that are traced are {', '.join(ELEMENT_NAMES)}."
                )
            if not 0 < each.coefficient < np.inf:
                faults.append(
                    f"reaction {reaction.name!r}: {each.metabolite} has coefficient {each.coefficient:g}; "
                    "coefficients are positive, move the metabolite to the other side instead."
                )
    return faults


def _sides(reaction: "Reaction") -> Iterable[tuple[str, "Participant"]]:
    yield from (("left", each) for each in reaction.substrates)
    yield from (("right", each) for each in reaction.products)


def _atom_counts(network: "Network") -> list[str]:
    first: dict[str, tuple[str, Mapping[str, int]]] = {}
    faults = []
    for reaction in network.reactions:
        for _, each in _sides(reaction):
            counts = {element: len(letters) for element, letters in each.atoms.items()}
            origin, expected = first.setdefault(each.metabolite, (reaction.name, counts))
            for element in sorted({*counts, *expected}):
                have, want = counts.get(element, 0), expected.get(element, 0)
                if have != want:
                    faults.append(
                        f"reaction {reaction.name!r}: {each.metabolite} has {have} {ELEMENT_NAMES[element]} "
                        f"letters, but {want} in reaction {origin!r}; give it one letter per atom everywhere."
                    )
    return faults


def _atom_transitions(network: "Network") -> list[str]:
    faults = []
    for reaction in network.reactions:
        for element, label in ELEMENT_NAMES.items():
            left, right = (
                Counter("".join(each.atoms.get(element, "") for each in side))
                for side in (reaction.substrates, reaction.products)
            )
            place = f"reaction {reaction.name!r}: {label}"
            for letter in sorted({*left, *right}):
                if left[letter] > 1 or right[letter] > 1:
                    side = "left" if left[letter] > 1 else "right"
                    made = "comes from two places" if side == "left" else "is produced twice"
                    faults.append(
                        f"{place} atom {letter!r} {made} ({side} side); use a different letter for each atom."
                    )
                elif left[letter] != right[letter]:
                    have, lack = ("left", "right") if left[letter] else ("right", "left")
                    faults.append(
                        f"{place} atom {letter!r} stands on the {have} but not on the {lack}; "
                        f"add it to a metabolite on the {lack}, or drop it."
                    )
    return faults


def _symmetry(network: "Network") -> list[str]:
    return [
        f"symmetric metabolite {name!r} takes part in no reaction. {suggest(name, network.metabolites)}"
        for name in sorted(network.symmetric)
        if name not in network.atom_counts
    ]


def _dead_ends(network: "Network") -> list[str]:
    produced: dict[str, str] = {}
    consumed: dict[str, str] = {}
    for reaction in network.reactions:
        for side, each in _sides(reaction):
            if side == "right" or reaction.reversible:
                produced.setdefault(each.metabolite, reaction.name)
            if side == "left" or reaction.reversible:
                consumed.setdefault(each.metabolite, reaction.name)
    faults = []
    for name in network.balanced:
        neighbours = [r.name for r in network.reactions for _, each in _sides(r) if each.metabolite == name]
        if name not in produced or name not in consumed or len(neighbours) == 1:
            missing = "produced" if name not in produced else "consumed"
            missing = missing if name not in produced or name not in consumed else "connected to a second reaction"
            known = produced.get(name) or consumed.get(name)
            faults.append(
                f"metabolite {name!r} (reaction {known!r}) is never {missing}: a dead end at steady state; "
                f"add a reaction, or make it external by the name {name + '_x'!r}."
            )
    return faults


def _rules(network: "Network") -> list[str]:
    faults = []
    names = set(network.reaction_names)
    for where, keys in (
        ("a flux rule", network.rules),
        ("the reference state", network.reference),
        ("an equality", dict.fromkeys(name for each in network.equalities for name in each.coefficients)),
    ):
        faults += [
            f"{where} names reaction {n!r}, which does not exist. {suggest(n, names)}" for n in keys if n not in names
        ]
    if network.reference:
        faults += [
            f"the reference state lacks reaction {n!r}; add its row."
            for n in network.reaction_names
            if n not in network.reference
        ]
    for name, rule in network.rules.items():
        if name not in names:
            continue
        if not rule.lower <= rule.upper:
            faults.append(
                f"reaction {name!r}: lower bound {rule.lower:g} exceeds upper bound {rule.upper:g}; swap them."
            )
        if rule.lower < 0 and not network.reactions[network.reaction_index[name]].reversible:
            faults.append(
                f"reaction {name!r}: lower bound {rule.lower:g} is negative, but '->' allows one direction "
                "only; raise the bound to 0, or write '<->'."
            )
        low = 0.0 if rule.exchange_lower is None else rule.exchange_lower
        high = np.inf if rule.exchange_upper is None else rule.exchange_upper
        if not 0 <= low <= high:
            faults.append(f"reaction {name!r}: exchange bounds {low:g} to {high:g} must satisfy 0 <= lower <= upper.")
        if not rule.weight > 0:
            faults.append(f"reaction {name!r}: target weight {rule.weight:g} must be positive.")
    return faults


def _sizes(network: "Network") -> list[str]:
    return [
        f"the size of {suffix!r} is {size:g}; it is a mass per unit of body or a share of the cells, above 0."
        for suffix, size in network.sizes.items()
        if not 0 < size < np.inf
    ]


def _feasibility(network: "Network") -> list[str]:
    """Find whether any flux state balances within the bounds; if not, which reactions are in the way."""
    lower, upper = network.net_bounds
    balance, value = equality_system(network)
    size = len(lower)
    cost = np.r_[np.zeros(size), np.ones(2 * size)]  # least total violation of the bounds
    matrix = np.hstack([balance, balance, -balance])
    bounds = [*zip(lower, upper, strict=True), *[(0, None)] * (2 * size)]
    result = linprog(cost, A_eq=matrix, b_eq=value, bounds=bounds, method="highs")
    if result.status != 0:
        return ["the linear equalities contradict each other whatever the bounds; remove one of them."]
    slack = result.x[size : 2 * size] - result.x[2 * size :]
    if result.fun <= 1e-7 * max(1.0, float(np.abs(result.x).max())):
        return []
    worst = np.argsort(-np.abs(slack))[:3]
    parts = [
        f"{network.reaction_names[i]!r} (bounds {lower[i]:g} to {upper[i]:g}) would need {result.x[i] + slack[i]:g}"
        for i in worst
        if abs(slack[i]) > 1e-9
    ]
    return ["no flux state balances within the bounds; " + ", ".join(parts) + ": widen these bounds."]


def equality_system(network: "Network") -> tuple[np.ndarray, np.ndarray]:
    """Return matrix and right-hand side of every linear equality on net fluxes: balances, then constraints.

    Parameters
    ----------
    network : Network
        Any network.

    Returns
    -------
    matrix : numpy.ndarray
        Shape ``(balanced + equalities, reaction)``.
    value : numpy.ndarray
        Shape ``(balanced + equalities,)``.
    """
    rows = [network.stoichiometry]
    values = [np.zeros(len(network.balanced))]
    for equality in network.equalities:
        row = np.zeros((1, len(network.reactions)))
        for name, coefficient in equality.coefficients.items():
            row[0, network.reaction_index[name]] = coefficient
        rows.append(row)
        values.append(np.array([equality.value]))
    return np.vstack(rows), np.concatenate(values)


def check_reachable(network: "Network", fragments: Iterable["Fragment"], labeled: Iterable[str]) -> None:
    """Refuse fragments that no atom of the labeled input pools can reach.

    Parameters
    ----------
    network : Network
        The network.
    fragments : iterable of Fragment
        What is measured.
    labeled : iterable of str
        Input pools that carry a tracer.

    Raises
    ------
    NetworkError
        A fragment holds no atom that any tracer can reach.
    """
    origins = atom_origins(network)
    labeled = set(labeled)
    for fragment in fragments:
        if not any(origins[fragment.metabolite, element, i] & labeled for element, i in fragment.atoms):
            sources = sorted({s for e, i in fragment.atoms for s in origins[fragment.metabolite, e, i]})
            raise NetworkError(
                f"network {network.name!r}: no atom of {fragment.name!r} can come from the tracers in "
                f"{', '.join(sorted(labeled)) or 'no pool'}; its atoms come from "
                f"{', '.join(sources) or 'nowhere'}. Label one of these, or leave the fragment out."
            )


def atom_origins(network: "Network") -> dict[tuple[str, str, int], frozenset[str]]:
    """Return, for each atom ``(metabolite, element, position)``, the input pools that it can come from."""
    parents: dict[tuple[str, str, int], set[tuple[str, str, int]]] = {}
    for reaction in network.reactions:
        directions = [(reaction.substrates, reaction.products)]
        if reaction.reversible:
            directions.append((reaction.products, reaction.substrates))
        for sources, targets in directions:
            home = {
                (e, a): (p.metabolite, e, i)
                for p in sources
                for e, letters in p.atoms.items()
                for i, a in enumerate(letters)
            }
            for each in targets:
                for element, letters in each.atoms.items():
                    for i, letter in enumerate(letters):
                        positions = {i, len(letters) - 1 - i} if each.metabolite in network.symmetric else {i}
                        for position in positions:
                            parents.setdefault((each.metabolite, element, position), set()).add(home[element, letter])
    origins: dict[tuple[str, str, int], set[str]] = {
        (name, element, i): {name} if name in network.inputs else set()
        for name, counts in network.atom_counts.items()
        for element, n in counts.items()
        for i in range(n)
    }
    changed = True
    while changed:
        changed = False
        for atom, sources in parents.items():
            if atom[0] in network.inputs:
                continue
            found = set().union(*(origins[each] for each in sources))
            if not found <= origins[atom]:
                origins[atom] |= found
                changed = True
    return {atom: frozenset(names) for atom, names in origins.items()}
