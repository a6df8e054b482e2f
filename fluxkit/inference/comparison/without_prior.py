"""What the data of one animal say by themselves: its posterior with the prior divided out."""

import numpy as np

TELLS = 0.9
"""Data whose posterior is wider than this share of the prior say nothing: what is left is sampling error."""


def without_prior(
    centre: np.ndarray, width: np.ndarray, prior_centre: float, prior_width: float
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the normal likelihoods whose products with the prior are the posteriors.

    .. math:: \frac{1}{l^2} = \frac{1}{s^2} - \frac{1}{s_0^2}, \qquad
              \frac{y}{l^2} = \frac{m}{s^2} - \frac{m_0}{s_0^2}

    This is the division of normal densities of expectation propagation (Minka 2001, doi:10.48550/arXiv.1301.2294).

    Parameters
    ----------
    centre, width : numpy.ndarray
        Posterior mean :math:`m` and sd :math:`s` of each animal, shape ``(animal,)``, in the unit of the quantity.
    prior_centre, prior_width : float
        The same of the prior, :math:`m_0` and :math:`s_0`; an infinite or unknown sd means that no prior took part.

    Returns
    -------
    tuple of numpy.ndarray
        Centre :math:`y` and sd :math:`l` of the likelihood, in the unit of the quantity. The sd is infinite, and the
        centre zero, where the posterior is no narrower than 0.9 times the prior or is not known.
    """
    if not (np.isfinite(prior_width) and np.isfinite(prior_centre)):
        prior_centre, prior_width = 0.0, np.inf
    tells = np.isfinite(centre) & np.isfinite(width) & ((width < TELLS * prior_width) | (width == 0))
    share = np.where(tells, width / (prior_width or 1.0), 0.0) ** 2
    likelihood = np.where(tells, (centre - share * prior_centre) / (1 - share), 0.0)
    return likelihood, np.where(tells, width / np.sqrt(1 - share), np.inf)
