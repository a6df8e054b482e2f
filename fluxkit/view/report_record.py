"""Data and settings for the record: files inside the report, which are saved and read without a network."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fluxkit.inference.estimate import flux_table
from fluxkit.labeling import to_table
from fluxkit.networks import list_networks
from fluxkit.versions import versions
from fluxkit.view.report_parts import anchor, pairs, table, tabs, text


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
    for i, (name, each) in enumerate(estimates.items()):
        suffix = f"_{anchor(name)}" if len(estimates) > 1 else ""
        measured = measured_csv(each)
        files = {
            f"labeling{suffix}.csv": ("measured values as fitted", measured),
            f"fluxes{suffix}.csv": (
                "fluxes with intervals",
                flux_table({name: each}).to_csv(index=False, float_format="%.6g"),
            ),
            f"settings{suffix}.json": ("settings, versions and diagnostics", settings_json(each, name, settings)),
        }
        if (rates := rates_csv(each)) is not None:
            files[f"rates{suffix}.csv"] = ("measured rates", rates)
        links = "".join(f"<li>{_link(file, content)}: {text(what)}</li>" for file, (what, content) in files.items())
        shown = {
            f"SHA-256 of labeling{suffix}.csv": data_hash(each),
            "network": f"{each.network.name}, fingerprint {each.network.fingerprint}",
            "seed": each.method.get("seed", "not recorded"),
        }
        reading = f"<p>Read again:</p><pre>{text(_reading(each, f'labeling{suffix}.csv'))}</pre>\n"
        parts[name] = f"<ul>{links}</ul>\n{pairs(shown)}{reading}{_values(each, f'measured-{i}')}"
    caption = '<p class="caption">The files are inside this page; a click saves them.</p>\n'
    return caption + tabs("record", parts)


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
    return pd.DataFrame({name: each.values for name, each in columns.items()}).dropna().to_csv(index=False)


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
    kind = "application/json" if name.endswith(".json") else "text/csv"
    coded = b64encode(content.encode()).decode("ascii")
    return f'<a href="data:{kind};charset=utf-8;base64,{coded}" download="{text(name)}">{text(name)}</a>'


def _reading(estimate: Any, file: str) -> str:
    attrs = estimate.labeling.attrs
    more = f', natural_abundance="{attrs["natural_abundance"]}"' if attrs["natural_abundance"] else ""
    purity = f", purity={float(attrs['purity']):.6g}" if float(attrs["purity"]) != 1 else ""
    bundled = estimate.network.name in list_networks()
    network = f'"{estimate.network.name}"' if bundled else "network"
    return f'labeling = fluxkit.read_labeling("{file}", {network}{purity}{more})'


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
