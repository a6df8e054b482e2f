"""Blood flows: the share of the cardiac output that each tissue gets, refused where they do not add up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fluxkit.errors import NetworkError, suggest
from fluxkit.networks.bodies.flow_text import SHARE, read_flow
from fluxkit.networks.bodies.plan import BALANCE, BodyPlan


@dataclass(frozen=True)
class BloodFlows:
    """Blood flows as shares of the cardiac output.

    Parameters
    ----------
    organs : mapping of str to float
        Share of each tissue that arterial blood feeds, by letter; the liver of a portal circulation is none of them.
    hepatic_artery : float
        What the liver gets directly.
    rest : float
        What flows past every tissue of the plan.
    """

    organs: Mapping[str, float]
    hepatic_artery: float = 0.0
    rest: float = 0.0


def read_flows(plan: BodyPlan, in_blood: Iterable[str]) -> BloodFlows | None:
    """Return the blood flow of each tissue, or ``None`` where the plan states none.

    Parameters
    ----------
    plan : BodyPlan
        The plan.
    in_blood : iterable of str
        Letters of what floats in the blood; these take up and release there, in addition to the flows.

    Raises
    ------
    NetworkError
        Flows are missing, in several units, or do not balance.
    """
    circulation, floating = plan.circulation, set(in_blood)
    where = f"body {plan.name!r}"
    stated = [each for each in plan.tissues if each.flow is not None]
    portal = circulation.kind == "portal"
    if circulation.kind == "plasma" or not (stated or portal):
        _refuse_unused(plan, [each.letter for each in stated], floating, where)
        return None
    _check_who(plan, floating, where)
    unit, flows = _in_one_unit(plan, where)
    total = flows.pop("cardiac_output", 1.0)
    stated_portal, rest = flows.pop("portal_flow", None), flows.pop("rest_flow", 0.0)
    organs = {each.letter: flows[each.letter] for each in stated}
    artery = 0.0
    if portal:
        draining = {each.letter: organs[each.letter] for each in stated if each.drains == "portal"}
        through = sum(draining.values())
        names = " + ".join(draining)
        if stated_portal is not None and abs(stated_portal - through) > BALANCE * total:
            raise NetworkError(
                f"{where}: the portal vein carries {stated_portal:g} ({unit}), but {names} drain {through:g} into it; "
                "correct one, or name every organ that drains = 'portal'."
            )
        liver = organs.pop(circulation.liver)
        artery = liver - through
        if artery < -BALANCE * total:
            raise NetworkError(
                f"{where}: {liver:g} ({unit}) flow through {circulation.liver!r}, less than the {through:g} that "
                f"{names} drain into the portal vein; the flow of the liver is that of portal vein and hepatic artery."
            )
        artery = max(artery, 0.0) if artery > BALANCE * total else 0.0
    summed = sum(organs.values()) + artery + rest
    if abs(summed - total) > BALANCE * total:
        raise NetworkError(
            f"{where}: the organs get {summed:g} of a cardiac output of {total:g} ({unit}); correct a flow, or say "
            f"what flows past them by rest_flow = {max(total - summed + rest, 0):g}."
        )
    _check_rest(plan, rest, total, unit, where)
    return BloodFlows({key: value / total for key, value in organs.items()}, artery / total, rest / total)


def _check_rest(plan: BodyPlan, rest: float, total: float, unit: str, where: str) -> None:
    """Refuse a rest of the body that uses metabolites of the blood, but gets no blood."""
    used = [name for name in plan.rest if name not in plan.circulation.shared]
    if used and rest <= BALANCE * total:
        raise NetworkError(
            f"{where}: rest = {used} is taken from the blood by parts of the body without a tissue here, but rest_flow "
            f"= {rest:g} of a cardiac output of {total:g} ({unit}) brings them none. Give them a rest_flow and the "
            "tissues less, or leave it out of rest and add the tissue that uses it."
        )


def _refuse_unused(plan: BodyPlan, letters: list[str], floating: set[str], where: str) -> None:
    circulation = plan.circulation
    given = [name for name in ("cardiac_output", "portal_flow", "rest_flow") if getattr(circulation, name) is not None]
    if given and circulation.kind != "plasma":
        lacking = [each.letter for each in plan.tissues if each.letter not in floating]
        raise NetworkError(
            f"{where}: {' and '.join(given)} given, but no tissue has a blood flow; write flow = ... for each of "
            f"{', '.join(lacking)}, or leave out {' and '.join(given)}."
        )
    if letters or given:
        raise NetworkError(
            f"{where}: flows are stated ({', '.join((*letters, *given))}), but kind = {circulation.kind!r} has no "
            "use for them. Write kind = 'arterial-venous' or 'portal' with a flow for each tissue, or leave flows out."
        )
    if any(each.drains == "portal" for each in plan.tissues):
        raise NetworkError(
            f"{where}: a tissue drains into a portal vein, but kind = {circulation.kind!r}; write 'portal'."
        )


def _check_who(plan: BodyPlan, floating: set[str], where: str) -> None:
    circulation = plan.circulation
    for each in plan.tissues:
        place = f"{where}, tissue {each.letter!r} ({each.name})"
        if each.letter in floating:
            if each.flow is not None:
                raise NetworkError(f"{place}: it floats in the blood and has no flow of its own; leave the flow out.")
        elif each.flow is None:
            raise NetworkError(f"{place} has no blood flow, but others do; give it one, or none to any.")
        elif read_flow(each.flow, place)[0] == 0:
            raise NetworkError(f"{place}: flow = 0; a tissue needs blood, or leave it out.")
    draining = [each for each in plan.tissues if each.drains == "portal"]
    if circulation.kind != "portal":
        if draining:
            raise NetworkError(
                f"{where}: {draining[0].letter!r} drains into a portal vein, but kind = {circulation.kind!r}; "
                "write 'portal'."
            )
        return
    letters = [each.letter for each in plan.tissues if each.letter not in floating]
    if circulation.liver not in letters:
        raise NetworkError(
            f"{where}: the portal vein feeds {circulation.liver!r}, which is no tissue. "
            f"{suggest(circulation.liver, letters)} Name it by liver = ..."
        )
    if not draining:
        raise NetworkError(f"{where}: no organ drains into the portal vein; write drains = 'portal' for the intestine.")
    if any(each.letter == circulation.liver for each in draining):
        raise NetworkError(
            f"{where}: {circulation.liver!r} cannot drain into the portal vein that feeds it; name another."
        )


def _in_one_unit(plan: BodyPlan, where: str) -> tuple[str, dict[str, float]]:
    circulation = plan.circulation
    texts = {each.letter: each.flow for each in plan.tissues if each.flow is not None}
    named = {name: getattr(circulation, name) for name in ("cardiac_output", "portal_flow", "rest_flow")}
    texts |= {name: value for name, value in named.items() if value is not None}
    read = {name: read_flow(value, f"{where}, {name}") for name, value in texts.items()}
    units = dict.fromkeys(unit for _, unit in read.values())
    if len(units) > 1:
        first, second, *_ = units
        one, other = (next(n for n, (_, unit) in read.items() if unit == u) for u in (first, second))
        raise NetworkError(
            f"{where}: flows disagree in their unit: {one!r} is in {first}, {other!r} in {second}; write all in one "
            "unit."
        )
    (unit,) = units
    if unit != SHARE and "cardiac_output" not in read:
        raise NetworkError(
            f"{where}: flows in {unit} need the cardiac output in {unit}; add cardiac_output = '... {unit}'."
        )
    if unit != SHARE:
        _check_base(unit, plan, where)
    return unit, {name: value for name, (value, _) in read.items()}


def _check_base(unit: str, plan: BodyPlan, where: str) -> None:
    """Refuse flows per another amount of body, or of time, than the fluxes."""
    flow, flux = (text.split("/")[1:] for text in (unit, plan.flux_unit))
    for here, there in zip(flow, flux, strict=False):
        if here.strip() != there.strip():
            raise NetworkError(
                f"{where}: flows are in {unit}, fluxes in {plan.flux_unit}: per {here.strip()!r} and per "
                f"{there.strip()!r}. Write both per the same time and amount of body, or the flows as shares of "
                "the cardiac output."
            )
