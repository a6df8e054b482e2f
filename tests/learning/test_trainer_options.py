"""Options of Lightning's Trainer pass through by checked names; what fluxkit decides is refused with the cure."""

import pytest
import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.strategies import DDPStrategy

from fluxkit.errors import ModelError, UnknownNameError
from fluxkit.learning.console import quiet_lightning
from fluxkit.learning.trainer_options import build_trainer


def build(**options):
    with quiet_lightning():
        return build_trainer(options, 10, [], "nowhere")


def test_options_reach_lightning(tmp_path):
    logger, mine = CSVLogger(tmp_path), pl.Callback()
    trainer = build(accelerator="cpu", precision="bf16-mixed", accumulate_grad_batches=2, logger=logger, callbacks=mine)
    assert (trainer.precision, trainer.accumulate_grad_batches, trainer.logger) == ("bf16-mixed", 2, logger)
    assert mine in trainer.callbacks
    assert trainer.val_check_interval == 20  # batches: ten steps
    assert build(gradient_clip_val=1.0).gradient_clip_val == 1.0


def test_without_options_one_device_trains_with_clipped_gradients():
    trainer = build()
    assert (trainer.world_size, trainer.gradient_clip_val, trainer.loggers) == (1, 3.0, [])


@pytest.mark.parametrize("options", [{"strategy": "ddp"}, {"strategy": "ddp_fork"}, {}])
def test_several_devices_train_a_network_of_which_parts_have_no_gradient_yet(options):
    trainer = build(accelerator="cpu", devices=2, **options)
    assert trainer.world_size == 2
    assert isinstance(trainer.strategy, DDPStrategy)
    assert trainer.strategy._ddp_kwargs["find_unused_parameters"] is True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_steps": 5}, "'max_steps' is decided by settings.steps (--steps); leave it out."),
        ({"enable_checkpointing": True}, "'enable_checkpointing' is decided by out and resume"),
        ({"limit_val_batches": 2}, "'limit_val_batches' is part of how fluxkit trains; leave it out."),
        ({"precision": "17-mixed"}, "Lightning refuses the trainer options precision='17-mixed': "),
        ({"strategy": "dpp"}, "Lightning refuses the trainer options strategy='dpp': "),
        ({"devices": 0, "accelerator": "cpu"}, "Lightning refuses the trainer options devices=0"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ModelError) as refused:
        build(**options)
    assert message in str(refused.value)


def test_a_misspelled_option_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownNameError, match="no option 'device'. Did you mean 'devices'"):
        build(device=2)
