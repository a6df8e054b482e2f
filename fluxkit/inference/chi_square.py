"""The chi-square test of the best fit."""

import numpy as np
from scipy.stats import chi2

from fluxkit.inference.density import FluxDensity
from fluxkit.inference.refinement import Refined

_CLOSED = 0.03  # of the sd of a sum: nearer to 1 than noise would leave it, but farther than rounding does


def independent_data(density: FluxDensity) -> int:
    """Return the number of independent data.

    The kept values of a fragment in an experiment lose one where they were normalised to sum to 1, since the
    prediction does so, too. Values with noise of their own, as simulated ones, all count.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    """
    model = density.measurement
    mid, variance = (
        np.add.reduceat(np.where(model.keep, each[:, model.place], 0.0), model.mixing.starts, axis=1)
        for each in (density.measured, density.sd**2)
    )
    kept = np.add.reduceat(model.keep.astype(int), model.mixing.starts, axis=1)
    closed = np.abs(mid - 1) < _CLOSED * np.sqrt(variance)
    return int(np.sum(kept - closed))


def chi_square(density: FluxDensity, refined: Refined) -> tuple[float, float, float, float]:
    """Test the best fit.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    refined : Refined
        Its refined points; the first is tested.

    Returns
    -------
    ssr : float
        Sum of squared residuals, of labeling and of rates.
    degrees_of_freedom : float
        Independent data, without censored zeros below their limit (they tell nothing), minus the parameters that the
        data determine.
    p_value : float
        Probability of a larger sum; NaN without degrees of freedom.
    determined : float
        Number of parameters that the data determine rather than the prior: the trace of the data's share of the
        posterior precision.
    """
    residual = density.all_residuals(refined.points[:1])[0]
    determined = float(np.trace(np.linalg.solve(refined.precision[0], refined.data_precision[0])))
    silent = int(np.sum(density.censored & (residual[: len(density.known)] <= 0)))
    rates = density.rates
    extra = 0 if rates is None else rates.size - (not rates.absolute)  # an unknown common factor takes one
    freedom = independent_data(density) + extra - silent - determined
    ssr = float(residual @ residual)
    return ssr, freedom, float(chi2.sf(ssr, freedom)) if freedom > 0 else float("nan"), determined
