"""What holds the most probable point where the posterior is not smooth: bounds of net fluxes, and fluxes about to turn.

At such a point the gradient of the log posterior is no zero but a sum of the normals of what holds it, with multipliers
(Nocedal & Wright 2006, Numerical Optimization, section 12.3, doi:10.1007/978-0-387-40065-5). A net flux of zero of a
reversible reaction holds it like a wall from both sides, since forward = max(net, 0) + exchange has a kink there.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear, nnls

from fluxkit.inference.density import FluxDensity
from fluxkit.inference.refinement import Refined

_NEAR, _TURNING = 0.1, 0.02  # of a prior sd: farther walls and kinks press nobody at a refined point
_RIDGE = 1e-5  # enough to choose among multipliers of dependent normals, too little to move others


@dataclass(frozen=True, eq=False)
class Holds:
    """Walls and kinks that hold a point.

    Parameters
    ----------
    walls : numpy.ndarray
        Which walls of the flux polytope, shape ``(wall,)``.
    pressure : numpy.ndarray
        Their multipliers, shape ``(wall,)``.
    kinks : numpy.ndarray
        Precision by which fluxes that are about to turn hold the point, shape ``(parameter, parameter)``.
    """

    walls: np.ndarray
    pressure: np.ndarray
    kinks: np.ndarray


def holds(density: FluxDensity, point: np.ndarray) -> Holds:
    """Return what holds a most probable point.

    A density that falls like exp(-pressure * distance) from a wall or a kink has the precision pressure^2 along its
    normal; so does whatever slope the walls and kinks leave.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    point : numpy.ndarray
        Shape ``(parameter,)``.
    """
    space, free = density.space, len(density.space.free)
    z = density.split(point)[0]
    walls = np.flatnonzero(space.slack(z) < _NEAR)
    rows = space.basis[space.network.reversible]
    length = np.linalg.norm(rows, axis=1)
    moves = length > 1e-9 * space.network.normalising_flux
    rows, length = rows[moves] / length[moves, None], length[moves]
    distance = np.abs(space.net(z)[space.network.reversible][moves]) / length
    turning = rows[distance < _TURNING]
    normals = np.concatenate([space.walls[walls], turning, -turning])
    slope = density.log_gradient(point[None])[0]
    multiplier = _multipliers(normals, slope[:free]) if len(normals) else np.empty(0)
    pressed, kinked = multiplier[: len(walls)], normals[len(walls) :] * multiplier[len(walls) :, None]
    rest = slope.copy()
    rest[:free] -= multiplier @ normals
    kinks = np.outer(rest, rest)
    kinks[:free, :free] += kinked.T @ kinked
    return Holds(walls[pressed > 0], pressed[pressed > 0], kinks)


def _multipliers(normals: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Return how much of each normal ``(normal, free)`` the slope ``(free,)`` is made of, at least 0."""
    try:
        return nnls(normals.T, slope)[0]
    except RuntimeError:  # normals that depend on each other can send it round in circles
        count = len(normals)
        matrix = np.concatenate([normals.T, _RIDGE * np.eye(count)])
        known = np.concatenate([slope, np.zeros(count)])
        return lsq_linear(matrix, known, (0.0, np.inf), method="bvls", max_iter=20 * count).x


def bound_pressure(density: FluxDensity, refined: Refined) -> tuple[list[str], np.ndarray]:
    """Return the bounds that the best point rests on, and how many sd beyond each the data put it.

    Without wall ``a`` of multiplier ``lambda`` the point would move ``lambda a'P^-1 a`` beyond it, with a standard
    deviation of ``sqrt(a'P^-1 a)``.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    refined : Refined
        Its refined points; the first counts.

    Returns
    -------
    bounds : list of str
        The reactions with the bound, ``"PGI at its upper bound of 100"``.
    pressure : numpy.ndarray
        Shape ``(bound,)``, in sd; at most standard normal by chance.
    """
    held, free = holds(density, refined.points[0]), len(density.space.free)
    normals = density.space.walls[held.walls]
    pressure = np.empty(len(normals))
    for i, wall in enumerate(normals):
        precision = refined.data_precision[0] + np.eye(density.size) + held.kinks
        others = np.arange(len(normals)) != i
        pressed = normals[others] * held.pressure[others, None]
        precision[:free, :free] += pressed.T @ pressed
        normal = np.zeros(density.size)
        normal[:free] = wall
        pressure[i] = held.pressure[i] * np.sqrt(normal @ np.linalg.solve(precision, normal))
    return [_bound_of(density, wall) for wall in normals], pressure


def _bound_of(density: FluxDensity, wall: np.ndarray) -> str:
    """Return which reaction's bound a wall is: the one whose net flux grows along its normal, or falls."""
    space = density.space
    length = np.linalg.norm(space.basis, axis=1)
    along = space.basis @ wall / np.where(length > 0, length, 1.0)
    reaction = int(np.abs(along).argmax())
    side = int(along[reaction] > 0)
    name, value = space.network.reaction_names[reaction], space.network.net_bounds[side][reaction]
    return f"{name} at its {('lower', 'upper')[side]} bound of {value:g}"
