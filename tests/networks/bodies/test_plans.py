"""Bodies that nobody wrote down: a few lines of a plan, in Python and as text."""

import doctest
import inspect
import re
import textwrap
from dataclasses import replace

import numpy as np
import pytest

import fluxkit
from fluxkit import BodyPlan, Circulation, Tissue, compose_body, read_network
from fluxkit.networks import read_body
from fluxkit.networks.bodies import compose
from fluxkit.networks.catalog import CATALOG
from fluxkit.networks.checks import equality_system

FED = """\
name = "fed"
interfaces = ["breath"]
diet = { Glc = 60, Ala = 5 }
rest = ["Glyc", "OFA", "Pal", "Prop", "Urea"]

[tissues]
L = "liver"
M = "muscle"
B = "brain"
E = "red_cells"
"""
TUMOUR = """\
name = "tumour mouse"
base = "wholebody"

[tissues.T]
name = "tumour"
scale = 0.05
modules = ["glycolysis", "lactate", "pyruvate_oxidation", "tca_cycle", "malic_enzyme", "glutamine", "ammonia"]
add = ["GLUX: Glu (abcde){n} -> GluProt_x (abcde){n}"]
"""
PORTAL = """\
name = "portal mouse"
base = "wholebody"

[circulation]
kind = "portal"
cardiac_output = "0.5 mL/min/g body weight"

[tissues]
L = { flow = "0.125 mL/min/g body weight" }
M = { flow = "0.175 mL/min/g body weight" }
A = { flow = "0.025 mL/min/g body weight" }
B = { flow = "0.050 mL/min/g body weight" }
K = { flow = "0.100 mL/min/g body weight" }
H = { flow = "0.025 mL/min/g body weight" }
G = { flow = "0.100 mL/min/g body weight", drains = "portal" }
"""


def read(tmp_path, text, name="body.toml"):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_network(tmp_path / name)


@pytest.mark.parametrize("text", [FED, TUMOUR, PORTAL])
def test_a_new_body_takes_at_most_twenty_lines_and_has_a_bounded_prior(text, tmp_path):
    assert len(text.splitlines()) <= 20
    network = read(tmp_path, text)
    assert np.isfinite(network.net_bounds).all()
    assert np.isfinite(network.exchange_bounds).all()
    assert sum(each.target is not None for each in network.rules.values()) > 50


def test_text_and_records_say_the_same(tmp_path):
    plan = BodyPlan(
        name="fed",
        tissues=(Tissue("L", "liver"), Tissue("M", "muscle"), Tissue("B", "brain"), Tissue("E", "red_cells")),
        interfaces=("breath",),
        diet={"Glc": 60, "Ala": 5},
        rest=("Glyc", "OFA", "Pal", "Prop", "Urea"),
    )
    (tmp_path / "fed.toml").write_text(FED, encoding="utf-8")
    assert read_body(tmp_path / "fed.toml") == plan
    assert read_network(tmp_path / "fed.toml") == compose_body(plan)


def test_a_meal_has_an_external_pool_of_its_own(tmp_path):
    network = read(tmp_path, FED)
    assert {"Glc_diet_x", "Ala_diet_x"} <= set(network.inputs)
    assert network.rule("DIET_Glc").lower == network.rule("DIET_Glc").upper == 60
    draws = fluxkit.draw_fluxes(network, 2, seed=1)
    mids = fluxkit.simulate(network, draws, "Glc_diet_x: 100% [U-13C6]", fragments=["Glc.P", "Lac.M"])
    labeled = 1 - mids["mid"].sel(isotopologue=mids["mass_shift"] == 0)
    assert (labeled > 0.01).all()


def test_a_tumour_is_the_mouse_and_one_more_tissue(tmp_path):
    network, mouse = read(tmp_path, TUMOUR), fluxkit.load_network("wholebody")
    assert network.reaction_names[: len(mouse.reactions)] == mouse.reaction_names
    assert network.compartments == {**mouse.compartments, "T": "tumour"}
    assert (network.sizes, mouse.sizes) == ({"T": 0.05}, {})
    assert network.with_changes(sizes={}).fingerprint == network.fingerprint
    (glucose,) = network.reactions[network.reaction_index["T_HK"]].substrates
    assert (glucose.metabolite, glucose.coefficient) == ("Glc.P", 0.05)
    assert {"Suc.T", "Fum.T"} <= network.symmetric


def test_the_liver_of_a_portal_circulation_takes_up_what_the_intestine_releases(tmp_path):
    network = read(tmp_path, PORTAL)
    sides = {each.name: (each.substrates, each.products) for each in network.reactions}
    assert sides["G_SGLT"][1][0].metabolite == "Glc.Pp"
    assert sides["FLOW_Pp_Glc"][1][0].metabolite == sides["L_HK"][0][0].metabolite == "Glc.Ps"
    assert sides["FLOW_Ps_Glc"][0][0].metabolite == "Glc.Pa"
    assert sides["L_G6PC"][1][0].metabolite == sides["PASS_L_Glc"][1][0].metabolite == "Glc.Pv"
    assert sides["CO2_breath"][0][0].metabolite == "CO2.Pv"
    assert sides["INF_Glc"][1][0].metabolite == "Glc.Pa"
    assert network.compartments["Ps"] == "liver inflow"


def test_flows_in_a_unit_and_as_shares_are_the_same(tmp_path):
    shares = PORTAL.replace('cardiac_output = "0.5 mL/min/g body weight"\n', "")
    for value in (0.125, 0.175, 0.025, 0.05, 0.1):
        shares = shares.replace(f'"{value:.3f} mL/min/g body weight"', str(2 * value))
    one, other = read(tmp_path, PORTAL), read(tmp_path, shares)
    assert one.reactions == other.reactions
    np.testing.assert_allclose(equality_system(one)[0], equality_system(other)[0], rtol=1e-12)


def test_a_table_goes_before_what_templates_bring(tmp_path):
    (tmp_path / "body.toml").write_text(FED, encoding="utf-8")
    (tmp_path / "fluxes.tsv").write_text("name\tlb\tub\ttarget\nB_HK\t1\t7\t3\n", encoding="utf-8")
    rules = read_network(tmp_path / "body.toml", bounds=tmp_path / "fluxes.tsv").rules
    assert (rules["B_HK"].upper, rules["B_HK"].target) == (7.0, 3.0)
    assert rules["L_CS"].target == 52.0


def test_omitting_a_reaction_drops_equalities_that_name_it(tmp_path):
    text = FED.replace('"Glyc", "OFA", "Pal", ', "") + 'A = { modules = "adipose", omit = ["LIPo"] }\n'
    with_all, without = (read(tmp_path, each) for each in (text.replace(', omit = ["LIPo"]', ""), text))
    assert (len(with_all.equalities), len(without.equalities)) == (2, 0)


def test_a_base_may_be_a_file_beside(tmp_path):
    (tmp_path / "fed.toml").write_text(FED, encoding="utf-8")
    text = 'base = "fed.toml"\nwithout = ["B"]\n[circulation]\nkind = "arterial-venous"\n'
    network = read(tmp_path, text, "less.toml")
    assert network.name == "less"
    assert set(network.compartments) == {"L", "M", "E", "Pa", "Pv"}
    assert {"M_MCT_f", "M_MCT_r", "FLOW_Lac", "PASS_Lac"} <= set(network.reaction_names)


def test_targets_of_a_pair_are_net_and_exchange_together():
    tissues = (Tissue("A", "adipose"), Tissue("L", "liver"))
    plan = BodyPlan(
        tissues, Circulation("arterial-venous"), interfaces="breath", rest=("Prop", "Gly", "Ser", "BHB", "Urea", "Ac")
    )
    rules = compose_body(plan).rules
    assert rules["A_FATp_f"].target == 150 + 45
    assert rules["A_FATp_r"].target == 45
    assert rules["L_MCT_r"].target == 38 + 80
    assert rules["FLOW_Glc"].target == 3998


def test_symmetric_metabolites_of_the_circulation_are_so_in_every_pool():
    lines = ("UP: Fum.@ (abcd) -> Fum (abcd)", "OUT: Fum (abcd) -> Fum.@ (abcd)", "%symmetric Fum Fum.@")
    plan = BodyPlan((Tissue("A", lines),), Circulation("arterial-venous"), infusions="Fum", rest="Fum")
    assert compose_body(plan).symmetric == {"Fum.A", "Fum.Pa", "Fum.Pv"}


def test_the_docstrings_tell_the_truth(tmp_path):
    assert doctest.testmod(compose).failed == 0
    texts = [inspect.getdoc(each) or "" for each in (compose_body, read_body)]
    blocks = [each for text in texts for each in re.findall(r"::\n\n((?:    .*\n|\n)+)", text + "\n")]
    assert len(blocks) == 3
    for block in blocks:
        assert read(tmp_path, textwrap.dedent(block)).reactions


def test_a_unit_of_ones_own_takes_a_limit_in_place_of_the_templates_numbers():
    plan = BodyPlan(
        (Tissue("B", "brain"), Tissue("E", "red_cells")),
        flux_unit="umol/min",
        interfaces="breath",
        infusions={"Glc": 3},
        rest=("BHB", "Gln", "NH3"),
        targets=False,
        limit=50.0,
    )
    network = compose_body(plan)
    assert network.flux_unit == "umol/min"
    assert (network.rule("B_HK").upper, network.rule("B_LDH").lower, network.rule("B_LDH").exchange_upper) == (
        50,
        -50,
        50,
    )
    assert {name for name, rule in network.rules.items() if rule.target is not None} == {"INF_Glc"}


def test_two_populations_of_a_culture_share_a_medium_by_their_fractions():
    culture = read_body(CATALOG / "coculture" / "body.toml")
    fractions = {"T": 0.7, "F": 0.3}
    tissues = tuple(replace(each, fraction=fractions[each.letter]) for each in culture.tissues)
    network = compose_body(replace(culture, tissues=tissues))
    made = {each.name: each for each in network.reactions}
    (lactate,) = made["F_MCT"].products
    assert (lactate.metabolite, lactate.coefficient) == ("Lac.M", 0.3)
    assert [(p.metabolite, p.coefficient) for p in made["T_PDH"].products] == [("AcCoA.T", 1.0), ("CO2", 0.7)]
    assert network.compartments == {"T": "cancer cell", "F": "fibroblast", "M": "medium"}
    assert network.sizes == fractions


def test_neighbours_exchange_without_the_blood_by_the_ratio_of_their_scales():
    inner = ("IN: Lac.K (abc) -> Lac (abc)", "OUT: Lac (abc) -> Lac.@ (abc)")
    outer = ("IN: Lac.@ (abc) -> Lac (abc)",)
    plan = BodyPlan((Tissue("K", outer, scale=0.4), Tissue("K2", inner, scale=0.1)), infusions="Lac", rest="Lac")
    made = {each.name: each for each in compose_body(plan).reactions}
    assert [p.coefficient for p in (*made["K2_IN"].substrates, *made["K2_OUT"].products)] == [0.25, 0.1]


def test_a_meal_enters_by_the_portal_vein():
    eater = ("IN: Glc.@ (abcdef) -> Glc (abcdef)", "OUT: Glc (abcdef) -> Used_x (abcdef)")
    gut = Tissue("G", eater, flow=0.2, drains="portal")
    plan = BodyPlan((Tissue("L", eater, flow=0.3), gut), Circulation("portal", rest_flow=0.7), diet="Glc")
    network = compose_body(plan)
    (meal,) = network.reactions[network.reaction_index["DIET_Glc"]].products
    assert meal.metabolite == "Glc.Pp"
