"""The blood that carries metabolites from pool to pool, and what known flows say of the gross fluxes."""

from collections.abc import Mapping
from dataclasses import dataclass

from fluxkit.networks.bodies.blood_flow import BloodFlows
from fluxkit.networks.bodies.plan import BodyPlan
from fluxkit.networks.bodies.tissue_parts import Part
from fluxkit.networks.network import Equality, Participant, Reaction

LETTERS = {
    "C": "abcdefghijklmnopqrstuvwxyz",
    "N": "nmopqrstuvwxyzabcdefghijkl",
    "H": "abcdefghijklmnopqrstuvwxyz",
}


@dataclass(frozen=True)
class Blood:
    """Reactions that carry metabolites, each with its metabolite, and what flows say of the gross fluxes."""

    reactions: tuple[tuple[str, Reaction], ...] = ()
    equalities: tuple[Equality, ...] = ()


def molecule(pool: str, atoms: Mapping[str, int]) -> Participant:
    """Return one molecule of a pool, its atoms in order.

    Parameters
    ----------
    pool : str
        Name of the pool.
    atoms : mapping of str to int
        Number of atoms of each element.
    """
    return Participant(pool, 1.0, {element: LETTERS[element][:count] for element, count in atoms.items()})


def carry(name: str, metabolite: str, source: str, target: str, atoms: Mapping[str, int]) -> Reaction:
    """Return the reaction that carries a metabolite from pool to pool.

    Parameters
    ----------
    name, metabolite : str
        Name of the reaction, and of the metabolite without pool.
    source, target : str
        Letters of the pools.
    atoms : mapping of str to int
        Number of atoms of each element.
    """
    substrate, product = (molecule(f"{metabolite}.{pool}", atoms) for pool in (source, target))
    return Reaction(name, (substrate,), (product,))


def blood_of(
    parts: tuple[Part, ...], metabolites: Mapping[str, Mapping[str, int]], plan: BodyPlan, flows: BloodFlows | None
) -> Blood:
    """Return the FLOW and PASS reactions, and the equalities of known blood flows.

    With flows, of every tissue ``t`` and metabolite ``m``: uptake + PASS = Q_t c(m), with the arterial concentration
    c(m); so (uptake + PASS) / Q_t is the same for all tissues, and for what flows past them, of which the rest of the
    body takes ``REST_m_out``.

    Parameters
    ----------
    parts : tuple of Part
        All reactions, in their pools.
    metabolites : mapping of str to (mapping of str to int)
        What circulates, with its atoms.
    plan : BodyPlan
        The plan.
    flows : BloodFlows or None
        Blood flow of each tissue, where they are known.
    """
    circulation = plan.circulation
    if circulation.kind == "plasma":
        return Blood()
    pool = circulation.pool
    moving = {name: atoms for name, atoms in metabolites.items() if name not in circulation.shared}
    made: list[tuple[str, Reaction]] = []
    equalities: list[Equality] = []
    for name, atoms in moving.items():
        made.append((name, carry(f"FLOW_{name}", name, pool + "v", pool + "a", atoms)))
        if flows is None:
            made.append((name, carry(f"PASS_{name}", name, pool + "a", pool + "v", atoms)))
            continue
        streams, more = _streams(name, atoms, parts, plan, flows)
        made += [(name, each) for each in more]
        (first, share), *others = streams
        for terms, other in others:
            ratio = {key: factor / other for key, factor in terms.items()}
            equalities.append(Equality({**ratio, **{key: -factor / share for key, factor in first.items()}}))
    return Blood(tuple(made), tuple(equalities))


def _streams(
    name: str, atoms: Mapping[str, int], parts: tuple[Part, ...], plan: BodyPlan, flows: BloodFlows
) -> tuple[list[tuple[dict[str, float], float]], list[Reaction]]:
    """Return what leaves arterial plasma, as gross fluxes with their blood flow, and the reactions that carry it."""
    pool, liver = plan.circulation.pool, plan.circulation.liver
    arterial, venous, portal, inflow = (pool + end for end in "avps")
    streams: list[tuple[dict[str, float], float]] = []
    made: list[Reaction] = []
    past, is_used = flows.rest, name in plan.rest
    for tissue in plan.tissues:
        if tissue.letter not in flows.organs:
            continue
        share = flows.organs[tissue.letter]
        uptake: dict[str, float] = {}
        for part in parts:
            for each in part.reaction.substrates if part.owner is tissue else ():
                if each.metabolite == f"{name}.{arterial}":
                    uptake[part.reaction.name] = uptake.get(part.reaction.name, 0.0) + each.coefficient
        if not uptake and tissue.drains == "venous" and not is_used:
            past += share  # nothing of it is taken up here, so it passes with the rest, which takes nothing either
            continue
        target = portal if tissue.drains == "portal" else venous
        made.append(carry(f"PASS_{tissue.letter}_{name}", name, arterial, target, atoms))
        streams.append(({**uptake, made[-1].name: 1.0}, share))
    if plan.circulation.kind == "portal":
        made.append(carry(f"FLOW_{portal}_{name}", name, portal, inflow, atoms))
        if flows.hepatic_artery:
            made.append(carry(f"FLOW_{inflow}_{name}", name, arterial, inflow, atoms))
            streams.append(({made[-1].name: 1.0}, flows.hepatic_artery))
        made.append(carry(f"PASS_{liver}_{name}", name, inflow, venous, atoms))
    if past:
        made.append(carry(f"PASS_{name}", name, arterial, venous, atoms))
        streams.append(({**({f"REST_{name}_out": 1.0} if is_used else {}), made[-1].name: 1.0}, past))
    return streams, made
