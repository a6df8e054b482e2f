"""The pieces of a report as escaped HTML: cards, tables, lists, tabs."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from fluxkit.view.figure_tables import (
    comparison_table,
    count_determined,
    interval_table,
    isotopologue_table,
    worst_residuals,
)
from fluxkit.view.map_data import equation, format_flux
from fluxkit.view.report_text import fit_in_words

DIAGNOSTICS = {
    "rhat_max": "largest R-hat (should be below 1.05)",
    "ess_min": "fewest effective draws (should be above 100)",
    "largest_residual": "largest residual (sd)",
}


def text(value: object) -> str:
    """Return a value as HTML text, quotes and brackets escaped.

    Parameters
    ----------
    value : object
        Anything with a text form.
    """
    return escape(str(value), quote=True)


def unbroken(words: str) -> str:
    """Return a text as HTML in which no tracer such as ``[U-13C6]`` breaks at its hyphen.

    Parameters
    ----------
    words : str
        Plain text.
    """
    return re.sub(r"\[[^\]\s]{1,24}\]\w*", lambda found: f"<span class='unbroken'>{found[0]}</span>", text(words))


def anchor(name: str) -> str:
    """Return a name as an identifier: small letters, digits and dashes.

    Parameters
    ----------
    name : str
        Any text.
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "part"


def listing(items: Iterable[str]) -> str:
    """Return texts as a list; nothing where there are none.

    Parameters
    ----------
    items : iterable of str
        Plain texts.
    """
    items = list(items)
    return "<ul>" + "".join(f"<li>{text(each)}</li>" for each in items) + "</ul>\n" if items else ""


def pairs(values: Mapping[str, Any]) -> str:
    """Return names and values as a list of definitions; nothing where there are none.

    Parameters
    ----------
    values : mapping
        Plain values.
    """
    if not values:
        return ""
    return "<dl>" + "".join(f"<dt>{text(k)}</dt><dd>{text(v)}</dd>" for k, v in values.items()) + "</dl>\n"


def tabs(name: str, parts: Mapping[str, str]) -> str:
    """Show one of several parts at a time; all of them on paper and without scripts.

    Parameters
    ----------
    name : str
        Identifier, unique on the page.
    parts : mapping of str to str
        HTML by label.
    """
    if len(parts) == 1:
        return next(iter(parts.values()))
    buttons = "".join(
        f'<button type="button" role="tab" id="{name}-tab-{i}" aria-controls="{name}-panel-{i}">{text(label)}</button>'
        for i, label in enumerate(parts)
    )
    panels = "".join(
        f'<div role="tabpanel" id="{name}-panel-{i}" aria-labelledby="{name}-tab-{i}">{part}</div>\n'
        for i, part in enumerate(parts.values())
    )
    return f'<div class="tabs" role="tablist" hidden>{buttons}</div>\n{panels}'


def table(columns: Sequence[tuple[str, str]], rows: Iterable[tuple[str, Sequence[str]]], name: str = "") -> str:
    """Return a table that scrolls sideways where the screen is narrow.

    Parameters
    ----------
    columns : sequence of (heading, class)
        Class ``number`` stands right, ``wide`` vanishes on a phone.
    rows : iterable of (class, cells)
        Cells are HTML; the first heads its row. A single cell takes the whole width.
    name : str
        Identifier; a named table is tall and scrolls.
    """
    head = "".join(f'<th class="{kind}" scope="col">{text(heading)}</th>' for heading, kind in columns)
    body = ""
    for kind, cells in rows:
        if len(cells) == 1:
            body += f'<tr class="{kind}"><td colspan="{len(columns)}">{cells[0]}</td></tr>\n'
            continue
        first = f'<th class="{columns[0][1]}" scope="row">{cells[0]}</th>'
        rest = "".join(f'<td class="{c[1]}">{cell}</td>' for c, cell in zip(columns[1:], cells[1:], strict=True))
        body += f'<tr class="{kind}">{first}{rest}</tr>\n'
    identifier = f' id="{name}"' if name else ""
    box = "scroll tall" if name else "scroll"
    return (
        f'<div class="{box}" tabindex="0"><table{identifier}><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>\n"
    )


def verdict_cards(estimates: Mapping[str, Any]) -> str:
    """Return one card per sample: trusted or not, why, and how much is determined.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample.
    """
    cards = ""
    for name, each in estimates.items():
        trusted = each.verdict.trusted
        badge = "✓ trusted" if trusted else "✗ not trusted"
        known, free = count_determined(each)
        remarks = [f"remark: {remark}" for remark in each.verdict.remarks]
        reasons = [*each.verdict.reasons, *remarks, f"{known} of {free} net fluxes are determined by the data"]
        if trusted and not each.verdict.reasons and not remarks:
            chains = ", and the chains agree" if "rhat_max" in each.diagnostics else ""
            reasons.insert(0, f"the fit: {fit_in_words(each.p_value, each.degrees_of_freedom)}{chains}")
        cards += (
            f'<div class="card {"trusted" if trusted else "untrusted"}"><h3>{text(name)} '
            f'<span class="badge">{badge}</span></h3>{listing(map(_sentence, reasons))}</div>\n'
        )
    return f'<div class="cards">{cards}</div>\n'


def _sentence(words: str) -> str:
    words = words.strip()
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")


def fit_rows(estimates: Mapping[str, Any]) -> str:
    """Return chi-square, degrees of freedom, p-value and worst residuals of each sample.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample.
    """
    columns = [("sample", ""), ("chi-square", "number"), ("degrees of freedom", "number"), ("p", "number")]
    columns.append(("measured values", "number wide"))
    rows = []
    for name, each in estimates.items():
        worst = ", ".join(f"{what} ({format_flux(size)} sd)" for what, size in worst_residuals(each))
        cells = [text(name), f"{each.ssr:.1f}", f"{each.degrees_of_freedom:.1f}", _probability(each.p_value)]
        rows.append(("", [*cells, str(len(isotopologue_table(each)))]))
        words = f"The fit: {fit_in_words(each.p_value, each.degrees_of_freedom)}."
        rows.append(("remark", [f"{words} Worst residuals: {text(worst)}." if worst else words]))
    return table(columns, rows)


def sample_rows(samples: pd.DataFrame | None) -> str:
    """Return the fit of every sample by itself.

    Parameters
    ----------
    samples : pandas.DataFrame or None
        From :func:`fluxkit.inference.fit_statistics`.
    """
    if samples is None or samples.empty:
        return ""
    columns = [
        ("each sample by itself", ""),
        ("chi-square", "number"),
        ("degrees of freedom", "number"),
        ("p", "number"),
    ]
    columns.append(("worst residual", "wide"))
    rows = []
    for each in samples.to_dict("records"):
        worst = f"{each['where']} ({format_flux(abs(each['largest_residual']))} sd)"
        numbers = [f"{each['chi_square']:.1f}", f"{each['degrees_of_freedom']:.1f}", _probability(each["p_value"])]
        rows.append(("", [text(str(each["sample"])), *numbers, text(worst)]))
    return table(columns, rows)


def _probability(p: float) -> str:
    if not np.isfinite(p):
        return "–"
    if p < 0.001:
        return f"{p:.0e}" if p > 0 else "< 1e−300"
    return f"{p:.3f}"


def diagnostics_rows(estimates: Mapping[str, Any]) -> str:
    """Return the numbers by which the sampling is judged, folded away.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample.
    """
    names = list(dict.fromkeys(key for each in estimates.values() for key in each.diagnostics))
    if not names:
        return ""
    columns = [("", ""), *[(name, "number") for name in estimates]]
    rows = [
        (
            "",
            (
                text(DIAGNOSTICS.get(key, key.replace("_", " "))),
                *[f"{each.diagnostics.get(key, np.nan):.4g}".replace("nan", "–") for each in estimates.values()],
            ),
        )
        for key in names
    ]
    return f"<details><summary>Sampling diagnostics</summary>{table(columns, rows)}</details>\n"


def flux_rows(estimate: Any, name: str) -> str:
    """Return every flux with its interval, and a filter above; what is not determined gets no value.

    Parameters
    ----------
    estimate : FluxEstimate
        One estimate.
    name : str
        Identifier of the table.
    """
    equations = {each.name: equation(each) for each in estimate.network.reactions}
    unit = estimate.network.flux_unit
    columns = [("reaction", ""), ("kind", "wide"), ("median", "number status"), ("90 % interval", "number")]
    columns += [("prior", "number wide"), ("information", "wide")]
    rows = []
    for kind in ("net", "exchange"):
        for row in interval_table(estimate, kind).to_dict("records"):
            open_ = row["status"] == "not determined"
            share = row["information"]
            bar = f'<span class="bar"><i style="width:{100 * min(max(share, 0), 1):.0f}%"></i></span>'
            suffix = " exchange" if kind == "exchange" else ""
            reaction = row["reaction"]
            label = f'{text(reaction)}{suffix}<br><span class="equation wide">{text(equations[reaction])}</span>'
            cells = (
                label,
                kind,
                "not determined" if open_ else format_flux(row["median"]),
                "fixed" if row["status"] == "fixed" else _range(row["lower"], row["upper"]),
                _range(row["prior_lower"], row["prior_upper"]),
                f"{bar} {max(share, 0):.0%}" if np.isfinite(share) and row["status"] != "fixed" else "–",
            )
            rows.append(("open" if open_ else "", cells))
    controls = (
        f'<div class="filter" data-table="{name}" hidden><input type="search" '
        f'placeholder="Reaction or metabolite" '
        f'aria-label="Filter by reaction or metabolite"><label><input type="checkbox">determined only</label>'
        f'<span class="hint">unit: {text(unit)}</span></div>\n'
    )
    return controls + table(columns, rows, name)


def _range(lower: float, upper: float) -> str:
    if not np.isfinite(lower):
        return "–"
    return f"{format_flux(lower)} to {'∞' if upper == np.inf else format_flux(upper)}"


def comparison_rows(comparison: pd.DataFrame) -> str:
    """Return differences, ratios where given, probabilities, and q-values where given.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From :func:`fluxkit.inference.compare`.
    """
    checked = comparison_table(comparison)
    ratio = {"ratio", "ratio_lower", "ratio_upper"} <= set(checked.columns)
    both = {"first", "second"} <= set(checked.columns)
    columns = [("", ""), ("kind", "wide")]
    columns += [("first", "number wide"), ("second", "number wide")] if both else []
    columns += [("difference", "number"), ("90 % interval", "number")]
    columns += [("ratio", "number wide"), ("90 % interval", "number wide")] if ratio else []
    corrected = "q_value" in checked
    columns += [("probability", "number"), *([("q-value", "number")] if corrected else []), ("", "status wide")]
    rows = []
    for row in checked.to_dict("records"):
        cells = [text(row["reaction"]), text(row["kind"])]
        cells += [format_flux(row["first"]), format_flux(row["second"])] if both else []
        cells += [format_flux(row["difference"]), _range(row["difference_lower"], row["difference_upper"])]
        cells += [format_flux(row["ratio"]), _range(row["ratio_lower"], row["ratio_upper"])] if ratio else []
        chance = row["probability_changed"]
        cells += ["–" if not np.isfinite(chance) else "> 0.999" if chance > 0.999 else f"{chance:.3f}"]
        cells += [_q_value(row["q_value"])] if corrected else []
        cells += [row["change"]]
        rows.append(("open" if row["change"] == "no clear change" else "", cells))
    return table(columns, rows)


def _q_value(value: float) -> str:
    return "–" if not np.isfinite(value) else "&lt; 0.001" if value < 0.001 else f"{value:.3f}"


def comparison_rule(comparison: pd.DataFrame) -> str:
    """Say in one sentence which changes are called.

    Parameters
    ----------
    comparison : pandas.DataFrame
        From :func:`fluxkit.inference.compare`; its ``attrs`` hold the rate and the smallest change that counts.
    """
    said = comparison.attrs
    names = ", ".join(map(repr, said.get("untrusted", ())))
    trusted = "trusted" not in comparison or bool(comparison["trusted"].to_numpy(dtype=bool).all())
    doubted = names or "what is compared"
    doubt = "" if trusted else f"The verdict does not trust {doubted}, so this comparison cannot be trusted either."
    if "rate" not in said:
        return doubt
    least = [f"{said['threshold']:.3g} (in the unit of the row)"] if said.get("threshold", 0.0) > 0 else []
    least += [f"a factor of {said['fold']:.3g}"] if said.get("fold", 1.0) > 1 else []
    beyond = f" by more than {' and '.join(least)}" if least else ""
    unit = f" Unit of fluxes: {said['unit']}." if said.get("unit") and set(comparison["kind"]) != {"quantity"} else ""
    return (
        f"Coloured is what changed{beyond} at a false discovery rate of {100 * said['rate']:.3g} %: at most this share "
        "of the coloured rows is expected not to have changed. The probability is that of one row alone; the q-value "
        f"counts how many were compared.{unit} {doubt}".rstrip()
    )


def weight_rows(estimates: Mapping[str, Any]) -> str:
    """Return the fitted shares and dilutions, folded away, with their 90 % intervals.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample.
    """
    values: dict[str, dict[str, str]] = {}
    for sample, each in estimates.items():
        if "weight" not in each.posterior:
            continue
        draws = each.posterior["weight"]
        for i, name in enumerate(draws["weight_name"].values):
            low, middle, high = np.quantile(draws.isel(weight_name=i).values, [0.05, 0.5, 0.95])
            values.setdefault(str(name), {})[sample] = f"{middle:.2f} ({low:.2f} to {high:.2f})"
    if not values:
        return ""
    columns = [("share or dilution", ""), *[(name, "number") for name in estimates]]
    rows = [("", (text(name), *[found.get(each, "–") for each in estimates])) for name, found in values.items()]
    return f"<details><summary>Fitted shares and dilutions</summary>{table(columns, rows)}</details>\n"


def data_notes(estimates: Mapping[str, Any], notes: Sequence[str]) -> str:
    """Return tracers, purity, natural isotopes and the notes that the data carry.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample; ``labeling`` is read.
    notes : sequence of str
        Further notes.
    """
    shown: dict[str, str] = {}
    said = list(notes)
    own = {sample: json.loads(each.labeling.attrs.get("notes") or "[]") for sample, each in estimates.items()}
    said += [note for note in next(iter(own.values())) if all(note in each for each in own.values())]
    for sample, each in estimates.items():
        attrs = each.labeling.attrs
        tracers = json.loads(attrs.get("tracers") or "{}")
        lines = {f"tracers of {name}" if len(tracers) > 1 else "tracers": value for name, value in tracers.items()}
        if "purity" in attrs:
            lines["isotopic purity"] = f"{float(attrs['purity']):.4g}"
        if "natural_abundance" in attrs:
            elements = attrs["natural_abundance"]
            lines["natural isotopes"] = f"modelled for {elements}" if elements else "corrected in the data"
        if attrs.get("source"):
            lines["source"] = str(attrs["source"])
        for key, value in lines.items():
            known = shown.get(key)
            shown[key] = value if known in (None, value) else f"{known}; {sample}: {value}"
        said += [
            f"{sample}: {note}".replace(f"{sample}: " * 2, f"{sample}: ") for note in own[sample] if note not in said
        ]
    return pairs(shown) + listing(dict.fromkeys(said))


def references_list(references: Mapping[str, tuple[str, str]]) -> str:
    """Return the sources with their DOIs.

    Parameters
    ----------
    references : mapping of str to (text, DOI)
        By topic.
    """
    items = ""
    for topic, (words, doi) in references.items():
        link = f', <a href="https://doi.org/{text(doi)}">doi:{text(doi)}</a>' if doi else ""
        items += f"<li>{text(topic[:1].upper() + topic[1:])}: {text(words)}{link}.</li>"
    return f"<ul>{items}</ul>\n"
