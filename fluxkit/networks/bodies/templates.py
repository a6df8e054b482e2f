"""Templates: the reactions of a tissue or a module of it, as ``.rxn`` text with marks.

In a template a bare metabolite (``Pyr``, ``Glyg_x``) is local to the tissue, ``Glc.@`` is in the circulation
(``.@a``, ``.@v`` and ``.@p`` name its arterial, venous and portal side), and ``NH4_urine.body_x`` is an external pool
of the body as a whole. ``%use`` takes other templates in, ``%symmetric`` names symmetric metabolites, ``%equality`` a
linear equality of net fluxes, ``%unit`` the unit of the numbers beside the template, and ``%blood`` says that it floats
in the blood. A table of the same name brings bounds, targets and exchange fluxes.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from fluxkit.errors import NetworkError, UnknownNameError, suggest
from fluxkit.networks.network import Equality, Reaction
from fluxkit.networks.rxn_text import parse_reaction, statements
from fluxkit.networks.tables import parse_equality, read_number, read_rows

FOLDER = Path(__file__).parent
DIRECTIVES = ("%use", "%symmetric", "%equality", "%unit", "%blood")
_NAME = re.compile(r"\w[\w\-]*(?:\.(?:@[avp]?|[\w\-]+))?")


@dataclass(frozen=True)
class Default:
    """What a template says of one net flux beforehand, in its unit; ``None`` where it says nothing."""

    lower: float | None = None
    upper: float | None = None
    target: float | None = None
    weight: float = 1.0
    exchange: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Template:
    """Reactions with marks, and what is known of them.

    Parameters
    ----------
    reactions : tuple of Reaction
        In order.
    symmetric : frozenset of str
        Rotationally symmetric metabolites.
    equalities : tuple of Equality
        Linear equalities of net fluxes.
    defaults : mapping of str to Default
        By name of the reaction.
    unit : str
        Unit that a body with this tissue must have; empty for modules.
    in_blood : bool
        Whether it floats in the blood, without a blood flow of its own.
    """

    reactions: tuple[Reaction, ...]
    symmetric: frozenset[str] = frozenset()
    equalities: tuple[Equality, ...] = ()
    defaults: Mapping[str, Default] = field(default_factory=dict)
    unit: str = ""
    in_blood: bool = False


@lru_cache
def _texts() -> dict[str, Path]:
    return {each.stem: each for kind in ("modules", "tissues") for each in FOLDER.glob(f"{kind}/*.rxn")}


def list_templates() -> list[str]:
    """Return the names of the bundled tissues."""
    return sorted(each.stem for each in FOLDER.glob("tissues/*.rxn"))


def list_modules() -> list[str]:
    """Return the names of the bundled modules."""
    return sorted(each.stem for each in FOLDER.glob("modules/*.rxn"))


@lru_cache
def load_template(name: str, where: str = "") -> Template:
    """Load a bundled tissue or module.

    Parameters
    ----------
    name : str
        One of :func:`list_templates` or :func:`list_modules`; spaces may stand for underscores.
    where : str
        The place that named it, for messages.

    Raises
    ------
    UnknownNameError
        There is none of this name; the message offers the nearest ones.
    """
    stem, known = name.strip().replace(" ", "_"), _texts()
    if stem not in known:
        place = f"{where}: " if where else ""
        raise UnknownNameError(f"{place}there is no template or module {name!r}. {suggest(stem, known)}")
    path = known[stem]
    unit, template = _read(statements(path.read_text(encoding="utf-8"), path.name))
    table = path.with_suffix(".tsv")
    own = read_defaults(table, unit) if table.is_file() else {}
    is_tissue = path.parent.name == "tissues"
    return Template(
        template.reactions,
        template.symmetric,
        template.equalities,
        {**template.defaults, **own},
        unit if is_tissue else template.unit,
        template.in_blood,
    )


def join_templates(entries: Iterable[str], where: str) -> Template:
    """Join templates, modules and ``.rxn`` lines, in order.

    Parameters
    ----------
    entries : iterable of str
        An entry with a colon, or one that starts with ``%``, is a line; any other is a name.
    where : str
        The place that named them, for messages.

    Raises
    ------
    NetworkError
        A line cannot be read, or a reaction stands twice.
    UnknownNameError
        A template does not exist.
    """
    lines = (
        each if ":" in each or each.startswith("%") else f"%use {each.strip().replace(' ', '_')}" for each in entries
    )
    return _read((where, body, note) for line in lines for _, body, note in statements(line, where))[1]


def _read(lines: Iterable[tuple[str, str, str]]) -> tuple[str, Template]:
    reactions: dict[str, Reaction] = {}
    symmetric: set[str] = set()
    equalities: list[Equality] = []
    defaults: dict[str, Default] = {}
    own_unit, unit, in_blood = "", "", False

    def add(reaction: Reaction, where: str) -> None:
        if reaction.name in reactions:
            raise NetworkError(f"{where}: reaction {reaction.name!r} stands twice; omit one of them, or rename it.")
        reactions[reaction.name] = reaction

    for where, body, note in lines:
        keyword, _, rest = body.partition(" ")
        if not keyword.startswith("%"):
            add(_check_names(parse_reaction(body, where, note, marks=True), where), where)
        elif keyword == "%use":
            for name in rest.split():
                part = load_template(name, where)
                if unit and part.unit and unit != part.unit:
                    raise NetworkError(
                        f"{where}: {name!r} has fluxes in {part.unit}, what stands before it in {unit}; "
                        "use one of them."
                    )
                unit = unit or part.unit
                for reaction in part.reactions:
                    add(reaction, where)
                symmetric |= part.symmetric
                equalities += part.equalities
                defaults |= part.defaults
                in_blood = in_blood or part.in_blood
        elif keyword == "%symmetric":
            symmetric.update(rest.split())
        elif keyword == "%equality":
            equalities.append(parse_equality(rest.strip(), where))
        elif keyword == "%unit":
            own_unit = rest.strip()
        elif keyword == "%blood":
            in_blood = True
        else:
            raise NetworkError(f"{where}: unknown directive {keyword!r}. {suggest(keyword, DIRECTIVES)}")
    template = Template(tuple(reactions.values()), frozenset(symmetric), tuple(equalities), defaults, unit, in_blood)
    return own_unit, template


def _check_names(reaction: Reaction, where: str) -> Reaction:
    for each in (*reaction.substrates, *reaction.products):
        if not _NAME.fullmatch(each.metabolite):
            raise NetworkError(
                f"{where}: reaction {reaction.name!r} names {each.metabolite!r}; write 'Pyr' in the tissue, 'Pyr.@' in "
                "the circulation, 'Pyr.body_x' outside of the body."
            )
    return reaction


def read_defaults(path: Path, unit: str) -> dict[str, Default]:
    """Read what is known of net fluxes beforehand.

    Parameters
    ----------
    path : pathlib.Path
        Columns ``name``, ``lb``, ``ub``, ``target``, ``weight`` and ``exch``.
    unit : str
        Unit of the numbers.

    Raises
    ------
    NetworkError
        A number cannot be read, or a weight is not above 0.
    """
    found = {}
    for number, row in read_rows(path, required=("name",)):
        where = f"{path.name}, line {number}"
        found[row["name"]] = Default(
            read_number(row, "lb", None, where),
            read_number(row, "ub", None, where),
            read_number(row, "target", None, where),
            _weight(row, where),
            read_number(row, "exch", None, where),
            unit,
        )
    return found


def _weight(row: Mapping[str, str], where: str) -> float:
    weight = read_number(row, "weight", None, where)
    if weight is not None and not 0 < weight < math.inf:
        raise NetworkError(
            f"{where}: the target of {row['name']!r} has weight {weight:g}; a weight is above 0. Leave the target out "
            "instead ('-')."
        )
    return 1.0 if weight is None else weight
