"""Between the gradients of a trajectory: straight motion with bounces, and the density, in compiled form.

Whitened coordinates make a bounce off a wall a mirror image of the velocity at its normal. After a bounce only the
speeds towards the other walls change, by a column of the matrix of products of normals. The kernels that call each
other share this file: a cached kernel does not notice changes in another file.
"""

from math import erfc, exp, inf, log, sqrt
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_HALF_ROOT = 1 / sqrt(2.0)
_INVERSE_SQRT_2PI = 0.3989422804014327
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


class DensityArrays(NamedTuple):
    """What a density is made of beside the likelihood; see :class:`fluxkit.fluxes.FluxSpace` and its exchange scale.

    Parameters
    ----------
    origin, floor : numpy.ndarray
        Net fluxes are ``origin + basis z``, at least ``floor`` (0 where irreversible); shape ``(reaction,)``.
    basis, basis_rows : numpy.ndarray
        Shape ``(reaction, free)``, and its transpose.
    reversible, varies : numpy.ndarray
        Reactions that are reversible; positions among them whose exchange flux has a coordinate.
    lower : numpy.ndarray
        Lower bound of each reversible exchange flux.
    low, span, prior_floor, least, most : numpy.ndarray
        Scale and bounds of the exchange coordinates, shape ``(coordinate,)``.
    offset : float
        Offset of the exchange scale, in the flux unit.
    prior, prior_columns, prior_offset : numpy.ndarray
        Prior matrix ``(target, free)``, its transpose, and its offset.
    rate_rows, rates : numpy.ndarray
        Coefficients of measured rates, and these, both over their sd; see :class:`RateTerm`.
    absolute : bool
        Whether rates are in the unit of the fluxes.
    """

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
    rate_rows: np.ndarray
    rates: np.ndarray
    absolute: bool


class Buffers(NamedTuple):
    """Arrays that one group of chains shares with the labeling program.

    Parameters
    ----------
    arguments : numpy.ndarray
        Of :meth:`fluxkit.emu.Kernel.packed`.
    fluxes, weights : numpy.ndarray
        Inputs of the program, shape ``(chain, directed flux)`` and ``(chain, weight)``.
    value, by_fluxes, by_weights : numpy.ndarray
        Its outputs.
    """

    arguments: np.ndarray
    fluxes: np.ndarray
    weights: np.ndarray
    value: np.ndarray
    by_fluxes: np.ndarray
    by_weights: np.ndarray


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


@intrinsic
def _call(typing_context, address, arguments):  # pyright: ignore[reportUnusedParameter]
    """Call the function ``i64 f(i64)`` at an address."""

    def generate(context, builder, signature, values):
        function = ir.FunctionType(ir.IntType(64), [ir.IntType(64)])
        return builder.call(builder.inttoptr(values[0], function.as_pointer()), [values[1]])

    return types.int64(types.int64, types.int64), generate


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def _add_rates(net, shape, by_net):
    """Return the log likelihood of the rates of one chain and add its gradient by net fluxes, as RateTerm does."""
    flux = shape.rate_rows @ net
    square, product, total = flux @ flux, flux @ shape.rates, -0.5 * (shape.rates @ shape.rates)
    if shape.absolute:
        by_net += (shape.rates - flux) @ shape.rate_rows
        return total + product - 0.5 * square
    length = sqrt(max(square, 1e-300))
    t = product / length
    slope = abs(t) - t / (1 + t * t)
    by_net += (slope * (shape.rates / length - t * flux / (length * length))) @ shape.rate_rows
    return total + 0.5 * t * abs(t) - 0.5 * log(1 + t * t)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def evaluate(points, shape, buffers, address, value, gradient):
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
        if shape.rates.shape[0]:
            value[chain] += _add_rates(net[chain], shape, by_net[chain])
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
def leapfrog(position, velocity, gradient, value, step, steps, metric, walls, offsets, shape, buffers, address):
    """Take leapfrog steps of all chains in place; ``value`` and ``gradient`` become those of the end."""
    bounded = walls.shape[1]
    wall_columns, normal_columns = np.ascontiguousarray(walls.T), np.ascontiguousarray(metric.normals.T)
    velocity += 0.5 * step[:, None] * (gradient @ metric.factor)
    for i in range(steps):
        speed = velocity @ normal_columns
        gap = offsets - np.ascontiguousarray(position[:, :bounded]) @ wall_columns
        drift(position, velocity, step, speed, gap, metric.factor, metric.normals, metric.products)
        evaluate(position, shape, buffers, address, value, gradient)
        half = 0.5 if i == steps - 1 else 1.0
        velocity += half * step[:, None] * (gradient @ metric.factor)
