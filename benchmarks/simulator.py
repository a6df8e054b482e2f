"""Labeling simulations per second, gradients, Jacobians and errors, beside 13CFLUX and a dense batched solve in torch.

The same network, fragments and tracers for all; every MID is compared before any time is taken. Operations per state
and the rate of a program that only multiplies and adds in registers show the distance to what the compiler can do.
"""

import argparse
from dataclasses import dataclass

import numpy as np
import torch
from apart import first_uses, memory, rate_without_compiler
from cases import TRACERS, problem, states
from dense import DenseSolver
from machine import describe_machine, publish
from peers.x3cflux import NOT_RUN, Figures, measure
from timing import REPEATS, best_time
from witness import error_against_isotopomers

import fluxkit
from fluxkit.emu import Program, TapeBuilder, jacobian, kernel, pull_back, simulate_mids, thread_count
from fluxkit.emu.interpreter import interpret
from fluxkit.labeling import parse_tracers
from fluxkit.labeling.programs import input_mids, labeling_program
from fluxkit.networks import Network, parse_fragment

INTERPRETED, CHECKED, PEAK_STATES = 2048, 8, 4096
"""States of the interpreter's batch, of the comparison with isotopomers, and of the program that shows the peak."""


@dataclass(frozen=True)
class Row:
    """One figure: ours and those of the others; a rate where the unit is per second, else less is better."""

    name: str
    own: float | None
    unit: str = ""
    peer: float | None = None
    dense: float | None = None

    def text(self) -> str:
        """Return the line of the table."""
        others = (cell for other in (self.peer, self.dense) for cell in (_number(other), self._ratio(other)))
        return f"| {self.name} | {_number(self.own)} {self.unit} | {' | '.join(others)} |"

    def _ratio(self, other: float | None) -> str:
        if other is None or self.own is None:
            return ""
        return f"{self.own / other if self.unit == 'states/s' else other / self.own:,.3g}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def peak_operations() -> float:
    """Return multiply-adds per second of one thread whose ten sums and two factors never leave the registers."""
    builder = TapeBuilder((10, 2))
    sums = [builder.input(0, i) for i in range(10)]
    for _ in range(2000):
        sums = [builder.multiply_add(each, builder.input(1, 0), builder.input(1, 1)) for each in sums]
    tape = builder.finish([sums])
    rows = [np.full((PEAK_STATES, width), 0.5) for width in tape.inputs]
    result = [np.empty((PEAK_STATES, 10))]
    code = kernel(tape, "float64")
    if code is None:
        raise SystemExit("programs cannot be compiled here; there is nothing to compare")
    return len(tape.operations) * PEAK_STATES / best_time(lambda: code.run(rows, result, 0, PEAK_STATES))


def whole_body(batch: int) -> tuple[float, str]:
    """Return states per second of the whole body under eight tracers, and what was simulated."""
    network = fluxkit.load_network("wholebody")
    names = [name for name in network.balanced if network.atom_counts[name].get("C")]
    fragments = tuple(parse_fragment(f"{name}:C", network) for name in names)
    texts = list(network.standard_tracers.values())[:8]
    program = labeling_program(network, fragments, tuple(parse_tracers(text, network) for text in texts))
    fluxes = states(network, batch)
    out = np.empty((batch, *program.shape))
    rate = batch / best_time(lambda: simulate_mids(program, fluxes, out=out))
    what = f"{len(program.system.balances)} EMUs after merging equal ones, {program.shape[1]} values of all its pools"
    return rate, f"{what}, {len(program.tape.operations):,} operations, batches of {batch:,}"


def own_figures(program: Program, fluxes: np.ndarray) -> dict[str, float]:
    """Return rates per second of batches; one state in us; its Jacobian in ms."""
    count = len(fluxes)
    weights = np.random.default_rng(0).standard_normal((count, *program.shape))
    narrow, few = fluxes.astype(np.float32), np.resize(fluxes, (INTERPRETED, fluxes.shape[1]))
    empty = [np.empty((INTERPRETED, program.shape[0] * program.shape[1]))]
    inputs = program.input_values[None]
    given = (np.empty((count, *program.shape)), np.empty(fluxes.shape))
    wide = np.empty((count, *program.shape), dtype=np.float32)
    return {
        "forward": count / best_time(lambda: simulate_mids(program, fluxes, out=given[0])),
        "forward, new": count / best_time(lambda: simulate_mids(program, fluxes)),
        "gradient": count / best_time(lambda: pull_back(program, fluxes, weights, out=given)),
        "gradient, new": count / best_time(lambda: pull_back(program, fluxes, weights)),
        "one": 1e6 * best_time(lambda: simulate_mids(program, fluxes[:1]), REPEATS["one"]),
        "jacobian": 1e3 * best_time(lambda: jacobian(program, fluxes[0]), REPEATS["jacobian"]),
        "float32": count / best_time(lambda: simulate_mids(program, narrow, dtype="float32", out=wide)),
        "interpreted": INTERPRETED / best_time(lambda: interpret(program.tape, (few, inputs), empty)),
    }


def dense_figures(dense: DenseSolver, program: Program, fluxes: torch.Tensor) -> dict[str, float]:
    """Return the same figures of the dense solve; its Jacobian is one gradient for each value."""
    weights = torch.tensor(np.random.default_rng(0).standard_normal((len(fluxes), *program.shape)))

    def gradient(count: int) -> None:
        leaf = fluxes[:count].clone().requires_grad_()
        (dense(leaf) * weights[:count]).sum().backward()

    values = program.shape[0] * program.shape[1]
    return {
        "forward": len(fluxes) / best_time(lambda: dense(fluxes)),
        "gradient": len(fluxes) / best_time(lambda: gradient(len(fluxes))),
        "one": 1e6 * best_time(lambda: dense(fluxes[:1]), REPEATS["one"]),
        "jacobian": 1e3 * values * best_time(lambda: gradient(1), REPEATS["jacobian"]),
    }


def table(own: dict, peer: Figures | None, dense: dict, errors: dict[str, float], options) -> list[str]:
    """Return the lines of the table; figures that need a process of their own are taken here."""
    first, body = first_uses(), own["whole body"]
    others = (None,) * 5 if peer is None else (
        peer.states_per_second, peer.gradients_per_second, peer.one_state_us, peer.jacobian_ms, peer.built_s
    )  # fmt: skip
    checked = f"error against the balance of isotopomers, {CHECKED} states"
    rows = [
        Row("forward, batch", own["forward"], "states/s", others[0], dense["forward"]),
        Row("gradient of a scalar, batch", own["gradient"], "states/s", others[1], dense["gradient"]),
        Row("forward, batch, into new memory", own["forward, new"], "states/s"),
        Row("gradient, batch, into new memory", own["gradient, new"], "states/s"),
        Row("one state, from Python", own["one"], "us", others[2], dense["one"]),
        Row("full Jacobian, one state", own["jacobian"], "ms", others[3], dense["jacobian"]),
        Row("forward, batch, float32", own["float32"], "states/s"),
        Row("forward, batch, no compiler on the PATH", rate_without_compiler(options.batch), "states/s"),
        Row("forward, batch, nothing but numpy", own["interpreted"], "states/s"),
        Row(checked, errors["float64"]),
        Row(f"{checked}, float32", errors["float32"]),
        Row("first use, to the first MIDs", first["forward"], "s", others[4]),
        Row("first use, with gradient and Jacobian", first["everything"], "s"),
        Row("to the first MIDs in a later process", first["forward later"], "s"),
        Row("with gradient and Jacobian in a later process", first["everything later"], "s"),
        Row("whole body, 8 tracers, forward, batch", body, "states/s"),
        Row(f"memory of {options.memory:,} states beyond input and output", memory(options.memory), "MB"),
    ]
    head = [
        "| figure | fluxkit | 13CFLUX (x3cflux) | ratio | dense batched torch | ratio |",
        "|---|---|---|---|---|---|",
    ]
    return [*head, *(each.text() for each in rows)]


def conditions(program: Program, peer: Figures | None, options) -> str:
    """Return on how many states and cores each figure was taken."""
    parts = [
        f"Batches: fluxkit {options.batch:,} states on {thread_count()} cores, interpreted {INTERPRETED:,} on one; "
        f"dense solve {options.dense_batch:,} states, threads of torch: {torch.get_num_threads()}"
    ]
    if peer is not None:
        parts.append(
            f"13CFLUX {peer.batch_states:,} states, its gradients {peer.gradient_states:,}, in the fastest of its ways "
            f"on {peer.cores} cores"
        )
    repeats = f"{REPEATS['batch']} runs of a batch, {REPEATS['one']} of one state, {REPEATS['jacobian']} of a Jacobian"
    values = program.shape[0] * program.shape[1]
    return (
        f"{'; '.join(parts)}. fluxkit fills given arrays where nothing else is said; new memory takes about as long to "
        f"touch as to simulate. Best of {repeats}, for all three. The dense solve has no Jacobian: the figure is the "
        f"time of one gradient of one state, times {values} values. First use is from the parsed network to the "
        "first MIDs, in a new process with an empty folder of compiled programs; that of 13CFLUX from its model file "
        "to the first MIDs."
    )


def peer_text(peer: Figures | None, program: Program) -> str:
    """Return what the figures of 13CFLUX are figures of."""
    if peer is None:
        return NOT_RUN
    only = " (that call returns only the sum of squares)" if "compute_loss" in peer.way else ""
    return (
        f"x3cflux {peer.version} in its fastest way, {peer.way}{only}; with every MID returned "
        f"{peer.measured_per_second:,.0f} states/s. Its gradient is that of a sum of squares by its free fluxes, its "
        f"Jacobian has {peer.jacobian_shape[0]} x {peer.jacobian_shape[1]} values; ours is by all "
        f"{program.flux_count} directed fluxes."
    )


def peak_text(program: Program, forward: float) -> str:
    """Return how far the forward rate is from multiply-adds alone."""
    operations, peak = len(program.tape.operations), peak_operations()
    used = forward * operations / thread_count() / peak
    return (
        f"One state takes {operations:,} operations ({len(program.adjoint.operations):,} with the gradient). One "
        f"thread does {peak / 1e9:.1f} billion operations a second in a program of multiply-adds whose values never "
        f"leave the registers; on each of {thread_count()} cores labeling reaches {100 * used:.0f} % of what the same "
        "compiler reaches on multiply-adds alone. No compiler is needed on the machine (LLVM comes with the package "
        "llvmlite); where not even that runs, numpy interprets the program."
    )


def gpu_text(program: Program, fluxes: np.ndarray) -> str:
    """Return what a graphics processor does, where torch finds one."""
    if not torch.cuda.is_available():
        return "Graphics processor: not run, none on this machine; the tests run the same path on the CPU."
    rows = torch.tensor(np.resize(fluxes, (200_000, fluxes.shape[1])), dtype=torch.float32, device="cuda")

    def action() -> None:
        simulate_mids(program, rows)
        torch.cuda.synchronize()

    return f"{torch.cuda.get_device_name()}: {len(rows) / best_time(action):,.0f} states/s forward in float32."


def check_agreement(dense: DenseSolver, program: Program, fluxes: torch.Tensor) -> float:
    """Return the largest difference of the dense solve; refuse to go on where it is not small."""
    difference = float(np.abs(dense(fluxes).numpy() - simulate_mids(program, fluxes.numpy())).max())
    if not difference <= 1e-9:  # also where one is NaN
        raise SystemExit(f"the two solvers disagree by {difference:.1e}; no times are taken")
    return difference


def section(network: Network, options) -> str:
    """Check agreement, take times, return the section of the results page."""
    fragments, tracers = problem(network)
    program, fluxes = labeling_program(network, fragments, tracers), states(network, options.batch)
    dense = DenseSolver(program.system, [input_mids(program.system, each) for each in tracers])
    few = torch.tensor(states(network, options.dense_batch))
    difference = check_agreement(dense, program, few)
    errors = {
        dtype: error_against_isotopomers(network, program, tracers, fluxes[:CHECKED], dtype)
        for dtype in ("float64", "float32")
    }
    peer = measure(network, fragments, tuple(TRACERS.values()), states(network, options.peer_states))
    own = own_figures(program, fluxes)
    own["whole body"], body_text = whole_body(options.body_batch)
    agreement = f"dense solve within {difference:.0e}" + (f", 13CFLUX within {peer.difference:.0e}" if peer else "")
    return "\n".join(
        [
            f"ccm with the pools of its measurements ({program.shape[1]} values) under {program.shape[0]} parallel "
            f"tracers, float64; {len(program.system.balances)} EMUs in {len(program.system.blocks)} blocks. "
            f"{describe_machine()}. Compared before any time was taken: {agreement}.",
            "",
            *table(own, peer, dense_figures(dense, program, few), errors, options),
            "",
            conditions(program, peer, options),
            "",
            peak_text(program, own["forward"]),
            "",
            f"Whole body: {body_text}.",
            "",
            peer_text(peer, program),
            "",
            gpu_text(program, fluxes),
        ]
    )


def main() -> None:
    """Read the sizes of the batches and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--dense-batch", type=int, default=100)
    parser.add_argument("--peer-states", type=int, default=2000)
    parser.add_argument("--body-batch", type=int, default=2000)
    parser.add_argument("--memory", type=int, default=100_000)
    parser.add_argument("--print", action="store_true", help="print the section instead of writing it to the page")
    options = parser.parse_args()
    text = section(fluxkit.load_network("ccm"), options)
    publish("Simulator", text, options.print)


if __name__ == "__main__":
    main()
