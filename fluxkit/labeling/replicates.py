"""Replicates: pooling the samples of a condition into one, or taking samples apart."""

import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from fluxkit.errors import LabelingError, suggest
from fluxkit.labeling.dataset import notes_of
from fluxkit.labeling.isotopologues import isotope_texts, isotopologue_name
from fluxkit.labeling.noise import NoiseModel
from fluxkit.labeling.rates import pool_rates

_GROUPING = ("condition", "tissue", "animal")


def split_samples(labeling: xr.Dataset) -> dict[str, xr.Dataset]:
    """Take a labeling dataset apart into one dataset per sample.

    Parameters
    ----------
    labeling : xarray.Dataset
        With or without a ``sample`` dimension.

    Returns
    -------
    dict of str to xarray.Dataset
        By sample name, in order, without a ``sample`` dimension; one dataset named ``"sample"`` where there
        is none. Samples in which nothing is measured are left out.
    """
    if "sample" not in labeling.dims:
        return {"sample": labeling}
    parts = {str(name): labeling.isel(sample=i) for i, name in enumerate(labeling["sample"].values.tolist())}
    return {name: part for name, part in parts.items() if bool(part["mid"].notnull().any())}


def pool_replicates(labeling: xr.Dataset, by: str | Sequence[str] | None = None) -> dict[str, xr.Dataset]:
    """Pool the replicates of each condition into one dataset.

    The MID is the mean over replicates, each first renormalised over the mass shifts that all replicates of
    the group keep. A value is zero, censored at the mean detection limit, only where every replicate is zero.

    Its standard deviation is the larger of what the noise model says at the mean (with the mean ion intensity;
    or of what the table states, as root mean square) and the standard deviation among replicates. Neither is
    divided by the square root of the number of replicates:

    - the noise model states systematic error (floor: of the instrument and of the steady-state assumption;
      slope: interference and saturation), which replicates share, so their mean keeps it;
    - the spread among three replicates tells the sd of their mean only within 0.5 to 6 times (95 %, chi-square
      of 2 degrees of freedom), and errors of the mass shifts of a fragment go together, which the fit does not
      know; a divided spread would often be far too small.

    Where errors are independent from replicate to replicate after all, chi-square comes out near its degrees of
    freedom divided by the number of replicates, intervals are too wide rather than too narrow, and the verdict
    remarks on it. Then state the sd of the mean in a table that holds the mean.

    Parameters
    ----------
    labeling : xarray.Dataset
        With a ``sample`` dimension; without one it is returned as the only group, ``"sample"``.
    by : str or sequence of str, optional
        Coordinates of ``sample`` that name a group; by default those of condition, tissue and animal that
        exist. Without any of them, samples that count replicates are pooled as ``"all"``; other samples stay
        apart.

    Returns
    -------
    dict of str to xarray.Dataset
        By group, in first-seen order, without a ``sample`` dimension.

    Raises
    ------
    LabelingError
        There is no such coordinate, or a group would mix tissues.
    """
    if "sample" not in labeling.dims:
        return {"sample": labeling}
    if by is None:
        columns = [each for each in _GROUPING if each in labeling.coords]
        if not columns and "replicate" not in labeling.coords:
            return split_samples(labeling)
    else:
        columns = [by] if isinstance(by, str) else list(by)
    on_sample = [str(each) for each in labeling.coords if labeling[each].dims == ("sample",)]
    for each in columns:
        if each not in on_sample:
            raise LabelingError(f"samples have no {each!r} to pool by. {suggest(each, on_sample)}")
    groups: dict[str, list[int]] = {}
    for i in range(labeling.sizes["sample"]):
        key = ", ".join(str(labeling[each].values[i]) for each in columns) or "all"
        groups.setdefault(key, []).append(i)
    pooled = {}
    for key, members in groups.items():
        part = labeling.isel(sample=members)
        if "tissue" in part.coords and len(set(part["tissue"].values.tolist())) > 1:
            raise LabelingError(f"group {key!r} would pool different tissues; pool by ['condition', 'tissue'] instead.")
        if bool(part["mid"].notnull().any()):
            pooled[key] = _pool(part, key)
    return pooled


def _pool(part: xr.Dataset, key: str) -> xr.Dataset:
    """Pool all samples of one group."""
    kept, lost = _shared(part)
    names = part["fragment"].values.astype(str)
    mid = part["mid"].where(kept)
    total = _per_fragment(mid, names)
    whole = _per_fragment((part["mid"].notnull() & ~kept).astype(float), names) == 0
    noisy = whole & (abs(total - 1) > 1e-6)  # the values carry noise of their own, which is not to be spread
    scale = 1 / total.where(total > 0).where(~noisy, 1.0)
    mid = mid * scale
    mean = mid.mean("sample")
    variables = {"mid": mean}
    ions = None
    if "intensity" in part:
        ions = _per_fragment(part["intensity"].where(kept), names).where(kept)
        variables["intensity"] = part["intensity"].mean("sample")
    noise = part.attrs.get("noise")
    if noise:
        spread = NoiseModel.from_json(noise)
        mean_ions = None if ions is None else ions.mean("sample").transpose(*mean.dims).values
        sd = mean.copy(data=spread.sd(mean.values, mean_ions))
    else:
        sd = ((part["mid_sd"] * scale) ** 2).where(kept).mean("sample") ** 0.5
    count = mid.notnull().sum("sample")
    among = mid.std("sample", ddof=1) if part.sizes["sample"] > 1 else xr.zeros_like(mean)
    among = among.where(count > 1, 0.0)
    variables["mid_sd"] = sd.where(sd > among, among).where(mean.notnull()).transpose(*mean.dims)
    if "mid_limit" in part:
        limit = (part["mid_limit"] * scale).where(kept).mean("sample")
        variables["mid_limit"] = limit.where(mean == 0)
    if "masked" in part:
        variables["masked"] = part["masked"].any("sample") & mean.isnull()
    variables |= pool_rates(part)
    fixed = {n: c for n, c in part.coords.items() if "sample" not in c.dims}
    for name in _GROUPING:  # what the whole group shares
        if name in part.coords and len(set(part[name].values.tolist())) == 1:
            fixed[name] = part[name][0].drop_vars([c for c in part[name].coords if c != name])
    notes = [*notes_of(part), *(f"{key}: {each}" for each in lost)]
    attrs = part.attrs | {
        "notes": json.dumps(notes, ensure_ascii=False),
        "replicates": int(part.sizes["sample"]),
    }
    return xr.Dataset(variables, attrs=attrs).assign_coords(fixed)


def _per_fragment(values: xr.DataArray, names: np.ndarray) -> xr.DataArray:
    """Sum over the mass shifts of each fragment, at every one of them."""
    values = values.transpose(..., "isotopologue")
    member = (names[:, None] == names[None, :]).astype(float)
    return values.copy(data=np.nan_to_num(values.values) @ member)


def _shared(part: xr.Dataset) -> tuple[xr.DataArray, list[str]]:
    """Which values to pool: mass shifts that every replicate keeps that measures the fragment at all."""
    measured = part["mid"].notnull().transpose(..., "isotopologue")
    names = part["fragment"].values.astype(str)
    present = _per_fragment(measured.astype(float), names) > 0
    everywhere = (measured | ~present).all("sample")
    kept = measured & everywhere
    left = _per_fragment(kept.astype(float), names)
    kept = kept & (left > 1)  # one mass shift alone is 1 whatever happened
    lost = []
    isotopologues = [isotopologue_name(*e) for e in zip(part["mass_shift"].values, isotope_texts(part), strict=True)]
    for name in dict.fromkeys(
        names[(measured & ~kept).any([d for d in kept.dims if d != "isotopologue"]).values].tolist()
    ):
        mine = names == name
        out = mine & (measured & ~kept).any([d for d in kept.dims if d != "isotopologue"]).values
        listed = ", ".join(each for each, is_out in zip(isotopologues, out, strict=True) if is_out)
        lost.append(f"{name} {listed} left out: some replicates do not keep it.")
    return kept, lost
