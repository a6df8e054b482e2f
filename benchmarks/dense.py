"""The simulator to compare with: one dense linear system per EMU block, batched over flux states, in torch."""

import numpy as np
import torch

from fluxkit.emu import EmuSystem
from fluxkit.emu.decomposition import Emu


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
