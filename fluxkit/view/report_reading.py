"""How the files inside a report are read again: the lines to run, and a network that is not bundled as plain text."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fluxkit.networks import Network, list_networks, load_network, write_network

_WRITTEN = {
    "model.rxn": "network.rxn",
    "fluxes.tsv": "bounds.tsv",
    "constraints.tsv": "constraints.tsv",
    "observations.tsv": "observations.tsv",
    "tracers.tsv": "tracers.tsv",
}
"""File of a report by what :func:`fluxkit.networks.write_network` calls it; the second name is that of the argument."""


def is_bundled(network: Network) -> bool:
    """Return whether a name is enough to load a network: not so where a bundled one was changed.

    Parameters
    ----------
    network : Network
        Any network.
    """
    return network.name in list_networks() and load_network(network.name) == network


def network_files(network: Network) -> dict[str, str]:
    """Return the texts that a network is read from, by file name; none of a bundled network.

    Parameters
    ----------
    network : Network
        Any network.
    """
    if is_bundled(network):
        return {}
    with TemporaryDirectory() as folder:
        written = write_network(network, Path(folder))
        texts = {file: written / name for name, file in _WRITTEN.items()}
        return {file: path.read_text(encoding="utf-8") for file, path in texts.items() if path.is_file()}


def reading_lines(estimate: Any, files: Mapping[str, str]) -> str:
    """Return the lines of Python that read network, labeling and rates of a report again.

    Parameters
    ----------
    estimate : FluxEstimate
        One estimate.
    files : mapping of str to str
        What the saved file of ``labeling.csv``, ``rates.csv`` and of each of :func:`network_files` is called.
    """
    attrs, network = estimate.labeling.attrs, estimate.network
    if "network.rxn" in files:
        tables = "".join(
            f", {file.removesuffix('.tsv')}={_quoted(files[file])}"
            for file in _WRITTEN.values()
            if file in files and file.endswith(".tsv")
        )
        stated = f"name={_quoted(network.name)}, flux_unit={_quoted(network.flux_unit)}"
        lines = [f"network = fluxkit.read_network({_quoted(files['network.rxn'])}{tables}, {stated})"]
    else:
        lines = [f"network = fluxkit.load_network({_quoted(network.name)})"]
    more = f", purity={float(attrs['purity']):.6g}" if float(attrs["purity"]) != 1 else ""
    more += f", natural_abundance={_quoted(attrs['natural_abundance'])}" if attrs["natural_abundance"] else ""
    lines.append(f"labeling = fluxkit.read_labeling({_quoted(files['labeling.csv'])}, network{more})")
    if (replicates := int(attrs.get("replicates", 1))) > 1:
        lines.append(f"labeling = labeling.assign_attrs(replicates={replicates})")
    if "rates.csv" in files:
        unit = estimate.labeling["rate"].attrs.get("units", "")
        stated = f", unit={_quoted(unit)}" if unit else ""
        lines.append(f"labeling = fluxkit.with_rates(labeling, {_quoted(files['rates.csv'])}, network{stated})")
    return "\n".join(["import fluxkit", "", *lines])


def _quoted(words: object) -> str:
    return json.dumps(str(words), ensure_ascii=False)
