"""One notebook run over many samples or settings: planned, shared out, resumed, recorded and listed on one page."""

from fluxkit.workflows.many.plan import Run
from fluxkit.workflows.many.running import NotebookRuns, run_notebooks

__all__ = ["NotebookRuns", "Run", "run_notebooks"]
