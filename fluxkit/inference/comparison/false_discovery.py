"""How many of the fluxes that are called changed may not have changed at all."""

import numpy as np


def q_values(errors: np.ndarray) -> np.ndarray:
    r"""Return the false discovery rate at which each row is just called, in a model where rows may be unchanged.

    A posterior under a continuous prior takes it for granted that every flux differs, be it by little, so among m
    fluxes that did not change at all a plain mean of error probabilities would call every fifth one at a rate of
    5 %. The two-groups model lets a share :math:`\pi_0` of the fluxes be unchanged; there a two-sided posterior tail
    :math:`p_i = 2 e_i` is uniform, or larger where the prior narrows the posterior. The share of unchanged fluxes
    among those with :math:`p \le p_i` is then

    .. math:: q_i = \min_{p_j \ge p_i} \pi_0 m p_j / \#\{k: p_k \le p_j\},

    which is a posterior probability: that a called flux is unchanged (Storey 2003, doi:10.1214/aos/1074290335).
    :math:`\pi_0 = 1` is taken, the most cautious value (Benjamini & Hochberg 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x), because the fluxes of a network move together and a share estimated from
    the others would be unsafe.

    Parameters
    ----------
    errors : numpy.ndarray
        Posterior probability that the stated change is wrong, at most 1, shape ``(row,)``; NaN rows do not count.

    Returns
    -------
    numpy.ndarray
        Between 0 and 1, shape ``(row,)``; NaN where the error is.
    """
    known = np.isfinite(errors)
    tails = np.minimum(2 * errors[known], 1.0)
    order = np.argsort(tails)
    expected = tails[order] * len(tails) / np.arange(1, len(tails) + 1)
    values = np.full(len(errors), np.nan)
    at = np.flatnonzero(known)[order]
    values[at] = np.minimum.accumulate(expected[::-1])[::-1]
    return values


def s_values(errors: np.ndarray) -> np.ndarray:
    """Return the expected share of wrong statements among each row and all that are more certain.

    The mean posterior probability of an error among those called is what a Bayesian false discovery rate is (Müller
    et al. 2004, doi:10.1198/016214504000001646); for wrong directions it is called s-value (Stephens 2017,
    doi:10.1093/biostatistics/kxw041). It is right as far as the prior is: it gives no room to unchanged fluxes.

    Parameters
    ----------
    errors : numpy.ndarray
        Posterior probability that the stated change is wrong, shape ``(row,)``; NaN rows do not count.

    Returns
    -------
    numpy.ndarray
        Between 0 and 1, shape ``(row,)``; NaN where the error is.
    """
    known = np.isfinite(errors)
    ordered = np.sort(errors[known])
    among = np.searchsorted(ordered, errors[known], side="right")
    values = np.full(len(errors), np.nan)
    values[known] = np.cumsum(ordered)[among - 1] / among
    return values
