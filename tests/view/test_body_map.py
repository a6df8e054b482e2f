import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import traitlets
import xarray as xr

import fluxkit
from fluxkit.errors import FluxError, NetworkError
from fluxkit.networks import load_network, parse_reactions
from fluxkit.networks.bodies import read_body
from fluxkit.networks.catalog import CATALOG
from fluxkit.networks.network import Network
from fluxkit.physiology.organs import organ_balances
from fluxkit.view import body_page, body_scene, organ_exchange
from fluxkit.view.body_data import CIRCULATION, body_parts
from fluxkit.view.body_labels import place_labels
from fluxkit.view.body_nutrients import outside
from fluxkit.view.body_scene import width_of
from fluxkit.view.body_tissue import tissue_map, tissue_network
from fluxkit.view.body_widget import BodyMap

BODIES = ["wholebody", "wholebody_mouse", "wholebody_core", "wholebody_av", "coculture"]
BALANCED = 1e-6  # reference states are stored with ten digits; fluxes reach 1e3


@pytest.fixture(scope="module")
def core():
    return load_network("wholebody_core")


@pytest.fixture(scope="module")
def scene(core):
    return body_scene(core.reference_fluxes(), core, title="Core")


def draws_of(network, n=200, spread=0.08, seed=0):
    state, rng = network.reference_fluxes(), np.random.default_rng(seed)
    noise = 1 + spread * rng.normal(size=(n, len(network.reactions)))
    return xr.Dataset(
        {
            "net_flux": (("draw", "reaction"), state.net_flux.values * noise),
            "exchange_flux": (("draw", "reaction"), state.exchange_flux.values * np.ones_like(noise)),
        },
        coords={"reaction": list(network.reaction_names)},
    )


def estimate_of(network, undetermined=()):
    """The part of a FluxEstimate that the map reads: ten times narrower than the prior but where not determined."""
    draws, prior = draws_of(network, spread=0.03), draws_of(network, spread=0.3, seed=1)
    for name in undetermined:
        draws["net_flux"].loc[{"reaction": name}] = prior["net_flux"].sel(reaction=name).values
    rows = []
    for kind, variable in (("net", "net_flux"), ("exchange", "exchange_flux")):
        lower, median, upper = np.quantile(draws[variable].values, [0.05, 0.5, 0.95], axis=0)
        for i, name in enumerate(network.reaction_names):
            if kind == "exchange" and not network.reversible[i]:
                continue
            known = name not in undetermined
            rows.append((name, kind, median[i], median[i], lower[i], upper[i], 0.9 if known else 0.0, known))
    columns = ["reaction", "kind", "best", "median", "lower", "upper", "information", "determined"]
    return SimpleNamespace(
        posterior=draws.expand_dims(chain=1), prior=prior, intervals=pd.DataFrame(rows, columns=columns)
    )


def row(table, organ, nutrient, partner=CIRCULATION):
    return table[(table.organ == organ) & (table.key == nutrient) & (table.partner == partner)].squeeze()


def flow(data, organ, nutrient, partner=CIRCULATION):
    return next(f for f in data["flows"] if (f["organ"], f["nutrient"], f["partner"]) == (organ, nutrient, partner))


@pytest.mark.parametrize("name", BODIES)
def test_what_organs_and_the_outside_give_of_a_nutrient_sums_to_zero(name):
    network = load_network(name)
    table = organ_exchange(network.reference_fluxes(), network)
    sums = table[table.partner == CIRCULATION].groupby("key")[["net_flux", "carbon"]].sum()
    assert len(sums) >= 11
    assert np.abs(sums.to_numpy()).max() < 10 * BALANCED


@pytest.mark.parametrize("name", ["wholebody", "wholebody_mouse", "wholebody_core", "wholebody_av"])
def test_the_balances_of_physiology_give_the_same_numbers(name):
    network = load_network(name)
    state = network.reference_fluxes()
    table = organ_exchange(state, network)
    balances = organ_balances(state, network)["value"]
    checked = 0
    for each in table[(table.partner == CIRCULATION) & (table.letter != "")].itertuples():
        direct = [r for r in network.reactions if r.name.startswith(f"{each.letter}_")]
        inside = all(
            any(p.metabolite.removesuffix("_x").endswith(f".{each.letter}") for p in (*r.substrates, *r.products))
            for r in direct
            if any(p.metabolite.startswith(f"{each.key}.P") for p in (*r.substrates, *r.products))
        )
        if inside:  # physiology counts what passes an organ from plasma to urine as outside
            expected = float(balances.sel(organ=each.letter, nutrient=each.key))
            assert each.net_flux == pytest.approx(expected, abs=1e-9)
            checked += 1
    assert checked > 30


def test_numbers_are_the_sums_over_reactions_that_one_does_by_hand():
    network = load_network("wholebody")
    net = network.reference_fluxes().net_flux
    v = {name: float(net.sel(reaction=name)) for name in network.reaction_names}
    table = organ_exchange(network.reference_fluxes(), network)
    liver = row(table, "liver", "Glc")
    assert liver.net_flux == pytest.approx(v["L_G6PC"] - v["L_HK"])
    assert liver.carbon == pytest.approx(6 * (v["L_G6PC"] - v["L_HK"]))
    assert row(table, "red cells", "Lac").net_flux == pytest.approx(2 * v["E_GLY"], abs=BALANCED)
    assert row(table, "liver", "Glyg", "stores").net_flux == pytest.approx(v["L_GLYGs"] - v["L_GLYGp"])
    assert row(table, "kidney", "Urea", "urine").net_flux == pytest.approx(v["K_UREAu"])
    assert row(table, "kidney", "Urea").net_flux == pytest.approx(-v["K_UREAu"])
    assert row(table, "breath", "CO2").net_flux == pytest.approx(-v["CO2_breath"])
    assert row(table, "infusion", "Lac").net_flux == pytest.approx(v["INF_Lac"])
    assert row(table, "intestine", "Fiber", "diet").carbon == pytest.approx(-6 * v["G_FIBac"])
    assert row(table, "muscle", "Prot", "stores").net_flux == pytest.approx(
        sum(v[n] for n in v if n.startswith("M_Ps")) - sum(v[n] for n in v if n.startswith("M_Pr"))
    )


def test_an_organ_neither_makes_nor_loses_carbon_where_every_atom_is_followed():
    network = load_network("wholebody")
    table = organ_exchange(network.reference_fluxes(), network)
    for organ in ("brain", "red cells", "heart"):
        rows = table[table.organ == organ]
        assert rows.carbon.sum() == pytest.approx(0, abs=1e-4 * rows.carbon.abs().sum()), organ


def test_a_body_of_arteries_and_veins_has_the_same_exchange_as_one_of_plasma():
    both = [load_network(name) for name in ("wholebody", "wholebody_av")]
    tables = [organ_exchange(n.reference_fluxes(), n).set_index(["organ", "partner", "key"]) for n in both]
    pd.testing.assert_series_equal(
        tables[0].net_flux.sort_index(), tables[1].net_flux.sort_index(), atol=1e-3, check_names=False
    )


def test_scaling_all_fluxes_scales_the_table_and_changes_no_width(core):
    state = core.reference_fluxes()
    tables = [organ_exchange(fluxes, core) for fluxes in (state, state * 7.0)]
    assert tables[1].net_flux.to_numpy() == pytest.approx(7 * tables[0].net_flux.to_numpy())
    widths = [width_of(each, largest) for each, largest in ((3.0, 100.0), (21.0, 700.0))]
    assert widths[0] == widths[1]


def test_the_interval_is_that_of_the_sum_and_not_a_sum_of_intervals(core):
    draws = draws_of(core)
    liver = row(organ_exchange(draws, core), "liver", "Glc")
    values = draws.net_flux.sel(reaction="L_G6PC") - draws.net_flux.sel(reaction="L_HK")
    assert (liver.lower, liver.net_flux, liver.upper) == pytest.approx(tuple(np.quantile(values, [0.05, 0.5, 0.95])))


def test_what_the_data_do_not_determine_is_marked(core):
    data = body_scene(estimate_of(core, undetermined=["A_MCT"]), core)
    assert not flow(data, "A", "Lac")["carbon"]["determined"]
    assert flow(data, "L", "Lac")["carbon"]["determined"]
    estimate = estimate_of(core, undetermined=["A_MCT"])
    del estimate.prior
    assert not row(organ_exchange(estimate, core), "adipose", "Lac").determined
    tissue = {each["name"]: each["determined"] for each in data["tissues"]["A"]["arrows"]}
    assert not tissue["A_MCT"] and tissue["A_HK"]


def test_comparing_says_which_flux_is_higher_in_its_own_direction(core):
    state, draws = core.reference_fluxes(), draws_of(core, spread=0.01)
    factor = np.where(np.array(core.reaction_names) == "L_MCT", 2.0, 1.0)
    data = body_scene(draws.assign(net_flux=draws.net_flux * factor), core, compare=draws_of(core, spread=0.01, seed=1))
    uptake = flow(data, "L", "Lac")["carbon"]
    assert uptake["value"] < 0 and uptake["change"]["probability_higher"] == 1.0
    same = body_scene(state, core, compare=state)
    assert {f["carbon"]["change"]["probability_higher"] for f in same["flows"]} == {0.5}


@pytest.mark.parametrize("name", BODIES)
def test_the_scene_is_plain_and_holds_every_row_of_the_table(name):
    network = load_network(name)
    data = json.loads(json.dumps(body_scene(network.reference_fluxes(), network), allow_nan=False))
    table = organ_exchange(network.reference_fluxes(), network)
    assert [f["molecules"]["value"] for f in data["flows"]] == table.net_flux.tolist()
    assert [f["carbon"]["value"] for f in data["flows"]] == table.carbon.tolist()
    assert {each["letter"] for each in data["organs"]} == set(data["tissues"]) == set(body_parts(network).tissues)
    pools = {each["suffix"] for each in data["pools"]}
    assert {f["pool"] for f in data["flows"] if f["partner"] == CIRCULATION} <= pools
    places = [(each["side"], each["rank"]) for each in data["organs"]]
    assert len(set(places)) == len(places)
    assert data["outline"] == ("dish" if name == "coculture" else "body")


def test_the_map_says_that_fat_counts_in_units_of_two_carbons(scene):
    assert "two carbons" in scene["note"]
    network = load_network("coculture")
    assert body_scene(network.reference_fluxes(), network)["note"] == ""


def test_uptake_comes_from_the_artery_and_release_goes_to_the_vein():
    network = load_network("wholebody_av")
    data = body_scene(network.reference_fluxes(), network)
    for each in data["flows"]:
        if each["partner"] == CIRCULATION and each["organ"] not in data["ways"] and abs(each["molecules"]["value"]) > 1:
            assert each["pool"] == ("Pv" if each["molecules"]["value"] > 0 else "Pa"), each


def test_the_intestine_gives_to_the_portal_vein_that_feeds_the_liver():
    plan = read_body(CATALOG / "wholebody" / "body.toml")
    flows = {"L": 0.25, "M": 0.2, "A": 0.08, "B": 0.05, "K": 0.2, "H": 0.05, "G": 0.15}
    tissues = tuple(
        replace(each, flow=flows.get(each.letter), drains="portal" if each.letter == "G" else "venous")
        for each in plan.tissues
    )
    circulation = replace(plan.circulation, kind="portal", rest_flow=0.17)
    network = fluxkit.compose_body(replace(plan, name="portal", tissues=tissues, circulation=circulation))
    fluxes = dict.fromkeys(network.reaction_names, 1.0) | {"G_GLNT_f": 2.0}
    table = organ_exchange(fluxes, network)
    gained = network.stoichiometry @ np.array(list(fluxes.values()))  # not balanced; blood flow only moves it
    for key, total in table[table.partner == CIRCULATION].groupby("key").net_flux.sum().items():
        pools = [i for i, name in enumerate(network.balanced) if name.rpartition(".P")[0] == key]
        assert total == pytest.approx(gained[pools].sum(), abs=1e-9)
    data = body_scene(fluxes, network)
    assert [each["suffix"] for each in data["pools"]] == ["Pa", "Pv", "Pp", "Ps"]
    assert flow(data, "G", "CO2")["pool"] == "Pp" and flow(data, "G", "Gln")["pool"] == "Pa"
    assert flow(data, "L", "Glyc")["pool"] == "Ps" and flow(data, "L", "Urea")["pool"] == "Pv"


def test_every_reaction_of_a_tissue_stands_on_its_flux_map(scene, core):
    for letter in body_parts(core).tissues:
        names = [each["name"] for each in scene["tissues"][letter]["arrows"]]
        assert names == [name for name in core.reaction_names if name.startswith(f"{letter}_")]
        net = core.reference_fluxes().net_flux.sel(reaction=names).values.tolist()
        assert [each["net"] for each in scene["tissues"][letter]["arrows"]] == net


def test_the_circulation_is_external_to_a_tissue(core):
    part = tissue_network(core, body_parts(core), "L")
    assert "Glc.P_x" in part.inputs and all(name.endswith(".L") for name in part.balanced)


@pytest.mark.parametrize("name", ["wholebody", "coculture"])
def test_labels_of_a_tissue_hardly_cover_one_another(name):
    network = load_network(name)
    parts = body_parts(network)
    for letter in parts.tissues:
        data = tissue_map(network.reference_fluxes(), network, parts, letter)
        labels = [_box(each["label"], data["label_font"]) for each in data["arrows"]]
        hits = sum(_overlap(a, b) for i, a in enumerate(labels) for b in labels[i + 1 :])
        assert hits <= 1, (letter, hits)
        assert place_labels(data) == data  # nothing moves once it stands


def _box(label, font):
    from fluxkit.view.map_data import text_width

    width = text_width(f"{label['text']} {label['value']}", font)
    left = label["x"] - {"start": 0.0, "middle": width / 2, "end": width}[label["anchor"]]
    return left, label["y"] - 0.45 * font, left + width, label["y"] + 0.45 * font


def _overlap(a, b):
    return min(a[2], b[2]) - max(a[0], b[0]) > 0.5 and min(a[3], b[3]) - max(a[1], b[1]) > 0.5


def test_widths_grow_with_the_root_of_the_flux():
    widths = [width_of(flux, 100.0) for flux in (0.0, 1.0, 25.0, 100.0, -100.0)]
    assert widths == sorted(widths) and widths[0] > 1.0
    assert widths[2] - widths[0] == pytest.approx((widths[3] - widths[0]) / 2, abs=0.01)
    assert width_of(0.0, 0.0) == widths[0]


@pytest.mark.parametrize(
    ("pool", "in_tissue", "way", "name"),
    [
        ("Urea_urine_x", False, "urine", "urea"),
        ("CO2_breath_x", False, "breath", "CO2"),
        ("Glc_inf_x", False, "infusion", "glucose"),
        ("DietAla_x", False, "diet", "alanine"),
        ("Glc_diet_x", False, "diet", "glucose"),
        ("FiberBut_x", False, "diet", "butyrate"),
        ("Fiber_x", False, "diet", "fiber"),
        ("Glc_feces_x", False, "feces", "glucose"),
        ("GlygSyn.L_x", True, "stores", "glycogen"),
        ("ProtSynVal.M_x", True, "stores", "protein"),
        ("TGgly.A_x", True, "stores", "TG glycerol"),
        ("TGsp.A_x", True, "stores", "triglyceride"),
        ("CO2_x", False, "outside", "CO2"),
        ("Xyz_rest_x", False, "rest of the body", "Xyz"),
    ],
)  # fmt: skip
def test_external_pools_have_names_that_readers_know(pool, in_tissue, way, name):
    found, nutrient = outside(pool, in_tissue)
    assert (found, nutrient.name) == (way, name)


def test_a_network_that_names_no_tissues_or_no_circulation_is_refused(core):
    cell = load_network("ccm")
    with pytest.raises(NetworkError, match=r"'ccm' has compartments = \{\}.*compose_body.*fluxkit\.flux_map"):
        fluxkit.body_map(cell.reference_fluxes(), cell)
    reactions, _ = parse_reactions("up: X_x (ab) -> Y.L (ab)\nL_out: Y.L (ab) -> Z_x (ab)")
    lone = Network("lone", reactions, compartments={"L": "liver"})
    with pytest.raises(NetworkError, match="L = 'liver', none of them a circulation.*'L_HK'"):
        organ_exchange({"up": 1.0, "L_out": 1.0}, lone)
    nothing = lone.with_changes(compartments={"P": "plasma"})
    with pytest.raises(NetworkError, match="none of them a tissue"):
        organ_exchange({"up": 1.0, "L_out": 1.0}, nothing)


def test_fluxes_of_another_network_are_refused(core):
    with pytest.raises(FluxError, match="no reaction 'v1'"):
        fluxkit.body_map(load_network("toy").reference_fluxes(), core)
    with pytest.raises(FluxError, match="dimension 'sample'"):
        organ_exchange(core.reference_fluxes().expand_dims(sample=2), core)


def test_tissues_with_a_mass_exchange_in_units_of_the_body():
    plan = fluxkit.BodyPlan(
        tissues=(fluxkit.Tissue("L", "liver", scale=0.05), fluxkit.Tissue("E", "red_cells")),
        rest=("Ala", "BHB", "Gln", "Gly", "Glyc", "NH3", "OFA", "Pal", "Prop", "Ser", "Urea"),
        name="two",
    )
    network = fluxkit.compose_body(plan)
    state = dict.fromkeys(network.reaction_names, 0.0) | {"L_G6PC": 10.0}
    assert row(organ_exchange(state, network), "liver", "Glc").net_flux == pytest.approx(0.5)


def test_body_map_returns_a_widget_that_holds_the_scene(core, scene):
    widget = fluxkit.body_map(core.reference_fluxes(), core, title="Core")
    assert isinstance(widget, BodyMap)
    assert widget.data == scene
    widget.organ, widget.nutrient, widget.count = "L", "Lac", "molecules"
    assert widget.get_state(["organ", "nutrient"]) == {"organ": "L", "nutrient": "Lac"}


def test_wrong_settings_of_the_widget_are_refused(scene):
    with pytest.raises(TypeError, match="no setting 'them'. Did you mean 'theme'"):
        BodyMap(data=scene, them="dark")
    with pytest.raises(traitlets.TraitError, match="data lacks flows"):
        BodyMap(data={**{key: scene[key] for key in scene if key != "flows"}})
    widget = BodyMap(data=scene)
    with pytest.raises(traitlets.TraitError, match="no tissue with the letter 'Q'"):
        widget.organ = "Q"
    with pytest.raises(traitlets.TraitError, match="no nutrient 'Lacc'. Did you mean 'Lac'"):
        widget.nutrient = "Lacc"
    with pytest.raises(traitlets.TraitError):
        widget.threshold = 2.0
    with pytest.raises(traitlets.TraitError, match="count"):
        widget.count = "atoms"


def test_the_page_needs_no_network_and_no_other_file(core, tmp_path):
    path = fluxkit.body_map(core.reference_fluxes(), core, title="</script><b>&").to_html(tmp_path / "body.html")
    page = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"'\s]+", page)) == {"http://www.w3.org/2000/svg"}  # a name space, never fetched
    assert not re.search(r"\b(import|export)\b\s*[{*'\"d]|\bsrc=|@import|url\(", page)
    assert page.count("</script>") == 1 and "<title>&lt;/script&gt;" in page
    assert page == body_page(body_scene(core.reference_fluxes(), core, title="</script><b>&"))
