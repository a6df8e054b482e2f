"""The error of simulated labeling against the balance of every isotopomer, which knows nothing of EMUs."""

import sys
from pathlib import Path

import numpy as np

from fluxkit.emu import Program, simulate_mids
from fluxkit.labeling import Tracers
from fluxkit.networks import Network

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.emu.isotopomer_balance import atoms_of, marginal_mid, solve_isotopomers


def error_against_isotopomers(
    network: Network, program: Program, tracers: tuple[Tracers, ...], fluxes: np.ndarray, dtype: str
) -> float:
    """Return the largest difference over all MIDs of some states."""
    worst = 0.0
    found = simulate_mids(program, fluxes, dtype=dtype)
    for experiment, each in enumerate(tracers):
        pools = {pool: _isotopomers(network, each, pool) for pool in network.inputs}
        for k, state in enumerate(fluxes):
            solved = solve_isotopomers(network, state, pools, "C")
            place = 0
            for fragment in program.system.fragments:
                atoms = atoms_of(network, fragment.metabolite, "C")
                expected = marginal_mid(solved[fragment.metabolite], atoms, fragment.atoms)
                values = found[k, experiment, place : place + fragment.size + 1]
                worst = max(worst, float(np.abs(values - expected).max()))
                place += fragment.size + 1
    return worst


def _isotopomers(network: Network, tracers: Tracers, pool: str) -> np.ndarray:
    """Return the distribution over the carbon isotopomers of an input pool; labeled positions are pure."""
    atoms = atoms_of(network, pool, "C")
    result = np.zeros(1 << len(atoms))
    result[0] = 1.0
    for share, labeled in tracers.pools.get(pool, ()):
        mask = sum(1 << i for i, atom in enumerate(atoms) if atom in labeled)
        result[mask] += share
        result[0] -= share
    return result
