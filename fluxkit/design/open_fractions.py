r"""What an experiment tells of which the labeled part of a pool is unknown, such as the rate of an infusion.

The unknown part, uniform in [0, 1], is one more coordinate of this experiment alone. With information :math:`A` of
the common coordinates, :math:`C` of the own ones (prior precision 1) and :math:`B` between them, what is left for the
common ones is the Schur complement :math:`A - B (1 + C)^{-1} B'`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import ndtr

from fluxkit.design.information import fisher_information, input_jacobian, mids_with_jacobian
from fluxkit.design.readings import Readings
from fluxkit.design.states import DesignStates
from fluxkit.labeling import NoiseModel, Tracers


def drawn_fractions(tracers: Tracers, states: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return drawn parts of the open pools, and their derivatives by a standard normal coordinate.

    Parameters
    ----------
    tracers : Tracers
        With open percentages.
    states : int
        Number of flux states.
    seed : int
        Seed; experiments that are compared see the same parts.

    Returns
    -------
    fractions, slopes : numpy.ndarray
        Shape ``(state, open pool)``, in the order of the tracers.
    """
    count = sum(pool in tracers.unknown for pool in tracers.pools)
    w = np.random.default_rng([seed, 1]).standard_normal((states, count))
    return ndtr(w), np.exp(-0.5 * w**2) / np.sqrt(2 * np.pi)


def open_information(
    states: DesignStates,
    readings: Readings,
    tracers: Tracers,
    purity: float,
    noise: NoiseModel,
    sets: Sequence[Sequence[str] | None],
    spread: np.ndarray | None,
    seed: int,
) -> np.ndarray:
    """Return the information of one experiment with open percentages, shape ``(set, state, coordinate, coordinate)``.

    Parameters
    ----------
    states, readings, noise, sets, spread
        As for :func:`~fluxkit.design.information.experiment_information`.
    tracers : Tracers
        What is infused.
    purity : float
        Isotopic purity of every labeled position.
    seed : int
        Seed of the drawn parts.
    """
    pools = [pool for pool in tracers.pools if pool in tracers.unknown]
    known = {pool: mixture for pool, mixture in tracers.pools.items() if pool not in pools}
    base = readings.inputs(replace(tracers, pools=known, unknown=frozenset()), purity)
    none = readings.inputs(Tracers({}, ""), purity)
    own = [readings.inputs(Tracers({pool: tracers.pools[pool]}, ""), purity) - none for pool in pools]
    fractions, slope = drawn_fractions(tracers, len(states), seed)
    inputs = base + fractions @ np.array(own)
    values, slopes = mids_with_jacobian(states, readings, inputs, spread)
    more = [input_jacobian(states, readings, inputs, slope[:, i, None] * part, spread) for i, part in enumerate(own)]
    joint = np.concatenate([slopes, np.stack(more, axis=1)], axis=1)
    information = fisher_information(values, joint, readings, noise, sets)
    n = states.size
    between, inner = information[..., :n, n:], information[..., n:, n:] + np.eye(len(pools))
    return information[..., :n, :n] - between @ np.linalg.solve(inner, between.mT)
