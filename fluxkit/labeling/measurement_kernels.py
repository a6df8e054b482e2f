"""The measurement model in compiled form: mix, dilute, add natural isotopes, keep.

Predictions of posterior draws and simulated experiments pass here; arrays of all pools of all draws would not fit in
memory. A fit has the same sums in its labeling program (:mod:`fluxkit.labeling.likelihood`).
"""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy", inline="always")  # a call would cost a third of the time
def _observe(
    mids, weights, sources, constant, sign, weight, rest, slope, which, dilution, abundance, keep, f, start, size,
    mixed, seen,
):  # fmt: skip
    """Observe mixture f: fill ``mixed`` before dilution and ``seen`` with what is kept; return the sum of that."""
    for k in range(size):
        mixed[k] = 0.0
    mixed[0] = rest[f]
    if slope[f] != 0.0:
        mixed[0] += slope[f] * weights[which[f]]
    for p in range(sources.shape[0]):
        share = constant[p, f]
        if sign[p, f] != 0.0:
            share += sign[p, f] * weights[weight[p, f]]
        if share != 0.0:
            for k in range(size):
                mixed[k] += share * mids[sources[p, f] + k]
    diluted = weights[dilution[f]] if dilution[f] >= 0 else 0.0
    total = 0.0
    for i in range(size):
        seen[i] = 0.0
        if keep[start + i]:
            for k in range(i + 1):  # natural isotopes only add mass
                value = (1.0 - diluted) * mixed[k]
                if k == 0:
                    value += diluted
                seen[i] += abundance[start + i, k] * value
            total += seen[i]
    return total if total > 0.0 else 1.0


@njit(nogil=True, cache=True, error_model="numpy")
def predict(
    mids, weights, sources, constant, sign, weight, rest, slope, which, dilution, starts, abundance, keep, place,
    result,
):  # fmt: skip
    """Fill ``result`` (n, experiment, isotopologue) where something is measured; leave the rest."""
    mixed, seen = np.empty(abundance.shape[1]), np.empty(abundance.shape[1])
    for n in range(mids.shape[0]):
        for e in range(mids.shape[1]):
            for f in range(starts.shape[0] - 1):
                start, size = starts[f], starts[f + 1] - starts[f]
                total = _observe(
                    mids[n, e], weights[n], sources, constant, sign, weight, rest, slope, which, dilution, abundance,
                    keep[e], f, start, size, mixed, seen,
                )  # fmt: skip
                for i in range(size):
                    if keep[e, start + i]:
                        result[n, e, place[start + i]] = seen[i] / total
