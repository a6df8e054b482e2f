"""How label flows through a network at metabolic steady state."""

from fluxkit.emu.decomposition import Emu, EmuSystem, decompose
from fluxkit.emu.engine import jacobian, pull_back, push_forward, simulate_mids, simulate_with_pullback
from fluxkit.emu.program import Program, build_program

__all__ = [
    "Emu",
    "EmuSystem",
    "Program",
    "build_program",
    "decompose",
    "jacobian",
    "pull_back",
    "push_forward",
    "simulate_mids",
    "simulate_with_pullback",
]
