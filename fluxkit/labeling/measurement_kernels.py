"""The measurement model in compiled form: mix, dilute, add natural isotopes, keep; and its adjoint.

A fit calls these tens of thousands of times with few states, where array operations would cost more than
the sums themselves.
"""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy", inline="always")  # a call would cost a third of the time
def _observe(mids, weights, sources, constant, sign, weight, dilution, abundance, keep, f, start, size, mixed, seen):
    """Observe mixture f: fill ``mixed`` before dilution and ``seen`` with what is kept; return dilution and sum."""
    for k in range(size):
        mixed[k] = 0.0
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
    return diluted, total if total > 0.0 else 1.0


@njit(nogil=True, cache=True, error_model="numpy")
def predict(mids, weights, sources, constant, sign, weight, dilution, starts, abundance, keep, place, result):
    """Fill ``result`` (n, experiment, isotopologue) where something is measured; leave the rest."""
    mixed, seen = np.empty(abundance.shape[1]), np.empty(abundance.shape[1])
    for n in range(mids.shape[0]):
        for e in range(mids.shape[1]):
            for f in range(starts.shape[0] - 1):
                start, size = starts[f], starts[f + 1] - starts[f]
                _, total = _observe(
                    mids[n, e], weights[n], sources, constant, sign, weight, dilution, abundance, keep[e],
                    f, start, size, mixed, seen,
                )  # fmt: skip
                for i in range(size):
                    if keep[e, start + i]:
                        result[n, e, place[start + i]] = seen[i] / total


@njit(nogil=True, cache=True, error_model="numpy")
def pull_back(
    mids,
    weights,
    cotangent,
    sources,
    constant,
    sign,
    weight,
    dilution,
    starts,
    abundance,
    keep,
    place,
    by_mids,
    by_weights,
):
    """Add the gradient by simulated MIDs and weights to ``by_mids`` and ``by_weights``."""
    width = abundance.shape[1]
    mixed, seen, by_mixed = np.empty(width), np.empty(width), np.empty(width)
    for n in range(mids.shape[0]):
        for e in range(mids.shape[1]):
            for f in range(starts.shape[0] - 1):
                start, size = starts[f], starts[f + 1] - starts[f]
                diluted, total = _observe(
                    mids[n, e], weights[n], sources, constant, sign, weight, dilution, abundance, keep[e],
                    f, start, size, mixed, seen,
                )  # fmt: skip
                mean = 0.0
                for i in range(size):
                    by_mixed[i] = 0.0
                    if keep[e, start + i]:
                        mean += cotangent[n, e, place[start + i]] * seen[i] / total
                for i in range(size):
                    if keep[e, start + i]:
                        by_seen = (cotangent[n, e, place[start + i]] - mean) / total
                        for k in range(i + 1):
                            by_mixed[k] += abundance[start + i, k] * by_seen
                if dilution[f] >= 0:
                    change = by_mixed[0]
                    for k in range(size):
                        change -= by_mixed[k] * mixed[k]
                        by_mixed[k] *= 1.0 - diluted
                    by_weights[n, dilution[f]] += change
                for p in range(sources.shape[0]):
                    share, slope, source = constant[p, f], 0.0, sources[p, f]
                    if sign[p, f] != 0.0:
                        share += sign[p, f] * weights[n, weight[p, f]]
                        for k in range(size):
                            slope += by_mixed[k] * mids[n, e, source + k]
                        by_weights[n, weight[p, f]] += sign[p, f] * slope
                    if share != 0.0:
                        for k in range(size):
                            by_mids[n, e, source + k] += share * by_mixed[k]
