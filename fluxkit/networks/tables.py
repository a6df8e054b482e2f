"""Tables beside a ``.rxn`` text (bounds, targets, equalities, observations), read and written with it."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fluxkit.errors import LabelingError, NetworkError, UnknownNameError, suggest
from fluxkit.networks.network import Equality, FluxRule, Network, Reaction
from fluxkit.networks.observations import Observation, ObservationTable, format_share, parse_pools, split_unlabeled
from fluxkit.networks.rxn_text import format_reactions, parse_compartments, parse_reactions, parse_sizes, statements

_MISSING = ("", "-", "nan", None)
_FLUX_COLUMNS = ("name", "lb", "ub", "target", "weight", "exch_lb", "exch_ub", "exch", "ref", "note")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # spreadsheets may put a byte order mark in front
    except UnicodeDecodeError as error:
        raise NetworkError(f"{path.name} is not text in UTF-8; save it as plain text.") from error


def read_rows(path: Path, required: Iterable[str] = ()) -> list[tuple[int, dict[str, str]]]:
    """Read a tab-separated table with ``#`` comments as ``(line number, row)`` pairs.

    Parameters
    ----------
    path : pathlib.Path
        The table; its first line that is not a comment names the columns.
    required : iterable of str
        Columns that every row must fill.

    Raises
    ------
    NetworkError
        A required column is missing or empty, or a row has more cells than the table has columns.
    """
    lines = [(n, line) for n, line in enumerate(_read_text(path).splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line.strip() and not line.startswith("#")]
    if not lines:
        return []
    header = [each.strip() for each in lines[0][1].split("\t")]
    for column in required:
        if column not in header:
            hint = suggest(column, header)
            raise NetworkError(
                f"{path.name}, line {lines[0][0]}: there is no column {column!r} (tab-separated). {hint}"
            )
    rows = []
    for number, line in lines[1:]:
        cells = [each.strip() for each in line.split("\t")]
        if any(cells[len(header) :]):
            raise NetworkError(
                f"{path.name}, line {number}: {len(cells)} cells in {len(header)} columns; separate cells by one tab."
            )
        row = dict(zip(header, cells, strict=False))
        for column in required:
            if not row.get(column):
                raise NetworkError(f"{path.name}, line {number}: {column!r} is empty; fill it, or delete the row.")
        rows.append((number, row))
    return rows


def read_number(row: Mapping[str, str], column: str, default: float | None, where: str) -> float | None:
    """Read one cell of a table.

    Parameters
    ----------
    row : mapping of str to str
        The row.
    column : str
        Name of the column.
    default : float or None
        What an empty cell, ``-`` or ``nan`` means.
    where : str
        The place of the row, for messages.

    Raises
    ------
    NetworkError
        The cell holds something else than a number.
    """
    text = row.get(column)
    if text in _MISSING:
        return default
    try:
        return float(str(text))
    except ValueError as error:
        raise NetworkError(f"{where}: {column} = {text!r} is not a number; write a number, or '-' for none.") from error


def read_flux_table(
    path: Path, reactions: tuple[Reaction, ...]
) -> tuple[dict[str, FluxRule], dict[str, tuple[float, float]]]:
    """Read bounds, targets and the reference state.

    Parameters
    ----------
    path : pathlib.Path
        Columns ``name lb ub target weight exch ref note``; ``exch_lb`` and ``exch_ub`` are optional. A
        target of weight 0 is no target. Further columns may end in ``note`` or ``source``.
    reactions : tuple of Reaction
        For the default bounds.

    Returns
    -------
    rules : dict of str to FluxRule
    reference : dict of str to (net, exchange)
        Empty when no row has a ``ref``.

    Raises
    ------
    NetworkError
        A column is unknown, a number cannot be read, or a reaction has two rows.
    """
    reversible = {each.name: each.reversible for each in reactions}
    rules: dict[str, FluxRule] = {}
    reference: dict[str, tuple[float, float]] = {}
    rows = read_rows(path, required=("name",))
    for column in rows[0][1] if rows else ():
        if column not in _FLUX_COLUMNS and not column.endswith(("note", "source")):
            raise NetworkError(f"{path.name}: unknown column {column!r}. {suggest(column, _FLUX_COLUMNS)}")
    for number, row in rows:
        where = f"{path.name}, line {number}"
        name = row["name"]
        if name in rules:
            raise NetworkError(f"{where}: reaction {name!r} has a second row; keep one.")
        lower = read_number(row, "lb", -np.inf if reversible.get(name) else 0.0, where)
        upper = read_number(row, "ub", np.inf, where)
        assured = (
            float(lower if lower is not None else -np.inf),
            float(upper if upper is not None else np.inf),
        )
        weight = read_number(row, "weight", 1.0, where)
        rules[name] = FluxRule(
            *assured,
            target=read_number(row, "target", None, where) if weight else None,
            weight=weight or 1.0,
            exchange_lower=read_number(row, "exch_lb", None, where),
            exchange_upper=read_number(row, "exch_ub", None, where),
            note=row.get("note") or "",
        )
        net = read_number(row, "ref", None, where)
        if net is not None:
            exchange = read_number(row, "exch", 0.0, where) or 0.0
            reference[name] = (net, exchange if reversible.get(name) else 0.0)
    return rules, reference


def read_equalities(path: Path) -> tuple[Equality, ...]:
    """Read linear equalities, one a line: ``0.79 A_LIPp - 0.21 A_LIPo = 0``.

    Parameters
    ----------
    path : pathlib.Path
        The text; ``#`` starts a comment.

    Raises
    ------
    NetworkError
        A line cannot be read; the message names it.
    """
    lines = statements(_read_text(path), path.name)
    return tuple(parse_equality(body, where) for where, body, _ in lines)


def parse_equality(body: str, where: str) -> Equality:
    """Read one linear equality, ``0.79 A_LIPp - 0.21 A_LIPo = 0``.

    Parameters
    ----------
    body : str
        The text, without comment.
    where : str
        The place of the text, for messages.

    Raises
    ------
    NetworkError
        The text cannot be read.
    """
    left, equals, right = body.partition("=")
    tokens = re.sub(r"([-+])\s+", r" \1", left).split()
    try:
        if not equals or len(tokens) % 2:
            raise ValueError
        coefficients: dict[str, float] = {}
        for factor, name in zip(map(float, tokens[::2]), tokens[1::2], strict=True):
            coefficients[name] = coefficients.get(name, 0.0) + factor
        return Equality(coefficients, float(right))
    except ValueError as error:
        raise NetworkError(
            f"{where}: cannot read {body!r}; write '2 A - 1 B = 0' with a number per reaction."
        ) from error


def read_observations(path: Path) -> ObservationTable:
    """Read an observation table.

    Parameters
    ----------
    path : pathlib.Path
        Columns ``measured``, ``pools`` and optionally ``formula``, ``dilution`` (yes, no or optional),
        ``sd``, ``typical_weight`` and ``note``.

    Raises
    ------
    NetworkError
        A name has two rows, a cell that should be a number is none, or the table cannot be read.
    LabelingError
        The pools of a row cannot be read, or their shares do not sum to one.
    """
    entries: dict[str, Observation] = {}
    weights: dict[str, float] = {}
    for number, row in read_rows(path, required=("measured", "pools")):
        where = f"{path.name}, line {number}"
        name = row["measured"]
        if name in entries:
            raise NetworkError(f"{where}: observation {name!r} has a second row; keep one.")
        pools, unlabeled = split_unlabeled(parse_pools(row["pools"], where))
        entries[name] = Observation(
            name,
            pools,
            formula=row.get("formula") if row.get("formula") not in _MISSING else None,
            diluted=row.get("dilution") == "yes",
            sd=read_number(row, "sd", None, where),
            note=row.get("note") or "",
            unlabeled=unlabeled,
        )
        typical = read_number(row, "typical_weight", None, where)
        if typical is not None:
            weights.update(dict.fromkeys(entries[name].weights, typical))
    return ObservationTable(entries, weights)


def read_network(
    path: str | Path,
    bounds: str | Path | None = None,
    constraints: str | Path | None = None,
    observations: str | Path | None = None,
    tracers: str | Path | None = None,
    *,
    name: str | None = None,
    flux_unit: str | None = None,
    description: str = "",
    common_names: bool = True,
) -> Network:
    """Read a network from its ``.rxn`` text, or from the ``.toml`` text of a body, and the tables beside it.

    Parameters
    ----------
    path : str or pathlib.Path
        The ``.rxn`` text, or a body plan as :func:`fluxkit.networks.bodies.read_body` reads it.
    bounds : str or pathlib.Path, optional
        Flux table with bounds, targets and a reference state; its rows go before what the templates of a body bring.
    constraints : str or pathlib.Path, optional
        Linear equalities; of a body, in place of those of its templates. Those of known blood flows stay.
    observations : str or pathlib.Path, optional
        Observation table; of a body, its rows go one by one before those that it has by itself.
    tracers : str or pathlib.Path, optional
        Standard tracers: columns ``experiment`` and ``tracer``.
    name : str, optional
        Name of the network; by default that of the body plan, or the file name without suffix.
    flux_unit : str, optional
        Unit of every flux; by default that of the body plan, or ``"arbitrary"``.
    description : str
        What the network is, with its sources.
    common_names : bool
        Whether a body has the rows of its base and of common metabolites, ``"liver citrate"``; otherwise only those of
        ``observations``.

    Raises
    ------
    NetworkError
        A file is missing or wrong, or the network is not valid.
    """
    given = [Path(each) for each in (path, bounds, constraints, observations, tracers) if each is not None]
    for each in given:
        if not each.is_file():
            raise NetworkError(f"there is no file {str(each)!r}; check the path.")
    source = Path(path)
    fields = _read_structure(source, equalities=not constraints)
    rules, reference = read_flux_table(Path(bounds), fields["reactions"]) if bounds else ({}, {})
    table = fields.pop("observations", ObservationTable()) if common_names else ObservationTable()
    table = table.with_rows(read_observations(Path(observations))) if observations else table
    standard = read_rows(Path(tracers), required=("experiment", "tracer")) if tracers else []
    fields["rules"] = {**fields.get("rules", {}), **rules}
    fields["equalities"] = (
        *(read_equalities(Path(constraints)) if constraints else ()),
        *fields.get("equalities", ()),
    )
    fields["name"] = name or fields.get("name") or source.stem
    fields["flux_unit"] = flux_unit or fields.get("flux_unit") or "arbitrary"
    fields["observations"] = table
    network = Network(
        **fields,
        reference=reference,
        description=description,
        standard_tracers={row["experiment"]: row["tracer"] for _, row in standard},
    )
    check_observations(network)
    return network


def _read_structure(source: Path, equalities: bool) -> dict[str, Any]:
    """Return the fields of a network that its main text decides."""
    if source.suffix == ".toml":
        from fluxkit.networks.bodies import body_fields, read_body  # bodies are composed with what stands here

        return body_fields(read_body(source), equalities=equalities)
    if source.suffix != ".rxn":
        raise NetworkError(
            f"cannot read {source.name!r}: networks are read from .rxn text, or from the .toml text of a body."
        )
    text = _read_text(source)
    reactions, symmetric = parse_reactions(text, source.name)
    return {
        "reactions": reactions,
        "symmetric": symmetric,
        "compartments": parse_compartments(text, source.name),
        "sizes": parse_sizes(text, source.name),
    }


def check_observations(network: Network) -> None:
    """Refuse an observation table that names pools the network lacks.

    Parameters
    ----------
    network : Network
        A network with its observation table.

    Raises
    ------
    UnknownNameError, LabelingError
        A pool or an atom of it does not exist; the message names the observation.
    """
    from fluxkit.networks.fragments import parse_fragment

    for observation in network.observations.entries.values():
        for share in observation.pools:
            try:
                parse_fragment(share.fragment, network)
            except (UnknownNameError, LabelingError) as error:
                raise type(error)(f"observation {observation.name!r}: {error}") from error


def write_network(network: Network, folder: str | Path) -> Path:
    """Write a network as plain text into a folder, for :func:`read_network`.

    The files are ``model.rxn`` and ``fluxes.tsv``, then ``tracers.tsv``, ``constraints.tsv`` and
    ``observations.tsv`` where the network has equalities and observations.

    Parameters
    ----------
    network : Network
        The network to write.
    folder : str or pathlib.Path
        Folder to write to; made when missing.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.rxn").write_text(format_reactions(network), encoding="utf-8")
    rows = ["name\tlb\tub\ttarget\tweight\texch_lb\texch_ub\texch\tref\tnote"]

    def show(value: float | None) -> str:
        return "-" if value is None else f"{value:.17g}"

    for name in network.reaction_names:
        rule = network.rule(name)
        net, exchange = network.reference.get(name, (None, None))
        numbers = (
            rule.lower,
            rule.upper,
            rule.target,
            rule.weight,
            rule.exchange_lower,
            rule.exchange_upper,
            exchange,
            net,
        )
        rows.append("\t".join((name, *map(show, numbers), rule.note)))
    _write(folder / "fluxes.tsv", rows)
    if network.equalities:
        _write(folder / "constraints.tsv", map(_format_equality, network.equalities))
    if len(network.observations):
        _write(folder / "observations.tsv", _format_observations(network.observations))
    if network.standard_tracers:
        rows = ("\t".join(each) for each in network.standard_tracers.items())
        _write(folder / "tracers.tsv", ["experiment\ttracer", *rows])
    return folder


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _format_equality(equality: Equality) -> str:
    terms = (f"{factor:+.17g} {name}" for name, factor in equality.coefficients.items())
    return f"{' '.join(terms)} = {equality.value:.17g}"


def _format_observations(table: ObservationTable) -> list[str]:
    rows = ["measured\tformula\tpools\tdilution\tsd\ttypical_weight\tnote"]
    for each in table.entries.values():
        typical = [table.typical_weights[name] for name in each.weights if name in table.typical_weights]
        numbers = ("-" if value is None else f"{value:.17g}" for value in (each.sd, *(typical or [None])))
        cells = (
            each.name,
            each.formula or "-",
            ";".join(f"{pool.fragment}:{format_share(pool)}" for pool in (*each.pools, *each.unlabeled)),
            "yes" if each.diluted else "no",
        )
        rows.append("\t".join((*cells, *numbers, each.note)))
    return rows
