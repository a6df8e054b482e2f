"""Expressions of net fluxes, such as ``G6PDH / GLC_up``, with their exact derivatives."""

import re
from collections.abc import Callable

import numpy as np

from fluxkit.errors import FluxError, UnknownNameError, suggest
from fluxkit.networks import Network

_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_][\w.]*)|(?P<sign>[-+*/()]))")

Dual = tuple[np.ndarray, np.ndarray]
"""Value ``(state,)`` and derivative by the net fluxes ``(state, reaction)``."""


def require_reaction(network: Network, name: str, where: str) -> int:
    """Return the position of a reaction.

    Parameters
    ----------
    network : Network
        The network.
    name : str
        Name of the reaction.
    where : str
        The text that names it, for the message.

    Raises
    ------
    UnknownNameError
        The network has no such reaction.
    """
    if name not in network.reaction_index:
        hint = suggest(name, network.reaction_names)
        raise UnknownNameError(f"flux of interest {where!r}: network {network.name!r} has no reaction {name!r}. {hint}")
    return network.reaction_index[name]


def evaluate(network: Network, text: str, net: np.ndarray) -> Dual:
    """Return value and derivative of an expression of net fluxes.

    Parameters
    ----------
    network : Network
        The network.
    text : str
        Reactions and numbers with + - * / and parentheses.
    net : numpy.ndarray
        Net fluxes, shape ``(state, reaction)``, in the flux unit of the network.

    Raises
    ------
    UnknownNameError
        The network has no such reaction.
    FluxError
        The text cannot be read.
    """
    if text in network.reaction_index:
        return _leaf(network, text, text, net)
    tokens = _tokens(text)

    def take(kind: str, allowed: str = "") -> str:
        if tokens and tokens[0][0] == kind and (not allowed or tokens[0][1] in allowed):
            return tokens.pop(0)[1]
        return ""

    def chain(signs: str, part: Callable[[], Dual]) -> Dual:
        left = part()
        while sign := take("sign", signs):
            left = _join(sign, left, part())
        return left

    def total() -> Dual:
        return chain("+-", lambda: chain("*/", atom))

    def atom() -> Dual:
        if sign := take("sign", "+-"):
            value, slope = atom()
            return (-value, -slope) if sign == "-" else (value, slope)
        if take("sign", "("):
            inner = total()
            if not take("sign", ")"):
                raise _unreadable(text)
            return inner
        if number := take("number"):
            return np.full(len(net), float(number)), np.zeros_like(net)
        name = take("name")
        if not name or name == "exchange":
            raise _unreadable(text)
        return _leaf(network, name, text, net)

    result = total()
    if tokens:
        raise _unreadable(text)
    return result


def _tokens(text: str) -> list[tuple[str, str]]:
    """Return kind and text of each token."""
    tokens, end = [], 0
    while end < len(text.rstrip()):
        match = _TOKEN.match(text, end)
        if match is None or match.lastgroup is None:
            raise _unreadable(text)
        tokens.append((match.lastgroup, match[match.lastgroup]))
        end = match.end()
    return tokens


def _leaf(network: Network, name: str, text: str, net: np.ndarray) -> Dual:
    slope = np.zeros_like(net)
    place = require_reaction(network, name, text)
    slope[:, place] = 1.0
    return net[:, place], slope


def _join(sign: str, left: Dual, right: Dual) -> Dual:
    (a, da), (b, db) = left, right
    if sign in "+-":
        factor = 1.0 if sign == "+" else -1.0
        return a + factor * b, da + factor * db
    if sign == "*":
        return a * b, a[:, None] * db + b[:, None] * da
    return a / b, (da - (a / b)[:, None] * db) / b[:, None]


def _unreadable(text: str) -> FluxError:
    return FluxError(
        f"cannot read the flux of interest {text!r}; write a reaction, 'exchange(NAME)', or net fluxes with + - * / "
        "and parentheses, as 'G6PDH / GLC_up'."
    )
