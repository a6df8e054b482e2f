"""Networks that read labeling."""

from fluxkit.learning.experiments import ExperimentSettings
from fluxkit.learning.store import FluxModel, has_model, load_model, save_model

__all__ = ["ExperimentSettings", "FluxModel", "has_model", "load_model", "save_model"]
