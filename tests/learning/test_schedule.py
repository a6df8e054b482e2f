"""The plan of a training depends on steps alone; a time limit can only shorten it, smoothly."""

from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxkit.learning import time_limit
from fluxkit.learning.schedule import Plan
from fluxkit.learning.time_limit import TimeLimit

STEPS = st.integers(1, 10_000)


@given(end=STEPS, step=STEPS)
def test_without_a_shortage_of_time_the_share_is_that_of_the_steps(end, step):
    assert Plan(end).over(step) == min(1.0, step / end)  # to the bit: a resumed training computes it anew


@given(end=STEPS, cuts=st.lists(st.tuples(STEPS, STEPS), max_size=4))
def test_a_plan_rises_from_0_to_1_however_often_it_is_shortened(end, cuts):
    plan, shares = Plan(end), []
    for step in range(0, 10_000, 97):
        for at, wanted in cuts:
            if at // 97 == step // 97:
                before = plan.over(step)
                plan = plan.ending(step, wanted)
                assert plan.over(step) == pytest.approx(before, abs=1e-12)
        shares.append(plan.over(step))
    assert shares[0] == 0
    assert all(0 <= a <= b <= 1 for a, b in pairwise(shares))
    assert plan.over(plan.end) == 1
    assert plan.end <= end


def test_a_plan_is_never_lengthened():
    plan = Plan(100)
    assert plan.ending(50, 100) is plan
    assert plan.ending(50, 1000) is plan
    assert plan.ending(50, 75).ending(60, 100).end == 75


def test_a_time_limit_that_is_not_short_changes_nothing():
    plan = Plan(100)
    assert plan.within(step=20, pace=1.0, elapsed=20.0, limit=200.0) is plan


def test_a_plan_that_does_not_fit_ends_just_before_the_limit():
    plan = Plan(1000).within(step=20, pace=1.0, elapsed=20.0, limit=100.0)
    assert plan.end == 97  # 3 % of the limit are kept free
    assert plan.over(20) == 0.02


class Training:
    """A trainer and a module of which each step takes a second."""

    def __init__(self, monkeypatch, limit, seconds=lambda step: 1.0):
        self.trainer = SimpleNamespace(global_step=0, world_size=1, accumulate_grad_batches=1, should_stop=False)
        self.module = SimpleNamespace(plan=Plan(100), done=lambda: self.module.plan.over(self.trainer.global_step))
        self.now, self.seconds, self.callback = 0.0, seconds, TimeLimit(limit / 60)
        monkeypatch.setattr(time_limit.time, "perf_counter", lambda: self.now)

    def run(self):
        self.callback.on_train_start(self.trainer, self.module)
        while not self.trainer.should_stop:
            self.trainer.global_step += 1
            self.now += self.seconds(self.trainer.global_step)
            self.callback.on_train_batch_end(self.trainer, self.module, None, None, self.trainer.global_step - 1)
        return self


def test_the_clock_decides_only_where_it_runs_out_first(monkeypatch):
    roomy = Training(monkeypatch, limit=110).run()
    assert (roomy.trainer.global_step, roomy.module.plan) == (100, Plan(100))
    tight = Training(monkeypatch, limit=50).run()
    assert tight.trainer.global_step == 48
    assert tight.module.done() == 1


def test_steps_that_become_slower_still_end_in_time_with_their_plan_over(monkeypatch):
    slower = Training(monkeypatch, limit=60, seconds=lambda step: 0.5 + 0.02 * step).run()
    assert slower.module.done() == 1
    assert 50 < slower.now < 60


def test_a_slow_start_does_not_shorten_a_plan(monkeypatch):
    compiling = Training(monkeypatch, limit=150, seconds=lambda step: 30.0 if step == 1 else 1.0).run()
    assert compiling.module.plan == Plan(100)


def test_what_stalls_is_stopped_at_the_limit(monkeypatch):
    stalled = Training(monkeypatch, limit=50, seconds=lambda step: 1.0 if step < 30 else 25.0).run()
    assert stalled.now >= 50
    assert stalled.module.done() < 1
