"""Estimates that are set side by side belong to one network."""

from collections.abc import Iterable

from fluxkit.errors import FluxError
from fluxkit.inference.estimate import FluxEstimate


def check_one_network(estimates: Iterable[FluxEstimate]) -> None:
    """Refuse estimates of different networks.

    Parameters
    ----------
    estimates : iterable of FluxEstimate
        At least one.

    Raises
    ------
    FluxError
        Two of them were quantified with different networks.
    """
    known, *others = estimates
    for each in others:
        if each.network.fingerprint != known.network.fingerprint:
            raise FluxError(
                f"{known.sample!r} was quantified with network {known.network.name!r}, {each.sample!r} with another "
                f"one ({each.network.name!r}); quantify both with the same network."
            )
