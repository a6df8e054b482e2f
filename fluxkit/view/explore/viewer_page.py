"""The scripts and the style of this folder as modules for notebooks, and as pages that open without a network."""

from pathlib import Path
from typing import Any

from fluxkit.view.drawn_page import drawing, html_page

HERE = Path(__file__).parent


def module(script: str) -> str:
    """Return the JavaScript module of a widget: what all of them share, and its own file.

    Parameters
    ----------
    script : str
        Name of a file of this folder.
    """
    return "".join((HERE / name).read_text(encoding="utf-8") for name in ("common.js", script))


def style() -> str:
    """Return the style that the widgets of this folder share."""
    return (HERE / "explore.css").read_text(encoding="utf-8")


def viewer_page(script: str, title: str, state: dict[str, Any]) -> str:
    """Return one widget as a page that loads nothing from elsewhere.

    Parameters
    ----------
    script : str
        Name of a file of this folder.
    title : str
        Title of the page.
    state : dict
        The traits that the script reads, among them ``theme``.
    """
    body = f'<main id="fluxkit-viewer"></main>\n{drawing(module(script), state, "fluxkit-viewer")}'
    rules = f"{style()}.fluxkit-explore {{ min-height: 100vh; }}\n"
    return html_page(title, body, theme=state["theme"], style=rules)
