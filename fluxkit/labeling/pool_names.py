"""Which input pool of a network a common name such as ``glucose`` means."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from fluxkit.errors import TracerError, suggest
from fluxkit.networks import Network

COMMON_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "glucose": ("Glc",),
        "galactose": ("Gal",),
        "fructose": ("Fru",),
        "ribose": ("Rib",),
        "glycerol": ("Glyc",),
        "glycogen": ("Glycogen", "Glyg"),
        "lactate": ("Lac",),
        "pyruvate": ("Pyr",),
        "acetate": ("Ac",),
        "propionate": ("Prop",),
        "butyrate": ("But",),
        "palmitate": ("Pal",),
        "beta-hydroxybutyrate": ("BHB",),
        "3-hydroxybutyrate": ("BHB",),
        "acetoacetate": ("AcAc",),
        "citrate": ("Cit",),
        "bicarbonate": ("HCO3", "CO2"),
        "carbon dioxide": ("CO2", "HCO3"),
        "ammonia": ("NH3", "NH4"),
        "ammonium": ("NH4", "NH3"),
        "urea": ("Urea",),
        "water": ("H", "H2O"),
        "alanine": ("Ala",),
        "arginine": ("Arg",),
        "asparagine": ("Asn",),
        "aspartate": ("Asp",),
        "cysteine": ("Cys",),
        "glutamate": ("Glu",),
        "glutamine": ("Gln",),
        "glycine": ("Gly",),
        "histidine": ("His",),
        "isoleucine": ("Ile",),
        "leucine": ("Leu",),
        "lysine": ("Lys",),
        "methionine": ("Met",),
        "ornithine": ("Orn",),
        "phenylalanine": ("Phe",),
        "proline": ("Pro",),
        "serine": ("Ser",),
        "threonine": ("Thr",),
        "tryptophan": ("Trp",),
        "tyrosine": ("Tyr",),
        "valine": ("Val",),
    }
)
"""Stems of pool names, most usual first, for each common name."""


def pool_stem(pool: str) -> str:
    """Return the metabolite part of a pool's name: ``Glc`` of ``Glc_feed_x`` and of ``Glc.c``.

    Parameters
    ----------
    pool : str
        Name of a pool.
    """
    return re.split(r"[._]", pool, maxsplit=1)[0]


def resolve_input(name: str, network: Network, where: str) -> str:
    """Return the input pool that a name means: its exact name, a common name or a stem.

    Parameters
    ----------
    name : str
        ``"Glc_x"``, ``"Glc"``, ``"glucose"`` or ``"D-glucose"``.
    network : Network
        Network whose input pools are searched.
    where : str
        The place of the name, for messages.

    Raises
    ------
    TracerError
        No input pool, or several, or a pool that is no input.
    """
    if name in network.inputs:
        return name
    if name in network.atom_counts:
        raise TracerError(
            f"{where}: pool {name!r} is not an input of network {network.name!r}, so it carries no tracer. "
            f"Its inputs: {', '.join(network.inputs)}."
        )
    plain = re.sub(r"^(?:[dl]|\(?[rs]\)?)-(?=\w)", "", name.strip(" -").lower())
    stems = COMMON_NAMES.get(plain, (plain,))
    for stem in stems:
        matches = [each for each in network.inputs if stem.lower() in (pool_stem(each).lower(), each[:-2].lower())]
        if len(matches) > 1:
            raise TracerError(
                f"{where}: {name!r} may be any of the input pools {', '.join(matches)} of network "
                f"{network.name!r}. Write the pool: '{matches[0]}: ...'."
            )
        if matches:
            return matches[0]
    common = [word for word, stem in COMMON_NAMES.items() if any(pool_stem(each) in stem for each in network.inputs)]
    raise TracerError(
        f"{where}: network {network.name!r} has no input pool {name!r}. {suggest(name, [*network.inputs, *common])}"
    )
