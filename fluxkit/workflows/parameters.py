"""The signature of a notebook: the typed lines of its parameters cell, and what they accept."""

import ast
import io
import os
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real

from fluxkit.errors import NotebookError, suggest

_SCALARS = {"str": str, "bool": bool, "int": Integral, "float": Real, "None": type(None)}
_CONTAINERS = {"list": (list, tuple), "tuple": (list, tuple), "dict": Mapping}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell: ``name: type = default  # help``.

    Attributes
    ----------
    name : str
        The variable that the notebook reads.
    type : str or None
        The annotation as written, e.g. ``"float"`` or ``"list[str] | None"``; None where there is none, which
        accepts everything.
    default : str
        The default, as written.
    help : str
        The comment behind the line.
    """

    name: str
    type: str | None
    default: str
    help: str = ""

    def accepts(self, value: object) -> bool:
        """Tell whether a value has the declared type; an ``int`` is a ``float`` too, a ``bool`` neither."""
        return self.type is None or _fits(value, ast.parse(self.type, mode="eval").body)

    def read(self, text: str) -> object:
        """Read a value given as text: as text where text is accepted, else as a Python literal."""
        try:
            value = ast.literal_eval({"true": "True", "false": "False", "null": "None"}.get(text, text))
        except (ValueError, SyntaxError):
            return text
        takes_text = self.type is not None and self.accepts("")
        return text if takes_text and (isinstance(value, str | int | float) or not self.accepts(value)) else value


def read_signature(source: str, where: str) -> dict[str, Parameter]:
    """Read the parameters that a parameters cell declares.

    Parameters
    ----------
    source : str
        The Python text of the cell.
    where : str
        The name of the notebook, for messages.

    Returns
    -------
    dict of str to Parameter
        In the order of the cell.

    Raises
    ------
    NotebookError
        If the cell is not Python, or a type in it is not understood.
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        raise NotebookError(
            f"the parameters cell of {where} is not Python, line {error.lineno}: {error.msg}"
        ) from error
    comments = _comments(source)
    signature = {}
    for statement in statements:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            name, annotation = statement.target.id, _annotation(statement.annotation)
        elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name, annotation = statement.targets[0].id, None
        else:
            continue
        if annotation is not None and not _understood(ast.parse(annotation, mode="eval").body):
            raise NotebookError(
                f"parameter {name!r} of {where} has type {annotation!r}; a parameter is of str, bool, int, "
                "float, None, list[...], tuple[...], dict[...], Literal[...], or several of them joined by |."
            )
        default = ast.unparse(statement.value) if statement.value else ""
        signature[name] = Parameter(name, annotation, default, comments.get(statement.end_lineno or 0, ""))
    return signature


def check_parameters(
    parameters: Mapping[str, object], signature: Mapping[str, Parameter], where: str
) -> dict[str, object]:
    """Refuse unknown names and wrong types, and return the values as plain Python ones.

    Parameters
    ----------
    parameters : mapping of str to object
        The values to run with. Paths become text and numpy scalars plain numbers.
    signature : mapping of str to Parameter
        What the notebook declares.
    where : str
        The name of the notebook, for messages.

    Raises
    ------
    NotebookError
        If a name is not declared, with the nearest ones, or a value is not of the declared type.
    """
    checked = {}
    for name, value in parameters.items():
        if name not in signature:
            raise NotebookError(f"{where} has no parameter {name!r}. {suggest(name, signature)}")
        plain, parameter = _plain(value), signature[name]
        if not parameter.accepts(plain):
            tail = f" ({parameter.help})" if parameter.help else ""
            raise NotebookError(
                f"parameter {name!r} of {where} is of type {parameter.type}{tail}, not {plain!r} of type "
                f"{type(plain).__name__}; the default is {parameter.default}."
            )
        checked[name] = plain
    return checked


def parse_assignments(assignments: Iterable[str], signature: Mapping[str, Parameter], where: str) -> dict[str, object]:
    """Read ``name=value`` texts, as typed on a command line, by the declared types.

    Raises
    ------
    NotebookError
        If a text has no ``=``, or its name is not declared or given twice.
    """
    values: dict[str, object] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise NotebookError(f"write a parameter as name=value, not {assignment!r}.")
        if name not in signature:
            raise NotebookError(f"{where} has no parameter {name!r}. {suggest(name, signature)}")
        if name in values:
            raise NotebookError(f"parameter {name!r} is given twice; give it once.")
        values[name] = signature[name].read(text)
    return values


def _annotation(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return ast.unparse(node)


def _name_and_items(node: ast.expr) -> tuple[str | None, list[ast.expr]]:
    """Split ``dict[str, float]`` into its name and its items."""
    items: list[ast.expr] = []
    if isinstance(node, ast.Subscript):
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        node = node.value
    if isinstance(node, ast.Constant):
        return ("None" if node.value is None else None), items
    return (node.id if isinstance(node, ast.Name) else None), items


def _understood(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _understood(node.left) and _understood(node.right)
    name, items = _name_and_items(node)
    if name == "Literal":
        return all(isinstance(item, ast.Constant) for item in items)
    if name in _CONTAINERS:
        return all(_understood(item) for item in items if not _is_ellipsis(item))
    return name in _SCALARS and not items


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _fits(value: object, node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _fits(value, node.left) or _fits(value, node.right)
    name, items = _name_and_items(node)
    if name == "Literal":
        return any(value == item.value and type(value) is type(item.value) for item in items)  # pyright: ignore
    if name in _SCALARS:
        wrong_bool = isinstance(value, bool) and name != "bool"
        return isinstance(value, _SCALARS[name]) and not wrong_bool
    if not isinstance(value, _CONTAINERS[name or ""]):
        return False
    if not items:
        return True
    if isinstance(value, Mapping):
        return all(_fits(key, items[0]) and _fits(each, items[-1]) for key, each in value.items())
    if name == "tuple" and not _is_ellipsis(items[-1]):
        return len(value) == len(items) and all(map(_fits, value, items))  # pyright: ignore
    return all(_fits(each, items[0]) for each in value)  # pyright: ignore


def _plain(value: object) -> object:
    """Turn paths and numpy scalars into what a notebook can hold, inside containers too."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()  # pyright: ignore
    if isinstance(value, Mapping):
        return {_plain(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _comments(source: str) -> dict[int, str]:
    """Return the comment on each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}
