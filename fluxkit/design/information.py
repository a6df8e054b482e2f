"""How much an experiment tells at a flux state: the Fisher information of its measurements.

With standard deviations from the noise model at the predicted MIDs and exact Jacobians ``J`` of the predicted MIDs by
the standard coordinates, the information of an experiment is ``J' diag(1 / sd^2) J``. That of parallel experiments is
their sum, since they share the flux state (Crown & Antoniewicz 2013, doi:10.1016/j.ymben.2012.11.010).
"""

from collections.abc import Sequence

import numpy as np

from fluxkit.design.readings import Readings
from fluxkit.design.states import DesignStates
from fluxkit.emu import run_tape
from fluxkit.errors import FluxError
from fluxkit.labeling import NoiseModel


def experiment_information(
    states: DesignStates,
    readings: Readings,
    inputs: np.ndarray,
    noise: NoiseModel,
    sets: Sequence[Sequence[str] | None] = (None,),
    spread: np.ndarray | None = None,
) -> np.ndarray:
    """Return the Fisher information of one experiment in the standard coordinates.

    Parameters
    ----------
    states : DesignStates
        Flux states.
    readings : Readings
        What can be measured.
    inputs : numpy.ndarray
        Input values of the program, shape ``(input,)``.
    noise : NoiseModel
        Standard deviation of each MID value.
    sets : sequence of sequence of str, or None
        Sets of measurements by name; None is all of them.
    spread : numpy.ndarray, optional
        What natural isotopes make of the MIDs, see :meth:`Readings.spread`.

    Returns
    -------
    numpy.ndarray
        Shape ``(set, state, coordinate, coordinate)``.

    Raises
    ------
    FluxError
        A flux is negative or not finite.
    """
    return fisher_information(*mids_with_jacobian(states, readings, inputs, spread), readings, noise, sets)


def fisher_information(
    values: np.ndarray,
    slopes: np.ndarray,
    readings: Readings,
    noise: NoiseModel,
    sets: Sequence[Sequence[str] | None] = (None,),
) -> np.ndarray:
    """Return the Fisher information of predicted MIDs, shape ``(set, state, coordinate, coordinate)``.

    Parameters
    ----------
    values : numpy.ndarray
        Predicted MIDs, shape ``(state, value)``.
    slopes : numpy.ndarray
        Their derivatives, shape ``(state, coordinate, value)``; divided by the standard deviations in place.
    readings, noise, sets
        As for :func:`experiment_information`.
    """
    slopes /= noise.sd(values)[:, None, :]
    every = np.arange(values.shape[1])
    result = np.empty((len(sets), *slopes.shape[:2], slopes.shape[1]))
    for s, names in enumerate(sets):
        chosen = [every] if names is None else [readings.columns[each] for each in names if each in readings.columns]
        columns = np.concatenate(chosen) if chosen else every[:0]
        part = slopes if np.array_equal(columns, every) else slopes[:, :, columns]
        np.matmul(part, part.mT, out=result[s])
    return result


def mids_with_jacobian(
    states: DesignStates, readings: Readings, inputs: np.ndarray, spread: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted MIDs ``(state, value)`` and their derivatives ``(state, coordinate, value)``.

    Parameters
    ----------
    states, readings, spread
        As for :func:`experiment_information`.
    inputs : numpy.ndarray
        Input values of the program, shape ``(input,)``, or ``(state, input)`` where they differ.

    Raises
    ------
    FluxError
        A flux is negative or not finite.
    """
    own, weights = _own_weights(states, readings)
    count = states.fluxes.shape[1]
    columns = np.concatenate([np.arange(count), count + np.array(own, dtype=int)])
    rows = np.ascontiguousarray(np.atleast_2d(inputs), dtype=float)
    (values,), good = run_tape(readings.values, (states.fluxes, rows, weights), len(states))
    slopes = np.empty((len(states), states.size, values.shape[1]))
    for k in range(len(states)):
        directions = np.ascontiguousarray(states.directions[k][:, columns])
        row = rows[k : k + 1] if len(rows) > 1 else rows
        shared = (states.fluxes[k : k + 1], row, weights[k : k + 1])
        _, fine = run_tape(readings.slopes, (*shared, directions), states.size, out=[slopes[k]])
        good &= fine
    if not good:
        raise FluxError("a flux state has a negative or infinite flux; give states within the bounds of the network.")
    if spread is None:
        return values, slopes
    seen = values @ spread.T
    return _divided(seen, seen, readings), _spread_slopes(values, slopes, spread, readings)


def input_jacobian(
    states: DesignStates,
    readings: Readings,
    inputs: np.ndarray,
    directions: np.ndarray,
    spread: np.ndarray | None = None,
) -> np.ndarray:
    """Return the derivative of the predicted MIDs along a direction of the input values, shape ``(state, value)``.

    Parameters
    ----------
    states, readings, spread
        As for :func:`experiment_information`.
    inputs, directions : numpy.ndarray
        Input values of the program and their change, shape ``(state, input)``.
    """
    _, weights = _own_weights(states, readings)
    rows = [np.ascontiguousarray(each, dtype=float) for each in (inputs, directions)]
    (slopes,), _ = run_tape(readings.input_slopes, (states.fluxes, rows[0], weights, rows[1]), len(states))
    if spread is None:
        return slopes
    (values,), _ = run_tape(readings.values, (states.fluxes, rows[0], weights), len(states))
    return _spread_slopes(values, slopes[:, None], spread, readings)[:, 0]


def _divided(seen: np.ndarray, by: np.ndarray, readings: Readings) -> np.ndarray:
    """Return values divided by the sum of their measurement: masses beyond the last are not seen."""
    total = np.add.reduceat(by, readings.mixing.starts, axis=-1)
    return seen / total[..., readings.mixing.owner]


def _spread_slopes(values: np.ndarray, slopes: np.ndarray, spread: np.ndarray, readings: Readings) -> np.ndarray:
    """Return derivatives ``(state, coordinate, value)`` of spread values that sum to one in each measurement."""
    seen, moved = (values @ spread.T)[:, None, :], slopes @ spread.T
    change = np.add.reduceat(moved, readings.mixing.starts, axis=-1)[..., readings.mixing.owner]
    return _divided(moved - _divided(seen, seen, readings) * change, seen, readings)


def _own_weights(states: DesignStates, readings: Readings) -> tuple[list[int], np.ndarray]:
    own = [states.weight_names.index(each) for each in readings.weight_names]
    return own, np.ascontiguousarray(states.weights[:, own])
