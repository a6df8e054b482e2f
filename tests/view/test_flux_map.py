import importlib.util
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import traitlets
import xarray as xr

import fluxkit
from fluxkit.errors import FluxError, NetworkError
from fluxkit.networks import list_networks, load_network, parse_reactions
from fluxkit.networks.catalog import CATALOG
from fluxkit.networks.network import Network
from fluxkit.view import automatic_layout, map_data, map_layout, map_page, read_layout
from fluxkit.view.curves import cut, evaluate, leave, reverse, shorten, spline, svg_path
from fluxkit.view.flux_map import map_svg
from fluxkit.view.flux_numbers import flux_ratio, probability_higher
from fluxkit.view.layout import main_pairs
from fluxkit.view.map_data import arrow_width, equation, flux_histograms, format_flux, histogram
from fluxkit.view.widget import FluxMap

_spec = importlib.util.spec_from_file_location("crowding", Path(__file__).with_name("crowding.py"))
crowding = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(crowding)

MAPPED = [name for name in list_networks() if (CATALOG / name / "map.tsv").is_file()]


def draws_of(network, n=200, spread=0.08, seed=0):
    """Fluxes with a spread, so that labels carry intervals."""
    state, rng = network.reference_fluxes(), np.random.default_rng(seed)
    shape = (n, len(network.reactions))
    return xr.Dataset(
        {
            "net_flux": (("draw", "reaction"), state.net_flux.values * (1 + spread * rng.normal(size=shape))),
            "exchange_flux": (
                ("draw", "reaction"),
                state.exchange_flux.values * np.exp(0.3 * rng.normal(size=shape)),
            ),
        },
        coords={"reaction": list(network.reaction_names)},
    )


def estimate_of(network, undetermined=()):
    """The part of a FluxEstimate that the map reads."""
    draws = draws_of(network)
    rows = []
    for kind, variable in (("net", "net_flux"), ("exchange", "exchange_flux")):
        lower, median, upper = np.quantile(draws[variable].values, [0.05, 0.5, 0.95], axis=0)
        for i, name in enumerate(network.reaction_names):
            if kind == "exchange" and not network.reversible[i]:
                continue
            known = name not in undetermined
            rows.append((name, kind, median[i], median[i], lower[i], upper[i], 0.9 if known else 0.05, known))
    columns = ["reaction", "kind", "best", "median", "lower", "upper", "information", "determined"]
    return SimpleNamespace(
        posterior=draws.expand_dims(chain=1), intervals=pd.DataFrame(rows, columns=columns), network=network
    )


def arrow(data, name):
    return next(each for each in data["arrows"] if each["name"] == name)


@pytest.fixture(scope="module")
def ccm():
    return load_network("ccm")


@pytest.fixture(scope="module")
def toy():
    return load_network("toy")


@pytest.mark.parametrize("name", MAPPED)
def test_every_reaction_of_a_bundled_network_is_drawn_with_its_reference_flux(name):
    network = load_network(name)
    state = network.reference_fluxes()
    data = json.loads(json.dumps(map_data(state, network), allow_nan=False))
    assert [each["name"] for each in data["arrows"]] == list(network.reaction_names)
    assert [each["net"] for each in data["arrows"]] == state.net_flux.values.tolist()
    assert [each["exchange"] for each in data["arrows"]] == state.exchange_flux.values.tolist()
    assert data["unit"] == network.flux_unit


@pytest.mark.parametrize("name", MAPPED)
def test_a_designed_map_places_every_balanced_pool(name):
    network = load_network(name)
    assert set(network.balanced) <= set(map_layout(network).places)


@pytest.mark.parametrize("name", MAPPED)
def test_no_text_of_a_designed_map_covers_another_or_leaves_the_canvas(name):
    network = load_network(name)
    data = map_data(draws_of(network), network)
    assert crowding.overlapping_texts(data) == []
    assert crowding.outside(data) == []


def test_arrows_of_the_cell_map_hardly_touch_labels_or_cross(ccm):
    data = map_data(draws_of(ccm), ccm)
    assert len(crowding.struck_labels(data)) <= 2
    assert len(crowding.crossings(data)) <= 5


def test_mitochondrial_pools_stand_in_the_mitochondrion_and_cytosolic_ones_outside(ccm):
    layout = map_layout(ccm)
    (region,) = layout.regions
    for place in layout.places.values():
        inside = region.x < place.x < region.x + region.width and region.y < place.y < region.y + region.height
        if not place.external:
            assert inside == place.name.endswith(".m"), place.name


def test_interval_is_the_90_percent_range_of_the_draws(ccm):
    draws = draws_of(ccm)
    pgi = arrow(map_data(draws, ccm), "PGI")
    values = draws.net_flux.sel(reaction="PGI")
    assert pgi["net"] == pytest.approx(float(values.median()))
    assert pgi["net_lower"] == pytest.approx(float(values.quantile(0.05)))
    assert pgi["net_upper"] == pytest.approx(float(values.quantile(0.95)))
    assert pgi["label"]["value"] == format_flux(pgi["net"])
    assert pgi["label"]["interval"] == f"[{format_flux(pgi['net_lower'])}, {format_flux(pgi['net_upper'])}]"


def test_an_estimate_brings_its_own_intervals_and_information(ccm):
    data = map_data(estimate_of(ccm, undetermined=["FBPase"]), ccm)
    assert not arrow(data, "FBPase")["determined"]
    assert arrow(data, "FBPase")["information"] == pytest.approx(0.05)
    assert arrow(data, "PGI")["determined"]
    assert arrow(data, "PGI")["exchange_lower"] < arrow(data, "PGI")["exchange"] < arrow(data, "PGI")["exchange_upper"]
    assert arrow(data, "PFK")["exchange"] == 0.0
    data = map_data(estimate_of(ccm, undetermined=["PGI"]), ccm)
    assert [each["name"] for each in data["arrows"] if not each["exchange_determined"]] == ["PGI"]


def test_the_head_of_an_arrow_turns_with_the_sign_of_the_net_flux(toy):
    state = toy.reference_fluxes()
    forward = arrow(map_data(state, toy), "v2")
    backward = arrow(
        map_data({**dict(zip(toy.reaction_names, state.net_flux.values, strict=True)), "v2": -60.0}, toy),
        "v2",
    )
    assert backward["backward"] and not forward["backward"]
    right = next(head for head in forward["heads"] if head["net"])
    left = next(head for head in backward["heads"] if head["net"])
    assert right["x"] > left["x"]
    assert (right["angle"], abs(left["angle"])) == (0.0, 180.0)


def test_only_reversible_reactions_carry_a_second_head(ccm):
    for each, reversible in zip(map_data(ccm.reference_fluxes(), ccm)["arrows"], ccm.reversible, strict=True):
        assert len(each["heads"]) == (2 if reversible else 1)


def test_scaling_all_fluxes_changes_no_arrow(ccm):
    state = ccm.reference_fluxes()
    shapes = [
        [(each["path"], each["width"]) for each in map_data(fluxes, ccm)["arrows"]] for fluxes in (state, state * 7.0)
    ]
    assert shapes[0] == shapes[1]


def test_arrow_width_grows_with_the_flux_and_a_zero_flux_stays_visible():
    widths = [arrow_width(flux, 100.0) for flux in (0.0, 1.0, 10.0, 100.0)]
    assert widths == sorted(set(widths)) and widths[0] > 1.0
    assert arrow_width(-10.0, 100.0) == widths[2]


def test_arrows_start_and_end_outside_the_names_that_they_join(ccm):
    data = map_data(ccm.reference_fluxes(), ccm)
    boxes = {node["name"]: crowding.node_box(node, data["font"]) for node in data["nodes"] if node["text"]}
    for each in data["arrows"]:
        points = crowding.sample(each["hit"])[[0, -1]]
        for name, (left, top, right, bottom) in boxes.items():
            for x, y in points:
                assert not (left < x < right and top < y < bottom), (each["name"], name)


def test_comparing_a_state_with_itself_finds_no_change(ccm):
    draws = draws_of(ccm)
    for each in map_data(draws, ccm, compare=draws)["arrows"]:
        assert each["change"]["probability_higher"] == pytest.approx(0.5)


def test_a_flux_that_is_higher_in_all_draws_is_higher_with_probability_one(ccm):
    draws = draws_of(ccm, spread=0.01)
    factor = np.where(np.array(ccm.reaction_names) == "PDH", 2.0, 1.0)
    data = map_data(draws.assign(net_flux=draws.net_flux * factor), ccm, compare=draws_of(ccm, spread=0.01, seed=1))
    change = arrow(data, "PDH")["change"]
    assert change["probability_higher"] == 1.0
    assert change["ratio_lower"] < 2.0 < change["ratio_upper"]
    assert change["ratio"] == pytest.approx(2.0, abs=0.05)


def test_probability_higher_agrees_with_the_normal_distribution():
    rng = np.random.default_rng(3)
    left, right = rng.normal(1.0, 1.0, (4000, 1)), rng.normal(0.0, 1.0, (3000, 1))
    assert probability_higher(left, right)[0] == pytest.approx(0.7602, abs=0.02)  # Phi(1 / sqrt 2); 4 standard errors


def test_no_ratio_is_given_where_a_flux_may_be_zero():
    rng = np.random.default_rng(4)
    ratio, _, _ = flux_ratio(rng.normal(1.0, 1.0, (500, 1)), rng.normal(5.0, 0.1, (500, 1)))
    assert np.isnan(ratio[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (173.4, "173"),
        (99.96, "100"),
        (21.04, "21.0"),
        (0.463, "0.46"),
        (-1.5, "−1.5"),
        (-0.001, "0"),
        (None, "–"),
    ],
)
def test_fluxes_are_written_with_two_to_three_digits(value, text):
    assert format_flux(value) == text


def test_equation_says_whether_a_reaction_is_reversible(toy):
    assert equation(toy.reactions[1]) == "B ⇌ D"
    assert equation(toy.reactions[3]) == "B + C → D + E + E"


def test_the_helper_pair_of_a_transamination_is_not_its_main_pair(ccm):
    pairs = main_pairs(ccm)
    assert pairs["PHGDH"] == ("PG3.c", "Ser.c")
    assert pairs["ALT"] == ("Pyr.c", "Ala.c")
    assert pairs["PGD"] == ("PG6.c", "Ru5P.c")


def test_any_network_gets_a_map_and_always_the_same(ccm):
    first, second = automatic_layout(ccm), automatic_layout(ccm)
    assert first == second
    assert set(first.routes) == set(ccm.reaction_names)
    points = np.array([[each.x, each.y] for each in first.places.values()])
    gaps = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) + 1e6 * np.eye(len(points))
    assert gaps.min() > 20
    assert (points > 0).all() and (points < [first.width, first.height]).all()


def test_a_network_of_the_user_that_borrows_a_bundled_name_is_laid_out_from_scratch():
    reactions, _ = parse_reactions("a: X_x (ab) -> Y (ab)\nb: Y (ab) -> Z_x (ab)\nc: Y (ab) -> Z_x (ab)")
    network = Network("toy", reactions)
    data = map_data({"a": 2.0, "b": 1.0, "c": 1.0}, network)
    assert {node["name"] for node in data["nodes"]} == {"X_x", "Y", "Z_x"}
    assert arrow(data, "b")["path"] != arrow(data, "c")["path"]


def test_fluxes_that_do_not_belong_to_the_network_are_refused(ccm, toy):
    state = toy.reference_fluxes()
    with pytest.raises(FluxError, match="no reaction 'v1'"):
        map_data(state, ccm)
    with pytest.raises(FluxError, match="lack reaction 'v7' \\(1 missing"):
        map_data(state.isel(reaction=slice(0, 5)), toy)
    with pytest.raises(FluxError, match="cannot draw a list"):
        map_data([1.0], toy)
    with pytest.raises(FluxError, match=r"dimension 'sample'; choose with \.isel\(sample=0\)"):
        map_data(state.expand_dims(sample=2), toy)
    with pytest.raises(FluxError, match="'v4' is not finite"):
        map_data({**dict(zip(toy.reaction_names, state.net_flux.values, strict=True)), "v4": np.nan}, toy)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("arow\tv1", "unknown kind 'arow'. Did you mean 'arrow'"),
        ("arrow\tv9", "no reaction 'v9'"),
        ("arrow\tv1\t-\t-\tA_x Q", "'Q' has no place"),
        ("pool\tB\tleft", "cannot read 'left'; write numbers"),
        ("pool\tB\t1,2,3", "write points as"),
    ],
)
def test_a_faulty_map_file_is_refused_with_its_line(toy, tmp_path, row, message):
    path = tmp_path / "map.tsv"
    path.write_text("kind\tname\tat\ttext\tends\tlabel\tlimbs\nstub\tA_x\t1,1\tA\n" + row + "\n", encoding="utf-8")
    with pytest.raises(NetworkError, match=f"map.tsv, line 3.*{re.escape(message)}"):
        read_layout(path, toy)


def test_a_curve_passes_its_points_and_a_cut_keeps_its_course():
    curve = spline([(0, 0), (10, 8), (20, 0)])
    assert evaluate(curve, 0.5)[0] == pytest.approx([10, 8])
    part = cut(curve, 0.25, 0.75)
    assert evaluate(part, 0.5)[0] == pytest.approx([10, 8])
    assert evaluate(part, 0.0)[0] == pytest.approx(evaluate(curve, 0.25)[0])
    long = spline([(0, 0), (10, 8), (20, 0), (40, 3)])
    assert evaluate(cut(long, 0.2, 0.9), 1.0)[0] == pytest.approx(evaluate(long, 0.9)[0])
    assert evaluate(reverse(long), 0.0)[0] == pytest.approx([40, 3])


def test_a_shortened_line_loses_the_length_asked_for():
    line = spline([(0, 0), (100, 0)])
    assert leave(line, lambda p: p[0] < 10) == pytest.approx(0.1, abs=1e-4)
    assert svg_path(shorten(line, 10, 20)).startswith("M10.0,0.0") and svg_path(shorten(line, 10, 20)).endswith(
        "80.0,0.0"
    )
    assert np.hypot(*(shorten(line, 80, 80)[0, 3] - shorten(line, 80, 80)[0, 0])) == pytest.approx(10, abs=0.1)


def test_flux_map_returns_a_widget_that_holds_the_map_data(toy):
    widget = fluxkit.flux_map(toy.reference_fluxes(), toy, title="Toy")
    assert isinstance(widget, FluxMap)
    assert widget.data == map_data(toy.reference_fluxes(), toy, title="Toy")
    widget.selected = "v2"
    assert widget.get_state(["selected"]) == {"selected": "v2"}


def test_wrong_settings_of_the_widget_are_refused(toy):
    state = toy.reference_fluxes()
    with pytest.raises(TypeError, match="titel"):
        fluxkit.flux_map(state, toy, titel="x")
    data = map_data(state, toy)
    with pytest.raises(TypeError, match="no setting 'them'. Did you mean 'theme'"):
        FluxMap(data=data, them="dark")
    with pytest.raises(traitlets.TraitError, match="theme"):
        FluxMap(data=data, theme="pink")
    with pytest.raises(traitlets.TraitError, match="data lacks arrows"):
        FluxMap(data={"width": 1, "height": 1, "nodes": [], "legend": []})
    widget = FluxMap(data=data)
    with pytest.raises(traitlets.TraitError, match="no reaction 'v22'"):
        widget.selected = "v22"


def test_the_page_needs_no_network_and_no_other_file(toy, tmp_path):
    path = fluxkit.flux_map(toy.reference_fluxes(), toy, title="</script><b>&").to_html(tmp_path / "map.html")
    page = path.read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"'\s]+", page) == ["http://www.w3.org/2000/svg"]  # a name space, never fetched
    assert not re.search(r"\b(import|export)\b\s*[{*'\"d]|\bsrc=|@import|url\(", page)
    assert page.count("</script>") == 1 and "<title>&lt;/script&gt;" in page
    assert page == map_page(map_data(toy.reference_fluxes(), toy, title="</script><b>&"))


def test_a_histogram_counts_the_draws_and_shares_its_scale_with_the_prior():
    rng = np.random.default_rng(5)
    bars = histogram(rng.normal(10.0, 1.0, 20000), rng.normal(10.0, 3.0, 20000))
    width = (bars["high"] - bars["low"]) / len(bars["posterior"])
    middle = bars["low"] + width * (0.5 + np.arange(len(bars["posterior"])))
    after, before = (np.array(bars[name]) for name in ("posterior", "prior"))
    assert np.average(middle, weights=after) == pytest.approx(10.0, abs=0.1)  # bars are whole numbers up to 99
    assert np.sqrt(np.average((middle - 10) ** 2, weights=after)) == pytest.approx(1.0, abs=0.1)
    assert before.max() / after.max() == pytest.approx(1 / 3, abs=0.05)  # densities of the two normal distributions
    assert after.max() == 99


def test_a_histogram_stays_readable_where_the_prior_is_a_thousand_times_wider():
    rng = np.random.default_rng(6)
    bars = histogram(rng.normal(0.0, 1.0, 4000), rng.uniform(-1000, 1000, 4000))
    assert np.count_nonzero(bars["posterior"]) >= 4
    assert bars["high"] - bars["low"] < 60


def test_exchange_fluxes_have_a_logarithmic_axis_and_fixed_fluxes_no_histogram(ccm):
    found = dict(zip(ccm.reaction_names, flux_histograms(draws_of(ccm), ccm), strict=True))
    assert found["PGI"]["exchange"]["log"] and not found["PGI"]["net"]["log"]
    assert set(found["PFK"]) == {"net"}
    assert histogram(np.full(100, 3.0)) == {}
    assert flux_histograms(ccm.reference_fluxes(), ccm) == [{}] * len(ccm.reactions)


def test_a_node_knows_what_measured_tables_call_it(ccm):
    nodes = {each["name"]: each for each in map_data(ccm.reference_fluxes(), ccm)["nodes"]}
    assert "citrate" in nodes["Cit.m"]["also"] and "citrate" in nodes["Cit.c"]["also"]


def test_reactions_without_a_route_are_left_out(ccm):
    layout = map_layout(ccm)
    part = replace(layout, routes={name: layout.routes[name] for name in ("PGI", "PFK")})
    assert fluxkit.flux_map(ccm.reference_fluxes(), ccm, layout=part).data == map_data(
        ccm.reference_fluxes(), ccm, layout=part
    )
    assert [each["name"] for each in map_data(ccm.reference_fluxes(), ccm, layout=part)["arrows"]] == ["PGI", "PFK"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_picture_holds_every_flux_and_its_number_as_text(ccm, tmp_path, theme):
    widget = fluxkit.flux_map(draws_of(ccm), ccm, title="A < B", theme=theme)
    root = ElementTree.parse(widget.to_svg(tmp_path / "map.svg")).getroot()
    space = "{http://www.w3.org/2000/svg}"
    drawn = {each.get("data-reaction"): float(each.get("data-net")) for each in root.iter(f"{space}g")}
    assert drawn == {each["name"]: each["net"] for each in widget.data["arrows"]}
    texts = ["".join(each.itertext()) for each in root.iter(f"{space}text") if each.get("data-reaction") == "PGI"]
    label = arrow(widget.data, "PGI")["label"]
    assert texts == [f"{label['text']}{label['value']}{label['interval']}"]
    assert map_svg(widget.data, theme=theme) == (tmp_path / "map.svg").read_text(encoding="utf-8")


def test_a_page_with_histograms_stays_small(ccm, tmp_path):
    path = fluxkit.flux_map(estimate_of(ccm), ccm).to_html(tmp_path / "map.html")
    assert path.stat().st_size < 250_000


def test_the_widget_sends_its_page_when_the_button_asks(toy):
    widget, sent = fluxkit.flux_map(toy.reference_fluxes(), toy), []
    widget.send = lambda content, buffers=None: sent.append(content)
    widget._handle_custom_msg({"wants": "page"}, [])
    assert sent == [{"page": map_page(widget.data)}]
