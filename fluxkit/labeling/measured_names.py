"""Names and formulas of a measured table against those of a network."""

from collections.abc import Mapping
from dataclasses import replace

from fluxkit.errors import LabelingError, UnknownNameError
from fluxkit.labeling.isotopologues import place_of
from fluxkit.labeling.meaning import ResolvedMeasurement, abundance_matrix, resolve_measurement
from fluxkit.labeling.measured_values import MeasuredValue
from fluxkit.labeling.natural_abundance import parse_formula
from fluxkit.labeling.table_rows import RowTable
from fluxkit.networks import Network


def join_tissues(
    table: RowTable, values: list[MeasuredValue], network: Network
) -> tuple[RowTable, list[MeasuredValue]]:
    """Join tissue and metabolite where the network is a body that observes ``liver glucose``.

    All tissues of an animal are then one sample. For other networks a tissue stays what tells samples apart.

    Parameters
    ----------
    table : RowTable
        The table of the values.
    values : list of MeasuredValue
    network : Network
    """
    joined = {each.row: each.of_body() for each in values}
    known = {each.lower() for each in network.observations}
    if not any(each.known["tissue"] and joined[each.row].name.lower() in known for each in values):
        return table, values
    columns = tuple(each for each in table.columns if each != "tissue")
    return replace(table, columns=columns), list(joined.values())


def resolve_names(
    table: RowTable, values: list[MeasuredValue], network: Network, elements: str, drop: bool
) -> tuple[dict[str, ResolvedMeasurement], dict[str, str], list[str]]:
    """Find out what every metabolite of a table means.

    Parameters
    ----------
    table : RowTable
        For the places.
    values : list of MeasuredValue
    network : Network
    elements : str
        Elements that some tracer labels.
    drop : bool
        Whether to leave out what the network does not know, with a note.

    Returns
    -------
    resolved : dict of str to ResolvedMeasurement
        By name in the network, in the order of the table.
    renamed : dict of str to str
        Name in the network by name in the table; without those that were dropped.
    notes : list of str

    Raises
    ------
    UnknownNameError
        The network does not know a metabolite, which is not to be dropped; or it knows none.
    LabelingError
        A mass shift is beyond the fragment, or does not say which isotopes the fragment tells apart.
    """
    rows: dict[str, list[int]] = {}
    told_apart: dict[str, set[str]] = {}
    for each in values:
        rows.setdefault(each.name, []).append(each.row)
        told_apart.setdefault(each.name, set()).update(each.heavy or ())
    resolved: dict[str, ResolvedMeasurement] = {}
    renamed: dict[str, str] = {}
    notes: list[str] = []
    for name, places in rows.items():
        known = _known_name(name, network)
        if len(told_apart[name]) > 1 and not set(name) & set(":["):
            known += ":" + "+".join(sorted(told_apart[name]))
        try:
            meaning = resolve_measurement(known, network, elements)
        except (UnknownNameError, LabelingError) as error:
            if not isinstance(error, UnknownNameError):
                raise LabelingError(f"{error} ({table.where(places)}) Remove these rows.") from error
            if not drop:
                cure = "Rename it, or leave it out with unknown='drop' (--unknown drop)."
                raise UnknownNameError(f"{error} ({table.where(places)}) {cure}") from error
            notes.append(f"{name} is not in network {network.name!r}; left out.")
            continue
        if known != name:
            notes.append(f"{name} is read as {known}.")
        if meaning.external:
            notes.append(
                f"{name} is the external pool {meaning.fragments[0].metabolite}: an input, not a result of fluxes."
            )
        renamed[name] = known
        resolved[known] = meaning
    if not resolved:
        raise UnknownNameError(
            f"network {network.name!r} knows no metabolite of {table.source}; is it the right network?"
        )
    for each in values:
        if each.name in renamed:
            _check_place(each, resolved[renamed[each.name]], elements, table)
    return resolved, renamed, notes


def _check_place(value: MeasuredValue, meaning: ResolvedMeasurement, elements: str, table: RowTable) -> None:
    """Refuse an isotopologue that the fragment does not have, or that may be several of its own."""
    fragment, place = meaning.fragments[0], table.where(value.row)
    if place_of(fragment, value.shift, value.heavy) is not None:
        return
    if value.heavy is not None and not meaning.resolved:
        have = "".join(dict.fromkeys(element for element, _ in fragment.atoms))
        raise LabelingError(
            f"{value.label()} ({place}) tells isotopes apart, but {meaning.name!r} is seen by the mass of its "
            f"{meaning.size} atoms of {have}; name the fragment '{value.name.partition(':')[0]}:C+N' (with its "
            "elements), or write the mass shift."
        )
    if meaning.resolved and value.heavy is None and value.shift <= meaning.size:
        fits = [f"'{text}'" for shift, text in meaning.isotopologues if shift == value.shift]
        raise LabelingError(
            f"M+{value.shift} of {value.name!r} ({place}) may be {' or '.join(fits[:3])}; say which in a column "
            "'isotopes'."
        )
    if meaning.resolved:
        raise LabelingError(
            f"{value.label()} ({place}) is impossible: {meaning.name!r} has '{meaning.isotopologues[-1][1]}' at most; "
            "remove the row, or correct its isotopes."
        )
    raise LabelingError(
        f"mass shift M+{value.shift} of {value.name!r} ({place}) is impossible: it has {meaning.size} atoms of "
        f"{elements}; remove the row, or name the tracers that label more."
    )


def _known_name(name: str, network: Network) -> str:
    """The observation or metabolite of this name; capitals do not matter where only one fits."""
    if name in network.observations or name in network.atom_counts:
        return name
    same = [each for each in network.observations if each.lower() == name.lower()]
    if not same and ":" in name:  # glutamate:C+N
        base, colon, elements = name.rpartition(":")
        return _known_name(base, network) + colon + elements
    return same[0] if len(same) == 1 else name


def check_formulas(
    table: RowTable,
    values: list[MeasuredValue],
    resolved: Mapping[str, ResolvedMeasurement],
    renamed: Mapping[str, str],
    natural_abundance: str,
) -> dict[str, str]:
    """Find the formula of every fragment, of the table first, else of the observation table.

    Parameters
    ----------
    table : RowTable
    values : list of MeasuredValue
    resolved, renamed : mappings
        From :func:`resolve_names`.
    natural_abundance : str
        Elements whose natural isotopes need the formula.

    Returns
    -------
    dict of str to str
        Formula by fragment, where known.

    Raises
    ------
    LabelingError
        Two formulas for one metabolite, one that cannot be read or lacks the atoms, or one that is needed but
        missing.
    """
    stated: dict[str, tuple[str, int]] = {}
    for each in values:
        formula = each.known.get("formula", "")
        if formula:
            first, row = stated.setdefault(renamed[each.name], (formula, each.row))
            if first != formula:
                raise LabelingError(
                    f"{each.name!r} has the formulas {first!r} and {formula!r} "
                    f"({table.where([row, each.row])}); keep one."
                )
    formulas = {}
    for name, meaning in resolved.items():
        formula = stated[name][0] if name in stated else meaning.formula
        place = f" ({table.where(stated[name][1])})" if name in stated else ""
        try:
            if formula is not None:
                _check_atoms(name, meaning, formula)
                formulas[name] = formula
            if natural_abundance and not meaning.external:
                abundance_matrix(meaning, formula, natural_abundance)
        except LabelingError as error:
            raise LabelingError(f"{error}{place}") from error
    return formulas


def _check_atoms(name: str, meaning: ResolvedMeasurement, formula: str) -> None:
    counts = parse_formula(formula)
    atoms = [element for element, _ in meaning.fragments[0].atoms]
    for element in dict.fromkeys(atoms):
        if counts.get(element, 0) < atoms.count(element):
            raise LabelingError(
                f"formula {formula!r} of {name!r} has {counts.get(element, 0)} atoms of {element}, but "
                f"{meaning.fragments[0].metabolite} has {atoms.count(element)}; correct the formula."
            )
