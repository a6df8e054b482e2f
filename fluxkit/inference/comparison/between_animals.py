r"""What animals have in common, and how far they scatter: the normal hierarchical model of one quantity, on a grid.

.. math:: y_a \sim N(\theta_a, l_a^2), \qquad \theta_a \sim N(\mu, \tau^2)

Given the scatter :math:`\tau` everything is normal (Gelman et al. 2013, Bayesian Data Analysis, section 5.4,
doi:10.1201/b16018), so only :math:`\tau` needs a grid, and nothing is random.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from fluxkit.errors import FluxError, suggest

FAMILIES = ("half-cauchy", "half-normal")
_CELLS = 1500
_NEAR, _FAR = 1e-3, 1e3  # of the least and the largest scale: beyond, the density of the scatter is flat or gone
_FLOOR = 1e-6  # of the largest scale, for animals that are known exactly


@dataclass(frozen=True, eq=False)
class CommonPosterior:
    """Posterior of the common mean, the scatter between animals and each animal, for one quantity.

    Parameters
    ----------
    edges : numpy.ndarray
        Edges of the cells of the scatter, ascending from zero, shape ``(cell + 1,)``, in the unit of the quantity.
    weight : numpy.ndarray
        Probability of each cell, shape ``(cell,)``.
    mean, sd : numpy.ndarray
        Normal distribution of the common mean, given the scatter of each cell; shape ``(cell,)``.
    animals : numpy.ndarray
        Posterior mean of each animal, drawn towards the common mean, shape ``(animal,)``.
    """

    edges: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    animals: np.ndarray

    def scatter_quantiles(self, levels: tuple[float, ...]) -> list[float]:
        """Return quantiles of the sd between animals, in the unit of the quantity."""
        return np.interp(levels, np.concatenate([[0.0], np.cumsum(self.weight)]), self.edges).tolist()

    def mean_quantiles(self, levels: tuple[float, ...]) -> list[float]:
        """Return quantiles of the common mean, in the unit of the quantity."""
        low = np.full(len(levels), (self.mean - 10 * self.sd).min())
        high = np.full(len(levels), (self.mean + 10 * self.sd).max())
        for _ in range(60):
            middle = (low + high) / 2
            below = ndtr((middle[:, None] - self.mean) / self.sd) @ self.weight < levels
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return ((low + high) / 2).tolist()

    def probability_beyond(self, variation: float) -> float:
        """Return the probability that the sd between animals exceeds this share of the common mean.

        Parameters
        ----------
        variation : float
            Coefficient of variation, 0.2 for 20 %.
        """
        reach = (self.edges[1:] + self.edges[:-1]) / 2 / variation
        within = ndtr((reach - self.mean) / self.sd) - ndtr((-reach - self.mean) / self.sd)
        return float(self.weight @ within)


def common_posterior(
    centre: np.ndarray,
    width: np.ndarray,
    *,
    scale: float,
    family: str = "half-cauchy",
    prior: tuple[float, float] = (0.0, np.inf),
) -> CommonPosterior:
    r"""Return the posterior of common mean and scatter from what the data of each animal say.

    .. math:: p(\tau \mid y) \propto p(\tau)\, \sqrt{V}\, N(\hat\mu; m_0, s_0^2) \prod_a N(y_a; \hat\mu, l_a^2 + \tau^2)

    where :math:`\hat\mu` and :math:`V` are mean and variance of the common mean given :math:`\tau`.

    Parameters
    ----------
    centre, width : numpy.ndarray
        Centre :math:`y` and sd :math:`l` of the likelihood of each animal, shape ``(animal,)``; an infinite sd where
        an animal says nothing. At least one is finite.
    scale : float
        Scale of the prior of the scatter, in the unit of the quantity: the median of a half-Cauchy prior, the sd of
        the normal that a half-normal prior is half of (Gelman 2006, doi:10.1214/06-BA117A).
    family : str
        ``"half-cauchy"`` or ``"half-normal"``.
    prior : tuple of float
        Mean :math:`m_0` and sd :math:`s_0` of the prior of the common mean; flat with an infinite sd.

    Raises
    ------
    FluxError
        The family is not known.
    """
    if family not in FAMILIES:
        raise FluxError(f"no prior of the scatter between animals is called {family!r}. {suggest(family, FAMILIES)}")
    edges = _edges(centre, width, scale)
    scatter = (edges[1:] + edges[:-1]) / 2
    mean, sd, evidence = mean_given_scatter(centre, width, scatter, prior)
    relative = (scatter / scale) ** 2
    log_density = evidence - (np.log1p(relative) if family == "half-cauchy" else relative / 2)
    weight = np.exp(log_density - log_density.max()) * np.diff(edges)
    weight /= weight.sum()
    known = np.isfinite(width)
    towards = np.ones((len(scatter), len(centre)))  # how far each animal is drawn to the common mean
    towards[:, known] = width[known] ** 2 / (width[known] ** 2 + scatter[:, None] ** 2)
    animals = weight @ (centre + towards * (mean[:, None] - centre))
    return CommonPosterior(edges, weight, mean, sd, animals)


def mean_given_scatter(
    centre: np.ndarray, width: np.ndarray, scatter: np.ndarray, prior: tuple[float, float] = (0.0, np.inf)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean and sd of the common mean for known scatters, and the log evidence of each scatter.

    Parameters
    ----------
    centre, width : numpy.ndarray
        As in :func:`common_posterior`.
    scatter : numpy.ndarray
        Scatters above zero, shape ``(cell,)``, in the unit of the quantity.
    prior : tuple of float
        Mean and sd of the prior of the common mean.

    Returns
    -------
    tuple of numpy.ndarray
        Each of shape ``(cell,)``; the evidence up to a constant.
    """
    known = np.isfinite(width)
    centre, width = centre[known], width[known]
    variance = scatter[:, None] ** 2 + width**2
    own = 1 / prior[1] ** 2
    precision = (1 / variance).sum(axis=1) + own
    mean = ((centre / variance).sum(axis=1) + own * prior[0]) / precision
    misfit = ((centre - mean[:, None]) ** 2 / variance).sum(axis=1) + own * (mean - prior[0]) ** 2
    evidence = -0.5 * (np.log(variance).sum(axis=1) + np.log(precision) + misfit)
    return mean, 1 / np.sqrt(precision), evidence


def _edges(centre: np.ndarray, width: np.ndarray, scale: float) -> np.ndarray:
    """Return edges from zero, then evenly on the logarithm from where nothing happens yet to where nothing is left."""
    known = np.isfinite(width)
    spread = float(np.ptp(centre[known]))
    high = _FAR * max(scale, spread, float(width[known].max()))
    low = max(_NEAR * min(scale, float(width[known].min())), _FLOOR * high / _FAR)
    return np.concatenate([[0.0], np.geomspace(low, high, _CELLS)])
