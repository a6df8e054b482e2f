"""The time limit of a training: it shortens the plan where the steps would not fit, and stops what takes too long."""

import time
from typing import Any

import pytorch_lightning as pl

_FIRST_LOOK, _LOOK = 0.1, 0.05  # shares of the time limit after which the pace is compared with the plan


class TimeLimit(pl.Callback):
    """Ends a training when its plan is over or its time is up.

    As long as all steps fit, the plan is left alone and nothing depends on the clock.

    Parameters
    ----------
    minutes : float
        Time limit of this call; a training that is resumed has it anew.
    """

    def __init__(self, minutes: float):
        self.limit = 60 * minutes
        self.begin = self.look = 0.0
        self.first: tuple[int, float] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Start the clock."""
        self.begin, self.look, self.first = time.perf_counter(), _FIRST_LOOK * self.limit, None

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Compare the pace with the plan now and then; say when to stop."""
        elapsed = time.perf_counter() - self.begin
        if trainer.world_size > 1:  # all processes must decide alike
            elapsed = float(trainer.strategy.broadcast(elapsed))
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        step = trainer.global_step
        if self.first is None:
            self.first = step, elapsed  # the first step compiles, and waits for the first experiments
        elif elapsed >= self.look:
            pace = (elapsed - self.first[1]) / (step - self.first[0])
            pl_module.plan = pl_module.plan.within(step, pace, elapsed, self.limit)
            self.look = elapsed + _LOOK * self.limit
        if pl_module.done() >= 1 or elapsed >= self.limit:
            trainer.should_stop = True
