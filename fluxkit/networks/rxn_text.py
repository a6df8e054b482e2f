"""The ``.rxn`` text: one reaction a line with its atom transitions, read and written.

``PHGDH: PG3.c (abc) + Glu.c (defgh){n} -> Ser.c (abc){n} + AKG.c (defgh)``

Carbon letters stand in ``()``, nitrogen in ``{}``, hydrogen in ``[]``, each a letter space of its own.
``<->`` is reversible. A name that ends in ``_x`` is an external pool, a suffix after ``.`` is the
compartment. ``%symmetric A B`` lists rotationally symmetric metabolites, ``%compartment L liver`` names a
compartment, ``%size L 0.05`` says that its fluxes are per mass of liver, of which a unit of body has 0.05;
``#`` starts a comment. A coefficient in front of a metabolite may be decimal.
"""

import re
from collections.abc import Iterator

from fluxkit.errors import NetworkError
from fluxkit.networks.network import Network, Participant, Reaction

BRACKETS = {"C": "()", "N": "{}", "H": "[]"}
_COEFFICIENT = r"(?:(?P<coefficient>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s+)?"
_ATOMS = r"\s*(?:\((?P<C>[A-Za-z]*)\))?\s*(?:\{(?P<N>[A-Za-z]*)\})?\s*(?:\[(?P<H>[A-Za-z]*)\])?"
_TERM = re.compile(rf"{_COEFFICIENT}(?P<name>[A-Za-z_][\w.\-]*){_ATOMS}")
_MARKED_TERM = re.compile(rf"{_COEFFICIENT}(?P<name>[A-Za-z_][\w.\-]*@?[avp]?){_ATOMS}")


def parse_reactions(text: str, source: str = "text") -> tuple[tuple[Reaction, ...], frozenset[str]]:
    """Read reactions and symmetric metabolites from ``.rxn`` text.

    Parameters
    ----------
    text : str
        The whole text.
    source : str
        Name of the file, for messages.

    Returns
    -------
    reactions : tuple of Reaction
    symmetric : frozenset of str

    Raises
    ------
    NetworkError
        A line cannot be read; the message gives the line and the expected form.
    """
    reactions: list[Reaction] = []
    symmetric: set[str] = set()
    for where, body, comment in statements(text, source):
        if not body.startswith("%"):
            reactions.append(parse_reaction(body, where, comment))
            continue
        keyword, *names = body.split()
        if keyword == "%symmetric":
            symmetric.update(names)
        elif keyword not in ("%compartment", "%size"):
            raise NetworkError(
                f"{where}: unknown directive {keyword!r}; only %symmetric, %compartment and %size are known."
            )
    return tuple(reactions), frozenset(symmetric)


def parse_compartments(text: str, source: str = "text") -> dict[str, str]:
    """Read the names of compartments from ``.rxn`` text.

    Parameters
    ----------
    text : str
        The whole text; a line ``%compartment L liver`` calls the compartment ``.L`` liver.
    source : str
        Name of the file, for messages.

    Raises
    ------
    NetworkError
        A compartment has no name, or two.
    """
    names: dict[str, str] = {}
    for where, body, suffix, name in _said_of(text, source, "%compartment"):
        if not name or suffix in names:
            raise NetworkError(f"{where}: cannot read {body!r}; write '%compartment L liver' once per compartment.")
        names[suffix] = name
    return names


def parse_sizes(text: str, source: str = "text") -> dict[str, float]:
    """Read the sizes of compartments from ``.rxn`` text.

    Parameters
    ----------
    text : str
        The whole text; a line ``%size L 0.05`` says that fluxes in ``.L`` are per mass of it, 0.05 per unit of body.
    source : str
        Name of the file, for messages.

    Raises
    ------
    NetworkError
        A size is no number, or a compartment has two.
    """
    sizes: dict[str, float] = {}
    for where, body, suffix, size in _said_of(text, source, "%size"):
        try:
            if suffix in sizes:
                raise ValueError
            sizes[suffix] = float(size)
        except ValueError as error:
            raise NetworkError(f"{where}: cannot read {body!r}; write '%size L 0.05' once per compartment.") from error
    return sizes


def _said_of(text: str, source: str, directive: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield place, line, compartment and what is said of it."""
    for where, body, _ in statements(text, source):
        keyword, _, rest = body.partition(" ")
        if keyword == directive:
            suffix, _, said = rest.strip().partition(" ")
            yield where, body, suffix, said.strip()


def statements(text: str, source: str) -> Iterator[tuple[str, str, str]]:
    """Yield place, body and comment of every line that says something.

    Parameters
    ----------
    text : str
        The whole text.
    source : str
        Name of the file, for messages.
    """
    for number, line in enumerate(text.splitlines(), 1):
        body, _, comment = line.partition("#")
        if body.strip():
            yield f"{source}, line {number}", body.strip(), comment.strip()


def parse_reaction(body: str, where: str, note: str = "", *, marks: bool = False) -> Reaction:
    """Read one reaction.

    Parameters
    ----------
    body : str
        ``name: A (ab) -> B (ab)``, without comment.
    where : str
        The place of the line, for messages.
    note : str
        Its comment.
    marks : bool
        Whether ``.@`` may stand for the circulation, as in the templates of tissues.

    Raises
    ------
    NetworkError
        The line cannot be read; the message gives the expected form.
    """
    name, colon, equation = body.partition(":")
    reversible = "<->" in equation
    sides = equation.split("<->" if reversible else "->")
    if not colon or len(sides) != 2 or not name.strip():
        raise NetworkError(f"{where}: cannot read {body!r}; write 'name: A (ab) -> B (ab)', or '<->' if reversible.")
    term = _MARKED_TERM if marks else _TERM
    substrates, products = (_parse_side(side, where, term) for side in sides)
    return Reaction(name.strip(), substrates, products, reversible, note)


def _parse_side(side: str, where: str, pattern: re.Pattern[str]) -> tuple[Participant, ...]:
    participants = []
    for term in re.split(r"\s\+\s", side.strip()) if side.strip() else []:
        match = pattern.fullmatch(term.strip())
        if match is None:
            raise NetworkError(
                f"{where}: cannot read {term.strip()!r}; write 'Name (carbons){{nitrogens}}[hydrogens]' with "
                "one letter per atom, and ' + ' between metabolites."
            )
        atoms = {element: match[element] for element in BRACKETS if match[element]}
        participants.append(Participant(match["name"], float(match["coefficient"] or 1), atoms))
    return tuple(participants)


def format_reactions(network: Network) -> str:
    """Write the reactions of a network as ``.rxn`` text, the inverse of :func:`parse_reactions`.

    Parameters
    ----------
    network : Network
        The network to write.
    """
    lines = [f"# {line}" for line in network.description.splitlines()]
    if network.symmetric:
        lines.append("%symmetric " + " ".join(sorted(network.symmetric)))
    lines += [f"%compartment {suffix} {name}" for suffix, name in network.compartments.items()]
    lines += [f"%size {suffix} {size:.17g}" for suffix, size in network.sizes.items()]
    for reaction in network.reactions:
        arrow = " <-> " if reaction.reversible else " -> "
        sides = (" + ".join(map(_format_participant, side)) for side in (reaction.substrates, reaction.products))
        note = f"  # {reaction.note}" if reaction.note else ""
        lines.append(f"{reaction.name}: {arrow.join(sides)}{note}".rstrip())
    return "\n".join(lines) + "\n"


def _format_participant(participant: Participant) -> str:
    coefficient = "" if participant.coefficient == 1 else f"{participant.coefficient:.17g} "
    groups = "".join(
        f"{left}{participant.atoms[element]}{right}"
        for element, (left, right) in BRACKETS.items()
        if participant.atoms.get(element)
    )
    return f"{coefficient}{participant.metabolite}{' ' + groups if groups else ''}"
