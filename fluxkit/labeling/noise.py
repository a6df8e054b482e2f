"""The noise model: how uncertain a measured MID value is when replicates do not say."""

import json
import math
from dataclasses import asdict, dataclass

import numpy as np

from fluxkit.errors import LabelingError


@dataclass(frozen=True)
class NoiseModel:
    r"""Standard deviation of a MID value from its size and from how many ions were seen.

    .. math:: sd^2 = floor^2 + (slope \cdot y (1 - y))^2 + (background / T)^2

    with y the MID value and T the summed ion intensity of the fragment. The floor is the systematic error
    that remains however often one measures (so :func:`~fluxkit.labeling.pool_replicates` keeps it), the slope
    is interference and saturation, the background is chemical noise in counts. The defaults were judged from
    LC-MS of whole-cell extracts (HCT116 cells of Reid et al. 2018, doi:10.1038/s41467-018-07868-6).

    Parameters
    ----------
    floor : float
        Smallest standard deviation of a MID value.
    slope : float
        Error in proportion to ``y (1 - y)``.
    background : float
        Background in counts; used only where intensities are known. A zero intensity is read as censored at
        ``background / T``.

    Raises
    ------
    LabelingError
        A value is negative or not finite, or no error would be left.
    """

    floor: float = 0.005
    slope: float = 0.04
    background: float = 1e5

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise LabelingError(f"noise model: {name} = {value!r} must be zero or a positive number.")
        if self.floor == 0:
            raise LabelingError(
                "noise model: floor = 0 makes zeros exact; give the smallest sd of a MID value, such as 0.005."
            )

    def sd(self, mid: np.ndarray, total: np.ndarray | None = None) -> np.ndarray:
        """Return the standard deviation of MID values.

        Parameters
        ----------
        mid : ndarray
            MID values.
        total : ndarray, optional
            Summed ion intensity of the fragment in counts, broadcastable to ``mid``; without it, or where it
            is NaN, the background does not count.

        Returns
        -------
        ndarray
            Shape of ``mid``.
        """
        variance = self.floor**2 + (self.slope * mid * (1 - mid)) ** 2
        if total is None:
            return np.sqrt(variance)
        return np.sqrt(variance + np.nan_to_num(self.limit(total)) ** 2)

    def limit(self, total: np.ndarray) -> np.ndarray:
        """Return the smallest MID value that is told from zero, ``background / T``; NaN where T is unknown.

        Parameters
        ----------
        total : ndarray
            Summed ion intensity of the fragment in counts.
        """
        total = np.asarray(total, dtype=float)
        return np.divide(self.background, total, out=np.full(total.shape, np.nan), where=total > 0)

    def to_json(self) -> str:
        """Return the settings as the text that a labeling dataset stores."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "NoiseModel":
        """Read the settings back.

        Parameters
        ----------
        text : str
            From :meth:`to_json`.
        """
        return cls(**json.loads(text))
