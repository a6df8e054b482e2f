"""Which pool of the circulation ``.@`` means, for each tissue."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from fluxkit.errors import NetworkError, suggest
from fluxkit.networks.bodies.plan import BodyPlan, Tissue
from fluxkit.networks.bodies.tissue_parts import Part
from fluxkit.networks.network import Participant, Reaction


class Vessels(NamedTuple):
    """Pools of the circulation as one tissue sees them: what it takes up from, releases into, and the three sides."""

    takes: str
    gives: str
    a: str
    v: str
    p: str


def vessels_of(plan: BodyPlan, tissue: Tissue | None) -> Vessels:
    """Return the pools that ``.@`` means.

    Parameters
    ----------
    plan : BodyPlan
        The plan.
    tissue : Tissue or None
        Who asks; ``None`` for the body as a whole.
    """
    circulation = plan.circulation
    pool = circulation.pool
    if circulation.kind == "plasma":
        return Vessels(pool, pool, pool, pool, pool)
    arterial, venous = pool + "a", pool + "v"
    if circulation.kind == "arterial-venous":
        return Vessels(arterial, venous, arterial, venous, venous)
    portal = pool + "p"
    takes = pool + "s" if tissue and tissue.letter == circulation.liver else arterial
    gives = portal if tissue and tissue.drains == "portal" else venous
    return Vessels(takes, gives, arterial, venous, portal)


def place(part: Part, plan: BodyPlan) -> tuple[Part, ...]:
    """Put a reaction into the pools of the circulation; reversible transport becomes a pair where there are several.

    Parameters
    ----------
    part : Part
        A reaction with ``.@``.
    plan : BodyPlan
        The plan.

    Returns
    -------
    tuple of Part
        One, or the pair ``NAME_f`` and ``NAME_r``.
    """
    reaction, vessels, shared = part.reaction, vessels_of(plan, part.owner), plan.circulation.shared

    def side(participants: tuple[Participant, ...], own: str) -> tuple[Participant, ...]:
        return tuple(
            Participant(_pool(each.metabolite, vessels, own, shared), each.coefficient, each.atoms)
            if ".@" in each.metabolite
            else each
            for each in participants
        )

    def turned(name: str, left: tuple[Participant, ...], right: tuple[Participant, ...], both: bool) -> Part:
        made = Reaction(name, side(left, vessels.takes), side(right, vessels.gives), both, reaction.note)
        return replace(part, reaction=made)

    if not (reaction.reversible and is_pair(part, plan)):
        return (turned(reaction.name, reaction.substrates, reaction.products, reaction.reversible),)
    return (
        turned(f"{reaction.name}_f", reaction.substrates, reaction.products, False),
        turned(f"{reaction.name}_r", reaction.products, reaction.substrates, False),
    )


def is_pair(part: Part, plan: BodyPlan) -> bool:
    """Tell whether a reversible reaction takes up from one pool and releases into another.

    Parameters
    ----------
    part : Part
        A reaction with ``.@``.
    plan : BodyPlan
        The plan.
    """
    both = (*part.reaction.substrates, *part.reaction.products)
    crossing = any(p.metabolite.endswith(".@") and p.metabolite[:-2] not in plan.circulation.shared for p in both)
    return part.reaction.reversible and crossing and plan.circulation.kind != "plasma"


def _pool(name: str, vessels: Vessels, own: str, shared: Iterable[str]) -> str:
    stem, _, mark = name.partition(".@")
    if stem in shared:
        return stem
    return f"{stem}.{getattr(vessels, mark) if mark else own}"


def circulating(parts: Iterable[Part], plan: BodyPlan) -> dict[str, Mapping[str, int]]:
    """Return the metabolites of the circulation with their atoms, in the order of the plan.

    Parameters
    ----------
    parts : iterable of Part
        All reactions that are not yet placed.
    plan : BodyPlan
        The plan.

    Raises
    ------
    NetworkError
        The plan names one that no tissue exchanges.
    """
    atoms: dict[str, Mapping[str, int]] = {}
    for part in parts:
        for each in (*part.reaction.substrates, *part.reaction.products):
            stem, mark, _ = each.metabolite.partition(".@")
            if mark and stem not in atoms:
                atoms[stem] = {element: len(letters) for element, letters in each.atoms.items()}
    for kind in ("metabolites", "shared"):
        for name in getattr(plan.circulation, kind):
            if name not in atoms:
                raise NetworkError(f"circulation, {kind}: no tissue exchanges {name!r}. {suggest(name, atoms)}")
    return {name: atoms[name] for name in dict.fromkeys((*plan.circulation.metabolites, *atoms))}
