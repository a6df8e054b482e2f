"""Natural isotopes: published abundances, an independent program, every isotopologue enumerated."""

from itertools import product
from math import factorial, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from isocor.mscorrectors import MetaboliteCorrectorFactory

from fluxkit.errors import LabelingError
from fluxkit.labeling.isotopes import NATURAL_ISOTOPES, heavy_abundance, isotopes_of
from fluxkit.labeling.natural_abundance import (
    correction_matrix,
    isotope_pattern,
    parse_elements,
    parse_formula,
)

ALL = "CHNOPSSi"
FORMULAS = ["C6H13O9P", "C3H7NO2S", "C5H10N2O3", "C21H36N7O16P3S", "C11H26NO2Si2", "C10H16N5O13P3"]

# M+1/M+0 of unlabeled Asn, Gln and Pro, carbon only and all elements: the sum of n p / p0 over 0.0107 (13C),
# 0.00364 (15N), 0.000115 (2H) and 0.00038 (17O).
UNLABELED = [("C4H8N2O3", 4, 0.043, 0.053), ("C5H10N2O3", 5, 0.054, 0.064), ("C5H9NO2", 5, 0.054, 0.060)]


@pytest.mark.parametrize("element", sorted(NATURAL_ISOTOPES))
def test_abundances_sum_to_one(element):
    isotopes = NATURAL_ISOTOPES[element]
    assert sum(isotopes.abundances) == pytest.approx(1, abs=1e-12)
    assert len(isotopes.abundances) == len(isotopes.mass_numbers)
    assert isotopes.pattern().sum() == pytest.approx(1, abs=1e-12)


# Standard atomic weights (abridged, IUPAC 2021, doi:10.1515/pac-2019-0603); mass numbers differ from isotope
# masses by about 0.1 % (0.8 % for hydrogen), so this finds a misplaced abundance.
@pytest.mark.parametrize(
    ("element", "weight"),
    list(
        {
            "H": 1.008,
            "C": 12.011,
            "N": 14.007,
            "O": 15.999,
            "F": 18.998,
            "Na": 22.990,
            "Si": 28.085,
            "P": 30.974,
            "S": 32.06,
            "Cl": 35.45,
            "K": 39.098,
        }.items()
    ),
)
def test_the_mean_mass_number_is_the_atomic_weight(element, weight):
    isotopes = NATURAL_ISOTOPES[element]
    mean = np.dot(isotopes.mass_numbers, isotopes.abundances)
    assert mean == pytest.approx(weight, rel=0.008 if element == "H" else 1.2e-3)


def test_abundances_are_those_of_the_independent_program():
    for element, data in MetaboliteCorrectorFactory("C1", "13C").data_isotopes.items():
        np.testing.assert_allclose(NATURAL_ISOTOPES[element].pattern(), data["abundance"], atol=1e-15)


def test_tracer_isotopes_have_their_natural_abundance():
    assert [heavy_abundance(each) for each in "CNH"] == [0.0107, 0.00364, 0.000115]
    with pytest.raises(LabelingError, match="no tracer isotope of element 'O'"):
        heavy_abundance("O")


@pytest.mark.parametrize(
    ("formula", "counts"),
    [
        ("C6H13O9P", {"C": 6, "H": 13, "O": 9, "P": 1}),
        (" C11H26NO2Si2 ", {"C": 11, "H": 26, "N": 1, "O": 2, "Si": 2}),
        ("CH3COOH", {"C": 2, "H": 4, "O": 2}),
        ("NaCl", {"Na": 1, "Cl": 1}),
    ],
)
def test_formulas_are_read(formula, counts):
    assert parse_formula(formula) == counts


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", "cannot read the elemental formula ''"),
        (None, "cannot read the elemental formula None"),
        ("c6h12o6", "cannot read"),
        ("C6H12O6-", "without brackets or charge"),
        ("(CH2)6", "without brackets or charge"),
        ("6C12H", "cannot read"),
        ("C6 H12", "cannot read"),
        ("C6H0O6", "H0 counts no atoms; leave the element out"),
        ("C6Xx2", "formula 'C6Xx2': no isotope table for element 'Xx'"),
    ],
)
def test_nonsense_formulas_are_refused(formula, message):
    with pytest.raises(LabelingError, match=message):
        parse_formula(formula)


def test_element_lists_are_read():
    assert parse_elements("CHNOPSSi") == ("C", "H", "N", "O", "P", "S", "Si")
    assert parse_elements("C, N") == ("C", "N")
    assert parse_elements("") == ()
    for text, message in [
        ("chn", "cannot read the elements 'chn'"),
        ("CX", "'CX': no isotope table for element 'X'"),
    ]:
        with pytest.raises(LabelingError, match=message):
            parse_elements(text)


@pytest.mark.parametrize(
    ("formula", "tracer"),
    [(each, tracer) for each in FORMULAS for tracer in ("13C", "15N", "2H") if tracer[-1] in each],
)
@pytest.mark.parametrize("with_tracer_element", [True, False])
def test_the_matrix_is_that_of_isocor(formula, tracer, with_tracer_element):
    counts, element = parse_formula(formula), tracer[-1]
    isocor = MetaboliteCorrectorFactory(formula, tracer, correct_NA_tracer=with_tracer_element)
    elements = "".join(each for each in counts if with_tracer_element or each != element)
    matrix = correction_matrix(formula, element, counts[element], elements)
    np.testing.assert_allclose(matrix, isocor.compute_correction_matrix(), atol=1e-13)


@pytest.mark.parametrize("n_atoms", [1, 2, 3])
def test_a_derivative_outside_the_fragment_is_natural_as_in_isocor(n_atoms):
    isocor = MetaboliteCorrectorFactory(
        f"C{n_atoms}H2O2", "13C", derivative_formula="C8H24NSi2", correct_NA_tracer=True
    )
    matrix = correction_matrix(f"C{8 + n_atoms}H26O2NSi2", "C", n_atoms, ALL)
    np.testing.assert_allclose(matrix, isocor.compute_correction_matrix(), atol=1e-13)


def enumerated_pattern(atoms: dict[str, int]) -> np.ndarray:
    """Independent: the multinomial probability of every composition of isotopes, added up by nominal mass."""
    per_element = []
    for element, count in atoms.items():
        isotopes = NATURAL_ISOTOPES[element]
        shifts = [each - isotopes.mass_numbers[0] for each in isotopes.mass_numbers]
        compositions = [k for k in product(range(count + 1), repeat=len(shifts)) if sum(k) == count]
        per_element.append(
            [
                (
                    int(np.dot(k, shifts)),
                    factorial(count)
                    / prod(map(factorial, k))
                    * prod(p**n for p, n in zip(isotopes.abundances, k, strict=True)),
                )
                for k in compositions
            ]
        )
    pattern = np.zeros(sum(max(shift for shift, _ in each) for each in per_element) + 1)
    for combination in product(*per_element):
        pattern[sum(shift for shift, _ in combination)] += prod(p for _, p in combination)
    return pattern


@pytest.mark.parametrize("formula", ["C3H7NO2S", "C2H6OSi", "C3H2O3Cl2", "C2K2S2"])
def test_patterns_equal_the_multinomial_enumeration(formula):
    atoms = parse_formula(formula)
    np.testing.assert_allclose(isotope_pattern(atoms), enumerated_pattern(atoms), atol=1e-14)


@pytest.mark.parametrize(("element", "size"), [("C", 2), ("C", 3), ("N", 1), ("H", 2)])
def test_each_column_is_the_enumerated_pattern_of_what_is_not_labeled(element, size):
    atoms = parse_formula("C3H4NO2S")
    matrix = correction_matrix("C3H4NO2S", element, size, "CHNOPS")
    for j in range(size + 1):
        rest = {**atoms, element: atoms[element] - j}
        expected = np.concatenate([np.zeros(j), enumerated_pattern(rest)])[: size + 1]
        np.testing.assert_allclose(matrix[:, j], expected, atol=1e-14)


@given(st.dictionaries(st.sampled_from(sorted(NATURAL_ISOTOPES)), st.integers(1, 12), min_size=1))
def test_untruncated_patterns_sum_to_one(atoms):
    pattern = isotope_pattern(atoms)
    assert pattern.sum() == pytest.approx(1, abs=1e-12)
    assert pattern.min() >= 0


@given(st.integers(1, 10), st.integers(0, 6), st.integers(0, 8), st.sampled_from(["C", "CHNO", "HO", "O"]))
def test_columns_lose_only_what_is_heavier_than_the_fragment(n_atoms, more, oxygens, elements):
    formula = f"C{n_atoms + more}H4" + (f"O{oxygens}" if oxygens else "")
    matrix = correction_matrix(formula, "C", n_atoms, elements)
    assert np.all(np.triu(matrix, 1) == 0)
    assert np.all(matrix.sum(axis=0) <= 1 + 1e-12)
    assert np.all(np.diag(matrix) > 0)


@given(st.integers(1, 12))
def test_carbon_only_columns_of_a_whole_molecule_sum_to_one(n_atoms):
    matrix = correction_matrix(f"C{n_atoms}H2", "C", n_atoms, "C")
    np.testing.assert_allclose(matrix.sum(axis=0), 1, atol=1e-12)


@pytest.mark.parametrize(("formula", "carbons", "carbon_only", "all_elements"), UNLABELED)
def test_unlabeled_amino_acids_show_their_known_first_isotopologue(formula, carbons, carbon_only, all_elements):
    for elements, expected in (("C", carbon_only), ("CHNOPS", all_elements)):
        column = correction_matrix(formula, "C", carbons, elements)[:, 0]
        assert column[1] / column[0] == pytest.approx(expected, abs=6e-4)


def test_corrected_data_need_neither_matrix_nor_formula():
    np.testing.assert_array_equal(correction_matrix("", "C", 3, ""), np.eye(4))
    np.testing.assert_array_equal(correction_matrix("C3H6O3", "CN", 3, ""), np.eye(4))


def test_two_tracer_elements_are_fine_while_neither_is_natural():
    matrix = correction_matrix("C3H7NO2", "CN", 4, "HO")
    column = isotope_pattern({"H": 7, "O": 2})
    np.testing.assert_allclose(matrix[1:, 1], column[:4], atol=1e-15)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("C3H7NO2", "C", 5, "C"),
            "'C3H7NO2' has 3 atoms of C, but the fragment has 5.*whole measured molecule",
        ),
        (("H2O", "C", 1, "C"), "'H2O' has 0 atoms of C"),
        (("C2H6O", "C", 3, ""), "'C2H6O' has 2 atoms of C"),
        (("C3H7NO2", "CN", 4, "CHNOPS"), "natural C and N cannot be told from.*leave C and N out"),
        (("C3H7NO2", "O", 2, "C"), "must be C, N or H, not 'O'"),
        (("C3H7NO2", "", 2, "C"), "must be C, N or H, not ''"),
        (("", "C", 2, "C"), "cannot read the elemental formula ''"),
        (("C3H7NO2", "C", 0, "C"), "at least one atom, not 0"),
        (("C3H7NO2", "C", 1.5, "C"), "at least one atom, not 1.5"),
        (("C3H7NO2", "C", 3, "carbon"), "cannot read the elements 'carbon'"),
    ],
)
def test_impossible_corrections_are_refused(arguments, message):
    with pytest.raises(LabelingError, match=message):
        correction_matrix(*arguments)


def test_a_shared_matrix_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        correction_matrix("C3H7NO2", "C", 3)[0, 0] = 0


def test_an_element_without_table_is_refused_with_the_known_ones():
    with pytest.raises(LabelingError, match="no isotope table for element 'Zz'. Known: 'C', 'Cl'"):
        isotopes_of("Zz")
