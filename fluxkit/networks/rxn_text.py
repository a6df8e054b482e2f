"""The ``.rxn`` text: one reaction a line with its atom transitions, read and written.

``PHGDH: PG3.c (abc) + Glu.c (defgh){n} -> Ser.c (abc){n} + AKG.c (defgh)``

Carbon letters stand in ``()``, nitrogen in ``{}``, hydrogen in ``[]``, each a letter space of its own.
``<->`` is reversible. A name that ends in ``_x`` is an external pool, a suffix after ``.`` is the
compartment. ``%symmetric A B`` lists rotationally symmetric metabolites, ``#`` starts a comment. A
coefficient in front of a metabolite may be decimal.
"""

import re

from fluxkit.errors import NetworkError
from fluxkit.networks.network import Network, Participant, Reaction

BRACKETS = {"C": "()", "N": "{}", "H": "[]"}
_TERM = re.compile(
    r"(?:(?P<coefficient>\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s+)?(?P<name>[A-Za-z_][\w.\-]*)\s*"
    r"(?:\((?P<C>[A-Za-z]*)\))?\s*(?:\{(?P<N>[A-Za-z]*)\})?\s*(?:\[(?P<H>[A-Za-z]*)\])?"
)


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
    for number, line in enumerate(text.splitlines(), 1):
        body, _, comment = line.partition("#")
        body, where = body.strip(), f"{source}, line {number}"
        if not body:
            continue
        if body.startswith("%"):
            keyword, *names = body.split()
            if keyword != "%symmetric":
                raise NetworkError(f"{where}: unknown directive {keyword!r}; only %symmetric is known.")
            symmetric.update(names)
            continue
        reactions.append(_parse_reaction(body, comment.strip(), where))
    return tuple(reactions), frozenset(symmetric)


def _parse_reaction(body: str, note: str, where: str) -> Reaction:
    name, colon, equation = body.partition(":")
    reversible = "<->" in equation
    sides = equation.split("<->" if reversible else "->")
    if not colon or len(sides) != 2 or not name.strip():
        raise NetworkError(f"{where}: cannot read {body!r}; write 'name: A (ab) -> B (ab)', or '<->' if reversible.")
    substrates, products = (_parse_side(side, where) for side in sides)
    return Reaction(name.strip(), substrates, products, reversible, note)


def _parse_side(side: str, where: str) -> tuple[Participant, ...]:
    participants = []
    for term in re.split(r"\s\+\s", side.strip()) if side.strip() else []:
        match = _TERM.fullmatch(term.strip())
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
