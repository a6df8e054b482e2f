"""Labeling simulations and gradients per second, beside a dense batched solve in torch.

The same network, fragments and tracers; every MID of both is compared before any time is taken. The dense solve keeps
one linear system per EMU block, batched over flux states, and differentiates by the implicit adjoint of torch.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from machine import describe_machine, write_section

import fluxkit
from fluxkit.emu import EmuSystem, jacobian, pull_back, simulate_mids
from fluxkit.emu.decomposition import Emu
from fluxkit.fluxes import directed_fluxes
from fluxkit.labeling import parse_tracers
from fluxkit.labeling.meaning import resolve_measurement
from fluxkit.labeling.programs import input_mids, labeling_program

TRACERS = ("Glc_x: 100% [1,2-13C2]", "Glc_x: 50% [U-13C6]", "Gln_x: 100% [U-13C5]")


class DenseSolver:
    """Block by block: A(v) X = B(v) Y with torch.linalg.solve, batched over flux states."""

    def __init__(self, system: EmuSystem, inputs: list[dict[Emu, np.ndarray]]):
        self.system, self.inputs = system, inputs

    def __call__(self, fluxes: torch.Tensor) -> torch.Tensor:
        """Return MIDs ``(state, experiment, value)`` of directed fluxes ``(state, directed flux)``."""
        known = {
            (emu,): torch.tensor(np.array([each[emu] for each in self.inputs])).expand(len(fluxes), -1, -1)
            for emu in self.system.inputs
        }

        def mids(source):
            if source not in known:
                left, right = known[source[:1]], mids(source[1:])
                parts = [left[..., i : i + 1] * right for i in range(left.shape[-1])]
                total = torch.zeros(*right.shape[:-1], left.shape[-1] + right.shape[-1] - 1, dtype=right.dtype)
                for i, part in enumerate(parts):
                    total[..., i : i + right.shape[-1]] += part
                known[source] = total
            return known[source]

        for block in self.system.blocks:
            index = {(emu,): i for i, emu in enumerate(block)}
            matrix = torch.zeros(len(fluxes), len(block), len(block), dtype=fluxes.dtype)
            size = len(block[0].atoms) + 1
            right = torch.zeros(len(fluxes), len(block), len(self.inputs), size, dtype=fluxes.dtype)
            for i, emu in enumerate(block):
                for source, carried in self.system.balances[emu].items():
                    weight = sum(coefficient * fluxes[:, flux] for flux, coefficient in carried.items())
                    matrix[:, i, i] += weight
                    if source in index:
                        matrix[:, i, index[source]] -= weight
                    else:
                        right[:, i] += weight[:, None, None] * mids(source)
            solved = torch.linalg.solve(matrix, right.flatten(2)).reshape(right.shape)
            for i, emu in enumerate(block):
                known[(emu,)] = solved[:, i]
        return torch.cat([mids(target) for target in self.system.targets], dim=-1)


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


def main() -> None:
    """Check agreement, take times, write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--dense-batch", type=int, default=100)
    options = parser.parse_args()
    network = fluxkit.load_network("ccm")
    names = [name for name in network.observations if network.observations[name].sd is not None and ":N" not in name]
    fragments = tuple(dict.fromkeys(f for name in names for f in resolve_measurement(name, network).fragments))
    tracers = tuple(parse_tracers(text, network) for text in TRACERS)
    begin = time.perf_counter()
    program = labeling_program(network, fragments, tracers)
    built = time.perf_counter() - begin
    fluxes = states(network, options.batch)
    dense = DenseSolver(program.system, [input_mids(program.system, each) for each in tracers])
    few = torch.tensor(fluxes[: options.dense_batch])
    difference = float(np.abs(dense(few).numpy() - simulate_mids(program, few.numpy())).max())
    if difference > 1e-9:
        raise SystemExit(f"the two solvers disagree by {difference:.1e}; no times are taken")
    weights = np.random.default_rng(0).standard_normal((options.batch, *program.outputs.shape))
    rows = np.eye(program.outputs.size).reshape(-1, *program.outputs.shape)

    def dense_gradient(count: int) -> None:
        leaf = few[:count].clone().requires_grad_()
        (dense(leaf) * torch.tensor(weights[:count])).sum().backward()

    table = [
        ("forward, batch", options.batch / best_time(lambda: simulate_mids(program, fluxes)),
         len(few) / best_time(lambda: dense(few), 3), "states/s"),
        ("gradient of a scalar, batch", options.batch / best_time(lambda: pull_back(program, fluxes, weights), 3),
         len(few) / best_time(lambda: dense_gradient(len(few)), 2), "states/s"),
        ("one state", 1e6 * best_time(lambda: simulate_mids(program, fluxes[:1]), 50),
         1e6 * best_time(lambda: dense(few[:1]), 5), "us"),
        ("full Jacobian, one state (torch: one gradient per row)",
         1e3 * best_time(lambda: jacobian(program, fluxes[0], rows), 20),
         1e3 * len(rows) * best_time(lambda: dense_gradient(1), 3), "ms"),
    ]  # fmt: skip
    lines = [
        f"ccm with the pools of {len(names)} measurements ({program.outputs.shape[1]} values) under three parallel "
        f"tracers, float64; {len(program.system.balances)} EMUs in {len(program.system.blocks)} blocks, "
        f"{len(program.operations)} operations per state; {describe_machine()}. Batches of {options.batch:,} (dense: "
        f"{options.dense_batch:,}); the two agree within {difference:.0e}. Decomposing and eliminating took "
        f"{built:.2f} s; the engine is compiled once per installation.",
        "",
        "| figure | fluxkit | dense batched torch | ratio |",
        "|---|---|---|---|",
    ]
    for name, own, other, unit in table:
        ratio = own / other if unit == "states/s" else other / own
        own_text, other_text = (f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in (own, other))
        lines.append(f"| {name} | {own_text} {unit} | {other_text} {unit} | {ratio:.0f} |")
    write_section("Simulator", "\n".join(lines))


if __name__ == "__main__":
    main()
