"""The flux space: the net fluxes that balances, equalities and bounds allow, in rounded coordinates."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import linprog

from fluxkit.errors import FluxError
from fluxkit.fluxes.exchange import ExchangeCoordinate, exchange_coordinate
from fluxkit.fluxes.ranges import FIXED_RANGE, range_arrays
from fluxkit.fluxes.sampling import hit_and_run
from fluxkit.networks import Network
from fluxkit.networks.checks import equality_system

PRIORS = ("targets", "uniform")
_ROUNDS = ((256, 10, 12), (512, 10, 20))  # chains, sweeps between kept draws, kept draws


@dataclass(frozen=True, eq=False)
class FluxSpace:
    """A polytope of net fluxes, net = origin + basis z with walls z <= offsets, and the prior on it.

    The coordinates are rounded: draws of z from the prior have about zero mean and unit covariance. Coordinate k
    follows free flux k as closely as that allows (symmetric whitening).

    Parameters
    ----------
    network : Network
        The network.
    free : tuple of str
        Names of a set of free fluxes: their values decide all others.
    origin, basis : numpy.ndarray
        Shapes ``(reaction,)`` and ``(reaction, free)``, in the flux unit of the network.
    projection : numpy.ndarray
        Shape ``(free, reaction)``; z = projection (net - origin), read from the free fluxes.
    walls, offsets : numpy.ndarray
        Half-spaces with unit rows, none redundant, shapes ``(wall, free)`` and ``(wall,)``.
    prior_matrix, prior_offset : numpy.ndarray
        Shapes ``(target, free)`` and ``(target,)``: log prior = -\\|prior_matrix z - prior_offset\\|^2 / 2.
    starts : numpy.ndarray
        Draws of z from the prior at which chains start, shape ``(start, free)``.
    exchange_scale : ExchangeCoordinate
        Coordinate and prior of the exchange fluxes.
    """

    network: Network
    free: tuple[str, ...]
    origin: np.ndarray
    basis: np.ndarray
    projection: np.ndarray
    walls: np.ndarray
    offsets: np.ndarray
    prior_matrix: np.ndarray
    prior_offset: np.ndarray
    starts: np.ndarray
    exchange_scale: ExchangeCoordinate

    def __repr__(self) -> str:
        return (
            f"<FluxSpace of {self.network.name!r}: {len(self.free)} free net fluxes inside {len(self.offsets)} walls, "
            f"{self.exchange_scale.size} exchange fluxes>"
        )

    def net(self, z: np.ndarray) -> np.ndarray:
        """Return net fluxes, shape ``(..., reaction)``, of coordinates ``(..., free)``."""
        return self.origin + np.asarray(z, dtype=float) @ self.basis.T

    def coordinates(self, net: np.ndarray) -> np.ndarray:
        """Return coordinates, shape ``(..., free)``, of net fluxes ``(..., reaction)`` that balance."""
        return (np.asarray(net, dtype=float) - self.origin) @ self.projection.T

    def slack(self, z: np.ndarray) -> np.ndarray:
        """Return the distances to the walls, shape ``(..., wall)``; all are positive inside the polytope."""
        return self.offsets - np.asarray(z, dtype=float) @ self.walls.T

    def log_prior(self, z: np.ndarray) -> np.ndarray:
        """Return the log prior density of the net coordinates up to a constant; minus infinity outside."""
        residual = np.asarray(z, dtype=float) @ self.prior_matrix.T - self.prior_offset
        inside = (self.slack(z) >= 0).all(axis=-1)
        return np.where(inside, -0.5 * (residual**2).sum(axis=-1), -np.inf)

    def exchange(self, y: np.ndarray) -> np.ndarray:
        """Return exchange fluxes, shape ``(..., reversible)``, of coordinates y."""
        return self.exchange_scale.fluxes(y)

    def exchange_coordinates(self, exchange: np.ndarray) -> np.ndarray:
        """Return the coordinates y of exchange fluxes, shape ``(..., reversible)``."""
        return self.exchange_scale.coordinates(exchange)


def flux_space(network: Network, prior: str = "targets") -> FluxSpace:
    """Return the flux space of a network in coordinates that are rounded for its prior.

    Parameters
    ----------
    network : Network
        The network.
    prior : str
        ``"targets"``: uniform on the polytope times a normal around each stated target, of sd
        3 max(\\|target\\|, 1) / sqrt(weight). ``"uniform"``: uniform alone.

    Raises
    ------
    FluxError
        A flux is unbounded, or nothing is free to vary.
    """
    if prior not in PRIORS:
        raise FluxError(f"unknown prior {prior!r}; write one of {', '.join(map(repr, PRIORS))}.")
    return _flux_space(network, prior)


@lru_cache(maxsize=64)
def _flux_space(network: Network, prior: str) -> FluxSpace:
    origin, basis, free = free_basis(network)
    walls, offsets = _walls(network, origin, basis)
    matrix, offset = _prior(network, prior, origin, basis)
    centre, chart = _analytic_centre(walls, offsets, matrix, offset)
    rng = np.random.default_rng(0)  # the coordinates of a network are always the same
    starts = np.zeros((1, len(free)))
    chart, shift = np.linalg.inv(np.linalg.cholesky(chart)).T, centre
    for chains, sweeps, keep in _ROUNDS:
        points = starts[rng.integers(len(starts), size=chains)]
        draws = _draws(points, walls, offsets, matrix, offset, shift, chart, rng, sweeps, keep)
        values = shift + draws[keep // 3 :].reshape(-1, len(free)) @ chart.T  # free fluxes
        shift, chart = values.mean(axis=0), _symmetric_root(np.cov(values.T))
        starts = np.linalg.solve(chart, (values[-512:] - shift).T).T
    names = np.array(network.reaction_names)
    projection = np.zeros((len(free), len(names)))
    projection[:, free] = np.linalg.inv(chart)
    rows, limits = _unit_rows(walls @ chart, offsets - walls @ shift)
    return FluxSpace(
        network,
        tuple(names[free].tolist()),
        origin + basis @ shift,
        basis @ chart,
        projection,
        rows,
        limits,
        matrix @ chart,
        offset - matrix @ shift,
        starts,
        exchange_coordinate(network),
    )


def free_basis(network: Network) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return origin, basis and free reactions: net = origin + basis net[free] solves every equality."""
    lower, upper = range_arrays(network)
    unbounded = [
        n for n, a, b in zip(network.reaction_names, lower, upper, strict=True) if not np.isfinite(b - a)
    ]
    if unbounded:
        raise FluxError(
            f"network {network.name!r}: the net flux of {', '.join(map(repr, unbounded[:5]))} is unbounded; give an "
            "upper bound (and a lower bound if reversible) in the flux table, or fix an uptake."
        )
    fixed = upper - lower < FIXED_RANGE * network.normalising_flux
    matrix, value = equality_system(network)
    size = len(fixed)
    matrix = np.vstack([matrix, np.eye(size)[fixed]])
    value = np.concatenate([value, 0.5 * (lower + upper)[fixed]])
    particular = np.linalg.lstsq(matrix, value, rcond=None)[0]
    _, singular, right = np.linalg.svd(matrix)
    rank = int((singular > 1e-10 * singular[0]).sum())
    null = right[rank:].T
    if null.shape[1] == 0:
        raise FluxError(
            f"network {network.name!r}: every net flux is fixed; widen a bound so that there is one to estimate."
        )
    free = _independent_rows(network, null)
    basis = np.linalg.solve(null[free].T, null.T).T
    basis[np.abs(basis) < 1e-12] = 0
    return particular - basis @ particular[free], basis, free


def _independent_rows(network: Network, null: np.ndarray) -> list[int]:
    """Choose free fluxes: those with a target first, in the order of the network."""
    order = sorted(
        range(len(null)), key=lambda i: (network.rule(network.reaction_names[i]).target is None, i)
    )
    chosen: list[int] = []
    frame = np.empty((0, null.shape[1]))
    for row in order:
        rest = null[row] - (null[row] @ frame.T) @ frame
        rest -= (rest @ frame.T) @ frame
        size = np.linalg.norm(rest)
        if size > 1e-6 and size > 1e-3 * np.linalg.norm(null[row]):
            chosen.append(row)
            frame = np.vstack([frame, rest / size])
        if len(chosen) == null.shape[1]:
            break
    return sorted(chosen)


def _unit_rows(walls: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = np.linalg.norm(walls, axis=1)
    return walls / size[:, None], offsets / size


def _walls(network: Network, origin: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds as half-spaces on the free fluxes, without those that never bind."""
    lower, upper = range_arrays(network)
    low, high = network.net_bounds
    tolerance = FIXED_RANGE * network.normalising_flux
    varies = upper - lower >= tolerance
    at_low = varies & (lower - low < 10 * tolerance)
    at_high = varies & (high - upper < 10 * tolerance)
    walls = np.vstack([-basis[at_low], basis[at_high]])
    offsets = np.concatenate([origin[at_low] - low[at_low], high[at_high] - origin[at_high]])
    walls, offsets = _unit_rows(walls, offsets)
    keep = list(range(len(walls)))
    for row in range(len(walls)):
        others = [i for i in keep if i != row]
        limits = np.append(offsets[others], offsets[row] + 1.0)
        system = np.vstack([walls[others], walls[row]])
        result = linprog(-walls[row], A_ub=system, b_ub=limits, bounds=(None, None), method="highs")
        if result.status == 0 and -result.fun <= offsets[row] + 1e-9 * max(1.0, abs(offsets[row])):
            keep = others
    return walls[keep], offsets[keep]


def _prior(
    network: Network, prior: str, origin: np.ndarray, basis: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the prior as least squares in the free fluxes."""
    rows, values = [], []
    for i, name in enumerate(network.reaction_names):
        rule = network.rule(name)
        if prior == "uniform" or rule.target is None or not basis[i].any():
            continue
        sd = 3 * max(abs(rule.target), 1.0) / np.sqrt(rule.weight)
        rows.append(basis[i] / sd)
        values.append((rule.target - origin[i]) / sd)
    return np.array(rows).reshape(-1, basis.shape[1]), np.array(values)


def _interior_point(walls: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the Chebyshev centre: the centre of the largest ball inside."""
    system = np.column_stack([walls, np.ones(len(walls))])
    cost = np.append(np.zeros(walls.shape[1]), -1.0)
    bounds = [(None, None)] * walls.shape[1] + [(0, None)]
    return linprog(cost, A_ub=system, b_ub=offsets, bounds=bounds, method="highs").x[:-1]


def _analytic_centre(
    walls: np.ndarray, offsets: np.ndarray, matrix: np.ndarray, offset: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return minimum and Hessian of -sum(log(slack)) - log prior: a first idea of centre and shape."""
    point = _interior_point(walls, offsets)
    for _ in range(200):
        slack = offsets - walls @ point
        gradient = walls.T @ (1 / slack) + matrix.T @ (matrix @ point - offset)
        hessian = (walls / slack[:, None] ** 2).T @ walls + matrix.T @ matrix
        step = -np.linalg.solve(hessian, gradient)
        decrement = np.sqrt(max(-gradient @ step, 0))
        point = point + step / (1 + decrement)  # self-concordant: never leaves the polytope
        if decrement < 1e-9:
            break
    return point, hessian


def _draws(points, walls, offsets, matrix, offset, shift, chart, rng, sweeps, keep) -> np.ndarray:
    rows = matrix @ chart
    return hit_and_run(
        points,
        walls @ chart,
        offsets - walls @ shift,
        rows.T @ rows,
        rows.T @ (offset - matrix @ shift),
        sweeps=sweeps,
        rng=rng,
        keep=keep,
    )


def _symmetric_root(covariance: np.ndarray) -> np.ndarray:
    """Return B with B B' = covariance, nearest to a diagonal: sd times the symmetric root of the correlation."""
    covariance = np.atleast_2d(covariance)
    sd = np.sqrt(np.diag(covariance))
    value, vector = np.linalg.eigh(covariance / np.outer(sd, sd))
    return sd[:, None] * (vector * np.sqrt(value)) @ vector.T
