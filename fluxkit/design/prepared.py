"""Many tracers, one question: what does not depend on the tracer is drawn and compiled once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import xarray as xr

from fluxkit.design.criteria import information_gain
from fluxkit.design.experiments import ALL, Question, make_question, seen_elements
from fluxkit.design.information import fisher_information, mids_with_jacobian
from fluxkit.errors import LabelingError, TracerError, UnknownNameError, suggest
from fluxkit.labeling import NoiseModel, Tracers
from fluxkit.networks import Network


@dataclass(frozen=True, eq=False)
class PreparedDesign:
    """A question that is asked of one tracer after another; each set of labeled elements is compiled when it comes.

    Parameters
    ----------
    network : Network
        The network.
    fluxes : tuple of str
        Every flux that may be of interest, as for :func:`fluxkit.design_tracers`.
    measurements : tuple of str or None
        Everything that may be measured; None for all that the network can.
    draws, seed, prior, states, noise, natural_abundance, rates, rate_unit
        As for :func:`fluxkit.design_tracers`.
    questions : dict of str to Question
        Those that were asked already, by labeled elements.
    """

    network: Network
    fluxes: tuple[str, ...]
    measurements: tuple[str, ...] | None = None
    draws: int = 32
    seed: int = 0
    prior: str = "targets"
    states: xr.Dataset | None = None
    noise: NoiseModel | float = NoiseModel()  # noqa: RUF009, a frozen record
    natural_abundance: str = ""
    rates: Mapping[str, float] | None = None
    rate_unit: str = ""
    questions: dict[str, Question] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of flux states that are averaged over."""
        if self.states is None:
            return self.draws
        return int(self.states["net_flux"].size // len(self.network.reactions))

    def question(self, elements: str) -> Question:
        """Return the question for tracers that label some elements of any input pools.

        Parameters
        ----------
        elements : str
            In the order C, N, H: ``"CN"``.
        """
        if elements not in self.questions:
            counts = self.network.atom_counts
            pools = [pool for pool in self.network.inputs if set(elements) & set(counts[pool])]
            atoms = {pool: frozenset((e, 0) for e in elements if counts[pool].get(e)) for pool in pools}
            every = Tracers({pool: ((0.5, each),) for pool, each in atoms.items()}, f"any {elements}")
            self.questions[elements] = make_question(
                self.network, [every], self.fluxes, self.measurements, draws=self.draws, seed=self.seed,
                prior=self.prior, states=self.states, noise=self.noise, purity=1.0,
                natural_abundance=self.natural_abundance, rates=self.rates, rate_unit=self.rate_unit,
            )  # fmt: skip
        return self.questions[elements]

    def measurable(self, elements: str) -> tuple[str, ...]:
        """Return the measurements that see some of these labeled elements.

        Parameters
        ----------
        elements : str
            In the order C, N, H.
        """
        reader = self.question(elements).readers[elements]
        found = reader.measurements if reader is not None else ()
        return tuple(each.name for each in found if {e for e, _ in each.fragments[0].atoms} & set(elements))


@dataclass(frozen=True, eq=False)
class Expectation:
    """What an experiment is expected to show and to tell, at each flux state.

    Parameters
    ----------
    mids : mapping of str to numpy.ndarray
        Predicted MIDs of what is measured, shape ``(state, isotopologue)``.
    names : mapping of str to tuple of str
        What each isotopologue counts: ``M+2``, or ``13C2 15N1`` where isotopes are told apart.
    width, prior_width : numpy.ndarray
        Standard deviation of each flux a posteriori and a priori, shape ``(state, flux)``, in its unit.
    information_gain : numpy.ndarray
        Of all fluxes together, in nats, shape ``(state,)``.
    units : tuple of str
        Unit of each flux; decades for an exchange flux.
    """

    mids: dict[str, np.ndarray]
    names: dict[str, tuple[str, ...]]
    width: np.ndarray
    prior_width: np.ndarray
    information_gain: np.ndarray
    units: tuple[str, ...]


def expect(
    prepared: PreparedDesign,
    tracers: Tracers,
    fluxes: Sequence[str],
    measurements: Sequence[str] | None = None,
    purity: float = 1.0,
) -> Expectation:
    """Predict the labeling of one experiment, and how well it will determine some fluxes.

    Parameters
    ----------
    prepared : PreparedDesign
        The question.
    tracers : Tracers
        What is infused.
    fluxes : sequence of str
        Fluxes of interest, among those of the question.
    measurements : sequence of str, optional
        What is measured, among what the question knows; all of it by default. What holds no atom of a labeled element
        is left out.
    purity : float
        Isotopic purity of every labeled position, 0 to 1.

    Raises
    ------
    UnknownNameError, TracerError, LabelingError
        A flux is not among those of the question, or none is named; a percentage is open; nothing measured sees
        the label.
    """
    if tracers.unknown:
        raise TracerError(f"{tracers.text!r} leaves a percentage open; a design needs a number.")
    elements = seen_elements(tracers)
    question = asked(prepared, elements, fluxes, measurements)
    (chosen,) = question.sets.values()
    reader = question.readers[elements]
    if reader is None or not chosen:
        raise LabelingError(
            f"nothing that is measured holds an atom of {' or '.join(elements)}, which {tracers.text!r} labels; "
            "measure more, or label other atoms."
        )
    inputs = reader.inputs(tracers, purity)
    values, slopes = mids_with_jacobian(question.states, reader, inputs, question.spread[elements])
    information = fisher_information(values, slopes, reader, question.noise, [chosen])[0]
    covariance = question.covariance(information)
    before = question.prior_width
    texts = {m.name: tuple(text or f"M+{shift}" for shift, text in m.isotopologues) for m in reader.measurements}
    return Expectation(
        mids={name: values[:, reader.columns[name]] for name in chosen},
        names={name: texts[name] for name in chosen},
        width=np.minimum(np.sqrt(np.einsum("nkk->nk", covariance)), before),  # rounding must not widen
        prior_width=before,
        information_gain=information_gain(covariance, question.gradients),
        units=tuple(each.units for each in question.targets),
    )


def asked(
    prepared: PreparedDesign, elements: str, fluxes: Sequence[str], measurements: Sequence[str] | None = None
) -> Question:
    """Return the question about some of the fluxes, seen through some of the measurements.

    Parameters
    ----------
    prepared : PreparedDesign
        The question about all of them.
    elements : str
        Labeled elements, in the order C, N, H.
    fluxes, measurements
        As for :func:`expect`.

    Raises
    ------
    UnknownNameError
        A flux or a measurement is not among those of the question.
    """
    known = list(prepared.fluxes)
    if not fluxes:
        raise UnknownNameError("no flux of interest is chosen; choose at least one.")
    for name in fluxes:
        if name not in known:
            raise UnknownNameError(f"flux {name!r} is not among those that can be chosen. {suggest(name, known)}")
    question = prepared.question(elements)
    rows = [known.index(name) for name in fluxes]
    seen = prepared.measurable(elements)
    chosen = seen if measurements is None else tuple(each for each in seen if each in set(measurements))
    return replace(
        question,
        targets=tuple(question.targets[row] for row in rows),
        gradients=np.ascontiguousarray(question.gradients[:, rows]),
        sets={ALL: chosen},
    )
