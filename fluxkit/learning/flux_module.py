"""The Lightning module: trains the posterior network by maximum likelihood on simulated experiments."""

import math
from dataclasses import asdict
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from fluxkit.errors import ModelError
from fluxkit.learning.architecture import PosteriorNetwork
from fluxkit.learning.reading import Reading
from fluxkit.learning.schedule import Plan

_WARM_UP = 0.2  # at most this share of the training


class FluxModule(pl.LightningModule):
    """Maximises the density of the true flux coordinates; the first steps regress the mean alone.

    What the learning rate and the splines do follows :attr:`plan`, which depends on steps alone and is part of a
    checkpoint.

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
    """

    def __init__(
        self,
        architecture: dict,
        learning_rate: float = 1e-3,
        steps: int = 10_000,
        warm_up: int = 300,
        splines_from: float = 0.5,
    ):
        super().__init__()
        self.save_hyperparameters()
        self.network = PosteriorNetwork(**architecture)
        self.plan = Plan(steps)

    def done(self, step: int | None = None) -> float:
        """Return the share of the training that is over.

        Parameters
        ----------
        step : int, optional
            Steps taken; those of the trainer by default.
        """
        return self.plan.over(self.global_step if step is None else step)

    @property
    def bent(self) -> bool:
        """Whether the splines have joined the Gaussian."""
        return self.done() >= self.hparams["splines_from"]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the plan with the weights."""
        checkpoint["plan"] = asdict(self.plan)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the plan that was kept."""
        self.plan = Plan(**checkpoint["plan"])

    def _losses(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        *read, target = batch
        summary = self.network.summarise(Reading(*read))
        if self.training and self.global_step < self.hparams["warm_up"] and self.done() < _WARM_UP:
            error = self.network.squared_error(summary, target)
            return 0.5 * error * target.shape[-1], error
        density = self.network.log_density(summary, target, self.bent)
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
        self.log_dict({"val_loss": loss, "val_error": error}, batch_size=len(batch[-1]), sync_dist=True)

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
