"""Goodness of fit of every sample on its own: the best fit, without sampling."""

import numpy as np
import pandas as pd
import xarray as xr
from threadpoolctl import threadpool_limits

from fluxkit.inference.density import FluxDensity
from fluxkit.inference.problem import QuantifySettings, build_density, choose_model, samples_of
from fluxkit.inference.quantify import find_best
from fluxkit.inference.refinement import Refined
from fluxkit.inference.verdict.chi_square import chi_square, independent_data
from fluxkit.labeling.isotopologues import value_name
from fluxkit.learning import FluxModel
from fluxkit.networks import Network


def fit_statistics(
    labeling: xr.Dataset,
    network: Network,
    *,
    model: FluxModel | str | None = "shipped",
    starts: int = 8,
    seed: int = 0,
) -> pd.DataFrame:
    """Fit every sample by itself.

    Parameters
    ----------
    labeling : xarray.Dataset
        Measured labeling with standard deviations.
    network : Network
        The network.
    model : FluxModel, str or None
        As for :func:`fluxkit.quantify`.
    starts : int
        Refined starts per sample.
    seed : int
        Seed of the starts.

    Returns
    -------
    pandas.DataFrame
        One row per sample: ``sample``, ``data`` (independent values), ``chi_square``, ``degrees_of_freedom``,
        ``p_value``, ``largest_residual`` (in sd) and ``where`` it is.

    Raises
    ------
    LabelingError
        The dataset breaks a rule, or has no standard deviations, or fewer than 1 start is asked for.
    """
    parts = samples_of(labeling, network, pool=False)
    chosen = choose_model(model, network)
    settings = QuantifySettings(starts=starts, fallbacks=False)
    rows = []
    with threadpool_limits(1, "blas"):
        for i, (name, part) in enumerate(parts.items()):
            rng = np.random.default_rng(seed + i)
            density = build_density(part, network)
            best = find_best(density, part, chosen, settings, rng)
            rows.append({"sample": name, **_row(density, best.refined, part)})
    return pd.DataFrame(rows)


def _row(density: FluxDensity, refined: Refined, labeling: xr.Dataset) -> dict[str, object]:
    residual = density.residuals(refined.points[:1])[0]
    ssr, freedom, p_value, _ = chi_square(density, refined)
    worst = int(np.abs(residual).argmax())
    return {
        "data": independent_data(density),
        "chi_square": ssr,
        "degrees_of_freedom": freedom,
        "p_value": p_value,
        "largest_residual": float(residual[worst]),
        "where": value_name(labeling, int(density.known[worst])),
    }
