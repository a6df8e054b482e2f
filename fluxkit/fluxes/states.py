"""Flux states: net and exchange flux against forward and backward flux."""

import numpy as np

from fluxkit.networks import Network


def directed_fluxes(network: Network, net: np.ndarray, exchange: np.ndarray) -> np.ndarray:
    """Return the forward flux of every reaction, then the backward flux of the reversible ones.

    forward = max(net, 0) + exchange, backward = max(-net, 0) + exchange (doi:10.1002/(SICI)1097-0290(1997)55:1<101).

    Parameters
    ----------
    network : Network
        The network.
    net : numpy.ndarray
        Net fluxes, shape ``(..., reaction)``; an irreversible one is taken as it is.
    exchange : numpy.ndarray
        Exchange fluxes, shape ``(..., reaction)``, or ``(..., reversible)`` of the reversible reactions in order.

    Returns
    -------
    numpy.ndarray
        Shape ``(..., reaction + reversible)``, in the unit of the arguments.
    """
    net, exchange = np.asarray(net, dtype=float), np.asarray(exchange, dtype=float)
    if exchange.shape[-1] == len(network.reactions):
        exchange = exchange[..., network.reversible]
    back = np.maximum(-net[..., network.reversible], 0) + exchange
    forward = np.maximum(net, 0)
    shape = np.broadcast_shapes(forward.shape[:-1], exchange.shape[:-1])
    forward = np.broadcast_to(forward, (*shape, forward.shape[-1])).copy()
    forward[..., network.reversible] += exchange
    return np.concatenate([forward, np.broadcast_to(back, (*shape, back.shape[-1]))], axis=-1)
