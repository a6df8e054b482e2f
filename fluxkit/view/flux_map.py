"""The flux map: one call for a notebook widget, or for a page that opens without a network."""

import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxkit.networks import Network
from fluxkit.view.map_data import map_data

if TYPE_CHECKING:
    from fluxkit.view.widget import FluxMap

SCRIPT = Path(__file__).with_name("flux_map.js")
STYLE = Path(__file__).with_name("flux_map.css")


def flux_map(
    estimate_or_fluxes: Any, network: Network, *, compare: Any = None, title: str = "", theme: str = "auto"
) -> "FluxMap":
    """Draw the fluxes of a network on its map.

    The width of an arrow grows with the square root of its net flux, its head is the direction. Dashed
    grey arrows are not determined by the data. With ``compare`` the colours say where the flux is clearly
    higher or lower than there.

    Parameters
    ----------
    estimate_or_fluxes : FluxEstimate, xarray.Dataset or mapping of str to float
        An estimate, a flux dataset or net fluxes by reaction, in the flux unit of the network.
    network : Network
        The network; one without a designed map is laid out automatically.
    compare : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        The reference state of a comparison.
    title : str
        Text above the map.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Returns
    -------
    FluxMap
        A widget for notebooks; ``.to_html(path)`` writes one page that opens offline.

    Raises
    ------
    FluxError
        The fluxes do not belong to this network.

    Examples
    --------
    >>> import fluxkit
    >>> network = fluxkit.load_network("toy")
    >>> widget = fluxkit.flux_map(network.reference_fluxes(), network)
    """
    from fluxkit.view.widget import FluxMap  # anywidget loads Jupyter

    return FluxMap(data=map_data(estimate_or_fluxes, network, compare=compare, title=title), theme=theme)


def map_fragment(data: dict[str, Any], *, theme: str = "auto", element_id: str = "fluxkit-map") -> str:
    """Return a flux map as HTML to put into a page: needs no network and no other file.

    Parameters
    ----------
    data : dict
        From :func:`fluxkit.view.map_data`.
    theme : {"auto", "light", "dark"}
        Colours.
    element_id : str
        Identifier of the element, unique on the page.
    """
    script = SCRIPT.read_text(encoding="utf-8").replace("export default { render };", "")
    payload = json.dumps({"data": data, "theme": theme, "selected": ""}, allow_nan=False).replace("</", "<\\/")
    name = escape(element_id, quote=True)
    return (
        f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n"
        f'<div id="{name}"></div>\n'
        f'<script type="module">\n{script}\n'
        f"const state = {payload};\n"
        "const model = { get: (key) => state[key], set: (key, value) => { state[key] = value; },\n"
        "  on() {}, off() {}, save_changes() {} };\n"
        f"render({{ model, el: document.getElementById({json.dumps(element_id)}) }});\n</script>\n"
    )


def map_page(data: dict[str, Any], *, theme: str = "auto") -> str:
    """Return a whole HTML page with one flux map.

    Parameters
    ----------
    data : dict
        From :func:`fluxkit.view.map_data`.
    theme : {"auto", "light", "dark"}
        Colours.
    """
    title = escape(data["title"] or f"Flux map of {data['network']}")
    scheme = "light dark" if theme == "auto" else theme
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f'<meta name="color-scheme" content="{scheme}">\n<title>{title}</title>\n'
        "<style>body { margin: 0; }</style>\n</head>\n"
        f"<body>\n{map_fragment(data, theme=theme)}</body>\n</html>\n"
    )
