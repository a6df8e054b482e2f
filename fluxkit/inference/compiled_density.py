"""The posterior density and whole trajectories in compiled form: no Python between the gradients of a trajectory.

The same numbers as :class:`fluxkit.inference.density.FluxDensity`, which stays the readable form. The labeling program
is called by its address; chains are split over threads in groups that fill the vector registers.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from math import erfc, exp, inf, log, sqrt
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from fluxkit.emu import Kernel, thread_count
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.reflection import Metric, drift

_HALF_ROOT = 1 / sqrt(2.0)
_INVERSE_SQRT_2PI = 0.3989422804014327


class Shape(NamedTuple):
    """What a density is made of beside the likelihood; see :class:`fluxkit.fluxes.FluxSpace`."""

    origin: np.ndarray
    floor: np.ndarray
    basis: np.ndarray
    basis_rows: np.ndarray
    reversible: np.ndarray
    varies: np.ndarray
    lower: np.ndarray
    low: np.ndarray
    span: np.ndarray
    offset: float
    prior_floor: np.ndarray
    least: np.ndarray
    most: np.ndarray
    prior: np.ndarray
    prior_columns: np.ndarray
    prior_offset: np.ndarray


class Buffers(NamedTuple):
    """Arrays that one group of chains shares with the labeling program."""

    arguments: np.ndarray
    fluxes: np.ndarray
    weights: np.ndarray
    value: np.ndarray
    by_fluxes: np.ndarray
    by_weights: np.ndarray


@intrinsic
def _call(typing_context, address, arguments):  # pyright: ignore[reportUnusedParameter]
    """Call the function ``i64 f(i64)`` at an address."""

    def generate(context, builder, signature, values):
        function = ir.FunctionType(ir.IntType(64), [ir.IntType(64)])
        return builder.call(builder.inttoptr(values[0], function.as_pointer()), [values[1]])

    return types.int64(types.int64, types.int64), generate


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _evaluate(points, shape, buffers, address, value, gradient):
    """Fill log density ``(chain,)`` and gradient ``(chain, parameter)``; a point that is not finite has density 0."""
    chains = points.shape[0]
    free, count = shape.basis.shape[1], shape.origin.shape[0]
    exchanges, weights = shape.varies.shape[0], buffers.weights.shape[1]
    slope = np.empty((chains, exchanges))
    z = np.ascontiguousarray(points[:, :free])
    lost = np.zeros(chains, dtype=np.bool_)
    for chain in range(chains):
        for k in range(points.shape[1]):
            if not -inf < points[chain, k] < inf:
                lost[chain] = True
        if lost[chain]:
            z[chain] = 0.0
    net = z @ shape.basis_rows
    miss = z @ shape.prior_columns
    for chain in range(chains):
        total = 0.0
        for k in range(shape.prior_offset.shape[0]):
            miss[chain, k] -= shape.prior_offset[k]
            total -= 0.5 * miss[chain, k] * miss[chain, k]
        for r in range(count):
            net[chain, r] = max(net[chain, r] + shape.origin[r], shape.floor[r])
            buffers.fluxes[chain, r] = max(net[chain, r], 0.0)
        for j in range(shape.reversible.shape[0]):
            r = shape.reversible[j]
            buffers.fluxes[chain, r] += shape.lower[j]
            buffers.fluxes[chain, count + j] = max(-net[chain, r], 0.0) + shape.lower[j]
        for k in range(exchanges):
            y = 0.0 if lost[chain] else points[chain, free + k]
            share = 0.5 * erfc(-y * _HALF_ROOT)
            moved = min(max(exp(shape.low[k] + shape.span[k] * share) - shape.offset, shape.least[k]), shape.most[k])
            shifted, floored = moved + shape.offset, moved + shape.prior_floor[k]
            slope[chain, k] = shifted * shape.span[k] * exp(-0.5 * y * y) * _INVERSE_SQRT_2PI
            total += log(shifted / floored) - 0.5 * y * y
            gradient[chain, free + k] = (1 / shifted - 1 / floored) * slope[chain, k] - y
            j = shape.varies[k]
            extra = moved - shape.lower[j]
            buffers.fluxes[chain, shape.reversible[j]] += extra
            buffers.fluxes[chain, count + j] += extra
        for k in range(weights):
            w = 0.0 if lost[chain] else points[chain, free + exchanges + k]
            buffers.weights[chain, k] = 0.5 * erfc(-w * _HALF_ROOT)
            total -= 0.5 * w * w
        value[chain] = total
    _call(address, buffers.arguments.ctypes.data)  # pyright: ignore[reportCallIssue]
    by_net = np.empty((chains, count))
    for chain in range(chains):
        value[chain] = -inf if lost[chain] else value[chain] + buffers.value[chain, 0]
        for r in range(count):
            by_net[chain, r] = buffers.by_fluxes[chain, r] if net[chain, r] > 0 else 0.0
        for j in range(shape.reversible.shape[0]):
            r = shape.reversible[j]
            if net[chain, r] < 0:
                by_net[chain, r] -= buffers.by_fluxes[chain, count + j]
        for k in range(exchanges):
            j = shape.varies[k]
            both = buffers.by_fluxes[chain, shape.reversible[j]] + buffers.by_fluxes[chain, count + j]
            gradient[chain, free + k] += both * slope[chain, k]
        for k in range(weights):
            w = 0.0 if lost[chain] else points[chain, free + exchanges + k]
            slope_w = exp(-0.5 * w * w) * _INVERSE_SQRT_2PI
            gradient[chain, free + exchanges + k] = buffers.by_weights[chain, k] * slope_w - w
    gradient[:, :free] = by_net @ shape.basis - miss @ shape.prior


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _leapfrog(position, velocity, gradient, value, step, steps, metric, walls, offsets, shape, buffers, address):
    """Take leapfrog steps of all chains in place; ``value`` and ``gradient`` become those of the end."""
    bounded = walls.shape[1]
    wall_columns, normal_columns = np.ascontiguousarray(walls.T), np.ascontiguousarray(metric.normals.T)
    velocity += 0.5 * step[:, None] * (gradient @ metric.factor)
    for i in range(steps):
        speed = velocity @ normal_columns
        gap = offsets - np.ascontiguousarray(position[:, :bounded]) @ wall_columns
        drift(position, velocity, step, speed, gap, metric.factor, metric.normals, metric.products)
        _evaluate(position, shape, buffers, address, value, gradient)
        half = 0.5 if i == steps - 1 else 1.0
        velocity += half * step[:, None] * (gradient @ metric.factor)


def compiled(density: FluxDensity) -> "CompiledDensity | None":
    """Return the compiled form of a density, or None where machine code cannot be made here."""
    code = density.likelihood.gradient_code()
    return None if code is None else CompiledDensity(density, code)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_count(), thread_name_prefix="fluxkit-chains")


class CompiledDensity:
    """A posterior density that runs trajectories of many chains without Python.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    code : Kernel
        Machine code of its likelihood.
    """

    def __init__(self, density: FluxDensity, code: Kernel):
        self._density, self._code = density, code
        space, scale = density.space, density.space.exchange_scale
        low, span = scale.ends
        least, most = scale.bounds
        self._shape = Shape(
            origin=space.origin,
            floor=np.where(space.network.reversible, -np.inf, 0.0),
            basis=np.ascontiguousarray(space.basis),
            basis_rows=np.ascontiguousarray(space.basis.T),
            reversible=np.flatnonzero(space.network.reversible),
            varies=np.flatnonzero(scale.varies),
            lower=np.asarray(scale.lower, dtype=float),
            low=low,
            span=span,
            offset=float(scale.offset),
            prior_floor=np.ascontiguousarray(scale.floor[scale.varies], dtype=float),
            least=np.ascontiguousarray(least, dtype=float),
            most=np.ascontiguousarray(most, dtype=float),
            prior=np.ascontiguousarray(space.prior_matrix),
            prior_columns=np.ascontiguousarray(space.prior_matrix.T),
            prior_offset=space.prior_offset,
        )
        self._walls, self._offsets = np.ascontiguousarray(space.walls), space.offsets
        self._groups: dict[tuple[int, int], Buffers] = {}

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log density ``(chain,)`` and gradient ``(chain, parameter)`` of points ``(chain, parameter)``."""
        value, gradient = np.empty(len(points)), np.empty(points.shape)
        points = np.ascontiguousarray(points, dtype=float)

        def run(rows: slice) -> None:
            buffers, address = self._buffers(rows)
            _evaluate(points[rows], self._shape, buffers, address, value[rows], gradient[rows])

        self._in_groups(run, len(points))
        return value, gradient

    def leapfrog(
        self,
        position: np.ndarray,
        velocity: np.ndarray,
        gradient: np.ndarray,
        step: np.ndarray,
        steps: int,
        metric: Metric,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Take leapfrog steps in place; return log density and gradient at the end.

        Parameters
        ----------
        position, velocity, gradient : numpy.ndarray
            Shape ``(chain, parameter)``; position and velocity are changed.
        step : numpy.ndarray
            Step of each chain, shape ``(chain,)``.
        steps : int
            Number of steps.
        metric : Metric
            Whitening.
        """
        value, slope = np.empty(len(position)), gradient.copy()

        def run(rows: slice) -> None:
            buffers, address = self._buffers(rows)
            _leapfrog(
                position[rows], velocity[rows], slope[rows], value[rows], step[rows], steps, metric,
                self._walls, self._offsets, self._shape, buffers, address,
            )  # fmt: skip

        self._in_groups(run, len(position))
        return value, slope

    def _in_groups(self, run, chains: int) -> None:
        groups = max(1, min(thread_count(), chains // self._code.lanes))
        edges = [chains * k // groups for k in range(groups + 1)]
        rows = [slice(a, b) for a, b in pairwise(edges)]
        if groups == 1:
            run(rows[0])
        else:
            list(_pool().map(run, rows))

    def _buffers(self, rows: slice) -> tuple[Buffers, int]:
        """Return the arrays of a group of chains, at least as many as lanes; made once."""
        likelihood = self._density.likelihood
        key = (rows.start, rows.stop)
        if key not in self._groups:
            count = max(self._code.lanes, rows.stop - rows.start)
            fluxes = np.ones((count, likelihood.program.flux_count))
            weights = np.full((count, len(likelihood.measurement.weight_names)), 0.5)
            outputs = [np.zeros((count, width)) for width in (1, fluxes.shape[1], weights.shape[1])]
            arguments = self._code.packed(likelihood.gradient_inputs(fluxes, weights), outputs, count)
            self._groups[key] = Buffers(arguments, fluxes, weights, *outputs)
        return self._groups[key], self._code.packed_address
