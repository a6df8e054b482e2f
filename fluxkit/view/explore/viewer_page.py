"""The scripts and the style of this folder as modules for notebooks, and as pages that open without a network."""

from pathlib import Path
from typing import Any

from fluxkit.view.drawn_page import drawing, html_page

HERE = Path(__file__).parent


def module(*scripts: str) -> str:
    """Return the JavaScript module of a widget: what all of them share, and its own files.

    Parameters
    ----------
    *scripts : str
        Names of files of this folder; the last one draws.
    """
    return "".join((HERE / name).read_text(encoding="utf-8") for name in ("common.js", *scripts))


def style(*sheets: str) -> str:
    """Return the style that the widgets of this folder share, and that of one widget.

    Parameters
    ----------
    *sheets : str
        Names of files of this folder.
    """
    return "".join((HERE / name).read_text(encoding="utf-8") for name in ("explore.css", *sheets))


def viewer_page(scripts: str | tuple[str, ...], title: str, state: dict[str, Any], sheets: tuple[str, ...] = ()) -> str:
    """Return one widget as a page that loads nothing from elsewhere.

    Parameters
    ----------
    scripts : str or tuple of str
        Names of files of this folder; the last one draws.
    title : str
        Title of the page.
    state : dict
        The traits that the script reads, among them ``theme``.
    sheets : tuple of str
        Names of style sheets of this folder.
    """
    own = (scripts,) if isinstance(scripts, str) else scripts
    body = f'<main id="fluxkit-viewer"></main>\n{drawing(module(*own), state, "fluxkit-viewer")}'
    rules = f"{style(*sheets)}.fluxkit-explore {{ min-height: 100vh; }}\n"
    return html_page(title, body, theme=state["theme"], style=rules)
