"""Where chains start: refinements of perturbed data, which scatter like the posterior."""

import numpy as np

from fluxkit.inference.density import FluxDensity
from fluxkit.inference.problem import random_points
from fluxkit.inference.refinement import Refined, refine

_NEAR = 10.0
"""Refined points whose minus log posterior exceeds the best one's by less may be where chains start from."""


def scattered_starts(
    density: FluxDensity, refined: Refined, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return starts of chains ``(chain, parameter)`` and a first guess of the posterior covariance.

    Each start fits data with fresh noise, pulled towards a draw of the prior instead of its centre (randomise then
    optimise; Bardsley et al. 2014, doi:10.1137/140964023).

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    refined : Refined
        The best points.
    count : int
        Number of chains.
    rng : numpy.random.Generator
        Source of randomness.
    """
    near = refined.objective - refined.objective[0] < _NEAR
    scattered = refine(
        density,
        refined.points[near][rng.integers(near.sum(), size=count)],
        barriers=(0.1,),
        iterations=15,
        tolerance=0.05,
        anchors=random_points(density, count, rng),
        noise=rng.standard_normal((count, density.residual_count)),
    )
    return scattered.points, np.linalg.inv(scattered.precision[:: max(1, count // 4)].mean(axis=0))
