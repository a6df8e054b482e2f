"""Linear systems solved on symbols: one elimination serves all right sides.

A block of balances is ``(outer_i + sum_j inner_ij) X_i = S_i + sum_j inner_ij X_j``. It is eliminated in the
subtraction-free form of Grassmann, Taksar & Heyman (1985, doi:10.1287/opre.33.5.1107): taking out an unknown hands its
sources to the unknowns that drew on it, so only sums, products and reciprocals of non-negative numbers are formed and
no digits cancel.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fluxkit.emu.tape import Slot, TapeBuilder

Vector = dict[tuple[int, ...], Slot]
"""Slots of some values by key; what is absent is zero."""
Terms = list[tuple[Slot, Vector]]
"""A weighted sum of vectors."""


class Step(NamedTuple):
    """One unknown taken out.

    Parameters
    ----------
    unknown : int
        Which one.
    inverse : Slot
        Reciprocal of its total weight.
    shares : mapping of int to Slot
        Which part of it comes from each unknown that is taken out later.
    dependents : mapping of int to Slot
        Weight with which it supplies each of them.
    """

    unknown: int
    inverse: Slot
    shares: Mapping[int, Slot]
    dependents: Mapping[int, Slot]


def eliminate(tape: TapeBuilder, inner: Sequence[Mapping[int, Slot]], outer: Sequence[Slot]) -> list[Step]:
    """Return the steps that eliminate all unknowns of a block.

    Parameters
    ----------
    tape : TapeBuilder
        Collects the operations.
    inner : sequence of mapping of int to Slot
        For each unknown, the weights of the others in its balance.
    outer : sequence of Slot
        For each unknown, the total weight of what is known.
    """
    inside = [dict(each) for each in inner]
    outside = list(outer)
    users: list[set[int]] = [set() for _ in inside]
    for i, row in enumerate(inside):
        for j in row:
            users[j].add(i)
    steps = []
    left = set(range(len(inside)))
    while left:
        # Markowitz: least work, that is users times what each of them inherits
        k = min(left, key=lambda each: (len(users[each]) * (1 + len(inside[each])), each))
        left.discard(k)
        total = outside[k]
        for j, weight in sorted(inside[k].items()):
            total = tape.add(total, weight)
            users[j].discard(k)
        inverse = tape.reciprocal(total)
        shares = {j: tape.multiply(weight, inverse) for j, weight in sorted(inside[k].items())}
        dependents = {i: inside[i].pop(k) for i in sorted(users[k])}
        for i, weight in dependents.items():
            for j, share in shares.items():
                if j != i:
                    inside[i][j] = tape.multiply_add(inside[i].get(j), weight, share)
                    users[j].add(i)
            outside[i] = tape.multiply_add(outside[i], weight, tape.multiply(outside[k], inverse))
        steps.append(Step(k, inverse, shares, dependents))
    return steps


def solve(tape: TapeBuilder, steps: Sequence[Step], supply: Sequence[Terms]) -> list[Vector]:
    """Return the unknowns ``X`` of a block for the right sides ``S``.

    Parameters
    ----------
    tape : TapeBuilder
        Collects the operations.
    steps : sequence of Step
        The elimination.
    supply : sequence of Terms
        For each unknown, its right side as a weighted sum.
    """
    terms = [list(each) for each in supply]
    solved: list[Vector] = [{} for _ in supply]
    for step in steps:
        # the weights are divided, not the values: there are fewer of them
        divided = [(tape.multiply(weight, step.inverse), vector) for weight, vector in terms[step.unknown]]
        own = solved[step.unknown] = _add(tape, {}, divided)
        for i, weight in step.dependents.items():
            terms[i].append((weight, own))
    for step in reversed(steps):
        _add(tape, solved[step.unknown], [(share, solved[j]) for j, share in step.shares.items()])
    return solved


def _add(tape: TapeBuilder, total: Vector, terms: Terms) -> Vector:
    """Add a weighted sum to a vector, in place."""
    for weight, vector in terms:
        for key, slot in vector.items():
            total[key] = tape.multiply_add(total.get(key), weight, slot)
    return total
