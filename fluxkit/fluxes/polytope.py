"""The flux polytope: every possible net flux as a point of free fluxes between half-spaces."""

import numpy as np
from scipy.optimize import linprog

from fluxkit.errors import FluxError
from fluxkit.fluxes.ranges import FIXED_RANGE, range_arrays
from fluxkit.networks import Network
from fluxkit.networks.checks import equality_system

_ZERO = 1e-12  # entries of a basis that are rounding
_INDEPENDENT = 1e-3  # share of a row that must be new for its flux to count as free


def free_fluxes(network: Network) -> tuple[str, ...]:
    """Return names of net fluxes whose values decide all others, in the order of the network.

    Fluxes with a target come first in the choice; fluxes that bounds and balances fix are never free.

    Parameters
    ----------
    network : Network
        The network.

    Raises
    ------
    FluxError
        A net flux is unbounded, or every one is fixed.
    """
    return tuple(network.reaction_names[i] for i in free_basis(network)[2])


def free_basis(network: Network) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return origin, basis and free reactions: net = origin + basis net[free] solves every equality.

    Parameters
    ----------
    network : Network
        The network.

    Returns
    -------
    origin : numpy.ndarray
        Shape ``(reaction,)``.
    basis : numpy.ndarray
        Shape ``(reaction, free)``.
    free : list of int
        Positions of the free fluxes.
    """
    lower, upper = range_arrays(network)
    _refuse_unbounded(network, lower, upper)
    fixed = upper - lower < FIXED_RANGE * network.normalising_flux
    matrix, value = equality_system(network)
    matrix = np.vstack([matrix, np.eye(len(fixed))[fixed]])
    value = np.concatenate([value, 0.5 * (lower + upper)[fixed]])
    particular = np.linalg.lstsq(matrix, value, rcond=None)[0]
    _, singular, right = np.linalg.svd(matrix)
    null = right[int((singular > 1e-10 * singular[0]).sum()) :].T
    if null.shape[1] == 0:
        raise FluxError(f"network {network.name!r}: every net flux is fixed; widen the bounds of one.")
    wished = [network.rule(name).target is not None for name in network.reaction_names]
    free = sorted(independent_rows(null, sorted(range(len(null)), key=lambda i: (not wished[i], i))))
    basis = np.linalg.solve(null[free].T, null.T).T
    basis[np.abs(basis) < _ZERO] = 0
    return particular - basis @ particular[free], basis, free


def _refuse_unbounded(network: Network, lower: np.ndarray, upper: np.ndarray) -> None:
    limits = zip(network.reaction_names, lower, upper, strict=True)
    unbounded = [repr(name) for name, low, high in limits if not np.isfinite(high - low)]
    if unbounded:
        raise FluxError(
            f"network {network.name!r}: nothing limits the net flux of {', '.join(unbounded[:6])}"
            f"{', ...' if len(unbounded) > 6 else ''}; give one of them an upper bound (and a lower bound, "
            "if it is reversible) in the flux table."
        )


def independent_rows(rows: np.ndarray, order: list[int], known: tuple[int, ...] = ()) -> list[int]:
    """Choose rows, in the given order, that are linearly independent of those chosen before.

    Parameters
    ----------
    rows : numpy.ndarray
        Shape ``(row, dimension)``.
    order : list of int
        Rows to try.
    known : tuple of int
        Rows that are taken already; they are not returned.
    """
    chosen: list[int] = []
    frame = np.empty((0, rows.shape[1]))
    for row in (*known, *order):
        rest = rows[row] - (rows[row] @ frame.T) @ frame
        rest -= (rest @ frame.T) @ frame  # twice is enough
        size = np.linalg.norm(rest)
        if size > 1e-6 and size > _INDEPENDENT * np.linalg.norm(rows[row]):
            frame = np.vstack([frame, rest / size])
            if row not in known:
                chosen.append(row)
        if len(frame) == rows.shape[1]:
            break
    return chosen


def unit_rows(walls: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale half-spaces so that offsets - walls z are distances."""
    size = np.linalg.norm(walls, axis=1)
    return walls / size[:, None], offsets / size


def half_spaces(network: Network, origin: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds that shape the polytope as half-spaces walls x <= offsets on the free fluxes.

    Parameters
    ----------
    network : Network
        The network.
    origin, basis : numpy.ndarray
        Of :func:`free_basis`.

    Returns
    -------
    walls : numpy.ndarray
        Unit rows, shape ``(wall, free)``.
    offsets : numpy.ndarray
        Shape ``(wall,)``.
    """
    lower, upper = range_arrays(network)
    low, high = network.net_bounds
    tolerance = FIXED_RANGE * network.normalising_flux
    varies = upper - lower >= tolerance
    at_low = varies & (lower - low < 10 * tolerance)  # a bound out of reach shapes nothing
    at_high = varies & (high - upper < 10 * tolerance)
    walls = np.vstack([-basis[at_low], basis[at_high]])
    offsets = np.concatenate([origin[at_low] - low[at_low], high[at_high] - origin[at_high]])
    return prune(*unit_rows(walls, offsets))


def prune(walls: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drop the half-spaces that the others imply, one linear program each.

    Parameters
    ----------
    walls : numpy.ndarray
        Unit rows, shape ``(wall, dimension)``.
    offsets : numpy.ndarray
        Shape ``(wall,)``.
    """
    keep = list(range(len(walls)))
    for row in range(len(walls)):
        others = [i for i in keep if i != row]
        system = np.vstack([walls[others], walls[row]])
        limits = np.append(offsets[others], offsets[row] + 1.0)  # relaxed, so that the program stays bounded
        result = linprog(-walls[row], A_ub=system, b_ub=limits, bounds=(None, None), method="highs")
        if result.status == 0 and -result.fun <= offsets[row] + 1e-9 * max(1.0, abs(offsets[row])):
            keep = others
    return walls[keep], offsets[keep]


def chebyshev_centre(walls: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the centre of the largest ball inside walls x <= offsets; the rows of walls are units.

    Parameters
    ----------
    walls : numpy.ndarray
        Shape ``(wall, dimension)``.
    offsets : numpy.ndarray
        Shape ``(wall,)``.
    """
    system = np.column_stack([walls, np.ones(len(walls))])
    cost = np.append(np.zeros(walls.shape[1]), -1.0)
    bounds = [*[(None, None)] * walls.shape[1], (0, None)]
    return linprog(cost, A_ub=system, b_ub=offsets, bounds=bounds, method="highs").x[:-1]
