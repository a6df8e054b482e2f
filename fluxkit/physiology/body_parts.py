"""Which compartments of a body are tissues and which its circulation, and to which of them a reaction belongs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fluxkit.errors import NetworkError
from fluxkit.networks import Network, Reaction
from fluxkit.networks.network import EXTERNAL_SUFFIX

PLASMA = ("P", "Pa", "Pv", "Pp", "Ps")
"""Compartments that are taken for circulation where a network names none: plasma, arterial, venous, portal, and the
inflow of the liver."""

OUTSIDE = "outside"
"""The organ of what enters or leaves the circulation through none: infusion, diet, breath."""


@dataclass(frozen=True)
class BodyParts:
    """The tissues of a body and the pools of its circulation, each suffix with its name.

    Parameters
    ----------
    tissues : dict of str to str
        ``{"L": "liver", ...}``: compartments in which reactions run.
    circulation : dict of str to str
        ``{"P": "plasma"}``: compartments that only join tissues.
    """

    tissues: dict[str, str]
    circulation: dict[str, str]


def body_parts(network: Network) -> BodyParts:
    """Tell the tissues of a body from its circulation.

    A tissue is a compartment whose letter begins the names of its reactions, ``L_HK``; no reaction runs in the
    circulation.

    Parameters
    ----------
    network : Network
        A composed body or co-culture.

    Raises
    ------
    NetworkError
        The network names no compartments, or no tissue or no circulation among them.
    """
    where = f"network {network.name!r}"
    if not network.compartments:
        raise NetworkError(
            f"{where} has compartments = {{}}; a body map needs to know tissues and circulation. Compose the body by "
            "fluxkit.compose_body, name them by %compartment lines in the .rxn text, or draw one cell by "
            "fluxkit.flux_map."
        )
    running = _running(network)
    tissues = {key: name for key, name in network.compartments.items() if key in running}
    rest = {key: name for key, name in network.compartments.items() if key not in running}
    if not tissues or not rest:
        given = ", ".join(f"{key} = {name!r}" for key, name in network.compartments.items())
        lacking = "tissue" if not tissues else "circulation"
        raise NetworkError(
            f"{where} has compartments {given}, none of them a {lacking}. Begin the reactions of a tissue with its "
            "letter, 'L_HK', and those between tissues with another word, as fluxkit.compose_body does; functions of "
            "fluxkit.physiology also take the letters of the circulation as plasma=[...]."
        )
    return BodyParts(tissues, rest)


def parts_of(network: Network, plasma: Sequence[str] | None = None) -> BodyParts:
    """Return the parts of a body, from its own names where it has some.

    Parameters
    ----------
    network : Network
        A whole-body network.
    plasma : sequence of str, optional
        Compartments that are circulation. By default those that :func:`body_parts` finds, or :data:`PLASMA` where the
        network names no compartments; then no tissue is known by name.

    Raises
    ------
    NetworkError
        The network names compartments, but no tissue or no circulation among them.
    """
    names = network.compartments
    if plasma is None and names:
        return body_parts(network)
    letters = PLASMA if plasma is None else tuple(plasma)
    tissues = {key: names[key] for key in names if key in _running(network) and key not in letters}
    return BodyParts(tissues, {key: names.get(key, key) for key in letters})


def compartment_of(metabolite: str) -> str:
    """Return the compartment of a metabolite, ``"L"`` of ``"Lac.L"`` and of ``"TG.L_x"``; empty where it has none.

    Parameters
    ----------
    metabolite : str
        Name with its compartment.
    """
    return metabolite.removesuffix(EXTERNAL_SUFFIX).rpartition(".")[2] if "." in metabolite else ""


def nutrient_of(metabolite: str) -> str:
    """Return the name of a metabolite without compartment, ``"Lac"`` of ``"Lac.P"``.

    Parameters
    ----------
    metabolite : str
        Name with its compartment.
    """
    return metabolite.rpartition(".")[0] or metabolite


def tissue_of(reaction: Reaction, parts: BodyParts) -> str:
    """Return the suffix of the tissue in which a reaction runs; empty for one of the body as a whole.

    Parameters
    ----------
    reaction : Reaction
        A reaction of the body.
    parts : BodyParts
        Its tissues.
    """
    found = _compartments(reaction) & set(parts.tissues)
    if len(found) == 1:
        return found.pop()
    letter = reaction.name.partition("_")[0]
    return letter if "_" in reaction.name and letter in parts.tissues else min(found, default="")


def organ_of(reaction: Reaction, plasma: Collection[str] = PLASMA, parts: BodyParts | None = None) -> str:
    """Return the organ of a reaction: its tissue, or the compartment of what takes part and is not circulation.

    Parameters
    ----------
    reaction : Reaction
        A reaction of a whole-body network.
    plasma : collection of str
        Compartments that are circulation, where ``parts`` is not given.
    parts : BodyParts, optional
        Tissues and circulation of the body, from :func:`parts_of`. With them what passes an organ from plasma to
        urine, ``K_UREAu``, belongs to that organ.
    """
    if parts is not None:
        plasma = parts.circulation
    tissue = tissue_of(reaction, parts) if parts is not None else ""
    return tissue or "+".join(sorted(_compartments(reaction) - {"", *plasma})) or OUTSIDE


def units_of(network: Network, element: str | None = None) -> str:
    """Return the unit of fluxes of molecules, or of atoms: ``"nmol C/min/g"`` where fluxes are in ``"nmol/min/g"``.

    Parameters
    ----------
    network : Network
        The network.
    element : {"C", "N", "H"}, optional
        Whose atoms are counted.
    """
    return network.flux_unit if element is None else of_element(network.flux_unit, element)


def of_element(units: str, element: str = "C") -> str:
    """Return the unit of a flux of atoms: ``"nmol C/min/g"`` of ``"nmol/min/g"``.

    Parameters
    ----------
    units : str
        Unit of a flux of molecules.
    element : {"C", "N", "H"}
        Whose atoms are counted.
    """
    amount, slash, rest = units.partition("/")
    return f"{amount} {element}{slash}{rest}"


def _running(network: Network) -> set[str]:
    """Return what begins the names of reactions: the letters of tissues, and words."""
    return {name.partition("_")[0] for name in network.reaction_names if "_" in name}


def _compartments(reaction: Reaction) -> set[str]:
    return {compartment_of(each.metabolite) for each in (*reaction.substrates, *reaction.products)}
