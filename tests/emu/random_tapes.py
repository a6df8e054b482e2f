"""Random straight-line programs whose values stay between zero and one, for property tests."""

import numpy as np
from hypothesis import strategies as st

from fluxkit.emu import Slot, Tape, TapeBuilder

KINDS = ("multiply", "average", "difference", "inverse", "flows", "reciprocal")


@st.composite
def tapes(draw, outputs: int = 1, arrays: int = 2) -> Tape:
    """A tape of one or two input arrays; outputs may be inputs, constants, exact zeros, or one value several times."""
    widths = (draw(st.integers(1, 20)), draw(st.integers(0, 9)))[:arrays]
    builder = TapeBuilder(widths)
    inputs: list[Slot] = [builder.input(k, i) for k, width in enumerate(widths) for i in range(width)]
    one, half = builder.constant(1.0), builder.constant(0.5)
    slots = [*inputs, one, half, builder.constant(0.3)]
    for kind in draw(st.lists(st.sampled_from(KINDS), max_size=60)):
        a, b = (slots[draw(st.integers(0, len(slots) - 1))] for _ in range(2))
        slots.append(_write(builder, kind, a, b, inputs[draw(st.integers(0, len(inputs) - 1))], one, half))
    some = st.lists(st.sampled_from([*slots, None]), max_size=20)
    return builder.finish([draw(some) for _ in range(outputs)])


def _write(builder: TapeBuilder, kind: str, a: Slot, b: Slot, given: Slot, one: Slot, half: Slot) -> Slot:
    """Write operations that keep values between zero and one, with slopes of about one."""
    if kind == "multiply":
        return builder.multiply(a, b)
    if kind == "average":
        return builder.multiply_add(builder.multiply(half, a), half, b)
    if kind == "difference":
        return builder.multiply_subtract(one, a, b)
    if kind == "inverse":
        return builder.reciprocal(builder.add(one, a))
    if kind == "flows":  # of an input only: what is zero but for rounding may round to either side
        return builder.flows(given)
    inverse = builder.reciprocal(given)  # zero, or up to 4
    return builder.multiply(builder.constant(0.25), builder.multiply(inverse, a))


def input_rows(tape: Tape, states: int, seed: int, dtype: str = "float64", shared: bool = False) -> list[np.ndarray]:
    """Values of all input arrays: exact zeros, or between 0.25 and 1; the arrays but the last one row if shared."""
    rng = np.random.default_rng(seed)
    rows = []
    for k, width in enumerate(tape.inputs):
        shape = (1 if shared and k < len(tape.inputs) - 1 else states, width)
        rows.append(np.where(rng.random(shape) < 0.2, 0.0, rng.uniform(0.25, 1, shape)).astype(dtype))
    return rows
