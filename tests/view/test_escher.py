import json
import re
from dataclasses import replace

import numpy as np
import pytest

import fluxkit
from fluxkit.errors import NetworkError
from fluxkit.networks import list_networks, load_network
from fluxkit.view import automatic_layout, map_layout, read_escher, write_escher
from fluxkit.view.curves import evaluate, spline
from fluxkit.view.escher import MARGIN, check_escher


@pytest.fixture(scope="module")
def ccm():
    return load_network("ccm")


def foreign_map(path):
    """Glycolysis down to fructose bisphosphate as other programs draw it: own names, no notes, ATP at the side."""

    def metabolite(x, y, name, primary=True):
        return {"node_type": "metabolite", "x": x, "y": y, "bigg_id": name, "name": name.upper(), "label_x": x + 30,
                "label_y": y, "node_is_primary": primary}  # fmt: skip

    def marker(x, y, kind="multimarker"):
        return {"node_type": kind, "x": x, "y": y}

    nodes = {
        "1": metabolite(500, -100, "g6p_c"), "2": marker(500, 0), "3": marker(500, 50, "midmarker"),
        "4": marker(500, 100), "5": metabolite(500, 200, "f6p_c"), "6": marker(620, 350, "midmarker"),
        "7": metabolite(500, 500, "fdp_c"),
        "8": metabolite(700, 330, "atp_c", False), "9": marker(500, -300, "midmarker"),
    }  # fmt: skip

    def reaction(name, label, coefficients, *segments):
        return {
            "name": f"reaction {name}", "bigg_id": name, "reversibility": True, "label_x": label[0],
            "label_y": label[1], "gene_reaction_rule": "b4025", "genes": [{"bigg_id": "b4025", "name": "pgi"}],
            "metabolites": [{"bigg_id": key, "coefficient": value} for key, value in coefficients.items()],
            "segments": {str(10 * int(a) + i): {"from_node_id": a, "to_node_id": b, "b1": None, "b2": None}
                         for i, (a, b) in enumerate(segments)},
        }  # fmt: skip

    reactions = {
        "100": reaction("PGI", (540, 60), {"g6p_c": 1, "f6p_c": -1}, ("5", "4"), ("4", "3"), ("3", "2"), ("2", "1")),
        "101": reaction("pfk", (700, 380), {"f6p_c": -1, "atp_c": -1, "fdp_c": 1}, ("5", "6"), ("8", "6"), ("6", "7")),
        "102": reaction("GLCpts", (400, -250), {"g6p_c": 1}, ("9", "1")),
    }
    header = {"schema": "https://escher.github.io/escher/jsonschema/1-0-0#", "homepage": "https://escher.github.io",
              "map_id": "x", "map_name": "upper", "map_description": ""}  # fmt: skip
    canvas = {"x": -200, "y": -400, "width": 1400, "height": 1200}
    document = [header, {"reactions": reactions, "nodes": nodes, "text_labels": {}, "canvas": canvas}]
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def sampled(layout, route):
    tail, head = layout.places[route.tail], layout.places[route.head]
    curve = spline([(tail.x, tail.y), *route.via, (head.x, head.y)])
    return np.array([evaluate(curve, t)[0] for t in np.linspace(0, 1, 50)])


@pytest.mark.parametrize("name", [each for each in list_networks() if not each.startswith("wholebody")])
def test_a_layout_that_is_written_comes_back_the_same(name, tmp_path):
    network = load_network(name)
    layout = map_layout(network)
    assert read_escher(write_escher(layout, network, tmp_path / "map.json"), network) == layout


def test_a_metabolite_may_stand_in_two_places(ccm, tmp_path):
    layout = map_layout(ccm)
    twice = replace(layout, places={**layout.places, "CO2#2": replace(layout.places["CO2"], x=20.0)})
    again = read_escher(write_escher(twice, ccm, tmp_path / "map.json"), ccm)
    assert again.places["CO2#2"].name == "CO2" and again == twice


def test_a_written_map_holds_the_documented_fields_and_balanced_reactions(ccm, tmp_path):
    document = json.loads(write_escher(map_layout(ccm), ccm, tmp_path / "map.json").read_text(encoding="utf-8"))
    check_escher(document)
    reactions = document[1]["reactions"].values()
    assert [each["bigg_id"] for each in reactions] == list(ccm.reaction_names)
    for drawn, reaction in zip(reactions, ccm.reactions, strict=True):
        sides = {each.metabolite for each in (*reaction.substrates, *reaction.products)}
        assert {each["bigg_id"] for each in drawn["metabolites"]} == sides
        kinds = [document[1]["nodes"][each["to_node_id"]]["node_type"] for each in drawn["segments"].values()]
        assert kinds.count("midmarker") == 1
    assert (tmp_path / "map.json").stat().st_size < 400_000


def test_nodes_that_were_moved_move_the_layout(ccm, tmp_path):
    path = write_escher(map_layout(ccm), ccm, tmp_path / "map.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    node = next(each for each in document[1]["nodes"].values() if each.get("bigg_id") == "Lac.c")
    node["x"] += 40.0
    path.write_text(json.dumps(document), encoding="utf-8")
    assert read_escher(path, ccm).places["Lac.c"].x == map_layout(ccm).places["Lac.c"].x + 10.0


@pytest.mark.parametrize("make", [map_layout, automatic_layout])
def test_without_our_notes_arrows_still_run_the_same_way(ccm, tmp_path, make):
    layout = make(ccm)
    path = write_escher(layout, ccm, tmp_path / "map.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    del document[0]["metadata"]
    path.write_text(json.dumps(document), encoding="utf-8")
    found = read_escher(path, ccm)
    ratio = (found.width - 2 * MARGIN) / layout.width
    same = 0
    for name, route in layout.routes.items():
        other = found.routes[name]
        if (found.places[other.tail].name, found.places[other.head].name) != (route.tail, route.head):
            continue  # a join of equal standing may be taken for the tail
        same += 1
        ours, theirs = (sampled(each, r) for each, r in ((layout, route), (found, other)))
        gap = np.hypot(*(ours[:, None] * ratio + MARGIN - theirs[None]).transpose(2, 0, 1)).min(axis=1).max()
        assert gap < 10, name  # twice the bend that reading leaves out
    assert same >= 0.9 * len(layout.routes)


def test_a_map_from_elsewhere_is_matched_by_names_and_roles(ccm, tmp_path):
    path = foreign_map(tmp_path / "map.json")
    layout = read_escher(path, ccm, names={"GLCpts": "GLC_up"}, partial=True)
    assert set(layout.routes) == {"PGI", "PFK", "GLC_up"}
    pgi, pfk, uptake = (layout.routes[name] for name in ("PGI", "PFK", "GLC_up"))
    assert (pgi.tail, pgi.head, pgi.via) == ("G6P.c", "F6P.c", ())  # the map draws it the other way round
    assert (pfk.tail, pfk.head, pfk.ticks, pfk.side) == ("F6P.c", "FBP.c", (("atp_c", False),), "right")
    assert 1 <= len(pfk.via) <= 2  # its corner, rounded
    assert (uptake.tail, uptake.head) == ("Glc_x", "G6P.c")
    assert layout.places["G6P.c"].text == "G6P" and layout.places["Glc_x"].text == ""
    assert (layout.width - 2 * MARGIN) / (layout.height - 2 * MARGIN) == pytest.approx(1400 / 1200)
    data = fluxkit.flux_map(ccm.reference_fluxes(), ccm, layout=layout).data
    assert [each["name"] for each in data["arrows"]] == ["GLC_up", "PGI", "PFK"]


def test_what_does_not_match_is_refused_with_the_nearest_names(ccm, tmp_path):
    path = foreign_map(tmp_path / "map.json")
    with pytest.raises(NetworkError, match="2 of 3 reactions match") as error:
        read_escher(path, ccm)
    assert "'GLCpts' (Did you mean" in str(error.value) and "Only in network 'ccm': 'GLC_up', 'FBPase'" in str(
        error.value
    )
    assert "partial=True" in str(error.value)
    with pytest.raises(NetworkError, match="names give 'GLCpts' as 'GLC_op'.*Did you mean 'GLC_up'"):
        read_escher(path, ccm, names={"GLCpts": "GLC_op"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop(), "a JSON array of a header and a drawing"),
        (lambda d: d[0].pop("schema"), "header: field 'schema' is missing"),
        (lambda d: d[1]["nodes"]["2"].update(colour="red"), "node 2: unknown field 'colour'"),
        (lambda d: d[1]["nodes"]["1"].update(x="left"), "node 1: field 'x' holds 'left'"),
        (lambda d: d[1]["nodes"]["1"].update(node_type="gene"), "node 1: node_type 'gene'"),
        (lambda d: d[1]["reactions"]["102"]["segments"]["90"].update(to_node_id="77"), "there is no node '77'"),
        (lambda d: d[1]["reactions"]["102"].update(reversibility=1), "field 'reversibility' holds 1"),
        (lambda d: d[1]["reactions"].update(abc={}), "reaction 'abc': identifiers are numbers"),
        (lambda d: d[1]["canvas"].pop("width"), "canvas: field 'width' is missing"),
    ],
)
def test_a_faulty_map_is_refused_with_its_place(ccm, tmp_path, change, message):
    path = foreign_map(tmp_path / "map.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(NetworkError, match=re.escape(message)):
        read_escher(path, ccm)
