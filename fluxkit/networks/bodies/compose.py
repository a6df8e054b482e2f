"""From the plan of a body to its network."""

from collections.abc import Iterable, Mapping
from typing import Any

from fluxkit.errors import NetworkError, suggest
from fluxkit.networks.bodies.blood import blood_of, molecule
from fluxkit.networks.bodies.blood_flow import read_flows
from fluxkit.networks.bodies.defaults import flow_rule, known_rate, limits_of, net_rule, pair_rules
from fluxkit.networks.bodies.observed import observed
from fluxkit.networks.bodies.plan import BodyPlan
from fluxkit.networks.bodies.pools import circulating, is_pair, place
from fluxkit.networks.bodies.templates import Default
from fluxkit.networks.bodies.tissue_parts import Part, body_parts, tissue_parts, with_reversible
from fluxkit.networks.network import Equality, FluxRule, Network, Reaction


def compose_body(plan: BodyPlan) -> Network:
    """Compose the network of a whole body, or of a co-culture, from its plan.

    Parameters
    ----------
    plan : BodyPlan
        Tissues, circulation and interfaces.

    Returns
    -------
    Network
        With bounds and prior targets of the templates, ``compartments`` that name tissues and pools, the ``sizes`` of
        tissues with a scale or fraction, and observations such as ``"liver citrate"`` and ``"plasma lactate"``.

    Raises
    ------
    NetworkError
        The plan cannot be a body; the message names tissue, value and cure.
    UnknownNameError
        A template does not exist.

    Examples
    --------
    Liver, muscle and brain, fed on a labeled meal; what has no tissue here is the rest of the body:

    >>> from fluxkit import BodyPlan, Tissue, compose_body
    >>> plan = BodyPlan(
    ...     name="fed",
    ...     tissues=(Tissue("L", "liver"), Tissue("M", "muscle"), Tissue("B", "brain"), Tissue("E", "red_cells")),
    ...     interfaces=("breath",),
    ...     diet={"Glc": 60, "Ala": 5},
    ...     rest=("Glyc", "OFA", "Pal", "Prop", "Urea"),
    ... )
    >>> compose_body(plan).compartments["M"]
    'muscle'

    The same as text, ``fed.toml``, for :func:`fluxkit.read_network`::

        name = "fed"
        interfaces = ["breath"]
        diet = { Glc = 60, Ala = 5 }
        rest = ["Glyc", "OFA", "Pal", "Prop", "Urea"]

        [tissues]
        L = "liver"
        M = "muscle"
        B = "brain"
        E = "red_cells"

    A mouse that bears a tumour is the bundled mouse and one more tissue::

        name = "tumour mouse"
        base = "wholebody"
        [tissues.T]
        name = "tumour"
        modules = ["glycolysis", "lactate", "pyruvate_oxidation", "tca_cycle", "malic_enzyme", "glutamine", "ammonia"]
        add = ["GLUX: Glu (abcde){n} -> GluProt_x (abcde){n}"]
        scale = 0.05
    """
    return Network(plan.name, **body_fields(plan, name=False))


def body_fields(plan: BodyPlan, *, equalities: bool = True, name: bool = True) -> dict[str, Any]:
    """Return the fields of the network of a body.

    Parameters
    ----------
    plan : BodyPlan
        The plan.
    equalities : bool
        Whether the templates' equalities are taken; those of blood flows always are.
    name : bool
        Whether the name is one of the fields.

    Raises
    ------
    NetworkError, UnknownNameError
        As of :func:`compose_body`.
    """
    tissues = {each.letter: tissue_parts(each, plan) for each in plan.tissues}
    interfaces = body_parts(plan.interfaces, plan)
    inside = [part for each in tissues.values() for part in each.main]
    outside = [*interfaces.main]
    late = [part for each in tissues.values() for part in each.last]
    atoms = circulating((*inside, *outside, *late), plan)
    outside += [*_supplied("INF", "inf", ".@a", plan.rates("infusions"), atoms, plan)]
    outside += [*_supplied("DIET", "diet", ".@p", plan.rates("diet"), atoms, plan), *_rest(atoms, plan)]
    parts = with_reversible((*inside, *outside, *late), plan)
    _check_ends(parts, plan)

    limits = limits_of(plan)
    placed: list[Part] = []
    rules: dict[str, FluxRule] = {}
    pairs: set[str] = set()
    for part in parts:
        made = place(part, plan)
        placed += made
        if is_pair(part, plan):
            pairs.add(part.reaction.name)
            found = pair_rules(part.default, limits, part.size)
        else:
            found = (net_rule(part.default, limits, part.reaction.reversible, part.size),)
        rules |= {each.reaction.name: rule for each, rule in zip(made, found, strict=True) if rule is not None}
    floating = [letter for letter, each in tissues.items() if each.in_blood]
    flows = read_flows(plan, floating)
    blood = blood_of(tuple(placed), atoms, plan, flows)
    for metabolite, reaction in blood.reactions:
        rule = flow_rule(metabolite, reaction.name == f"FLOW_{metabolite}", limits, plan)
        rules |= {reaction.name: rule} if rule is not None else {}
    brought = (*tissues.values(), interfaces)
    own = [_in_pairs(each, pairs) for part in brought for each in part.equalities] if equalities else []
    symmetric = {name for part in brought for each in part.symmetric for name in _in_pools(each, atoms, plan)}
    fields = {
        "reactions": (*(each.reaction for each in placed), *(reaction for _, reaction in blood.reactions)),
        "symmetric": frozenset(symmetric),
        "rules": rules,
        "equalities": (*own, *blood.equalities),
        "flux_unit": plan.flux_unit,
        "compartments": plan.compartments,
        "sizes": plan.sizes,
    }
    fields["observations"] = observed(plan, floating, fields["reactions"])
    return {**fields, "name": plan.name} if name else fields


def _in_pairs(equality: Equality, pairs: set[str]) -> Equality:
    """Write the net flux of a transport that became a pair as forward minus backward."""
    terms: dict[str, float] = {}
    for name, factor in equality.coefficients.items():
        terms |= {f"{name}_f": factor, f"{name}_r": -factor} if name in pairs else {name: factor}
    return Equality(terms, equality.value)


def _in_pools(name: str, atoms: Mapping[str, Mapping[str, int]], plan: BodyPlan) -> Iterable[str]:
    """Yield the pools of a metabolite that a template calls symmetric: in the circulation, all of them."""
    stem, mark, _ = name.partition(".@")
    if not mark:
        yield name
    elif stem in plan.circulation.shared:
        yield stem
    elif stem in atoms:
        yield from (f"{stem}.{pool}" for pool in plan.circulation.compartments)


def _supplied(
    prefix: str,
    tail: str,
    mark: str,
    rates: Mapping[str, float | None],
    atoms: Mapping[str, Mapping[str, int]],
    plan: BodyPlan,
) -> Iterable[Part]:
    """Yield infusions and meals: an external pool of its own for each."""
    for text, rate in rates.items():
        name, _, pool = text.partition(":")
        pool = pool.strip() or name
        if pool not in atoms:
            raise NetworkError(
                f"body {plan.name!r}: {prefix}_{name} goes into {pool!r}, which no tissue exchanges with the "
                f"circulation. {suggest(pool, atoms)}"
            )
        reaction = Reaction(
            f"{prefix}_{name}",
            (molecule(f"{name}_{tail}_x", atoms[pool]),),
            (molecule(pool + mark, atoms[pool]),),
        )
        known = known_rate(name, plan) if prefix == "INF" else None
        yield Part(reaction, None, known if rate is None else Default(rate, rate, rate, 1.0))


def _rest(atoms: Mapping[str, Mapping[str, int]], plan: BodyPlan) -> Iterable[Part]:
    for name in plan.rest:
        if name not in atoms:
            raise NetworkError(
                f"body {plan.name!r}, rest: no tissue exchanges {name!r} with the circulation. {suggest(name, atoms)}"
            )
        count = atoms[name]
        yield Part(Reaction(f"REST_{name}_in", (molecule(f"{name}_rest_x", count),), (molecule(f"{name}.@v", count),)))
        yield Part(Reaction(f"REST_{name}_out", (molecule(f"{name}.@a", count),), (molecule(f"{name}_used_x", count),)))


def _check_ends(parts: Iterable[Part], plan: BodyPlan) -> None:
    """Refuse what nothing balances in the circulation: blood that flows past would hide the dead end."""
    enters: dict[str, list[str]] = {}
    leaves: dict[str, list[str]] = {}
    for part in parts:
        reaction = part.reaction
        for side, ways in ((reaction.substrates, (leaves, enters)), (reaction.products, (enters, leaves))):
            for stem, mark, _ in (each.metabolite.partition(".@") for each in side):
                for way in ways[: 1 + reaction.reversible] if mark else ():
                    way.setdefault(stem, []).append(reaction.name)
    faults = {}
    for name in sorted({*enters, *leaves}):
        through = {*enters.get(name, ()), *leaves.get(name, ())}
        if name not in enters or name not in leaves:
            faults[name] = f"{name!r} only {'enters' if name in enters else 'leaves'} it"
        elif len(through) == 1:
            faults[name] = f"{name!r} takes part in {next(iter(through))!r} only"
    if faults:
        raise NetworkError(
            f"body {plan.name!r}, circulation: {', '.join(faults.values())}; at steady state nothing flows there. Add "
            "a tissue or interface that closes the balance, omit the reactions, or name what the rest of the body does:"
            f" rest = {list(faults)}."
        )
