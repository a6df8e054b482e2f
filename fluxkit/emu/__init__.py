"""How label flows through a network at metabolic steady state.

To follow it, read ``decomposition`` (where the atoms of a fragment come from) and ``balances`` (what that makes of its
MID). ``elimination`` solves the balances on symbols; ``tape`` holds the straight-line program that is left; the rest
runs it fast, differentiates it, and keeps its machine code.
"""

from fluxkit.emu.decomposition import Emu, EmuSystem, decompose
from fluxkit.emu.derivatives import gradient, tangent
from fluxkit.emu.engine import (
    jacobian,
    pull_back,
    push_forward,
    simulate_mids,
)
from fluxkit.emu.kernels import Kernel, kernel
from fluxkit.emu.program import Program, build_program
from fluxkit.emu.running import run_tape, share_out, thread_count, thread_pool
from fluxkit.emu.tape import Slot, Tape, TapeBuilder

__all__ = [
    "Emu",
    "EmuSystem",
    "Kernel",
    "Program",
    "Slot",
    "Tape",
    "TapeBuilder",
    "build_program",
    "decompose",
    "gradient",
    "jacobian",
    "kernel",
    "pull_back",
    "push_forward",
    "run_tape",
    "share_out",
    "simulate_mids",
    "tangent",
    "thread_count",
    "thread_pool",
]
