"""What the results look like: flux map, figures and reports."""

from fluxkit.view.body_data import organ_exchange
from fluxkit.view.body_map import body_fragment, body_map, body_page
from fluxkit.view.body_scene import body_scene
from fluxkit.view.escher import read_escher, write_escher
from fluxkit.view.explore import flux_explorer, mid_viewer, posterior_viewer, tracer_designer
from fluxkit.view.flux_figures import comparison_figure, interval_figure, marginal_figure
from fluxkit.view.flux_map import flux_map, map_fragment, map_page
from fluxkit.view.flux_numbers import FluxNumbers, flux_numbers
from fluxkit.view.label_path import label_path, label_path_page
from fluxkit.view.label_path_atoms import atom_paths
from fluxkit.view.label_path_data import label_path_data
from fluxkit.view.labeling_figures import mid_figure, residual_figure
from fluxkit.view.layout import MapLayout, automatic_layout, map_layout, read_layout
from fluxkit.view.map_data import map_data
from fluxkit.view.tissue_figures import tissue_source_figure

__all__ = [
    "flux_map",
    "map_data",
    "map_fragment",
    "map_page",
    "label_path",
    "label_path_data",
    "label_path_page",
    "atom_paths",
    "body_map",
    "body_scene",
    "body_fragment",
    "body_page",
    "organ_exchange",
    "flux_explorer",
    "mid_viewer",
    "posterior_viewer",
    "tracer_designer",
    "comparison_figure",
    "interval_figure",
    "marginal_figure",
    "mid_figure",
    "residual_figure",
    "tissue_source_figure",
    "FluxNumbers",
    "flux_numbers",
    "MapLayout",
    "map_layout",
    "automatic_layout",
    "read_layout",
    "read_escher",
    "write_escher",
]
