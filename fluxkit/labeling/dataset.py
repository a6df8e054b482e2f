"""The labeling dataset: the one form of measured, simulated and predicted labeling, with its checks."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from fluxkit import __version__
from fluxkit.errors import LabelingError
from fluxkit.labeling.isotopologues import isotope_texts, isotopologue_name
from fluxkit.labeling.meaning import ResolvedMeasurement, resolve_measurement
from fluxkit.labeling.measurement import labeled_elements_of
from fluxkit.labeling.noise import NoiseModel
from fluxkit.networks import Network

SUM_TOLERANCE = 0.02
"""How far the values of one fragment may be from summing to 1."""

NOISE_ALLOWANCE = 6.0
"""How many stated sd a value, or a sum of values, may leave what is possible: noise does so once in 10^9 values."""

LEADING = ("sample", "draw", "time", "experiment")
"""Dimensions that may stand before ``isotopologue``."""

SAMPLE_COORDINATES = ("condition", "replicate", "tissue", "animal")
"""What may be known about each sample."""


def labeling_dataset(
    mid: np.ndarray,
    *,
    dims: Sequence[str],
    fragments: Sequence[str],
    mass_shifts: Sequence[int],
    network: Network,
    experiments: Mapping[str, str],
    isotopes: Sequence[str] | None = None,
    mid_sd: np.ndarray | None = None,
    mid_limit: np.ndarray | None = None,
    intensity: np.ndarray | None = None,
    masked: np.ndarray | None = None,
    samples: Mapping[str, Sequence[Any]] | None = None,
    purity: float = 1.0,
    natural_abundance: str = "",
    formulas: Mapping[str, str] | None = None,
    noise: NoiseModel | None = None,
    seed: int | None = None,
    source: str = "",
    notes: Iterable[str] = (),
) -> xr.Dataset:
    """Build a labeling dataset and check it.

    Parameters
    ----------
    mid : ndarray
        Fractions of the kept mass shifts; NaN where nothing was measured.
    dims : sequence of str
        Dimensions of ``mid``: any of ``sample`` or ``draw``, ``experiment``, then ``isotopologue``.
    fragments, mass_shifts : sequences of length isotopologue
        Fragment, and mass shift (0 = no labeled atom), of each isotopologue.
    network : Network
        Network that the names belong to.
    experiments : mapping of str to str
        Tracer text by experiment, in the order of the ``experiment`` dimension.
    isotopes : sequence of str of length isotopologue, optional
        For fragments that tell isotopes apart (``Glu.c:C+N``) the heavy atoms of each of its elements, in alphabetical
        order: ``"13C2 15N0"``; ``""`` where the mass is seen. Left out when it is seen everywhere.
    mid_sd : ndarray, optional
        Standard deviation, shape of ``mid``. Where no noise model gave it, ``mid`` may hold noise of that size:
        values below zero, sums that are not 1.
    mid_limit : ndarray, optional
        Detection limit of a censored zero, NaN elsewhere; shape of ``mid``.
    intensity : ndarray, optional
        Ion intensities in counts, shape of ``mid``.
    masked : ndarray of bool, optional
        What was left out on purpose, shape of ``mid``; for the record.
    samples : mapping, optional
        ``sample`` (or ``draw``), ``condition``, ``replicate``, ``tissue``, ``animal``: one value per sample.
    purity : float
        Share of the heavy isotope at every labeled position of the tracers.
    natural_abundance : str
        Elements whose natural isotopes the instrument does not resolve and that were not corrected for, such
        as ``"C"``; ``""`` for corrected data.
    formulas : mapping of str to str, optional
        Elemental formula by fragment.
    noise : NoiseModel, optional
        The model that gave ``mid_sd``; pooling replicates applies it again.
    seed : int, optional
        Seed of simulated data.
    source : str
        Where the data come from.
    notes : iterable of str
        What the user should know: what was left out, and why.

    Returns
    -------
    xarray.Dataset
        ``mid``, ``mid_sd``, optional ``mid_limit`` and ``intensity``; coordinates ``fragment``, ``mass_shift`` and,
        where isotopes are told apart, ``isotopes`` on ``isotopologue``; the rest in ``attrs``.

    Raises
    ------
    LabelingError
        The data break a rule; see :func:`check_labeling`.
    """
    dims = tuple(dims)
    given = {"mid": mid, "mid_sd": mid_sd, "mid_limit": mid_limit, "intensity": intensity}
    variables = {name: (dims, np.asarray(value, dtype=float)) for name, value in given.items() if value is not None}
    if masked is not None:
        variables["masked"] = (dims, np.asarray(masked, dtype=bool))
    coords: dict[str, Any] = {
        "fragment": ("isotopologue", np.asarray(fragments, dtype=object)),
        "mass_shift": ("isotopologue", np.asarray(mass_shifts, dtype=int)),
    }
    if isotopes is not None and any(isotopes):
        coords["isotopes"] = ("isotopologue", np.asarray(isotopes, dtype=object))
    if "experiment" in dims:
        coords["experiment"] = ("experiment", np.array(list(experiments), dtype=object))
    leading = "draw" if "draw" in dims else "sample"
    coords |= {name: (leading, _plain(values)) for name, values in (samples or {}).items()}
    attrs: dict[str, Any] = {
        "network": network.name,
        "flux_unit": network.flux_unit,
        "tracers": json.dumps(dict(experiments), ensure_ascii=False),
        "purity": float(purity),
        "natural_abundance": natural_abundance,
        "formulas": json.dumps(dict(formulas or {}), ensure_ascii=False),
        "noise": noise.to_json() if noise is not None else "",
        "version": __version__,
        "source": source,
        "notes": json.dumps(list(notes), ensure_ascii=False),
    }
    if seed is not None:
        attrs["seed"] = int(seed)
    return check_labeling(xr.Dataset(variables, coords=coords, attrs=attrs), network)


def _plain(values: Sequence[Any]) -> np.ndarray:
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind in "US" else array


def notes_of(labeling: xr.Dataset) -> tuple[str, ...]:
    """Return what the user should know about a labeling dataset.

    Parameters
    ----------
    labeling : xarray.Dataset
    """
    return tuple(json.loads(labeling.attrs.get("notes", "[]")))


def check_labeling(labeling: xr.Dataset, network: Network | None = None) -> xr.Dataset:
    """Refuse a dataset that is not labeling, with the place and the cure; return it otherwise.

    Parameters
    ----------
    labeling : xarray.Dataset
        Measured, simulated or predicted.
    network : Network, optional
        Checks also that every fragment and mass shift exists in it.

    Raises
    ------
    LabelingError
        A variable, coordinate or attribute is missing; an isotopologue appears twice; a MID is negative or
        does not sum to 1, by more than its stated noise explains; nothing is measured; a standard deviation is
        not positive; a mass shift is impossible.
    UnknownNameError
        The network lacks a fragment.
    """
    _check_form(labeling)
    _check_values(labeling)
    if network is not None:
        _check_names(labeling, network)
    return labeling


def _check_form(labeling: xr.Dataset) -> None:
    if "mid" not in labeling or "isotopologue" not in labeling["mid"].dims:
        raise LabelingError(
            "a labeling dataset needs a variable 'mid' over 'isotopologue'; build it with labeling_dataset."
        )
    strange = [str(each) for each in labeling["mid"].dims if each not in (*LEADING, "isotopologue")]
    if strange:
        raise LabelingError(f"'mid' has the unknown dimension {strange[0]!r}; use {', '.join(LEADING)}, isotopologue.")
    for name in ("fragment", "mass_shift", *(("isotopes",) if "isotopes" in labeling.variables else ())):
        if name not in labeling.coords or labeling[name].dims != ("isotopologue",):
            raise LabelingError(f"a labeling dataset needs the coordinate {name!r} on 'isotopologue'.")
    missing = [
        each for each in ("network", "tracers", "purity", "natural_abundance", "formulas") if each not in labeling.attrs
    ]
    if missing:
        raise LabelingError(f"a labeling dataset needs the attribute {missing[0]!r}; build it with labeling_dataset.")
    for name in ("mid_sd", "mid_limit", "intensity", "masked"):
        if name in labeling and set(labeling[name].dims) != set(labeling["mid"].dims):
            raise LabelingError(
                f"{name!r} has dimensions {labeling[name].dims}, 'mid' has {labeling['mid'].dims}; make them equal."
            )
    tracers = list(json.loads(labeling.attrs["tracers"]))
    if "experiment" in labeling.dims:
        names = [str(each) for each in labeling["experiment"].values] if "experiment" in labeling.coords else None
        if names != tracers:
            raise LabelingError(
                f"experiments are {names}, but attrs['tracers'] names {tracers}; give one tracer text each."
            )
    elif len(tracers) != 1:
        raise LabelingError(
            f"attrs['tracers'] names {len(tracers)} experiments, but 'mid' has no 'experiment' dimension."
        )
    columns = (labeling["fragment"].values.tolist(), labeling["mass_shift"].values.tolist(), isotope_texts(labeling))
    rows = list(zip(*columns, strict=True))
    if len(set(rows)) < len(rows):
        fragment, shift, isotopes = next(each for i, each in enumerate(rows) if each in rows[:i])
        raise LabelingError(
            f"isotopologue {isotopologue_name(shift, isotopes)} of fragment {fragment!r} appears twice; keep one."
        )


def _check_values(labeling: xr.Dataset) -> None:
    mid = labeling["mid"].transpose(..., "isotopologue")
    values = mid.values
    if not np.isfinite(values).any():
        raise LabelingError(
            "nothing is measured: every value is missing. Check the table, the masks and the column of values."
        )
    if np.isinf(values).any():
        raise LabelingError(
            f"infinite MID value at {_place(mid, np.argwhere(np.isinf(values))[0])}; correct or drop it."
        )
    slack = _noise_allowance(labeling, values)
    if (values < -slack).any():
        where = np.argwhere(values < -slack)[0]
        raise LabelingError(
            f"negative MID value {values[tuple(where)]:.3g} at {_place(mid, where)}; give uncorrected data "
            "with natural_abundance=... (--natural-abundance), or drop it."
        )
    names = labeling["fragment"].values.astype(str)
    for name in dict.fromkeys(names.tolist()):
        part = values[..., names == name]
        total = np.nansum(part, axis=-1)
        allowed = SUM_TOLERANCE + np.sqrt(np.sum(slack[..., names == name] ** 2, axis=-1))
        wrong = np.isfinite(part).any(axis=-1) & (np.abs(total - 1) > allowed)
        if wrong.any():
            where = np.argwhere(wrong)[0] if wrong.ndim else np.array([], dtype=int)
            raise LabelingError(
                f"MIDs must sum to 1; fragment {name!r}{_leading_place(mid, where)} sums to "
                f"{total[tuple(where)]:.4g}. "
                "Normalise it over its mass shifts, or drop it."
            )
    if "mid_sd" in labeling:
        sd = labeling["mid_sd"].transpose(*mid.dims).values
        bad = np.isfinite(values) & ~(np.isfinite(sd) & (sd > 0))
        if bad.any():
            where = np.argwhere(bad)[0]
            raise LabelingError(f"mid_sd is {sd[tuple(where)]:.3g} at {_place(mid, where)}; give a positive number.")


def _noise_allowance(labeling: xr.Dataset, values: np.ndarray) -> np.ndarray:
    """How far each value may leave what is possible: some stated sd, nothing where a noise model gave the sd."""
    if "mid_sd" not in labeling or labeling.attrs.get("noise"):
        return np.zeros_like(values)
    sd = labeling["mid_sd"].transpose(*labeling["mid"].transpose(..., "isotopologue").dims).values
    return NOISE_ALLOWANCE * np.nan_to_num(sd)


def _check_names(labeling: xr.Dataset, network: Network) -> None:
    if labeling.attrs["network"] != network.name:
        raise LabelingError(
            f"this labeling belongs to network {labeling.attrs['network']!r}, not {network.name!r}; read "
            "it again for this network."
        )
    elements = labeled_elements_of(labeling, network)
    names = labeling["fragment"].values.astype(str).tolist()
    meanings = {name: resolve_measurement(name, network, elements) for name in dict.fromkeys(names)}
    known = {name: set(meaning.isotopologues) for name, meaning in meanings.items()}
    for name, shift, isotopes in zip(
        names, labeling["mass_shift"].values.tolist(), isotope_texts(labeling), strict=True
    ):
        if (shift, isotopes) not in known[name]:
            raise LabelingError(_impossible(meanings[name], shift, isotopes, elements))


def _impossible(meaning: ResolvedMeasurement, shift: int, isotopes: str, elements: str) -> str:
    name, known = meaning.name, meaning.isotopologues
    if meaning.resolved:
        stated = f"isotopes {isotopes!r} of M+{shift}" if isotopes else f"M+{shift} without isotopes"
        return (
            f"fragment {name!r} tells isotopes apart, but {stated} is none of them; use '{known[0][1]}' (M+0) to "
            f"'{known[-1][1]}' (M+{known[-1][0]})."
        )
    if isotopes:
        return (
            f"fragment {name!r} is seen by its mass, but M+{shift} of it has isotopes {isotopes!r}; name a fragment "
            "that tells isotopes apart, such as 'Glu.c:C+N', or leave isotopes empty."
        )
    return (
        f"mass shift M+{shift} of fragment {name!r} is impossible: it has {meaning.size} atoms of "
        f"{elements}; use 0 to {meaning.size}."
    )


def _leading_place(mid: xr.DataArray, index: np.ndarray) -> str:
    """Say where among the leading dimensions: `` of sample 'a' of experiment 'glc_U'``."""
    words = []
    for dim, i in zip(mid.dims, index.tolist(), strict=False):
        if dim == "isotopologue":
            continue
        label = mid[dim].values[i] if dim in mid.coords else i
        words.append(f" of {dim} {str(label)!r}")
    return "".join(words)


def _place(mid: xr.DataArray, index: np.ndarray) -> str:
    i = int(index[-1])
    name = str(mid["fragment"].values[i])
    isotopes = str(mid["isotopes"].values[i]) if "isotopes" in mid.coords else ""
    isotopologue = isotopologue_name(int(mid["mass_shift"].values[i]), isotopes)
    return f"{isotopologue} of fragment {name!r}{_leading_place(mid, index)}"


def to_table(labeling: xr.Dataset) -> pd.DataFrame:
    """Return a labeling dataset as a tidy table, one row per measured or masked value.

    Parameters
    ----------
    labeling : xarray.Dataset

    Returns
    -------
    pandas.DataFrame
        Columns ``sample`` or ``draw`` and what is known about it, ``experiment``, ``tracer``, ``fragment``,
        ``formula``, ``mass_shift``, ``isotopes`` (where a fragment tells them apart), ``fraction``, ``sd``,
        ``detection_limit`` (where a zero is censored) and ``masked`` (where something is: ``"yes"``, and an empty
        fraction); :func:`fluxkit.read_labeling` reads it back.
        Intensities and ``attrs`` do not fit into such a table: save those as netCDF.
    """
    names = {"mid": "fraction", "mid_sd": "sd", "mid_limit": "detection_limit", "masked": "masked"}
    kept = labeling[[each for each in names if each in labeling]].rename(
        {k: v for k, v in names.items() if k in labeling}
    )
    tracers = json.loads(labeling.attrs["tracers"])
    frame = kept.to_dataframe().reset_index()
    if "experiment" not in frame:
        frame["experiment"] = next(iter(tracers))
    frame["tracer"] = frame["experiment"].map(tracers)
    formulas = json.loads(labeling.attrs["formulas"])
    leading = [each for each in ("sample", "draw", *SAMPLE_COORDINATES) if each in frame]
    columns = [*leading, "experiment", "tracer", "fragment"]
    if formulas:
        frame["formula"] = frame["fragment"].map(formulas)
        columns.append("formula")
    columns += ["mass_shift", *(each for each in ("isotopes", "fraction", "sd") if each in frame)]
    listed = frame["fraction"].notna()
    if "detection_limit" in frame and np.isfinite(frame["detection_limit"].to_numpy()).any():
        columns.append("detection_limit")
    if "masked" in frame and bool(frame["masked"].to_numpy().any()):
        listed |= frame["masked"]
        frame["masked"] = np.where(frame["masked"], "yes", "no")
        columns.append("masked")
    return frame.loc[listed, columns].reset_index(drop=True)
