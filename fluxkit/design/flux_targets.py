"""The fluxes that a design is for: net fluxes, exchange fluxes, or expressions such as ``G6PDH / GLC_up``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fluxkit.design.flux_expressions import evaluate, require_reaction
from fluxkit.errors import FluxError
from fluxkit.fluxes import FluxSpace
from fluxkit.networks import Network

_EXCHANGE = re.compile(r"exchange\(\s*(?P<name>[^()\s]+)\s*\)")


@dataclass(frozen=True)
class FluxTarget:
    """A quantity that a design is for.

    Parameters
    ----------
    text : str
        ``PC``, ``exchange(PGI)``, ``G6PDH / GLC_up``.
    kind : str
        ``"net"``, ``"exchange"`` or ``"expression"``.
    units : str
        The flux unit of the network; decades for an exchange flux, "" for an expression.
    """

    text: str
    kind: str
    units: str


def flux_targets(network: Network, texts: Sequence[str] | str) -> tuple[FluxTarget, ...]:
    """Read which fluxes are asked for.

    Parameters
    ----------
    network : Network
        The network.
    texts : sequence of str, or str
        Names of reactions (their net fluxes), ``exchange(name)``, or expressions of net fluxes with + - * / and
        parentheses.

    Raises
    ------
    UnknownNameError
        The network has no such reaction.
    FluxError
        None is asked for, one comes twice, a text cannot be read, or an exchange flux is fixed.
    """
    given = [texts] if isinstance(texts, str) else list(texts)
    if not given:
        raise FluxError("no flux of interest is named; give names of reactions, such as ['PC', 'exchange(LDH)'].")
    if twice := [each for i, each in enumerate(given) if each in given[:i]]:
        raise FluxError(f"flux of interest {twice[0]!r} comes twice; name it once.")
    return tuple(_target(network, each) for each in given)


def _target(network: Network, text: str) -> FluxTarget:
    if text in network.reaction_index:
        return FluxTarget(text, "net", network.flux_unit)
    if match := _EXCHANGE.fullmatch(text.strip()):
        _reversible_place(network, match["name"])
        return FluxTarget(text, "exchange", "decades")
    zero = np.zeros((1, len(network.reactions)))
    with np.errstate(all="ignore"):
        evaluate(network, text, zero)
    return FluxTarget(text, "expression", "")


def _reversible_place(network: Network, name: str) -> int:
    require_reaction(network, name, f"exchange({name})")
    names = [each.name for each in network.reactions if each.reversible]
    if name not in names:
        raise FluxError(f"reaction {name!r} is irreversible and has no exchange flux; ask for its net flux {name!r}.")
    return names.index(name)


def target_gradients(
    targets: Sequence[FluxTarget], space: FluxSpace, net: np.ndarray, exchange_sd: np.ndarray, decades: np.ndarray
) -> np.ndarray:
    """Return the derivatives of the targets by the standard coordinates, shape ``(draw, target, coordinate)``.

    The width of a target a priori is the norm of its gradient. That of a net flux is the same everywhere; that of an
    exchange flux, too, which is judged in its coordinate and counted in decades: a share r of the prior's width
    there is a width of r times the prior's standard deviation of log10(x + c), c as in
    :class:`fluxkit.fluxes.ExchangeCoordinate`.

    Parameters
    ----------
    targets : sequence of FluxTarget
        What is asked for.
    space : FluxSpace
        The flux space.
    net : numpy.ndarray
        Net fluxes at which to linearise, shape ``(draw, reaction)``.
    exchange_sd : numpy.ndarray
        Scale of the exchange coordinates, shape ``(exchange,)``; it says how many there are.
    decades : numpy.ndarray
        Standard deviation of log10(x + c) a priori, shape ``(exchange,)``.

    Raises
    ------
    FluxError
        An expression is not finite at a draw, or what is asked for is fixed.
    """
    free = len(space.free)
    result = np.zeros((len(net), len(targets), free + len(exchange_sd)))
    varying = np.flatnonzero(space.exchange_scale.varies).tolist()
    for k, target in enumerate(targets):
        if target.kind == "exchange":
            match = _EXCHANGE.fullmatch(target.text.strip())
            place = _reversible_place(space.network, match["name"] if match else target.text)
            if place in varying:
                column = varying.index(place)
                result[:, k, free + column] = decades[column]
        else:
            with np.errstate(all="ignore"):
                value, slope = evaluate(space.network, target.text, net)
            if not (np.isfinite(value).all() and np.isfinite(slope).all()):
                raise FluxError(f"flux of interest {target.text!r} divides by a flux that may be zero; turn it over.")
            result[:, k, :free] = slope @ space.basis
        size = np.linalg.norm(result[:, k], axis=1)
        if not (size > 1e-9 * space.network.normalising_flux * (target.kind == "net") + 1e-12).all():
            raise FluxError(
                f"flux of interest {target.text!r} is fixed in network {space.network.name!r}; leave it out."
            )
    return result
