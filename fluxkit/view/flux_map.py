"""The flux map: one call for a notebook widget, a page that opens without a network, or a picture."""

import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluxkit.networks import Network
from fluxkit.view.drawn_page import drawn_module, html_page, inert, without_export
from fluxkit.view.layout import MapLayout
from fluxkit.view.map_data import map_data, text_width

if TYPE_CHECKING:
    from fluxkit.view.widget import FluxMap

SCRIPT = drawn_module("flux_map.js")
STYLE = Path(__file__).with_name("flux_map.css")


_HEADS = {True: (0.48, 0.8), False: (0.42, 1.0)}  # half width and notch of a head, filled or open, as in the script

Colours = dict[str, str]
LIGHT: Colours = {
    "paper": "#ffffff", "ink": "#1b1f24", "muted": "#667079", "region": "#fdf6ec", "rim": "#e0c9a6",
    "forward": "#0072b2", "backward": "#a8487d", "up": "#d55e00", "down": "#0072b2", "same": "#8d969e",
    "open": "#9aa3ab",
}  # fmt: skip
DARK: Colours = {
    "paper": "#14181c", "ink": "#e8ebee", "muted": "#9aa4ad", "region": "#211d17", "rim": "#6b5a3e",
    "forward": "#56b4e9", "backward": "#dd92bd", "up": "#f0883e", "down": "#56b4e9", "same": "#7b858e",
    "open": "#7b858e",
}  # fmt: skip


def flux_map(
    estimate_or_fluxes: Any,
    network: Network,
    *,
    compare: Any = None,
    layout: MapLayout | None = None,
    title: str = "",
    theme: str = "auto",
) -> "FluxMap":
    """Draw the fluxes of a network on its map.

    The width of an arrow grows with the square root of its net flux, its head is the direction. Dashed
    grey arrows are not determined by the data. With ``compare`` the colours say where the flux is clearly
    higher or lower than there. The map zooms and pans, finds reactions and metabolites by name, and shows the
    posterior of a reaction that is clicked; all of it works from the keyboard as well.

    Parameters
    ----------
    estimate_or_fluxes : FluxEstimate, xarray.Dataset or mapping of str to float
        An estimate, a flux dataset or net fluxes by reaction, in the flux unit of the network.
    network : Network
        The network; one without a designed map is laid out automatically.
    compare : FluxEstimate, xarray.Dataset or mapping of str to float, optional
        The reference state of a comparison.
    layout : MapLayout, optional
        Where everything stands, such as :func:`fluxkit.view.read_escher` gives; reactions that it leaves out are
        not drawn. The map of the network by default.
    title : str
        Text above the map.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Returns
    -------
    FluxMap
        A widget for notebooks; ``.to_html(path)`` writes one page that opens offline, ``.to_svg(path)`` a picture.

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

    data = map_data(estimate_or_fluxes, network, compare=compare, layout=layout, title=title)
    return FluxMap(data=data, theme=theme)


_TITLE, _BODY = "[title]", "[body]"  # places of an empty page that the script fills
_MODEL = r"""const page = () => {
  const [style, script] = ["style", "script"].map((part) => document.getElementById(`${id}-${part}`).textContent);
  const title = document.title.replace(/[<&]/g, (each) => `&#${each.charCodeAt(0)};`);
  const body = `<style id="${id}-style">${style}</style>\n<div id="${id}"></div>\n`
    + `<script type="module" id="${id}-script">${script}<\/script>\n`;
  return empty[0] + title + empty[1] + body + empty[2];
};
const model = { get: (key) => state[key], set: (key, value) => { state[key] = value; },
  on() {}, off() {}, save_changes() {}, page };
"""


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
    before, _, rest = html_page(_TITLE, _BODY, theme=theme).partition(_TITLE)
    empty = [before, *rest.split(_BODY)]
    payload = inert({"data": data, "theme": theme, "selected": ""})
    name = escape(element_id, quote=True)
    return (
        f'<style id="{name}-style">\n{STYLE.read_text(encoding="utf-8")}</style>\n'
        f'<div id="{name}"></div>\n'
        f'<script type="module" id="{name}-script">\n{without_export(SCRIPT)}\n'
        f"const state = {payload};\nconst empty = {inert(empty)};\n"
        f"const id = {inert(element_id)};\n{_MODEL}"
        "render({ model, el: document.getElementById(id) });\n</script>\n"
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
    title = data["title"] or f"Flux map of {data['network']}"
    return html_page(title, map_fragment(data, theme=theme), theme=theme)


def map_svg(data: dict[str, Any], *, theme: str = "light") -> str:
    """Return a flux map as a picture that drawing programs and journals take.

    Parameters
    ----------
    data : dict
        From :func:`fluxkit.view.map_data`.
    theme : {"auto", "light", "dark"}
        Colours; a picture cannot follow the reader, so ``auto`` is light.
    """
    colours = DARK if theme == "dark" else LIGHT
    top = 34 if data["title"] else 0
    legend, rows = _legend(data, colours)
    height = data["height"] + 20 * rows + 14 + top
    size = f'width="{data["width"]:g}" height="{height:g}" viewBox="0 {-top} {data["width"]:g} {height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
        'font-family="Helvetica Neue, Liberation Sans, Arial, sans-serif">',
        f"<title>{escape(data['title'] or 'Flux map of ' + data['network'])}</title>",
        f'<rect x="0" y="{-top}" width="{data["width"]:g}" height="{height:g}" fill="{colours["paper"]}"/>',
    ]
    if data["title"]:
        parts.append(_text(data["title"], 12, -12, 16, colours, weight=600))
    for each in data["regions"]:
        for gap, fill, width in ((0, colours["region"], 1.6), (5, "none", 0.8)):
            parts.append(
                f'<rect x="{each["x"] + gap:g}" y="{each["y"] + gap:g}" width="{each["width"] - 2 * gap:g}" '
                f'height="{each["height"] - 2 * gap:g}" rx="{46 - gap}" fill="{fill}" stroke="{colours["rim"]}" '
                f'stroke-width="{width}"/>'
            )
        at = (each["x"] + 20, each["y"] + each["height"] - 24)
        parts.append(_text(each["name"], *at, data["font"], colours, tone="muted", italic=True))
    parts += [_drawn_arrow(each, data, colours) for each in sorted(data["arrows"], key=lambda each: -each["width"])]
    for each in data["nodes"]:
        if each["text"]:
            style: dict[str, Any] = {"tone": "muted", "italic": True} if each["external"] else {"weight": 600}
            at = (each["x"], each["y"] + 0.35 * data["font"])
            name = f'data-metabolite="{escape(each["name"])}"'
            parts.append(_text(each["text"], *at, data["font"], colours, anchor="middle", attributes=name, **style))
    parts += [_drawn_label(each, data, colours) for each in data["arrows"]]
    return "\n".join([*parts, *legend, "</svg>", ""])


def _tone(arrow: dict[str, Any], data: dict[str, Any]) -> str:
    if not arrow["determined"]:
        return "open"
    if data["compared"]:
        higher = arrow["change"]["probability_higher"]
        return "up" if higher >= data["clear"] else "down" if higher <= 1 - data["clear"] else "same"
    return "backward" if arrow["backward"] else "forward"


def _text(
    content: str,
    x: float,
    y: float,
    font: float,
    colours: Colours,
    *,
    tone: str = "ink",
    weight: int = 400,
    italic: bool = False,
    anchor: str = "start",
    attributes: str = "",
    raw: bool = False,
) -> str:
    """Letters over a halo of their own: not every program knows ``paint-order``."""
    inner = content if raw else escape(content)
    style = f'x="{x:g}" y="{y:g}" font-size="{font:g}" font-weight="{weight}" text-anchor="{anchor}"'
    style += ' font-style="italic"' if italic else ""
    halo = f'fill="none" stroke="{colours["paper"]}" stroke-width="3" stroke-linejoin="round" stroke-opacity="0.85"'
    plain = re.sub(r' fill="[^"]*"', "", inner) if raw else inner
    return (
        f'<text {style} {halo} aria-hidden="true">{plain}</text>'
        f'<text {style} fill="{colours[tone]}" {attributes}>{inner}</text>'
    )


def _head(head: dict[str, Any], colour: str, paper: str) -> str:
    size, (wide, notch) = head["size"], _HEADS[head["net"]]
    paint = f'fill="{colour}"' if head["net"] else f'fill="{paper}" stroke="{colour}" stroke-width="1.1"'
    return (
        f'<path d="M0,0L{-size:g},{-wide * size:.2f}L{-notch * size:.2f},0L{-size:g},{wide * size:.2f}Z" {paint} '
        f'transform="translate({head["x"]:g},{head["y"]:g}) rotate({head["angle"]:g})"/>'
    )


def _drawn_arrow(arrow: dict[str, Any], data: dict[str, Any], colours: Colours) -> str:
    tone = _tone(arrow, data)
    colour = colours[tone]
    thin = f'fill="none" stroke="{colour}" stroke-width="1.1" opacity="0.75"'
    dashes = ' stroke-dasharray="5 3.5"' if tone == "open" else ""
    parts = [f'<path d="{each}" {thin}/>' for each in arrow["limbs"]]
    for each in arrow["ticks"]:
        at = (each["x"], each["y"] + 0.3 * data["label_font"])
        parts.append(f'<path d="{each["path"]}" {thin}/>')
        parts.append(_text(each["text"], *at, 0.9 * data["label_font"], colours, tone="muted", anchor=each["anchor"]))
    parts.append(f'<path d="{arrow["path"]}" fill="none" stroke="{colour}" stroke-width="{arrow["width"]:g}"{dashes}/>')
    parts += [_head(each, colour, colours["paper"]) for each in arrow["heads"]]
    note = escape(f"{arrow['name']}: {arrow['equation']}")
    opening = f'<g data-reaction="{escape(arrow["name"])}" data-net="{arrow["net"]!r}"><title>{note}</title>'
    return opening + "".join(parts) + "</g>"


def _drawn_label(arrow: dict[str, Any], data: dict[str, Any], colours: Colours) -> str:
    label, font, tone = arrow["label"], data["label_font"], _tone(arrow, data)
    weight, ink = (400, colours["muted"]) if tone == "open" else (600, colours["ink"])
    value = f'font-weight="{weight}" fill="{ink}">{escape(label["value"])}</tspan>'
    inner = f'<tspan fill="{colours["muted"]}">{escape(label["text"])}</tspan>'
    if label["interval"]:
        inner += f'<tspan x="{label["x"]:g}" dy="{1.08 * font:.2f}" {value}'
        inner += f'<tspan dx="{0.3 * font:.2f}" fill="{colours["muted"]}">{escape(label["interval"])}</tspan>'
    else:
        inner += f'<tspan dx="{0.35 * font:.2f}" {value}'
    y = label["y"] + (-0.15 if label["interval"] else 0.35) * font
    name = f'data-reaction="{escape(arrow["name"])}"'
    return _text(inner, label["x"], y, font, colours, anchor=label["anchor"], attributes=name, raw=True)


def _legend(data: dict[str, Any], colours: Colours) -> tuple[list[str], int]:
    """The lines of the legend with their number; they say what the page says."""
    plain = "same" if data["compared"] else "forward"
    items = [
        (plain, f"{each['flux']:.1g}" if each["flux"] < 1 else f"{each['flux']:g}", each["width"])
        for each in data["legend"]
    ]
    items.append(("", data["unit"], 0))
    if data["compared"]:
        clear = f"(P ≥ {data['clear']})"
        items += [("up", f"higher {clear}", 4), ("down", f"lower {clear}", 4), ("same", "no clear change", 4)]
    elif any(each["backward"] for each in data["arrows"]):
        items.append(("backward", "runs backward", 4))
    if any(not each["determined"] for each in data["arrows"]):
        items.append(("open", "not determined by the data", 3))
    items.append((plain, "reversible", 3))
    parts, x, row = [], 0.0, 0
    for tone, words, width in items:
        room = (42 if tone else 0) + text_width(words, 10.5) + 22
        if x + room > data["width"] - 24:
            x, row = 0.0, row + 1
        y = data["height"] + 8 + 20 * row
        if tone:
            both = words == "reversible"
            dashes = ' stroke-dasharray="5 3.5"' if tone == "open" else ""
            line = f"M{x + (21 if both else 13):g},{y + 7:g}H{x + (37 if both else 45):g}"
            parts.append(f'<path d="{line}" fill="none" stroke="{colours[tone]}" stroke-width="{width:g}"{dashes}/>')
            if both:
                ends = ({"x": x + 45, "angle": 0, "net": True}, {"x": x + 13, "angle": 180, "net": False})
                parts += [_head({**each, "y": y + 7, "size": 9}, colours[tone], colours["paper"]) for each in ends]
        parts.append(_text(words, x + (54 if tone else 12), y + 11, 10.5, colours, tone="ink" if tone else "muted"))
        x += room
    return parts, row + 1
