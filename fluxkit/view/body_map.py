"""The body map: one call for a notebook widget, or for a page that opens without a network."""

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxkit.networks import Network
from fluxkit.view.body_scene import body_scene
from fluxkit.view.drawn_page import drawing, drawn_module, html_page
from fluxkit.view.flux_map import STYLE as FLUX_STYLE

if TYPE_CHECKING:
    from fluxkit.view.body_widget import BodyMap

STYLE = Path(__file__).with_name("body_map.css")
SETTINGS = {"nutrient": "", "count": "carbon", "threshold": 0.01, "organ": ""}
"""What is shown at first: all nutrients in atoms of carbon, but the smallest fluxes, and no organ from inside."""


def body_map(
    estimate_or_fluxes: Any, network: Network, *, compare: Any = None, title: str = "", theme: str = "auto"
) -> "BodyMap":
    """Draw what organs exchange through the circulation; each organ opens to its own flux map.

    The width of an arrow grows with the square root of the net flux, in atoms of carbon or in molecules; its head is
    the direction, its colour the class of the nutrient. Dashed grey arrows are not determined by the data. With
    ``compare`` the colours say where the flux, in the direction drawn, is clearly higher or lower than there.

    Parameters
    ----------
    estimate_or_fluxes : FluxEstimate, xarray.Dataset or mapping of str to float
        An estimate, a flux dataset or net fluxes by reaction, in the flux unit of the network.
    network : Network
        A body or co-culture with named compartments, such as ``fluxkit.load_network("wholebody")``.
    compare : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        The reference state of a comparison.
    title : str
        Text above the map.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Returns
    -------
    BodyMap
        A widget for notebooks; ``.to_html(path)`` writes one page that opens offline.

    Raises
    ------
    FluxError
        The fluxes do not belong to this network.
    NetworkError
        The network names no tissues or no circulation.

    Examples
    --------
    >>> import fluxkit
    >>> network = fluxkit.load_network("wholebody_core")
    >>> widget = fluxkit.body_map(network.reference_fluxes(), network)
    """
    from fluxkit.view.body_widget import BodyMap  # anywidget loads Jupyter

    return BodyMap(data=body_scene(estimate_or_fluxes, network, compare=compare, title=title), theme=theme)


def body_script() -> str:
    """Return the module that draws: that of the flux map, which opens inside an organ, and that of the body."""
    return drawn_module("flux_map.js", "body_map.js")


def body_style() -> str:
    """Return the style of the body map with that of the flux map."""
    return FLUX_STYLE.read_text(encoding="utf-8") + STYLE.read_text(encoding="utf-8")


def body_fragment(
    data: dict[str, Any], *, theme: str = "auto", element_id: str = "fluxkit-body", **settings: Any
) -> str:
    """Return a body map as HTML to put into a page: needs no network and no other file.

    Parameters
    ----------
    data : dict
        From :func:`fluxkit.view.body_scene`.
    theme : {"auto", "light", "dark"}
        Colours.
    element_id : str
        Identifier of the element, unique on the page.
    **settings
        What is shown at first: ``nutrient``, ``count``, ``threshold``, ``organ``.
    """
    state = {"data": data, "theme": theme, **SETTINGS, **settings}
    return (
        f"<style>\n{body_style()}</style>\n"
        f'<div id="{escape(element_id, quote=True)}"></div>\n'
        f"{drawing(body_script(), state, element_id, render='renderBody')}"
    )


def body_page(data: dict[str, Any], *, theme: str = "auto", **settings: Any) -> str:
    """Return a whole HTML page with one body map.

    Parameters
    ----------
    data : dict
        From :func:`fluxkit.view.body_scene`.
    theme : {"auto", "light", "dark"}
        Colours.
    **settings
        What is shown at first: ``nutrient``, ``count``, ``threshold``, ``organ``.
    """
    title = data["title"] or f"Body map of {data['network']}"
    return html_page(title, body_fragment(data, theme=theme, **settings), theme=theme)
