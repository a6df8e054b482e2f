"""The Lightning data module: an endless stream of experiments simulated on the fly, which can begin anywhere."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from fluxkit.errors import ModelError
from fluxkit.learning.experiments import Batch, ExperimentSettings, ExperimentSimulator, check_uses
from fluxkit.learning.vocabulary import Vocabulary


def as_tensors(batch: Batch) -> tuple[torch.Tensor, ...]:
    """Return a batch as tensors, the target last."""
    return tuple(map(torch.from_numpy, batch))


_PASSES = 4  # times that a pool is used, in another order each time
_POOLS, _BATCHES, _ORDERS, _VALIDATION = 0, 1, 2, 10**6  # what a seed is for
_APART = 8  # simulated batches between two uses of an experiment set


class SimulatedExperiments(IterableDataset):
    """Batches of simulated experiments without end; the same seed gives the same stream.

    Every batch has randomness of its own that follows from its number, so a stream that starts in the middle is the
    rest of the stream that started at the beginning.

    Simulating, with its linear answer, takes longer than a training step, so each experiment set may be used several
    times: a batch is made of equal parts of simulated ones of several ages.

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
    start : int
        Batches to leave out.
    process : int
        Which of several training processes the stream is for.
    uses : int
        How often each experiment set is used, from 1 to the batch size.

    Raises
    ------
    ModelError
        The pool is smaller than a batch, or experiment sets cannot be used that often.
    """

    def __init__(
        self,
        simulator: ExperimentSimulator,
        batch_size: int,
        pool: int,
        seed: int,
        start: int = 0,
        process: int = 0,
        uses: int = 1,
    ):
        if not 1 <= batch_size <= pool:  # otherwise the stream would search for a first batch for ever
            raise ModelError(f"batch_size = {batch_size} must be from 1 to the pool of {pool} flux states.")
        check_uses(uses, batch_size)
        self.simulator, self.batch_size, self.pool, self.seed = simulator, batch_size, pool, seed
        self.start, self.process, self.uses = start, process, uses

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield batches; workers take turns, and each batch of a turn comes from a pool of that turn."""
        worker = get_worker_info()
        workers, first = (worker.num_workers, worker.id) if worker else (1, 0)
        # one turn of the workers makes batches number n * workers ... n * workers + workers - 1
        number = self.start + first
        lane = self.process * workers + number % workers
        return self._lane(lane, number // workers)

    def _lane(self, lane: int, start: int) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield the batches of one lane from a number on, mixed of simulated ones of several ages."""
        fresh, turn = divmod(start, self.uses)
        oldest = max(0, fresh - (self.uses - 1) * _APART)
        simulated, held = self._simulated(lane, oldest), deque[Batch](maxlen=(self.uses - 1) * _APART + 1)
        for newest in count(oldest):
            held.append(next(simulated))
            for part in range(turn if newest == fresh else 0, self.uses if newest >= fresh else 0):
                yield as_tensors(self._mixed(lane, newest, part, held))

    def _mixed(self, lane: int, newest: int, turn: int, held: Sequence[Batch]) -> Batch:
        """Return a part of each of the simulated batches that are as old as their use; the newest is the last one."""
        if self.uses == 1:
            return held[-1]
        parts = []
        for use in range(self.uses):
            age = use * _APART if newest >= use * _APART else 0  # in the beginning there are no old ones
            order = np.random.default_rng([self.seed, lane, newest - age, use, _ORDERS]).permutation(self.batch_size)
            chosen = np.array_split(order, self.uses)[turn]
            parts.append([each[chosen] for each in held[-1 - age]])
        return Batch(*map(np.concatenate, zip(*parts, strict=True)))

    def _simulated(self, lane: int, start: int) -> Iterator[Batch]:
        """Yield simulated batches of one lane from a number on, with pools that no other lane uses."""
        each_pass = self.pool // self.batch_size
        held, states, orders = -1, np.zeros((0, 0)), np.zeros((0, 0), dtype=int)
        for number in count(start):
            pool, place = divmod(number, _PASSES * each_pass)
            if pool != held:
                rng = np.random.default_rng([self.seed, lane, pool, _POOLS])
                states = self.simulator.net_pool(self.pool, rng)
                orders = np.array([rng.permutation(len(states)) for _ in range(_PASSES)])
                held = pool
            turn, part = divmod(place, each_pass)
            rows = states[orders[turn, part * self.batch_size : (part + 1) * self.batch_size]]
            rng = np.random.default_rng([self.seed, lane, number, _BATCHES])
            yield self.simulator.batch(rows, rng)


class ExperimentDataModule(pl.LightningDataModule):
    """Training stream and a fixed validation set of simulated experiments.

    A checkpoint of the trainer holds how many batches were taken, and a resumed training takes the next ones.

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
    uses : int
        How often each experiment set is used in training, from 1 to the batch size.

    Raises
    ------
    ModelError
        Experiment sets cannot be used that often.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        settings: ExperimentSettings | None = None,
        batch_size: int = 256,
        validation: int = 1024,
        pool: int = 20_000,
        workers: int = 1,
        seed: int = 0,
        uses: int = 1,
    ):
        super().__init__()
        check_uses(uses, batch_size)
        self.vocabulary, self.settings = vocabulary, settings or ExperimentSettings()
        self.batch_size, self.validation_size = batch_size, validation
        self.pool, self.workers, self.seed = pool, workers, seed
        self.taken, self.uses = 0, uses

    def setup(self, stage: str | None = None) -> None:
        """Compile the simulator and simulate the validation set, once."""
        if hasattr(self, "validation"):
            return
        self.simulator = ExperimentSimulator(self.vocabulary, self.settings)
        rng = np.random.default_rng([self.seed, _VALIDATION])
        states = self.simulator.net_pool(self.validation_size, rng)
        self.validation = [
            as_tensors(self.simulator.batch(states[i : i + self.batch_size], rng))
            for i in range(0, self.validation_size, self.batch_size)
        ]

    def sample(self) -> tuple[torch.Tensor, ...]:
        """Return the validation set as one large batch, the target last."""
        return tuple(torch.cat(parts) for parts in zip(*self.validation, strict=True))

    def train_dataloader(self) -> DataLoader:
        """Return the endless training stream, from where a resumed training stopped."""
        process = self.trainer.global_rank if self.trainer else 0
        drawn = (self.simulator, self.batch_size, self.pool, self.seed)
        stream = SimulatedExperiments(*drawn, self.taken, process, self.uses)
        ahead = 4 if self.workers else None
        return DataLoader(stream, batch_size=None, num_workers=self.workers, prefetch_factor=ahead)

    def state_dict(self) -> dict[str, Any]:
        """Return how many batches the training has taken, in each process."""
        return {"taken": self.trainer.fit_loop.total_batch_idx + 1 if self.trainer else self.taken}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the batches that were taken."""
        self.taken = state_dict["taken"]

    def val_dataloader(self) -> DataLoader:
        """Return the fixed validation set."""
        return DataLoader(self.validation, batch_size=None)  # type: ignore[arg-type]
