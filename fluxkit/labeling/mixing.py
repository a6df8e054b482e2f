"""Mixtures: what is measured as one may be several pools, and an unlabelled pool beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fluxkit.labeling.meaning import ResolvedMeasurement
from fluxkit.networks import Fragment

Layout = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Mixing:
    """Mixtures of pools with known or unknown shares, diluted with what is unlabelled.

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
    diluted : ndarray of int, shape (diluted,)
        The mixtures that are diluted; their weights are the last ones, in this order.
    starts : ndarray of int, shape (mixture,)
        First value of each mixture.
    owner : ndarray of int, shape (mixture value,)
        Mixture of each value.
    n_values, n_weights : int
        Number of simulated values, and of weights.
    """

    sources: np.ndarray
    constant: np.ndarray
    sign: np.ndarray
    weight: np.ndarray
    diluted: np.ndarray
    starts: np.ndarray
    owner: np.ndarray
    n_values: int
    n_weights: int

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum the values of each mixture.

        Parameters
        ----------
        values : ndarray of shape (..., mixture value)

        Returns
        -------
        ndarray of shape (..., mixture)
        """
        return np.add.reduceat(values, self.starts, axis=-1)

    @cached_property
    def arrays(self) -> Layout:
        """The layout as compiled code reads it.

        First source value of each pool, constant, sign and weight, each ``(P, mixture)``; the weight that
        dilutes each mixture, -1 for none; the first value of each mixture, with the end.
        """
        dilution = np.full(len(self.starts), -1)
        dilution[self.diluted] = self.n_weights - self.diluted.size + np.arange(self.diluted.size)
        starts = np.append(self.starts, len(self.owner))
        first = np.ascontiguousarray(self.sources[:, self.starts])
        return first, self.constant, self.sign, self.weight, dilution, starts

    def mix(
        self, mids: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]]:
        """Mix the pools, then dilute.

        Parameters
        ----------
        mids : ndarray of shape (n, experiment, V)
            Simulated MIDs.
        weights : ndarray of shape (n, weight)

        Returns
        -------
        mixtures : ndarray of shape (n, experiment, mixture value)
        pullback : callable
            From the gradient of the mixtures to the gradients of ``mids`` and ``weights``.
        """
        shares = self._shares(weights)[:, :, None, self.owner]  # (n, P, 1, value)
        pools = np.take(mids, self.sources, axis=-1)  # (n, experiment, P, value)
        pools = [pools[:, :, p] for p in range(len(self.sources))]
        mixed = pools[0] * shares[:, 0]
        for p in range(1, len(pools)):
            mixed += pools[p] * shares[:, p]
        result, kept = mixed, None
        if self.diluted.size:
            part = np.zeros((len(mids), 1, len(self.starts)))
            part[:, 0, self.diluted] = weights[:, self.n_weights - self.diluted.size :]
            kept = (1.0 - part)[..., self.owner]
            result = mixed * kept
            result[..., self.starts] += part

        def pullback(gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            inner = gradient if kept is None else gradient * kept
            grad_weights = np.zeros((len(mids), self.n_weights))
            if self.n_weights:
                grad_shares = [self.sums((inner * pool).sum(axis=1)) for pool in pools]
                grad_weights += np.concatenate(grad_shares, axis=1) @ self._share_of_weight
            if self.diluted.size:
                lost = self.sums((gradient * mixed).sum(axis=1))
                won = gradient[..., self.starts].sum(axis=1)
                grad_weights[:, self.n_weights - self.diluted.size :] += (won - lost)[:, self.diluted]
            return self._scatter(
                np.concatenate([inner * shares[:, p] for p in range(len(pools))], axis=-1)
            ), grad_weights

        return result, pullback

    def _shares(self, weights: np.ndarray) -> np.ndarray:
        """Share of every pool, shape ``(n, P, mixture)``."""
        if not self.n_weights:
            return np.broadcast_to(self.constant, (len(weights), *self.constant.shape))
        return self.constant + self.sign * weights[:, self.weight]

    @cached_property
    def _share_of_weight(self) -> np.ndarray:
        """Derivative of the shares by the weights, shape ``(P * mixture, weight)``."""
        matrix = np.zeros((self.weight.size, self.n_weights))
        matrix[np.arange(self.weight.size), self.weight.ravel()] = self.sign.ravel()
        return matrix

    @cached_property
    def _gathering(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Order that brings contributions to one simulated value together, their starts, these values."""
        flat = self.sources.ravel()
        order = np.argsort(flat, kind="stable")
        targets, starts = np.unique(flat[order], return_index=True)
        return order, starts, targets

    def _scatter(self, contributions: np.ndarray) -> np.ndarray:
        """Add contributions ``(n, experiment, P * mixture value)`` up to ``(n, experiment, V)``."""
        order, starts, targets = self._gathering
        result = np.zeros((*contributions.shape[:-1], self.n_values))
        result[..., targets] = np.add.reduceat(contributions[..., order], starts, axis=-1)
        return result


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
    named = dict.fromkeys(s.weight for m in mixtures for s in m.shares if s.weight is not None)
    diluted = [i for i, mixture in enumerate(mixtures) if mixture.diluted]
    names = (*named, *(f"dilution of {mixtures[i].name}" for i in diluted))
    sizes = [len(mixture.isotopologues) for mixture in mixtures]
    depth = max(len(mixture.fragments) for mixture in mixtures)
    sources = np.zeros((depth, sum(sizes)), dtype=int)
    constant, sign = np.zeros((depth, len(mixtures))), np.zeros((depth, len(mixtures)))
    weight = np.zeros((depth, len(mixtures)), dtype=int)
    starts = np.cumsum([0, *sizes[:-1]])
    for i, mixture in enumerate(mixtures):
        for p in range(depth):
            pool = mixture.fragments[p if p < len(mixture.fragments) else 0]
            begin = first[pool.metabolite, pool.atoms, pool.resolved]
            sources[p, starts[i] : starts[i] + sizes[i]] = np.arange(begin, begin + sizes[i])
        for p, share in enumerate(mixture.shares):
            constant[p, i] = share.constant
            if share.weight is not None:
                if share.complement:
                    sign[p, i] = -share.constant
                else:
                    constant[p, i], sign[p, i] = 0.0, share.constant
                weight[p, i] = names.index(share.weight)
    owner = np.repeat(np.arange(len(mixtures)), sizes)
    mixing = Mixing(sources, constant, sign, weight, np.array(diluted, dtype=int), starts, owner, ends[-1], len(names))
    return mixing, tuple(fragments.values()), names
