"""What can be measured in a body: common names of metabolites, with the pools that they mean there."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from fluxkit.networks.bodies.plan import BodyPlan, Tissue
from fluxkit.networks.bodies.pools import vessels_of
from fluxkit.networks.bodies.templates import FOLDER
from fluxkit.networks.network import EXTERNAL_SUFFIX, Reaction
from fluxkit.networks.observations import (
    UNLABELED,
    Observation,
    ObservationTable,
    PoolShare,
    parse_pools,
    split_unlabeled,
)
from fluxkit.networks.tables import read_number, read_rows

MEDIUM = "medium"  # what cells stand in; unlike blood it is not in them when they are measured
_MARKED = re.compile(r"(\w+)\.@([avp]?)")


class _Name(NamedTuple):
    """One row of the vocabulary, with its marks."""

    measured: str
    formula: str
    pools: str
    sd: float | None
    typical: float | None
    note: str


@lru_cache
def _vocabulary() -> tuple[_Name, ...]:
    path = FOLDER / "observed.tsv"
    found = []
    for number, row in read_rows(path, required=("measured", "formula", "pools")):
        where = f"{path.name}, line {number}"
        sd, typical = (read_number(row, each, None, where) for each in ("sd", "typical_weight"))
        found.append(_Name(row["measured"], row["formula"], row["pools"], sd, typical, row.get("note") or ""))
    return tuple(found)


def observed(plan: BodyPlan, in_blood: Container[str], reactions: Iterable[Reaction]) -> ObservationTable:
    """Return the observation table of a body: the rows of its plan, then a row for every other pool with a common name.

    A row is named by its tissue, ``"liver citrate"``, or by the circulation, ``"plasma lactate"`` (arterial plasma,
    where there are several pools). Tissue holds blood as in the bundled bodies; cells in a medium, and what floats in
    the blood, are measured by themselves. A name that several tissues bear has no rows.

    Parameters
    ----------
    plan : BodyPlan
        The plan; rows of its observations whose pools the body lacks are left out.
    in_blood : container of str
        Letters of what floats in the blood.
    reactions : iterable of Reaction
        All reactions of the body.
    """
    sides = ((*each.substrates, *each.products) for each in reactions)
    atoms = {each.metabolite: {e: len(letters) for e, letters in each.atoms.items()} for side in sides for each in side}
    names = Counter((plan.circulation.name, *(each.name for each in plan.tissues)))
    owners = [None, *(each for each in plan.tissues if names[each.name] == 1)]
    entries: dict[str, Observation] = {}
    weights: dict[str, float] = {}
    for owner in owners:
        for row in _vocabulary():
            name = _called(row, owner, plan, in_blood)
            if name is None or name in entries:
                continue
            shares = parse_pools(_placed(row.pools, owner, plan), name)
            if not _exist(shares, row.formula, atoms):
                continue
            pools, unlabeled = split_unlabeled(shares)
            entries[name] = Observation(name, pools, row.formula, False, row.sd, row.note, unlabeled)
            if row.typical is not None:
                weights |= dict.fromkeys(entries[name].weights, row.typical)
    kept = {
        name: each
        for name, each in plan.observations.entries.items()
        if all(_metabolite(pool.fragment) in atoms for pool in each.pools)
    }
    first = ObservationTable(kept, plan.observations.typical_weights)
    return ObservationTable({**kept, **entries}, weights).with_rows(first)


def inherited(table: ObservationTable, old: Mapping[str, str], new: Mapping[str, str]) -> ObservationTable:
    """Return the rows of which tissue and pools are in compartments that still bear the same name.

    Parameters
    ----------
    table : ObservationTable
        Rows of the base.
    old, new : mapping of str to str
        Suffix and name of every compartment, of the base and of the body made of it.
    """

    def stays(pool: PoolShare) -> bool:
        suffix = _metabolite(pool.fragment).removesuffix(EXTERNAL_SUFFIX).rpartition(".")[2]
        return old.get(suffix) == new.get(suffix)

    def of_who_stays(name: str) -> bool:  # a row may name a tissue without a pool of it: its glucose is that of plasma
        owners = [each for each in old.values() if name.startswith(f"{each} ")]
        return not owners or max(owners, key=len) in new.values()

    kept = {name: each for name, each in table.entries.items() if of_who_stays(name) and all(map(stays, each.pools))}
    return ObservationTable().with_rows(ObservationTable(kept, table.typical_weights))


def _called(row: _Name, owner: Tissue | None, plan: BodyPlan, in_blood: Container[str]) -> str | None:
    """Return the name of a row of one tissue, or of the body; ``None`` where it has no such row."""
    mark, _, metabolite = row.measured.partition(" ")
    if (mark == "%") != (owner is not None):
        return None
    if mark == "@":
        return f"{plan.circulation.name} {metabolite}"
    if "@" in row.pools and (plan.circulation.name == MEDIUM or (owner and owner.letter in in_blood)):
        return None
    return row.measured if owner is None else f"{owner.name} {metabolite}"


def _placed(pools: str, owner: Tissue | None, plan: BodyPlan) -> str:
    """Return the pools of a row in the body, for the marks."""
    vessels = vessels_of(plan, owner)

    def place(match: re.Match[str]) -> str:
        stem, side = match.groups()
        return stem if stem in plan.circulation.shared else f"{stem}.{getattr(vessels, side or 'gives')}"

    text = _MARKED.sub(place, pools)
    return text if owner is None else text.replace("%", owner.letter)


def _exist(shares: Iterable[PoolShare], formula: str, atoms: Mapping[str, Mapping[str, int]]) -> bool:
    """Tell whether the body has all pools, with as many atoms as the formula."""
    for each in shares:
        if each.fragment != UNLABELED:
            metabolite, _, element = each.fragment.partition(":")
            element = element or "C"
            match = re.search(rf"{element}(?![a-z])(\d*)", formula)
            wanted = int(match[1] or 1) if match else 0
            if not wanted or atoms.get(metabolite, {}).get(element) != wanted:
                return False
    return True


def _metabolite(fragment: str) -> str:
    return re.split(r"[:\[]", fragment, maxsplit=1)[0]
