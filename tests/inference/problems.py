"""Small inference problems: the published toy network, a variant with two free fluxes, and the HCT116 control."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr

import fluxkit
from fluxkit.inference import QuantifySettings, SamplerSettings
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.problem import build_density
from fluxkit.labeling import pool_replicates, read_labeling
from fluxkit.networks import FluxRule, Network, parse_reactions

TOY = fluxkit.load_network("toy")
CCM = fluxkit.load_network("ccm")
TRACER = "A_x: 100% [2-13C]"
SD = 0.005
QUICK = QuantifySettings(starts=4, sampler=SamplerSettings(chains=8, windows=(20, 30, 40), max_draws=300))
DATA = Path(__file__).parents[2] / "data" / "hct116"


def toy_labeling(
    noise: float = SD, seed: int = 1, fragments=("B", "D"), tracers: str | dict[str, str] = TRACER, fluxes=None
) -> xr.Dataset:
    """Simulate labeling of the toy network at its published state; D has the MID of the published fragment F."""
    state = TOY.reference_fluxes() if fluxes is None else fluxes
    return fluxkit.simulate(TOY, state, tracers, fragments=list(fragments), noise=noise, seed=seed)


def exact_toy_labeling(**options) -> xr.Dataset:
    """Toy labeling without noise whose standard deviation is 0.005."""
    labeling = toy_labeling(**options)
    exact = toy_labeling(**{**options, "noise": 0.0})
    return labeling.assign(mid=exact["mid"])


@lru_cache
def leaky_toy(arrow: str = "<->") -> Network:
    """Toy network with a drain of B: two free net fluxes, one exchange flux, or none with the arrow ``->``."""
    text = f"""
    v1: A_x (abc) -> B (abc)
    v2: B (abc) {arrow} D (abc)
    v4: B (abc) -> C (bc) + E (a)
    v5: B (abc) + C (de) -> D (bcd) + E (a) + E (e)
    v6: D (abc) -> F_x (abc)
    v7: E (a) -> E_x (a)
    v8: B (abc) -> B_x (abc)
    """
    reactions, symmetric = parse_reactions("\n".join(line.strip() for line in text.splitlines()))
    rules = {
        "v1": FluxRule(100, 100),
        "v2": FluxRule(-200 if arrow == "<->" else 0, 200, 60),
        "v4": FluxRule(0, 200, 20),
        "v5": FluxRule(0, 200, 20),
        "v6": FluxRule(0, 200, 80),
        "v7": FluxRule(0, 400, 60),
        "v8": FluxRule(0, 100),
    }
    return Network("leaky" if arrow == "<->" else "one way", reactions, symmetric, rules=rules)


@lru_cache
def hct116() -> xr.Dataset:
    """Measured labeling of HCT116 cells, control and PHGDH inhibitor."""
    tracer = "Glc_x: 98.9% [U-13C6]"
    masks = DATA / "masks.tsv"
    return read_labeling(DATA / "labeling.csv", CCM, tracer, purity=0.99, natural_abundance="C", masks=masks)


@lru_cache
def hct116_control() -> FluxDensity:
    """Posterior of the HCT116 control: mixed pools, dilutions, masks, censored zeros, natural carbon isotopes."""
    return build_density(hct116_control_labeling(), CCM)


def hct116_control_labeling() -> xr.Dataset:
    """Pooled labeling of the HCT116 control."""
    return pool_replicates(hct116())["control"]


@lru_cache
def parallel_ccm() -> FluxDensity:
    """Posterior of two parallel experiments on ccm, of which each measures other fragments."""
    tracers = {"glc_U": "Glc_x: 100% [U-13C6]", "glc_12": "Glc_x: 50% [1,2-13C2] + 50% [U-13C6]"}
    state = fluxkit.draw_fluxes(CCM, 1, seed=3).isel(draw=0)
    labeling = fluxkit.simulate(CCM, state, tracers, fragments=["Lac", "Cit", "Ser", "FBP"], noise=SD, seed=2)
    missing = xr.DataArray(
        [["Lac", "Cit", "FBP"], ["Cit", "Ser", "FBP"]], coords={"experiment": list(tracers)}, dims=("experiment", "k")
    )
    measured = (labeling["fragment"] == missing).any("k")
    return build_density(labeling.assign(mid=labeling["mid"].where(measured)), CCM)


def random_points(density: FluxDensity, count: int, seed: int = 0) -> np.ndarray:
    """Draw points from the prior of a posterior."""
    from fluxkit.inference.problem import random_points

    return random_points(density, count, np.random.default_rng(seed))


def flux(estimate, kind: str, reaction: str) -> np.ndarray:
    """Return all posterior draws of one flux."""
    return estimate.posterior[f"{kind}_flux"].sel(reaction=reaction).values.ravel()
