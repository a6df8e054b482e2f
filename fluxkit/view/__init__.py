"""What the results look like: flux map, figures and reports."""

from fluxkit.view.flux_figures import comparison_figure, interval_figure, marginal_figure
from fluxkit.view.flux_map import flux_map, map_fragment, map_page
from fluxkit.view.flux_numbers import FluxNumbers, flux_numbers
from fluxkit.view.labeling_figures import mid_figure, residual_figure
from fluxkit.view.layout import MapLayout, automatic_layout, map_layout, read_layout
from fluxkit.view.map_data import map_data

__all__ = [
    "flux_map",
    "map_data",
    "map_fragment",
    "map_page",
    "comparison_figure",
    "interval_figure",
    "marginal_figure",
    "mid_figure",
    "residual_figure",
    "FluxNumbers",
    "flux_numbers",
    "MapLayout",
    "map_layout",
    "automatic_layout",
    "read_layout",
]
