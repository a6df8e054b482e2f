"""Training learns the posterior, is calibrated and repeatable, and leaves a whole model or nothing."""

import json
import logging
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

import fluxkit
from fluxkit.errors import FluxkitError, LabelingError, ModelError, TracerError
from fluxkit.learning import ExperimentSettings, load_model
from fluxkit.learning.experiments import ExperimentSimulator
from fluxkit.learning.flux_module import FluxModule
from fluxkit.learning.vocabulary import build_vocabulary
from fluxkit.workflows.training import TrainingSettings, describe_card, train

TOY = fluxkit.load_network("toy")
PRECISE = ExperimentSettings(floor=(0.001, 0.005), slope=0.01, missing=0.2)
TINY = TrainingSettings(steps=12, batch_size=16, width=4, size=16, blocks=1, couplings=1, workers=0)
SHORT = replace(TINY, steps=400, batch_size=128, learning_rate=1e-2, width=16, size=64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "toy"
    return train(TOY, folder, settings=SHORT, experiments=PRECISE, progress=False), folder


def test_the_loss_falls_far_below_that_of_the_prior(trained):
    card = trained[0].card
    simulator = ExperimentSimulator(build_vocabulary(TOY), PRECISE)
    rng = np.random.default_rng(0)
    targets = simulator.batch(simulator.net_pool(2000, rng), rng).target
    prior = 0.5 * np.linalg.slogdet(2 * np.pi * np.e * np.cov(targets.T))[1]  # best normal without data
    assert card["training"]["val_loss"] < prior - 1.5
    assert card["calibration"]["width_to_prior_median"] < 0.7


def test_the_learned_intervals_are_calibrated(trained):
    calibration = trained[0].card["calibration"]
    # 1024 coverage trials: three binomial sd are 0.047 and 0.028; the rest is for 400 steps of training.
    assert abs(calibration["coverage_50"] - 0.5) < 0.06
    assert abs(calibration["coverage_90"] - 0.9) < 0.05
    assert calibration["coverage_90_lowest"] > 0.82


def test_the_posterior_of_precise_data_holds_the_truth(trained):
    reference = TOY.reference_fluxes()
    labeling = fluxkit.simulate(
        TOY, reference, {"a": "A_x: 100% [2-13C]", "b": "A_x: 100% [1,2-13C2]"}, noise=0.002, seed=4
    )
    z, _, _ = trained[0].draw(labeling, 500)
    net = ExperimentSimulator(trained[0].vocabulary).space.net(z)
    place = TOY.reaction_names.index("v4")
    low, high = np.quantile(net[:, place], [0.01, 0.99])
    assert low < 20 < high
    assert high - low < 25  # the bounds leave 0 to 50


def test_a_training_leaves_weights_and_card(trained):
    model, folder = trained
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "card.md", "model.safetensors"]
    card = json.loads((folder / "card.json").read_text())
    assert card["training"]["steps_run"] == 400
    assert card["training"]["seed"] == 0
    assert card["experiments"]["floor"] == [0.001, 0.005]
    page = (folder / "card.md").read_text()
    for words in (
        "400 steps of 128",
        "Prior.",
        "A_x: 100% [1,2-13C2]",
        "90 % intervals",
        "up to 20% of the measurements",
    ):
        assert words in page
    labeling = fluxkit.simulate(TOY, TOY.reference_fluxes(), "A_x: 100% [2-13C]", noise=0.01)
    drawn, again = (each.draw(labeling, 30) for each in (model, load_model(TOY, folder)))
    assert all(np.array_equal(a, b) for a, b in zip(drawn, again, strict=True))


def test_the_card_names_the_command_only_for_a_bundled_network(trained):
    card = trained[0].card
    assert "python -m fluxkit train --network toy" in describe_card(card)
    assert "--network mine" not in describe_card(card | {"network": "mine"})


def test_the_same_seed_gives_the_same_weights_and_touches_no_other_randomness():
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, again = (train(TOY, settings=TINY, progress=False).network.state_dict() for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert all(torch.equal(first[name], again[name]) for name in first)
    other = train(TOY, settings=replace(TINY, seed=1), progress=False).network.state_dict()
    assert not torch.equal(first["reader.read"], other["reader.read"])


def test_a_worker_simulates_what_the_training_process_would():
    alone, helped = (train(TOY, settings=replace(TINY, workers=n), progress=False) for n in (0, 1))
    left, right = alone.network.state_dict(), helped.network.state_dict()
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_progress_is_one_bar_and_nothing_else(capsys, caplog):
    with caplog.at_level(logging.INFO):
        train(TOY, settings=TINY)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.replace("\r", "\n").split("\n") if line.strip()]
    assert all(line.startswith("training toy: ") for line in lines)
    assert "100%" in lines[-1] and "step 12, train loss" in lines[-1]
    assert not [record for record in caplog.records if record.name.startswith(("pytorch_lightning", "lightning"))]


def test_without_progress_nothing_is_said(capsys):
    train(TOY, settings=TINY, progress=False)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_time_limit_still_trains_splines_and_validates(monkeypatch):
    bent = []
    density = FluxModule._losses

    def record(module, batch):
        bent.append((module.training, module.done() >= module.hparams["splines_from"]))
        return density(module, batch)

    monkeypatch.setattr(FluxModule, "_losses", record)
    card = train(TOY, settings=replace(TINY, steps=10**6, minutes=0.02), progress=False).card
    assert card["training"]["steps_run"] < 10**6
    assert np.isfinite(card["training"]["val_loss"])
    assert {True, False} == {each for training, each in bent if training}
    assert bent[-1] == (False, True)


def test_the_clock_decides_only_where_it_runs_out_first(monkeypatch):
    module = FluxModule({"measurements": 1, "features": 1, "context": 1, "parameters": 1, "couplings": 0}, steps=100)
    module.hparams["minutes"] = 1.0
    module.begin = 0.0
    for seconds, step, share in ((0, 10, 0.1), (6, 10, 0.1), (30, 10, 0.48), (30, 70, 0.7), (90, 70, 1.0)):
        monkeypatch.setattr("fluxkit.learning.flux_module.time.perf_counter", lambda s=seconds: float(s))
        assert module.done(step) == pytest.approx(share)


def test_an_interruption_leaves_no_files_and_a_process_that_still_listens(tmp_path, monkeypatch):
    batch, calls = ExperimentSimulator.batch, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 135:  # 128 of validation, then some of training
            raise KeyboardInterrupt
        return batch(*arguments)

    monkeypatch.setattr(ExperimentSimulator, "batch", interrupt)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(TOY, tmp_path / "model", settings=TINY, progress=False)
    assert len(calls) == 135
    assert signal.getsignal(signal.SIGINT) is handler
    assert list(tmp_path.iterdir()) == []


def test_a_diverged_training_is_refused_at_once_and_leaves_no_files(tmp_path):
    with pytest.raises(ModelError, match="training diverged at step .*; lower the learning rate"):
        train(TOY, tmp_path / "model", settings=replace(TINY, steps=50, learning_rate=1e30), progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_tampered_architecture_is_refused(trained, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in trained[1].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    card = json.loads((folder / "card.json").read_text())
    card["architecture"]["size"] *= 2
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="card.json' is damaged: it does not describe the weights"):
        load_model(TOY, folder)


def test_a_folder_that_cannot_be_is_refused_before_training(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(ExperimentSimulator, "batch", None)
    with pytest.raises(FluxkitError, match="cannot write into .*file/model.*is a file. Choose another folder"):
        train(TOY, tmp_path / "file" / "model", settings=TINY)


def test_tracers_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(TracerError, match="B"):
        train(TOY, tracers=["B_x: 100% [1-13C]"], settings=TINY)
    with pytest.raises(LabelingError, match="no standard tracers"):
        train(TOY, tracers=[], settings=TINY)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"steps": 0}, "steps = 0 must be positive"), ({"minutes": -1.0}, "minutes"), ({"workers": -1}, "workers = -1")],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(ModelError, match=message):
        TrainingSettings(**wrong)
