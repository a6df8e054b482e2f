"""Machine code against the interpreter, on any program and any number of states."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fluxkit.emu import Tape, TapeBuilder, compiler, derivatives, run_tape, tangent
from fluxkit.emu.interpreter import interpret
from fluxkit.emu.kernels import Kernel
from fluxkit.errors import LabelingError
from tests.emu.random_tapes import input_rows, tapes

FEW = settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
SEEDS = st.integers(0, 2**32 - 1)
COUNTS = st.one_of(st.integers(1, 20), st.integers(1, 20).map(lambda k: 8 * k + 1))
CHUNKS = st.sampled_from([1, 3, 200])
PRECISION = {"float64": 1e-13, "float32": 1e-4}
"""Rounding of sixty operations, which grow small differences a little; derivatives are sums over many paths."""


def interpreted(tape: Tape, inputs, states: int) -> list[np.ndarray]:
    outputs = [np.empty((states, len(slots)), dtype=inputs[0].dtype) for slots in tape.outputs]
    interpret(tape, inputs, outputs)
    return outputs


def compiled(tape: Tape, inputs, states: int, chunk: int, monkeypatch) -> list[np.ndarray]:
    """Run code made with short chunks, past the cache, into the middle of larger arrays."""
    with monkeypatch.context() as patch:
        patch.setattr(compiler, "CHUNK", chunk)
        code = Kernel(tape, inputs[0].dtype.name, compiler.emit_object(tape, inputs[0].dtype.name))
    outputs = [np.full((states + 2, len(slots)), -7.0, dtype=inputs[0].dtype) for slots in tape.outputs]
    wide = [each if len(each) == 1 else np.concatenate([each[:1], each, each[:1]]) for each in inputs]
    if states >= code.lanes:
        assert code.run(wide, outputs, 1, states + 1)
    else:
        for k in range(states):
            rows, good = code.run_one([each if len(each) == 1 else each[k : k + 1] for each in inputs])
            assert good
            for into, row in zip(outputs, rows, strict=True):
                into[k + 1] = row[0]
    for each in outputs:
        assert (each[[0, -1]] == -7.0).all(), "wrote outside of its rows"
    return [each[1:-1] for each in outputs]


def assert_same(found, expected) -> None:
    for one, other in zip(found, expected, strict=True):
        size = max(1.0, float(np.abs(other).max(initial=0)))
        np.testing.assert_allclose(one, other, rtol=0, atol=PRECISION[other.dtype.name] * size)


@FEW
@given(
    tape=tapes(outputs=2),
    states=COUNTS,
    chunk=st.sampled_from([1, 3, 200]),
    seed=SEEDS,
    dtype=st.sampled_from(list(PRECISION)),
)
def test_any_program_gives_what_the_interpreter_gives(monkeypatch, tape, states, chunk, seed, dtype):
    inputs = input_rows(tape, states, seed, dtype)
    assert_same(compiled(tape, inputs, states, chunk, monkeypatch), interpreted(tape, inputs, states))


@FEW
@given(tape=tapes(outputs=2, arrays=1), fixed=st.integers(0, 3), states=COUNTS, chunk=CHUNKS, seed=SEEDS)
def test_any_program_of_one_input_array_gives_what_the_interpreter_gives(monkeypatch, tape, fixed, states, chunk, seed):
    """There is nothing before the last input array then, so that nothing is skipped for later states."""
    tape = replace(tape, fixed=min(fixed, len(tape.operations)))
    inputs = input_rows(tape, states, seed)
    assert_same(compiled(tape, inputs, states, chunk, monkeypatch), interpreted(tape, inputs, states))
    assert run_tape(tape, inputs, states)[1]
    wrong = inputs[0].copy()
    wrong[seed % states, seed % wrong.shape[1]] = -1.0
    assert not run_tape(tape, [wrong], states)[1]


def test_a_first_input_array_without_values_is_never_wrong():
    builder = TapeBuilder((0, 2))
    tape = builder.finish([[builder.input(1, 0)]])
    values = np.full((20, 2), -1.0)
    (found,), good = run_tape(tape, (np.empty((20, 0)), values), 20)
    assert good
    np.testing.assert_array_equal(found, values[:, :1])


@FEW
@given(tape=tapes(), states=COUNTS, chunk=CHUNKS, seed=SEEDS, shared=st.booleans())
def test_derivatives_of_any_program_give_what_the_interpreter_gives(monkeypatch, tape, states, chunk, seed, shared):
    """Shared leading inputs let the tangent skip its fixed part; adjoint and tangent are one matrix."""
    forward, backward = derivatives.tangent(tape), derivatives.adjoint(tape)
    inputs = input_rows(tape, states, seed, shared=shared)
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal((states, tape.inputs[0]))
    cotangent = rng.standard_normal((states, len(tape.outputs[0])))
    (moved,) = compiled(forward, [*inputs, direction], states, chunk, monkeypatch)
    _, gradient = compiled(backward, [*inputs, cotangent], states, chunk, monkeypatch)
    assert_same([moved], interpreted(forward, [*inputs, direction], states))
    assert_same([gradient], interpreted(backward, [*inputs, cotangent], states)[1:])
    size = 1e-12 * max(1.0, float(np.abs(gradient).max(initial=0)), float(np.abs(moved).max(initial=0)))
    left, right = (cotangent * moved).sum(axis=1), (gradient * direction).sum(axis=1)
    np.testing.assert_allclose(left, right, rtol=1e-12, atol=size * 100)


def test_a_direction_that_is_handed_on_unchanged_reaches_every_state():
    builder = TapeBuilder((2,))
    first, second = builder.input(0, 0), builder.input(0, 1)
    square = builder.multiply(first, first)
    moving = tangent(builder.finish([[second, builder.multiply(square, builder.multiply(square, first))]]))
    assert moving.fixed
    directions = np.random.default_rng(0).standard_normal((50, 2))
    ((moved,), good) = run_tape(moving, (np.full((1, 2), 0.5), directions), 50)
    assert good
    np.testing.assert_allclose(moved, directions[:, ::-1] * [1, 5 * 0.5**4], rtol=1e-14)


def test_directions_join_input_arrays_in_their_order_and_no_other():
    builder = TapeBuilder((2, 1, 2))
    tape = builder.finish([[builder.multiply(builder.input(0, 1), builder.input(2, 0))]])
    moving = tangent(tape, (0, 2))
    values = [np.array([[2.0, 3.0]]), np.ones((1, 1)), np.array([[5.0, 7.0]])]
    ((moved,), _) = run_tape(moving, [*values, np.eye(4)], 4)
    np.testing.assert_array_equal(moved[:, 0], [0, 5, 3, 0])
    for wrong in ((2, 0), (0, 0, 2)):
        with pytest.raises(LabelingError, match=r"in their order, not .*; give \[0, 2\]"):
            tangent(tape, wrong)


def test_operations_may_all_be_fixed():
    builder = TapeBuilder((2, 3))
    first, last = builder.input(0, 0), builder.input(1, 2)
    tape = builder.finish([[builder.multiply(first, first), last]])
    tape = replace(tape, fixed=len(tape.operations))
    values = np.random.default_rng(0).random((50, 3))
    ((found,), good) = run_tape(tape, (np.full((1, 2), 0.5), values), 50)
    assert good
    np.testing.assert_array_equal(found, np.stack([np.full(50, 0.25), values[:, 2]], axis=1))


def test_a_program_without_operations_hands_its_inputs_on_to_every_state():
    builder = TapeBuilder((20, 3))
    tape = builder.finish([[builder.input(1, 2), builder.input(0, 19), None, builder.constant(0.5)]])
    inputs = input_rows(tape, 33, 0)
    (outputs,), _ = run_tape(tape, inputs, 33)
    np.testing.assert_array_equal(outputs[:, :2], np.stack([inputs[1][:, 2], inputs[0][:, 19]], axis=1))
    np.testing.assert_array_equal(outputs[:, 2:], np.broadcast_to([0, 0.5], (33, 2)))


def test_derivatives_of_nothing_take_the_arrays_that_derivatives_of_something_take():
    tape = TapeBuilder((4, 2)).finish([[]])
    assert derivatives.adjoint(tape).inputs == (4, 2, 0)
    assert derivatives.tangent(tape).inputs == (4, 2, 4)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda a, b: (a,),
        lambda a, b: (a, b, b),
        lambda a, b: (a[:, :-1].copy(), b),
        lambda a, b: (a, b[:5]),
        lambda a, b: (a, b.astype("float32")),
        lambda a, b: (a, np.asfortranarray(b)),
    ],
)
def test_arrays_that_are_not_those_of_a_program_are_refused_before_machine_code_reads_them(wrong):
    tape = TapeBuilder((4, 2)).finish([[0]])
    with pytest.raises(LabelingError, match=r"of 9 rows or one, and of widths \(4, 2\)"):
        run_tape(tape, wrong(np.ones((9, 4)), np.ones((9, 2))), 9)


@pytest.mark.parametrize("dtype", list(PRECISION))
def test_a_long_program_of_many_chunks_gives_what_the_interpreter_gives(dtype):
    """Values wait in the work array while hundreds of others come and go."""
    builder = TapeBuilder((7,))
    slots = [builder.input(0, i) for i in range(7)]
    half, rng = builder.constant(0.5), np.random.default_rng(0)
    for _ in range(3000):
        a, b = (slots[int(len(slots) * u)] for u in rng.random(2) ** [1, 0.2])
        slots.append(builder.multiply_add(builder.multiply(half, a), half, b))
    tape = builder.finish([[slots[int(i)] for i in rng.integers(0, len(slots), 300)]])
    inputs = input_rows(tape, 33, 1, dtype)
    outputs, good = run_tape(tape, inputs, 33)
    assert good
    assert_same(outputs, interpreted(tape, inputs, 33))


@pytest.mark.parametrize("states", [1, 7, 9, 65, 200])
@pytest.mark.parametrize("value", [-1e-300, np.nan, np.inf, -np.inf])
def test_a_value_of_the_first_input_that_is_no_flux_is_noticed_wherever_it_stands(states, value):
    builder = TapeBuilder((11, 2))
    tape = builder.finish([[builder.multiply(builder.input(0, 8), builder.input(1, 1))]])
    inputs = input_rows(tape, states, 0)
    for row, column in {(0, 0), (states - 1, 10), (states // 2, 8)}:
        wrong = inputs[0].copy()
        wrong[row, column] = value
        assert not run_tape(tape, (wrong, inputs[1]), states)[1]
        assert not interpret(tape, (wrong, inputs[1]), [np.empty((states, 1))])
    second = np.full_like(inputs[1], value)
    assert run_tape(tape, (inputs[0], second), states)[1]
    assert run_tape(tape, inputs, states)[1]
