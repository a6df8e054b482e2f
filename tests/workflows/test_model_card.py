"""What a card says trains the same model again: with its settings, its tracers and its ranges of experiments."""

import json
import re
import shlex
from dataclasses import asdict
from types import SimpleNamespace

import pytest

import fluxkit
from fluxkit import __main__ as command_line
from fluxkit.learning import ExperimentSettings
from fluxkit.learning.store import SHIPPED
from fluxkit.learning.vocabulary import build_vocabulary
from fluxkit.workflows import model_card
from fluxkit.workflows.model_card import begin_card, describe_card
from fluxkit.workflows.training import TrainingSettings

TOY = fluxkit.load_network("toy")
SHIPPED_CARD = json.loads((SHIPPED / "ccm" / "card.json").read_text(encoding="utf-8"))
RATES = ExperimentSettings(floor=(0.001, 0.005), rates=0.0)


def said(settings=TrainingSettings(), experiments=ExperimentSettings(), tracers=None, **other):  # noqa: B008
    """Return how a card of the toy network says that it is trained, as it is written and as it is read again."""
    card = begin_card(build_vocabulary(TOY, tracers), settings, experiments, {})
    card["training"] = SHIPPED_CARD["training"] | card["training"]
    card |= {"calibration": SHIPPED_CARD["calibration"]} | other
    read = json.loads(json.dumps(card))
    assert describe_card(card) == describe_card(read)
    return re.findall("with `(.*)`: ", describe_card(read))[0]


def trained_by(command, monkeypatch, tmp_path):
    """Return the tracers and settings with which a command of a card trains."""
    asked = {}

    def train(network, out=None, *, tracers=None, settings=None, experiments=None, **_):
        asked.update(network=network, tracers=tracers, settings=settings, experiments=experiments)
        return SimpleNamespace(
            card={"training": {"ended_by": "steps"}, "calibration": {"coverage_50": 0.5, "coverage_90": 0.9}}
        )

    monkeypatch.setattr(fluxkit, "train", train)
    if command.startswith("fluxkit.train("):
        names = {"fluxkit": fluxkit, "network": TOY}
        eval(command, names | {each.__name__: each for each in (TrainingSettings, ExperimentSettings)})
    else:
        words = shlex.split(command.removeprefix("python -m fluxkit "))
        command_line.main([*words, "--out", str(tmp_path)])
    usual = list(TOY.standard_tracers.values())
    settings, experiments = asked["settings"] or TrainingSettings(), asked["experiments"] or ExperimentSettings()
    return asked["network"].name, list(asked["tracers"] or usual), settings, experiments


SET = TrainingSettings(2400, 45.0, batch_size=64, workers=0, seed=3, check_every=100, patience=0)


@pytest.mark.parametrize("other", [{}, {"network": "mine"}], ids=["bundled", "own"])
@pytest.mark.parametrize("tracers", [None, ["A_x: 100% [2-13C]"]], ids=["standard", "other"])
@pytest.mark.parametrize("experiments", [ExperimentSettings(), RATES], ids=["usual", "narrow"])
@pytest.mark.parametrize("settings", [TrainingSettings(), SET, TrainingSettings(minutes=0.5, width=8)])
def test_the_command_of_a_card_trains_with_its_settings(
    settings, experiments, tracers, other, monkeypatch, tmp_path, capsys
):
    command = said(settings, experiments, tracers, **other)
    expected = ("toy", tracers or list(TOY.standard_tracers.values()), settings, experiments)
    assert trained_by(command, monkeypatch, tmp_path) == expected


def test_what_nobody_set_is_not_said():
    assert said() == "python -m fluxkit train --network toy"
    assert said(TrainingSettings(steps=2400, minutes=45.0)).endswith("--network toy --steps 2400 --minutes 45")


def test_the_command_line_is_named_only_where_it_can_say_all():
    assert said(experiments=RATES).startswith('fluxkit.train(fluxkit.load_network("toy"), experiments=')
    assert said(TrainingSettings(width=8)) == (
        'fluxkit.train(fluxkit.load_network("toy"), settings=TrainingSettings(width=8))'
    )
    assert "--network" not in said(network="mine")


def test_the_card_knows_which_settings_the_command_line_takes(tmp_path):
    taken = vars(command_line._parser().parse_args(["train", "--out", str(tmp_path)]))
    assert taken.keys() & asdict(SET).keys() == model_card.OPTIONS


@pytest.mark.parametrize("name", ["ccm", "wholebody_core"])
def test_a_card_that_ships_says_what_its_numbers_say(name):
    numbers = json.loads((SHIPPED / name / "card.json").read_text(encoding="utf-8"))
    assert describe_card(numbers) == (SHIPPED / name / "card.md").read_text(encoding="utf-8")
