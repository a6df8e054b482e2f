"""A training that was killed, interrupted or out of time goes on to the weights of one that never stopped."""

import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

import fluxkit
from fluxkit.errors import FluxkitError, ModelError
from fluxkit.learning import ExperimentSettings, load_model
from fluxkit.learning.checkpoints import TrainingFolder
from fluxkit.learning.flux_module import FluxModule
from fluxkit.workflows.training import TrainingSettings, train

TOY = fluxkit.load_network("toy")
SETTINGS = TrainingSettings(
    steps=40, batch_size=64, width=4, size=16, blocks=1, couplings=1, workers=0, check_every=5, calibration=40
)


class KilledError(RuntimeError):
    """Stands for whatever ends a process."""


@pytest.fixture(scope="module")
def uninterrupted():
    return train(TOY, settings=SETTINGS, progress=False)


@pytest.fixture
def kill_at(monkeypatch):
    """Return what lets the next training die when it begins a step, and those after it live."""
    step_on = FluxModule.training_step

    def arm(step):
        def training_step(module, *arguments):
            if module.global_step == step:
                monkeypatch.setattr(FluxModule, "training_step", step_on)
                raise KilledError
            return step_on(module, *arguments)

        monkeypatch.setattr(FluxModule, "training_step", training_step)

    return arm


def same(model, other):
    left, right = model.network.state_dict(), other.network.state_dict()
    return all(torch.equal(left[name], right[name]) for name in left)


def course(model):
    """What a training did, without its times."""
    return {name: model.card["training"][name] for name in ("history", "best_step", "steps_run", "ended_by")}


def go_on(out, **changes):
    options = {"settings": SETTINGS, "progress": False, "resume": True} | changes
    return train(TOY, out, **options)


def die(kill_at, out, step, **changes):
    kill_at(step)
    with pytest.raises(KilledError):
        go_on(out, **changes)


@pytest.mark.parametrize("steps", [(3,), (7,), (20,), (23,), (38,), (6, 17, 22, 31)])
def test_a_training_that_died_goes_on_to_the_same_weights(kill_at, uninterrupted, tmp_path, steps):
    """Before the first checkpoint, in the Gaussian part, where the splines join (20), after it, and again and again."""
    for step in steps:
        die(kill_at, tmp_path / "model", step)
    resumed = go_on(tmp_path / "model")
    assert same(resumed, uninterrupted)
    assert course(resumed) == course(uninterrupted)
    assert resumed.card["calibration"] == uninterrupted.card["calibration"]
    assert resumed.card["training"]["resumed_at"] == [step // 5 * 5 for step in steps if step >= 5]
    assert [each.name for each in tmp_path.iterdir()] == ["model"]
    assert same(load_model(TOY, tmp_path / "model"), uninterrupted)


def test_a_training_that_was_wound_down_goes_on_so(kill_at, tmp_path):
    slow = replace(SETTINGS, patience=1, learning_rate=1e-12, steps=60)
    whole = train(TOY, settings=slow, progress=False)
    assert (whole.card["training"]["steps_run"], whole.card["training"]["ended_by"]) == (40, "patience")
    die(kill_at, tmp_path / "model", 37, settings=slow)  # splines at 30, no better at 35, over at 40
    resumed = go_on(tmp_path / "model", settings=slow)
    assert same(resumed, whole)
    assert course(resumed) == course(whole)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_go_on_where_the_training_stood(kill_at, tmp_path, workers):
    settings = replace(SETTINGS, workers=workers)
    die(kill_at, tmp_path / "model", 18, settings=settings)
    assert same(go_on(tmp_path / "model", settings=settings), train(TOY, settings=settings, progress=False))


def test_accumulated_gradients_are_not_lost(kill_at, tmp_path):
    options = {"trainer": {"accumulate_grad_batches": 3}, "settings": replace(SETTINGS, steps=16)}
    die(kill_at, tmp_path / "model", 13, **options)
    resumed = go_on(tmp_path / "model", **options)
    assert same(resumed, train(TOY, progress=False, **options))


def test_a_training_out_of_time_says_so_and_goes_on_to_the_same_weights(uninterrupted, tmp_path):
    """So little time that every call takes one step; the check in between leaves no trace."""
    hurried = replace(SETTINGS, minutes=1e-9)
    for step in (1, 2, 3):
        with pytest.raises(ModelError, match=rf"came at step {step} of 40, before .* \(--minutes\), and go on with"):
            go_on(tmp_path / "model", settings=hurried)
    assert not (tmp_path / "model").exists()
    resumed = go_on(tmp_path / "model")
    assert same(resumed, uninterrupted)
    assert course(resumed) == course(uninterrupted)
    assert resumed.card["training"]["resumed_at"] == [1, 2, 3]


def test_a_model_cut_off_by_the_time_is_whole_and_can_still_be_finished(kill_at, uninterrupted, tmp_path):
    out = tmp_path / "model"
    die(kill_at, out, 32)
    early = go_on(out, settings=replace(SETTINGS, minutes=1e-9))
    assert early.card["training"]["ended_by"] == "cut off"
    assert early.card["training"]["steps_run"] == 31
    assert "it can be gone on with" in (out / "card.md").read_text()
    assert same(load_model(TOY, out), early)
    assert sorted(each.name for each in (tmp_path / "model.training").iterdir()) == ["last.ckpt"]
    finished = go_on(out)
    assert same(finished, uninterrupted)
    assert course(finished) == course(uninterrupted)
    assert not (tmp_path / "model.training").exists()


def test_a_process_killed_outright_goes_on_to_the_same_weights(uninterrupted, tmp_path):
    out, checkpoint = tmp_path / "model", tmp_path / "model.training" / "last.ckpt"
    script = (
        "import sys, time, fluxkit\n"
        "from fluxkit.learning.flux_module import FluxModule\n"
        "from fluxkit.workflows.training import TrainingSettings\n"
        "step_on = FluxModule.training_step\n"
        "FluxModule.training_step = lambda *given: time.sleep(0.1) or step_on(*given)\n"
        f"fluxkit.train(fluxkit.load_network('toy'), sys.argv[1], settings={SETTINGS!r}, progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(out)], stderr=subprocess.PIPE)
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.05)
    time.sleep(0.75)  # on to the steps after a checkpoint
    process.kill()
    _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
    assert not out.exists()
    resumed = go_on(out)
    assert same(resumed, uninterrupted)
    assert course(resumed) == course(uninterrupted)
    (step,) = resumed.card["training"]["resumed_at"]
    assert 0 < step < 40


def test_an_unfinished_training_is_not_overwritten(kill_at, tmp_path):
    die(kill_at, tmp_path / "model", 8)
    with pytest.raises(ModelError, match=r"unfinished training in '.*model.training'. Go on with it by resume=True"):
        train(TOY, tmp_path / "model", settings=SETTINGS, progress=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"settings": replace(SETTINGS, steps=50)}, "was begun with steps = 40, not 50"),
        ({"settings": replace(SETTINGS, learning_rate=0.01)}, "was begun with learning_rate = 0.001, not 0.01"),
        ({"settings": replace(SETTINGS, workers=1)}, "was begun with workers = 0, not 1"),
        ({"experiments": ExperimentSettings(missing=0.1)}, "was begun with experiments.missing = 0.7, not 0.1"),
        ({"tracers": ["A_x: 100% [2-13C]"]}, "was begun with tracers = "),
        ({"trainer": {"precision": "64-true"}}, "was begun with precision = '32-true', not '64-true'"),
    ],
)
def test_a_training_begun_in_another_way_is_refused_by_what_differs(kill_at, tmp_path, changes, message):
    die(kill_at, tmp_path / "model", 8)
    with pytest.raises(ModelError) as refused:
        go_on(tmp_path / "model", **changes)
    assert message in str(refused.value)
    assert "or remove the folder to begin anew" in str(refused.value)


def test_a_training_of_another_network_is_refused(kill_at, tmp_path):
    die(kill_at, tmp_path / "model", 8)
    with pytest.raises(ModelError, match="was begun with network_fingerprint = "):
        train(fluxkit.load_network("mlflux_simple"), tmp_path / "model", settings=SETTINGS, resume=True, progress=False)


def test_time_patience_and_calibration_may_change(kill_at, uninterrupted, tmp_path):
    die(kill_at, tmp_path / "model", 8)
    assert same(
        go_on(tmp_path / "model", settings=replace(SETTINGS, minutes=5, patience=7, calibration=41)), uninterrupted
    )


def test_a_training_in_other_flux_coordinates_is_refused(kill_at, tmp_path):
    die(kill_at, tmp_path / "model", 8)
    checkpoint = tmp_path / "model.training" / "last.ckpt"
    kept = torch.load(checkpoint, weights_only=True)
    kept["fluxkit"]["chart"]["basis"] = -kept["fluxkit"]["chart"]["basis"]
    torch.save(kept, checkpoint)
    with pytest.raises(ModelError, match="begun on a processor whose flux coordinates differ"):
        go_on(tmp_path / "model")


def test_a_damaged_checkpoint_is_refused(kill_at, tmp_path):
    die(kill_at, tmp_path / "model", 8)
    checkpoint = tmp_path / "model.training" / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(ModelError, match=r"last.ckpt' is damaged \(.*\). Remove the folder '.*model.training'"):
        go_on(tmp_path / "model")


def test_a_checkpoint_that_could_not_be_written_leaves_the_one_before(kill_at, uninterrupted, tmp_path, monkeypatch):
    """The process dies while the checkpoint of step 10 is half written."""
    save, calls = torch.save, []

    def half(content, file):
        calls.append(1)
        if len(calls) == 2:
            raise KilledError
        save(content, file)

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KilledError):
        go_on(tmp_path / "model")
    monkeypatch.setattr(torch, "save", save)
    (tmp_path / "model.training" / "writing.ckpt").write_bytes(b"half of it")
    resumed = go_on(tmp_path / "model")
    assert resumed.card["training"]["resumed_at"] == [5]
    assert same(resumed, uninterrupted)
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_a_process_that_dies_while_the_model_is_tested_need_not_train_again(uninterrupted, tmp_path, monkeypatch):
    def die_in_calibration(*arguments):
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr("fluxkit.learning.calibration.calibrate", die_in_calibration)
        with pytest.raises(KilledError):
            go_on(tmp_path / "model")
    monkeypatch.setattr(FluxModule, "training_step", None)
    resumed = go_on(tmp_path / "model")
    assert same(resumed, uninterrupted)
    assert course(resumed) == course(uninterrupted)


def test_the_folder_of_a_training_stands_beside_every_form_of_the_output(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for out in (".", "../here", tmp_path / "here", f"{tmp_path}/here/"):
        assert TrainingFolder.beside(out).path == tmp_path / "here.training"


def test_a_file_where_checkpoints_would_go_is_refused_before_training(tmp_path, monkeypatch):
    (tmp_path / "model.training").write_text("")
    monkeypatch.setattr(FluxModule, "training_step", None)
    with pytest.raises(FluxkitError, match=r"cannot write into '.*model.training'"):
        train(TOY, tmp_path / "model", settings=SETTINGS, progress=False)


def test_without_a_folder_there_is_nothing_to_go_on_with():
    with pytest.raises(ModelError, match="resume=True needs out"):
        train(TOY, settings=SETTINGS, resume=True)
