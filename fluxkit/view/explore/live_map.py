"""A flux map that follows fluxes at the pace of a slider: routes are prepared once, only arrows are shaped anew."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from fluxkit.networks import Network
from fluxkit.view.curves import cut, evaluate, svg_path
from fluxkit.view.layout import map_layout
from fluxkit.view.map_data import arrow_width, format_flux, map_data

_GRID = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class LiveMap:
    """The parts of a flux map that do not change with the fluxes; made by :func:`live_map`.

    Parameters
    ----------
    network : Network
        The network.
    data : dict
        From :func:`fluxkit.view.map_data`, of some state.
    curves : tuple of numpy.ndarray
        Of each arrow from rim to rim, shape ``(segment, 4, 2)``.
    lengths : tuple of numpy.ndarray
        Length of each curve up to each of 101 equal fractions, in map units.
    sides : numpy.ndarray
        Where the label of each arrow stands, shape ``(reaction, 2)``: -1, 0 or 1 in x and y.
    """

    network: Network
    data: dict[str, Any]
    curves: tuple[np.ndarray, ...]
    lengths: tuple[np.ndarray, ...]
    sides: np.ndarray


def live_map(network: Network, state: xr.Dataset, title: str = "") -> LiveMap:
    """Prepare the map of a network.

    Parameters
    ----------
    network : Network
        The network.
    state : xarray.Dataset
        Any single flux state of it.
    title : str
        Text above the map.
    """
    layout = map_layout(network)
    data = map_data(state, network, layout=layout, title=title)
    ways = {"right": (1, 0), "left": (-1, 0), "above": (0, -1), "below": (0, 1)}
    curves = tuple(_curve(arrow["hit"]) for arrow in data["arrows"])
    return LiveMap(
        network=network,
        data=data,
        curves=curves,
        lengths=tuple(_lengths(curve) for curve in curves),
        sides=np.array([ways[layout.routes[arrow["name"]].side] for arrow in data["arrows"]], dtype=float),
    )


def redrawn(prepared: LiveMap, state: xr.Dataset) -> dict[str, Any]:
    """Return what the flux map shows of another state, as :func:`fluxkit.view.map_data` to a tenth of a map unit.

    Parameters
    ----------
    prepared : LiveMap
        The prepared map.
    state : xarray.Dataset
        ``net_flux(reaction)`` and ``exchange_flux(reaction)`` of its network.

    Returns
    -------
    dict
        What the trait ``data`` of the flux map takes. The legend and the widths keep the scale of the prepared state
        until a flux outgrows it, so that one arrow that grows does not thin the others.
    """
    net, exchange = (np.asarray(state[name].values, dtype=float) for name in ("net_flux", "exchange_flux"))
    scale = max(max(abs(arrow["net"]) for arrow in prepared.data["arrows"]), float(np.abs(net).max()), 1e-12)
    arrows = [
        _arrow(arrow, prepared, i, float(net[i]), float(exchange[i]), scale)
        for i, arrow in enumerate(prepared.data["arrows"])
    ]
    legend = [{**each, "width": arrow_width(each["flux"], scale)} for each in prepared.data["legend"]]
    return {**prepared.data, "arrows": arrows, "legend": legend}


def _arrow(
    arrow: dict[str, Any], prepared: LiveMap, i: int, net: float, exchange: float, scale: float
) -> dict[str, Any]:
    width = arrow_width(net, scale)
    aside = (width - arrow["width"]) / 2 * prepared.sides[i]
    label = arrow["label"]
    share = exchange / (exchange + abs(net)) if arrow["reversible"] and exchange > 0 else 0.0
    return {
        **arrow,
        **_shape(prepared.curves[i], prepared.lengths[i], net < 0, width, arrow["reversible"]),
        "label": {
            **label,
            "x": round(label["x"] + float(aside[0]), 1),
            "y": round(label["y"] + float(aside[1]), 1),
            "value": format_flux(net),
        },
        "width": width,
        "net": net,
        "exchange": exchange,
        "exchange_share": share,
        "backward": net < 0,
    }


def _shape(curve: np.ndarray, length: np.ndarray, runs_back: bool, width: float, reversible: bool) -> dict[str, Any]:
    """Line and heads with the sizes of the flux map; there the length along the curve is measured each time."""
    size, back = 5.0 + 1.15 * width, (3.5 + 0.8 * width) if reversible else 0.0
    lengths, cover = ((size, back), (0.8, 1.0)) if runs_back else ((back, size), (1.0, 0.8))
    away = np.array([cover[0] * lengths[0], cover[1] * lengths[1]])
    away *= min(1.0, 0.9 * length[-1] / max(float(away.sum()), 1e-9))
    line = cut(curve, *(float(np.interp(at, length, _GRID)) for at in (away[0], length[-1] - away[1])))
    heads = []
    for first, each in ((True, lengths[0]), (False, lengths[1])):
        if each:
            tip, base = (curve[0, 0], line[0, 0]) if first else (curve[-1, 3], line[-1, 3])
            direction = tip - base
            if np.hypot(*direction) < 1e-6:
                direction = -evaluate(curve, 0.0)[1] if first else evaluate(curve, 1.0)[1]
            heads.append(
                {
                    "x": round(float(tip[0]), 2),
                    "y": round(float(tip[1]), 2),
                    "angle": round(float(np.degrees(np.arctan2(direction[1], direction[0]))), 2),
                    "size": round(each, 2),
                    "net": first == runs_back,
                }
            )
    return {"path": svg_path(line), "heads": heads}


def _curve(path: str) -> np.ndarray:
    points = np.array(re.findall(r"-?\d+\.?\d*", path), dtype=float).reshape(-1, 2)
    return np.stack([points[i : i + 4] for i in range(0, len(points) - 1, 3)])


def _lengths(curve: np.ndarray) -> np.ndarray:
    points = np.array([evaluate(curve, float(t))[0] for t in _GRID])
    return np.r_[0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
