"""Tracers: which molecules of which input pools carry heavy atoms."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fluxkit.errors import TracerError
from fluxkit.labeling.isotopes import TRACER_ISOTOPES, heavy_abundance
from fluxkit.labeling.label_text import Atom, AtomNames, format_label, read_label
from fluxkit.labeling.pool_names import resolve_input
from fluxkit.networks import Network

DEFAULT_EXPERIMENT = "tracer"
_TERM = re.compile(r"(?:(?P<percent>[^%\[\]]*)%)?\s*(?:\[(?P<label>[^\[\]]*)\]|unlabell?ed)(?P<name>[^\[\]%]*)")
_EXAMPLE = "write 'Glc_x: 80% [1,2-13C2] + 20% [U-13C6]; Gln_x: 100% [U-13C5]' or '100% [U-13C6]glucose'"
_TOLERANCE = 1e-9  # of a fraction: 33.3 + 66.7 % may exceed 100 % by a rounding error of the sum

Mixture = tuple[tuple[float, frozenset[Atom]], ...]


@dataclass(frozen=True)
class Tracers:
    """The tracers of one experiment.

    Parameters
    ----------
    pools : mapping of str to tuple of (fraction, atoms)
        For each input pool that is named, the labeled kinds of molecules: the fraction of molecules (0 to 1)
        and the heavy atoms as a frozenset of (element, zero-based position). The rest of a pool is unlabeled.
    text : str
        The canonical text; it reads back as the same tracers.
    unknown : frozenset of str
        Input pools of which an unknown part carries the label, ``?%``: the rate of an infusion that differs between
        experiments that otherwise share one flux state. Their stated fractions are those of the tracer itself.
    """

    pools: Mapping[str, Mixture]
    text: str
    unknown: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for pool, mixture in self.pools.items():
            fractions = [fraction for fraction, _ in mixture]
            if any(not 0 <= each <= 1 for each in fractions) or sum(fractions) > 1 + _TOLERANCE:
                raise TracerError(f"{pool}: the fractions {fractions} must lie in 0 to 1 and sum to at most 1.")
        object.__setattr__(self, "pools", MappingProxyType(dict(self.pools)))

    def __reduce__(self):
        return (Tracers, (dict(self.pools), self.text, self.unknown))

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    @property
    def labeled_pools(self) -> tuple[str, ...]:
        """Input pools with a labeled kind of molecule, in the order of the network."""
        return tuple(pool for pool, mixture in self.pools.items() if mixture)

    @property
    def labeled_elements(self) -> str:
        """Elements that some tracer labels, in the order C, N, H: ``"CN"``."""
        return labeled_elements([self])


def labeled_elements(tracers: Iterable[Tracers]) -> str:
    """Return the elements that some tracer of some experiment labels, in the order C, N, H.

    Parameters
    ----------
    tracers : iterable of Tracers
        The experiments.
    """
    mixtures = [mixture for each in tracers for mixture in each.pools.values()]
    seen = {element for mixture in mixtures for _, atoms in mixture for element, _ in atoms}
    return "".join(each for each in TRACER_ISOTOPES if each in seen)


def parse_tracers(text: str, network: Network, atom_names: AtomNames | None = None) -> Tracers:
    """Read the tracers of one experiment.

    Parameters
    ----------
    text : str
        ``"Glc_x: 80% [1,2-13C2] + 20% [U-13C6]; Gln_x: 100% [U-13C5,15N2]"``: percent of the molecules of
        each input pool, the rest unlabeled; a single label without percentage means 100 %. Positions count
        the atoms of an element as the network lists them. Common names work where they mean one input pool:
        ``"100% [U-13C6]glucose"``. ``"Glc_inf_x: ?% [U-13C6]"`` leaves the labeled part of a pool to be found.
    network : Network
        Network whose input pools are labeled.
    atom_names : mapping, optional
        Names of atoms beside their numbers: pool -> name -> (element, position or positions, from 1), such as
        ``{"Glc_x": {"6,6": ("H", (6, 7))}}``.

    Returns
    -------
    Tracers

    Raises
    ------
    TracerError
        The text cannot be read, names an unknown pool or atom, or more than 100 % of a pool.
    """
    if not isinstance(text, str):
        raise TracerError(f"tracers are written as text, not {type(text).__name__}; {_EXAMPLE}.")
    pools: dict[str, Mixture] = {}
    unknown = set()
    for entry in filter(None, (each.strip() for each in text.split(";"))):
        pool, mixture, is_unknown = _read_entry(entry, network, atom_names)
        if is_unknown:
            unknown.add(pool)
        if pool in pools:
            raise TracerError(f"tracers {text!r}: pool {pool} comes twice; join its labels with '+'.")
        pools[pool] = mixture
    if not pools:
        raise TracerError(f"tracers {text!r} name no pool; {_EXAMPLE}.")
    ordered = {pool: pools[pool] for pool in network.inputs if pool in pools}
    entries = (_format_entry(pool, mixture, network, pool in unknown) for pool, mixture in ordered.items())
    return Tracers(ordered, "; ".join(entries), frozenset(unknown))


def _read_entry(entry: str, network: Network, atom_names: AtomNames | None) -> tuple[str, Mixture, bool]:
    where = f"tracer {entry!r}"
    prefix, colon, body = entry.rpartition(":")
    pool = resolve_input(prefix.strip(), network, where) if colon else None
    terms = [_TERM.fullmatch(each.strip()) for each in body.split("+")]
    unknown = any(term is not None and (term["percent"] or "").strip() == "?" for term in terms)
    if unknown and len(terms) > 1:
        raise TracerError(
            f"{where}: an unknown part '?%' must be the only label of its pool; give the mixture as numbers."
        )
    mixture: dict[frozenset[Atom], float] = {}
    total = 0.0
    for term in terms:
        if term is None:
            raise TracerError(f"{where} cannot be read; {_EXAMPLE}.")
        pool = _pool_of_term(term["name"].strip(), pool, network, where)
        fraction = 1.0 if unknown else _fraction(term["percent"], len(terms), where)
        total += fraction
        if term["label"] is None:
            continue
        atoms = read_label(term["label"], pool, network.atom_counts[pool], where, atom_names)
        if atoms in mixture:
            raise TracerError(f"{where}: '[{term['label']}]' comes twice; add up its percentages.")
        mixture[atoms] = fraction
    if total > 1 + _TOLERANCE:
        raise TracerError(f"{where}: the percentages sum to {100 * total:g} %, above 100 %. Lower one of them.")
    return str(pool), tuple((fraction, atoms) for atoms, fraction in mixture.items()), unknown


def _pool_of_term(name: str, pool: str | None, network: Network, where: str) -> str:
    if not name:
        if pool is None:
            raise TracerError(f"{where} names no pool; {_EXAMPLE}.")
        return pool
    found = resolve_input(name, network, where)
    if pool not in (None, found):
        raise TracerError(f"{where} mixes the pools {pool} and {found}; separate different pools with ';'.")
    return found


def _fraction(percent: str | None, n_terms: int, where: str) -> float:
    if percent is None:
        if n_terms == 1:
            return 1.0
        raise TracerError(f"{where}: a mixture needs a percentage at each label, as in '80% [1-13C] + 20% [U-13C6]'.")
    try:
        value = float(percent)
    except ValueError:
        raise TracerError(
            f"{where}: cannot read the percentage {percent.strip()!r}; write a number such as 80 or 12.5, or ? for an "
            "unknown part."
        ) from None
    if not 0 <= value <= 100:
        raise TracerError(f"{where}: {percent.strip()} % is not between 0 and 100 % of the molecules.")
    return value / 100


def _format_entry(pool: str, mixture: Mixture, network: Network, unknown: bool) -> str:
    counts = network.atom_counts[pool]
    terms = [f"{'?' if unknown else _percent(part)}% {format_label(atoms, counts)}" for part, atoms in mixture]
    return f"{pool}: {' + '.join(terms) or '100% unlabeled'}"


def _percent(fraction: float) -> str:
    """Return the shortest percentage that reads back as the same fraction."""
    texts = (f"{100 * fraction:.{digits}g}" for digits in range(6, 18))
    return next((each for each in texts if float(each) / 100 == fraction), repr(100 * fraction))


def normalise_experiments(
    tracers: "str | Tracers | Mapping[str, str | Tracers]",
    network: Network,
    atom_names: AtomNames | None = None,
) -> dict[str, Tracers]:
    """Read the ``tracers`` argument of public functions: one text, or a text for each parallel experiment.

    Parameters
    ----------
    tracers : str, Tracers or mapping of str to these
        One experiment, which is then named ``"tracer"``, or experiment name -> tracers.
    network : Network
        Network whose input pools are labeled.
    atom_names : mapping, optional
        As for :func:`parse_tracers`.

    Returns
    -------
    dict of str to Tracers
        In the order given.

    Raises
    ------
    TracerError
        No experiment, a name that is not text, or tracers that do not fit the network; the message names the
        experiment.
    """
    if isinstance(tracers, (str, Tracers)):
        return {DEFAULT_EXPERIMENT: parse_tracers(str(tracers), network, atom_names)}
    if not isinstance(tracers, Mapping) or not tracers:
        raise TracerError(f"tracers must be a text, or map experiment names to texts, not {tracers!r}; {_EXAMPLE}.")
    experiments: dict[str, Tracers] = {}
    for name, each in tracers.items():
        if not isinstance(name, str) or not name.strip():
            raise TracerError(f"an experiment needs a name as text, not {name!r}.")
        text = each.text if isinstance(each, Tracers) else each
        try:
            experiments[name] = parse_tracers(text, network, atom_names)
        except TracerError as error:
            raise TracerError(f"experiment {name!r}: {error}") from error
    return experiments


def input_mid(
    tracers: Tracers,
    pool: str,
    atoms: tuple[Atom, ...],
    purity: float = 1.0,
    natural: bool = False,
    resolved: bool = False,
) -> np.ndarray:
    r"""Return the mass distribution of some atoms of an input pool; heavy atoms of all elements count alike.

    .. math:: \sum_k f_k \, \bigl(\ast_{a} (1 - p_{ka},\; p_{ka})\bigr)

    over the kinds of molecules :math:`k` with fractions :math:`f_k`, the unlabeled rest among them;
    :math:`p_{ka}` is the purity for a labeled atom, else 0 or the natural abundance,
    and :math:`\ast` is convolution. Where isotopes are told apart, each element has its own convolution, and a
    kind of molecule brings their outer product.

    Parameters
    ----------
    tracers : Tracers
        Tracers of one experiment; a pool that they do not name is unlabeled.
    pool : str
        Input pool.
    atoms : tuple of (element, position)
        Zero-based positions, elements may be mixed.
    purity : float
        Probability that a labeled position is heavy (isotopic purity), 0 to 1.
    natural : bool
        Whether unlabeled positions are heavy at the natural abundance of their element instead of never.
    resolved : bool
        Whether the heavy atoms of each element are counted apart.

    Returns
    -------
    numpy.ndarray
        Fractions of mass shift 0 to ``len(atoms)``, shape ``(len(atoms) + 1,)``; or, told apart, one axis for each
        element of the atoms in alphabetical order, as long as its atoms and one. They sum to 1.

    Raises
    ------
    TracerError
        The purity is not between 0 and 1.
    """
    if not 0 <= purity <= 1:
        raise TracerError(f"isotopic purity must lie between 0 and 1, not {purity!r}; write 0.99 for 99 %.")
    mixture = tracers.pools.get(pool, ())
    rest = max(0.0, 1.0 - sum(fraction for fraction, _ in mixture))
    groups = [atoms]
    if resolved:
        groups = [[atom for atom in atoms if atom[0] == each] for each in sorted({element for element, _ in atoms})]
    mid = np.zeros([len(group) + 1 for group in groups])
    for fraction, heavy in (*mixture, (rest, frozenset())):
        kind = np.array(fraction)
        for group in groups:
            background = [heavy_abundance(element) if natural else 0.0 for element, _ in group]
            chances = [purity if atom in heavy else low for atom, low in zip(group, background, strict=True)]
            kind = np.multiply.outer(kind, _count_heavy(chances))
        mid += kind
    return mid


def _count_heavy(chances: list[float]) -> np.ndarray:
    """Return the distribution of the number of heavy atoms when each is heavy with its own chance."""
    distribution = np.ones(1)
    for chance in chances:
        distribution = np.convolve(distribution, [1.0 - chance, chance])
    return distribution
