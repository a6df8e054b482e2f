"""What a user starts: notebooks run with checked parameters, training, and the command line."""

from fluxkit.workflows.inputs import find_file
from fluxkit.workflows.notebooks import run_notebook
from fluxkit.workflows.results import write_results
from fluxkit.workflows.training import TrainingSettings, train

__all__ = ["TrainingSettings", "find_file", "run_notebook", "train", "write_results"]
