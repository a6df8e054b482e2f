"""A simulator that is ready: tracers and fragments are fixed, so that only fluxes go in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from fluxkit.emu import Program, simulate_mids
from fluxkit.errors import FluxkitError
from fluxkit.fluxes import directed_fluxes
from fluxkit.labeling import simulate
from fluxkit.labeling.isotopologues import isotope_texts
from fluxkit.labeling.meaning import resolve_measurement
from fluxkit.labeling.measurement import MeasurementModel, measurement_model
from fluxkit.labeling.programs import labeling_program
from fluxkit.labeling.tracers import labeled_elements, normalise_experiments
from fluxkit.networks import Network


@dataclass(frozen=True, eq=False)
class ReadySimulator:
    """Everything of a simulation that does not depend on the fluxes; made by :func:`ready_simulator`.

    Parameters
    ----------
    network : Network
        The network.
    experiments : tuple of str
        Names of the experiments.
    fragments, names : tuple of str
        Of each isotopologue: its fragment, and what it counts (``M+2``, ``13C2 15N1``).
    model : MeasurementModel
        From exact MIDs to what is measured.
    program : Program
        From directed fluxes to exact MIDs.
    weights : numpy.ndarray
        Shares and dilutions of the observation table, typical ones.
    """

    network: Network
    experiments: tuple[str, ...]
    fragments: tuple[str, ...]
    names: tuple[str, ...]
    model: MeasurementModel
    program: Program
    weights: np.ndarray


def ready_simulator(
    network: Network,
    state: xr.Dataset,
    tracers: str | Mapping[str, str],
    fragments: Sequence[str] | None = None,
) -> ReadySimulator:
    """Prepare the simulation of some fragments under some tracers.

    Parameters
    ----------
    network : Network
        The network.
    state : xarray.Dataset
        Any single flux state of it.
    tracers : str or mapping of str to str
        Tracers of one experiment, or of several by name.
    fragments : sequence of str, optional
        What is seen; by default the observation table of the network, and every balanced metabolite without one.

    Raises
    ------
    TracerError, LabelingError, UnknownNameError
        A tracer or a fragment cannot be understood.
    """
    experiments = normalise_experiments(tracers, network)
    if fragments is None:
        fragments = _seen(network, labeled_elements(experiments.values()) or "C")
    template = simulate(network, state, tracers, fragments=fragments)
    # which fragments get label depends on the state; which are asked for does not
    model = measurement_model(network, template.assign(mid=xr.ones_like(template["mid"])))
    typical = network.observations.typical_weights
    default = {name: 0.0 if name.startswith("dilution") else 0.5 for name in model.weight_names}
    texts = isotope_texts(template)
    names = [text or f"M+{shift}" for text, shift in zip(texts, template["mass_shift"].values, strict=True)]
    return ReadySimulator(
        network=network,
        experiments=tuple(experiments),
        fragments=tuple(map(str, template["fragment"].values)),
        names=tuple(names),
        model=model,
        program=labeling_program(network, model.fragments, tuple(experiments.values())),
        weights=np.array([typical.get(name, default[name]) for name in model.weight_names], dtype=float),
    )


def predicted_mids(ready: ReadySimulator, state: xr.Dataset) -> np.ndarray:
    """Return the labeling of one flux state, as :func:`fluxkit.simulate` does.

    Parameters
    ----------
    ready : ReadySimulator
        What is asked for.
    state : xarray.Dataset
        ``net_flux(reaction)`` and ``exchange_flux(reaction)`` that balance; this is not checked again.

    Returns
    -------
    numpy.ndarray
        Fractions, shape ``(experiment, isotopologue)``; NaN for a fragment that no flux supplies.
    """
    net, exchange = (state[name].values[None] for name in ("net_flux", "exchange_flux"))
    directed = directed_fluxes(ready.network, net, exchange[:, ready.network.reversible])
    mids = np.maximum(simulate_mids(ready.program, np.maximum(directed, 0.0)), 0.0)
    values = ready.model.predict(mids, ready.weights[None])[0]
    for start, stop in fragment_slices(ready.fragments):
        unlit = np.nansum(values[:, start:stop], axis=1) < 0.5
        values[unlit, start:stop] = np.nan
    return values


def fragment_slices(fragments: Sequence[str]) -> list[tuple[int, int]]:
    """Return where the isotopologues of each fragment begin and end.

    Parameters
    ----------
    fragments : sequence of str
        Fragment of each isotopologue.
    """
    starts = [i for i, name in enumerate(fragments) if i == 0 or fragments[i - 1] != name]
    return list(zip(starts, [*starts[1:], len(fragments)], strict=True))


def _seen(network: Network, elements: str) -> list[str] | None:
    """Return the names of the observation table that these tracers can label; None where there are none."""
    found: dict[tuple, tuple[tuple[bool, int], str]] = {}
    for name in network.observations:
        try:
            meaning = resolve_measurement(name, network, elements)
        except FluxkitError:  # the table also serves tracers of other elements
            continue
        pools = tuple((each.metabolite, each.atoms) for each in meaning.fragments)
        if meaning.external or not {element for _, atoms in pools for element, _ in atoms} & set(elements):
            continue
        # a table names some pools twice: plain names come before short ones, and long notes tell of second looks
        rank = (any(":" in each.name for each in meaning.fragments), len(network.observations[name].note))
        if pools not in found or rank < found[pools][0]:
            found[pools] = (rank, name)
    return [name for _, name in found.values()] or None
