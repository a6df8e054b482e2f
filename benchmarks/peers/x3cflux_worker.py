"""Simulate flux states with x3cflux and time it; run by the Python of its own environment, never by fluxkit's.

``python -I x3cflux_worker.py FOLDER`` reads ``model.fml`` (one configuration per experiment), ``request.json``
(names of the experiments, number of mass shifts of groups f0, f1, ..., how often each time is taken) and
``states.npz`` (names of the FluxML reactions; net and exchange fluxes, state by reaction). It writes ``mids.npz``: MIDs
(state, experiment, value), groups in the order f0, f1, ...; and ``timings.json``.

How a flux state is handed over: x3cflux chooses which fluxes are free (``R.n`` net, ``R.x`` exchange =
min(forward, backward), both in the flux unit) and computes the others from the mass balances. The free ones are taken
from the state, and the ones that it computes are compared with the state.
"""

import json
import multiprocessing
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import x3cflux

GRADIENT_STATES = 50
BATCH_STATES = 2000


class Model:
    """The simulator of all experiments at once, with the order of its outputs put right."""

    def __init__(self, path, experiments, sizes, method):
        self.simulator = x3cflux.create_simulator_from_fml(str(path), list(experiments), method)
        # Groups come in hash order: where in (experiment, value) does each returned value belong?
        starts = np.concatenate([[0], np.cumsum(sizes)])
        names, indices = self.simulator.measurement_names[0], self.simulator.measurement_multi_indices[0]
        self.shape = (len(experiments), int(starts[-1]))
        self.target = np.concatenate(
            [
                experiment * starts[-1] + np.arange(starts[int(name[1:])], starts[int(name[1:]) + 1])
                for name, experiment in zip(names, indices, strict=True)
            ]
        )

    def parameters(self, columns):
        """Return free parameters, shape (free parameter, state), and the error of those that x3cflux computes."""
        space = self.simulator.parameter_space
        free = np.stack([columns[name] for name in space.free_parameter_names])
        wanted = np.stack([columns[name] for name in space.parameter_names], axis=1)
        computed = np.stack([space.compute_parameters(each) for each in free.T])
        return np.asfortranarray(free), float(np.abs(computed - wanted).max())

    def mids(self, parameters):
        """Return MIDs of shape (state, experiment, value)."""
        mids = np.empty((parameters.shape[1], len(self.target)))
        for row, each in zip(mids, parameters.T, strict=True):
            row[self.target] = np.concatenate(self.simulator.compute_measurements(each)[0])
        return mids.reshape(-1, *self.shape)

    def check_losses(self, parameters, mids):
        """Refuse if the calls for many states do not simulate what the calls for one state simulate."""
        source = self.simulator.measurement_data, self.simulator.measurement_standard_deviations
        data, sd = (np.concatenate(each[0]) for each in source)
        wanted = np.square((mids.reshape(len(mids), -1)[:, self.target] - data) / sd).sum(axis=1)
        if not np.allclose(self.simulator.compute_loss(parameters), wanted, rtol=1e-9):
            raise ValueError("compute_loss of many states is not the sum of squares of compute_measurements.")


def best_time(action, repeats):
    """Return the shortest of several runs after one that does not count, in seconds."""
    action()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return min(times)


def best_with_threads(cores, action, repeats):
    """Return the shortest time with one OpenMP thread or with one per core, in seconds."""
    times = []
    for count in {1, cores}:
        x3cflux.omp.num_threads = count
        times.append(best_time(action, repeats))
    return min(times)


def _start_process(*arguments):
    global MODEL
    x3cflux.omp.num_threads = 1
    MODEL = Model(*arguments)


def _call_in_process(name, parameters):
    return MODEL.mids(parameters) if name == "compute_measurements" else getattr(MODEL.simulator, name)(parameters)


def batch_rates(model, pool, cores, parameters, names, repeats):
    """Return states per second of each way to do a calculation for many states with all cores.

    ``compute_loss`` and ``compute_loss_gradient`` take many states and have threads of their own;
    ``compute_measurements`` takes one state.
    """
    parts = np.array_split(parameters, cores, axis=1)
    times = {}
    for name in names:
        if name != "compute_measurements":
            call = getattr(model.simulator, name)
            times[f"{name}, {cores} threads"] = best_with_threads(cores, lambda call=call: call(parameters), repeats)
        tasks = [(name, each) for each in parts]
        times[f"{name}, {cores} processes"] = best_time(
            lambda tasks=tasks: pool.starmap(_call_in_process, tasks, chunksize=1), repeats
        )
    return {way: parameters.shape[1] / seconds for way, seconds in times.items()}


def read_columns(path):
    """Return the flux of every parameter name of x3cflux in all states."""
    states = np.load(path)
    columns = {}
    for suffix, fluxes in (("n", states["net"]), ("x", states["exchange"])):
        columns |= {f"{name}.{suffix}": fluxes[:, i] for i, name in enumerate(states["reactions"])}
    return columns


def fastest_model(arguments, columns):
    """Return the faster of the EMU and the cumomer simulator, its method, and the seconds to its first MIDs."""
    trials = {}
    for method in ("emu", "cumomer"):
        begin = time.perf_counter()
        model = Model(*arguments, method=method)
        built = time.perf_counter() - begin
        first = model.parameters({name: values[:1] for name, values in columns.items()})[0][:, 0].copy()
        begin = time.perf_counter()
        model.simulator.compute_measurements(first)
        built += time.perf_counter() - begin
        took = best_time(lambda model=model, first=first: model.simulator.compute_measurements(first), 20)
        trials[took] = model, method, built
    return trials[min(trials)]


def main():
    """Check, take times, write both."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text())
    columns = read_columns(folder / "states.npz")
    repeats = request["repeats"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    arguments = (folder / "model.fml", request["experiments"], request["sizes"])
    model, method, built = fastest_model(arguments, columns)
    parameters, error = model.parameters(columns)
    mids = model.mids(parameters)
    np.savez(folder / "mids.npz", mids=mids)
    model.check_losses(parameters, mids)

    simulator, first = model.simulator, parameters[:, 0].copy()
    timings = {
        "version": version("x3cflux"),
        "method": method,
        "cores": cores,
        "built_s": built,
        "parameter_error": error,
        "jacobian_shape": np.shape(simulator.compute_jacobian(first)),
        "one_state_s": best_with_threads(cores, lambda: simulator.compute_measurements(first), repeats["one"]),
        "jacobian_s": best_with_threads(cores, lambda: simulator.compute_jacobian(first), repeats["jacobian"]),
        "batch_states": min(BATCH_STATES, parameters.shape[1]),
        "gradient_states": min(GRADIENT_STATES, parameters.shape[1]),
    }
    # spawn: a forked child of a process that has used OpenMP may hang
    with multiprocessing.get_context("spawn").Pool(cores, _start_process, (*arguments, method)) as pool:
        for key, count, names in (
            ("states_per_s", BATCH_STATES, ("compute_loss", "compute_measurements")),
            ("gradients_per_s", GRADIENT_STATES, ("compute_loss_gradient",)),
        ):
            timings[key] = batch_rates(model, pool, cores, parameters[:, :count], names, repeats["batch"])
    (folder / "timings.json").write_text(json.dumps(timings, indent=1))


if __name__ == "__main__":
    main()
