r"""Urine as a time integral: what it was before the label came dilutes it."""

import math

from fluxkit.errors import FluxError


def unlabeled_share_of_urine(time_constant: float, begin: float, end: float) -> float:
    r"""Return the share of a urine sample that counts as unlabeled, though its precursor pool is labeled by then.

    A plasma pool that turns over slowly (urea) and takes up label from time 0 on, from precursors at isotopic steady
    state, has the enrichment :math:`E_\infty (1 - e^{-t/\tau})`. Urine collected from b to e integrates that, so

    .. math:: \bar E = E_\infty (1 - u), \qquad u = \frac{\tau}{e - b} \left(e^{-b/\tau} - e^{-e/\tau}\right)

    with the rate of excretion constant. ``u`` is the weight
    ``u_urea`` of the observations ``urine urea`` of the bundled bodies.

    Parameters
    ----------
    time_constant : float
        :math:`\tau`, pool size over turnover, in any unit of time.
    begin, end : float
        Begin and end of the collection, counted from the begin of the infusion, in the same unit.

    Raises
    ------
    FluxError
        The time constant is not positive, or the collection has no length.
    """
    if not (math.isfinite(time_constant) and time_constant > 0):
        raise FluxError(f"time_constant = {time_constant!r} must be positive: pool size over turnover.")
    if not 0 <= begin < end < math.inf:
        raise FluxError(
            f"urine is collected from begin = {begin!r} to end = {end!r}; give two rising times from the begin of the "
            "infusion."
        )
    tau = time_constant
    return tau / (end - begin) * (math.exp(-begin / tau) - math.exp(-end / tau))
