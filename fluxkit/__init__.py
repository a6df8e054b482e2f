"""From isotope labeling to metabolic fluxes, with uncertainty; each public name loads when first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fluxkit.design import design_tracers
    from fluxkit.fluxes import draw_fluxes
    from fluxkit.inference import fit_fluxes, quantify
    from fluxkit.labeling import read_labeling, simulate, with_rates
    from fluxkit.networks import BodyPlan, Circulation, Tissue, compose_body, list_networks, load_network, read_network
    from fluxkit.view import (
        body_map,
        flux_explorer,
        flux_map,
        label_path,
        mid_viewer,
        posterior_viewer,
        tracer_designer,
    )
    from fluxkit.workflows import run_notebook, train
    from fluxkit.workflows.many import run_notebooks

__version__ = "0.1.0"

__all__ = [
    "list_networks",
    "load_network",
    "read_network",
    "compose_body",
    "BodyPlan",
    "Tissue",
    "Circulation",
    "draw_fluxes",
    "simulate",
    "read_labeling",
    "with_rates",
    "train",
    "quantify",
    "fit_fluxes",
    "design_tracers",
    "flux_map",
    "body_map",
    "label_path",
    "flux_explorer",
    "mid_viewer",
    "posterior_viewer",
    "tracer_designer",
    "run_notebook",
    "run_notebooks",
]

_FOLDER_OF = {
    "list_networks": "fluxkit.networks",
    "load_network": "fluxkit.networks",
    "read_network": "fluxkit.networks",
    "compose_body": "fluxkit.networks",
    "BodyPlan": "fluxkit.networks",
    "Tissue": "fluxkit.networks",
    "Circulation": "fluxkit.networks",
    "draw_fluxes": "fluxkit.fluxes",
    "simulate": "fluxkit.labeling",
    "read_labeling": "fluxkit.labeling",
    "with_rates": "fluxkit.labeling",
    "train": "fluxkit.workflows",
    "quantify": "fluxkit.inference",
    "fit_fluxes": "fluxkit.inference",
    "design_tracers": "fluxkit.design",
    "flux_map": "fluxkit.view",
    "body_map": "fluxkit.view",
    "label_path": "fluxkit.view",
    "flux_explorer": "fluxkit.view",
    "mid_viewer": "fluxkit.view",
    "posterior_viewer": "fluxkit.view",
    "tracer_designer": "fluxkit.view",
    "run_notebook": "fluxkit.workflows",
    "run_notebooks": "fluxkit.workflows.many",
}


def __getattr__(name: str) -> object:
    """Load a public name from its folder: torch, Lightning and Jupyter wait until something needs them."""
    if name not in _FOLDER_OF:
        raise AttributeError(f"module 'fluxkit' has no attribute {name!r}")
    value = getattr(import_module(_FOLDER_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
