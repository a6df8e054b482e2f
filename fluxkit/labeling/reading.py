"""Reading measured labeling: a tidy table of fractions or raw intensities becomes a labeling dataset."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from fluxkit.errors import LabelingError
from fluxkit.labeling.dataset import SAMPLE_COORDINATES, SUM_TOLERANCE, labeling_dataset
from fluxkit.labeling.masks import masked, read_masks
from fluxkit.labeling.measured_names import check_formulas, resolve_names
from fluxkit.labeling.measured_values import MeasuredValue, read_values
from fluxkit.labeling.measurement import ResolvedMeasurement
from fluxkit.labeling.natural_abundance import parse_elements
from fluxkit.labeling.noise import NoiseModel
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
) -> xr.Dataset:
    """Read measured isotope labeling from a tidy table, one row per mass shift.

    Columns (capitals, spaces and hyphens do not matter): ``metabolite`` (or ``fragment``, ``compound``),
    ``mass_shift`` (or ``isotopologue``; ``2`` and ``M+2`` mean the same), and either ``intensity`` (or ``area``,
    ``peak_area``, ``counts``) or ``fraction`` (or ``mid``, ``abundance``). Optional are ``sd`` (in the unit of the
    value), ``formula``, ``sample``, ``condition``, ``replicate``, ``tissue``, ``animal``, ``experiment`` and
    ``tracer``. An empty cell, ``NA`` or ``-`` means that nothing was measured.

    Every fragment is renormalised over the mass shifts that are kept, and the measurement model does the same to
    what it predicts. A fragment that is zero at every mass shift of a sample was not detected, so it is missing.
    Single zeros of intensities are censored: their detection limit is ``mid_limit``.

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
        Elements whose natural isotopes the instrument does not resolve and that are not corrected for: ``"C"`` at
        high resolution, ``"CHNOPS"`` at nominal mass, ``""`` when the data are corrected.
    masks : path, pandas.DataFrame or list of records, optional
        What to leave out: ``condition``, ``replicate``, ``metabolite``, ``mass_shift``, ``reason``; ``*`` is every.
    noise : NoiseModel, optional
        Gives the standard deviation where the table has none; the default noise model when left out.
    sheet : str, optional
        Sheet of a workbook; the first by default.
    unknown : {"error", "drop"}
        What to do with a metabolite that the network does not know; ``"drop"`` says so in the notes.

    Returns
    -------
    xarray.Dataset
        ``mid``, ``mid_sd`` and, from intensities, ``mid_limit`` and ``intensity`` over
        ``(sample, experiment, isotopologue)``; without ``sample`` when the table names no sample.

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
    experiments, values = _experiments(table, values, tracers, network)
    elements = labeled_elements(experiments.values()) or "C"
    resolved, renamed, notes = resolve_names(table, values, network, elements, drop=unknown == "drop")
    values = [each for each in values if each.name in renamed]
    if table.unused:
        notes.append(f"columns not used: {', '.join(table.unused)}.")
    formulas = check_formulas(table, values, resolved, renamed, natural_abundance)
    grid = _Grid(table, values, resolved, renamed, list(experiments))
    left_out = masked(read_masks(masks), [each.record() for each in values]) if masks is not None else None
    arrays = grid.arrays(kind, left_out, noise or NoiseModel(), notes)
    stated_sd = "sd" in table.columns
    samples = grid.samples
    dims = ("sample", "experiment", "isotopologue") if samples else ("experiment", "isotopologue")
    if not samples:
        arrays = {name: array[0] for name, array in arrays.items()}
    return labeling_dataset(
        arrays.pop("mid"),
        dims=dims,
        fragments=grid.fragments,
        mass_shifts=grid.shifts,
        network=network,
        experiments={name: each.text for name, each in experiments.items()},
        samples=samples,
        purity=purity,
        natural_abundance=natural_abundance,
        formulas=formulas,
        noise=None if stated_sd else noise or NoiseModel(),
        source=table.source,
        notes=notes,
        **arrays,
    )


def _experiments(
    table: RowTable, values: list[MeasuredValue], tracers: str | Mapping[str, str] | None, network: Network
) -> tuple[dict[str, Tracers], list[MeasuredValue]]:
    """Find the experiments and give every value the name of its own."""
    named = "experiment" in table.columns
    if "tracer" in table.columns:
        if tracers is not None:
            raise LabelingError(
                f"{table.source} has a 'tracer' column, and tracers= is given too; keep one of them."
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
                    f"experiment {label!r} has the tracers {first!r} and {text!r} ({table.where([row, each.row])}); "
                    "name parallel experiments apart."
                )
            labels.append(label)
        found = normalise_experiments({label: text for label, (text, _) in texts.items()}, network)
        return found, [each.of_experiment(label) for each, label in zip(values, labels, strict=True)]
    if tracers is None:
        raise LabelingError(
            f"{table.source} has no 'tracer' column; say what was infused, such as tracers='Glc_x: 100% [U-13C6]'."
        )
    found = normalise_experiments(tracers, network)
    if not named:
        if len(found) > 1:
            raise LabelingError(
                f"tracers= names {len(found)} experiments, but {table.source} has no 'experiment' column; add one."
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
                f"{', '.join(map(repr, found))}. Give tracers={{{label!r}: '...'}}."
            )
    kept = {label: each for label, each in found.items() if label in labels}
    return kept, [each.of_experiment(each.known.get("experiment", "")) for each in values]


class _Grid:
    """Where each value of the table stands in the arrays of the dataset."""

    def __init__(
        self,
        table: RowTable,
        values: list[MeasuredValue],
        resolved: Mapping[str, ResolvedMeasurement],
        renamed: Mapping[str, str],
        experiments: list[str],
    ):
        self.table, self.values, self.experiments = table, values, experiments
        self.sizes = {name: each.size + 1 for name, each in resolved.items()}
        starts = np.cumsum([0, *self.sizes.values()]).tolist()
        self.start = dict(zip(self.sizes, starts, strict=False))
        self.fragments = [name for name, size in self.sizes.items() for _ in range(size)]
        self.shifts = [shift for size in self.sizes.values() for shift in range(size)]
        self.sample_names = list(dict.fromkeys(each.sample for each in values))
        self.shape = (len(self.sample_names), len(experiments), starts[-1])
        position = {name: i for i, name in enumerate(self.sample_names)}
        column = {name: i for i, name in enumerate(experiments)}
        self.index = tuple(
            np.array(axis, dtype=int)
            for axis in zip(
                *(
                    (position[v.sample], column[v.experiment], self.start[renamed[v.name]] + v.shift)
                    for v in values
                ),
                strict=True,
            )
        )
        self._refuse_duplicates()

    def _refuse_duplicates(self) -> None:
        seen: dict[tuple[int, ...], MeasuredValue] = {}
        for place, value in zip(
            zip(*(axis.tolist() for axis in self.index), strict=True), self.values, strict=True
        ):
            first = seen.setdefault(place, value)
            if first is not value:
                raise LabelingError(
                    f"{value.label()} has two values ({self.table.where([first.row, value.row])}); keep one, or name "
                    "the replicates in a 'replicate' column."
                )

    @property
    def samples(self) -> dict[str, list[str]]:
        """Coordinates of the samples; empty where the table names no sample."""
        if self.sample_names == [""]:
            return {}
        first = {}
        for value in self.values:
            first.setdefault(value.sample, value.known)
        known = [each for each in SAMPLE_COORDINATES if each in self.table.columns]
        return {"sample": self.sample_names} | {
            each: [first[name].get(each, "") for name in self.sample_names] for each in known
        }

    def _fill(self, numbers: list[float]) -> np.ndarray:
        array = np.full(self.shape, np.nan)
        array[self.index] = numbers
        return array

    def arrays(
        self, kind: str, left_out: list[bool] | None, noise: NoiseModel, notes: list[str]
    ) -> dict[str, np.ndarray]:
        """Turn the values into MIDs with their uncertainty."""
        raw = self._fill([each.value for each in self.values])
        stated = self._fill([each.sd for each in self.values])
        kept = np.isfinite(raw)
        self._drop_undetected(raw, kept, notes)
        if kind == "fraction":
            self._check_sums(raw, kept)
        if left_out is not None:
            out = np.zeros(self.shape, dtype=bool)
            out[self.index] = left_out
            notes.extend(self._note_masks(left_out))
            kept &= ~out
        self._drop_single(kept, notes)
        self._note_missing(kept, left_out, notes)
        total = np.zeros(self.shape)
        for name, size in self.sizes.items():
            part = slice(self.start[name], self.start[name] + size)
            total[..., part] = np.where(kept, raw, 0.0)[..., part].sum(axis=-1, keepdims=True)
        self._refuse_emptied(kept, total)
        mid = np.divide(raw, total, out=np.full(self.shape, np.nan), where=kept & (total > 0))
        ions = total if kind == "intensity" else None
        with np.errstate(invalid="ignore"):
            sd = np.where(np.isfinite(stated), stated / np.where(total > 0, total, 1.0), noise.sd(mid, ions))
        arrays = {"mid": mid, "mid_sd": np.where(np.isfinite(mid), sd, np.nan)}
        if ions is not None:
            arrays["mid_limit"] = np.where(mid == 0, noise.limit(ions), np.nan)
            arrays["intensity"] = raw
        return arrays

    def _blocks(self) -> Iterable[tuple[int, int, str, slice]]:
        for name, size in self.sizes.items():
            for i in range(self.shape[0]):
                for j in range(self.shape[1]):
                    yield i, j, name, slice(self.start[name], self.start[name] + size)

    def _says(self, i: int, j: int) -> str:
        sample = f" of sample {self.sample_names[i]!r}" if self.sample_names[i] else ""
        return f"{sample} of experiment {self.experiments[j]!r}"

    def _rows(self, i: int, j: int, part: slice) -> list[int]:
        samples, columns, places = self.index
        mine = (samples == i) & (columns == j) & (places >= part.start) & (places < part.stop)
        return [self.values[k].row for k in np.flatnonzero(mine)]

    def _drop_undetected(self, raw: np.ndarray, kept: np.ndarray, notes: list[str]) -> None:
        found: dict[str, list[str]] = {}
        for i, j, name, part in self._blocks():
            if kept[i, j, part].any() and not np.nansum(raw[i, j, part]) > 0:
                kept[i, j, part] = False
                place = self.sample_names[i] + (
                    f" ({self.experiments[j]})" if len(self.experiments) > 1 else ""
                )
                found.setdefault(name, []).append(place.strip())
        for name, places in found.items():
            where = f" in {', '.join(filter(None, places))}" if any(places) else ""
            notes.append(f"{name} is zero at every mass shift{where}: not detected, treated as not measured.")

    def _check_sums(self, raw: np.ndarray, kept: np.ndarray) -> None:
        for i, j, name, part in self._blocks():
            total = raw[i, j, part][kept[i, j, part]].sum()
            if kept[i, j, part].any() and not math.isclose(total, 1.0, abs_tol=SUM_TOLERANCE):
                cure = (
                    "They look like percentages: divide by 100"
                    if abs(total - 100) < 100 * SUM_TOLERANCE
                    else ("Normalise it over all its mass shifts, give raw values as 'intensity'")
                )
                raise LabelingError(
                    f"MIDs must sum to 1; fragment {name!r}{self._says(i, j)} sums to {total:.4g} "
                    f"({self.table.where(self._rows(i, j, part))}). {cure}, or drop it."
                )

    def _drop_single(self, kept: np.ndarray, notes: list[str]) -> None:
        for i, j, name, part in self._blocks():
            if kept[i, j, part].sum() == 1 and part.stop - part.start > 1:
                kept[i, j, part] = False
                notes.append(f"{name}{self._says(i, j)} keeps one mass shift, which says nothing; left out.")

    def _note_missing(self, kept: np.ndarray, left_out: list[bool] | None, notes: list[str]) -> None:
        known = np.zeros(self.shape, dtype=bool)
        known[self.index] = left_out if left_out is not None else False
        lost: dict[str, set[int]] = {}
        for i, j, name, part in self._blocks():
            if kept[i, j, part].any():
                gaps = ~kept[i, j, part] & ~known[i, j, part]
                lost.setdefault(name, set()).update(np.flatnonzero(gaps).tolist())
        for name, shifts in lost.items():
            if shifts:
                listed = ", ".join(f"M+{each}" for each in sorted(shifts))
                notes.append(f"{name} {listed} not measured everywhere; renormalised over what is.")

    def _note_masks(self, left_out: list[bool]) -> list[str]:
        names: dict[str, int] = {}
        for value, out in zip(self.values, left_out, strict=True):
            names[value.name] = names.get(value.name, 0) + out
        return [f"{name}: {count} values masked." for name, count in names.items() if count]

    def _refuse_emptied(self, kept: np.ndarray, total: np.ndarray) -> None:
        empty = kept & ~(total > 0)
        if empty.any():
            i, j, k = np.argwhere(empty)[0].tolist()
            raise LabelingError(
                f"fragment {self.fragments[k]!r}{self._says(i, j)} has only zeros left under its mask "
                f"({self.table.where(self._rows(i, j, slice(k, k + 1)))}); mask the whole fragment."
            )
