"""The scripts and the style of this folder as modules for notebooks, and as pages that open without a network."""

import json
from html import escape
from pathlib import Path
from typing import Any

from fluxkit.files import written_whole

HERE = Path(__file__).parent
_EXPORT = "export default { render };"


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


def write_page(path: str | Path, script: str, title: str, state: dict[str, Any]) -> Path:
    """Write one widget as a page that loads nothing from elsewhere.

    Parameters
    ----------
    path : str or pathlib.Path
        File to write; appears whole or not at all.
    script : str
        Name of a file of this folder.
    title : str
        Title of the page.
    state : dict
        The traits that the script reads, among them ``theme``.

    Returns
    -------
    pathlib.Path
        The file.
    """
    scheme = "light dark" if state["theme"] == "auto" else state["theme"]
    payload = json.dumps(state, allow_nan=False, separators=(",", ":")).replace("</", "<\\/")
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f'<meta name="color-scheme" content="{scheme}">\n<title>{escape(title)}</title>\n'
        f"<style>body {{ margin: 0; }}\n{style()}.fluxkit-explore {{ min-height: 100vh; }}\n</style>\n</head>\n"
        f'<body>\n<main id="fluxkit-viewer"></main>\n<script type="module">\n{module(script).replace(_EXPORT, "")}\n'
        f"const state = {payload};\n"
        "const model = { get: (key) => state[key], set: (key, value) => { state[key] = value; },\n"
        "  on() {}, off() {}, save_changes() {} };\n"
        'render({ model, el: document.getElementById("fluxkit-viewer") });\n</script>\n</body>\n</html>\n'
    )
    with written_whole(path) as part:
        part.write_text(page, encoding="utf-8")
    return Path(path)
