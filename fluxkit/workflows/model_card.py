"""The card of a trained model: what it was trained on, how, and how true its posteriors are."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from fluxkit import __version__
from fluxkit.emu import thread_count
from fluxkit.labeling import parse_tracers
from fluxkit.learning import ExperimentSettings
from fluxkit.learning.vocabulary import Vocabulary
from fluxkit.networks import list_networks, load_network

ENDS = {
    "steps": "all planned steps",
    "patience": "the held-out loss no longer fell, so the training was wound down",
    "time": "the time limit, for which the plan was shortened",
    "cut off": "the time limit, before the plan was over; it can be gone on with",
}
"""What ended a training, in words."""
OPTIONS = frozenset({"steps", "minutes", "batch_size", "workers", "seed", "check_every", "patience"})
"""Settings that the command line takes."""


def begin_card(
    vocabulary: Vocabulary, settings: Any, experiments: ExperimentSettings, architecture: Mapping[str, int]
) -> dict[str, Any]:
    """Return what is known of a model before it is trained.

    Parameters
    ----------
    vocabulary : Vocabulary
        What it can read.
    settings : TrainingSettings
        How it is trained.
    experiments : ExperimentSettings
        Ranges of the simulated experiments.
    architecture : mapping of str to int
        Arguments of the posterior network.
    """
    network = vocabulary.network
    return {
        "network": network.name,
        "network_fingerprint": network.fingerprint,
        "fluxkit": __version__,
        "architecture": dict(architecture),
        "tracers": [each.text for each in vocabulary.tracers],
        "measurements": [each.name for each in vocabulary.measurements],
        "rates": list(vocabulary.rates),
        "prior": (
            "net fluxes uniform on the polytope of balances and bounds times a normal around each stated target, "
            "sd = 3 max(|target|, 1) / sqrt(weight); exchange fluxes log-uniform between their bounds; unknown shares "
            "and dilutions uniform in [0, 1]"
        ),
        "experiments": asdict(experiments),
        "training": {**asdict(settings), "cores": thread_count()},
    }


def describe_card(card: Mapping[str, Any]) -> str:
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
    training, calibration, ranges = card["training"], card["calibration"], card["experiments"]
    return "\n".join(
        [
            f"# Posterior network for {name}",
            "",
            f"Trained by fluxkit {card['fluxkit']} with `{_command(card)}`: "
            f"{training['steps_run']} steps of {training['batch_size']} simulated experiment sets, each used "
            f"{training['uses']} times, in {_duration(training['seconds'])} on {_cores(training['cores'])}, seed "
            f"{training['seed']}. What ended it: {ENDS[training['ended_by']]}. Weights kept: those of step "
            f"{training['best_step']}, with the lowest held-out loss ({training['val_loss']:.3f} nats).",
            "",
            f"**Prior.** {card['prior']}.",
            "",
            f"**Experiments.** 1 to {len(ranges['experiments'])} parallel tracers; noise floor {ranges['floor'][0]} to "
            f"{ranges['floor'][1]}; up to {ranges['missing']:.0%} of the measurements missing; "
            f"{ranges['rates']:.0%} with some measured rates, of {ranges['rate_error'][0]:.0%} to "
            f"{ranges['rate_error'][1]:.0%} error, in the unit of the network or up to a factor. Tracers: "
            + "; ".join(card["tracers"])
            + ".",
            "",
            f"**Calibration of the network alone** ({calibration['samples']} fresh experiments): "
            + " ".join(calibration_in_words(calibration)),
            "",
            "**Use.** A start for exact refinement and sampling, which `fluxkit.quantify` always does. Outside the "
            "ranges above the network alone must not be trusted.",
            "",
        ]
    )


def _command(card: Mapping[str, Any]) -> str:
    """Return what trains a model with the settings of a card: a command where that can say them, else Python."""
    from fluxkit.workflows.training import TrainingSettings  # that file imports this one

    name = card["network"]
    bundled = load_network(name) if name in list_networks() else None
    usual = [] if bundled is None else [parse_tracers(each, bundled).text for each in bundled.standard_tracers.values()]
    tracers = [] if card["tracers"] == usual else card["tracers"]
    settings = _changed(TrainingSettings, card["training"])
    experiments = _changed(ExperimentSettings, card["experiments"])
    if bundled is not None and not experiments and OPTIONS.issuperset(settings):
        words = [f"--{each.replace('_', '-')} {value!s}".removesuffix(".0") for each, value in settings.items()]
        words += ["--tracers", *(f'"{each}"' for each in tracers)] if tracers else []
        return " ".join([f"python -m fluxkit train --network {name}", *words])
    given = ["network" if bundled is None else f'fluxkit.load_network("{name}")']
    given += [f"tracers={list(tracers)!r}"] if tracers else []
    given += [f"settings={_written(TrainingSettings, settings)}"] if settings else []
    given += [f"experiments={_written(ExperimentSettings, experiments)}"] if experiments else []
    return f"fluxkit.train({', '.join(given)})"


def _changed(kind: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are not those of someone who says nothing; a card that was read has lists for tuples."""
    own = {each.name: each.default for each in fields(kind)}
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in own}
    return {name: value for name, value in plain.items() if value != own[name]}


def _written(kind: type, values: Mapping[str, Any]) -> str:
    return f"{kind.__name__}({', '.join(f'{name}={value!r}' for name, value in values.items())})"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds > 100 else f"{seconds:.0f} seconds"


def calibration_in_words(calibration: Mapping[str, Any]) -> list[str]:
    """Return the findings of a calibration as sentences.

    Parameters
    ----------
    calibration : mapping
        The part of a card.
    """
    number = calibration["quantities"]
    said = [
        f"{level} % intervals hold {calibration[f'coverage_{level}']:.1%}"
        + (f" ± {calibration[f'coverage_{level}_error']:.1%}" if calibration[f"coverage_{level}_error"] else "")
        + f" of the true values (standard error over experiments); flux by flux "
        f"{calibration[f'coverage_{level}_lowest']:.1%} to {calibration[f'coverage_{level}_highest']:.1%}, "
        f"{calibration[f'coverage_{level}_outside']} of {number} outside the {low:.1%} to {high:.1%} that 99 % of "
        "calibrated ones keep."
        for level in (50, 90)
        for low, high in [calibration[f"coverage_{level}_band"]]
    ]
    said.append(
        f"Ranks of the truth: the least uniform flux has p = {calibration['rank_p_lowest']:.2g}, "
        f"{calibration['rank_p_lowest_adjusted']:.2g} after correction for {number} fluxes."
    )
    said.append(f"Median width of a posterior relative to the prior: {calibration['width_to_prior_median']:.2f}.")
    return said


def _cores(count: int) -> str:
    return "1 core" if count == 1 else f"{count} cores"
