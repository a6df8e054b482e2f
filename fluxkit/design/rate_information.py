r"""What measured rates add to a design: uptake, secretion and growth, of which only the errors are known beforehand.

A rate is a sum of net fluxes with coefficients :math:`r`. On the scale of the fluxes, its information is
:math:`r'r / \sigma^2`. Where a common factor between rates and fluxes is unknown, with a flat prior of its logarithm,
the direction in which all rates grow alike tells nothing: with :math:`z` the rates at a flux state in units of their
errors and :math:`J` their derivatives, the information is :math:`J' (1 - z z' / z'z) J` (Kaufman 1975,
doi:10.1007/BF01932995).
"""

import math
from collections.abc import Mapping

import numpy as np

from fluxkit.design.states import DesignStates
from fluxkit.errors import LabelingError
from fluxkit.labeling.rates import rate_row


def rate_information(states: DesignStates, rates: Mapping[str, float], rate_unit: str = "") -> np.ndarray:
    """Return the Fisher information of measured rates in the standard coordinates.

    Parameters
    ----------
    states : DesignStates
        Flux states.
    rates : mapping of str to float
        Standard deviation of each measured rate in the flux unit of the network, by reaction or by a sum of reactions
        such as ``"MCT_out - MCT_in"``.
    rate_unit : str
        Unit in which rates are measured; that of the network's fluxes puts both on one scale, else a common factor is
        unknown.

    Returns
    -------
    numpy.ndarray
        Shape ``(state, coordinate, coordinate)``.

    Raises
    ------
    UnknownNameError
        The network has no such reaction.
    LabelingError
        There is no rate, one is no sum of reactions, or a standard deviation is not positive.
    """
    network = states.space.network
    if not isinstance(rates, Mapping) or not rates:
        raise LabelingError(f"rates are {rates!r}; give standard deviations by reaction, such as {{'GLC_up': 5.0}}.")
    for name, sd in rates.items():
        if isinstance(sd, bool) or not isinstance(sd, (int, float)) or not (math.isfinite(sd) and sd > 0):
            raise LabelingError(
                f"the standard deviation of the rate {name!r} is {sd!r}; give a positive number in {network.flux_unit}."
            )
    rows = np.array([rate_row(name, network) / sd for name, sd in rates.items()])
    slopes = np.zeros((len(rows), states.size))
    slopes[:, : len(states.space.free)] = rows @ states.space.basis
    if rate_unit and rate_unit == network.flux_unit:
        return np.broadcast_to(slopes.T @ slopes, (len(states), states.size, states.size))
    value = states.net @ rows.T
    along = value @ slopes
    square = np.maximum(np.einsum("nk,nk->n", value, value), 1e-300)
    return slopes.T @ slopes - along[:, :, None] * along[:, None, :] / square[:, None, None]
