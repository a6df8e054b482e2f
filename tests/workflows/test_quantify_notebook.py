"""The notebook behind the demo takes other people's tables, networks and conditions."""

import numpy as np
import pandas as pd
import pytest

import fluxkit
from fluxkit.errors import NotebookError
from fluxkit.labeling import to_table

TRACER = "A_x: 100% [2-13C]"


@pytest.fixture
def table(tmp_path):
    network = fluxkit.load_network("toy")
    labeling = fluxkit.simulate(network, network.reference_fluxes(), TRACER, fragments=["B", "C", "D", "E"])
    rows = to_table(labeling).drop(columns=["tracer", "experiment"])
    path = tmp_path / "mine.csv"
    pd.concat([rows.assign(condition=name, replicate=1) for name in ("before", "after")]).to_csv(path, index=False)
    return path


def parameters(table, **changes):
    given = {"table": str(table), "masks": None, "network_name": "toy", "tracers": TRACER, "purity": 1.0}
    return {**given, "natural_abundance": "", "seconds": 3.0, "title": "Toy", **changes}


def test_a_foreign_table_of_another_network_is_quantified_and_compared(table, tmp_path):
    own = parameters(table, conditions=["before", "after"], quantities={"cleaved": "v4 / (v4 + v5)"})
    fluxkit.run_notebook("quantify", own, tmp_path / "out", progress=False)
    fluxes = pd.read_csv(tmp_path / "out" / "fluxes.csv")
    assert set(fluxes["sample"]) == {"before", "after"}
    v2 = fluxes[(fluxes["reaction"] == "v2") & (fluxes["kind"] == "net")]
    assert np.all((v2["lower"] < 60) & (v2["upper"] > 60))
    assert "cleaved" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_conditions_that_the_table_lacks_are_refused_before_anything_is_sampled(table, tmp_path):
    with pytest.raises(NotebookError, match="must name two of"):
        fluxkit.run_notebook("quantify", parameters(table), tmp_path / "out", progress=False)
    assert not (tmp_path / "out" / "fluxes.csv").exists()
