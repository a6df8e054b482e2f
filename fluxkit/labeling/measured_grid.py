"""The grid of a measured table: values become MIDs, renormalised over what is kept, with uncertainty."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from fluxkit.errors import LabelingError
from fluxkit.labeling.dataset import NOISE_ALLOWANCE, SAMPLE_COORDINATES, SUM_TOLERANCE
from fluxkit.labeling.isotopologues import isotopologue_name, place_of
from fluxkit.labeling.meaning import ResolvedMeasurement
from fluxkit.labeling.measured_values import MeasuredValue
from fluxkit.labeling.noise import NoiseModel
from fluxkit.labeling.table_rows import RowTable

_EXACT = 1e-6  # what single precision leaves of a sum of 1


class MeasuredGrid:
    """Where each value of the table stands in the arrays of the dataset.

    Parameters
    ----------
    table : RowTable
        For the places.
    values : list of MeasuredValue
        Values whose names are known.
    resolved : mapping of str to ResolvedMeasurement
        Fragments of the dataset, in order.
    renamed : mapping of str to str
        Fragment by name in the table.
    experiments : list of str
        Experiments of the dataset, in order.

    Raises
    ------
    LabelingError
        Two rows state the same value.
    """

    def __init__(
        self,
        table: RowTable,
        values: list[MeasuredValue],
        resolved: Mapping[str, ResolvedMeasurement],
        renamed: Mapping[str, str],
        experiments: list[str],
    ):
        self.table, self.values, self.experiments = table, values, experiments
        isotopologues = {name: each.isotopologues for name, each in resolved.items()}
        self.sizes = {name: len(each) for name, each in isotopologues.items()}
        starts = np.cumsum([0, *self.sizes.values()]).tolist()
        self.start = dict(zip(self.sizes, starts, strict=False))
        self.fragments = [name for name, size in self.sizes.items() for _ in range(size)]
        self.shifts = [shift for each in isotopologues.values() for shift, _ in each]
        self.isotopes = [text for each in isotopologues.values() for _, text in each]
        self.sample_names = list(dict.fromkeys(each.sample for each in values))
        self.shape = (len(self.sample_names), len(experiments), starts[-1])
        position = {name: i for i, name in enumerate(self.sample_names)}
        column = {name: i for i, name in enumerate(experiments)}
        self.index = (
            np.array([position[v.sample] for v in values], dtype=int),
            np.array([column[v.experiment] for v in values], dtype=int),
            np.array([self._place(v, resolved[renamed[v.name]]) for v in values], dtype=int),
        )
        self._refuse_duplicates()

    def _place(self, value: MeasuredValue, meaning: ResolvedMeasurement) -> int:
        place = place_of(meaning.fragments[0], value.shift, value.heavy)
        if place is None:
            raise LabelingError(
                f"{value.label()} ({self.table.where(value.row)}) is no isotopologue of {meaning.name!r}; remove it."
            )
        return self.start[meaning.name] + place

    def _refuse_duplicates(self) -> None:
        seen: dict[tuple[int, ...], MeasuredValue] = {}
        for place, value in zip(zip(*(axis.tolist() for axis in self.index), strict=True), self.values, strict=True):
            first = seen.setdefault(place, value)
            if first is not value:
                raise LabelingError(
                    f"{value.label()} has two values ({self.table.where([first.row, value.row])}); keep "
                    "one, or name "
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

    def arrays(self, kind: str, left_out: list[bool], noise: NoiseModel, notes: list[str]) -> dict[str, np.ndarray]:
        """Turn the values into MIDs with their uncertainty.

        Parameters
        ----------
        kind : str
            ``"intensity"`` or ``"fraction"``.
        left_out : list of bool
            Which values a mask leaves out.
        noise : NoiseModel
            Gives the standard deviation where the table states none.
        notes : list of str
            What was left out is appended.

        Returns
        -------
        dict of str to ndarray
            ``mid``, ``mid_sd``, from intensities or stated limits ``mid_limit``, from intensities ``intensity``,
            and ``masked`` where something is; shape ``(sample, experiment, isotopologue)``.

        Raises
        ------
        LabelingError
            Fractions do not sum to 1, by more than their stated sd explains; nothing is measured; or a mask
            leaves only zeros.
        """
        raw = self._fill([each.value for each in self.values])
        stated = self._fill([each.sd for each in self.values])
        kept = np.isfinite(raw)
        self._drop_undetected(raw, kept, notes)
        if kind == "fraction":
            self._check_sums(raw, stated, kept)
        masked = np.zeros(self.shape, dtype=bool)
        masked[self.index] = left_out
        notes.extend(self._note_masks(left_out))
        kept &= ~masked
        self._drop_single(kept, notes)
        self._note_missing(kept, masked, notes)
        if not kept.any():
            raise LabelingError(
                f"nothing is measured in {self.table.source}: every {kind} is zero, missing or masked. Check the "
                f"column '{kind}' and the masks."
            )
        total = self._totals(raw, stated, kept, kind, notes)
        self._refuse_emptied(kept, total)
        mid = np.divide(raw, total, out=np.full(self.shape, np.nan), where=kept & (total > 0))
        ions = total if kind == "intensity" else None
        with np.errstate(invalid="ignore"):
            sd = np.where(np.isfinite(stated), stated / np.where(total > 0, total, 1.0), noise.sd(mid, ions))
        arrays = {"mid": mid, "mid_sd": np.where(np.isfinite(mid), sd, np.nan)}
        if ions is not None:
            arrays["intensity"] = raw
        limit = self._limits(mid, total, None if ions is None else noise.limit(ions))
        if limit is not None:
            arrays["mid_limit"] = limit
        if masked.any():
            arrays["masked"] = masked
        return arrays

    def _limits(self, mid: np.ndarray, total: np.ndarray, of_ions: np.ndarray | None) -> np.ndarray | None:
        """Return the detection limits of zeros: those that the table states, else those of the ions counted."""
        stated = self._fill([each.limit for each in self.values])
        if of_ions is None and not np.isfinite(stated).any():
            return None
        stated = stated / np.where(total > 0, total, 1.0)
        limit = stated if of_ions is None else np.where(np.isfinite(stated), stated, of_ions)
        return np.where(mid == 0, limit, np.nan)

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
                place = self.sample_names[i] + (f" ({self.experiments[j]})" if len(self.experiments) > 1 else "")
                found.setdefault(name, []).append(place.strip())
        for name, places in found.items():
            where = f" in {', '.join(filter(None, places))}" if any(places) else ""
            notes.append(f"{name} is zero at every mass shift{where}: not detected, treated as not measured.")

    def _totals(self, raw: np.ndarray, stated: np.ndarray, kept: np.ndarray, kind: str, notes: list[str]) -> np.ndarray:
        """What each value is divided by: the sum of what is kept, or 1 where noise made the sum.

        Fractions that someone normalised sum to 1 up to the rounding of their digits, and lose one datum. Where
        all mass shifts come with their sd and miss 1 by more, each has noise of its own; to normalise them would
        spread it, and count as one datum less.
        """
        step = self._fill([each.step for each in self.values])
        totals = np.where(kept, raw, 0.0)
        noisy: dict[str, None] = {}
        for i, j, name, part in self._blocks():
            total = totals[i, j, part].sum()
            own = kind == "fraction" and bool((kept & np.isfinite(stated))[i, j, part].all())
            if own and abs(total - 1) > _EXACT + 0.5 * step[i, j, part].min() * (part.stop - part.start):
                total = 1.0
                noisy[name] = None
            totals[i, j, part] = total
        if noisy:
            listed = ", ".join(list(noisy)[:6]) + (f" and {len(noisy) - 6} more" if len(noisy) > 6 else "")
            notes.append(f"{listed}: the values miss a sum of 1 within their sd, and are used as stated.")
        return totals

    def _check_sums(self, raw: np.ndarray, stated: np.ndarray, kept: np.ndarray) -> None:
        for i, j, name, part in self._blocks():
            total = raw[i, j, part][kept[i, j, part]].sum()
            noise = float(np.sqrt(np.sum(stated[i, j, part] ** 2)))  # NaN unless every mass shift has its sd
            allowed = SUM_TOLERANCE + (NOISE_ALLOWANCE * noise if kept[i, j, part].all() and noise > 0 else 0.0)
            if kept[i, j, part].any() and not math.isclose(total, 1.0, abs_tol=allowed):
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

    def _note_missing(self, kept: np.ndarray, masked: np.ndarray, notes: list[str]) -> None:
        lost: dict[str, set[int]] = {}
        for i, j, name, part in self._blocks():
            if kept[i, j, part].any():
                gaps = ~kept[i, j, part] & ~masked[i, j, part]
                lost.setdefault(name, set()).update(np.flatnonzero(gaps).tolist())
        for name, shifts in lost.items():
            if shifts:
                first = self.start[name]
                listed = ", ".join(
                    isotopologue_name(self.shifts[first + each], self.isotopes[first + each]) for each in sorted(shifts)
                )
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
