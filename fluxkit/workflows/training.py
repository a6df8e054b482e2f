"""Train a posterior network for a metabolic network, test its calibration, and save it with its card."""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fluxkit import __version__
from fluxkit.errors import ModelError
from fluxkit.files import check_folder
from fluxkit.learning import Chart, ExperimentSettings, FluxModel, save_model
from fluxkit.learning.vocabulary import Vocabulary, build_vocabulary
from fluxkit.networks import Network, list_networks


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how large to train.

    Parameters
    ----------
    steps : int
        Optimiser steps.
    minutes : float
        Training stops after this time at the latest.
    batch_size : int
        Experiment sets per step.
    learning_rate : float
        Peak learning rate.
    width, size, blocks, couplings : int
        Architecture; see :class:`~fluxkit.learning.architecture.PosteriorNetwork`.
    workers : int
        Processes that simulate beside the training process.
    seed : int
        Seed of weights and experiments.

    Raises
    ------
    ModelError
        A number is not possible.
    """

    steps: int = 8_000
    minutes: float = 24.0
    batch_size: int = 256
    learning_rate: float = 1e-3
    width: int = 48
    size: int = 512
    blocks: int = 3
    couplings: int = 2
    workers: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "minutes", "batch_size", "learning_rate", "width", "size"):
            if not getattr(self, name) > 0:
                raise ModelError(f"{name} = {getattr(self, name)!r} must be positive.")
        for name in ("blocks", "couplings", "workers", "seed"):
            if getattr(self, name) < 0:
                raise ModelError(f"{name} = {getattr(self, name)!r} must not be negative.")


def train(
    network: Network,
    out: str | Path | None = None,
    *,
    tracers: Sequence[str] | None = None,
    settings: TrainingSettings | None = None,
    experiments: ExperimentSettings | None = None,
    progress: bool = True,
) -> FluxModel:
    """Train a posterior network on experiments simulated on the fly.

    Parameters
    ----------
    network : Network
        The metabolic network.
    out : str or pathlib.Path, optional
        Folder for weights and card, written at the end; nothing is saved without it.
    tracers : sequence of str, optional
        Tracer texts to train on; the standard tracers of the network by default.
    settings : TrainingSettings, optional
        How long and how large.
    experiments : ExperimentSettings, optional
        Ranges of noise, gaps and parallel experiments.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    FluxModel
        The trained model; its card holds the calibration on fresh experiments.

    Raises
    ------
    ModelError
        Training diverged.
    FluxkitError
        ``out`` cannot be written to; said before the training.
    TracerError, LabelingError
        A tracer does not fit the network, or there is none.
    """
    import pytorch_lightning as pl
    import torch

    from fluxkit.learning.console import TrainingBar, quiet_lightning
    from fluxkit.learning.data_module import ExperimentDataModule
    from fluxkit.learning.flux_module import FluxModule

    settings, experiments = settings or TrainingSettings(), experiments or ExperimentSettings()
    if out is not None:
        check_folder(out)
    vocabulary = build_vocabulary(network, tracers)
    data = ExperimentDataModule(
        vocabulary, experiments, batch_size=settings.batch_size, workers=settings.workers, seed=settings.seed
    )
    begin = time.perf_counter()
    with torch.random.fork_rng(), quiet_lightning():
        torch.manual_seed(settings.seed)
        data.setup()
        architecture = _architecture(vocabulary, settings, data.simulator.parameter_count)
        module = FluxModule(
            architecture,
            settings.learning_rate,
            settings.steps,
            warm_up=min(300, settings.steps // 5),
            minutes=settings.minutes,
        )
        module.network.standardise(*data.sample())
        trainer = pl.Trainer(
            max_steps=settings.steps,
            max_time=timedelta(minutes=settings.minutes),
            val_check_interval=min(1000, settings.steps),
            gradient_clip_val=3.0,
            accelerator="auto",
            devices=1,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            enable_progress_bar=False,
            callbacks=[TrainingBar(network.name)] if progress else None,
            num_sanity_val_steps=0,
        )
        metrics = _fit(trainer, module, data)
    if not np.isfinite(metrics.get("val_loss", np.nan)):
        raise ModelError("training diverged: the validation loss is not finite. Lower the learning rate.")
    card = _card(vocabulary, settings, experiments, architecture)
    card["training"] |= {"steps_run": trainer.global_step, "seconds": round(time.perf_counter() - begin), **metrics}
    chart = Chart(data.simulator.map, data.simulator.space.origin, data.simulator.space.basis)
    model = FluxModel(vocabulary, module.network.cpu().eval(), chart, card)
    card["calibration"] = calibrate(model, data.simulator)
    if out is not None:
        save_model(model, out, describe_card(card))
    return model


def _fit(trainer, module, data) -> dict[str, float]:
    """Train; return the last training loss and the validation metrics of the final weights."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data)
        last = {"train_loss": float(trainer.callback_metrics["train_loss"])}
        trainer.validate(module, datamodule=data, verbose=False)
    except SystemExit:
        # Lightning turns an interruption into an exit, and is deaf to further ones from then on.
        signal.signal(signal.SIGINT, handler or signal.default_int_handler)
        raise KeyboardInterrupt from None
    return last | {name: float(value) for name, value in trainer.callback_metrics.items()}


def _architecture(vocabulary: Vocabulary, settings: TrainingSettings, parameters: int) -> dict[str, int]:
    return {
        "measurements": len(vocabulary.measurements),
        "features": vocabulary.feature_count,
        "context": vocabulary.context_count,
        "parameters": parameters,
        "width": settings.width,
        "size": settings.size,
        "blocks": settings.blocks,
        "couplings": settings.couplings,
    }


def _card(vocabulary: Vocabulary, settings, experiments, architecture) -> dict[str, Any]:
    network = vocabulary.network
    return {
        "network": network.name,
        "network_fingerprint": network.fingerprint,
        "fluxkit": __version__,
        "architecture": architecture,
        "tracers": [each.text for each in vocabulary.tracers],
        "measurements": [each.name for each in vocabulary.measurements],
        "prior": (
            "net fluxes uniform on the polytope of balances and bounds times a normal around each stated target, "
            "sd = 3 max(|target|, 1) / sqrt(weight); exchange fluxes log-uniform between their bounds; unknown shares "
            "and dilutions uniform in [0, 1]"
        ),
        "experiments": asdict(experiments),
        "training": {**asdict(settings), "cores": os.cpu_count()},
    }


def calibrate(model: FluxModel, simulator, samples: int = 512, draws: int = 256, seed: int = 10**6) -> dict[str, Any]:
    """Test the learned posterior alone on fresh experiments.

    Parameters
    ----------
    model : FluxModel
        The trained model.
    simulator : ExperimentSimulator
        Where experiments come from.
    samples, draws : int
        Fresh experiments, and posterior draws for each.
    seed : int
        Seed of the experiments, apart from those of training.

    Returns
    -------
    dict
        Coverage of central 50 % and 90 % intervals pooled over coordinates, the range of 90 % coverage over
        coordinates, and the spread of draws relative to the prior.
    """
    import torch

    from fluxkit.learning.data_module import as_tensors

    rng = np.random.default_rng(seed)
    rows, known, context, present, target = as_tensors(simulator.batch(simulator.net_pool(samples, rng), rng))
    with torch.no_grad():
        generator = torch.Generator().manual_seed(seed)
        summary = model.network.summarise(rows, known, context, present)
        drawn = model.network.draw(summary, draws, generator).numpy()
    rank = (drawn < target.numpy()[None]).mean(axis=0)
    inside = {level: np.abs(rank - 0.5) <= level / 2 for level in (0.5, 0.9)}
    each = inside[0.9].mean(axis=0)
    return {
        "what": "the learned posterior alone, on fresh simulated experiments; quantify refines it by exact sampling",
        "samples": samples,
        "coverage_50": round(float(inside[0.5].mean()), 4),
        "coverage_90": round(float(inside[0.9].mean()), 4),
        "coverage_90_lowest": round(float(each.min()), 4),
        "coverage_90_highest": round(float(each.max()), 4),
        "width_to_prior_median": round(float(np.median(drawn.std(axis=0) / target.numpy().std(axis=0))), 4),
    }


def describe_card(card: dict[str, Any]) -> str:
    """Return a card as a page of text.

    Parameters
    ----------
    card : dict
        The card of a model.

    Returns
    -------
    str
        Markdown.
    """
    name = card["network"]
    command = f"`python -m fluxkit train --network {name}`" if name in list_networks() else "`fluxkit.train`"
    training, calibration, ranges = card["training"], card["calibration"], card["experiments"]
    return "\n".join(
        [
            f"# Posterior network for {name}",
            "",
            f"Trained by fluxkit {card['fluxkit']} with {command}: "
            f"{training['steps_run']} steps of {training['batch_size']} simulated experiment sets in "
            f"{training['seconds'] / 60:.0f} minutes on {training['cores']} cores, seed {training['seed']}.",
            "",
            f"**Prior.** {card['prior']}.",
            "",
            f"**Experiments.** 1 to {len(ranges['experiments'])} parallel tracers; noise floor {ranges['floor'][0]} to "
            f"{ranges['floor'][1]}; up to {ranges['missing']:.0%} of the measurements missing. Tracers: "
            + "; ".join(card["tracers"])
            + ".",
            "",
            f"**Calibration of the network alone** ({calibration['samples']} fresh experiments): 50 % intervals hold "
            f"{calibration['coverage_50']:.1%} and 90 % intervals {calibration['coverage_90']:.1%} of the true values; "
            f"over the coordinates the latter ranges from {calibration['coverage_90_lowest']:.1%} to "
            f"{calibration['coverage_90_highest']:.1%}. Median width of a draw relative to the prior: "
            f"{calibration['width_to_prior_median']:.2f}.",
            "",
            "**Use.** A start for exact refinement and sampling, which `fluxkit.quantify` always does. Outside the "
            "ranges above the network alone must not be trusted.",
            "",
        ]
    )
