"""Estimates whose posteriors are known: independent normal distributions of net fluxes."""

from types import SimpleNamespace

import numpy as np
import xarray as xr
from scipy.special import ndtri

from fluxkit.inference import FluxEstimate, Verdict


def gaussian_estimate(
    centres, sd=1.0, *, sample="sample", draws=4000, seed=0, transform=lambda x: x, **coords
) -> FluxEstimate:
    """Return an estimate whose net fluxes have these posterior means and sds, exactly; ``coords`` tell the sample.

    Its draws are the quantiles of the normal distributions in random order, so nothing is lost by sampling.
    """
    centres = np.asarray(centres, dtype=float)
    names = [f"R{i}" for i in range(len(centres))]
    quantiles = ndtri((np.arange(draws) + 0.5) / draws)
    order = np.random.default_rng(seed).permuted(np.tile(quantiles, (len(centres), 1)), axis=1).T
    fluxes = transform(centres + np.asarray(sd) * order)[None]
    network = SimpleNamespace(
        name="normal",
        flux_unit="relative",
        fingerprint=f"normal {len(centres)}",
        reactions=[SimpleNamespace(name=each, reversible=False) for each in names],
        reaction_names=names,
        fixed_fluxes={},
        reversible=np.zeros(len(centres), dtype=bool),
    )
    dims = ("chain", "draw", "reaction")
    posterior = xr.Dataset(
        {"net_flux": (dims, fluxes), "exchange_flux": (dims, np.zeros_like(fluxes))}, coords={"reaction": names}
    )
    labeling = xr.Dataset(coords=coords)
    empty = xr.Dataset()
    return FluxEstimate(network, sample, labeling, posterior, empty, empty, empty, 1.0, 1.0, 0.5, {}, Verdict(True, ()))


def replicates(centres, sd=1.0, *, condition="", **options) -> list[FluxEstimate]:
    """Return one estimate for each row of ``centres``, shape ``(replicate, flux)``, as replicates of a condition."""
    return [
        gaussian_estimate(row, sd, sample=f"{condition} {i + 1}", condition=condition, seed=i, **options)
        for i, row in enumerate(centres)
    ]
