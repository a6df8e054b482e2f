"""The page of every report: sections, figures and what draws them, in one HTML file that loads nothing else."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fluxkit import __version__
from fluxkit.view.drawn_page import without_tags
from fluxkit.view.figure_style import DARK
from fluxkit.view.report_parts import anchor, listing, text, unbroken

STYLE = Path(__file__).with_name("report.css")
SCRIPT = Path(__file__).with_name("report.js")


def offline_page(
    title: str, subtitle: str, findings: Sequence[str], sections: Mapping[str, str], figures: Mapping[str, str]
) -> str:
    """Return a page.

    Parameters
    ----------
    title, subtitle : str
        What stands on top.
    findings : sequence of str
        What matters most, shown first.
    sections : mapping of str to str
        HTML by heading.
    figures : mapping of str to str
        What :func:`place_figure` has kept.

    Returns
    -------
    str
        HTML.
    """
    return page_frame(title, subtitle, findings, sections, _scripts(figures))


def page_frame(
    title: str,
    subtitle: str,
    findings: Sequence[str],
    sections: Mapping[str, str],
    scripts: str,
    *,
    style: str = "",
    links: str = "",
) -> str:
    """Return what every report is put into: head, title, findings, links to the sections, and the sections.

    Parameters
    ----------
    title, subtitle, findings, sections
        As for :func:`offline_page`.
    scripts : str
        HTML of the scripts, which come last.
    style : str
        Rules beside those of every report.
    links : str
        HTML of further links, behind those to the sections.
    """
    body = "".join(f'<section id="{anchor(k)}"><h2>{text(k)}</h2>\n{part}</section>\n' for k, part in sections.items())
    own = "".join(f'<a href="#{anchor(name)}">{text(name)}</a>' for name in sections)
    found = f'<div class="findings"><h2>Findings</h2>{listing(findings)}</div>\n' if findings else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{text(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}{style}</style>\n"
        "</head>\n<body>\n<main>\n"
        f'<header><h1>{unbroken(title)}</h1><p class="subtitle">{text(subtitle)}</p></header>\n'
        f'{found}<nav aria-label="Sections">{own}{links}</nav>\n{body}'
        f"<footer>Written by fluxkit {text(__version__)}. "
        "This page loads nothing from elsewhere.</footer>\n"
        f"</main>\n{scripts}</body>\n</html>\n"
    )


def place_figure(figure: Any, label: str, figures: dict[str, str]) -> str:
    """Keep the figure's numbers for the end of the page, and return the place where it is drawn.

    Parameters
    ----------
    figure : plotly.graph_objects.Figure
        What to draw.
    label : str
        What it shows, for readers that do not see it.
    figures : dict of str to str
        Figures of the page; this one is added.
    """
    name = f"figure-{len(figures) + 1}"
    figures[name] = figure.to_json()
    height = int(figure.layout.height or 300)
    return (
        f'<div class="figure" data-source="{name}" role="img" aria-label="{text(label)}" '
        f'style="min-height:{min(height, 300)}px"></div>\n'
    )


def _scripts(figures: Mapping[str, str]) -> str:
    """Plotly once, the numbers of each figure, and the script that draws them."""
    from plotly.offline import get_plotlyjs  # plotly loads when a report is written

    blocks = {"dark-colours": json.dumps(DARK), **figures}
    data = "".join(
        f'<script type="application/json" id="{name}">{without_tags(content)}</script>\n'
        for name, content in blocks.items()
    )
    library = get_plotlyjs().replace("</script", "<\\/script")
    return f"<script>{library}</script>\n{data}<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>\n"
