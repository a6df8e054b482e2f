"""What each organ gives to the circulation and takes from it, as numbers with intervals: all that a body map shows."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fluxkit.networks import Network, Reaction
from fluxkit.networks.network import EXTERNAL_SUFFIX
from fluxkit.physiology.body_parts import BodyParts, body_parts, nutrient_of, of_element, tissue_of
from fluxkit.physiology.body_parts import compartment_of as compartment
from fluxkit.physiology.organs import plasma_pools, released
from fluxkit.view.body_nutrients import Nutrient, circulating, outside
from fluxkit.view.flux_numbers import flux_numbers

__all__ = [
    "CIRCULATION",
    "Amounts",
    "BodyParts",
    "Exchange",
    "amounts",
    "body_parts",
    "carbon_unit",
    "compartment",
    "exchanges",
    "organ_exchange",
    "tissue_of",
    "weight_matrix",
]

carbon_unit = of_element

CIRCULATION = "circulation"
"""The partner of an organ's exchange with plasma, blood or medium."""


@dataclass(frozen=True, eq=False)
class Exchange:
    """What an organ exchanges with one partner of one nutrient, as weights of the net fluxes of all reactions.

    Parameters
    ----------
    organ : str
        Suffix of a tissue, or the way through which the circulation is reached from outside (``"infusion"``).
    partner : str
        :data:`CIRCULATION`, or a way out of the body (``"urine"``, ``"stores"``).
    nutrient : Nutrient
        What is exchanged.
    molecules, carbon : numpy.ndarray
        Molecules, and atoms of carbon, that the organ gives to the partner per net flux; shape ``(reaction,)``.
    pools : dict of str to numpy.ndarray
        ``molecules``, split by pool of the circulation.
    """

    organ: str
    partner: str
    nutrient: Nutrient
    molecules: np.ndarray
    carbon: np.ndarray
    pools: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Amounts:
    """Fluxes of exchanges, positive from the organ to the partner; each of shape ``(exchange,)``, NaN where unknown.

    Parameters
    ----------
    value, lower, upper : numpy.ndarray
        Flux (median of draws, else the value) with its 90 % interval.
    determined : numpy.ndarray of bool
        Whether the data determine it.
    draws : numpy.ndarray
        Shape ``(draw, exchange)``.
    """

    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    determined: np.ndarray
    draws: np.ndarray


def exchanges(network: Network, parts: BodyParts) -> tuple[Exchange, ...]:
    """Return every exchange of the organs with the circulation and with the outside, in the order of the reactions.

    Parameters
    ----------
    network : Network
        The body.
    parts : BodyParts
        Its tissues and circulation.
    """
    found: dict[tuple[str, str, Nutrient], dict[str, np.ndarray]] = {}
    size, pools = len(network.reactions), plasma_pools(network)
    for column, reaction in enumerate(network.reactions):
        for organ, partner, nutrient, pool, amount, carbons in _crossings(reaction, network, parts, pools):
            sums = found.setdefault((organ, partner, nutrient), {"": np.zeros(size), "C": np.zeros(size)})
            sums[""][column] += amount
            sums["C"][column] += amount * carbons
            sums.setdefault(f"@{pool}", np.zeros(size))[column] += amount
    return tuple(
        Exchange(*key, sums[""], sums["C"], {k[1:]: v for k, v in sums.items() if k[:1] == "@"})
        for key, sums in found.items()
        if sums[""].any()
    )


def _crossings(
    reaction: Reaction, network: Network, parts: BodyParts, pools: Collection[str]
) -> Iterator[tuple[str, str, Nutrient, str, float, int]]:
    """Yield organ, partner, nutrient, pool, molecules given to the partner, carbons per molecule, of one reaction."""
    tissue = tissue_of(reaction, parts)
    sides = [(sign, each) for sign, side in ((-1.0, reaction.substrates), (1.0, reaction.products)) for each in side]
    outer = [(sign, each) for sign, each in sides if each.metabolite.endswith(EXTERNAL_SUFFIX)]
    if not tissue and not outer:
        return  # blood that flows from one pool of the circulation to another
    for sign, each in outer if tissue else ():
        way, nutrient = outside(each.metabolite, compartment(each.metabolite) in parts.tissues)
        yield tissue, way, nutrient, "", sign * each.coefficient, network.atom_counts[each.metabolite].get("C", 0)
    organ = tissue or outside(outer[0][1].metabolite, False)[0]
    for name, amount in released(reaction, pools):
        carbons = network.atom_counts[name].get("C", 0)
        yield organ, CIRCULATION, circulating(nutrient_of(name)), compartment(name), amount, carbons


def amounts(estimate_or_fluxes: Any, network: Network, weights: np.ndarray) -> Amounts:
    """Return value, interval and determination of sums of net fluxes.

    The interval is that of the sum over the draws, not a sum of intervals. The data determine a sum when they narrow
    the interval of the prior to half or less; where the prior is not known, when they determine every flux in it.

    Parameters
    ----------
    estimate_or_fluxes : FluxEstimate, xarray.Dataset or mapping of str to float
        In the flux unit of the network.
    network : Network
        The network of these fluxes.
    weights : numpy.ndarray
        Shape ``(exchange, reaction)``.

    Raises
    ------
    FluxError
        The fluxes do not belong to this network.
    """
    numbers = flux_numbers(estimate_or_fluxes, network)
    draws = numbers.draws @ weights.T
    if len(draws) == 1:
        unknown = np.full(len(weights), np.nan)
        lower, value, upper = unknown, draws[0], unknown
    else:
        lower, value, upper = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
    used = weights != 0
    determined = ~(used & ~numbers.determined).any(1)
    prior = getattr(estimate_or_fluxes, "prior", None)
    if prior is not None and len(draws) > 1:
        from fluxkit.inference.estimate import DETERMINED  # the rule of single fluxes, where there is an estimate

        names = list(network.reaction_names)
        before = prior["net_flux"].sel(reaction=names).transpose(..., "reaction").values.reshape(-1, len(names))
        width = np.diff(np.quantile(before @ weights.T, [0.05, 0.95], axis=0), axis=0)[0]
        free = width > 1e-9 * network.normalising_flux
        determined = ~free | (1 - (upper - lower) / np.where(free, width, 1.0) >= DETERMINED)
    return Amounts(value, lower, upper, determined, draws)


def weight_matrix(found: tuple[Exchange, ...], count: str) -> np.ndarray:
    """Return the weights of exchanges, shape ``(exchange, reaction)``.

    Parameters
    ----------
    found : tuple of Exchange
        From :func:`exchanges`.
    count : {"molecules", "carbon"}
        What is counted.
    """
    return np.array([getattr(each, count) for each in found])


def organ_exchange(estimate_or_fluxes: Any, network: Network) -> pd.DataFrame:
    """Return what every organ gives to the circulation and to the outside, net; uptake is negative.

    Parameters
    ----------
    estimate_or_fluxes : FluxEstimate, xarray.Dataset or mapping of str to float
        An estimate, a flux dataset or net fluxes by reaction, in the flux unit of the network.
    network : Network
        A body with named compartments, such as ``fluxkit.load_network("wholebody")``.

    Returns
    -------
    pandas.DataFrame
        One row per organ, partner and nutrient: ``organ`` (a tissue, or the way through which the circulation is
        reached from outside, such as infusion), ``letter`` (suffix of the tissue), ``partner`` (``"circulation"``, or
        urine, stores, ...), ``nutrient``, ``key`` (its name in the network), ``net_flux`` with ``lower`` and ``upper``
        (90 %) in molecules, ``carbon``, ``carbon_lower`` and ``carbon_upper`` in atoms of carbon, ``determined``,
        ``unit`` and ``carbon_unit``. At steady state a nutrient's ``net_flux`` sums to zero over the rows with the
        circulation. Fatty acids count as the network has them: the bundled bodies hold units of two carbons.

    Raises
    ------
    FluxError
        The fluxes do not belong to this network.
    NetworkError
        The network names no tissues or no circulation.

    Examples
    --------
    >>> import fluxkit
    >>> from fluxkit.view import organ_exchange
    >>> network = fluxkit.load_network("wholebody_core")
    >>> table = organ_exchange(network.reference_fluxes(), network)
    >>> sorted(set(table["organ"]))
    ['adipose', 'breath', 'infusion', 'kidney', 'liver', 'muscle', 'red cells']
    """
    parts = body_parts(network)
    found = exchanges(network, parts)
    molecules = amounts(estimate_or_fluxes, network, weight_matrix(found, "molecules"))
    carbon = amounts(estimate_or_fluxes, network, weight_matrix(found, "carbon"))
    return pd.DataFrame(
        {
            "organ": [parts.tissues.get(each.organ, each.organ) for each in found],
            "letter": [each.organ if each.organ in parts.tissues else "" for each in found],
            "partner": [each.partner for each in found],
            "nutrient": [each.nutrient.name for each in found],
            "key": [each.nutrient.key for each in found],
            "net_flux": molecules.value,
            "lower": molecules.lower,
            "upper": molecules.upper,
            "carbon": carbon.value,
            "carbon_lower": carbon.lower,
            "carbon_upper": carbon.upper,
            "determined": molecules.determined,
            "unit": network.flux_unit,
            "carbon_unit": carbon_unit(network.flux_unit),
        }
    )
