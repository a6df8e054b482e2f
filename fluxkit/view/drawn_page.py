"""A drawing as a whole page that opens without a network: script, style and state in one file."""

import json
from html import escape
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def drawn_module(*scripts: str) -> str:
    """Return the JavaScript module of a widget: the elements that all of them share, and its own files.

    Parameters
    ----------
    *scripts : str
        Names of files of this folder; the last one draws. Of the others what they export is left out.
    """
    texts = [(HERE / name).read_text(encoding="utf-8") for name in ("elements.js", *scripts)]
    return "".join([*(without_export(each) for each in texts[:-1]), texts[-1]])


def without_export(module: str) -> str:
    """Return a JavaScript module without its last statement, what it exports.

    Parameters
    ----------
    module : str
        JavaScript.
    """
    return module.partition("export default {")[0]


def html_page(title: str, body: str, *, theme: str = "auto", style: str = "") -> str:
    """Return a page that loads nothing from elsewhere.

    Parameters
    ----------
    title : str
        Title of the page, as plain text.
    body : str
        HTML of what it shows.
    theme : {"auto", "light", "dark"}
        Colours; ``auto`` follows the reader's system.
    style : str
        Rules beside those of the body itself.
    """
    scheme = "light dark" if theme == "auto" else theme
    rules = f"\n{style}" if style else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f'<meta name="color-scheme" content="{scheme}">\n<title>{escape(title)}</title>\n'
        f"<style>body {{ margin: 0; }}{rules}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def inert(state: Any) -> str:
    """Return a value as JSON for a script element.

    Parameters
    ----------
    state : object
        What JSON can hold.
    """
    return without_tags(json.dumps(state, allow_nan=False, separators=(",", ":")))


def without_tags(content: str) -> str:
    """Return JSON in which no text can end the script element around it, or open a comment or another script in it.

    Parameters
    ----------
    content : str
        JSON; it keeps its meaning.
    """
    return content.replace("<", "\\u003c")


def drawing(module: str, state: dict[str, Any], element_id: str, render: str = "render") -> str:
    """Return the script element that draws into an element of a page, as a widget does in a notebook.

    Parameters
    ----------
    module : str
        JavaScript module of the widget; what it exports is left out.
    state : dict
        The traits that the module reads.
    element_id : str
        Identifier of the element.
    render : str
        Function of the module that draws.
    """
    return (
        f'<script type="module">\n{without_export(module)}\n'
        f"const state = {inert(state)};\n"
        "const model = { get: (key) => state[key], set: (key, value) => { state[key] = value; },\n"
        "  on() {}, off() {}, save_changes() {} };\n"
        f"{render}({{ model, el: document.getElementById({inert(element_id)}) }});\n</script>\n"
    )
