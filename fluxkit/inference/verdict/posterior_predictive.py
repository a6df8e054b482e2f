"""Posterior predictive check: are the measured data as near to the draws as data simulated from them would be?"""

import numpy as np
from scipy.special import chdtrc  # scipy.stats takes long to load

from fluxkit.inference.density import FluxDensity
from fluxkit.inference.verdict.misfit import Misfit

_DRAWS = 400


def predictive_p_value(density: FluxDensity, points: np.ndarray, fit: Misfit) -> float:
    """Return the posterior predictive p-value of chi-square.

    Data simulated from a draw lie a chi-square of the number of data from it, so the probability that they lie farther
    than the measured ones is known for each draw, and its mean over draws is the p-value (Gelman, Meng & Stern 1996,
    Statistica Sinica 6:733, https://www.jstor.org/stable/24306036). It is conservative: the draws have seen the data.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    points : numpy.ndarray
        Draws, shape ``(..., parameter)``; at most 400 of them, evenly spaced, are used.
    fit : Misfit
        Which residuals count, and how many normalisation decides.
    """
    flat = points.reshape(-1, points.shape[-1])
    chosen = flat[np.unique(np.linspace(0, len(flat) - 1, _DRAWS).astype(int))]
    residual = density.all_residuals(chosen)[:, fit.kept]
    return float(chdtrc(max(residual.shape[1] - len(fit.closed), 1), np.einsum("nd,nd->n", residual, residual)).mean())
