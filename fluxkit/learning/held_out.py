"""What happens whenever a training is tested on held-out experiments: best weights, patience, and a checkpoint."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from fluxkit.errors import ModelError
from fluxkit.learning.checkpoints import RECORD, TrainingFolder

BETTER = 0.01
"""Nats by which the held-out loss must fall to count as better."""


class HeldOutChecks(pl.Callback):
    """Keeps the weights with the lowest held-out loss, winds the training down when patience ends, and checkpoints.

    Both begin when the splines have joined: before, the network is not whole. A training is wound down, not cut off:
    its learning rate falls to the end over as many steps as the patience had.

    Parameters
    ----------
    folder : TrainingFolder
        Where checkpoints and the result go.
    every : int
        Steps between two checks.
    patience : int
        Checks without a better loss after which the training is wound down; 0 never does.
    chart : mapping of str to numpy.ndarray
        The flux coordinates of the targets.
    """

    def __init__(self, folder: TrainingFolder, every: int, patience: int, chart: Mapping[str, np.ndarray]):
        self.folder, self.every, self.patience = folder, every, patience
        self.begun = "{}"  # how the training was begun, as JSON, known once there is a trainer
        self.chart = {name: torch.tensor(value) for name, value in chart.items()}
        self.best: dict[str, torch.Tensor] | None = None
        self.history: list[dict[str, Any]] = []
        self.lowest = self.mark = float("inf")
        self.waited, self.wound_down = 0, False
        self.seconds, self.begin = 0.0, 0.0
        self.resumed_at: list[int] = []
        self.restored = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Start the clock, and note where a training goes on."""
        self.begin = time.perf_counter()
        if self.restored:
            self.resumed_at.append(trainer.global_step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Judge the weights and write a checkpoint.

        Raises
        ------
        ModelError
            The held-out loss is not finite.
        """
        if trainer.global_step % self.every == 0 or pl_module.done() >= 1:
            self._judge(trainer, pl_module)
            self.folder.write_checkpoint(trainer)
        else:  # the time is up between two checks: a training that goes on from here must not know of this one
            self.folder.write_checkpoint(trainer)
            self._judge(trainer, pl_module)

    def _judge(self, trainer: pl.Trainer, module: Any) -> None:
        shown = {name: float(trainer.callback_metrics[name]) for name in ("train_loss", "val_loss", "val_error")}
        loss = shown["val_loss"]
        if not np.isfinite(loss):
            raise ModelError("training diverged: the held-out loss is not finite. Lower the learning rate.")
        self.history.append({"step": trainer.global_step, "splines": module.bent, **shown})
        if not module.bent:
            return
        if loss < self.lowest:
            weights = module.network.state_dict()
            self.best, self.lowest = {name: value.detach().cpu().clone() for name, value in weights.items()}, loss
        if loss < self.mark - BETTER:
            self.mark, self.waited = loss, 0
            return
        self.waited += 1
        if 0 < self.patience <= self.waited and not self.wound_down:
            step = trainer.global_step
            shorter = module.plan.ending(step, step + self.patience * self.every)
            self.wound_down = shorter is not module.plan
            module.plan = shorter

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Hand the result over."""
        if trainer.is_global_zero:
            self.folder.write_result(self._record(pl_module))

    def on_save_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Keep everything with the checkpoint."""
        checkpoint[RECORD] = self._record(pl_module)

    def _record(self, module: Any) -> dict[str, Any]:
        return {
            "begun": self.begun,
            "chart": self.chart,
            "best": self.best,
            "history": list(self.history),
            "mark": self.mark,
            "waited": self.waited,
            "wound_down": self.wound_down,
            "seconds": self.seconds + time.perf_counter() - self.begin,
            "resumed_at": list(self.resumed_at),
            "planned": module.plan.end,
            "finished": module.done() >= 1,
        }

    def on_load_checkpoint(self, trainer: pl.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Go on with what was kept."""
        kept = checkpoint[RECORD]
        for name in ("best", "history", "mark", "waited", "wound_down", "seconds", "resumed_at"):
            setattr(self, name, kept[name])
        self.lowest = min((each["val_loss"] for each in self.history if each["splines"]), default=float("inf"))
        self.restored = True
