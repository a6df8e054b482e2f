"""One design question: which fluxes are of interest, at which flux states, seen through which measurements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from fluxkit.design.criteria import posterior_covariance
from fluxkit.design.flux_targets import FluxTarget, flux_targets, target_gradients
from fluxkit.design.information import experiment_information
from fluxkit.design.open_fractions import open_information
from fluxkit.design.rate_information import rate_information
from fluxkit.design.readings import Readings, readings
from fluxkit.design.states import DesignStates, design_states
from fluxkit.errors import LabelingError
from fluxkit.fluxes import flux_space
from fluxkit.labeling import NoiseModel, Tracers
from fluxkit.networks import Network

MeasurementSets = Mapping[str, Sequence[str]] | Sequence[str] | None
ALL = "all"
"""Name of the measurement set where none is named."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be known, of which states, seen through which measurements.

    Parameters
    ----------
    network : Network
        The network.
    targets : tuple of FluxTarget
        The fluxes of interest.
    sets : mapping of str to tuple of str, or None
        Measurements by name of their set; None is everything that can be measured.
    readers : mapping of str to Readings or None
        By labeled elements.
    states : DesignStates
        Flux states.
    gradients : numpy.ndarray
        Of the targets, shape ``(state, target, coordinate)``.
    noise : NoiseModel
        Standard deviation of a MID value.
    purity : float
        Isotopic purity of every labeled position.
    spread : mapping of str to numpy.ndarray or None
        What natural isotopes make of the MIDs, by labeled elements.
    rates : numpy.ndarray or float
        Information of measured rates, shape ``(state, coordinate, coordinate)``; 0 without any.
    seed : int
        Seed of the parts of pools that tracers leave open.
    """

    network: Network
    targets: tuple[FluxTarget, ...]
    sets: Mapping[str, tuple[str, ...] | None]
    readers: Mapping[str, Readings | None]
    states: DesignStates
    gradients: np.ndarray
    noise: NoiseModel
    purity: float
    spread: Mapping[str, np.ndarray | None]
    rates: np.ndarray | float
    seed: int

    @property
    def prior_width(self) -> np.ndarray:
        """Standard deviation of the targets a priori, shape ``(state, target)``, in their units."""
        return np.linalg.norm(self.gradients, axis=2)

    def information(self, tracers: Tracers) -> np.ndarray:
        """Return the information of one experiment, shape ``(set, state, coordinate, coordinate)``.

        Parameters
        ----------
        tracers : Tracers
            What is infused.
        """
        reader, size = self.readers[seen_elements(tracers)], self.states.size
        if reader is None:
            return np.zeros((len(self.sets), len(self.states), size, size))
        sets, spread = list(self.sets.values()), self.spread[seen_elements(tracers)]
        if tracers.unknown:
            return open_information(self.states, reader, tracers, self.purity, self.noise, sets, spread, self.seed)
        inputs = reader.inputs(tracers, self.purity)
        return experiment_information(self.states, reader, inputs, self.noise, sets, spread)

    def covariance(self, information: np.ndarray) -> np.ndarray:
        """Return the posterior covariance of the targets, measured rates included, shape ``(state, target, target)``.

        Parameters
        ----------
        information : numpy.ndarray
            Of all experiments together, shape ``(state, coordinate, coordinate)``.
        """
        return posterior_covariance(information + self.rates, self.gradients)

    def measured(self, tracers: Tracers, name: str) -> tuple[str, ...]:
        """Return which measurements of a set can see the tracers of an experiment.

        Parameters
        ----------
        tracers : Tracers
            What is infused.
        name : str
            Name of the set.
        """
        reader, names = self.readers[seen_elements(tracers)], self.sets[name]
        known = tuple(reader.columns) if reader is not None else ()
        return known if names is None else tuple(each for each in names if each in known)


def seen_elements(tracers: Tracers) -> str:
    """Return the elements through which an experiment is seen: those that are labeled, carbon where none is."""
    return tracers.labeled_elements or "C"


def make_question(
    network: Network,
    experiments: Sequence[Tracers],
    fluxes_of_interest: Sequence[str] | str | None,
    measurements: MeasurementSets,
    *,
    draws: int,
    seed: int,
    prior: str,
    states: xr.Dataset | None,
    noise: NoiseModel | float,
    purity: float,
    natural_abundance: str = "",
    rates: Mapping[str, float] | None = None,
    rate_unit: str = "",
) -> Question:
    """Compile what is measured, draw the states, and linearise the fluxes of interest.

    Parameters
    ----------
    network : Network
        The network.
    experiments : sequence of Tracers
        Every experiment that will be asked about.
    fluxes_of_interest, measurements, draws, seed, prior, states, noise, purity
        As for :func:`fluxkit.design_tracers`.
    natural_abundance, rates, rate_unit
        The same.
    """
    space = flux_space(network, prior)
    targets = flux_targets(network, space.free if fluxes_of_interest is None else fluxes_of_interest)
    sets = _measurement_sets(measurements)
    named = [each for each in sets.values() if each is not None]
    names = tuple(dict.fromkeys(each for part in named for each in part)) if named else None
    groups: dict[str, list[Tracers]] = {}
    for each in experiments:
        groups.setdefault(seen_elements(each), []).append(each)
    readers = {
        elements: readings(network, names, elements, _labeled_pools(network, group))
        for elements, group in groups.items()
    }
    seen = dict.fromkeys(name for each in readers.values() if each is not None for name in each.weight_names)
    drawn = design_states(network, sorted(seen), draws, seed, prior, states)
    shown = target_gradients(targets, drawn.space, drawn.net, drawn.exchange_sd, drawn.decades)
    gradients = np.zeros((len(drawn), len(targets), drawn.size))
    gradients[..., : shown.shape[2]] = shown
    model = noise if isinstance(noise, NoiseModel) else NoiseModel(float(noise), 0.0, 0.0)
    return Question(
        network, targets, sets, readers, drawn, gradients, model, purity,
        spread={each: None if one is None else one.spread(natural_abundance) for each, one in readers.items()},
        rates=0.0 if rates is None else rate_information(drawn, rates, rate_unit),
        seed=seed,
    )  # fmt: skip


def _labeled_pools(network: Network, group: Sequence[Tracers]) -> tuple[str, ...]:
    named = {pool for each in group for pool in each.labeled_pools}
    return tuple(pool for pool in network.inputs if pool in named)


def _measurement_sets(measurements: MeasurementSets) -> dict[str, tuple[str, ...] | None]:
    if measurements is None:
        return {ALL: None}
    if isinstance(measurements, str):
        raise LabelingError(f"measurements must be a list of names, not the text {measurements!r}; write [...].")
    given = measurements if isinstance(measurements, Mapping) else {ALL: measurements}
    for name, each in given.items():
        if isinstance(each, str) or not list(each):
            raise LabelingError(f"measurement set {name!r} is {each!r}; give a list of at least one measured name.")
        if len(set(each)) < len(list(each)):
            raise LabelingError(f"measurement set {name!r} names a fragment twice; name each once.")
    if not given:
        raise LabelingError("no measurement set is given; leave measurements out for everything that can be measured.")
    return {str(name): tuple(each) for name, each in given.items()}
