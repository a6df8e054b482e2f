"""What a body knows of its fluxes without a table: bounds by unit, targets and exchange of the templates."""

from functools import lru_cache
from typing import NamedTuple

from fluxkit.networks.bodies.plan import BodyPlan
from fluxkit.networks.bodies.templates import FOLDER, Default, read_defaults
from fluxkit.networks.network import FluxRule
from fluxkit.networks.tables import read_number, read_rows

UNIT = "nmol/min/g body weight"  # of the tables of infusions and of venous return


class Limits(NamedTuple):
    """Bounds where nothing else is said: of net fluxes, of exchange fluxes, and of what blood carries."""

    lower: float
    upper: float
    exchange_lower: float
    exchange_upper: float
    flow_upper: float


@lru_cache
def _by_unit() -> dict[str, Limits]:
    path = FOLDER / "units.tsv"
    return {
        row["unit"]: Limits(*(read_number(row, each, 0.0, path.name) or 0.0 for each in list(row)[1:]))
        for _, row in read_rows(path)
    }


def limits_of(plan: BodyPlan) -> Limits | None:
    """Return the bounds of a body where nothing else is said; ``None`` where its unit has none.

    Parameters
    ----------
    plan : BodyPlan
        The plan, with its unit and perhaps a limit.
    """
    if plan.limit is not None:
        return Limits(-plan.limit, plan.limit, 1e-4 * plan.limit, plan.limit, 100 * plan.limit)
    return _by_unit().get(plan.flux_unit)


@lru_cache
def _table(name: str) -> dict[str, Default]:
    return read_defaults(FOLDER / f"{name}.tsv", UNIT)


def known_rate(name: str, plan: BodyPlan) -> Default | None:
    """Return the usual rate of an infusion, where the unit of the body is that of the table.

    Parameters
    ----------
    name : str
        What is infused.
    plan : BodyPlan
        The plan.
    """
    return _table("infusions").get(name) if plan.targets and plan.flux_unit == UNIT else None


def net_rule(default: Default | None, limits: Limits | None, reversible: bool, size: float = 1.0) -> FluxRule | None:
    """Return bounds and target of one reaction.

    The numbers are per unit of body; divided by the size of the tissue they are per unit of it: the same prior.

    Parameters
    ----------
    default : Default or None
        What its template says.
    limits : Limits or None
        Bounds where it says nothing.
    reversible : bool
        Whether it is.
    size : float
        Units of body per unit of the tissue.
    """
    if default is None and limits is None:
        return None
    known, free = default or Default(), FluxRule()
    low = (limits.lower if limits else free.lower) if reversible else 0.0
    high = limits.upper if limits else free.upper
    low, high = (given if given is not None else other for given, other in ((known.lower, low), (known.upper, high)))
    target = None if known.target is None else known.target / size
    weight = known.weight if known.target is None else known.weight * _narrowed(known.target, size)
    spread = (limits.exchange_lower / size, limits.exchange_upper / size) if limits and reversible else (None, None)
    return FluxRule(low / size, high / size, target, weight, *spread)


def _narrowed(target: float, size: float) -> float:
    r"""Return the factor that keeps sd = 3 max(\|target\|, 1) / sqrt(weight) the same per unit of body."""
    return (size * max(abs(target / size), 1.0) / max(abs(target), 1.0)) ** 2


def pair_rules(default: Default | None, limits: Limits | None, size: float) -> tuple[FluxRule | None, FluxRule | None]:
    """Return the rules of the two directions of a reversible transport: forward = max(net, 0) + exchange, and back.

    Parameters
    ----------
    default : Default or None
        What its template says of net and exchange flux.
    limits : Limits or None
        Bounds where it says nothing.
    size : float
        Units of body per unit of the tissue.
    """
    known = default or Default()
    room = limits.exchange_upper if limits else float("inf")
    top = known.upper if known.upper is not None else (limits.upper if limits else float("inf"))
    low = known.lower if known.lower is not None else (limits.lower if limits else -float("inf"))
    rules = []
    for sign, reach in ((1.0, max(top, 0.0) + room), (-1.0, max(-low, 0.0) + room)):
        target = None if known.target is None else max(sign * known.target, 0.0) + (known.exchange or 0.0)
        direction = Default(0.0, reach, target, known.weight)
        rules.append(net_rule(direction if default or limits else None, limits, False, size))
    return rules[0], rules[1]


def flow_rule(metabolite: str, returns: bool, limits: Limits | None, plan: BodyPlan) -> FluxRule | None:
    """Return the rule of what blood carries.

    Parameters
    ----------
    metabolite : str
        What it carries.
    returns : bool
        Whether this is the venous return, for which cardiac output times concentration is a target.
    limits : Limits or None
        Bounds of the body.
    plan : BodyPlan
        The plan.
    """
    known = _table("circulation").get(metabolite) if returns and plan.targets and plan.flux_unit == UNIT else None
    if limits is None:
        return None
    return net_rule(
        Default(0.0, limits.flow_upper, known.target, known.weight) if known else Default(0.0, limits.flow_upper),
        limits,
        False,
    )
