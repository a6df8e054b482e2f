"""Data and settings for the record: files inside the report, which are saved and read without a network."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fluxkit.inference.estimate import flux_table
from fluxkit.labeling import to_table
from fluxkit.versions import versions
from fluxkit.view.report_parts import anchor, pairs, table, tabs, text
from fluxkit.view.report_reading import network_files, reading_lines

_KINDS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".rxn": "text/plain",
    ".tsv": "text/tab-separated-values",
}


def record_section(estimates: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Return links to the measured values, fluxes and settings of each estimate, and the values as a table.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample.
    settings : mapping
        What the user chose.
    """
    parts = {}
    endings = file_endings(estimates)
    for i, (name, each) in enumerate(estimates.items()):
        kept = {
            "labeling.csv": ("measured values as fitted", measured_csv(each)),
            "fluxes.csv": (
                "fluxes with intervals",
                flux_table({name: each}).to_csv(index=False, float_format="%.6g"),
            ),
            "settings.json": ("settings, versions and diagnostics", settings_json(each, name, settings)),
        }
        if (rates := rates_csv(each)) is not None:
            kept["rates.csv"] = ("measured rates", rates)
        kept |= {file: ("the network", words) for file, words in network_files(each.network).items()}
        files = {file: f"{Path(file).stem}{endings[name]}{Path(file).suffix}" for file in kept}
        links = "".join(f"<li>{_link(files[file], words)}: {text(what)}</li>" for file, (what, words) in kept.items())
        shown = {
            f"SHA-256 of {files['labeling.csv']}": data_hash(each),
            "network": f"{each.network.name}, fingerprint {each.network.fingerprint}",
            "seed": each.method.get("seed", "not recorded"),
        }
        if "rates.csv" in files:
            shown["unit of the measured rates"] = each.labeling["rate"].attrs.get("units") or "not stated"
        reading = f"<p>Read again:</p><pre>{text(reading_lines(each, files))}</pre>\n"
        parts[name] = f"<ul>{links}</ul>\n{pairs(shown)}{reading}{_values(each, f'measured-{i}')}"
    caption = '<p class="caption">The files are inside this page; a click saves them.</p>\n'
    return caption + tabs("record", parts)


def file_endings(names: Iterable[str]) -> dict[str, str]:
    """Return what tells the files of each sample apart: nothing for a single one, else ``"_dox"`` and ``"_dox-2"``.

    Parameters
    ----------
    names : iterable of str
        Names of the samples; those that differ only in signs or in a script without Latin letters are counted.
    """
    names = list(names)
    taken: dict[str, str] = {}
    for name in names:
        numbered = (f"{anchor(name)}{f'-{n}' if n > 1 else ''}" for n in count(1))
        taken[name] = next(each for each in numbered if each not in taken.values())
    return {name: f"_{each}" if len(names) > 1 else "" for name, each in taken.items()}


def measured_csv(estimate: Any) -> str:
    """Return the values that were fitted, with their sd and what was masked, as :func:`fluxkit.read_labeling` reads it.

    Parameters
    ----------
    estimate : FluxEstimate
        One estimate.
    """
    return to_table(estimate.labeling).to_csv(index=False)


def data_hash(estimate: Any) -> str:
    """Return the SHA-256 of :func:`measured_csv`.

    Parameters
    ----------
    estimate : FluxEstimate
        One estimate.
    """
    return hashlib.sha256(measured_csv(estimate).encode()).hexdigest()


def rates_csv(estimate: Any) -> str | None:
    """Return the measured rates as ``rates=`` reads them; None without any.

    Parameters
    ----------
    estimate : FluxEstimate
        One estimate.
    """
    labeling = estimate.labeling
    if "rate" not in labeling:
        return None
    columns = {"reaction": labeling["measured_reaction"], "rate": labeling["rate"], "sd": labeling["rate_sd"]}
    rates = pd.DataFrame({name: each.values for name, each in columns.items()}).dropna()
    return None if rates.empty else rates.to_csv(index=False)


def settings_json(estimate: Any, name: str, chosen: Mapping[str, Any]) -> str:
    """Return everything but the data that an estimate came from, and the numbers by which it is judged.

    Parameters
    ----------
    estimate : FluxEstimate
        One estimate.
    name : str
        Its name.
    chosen : mapping
        What the user chose.
    """
    attrs = estimate.labeling.attrs
    network = estimate.network
    rates = None
    if rates_csv(estimate) is not None:
        stated = estimate.labeling["rate"].attrs
        rates = {"unit": stated.get("units", ""), "absolute": bool(stated.get("absolute"))}
    record = {
        "sample": name,
        "network": {"name": network.name, "fingerprint": network.fingerprint, "unit": network.flux_unit},
        "labeling": {
            "sha256": data_hash(estimate),
            "tracers": json.loads(attrs["tracers"]),
            **{key: attrs[key] for key in ("purity", "natural_abundance", "source", "replicates") if key in attrs},
            "noise": json.loads(attrs.get("noise") or "null"),
            "notes": json.loads(attrs.get("notes") or "[]"),
        },
        "rates": rates,
        "method": {"versions": versions(), **estimate.method},
        "fit": {
            "chi_square": estimate.ssr,
            "degrees_of_freedom": estimate.degrees_of_freedom,
            "p_value": estimate.p_value,
        },
        "diagnostics": estimate.diagnostics,
        "verdict": {
            "trusted": estimate.verdict.trusted,
            "reasons": list(estimate.verdict.reasons),
            "remarks": list(estimate.verdict.remarks),
        },
        "chosen": dict(chosen),
    }
    return json.dumps(record, indent=2, ensure_ascii=False, default=str)


def _link(name: str, content: str) -> str:
    kind = _KINDS[Path(name).suffix]
    coded = b64encode(content.encode()).decode("ascii")
    return f'<a href="data:{kind};charset=utf-8;base64,{coded}" download="{text(name)}">{text(name)}</a>'


def _values(estimate: Any, name: str) -> str:
    listed = to_table(estimate.labeling)
    several = len(set(listed["experiment"])) > 1
    columns = [("fragment", ""), *([("experiment", "")] if several else []), ("mass shift", "number")]
    columns += [("fraction", "number"), ("sd", "number"), ("", "status")]
    rows = []
    for row in listed.to_dict("records"):
        masked = row.get("masked") == "yes"
        numbers = ["–", "–"] if masked else [f"{row['fraction']:.4f}", f"{row['sd']:.4f}"]
        shift = row.get("isotopes") or f"M+{row['mass_shift']}"
        limit = float(row.get("detection_limit", np.nan))
        state = "masked" if masked else f"below {limit:.2g}" if np.isfinite(limit) else ""
        where = [text(row["experiment"])] if several else []
        rows.append(("open" if masked else "", [text(row["fragment"]), *where, text(shift), *numbers, state]))
    return f"<details><summary>The {len(rows)} values</summary>{table(columns, rows, name)}</details>\n"
