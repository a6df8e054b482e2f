"""How far a sample lies from a network's training is measured in the network's own spread and told in words."""

import numpy as np
import pytest

import fluxkit
from fluxkit.inference.verdict.training_cloud import compare_with_training, distance_from_network
from tests.inference.problems import CCM

CARD = {
    "tracers": ["Glc_x: 100% [1,2-13C2]"],
    "experiments": {"experiments": [0.5, 0.5], "floor": [0.0015, 0.02], "slope": 0.05},
}


def labeling(noise=0.005):
    return fluxkit.simulate(
        CCM, CCM.reference_fluxes(), "Glc_x: 100% [1,2-13C2]", fragments=["Lac", "Cit"], noise=noise
    )


def test_distance_is_the_shift_in_sd_of_the_network():
    rng = np.random.default_rng(0)
    drawn = rng.normal(0, [1, 2, 5], (20_000, 3))
    exact = rng.normal([3, 6, 15], 0.1, (4, 500, 3))
    assert distance_from_network(drawn, exact) == pytest.approx(3, rel=0.03)
    assert distance_from_network(drawn, exact * 0) == pytest.approx(0, abs=0.03)


def test_a_weight_that_the_network_does_not_know_does_not_count():
    drawn = np.random.default_rng(0).normal(size=(1000, 2)) * [1, 0]
    assert distance_from_network(drawn, np.array([[0.0, 7.0]])) < 0.1


def test_remarks_say_that_the_answer_is_exact():
    drawn = np.random.default_rng(0).normal(size=(500, 4))
    distance, remarks = compare_with_training(labeling(noise=0.1), CCM, CARD, drawn, drawn[:10] + 4)
    assert distance == pytest.approx(4, rel=0.2)
    new, far = remarks
    assert new == (
        "the typical sd is 0.1, where training drew 0.0015 to 0.024; the learned network's start may be worse, but "
        "the exact posterior decides the answer"
    )
    assert "it only proposed starts, the answer is exact" in far
    assert compare_with_training(labeling(), CCM, CARD, drawn, drawn)[1] == []
