r"""What a design is judged by, from the linearised posterior of the fluxes of interest.

With unit prior precision in the standard coordinates and Fisher information :math:`F`, the posterior covariance of
fluxes with gradients :math:`G` is :math:`\Sigma = G (1 + F)^{-1} G'`, where it was :math:`\Sigma_0 = G G'` a priori.
All criteria are functions of the two (Chaloner & Verdinelli 1995, doi:10.1214/ss/1177009939).
"""

import numpy as np
from scipy.special import ndtr, ndtri

_RANK = 1e-8  # of the largest singular value: fluxes that follow from others add no information of their own


def posterior_covariance(information: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """Return the posterior covariance of the fluxes of interest, shape ``(..., flux, flux)``.

    Parameters
    ----------
    information : numpy.ndarray
        Fisher information in the standard coordinates, shape ``(..., coordinate, coordinate)``.
    gradients : numpy.ndarray
        Of the fluxes, shape ``(..., flux, coordinate)``, in their units.
    """
    precision = information + np.eye(information.shape[-1])
    return gradients @ np.linalg.solve(precision, gradients.mT)


def information_gain(covariance: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    r"""Return the expected information gain in nats: :math:`\frac12 \log\det \Sigma_0 - \frac12 \log\det \Sigma`.

    It is the D-criterion on the scale of the prior, and does not depend on the units of the fluxes. Fluxes that follow
    from others are counted once.

    Parameters
    ----------
    covariance : numpy.ndarray
        A posteriori, shape ``(..., flux, flux)``.
    gradients : numpy.ndarray
        Of the fluxes, shape ``(..., flux, coordinate)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(...)``; at least zero.
    """
    size = np.sqrt(np.einsum("...kp,...kp->...k", gradients, gradients))
    scaled = gradients / size[..., None]
    left, singular, _ = np.linalg.svd(scaled, full_matrices=False)
    kept = singular > _RANK * singular[..., :1]
    whitening = left * np.where(kept, 1 / np.where(kept, singular, 1.0), 0.0)[..., None, :] / size[..., None]
    white = whitening.mT @ covariance @ whitening
    white += np.eye(white.shape[-1]) * ~kept[..., None, :]
    return np.maximum(-0.5 * np.linalg.slogdet(white)[1], 0.0)


def detection_power(width: np.ndarray, prior_width: np.ndarray, difference: np.ndarray, level: float = 0.95):
    r"""Return the probability that two conditions are told apart whose flux differs by a stated amount.

    Each condition is measured with the same design, all else differs between them as it does a priori. With
    :math:`r = (\mathrm{width} / \mathrm{prior\ width})^2`, the estimated difference is normal around
    :math:`(1 - r) \delta` with variance :math:`2\, \mathrm{width}^2 (1 - r)`, and it is detected where the posterior
    interval of the difference excludes zero, so a design that tells nothing has no power.

    Parameters
    ----------
    width, prior_width : numpy.ndarray
        Standard deviation of the flux a posteriori and a priori, in its unit.
    difference : numpy.ndarray
        The true difference, in the same unit.
    level : float
        Mass of the interval.

    Returns
    -------
    numpy.ndarray
        In [0, 1].
    """
    share = np.clip(1 - (width / prior_width) ** 2, 1e-12, 1.0)
    threshold = ndtri(0.5 + level / 2) / np.sqrt(share)
    shift = np.sqrt(share) * difference / np.maximum(np.sqrt(2) * width, 1e-300)
    return ndtr(shift - threshold) + ndtr(-shift - threshold)
