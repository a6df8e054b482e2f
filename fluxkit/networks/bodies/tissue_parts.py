"""From a template to a tissue: metabolites get a suffix, reactions a prefix, what crosses its border a scale."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from fluxkit.errors import NetworkError, suggest
from fluxkit.networks.bodies.plan import BodyPlan, Tissue
from fluxkit.networks.bodies.templates import Default, Template, join_templates
from fluxkit.networks.network import EXTERNAL_SUFFIX, Equality, Participant, Reaction


@dataclass(frozen=True)
class Part:
    """A reaction of a body whose ``.@`` does not mean a pool yet.

    Parameters
    ----------
    reaction : Reaction
        With its name in the body.
    owner : Tissue or None
        The tissue; ``None`` for the body as a whole.
    default : Default or None
        What is known of its flux beforehand, in the unit of the body.
    """

    reaction: Reaction
    owner: Tissue | None = None
    default: Default | None = None

    @property
    def size(self) -> float:
        """Units of body per unit of its flux."""
        return 1.0 if self.owner is None else self.owner.size


@dataclass(frozen=True)
class TissueParts:
    """What a tissue brings into a body: parts that stand in its own place, and parts that stand last."""

    main: tuple[Part, ...]
    last: tuple[Part, ...]
    symmetric: frozenset[str]
    equalities: tuple[Equality, ...]
    in_blood: bool


def tissue_parts(tissue: Tissue, plan: BodyPlan) -> TissueParts:
    """Return the reactions of one tissue.

    Parameters
    ----------
    tissue : Tissue
        A tissue of the plan.
    plan : BodyPlan
        The plan, for its compartments, sizes and unit.

    Raises
    ------
    NetworkError
        A reaction to omit does not exist, the unit is not that of the body, or nothing joins it to the circulation.
    """
    where = f"tissue {tissue.letter!r} ({tissue.name})"
    own = (*tissue.modules, *tissue.add)
    template = join_templates((*own, *tissue.extend), where)
    _check_unit(template, plan, where)
    names = [each.name for each in template.reactions]
    for name in tissue.omit:
        if name not in names:
            raise NetworkError(f"{where} omits reaction {name!r}, which its template lacks. {suggest(name, names)}")
    count = 0 if tissue.last else len(join_templates(own, where).reactions)
    kept = [(i < count, each) for i, each in enumerate(template.reactions) if each.name not in tissue.omit]
    parts = [(early, _part(each, tissue, template, plan, where)) for early, each in kept]
    if not any(".@" in p.metabolite for _, each in kept for p in (*each.substrates, *each.products)):
        raise NetworkError(
            f"{where}: no reaction joins it to the circulation. Add transport, such as the module 'lactate', or a line "
            "'GLUT: Glc.@ (abcdef) -> Glc (abcdef)'."
        )
    reactions = [each for _, each in kept]
    return TissueParts(
        tuple(each for early, each in parts if early),
        tuple(each for early, each in parts if not early),
        _symmetric(template, reactions, tissue, plan, where),
        _equalities(template, reactions, tissue),
        template.in_blood,
    )


def body_parts(entries: Iterable[str], plan: BodyPlan) -> TissueParts:
    """Return reactions of the body as a whole, such as breath.

    Parameters
    ----------
    entries : iterable of str
        Modules and ``.rxn`` lines; a bare metabolite is in no tissue.
    plan : BodyPlan
        The plan.
    """
    where = f"body {plan.name!r}, interfaces"
    template = join_templates(entries, where)
    return TissueParts(
        tuple(_part(each, None, template, plan, where) for each in template.reactions),
        (),
        _symmetric(template, template.reactions, None, plan, where),
        _equalities(template, template.reactions, None),
        False,
    )


def with_reversible(parts: Iterable[Part], plan: BodyPlan) -> tuple[Part, ...]:
    """Make the reactions reversible that the plan says are.

    Parameters
    ----------
    parts : iterable of Part
        All parts.
    plan : BodyPlan
        The plan, with ``reversible``.

    Raises
    ------
    NetworkError
        A name fits no reaction.
    """
    wanted, found, changed = set(plan.reversible), set(), []
    known = set()
    for part in parts:
        name = part.reaction.name
        local = name.removeprefix(f"{part.owner.letter}_") if part.owner else name
        known |= {name, local}
        hits = wanted & {name, local}
        found |= hits
        changed.append(replace(part, reaction=replace(part.reaction, reversible=True)) if hits else part)
    for name in sorted(wanted - found):
        raise NetworkError(f"body {plan.name!r}: reversible names no reaction of it, {name!r}. {suggest(name, known)}")
    return tuple(changed)


def _check_unit(template: Template, plan: BodyPlan, where: str) -> None:
    if plan.targets and template.unit and template.unit != plan.flux_unit:
        raise NetworkError(
            f"{where}: its template has fluxes in {template.unit!r}, the body in {plan.flux_unit!r}. Give the body "
            "that unit, or leave the numbers of templates out by targets = false and give a limit."
        )


def _symmetric(
    template: Template, kept: Iterable[Reaction], tissue: Tissue | None, plan: BodyPlan, where: str
) -> frozenset[str]:
    def names(reactions: Iterable[Reaction]) -> set[str]:
        return {p.metabolite for each in reactions for p in (*each.substrates, *each.products)}

    lost = sorted(template.symmetric - names(template.reactions))
    if lost:
        raise NetworkError(
            f"{where}: symmetric metabolite {lost[0]!r} takes part in no reaction. {suggest(lost[0], names(kept))}"
        )
    return frozenset(_named(each, tissue, plan.compartments, where) for each in template.symmetric & names(kept))


def _equalities(template: Template, kept: Iterable[Reaction], tissue: Tissue | None) -> tuple[Equality, ...]:
    """Return the equalities of which no reaction is omitted: without one of its terms an equality means nothing."""
    names = {each.name for each in kept}
    prefix, size = (f"{tissue.letter}_", tissue.size) if tissue else ("", 1.0)
    return tuple(
        Equality({prefix + name: factor for name, factor in each.coefficients.items()}, each.value / size)
        for each in template.equalities
        if names >= set(each.coefficients)
    )


def _part(reaction: Reaction, tissue: Tissue | None, template: Template, plan: BodyPlan, where: str) -> Part:
    substrates, products = (
        tuple(_placed(each, tissue, plan, where) for each in side) for side in (reaction.substrates, reaction.products)
    )
    name = f"{tissue.letter}_{reaction.name}" if tissue else reaction.name
    default = template.defaults.get(reaction.name)
    usable = default is not None and plan.targets and default.unit == plan.flux_unit
    return Part(
        Reaction(name, substrates, products, reaction.reversible, reaction.note), tissue, default if usable else None
    )


def _placed(each: Participant, tissue: Tissue | None, plan: BodyPlan, where: str) -> Participant:
    name = _named(each.metabolite, tissue, plan.compartments, where)
    factor = 1.0
    if tissue is not None:
        home = name.removesuffix(EXTERNAL_SUFFIX).rpartition(".")[2]
        sizes = {other.letter: other.size for other in plan.tissues}
        factor = tissue.size / sizes.get(home, 1.0) if home != tissue.letter else 1.0
    return Participant(name, each.coefficient * factor, each.atoms)


def _named(name: str, tissue: Tissue | None, compartments: Mapping[str, str], where: str) -> str:
    """Return the name of a metabolite in the body; ``.@`` stays until the circulation is known."""
    base = name.removesuffix(EXTERNAL_SUFFIX)
    end = name[len(base) :]
    stem, dot, suffix = base.partition(".")
    if not dot:
        return f"{stem}.{tissue.letter}{end}" if tissue else name
    if suffix == "body":
        return stem + end
    if not suffix.startswith("@") and suffix not in compartments:
        raise NetworkError(
            f"{where}: {name!r} is in compartment {suffix!r}, which the body lacks. Write {stem + end!r} in the tissue "
            f"itself, '{stem}.@' in the circulation. {suggest(suffix, compartments)}"
        )
    return name
