"""The page over all runs: what failed and why, what each run found, and the way to its report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fluxkit.files import written_whole
from fluxkit.view.page import page_frame
from fluxkit.view.report_parts import pairs, table, text, unbroken
from fluxkit.workflows.many.manifest import FINISHED
from fluxkit.workflows.many.tables import FLUXES, RUNS, SUMMARY, last_line, summary_lines

PAGE = "index.html"
_SHOWN_LINES = 6
_SHOWN_PARAMETERS = 4
_SHOWN_CHARACTERS = 60
_OWN_STYLE = """\
.done { color: var(--good); white-space: nowrap; }
.failed { color: var(--bad); white-space: nowrap; }
.card.untrusted p { overflow-wrap: anywhere; white-space: pre-wrap; font-size: 0.94rem; }
th[scope="row"] { overflow-wrap: anywhere; min-width: 7em; }
td, .remark p { overflow-wrap: anywhere; }
.remark p { margin: 2px 0; max-width: 90ch; }
.links a { display: inline-block; margin-right: 14px; }
.moment { white-space: nowrap; }
.narrow { display: none; }
@media (max-width: 640px) { .narrow { display: block; } }
"""
_SCRIPT = """\
const filter = document.querySelector(".filter");
if (filter) {
  const [search, only] = filter.querySelectorAll("input");
  const rows = [...document.querySelectorAll("#all-runs tbody tr")];
  const apply = () => {
    const wanted = search.value.trim().toLowerCase();
    for (let i = 0; i < rows.length; i += 2) { // each run has two rows
      const pair = rows.slice(i, i + 2);
      const found = pair.some((row) => row.textContent.toLowerCase().includes(wanted));
      for (const row of pair) row.hidden = !found || (only.checked && !rows[i].querySelector(".failed"));
    }
  };
  filter.addEventListener("input", apply);
  filter.hidden = false;
}
"""


def write_index(records: Sequence[Mapping[str, Any]], kept: Sequence[str], out_dir: Path) -> Path:
    """Write ``index.html``, which loads nothing from elsewhere.

    Parameters
    ----------
    records : sequence of mapping
        The record of every run.
    kept : sequence of str
        Names of the runs that had been done before.
    out_dir : pathlib.Path
        The folder of all runs.

    Returns
    -------
    pathlib.Path
        The page.
    """
    with written_whole(out_dir / PAGE) as part:
        part.write_text(index_page(records, kept, out_dir), encoding="utf-8")
    return out_dir / PAGE


def index_page(records: Sequence[Mapping[str, Any]], kept: Sequence[str], out_dir: Path) -> str:
    """Return the page over all runs.

    Parameters
    ----------
    records, kept, out_dir
        As for :func:`write_index`.

    Returns
    -------
    str
        HTML.
    """
    failed = [each for each in records if each["status"] != FINISHED]
    sections = {"Failed runs": _failures(failed)} if failed else {}
    sections |= {"Runs": _runs(records), "How they were run": _methods(records)}
    notebook = records[0]["notebook"]["name"]
    title = f"{notebook.removesuffix('.ipynb')}: {_count(len(records), 'run')}"
    tables = "".join(f'<a href="{name}">{name}</a>' for name in (RUNS, FLUXES, SUMMARY) if (out_dir / name).is_file())
    return page_frame(
        title,
        _when(records),
        _findings(records, failed, kept),
        sections,
        f"<script>\n{_SCRIPT}</script>\n",
        style=_OWN_STYLE,
        links=tables,
    )


def duration(seconds: float) -> str:
    """Return a time in words: ``8.1 s``, ``2 min 5 s``, ``3 h 20 min``.

    Parameters
    ----------
    seconds : float
        The time.
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _findings(records: Sequence[Mapping], failed: Sequence[Mapping], kept: Sequence[str]) -> list[str]:
    done = len(records) - len(failed)
    found = [f"{done} of {_count(len(records), 'run')} finished" + (f", {len(failed)} failed." if failed else ".")]
    if failed:
        names = [str(each["name"]) for each in failed]
        found.append(f"Failed: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}.")
    if kept:
        found.append(f"{len(kept)} of them had been done before: nothing that they are made of has changed.")
    return found


def _failures(failed: Sequence[Mapping[str, Any]]) -> str:
    """Return a card for each error, with the runs that it has stopped."""
    stopped: dict[str, list[Mapping[str, Any]]] = {}
    for each in failed:
        stopped.setdefault(each["error"] or "no message", []).append(each)
    cards = ""
    for error, runs in stopped.items():
        if len(runs) == 1:
            name, links = text(runs[0]["name"]), _links(runs[0])
        else:
            name, links = _count(len(runs), "run"), "".join(map(_link_by_name, runs))
        cards += (
            f'<div class="card untrusted"><h3>{name} <span class="badge">✗ failed</span></h3>'
            f"<p>{text(error)}</p><p class='links'>{links}</p></div>\n"
        )
    return f'<div class="cards">{cards}</div>\n'


def _runs(records: Sequence[Mapping[str, Any]]) -> str:
    varied = varied_parameters(records)
    shown = varied[:_SHOWN_PARAMETERS]
    columns = [("run", ""), ("status", ""), ("time", "moment"), *[(name, "wide") for name in shown]]
    rows = []
    for each in records:
        values = each["parameters"]
        done = each["status"] == FINISHED
        status = '<span class="done">✓ finished</span>' if done else '<span class="failed">✗ failed</span>'
        cells = [text(each["name"]), status, text(duration(each["seconds"]))]
        rows.append(("", [*cells, *[text(_short(values.get(name, ""))) for name in shown]]))
        narrow = ", ".join(f"{name}: {_short(values.get(name, ''))}" for name in varied)
        rest = ", ".join(f"{name}: {_short(values.get(name, ''))}" for name in varied[_SHOWN_PARAMETERS:])
        remark = f'<p class="narrow">{text(narrow)}</p>' if narrow else ""
        remark += f'<p class="wide">{text(rest)}</p>' if rest else ""
        remark += _summary(each) if done else f"<p>{text(_short(last_line(each), 200))}</p>"
        rows.append(("remark", [f"{remark}<p class='links'>{_links(each)}</p>"]))
    controls = (
        '<div class="filter" hidden><input type="search" placeholder="Run, value or finding" '
        'aria-label="Filter by run, value or finding"><label><input type="checkbox">failed only</label></div>\n'
    )
    listed = table(columns, rows).replace("<table>", '<table id="all-runs">', 1)
    return (controls if len(records) > 5 else "") + listed


def _summary(record: Mapping[str, Any]) -> str:
    lines = [f"<p>{unbroken(line)}</p>" for line in summary_lines(record)]
    if len(lines) <= _SHOWN_LINES + 1:
        return "".join(lines)
    rest = lines[_SHOWN_LINES:]
    return f"{''.join(lines[:_SHOWN_LINES])}<details><summary>{len(rest)} more lines</summary>{''.join(rest)}</details>"


def _links(record: Mapping[str, Any]) -> str:
    """Return links to the report, to other pages, to the notebook as it ran and to the record of a run."""
    files = list(record["files"])
    pages = sorted((each for each in files if each.endswith(".html")), key=lambda each: (each != "report.html", each))
    notebooks = [each for each in files if each.endswith(".ipynb")]
    labels = {each: "report" if each == "report.html" else each for each in pages}
    labels |= {each: "notebook up to the error" if each.endswith(".failed.ipynb") else "notebook" for each in notebooks}
    labels |= {"manifest.json": "record"}
    folder = quote(str(record["name"]))
    return "".join(f'<a href="{folder}/{quote(name)}">{text(label)}</a>' for name, label in labels.items())


def _link_by_name(record: Mapping[str, Any]) -> str:
    """Return a link to how far a failed run came, called by its name."""
    name = next((each for each in record["files"] if each.endswith(".ipynb")), "manifest.json")
    return f'<a href="{quote(str(record["name"]))}/{quote(name)}">{text(record["name"])}</a> '


def _methods(records: Sequence[Mapping[str, Any]]) -> str:
    first, varied = records[0], varied_parameters(records)
    same = {name: _short(value, 200) for name, value in first["parameters"].items() if name not in varied}
    versions = {f"fluxkit {each['fluxkit']}, Python {each['python']}" for each in records}
    about = {
        "notebook": first["notebook"]["name"],
        "checksum of the notebook": " ".join(dict.fromkeys(each["notebook"]["sha256"][:16] for each in records)),
        "run with": "; ".join(sorted(versions)),
        "time of all runs": duration(sum(each["seconds"] for each in records)),
    }
    shared = f"<h3>Parameters of all runs</h3>\n{pairs(same)}" if same else ""
    packages = ", ".join(f"{name} {version}" for name, version in first["packages"].items())
    note = "The record of each run holds its parameters, the checksums of notebook and data, and all versions."
    return f'{pairs(about)}{shared}<p class="caption">{text(note)} Packages: {text(packages)}.</p>\n'


def varied_parameters(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the parameters in which runs differ.

    Parameters
    ----------
    records : sequence of mapping
        The record of every run.
    """
    names = list(dict.fromkeys(name for each in records for name in each["parameters"]))
    first = records[0]["parameters"]
    return [name for name in names if any(each["parameters"].get(name) != first.get(name) for each in records)]


def _when(records: Sequence[Mapping[str, Any]]) -> str:
    first, last = (pick(str(each[key])[:10] for each in records) for pick, key in ((min, "start"), (max, "end")))
    return f"Run on {first}" if first == last else f"Run from {first} to {last}"


def _short(value: object, limit: int = _SHOWN_CHARACTERS) -> str:
    words = str(value)
    return words if len(words) <= limit else f"{words[: limit - 1]}…"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
