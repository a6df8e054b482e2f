"""What a posterior network can read: distinct measurements and tracers of one network, and how they become numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from fluxkit.emu import Program, build_program, decompose
from fluxkit.errors import LabelingError, UnknownNameError
from fluxkit.labeling import Tracers, input_mid, parse_tracers
from fluxkit.labeling.meaning import ResolvedMeasurement, resolve_measurement
from fluxkit.labeling.mixing import Mixing, build_mixing
from fluxkit.labeling.natural_abundance import correction_matrix
from fluxkit.learning.measured_rates import measurable_reactions
from fluxkit.learning.residual_tape import ResidualTape, write_residuals
from fluxkit.networks import Network

ABUNDANCE_MODES = ("", "C", "CHNOPS")
"""Which elements' natural isotopes the data still carry: none, carbon, all."""
_SD_CENTRE = 2.0  # -log10 of a typical sd


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Measurements and tracers of a network as the network sees them.

    Parameters
    ----------
    network : Network
        The metabolic network.
    measurements : tuple of ResolvedMeasurement
        Distinct measurements; two names with the same pools, shares and dilution are one.
    tracers : tuple of Tracers
        Tracers to train on.
    """

    network: Network
    measurements: tuple[ResolvedMeasurement, ...]
    tracers: tuple[Tracers, ...]

    @cached_property
    def width(self) -> int:
        """Number of mass shifts of the largest measurement."""
        return max(each.size for each in self.measurements) + 1

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of mass shifts of each measurement, shape ``(measurement,)``."""
        return np.array([each.size + 1 for each in self.measurements])

    @cached_property
    def _layout(self):
        return build_mixing(self.measurements)

    @property
    def mixing(self) -> Mixing:
        """From pools to measurements."""
        return self._layout[0]

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Unknown shares, then dilutions, in the order of the coordinates of a draw."""
        return self._layout[2]

    @cached_property
    def rates(self) -> tuple[str, ...]:
        """Reactions whose measured rates are read."""
        return measurable_reactions(self.network)

    @property
    def program(self) -> Program:
        """Simulator of all measured pools in one experiment, whichever of the training tracers is infused."""
        return _simulator(self.network, self.measurements, self.pools)[0]

    @property
    def residuals(self) -> ResidualTape:
        """Standardised residuals of one experiment, and their derivatives."""
        return _simulator(self.network, self.measurements, self.pools)[1]

    @cached_property
    def pools(self) -> tuple[str, ...]:
        """Input pools that some training tracer labels."""
        named = {pool for each in self.tracers for pool in each.labeled_pools}
        return tuple(pool for pool in self.network.inputs if pool in named)

    @cached_property
    def pool_atoms(self) -> Mapping[str, tuple[tuple[str, int], ...]]:
        """All tracked atoms of each such pool."""
        counts = self.network.atom_counts
        return {pool: tuple((e, i) for e, n in counts[pool].items() for i in range(n)) for pool in self.pools}

    @property
    def feature_count(self) -> int:
        """Features of one measurement: values, log sd and mask of each mass shift."""
        return 3 * self.width

    @property
    def rate_count(self) -> int:
        """Features of the measured rates: values, log precisions and mask, and their kind."""
        return 3 * len(self.rates) + 2

    @property
    def context_count(self) -> int:
        """Features of one experiment."""
        return sum(2 * len(atoms) + 1 for atoms in self.pool_atoms.values()) + len(ABUNDANCE_MODES)

    @cached_property
    def _keys(self) -> dict[tuple, int]:
        return {_meaning(each): i for i, each in enumerate(self.measurements)}

    def find(self, name: str, elements: str) -> int | None:
        """Return the position of a measured name, or ``None`` where the network has not learned to read it."""
        try:
            return self._keys.get(_meaning(resolve_measurement(name, self.network, elements)))
        except (LabelingError, UnknownNameError):
            return None

    def tracer_features(self, tracers: Tracers, purity: float) -> np.ndarray:
        """Describe the tracers of one experiment: enrichment of each atom, then the MID of each labeled pool.

        Parameters
        ----------
        tracers : Tracers
            What is infused.
        purity : float
            Isotopic purity.

        Returns
        -------
        numpy.ndarray
            Shape ``(context - abundance modes,)``.
        """
        parts = []
        for pool, atoms in self.pool_atoms.items():
            parts.extend(input_mid(tracers, pool, (atom,), purity)[1] for atom in atoms)
            parts.extend(input_mid(tracers, pool, atoms, purity))
        return np.array(parts)

    @cached_property
    def abundance(self) -> np.ndarray:
        """Matrices of natural abundance, shape ``(mode, measurement, width, width)``, for row vectors of MIDs."""
        matrices = np.tile(np.eye(self.width), (len(ABUNDANCE_MODES), len(self.measurements), 1, 1))
        for mode, elements in enumerate(ABUNDANCE_MODES):
            for i, each in enumerate(self.measurements):
                kinds = {element for element, _ in each.fragments[0].atoms}
                if elements and each.formula and len(kinds) == 1:
                    matrix = correction_matrix(each.formula, kinds.pop(), each.size, elements)
                    matrices[mode, i, : each.size + 1, : each.size + 1] = matrix.T
        return matrices


@lru_cache(maxsize=16)
def _simulator(
    network: Network, measurements: tuple[ResolvedMeasurement, ...], pools: tuple[str, ...]
) -> tuple[Program, ResidualTape]:
    """Return the programs of a vocabulary; models of one network share them."""
    mixing, fragments, _ = build_mixing(measurements)
    system = decompose(network, fragments)
    generic = {
        emu: np.full(len(emu.atoms) + 1, 1.0 / (len(emu.atoms) + 1))
        if emu.metabolite in pools
        else np.eye(1, len(emu.atoms) + 1)[0]
        for emu in system.inputs
    }
    program = build_program(system, [generic])
    sizes = np.array([each.size + 1 for each in measurements])
    return program, write_residuals(program, mixing, sizes)


def _meaning(measurement: ResolvedMeasurement) -> tuple:
    pools = tuple(
        (f.metabolite, f.atoms, f.resolved, s.constant, s.weight, s.complement)
        for f, s in zip(measurement.fragments, measurement.shares, strict=True)
    )
    return pools, measurement.diluted, measurement.unlabeled


def build_vocabulary(network: Network, tracers: Sequence[str] | None = None) -> Vocabulary:
    """Collect what can be measured in a network: its observation table, else every balanced metabolite.

    Parameters
    ----------
    network : Network
        The network.
    tracers : sequence of str, optional
        Tracer texts to train on; the standard tracers of the network by default.

    Raises
    ------
    LabelingError
        Neither tracers nor standard tracers are given.
    """
    texts = list(tracers if tracers is not None else network.standard_tracers.values())
    if not texts:
        raise LabelingError(
            f"network {network.name!r} has no standard tracers; give tracers=['Glc_x: 100% [U-13C6]', ...] (--tracers)."
        )
    names = list(network.observations) or [m for m in network.balanced if network.atom_counts[m].get("C")]
    found: dict[tuple, ResolvedMeasurement] = {}
    for name in names:
        measurement = resolve_measurement(name, network, "C")
        if not measurement.external and not measurement.resolved:  # the networks read mass shifts
            found.setdefault(_meaning(measurement), measurement)
    return Vocabulary(network, tuple(found.values()), tuple(parse_tracers(each, network) for each in texts))


def encode_values(vocabulary: Vocabulary, mid: np.ndarray, sd: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Turn MIDs into features.

    Parameters
    ----------
    vocabulary : Vocabulary
        For the shapes.
    mid, sd : numpy.ndarray
        Shape ``(..., measurement, width)``; anything where not kept.
    kept : numpy.ndarray
        Which mass shifts are measured, same shape, bool.

    Returns
    -------
    numpy.ndarray
        Shape ``(..., measurement, feature)``, float32.
    """
    scale = np.where(kept, -np.log10(np.where(kept, sd, 1.0)) - _SD_CENTRE, 0.0)
    return np.concatenate([np.where(kept, mid, 0.0), scale, kept], axis=-1, dtype=np.float32)


def encode_context(features: np.ndarray, mode: np.ndarray | int) -> np.ndarray:
    """Join tracer features ``(..., feature)`` with the abundance mode as one-hot, float32."""
    one_hot = np.eye(len(ABUNDANCE_MODES))[mode]
    one_hot = np.broadcast_to(one_hot, (*features.shape[:-1], one_hot.shape[-1]))
    return np.concatenate([features, one_hot], axis=-1, dtype=np.float32)
