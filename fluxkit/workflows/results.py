"""What a quantification leaves behind: fluxes.csv, estimate.nc and report.html, all of them or none."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fluxkit.files import written_together
from fluxkit.inference import FluxEstimate
from fluxkit.inference.estimate import write_fluxes
from fluxkit.view.report import write_report


def write_results(
    estimates: FluxEstimate | Mapping[str, FluxEstimate],
    out_dir: str | Path,
    *,
    title: str = "Fluxes",
    findings: Sequence[str] = (),
    comparison: pd.DataFrame | None = None,
    samples: pd.DataFrame | None = None,
    settings: Mapping[str, Any] | None = None,
    limits: Sequence[str] = (),
) -> list[Path]:
    """Write the results of a quantification.

    Parameters
    ----------
    estimates : FluxEstimate or mapping of str to FluxEstimate
        One estimate, or one per condition.
    out_dir : str or pathlib.Path
        Folder; made when missing. Earlier results of the same name are replaced only when everything is written.
    title : str
        Title of the report.
    findings, limits : sequence of str
        What matters most, and what may not be concluded.
    comparison : pandas.DataFrame, optional
        From :func:`fluxkit.inference.compare`.
    samples : pandas.DataFrame, optional
        From :func:`fluxkit.inference.fit_statistics`.
    settings : mapping, optional
        What the user chose.

    Returns
    -------
    list of pathlib.Path
        ``fluxes.csv``, ``estimate.nc`` (``estimate_<condition>.nc`` for several) and ``report.html``.
    """
    named = {estimates.sample: estimates} if isinstance(estimates, FluxEstimate) else dict(estimates)
    out_dir = Path(out_dir)
    with written_together(out_dir) as folder:
        write_fluxes(named, folder / "fluxes.csv")
        for name, estimate in named.items():
            estimate.save(folder / ("estimate.nc" if len(named) == 1 else f"estimate_{file_name(name)}.nc"))
        write_report(
            named,
            folder / "report.html",
            title=title,
            findings=findings,
            comparison=comparison,
            comparison_title=" against ".join(reversed(list(named)[:2])) if comparison is not None else "",
            samples=samples,
            settings=settings,
            limits=limits,
        )
        names = sorted(each.name for each in folder.iterdir())
    return [out_dir / name for name in names]


def file_name(name: str) -> str:
    """Return a condition's name as part of a file name: letters, digits, ``-`` and ``_``."""
    return "".join(each if each.isalnum() or each in "-_" else "_" for each in name).strip("_") or "sample"
