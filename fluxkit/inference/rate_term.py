"""The likelihood of measured rates by net fluxes, on one scale with them or up to an unknown common factor.

With rates ``r``, weights ``w = 1/sd^2`` and net fluxes ``v``, a factor ``s`` between them that is a priori log-uniform
leaves, after integrating it out (Laplace's method), a likelihood that depends on

    t = sum(w r v) / sqrt(sum(w v^2)),    log likelihood = t |t| / 2 - log(1 + t^2) / 2 + constant,

so that scaling all fluxes changes nothing, as it should. Given ``v`` the factor is ``sum(w r v) / sum(w v^2)``.
"""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class RateTerm:
    """Measured rates.

    Parameters
    ----------
    rows : numpy.ndarray
        Coefficients of the net fluxes in each rate, shape ``(rate, reaction)``.
    rates, sd : numpy.ndarray
        Measured net fluxes and their standard deviations, in a unit of their own; shape ``(rate,)``.
    absolute : bool
        Whether that is the unit of the network; else a common factor is unknown.
    """

    rows: np.ndarray
    rates: np.ndarray
    sd: np.ndarray
    absolute: bool

    @property
    def size(self) -> int:
        """Number of rates."""
        return len(self.rates)

    def scale(self, net: np.ndarray) -> np.ndarray:
        """Return the most probable factor from net fluxes ``(..., reaction)`` to rates, shape ``(...)``."""
        flux = np.asarray(net) @ self.rows.T / self.sd
        if self.absolute:
            return np.ones(flux.shape[:-1])
        square = np.einsum("...k,...k->...", flux, flux)
        return np.maximum(flux @ (self.rates / self.sd), 0.0) / np.maximum(square, 1e-300)

    def drawn_anew(self, net: np.ndarray, rng: np.random.Generator) -> "RateTerm":
        """Return the rates that another measurement would give if these net fluxes ``(reaction,)`` were true."""
        fitted = self.scale(net) * (self.rows @ net)
        return replace(self, rates=fitted + self.sd * rng.standard_normal(self.size))

    def draw_scale(self, net: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw factors for net fluxes ``(..., reaction)``, shape ``(...)``."""
        best = self.scale(net)
        if self.absolute:
            return best
        flux = np.asarray(net) @ self.rows.T / self.sd
        sd = 1 / np.sqrt(np.maximum(np.einsum("...k,...k->...", flux, flux), 1e-300))
        return np.abs(best + sd * rng.standard_normal(best.shape))

    def log_likelihood(self, net: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return log likelihood ``(n,)`` and gradient ``(n, reaction)`` at net fluxes ``(n, reaction)``."""
        rates, flux = self.rates / self.sd, net @ self.rows.T / self.sd
        if self.absolute:
            miss = flux - rates
            return -0.5 * np.einsum("nk,nk->n", miss, miss), -(miss / self.sd) @ self.rows
        length = np.sqrt(np.maximum(np.einsum("nk,nk->n", flux, flux), 1e-300))
        t = (flux @ rates) / length
        value = 0.5 * t * np.abs(t) - 0.5 * np.log1p(t * t) - 0.5 * rates @ rates
        slope = np.abs(t) - t / (1 + t * t)
        by_flux = slope[:, None] * (rates / length[:, None] - t[:, None] * flux / (length**2)[:, None])
        return value, (by_flux / self.sd) @ self.rows

    def residuals(self, net: np.ndarray) -> np.ndarray:
        """Return standardised residuals at the most probable factor, shape ``(n, rate)``."""
        return (self.scale(net)[:, None] * (net @ self.rows.T) - self.rates) / self.sd

    def jacobian(self, net: np.ndarray) -> np.ndarray:
        """Return derivatives of the residuals by net fluxes, ``(n, rate, reaction)``.

        The unknown factor is projected out (Kaufman 1975, doi:10.1007/BF01932995).
        """
        rows = self.scale(net)[:, None, None] * (self.rows / self.sd[:, None])
        if not self.absolute:
            flux = net @ self.rows.T / self.sd
            square = np.maximum(np.einsum("nk,nk->n", flux, flux), 1e-300)
            rows = rows - np.einsum("nk,nj,njr->nkr", flux, flux, rows) / square[:, None, None]
        return rows
