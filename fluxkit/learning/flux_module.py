"""The Lightning module: trains the posterior network by maximum likelihood on simulated experiments."""

import math
import time

import pytorch_lightning as pl
import torch
from torch import Tensor

from fluxkit.errors import ModelError
from fluxkit.learning.architecture import PosteriorNetwork

_LATE = 0.02  # the clock decides only where it runs ahead of the steps by more than this share
_WARM_UP = 0.2  # at most this share of the training


class FluxModule(pl.LightningModule):
    """Maximises the density of the true flux coordinates; the first steps regress the mean alone.

    Parameters
    ----------
    architecture : dict
        Arguments of :class:`~fluxkit.learning.architecture.PosteriorNetwork`, plain numbers.
    learning_rate : float
        Peak learning rate.
    steps : int
        Length of the cosine schedule.
    warm_up : int
        Steps of regression and of rising learning rate.
    splines_from : float
        Share of the training after which the splines join the Gaussian.
    minutes : float, optional
        Time limit. Where it comes before the last step, the schedule follows the clock, so that a training that stops
        early has trained its splines and lowered its learning rate all the same.
    """

    def __init__(
        self,
        architecture: dict,
        learning_rate: float = 1e-3,
        steps: int = 10_000,
        warm_up: int = 300,
        splines_from: float = 0.5,
        minutes: float | None = None,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.network = PosteriorNetwork(**architecture)
        self.begin: float | None = None

    def on_train_start(self) -> None:
        """Start the clock."""
        self.begin = time.perf_counter()

    def done(self, step: int | None = None) -> float:
        """Return the share of the training that is over: of the steps, or of the time where that is further on.

        Parameters
        ----------
        step : int, optional
            Steps taken; those of the trainer by default.
        """
        share = (self.global_step if step is None else step) / self.hparams["steps"]
        if self.hparams["minutes"] is None or self.begin is None:
            return min(1.0, share)
        clock = (time.perf_counter() - self.begin) / (60 * self.hparams["minutes"])
        return min(1.0, max(share, clock - _LATE))

    def _losses(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        rows, known, context, present, target = batch
        summary = self.network.summarise(rows, known, context, present)
        if self.training and self.global_step < self.hparams["warm_up"] and self.done() < _WARM_UP:
            error = self.network.squared_error(summary, target)
            return 0.5 * error * target.shape[-1], error
        bent = self.done() >= self.hparams["splines_from"]
        density = self.network.log_density(summary, target, bent)
        error = self.network.squared_error(summary, target)
        return -density.mean(), error

    def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
        """Return the loss of a batch: minus log density in nats per sample.

        Raises
        ------
        ModelError
            The loss is not finite: no later step can mend the weights.
        """
        loss, _ = self._losses(batch)
        if not torch.isfinite(loss):
            raise ModelError(f"training diverged at step {self.global_step}; lower the learning rate.")
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], index: int) -> None:
        """Log minus log density, and the mean squared error of the centre (prior: 1)."""
        loss, error = self._losses(batch)
        self.log_dict({"val_loss": loss, "val_error": error}, batch_size=len(batch[-1]))

    def configure_optimizers(self):
        """Return AdamW with a linear rise and a cosine fall of the learning rate."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams["learning_rate"], weight_decay=1e-4)
        rise, total = self.hparams["warm_up"], self.hparams["steps"]

        def factor(step: int) -> float:
            if step < rise:
                return (step + 1) / rise
            fallen = max(0.0, self.done(step) * total - rise) / max(1, total - rise)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, fallen))) + 1e-3

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
