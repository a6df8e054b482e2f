"""What the fluxes were, how sure that is, and whether to trust it."""

from fluxkit.inference.comparison.common import common_fluxes
from fluxkit.inference.comparison.comparison import Estimates, compare
from fluxkit.inference.estimate import FluxEstimate, Verdict, load_estimate
from fluxkit.inference.goodness import fit_statistics
from fluxkit.inference.least_squares import fit_fluxes
from fluxkit.inference.left_out import LeftOut, predict_left_out
from fluxkit.inference.populations import per_cell_fluxes, population_fractions
from fluxkit.inference.problem import QuantifySettings
from fluxkit.inference.quantify import quantify
from fluxkit.inference.sampler.sampling import SamplerSettings

__all__ = [
    "Estimates",
    "FluxEstimate",
    "LeftOut",
    "QuantifySettings",
    "SamplerSettings",
    "Verdict",
    "common_fluxes",
    "compare",
    "fit_fluxes",
    "fit_statistics",
    "load_estimate",
    "predict_left_out",
    "per_cell_fluxes",
    "population_fractions",
    "quantify",
]
