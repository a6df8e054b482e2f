"""A ranking as a table that spreadsheets read."""

import pandas as pd
import xarray as xr


def design_table(designs: xr.Dataset) -> pd.DataFrame:
    """Return ranked designs as a table, one row per design, the best first.

    Parameters
    ----------
    designs : xarray.Dataset
        From :func:`fluxkit.design_tracers`.

    Returns
    -------
    pandas.DataFrame
        ``rank``, ``design``, ``tracers``, ``measurement_set``, ``experiments``, ``information_gain`` (nats) with its 10
        and 90 % quantiles over the prior, ``mean_relative_variance``, ``cost``, ``efficient``; and for each flux its
        expected ``width``, its width ``relative`` to the prior's, and the ``power`` to detect the stated difference.
    """
    columns = {
        "rank": range(1, designs.sizes["design"] + 1),
        **{name: designs[name].values for name in ("design", "tracers", "measurement_set", "experiments")},
        "information_gain": designs["information_gain"].values,
        "information_lower": designs["information_quantile"].sel(quantile=0.1).values,
        "information_upper": designs["information_quantile"].sel(quantile=0.9).values,
        **{name: designs[name].values for name in ("mean_relative_variance", "cost", "efficient")},
    }
    for flux in designs["flux"].values.astype(str):
        width = designs["expected_width"].sel(flux=flux)
        columns[f"width {flux}"] = width.values
        columns[f"relative {flux}"] = (width / designs["prior_width"].sel(flux=flux)).values
        columns[f"power {flux}"] = designs["power"].sel(flux=flux).values
    return pd.DataFrame(columns)
