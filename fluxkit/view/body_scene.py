"""Everything a body map draws, as one plain dictionary, so that nothing is left to compute in the browser."""

import re
from typing import Any

import numpy as np

from fluxkit.networks import Network
from fluxkit.view.body_data import (
    CIRCULATION,
    Amounts,
    BodyParts,
    Exchange,
    amounts,
    body_parts,
    carbon_unit,
    exchanges,
    weight_matrix,
)
from fluxkit.view.body_nutrients import FAMILIES, Nutrient
from fluxkit.view.body_tissue import tissue_map
from fluxkit.view.flux_numbers import CHANGED, flux_numbers, probability_higher
from fluxkit.view.map_data import format_flux

COUNTS = ("carbon", "molecules")
WIDEST, THINNEST = 12.0, 1.2
"""Arrows of the largest and of the smallest flux, in pixels."""

_ICONS = (
    ("brain", r"brain|cortex|cerebr"), ("heart", r"heart|cardi"), ("liver", r"liver|hepat"),
    ("kidney", r"kidney|renal"),
    ("intestine", r"intestin|gut|colon|bowel|cecum|spleen"), ("muscle", r"muscle|carcass|quadriceps"),
    ("adipose", r"adipose|\bfat\b|adipocyte"), ("red cells", r"red cell|red blood|erythrocyte|\brbc"),
    ("tumour", r"tumou?r|cancer|carcinoma"),
)  # fmt: skip
_PLACES = {
    "brain": ("left", 0), "heart": ("right", 1), "liver": ("left", 2), "kidney": ("left", 3), "intestine": ("right", 2),
    "adipose": ("right", 3), "muscle": ("left", 4),
}  # fmt: skip
_BRIEF = {"3-hydroxybutyrate": "3-OH-but.", "other fatty acids": "other FA", "acetoacetate": "acetoac."}
"""Names where there is little room."""
_SHORT = {"3-hydroxybutyrate": "3-OH-butyrate", "other fatty acids": "other fatty ac."}


def body_scene(estimate_or_fluxes: Any, network: Network, *, compare: Any = None, title: str = "") -> dict[str, Any]:
    """Return what a body map shows, ready for JSON.

    Parameters
    ----------
    estimate_or_fluxes : FluxEstimate, xarray.Dataset or mapping of str to float
        What to draw, in the flux unit of the network.
    network : Network
        A body with named compartments.
    compare : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        A reference state; each flux then carries the probability that it is higher than there, in the direction drawn.
    title : str
        Text above the map.

    Returns
    -------
    dict
        ``organs`` with their side and icon, ``ways`` into the circulation from outside, ``pools`` of the circulation,
        ``nutrients``, ``flows``, ``legends`` and ``tissues``, the flux map of each. A flow has ``organ``, ``partner``,
        ``pool``, ``nutrient`` and, for ``carbon`` and for ``molecules``: ``value`` (positive from the organ),
        ``lower``, ``upper``, ``text``, ``determined``, ``change``, and ``width`` among all and ``width_own`` among
        flows of the same nutrient. Unknown numbers are None.

    Raises
    ------
    FluxError
        The fluxes do not belong to this network.
    NetworkError
        The network names no tissues or no circulation.
    """
    parts = body_parts(network)
    found = exchanges(network, parts)
    units = dict(zip(COUNTS, (carbon_unit(network.flux_unit), network.flux_unit), strict=True))
    measured = {count: _measured(found, count, estimate_or_fluxes, network, compare) for count in COUNTS}
    scales = {count: _scales(found, measured[count][0]) for count in COUNTS}
    net = flux_numbers(estimate_or_fluxes, network).net
    flows = [_flow(i, each, measured, scales, parts, net) for i, each in enumerate(found)]
    return {
        "title": title,
        "network": network.name,
        "units": units,
        "interval": "90 %",
        "note": _note(found),
        "compared": compare is not None,
        "clear": CHANGED,
        "outline": "body" if any(_icon(name) not in ("cell", "tumour") for name in parts.tissues.values()) else "dish",
        "pools": [{"suffix": suffix, "name": name} for suffix, name in parts.circulation.items()],
        "organs": _organs(parts, flows),
        "ways": list(dict.fromkeys(each.organ for each in found if each.organ not in parts.tissues)),
        "families": FAMILIES,
        "nutrients": _nutrients(found),
        "flows": flows,
        "legends": {count: {key: _legend(scale) for key, scale in scales[count].items()} for count in COUNTS},
        "largest": scales,
        "tissues": {key: tissue_map(estimate_or_fluxes, network, parts, key, compare) for key in parts.tissues},
    }


def width_of(flux: float, scale: float) -> float:
    """Return the width of an arrow in pixels: a square root, so that small fluxes stay visible.

    Parameters
    ----------
    flux : float
        Net flux.
    scale : float
        Flux of the widest arrow.
    """
    share = min(abs(flux) / scale, 1.0) if scale > 0 else 0.0
    return round(THINNEST + (WIDEST - THINNEST) * share**0.5, 2)


def _measured(
    found: tuple[Exchange, ...], count: str, fluxes: Any, network: Network, compare: Any
) -> tuple[Amounts, list[dict[str, float] | None]]:
    weights = weight_matrix(found, count)
    result = amounts(fluxes, network, weights)
    if compare is None:
        return result, [None] * len(found)
    other = amounts(compare, network, weights)
    toward = np.where(result.value < 0, -1.0, 1.0)
    higher = probability_higher(result.draws * toward, other.draws * toward)
    return result, [
        {"probability_higher": float(higher[i]), "reference": float(other.value[i])} for i in range(len(found))
    ]


def _scales(found: tuple[Exchange, ...], result: Amounts) -> dict[str, float]:
    """The largest flux of all (under ``""``) and of each nutrient."""
    scales = {"": 0.0}
    for each, value in zip(found, np.abs(result.value), strict=True):
        for key in ("", each.nutrient.key):
            scales[key] = max(scales.get(key, 0.0), float(value))
    return scales


def _legend(scale: float) -> list[dict[str, float]]:
    """Three round fluxes, 1, 2 or 5 times a power of ten, the largest below the widest arrow, with their widths."""
    if not scale > 0:
        return []
    power = 10.0 ** np.floor(np.log10(scale))
    top = float(max(each for each in (1.0, 2.0, 5.0) if each * power <= scale * (1 + 1e-9)) * power)
    return [{"flux": flux, "width": width_of(flux, scale)} for flux in (top, top / 10, top / 100)]


def _flow(
    i: int,
    exchange: Exchange,
    measured: dict[str, tuple[Amounts, list[dict[str, float] | None]]],
    scales: dict[str, dict[str, float]],
    parts: BodyParts,
    net: np.ndarray,
) -> dict[str, Any]:
    toward = -1.0 if measured["molecules"][0].value[i] < 0 else 1.0
    flow: dict[str, Any] = {
        "organ": exchange.organ,
        "name": parts.tissues.get(exchange.organ, exchange.organ),
        "partner": exchange.partner,
        "nutrient": exchange.nutrient.key,
        "label": _SHORT.get(exchange.nutrient.name, exchange.nutrient.name),
        "brief": _BRIEF.get(exchange.nutrient.name, exchange.nutrient.name),
        "full": exchange.nutrient.name,
        "family": exchange.nutrient.family,
        "pool": _pool(exchange, toward * net, parts) if exchange.partner == CIRCULATION else "",
    }
    for count in COUNTS:
        result, changes = measured[count]
        value = float(result.value[i])
        flow[count] = {
            "value": value,
            "lower": _plain(result.lower[i]),
            "upper": _plain(result.upper[i]),
            "text": format_flux(abs(value)),
            "determined": bool(result.determined[i]),
            "change": changes[i],
            "width": width_of(value, scales[count][""]),
            "width_own": width_of(value, scales[count][exchange.nutrient.key]),
        }
    return flow


def _pool(exchange: Exchange, net: np.ndarray, parts: BodyParts) -> str:
    """The pool of the circulation that the organ gives to most, or takes from where the fluxes are turned around."""
    sums = {name: float(weights @ net) for name, weights in exchange.pools.items()}
    best = max(sums, key=lambda name: sums[name])
    return best if best in parts.circulation else next(iter(parts.circulation))


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _icon(name: str) -> str:
    return next((icon for icon, pattern in _ICONS if re.search(pattern, name.lower())), "cell")


def _organs(parts: BodyParts, flows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every tissue with its icon, side and rank: usual organs at their places, others where there is more room."""
    shown = {
        key: sum(abs(f["carbon"]["value"]) > 0.01 for f in flows if f["organ"] == key) + 3.0 for key in parts.tissues
    }
    room = {"left": 0.0, "right": 0.0}
    placed: dict[str, tuple[str, int]] = {}
    for key, name in parts.tissues.items():
        icon = _icon(name)
        if icon in _PLACES and _PLACES[icon] not in placed.values():
            placed[key] = _PLACES[icon]
            room[_PLACES[icon][0]] += shown[key]
    for rank, key in enumerate(key for key in parts.tissues if key not in placed):
        side = "left" if room["left"] < room["right"] else "right"
        placed[key] = (side, 5 + rank)
        room[side] += shown[key]
    return [
        {"letter": key, "name": name, "icon": _icon(name), "side": placed[key][0], "rank": placed[key][1],
         "head": _icon(name) == "brain" and placed[key] == _PLACES["brain"]}
        for key, name in parts.tissues.items()
    ]  # fmt: skip


def _note(found: tuple[Exchange, ...]) -> str:
    """What a molecule of fat is, where the network counts units of two carbons."""
    fats = [each for each in found if each.nutrient.family == "fat" and each.partner == CIRCULATION]
    units = fats and all(np.array_equal(each.carbon, 2 * each.molecules) for each in fats)
    return "molecules of fatty acids and triglyceride are units of two carbons" if units else ""


def _nutrients(found: tuple[Exchange, ...]) -> list[dict[str, str]]:
    """What circulates, in the order of the families, for the selector."""
    nutrients: dict[str, Nutrient] = {}
    for each in found:
        if each.partner == CIRCULATION:
            nutrients.setdefault(each.nutrient.key, each.nutrient)
    order = list(FAMILIES)
    rows = sorted(nutrients.values(), key=lambda each: (order.index(each.family), each.name))
    return [{"key": each.key, "name": each.name, "family": each.family} for each in rows]
