"""The stable isotopes of the elements that metabolites and their derivatives are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from fluxkit.errors import LabelingError, suggest


@dataclass(frozen=True)
class Isotopes:
    """The natural isotopes of one element.

    Parameters
    ----------
    mass_numbers : tuple of int
        Nucleons of each isotope, lightest first.
    abundances : tuple of float
        Mole fraction of each isotope in nature; they sum to 1.
    """

    mass_numbers: tuple[int, ...]
    abundances: tuple[float, ...]

    def pattern(self) -> np.ndarray:
        """Return the mole fraction per mass shift from the lightest isotope, shape ``(shift,)``."""
        lightest = self.mass_numbers[0]
        fractions = np.zeros(self.mass_numbers[-1] - lightest + 1)
        fractions[[each - lightest for each in self.mass_numbers]] = self.abundances
        return fractions


# Representative single values of Berglund & Wieser 2011, doi:10.1351/PAC-REP-10-06-02. For H, C, N, O, Si, S
# and Cl the later report of Meija et al. 2016, doi:10.1515/pac-2015-0503, gives intervals around them.
NATURAL_ISOTOPES: Mapping[str, Isotopes] = MappingProxyType(
    {
        "H": Isotopes((1, 2), (0.999885, 0.000115)),
        "C": Isotopes((12, 13), (0.9893, 0.0107)),
        "N": Isotopes((14, 15), (0.99636, 0.00364)),
        "O": Isotopes((16, 17, 18), (0.99757, 0.00038, 0.00205)),
        "F": Isotopes((19,), (1.0,)),
        "Na": Isotopes((23,), (1.0,)),
        "Si": Isotopes((28, 29, 30), (0.92223, 0.04685, 0.03092)),
        "P": Isotopes((31,), (1.0,)),
        "S": Isotopes((32, 33, 34, 36), (0.9499, 0.0075, 0.0425, 0.0001)),
        "Cl": Isotopes((35, 37), (0.7576, 0.2424)),
        "K": Isotopes((39, 40, 41), (0.932581, 0.000117, 0.067302)),
    }
)

TRACER_ISOTOPES: Mapping[str, int] = MappingProxyType({"C": 13, "N": 15, "H": 2})
"""Mass number of the isotope that a tracer of each element carries; each is one mass unit heavier."""


def isotopes_of(element: str, where: str = "") -> Isotopes:
    """Return the natural isotopes of an element.

    Parameters
    ----------
    element : str
        Symbol, ``"Si"``.
    where : str
        The place that named it, for the message.

    Raises
    ------
    LabelingError
        The element is not in the table.
    """
    if element not in NATURAL_ISOTOPES:
        place = f"{where}: " if where else ""
        raise LabelingError(f"{place}no isotope table for element {element!r}. {suggest(element, NATURAL_ISOTOPES)}")
    return NATURAL_ISOTOPES[element]


def heavy_abundance(element: str) -> float:
    """Return the natural mole fraction of the tracer isotope of C, N or H: 0.0107 for carbon.

    Parameters
    ----------
    element : str
        ``"C"``, ``"N"`` or ``"H"``.

    Raises
    ------
    LabelingError
        There is no tracer isotope of this element.
    """
    if element not in TRACER_ISOTOPES:
        raise LabelingError(f"no tracer isotope of element {element!r}. Known: {', '.join(TRACER_ISOTOPES)}.")
    return NATURAL_ISOTOPES[element].abundances[1]
