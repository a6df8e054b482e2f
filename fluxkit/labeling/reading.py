"""Reading measured labeling: a tidy table of fractions or raw intensities becomes a labeling dataset."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import xarray as xr

from fluxkit.errors import LabelingError
from fluxkit.labeling.dataset import labeling_dataset
from fluxkit.labeling.masks import masked, read_masks
from fluxkit.labeling.measured_grid import MeasuredGrid
from fluxkit.labeling.measured_names import check_formulas, join_tissues, resolve_names
from fluxkit.labeling.measured_values import MeasuredValue, read_values
from fluxkit.labeling.natural_abundance import parse_elements
from fluxkit.labeling.noise import NoiseModel
from fluxkit.labeling.replicates import pool_replicates
from fluxkit.labeling.selection import select_labeling
from fluxkit.labeling.table_rows import RowTable, read_rows
from fluxkit.labeling.tracers import Tracers, labeled_elements, normalise_experiments
from fluxkit.networks import Network, load_network


def read_labeling(
    path: str | Path | pd.DataFrame,
    network: Network | str,
    tracers: str | Mapping[str, str] | None = None,
    *,
    purity: float = 1.0,
    natural_abundance: str = "",
    masks: str | Path | pd.DataFrame | Iterable[Mapping[str, Any]] | None = None,
    noise: NoiseModel | None = None,
    sheet: str | None = None,
    unknown: Literal["error", "drop"] = "error",
    experiments: Sequence[str] | None = None,
    tissues: Sequence[str] | None = None,
    pool: bool = False,
) -> xr.Dataset:
    """Read measured isotope labeling from a tidy table, one row per mass shift.

    Columns (capitals, spaces and hyphens do not matter): ``metabolite`` (or ``fragment``, ``compound``),
    ``mass_shift`` (or ``isotopologue``; ``2`` and ``M+2`` mean the same), and either ``intensity`` (or
    ``area``, ``peak_area``, ``counts``) or ``fraction`` (or ``mid``, ``abundance``). Optional are ``sd`` (in
    the unit of the value), ``formula``, ``sample``, ``condition``, ``replicate``, ``tissue``, ``animal``,
    ``experiment`` and ``tracer``. An empty cell, ``NA`` or ``-`` means that nothing was measured.

    Where the instrument tells isotopes of different elements apart, a column ``isotopes`` (or ``mass_shift`` itself)
    says ``13C2 15N1``, and the metabolite is read as a fragment ``glutamate:C+N``; an element that is not named there
    has no heavy atom. Metabolites that are seen by their mass may stand in the same table.

    A network of a body observes ``liver glucose``: there the columns ``tissue`` and ``metabolite`` name a measurement
    together, and all tissues of an animal are one sample. Elsewhere a tissue is what tells samples apart.

    Every fragment is renormalised over the mass shifts that are kept, and the measurement model does the same
    to what it predicts. A fragment that is zero at every mass shift of a sample was not detected, so it is
    missing. Single zeros of intensities are censored: their detection limit is ``mid_limit``.

    A fraction may lie below zero by up to 6 of its stated ``sd``, and the fractions of all mass shifts of a
    fragment may miss a sum of 1 by up to 6 sd of that sum, since noise does so, in simulated tables and in those
    corrected for natural isotopes; nothing is clipped. Such a fragment is used as stated, not renormalised.

    Parameters
    ----------
    path : str, pathlib.Path or pandas.DataFrame
        ``.csv``, ``.tsv`` or ``.xlsx``, or a table in memory.
    network : Network or str
        Network, or the name of a bundled one.
    tracers : str or mapping of str to str, optional
        Tracer text, or one by experiment; left out when the table has a ``tracer`` column.
    purity : float
        Share of the heavy isotope at every labeled position of the tracers.
    natural_abundance : str
        Elements whose natural isotopes the instrument does not resolve and that are not corrected for:
        ``"C"`` at high resolution, ``"CHNOPS"`` at nominal mass, ``""`` when the data are corrected.
    masks : path, pandas.DataFrame or list of records, optional
        What to leave out: ``condition``, ``replicate``, ``metabolite``, ``mass_shift``, ``isotopes``, ``reason``;
        ``*`` is every.
    noise : NoiseModel, optional
        Gives the standard deviation where the table has none; the default noise model when left out.
    sheet : str, optional
        Sheet of a workbook; the first by default.
    unknown : {"error", "drop"}
        What to do with a metabolite that the network does not know; ``"drop"`` says so in the notes.
    experiments, tissues : sequence of str, optional
        Part of the table: these experiments (or animals, where each is one), what is measured in these tissues; see
        :func:`fluxkit.labeling.select_labeling`. All by default.
    pool : bool
        Whether to pool the replicates of a table of one condition into one sample
        (:func:`fluxkit.labeling.pool_replicates`); :func:`fluxkit.quantify` pools each of several conditions itself.

    Returns
    -------
    xarray.Dataset
        ``mid``, ``mid_sd`` and, from intensities, ``mid_limit`` and ``intensity`` over
        ``(sample, experiment, isotopologue)``; without ``sample`` when the table names no sample. ``masked`` marks
        what masks left out.

    Raises
    ------
    LabelingError
        A value, row or column breaks a rule; the message names file, row and cure.
    UnknownNameError
        The network does not know a metabolite or has no such name.
    TracerError
        A tracer text does not fit the network.
    """
    if not 0 < purity <= 1:
        raise LabelingError(f"purity = {purity!r} must be above 0 and at most 1; write 0.99 for 99 %.")
    if unknown not in ("error", "drop"):
        raise LabelingError(f"unknown = {unknown!r} must be 'error' or 'drop'.")
    parse_elements(natural_abundance)
    network = load_network(network) if isinstance(network, str) else network
    table = read_rows(path, sheet)
    values, kind = read_values(table)
    table, values = join_tissues(table, values, network)
    found, values = _experiments(table, values, tracers, network)
    elements = labeled_elements(found.values()) or "C"
    resolved, renamed, notes = resolve_names(table, values, network, elements, drop=unknown == "drop")
    values = [each for each in values if each.name in renamed]
    if table.unused:
        notes.append(f"columns not used: {', '.join(table.unused)}.")
    formulas = check_formulas(table, values, resolved, renamed, natural_abundance)
    grid = MeasuredGrid(table, values, resolved, renamed, list(found))
    left_out = [each.masked for each in values]
    if masks is not None:
        hit = masked(read_masks(masks), [each.record() for each in values])
        left_out = [a or b for a, b in zip(left_out, hit, strict=True)]
    arrays = grid.arrays(kind, left_out, noise or NoiseModel(), notes)
    stated_sd = "sd" in table.columns
    samples = grid.samples
    dims = ("sample", "experiment", "isotopologue") if samples else ("experiment", "isotopologue")
    if not samples:
        arrays = {name: array[0] for name, array in arrays.items()}
    labeling = labeling_dataset(
        arrays["mid"],
        mid_sd=arrays["mid_sd"],
        mid_limit=arrays.get("mid_limit"),
        intensity=arrays.get("intensity"),
        masked=arrays.get("masked"),
        dims=dims,
        fragments=grid.fragments,
        mass_shifts=grid.shifts,
        isotopes=grid.isotopes,
        network=network,
        experiments={name: each.text for name, each in found.items()},
        samples=samples,
        purity=purity,
        natural_abundance=natural_abundance,
        formulas=formulas,
        noise=None if stated_sd else noise or NoiseModel(),
        source=table.source,
        notes=notes,
    )
    if experiments is not None or tissues is not None:
        labeling = select_labeling(labeling, experiments=experiments, tissues=tissues)
    return _pooled(labeling, table.source) if pool else labeling


def _pooled(labeling: xr.Dataset, source: str) -> xr.Dataset:
    samples = pool_replicates(labeling)
    if len(samples) != 1:
        raise LabelingError(
            f"{source} holds {len(samples)} conditions or samples ({', '.join(samples)}), which cannot be pooled into "
            "one; read them without pooling, or choose experiments of one condition (experiments=, --experiments)."
        )
    (only,) = samples.values()
    return only


def _experiments(
    table: RowTable, values: list[MeasuredValue], tracers: str | Mapping[str, str] | None, network: Network
) -> tuple[dict[str, Tracers], list[MeasuredValue]]:
    """Find the experiments and give every value the name of its own."""
    named = "experiment" in table.columns
    if "tracer" in table.columns:
        if tracers is not None:
            raise LabelingError(
                f"{table.source} has a 'tracer' column, and tracers= (--tracers) is given too; keep one of them."
            )
        texts: dict[str, tuple[str, int]] = {}
        labels = []
        for each in values:
            text = each.known.get("tracer", "")
            if not text:
                raise LabelingError(f"no tracer ({table.where(each.row)}); every row needs one.")
            label = each.known.get("experiment", "") if named else text
            first, row = texts.setdefault(label, (text, each.row))
            if first != text:
                raise LabelingError(
                    f"experiment {label!r} has the tracers {first!r} and {text!r} "
                    f"({table.where([row, each.row])}); "
                    "name parallel experiments apart."
                )
            labels.append(label)
        found = normalise_experiments({label: text for label, (text, _) in texts.items()}, network)
        return found, [each.of_experiment(label) for each, label in zip(values, labels, strict=True)]
    if tracers is None:
        raise LabelingError(
            f"{table.source} has no 'tracer' column; say what was infused, such as tracers='Glc_x: 100% [U-13C6]' "
            "(--tracers 'Glc_x: 100% [U-13C6]')."
        )
    found = normalise_experiments(tracers, network)
    if not named:
        if len(found) > 1:
            raise LabelingError(
                f"tracers= (--tracers) names {len(found)} experiments, but {table.source} has no 'experiment' column; "
                "add one."
            )
        return found, [each.of_experiment(next(iter(found))) for each in values]
    labels = dict.fromkeys(each.known.get("experiment", "") for each in values)
    if isinstance(tracers, str) and len(labels) == 1:
        found = dict(zip(labels, found.values(), strict=True))
    for label in labels:
        if label not in found:
            rows = [each.row for each in values if each.known.get("experiment", "") == label]
            raise LabelingError(
                f"experiment {label!r} ({table.where(rows)}) has no tracer; tracers= names "
                f"{', '.join(map(repr, found))}. Give tracers={{{label!r}: '...'}} (--tracers {f'{label}=TEXT'!r})."
            )
    kept = {label: each for label, each in found.items() if label in labels}
    return kept, [each.of_experiment(each.known.get("experiment", "")) for each in values]
