"""Every stored reference MID of the bundled networks; ../reference/README.md says where they come from."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from fluxkit.labeling import simulate
from fluxkit.networks import list_networks, load_network

REFERENCE = Path(__file__).parent.parent / "reference"
PRINTED = 2e-8  # eight decimals
MANY = 10  # tracers of a whole body: to interpret one state takes less time than to compile
NETWORKS = sorted(folder.parent.name for folder in REFERENCE.glob("*/tracers.tsv"))


def rows_of(path: Path) -> list[dict[str, str]]:
    packed = path.with_name(f"{path.name}.gz")
    text = gzip.decompress(packed.read_bytes()).decode() if packed.is_file() else path.read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def expected_mids(network) -> dict[str, dict[str, np.ndarray]]:
    """MIDs by tracer and fragment; elements that a metabolite lacks add nothing."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for row in rows_of(REFERENCE / network.name / "reference_mids.tsv"):
        elements = "".join(each for each in row["elements"] if network.atom_counts[row["metabolite"]].get(each))
        mid = np.array(row["M0..Mn"].split(), dtype=float)
        found.setdefault(row["tracer"], {})[f"{row['metabolite']}:{elements}"] = mid
    return found


def test_every_network_has_reference_mids_but_the_corrected_variant():
    assert sorted(set(list_networks()) - set(NETWORKS)) == ["mlflux_ccm_corrected"]


@pytest.mark.parametrize("name", NETWORKS)
def test_reference_mids_are_reproduced(name, monkeypatch):
    network = load_network(name)
    expected = expected_mids(network)
    texts = {row["tracer"]: row["text"] for row in rows_of(REFERENCE / name / "tracers.tsv")}
    assert set(texts) == set(expected)
    if len(texts) > MANY:
        monkeypatch.setenv("FLUXKIT_ENGINE", "interpreter")
    wrong = {}
    for fragments in {tuple(each) for each in expected.values()}:  # tracers of the same atoms share a simulation
        tracers = {tracer: text for tracer, text in texts.items() if tuple(expected[tracer]) == fragments}
        found = simulate(network, network.reference_fluxes(), tracers, fragments=list(fragments))
        for tracer in tracers:
            sizes = [len(mid) for mid in expected[tracer].values()]
            np.testing.assert_array_equal(found["fragment"], np.repeat(fragments, sizes))
            off = np.abs(found["mid"].sel(experiment=tracer).values - np.concatenate(list(expected[tracer].values())))
            if not off.max() <= PRINTED:
                wrong[tracer] = (str(found["fragment"].values[off.argmax()]), float(off.max()))
    assert wrong == {}
