"""The verdict: when to trust an estimate, in plain words when not."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fluxkit.inference.estimate import Verdict
from fluxkit.inference.verdict.fit_tests import BUDGET, FitTest
from fluxkit.labeling.isotopologues import value_name

P_VALUE = BUDGET["whole"]
TOO_GOOD = 0.99
"""Above this probability of a larger chi-square the data fit better than their stated errors allow."""
RHAT = 1.05
EFFECTIVE_DRAWS = 100.0
RESIDUAL = 5.0
PREDICTIVE = 0.002
"""Below this posterior predictive p-value, which is conservative, the draws do not explain the data."""
_NAMED_FAULTS = 3
_POOLED = (
    "; the errors of the {} pooled replicates count as shared, so that their mean keeps them; if they are "
    "independent, state the sd of the mean"
)


def judge(
    ssr: float,
    freedom: float,
    p_value: float,
    diagnostics: dict[str, float],
    fit: xr.Dataset,
    replicates: int = 1,
    tests: Sequence[FitTest] = (),
) -> Verdict:
    """Judge an estimate by its fit and its chains.

    Parameters
    ----------
    ssr, freedom, p_value : float
        Chi-square at the best point, its degrees of freedom, and its tail probability.
    diagnostics : dict of str to float
        ``rhat_max``, ``ess_min``, ``largest_residual`` and, where known, ``predictive_p_value``.
    fit : xarray.Dataset
        With ``residual``, ``experiment``, ``fragment``, ``mass_shift`` and, where isotopes are told apart,
        ``isotopes``.
    replicates : int
        How many replicates were pooled.
    tests : sequence of FitTest
        Tests of parts of the fit and of the usual faults.

    Returns
    -------
    Verdict
        Not trusted if chi-square is improbable, one of the tests fails, a residual exceeds 5 sd, the draws do not
        predict the data, or the chains disagree (R-hat above 1.05, fewer than 100 effective draws). The tests of the
        fit share out a few per cent of false alarms (:data:`fluxkit.inference.verdict.fit_tests.BUDGET`). A chi-square
        that is too small (p > 0.99) is remarked on: it says that the stated errors are too wide, so the intervals are,
        but nothing against the fluxes.
    """
    reasons, remarks = [], []
    if freedom <= 0:
        reasons.append("there are no more data than parameters, so the fit cannot be tested; measure more fragments")
    elif p_value < P_VALUE:
        reasons.append(
            f"the network does not explain the data within their errors (chi-square {ssr:.0f} at {freedom:.0f} degrees "
            f"of freedom, p = {p_value:.1g}); look at the largest residuals: {_worst(fit)}"
        )
    elif p_value > TOO_GOOD:
        remarks.append(
            f"the fit is better than the errors of the data allow (chi-square {ssr:.3g} at {freedom:.0f} degrees of "
            f"freedom, p = {p_value:.4f}): they are overstated and the intervals too wide, or the data were smoothed "
            f"or hold no noise{_POOLED.format(replicates) if replicates > 1 else ''}"
        )
    largest = diagnostics["largest_residual"]
    if largest > RESIDUAL:
        reasons.append(f"one value lies {largest:.1f} sd off ({_worst(fit, 1)}); check this ion, or mask it")
    reasons += _failed(tests, already=largest > RESIDUAL)
    predictive = diagnostics.get("predictive_p_value", 1.0)
    if predictive < PREDICTIVE and p_value >= P_VALUE:
        reasons.append(
            f"data simulated from the draws are nearly always nearer to them than the measured ones (posterior "
            f"predictive p = {predictive:.1g}); check the errors of the data and the network"
        )
    if np.isnan(diagnostics["rhat_max"]):
        reasons.append(
            "the chains cannot be compared: some flux never moved, or they have fewer than 4 draws; sample longer"
        )
    elif not (diagnostics["rhat_max"] <= RHAT and diagnostics["ess_min"] >= EFFECTIVE_DRAWS):
        reasons.append(
            f"the chains have not converged (R-hat {diagnostics['rhat_max']:.2f}, {diagnostics['ess_min']:.0f} "
            "effective draws); sample longer"
        )
    return Verdict(not reasons, tuple(reasons), tuple(remarks))


def _failed(tests: Sequence[FitTest], already: bool) -> list[str]:
    """Return the findings of failed tests, the most improbable first; one large fault fails many tests."""
    failed = sorted((each for each in tests if each.failed), key=lambda each: (each.p_value, -each.size))
    if already:
        failed = [each for each in failed if each.family != "values"]
    said = [each.finding for each in failed[:_NAMED_FAULTS]]
    if len(failed) > _NAMED_FAULTS:
        said[-1] += f" ({len(failed) - _NAMED_FAULTS} more tests fail, as they do when one fault is large)"
    return said


def _worst(fit: xr.Dataset, count: int = 3) -> str:
    residual = np.abs(fit["residual"].values)
    flat = np.argsort(-np.nan_to_num(residual).ravel())[:count]
    return ", ".join(f"{value_name(fit, i)} ({residual.ravel()[i]:.1f} sd)" for i in flat)
