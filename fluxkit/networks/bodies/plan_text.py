"""The text of a body plan: a TOML file, read with the place of every fault.

``base`` names a bundled body, or another file, that the plan changes; ``without`` leaves tissues of it out. Under
``[tissues]`` a letter stands for a template (``L = "liver"``), a list of modules, or a table with the fields of
:class:`fluxkit.networks.bodies.Tissue`; of a base, the fields given go before what was there. What the base observes in
tissues and pools that stay is observed in the new body too.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fluxkit.errors import NetworkError, UnknownNameError, suggest
from fluxkit.networks.bodies.observed import inherited
from fluxkit.networks.bodies.plan import BodyPlan, Circulation, Tissue
from fluxkit.networks.tables import read_observations

CATALOG = Path(__file__).parent.parent / "catalog"
_TEXTS, _NUMBER, _FLOW = (str, list), (int, float), (int, float, str)
_TISSUE_KINDS: dict[str, tuple[type, ...]] = {
    "modules": _TEXTS,
    "name": (str,),
    "add": _TEXTS,
    "omit": _TEXTS,
    "scale": _NUMBER,
    "fraction": _NUMBER,
    "flow": _FLOW,
    "drains": (str,),
    "extend": _TEXTS,
    "last": (bool,),
}
_CIRCULATION_KINDS: dict[str, tuple[type, ...]] = {
    "kind": (str,),
    "pool": (str,),
    "name": (str,),
    "metabolites": _TEXTS,
    "shared": _TEXTS,
    "cardiac_output": _FLOW,
    "liver": (str,),
    "portal_flow": _FLOW,
    "rest_flow": _FLOW,
}
_PLAN_KINDS: dict[str, tuple[type, ...]] = {
    "base": (str,),
    "without": _TEXTS,
    "name": (str,),
    "flux_unit": (str,),
    "interfaces": _TEXTS,
    "infusions": (str, list, dict),
    "diet": (str, list, dict),
    "rest": _TEXTS,
    "reversible": _TEXTS,
    "targets": (bool,),
    "limit": _NUMBER,
    "circulation": (dict,),
    "tissues": (dict,),
}


def read_body(path: str | Path) -> BodyPlan:
    """Read the plan of a body.

    Parameters
    ----------
    path : str or pathlib.Path
        The ``.toml`` text.

    Raises
    ------
    NetworkError
        The text cannot be read, has a wrong field, or its plan cannot be a body; the message gives the place.

    Examples
    --------
    ::

        name = "tumour mouse"
        base = "wholebody"
        without = ["B"]
        infusions = ["Glc", "HCO3:CO2"]

        [circulation]
        kind = "arterial-venous"

        [tissues]
        T = { name = "tumour", modules = ["glycolysis", "lactate"], scale = 0.05 }
    """
    return _read(Path(path), ())


def _read(path: Path, above: tuple[Path, ...]) -> BodyPlan:
    if path.resolve() in above:
        raise NetworkError(f"{path.name}: its base is itself; name another base, or none.")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise NetworkError(f"{path.name} is not text in UTF-8; save it as plain text.") from error
    except tomllib.TOMLDecodeError as error:
        cure = "A letter or field may stand only once. " if "overwrite" in str(error) else ""
        raise NetworkError(f"{path.name} cannot be read as TOML: {error}. {cure}Correct the line.") from error
    _check_fields(table, _PLAN_KINDS, path.name)
    base = table.pop("base", None)
    start = _base(base, path, (*above, path.resolve())) if base is not None else None
    try:
        return _plan(table, start, path)
    except (NetworkError, UnknownNameError) as error:
        raise type(error)(f"{path.name}: {error}") from error


def _base(name: str, path: Path, above: tuple[Path, ...]) -> BodyPlan:
    beside, bundled = path.parent / name, CATALOG / name / "body.toml"
    if beside.is_file():
        return _read(beside, above)
    if not bundled.is_file():
        known = [each.parent.name for each in CATALOG.glob("*/body.toml")]
        raise UnknownNameError(
            f"{path.name}: the base {name!r} is neither a file beside it nor a bundled body. {suggest(name, known)}"
        )
    plan, table = _read(bundled, above), bundled.with_name("observations.tsv")
    return replace(plan, observations=read_observations(table)) if table.is_file() else plan


def _plan(table: dict[str, Any], base: BodyPlan | None, path: Path) -> BodyPlan:
    left_out = _texts(table.pop("without", []))
    tissues = {each.letter: each for each in base.tissues} if base else {}
    for letter in left_out:
        if letter not in tissues:
            raise NetworkError(f"without: the base has no tissue {letter!r}. {suggest(letter, tissues)}")
        del tissues[letter]
    for letter, value in table.pop("tissues", {}).items():
        given = value if isinstance(value, dict) else {"modules": value}
        _check_fields(given, _TISSUE_KINDS, f"tissue {letter!r}")
        given = {key: _texts(each) if isinstance(each, list) else each for key, each in given.items()}
        if letter in tissues:
            tissues[letter] = replace(tissues[letter], **given)
        elif "modules" not in given and "extend" not in given:
            raise NetworkError(f"tissue {letter!r} has no modules; write modules = 'liver', or a list of modules.")
        else:
            tissues[letter] = Tissue(letter, **{"modules": (), "last": base is not None, **given})
    changes: dict[str, Any] = {"tissues": tuple(tissues.values()), "name": table.pop("name", path.stem)}
    if "circulation" in table:
        given = table.pop("circulation")
        _check_fields(given, _CIRCULATION_KINDS, "circulation")
        given: dict[str, Any] = {key: _texts(each) if isinstance(each, list) else each for key, each in given.items()}
        changes["circulation"] = replace(base.circulation, **given) if base else Circulation(**given)
    for key, value in table.items():
        if isinstance(value, dict):
            wrong = [name for name, rate in value.items() if not _is(rate, _NUMBER)]
            if wrong:
                raise NetworkError(f"{key}: the rate of {wrong[0]!r} is {value[wrong[0]]!r}; write a number.")
        changes[key] = _texts(value) if isinstance(value, list) else value
    if base is None:
        return BodyPlan(**changes)
    made = replace(base, **changes)
    return replace(made, observations=inherited(base.observations, base.compartments, made.compartments))


def _texts(value: str | Iterable[str]) -> tuple[str, ...]:
    found = (value,) if isinstance(value, str) else tuple(value)
    for each in found:
        if not isinstance(each, str):
            raise NetworkError(f"{each!r} stands where a text is meant; put it into quotes.")
    return found


def _is(value: object, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)


def _check_fields(table: dict[str, Any], kinds: dict[str, tuple[type, ...]], where: str) -> None:
    for key, value in table.items():
        if key not in kinds:
            raise NetworkError(f"{where}: unknown field {key!r}. {suggest(key, kinds)}")
        if not _is(value, kinds[key]):
            words = {
                str: "a text",
                list: "a list",
                int: "a number",
                float: "a number",
                bool: "true or false",
                dict: "a table",
            }
            wanted = " or ".join(dict.fromkeys(words[each] for each in kinds[key]))
            raise NetworkError(f"{where}: {key} = {value!r}; write {wanted}.")
