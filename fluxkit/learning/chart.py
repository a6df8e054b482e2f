"""The coordinates of a model: from what its weights speak of to net fluxes."""

from dataclasses import dataclass

import numpy as np

from fluxkit.fluxes import EntropicMap


@dataclass(frozen=True, eq=False)
class Chart:
    """The net flux coordinates that a model was trained in, kept with it.

    Rounding rests on random draws, whose last digits differ between processors, so a model keeps its own coordinates
    and hands over net fluxes.

    Parameters
    ----------
    map : EntropicMap
        From unbounded coordinates to rounded ones.
    origin, basis : numpy.ndarray
        net = origin + basis z, shapes ``(reaction,)`` and ``(reaction, free)``.
    """

    map: EntropicMap
    origin: np.ndarray
    basis: np.ndarray

    def net(self, u: np.ndarray) -> np.ndarray:
        """Return net fluxes ``(..., reaction)`` of unbounded coordinates ``(..., free)``."""
        return self.net_of_rounded(self.map.to_polytope(u))

    def net_of_rounded(self, z: np.ndarray) -> np.ndarray:
        """Return net fluxes ``(..., reaction)`` of rounded coordinates ``(..., free)``."""
        return self.origin + z @ self.basis.T

    def arrays(self) -> dict[str, np.ndarray]:
        """Return everything by name, for storage."""
        parts = {name: getattr(self.map, name) for name in ("walls", "offsets", "shift", "scale")}
        return {**parts, "weight": np.array([self.map.weight]), "origin": self.origin, "basis": self.basis}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Chart":
        """Rebuild from :meth:`arrays`."""
        parts = {name: arrays[name] for name in ("walls", "offsets", "shift", "scale")}
        return cls(EntropicMap(weight=float(arrays["weight"][0]), **parts), arrays["origin"], arrays["basis"])
