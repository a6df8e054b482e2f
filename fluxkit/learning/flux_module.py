"""The Lightning module: trains the posterior network by maximum likelihood on simulated experiments."""

import math

import pytorch_lightning as pl
import torch
from torch import Tensor

from fluxkit.learning.architecture import PosteriorNetwork


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
        Share of the steps after which the splines join the Gaussian.
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

    def _losses(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        rows, known, context, present, target = batch
        summary = self.network.summarise(rows, known, context, present)
        if self.training and self.global_step < self.hparams["warm_up"]:
            error = (self.network.mean(summary) - target).square().mean()
            return 0.5 * error * target.shape[-1], error
        bent = self.global_step >= self.hparams["splines_from"] * self.hparams["steps"]
        density = self.network.log_density(summary, target, bent)
        error = (self.network.mean(summary) - target).square().mean()
        return -density.mean(), error

    def training_step(self, batch: tuple[Tensor, ...], index: int) -> Tensor:
        """Return the loss of a batch: minus log density in nats per sample."""
        loss, _ = self._losses(batch)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, ...], index: int) -> None:
        """Log minus log density, and the mean squared error of the mean coordinate (prior: 1)."""
        loss, error = self._losses(batch)
        self.log_dict({"val_loss": loss, "val_error": error}, prog_bar=True, batch_size=len(batch[-1]))

    def configure_optimizers(self):
        """Return AdamW with a linear rise and a cosine fall of the learning rate."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams["learning_rate"], weight_decay=1e-4)
        rise, total = self.hparams["warm_up"], self.hparams["steps"]

        def factor(step: int) -> float:
            if step < rise:
                return (step + 1) / rise
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, total - rise)))) + 1e-3

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
