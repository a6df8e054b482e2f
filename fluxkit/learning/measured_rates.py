"""Measured rates as a posterior network reads them: which reactions, and what they say of net fluxes."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from fluxkit.networks import Network
from fluxkit.networks.network import EXTERNAL_SUFFIX

RATE_FLOOR = 1e-3
"""Smallest sd of a rate that training draws, as a share of the normalising flux."""


def measurable_reactions(network: Network) -> tuple[str, ...]:
    """Return the reactions that exchange with the outside: uptake, secretion, and what growth takes.

    Parameters
    ----------
    network : Network
        The network.
    """
    return tuple(
        each.name
        for each in network.reactions
        if any(p.metabolite.endswith(EXTERNAL_SUFFIX) for p in (*each.substrates, *each.products))
    )


@dataclass(frozen=True, eq=False)
class MeasuredRates:
    """Rates of some samples, on one scale with the fluxes or up to a common factor.

    Parameters
    ----------
    value : numpy.ndarray
        Measured net fluxes in a unit of their own, shape ``(sample, reaction)``; 0 where not measured.
    precision : numpy.ndarray
        1 / sd, same shape; 0 where not measured.
    absolute : numpy.ndarray
        Whether the unit is that of the network, shape ``(sample,)``, bool; else the common factor is unknown.
    """

    value: np.ndarray
    precision: np.ndarray
    absolute: np.ndarray

    def features(self, unit: float) -> np.ndarray:
        """Return values, log precisions and mask of all reactions, then which kind of rates, float32.

        Rates of an unknown factor are shown as shares of their sum.

        Parameters
        ----------
        unit : float
            The normalising flux.
        """
        known = self.precision > 0
        total = np.where(self.absolute, unit, np.abs(self.value).sum(axis=1)).reshape(-1, 1)
        total = np.where(total > 0, total, 1.0)
        size = np.log10(np.where(known, self.precision * total, 1.0)) - 2.0
        kind = np.stack([self.absolute, ~self.absolute], axis=1) & known.any(axis=1, keepdims=True)
        shown = [np.where(known, self.value / total, 0.0), np.where(known, size, 0.0), known, kind]
        return np.concatenate(shown, axis=1, dtype=np.float32)

    def residuals(self, flux: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return standardised residuals ``(sample, reaction)`` and their derivatives ``(sample, reaction, free)``.

        An unknown factor takes its most probable value and is projected out (Kaufman 1975, doi:10.1007/BF01932995).

        Parameters
        ----------
        flux : numpy.ndarray
            Net fluxes of the reactions, shape ``(sample, reaction)``.
        basis : numpy.ndarray
            Their derivatives, shape ``(reaction, free)``.
        """
        scaled, rate = flux * self.precision, self.value * self.precision
        square = np.maximum(np.einsum("sr,sr->s", scaled, scaled), 1e-30)
        best = np.maximum(np.einsum("sr,sr->s", scaled, rate), 0.0) / square
        factor = np.where(self.absolute, 1.0, best)
        slope = factor[:, None, None] * self.precision[:, :, None] * basis
        along = np.einsum("sr,srf->sf", scaled, slope) / square[:, None]
        slope = slope - np.where(self.absolute, 0.0, 1.0)[:, None, None] * scaled[:, :, None] * along[:, None]
        return factor[:, None] * scaled - rate, slope


def no_rates(samples: int, reactions: int) -> MeasuredRates:
    """Return the rates of samples of which none was measured.

    Parameters
    ----------
    samples, reactions : int
        How many there are.
    """
    nothing = np.zeros((samples, reactions))
    return MeasuredRates(nothing, nothing, np.ones(samples, dtype=bool))


def read_rates(labeling: xr.Dataset, reactions: tuple[str, ...]) -> MeasuredRates:
    """Return the rates in a labeling dataset of one sample; sums of reactions and others are left to exact refinement.

    Parameters
    ----------
    labeling : xarray.Dataset
        A labeling dataset without a sample dimension.
    reactions : tuple of str
        The reactions whose rates are read.
    """
    read = no_rates(1, len(reactions))
    if "rate" not in labeling:
        return read
    names = labeling["measured_reaction"].values.astype(str)
    value, precision = read.value.copy(), read.precision.copy()
    for name, rate, sd in zip(names, labeling["rate"].values, labeling["rate_sd"].values, strict=True):
        if name in reactions and np.isfinite(rate) and sd > 0:
            place = reactions.index(name)
            value[0, place], precision[0, place] = rate, 1 / sd
    return MeasuredRates(value, precision, np.array([bool(labeling["rate"].attrs.get("absolute", 0))]))


def draw_rates(
    flux: np.ndarray, unit: float, share: float, error: tuple[float, float], rng: np.random.Generator
) -> MeasuredRates:
    """Draw which rates are measured, and what is measured of them.

    Parameters
    ----------
    flux : numpy.ndarray
        True net fluxes of the measurable reactions, shape ``(sample, reaction)``.
    unit : float
        The normalising flux; an error is at least :data:`RATE_FLOOR` of it.
    share : float
        Share of samples with measured rates, half of them up to an unknown factor.
    error : tuple of float
        Smallest and largest relative sd of a rate, log-uniform.
    rng : numpy.random.Generator
        Draws everything.
    """
    samples = len(flux)
    number = rng.uniform(0.0, 1.0, (samples, 1)) ** 2 * (rng.random((samples, 1)) < share)  # few more often than many
    known = rng.random(flux.shape) < number
    low, high = np.log(error)
    relative = np.exp(rng.uniform(low, high, flux.shape))
    sd = np.sqrt((relative * flux) ** 2 + (RATE_FLOOR * unit) ** 2)
    absolute = rng.random(samples) < 0.5
    factor = np.where(absolute, 1.0, np.exp(rng.uniform(-4.0, 4.0, samples)))[:, None]
    value = factor * (flux + sd * rng.standard_normal(flux.shape))
    return MeasuredRates(np.where(known, value, 0.0), np.where(known, 1 / (factor * sd), 0.0), absolute)
