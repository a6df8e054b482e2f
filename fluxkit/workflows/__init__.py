"""What a user starts: notebooks run with checked parameters, and the command line."""

from fluxkit.workflows.notebooks import run_notebook

__all__ = ["run_notebook"]
