"""Training on several devices takes the steps that one device would take with gradients of as many batches."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

import fluxkit
from fluxkit.learning import load_model
from fluxkit.workflows.training import TrainingSettings, train

TOY = fluxkit.load_network("toy")
SETTINGS = TrainingSettings(
    steps=12, batch_size=32, width=4, size=16, blocks=1, couplings=1, workers=0, check_every=4, calibration=40
)
SCRIPT = """
import sys, fluxkit
from fluxkit.workflows.training import TrainingSettings
if __name__ == "__main__":
    options = {{"devices": 2, "accelerator": "cpu", "strategy": sys.argv[2]}}
    settings = {settings}
    fluxkit.train(fluxkit.load_network("toy"), sys.argv[1], settings=settings, trainer=options, resume=True)
    print("the first process goes on alone")
"""


def train_on_two(folder, out, strategy, settings=SETTINGS):
    script = folder / "script.py"
    script.write_text(SCRIPT.format(settings=settings))
    surroundings = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, str(script), str(out), strategy], capture_output=True, text=True, timeout=240, env=surroundings
    )


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "ddp_fork"])
def test_two_devices_take_the_steps_of_one_with_two_batches(tmp_path, strategy):
    """Two workers of one process simulate, in turn, the batches of two processes without workers."""
    done = train_on_two(tmp_path, tmp_path / "model", strategy)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the first process goes on alone") == 1
    several = load_model(TOY, tmp_path / "model")
    assert several.card["training"]["steps_run"] == 12
    one, begun = replace(SETTINGS, workers=2), replace(SETTINGS, steps=1)
    options = {"accelerator": "cpu", "accumulate_grad_batches": 2}
    alone = train(TOY, settings=one, progress=False, trainer=options)
    begin, left, right = (
        dict(model.network.named_parameters()) for model in (train(TOY, settings=begun, progress=False), several, alone)
    )
    for name in left:
        moved = (right[name] - begin[name]).abs().max()
        assert (left[name] - right[name]).abs().max() <= 1e-3 * moved + 1e-7, name  # float32 sums in another order


@pytest.mark.slow
def test_a_training_on_two_devices_goes_on_to_the_same_weights(tmp_path):
    cut = train_on_two(tmp_path, tmp_path / "cut", "ddp", replace(SETTINGS, minutes=1e-9))  # one step
    assert "before the network was whole" in cut.stderr
    for out in ("cut", "whole"):
        assert train_on_two(tmp_path, tmp_path / out, "ddp").returncode == 0
    left, right = ((tmp_path / out / "model.safetensors").read_bytes() for out in ("cut", "whole"))
    assert left == right
    assert load_model(TOY, tmp_path / "cut").card["training"]["resumed_at"] == [1]
