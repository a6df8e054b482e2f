"""The one exception family of fluxkit: every refusal names the value, the place and the cure."""

from collections.abc import Iterable
from difflib import get_close_matches


class FluxkitError(Exception):
    """Base class of every error that fluxkit raises on purpose."""

    def __str__(self) -> str:
        return self.args[0] if self.args else ""


class NetworkError(FluxkitError, ValueError):
    """A network, or its text, is not valid."""


class FluxError(FluxkitError, ValueError):
    """A flux state is not possible in its network."""


class TracerError(FluxkitError, ValueError):
    """A tracer text cannot be understood or does not fit the network."""


class LabelingError(FluxkitError, ValueError):
    """Measured or simulated labeling breaks the rules of a labeling dataset."""


class ModelError(FluxkitError, ValueError):
    """A learned model is damaged, or does not belong to the network."""


class NotebookError(FluxkitError, RuntimeError):
    """A notebook was given wrong parameters, or failed while running."""


class UnknownNameError(FluxkitError, KeyError):
    """A name that does not exist; the message offers the nearest ones."""


def suggest(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Return the tail of a message: ``Did you mean ...?`` or the list of what exists.

    Parameters
    ----------
    name : str
        What was asked for.
    known : iterable of str
        What exists.
    limit : int
        The most names to offer.
    """
    names = sorted(set(known))
    folded = {each.lower(): each for each in names}
    close = [folded[each] for each in get_close_matches(name.lower(), folded, n=limit, cutoff=0.5)]
    if close:
        return f"Did you mean {' or '.join(repr(each) for each in close)}?"
    shown = ", ".join(repr(each) for each in names[:12])
    return f"Known: {shown}{', ...' if len(names) > 12 else ''}."
