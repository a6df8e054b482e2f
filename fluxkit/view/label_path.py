"""The label path: one call for a notebook widget, or a page, that plays where each atom of a tracer goes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxkit.networks import Network
from fluxkit.view.drawn_page import drawing, drawn_module, html_page
from fluxkit.view.label_path_data import label_path_data

if TYPE_CHECKING:
    from fluxkit.view.label_path_widget import LabelPath

SCRIPT = drawn_module("label_path.js")
STYLE = Path(__file__).with_name("label_path.css")
SETTINGS = {"step": 0, "choice": 0, "speed": 1.0}


def label_path(
    network: Network,
    tracer_or_atom: str,
    fluxes: Any = None,
    *,
    smallest: float | None = None,
    title: str = "",
    theme: str = "auto",
) -> "LabelPath":
    """Play where each atom of a tracer goes, reaction by reaction.

    Metabolites are rows of atoms; the filled part of an atom is its labeled fraction at isotopic steady state. Steps
    go through the reactions outward from the tracer, those that carry most label first. Space plays and pauses,
    the arrow keys step.

    Parameters
    ----------
    network : Network
        The network.
    tracer_or_atom : str
        A tracer, ``"[1,2-13C2]glucose"`` or ``"Gln_x: 100% [U-13C5,15N2]"``, or atoms of an input pool,
        ``"Glc_x[1]"``.
    fluxes : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        One flux state, of an estimate the best point; the reference state of the network by default.
    smallest : float, optional
        Labeled fraction below which an atom counts as unlabeled; 0 to 1. By default 2 % of the largest one.
    title : str
        Text above.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Returns
    -------
    LabelPath
        A widget for notebooks; ``.to_html(path)`` writes one page that opens offline.

    Raises
    ------
    TracerError, LabelingError, FluxError
        The tracer or the fluxes do not fit the network.

    Examples
    --------
    >>> import fluxkit
    >>> network = fluxkit.load_network("ccm")
    >>> widget = fluxkit.label_path(network, "[1,2-13C2]glucose")
    """
    from fluxkit.view.label_path_widget import LabelPath  # anywidget loads Jupyter

    return LabelPath(data=label_path_data(network, tracer_or_atom, fluxes, smallest=smallest, title=title), theme=theme)


def label_path_page(data: dict[str, Any], *, theme: str = "auto", **settings: Any) -> str:
    """Return a whole HTML page with one label path.

    Parameters
    ----------
    data : dict
        From :func:`fluxkit.view.label_path_data.label_path_data`.
    theme : {"auto", "light", "dark"}
        Colours.
    **settings
        What is shown at first: ``step``, ``choice``, ``speed``.
    """
    state = {"data": data, "theme": theme, **SETTINGS, **settings}
    body = f'<div id="fluxkit-path"></div>\n{drawing(SCRIPT, state, "fluxkit-path")}'
    title = data["title"] or f"Path of {data['tracer']} in {data['network']}"
    return html_page(title, body, theme=theme, style=STYLE.read_text(encoding="utf-8"))
