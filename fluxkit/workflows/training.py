"""Train a posterior network for a metabolic network, test its calibration, and save it with its card."""

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from fluxkit import __version__
from fluxkit.errors import ModelError
from fluxkit.files import check_folder
from fluxkit.learning import ExperimentSettings, FluxModel, save_model
from fluxkit.learning.checkpoints import TrainingFolder
from fluxkit.learning.experiments import check_uses
from fluxkit.learning.reading import Reading
from fluxkit.learning.vocabulary import Vocabulary, build_vocabulary
from fluxkit.networks import Network
from fluxkit.workflows.model_card import begin_card, describe_card

if TYPE_CHECKING:
    import pytorch_lightning as pl

    from fluxkit.learning.data_module import ExperimentDataModule

_FREE = ("minutes", "patience", "calibration")
"""Settings that may change when a training goes on: no step depends on them."""


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how large to train.

    Parameters
    ----------
    steps : int
        Optimiser steps. As long as all of them fit into the time limit, the result depends on steps and seed alone.
    minutes : float
        Training stops after this time at the latest. Where the steps would not fit at the pace so far, fewer are
        planned, so that the splines are trained and the learning rate falls all the same.
    batch_size : int
        Experiment sets per step and training process.
    uses : int
        How often each simulated experiment set is used, since to simulate takes longer than a step; from 1 to
        ``batch_size``.
    learning_rate : float
        Peak learning rate.
    width, size, blocks, couplings : int
        Architecture; see :class:`~fluxkit.learning.architecture.PosteriorNetwork`.
    workers : int
        Processes that simulate beside each training process.
    seed : int
        Seed of weights and experiments.
    check_every : int
        Steps between two checks on held-out experiments; each writes a checkpoint.
    patience : int
        Checks in a row without a better held-out loss (by 0.01 nats, once the splines have joined) after which the
        training is wound down: the learning rate falls to its end over as many steps again. 0 never does.
    calibration : int
        Fresh experiment sets on which the finished model is tested.

    Raises
    ------
    ModelError
        A number is not possible.
    """

    steps: int = 5_000
    minutes: float = 26.0
    batch_size: int = 256
    uses: int = 4
    learning_rate: float = 1e-3
    width: int = 24
    size: int = 256
    blocks: int = 3
    couplings: int = 2
    workers: int = 1
    seed: int = 0
    check_every: int = 250
    patience: int = 8
    calibration: int = 1_000

    def __post_init__(self) -> None:
        positive = ("steps", "minutes", "batch_size", "learning_rate", "width", "size", "check_every")
        for name in (*positive, "calibration"):
            if not getattr(self, name) > 0:
                raise ModelError(f"{name} = {getattr(self, name)!r} must be positive.")
        for name in ("blocks", "couplings", "workers", "seed", "patience"):
            if getattr(self, name) < 0:
                raise ModelError(f"{name} = {getattr(self, name)!r} must not be negative.")
        check_uses(self.uses, self.batch_size)


def train(
    network: Network,
    out: str | Path | None = None,
    *,
    tracers: Sequence[str] | None = None,
    settings: TrainingSettings | None = None,
    experiments: ExperimentSettings | None = None,
    trainer: Mapping[str, Any] | None = None,
    resume: bool = False,
    progress: bool = True,
) -> FluxModel:
    """Train a posterior network on experiments simulated on the fly.

    While it runs, a checkpoint stands in ``<out>.training`` beside ``out``. A training that was killed goes on from it
    with ``resume=True`` to the same weights, bit for bit, as if it had never stopped: on the same machine, with as many
    threads, and as long as its time limit does not shorten it.

    Parameters
    ----------
    network : Network
        The metabolic network.
    out : str or pathlib.Path, optional
        Folder for weights, card and calibration report, written at the end; nothing is saved without it.
    tracers : sequence of str, optional
        Tracer texts to train on; the standard tracers of the network by default.
    settings : TrainingSettings, optional
        How long and how large.
    experiments : ExperimentSettings, optional
        Ranges of noise, gaps and parallel experiments.
    trainer : mapping, optional
        Options of Lightning's Trainer, for example ``{"accelerator": "gpu", "devices": 2, "strategy": "ddp",
        "precision": "bf16-mixed"}``. With ``ddp`` Lightning runs the script once for each device; all processes but
        the first end with this function.
    resume : bool
        Whether to go on with the training that stands beside ``out``; where there is none, it begins. Settings and
        data must be those of its begin, but for the time limit, the patience and the size of the calibration.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    FluxModel
        The trained model; its card holds the calibration on fresh experiments.

    Raises
    ------
    ModelError
        Training diverged, an unfinished training stands beside ``out``, or the one to go on with is damaged or was
        begun in another way.
    FluxkitError
        ``out``, or ``<out>.training``, cannot be written to; said before the training.
    TracerError, LabelingError
        A tracer does not fit the network, or there is none.
    UnknownNameError
        Lightning's Trainer has no such option.
    """
    settings, experiments = settings or TrainingSettings(), experiments or ExperimentSettings()
    if out is None:
        if resume:
            raise ModelError("resume=True needs out, beside which the checkpoint stands.")
        with TemporaryDirectory(prefix="fluxkit-training-") as scratch:
            folder = TrainingFolder(Path(scratch), lasting=False)
            return _train(network, folder, None, tracers, settings, experiments, trainer, progress)[0]
    check_folder(out)
    folder = TrainingFolder.beside(out)
    check_folder(folder.path)
    if not resume:
        folder.refuse_to_begin()
    model, finished = _train(network, folder, Path(out), tracers, settings, experiments, trainer, progress)
    folder.clear(finished)
    return model


def _train(
    network: Network,
    folder: TrainingFolder,
    out: Path | None,
    tracers: Sequence[str] | None,
    settings: TrainingSettings,
    experiments: ExperimentSettings,
    options: Mapping[str, Any] | None,
    progress: bool,
) -> tuple[FluxModel, bool]:
    """Train, test and save; return the model and whether its training is over."""
    import torch

    from fluxkit.learning.architecture import PosteriorNetwork
    from fluxkit.learning.calibration import calibrate, calibration_numbers
    from fluxkit.learning.console import calibration_progress, quiet_lightning
    from fluxkit.learning.data_module import ExperimentDataModule
    from fluxkit.workflows.calibration_report import calibration_page

    kept = folder.read_checkpoint()
    vocabulary = build_vocabulary(network, tracers)
    data = ExperimentDataModule(
        vocabulary,
        experiments,
        batch_size=settings.batch_size,
        workers=settings.workers,
        seed=settings.seed,
        uses=settings.uses,
    )
    with torch.random.fork_rng(), quiet_lightning():
        torch.manual_seed(settings.seed)
        data.setup()
        simulator = data.simulator
        architecture = _architecture(vocabulary, settings, simulator.parameter_count)
        card = begin_card(vocabulary, settings, experiments, architecture)
        chart = simulator.chart
        result = _fit(folder, kept, data, card, settings, options, network.name if progress else "")
        posterior = PosteriorNetwork(**architecture).eval()
    if result["best"] is None:
        raise ModelError(
            f"the time limit of {settings.minutes:g} minutes came at step {result['history'][-1]['step']} of "
            f"{settings.steps}, before the network was whole. Give it more minutes (--minutes)"
            + (", and go on with resume=True (--resume)." if folder.lasting else ".")
        )
    posterior.load_state_dict(result["best"])
    card["training"] |= _course(result, settings)
    model = FluxModel(vocabulary, posterior, chart, card)
    shown = calibration_progress(network.name, progress)
    calibration = calibrate(model, simulator, settings.calibration, settings.seed, shown)
    card["calibration"] = calibration_numbers(calibration)
    if out is not None:
        others = {"calibration.html": calibration_page(calibration, card)}
        save_model(model, out, describe_card(card), others)
    return model, result["finished"]


def _fit(
    folder: TrainingFolder,
    kept: dict[str, Any] | None,
    data: "ExperimentDataModule",
    card: Mapping[str, Any],
    settings: TrainingSettings,
    options: Mapping[str, Any] | None,
    shown: str,
) -> dict[str, Any]:
    """Train from the beginning or from a checkpoint; return what the checks on held-out experiments found."""
    import torch

    from fluxkit.learning.console import TrainingBar
    from fluxkit.learning.flux_module import FluxModule
    from fluxkit.learning.held_out import HeldOutChecks
    from fluxkit.learning.time_limit import TimeLimit
    from fluxkit.learning.trainer_options import build_trainer

    chart = data.simulator.chart
    checks = HeldOutChecks(folder, settings.check_every, settings.patience, chart.arrays())
    callbacks = [TimeLimit(settings.minutes), *([TrainingBar(shown)] if shown else []), checks]
    trainer = build_trainer(options, settings.check_every, callbacks, str(folder.path))
    begun = _begun(card, settings, trainer)
    checks.begun = json.dumps(begun)
    if kept is not None:
        folder.refuse_another(kept, begun, chart.arrays())
        if kept["finished"]:
            return kept
    module = FluxModule(
        dict(card["architecture"]), settings.learning_rate, settings.steps, warm_up=min(300, settings.steps // 5)
    )
    *sample, _ = data.sample()
    module.network.standardise(Reading(*sample), *map(torch.tensor, data.simulator.lineariser.scale))
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=None if kept is None else folder.checkpoint)
    except SystemExit:
        # Lightning turns an interruption into an exit, and is deaf to further ones from then on.
        signal.signal(signal.SIGINT, handler or signal.default_int_handler)
        raise KeyboardInterrupt from None
    if not trainer.is_global_zero:
        raise SystemExit(0)  # a process that Lightning started for its part of the training alone
    return folder.read_result()


def _begun(card: Mapping[str, Any], settings: TrainingSettings, trainer: "pl.Trainer") -> dict[str, Any]:
    """Return everything on which the steps of a training depend, as plain values."""
    return {
        "fluxkit": __version__,
        **{name: card[name] for name in ("network_fingerprint", "tracers", "measurements", "experiments")},
        **{name: value for name, value in asdict(settings).items() if name not in _FREE},
        "training processes": trainer.world_size,
        "precision": str(trainer.precision),
        "accumulate_grad_batches": trainer.accumulate_grad_batches,
        "gradient_clip_val": trainer.gradient_clip_val,
    }


def _course(result: Mapping[str, Any], settings: TrainingSettings) -> dict[str, Any]:
    """Return how a training went, for its card."""
    best = min((each for each in result["history"] if each["splines"]), key=lambda each: each["val_loss"])
    ended = "steps" if result["planned"] == settings.steps else "patience" if result["wound_down"] else "time"
    return {
        "steps_run": result["history"][-1]["step"],
        "seconds": round(result["seconds"]),
        "ended_by": ended if result["finished"] else "cut off",
        "resumed_at": result["resumed_at"],
        "best_step": best["step"],
        **{name: best[name] for name in ("train_loss", "val_loss", "val_error")},
        "history": result["history"],
    }


def _architecture(vocabulary: Vocabulary, settings: TrainingSettings, parameters: int) -> dict[str, int]:
    return {
        "measurements": len(vocabulary.measurements),
        "features": vocabulary.feature_count,
        "context": vocabulary.context_count,
        "rates": vocabulary.rate_count,
        "parameters": parameters,
        "width": settings.width,
        "size": settings.size,
        "blocks": settings.blocks,
        "couplings": settings.couplings,
    }
