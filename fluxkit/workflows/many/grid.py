"""A parameter grid as text: ``name=a,b,c``, read by the declared type of the parameter."""

from collections.abc import Iterable, Mapping

from fluxkit.errors import NotebookError, suggest
from fluxkit.workflows.many.sheet import read_value
from fluxkit.workflows.parameters import Parameter

_CLOSING = {"(": ")", "[": "]", "{": "}"}


def parse_grid(texts: Iterable[str], signature: Mapping[str, Parameter], where: str) -> dict[str, list[object]]:
    """Read grids as typed on a command line.

    Parameters
    ----------
    texts : iterable of str
        Each ``name=a,b,c``. Commas within brackets or quotes belong to a value.
    signature : mapping of str to Parameter
        What the notebook declares.
    where : str
        The name of the notebook, for messages.

    Returns
    -------
    dict of str to list
        Values by parameter.

    Raises
    ------
    NotebookError
        A text has no ``=``, its name is not declared or given twice, or a value is not of the type.
    """
    grid: dict[str, list[object]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if not equals:
            raise NotebookError(f"write a grid as name=a,b,c, not {text!r}.")
        if name not in signature:
            raise NotebookError(f"--grid: {where} has no parameter {name!r}. {suggest(name, signature)}")
        if name in grid:
            raise NotebookError(f"the grid of {name!r} is given twice; give all its values once: {name}=a,b,c.")
        items = split_values(values)
        if "" in items:
            raise NotebookError(f"--grid {text!r}: value {items.index('') + 1} is empty; write '' for an empty text.")
        grid[name] = [read_value(_unquoted(each), signature[name], f"--grid {name}") for each in items]
    return grid


def split_values(text: str) -> list[str]:
    """Split at commas that stand in no brackets and in no quotes.

    Parameters
    ----------
    text : str
        ``"a, [1,2], 'b,c'"`` has three values.
    """
    items, start, expected, quote = [], 0, [], ""
    for i, each in enumerate(text):
        if quote:
            quote = "" if each == quote else quote
        elif each in "'\"" and (expected or not text[start:i].strip()):  # not the prime of 5'-AMP
            quote = each
        elif each in _CLOSING:
            expected.append(_CLOSING[each])
        elif expected and each == expected[-1]:
            expected.pop()
        elif each == "," and not expected:
            items.append(text[start:i].strip())
            start = i + 1
    return [*items, text[start:].strip()]


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in text[1:-1]
    return text[1:-1] if quoted else text
