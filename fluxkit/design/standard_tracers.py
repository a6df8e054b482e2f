"""Tracers that are commonly bought, and which of them a network can take."""

from functools import lru_cache
from pathlib import Path

from fluxkit.errors import TracerError
from fluxkit.labeling import Tracers, parse_tracers
from fluxkit.networks import Network
from fluxkit.networks.tables import read_rows

_TABLE = Path(__file__).with_name("tracers.tsv")


@lru_cache(maxsize=1)
def _rows() -> tuple[tuple[str, str], ...]:
    return tuple((row["tracer"], row["text"]) for _, row in read_rows(_TABLE, ("tracer", "pool", "elements", "text")))


def standard_tracers() -> dict[str, str]:
    """Return the commonly bought tracers, as tracer texts with common names of pools, by short name.

    Carbon-13, deuterium and nitrogen-15 tracers of glucose, glutamine, water, lactate, acetate, serine and alanine.
    """
    return dict(_rows())


def candidate_tracers(network: Network) -> tuple[dict[str, Tracers], dict[str, str]]:
    """Return the tracers that a network can take: its own standard ones, then the commonly bought ones.

    Parameters
    ----------
    network : Network
        The network.

    Returns
    -------
    tracers : dict of str to Tracers
        By name; what means the same comes once, under the network's own name.
    left_out : dict of str to str
        Why the others do not fit: no such pool, or the network does not track the element.
    """
    found = {name: parse_tracers(text, network) for name, text in network.standard_tracers.items()}
    left_out: dict[str, str] = {}
    for name, text in _rows():
        try:
            tracers = parse_tracers(text, network)
        except TracerError as error:
            left_out[name] = str(error)
            continue
        if all(each.text != tracers.text for each in found.values()):
            found[name if name not in found else f"{name} ({text})"] = tracers
    return found, left_out
