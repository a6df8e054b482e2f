"""The options of Lightning's Trainer that a user may set: names checked, and what training itself decides refused."""

import inspect
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.strategies import DDPStrategy

from fluxkit.errors import ModelError, UnknownNameError, suggest

_DECIDED = {
    "max_steps": "settings.steps (--steps)",
    "max_time": "settings.minutes (--minutes)",
    "max_epochs": "settings.steps (--steps)",
    "val_check_interval": "settings.check_every",
    "enable_progress_bar": "progress",
    "enable_checkpointing": "out and resume (--out, --resume)",
}
"""What is said in another way."""
_FIXED = {
    "barebones", "check_val_every_n_epoch", "enable_model_summary", "fast_dev_run", "inference_mode",
    "limit_predict_batches", "limit_test_batches", "limit_train_batches", "limit_val_batches", "min_epochs",
    "min_steps", "num_sanity_val_steps", "overfit_batches", "reload_dataloaders_every_n_epochs", "sync_batchnorm",
    "use_distributed_sampler",
}  # fmt: skip
"""What the claims of a training rest on: every check sees all held-out experiments, every step a new batch."""


def build_trainer(
    options: Mapping[str, Any] | None, check_every: int, callbacks: list[pl.Callback], folder: str
) -> pl.Trainer:
    """Return a Lightning trainer with the options of the user over ours.

    Parameters
    ----------
    options : mapping, optional
        Arguments of :class:`pytorch_lightning.Trainer`: ``accelerator``, ``devices``, ``strategy``, ``precision``,
        ``num_nodes``, ``logger``, ``callbacks``, ``accumulate_grad_batches`` and the like.
    check_every : int
        Steps between two checks on held-out experiments.
    callbacks : list of Callback
        Ours, after those of the user.
    folder : str
        Where Lightning may write.

    Raises
    ------
    UnknownNameError
        Lightning has no such option.
    ModelError
        An option is decided by the training, or its value is not possible here.
    """
    given = dict(options or {})
    known = [name for name in inspect.signature(pl.Trainer).parameters if name not in {*_DECIDED, *_FIXED}]
    for name in given:
        if name in _DECIDED:
            raise ModelError(f"trainer option {name!r} is decided by {_DECIDED[name]}; leave it out.")
        if name in _FIXED:
            raise ModelError(f"trainer option {name!r} is part of how fluxkit trains; leave it out.")
        if name not in known:
            raise UnknownNameError(f"Lightning's Trainer has no option {name!r}. {suggest(name, known)}")
    users = given.pop("callbacks", None) or []
    merged = {
        "accelerator": "auto",
        "devices": 1,
        "gradient_clip_val": 3.0,
        "logger": False,
        "default_root_dir": folder,
        **given,
    }
    try:
        trainer = pl.Trainer(
            max_steps=-1,  # the plan ends the training, not Lightning
            max_epochs=-1,
            val_check_interval=check_every * merged.get("accumulate_grad_batches", 1),
            num_sanity_val_steps=0,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            use_distributed_sampler=False,
            callbacks=[*(users if isinstance(users, list | tuple) else [users]), *callbacks],
            **merged,
        )
    except (ValueError, TypeError, RuntimeError, ImportError, MisconfigurationException) as no:
        shown = ", ".join(f"{name}={value!r}" for name, value in given.items())
        raise ModelError(f"Lightning refuses the trainer options {shown}: {' '.join(str(no).split())}") from no
    if isinstance(trainer.strategy, DDPStrategy):  # the splines have no gradient before they join
        trainer.strategy._ddp_kwargs.setdefault("find_unused_parameters", True)
    return trainer
