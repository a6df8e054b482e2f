"""Everything a flux map draws, as one plain dictionary, so that nothing is left to compute in the browser."""

from typing import Any

import numpy as np
import xarray as xr

from fluxkit.networks import Network, Reaction
from fluxkit.view.curves import cut, evaluate, leave, reverse, shorten, spline, svg_path
from fluxkit.view.flux_numbers import CHANGED, FluxNumbers, flux_numbers, flux_ratio, probability_higher
from fluxkit.view.layout import MapLayout, Place, Route, map_layout

FONT = 12.0  # of metabolites, in map units
LABEL_FONT = 9.5  # of reactions
WIDEST = 11.0  # arrow of the largest flux, in map units
THINNEST = 1.1
BARS = 32  # of a histogram
FULL = 99  # height of its highest bar: whole numbers keep pages small
PRIOR_SEEN = 8.0  # how many times wider than the posterior the axis may be, to show the prior beside it


def map_data(
    estimate_or_fluxes: Any,
    network: Network,
    *,
    compare: Any = None,
    layout: MapLayout | None = None,
    title: str = "",
) -> dict[str, Any]:
    """Return what a flux map shows, ready for JSON.

    Parameters
    ----------
    estimate_or_fluxes : FluxEstimate, xarray.Dataset or mapping of str to float
        What to draw, in the flux unit of the network.
    network : Network
        The network.
    compare : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        A reference state; each reaction then carries the probability that its flux is higher than there, and
        their ratio.
    layout : MapLayout, optional
        Positions; the map of the network by default.
    title : str
        Text above the map.

    Returns
    -------
    dict
        ``width``, ``height``, ``unit``, ``title``, ``regions``, ``nodes``, ``arrows`` and ``legend``. An
        arrow holds ``name``, ``path``, ``heads``, ``label``, ``net`` with ``net_lower`` and ``net_upper``,
        ``best``, ``exchange`` likewise, ``information``, ``determined``, ``change`` and ``histograms`` of net
        and exchange flux, where there are draws. Fluxes are in ``unit``, positions in map units. Unknown
        numbers are None. A node holds the measured names that mean it as ``also``. Reactions for which the
        layout has no route are left out.

    Raises
    ------
    FluxError
        The fluxes do not belong to this network.
    """
    numbers = flux_numbers(estimate_or_fluxes, network)
    reference = None if compare is None else flux_numbers(compare, network)
    layout = layout or map_layout(network)
    scale = max(float(np.abs(numbers.net).max()), 1e-12)
    changes = _changes(numbers, reference)
    histograms = flux_histograms(estimate_or_fluxes, network)
    arrows = [
        {**_arrow(reaction, i, network, numbers, changes, layout, scale), "histograms": histograms[i]}
        for i, reaction in enumerate(network.reactions)
        if reaction.name in layout.routes
    ]
    measured = _measured_names(network)
    return {
        "title": title,
        "network": network.name,
        "unit": network.flux_unit,
        "width": layout.width,
        "height": layout.height,
        "font": FONT,
        "label_font": LABEL_FONT,
        "compared": reference is not None,
        "interval": "90 %",
        "regions": [
            {"name": each.name, "x": each.x, "y": each.y, "width": each.width, "height": each.height}
            for each in layout.regions
        ],
        "nodes": [{**_node(each), "also": measured.get(each.name, [])} for each in layout.places.values()],
        "arrows": arrows,
        "legend": [{"flux": flux, "width": arrow_width(flux, scale)} for flux in _legend_fluxes(scale)],
        "clear": CHANGED,
    }


def arrow_width(flux: float, scale: float) -> float:
    """Return the width of an arrow in map units: a square root, so that small fluxes stay visible.

    Parameters
    ----------
    flux : float
        Net flux.
    scale : float
        Flux of the widest arrow.
    """
    return round(THINNEST + (WIDEST - THINNEST) * min(abs(flux) / scale, 1.0) ** 0.5, 2)


def _legend_fluxes(scale: float) -> list[float]:
    """Three round numbers, 1, 2 or 5 times a power of ten, the largest below the widest arrow."""
    power = 10.0 ** np.floor(np.log10(scale))
    top = float(max(each for each in (1.0, 2.0, 5.0) if each * power <= scale * (1 + 1e-9)) * power)
    return [top, top / 10, top / 100]


def format_flux(value: float | None) -> str:
    """Write a flux with two to three significant digits.

    Parameters
    ----------
    value : float or None
        The flux; None or NaN gives an en dash.
    """
    if value is None or not np.isfinite(value):
        return "–"
    size = abs(value)
    text = f"{value:.0f}" if size >= 99.5 else f"{value:.1f}" if size >= 0.995 else f"{value:.2f}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def equation(reaction: Reaction) -> str:
    """Write a reaction as text without its atoms.

    Parameters
    ----------
    reaction : Reaction
        Any reaction.
    """

    def side(participants) -> str:
        terms = (
            each.metabolite if each.coefficient == 1 else f"{each.coefficient:g} {each.metabolite}"
            for each in participants
        )
        return " + ".join(terms)

    return f"{side(reaction.substrates)} {'⇌' if reaction.reversible else '→'} {side(reaction.products)}"


def flux_histograms(estimate_or_fluxes: Any, network: Network) -> list[dict[str, Any]]:
    """Return how often each flux was drawn, after the data and before them, in a few whole numbers.

    Parameters
    ----------
    estimate_or_fluxes : FluxEstimate, xarray.Dataset or mapping of str to float
        What :func:`map_data` takes.
    network : Network
        The network of these fluxes.

    Returns
    -------
    list of dict
        For each reaction ``net`` and, where it is reversible, ``exchange`` (on a logarithmic axis): ``low`` and
        ``high`` ends of the axis in the flux unit, ``log``, and heights of equal bars as ``posterior`` and
        ``prior`` (``None`` where there is no prior), in one scale of 0 to 99. Empty where nothing was drawn or
        nothing varies.
    """
    posterior = getattr(estimate_or_fluxes, "posterior", estimate_or_fluxes)
    prior = getattr(estimate_or_fluxes, "prior", None)
    found: list[dict[str, Any]] = [{} for _ in network.reactions]
    for kind in ("net", "exchange"):
        after, before = (_drawn(each, f"{kind}_flux", network) for each in (posterior, prior))
        if after is None or len(after) < 2:
            continue
        for i, reversible in enumerate(network.reversible):
            if kind == "net" or reversible:
                one = histogram(after[:, i], None if before is None else before[:, i], log=kind == "exchange")
                if one:
                    found[i][kind] = one
    return found


def _drawn(dataset: Any, variable: str, network: Network) -> np.ndarray | None:
    if not isinstance(dataset, xr.Dataset) or variable not in dataset:
        return None
    ordered = dataset[variable].sel(reaction=list(network.reaction_names)).transpose(..., "reaction")
    return ordered.values.reshape(-1, len(network.reactions))


def histogram(after: np.ndarray, before: np.ndarray | None = None, *, log: bool = False) -> dict[str, Any]:
    """Return the bars of one flux, on an axis that shows the posterior and as much of the prior as fits.

    Parameters
    ----------
    after : numpy.ndarray
        Draws of the posterior, shape ``(draw,)``.
    before : numpy.ndarray, optional
        Draws of the prior.
    log : bool
        Whether the axis is logarithmic; draws that are not positive are then left out.

    Returns
    -------
    dict
        As in :func:`flux_histograms`; empty where all draws are equal.
    """
    sets = [each if each is None else np.log10(each[each > 0]) if log else each for each in (after, before)]
    drawn, known = sets[0], sets[1]
    if drawn is None or len(drawn) < 2:
        return {}
    low, high = (float(each) for each in np.quantile(drawn, [0.002, 0.998]))
    width = high - low
    if not width > 1e-9 * max(1.0, abs(low), abs(high)):
        return {}
    if known is not None and len(known) > 1:
        reach = (PRIOR_SEEN - 1) * width / 2
        wide = np.quantile(known, [0.002, 0.998])
        low, high = min(low, max(float(wide[0]), low - reach)), max(high, min(float(wide[1]), high + reach))
    edges = np.linspace(low, high, BARS + 1)
    heights = [None if each is None else np.histogram(each, edges)[0] / max(len(each), 1) for each in (drawn, known)]
    top = max(float(each.max()) for each in heights if each is not None) or 1.0
    bars = [None if each is None else np.rint(FULL * each / top).astype(int).tolist() for each in heights]
    ends = [float(f"{10**each if log else each:.4g}") for each in (low, high)]
    return {"low": ends[0], "high": ends[1], "log": log, "posterior": bars[0], "prior": bars[1]}


def _measured_names(network: Network) -> dict[str, list[str]]:
    """What measured tables call each metabolite, for the search."""
    names: dict[str, list[str]] = {}
    for name in network.observations:
        for share in network.observations[name].pools:
            known = names.setdefault(share.fragment.partition(":")[0].partition("[")[0], [])
            if name not in known:
                known.append(name)
    return names


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _node(place: Place) -> dict[str, Any]:
    return {
        "name": place.name,
        "text": place.text,
        "x": place.x,
        "y": place.y,
        "external": place.external,
        "major": place.major,
    }


def _changes(numbers: FluxNumbers, reference: FluxNumbers | None) -> list[dict[str, Any] | None]:
    if reference is None:
        return [None] * len(numbers.net)
    higher = probability_higher(numbers.draws, reference.draws)
    ratio, lower, upper = flux_ratio(numbers.draws, reference.draws)
    return [
        {
            "probability_higher": float(higher[i]),
            "reference": float(reference.net[i]),
            "ratio": _plain(ratio[i]),
            "ratio_lower": _plain(lower[i]) if len(numbers.draws) > 1 else None,
            "ratio_upper": _plain(upper[i]) if len(numbers.draws) > 1 else None,
        }
        for i in range(len(higher))
    ]


def text_width(text: str, font: float) -> float:
    """Estimate the width of a text in a sans-serif face, in the unit of the font size."""
    return font * sum(0.3 if c in "il.,;:|'[]() −" else 0.78 if c in "mwMWGOQCDH" else 0.57 for c in text)


def _box(place: Place, margin: float = 4.0) -> tuple[float, float]:
    """Half width and half height of the space that a metabolite's text takes."""
    if not place.text:
        return 1.0, 1.0
    font = FONT * (0.85 if place.external else 1.0)
    return text_width(place.text, font) / 2 + margin, font * 0.5 + margin


def _inside(place: Place):
    half_width, half_height = _box(place)
    return lambda p: ((p[0] - place.x) / half_width) ** 4 + ((p[1] - place.y) / half_height) ** 4 < 1


def _between(layout: MapLayout, tail: str, head: str, via=()) -> np.ndarray:
    """The curve from the rim of one metabolite to the rim of another."""
    first, last = layout.places[tail], layout.places[head]
    if tail == head and not via:
        via = ((first.x + 45, first.y - 45), (first.x + 45, first.y + 45))
    curve = spline([(first.x, first.y), *via, (last.x, last.y)])
    return cut(curve, leave(curve, _inside(first)), 1 - leave(reverse(curve), _inside(last)))


def _arrow(
    reaction: Reaction,
    i: int,
    network: Network,
    numbers: FluxNumbers,
    changes: list[dict[str, Any] | None],
    layout: MapLayout,
    scale: float,
) -> dict[str, Any]:
    route = layout.routes[reaction.name]
    net = float(numbers.net[i])
    width = arrow_width(net, scale)
    whole = _between(layout, route.tail, route.head, route.via)
    exchange = float(numbers.exchange[i])
    label = _label(route, whole, width)
    label["text"] = reaction.name
    label["value"] = format_flux(net)
    label["interval"] = _interval_text(numbers, i)
    return {
        "name": reaction.name,
        "equation": equation(reaction),
        "note": reaction.note,
        **_shape(whole, net, width, reaction.reversible),
        "limbs": _limbs(route, whole, layout),
        "ticks": _ticks(route, whole),
        "label": label,
        "width": width,
        "net": net,
        "net_lower": _plain(numbers.net_lower[i]),
        "net_upper": _plain(numbers.net_upper[i]),
        "best": _plain(numbers.best[i]),
        "exchange": _plain(exchange),
        "exchange_lower": _plain(numbers.exchange_lower[i]),
        "exchange_upper": _plain(numbers.exchange_upper[i]),
        "exchange_share": exchange / (exchange + abs(net)) if reaction.reversible and exchange > 0 else 0.0,
        "reversible": reaction.reversible,
        "backward": net < 0,
        "information": _plain(numbers.information[i]),
        "determined": bool(numbers.determined[i]),
        "exchange_determined": bool(numbers.exchange_determined[i]),
        "change": changes[i],
        "unit": network.flux_unit,
    }


def _interval_text(numbers: FluxNumbers, i: int) -> str:
    if not numbers.net_upper[i] > numbers.net_lower[i]:  # unknown, or a fixed flux
        return ""
    return f"[{format_flux(numbers.net_lower[i])}, {format_flux(numbers.net_upper[i])}]"


def _shape(whole: np.ndarray, net: float, width: float, reversible: bool) -> dict[str, Any]:
    """The line, the head of the net direction, and an open head where the reaction runs back too."""
    size = 5.0 + 1.15 * width
    back = (3.5 + 0.8 * width) if reversible else 0.0
    lengths = (size, back) if net < 0 else (back, size)
    cover = (1.0, 0.8) if net >= 0 else (0.8, 1.0)  # the open head has no notch
    line = shorten(whole, cover[0] * lengths[0], cover[1] * lengths[1])
    heads = []
    for t, length, sign in ((0.0, lengths[0], -1.0), (1.0, lengths[1], 1.0)):
        if length:
            tip, base = evaluate(whole, t)[0], evaluate(line, t)[0]
            direction = tip - base
            if np.hypot(*direction) < 1e-6:
                direction = sign * evaluate(whole, t)[1]
            heads.append(
                {
                    "x": round(float(tip[0]), 2),
                    "y": round(float(tip[1]), 2),
                    "angle": round(float(np.degrees(np.arctan2(direction[1], direction[0]))), 2),
                    "size": round(length, 2),
                    "net": (sign < 0) == (net < 0),
                }
            )
    return {"path": svg_path(line), "hit": svg_path(whole), "heads": heads}


def _label(route: Route, whole: np.ndarray, width: float) -> dict[str, Any]:
    point, _ = evaluate(whole, route.fraction)
    gap = width / 2 + 5
    dx, dy = {"right": (gap, 0), "left": (-gap, 0), "above": (0, -gap - 8), "below": (0, gap + 8)}[route.side]
    anchor = {"right": "start", "left": "end"}.get(route.side, "middle")
    return {
        "x": round(float(point[0]) + dx + route.nudge[0], 1),
        "y": round(float(point[1]) + dy + route.nudge[1], 1),
        "anchor": anchor,
    }


def _limbs(route: Route, whole: np.ndarray, layout: MapLayout) -> list[str]:
    """Thin curves from further substrates into the arrow, and from the arrow to further products."""
    limbs = []
    for name, back in [(each, False) for each in route.joins] + [(each, True) for each in route.leaves]:
        place = layout.places[name]
        base = reverse(whole) if not back else whole
        meet, tangent = evaluate(
            base, 0.45 if back else 0.5
        )  # tangent points away from the junction, toward the limb's far end
        reach = float(np.hypot(place.x - meet[0], place.y - meet[1]))
        knee = meet + 0.3 * reach * tangent
        far = np.array([place.x, place.y])
        curve = np.array([[meet, meet + 2 / 3 * (knee - meet), far + 2 / 3 * (knee - far), far]])
        limbs.append(svg_path(cut(curve, 0.0, 1 - leave(reverse(curve), _inside(place)))))
    return limbs


def _ticks(route: Route, whole: np.ndarray) -> list[dict[str, Any]]:
    """Short curved ticks with the name of a small molecule that joins or leaves, opposite to the label."""
    _, along = evaluate(whole, 0.5)
    normal = np.array([-along[1], along[0]])
    toward = {"right": (-1, 0), "left": (1, 0), "above": (0, 1), "below": (0, -1)}[route.side]
    normal = normal if normal @ np.array(toward) >= 0 else -normal
    ticks = []
    for text, out in route.ticks:
        meet, tangent = evaluate(whole, 0.55 if out else 0.45)
        ahead = tangent if out else -tangent
        end = meet + 13 * ahead + 15 * normal
        knee = meet + 10 * ahead
        place = end + 7 * normal + 3 * ahead
        curve = np.array([[meet, meet + 2 / 3 * (knee - meet), end + 2 / 3 * (knee - end), end]])
        x = float(place[0])
        anchor = "middle" if abs(normal[0]) < 0.5 else "start" if normal[0] > 0 else "end"
        x -= 4 * float(np.sign(normal[0])) if anchor != "middle" else 0.0
        ticks.append(
            {
                "path": svg_path(curve),
                "text": text,
                "x": round(x, 1),
                "y": round(float(place[1]), 1),
                "anchor": anchor,
            }
        )
    return ticks
