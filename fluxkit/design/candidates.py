"""Candidate experiments as the user writes them, and the sets of them that may run in parallel."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from fluxkit.design.standard_tracers import candidate_tracers
from fluxkit.errors import TracerError
from fluxkit.labeling import Tracers, parse_tracers
from fluxkit.networks import Network

Candidates = Mapping[str, str | Sequence[str]] | Sequence[str] | None


def read_candidates(
    network: Network, candidates: Candidates, one_element: bool = False
) -> tuple[dict[str, tuple[Tracers, ...]], dict[str, str]]:
    """Read candidate experiments, or sets of parallel experiments.

    Parameters
    ----------
    network : Network
        The network.
    candidates : mapping of str to text or texts, sequence of str, optional
        Tracer texts; a sequence of texts under one name is a set of parallel experiments.
    one_element : bool
        Whether common tracers that label several elements are left out.

    Returns
    -------
    candidates : dict of str to tuple of Tracers
        By name.
    left_out : dict of str to str
        Commonly bought tracers that the network cannot take, and why.

    Raises
    ------
    TracerError
        There is no candidate, one comes twice, does not fit the network.
    """
    if candidates is None:
        known, left_out = candidate_tracers(network)
        if not known:
            raise TracerError(
                f"network {network.name!r} takes none of the common tracers; give candidates=['{network.inputs[0]}: "
                "100% [U-13C]', ...]."
            )
        for name in [name for name, each in known.items() if one_element and len(each.labeled_elements) > 1]:
            left_out[name] = (
                f"{known.pop(name).text!r} labels several elements, whose natural isotopes a mass does not tell apart."
            )
        return {name: (each,) for name, each in known.items()}, left_out
    if isinstance(candidates, str):
        raise TracerError(f"candidates must be a list or mapping of tracer texts, not {candidates!r}; write [...].")
    texts = list(candidates)
    if not texts:
        raise TracerError("there is no candidate; leave candidates out for the common tracers.")
    if len(set(texts)) < len(texts):
        raise TracerError("a candidate comes twice; name each once.")
    pairs = candidates.items() if isinstance(candidates, Mapping) else zip(texts, texts, strict=True)
    result = {name: _read_set(network, name, text) for name, text in pairs}
    return result, {}


def _read_set(network: Network, name: str, text: str | Sequence[str]) -> tuple[Tracers, ...]:
    parsed = []
    for each in [text] if isinstance(text, str) else text:
        try:
            tracers = parse_tracers(each, network)
        except TracerError as error:
            raise TracerError(f"candidate {name!r}: {error}") from error
        parsed.append(tracers)
    if not parsed:
        raise TracerError(f"candidate {name!r} holds no experiment; give at least one tracer text.")
    return tuple(parsed)


def parallel_sets(names: Sequence[str], parallel: int, most: int) -> list[tuple[str, ...]]:
    """Return every candidate, and every set of up to ``parallel`` of them.

    Parameters
    ----------
    names : sequence of str
        The candidates.
    parallel : int
        The most candidates in a set.
    most : int
        The most sets.

    Raises
    ------
    TracerError
        The number is not a positive whole one, or there would be too many sets.
    """
    if isinstance(parallel, bool) or int(parallel) != parallel or parallel < 1:
        raise TracerError(f"parallel = {parallel!r}: how many experiments share the flux state; give 1, 2 or 3.")
    ordered = sorted(names)
    sets = [each for size in range(1, int(parallel) + 1) for each in combinations(ordered, size)]
    if len(sets) > most:
        raise TracerError(
            f"{len(names)} candidates make {len(sets)} sets of up to {parallel}, above {most}; give fewer candidates."
        )
    return sets
