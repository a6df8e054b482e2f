"""The posterior density and whole trajectories without Python between the gradients.

The same log density as :class:`fluxkit.inference.density.FluxDensity`, which stays the readable form; its gradient
here is that of single precision, good enough to propose where to go. Chains run in groups of eight, shared out to
threads.
"""

import threading
from contextlib import suppress

import numpy as np
from scipy.special import ndtr

from fluxkit.emu import Kernel, Tape, kernel, share_out, thread_count
from fluxkit.fluxes import FluxSpace
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.sampler.chains import ChainState, Trajectories
from fluxkit.inference.sampler.kernel_arrays import Metric, Motion, Programs, Shape, Sparse
from fluxkit.inference.sampler.lane_products import LANES
from fluxkit.inference.sampler.trajectory_kernels import evaluate, trajectories

_PRECISION = "float32"
_REACH, _SPACING = 8.0, 1 / 32
_ROUNDING = 1e-9  # share of the largest entry of a row that is rounding


def compiled(target: FluxDensity, precision: str = _PRECISION) -> "CompiledDensity | None":
    """Return the compiled form of a density, or None where machine code cannot be made here.

    Parameters
    ----------
    target : FluxDensity
        The posterior.
    precision : str
        ``"float32"``, or ``"float64"`` for comparisons: that of the labeling program on the way.
    """
    gradient = target.likelihood.gradient_code(precision, LANES)
    residuals = target.likelihood.residual_code() if gradient else None
    return CompiledDensity(target, gradient, residuals) if gradient and residuals else None


def compile_ahead(target: FluxDensity) -> None:
    """Begin to make the machine code that refinement and chains will need, in the background, in this order.

    The compiler leaves Python's lock alone, so other work goes on meanwhile; who needs code that is being made waits
    for it.

    Parameters
    ----------
    target : FluxDensity
        The posterior.
    """
    tapes = target.likelihood._tapes
    wanted = [(tapes.residuals, "float64", None), (tapes.tangent, "float64", None), (tapes.gradient, _PRECISION, LANES)]
    # no daemon: Python waits for the thread before it ends, which amid the compiler would crash
    threading.Thread(target=_make, args=(wanted,), name="fluxkit compiler").start()


def _make(wanted: list[tuple[Tape, str, int | None]]) -> None:
    """Make machine code, as long as the program goes on. What fails is tried again, and raised, where it is needed."""
    for tape, dtype, lanes in wanted:
        if threading.main_thread().is_alive():
            with suppress(Exception):
                kernel(tape, dtype, lanes)


class CompiledDensity:
    """A posterior density that runs trajectories of many chains without Python.

    Parameters
    ----------
    target : FluxDensity
        The posterior.
    gradient, residuals : Kernel
        Machine code of the gradient of its log likelihood, in eight lanes, and of its residuals.
    """

    def __init__(self, target: FluxDensity, gradient: Kernel, residuals: Kernel):
        self._target, self._codes = target, (gradient, residuals)
        self._shape, self._chart = _shape_of(target)
        self._unchart = np.linalg.inv(self._chart)
        self._free = len(self._chart)
        self._groups: list[Programs] = []
        self._metric: tuple[Metric, Motion] | None = None
        self._lock = threading.Lock()  # the groups share their arrays with the labeling program

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log density and gradient, the latter in single precision.

        Parameters
        ----------
        points : numpy.ndarray
            Shape ``(chain, parameter)``; one that is not finite has density zero.

        Returns
        -------
        value, gradient : numpy.ndarray
            Shape ``(chain,)`` and ``(chain, parameter)``.
        """
        state = self._to_lanes(points)

        def run(group: int) -> None:
            x, y, by_x, by_y, value = (each[group] for each in state)
            evaluate(x, y, self._shape, self._programs(group), value, by_x, by_y)

        self._in_groups(run, len(points))
        return self._from_lanes(state, len(points))[1:]

    def run(self, state: ChainState, plan: Trajectories, metric: Metric) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Move chains along trajectories, as the same method of a chain state does for any density.

        Parameters
        ----------
        state : ChainState
            Where the chains are; changed.
        plan : Trajectories
            The trajectories.
        metric : Metric
            Whitening.
        """
        count, motion, length = len(state.position), self._motion(metric), len(plan.steps)
        lanes = self._to_lanes(state.position, state.gradient)
        lanes[4].ravel()[:count] = state.value
        groups = len(lanes[0])
        momenta, steps = (_lanes_of_each(each, groups) for each in (plan.momenta, plan.step[..., None]))
        chances = _lanes_of_each(plan.chances[..., None], groups)
        places, found = np.empty_like(momenta), np.empty((groups, length, 2, LANES))

        def run(group: int) -> None:
            x, y, by_x, by_y, value = (each[group] for each in lanes)
            trajectories(
                x, y, by_x, by_y, value, momenta[group], chances[group, :, 0], steps[group, :, 0], plan.steps,
                motion, self._shape, self._programs(group), places[group], found[group],
            )  # fmt: skip

        self._in_groups(run, count)
        state.position, state.value, state.gradient = self._from_lanes(lanes, count)
        drawn = _rows_of_each(places, count)
        drawn[..., : self._free] = drawn[..., : self._free] @ self._unchart.T
        levels = _rows_of_each(found, count)
        return drawn, levels[..., 0], levels[..., 1]

    def _to_lanes(self, points: np.ndarray, gradient: np.ndarray | None = None):
        """Return free fluxes, other coordinates, both gradients and values, shape ``(group, ..., lane)``."""
        points = np.asarray(points, dtype=float)
        free = self._free
        with np.errstate(invalid="ignore"):  # a chain may be lost
            x, y = _lanes(points[:, :free] @ self._chart.T), _lanes(points[:, free:])
        if gradient is None:
            by_x, by_y = np.zeros_like(x), np.zeros_like(y)
        else:
            by_x, by_y = _lanes(gradient[:, :free] @ self._unchart), _lanes(gradient[:, free:])
        return x, y, by_x, by_y, np.zeros((len(x), LANES))

    def _from_lanes(self, state, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        x, y, by_x, by_y = (_rows(each, count) for each in state[:4])
        with np.errstate(invalid="ignore"):  # a chain may be lost
            points = np.concatenate([x @ self._unchart.T, y], axis=1)
            gradient = np.concatenate([by_x @ self._chart, by_y], axis=1)
        return points, state[4].ravel()[:count], gradient

    def _motion(self, metric: Metric) -> Motion:
        """Return a metric as it moves free fluxes; kept, since many trajectories share it."""
        if self._metric is None or self._metric[0] is not metric:
            free, factor = self._free, np.ascontiguousarray(metric.factor)
            net, other = self._chart @ factor[:free, :free], np.ascontiguousarray(factor[free:])
            parts = (net, net.T, other, other.T, metric.normals[:, :free], metric.products)
            self._metric = (metric, Motion(*map(np.ascontiguousarray, parts)))
        return self._metric[1]

    def _in_groups(self, run, chains: int) -> None:
        groups = -(-chains // LANES)

        def several(rows: slice) -> None:
            for group in range(rows.start, rows.stop):
                run(group)

        with self._lock:
            for group in range(groups):
                self._programs(group)
            share_out(several, groups, min(groups, thread_count()))

    def _programs(self, group: int) -> Programs:
        """Return code and arrays of a group of chains; made once."""
        while len(self._groups) <= group:
            self._groups.append(self._new_programs())
        return self._groups[group]

    def _new_programs(self) -> Programs:
        gradient, residuals = self._codes
        likelihood = self._target.likelihood
        works = []
        for code in (gradient, residuals):
            work = code.work_array()
            inputs = likelihood.inputs(np.ones((1, likelihood.program.flux_count)), self._half)
            for place, values in zip(code.input_places, inputs, strict=True):
                work[place : place + values.shape[1]] = values[0][:, None]
            works.append(work)
        return Programs(
            gradient=gradient.work_address,
            residuals=residuals.work_address,
            gradient_work=works[0],
            residual_work=works[1],
            weights=gradient.input_places[2],
            by_fluxes=gradient.output_places[1],
            by_weights=gradient.output_places[2],
            residual=residuals.output_places[0],
            data=len(self._target.known),
        )

    @property
    def _half(self) -> np.ndarray:
        return np.full((1, len(self._target.measurement.weight_names)), 0.5)


def _lanes(rows: np.ndarray) -> np.ndarray:
    """Turn rows of chains into groups of lanes ``(group, column, lane)``; the last chain fills up the last group."""
    groups = -(-len(rows) // LANES)
    filled = np.concatenate([rows, np.repeat(rows[-1:], groups * LANES - len(rows), axis=0)])
    return np.ascontiguousarray(filled.reshape(groups, LANES, rows.shape[1]).swapaxes(1, 2), dtype=float)


def _rows(lanes: np.ndarray, count: int) -> np.ndarray:
    """Turn groups of lanes back into rows of chains."""
    return lanes.swapaxes(1, 2).reshape(len(lanes) * LANES, lanes.shape[1])[:count]


def _lanes_of_each(rows: np.ndarray, groups: int) -> np.ndarray:
    """Turn ``(trajectory, chain, column)`` into groups ``(group, trajectory, column, lane)``."""
    short = groups * LANES - rows.shape[1]
    filled = np.concatenate([rows, np.repeat(rows[:, -1:], short, axis=1)], axis=1)
    return np.ascontiguousarray(
        filled.reshape(len(rows), groups, LANES, rows.shape[2]).transpose(1, 0, 3, 2), dtype=float
    )


def _rows_of_each(lanes: np.ndarray, count: int) -> np.ndarray:
    """Turn groups ``(group, trajectory, column, lane)`` back into ``(trajectory, chain, column)``."""
    groups, length, columns, _ = lanes.shape
    return lanes.transpose(1, 0, 3, 2).reshape(length, groups * LANES, columns)[:, :count].copy()


def _shape_of(target: FluxDensity) -> tuple[Shape, np.ndarray]:
    """Return what the kernels need, and the chart: free fluxes = chart z."""
    space, scale, rates = target.space, target.space.exchange_scale, target.rates
    chart = _chart(space)
    back = np.linalg.inv(chart)
    basis, walls, prior = (_rounded(each @ back) for each in (space.basis, space.walls, space.prior_matrix))
    low, span = scale.ends
    least, most = scale.bounds
    shape = Shape(
        origin=space.origin,
        floor=target.least_net,
        basis=_sparse(basis),
        basis_back=_sparse(basis.T),
        walls=_sparse(walls),
        walls_away=_sparse(-walls),
        offsets=space.offsets,
        nothing=np.zeros(max(len(space.offsets), len(space.origin))),
        prior=_sparse(-prior),
        prior_back=_sparse(prior.T),
        prior_offset=space.prior_offset,
        reversible=np.flatnonzero(space.network.reversible),
        varies=np.flatnonzero(scale.varies),
        lower=np.asarray(scale.lower, dtype=float),
        low=low,
        span=span,
        prior_floor=np.ascontiguousarray(scale.floor[scale.varies], dtype=float),
        least=np.ascontiguousarray(least, dtype=float),
        most=np.ascontiguousarray(most, dtype=float),
        offset=float(scale.offset),
        table=_table(target),
        reach=_REACH,
        spacing=_SPACING,
        rate_rows=np.empty((0, len(space.origin))) if rates is None else rates.rows / rates.sd[:, None],
        rates=np.empty(0) if rates is None else rates.rates / rates.sd,
        absolute=rates is not None and rates.absolute,
    )
    return shape, chart


def _chart(space: FluxSpace) -> np.ndarray:
    """Return the rows of the basis that belong to the free fluxes, shape ``(free, free)``."""
    names = list(space.network.reaction_names)
    return np.ascontiguousarray(space.basis[[names.index(each) for each in space.free]])


def _rounded(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix without the entries that are rounding."""
    size = np.abs(matrix)
    return np.where(size > _ROUNDING * size.max(axis=1, keepdims=True, initial=0.0), matrix, 0.0)


def _sparse(matrix: np.ndarray) -> Sparse:
    rows, columns = np.nonzero(matrix)
    starts = np.searchsorted(rows, np.arange(len(matrix) + 1))
    return Sparse(starts.astype(np.int64), columns.astype(np.int64), np.ascontiguousarray(matrix[rows, columns]))


def _table(target: FluxDensity) -> np.ndarray:
    """Return value and slope of exchange fluxes and shares at the nodes, shape ``(other, node, 2)``."""
    scale, shares = target.space.exchange_scale, len(target.measurement.weight_names)
    nodes = np.linspace(-_REACH, _REACH, round(2 * _REACH / _SPACING) + 1)
    grid = np.repeat(nodes[:, None], scale.size, axis=1)
    _, derivative, _, _ = scale.expand(grid)
    table = np.empty((scale.size + shares, len(nodes), 2))
    table[: scale.size, :, 0] = scale.fluxes(grid)[:, scale.varies].T
    table[: scale.size, :, 1] = derivative.T
    table[scale.size :, :, 0] = ndtr(nodes)
    table[scale.size :, :, 1] = np.exp(-0.5 * nodes**2) / np.sqrt(2 * np.pi)
    return table
