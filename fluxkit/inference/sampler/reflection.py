"""Straight motion between the walls of a polytope, with bounces, for any density.

Whitened coordinates make a bounce off a wall a mirror image of the velocity at its normal. After a bounce only the
speeds towards the other walls change, by a column of the matrix of products of normals.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

MOST_BOUNCES = 200


class Metric(NamedTuple):
    """Whitened coordinates ``u`` of positions ``factor u``, and the walls in them.

    Parameters
    ----------
    factor : numpy.ndarray
        Lower Cholesky factor of a covariance, shape ``(parameter, parameter)``.
    normals : numpy.ndarray
        Normals of the walls, shape ``(wall, parameter)``.
    products : numpy.ndarray
        ``normals @ normals.T``, shape ``(wall, wall)``.
    """

    factor: np.ndarray
    normals: np.ndarray
    products: np.ndarray


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
def drift(position, velocity, duration, speed, gap, factor, normals, products):
    """Move every chain straight for a time, in place.

    A chain that has not arrived after 200 bounces gets lost (NaN): cut short, its path could not be reversed.

    Parameters
    ----------
    position : numpy.ndarray
        Shape ``(chain, parameter)``.
    velocity : numpy.ndarray
        Whitened, shape ``(chain, parameter)``.
    duration : numpy.ndarray
        Shape ``(chain,)``.
    speed : numpy.ndarray
        Speed towards each wall, ``velocity @ normals.T``, shape ``(chain, wall)``; changed.
    gap : numpy.ndarray
        Distance to each wall at the start, shape ``(chain, wall)``; changed.
    factor : numpy.ndarray
        From whitened to own coordinates, shape ``(parameter, parameter)``.
    normals : numpy.ndarray
        Whitened normals of the walls, shape ``(wall, parameter)``.
    products : numpy.ndarray
        ``normals @ normals.T``, shape ``(wall, wall)``.
    """
    chains, size = velocity.shape
    walls = normals.shape[0]
    moved = np.empty(size)
    for chain in range(chains):
        left = duration[chain]
        moved[:] = 0.0
        for bounce in range(MOST_BOUNCES + 1):
            first, at = -1, left
            for wall in range(walls):
                # the comparison by product spares a division
                if speed[chain, wall] > 0.0 and gap[chain, wall] < at * speed[chain, wall]:
                    at, first = max(gap[chain, wall], 0.0) / speed[chain, wall], wall
            for k in range(size):
                moved[k] += at * velocity[chain, k]
            left -= at
            if first < 0:
                break
            if bounce == MOST_BOUNCES:
                moved[:] = np.nan
                break
            back = 2.0 * speed[chain, first] / products[first, first]
            for wall in range(walls):
                gap[chain, wall] -= at * speed[chain, wall]
                speed[chain, wall] -= back * products[first, wall]
            gap[chain, first] = 0.0
            for k in range(size):
                velocity[chain, k] -= back * normals[first, k]
        for i in range(size):
            total = 0.0
            for k in range(i + 1):  # the factor is lower triangular
                total += factor[i, k] * moved[k]
            position[chain, i] += total
