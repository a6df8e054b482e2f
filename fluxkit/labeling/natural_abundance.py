"""What the natural isotopes of a molecule do to the masses that a spectrometer sees."""

import re
from functools import lru_cache

import numpy as np

from fluxkit.errors import LabelingError
from fluxkit.labeling.isotopes import TRACER_ISOTOPES, isotopes_of

_PART = re.compile(r"([A-Z][a-z]?)(\d*)")


def parse_formula(formula: str) -> dict[str, int]:
    """Read an elemental formula: ``"C6H13O9P"`` as ``{"C": 6, "H": 13, "O": 9, "P": 1}``.

    Parameters
    ----------
    formula : str
        Symbols with counts, neither brackets nor charge; a symbol that comes twice is added up.

    Returns
    -------
    dict of str to int
        Atoms of each element, in the order of the text.

    Raises
    ------
    LabelingError
        The text is not a formula, or an element has no isotope table.
    """
    text = formula.strip() if isinstance(formula, str) else ""
    if not re.fullmatch(rf"(?:{_PART.pattern})+", text):
        raise LabelingError(
            f"cannot read the elemental formula {formula!r}; write symbols with counts such as 'C6H13O9P', "
            "without brackets or charge."
        )
    counts: dict[str, int] = {}
    for element, number in _PART.findall(text):
        isotopes_of(element, f"formula {formula!r}")
        if number and int(number) == 0:
            raise LabelingError(f"formula {formula!r}: {element}{number} counts no atoms; leave the element out.")
        counts[element] = counts.get(element, 0) + int(number or 1)
    return counts


def parse_elements(elements: str) -> tuple[str, ...]:
    """Read a list of elements: ``"CHNOPSSi"`` as ``("C", "H", "N", "O", "P", "S", "Si")``.

    Parameters
    ----------
    elements : str
        Symbols in a row, commas and spaces allowed; empty for none.

    Raises
    ------
    LabelingError
        Not a list of elements, or an element without isotope table.
    """
    text = re.sub(r"[,\s]", "", elements)
    symbols = re.findall(r"[A-Z][a-z]?", text)
    if "".join(symbols) != text:
        raise LabelingError(f"cannot read the elements {elements!r}; write symbols in a row such as 'CHNOPS', or ''.")
    for each in symbols:
        isotopes_of(each, f"elements {elements!r}")
    return tuple(dict.fromkeys(symbols))


def isotope_pattern(atoms: dict[str, int]) -> np.ndarray:
    """Return the nominal-mass pattern of unlabeled atoms.

    Parameters
    ----------
    atoms : dict of str to int
        Atoms of each element.

    Returns
    -------
    numpy.ndarray
        Fraction of molecules per mass shift, shape ``(heaviest shift + 1,)``; sums to 1.
    """
    pattern = np.ones(1)
    for element, count in atoms.items():
        single = isotopes_of(element).pattern()
        for _ in range(count):
            pattern = np.convolve(pattern, single)
    return pattern


def correction_matrix(formula: str, element: str, n_atoms: int, elements: str = "C") -> np.ndarray:
    r"""Return the matrix that turns a MID of tracer atoms into the masses that the instrument sees.

    With column :math:`j` the pattern of a molecule in which :math:`j` atoms of a fragment carry the tracer,

    .. math:: M_{ij} = \bigl(p_\text{tracer}^{*(N-j)} * p_\text{others}\bigr)_{i-j},

    where :math:`N` counts the atoms of the tracer element in the formula, those outside the fragment
    included, :math:`p` are natural isotope patterns and :math:`*` is convolution (Millard et al. 2012,
    doi:10.1093/bioinformatics/bts127).

    Parameters
    ----------
    formula : str
        Elemental formula of what the instrument sees, derivative included. May be empty when ``elements`` is.
    element : str
        Element of the tracer: ``"C"``, ``"N"`` or ``"H"``. Several (``"CN"``) only if none of them is among
        ``elements``, since a shift of nominal mass does not tell them apart.
    n_atoms : int
        Atoms of the fragment; a MID has one value more.
    elements : str
        Elements whose natural isotopes the instrument does not resolve from the tracer: ``"C"`` for carbon
        only, ``"CHNOPS"`` at nominal mass, ``""`` for data that are corrected already.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_atoms + 1, n_atoms + 1)``: rows are mass shifts 0 to ``n_atoms``; heavier masses are cut
        off, not folded back, so a column sums to at most 1. Read-only.

    Raises
    ------
    LabelingError
        A formula that cannot be read or lacks atoms, an element without tracer, or an ambiguous mixture.
    """
    if isinstance(n_atoms, bool) or int(n_atoms) != n_atoms or n_atoms < 1:
        raise LabelingError(f"a fragment has at least one atom, not {n_atoms!r}.")
    return _matrix(formula.strip(), element, int(n_atoms), parse_elements(elements))


@lru_cache(maxsize=4096)
def _matrix(formula: str, element: str, n_atoms: int, natural: tuple[str, ...]) -> np.ndarray:
    matrix = np.eye(n_atoms + 1)
    _check_tracer_element(element, natural, formula)
    if formula or natural:
        counts = parse_formula(formula)
        _check_size(formula, counts, element, n_atoms)
        others = isotope_pattern({e: n for e, n in counts.items() if e in natural and e != element})
        for j in range(n_atoms + 1):
            pattern = others
            if element in natural:
                pattern = np.convolve(others, isotope_pattern({element: counts[element] - j}))
            kept = pattern[: n_atoms + 1 - j]
            matrix[j : j + len(kept), j] = kept
    matrix.flags.writeable = False
    return matrix


def _check_tracer_element(element: str, natural: tuple[str, ...], formula: str) -> None:
    unknown = [each for each in element if each not in TRACER_ISOTOPES]
    if unknown or not element:
        raise LabelingError(f"the tracer element must be C, N or H, not {element!r} (formula {formula!r}).")
    mixed = [each for each in element if each in natural]
    if len(element) > 1 and mixed:
        raise LabelingError(
            f"formula {formula!r}: at nominal mass, natural {' and '.join(mixed)} cannot be told from "
            f"tracers of {' and '.join(element)} together. Measure one element, or correct the data and "
            f"leave {' and '.join(mixed)} out of the elements whose natural abundance is modelled."
        )


def _check_size(formula: str, counts: dict[str, int], element: str, n_atoms: int) -> None:
    available = sum(counts.get(each, 0) for each in element)
    if available < n_atoms:
        raise LabelingError(
            f"formula {formula!r} has {available} atoms of {element}, but the fragment has {n_atoms}. "
            "Give the formula of the whole measured molecule or ion, or name the fragment's atoms "
            "as in 'Glu.c[2-5]'."
        )
