"""What the viewer of labeling shows: one panel for each sample, experiment and fragment, the worst fit first."""

# pandas types most results as "DataFrame or Series", which pyright cannot follow
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportReturnType=false

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from fluxkit.errors import LabelingError
from fluxkit.labeling.isotopologues import isotope_texts
from fluxkit.view.figure_style import of_sample
from fluxkit.view.figure_tables import isotopologue_names, isotopologue_table


def mid_scene(estimate_or_labeling: Any, fitted: xr.Dataset | None = None) -> dict[str, Any]:
    """Return measured and fitted labeling, ready for JSON.

    Parameters
    ----------
    estimate_or_labeling : FluxEstimate or xarray.Dataset
        An estimate; or a labeling dataset, of one or several samples.
    fitted : xarray.Dataset, optional
        Labeling to compare a dataset with, such as of :func:`fluxkit.simulate`; a single state. It may hold more
        fragments and experiments.

    Returns
    -------
    dict
        ``title``, ``experiments`` (their names) and ``panels``. A panel holds ``key``, ``experiment``, ``fragment``,
        ``names`` of its isotopologues, ``measured``, ``sd``, ``fitted`` (fractions), ``residual``
        ((fitted - measured) / sd) and ``worst``, the largest absolute residual. Unknown
        numbers are None. The worst panel comes first; without residuals, the order is that of the data.

    Raises
    ------
    LabelingError
        There is nothing to show, or ``fitted`` does not fit the data.
    """
    if hasattr(estimate_or_labeling, "fit") and hasattr(estimate_or_labeling, "posterior"):
        if fitted is not None:
            raise LabelingError("an estimate holds its own fit; give its labeling to compare it with something else.")
        table = isotopologue_table(estimate_or_labeling)
        table["name"] = isotopologue_names(table)
        title = f"Measured and fitted labeling{of_sample(estimate_or_labeling)}"
    elif isinstance(estimate_or_labeling, xr.Dataset) and "mid" in estimate_or_labeling:
        table = _with_fit(_rows(estimate_or_labeling), fitted)
        title = "Measured labeling" if fitted is None else "Measured and fitted labeling"
    else:
        kind = type(estimate_or_labeling).__name__
        raise LabelingError(f"cannot show a {kind}; give a FluxEstimate, or a labeling dataset with 'mid'.")
    groups = table.groupby(["experiment", "fragment"], sort=False)
    panels = [_panel(str(experiment), str(fragment), rows) for (experiment, fragment), rows in groups]
    if not panels:
        raise LabelingError("nothing is measured in this labeling; read a table with at least one value.")
    panels.sort(key=lambda each: -(each["worst"] or 0.0))  # stable
    experiments = list(dict.fromkeys(table["experiment"].astype(str)))
    return {"title": title, "experiments": experiments, "panels": panels}


def _panel(experiment: str, fragment: str, rows: pd.DataFrame) -> dict[str, Any]:
    residual = rows["residual"].to_numpy(dtype=float)
    known = np.abs(residual[np.isfinite(residual)])
    return {
        "key": f"{experiment} | {fragment}",
        "experiment": experiment,
        "fragment": fragment,
        "names": rows["name"].tolist(),
        **{name: _plain(rows[name], 5) for name in ("measured", "sd", "fitted")},
        "residual": _plain(rows["residual"], 3),
        "worst": round(float(known.max()), 3) if known.size else None,
    }


def _plain(values: pd.Series, digits: int) -> list[float | None]:
    return [round(float(each), digits) if np.isfinite(each) else None for each in values]


def _rows(labeling: xr.Dataset) -> pd.DataFrame:
    """One row for each value that is measured; a sample, time or draw becomes part of the name of the experiment."""
    arrays = {"measured": labeling["mid"]}
    arrays["sd"] = labeling["mid_sd"] if "mid_sd" in labeling else xr.full_like(labeling["mid"], np.nan)
    leading = [str(dim) for dim in labeling["mid"].dims if dim != "isotopologue"]
    stacked = {
        name: each.broadcast_like(labeling["mid"]).transpose(*leading, "isotopologue").values
        for name, each in arrays.items()
    }
    texts = isotope_texts(labeling)
    shifts = [f"M+{shift}" for shift in labeling["mass_shift"].values]
    blocks = []
    for index in np.ndindex(*(labeling.sizes[dim] for dim in leading)):
        block = pd.DataFrame({name: values[index] for name, values in stacked.items()})
        block["experiment"] = ", ".join(_place(labeling, dim, i) for dim, i in zip(leading, index, strict=True))
        block["fragment"] = labeling["fragment"].values.astype(str)
        block["name"] = [text or shift for text, shift in zip(texts, shifts, strict=True)]
        blocks.append(block)
    table = pd.concat(blocks, ignore_index=True)
    return table[table["measured"].notna()].reset_index(drop=True)


def _place(labeling: xr.Dataset, dim: str, index: int) -> str:
    name = str(labeling[dim].values[index]) if dim in labeling.coords else str(index + 1)
    return name if dim in ("experiment", "sample") else f"{dim} {name}"


def _with_fit(table: pd.DataFrame, fitted: xr.Dataset | None) -> pd.DataFrame:
    if fitted is None:
        return table.assign(fitted=np.nan, residual=np.nan)
    keys = ["experiment", "fragment", "name"]
    extra = [str(dim) for dim in fitted["mid"].dims if dim not in ("experiment", "isotopologue")]
    if extra:
        raise LabelingError(
            f"fitted labeling has a dimension {extra[0]!r}; choose one, such as fitted.isel({extra[0]}=0)."
        )
    model = _rows(fitted).rename(columns={"measured": "fitted"})[[*keys, "fitted"]]
    if not set(table["experiment"]) <= set(model["experiment"]):
        # samples of one experiment are all compared with its one fit
        table = table.assign(whole=table["experiment"], experiment=table["experiment"].str.split(", ").str[-1])
    merged = table.merge(model, how="left", on=keys)
    if merged["fitted"].isna().all():
        raise LabelingError(
            f"no measured isotopologue is in the fitted labeling: it holds {sorted(set(model['fragment']))[:6]} in "
            f"{sorted(set(model['experiment']))[:6]}. Simulate the same fragments and experiments."
        )
    if "whole" in merged:
        merged["experiment"] = merged.pop("whole")
    merged["residual"] = (merged["fitted"] - merged["measured"]) / merged["sd"].where(merged["sd"] > 0)
    return merged
