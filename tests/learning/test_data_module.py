"""The training stream never ends, never repeats itself between workers, and is the same for the same seed."""

import pickle
from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import fluxkit
from fluxkit.errors import ModelError
from fluxkit.learning.data_module import ExperimentDataModule, SimulatedExperiments
from fluxkit.learning.experiments import ExperimentSimulator
from fluxkit.learning.vocabulary import build_vocabulary

VOCABULARY = build_vocabulary(fluxkit.load_network("toy"))
SIMULATOR = ExperimentSimulator(VOCABULARY)


def stream(batch_size=16, pool=32, seed=0):
    return SimulatedExperiments(ExperimentSimulator(VOCABULARY), batch_size, pool, seed)


def targets(batches):
    return [batch[-1] for batch in batches]


def test_the_same_seed_gives_the_same_stream():
    first, again = targets(islice(stream(), 12)), targets(islice(stream(), 12))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], targets(islice(stream(seed=1), 1))[0])


def test_the_stream_goes_on_when_a_pool_is_used_up():
    seen = targets(islice(stream(), 20))  # a pool of two batches, passed four times
    assert len({float(each[0, 0]) for each in seen}) > 8


def test_forked_workers_have_streams_of_their_own_and_do_not_hang():
    list(islice(stream(), 1))  # the parent has used the compiled simulator before it forks
    loader = DataLoader(stream(), batch_size=None, num_workers=2, prefetch_factor=1, timeout=60)
    batches = targets(islice(loader, 6))
    alone = targets(islice(stream(), 3))
    assert all(torch.equal(a, b) for a, b in zip(batches[::2], alone, strict=True))
    assert all(not torch.equal(a, b) for a, b in zip(batches[::2], batches[1::2], strict=True))


def test_a_stream_can_be_sent_to_a_spawned_worker():
    copy = pickle.loads(pickle.dumps(stream()))
    assert torch.equal(targets(islice(copy, 1))[0], targets(islice(stream(), 1))[0])


def test_a_pool_smaller_than_a_batch_is_refused():
    with pytest.raises(ModelError, match="batch_size = 64 must be from 1 to the pool of 32"):
        stream(batch_size=64)


@pytest.mark.parametrize("uses", [0, 2.0, 17])
def test_experiment_sets_are_used_a_number_of_times_that_a_batch_has_parts_for(uses):
    with pytest.raises(ModelError, match="uses = .* give a whole number from 1 to batch_size = 16"):
        ExperimentDataModule(VOCABULARY, batch_size=16, uses=uses)
    with pytest.raises(ModelError, match="uses = .* give a whole number from 1 to batch_size = 16"):
        SimulatedExperiments(SIMULATOR, 16, 32, 0, uses=uses)


def test_the_validation_set_is_fixed_and_apart_from_training():
    data = ExperimentDataModule(VOCABULARY, batch_size=32, validation=80, pool=64, workers=0)
    data.setup()
    first = targets(data.val_dataloader())
    data.setup("validate")  # Lightning sets up once more for every stage
    again = targets(data.val_dataloader())
    assert [len(each) for each in first] == [32, 32, 16]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    training = np.concatenate(targets(islice(data.train_dataloader(), 6)))
    assert not np.isin(np.concatenate(first)[:, 0], training[:, 0]).any()


@pytest.mark.parametrize(("workers", "uses"), [(0, 1), (1, 1), (2, 1), (0, 3), (2, 2)])
@pytest.mark.parametrize("start", [1, 7, 12, 30])
def test_a_stream_that_begins_in_the_middle_is_the_rest_of_the_stream(workers, uses, start):
    """A pool of two batches is passed four times, so batch 7 stands before and 12 behind a new pool."""

    def batches(start, number):
        stream = SimulatedExperiments(ExperimentSimulator(VOCABULARY), 16, 32, 0, start, uses=uses)
        loader = DataLoader(stream, batch_size=None, num_workers=workers, timeout=60 if workers else 0)
        return targets(islice(loader, number))

    whole, rest = batches(0, start + 4), batches(start, 4)
    assert all(torch.equal(a, b) for a, b in zip(whole[start:], rest, strict=True))


def test_every_experiment_set_is_used_so_many_times_and_never_twice_in_one_batch_once_the_stream_runs():
    uses, size = 3, 16
    batches = list(islice(SimulatedExperiments(SIMULATOR, size, 1024, 0, uses=uses), 40 * uses))
    seen: dict[bytes, list[int]] = {}
    for number, batch in enumerate(batches):
        for row in torch.cat([each.flatten(1) for each in batch], dim=1).numpy():
            seen.setdefault(row.tobytes(), []).append(number)
    # those that are simulated after the stream has filled its ages, and old enough to have been used throughout
    middle = [used for used in seen.values() if 16 * uses <= used[0] < 20 * uses]
    assert len(middle) >= 2 * size
    assert {len(used) for used in middle} == {uses}
    assert all(len(set(used)) == uses for used in middle)


def test_several_training_processes_have_streams_of_their_own():
    def of(process):
        return targets(islice(SimulatedExperiments(ExperimentSimulator(VOCABULARY), 16, 32, 0, 0, process), 4))

    first, second = of(0), of(1)
    assert all(not torch.equal(a, b) for a in first for b in second)
