"""Tracers meet the simulator: compiled programs for the experiments of a dataset."""

from functools import lru_cache

import numpy as np

from fluxkit.emu import Emu, EmuSystem, Program, build_program, decompose
from fluxkit.labeling.tracers import Tracers, input_mid
from fluxkit.networks import Fragment, Network


def input_mids(system: EmuSystem, tracers: Tracers, purity: float = 1.0) -> dict[Emu, np.ndarray]:
    """Return the MID of every input EMU under the tracers of one experiment.

    Where a fragment of the system tells isotopes apart, each MID has one axis for each of its elements.

    Parameters
    ----------
    system : EmuSystem
        The EMU balances.
    tracers : Tracers
        What is infused.
    purity : float
        Isotopic purity of every labeled position.
    """
    return {
        emu: input_mid(tracers, emu.metabolite, emu.atoms, purity, resolved=system.resolved) for emu in system.inputs
    }


@lru_cache(maxsize=64)
def labeling_program(
    network: Network, fragments: tuple[Fragment, ...], experiments: tuple[Tracers, ...], purity: float = 1.0
) -> Program:
    """Return the compiled simulator of some fragments under parallel experiments; cached.

    Parameters
    ----------
    network : Network
        The network.
    fragments : tuple of Fragment
        What is asked for.
    experiments : tuple of Tracers
        One per experiment.
    purity : float
        Isotopic purity of every labeled position.
    """
    system = decompose(network, fragments)
    return build_program(system, [input_mids(system, each, purity) for each in experiments])
