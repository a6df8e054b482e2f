"""Labeling simulations per second, gradients, Jacobians and errors, beside 13CFLUX and a dense batched solve in torch.

The same network, fragments and tracers for all; every MID is compared before any time is taken. Operations per state
and the rate of a program that only multiplies and adds in registers show the distance to what the machine can do.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from dense import DenseSolver
from machine import describe_machine, write_section
from peers.x3cflux import NOT_RUN, measure

import fluxkit
from fluxkit.emu import TapeBuilder, jacobian, pull_back, run_tape, simulate_mids, thread_count
from fluxkit.emu.interpreter import interpret
from fluxkit.fluxes import directed_fluxes
from fluxkit.labeling import parse_tracers
from fluxkit.labeling.meaning import resolve_measurement
from fluxkit.labeling.programs import input_mids, labeling_program
from fluxkit.networks import parse_fragment

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.emu.isotopomer_balance import atoms_of, marginal_mid, solve_isotopomers

TRACERS = ("Glc_x: 100% [1,2-13C2]", "Glc_x: 50% [U-13C6]", "Gln_x: 100% [U-13C5]")


def states(network, count: int, seed: int = 0) -> np.ndarray:
    """Return directed fluxes ``(state, directed flux)`` from the flux prior."""
    drawn = fluxkit.draw_fluxes(network, min(count, 2000), seed=seed)
    rows = np.arange(count) % drawn.sizes["draw"]
    net, exchange = drawn["net_flux"].values[rows], drawn["exchange_flux"].values[rows]
    return directed_fluxes(network, np.where(network.reversible, net, np.maximum(net, 0)), exchange)


def best_time(action: Callable[[], object], repeats: int = 5) -> float:
    """Return the shortest of several runs, in seconds."""
    action()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return min(times)


def problem(network):
    """Return fragments and tracers of the comparison: the pools of the measurements of ccm, three tracers."""
    names = [name for name in network.observations if network.observations[name].sd is not None and ":N" not in name]
    fragments = dict.fromkeys(f for name in names for f in resolve_measurement(name, network).fragments)
    return tuple(fragments), tuple(parse_tracers(text, network) for text in TRACERS)


def peak_operations() -> float:
    """Return multiply-adds per second of one core whose operands never leave the registers."""
    builder = TapeBuilder((24, 2))
    sums = [builder.input(0, i) for i in range(24)]
    for _ in range(800):
        sums = [builder.multiply_add(each, builder.input(1, 0), builder.input(1, 1)) for each in sums]
        sums = [builder.multiply_add(builder.input(1, 0), each, builder.input(1, 1)) for each in sums]
    tape = builder.finish([sums])
    rows = [np.full((64, width), 0.5) for width in tape.inputs]
    return len(tape.operations) * 64 / best_time(lambda: run_tape(tape, rows, 64), 30)


def error_against_isotopomers(network, program, fragments, tracers, fluxes: np.ndarray, dtype: str) -> float:
    """Return the largest difference from the balance of every isotopomer, for some states."""
    worst = 0.0
    found = simulate_mids(program, fluxes, dtype=dtype)
    for experiment, each in enumerate(tracers):
        pools = {pool: _isotopomers(network, each, pool) for pool in network.inputs}
        for k, state in enumerate(fluxes):
            solved = solve_isotopomers(network, state, pools, "C")
            place = 0
            for fragment in fragments:
                atoms = atoms_of(network, fragment.metabolite, "C")
                expected = marginal_mid(solved[fragment.metabolite], atoms, fragment.atoms)
                values = found[k, experiment, place : place + fragment.size + 1]
                worst = max(worst, float(np.abs(values - expected).max()))
                place += fragment.size + 1
    return worst


def _isotopomers(network, tracers, pool: str) -> np.ndarray:
    """Return the distribution over the carbon isotopomers of an input pool; labeled positions are pure."""
    atoms = atoms_of(network, pool, "C")
    result = np.zeros(1 << len(atoms))
    result[0] = 1.0
    for share, labeled in tracers.pools.get(pool, ()):
        mask = sum(1 << i for i, atom in enumerate(atoms) if atom in labeled)
        result[mask] += share
        result[0] -= share
    return result


def run_apart(code: str) -> float:
    """Return the number that some lines print in a process of their own, after the imports and the problem."""
    head = (
        "import sys, time, re; sys.path.insert(0, 'benchmarks'); import numpy as np, fluxkit, simulator as s\n"
        "network = fluxkit.load_network('ccm'); fragments, tracers = s.problem(network)\n"
    )
    root = Path(__file__).parents[1]
    command = [sys.executable, "-c", head + code]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


FIRST_USE = (
    "begin = time.perf_counter(); program = s.labeling_program(network, fragments, tracers)\n"
    "fluxes = np.ones((1, program.flux_count)); s.simulate_mids(program, fluxes)\n"
)
ALL_USES = FIRST_USE + ("s.pull_back(program, fluxes, np.ones((1, *program.shape))); s.jacobian(program, fluxes[0])\n")
TIME_USED = "print(time.perf_counter() - begin)"
MEMORY = (  # Linux counts the peak anew after a 5 is written to clear_refs
    "program = s.labeling_program(network, fragments, tracers); fluxes = s.states(network, 100_000)\n"
    "s.simulate_mids(program, fluxes[:200]); open('/proc/self/clear_refs', 'w').write('5')\n"
    "look = lambda key: int(re.search(key + r':\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024\n"
    "before = look('VmRSS'); mids = s.simulate_mids(program, fluxes)\n"
    "print(look('VmHWM') - before - mids.nbytes / 2**20)"
)


def whole_body(batch: int = 2000) -> tuple[float, str]:
    """Return states per second of the whole body under eight tracers, and what was simulated."""
    network = fluxkit.load_network("wholebody")
    names = [name for name in network.balanced if network.atom_counts[name].get("C")]
    fragments = tuple(parse_fragment(f"{name}:C", network) for name in names)
    texts = list(network.standard_tracers.values())[:8]
    program = labeling_program(network, fragments, tuple(parse_tracers(text, network) for text in texts))
    fluxes = states(network, batch)
    rate = batch / best_time(lambda: simulate_mids(program, fluxes), 3)
    what = f"{len(program.system.balances)} EMUs after merging equal ones, {program.shape[1]} values of all its pools"
    return rate, f"{what}, {len(program.tape.operations):,} operations"


def main() -> None:
    """Check agreement, take times, write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--dense-batch", type=int, default=100)
    parser.add_argument("--peer-states", type=int, default=1000)
    options = parser.parse_args()
    network = fluxkit.load_network("ccm")
    fragments, tracers = problem(network)
    program = labeling_program(network, fragments, tracers)
    fluxes = states(network, options.batch)
    dense = DenseSolver(program.system, [input_mids(program.system, each) for each in tracers])
    few = torch.tensor(fluxes[: options.dense_batch])
    difference = float(np.abs(dense(few).numpy() - simulate_mids(program, few.numpy())).max())
    if difference > 1e-9:
        raise SystemExit(f"the two solvers disagree by {difference:.1e}; no times are taken")
    error, single = (
        error_against_isotopomers(network, program, fragments, tracers, fluxes[:8], dtype)
        for dtype in ("float64", "float32")
    )
    weights = np.random.default_rng(0).standard_normal((options.batch, *program.shape))
    narrow = fluxes.astype(np.float32)

    def dense_gradient(count: int) -> None:
        leaf = few[:count].clone().requires_grad_()
        (dense(leaf) * torch.tensor(weights[:count])).sum().backward()

    def interpreted() -> None:
        rows = fluxes[:2048]
        interpret(
            program.tape,
            (rows, program.input_values[None]),
            [np.empty((len(rows), program.shape[0] * program.shape[1]))],
        )

    forward = options.batch / best_time(lambda: simulate_mids(program, fluxes), 10)
    backward = options.batch / best_time(lambda: pull_back(program, fluxes, weights), 10)
    one = 1e6 * best_time(lambda: simulate_mids(program, fluxes[:1]), 300)
    slopes = 1e3 * best_time(lambda: jacobian(program, fluxes[0]), 50)
    single_rate = options.batch / best_time(lambda: simulate_mids(program, narrow, dtype="float32"), 10)
    slow = 2048 / best_time(interpreted, 2)
    peak = peak_operations()
    whole_rate, whole_text = whole_body()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FLUXKIT_CACHE"] = folder
        first, again = run_apart(FIRST_USE + TIME_USED), run_apart(FIRST_USE + TIME_USED)
        everything, cached = run_apart(ALL_USES + TIME_USED), run_apart(ALL_USES + TIME_USED)
    memory = run_apart(MEMORY)
    peer = measure(network, fragments, TRACERS, fluxes[: options.peer_states])
    torch_rates = (
        len(few) / best_time(lambda: dense(few), 3),
        len(few) / best_time(lambda: dense_gradient(len(few)), 2),
        1e6 * best_time(lambda: dense(few[:1]), 5),
        1e3 * program.shape[0] * program.shape[1] * best_time(lambda: dense_gradient(1), 3),
    )
    peers = (None,) * 4 if peer is None else (
        peer.states_per_second, peer.gradients_per_second, peer.one_state_us, peer.jacobian_ms
    )  # fmt: skip
    rows = [
        ("forward, batch", forward, "states/s", "0.5 M", "2 M", peers[0], torch_rates[0]),
        ("gradient of a scalar, batch", backward, "states/s", "0.2 M", "1 M", peers[1], torch_rates[1]),
        ("one state, from Python", one, "us", "50", "10", peers[2], torch_rates[2]),
        ("full Jacobian, one state", slopes, "ms", "1.2", "0.15", peers[3], torch_rates[3]),
        ("forward, batch, float32", single_rate, "states/s", "", "", None, None),
        ("forward, no compiler on the machine", forward, "states/s", "0.15 M", "0.5 M", None, None),
        ("forward, nothing but numpy", slow, "states/s", "", "", None, None),
        ("error against the balance of isotopomers", error, "", "1e-10", "1e-12", None, None),
        ("the same in float32", single, "", "1e-5", "1e-6", None, None),
        ("first use of a network, forward", first, "s", "30", "5", peer and peer.built_s, None),
        ("first use, with gradient and Jacobian", everything, "s", "30", "5", None, None),
        ("the same in a later process", cached, "s", "", "", None, None),
        ("forward in a later process", again, "s", "", "", None, None),
        ("whole body, 8 tracers, forward", whole_rate, "states/s", "2,000", "20,000", None, None),
        ("memory of 100,000 states beyond input and output", memory, "MB", "500", "50", None, None),
    ]
    operations = len(program.tape.operations)
    used = forward * operations / thread_count() / peak
    lines = [
        f"ccm with the pools of its measurements ({program.shape[1]} values) under three parallel tracers, float64, "
        f"batches of {options.batch:,}; {len(program.system.balances)} EMUs in {len(program.system.blocks)} blocks. "
        f"{describe_machine()}. Compared before any time was taken: dense solve within {difference:.0e}"
        + ("." if peer is None else f", 13CFLUX within {peer.difference:.0e}."),
        "",
        "| figure | fluxkit | floor | goal | 13CFLUX (x3cflux) | ratio | dense batched torch | ratio |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(*each) for each in rows),
        "",
        f"One state takes {operations:,} operations ({len(program.adjoint.operations):,} with the gradient). A core "
        f"does {peak / 1e9:.1f} billion multiply-adds a second when nothing leaves its registers; this program reaches "
        f"{100 * used:.0f} % of that on each of {thread_count()} cores. The engine needs no compiler on the machine "
        "(LLVM comes with the package llvmlite); where not even that runs, numpy interprets the program.",
        "",
        f"Whole body: {whole_text}.",
        "",
        NOT_RUN if peer is None else
        f"x3cflux {peer.version} in its fastest way ({peer.way}), {options.peer_states:,} states, both cores; that "
        f"call returns only the sum of squares; with every MID returned {peer.measured_per_second:,.0f} states/s. Its "
        "gradient is that of a sum of squares by its free fluxes, its Jacobian has "
        f"{peer.jacobian_shape[0]} x {peer.jacobian_shape[1]} values; ours is by all {program.flux_count} directed "
        "fluxes. The dense solve has no Jacobian: one gradient per value.",
        "",
        _gpu(program, narrow),
    ]  # fmt: skip
    write_section("Simulator", "\n".join(lines))


def _row(name, own, unit, floor, goal, peer, dense) -> str:
    def text(value) -> str:
        if value is None:
            return ""
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

    def ratio(other) -> str:
        if other is None:
            return ""
        return f"{own / other if unit == 'states/s' else other / own:,.3g}"

    return (
        f"| {name} | {text(own)} {unit} | {floor} | {goal} | {text(peer)} | {ratio(peer)} | {text(dense)} | "
        f"{ratio(dense)} |"
    )


def _gpu(program, fluxes: np.ndarray) -> str:
    """Return what a graphics processor does, where torch finds one."""
    if not torch.cuda.is_available():
        return "Graphics processor: not run, none on this machine; the tests run the same path on the CPU."
    rows = torch.tensor(np.tile(fluxes, (1 + 200_000 // len(fluxes), 1)), device="cuda")

    def action() -> None:
        simulate_mids(program, rows)
        torch.cuda.synchronize()

    return f"{torch.cuda.get_device_name()}: {len(rows) / best_time(action, 3):,.0f} states/s forward in float32."


if __name__ == "__main__":
    main()
