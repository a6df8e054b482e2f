"""Mixtures: what is measured as one may be several pools, and an unlabeled pool beside them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fluxkit.labeling.meaning import ResolvedMeasurement
from fluxkit.networks import Fragment, PoolShare

_A = np.ndarray
Layout = tuple[_A, _A, _A, _A, _A, _A, _A, _A, _A]


@dataclass(frozen=True, eq=False)
class Mixing:
    """Mixtures of pools with known or unknown shares, diluted with what is unlabeled.

    Mixture values are flat: mixture after mixture, the unlabeled isotopologue first. A mixture has up to P pools; one
    that has fewer repeats its first pool with share 0.

    Parameters
    ----------
    sources : ndarray of int, shape (P, mixture value)
        Simulated value that each pool brings.
    constant, sign : ndarray of shape (P, mixture)
        Share of a pool = ``constant + sign * weight``.
    weight : ndarray of int, shape (P, mixture)
        Which weight; any where the sign is 0.
    rest_constant, rest_sign : ndarray of shape (mixture,)
        Share of a pool without label = ``rest_constant + rest_sign * weight``.
    rest_weight : ndarray of int, shape (mixture,)
        Which weight; any where the sign is 0.
    diluted : ndarray of int, shape (diluted,)
        The mixtures that are diluted; their weights are the last ones, in this order.
    starts : ndarray of int, shape (mixture,)
        First value of each mixture.
    owner : ndarray of int, shape (mixture value,)
        Mixture of each value.
    n_weights : int
        Number of weights.
    """

    sources: np.ndarray
    constant: np.ndarray
    sign: np.ndarray
    weight: np.ndarray
    rest_constant: np.ndarray
    rest_sign: np.ndarray
    rest_weight: np.ndarray
    diluted: np.ndarray
    starts: np.ndarray
    owner: np.ndarray
    n_weights: int

    @cached_property
    def arrays(self) -> Layout:
        """The layout as compiled code reads it.

        First source value of each pool, constant, sign and weight, each ``(P, mixture)``; constant, sign and weight
        of what is without label; the weight that dilutes each mixture, -1 for none; the first value of each mixture,
        with the end.
        """
        dilution = np.full(len(self.starts), -1)
        dilution[self.diluted] = self.n_weights - self.diluted.size + np.arange(self.diluted.size)
        starts = np.append(self.starts, len(self.owner))
        first = np.ascontiguousarray(self.sources[:, self.starts])
        rest = (self.rest_constant, self.rest_sign, self.rest_weight)
        return first, self.constant, self.sign, self.weight, *rest, dilution, starts

    def mix(self, mids: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Mix the pools, then dilute.

        Parameters
        ----------
        mids : ndarray of shape (n, experiment, V)
            Simulated MIDs.
        weights : ndarray of shape (n, weight)

        Returns
        -------
        ndarray of shape (n, experiment, mixture value)
        """
        shares = np.broadcast_to(self.constant, (len(weights), *self.constant.shape))
        if self.n_weights:
            shares = shares + self.sign * weights[:, self.weight]
        shares = shares[:, :, None, self.owner]  # (n, P, 1, value)
        mixed = np.zeros((*mids.shape[:2], len(self.owner)))
        for p, values in enumerate(self.sources):
            mixed += np.take(mids, values, axis=-1) * shares[:, p]
        rest = np.broadcast_to(self.rest_constant, (len(weights), len(self.starts)))
        if self.n_weights:
            rest = rest + self.rest_sign * weights[:, self.rest_weight]
        mixed[..., self.starts] += rest[:, None]
        if self.diluted.size:
            part = np.zeros((len(mids), 1, len(self.starts)))
            part[:, 0, self.diluted] = weights[:, self.n_weights - self.diluted.size :]
            mixed *= (1.0 - part)[..., self.owner]
            mixed[..., self.starts] += part
        return mixed


def build_mixing(
    mixtures: Sequence[ResolvedMeasurement],
) -> tuple[Mixing, tuple[Fragment, ...], tuple[str, ...]]:
    """Lay out mixtures: which simulated values they take, with which shares.

    Parameters
    ----------
    mixtures : sequence of ResolvedMeasurement
        In the order of the mixture values.

    Returns
    -------
    mixing : Mixing
    fragments : tuple of Fragment
        Each pool once (equal atoms are one fragment), in first-seen order.
    weight_names : tuple of str
        Shares of mixtures in first-seen order, then ``dilution of <name>``.
    """
    fragments: dict[tuple, Fragment] = {}
    for mixture in mixtures:
        for each in mixture.fragments:
            fragments.setdefault((each.metabolite, each.atoms, each.resolved), each)
    counts = [len(each.isotopologues) for each in fragments.values()]
    ends = np.cumsum(counts).tolist()
    first = {key: end - count for key, end, count in zip(fragments, ends, counts, strict=True)}
    named = dict.fromkeys(s.weight for m in mixtures for s in (*m.shares, *m.unlabeled) if s.weight is not None)
    diluted = [i for i, mixture in enumerate(mixtures) if mixture.diluted]
    names = (*named, *(f"dilution of {mixtures[i].name}" for i in diluted))
    sizes = [len(mixture.isotopologues) for mixture in mixtures]
    depth = max(len(mixture.fragments) for mixture in mixtures)
    sources = np.zeros((depth, sum(sizes)), dtype=int)
    constant, sign = np.zeros((depth, len(mixtures))), np.zeros((depth, len(mixtures)))
    weight = np.zeros((depth, len(mixtures)), dtype=int)
    rest_constant, rest_sign = np.zeros(len(mixtures)), np.zeros(len(mixtures))
    rest_weight = np.zeros(len(mixtures), dtype=int)
    starts = np.cumsum([0, *sizes[:-1]])
    for i, mixture in enumerate(mixtures):
        for p in range(depth):
            pool = mixture.fragments[p if p < len(mixture.fragments) else 0]
            begin = first[pool.metabolite, pool.atoms, pool.resolved]
            sources[p, starts[i] : starts[i] + sizes[i]] = np.arange(begin, begin + sizes[i])
        for p, share in enumerate(mixture.shares):
            constant[p, i], sign[p, i], weight[p, i] = _affine(share, names)
        for share in mixture.unlabeled:
            own, slope, which = _affine(share, names)
            rest_constant[i] += own
            rest_sign[i] += slope
            rest_weight[i] = which if slope else rest_weight[i]
    owner = np.repeat(np.arange(len(mixtures)), sizes)
    mixing = Mixing(
        sources=sources,
        constant=constant,
        sign=sign,
        weight=weight,
        rest_constant=rest_constant,
        rest_sign=rest_sign,
        rest_weight=rest_weight,
        diluted=np.array(diluted, dtype=int),
        starts=starts,
        owner=owner,
        n_weights=len(names),
    )
    return mixing, tuple(fragments.values()), names


def _affine(share: PoolShare, names: Sequence[str]) -> tuple[float, float, int]:
    """Return constant, slope and weight of a share."""
    if share.weight is None:
        return share.constant, 0.0, 0
    which = names.index(share.weight)
    return (share.constant, -share.constant, which) if share.complement else (0.0, share.constant, which)
