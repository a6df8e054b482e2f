"""Widgets to explore fluxes and results: move a flux, look through labeling, look through a posterior."""

from fluxkit.view.explore.designer import tracer_designer
from fluxkit.view.explore.explorer import flux_explorer
from fluxkit.view.explore.mid_scene import mid_scene
from fluxkit.view.explore.moves import feasible_range, moved_state
from fluxkit.view.explore.posterior_scene import posterior_scene
from fluxkit.view.explore.viewers import mid_viewer, posterior_viewer

__all__ = [
    "tracer_designer",
    "flux_explorer",
    "feasible_range",
    "moved_state",
    "mid_viewer",
    "mid_scene",
    "posterior_viewer",
    "posterior_scene",
]
