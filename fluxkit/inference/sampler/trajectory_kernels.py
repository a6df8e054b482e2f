"""Whole trajectories of a group of chains in compiled form, and the exact log density at their ends.

Chains are lanes: every array has one row for each quantity and one column for each chain, so that one instruction
serves several chains. On the way a trajectory sees the labeling program in single precision and the free coordinates by
interpolation; both are smooth fixed functions, so it can be reversed, and accepting or rejecting by the exact density
of its end leaves the exact posterior invariant. Net fluxes move as free fluxes, in which balances and walls have few
terms each.
"""

from math import erfc, exp, inf, log, sqrt

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fluxkit.inference.sampler.kernel_cache import kernel
from fluxkit.inference.sampler.lane_products import LANES, multiply, multiply_sparse

_HALF_ROOT = 1 / sqrt(2.0)
MOST_BOUNCES = 200
_KERNEL = {"nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
_INNER = {**_KERNEL, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Kernels that only kernels call: to let Python call one takes longer to compile than the kernel."""
OUTSIDE = 1e-9
"""How far beyond a wall rounding may leave a point."""


@intrinsic
def _call(typing_context, address, arguments):  # pyright: ignore[reportUnusedParameter]
    """Call the function ``i64 f(i64)`` at an address."""

    def generate(context, builder, signature, values):
        function = ir.FunctionType(ir.IntType(64), [ir.IntType(64)])
        return builder.call(builder.inttoptr(values[0], function.as_pointer()), [values[1]])

    return types.int64(types.int64, types.int64), generate


@kernel(**_INNER)
def _multiply(matrix, vectors, result):
    """Fill ``result = matrix @ vectors``."""
    multiply(matrix.ctypes.data, matrix.shape[0], matrix.shape[1], vectors.ctypes.data, result.ctypes.data)  # pyright: ignore[reportCallIssue]


@kernel(**_INNER)
def _multiply_sparse(matrix, vectors, begin, result):
    """Fill ``result = begin + matrix @ vectors``."""
    rows = matrix.starts.shape[0] - 1
    own = (matrix.starts.ctypes.data, matrix.columns.ctypes.data, matrix.values.ctypes.data)
    multiply_sparse(own[0], own[1], own[2], rows, vectors.ctypes.data, begin.ctypes.data, result.ctypes.data)  # pyright: ignore[reportCallIssue]


@kernel(**_INNER)
def _copy(rows, target, first):
    """Write rows into others from a first one on."""
    for k in range(rows.shape[0]):
        for lane in range(LANES):
            target[first + k, lane] = rows[k, lane]


@kernel(**_INNER)
def _bounce(lane, duration, velocity, speed, gap, moved, normals, products):
    """Move one chain straight for a time, mirrored at every wall that it meets; return whether it arrived.

    Whitened coordinates make a bounce a mirror image of the velocity at the normal of the wall. After it only the
    speeds towards the other walls change, by a column of the matrix of products of normals.

    Parameters
    ----------
    lane : int
        The chain.
    duration : float
        The time.
    velocity : numpy.ndarray
        Whitened, shape ``(parameter, lane)``; changed.
    speed, gap : numpy.ndarray
        Speed towards each wall and distance from it, shape ``(wall, lane)``; changed.
    moved : numpy.ndarray
        Filled with the whitened way along the columns of the normals, shape ``(column,)``.
    normals, products : numpy.ndarray
        Whitened normals of the walls, shape ``(wall, column)``, and their products, ``(wall, wall)``.
    """
    left = duration
    free, walls = normals.shape[1], normals.shape[0]
    for k in range(free):
        moved[k] = 0.0
    for _ in range(MOST_BOUNCES + 1):
        first, at = -1, left
        for wall in range(walls):
            # the comparison by product spares a division
            if speed[wall, lane] > 0.0 and gap[wall, lane] < at * speed[wall, lane]:
                at, first = max(gap[wall, lane], 0.0) / speed[wall, lane], wall
        for k in range(free):
            moved[k] += at * velocity[k, lane]
        left -= at
        if first < 0:
            return True
        back = 2.0 * speed[first, lane] / products[first, first]
        for wall in range(walls):
            gap[wall, lane] -= at * speed[wall, lane]
            speed[wall, lane] -= back * products[first, wall]
        gap[first, lane] = 0.0
        for k in range(free):
            velocity[k, lane] -= back * normals[first, k]
    return False


@kernel(**_KERNEL)
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
    moved = np.empty(size)
    for chain in range(chains):
        if not _bounce(chain, duration[chain], velocity.T, speed.T, gap.T, moved, normals, products):
            for k in range(size):
                moved[k] = np.nan
        for i in range(size):
            total = 0.0
            for k in range(i + 1):  # the factor is lower triangular
                total += factor[i, k] * moved[k]
            position[chain, i] += total


@kernel(**_INNER)
def _drift(x, y, velocity, step, shape, motion, space):
    """Move every chain straight for its step, with bounces; one that never arrives gets lost (NaN).

    A path that is cut short could not be reversed.
    """
    free, walls = x.shape[0], shape.offsets.shape[0]
    moved, pace, speed, gap, way, single, close = space
    _multiply(motion.net, velocity, pace)  # the rows of the other coordinates are not read
    _multiply_sparse(shape.walls, pace, shape.nothing, speed)
    _multiply_sparse(shape.walls_away, x, shape.offsets, gap)
    for lane in range(LANES):
        close[lane] = inf
    for wall in range(walls):
        for lane in range(LANES):
            close[lane] = min(close[lane], gap[wall, lane] - step[lane] * speed[wall, lane])
    for k in range(free):
        for lane in range(LANES):
            moved[k, lane] = step[lane] * velocity[k, lane]
            if close[lane] >= 0.0:
                x[k, lane] += step[lane] * pace[k, lane]
    for lane in range(LANES):
        if not close[lane] >= 0.0:
            arrived = _bounce(lane, step[lane], velocity, speed, gap, single, motion.normals, motion.products)
            for k in range(free):
                moved[k, lane] = single[k] if arrived else np.nan
            for i in range(free):
                total = 0.0
                for k in range(free):
                    total += motion.net[i, k] * moved[k, lane]
                x[i, lane] += total
    for k in range(free, velocity.shape[0]):
        for lane in range(LANES):
            moved[k, lane] = step[lane] * velocity[k, lane]
    _multiply(motion.other, moved, way)
    for i in range(y.shape[0]):
        for lane in range(LANES):
            y[i, lane] += way[i, lane]


@kernel(**_INNER)
def _read_table(y, shape, value, slope):
    """Fill what the other coordinates stand for, and its slope, by cubic interpolation."""
    nodes, h = shape.table.shape[1], shape.spacing
    for k in range(y.shape[0]):
        for lane in range(LANES):
            place = (y[k, lane] + shape.reach) / h
            if not place >= 0.0:  # also where it is not a number
                place = 0.0
            if place > nodes - 1.0:
                place = nodes - 1.0
            node = min(int(place), nodes - 2)
            s = place - node
            p0, d0 = shape.table[k, node, 0], h * shape.table[k, node, 1]
            p1, d1 = shape.table[k, node + 1, 0], h * shape.table[k, node + 1, 1]
            c2, c3 = 3 * (p1 - p0) - 2 * d0 - d1, 2 * (p0 - p1) + d0 + d1
            value[k, lane] = p0 + s * (d0 + s * (c2 + s * c3))
            slope[k, lane] = (d0 + s * (2 * c2 + 3 * s * c3)) / h


@kernel(**_INNER)
def _write_fluxes(net, value, shape, work, weights, first):
    """Write directed fluxes and weights of the chains from a first one on into a work array."""
    count, exchanges, lanes = net.shape[0], shape.varies.shape[0], work.shape[1]
    for r in range(count):
        for lane in range(lanes):
            work[r, lane] = max(net[r, first + lane], 0.0)
    for j in range(shape.reversible.shape[0]):
        r = shape.reversible[j]
        for lane in range(lanes):
            work[r, lane] += shape.lower[j]
            work[count + j, lane] = max(-net[r, first + lane], 0.0) + shape.lower[j]
    for k in range(exchanges):
        j = shape.varies[k]
        r = shape.reversible[j]
        for lane in range(lanes):
            extra = value[k, first + lane] - shape.lower[j]
            work[r, lane] += extra
            work[count + j, lane] += extra
    for k in range(exchanges, value.shape[0]):
        for lane in range(lanes):
            work[weights + k - exchanges, lane] = value[k, first + lane]


@kernel(**_INNER)
def _net_fluxes(x, shape, net):
    """Fill net fluxes."""
    _multiply_sparse(shape.basis, x, shape.origin, net)
    for r in range(net.shape[0]):
        for lane in range(LANES):
            net[r, lane] = max(net[r, lane], shape.floor[r])


@kernel(**_INNER)
def _rates(net, lane, shape, by_net):
    """Return the log likelihood of the rates of one chain and fill its gradient by net fluxes, as RateTerm does."""
    square = product = total = 0.0
    for i in range(shape.rates.shape[0]):
        flux = 0.0
        for r in range(net.shape[0]):
            flux += shape.rate_rows[i, r] * net[r, lane]
        square += flux * flux
        product += flux * shape.rates[i]
        total -= 0.5 * shape.rates[i] * shape.rates[i]
    square = max(square, 1e-300)
    length = sqrt(square)
    t = product / length
    if shape.absolute:
        by_rate, by_flux = 1.0, -1.0
        total += product - 0.5 * square
    else:
        bend = abs(t) - t / (1 + t * t)
        by_rate, by_flux = bend / length, -bend * t / square
        total += 0.5 * t * abs(t) - 0.5 * log(1 + t * t)
    for r in range(net.shape[0]):
        by_net[r] = 0.0
    for i in range(shape.rates.shape[0]):
        flux = 0.0
        for r in range(net.shape[0]):
            flux += shape.rate_rows[i, r] * net[r, lane]
        slope = by_rate * shape.rates[i] + by_flux * flux
        for r in range(net.shape[0]):
            by_net[r] += slope * shape.rate_rows[i, r]
    return total


@kernel(**_INNER)
def _slope(x, y, shape, programs, by_x, by_y, space):
    """Fill the gradient of the log density by free fluxes and by the other coordinates."""
    net, by_net, value, slope, miss, pull = space
    count, exchanges, work = net.shape[0], shape.varies.shape[0], programs.gradient_work
    _net_fluxes(x, shape, net)
    _read_table(y, shape, value, slope)
    _write_fluxes(net, value, shape, work, programs.weights, 0)
    _call(programs.gradient, work.ctypes.data)  # pyright: ignore[reportCallIssue]
    first = programs.by_fluxes
    for r in range(count):
        for lane in range(LANES):
            by_net[r, lane] = work[first + r, lane] if net[r, lane] > 0.0 else 0.0
    for j in range(shape.reversible.shape[0]):
        r = shape.reversible[j]
        for lane in range(LANES):
            if net[r, lane] < 0.0:
                by_net[r, lane] -= work[first + count + j, lane]
    if shape.rates.shape[0]:
        own = np.empty(count)
        for lane in range(LANES):
            _rates(net, lane, shape, own)
            for r in range(count):
                by_net[r, lane] += own[r]
    _multiply_sparse(shape.prior, x, shape.prior_offset, miss)
    _multiply_sparse(shape.prior_back, miss, shape.nothing, pull)
    _multiply_sparse(shape.basis_back, by_net, shape.nothing, by_x)
    for k in range(by_x.shape[0]):
        for lane in range(LANES):
            by_x[k, lane] += pull[k, lane]
    for k in range(exchanges):
        j = shape.varies[k]
        r = shape.reversible[j]
        for lane in range(LANES):
            both = work[first + r, lane] + work[first + count + j, lane]
            bend = 1.0 / (value[k, lane] + shape.offset) - 1.0 / (value[k, lane] + shape.prior_floor[k])
            by_y[k, lane] = (both + bend) * slope[k, lane] - y[k, lane]
    for k in range(exchanges, y.shape[0]):
        for lane in range(LANES):
            own_slope = work[programs.by_weights + k - exchanges, lane]
            by_y[k, lane] = own_slope * slope[k, lane] - y[k, lane]


@kernel(**_INNER)
def _density(x, y, shape, programs, value):
    """Fill the exact log density of every chain, minus infinity for a point that is not finite or outside."""
    exchanges, work = shape.varies.shape[0], programs.residual_work
    net, stands = np.empty((shape.origin.shape[0], LANES)), np.empty(y.shape)
    lost = np.zeros(LANES, dtype=np.bool_)
    own = np.empty(net.shape[0])
    gap = np.empty((shape.offsets.shape[0], LANES))
    _multiply_sparse(shape.walls_away, x, shape.offsets, gap)
    for lane in range(LANES):
        total = 0.0
        for k in range(x.shape[0]):
            total += x[k, lane]
        for k in range(y.shape[0]):
            total += y[k, lane]
        lost[lane] = not -inf < total < inf
        for wall in range(gap.shape[0]):
            if not gap[wall, lane] >= -OUTSIDE:
                lost[lane] = True
        total = 0.0
        for k in range(y.shape[0]):
            share = 0.5 * erfc(-y[k, lane] * _HALF_ROOT)
            if k < exchanges:
                flux = exp(shape.low[k] + shape.span[k] * share) - shape.offset
                flux = min(max(flux, shape.least[k]), shape.most[k])
                total += log((flux + shape.offset) / (flux + shape.prior_floor[k]))
                stands[k, lane] = flux
            else:
                stands[k, lane] = share
            total -= 0.5 * y[k, lane] * y[k, lane]
        for t in range(shape.prior_offset.shape[0]):
            miss = shape.prior_offset[t]
            for k in range(shape.prior.starts[t], shape.prior.starts[t + 1]):
                miss += shape.prior.values[k] * x[shape.prior.columns[k], lane]
            total -= 0.5 * miss * miss
        value[lane] = total
    _net_fluxes(x, shape, net)
    for lane in range(LANES):
        if lost[lane]:
            for r in range(net.shape[0]):
                net[r, lane] = 1.0
            for k in range(stands.shape[0]):
                stands[k, lane] = 0.5
    lanes = work.shape[1]
    for first in range(0, LANES, lanes):
        _write_fluxes(net, stands, shape, work, programs.weights, first)
        _call(programs.residuals, work.ctypes.data)  # pyright: ignore[reportCallIssue]
        for lane in range(lanes):
            square = 0.0
            for d in range(programs.data):
                square += work[programs.residual + d, lane] ** 2
            value[first + lane] -= 0.5 * square
    for lane in range(LANES):
        if shape.rates.shape[0]:
            value[lane] += _rates(net, lane, shape, own)
        if lost[lane]:
            value[lane] = -inf


@kernel(**_INNER)
def _slope_space(shape, others):
    """Return work arrays for :func:`_slope`."""
    count, targets = shape.origin.shape[0], shape.prior_offset.shape[0]
    return (
        np.empty((count, LANES)),
        np.empty((count, LANES)),
        np.empty((others, LANES)),
        np.empty((others, LANES)),
        np.empty((targets, LANES)),
        np.empty((shape.basis_back.starts.shape[0] - 1, LANES)),
    )


@kernel(**_KERNEL)
def evaluate(x, y, shape, programs, value, by_x, by_y):
    """Fill exact log densities and the gradient.

    Parameters
    ----------
    x, y : numpy.ndarray
        Free fluxes less those of the origin, and other coordinates, shapes ``(free, lane)`` and ``(other, lane)``.
    shape : Shape
        The density.
    programs : Programs
        Its likelihood.
    value : numpy.ndarray
        Shape ``(lane,)``; minus infinity for a point that is not finite or outside.
    by_x, by_y : numpy.ndarray
        Shapes as ``x`` and ``y``.
    """
    _density(x, y, shape, programs, value)
    _slope(x, y, shape, programs, by_x, by_y, _slope_space(shape, y.shape[0]))


@kernel(**_INNER)
def _kick(velocity, by_x, by_y, share, step, motion, push, other_push):
    """Let the gradient change the whitened velocity."""
    free = by_x.shape[0]
    _multiply(motion.net_back, by_x, push)
    _multiply(motion.other_back, by_y, other_push)
    for k in range(velocity.shape[0]):
        for lane in range(LANES):
            total = other_push[k, lane]
            if k < free:
                total += push[k, lane]
            velocity[k, lane] += share * step[lane] * total


@kernel(**_INNER)
def _leapfrog(x, y, velocity, by_x, by_y, step, steps, motion, shape, programs, space, drift_space, kick_space):
    """Take leapfrog steps in place; the gradients become those of the end."""
    push, other_push = kick_space
    _kick(velocity, by_x, by_y, 0.5, step, motion, push, other_push)
    for i in range(steps):
        _drift(x, y, velocity, step, shape, motion, drift_space)
        _slope(x, y, shape, programs, by_x, by_y, space)
        half = 0.5 if i == steps - 1 else 1.0
        _kick(velocity, by_x, by_y, half, step, motion, push, other_push)


@kernel(**_KERNEL)
def trajectories(x, y, by_x, by_y, value, momenta, chances, step, steps, motion, shape, programs, places, found):
    """Move a group of chains along trajectories, each accepted or rejected; the arguments become those of the end.

    Parameters
    ----------
    x, y : numpy.ndarray
        Free fluxes less those of the origin, and other coordinates, shapes ``(free, lane)`` and ``(other, lane)``.
    by_x, by_y : numpy.ndarray
        Gradient of the log density there, same shapes.
    value : numpy.ndarray
        Log density there, shape ``(lane,)``.
    momenta : numpy.ndarray
        Whitened velocities to start with, shape ``(trajectory, parameter, lane)``; changed.
    chances : numpy.ndarray
        Uniform random numbers, shape ``(trajectory, lane)``.
    step : numpy.ndarray
        Shape ``(trajectory, lane)``.
    steps : numpy.ndarray
        Number of steps, shape ``(trajectory,)``.
    motion : Motion
        The metric.
    shape : Shape
        The density.
    programs : Programs
        Its likelihood.
    places : numpy.ndarray
        Filled with ``x``, then ``y``, after each trajectory, shape ``(trajectory, parameter, lane)``.
    found : numpy.ndarray
        Filled with log density and probability of acceptance, shape ``(trajectory, 2, lane)``.
    """
    free, others, walls, size = x.shape[0], y.shape[0], shape.offsets.shape[0], momenta.shape[1]
    space = _slope_space(shape, others)
    kick_space = (np.empty((free, LANES)), np.empty((size, LANES)))
    drift_space = (
        np.empty((size, LANES)),
        np.empty((free, LANES)),
        np.empty((walls, LANES)),
        np.empty((walls, LANES)),
        np.empty((others, LANES)),
        np.empty(free),
        np.empty(LANES),
    )
    new_x, new_y, new_by_x, new_by_y = np.empty_like(x), np.empty_like(y), np.empty_like(x), np.empty_like(y)
    new_value, energy = np.empty(LANES), np.empty(LANES)
    for t in range(momenta.shape[0]):
        velocity = momenta[t]
        _copy(x, new_x, 0)
        _copy(y, new_y, 0)
        _copy(by_x, new_by_x, 0)
        _copy(by_y, new_by_y, 0)
        for lane in range(LANES):
            energy[lane] = value[lane]
        for k in range(size):
            for lane in range(LANES):
                energy[lane] -= 0.5 * velocity[k, lane] * velocity[k, lane]
        _leapfrog(
            new_x, new_y, velocity, new_by_x, new_by_y, step[t], steps[t], motion, shape, programs, space,
            drift_space, kick_space,
        )  # fmt: skip
        _density(new_x, new_y, shape, programs, new_value)
        for lane in range(LANES):
            change = new_value[lane] - energy[lane]
            for k in range(size):
                change -= 0.5 * velocity[k, lane] * velocity[k, lane]
            probability = exp(min(change, 0.0)) if -inf < change < inf else 0.0
            if chances[t, lane] < probability:
                for k in range(free):
                    x[k, lane], by_x[k, lane] = new_x[k, lane], new_by_x[k, lane]
                for k in range(others):
                    y[k, lane], by_y[k, lane] = new_y[k, lane], new_by_y[k, lane]
                value[lane] = new_value[lane]
            found[t, 0, lane], found[t, 1, lane] = value[lane], probability
        _copy(x, places[t], 0)
        _copy(y, places[t], free)
