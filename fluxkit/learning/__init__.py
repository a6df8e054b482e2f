"""Networks that read labeling."""

from fluxkit.learning.chart import Chart
from fluxkit.learning.experiments import ExperimentSettings
from fluxkit.learning.store import FluxModel, has_model, load_model, save_model

__all__ = ["Chart", "ExperimentSettings", "FluxModel", "has_model", "load_model", "save_model"]
