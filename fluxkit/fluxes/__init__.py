"""Which fluxes are possible, and which are plausible before any labeling is seen."""

from fluxkit.fluxes.completion import as_flux_dataset
from fluxkit.fluxes.entropic import EntropicMap, entropic_map
from fluxkit.fluxes.exchange import ExchangeCoordinate
from fluxkit.fluxes.polytope import free_fluxes
from fluxkit.fluxes.prior import draw_fluxes, prior_coordinates
from fluxkit.fluxes.ranges import flux_ranges
from fluxkit.fluxes.space import FluxSpace, flux_space
from fluxkit.fluxes.states import directed_fluxes

__all__ = [
    "EntropicMap",
    "ExchangeCoordinate",
    "FluxSpace",
    "as_flux_dataset",
    "directed_fluxes",
    "draw_fluxes",
    "entropic_map",
    "flux_ranges",
    "flux_space",
    "free_fluxes",
    "prior_coordinates",
]
