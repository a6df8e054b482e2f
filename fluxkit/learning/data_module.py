"""The Lightning data module: an endless stream of experiments simulated on the fly."""

from collections.abc import Iterator

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from fluxkit.errors import ModelError
from fluxkit.learning.experiments import Batch, ExperimentSettings, ExperimentSimulator
from fluxkit.learning.vocabulary import Vocabulary


def as_tensors(batch: Batch) -> tuple[torch.Tensor, ...]:
    """Return a batch as tensors: rows, known, context, present, target."""
    return tuple(map(torch.from_numpy, (batch.rows, batch.known, batch.context, batch.present, batch.target)))


class SimulatedExperiments(IterableDataset):
    """Batches of simulated experiments without end; the same seed gives the same stream.

    Parameters
    ----------
    simulator : ExperimentSimulator
        What simulates.
    batch_size : int
        Experiment sets per batch.
    pool : int
        Net flux states drawn ahead; exchange fluxes, tracers, noise and gaps are new in every batch.
    seed : int
        Seed of the stream.

    Raises
    ------
    ModelError
        The pool is smaller than a batch.
    """

    def __init__(self, simulator: ExperimentSimulator, batch_size: int, pool: int, seed: int):
        if not 1 <= batch_size <= pool:  # otherwise the stream would search for a first batch for ever
            raise ModelError(f"batch_size = {batch_size} must be from 1 to the pool of {pool} flux states.")
        self.simulator, self.batch_size, self.pool, self.seed = simulator, batch_size, pool, seed

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield batches; each worker has a stream of its own, and draws a new pool when one is used up."""
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            states = self.simulator.net_pool(self.pool, rng)
            for _ in range(4):
                order = rng.permutation(len(states))
                for start in range(0, len(order) - self.batch_size + 1, self.batch_size):
                    rows = states[order[start : start + self.batch_size]]
                    yield as_tensors(self.simulator.batch(rows, rng))


class ExperimentDataModule(pl.LightningDataModule):
    """Training stream and a fixed validation set of simulated experiments.

    Parameters
    ----------
    vocabulary : Vocabulary
        What can be measured and infused.
    settings : ExperimentSettings
        Ranges of the simulated experiments.
    batch_size : int
        Experiment sets per batch.
    validation : int
        Size of the validation set.
    pool : int
        Net flux states drawn ahead.
    workers : int
        Processes that simulate beside the training process.
    seed : int
        Seed of both sets.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        settings: ExperimentSettings | None = None,
        batch_size: int = 256,
        validation: int = 2048,
        pool: int = 20_000,
        workers: int = 1,
        seed: int = 0,
    ):
        super().__init__()
        self.vocabulary, self.settings = vocabulary, settings or ExperimentSettings()
        self.batch_size, self.validation_size = batch_size, validation
        self.pool, self.workers, self.seed = pool, workers, seed

    def setup(self, stage: str | None = None) -> None:
        """Compile the simulator and simulate the validation set, once."""
        if hasattr(self, "validation"):
            return
        self.simulator = ExperimentSimulator(self.vocabulary, self.settings)
        rng = np.random.default_rng([self.seed, 10**6])
        states = self.simulator.net_pool(self.validation_size, rng)
        self.validation = [
            as_tensors(self.simulator.batch(states[i : i + self.batch_size], rng))
            for i in range(0, self.validation_size, self.batch_size)
        ]

    def sample(self) -> tuple[torch.Tensor, ...]:
        """Return the validation set as one large batch: rows, known, context, present, target."""
        return tuple(torch.cat(parts) for parts in zip(*self.validation, strict=True))

    def train_dataloader(self) -> DataLoader:
        """Return the endless training stream."""
        stream = SimulatedExperiments(self.simulator, self.batch_size, self.pool, self.seed)
        ahead = 4 if self.workers else None
        return DataLoader(stream, batch_size=None, num_workers=self.workers, prefetch_factor=ahead)

    def val_dataloader(self) -> DataLoader:
        """Return the fixed validation set."""
        return DataLoader(self.validation, batch_size=None)  # type: ignore[arg-type]
