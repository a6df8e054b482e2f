"""What a user sees of a training, in a terminal or a notebook: one bar, without Lightning's remarks about itself."""

import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
from tqdm.auto import tqdm

_REMARKS = (
    (FutureWarning, r"`isinstance\(treespec, LeafSpec\)` is deprecated"),  # Lightning's own use of torch
    (UserWarning, r"The '(train|val)_dataloader' does not have many workers"),  # settings say how many
    (DeprecationWarning, r"This process .* is multi-threaded, use of fork\(\)"),  # the workers start no threads
)
_LOG_EVERY = 10.0  # seconds between two lines where nobody watches


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence, for a while, what Lightning says about itself; every other warning stays."""
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = logger.level
    with warnings.catch_warnings():
        for category, message in _REMARKS:
            warnings.filterwarnings("ignore", message=message, category=category)
        logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            logger.setLevel(level)


def _bar(description: str, total: int, **options: Any) -> tqdm:
    """A bar as wide as a notebook, or a line that is written anew; few lines where the output is a file."""
    in_notebook = "ipykernel" in sys.modules
    watched = in_notebook or sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=description,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}",
        mininterval=0.1 if watched else _LOG_EVERY,
        dynamic_ncols=True,
        **options,
    )


def calibration_progress(name: str, shown: bool = True) -> Callable[[Iterable], Iterable]:
    """Return what wraps the work of a calibration, so that its progress is shown.

    Parameters
    ----------
    name : str
        What was trained.
    shown : bool
        Whether to show anything.
    """

    def wrap(parts: Iterable) -> Iterator:
        parts = list(parts)
        with _bar(f"training {name}, calibration", len(parts), leave=False) as bar:
            for each in parts:
                yield each
                bar.update()

    return wrap if shown else iter


class TrainingBar(pl.Callback):
    """Shows the share of the training that is over, the time that is left, the step, and the latest losses.

    Parameters
    ----------
    name : str
        What is trained.
    """

    def __init__(self, name: str):
        self.name = name
        self.bar: tqdm | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Open the bar, where the training stands."""
        if trainer.is_global_zero:
            self.bar = _bar(f"training {self.name}", 100, initial=int(100 * pl_module.done()))

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *arguments: Any) -> None:
        """Move on."""
        if self.bar is not None:
            shown = {name: f"{float(value):.3g}" for name, value in sorted(trainer.callback_metrics.items())}
            text = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())
            self.bar.set_postfix_str(f"step {trainer.global_step}, {text}", refresh=False)
            self.bar.update(int(100 * pl_module.done()) - self.bar.n)

    def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Close the bar where the training ended."""
        if self.bar is not None:
            self.bar.update(int(100 * pl_module.done()) - self.bar.n)
        self._close()

    def on_exception(self, trainer: pl.Trainer, pl_module: Any, exception: BaseException) -> None:
        """Close the bar where it stands."""
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
