"""What is measured in a body without a table: common names, the rows of its base, and rows of one's own."""

from dataclasses import replace

import pandas as pd
import pytest

import fluxkit
from fluxkit import BodyPlan, Circulation, Tissue, compose_body, load_network, read_network
from fluxkit.networks import Observation, ObservationTable, read_body
from fluxkit.networks.bodies.templates import FOLDER
from fluxkit.networks.catalog import CATALOG
from fluxkit.networks.fragments import parse_fragment
from fluxkit.networks.observations import format_share, parse_pools
from fluxkit.networks.tables import check_observations, read_rows
from tests.networks.bodies.test_plans import FED, PORTAL, TUMOUR, read

OTHERWISE = {  # what a bundled table says on purpose: tail blood, newly made glucose, two zones of the kidney
    "wholebody_mouse": {"plasma lactate", "plasma pyruvate", "liver glucose", "kidney lactate"},
}


def pools_of(table: ObservationTable, name: str) -> str:
    entry = table[name]
    return ";".join(f"{each.fragment}:{format_share(each)}" for each in (*entry.pools, *entry.unlabeled))


@pytest.mark.parametrize("name", ["wholebody", "wholebody_core", "wholebody_av", "wholebody_mouse", "coculture"])
def test_common_names_mean_what_the_bundled_table_says(name):
    plan = replace(read_body(CATALOG / name / "body.toml"), observations=ObservationTable())
    bundled, derived = load_network(name).observations, compose_body(plan).observations
    both = [each for each in bundled if each in derived]
    assert len(both) >= 10
    differing = {each for each in both if pools_of(bundled, each) != pools_of(derived, each)}
    assert differing == OTHERWISE.get(name, set())
    assert all(bundled[each].formula == derived[each].formula for each in both)


def test_a_network_of_the_catalog_observes_its_table_and_no_more():
    rows = read_rows(CATALOG / "wholebody" / "observations.tsv", required=("measured",))
    assert list(load_network("wholebody").observations) == [row["measured"] for _, row in rows]


def test_the_vocabulary_is_sorted_by_place_and_has_no_row_twice():
    rows = [row for _, row in read_rows(FOLDER / "observed.tsv", required=("measured", "formula", "pools"))]
    assert len({(row["measured"], row["pools"]) for row in rows}) == len(rows)
    assert {row["measured"].split()[0] for row in rows} == {"@", "%", "breath", "urine"}


@pytest.mark.parametrize("text", [FED, TUMOUR, PORTAL])
def test_every_observed_pool_exists_and_pools_of_a_mixture_have_one_size(text, tmp_path):
    network = read(tmp_path, text)
    check_observations(network)
    for each in network.observations.entries.values():
        assert len({parse_fragment(pool.fragment, network).size for pool in each.pools}) == 1, each.name
    weights = {weight for each in network.observations.entries.values() for weight in each.weights}
    assert set(network.observations.typical_weights) <= weights


def test_a_tumour_mouse_observes_what_the_mouse_does_and_its_tumour(tmp_path):
    table, mouse = read(tmp_path, TUMOUR).observations, load_network("wholebody").observations
    assert list(table)[: len(mouse)] == list(mouse)
    assert all(table[name] == mouse[name] for name in mouse)
    assert pools_of(table, "tumour citrate") == "Cit.T:1"
    assert pools_of(table, "tumour lactate") == "Lac.T:0.92;Lac.T:0.08*(1-b_T);Lac.P:0.08*b_T"
    assert pools_of(table, "tumour glutamine") == "Gln.T:0.92;Gln.T:0.08*(1-a_T);Gln.P:0.08*a_T"
    assert pools_of(table, "tumour 3-phosphoglycerate") == "T3P.T:1"
    assert "tumour serine" not in table  # it has no such pool


def test_a_table_of_tissues_and_metabolites_is_read(tmp_path):
    network = read(tmp_path, TUMOUR)
    fractions = {
        ("liver", "citrate"): [0.7, 0.1, 0.1, 0.05, 0.03, 0.01, 0.01],
        ("tumour", "lactate"): [0.6, 0.1, 0.1, 0.2],
        ("plasma", "glucose"): [0.7, 0, 0, 0, 0, 0, 0.3],
    }
    rows = [
        {"tissue": tissue, "metabolite": name, "mass_shift": shift, "fraction": value, "sd": 0.01}
        for (tissue, name), values in fractions.items()
        for shift, value in enumerate(values)
    ]
    data = fluxkit.read_labeling(pd.DataFrame(rows), network, "Glc_inf_x: 100% [U-13C6]")
    assert set(data["fragment"].values.tolist()) == {"liver citrate", "tumour lactate", "plasma glucose"}
    assert "sample" not in data.dims  # all tissues are of one mouse


def test_a_table_of_ones_own_goes_before_row_by_row(tmp_path):
    (tmp_path / "body.toml").write_text(TUMOUR, encoding="utf-8")
    (tmp_path / "own.tsv").write_text("measured\tpools\nliver lactate\tLac.L:1\nascites lactate\tLac.T:1\n", "utf-8")
    before = read_network(tmp_path / "body.toml").observations
    after = read_network(tmp_path / "body.toml", observations=tmp_path / "own.tsv").observations
    assert list(after) == [*before, "ascites lactate"]
    assert pools_of(after, "liver lactate") == "Lac.L:1"
    assert [name for name in before if after[name] != before[name]] == ["liver lactate"]


def test_what_the_body_no_longer_has_is_not_observed(tmp_path):
    text = TUMOUR.replace("\n\n", '\nwithout = ["G", "B"]\nrest = "Prop"\n\n', 1)
    text = text.replace('"wholebody"', '"wholebody_mouse"') + '[tissues.B]\nname = "brown fat"\nmodules = "muscle"\n'
    table = read(tmp_path, text).observations
    assert not [name for name in table if name.startswith(("intestine", "brain", "cecum"))]
    assert pools_of(table, "brown fat citrate") == "Cit.B:1"
    assert pools_of(table, "kidney lactate") == "Lac.K:0.95*(1-wk);Lac.K2:0.95*wk;Lac.P:0.05"


def test_without_the_medulla_the_kidney_is_a_tissue_like_others(tmp_path):
    table = read(tmp_path, 'base = "wholebody_mouse"\nwithout = ["K2"]\n').observations
    assert pools_of(table, "kidney lactate") == "Lac.K:0.92;Lac.K:0.08*(1-b_K);Lac.P:0.08*b_K"


def test_a_base_beside_gives_its_observations_on(tmp_path):
    (tmp_path / "tumour.toml").write_text(TUMOUR, encoding="utf-8")
    table = read(tmp_path, 'base = "tumour.toml"\n[tissues.T]\nname = "graft"\n', "graft.toml").observations
    assert {"cecum acetate", "urine ammonia:N", "graft citrate"} <= set(table)
    assert not [name for name in table if name.startswith("tumour")]


def test_plasma_is_arterial_and_the_blood_of_a_tissue_is_what_leaves_it(tmp_path):
    table = read(tmp_path, PORTAL).observations
    assert pools_of(table, "plasma lactate") == "Lac.Pa:1"
    assert pools_of(table, "urine urea").startswith("Urea.Pa:")
    assert pools_of(table, "breath CO2").startswith("CO2.Pv:")
    assert pools_of(table, "intestine lactate").endswith("Lac.Pp:0.08*b_G")
    assert pools_of(table, "liver lactate").endswith("Lac.Pv:0.08*b_L")
    assert pools_of(table, "liver glucose") == "Glc.Pv:1"


def test_what_floats_in_blood_and_cells_in_a_medium_hold_none_of_it(tmp_path):
    assert pools_of(read(tmp_path, FED).observations, "red cells lactate") == "Lac.E:1"
    culture = compose_body(read_body(CATALOG / "coculture" / "body.toml")).observations
    assert pools_of(culture, "cancer cell lactate") == "Lac.T:1"
    assert not {"cancer cell glucose", "breath CO2", "urine urea"} & set(culture)


def test_a_pool_with_other_atoms_than_the_formula_and_a_name_of_two_tissues_have_no_row():
    lines = (
        "IN: Glc.@ (abcdef) -> Suc (abc) + Lac (def)",
        "OUT: Suc (abc) -> Used_x (abc)",
        "UP: Lac (abc) -> Lac_x (abc)",
    )
    one = BodyPlan((Tissue("M", lines, name="muscle"),), infusions="Glc")
    assert "muscle lactate" in compose_body(one).observations
    assert "muscle succinate" not in compose_body(one).observations
    two = replace(one, tissues=(*one.tissues, Tissue("N", lines, name="muscle")))
    assert set(compose_body(two).observations) == {"plasma glucose"}


def test_rows_of_a_plan_go_before_common_names():
    lines = ("IN: Glc.@ (abcdef) -> Lac (abc) + Lac (def)", "UP: Lac (abc) -> Lac_x (abc)")
    own = {
        name: Observation(name, parse_pools(text, name))
        for name, text in (("M lactate", "Lac.M[2-3]:1"), ("x", "X.Q:1"))
    }
    plan = BodyPlan((Tissue("M", lines, name="M"),), Circulation(name="serum"), infusions="Glc")
    table = compose_body(replace(plan, observations=ObservationTable(own))).observations
    assert {name: pools_of(table, name) for name in table} == {
        "M lactate": "Lac.M[2-3]:1",
        "serum glucose": "Glc.P:1",
        "M glucose": "Glc.P:1",
    }
