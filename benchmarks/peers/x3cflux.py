"""The same simulations by 13CFLUX v3 (x3cflux), in an environment of its own: agreement first, then its times.

13CFLUX (doi:10.1093/bioinformatics/btaf630) is under the AGPL: fluxkit neither imports nor ships it. This module writes
FluxML from fluxkit's network, starts x3cflux in its own process, and reads numbers back.

``cd benchmarks && python -m peers.x3cflux`` prints agreement and figures for ccm.
"""

import argparse
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cases import TRACERS, problem, states
from peers.environment import CACHE, x3cflux_python
from peers.fluxml import split_fluxes, write_fluxml
from timing import REPEATS

from fluxkit.emu import simulate_mids
from fluxkit.labeling import parse_tracers
from fluxkit.labeling.programs import labeling_program
from fluxkit.networks import Fragment, Network, load_network

TOLERANCE = 1e-9
NOT_RUN = "not run: x3cflux could not be installed"


@dataclass(frozen=True)
class Figures:
    """What x3cflux does in the fastest of its ways that were tried, best of several runs.

    Parameters
    ----------
    version : str
        Version of x3cflux.
    difference : float
        Largest difference from fluxkit over all states, experiments and mass shifts.
    states_per_second, way : float, str
        Simulations of all experiments of many flux states, and by which calls; ``compute_loss`` simulates and returns
        only the sum of squares.
    measured_per_second : float
        The same where every MID is returned.
    gradients_per_second : float
        Gradients of the sum of squares with respect to the free fluxes, many flux states.
    one_state_us, jacobian_ms : float
        One state; its Jacobian with respect to the free fluxes.
    jacobian_shape : tuple of int
        Values of all experiments, free fluxes.
    built_s : float
        Reading the model, reducing it to what is measured, and simulating the first state.
    batch_states, gradient_states, cores : int
        How many states the rates and the gradients were taken on, and how many cores.
    """

    version: str
    difference: float
    states_per_second: float
    way: str
    measured_per_second: float
    gradients_per_second: float
    one_state_us: float
    jacobian_ms: float
    jacobian_shape: tuple[int, int]
    built_s: float
    batch_states: int
    gradient_states: int
    cores: int


def measure(
    network: Network, fragments: Sequence[Fragment], tracers: Sequence[str], fluxes: np.ndarray
) -> Figures | None:
    """Compare every MID with fluxkit's, then return the times of x3cflux; ``None`` where it cannot be installed.

    Parameters
    ----------
    network : Network
        The network.
    fragments : sequence of Fragment
        Carbon fragments, each of one pool.
    tracers : sequence of str
        One text per parallel experiment.
    fluxes : numpy.ndarray
        Directed fluxes, shape ``(state, directed flux)``.

    Raises
    ------
    SystemExit
        x3cflux fails, or the two disagree; no times are taken then.
    """
    python = x3cflux_python()
    if python is None:
        return None
    folder = CACHE / "x3cflux"
    folder.mkdir(parents=True, exist_ok=True)
    parsed = tuple(parse_tracers(text, network) for text in tracers)
    experiments = {f"e{i}": each for i, each in enumerate(parsed)}
    write_fluxml(folder / "model.fml", network, fragments, experiments)
    sizes = [each.size + 1 for each in fragments]
    request = {"experiments": list(experiments), "sizes": sizes, "repeats": REPEATS}
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    _write_states(folder / "states.npz", network, fluxes)
    # -I: otherwise the worker would import this file as x3cflux
    command = [str(python), "-I", str(Path(__file__).with_name("x3cflux_worker.py")), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"x3cflux failed:\n{done.stderr.strip()[-1000:]}")
    timings = json.loads((folder / "timings.json").read_text(encoding="utf-8"))
    if not timings["parameter_error"] <= TOLERANCE * np.abs(fluxes).max():
        raise SystemExit(f"x3cflux balances the fluxes otherwise, by {timings['parameter_error']:.1e}; no times")
    own = simulate_mids(labeling_program(network, tuple(fragments), parsed), fluxes)
    difference = float(np.abs(np.load(folder / "mids.npz")["mids"] - own).max())
    if not difference <= TOLERANCE:  # also where one is NaN
        raise SystemExit(f"x3cflux and fluxkit disagree by {difference:.1e}; no times")
    return _figures(timings, difference)


def _write_states(path: Path, network: Network, fluxes: np.ndarray) -> None:
    """Write net flux and exchange flux = min(forward, backward), which both programs mean by the word."""
    forward = fluxes[:, : len(network.reactions)]
    backward = np.zeros_like(forward)
    backward[:, network.reversible] = fluxes[:, len(network.reactions) :]
    reactions, net = split_fluxes(network, forward - backward)
    _, exchange = split_fluxes(network, np.minimum(forward, backward))
    np.savez(path, reactions=reactions, net=net, exchange=exchange)


def _figures(timings: dict, difference: float) -> Figures:
    rates = timings["states_per_s"]
    way = max(rates, key=rates.get)
    return Figures(
        version=timings["version"],
        difference=difference,
        states_per_second=rates[way],
        way=f"{timings['method'].upper()}, {way}",
        measured_per_second=max(rate for name, rate in rates.items() if "compute_measurements" in name),
        gradients_per_second=max(timings["gradients_per_s"].values()),
        one_state_us=1e6 * timings["one_state_s"],
        jacobian_ms=1e3 * timings["jacobian_s"],
        jacobian_shape=tuple(timings["jacobian_shape"]),
        built_s=timings["built_s"],
        batch_states=timings["batch_states"],
        gradient_states=timings["gradient_states"],
        cores=timings["cores"],
    )


def main() -> None:
    """Print agreement and figures for the case of the simulator benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=1000)
    options = parser.parse_args()
    network = load_network("ccm")
    fragments, _ = problem(network)
    figures = measure(network, fragments, tuple(TRACERS.values()), states(network, options.states))
    if figures is None:
        raise SystemExit(NOT_RUN)
    print(f"{options.states} states, {len(TRACERS)} experiments, {len(fragments)} fragments of ccm")
    for name, value in vars(figures).items():
        print(f"{name:>22}: {value:.4g}" if isinstance(value, float) else f"{name:>22}: {value}")


if __name__ == "__main__":
    main()
