"""The chi-square test of the best fit (Antoniewicz et al. 2006, doi:10.1016/j.ymben.2006.01.004)."""

from fluxkit.inference.density import FluxDensity
from fluxkit.inference.refinement import Refined
from fluxkit.inference.verdict.misfit import Misfit, chi_square_tail, closed_fragments, misfit


def independent_data(density: FluxDensity) -> int:
    """Return the number of independent data.

    The kept values of a fragment in an experiment lose one where they were normalised to sum to 1, since the
    prediction does so, too. Values with noise of their own, as simulated ones, all count.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    """
    return len(density.known) - len(closed_fragments(density))


def chi_square(density: FluxDensity, refined: Refined, fit: Misfit | None = None) -> tuple[float, float, float, float]:
    """Test the best fit.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    refined : Refined
        Its refined points; the first is tested.
    fit : Misfit, optional
        What that point leaves unexplained, where it is known already.

    Returns
    -------
    ssr : float
        Sum of squared residuals, of labeling and of rates.
    degrees_of_freedom : float
        Independent data, without censored zeros below their limit (they tell nothing), minus the parameters that
        follow them.
    p_value : float
        Probability of a larger sum; NaN without degrees of freedom.
    determined : float
        Number of parameters that follow the data rather than the prior and the walls: the trace of the data's share
        of the curvature at the best point.
    """
    fit = fit or misfit(density, refined)
    ssr = float(fit.residual @ fit.residual)
    return ssr, fit.degrees_of_freedom, chi_square_tail(ssr, fit.degrees_of_freedom), fit.determined
