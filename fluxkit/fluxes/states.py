"""Flux states: forward and backward flux from net and exchange flux."""

import numpy as np

from fluxkit.networks import Network


def directed_fluxes(network: Network, net: np.ndarray, exchange: np.ndarray) -> np.ndarray:
    """Return the forward flux of every reaction, then the backward flux of the reversible ones.

    forward = max(net, 0) + exchange, backward = max(-net, 0) + exchange
    (doi:10.1002/(SICI)1097-0290(19970705)55:1<101::AID-BIT12>3.0.CO;2-P).

    Parameters
    ----------
    network : Network
        The network.
    net : numpy.ndarray
        Net fluxes, shape ``(..., reaction)``.
    exchange : numpy.ndarray
        Exchange fluxes, shape ``(..., reaction)``, or ``(..., reversible)`` of the reversible reactions in
        order; of an irreversible reaction it is not read.

    Returns
    -------
    numpy.ndarray
        Shape ``(..., reaction + reversible)``, in the unit of the arguments.
    """
    net, exchange = np.asarray(net, dtype=float), np.asarray(exchange, dtype=float)
    if exchange.shape[-1] == len(network.reactions):
        exchange = exchange[..., network.reversible]
    shape = np.broadcast_shapes(net.shape[:-1], exchange.shape[:-1])
    forward = np.broadcast_to(np.maximum(net, 0), (*shape, net.shape[-1])).copy()
    forward[..., network.reversible] += exchange
    backward = np.maximum(-net[..., network.reversible], 0) + exchange
    return np.concatenate([forward, np.broadcast_to(backward, (*shape, backward.shape[-1]))], axis=-1)
