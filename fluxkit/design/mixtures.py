"""The best mixture of tracers, anywhere between them: continuous optimisation of their fractions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import xarray as xr
from scipy.optimize import LinearConstraint, minimize

from fluxkit.design.criteria import information_gain
from fluxkit.design.experiments import Question, make_question, seen_elements
from fluxkit.design.information import experiment_information
from fluxkit.errors import TracerError
from fluxkit.labeling import NoiseModel, Tracers, parse_tracers
from fluxkit.labeling.label_text import format_label
from fluxkit.networks import Network

CRITERIA = ("information_gain", "mean_relative_variance")
_STEP = 1e-4  # of a fraction, for the differences that make the gradient
_SMALLEST = 5e-4  # of a fraction: below it a tracer is not worth weighing in
_STARTS = 3


@dataclass(frozen=True)
class MixtureDesign:
    """The best mixture that was found, and the best of the pure tracers beside it.

    Parameters
    ----------
    tracers : tuple of str
        Tracer text of each experiment.
    fractions : tuple of mapping of str to float
        Fraction of each tracer in its pool, 0 to 1, for each experiment; the rest of a pool is unlabeled.
    criterion : str
        What was optimised.
    value : float
        Its mean over the flux prior.
    pure : mapping of str to float
        The same for each tracer by itself, in one experiment.
    widths : mapping of str to float
        Expected standard deviation of each flux of interest.
    """

    tracers: tuple[str, ...]
    fractions: tuple[Mapping[str, float], ...]
    criterion: str
    value: float
    pure: Mapping[str, float]
    widths: Mapping[str, float]


def optimise_mixture(
    network: Network,
    tracers: Sequence[str],
    *,
    fluxes_of_interest: Sequence[str] | str | None = None,
    measurements: Sequence[str] | None = None,
    parallel: int = 1,
    criterion: str = "information_gain",
    draws: int = 16,
    seed: int = 0,
    prior: str = "targets",
    states: xr.Dataset | None = None,
    noise: NoiseModel | float = NoiseModel(),  # noqa: B008, a frozen record
    purity: float = 1.0,
    natural_abundance: str = "",
    rates: Mapping[str, float] | None = None,
    rate_unit: str = "",
) -> MixtureDesign:
    """Find the fractions of tracers, in one experiment or split over parallel ones, that tell most.

    Fractions of one pool sum to at most one. The objective is smooth; sequential quadratic programming climbs from
    the best pure tracers and from the even mixture, so that the result is never worse than a pure tracer.

    Parameters
    ----------
    network : Network
        The network.
    tracers : sequence of str
        Single labels, ``["[1,2-13C2]glucose", "[U-13C6]glucose", "Gln_x: [U-13C5]"]``, of one pool or several.
    fluxes_of_interest, measurements, draws, seed, prior, states, noise, purity
        As for :func:`fluxkit.design_tracers`; one set of measurements.
    natural_abundance, rates, rate_unit
        As for :func:`fluxkit.design_tracers`.
    parallel : int
        Number of experiments, each with a mixture of its own.
    criterion : str
        ``"information_gain"`` or ``"mean_relative_variance"``.

    Returns
    -------
    MixtureDesign

    Raises
    ------
    TracerError
        A tracer is not a single label, comes twice, or the criterion or number of experiments is not known.
    """
    _check(criterion, parallel)
    labels = _labels(network, tracers)
    joint = parse_tracers(_text(network, labels, np.full(len(labels), 1 / (len(labels) + 1))), network)
    question = make_question(
        network, [joint], fluxes_of_interest, None if measurements is None else {"chosen": measurements},
        draws=draws, seed=seed, prior=prior, states=states, noise=noise, purity=purity,
        natural_abundance=natural_abundance, rates=rates, rate_unit=rate_unit,
    )  # fmt: skip
    return best_mixture(question, tracers, parallel=parallel, criterion=criterion)


def best_mixture(
    question: Question, tracers: Sequence[str], *, parallel: int = 1, criterion: str = "information_gain"
) -> MixtureDesign:
    """Find the best fractions for a question that is compiled already.

    Parameters
    ----------
    question : Question
        With one set of measurements, and a reader for the elements that the tracers label together.
    tracers, parallel, criterion
        As for :func:`fluxkit.design.optimise_mixture`.

    Raises
    ------
    TracerError
        A tracer is not a single label, comes twice, or the criterion or number of experiments is not known.
    """
    _check(criterion, parallel)
    network = question.network
    labels = _labels(network, tracers)
    joint = parse_tracers(_text(network, labels, np.full(len(labels), 1 / (len(labels) + 1))), network)
    objective = _Objective(question, joint, labels, criterion)
    best = _search(objective, labels, int(parallel))
    rows = best.reshape(int(parallel), -1)
    covariance = question.covariance(sum(map(objective.information, rows)))  # type: ignore[arg-type]
    widths = np.sqrt(np.einsum("nkk->nk", covariance)).mean(axis=0)
    sign = 1.0 if criterion == "information_gain" else -1.0
    vertices = np.eye(len(labels))
    return MixtureDesign(
        tracers=tuple(_text(network, labels, row) for row in rows),
        fractions=tuple(dict(zip(tracers, row.tolist(), strict=True)) for row in rows),
        criterion=criterion,
        value=sign * objective(best),
        pure={name: sign * objective(vertices[i]) for i, name in enumerate(tracers)},
        widths={each.text: float(w) for each, w in zip(question.targets, widths, strict=True)},
    )


def _check(criterion: str, parallel: int) -> None:
    if criterion not in CRITERIA:
        raise TracerError(f"mixtures cannot be optimised for {criterion!r}; write one of {', '.join(CRITERIA)}.")
    if isinstance(parallel, bool) or int(parallel) != parallel or not 1 <= parallel <= 3:
        raise TracerError(f"parallel = {parallel!r}: the number of experiments; give 1, 2 or 3.")


Label = tuple[str, frozenset]


def _labels(network: Network, tracers: Sequence[str]) -> list[Label]:
    if isinstance(tracers, str) or len(list(tracers)) < 1:
        raise TracerError(f"tracers are {tracers!r}; give a list of single labels such as ['[U-13C6]glucose'].")
    labels: list[Label] = []
    for text in tracers:
        parsed = parse_tracers(text, network)
        mixtures = parsed.pools
        if len(mixtures) != 1 or parsed.unknown or [f for each in mixtures.values() for f, _ in each] != [1.0]:
            raise TracerError(f"tracer {text!r} is no single label of one pool; fractions are what is looked for.")
        ((pool, mixture),) = mixtures.items()
        if (pool, mixture[0][1]) in labels:
            raise TracerError(f"tracer {text!r} comes twice; name each label once.")
        labels.append((pool, mixture[0][1]))
    return labels


def _text(network: Network, labels: Sequence[Label], fractions: np.ndarray) -> str:
    """Return a tracer text, in tenths of a percent."""
    pools: dict[str, list[str]] = {}
    for (pool, atoms), fraction in zip(labels, fractions, strict=True):
        terms = pools.setdefault(pool, [])
        if fraction >= _SMALLEST:
            percent = np.floor(1000 * fraction + 1e-6) / 10  # rounded down: the sum stays within 100 %
            terms.append(f"{percent:g}% {format_label(atoms, network.atom_counts[pool])}")
    return "; ".join(f"{pool}: {' + '.join(terms) or '100% unlabeled'}" for pool, terms in pools.items())


class _Objective:
    """What is maximised, of the fractions of all experiments, one experiment after another."""

    def __init__(self, question: Question, joint: Tracers, labels: Sequence[Label], criterion: str):
        self.question, self.criterion, self.labels = question, criterion, labels
        reader = question.readers[seen_elements(joint)]
        if reader is None:
            raise TracerError(f"nothing that is measured holds an atom of {seen_elements(joint)}; measure more.")
        self.reader, self.spread = reader, question.spread[seen_elements(joint)]
        self.base = reader.inputs(Tracers({}, ""), question.purity)
        alone = (Tracers({pool: ((1.0, atoms),)}, f"{i}") for i, (pool, atoms) in enumerate(labels))
        self.slopes = np.array([reader.inputs(each, question.purity) - self.base for each in alone])

    def information(self, fractions: np.ndarray) -> np.ndarray:
        """Return the information of one experiment, shape ``(state, coordinate, coordinate)``."""
        inputs = self.base + fractions @ self.slopes
        sets = list(self.question.sets.values())
        return experiment_information(
            self.question.states, self.reader, inputs, self.question.noise, sets, self.spread
        )[0]

    def __call__(self, fractions: np.ndarray) -> float:
        rows = fractions.reshape(-1, len(self.labels))
        return self.of_information(sum(map(self.information, rows)))  # type: ignore[arg-type]

    def of_information(self, information: np.ndarray) -> float:
        """Return the criterion, its sign such that more is better."""
        gradients = self.question.gradients
        covariance = self.question.covariance(information)
        if self.criterion == "information_gain":
            return float(information_gain(covariance, gradients).mean())
        relative = np.einsum("nkk->nk", covariance) / self.question.prior_width**2
        return -float(relative.mean())


def _search(objective: _Objective, labels: Sequence[Label], parallel: int) -> np.ndarray:
    """Return the best fractions, shape ``(experiment * label,)``."""
    count = len(labels)
    pools = list(dict.fromkeys(pool for pool, _ in labels))
    member = np.array([[own == pool for own, _ in labels] for pool in pools], dtype=float)
    limit = LinearConstraint(np.kron(np.eye(parallel), member), -np.inf, 1.0)
    corners = [np.zeros(count)]
    for pool in pools:  # one label of each pool, or none
        mine = [row for row, (own, _) in zip(np.eye(count), labels, strict=True) if own == pool]
        corners = [each + one for each in corners for one in (*mine, np.zeros(count))]
    known = [objective.information(each) for each in corners]
    sets = list(combinations_with_replacement(range(len(corners)), parallel))
    worth = [objective.of_information(sum(known[i] for i in each)) for each in sets]  # type: ignore[arg-type]
    order = np.argsort(worth)[::-1]
    pure = [np.concatenate([corners[i] for i in sets[k]]) for k in order[:_STARTS]]
    even = np.tile(member.T @ (1 / member.sum(axis=1)), parallel)
    best, value = pure[0], worth[order[0]]
    tilt = 0.9 + 0.1 * np.linspace(0, 1, len(even))  # parallel experiments that start equal would stay so
    for start in (*(0.9 * each + 0.1 * even for each in pure), tilt * even):
        found = minimize(
            lambda x: -objective(np.clip(x, 0, 1)), start, method="SLSQP", bounds=[(0, 1)] * len(start),
            constraints=[limit], options={"maxiter": 60, "ftol": 1e-7, "eps": _STEP},
        )  # fmt: skip
        inside = _feasible(found.x, member, parallel)
        if (reached := objective(inside)) > value:
            best, value = inside, reached
    return best


def _feasible(fractions: np.ndarray, member: np.ndarray, parallel: int) -> np.ndarray:
    """Return fractions inside the simplex of each pool; optimisers overstep by rounding."""
    rows = np.clip(fractions, 0, 1).reshape(parallel, -1)
    total = rows @ member.T
    return (rows / (np.maximum(total, 1.0) @ member)).ravel()
