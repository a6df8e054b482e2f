"""How much of a pool is labeled: the share of fully labeled molecules, and the share of labeled atoms."""

import numpy as np
import xarray as xr

from fluxkit.errors import LabelingError, UnknownNameError, suggest
from fluxkit.physiology.quantity import quantity


def intact_fraction(labeling: xr.Dataset, fragment: str, *, site: str | None = None) -> xr.Dataset:
    """Return the share of molecules in which every atom is labeled, M+n: those of the tracer that stayed whole.

    The enrichment behind molecule-based turnover (doi:10.1038/nature24057).

    Parameters
    ----------
    labeling : xarray.Dataset
        A labeling dataset: ``mid`` over ``(..., isotopologue)``, ``mid_sd`` where known.
    fragment : str
        Fragment, all atoms of the molecule that the tracer labels, such as ``"Glc.P"``.
    site : {"artery", "tail", "vein"}, optional
        Where the blood was taken.

    Returns
    -------
    xarray.Dataset
        A quantity, fraction of molecules, over the leading dimensions; basis ``"molecule"``.

    Raises
    ------
    UnknownNameError
        The labeling has no such fragment.
    LabelingError
        The fragment tells isotopes apart, so it has no one M+n.
    """
    mid, sd, shifts = _fragment(labeling, fragment)
    last = int(np.argmax(shifts))
    meaning = {"site": site} if site else {}
    return quantity(
        mid.isel(isotopologue=last, drop=True), sd.isel(isotopologue=last, drop=True), "fraction",
        basis="molecule", **meaning,
    )  # fmt: skip


def atom_enrichment(labeling: xr.Dataset, fragment: str, *, site: str | None = None) -> xr.Dataset:
    """Return the share of atoms that are labeled, sum over m of m M+m / n, whatever molecule they sit in together.

    The enrichment behind atom-based turnover (doi:10.1016/j.cmet.2020.07.013).

    Parameters
    ----------
    labeling : xarray.Dataset
        A labeling dataset: ``mid`` over ``(..., isotopologue)``, ``mid_sd`` where known; errors of mass shifts are
        taken as independent.
    fragment : str
        Fragment, all atoms of the molecule that the tracer labels, such as ``"Glc.P"``.
    site : {"artery", "tail", "vein"}, optional
        Where the blood was taken.

    Returns
    -------
    xarray.Dataset
        A quantity, fraction of atoms, over the leading dimensions; basis ``"atom"``.

    Raises
    ------
    UnknownNameError
        The labeling has no such fragment.
    LabelingError
        The fragment tells isotopes apart.
    """
    mid, sd, shifts = _fragment(labeling, fragment)
    weights = xr.DataArray(shifts / shifts.max(), dims="isotopologue")
    meaning = {"site": site} if site else {}
    return quantity(
        (weights * mid).sum("isotopologue", skipna=False),
        np.sqrt(((weights * sd) ** 2).sum("isotopologue", skipna=False)),
        "fraction", basis="atom", **meaning,
    )  # fmt: skip


def _fragment(labeling: xr.Dataset, fragment: str) -> tuple[xr.DataArray, xr.DataArray, np.ndarray]:
    """Return MID, sd and mass shifts of one fragment."""
    names = labeling["fragment"].values
    here = names == fragment
    if not here.any():
        raise UnknownNameError(f"the labeling has no fragment {fragment!r}. {suggest(fragment, names)}")
    rows = labeling.isel(isotopologue=np.flatnonzero(here))
    if "isotopes" in rows.coords and (rows["isotopes"].values != "").any():
        raise LabelingError(
            f"fragment {fragment!r} tells isotopes apart. Take the fragment of one element, such as "
            f"{fragment.split(':')[0] + ':C'!r}."
        )
    mid = rows["mid"].drop_vars(["fragment", "mass_shift", "isotopes"], errors="ignore")
    sd = rows["mid_sd"] if "mid_sd" in rows else xr.zeros_like(mid)
    return mid, sd.drop_vars(["fragment", "mass_shift", "isotopes"], errors="ignore"), rows["mass_shift"].values
