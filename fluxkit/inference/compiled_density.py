"""The posterior density and whole trajectories without Python between the gradients.

The same numbers as :class:`fluxkit.inference.density.FluxDensity`, which stays the readable form. The labeling program
is called by its address; chains are split over threads in groups that fill the vector registers.
"""

import threading
from collections.abc import Callable

import numpy as np

from fluxkit.emu import Kernel, share_out, thread_count
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.trajectory_kernels import Buffers, DensityArrays, Metric, evaluate, leapfrog


def compiled(density: FluxDensity) -> "CompiledDensity | None":
    """Return the compiled form of a density, or None where machine code cannot be made here."""
    code = density.likelihood.gradient_code()
    return None if code is None else CompiledDensity(density, code)


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
        space, scale, rates = density.space, density.space.exchange_scale, density.rates
        low, span = scale.ends
        least, most = scale.bounds
        self._shape = DensityArrays(
            origin=space.origin,
            floor=density.least_net,
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
            rate_rows=np.empty((0, len(space.origin))) if rates is None else rates.rows / rates.sd[:, None],
            rates=np.empty(0) if rates is None else rates.rates / rates.sd,
            absolute=rates is not None and rates.absolute,
        )
        self._walls, self._offsets = np.ascontiguousarray(space.walls), space.offsets
        self._groups: dict[tuple[int, int], Buffers] = {}
        self._lock = threading.Lock()  # the groups share their buffers with the labeling program

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log density and gradient.

        Parameters
        ----------
        points : numpy.ndarray
            Shape ``(chain, parameter)``; one that is not finite has density zero.

        Returns
        -------
        value, gradient : numpy.ndarray
            Shape ``(chain,)`` and ``(chain, parameter)``.
        """
        value, gradient = np.empty(len(points)), np.empty(points.shape)
        points = np.ascontiguousarray(points, dtype=float)

        def run(rows: slice) -> None:
            buffers, address = self._buffers(rows)
            evaluate(points[rows], self._shape, buffers, address, value[rows], gradient[rows])

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
            leapfrog(
                position[rows], velocity[rows], slope[rows], value[rows], step[rows], steps, metric,
                self._walls, self._offsets, self._shape, buffers, address,
            )  # fmt: skip

        self._in_groups(run, len(position))
        return value, slope

    def _in_groups(self, run: Callable[[slice], None], chains: int) -> None:
        groups = max(1, min(thread_count(), chains // self._code.lanes))
        with self._lock:
            share_out(run, chains, groups)

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
