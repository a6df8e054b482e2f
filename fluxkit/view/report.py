"""The report: one HTML file with findings, fit, map, figures and tables, that opens without a network."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from fluxkit.errors import FluxError
from fluxkit.files import write_text
from fluxkit.versions import versions
from fluxkit.view.flux_figures import comparison_figure, interval_figure
from fluxkit.view.flux_map import map_fragment
from fluxkit.view.labeling_figures import mid_figure, residual_figure
from fluxkit.view.map_data import map_data
from fluxkit.view.page import offline_page, place_figure
from fluxkit.view.report_methods import methods_of
from fluxkit.view.report_parts import (
    comparison_rows,
    comparison_rule,
    data_notes,
    diagnostics_rows,
    fit_rows,
    flux_rows,
    listing,
    pairs,
    references_list,
    sample_rows,
    tabs,
    text,
    verdict_cards,
    weight_rows,
)
from fluxkit.view.report_record import record_section
from fluxkit.view.report_sources import references
from fluxkit.view.report_text import limits_of

SHOWN_ROWS = 60


def write_report(
    estimates: Any,
    path: str | Path,
    *,
    title: str,
    findings: str | Sequence[str] = (),
    comparison: pd.DataFrame | None = None,
    comparison_title: str = "",
    samples: pd.DataFrame | None = None,
    map_html: str | Mapping[str, str] | None = None,
    settings: Mapping[str, Any] | None = None,
    notes: str | Sequence[str] = (),
    limits: str | Sequence[str] = (),
) -> Path:
    """Write what was found, how well it fits and how sure it is, as one page for a browser.

    Parameters
    ----------
    estimates : FluxEstimate or mapping of str to FluxEstimate
        One estimate, or estimates by condition or sample.
    path : str or pathlib.Path
        File to write; it appears whole or not at all. Missing folders are made.
    title : str
        Title of the page.
    findings : str or sequence of str
        What matters most, shown first.
    comparison : pandas.DataFrame, optional
        From :func:`fluxkit.inference.compare`: fluxes, or named quantities such as ratios at a node.
    comparison_title : str
        Which estimate is compared with which.
    samples : pandas.DataFrame, optional
        From :func:`fluxkit.inference.fit_statistics`: every sample fitted by itself.
    map_html : str or mapping of str to str, optional
        HTML of the flux map, trusted as it is, or one per sample; drawn from the estimates by default. ``""``
        leaves the map out.
    settings : mapping, optional
        What the user chose, shown as a list.
    notes : str or sequence of str
        What to know about the data, beside the notes that the labeling datasets carry.
    limits : str or sequence of str
        What may not be concluded or compared, beside what the estimates themselves say.

    Returns
    -------
    pathlib.Path
        The file: no part of it is loaded from elsewhere.

    Raises
    ------
    FluxError
        There is no estimate, or the comparison lacks a column.
    """
    estimates = _by_name(estimates)
    page = report_page(
        estimates,
        title=title,
        findings=_texts(findings),
        comparison=comparison,
        comparison_title=comparison_title,
        samples=samples,
        map_html=map_html,
        settings=settings or {},
        notes=_texts(notes),
        limits=_texts(limits),
    )
    return write_text(path, page)


def report_page(
    estimates: Mapping[str, Any],
    *,
    title: str,
    findings: Sequence[str],
    comparison: pd.DataFrame | None,
    comparison_title: str,
    samples: pd.DataFrame | None,
    map_html: str | Mapping[str, str] | None,
    settings: Mapping[str, Any],
    notes: Sequence[str],
    limits: Sequence[str],
) -> str:
    """Return the page of :func:`write_report` as text; the arguments are those of that function."""
    figures: dict[str, str] = {}
    sections = [
        ("Verdict", verdict_cards(estimates)),
        ("Fit", fit_rows(estimates) + sample_rows(samples) + diagnostics_rows(estimates)),
        ("Comparison", _comparison(comparison, comparison_title, figures)),
        ("Flux map", _maps(estimates, map_html)),
        ("Fluxes", _fluxes(estimates)),
        ("Intervals against the prior", _intervals(estimates, figures)),
        ("Measured against fitted", _labeling(estimates, figures)),
        ("Limits", listing([*limits, *limits_of(estimates)]) + weight_rows(estimates)),
        ("Data", data_notes(estimates, notes)),
        ("Methods", _methods(estimates, comparison)),
        ("For the record", record_section(estimates, settings)),
        ("Settings", pairs(settings)),
    ]
    networks = ", ".join(dict.fromkeys(each.network.name for each in estimates.values()))
    subtitle = f"{', '.join(estimates)} · network {networks} · {datetime.now().astimezone():%d %B %Y}"
    return offline_page(title, subtitle, findings, {name: body for name, body in sections if body}, figures)


def _by_name(estimates: Any) -> dict[str, Any]:
    """One estimate, or any mapping of them, as a dictionary."""
    if hasattr(estimates, "intervals"):
        return {getattr(estimates, "sample", "") or "sample": estimates}
    found = dict(estimates)
    if not found:
        raise FluxError("there is no estimate to report; give a FluxEstimate, or a mapping of name to FluxEstimate.")
    return {str(name): each for name, each in found.items()}


def _texts(texts: str | Iterable[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else [str(each) for each in texts]


def _maps(estimates: Mapping[str, Any], given: str | Mapping[str, str] | None) -> str:
    if isinstance(given, str):
        return given
    if given is None:
        given = {
            name: map_fragment(map_data(each, each.network), element_id=f"map-{i}")
            for i, (name, each) in enumerate(estimates.items())
        }
    caption = '<p class="caption">Width: square root of the net flux. Dashed grey: not determined.</p>\n'
    return caption + tabs("map", given) if given else ""


def _fluxes(estimates: Mapping[str, Any]) -> str:
    caption = (
        '<p class="caption">Median and 90 % interval of the posterior. Information says how much narrower the interval '
        "is than the prior's: 0 % where the data say nothing, 100 % where they fix the flux; of exchange fluxes on a "
        "logarithmic scale. A flux that the data do not determine gets no value: its interval is mostly the prior's."
        "</p>\n"
    )
    return caption + tabs(
        "fluxes", {name: flux_rows(each, f"fluxes-{i}") for i, (name, each) in enumerate(estimates.items())}
    )


def _intervals(estimates: Mapping[str, Any], figures: dict[str, str]) -> str:
    caption = (
        '<p class="caption">Wide light bar: 90 % interval before the data. Thin bar: after them, with '
        "the median. The scale is linear near 0 and logarithmic beyond.</p>\n"
    )
    parts = {}
    for name, each in estimates.items():
        parts[name] = "<h3>Net fluxes</h3>" + place_figure(interval_figure(each), f"Net fluxes of {name}", figures)
        if (each.intervals["kind"] == "exchange").any():
            drawn = interval_figure(each, "exchange")
            parts[name] += "<h3>Exchange fluxes</h3>" + place_figure(drawn, f"Exchange fluxes of {name}", figures)
    return caption + tabs("intervals", parts)


def _labeling(estimates: Mapping[str, Any], figures: dict[str, str]) -> str:
    caption = '<p class="caption">Fraction of each fragment by its number of labeled atoms (M+0, M+1, ...).</p>\n'
    residuals = (
        '<p class="caption">Fitted minus measured, in standard deviations: within 2 is what noise gives, the dotted '
        "line what noise alone would give.</p>\n"
    )
    parts = {}
    for name, each in estimates.items():
        parts[name] = place_figure(mid_figure(each, columns=5), f"Measured and fitted labeling of {name}", figures)
        parts[name] += f"<h3>Residuals</h3>{residuals}" + place_figure(
            residual_figure(each), f"Residuals of {name}", figures
        )
    return caption + tabs("labeling", parts)


def _comparison(comparison: pd.DataFrame | None, title: str, figures: dict[str, str]) -> str:
    if comparison is None or comparison.empty:
        return ""
    table = comparison_rows(comparison)
    heading = "".join(f'<p class="caption">{text(said)}</p>\n' for said in (title, comparison_rule(comparison)) if said)
    drawn = ""
    for kind, rows in comparison.groupby("kind", sort=False):
        if kind != "exchange":  # exchange fluxes differ by decades; the table holds them
            label = f"Difference of each {kind}"
            drawn += place_figure(comparison_figure(rows, title=label), label, figures)
    if len(comparison) > SHOWN_ROWS:
        table = f"<details><summary>All {len(comparison)} numbers</summary>{table}</details>\n"
    return heading + drawn + table


def _methods(estimates: Mapping[str, Any], comparison: pd.DataFrame | None) -> str:
    paragraphs, cited = methods_of(estimates, comparison)
    used = next(iter(estimates.values())).method.get("versions") or versions()
    shown = "".join(f"<p>{text(each)}</p>\n" for each in paragraphs)
    return (
        '<p class="caption">Written from the settings and numbers of these estimates, to be copied into a paper.</p>\n'
        f'<div id="methods-text">{shown}</div>\n'
        '<p><button type="button" class="copy" data-copy="methods-text" hidden>Copy the text</button></p>\n'
        f"<h3>To cite</h3>{references_list(references(cited, used['fluxkit']))}<h3>Versions</h3>"
        f'<div class="compact">{pairs(used)}</div>\n'
    )
