"""Tables beside a ``.rxn`` text: bounds and targets, equalities, observations; and reading it all as one network."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fluxkit.errors import NetworkError, UnknownNameError
from fluxkit.networks.network import Equality, FluxRule, Network, Reaction
from fluxkit.networks.observations import Observation, ObservationTable, parse_pools
from fluxkit.networks.rxn_text import format_reactions, parse_reactions

_MISSING = ("", "-", "nan", None)


def read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read a tab-separated table with ``#`` comments as ``(line number, row)`` pairs.

    Parameters
    ----------
    path : pathlib.Path
        The table; its first line that is not a comment names the columns.
    """
    lines = [(n, line) for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line.strip() and not line.startswith("#")]
    if not lines:
        return []
    header = next(csv.reader([lines[0][1]], delimiter="\t"))
    return [(n, dict(zip(header, next(csv.reader([line], delimiter="\t")), strict=False))) for n, line in lines[1:]]


def _number(row: Mapping[str, str], column: str, default: float | None, where: str) -> float | None:
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
        Columns ``name lb ub target weight exch ref note``; ``exch_lb`` and ``exch_ub`` are optional.
    reactions : tuple of Reaction
        For the default bounds.

    Returns
    -------
    rules : dict of str to FluxRule
    reference : dict of str to (net, exchange)
        Empty when a row has no ``ref``.
    """
    reversible = {each.name: each.reversible for each in reactions}
    rules: dict[str, FluxRule] = {}
    reference: dict[str, tuple[float, float]] = {}
    rows = read_rows(path)
    for number, row in rows:
        where = f"{path.name}, line {number}"
        name = row["name"]
        if name in rules:
            raise NetworkError(f"{where}: reaction {name!r} has a second row; keep one.")
        lower = _number(row, "lb", -np.inf if reversible.get(name) else 0.0, where)
        upper = _number(row, "ub", np.inf, where)
        assured = (float(lower if lower is not None else -np.inf), float(upper if upper is not None else np.inf))
        weight = _number(row, "weight", 1.0, where) or 1.0
        rules[name] = FluxRule(
            *assured,
            target=_number(row, "target", None, where),
            weight=weight,
            exchange_lower=_number(row, "exch_lb", None, where),
            exchange_upper=_number(row, "exch_ub", None, where),
            note=row.get("note") or "",
        )
        net = _number(row, "ref", None, where)
        if net is not None:
            exchange = _number(row, "exch", 0.0, where) or 0.0
            reference[name] = (net, exchange if reversible.get(name) else 0.0)
    return rules, reference if len(reference) == len(rows) else {}


def read_equalities(path: Path) -> tuple[Equality, ...]:
    """Read linear equalities, one a line: ``0.79 A_LIPp - 0.21 A_LIPo = 0``.

    Parameters
    ----------
    path : pathlib.Path
        The text; ``#`` starts a comment.
    """
    equalities = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        body = line.split("#")[0].strip()
        if not body:
            continue
        where = f"{path.name}, line {number}"
        left, equals, right = body.partition("=")
        tokens = re.sub(r"([-+])\s+", r" \1", left).split()
        try:
            if not equals or len(tokens) % 2:
                raise ValueError
            pairs = zip(map(float, tokens[::2]), tokens[1::2], strict=True)
            equalities.append(Equality({name: factor for factor, name in pairs}, float(right)))
        except ValueError as error:
            raise NetworkError(f"{where}: cannot read {body!r}; write '2 A - 1 B = 0' with a number per reaction.") from error
    return tuple(equalities)


def read_observations(path: Path) -> ObservationTable:
    """Read an observation table.

    Parameters
    ----------
    path : pathlib.Path
        Columns ``measured``, ``pools`` and optionally ``formula``, ``dilution`` (yes, no or optional), ``sd``,
        ``typical_weight`` and ``note``.
    """
    entries: dict[str, Observation] = {}
    weights: dict[str, float] = {}
    for number, row in read_rows(path):
        where = f"{path.name}, line {number}"
        name = row["measured"]
        if name in entries:
            raise NetworkError(f"{where}: observation {name!r} has a second row; keep one.")
        entries[name] = Observation(
            name,
            parse_pools(row["pools"], where),
            formula=row.get("formula") if row.get("formula") not in _MISSING else None,
            diluted=row.get("dilution") == "yes",
            sd=_number(row, "sd", None, where),
            note=row.get("note") or "",
        )
        typical = _number(row, "typical_weight", None, where)
        if typical is not None:
            weights.update(dict.fromkeys(entries[name].weights, typical))
    return ObservationTable(entries, weights)


def read_network(
    path: str | Path,
    bounds: str | Path | None = None,
    constraints: str | Path | None = None,
    observations: str | Path | None = None,
    *,
    name: str | None = None,
    flux_unit: str = "arbitrary",
    description: str = "",
) -> Network:
    """Read a network from its ``.rxn`` text and the tables beside it.

    Parameters
    ----------
    path : str or pathlib.Path
        The ``.rxn`` text.
    bounds : str or pathlib.Path, optional
        Flux table with bounds, targets and a reference state.
    constraints : str or pathlib.Path, optional
        Linear equalities.
    observations : str or pathlib.Path, optional
        Observation table.
    name : str, optional
        Name of the network; the file name without suffix by default.
    flux_unit : str
        Unit of every flux.
    description : str
        What the network is, with its sources.

    Raises
    ------
    NetworkError
        A file is missing or wrong, or the network is not valid.
    """
    given = [Path(each) for each in (path, bounds, constraints, observations) if each is not None]
    for each in given:
        if not each.is_file():
            raise NetworkError(f"there is no file {str(each)!r}; check the path.")
    source = Path(path)
    if source.suffix != ".rxn":
        raise NetworkError(f"cannot read {source.name!r}: networks are read from .rxn text.")
    reactions, symmetric = parse_reactions(source.read_text(encoding="utf-8"), source.name)
    rules, reference = read_flux_table(Path(bounds), reactions) if bounds else ({}, {})
    table = read_observations(Path(observations)) if observations else ObservationTable()
    network = Network(
        name=name or source.stem,
        reactions=reactions,
        symmetric=symmetric,
        rules=rules,
        equalities=read_equalities(Path(constraints)) if constraints else (),
        reference=reference,
        flux_unit=flux_unit,
        observations=table,
        description=description,
    )
    check_observations(network)
    return network


def check_observations(network: Network) -> None:
    """Refuse an observation table that names pools the network lacks."""
    from fluxkit.networks.fragments import parse_fragment

    for observation in network.observations.entries.values():
        for share in observation.pools:
            try:
                parse_fragment(share.fragment, network)
            except UnknownNameError as error:
                raise UnknownNameError(f"observation {observation.name!r}: {error}") from error


def write_network(network: Network, folder: str | Path) -> Path:
    """Write a network as ``model.rxn`` and ``fluxes.tsv`` into a folder.

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
        return "-" if value is None or not np.isfinite(value) else f"{value:.17g}"

    for name in network.reaction_names:
        rule = network.rule(name)
        net, exchange = network.reference.get(name, (None, None))
        numbers = (rule.lower, rule.upper, rule.target, rule.weight, rule.exchange_lower, rule.exchange_upper, exchange, net)
        rows.append("\t".join((name, *map(show, numbers), rule.note)))
    (folder / "fluxes.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder
