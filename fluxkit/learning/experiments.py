"""Simulated experiments, made while training: fluxes from the prior, tracers, noise and gaps at random."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from fluxkit.emu import simulate_mids
from fluxkit.errors import LabelingError, ModelError
from fluxkit.fluxes import FluxSpace, directed_fluxes, entropic_map, flux_space, prior_coordinates
from fluxkit.labeling import Tracers
from fluxkit.labeling.programs import input_mids
from fluxkit.learning.chart import Chart
from fluxkit.learning.linearised import Lineariser
from fluxkit.learning.measured_rates import draw_rates
from fluxkit.learning.observed import Observed
from fluxkit.learning.reading import read
from fluxkit.learning.vocabulary import Vocabulary

PURITIES = (0.97, 0.98, 0.985, 0.99, 0.995, 1.0)


@dataclass(frozen=True)
class ExperimentSettings:
    """Ranges from which simulated experiments are drawn.

    Parameters
    ----------
    experiments : tuple of float
        Probability of 1, 2, 3, ... parallel experiments.
    floor : tuple of float
        Smallest and largest floor of the standard deviation of a MID value, log-uniform.
    slope : float
        Largest error in proportion to y (1 - y).
    missing : float
        Largest share of measurements that are missing.
    masked : float
        Share of single mass shifts that are missing.
    gaps : float
        Share of measurements that one of several parallel experiments lacks.
    mixture : float
        Share of experiments whose tracer is mixed with unlabeled molecules or with a second tracer.
    rates : float
        Share of experiment sets with measured rates.
    rate_error : tuple of float
        Smallest and largest relative standard deviation of a measured rate, log-uniform.

    Raises
    ------
    LabelingError
        The probabilities do not sum to 1, a share is not from 0 to 1, or the noise is not possible.
    """

    experiments: tuple[float, ...] = (0.4, 0.25, 0.2, 0.15)
    floor: tuple[float, float] = (0.0015, 0.02)
    slope: float = 0.05
    missing: float = 0.7
    masked: float = 0.03
    gaps: float = 0.03
    mixture: float = 0.3
    rates: float = 0.35
    rate_error: tuple[float, float] = (0.02, 0.2)

    def __post_init__(self) -> None:
        if min(self.experiments, default=-1) < 0 or abs(sum(self.experiments) - 1) > 1e-9:
            raise LabelingError(f"experiments = {self.experiments} are probabilities; let them sum to 1.")
        for name in ("missing", "masked", "gaps", "mixture", "rates"):
            if not 0 <= getattr(self, name) <= 1:
                raise LabelingError(f"{name} = {getattr(self, name)!r} is a share; give a number from 0 to 1.")
        if len(self.rate_error) != 2 or not 0 < self.rate_error[0] <= self.rate_error[1]:
            raise LabelingError(f"rate_error = {self.rate_error} must be two rising numbers above 0.")
        if len(self.floor) != 2 or not 0 < self.floor[0] <= self.floor[1] or self.slope < 0:
            raise LabelingError(
                f"floor = {self.floor} must be two rising numbers above 0, and slope = {self.slope!r} not below 0."
            )


def check_uses(uses: int, batch_size: int) -> None:
    """Refuse to use experiment sets a number of times for which a batch has no parts.

    Parameters
    ----------
    uses : int
        How often each experiment set is used.
    batch_size : int
        Experiment sets per batch, which is made of one part for each use.

    Raises
    ------
    ModelError
        It is no whole number from 1 to the batch size.
    """
    if not isinstance(uses, (int, np.integer)) or not 1 <= uses <= batch_size:
        raise ModelError(
            f"uses = {uses!r} is how often each simulated experiment set is used; give a whole number from 1 to "
            f"batch_size = {batch_size}."
        )


class Batch(NamedTuple):
    """Simulated experiments as arrays, float32.

    Parameters
    ----------
    rows, known, context, present, rates, answer, covariance : numpy.ndarray
        What a network is given; see :class:`~fluxkit.learning.reading.Reading`.
    target : numpy.ndarray
        Coordinates of the true fluxes and weights, shape ``(sample, parameter)``.
    """

    rows: np.ndarray
    known: np.ndarray
    context: np.ndarray
    present: np.ndarray
    rates: np.ndarray
    answer: np.ndarray
    covariance: np.ndarray
    target: np.ndarray


class ExperimentSimulator:
    """Draws batches of simulated experiments of one network.

    Parameters
    ----------
    vocabulary : Vocabulary
        What can be measured and infused.
    settings : ExperimentSettings
        Ranges to draw from.
    """

    def __init__(self, vocabulary: Vocabulary, settings: ExperimentSettings | None = None):
        self.vocabulary, self.settings = vocabulary, settings or ExperimentSettings()
        self.space: FluxSpace = flux_space(vocabulary.network)
        self.map = entropic_map(self.space)
        self.chart = Chart(self.map, self.space.origin, self.space.basis)
        self.lineariser = Lineariser(vocabulary, self.chart)
        self.mixing, self.weight_names = vocabulary.mixing, vocabulary.weight_names
        self.program = vocabulary.program
        tracers, system = (*vocabulary.tracers, _NOTHING), self.program.system
        self.inputs = np.array(
            [[self.program.bind([input_mids(system, each, purity)]) for each in tracers] for purity in PURITIES]
        )
        self.features = np.array(
            [[vocabulary.tracer_features(each, purity) for each in tracers] for purity in PURITIES]
        )

    @property
    def parameter_count(self) -> int:
        """Number of coordinates of a target: net fluxes, exchange fluxes, then weights."""
        return len(self.space.free) + self.space.exchange_scale.size + len(self.weight_names)

    @cached_property
    def partners(self) -> np.ndarray:
        """Which tracers may be mixed: those of the same pool, shape ``(tracer, tracer)``, bool."""
        pools = [each.labeled_pools for each in self.vocabulary.tracers]
        return np.array([[a == b for b in pools] for a in pools])

    def net_pool(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw net flux coordinates from the prior, shape ``(count, free)``; batches reuse them."""
        return prior_coordinates(self.space, count, rng)[0]

    def batch(self, z: np.ndarray, rng: np.random.Generator) -> Batch:
        """Simulate one experiment set for each row of net flux coordinates.

        Parameters
        ----------
        z : numpy.ndarray
            Shape ``(sample, free)``, inside the polytope.
        rng : numpy.random.Generator
            Draws everything else: exchange fluxes, weights, tracers, gaps, noise and rates.
        """
        seen, target = self.observe(z, rng)
        reading = read(self.lineariser, seen, len(self.settings.experiments))
        return Batch(*reading, target=target.astype(np.float32))

    def observe(self, z: np.ndarray, rng: np.random.Generator) -> tuple[Observed, np.ndarray]:
        """Simulate what is measured of each row of net flux coordinates; return it, and the true coordinates.

        Parameters
        ----------
        z, rng
            As in :meth:`batch`.
        """
        count, vocabulary = len(z), self.vocabulary
        y = self.space.exchange_coordinates(self.space.exchange_scale.draw(count, rng))
        w = rng.standard_normal((count, len(self.weight_names)))
        target = np.concatenate([self.map.to_unbounded(z), y, w], axis=1)
        number = 1 + rng.choice(len(self.settings.experiments), size=count, p=self.settings.experiments)
        owner = np.repeat(np.arange(count), number)
        inputs, features = self._tracers(len(owner), rng)
        net = self.space.net(z)
        directed = directed_fluxes(vocabulary.network, net, self.space.exchange(y))
        mids = simulate_mids(self.program, np.maximum(directed, 0.0)[owner], inputs)
        flat = self.mixing.mix(mids, ndtr(w)[owner])[:, 0]
        values = np.zeros((len(owner), len(vocabulary.measurements), vocabulary.width))
        real = np.arange(vocabulary.width) < vocabulary.sizes[:, None]
        values[:, real] = flat
        mode = rng.choice(3, size=count, p=(0.5, 0.35, 0.15))[owner]
        for each in (1, 2):
            chosen = mode == each
            values[chosen] = np.einsum("smv,mvw->smw", values[chosen], vocabulary.abundance[each])
        kept = self._kept(count, owner, real, rng)
        mid, sd = self._observe(values, kept, owner, rng)
        rated = net[:, [vocabulary.network.reaction_index[name] for name in vocabulary.rates]]
        unit, settings = vocabulary.network.normalising_flux, self.settings
        rates = draw_rates(rated, unit, settings.rates, settings.rate_error, rng)
        return Observed(owner, inputs, features, mode, mid, sd, kept, rates), target

    def _tracers(self, lanes: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw tracers, purities and mixtures; return program inputs and tracer features per lane."""
        tracer = rng.integers(len(self.vocabulary.tracers), size=lanes)
        purity = rng.integers(len(PURITIES), size=lanes)
        share = np.where(rng.random(lanes) < self.settings.mixture, rng.uniform(0.2, 1.0, lanes), 1.0)
        allowed = self.partners[tracer] * rng.random((lanes, len(self.vocabulary.tracers)))
        with_tracer = rng.random(lanes) < 0.4
        other = np.where(with_tracer, allowed.argmax(axis=1), len(self.vocabulary.tracers))
        return tuple(  # type: ignore[return-value]
            share[:, None] * table[purity, tracer] + (1 - share[:, None]) * table[purity, other]
            for table in (self.inputs, self.features)
        )

    def _kept(self, count: int, owner: np.ndarray, real: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Which mass shifts are measured: per sample a set of metabolites, per experiment some gaps."""
        measurements = len(real)
        rate = rng.uniform(0.0, self.settings.missing, count)[:, None]
        metabolites = rng.random((count, measurements)) >= rate
        diluted = np.array([each.diluted for each in self.vocabulary.measurements])
        metabolites &= ~(diluted & (rng.random((count, 1)) < 0.5))  # many tables have no diluted reading
        metabolites[np.arange(count), rng.integers(measurements, size=count)] = True
        kept = metabolites[owner] & (rng.random((len(owner), measurements)) >= self.settings.gaps)
        kept = kept[:, :, None] & real & (rng.random((len(owner), *real.shape)) >= self.settings.masked)
        return kept & (kept.sum(axis=-1, keepdims=True) >= 2)

    def _observe(self, values, kept, owner, rng) -> tuple[np.ndarray, np.ndarray]:
        """Renormalise what is kept and add noise of a drawn size."""
        total = np.where(kept, values, 0.0).sum(axis=-1, keepdims=True)
        kept &= total > 1e-3
        mid = np.where(kept, values / np.where(total > 1e-3, total, 1.0), 0.0)
        low, high = np.log(self.settings.floor)
        samples = int(owner.max()) + 1
        floor = np.exp(rng.uniform(low, high, samples))[owner][:, None, None]
        floor = floor * np.exp(0.4 * rng.standard_normal((*mid.shape[:2], 1)))
        slope = rng.uniform(0.0, self.settings.slope, samples)[owner][:, None, None]
        sd = np.sqrt(floor**2 + (slope * mid * (1 - mid)) ** 2)
        return mid + sd * rng.standard_normal(mid.shape), sd


_NOTHING = Tracers({}, "unlabeled")
