"""Every stored reference MID of the bundled networks; ../reference/README.md says where they come from."""

import csv
from pathlib import Path

import numpy as np
import pytest

from fluxkit.labeling import simulate
from fluxkit.networks import load_network

REFERENCE = Path(__file__).parent.parent / "reference"
PRINTED = 2e-8  # eight decimals


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


CASES = [
    (name, row["tracer"], row["text"]) for name in ("toy", "ccm") for row in rows_of(REFERENCE / name / "tracers.tsv")
]


@pytest.mark.parametrize(("name", "tracer", "text"), CASES, ids=[f"{name}-{tracer}" for name, tracer, _ in CASES])
def test_reference_mids_are_reproduced(name, tracer, text):
    network = load_network(name)
    rows = [row for row in rows_of(REFERENCE / name / "reference_mids.tsv") if row["tracer"] == tracer]
    assert rows
    names = {}
    for row in rows:
        elements = "".join(e for e in row["elements"] if network.atom_counts[row["metabolite"]].get(e))
        names[f"{row['metabolite']}:{elements}"] = np.array(row["M0..Mn"].split(), dtype=float)
    found = simulate(network, network.reference_fluxes(), text, fragments=list(names))
    for fragment, expected in names.items():
        mid = found["mid"].values.squeeze()[found["fragment"].values == fragment]
        np.testing.assert_allclose(mid, expected, rtol=0, atol=PRINTED, err_msg=fragment)
