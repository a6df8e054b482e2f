"""The flux map of one tissue of a body: its reactions, with what circulates as external pools."""

from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import xarray as xr

from fluxkit.networks import Network, Participant, Reaction
from fluxkit.networks.network import EXTERNAL_SUFFIX
from fluxkit.view.body_data import BodyParts, compartment, tissue_of
from fluxkit.view.body_labels import place_labels
from fluxkit.view.body_layout import tissue_layout
from fluxkit.view.flux_numbers import flux_numbers
from fluxkit.view.map_data import map_data

WITH_INTERVALS = 1.3
"""How much farther apart pools stand where labels have intervals."""


@dataclass(frozen=True, eq=False)
class TissueEstimate:
    """The part of an estimate that belongs to the reactions of one tissue, as a flux map reads it.

    Parameters
    ----------
    posterior : xarray.Dataset
        Draws of net and exchange fluxes.
    intervals : pandas.DataFrame
        Rows of :attr:`FluxEstimate.intervals`.
    """

    posterior: xr.Dataset
    intervals: pd.DataFrame


def tissue_network(network: Network, parts: BodyParts, letter: str) -> Network:
    """Return the reactions of one tissue as a network of its own; the circulation is external to it.

    Parameters
    ----------
    network : Network
        The body.
    parts : BodyParts
        Its tissues and circulation.
    letter : str
        Suffix of the tissue.
    """
    reactions = tuple(_opened(each, parts) for each in network.reactions if tissue_of(each, parts) == letter)
    inner = {p.metabolite for r in reactions for p in (*r.substrates, *r.products)}
    return Network(
        f"{network.name}: {parts.tissues[letter]}",
        reactions,
        symmetric=network.symmetric & inner,
        flux_unit=network.flux_unit,
    )


def _opened(reaction: Reaction, parts: BodyParts) -> Reaction:
    def side(participants: tuple[Participant, ...]) -> tuple[Participant, ...]:
        return tuple(
            each
            if each.metabolite.endswith(EXTERNAL_SUFFIX) or compartment(each.metabolite) in parts.tissues
            else replace(each, metabolite=each.metabolite + EXTERNAL_SUFFIX)
            for each in participants
        )

    return replace(reaction, substrates=side(reaction.substrates), products=side(reaction.products))


def tissue_fluxes(estimate_or_fluxes: Any, reactions: tuple[str, ...]) -> Any:
    """Return what is known of the fluxes of some reactions.

    Parameters
    ----------
    estimate_or_fluxes : FluxEstimate, xarray.Dataset or mapping of str to float
        All fluxes of the body.
    reactions : tuple of str
        Which of them.
    """
    if hasattr(estimate_or_fluxes, "intervals") and hasattr(estimate_or_fluxes, "posterior"):
        table = estimate_or_fluxes.intervals
        fluxes = estimate_or_fluxes.posterior[["net_flux", "exchange_flux"]]
        return TissueEstimate(fluxes.sel(reaction=list(reactions)), table[table["reaction"].isin(reactions)])
    if isinstance(estimate_or_fluxes, xr.Dataset):
        return estimate_or_fluxes.sel(reaction=list(reactions))
    return {name: estimate_or_fluxes[name] for name in reactions}


def tissue_map(
    estimate_or_fluxes: Any, network: Network, parts: BodyParts, letter: str, compare: Any = None
) -> dict[str, Any]:
    """Return the flux map of one tissue, as :func:`fluxkit.view.map_data` has it.

    Parameters
    ----------
    estimate_or_fluxes, compare : FluxEstimate, xarray.Dataset or mapping of str to float
        Fluxes of the body, and those to compare with.
    network : Network
        The body.
    parts : BodyParts
        Its tissues and circulation.
    letter : str
        Suffix of the tissue.
    """
    part = tissue_network(network, parts, letter)
    other = None if compare is None else tissue_fluxes(compare, part.reaction_names)
    fluxes = tissue_fluxes(estimate_or_fluxes, part.reaction_names)
    sure = flux_numbers(fluxes, part).draws.shape[0] == 1
    data = map_data(fluxes, part, compare=other, layout=tissue_layout(part, 1.0 if sure else WITH_INTERVALS))
    for each in data["arrows"]:
        each["label"]["text"] = each["label"]["text"].removeprefix(f"{letter}_")
    return place_labels(data)
