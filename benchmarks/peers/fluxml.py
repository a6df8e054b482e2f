"""FluxML, the model format of 13CFLUX, written from a network, its fragments and its tracers; carbon only.

Format: Beyß et al. 2019, doi:10.3389/fmicb.2019.01022. Every choice that could make the two programs simulate
different things is made here: labels are written without ``purity``, because 13CFLUX then adds no natural 13C.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from string import ascii_letters

import numpy as np

from fluxkit.labeling.tracers import Tracers
from fluxkit.networks import Fragment, Network
from fluxkit.networks.network import Participant, Reaction

NAMESPACE = "http://www.13cflux.net/fluxml"
FORMAT_SD = 0.01  # FluxML wants a measured value and its sd at every mass shift; simulations do not read them


def reaction_identifiers(network: Network) -> dict[str, tuple[str, ...]]:
    """Return the FluxML reactions of each reaction: several where a symmetric molecule gives several atom maps.

    Parameters
    ----------
    network : Network
        The network.
    """
    names = {each.name: _identifier(each.name) for each in network.reactions}
    _refuse_equal(names)
    return {
        each.name: (names[each.name],)
        if (count := len(_atom_maps(each, network))) == 1
        else tuple(f"{names[each.name]}__{i + 1}" for i in range(count))
        for each in network.reactions
    }


def split_fluxes(network: Network, fluxes: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return the names of the FluxML reactions and their fluxes, equal parts for the atom maps of one reaction.

    The uptakes that FluxML needs beside them carry what their users take.

    Parameters
    ----------
    network : Network
        The network.
    fluxes : numpy.ndarray
        Net or exchange fluxes, shape ``(state, reaction)``.

    Returns
    -------
    list of str, numpy.ndarray
        Names, and fluxes of shape ``(state, FluxML reaction)``.
    """
    identifiers = reaction_identifiers(network)
    columns = [(name, fluxes[:, i] / len(parts)) for i, parts in enumerate(identifiers.values()) for name in parts]
    for pool in _joined_inputs(network):
        used = [sum(p.metabolite == pool for p in each.substrates) for each in network.reactions]
        columns.append((_uptake(pool), fluxes @ np.array(used, dtype=float)))
    return [name for name, _ in columns], np.stack([values for _, values in columns], axis=1)


def write_fluxml(
    path: Path, network: Network, fragments: Sequence[Fragment], experiments: Mapping[str, Tracers]
) -> None:
    """Write one FluxML file with one configuration per experiment.

    Measurement group ``f0`` is the first fragment, ``f1`` the second, and so on, each with all its mass shifts.

    Parameters
    ----------
    path : pathlib.Path
        File to write.
    network : Network
        The network; its fixed net fluxes and equalities become constraints, its other bounds do not.
    fragments : sequence of Fragment
        Carbon fragments, each of one pool.
    experiments : mapping of str to Tracers
        Parallel experiments by name.

    Raises
    ------
    ValueError
        The network has what FluxML cannot say: coefficients other than 1, or a reversible reaction with an external
        pool; or a fragment has atoms other than carbon.
    """
    _refuse_unsupported(network, fragments)
    root = ElementTree.Element("fluxml", xmlns=NAMESPACE)
    body = ElementTree.SubElement(root, "reactionnetwork")
    _add_pools(ElementTree.SubElement(body, "metabolitepools"), network)
    identifiers = reaction_identifiers(network)
    for reaction in network.reactions:
        for identifier, letters in zip(identifiers[reaction.name], _atom_maps(reaction, network), strict=True):
            _add_reaction(body, network, reaction, identifier, letters)
    for pool in _joined_inputs(network):
        letters = ascii_letters[: network.atom_counts[pool].get("C", 0)]
        node = ElementTree.SubElement(body, "reaction", id=_uptake(pool), bidirectional="false")
        ElementTree.SubElement(node, "reduct", id=_identifier(pool), cfg=letters)
        ElementTree.SubElement(node, "rproduct", id=_uptake(pool), cfg=letters)
    _add_constraints(root, network, identifiers)
    for name, tracers in experiments.items():
        configuration = ElementTree.SubElement(root, "configuration", name=name, stationary="true")
        _add_inputs(configuration, network, tracers)
        _add_measurements(configuration, fragments)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _refuse_equal(names: Mapping[str, str]) -> None:
    seen: dict[str, str] = {}
    for name, identifier in names.items():
        if identifier in seen:
            raise ValueError(f"{name!r} and {seen[identifier]!r} are both {identifier!r} in FluxML; rename one.")
        seen[identifier] = name


def _refuse_unsupported(network: Network, fragments: Iterable[Fragment]) -> None:
    for reaction in network.reactions:
        for each in (*reaction.substrates, *reaction.products):
            if each.coefficient != 1:
                raise ValueError(f"reaction {reaction.name!r}: FluxML has no coefficient {each.coefficient:g}.")
        sides = (*reaction.substrates, *reaction.products)
        if reaction.reversible and any(each.metabolite not in network.balanced for each in sides):
            raise ValueError(f"reaction {reaction.name!r} is reversible with an external pool, which FluxML forbids.")
    for fragment in fragments:
        if any(element != "C" for element, _ in fragment.atoms):
            raise ValueError(f"fragment {fragment.name!r} has atoms other than carbon; name it with ':C'.")


def _names(participants: Iterable[Participant]) -> set[str]:
    return {each.metabolite for each in participants}


def _joined_inputs(network: Network) -> list[str]:
    """Return inputs that react with balanced pools; FluxML wants them to enter a pool of their own first."""
    joined = set().union(*(s for each in network.reactions if (s := _names(each.substrates)) & set(network.balanced)))
    return [pool for pool in network.inputs if pool in joined]


def _uptake(pool: str) -> str:
    return f"{_identifier(pool)}__uptake"


def _atom_maps(reaction: Reaction, network: Network) -> list[tuple[str, ...]]:
    """Return the distinct atom maps of a reaction, as the carbon letters of its products.

    Whatever produces a symmetric molecule, forward or backward, is averaged with its mirror image: all
    combinations of mirrored products and, in reversible reactions, substrates, each distinct one once. Written as
    reactions of equal flux, which is what 13CFLUX makes of FluxML's variants of equal probability; those allow only
    one metabolite per reaction.
    """

    def images(side: tuple[Participant, ...], produced: bool) -> list[list[str]]:
        plain = [each.atoms.get("C", "") for each in side]
        mirrored = [
            letters[::-1] if produced and each.metabolite in network.symmetric & set(network.balanced) else letters
            for each, letters in zip(side, plain, strict=True)
        ]
        return [plain, mirrored]

    left, right = images(reaction.substrates, reaction.reversible), images(reaction.products, True)
    plain = "".join(left[0])
    maps: dict[tuple[str, ...], None] = {}
    for substrates, products in product(left, right):
        renamed = str.maketrans("".join(substrates), plain)
        maps[tuple(each.translate(renamed) for each in products)] = None
    return list(maps)


def _add_pools(parent: ElementTree.Element, network: Network) -> None:
    """List the balanced pools and the inputs; what leaves the network has no pool in FluxML."""
    pools = {name: _identifier(name) for name in (*network.balanced, *network.inputs)}
    _refuse_equal(pools)
    for name, identifier in (*pools.items(), *((pool, _uptake(pool)) for pool in _joined_inputs(network))):
        ElementTree.SubElement(parent, "pool", id=identifier, atoms=str(network.atom_counts[name].get("C", 0)))


def _add_reaction(
    parent: ElementTree.Element, network: Network, reaction: Reaction, identifier: str, product_letters: tuple[str, ...]
) -> None:
    node = ElementTree.SubElement(
        parent, "reaction", id=identifier, bidirectional="true" if reaction.reversible else "false"
    )
    joined = _joined_inputs(network)
    for each in reaction.substrates:
        pool = _uptake(each.metabolite) if each.metabolite in joined else _identifier(each.metabolite)
        ElementTree.SubElement(node, "reduct", id=pool, cfg=each.atoms.get("C", ""))
    for each, letters in zip(reaction.products, product_letters, strict=True):
        if each.metabolite in network.balanced:
            ElementTree.SubElement(node, "rproduct", id=_identifier(each.metabolite), cfg=letters)


def _add_constraints(root: ElementTree.Element, network: Network, identifiers: Mapping[str, tuple[str, ...]]) -> None:
    """Fix what the network fixes, and give the atom maps of one reaction equal probability."""
    equal = [f"{first}={other}" for first, *others in identifiers.values() for other in others]
    lower, upper = network.net_bounds
    net = [
        f"{'+'.join(identifiers[name])}={low:.17g}"
        for name, low, high in zip(network.reaction_names, lower, upper, strict=True)
        if low == high
    ]
    for each in network.equalities:
        terms = [f"{factor:.17g}*{part}" for name, factor in each.coefficients.items() for part in identifiers[name]]
        net.append(f"{'+'.join(terms)}={each.value:.17g}")
    reversible = {part for each in network.reactions if each.reversible for part in identifiers[each.name]}
    exchange = [each for each in equal if each.partition("=")[0] in reversible]
    node = ElementTree.SubElement(root, "constraints")
    for kind, lines in (("net", equal + net), ("xch", exchange)):
        if lines:
            ElementTree.SubElement(ElementTree.SubElement(node, kind), "textual").text = ";".join(lines)


def _add_inputs(parent: ElementTree.Element, network: Network, tracers: Tracers) -> None:
    for pool in network.inputs:
        size = network.atom_counts[pool].get("C", 0)
        kinds = {"0" * size: 1.0}
        for fraction, atoms in tracers.pools.get(pool, ()):
            pattern = "".join("1" if ("C", i) in atoms else "0" for i in range(size))
            kinds["0" * size] -= fraction
            kinds[pattern] = kinds.get(pattern, 0.0) + fraction
        node = ElementTree.SubElement(parent, "input", pool=_identifier(pool), type="isotopomer")
        for pattern, fraction in kinds.items():
            if fraction > 0:
                ElementTree.SubElement(node, "label", cfg=pattern).text = f"{fraction:.17g}"


def _add_measurements(parent: ElementTree.Element, fragments: Sequence[Fragment]) -> None:
    measurement = ElementTree.SubElement(parent, "measurement")
    groups = ElementTree.SubElement(ElementTree.SubElement(measurement, "model"), "labelingmeasurement")
    data = ElementTree.SubElement(measurement, "data")
    for i, fragment in enumerate(fragments):
        atoms = ",".join(str(position + 1) for _, position in fragment.atoms)
        shifts = range(fragment.size + 1)
        group = ElementTree.SubElement(groups, "group", id=f"f{i}", scale="one")  # values as they are
        text = f"{_identifier(fragment.metabolite)}[{atoms}]#M{','.join(map(str, shifts))}"
        ElementTree.SubElement(group, "textual").text = text
        for shift in shifts:
            value = ElementTree.SubElement(data, "datum", id=f"f{i}", stddev=str(FORMAT_SD), weight=str(shift))
            value.text = f"{1 / len(shifts):.17g}"
