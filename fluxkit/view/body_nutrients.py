"""What nutrients, stores and the ways out of a body are called on its map, and of which class they are."""

from dataclasses import dataclass

from fluxkit.networks.network import EXTERNAL_SUFFIX


@dataclass(frozen=True)
class Nutrient:
    """A nutrient as readers know it.

    Parameters
    ----------
    key : str
        What the network calls it, ``"Glc"``; of a store, what its pools have in common.
    name : str
        What it is called, ``"glucose"``.
    family : str
        Its class, which decides the colour: one of :data:`FAMILIES`.
    """

    key: str
    name: str
    family: str


FAMILIES = {
    "sugar": "glucose, glycogen",
    "lactate": "lactate, pyruvate",
    "amino": "amino acids, protein",
    "fat": "fatty acids, triglyceride",
    "ketone": "ketone bodies, short-chain acids",
    "glycerol": "glycerol",
    "co2": "CO2",
    "nitrogen": "ammonia, urea",
    "other": "other",
}
"""Classes of nutrients, in the order of the legend."""

_KNOWN = {
    "Glc": ("glucose", "sugar"), "Gal": ("galactose", "sugar"), "Fru": ("fructose", "sugar"),
    "Lac": ("lactate", "lactate"), "Pyr": ("pyruvate", "lactate"),
    "Ala": ("alanine", "amino"), "Gln": ("glutamine", "amino"), "Glu": ("glutamate", "amino"),
    "Asp": ("aspartate", "amino"), "Asn": ("asparagine", "amino"), "Ser": ("serine", "amino"),
    "Gly": ("glycine", "amino"), "Val": ("valine", "amino"), "Leu": ("leucine", "amino"),
    "Ile": ("isoleucine", "amino"), "Arg": ("arginine", "amino"), "Pro": ("proline", "amino"),
    "Pal": ("palmitate", "fat"), "OFA": ("other fatty acids", "fat"), "FA": ("fatty acids", "fat"),
    "FAin": ("fatty acids", "fat"), "TG": ("triglyceride", "fat"),
    "BHB": ("3-hydroxybutyrate", "ketone"), "AcAc": ("acetoacetate", "ketone"), "Ac": ("acetate", "ketone"),
    "Prop": ("propionate", "ketone"), "But": ("butyrate", "ketone"), "Fiber": ("fiber", "ketone"),
    "Glyc": ("glycerol", "glycerol"), "CO2": ("CO2", "co2"), "HCO3": ("bicarbonate", "co2"),
    "NH3": ("ammonia", "nitrogen"), "NH4": ("ammonium", "nitrogen"), "Urea": ("urea", "nitrogen"),
    "Nuc": ("nucleotides", "other"), "C1": ("one-carbon", "other"), "Cit": ("citrate", "other"),
}  # fmt: skip

_STORES = (
    ("Glyg", Nutrient("Glyg", "glycogen", "sugar")),
    ("Prot", Nutrient("Prot", "protein", "amino")),
    ("TGgly", Nutrient("TGgly", "TG glycerol", "glycerol")),
    ("G3P", Nutrient("TGgly", "TG glycerol", "glycerol")),
    ("TG", Nutrient("TG", "triglyceride", "fat")),
    ("VLDL", Nutrient("VLDL", "VLDL", "fat")),
)  # longest beginning first: TGgly before TG

_WAYS = ("breath", "urine", "feces", "diet", "rest", "feed")
_CALLED = {"inf": "infusion", "acc": "left in medium", "rest": "rest of the body", "feed": "feed"}


def circulating(pool: str) -> Nutrient:
    """Return the nutrient of a circulating pool.

    Parameters
    ----------
    pool : str
        Name without compartment, ``"Lac"``.
    """
    return Nutrient(pool, *_KNOWN.get(pool, (pool, "other")))


def outside(pool: str, in_tissue: bool) -> tuple[str, Nutrient]:
    """Return through which way an external pool is reached, and the nutrient that it holds.

    Parameters
    ----------
    pool : str
        Name of the external pool, ``"Urea_urine_x"`` or ``"Glyg.L_x"``.
    in_tissue : bool
        Whether its suffix is that of a tissue; it is a store then.

    Returns
    -------
    way : str
        ``"stores"``, ``"diet"``, ``"infusion"``, ``"breath"``, ``"urine"``, ``"feces"``, ...
    nutrient : Nutrient
        What passes there.
    """
    stem = pool.removesuffix(EXTERNAL_SUFFIX)
    if in_tissue:
        return "stores", _stored(stem.rpartition(".")[0])
    if stem.startswith(("Diet", "Fiber")) and len(stem) > 4:
        name = stem.removeprefix("Diet").removeprefix("Fiber")
        return "diet", circulating(name or "Fiber")
    stem, _, mark = stem.rpartition("_") if "_" in stem else (stem, "", "")
    if mark in _WAYS or mark in _CALLED:
        return _CALLED.get(mark, mark), circulating(stem)
    return "outside", circulating((stem or pool).split(".")[0])


def _stored(name: str) -> Nutrient:
    for beginning, nutrient in _STORES:
        if name.startswith(beginning):
            return nutrient
    if name.endswith(("Prot", "Bm")):
        return Nutrient("Prot", "protein", "amino")
    return circulating(name)
