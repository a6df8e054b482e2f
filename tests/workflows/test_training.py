"""Training learns the posterior, is calibrated and repeatable, and leaves a whole model or nothing."""

import json
import logging
import signal
import warnings
from dataclasses import replace

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient

import fluxkit
from fluxkit.errors import FluxkitError, LabelingError, ModelError, TracerError, UnknownNameError
from fluxkit.learning import ExperimentSettings, load_model
from fluxkit.learning.experiments import ExperimentSimulator
from fluxkit.learning.flux_module import FluxModule
from fluxkit.learning.vocabulary import build_vocabulary
from fluxkit.workflows.training import TrainingSettings, train

TOY = fluxkit.load_network("toy")
PRECISE = ExperimentSettings(floor=(0.001, 0.005), slope=0.01, missing=0.2)
TINY = TrainingSettings(
    steps=12, batch_size=16, uses=1, width=4, size=16, blocks=1, couplings=1, workers=0, calibration=40
)
SHORT = replace(TINY, steps=400, batch_size=128, uses=4, learning_rate=1e-2, width=16, size=64, calibration=1000)


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
    # 1000 experiments of two free fluxes: three binomial sd are 0.047 and 0.028; the rest is for 400 steps of training.
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
    files = ["calibration.html", "card.json", "card.md", "model.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == files
    assert list(folder.parent.iterdir()) == [folder]  # the checkpoints of a finished training are gone
    card = json.loads((folder / "card.json").read_text())
    assert card["training"]["steps_run"] == 400
    assert card["training"]["seed"] == 0
    assert card["training"]["ended_by"] == "steps"
    assert card["experiments"]["floor"] == [0.001, 0.005]
    page = (folder / "card.md").read_text()
    for words in (
        "400 steps of 128",
        "Prior.",
        "A_x: 100% [1,2-13C2]",
        "90 % intervals",
        "up to 20% of the measurements",
        "35% with some measured rates, of 2% to 20% error",
        "all planned steps",
    ):
        assert words in page
    labeling = fluxkit.simulate(TOY, TOY.reference_fluxes(), "A_x: 100% [2-13C]", noise=0.01)
    drawn, again = (each.draw(labeling, 30) for each in (model, load_model(TOY, folder)))
    assert all(np.array_equal(a, b) for a, b in zip(drawn, again, strict=True))


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
    assert all(line.startswith(("training toy: ", "training toy, calibration: ")) for line in lines)
    last = [line for line in lines if line.startswith("training toy: ")][-1]
    assert "100%" in last and "step 12, train loss" in last
    assert "calibration" in lines[-1]
    assert not [record for record in caplog.records if record.name.startswith(("pytorch_lightning", "lightning"))]


def test_without_progress_nothing_is_said(capsys):
    train(TOY, settings=TINY, progress=False)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.slow
def test_a_notebook_shows_one_bar_that_fills():
    cell = nbformat.v4.new_code_cell(
        "import fluxkit\nfrom fluxkit.workflows.training import TrainingSettings\n"
        f"model = fluxkit.train(fluxkit.load_network('toy'), settings={replace(TINY, workers=1)!r})"
    )
    client = NotebookClient(nbformat.v4.new_notebook(cells=[cell]), timeout=120, kernel_name="python3")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the kernel's own transport
        client.execute()
    assert {each.output_type for each in cell.outputs} == {"display_data"}  # no text beside the bars
    states = [each.get("state", each) for each in client.widget_state.values()]
    assert [(each["value"], each["bar_style"]) for each in states if each.get("max") == 100] == [(100, "success")]
    assert any("step\u200712" in str(each.get("value")) for each in states)


def test_a_time_limit_still_trains_splines_and_validates(monkeypatch):
    bent = []
    density = FluxModule._losses

    def record(module, batch):
        bent.append((module.training, module.done() >= module.hparams["splines_from"]))
        return density(module, batch)

    monkeypatch.setattr(FluxModule, "_losses", record)
    card = train(TOY, settings=replace(TINY, steps=10**6, minutes=0.05), progress=False).card
    assert card["training"]["steps_run"] < 10**6
    assert np.isfinite(card["training"]["val_loss"])
    assert {True, False} == {each for training, each in bent if training}
    assert bent[-1] == (False, True)


def test_the_weights_of_the_lowest_held_out_loss_are_kept(monkeypatch):
    """The loss is made to rise after the first check with splines: its weights are kept, not the last ones."""
    seen = {}
    validate = FluxModule.on_validation_end

    def watch(module):
        seen[module.global_step] = {name: value.clone() for name, value in module.network.state_dict().items()}
        validate(module)

    monkeypatch.setattr(FluxModule, "on_validation_end", watch)
    losses = FluxModule._losses
    monkeypatch.setattr(
        FluxModule,
        "_losses",
        lambda self, batch: (
            (losses(self, batch)[0] * 0 + self.global_step, losses(self, batch)[1])
            if not self.training
            else losses(self, batch)
        ),
    )
    model = train(TOY, settings=replace(TINY, steps=20, check_every=4), progress=False)
    history = model.card["training"]["history"]
    assert [each["step"] for each in history] == [4, 8, 12, 16, 20]
    assert [each["splines"] for each in history] == [False, False, True, True, True]  # whole from step 10 on
    assert model.card["training"]["best_step"] == 12
    kept = model.network.state_dict()
    assert all(torch.equal(kept[name], seen[12][name]) for name in kept)
    assert not torch.equal(kept["reader.read"], seen[20]["reader.read"])


def test_a_training_that_no_longer_improves_is_wound_down():
    """Weights that hardly move cannot improve: two checks after the splines joined, two more for the fall."""
    slow = replace(TINY, steps=100, check_every=5, patience=2, learning_rate=1e-12)
    training = train(TOY, settings=slow, progress=False).card["training"]
    # splines join at 50; the check there is the best one so far, those at 55 and 60 are no better
    assert (training["steps_run"], training["ended_by"]) == (70, "patience")
    assert len(training["history"]) == 14


def test_patience_of_zero_never_winds_down():
    slow = replace(TINY, steps=40, check_every=5, patience=0, learning_rate=1e-12)
    training = train(TOY, settings=slow, progress=False).card["training"]
    assert (training["steps_run"], training["ended_by"]) == (40, "steps")


@pytest.mark.parametrize(
    "options", [{"precision": "64-true"}, {"precision": "bf16-mixed"}, {"accumulate_grad_batches": 2}]
)
def test_options_of_the_trainer_change_how_and_not_what_is_trained(options):
    usual = train(TOY, settings=TINY, progress=False)
    other = train(TOY, settings=TINY, progress=False, trainer={"accelerator": "cpu", **options})
    assert other.card["training"]["steps_run"] == 12
    left, right = usual.network.state_dict(), other.network.state_dict()
    assert {name: value.dtype for name, value in left.items()} == {name: value.dtype for name, value in right.items()}
    assert not torch.equal(left["reader.read"], right["reader.read"])
    # Adam moves each weight by less than the learning rate per step, whatever the rounding
    assert (left["reader.read"] - right["reader.read"]).abs().max() < 2 * 12 * 1e-3


def test_an_option_that_does_not_exist_is_refused_before_training(monkeypatch):
    monkeypatch.setattr(FluxModule, "training_step", None)
    with pytest.raises(UnknownNameError, match="no option 'device'. Did you mean 'devices'"):
        train(TOY, settings=TINY, trainer={"device": 2})


def test_an_interruption_leaves_no_files_and_a_process_that_still_listens(tmp_path, monkeypatch):
    batch, calls = ExperimentSimulator.batch, []

    def interrupt(*arguments):
        calls.append(1)
        if len(calls) == 71:  # 64 of validation, then some of training
            raise KeyboardInterrupt
        return batch(*arguments)

    monkeypatch.setattr(ExperimentSimulator, "batch", interrupt)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(TOY, tmp_path / "model", settings=TINY, progress=False)
    assert len(calls) == 71
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
    [
        ({"steps": 0}, "steps = 0 must be positive"),
        ({"minutes": -1.0}, "minutes"),
        ({"uses": 0}, "uses = 0 .* give a whole number from 1 to batch_size = 256"),
        ({"uses": 1.5}, "uses = 1.5 .* whole number"),
        ({"uses": 9, "batch_size": 8}, "uses = 9 .* batch_size = 8"),
        ({"workers": -1}, "workers = -1"),
        ({"check_every": 0}, "check_every = 0 must be positive"),
        ({"patience": -1}, "patience = -1 must not be negative"),
    ],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(ModelError, match=message):
        TrainingSettings(**wrong)
