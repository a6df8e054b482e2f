"""How true the learned posteriors are: ranks of the true fluxes among draws, on fresh simulated experiments.

If posteriors are right, the rank of the truth among draws is uniform, whatever the measurements (Talts et al. 2018,
Validating Bayesian inference algorithms with simulation-based calibration, arXiv:1804.06788).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from fluxkit.learning.experiments import Batch, ExperimentSimulator
from fluxkit.learning.reading import Reading
from fluxkit.learning.store import FluxModel
from fluxkit.learning.vocabulary import _SD_CENTRE

DRAWS = 199
"""Draws per experiment: of the 200 ranks that the truth can have, exactly 100 lie in a 50 %, 180 in a 90 % interval."""
LEVELS = (0.5, 0.9)
_CHUNK = 32
_BINS = (20, 10, 8, 5, 4, 2)
_FIXED = 1e-6  # of the normalising flux: what varies less has nothing to learn


@dataclass(frozen=True, eq=False)
class Calibration:
    """Ranks of the truth, with what tells the experiments apart.

    Parameters
    ----------
    names : tuple of str
        Fluxes that vary, then unknown shares and dilutions.
    kinds : tuple of str
        ``"net"``, ``"exchange"`` or ``"share"``.
    ranks : numpy.ndarray
        Draws below the truth, 0 to ``draws``, shape ``(sample, quantity)``.
    widths : numpy.ndarray
        Standard deviation of the draws relative to that of the prior, same shape; exchange fluxes and shares in their
        coordinates.
    missing : numpy.ndarray
        Share of the measurements that an experiment set lacks, 0 to 1, shape ``(sample,)``.
    noise : numpy.ndarray
        Median standard deviation of a measured MID value, shape ``(sample,)``.
    tracers : numpy.ndarray
        Number of parallel experiments, shape ``(sample,)``.
    draws : int
        Draws per sample.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    ranks: np.ndarray
    widths: np.ndarray
    missing: np.ndarray
    noise: np.ndarray
    tracers: np.ndarray
    draws: int = DRAWS

    @property
    def samples(self) -> int:
        """Number of experiment sets."""
        return len(self.ranks)

    @property
    def bins(self) -> int:
        """Bins of the rank statistics: equally many ranks in each, and ten samples or more."""
        return next((n for n in _BINS if self.samples >= 10 * n and (self.draws + 1) % n == 0), 1)

    def inside(self, level: float) -> np.ndarray:
        """Return where the central interval of a level holds the truth, shape ``(sample, quantity)``, bool."""
        tail = (1 - level) / 2 * (self.draws + 1)
        return (self.ranks >= tail - 1e-9) & (self.ranks < self.draws + 1 - tail - 1e-9)

    def counts(self) -> np.ndarray:
        """Return how many ranks fall into each bin, shape ``(quantity, bin)``."""
        place = self.ranks * self.bins // (self.draws + 1)
        return np.array([np.bincount(each, minlength=self.bins) for each in place.T])

    def uniformity(self) -> np.ndarray:
        """Return the p-value of each quantity's ranks being uniform, by chi-square over the bins."""
        expected = self.samples / self.bins
        statistic = ((self.counts() - expected) ** 2 / expected).sum(axis=1)
        return stats.chi2.sf(statistic, max(1, self.bins - 1)) if self.bins > 1 else np.ones(len(self.names))


def coverage_band(samples: int, level: float, probability: float = 0.99) -> tuple[float, float]:
    """Return the range of shares that a calibrated interval holds, of so many samples, with a probability.

    Parameters
    ----------
    samples : int
        Independent samples.
    level : float
        Level of the interval.
    probability : float
        Probability of the range, by the binomial distribution.
    """
    low, high = stats.binom.interval(probability, samples, level)
    return float(low) / samples, float(high) / samples


def pooled(inside: np.ndarray) -> tuple[float, float]:
    """Return the share of ``(sample, quantity)`` that is true, and its standard error; samples alone are independent.

    Parameters
    ----------
    inside : numpy.ndarray
        From :meth:`Calibration.inside`.
    """
    each = inside.mean(axis=1)
    error = each.std(ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.nan
    return float(each.mean()), float(error)


def strata(calibration: Calibration) -> list[dict[str, Any]]:
    """Return coverage by missingness, noise and number of tracers.

    Parameters
    ----------
    calibration : Calibration
        Ranks.

    Returns
    -------
    list of dict
        ``by``, ``label``, ``samples``, and ``coverage_50``, ``coverage_90`` with their standard errors.
    """
    groups: list[tuple[str, str, np.ndarray]] = []
    for by, values, show in (
        ("measurements missing", calibration.missing, "{:.0%} to {:.0%}"),
        ("noise (sd)", calibration.noise, "{:.4f} to {:.4f}"),
    ):
        edges = np.nanquantile(values, [0, 1 / 3, 2 / 3, 1])
        place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, 2)  # nothing measured: the last third
        groups += [(by, show.format(edges[i], edges[i + 1]), place == i) for i in range(3)]
    for number in np.unique(calibration.tracers):
        groups.append(("tracers", str(int(number)), calibration.tracers == number))
    found = []
    for by, label, chosen in groups:
        if chosen.any():
            row: dict[str, Any] = {"by": by, "label": label, "samples": int(chosen.sum())}
            for level in LEVELS:
                share, error = pooled(calibration.inside(level)[chosen])
                row |= {f"coverage_{100 * level:.0f}": _short(share), f"error_{100 * level:.0f}": _short(error)}
            found.append(row)
    return found


def calibration_numbers(calibration: Calibration) -> dict[str, Any]:
    """Return the numbers of a calibration for a card.

    Parameters
    ----------
    calibration : Calibration
        Ranks.
    """
    numbers: dict[str, Any] = {
        "what": "the learned posterior alone, on fresh simulated experiments; quantify refines it by exact sampling",
        "samples": calibration.samples,
        "draws": calibration.draws,
        "quantities": len(calibration.names),
    }
    each = {}
    for level in LEVELS:
        name, inside = f"{100 * level:.0f}", calibration.inside(level)
        each[name] = inside.mean(axis=0)
        low, high = coverage_band(calibration.samples, level)
        share, error = pooled(inside)
        numbers |= {
            f"coverage_{name}": _short(share),
            f"coverage_{name}_error": _short(error),
            f"coverage_{name}_lowest": _short(each[name].min()),
            f"coverage_{name}_highest": _short(each[name].max()),
            f"coverage_{name}_band": [_short(low), _short(high)],
            f"coverage_{name}_outside": int(((each[name] < low - 1e-9) | (each[name] > high + 1e-9)).sum()),
        }
    uniform = calibration.uniformity()
    widths = np.median(calibration.widths, axis=0)
    numbers |= {
        "rank_bins": calibration.bins,
        "rank_p_lowest": float(f"{uniform.min():.3g}"),
        "rank_p_lowest_adjusted": float(f"{min(1.0, uniform.min() * len(uniform)):.3g}"),
        "width_to_prior_median": _short(np.median(calibration.widths)),
        "strata": strata(calibration),
        "fluxes": [
            {
                "name": name,
                "kind": kind,
                "coverage_50": _short(each["50"][i]),
                "coverage_90": _short(each["90"][i]),
                "rank_p": float(f"{uniform[i]:.3g}"),
                "width_to_prior": _short(widths[i]),
            }
            for i, (name, kind) in enumerate(zip(calibration.names, calibration.kinds, strict=True))
        ],
    }
    return numbers


def _short(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def calibrate(
    model: FluxModel,
    simulator: ExperimentSimulator,
    samples: int = 1000,
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] = iter,
) -> Calibration:
    """Rank the true fluxes of fresh experiments among draws of the learned posterior.

    Parameters
    ----------
    model : FluxModel
        The trained model.
    simulator : ExperimentSimulator
        Where experiments come from.
    samples : int
        Fresh experiment sets.
    seed : int
        Seed of the experiments and draws; they are apart from those of a training with the same seed.
    progress : callable
        Wraps the chunks that are worked through.
    """
    import torch

    from fluxkit.learning.data_module import as_tensors

    rng = np.random.default_rng([seed, 10**6 + 1])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    states = simulator.net_pool(samples, rng)
    space, network = simulator.space, model.vocabulary.network
    free, until = len(space.free), len(space.free) + space.exchange_scale.size
    ranks, spreads, truths, circumstances = [], [], [], []
    for start in progress(range(0, samples, _CHUNK)):
        z = states[start : start + _CHUNK]
        batch = simulator.batch(z, rng)
        *reading, target = as_tensors(batch)
        with torch.no_grad():
            summary = model.network.summarise(Reading(*reading))
            drawn = np.nan_to_num(model.network.draw(summary, DRAWS, generator).double().numpy())
        values = np.concatenate([model.chart.net(np.clip(drawn[..., :free], -30, 30)), drawn[..., free:]], axis=-1)
        truth = np.concatenate([space.net(z), target.double().numpy()[:, free:]], axis=-1)
        ranks.append((values < truth).sum(axis=0))
        spreads.append(values.std(axis=0))
        truths.append(truth)
        circumstances.append(_circumstances(batch))
    spread = np.concatenate(truths).std(axis=0)
    reversible = [each.name for each in network.reactions if each.reversible]
    exchanging = [name for name, varies in zip(reversible, space.exchange_scale.varies, strict=True) if varies]
    names = (*network.reaction_names, *exchanging, *model.weight_names)
    kinds = ("net",) * len(network.reaction_names) + ("exchange",) * (until - free)
    kinds += ("share",) * len(model.weight_names)
    least = np.where(np.array(kinds) == "net", _FIXED * network.normalising_flux, 0.0)
    varying = np.flatnonzero(spread > least)
    missing, noise, tracers = np.concatenate(circumstances, axis=1)
    return Calibration(
        tuple(names[i] for i in varying),
        tuple(kinds[i] for i in varying),
        np.concatenate(ranks)[:, varying],
        np.concatenate(spreads)[:, varying] / spread[varying],
        missing,
        noise,
        tracers.astype(int),
    )


def _circumstances(batch: Batch) -> np.ndarray:
    """Return share of missing measurements, median sd and number of experiments, shape ``(3, sample)``."""
    tracers = batch.present.sum(axis=1)
    missing = 1 - batch.known.sum(axis=(1, 2)) / (tracers * batch.known.shape[2])
    _, scale, kept = np.split(batch.rows, 3, axis=-1)
    measured = zip(scale.reshape(len(tracers), -1), kept.reshape(len(tracers), -1) > 0, strict=True)
    size = [np.median(each[where]) if where.any() else np.nan for each, where in measured]
    return np.array([missing, 10.0 ** (-np.array(size) - _SD_CENTRE), tracers])
