"""Which fluxes are possible, and which are plausible before any labeling is seen."""

from fluxkit.fluxes.prior import draw_fluxes, prior_coordinates
from fluxkit.fluxes.ranges import flux_ranges
from fluxkit.fluxes.space import FluxSpace, flux_space
from fluxkit.fluxes.states import directed_fluxes

__all__ = [
    "FluxSpace",
    "directed_fluxes",
    "draw_fluxes",
    "flux_ranges",
    "flux_space",
    "prior_coordinates",
]
