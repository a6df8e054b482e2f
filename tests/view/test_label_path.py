import re

import numpy as np
import pytest
import traitlets
import xarray as xr

import fluxkit
from fluxkit.errors import FluxError, TracerError
from fluxkit.labeling import simulate
from fluxkit.networks import Network, load_network, parse_reactions
from fluxkit.view import label_path_data
from fluxkit.view.label_path_atoms import Atom, atom_flows, atom_paths, labeled_fractions, one_state
from fluxkit.view.label_path_widget import LabelPath


@pytest.fixture(scope="module")
def ccm():
    return load_network("ccm")


def one_atom_fractions(network, fluxes, tracers, atoms):
    """Labeled fractions of single atoms by the EMU simulation."""
    names = [f"{each.metabolite}:{each.element}[{each.position + 1}]" for each in atoms]
    data = simulate(network, fluxes, tracers, fragments=names)
    mid = data["mid"].values[0]
    shift = data["mass_shift"].values == 1
    found = dict(zip(data["fragment"].values[shift].tolist(), mid[shift].tolist(), strict=True))
    return np.array([found[name] for name in names])


@pytest.mark.parametrize(
    ("tracer", "pool", "atoms"),
    [
        ("Glc_x: 100% [1,2-13C2]", "Glc_x", [1, 2]),
        ("Gln_x: 100% [2-15N]", "Gln_x", [("N", 2)]),
        ("Gln_x: 100% [1-13C]", "Gln_x", [1]),
    ],
)
@pytest.mark.parametrize("drawn", [False, True])
def test_fractions_are_those_of_the_simulation_of_one_atom_fragments(ccm, tracer, pool, atoms, drawn):
    fluxes = fluxkit.draw_fluxes(ccm, 1, seed=3).isel(draw=0) if drawn else ccm.reference_fluxes()
    table = atom_paths(ccm, pool, atoms, fluxes)
    table = table[~table.metabolite.str.endswith("_x")]
    every = [Atom(row.metabolite, row.element, row.position - 1) for row in table.itertuples()]
    expected = one_atom_fractions(ccm, fluxes, tracer, every)
    assert np.abs(table.labeled_fraction.to_numpy() - expected).max() < 1e-9  # both solve in double precision


def test_label_that_enters_is_the_label_that_leaves(ccm):
    state = one_state(ccm)
    flows = atom_flows(ccm, state, "C")
    labels = {Atom("Glc_x", "C", i): share for i, share in enumerate((1.0, 0.5, 0.0, 0.0, 0.25, 1.0))}
    fractions = labeled_fractions(ccm, flows, [labels])
    made = sum(each.rate * fractions[each.source][0] for each in flows if each.source.metabolite in ccm.inputs)
    lost = sum(each.rate * fractions[each.source][0] for each in flows if each.target.metabolite.endswith("_x"))
    assert made == pytest.approx(275.0)  # 100 glucose with 2.75 labeled atoms each
    assert lost == pytest.approx(made, rel=1e-9)


def test_every_atom_of_every_reaction_goes_somewhere_once(ccm):
    state = one_state(ccm)
    sent: dict[tuple, float] = {}
    for flow in atom_flows(ccm, state, "CN"):
        key = (flow.source, flow.reaction, flow.backward)
        sent[key] = sent.get(key, 0.0) + flow.rate
    for reaction in ccm.reactions:
        rates = {round(rate, 9) for (_, name, backward), rate in sent.items() if name == reaction.name and not backward}
        assert len(rates) <= 1, reaction.name  # every atom of a substrate leaves at the rate of the reaction


def test_carbon_1_of_glucose_becomes_carbon_3_of_lactate(ccm):
    table = atom_paths(ccm, "Glc_x", [1]).set_index(["metabolite", "position"])
    lactate = table.xs("Lac.c")
    assert lactate.labeled_fraction.idxmax() == 3
    way, place = [], ("Lac.c", 3)
    while table.loc[place, "distance"] > 0:
        way.append(table.loc[place, "reaction"])
        place = (table.loc[place, "source_metabolite"], table.loc[place, "source_position"])
    assert " ".join(reversed(way)) == "GLC_up PGI PFK ALD TPI GAPDH ENO PK LDH"
    assert table.loc[("Lac.c", 3), "distance"] == 9


def test_the_oxidative_pentose_pathway_takes_carbon_1_of_1_2_labeled_glucose(ccm):
    table = atom_paths(ccm, "Glc_x", [1, 2]).set_index(["metabolite", "position"])
    lost = table.loc[("CO2", 1)]
    assert (lost.source_metabolite, lost.source_position, lost.reaction) == ("PG6.c", 1, "PGD")
    kept = table.loc[("Ru5P.c", 1)]
    assert (kept.source_metabolite, kept.source_position, kept.reaction) == ("PG6.c", 2, "PGD")


def test_both_halves_of_a_symmetric_molecule_carry_the_same_label(ccm):
    table = atom_paths(ccm, "Gln_x", [1, 2]).set_index(["metabolite", "position"]).labeled_fraction
    for name in ("Suc.m", "Fum.m", "Fum.c"):
        assert table[name, 1] == pytest.approx(table[name, 4], rel=1e-12)
        assert table[name, 2] == pytest.approx(table[name, 3], rel=1e-12)
    assert table["SucCoA.m", 1] != pytest.approx(table["SucCoA.m", 4], rel=0.01)


def test_label_of_all_atoms_of_all_inputs_labels_everything(ccm):
    flows = atom_flows(ccm, one_state(ccm), "CN")
    sources = {each.source for each in flows if each.source.metabolite in ccm.inputs}
    fractions = labeled_fractions(ccm, flows, [dict.fromkeys(sources, 1.0)])
    assert min(each[0] for each in fractions.values()) == pytest.approx(1.0, abs=1e-9)


def test_a_pool_that_no_flux_supplies_has_no_fraction():
    reactions, _ = parse_reactions("a: X_x (a) -> Y (a)\nb: Y (a) -> Z_x (a)\nc: V (a) <-> W (a)\nd: V (a) <-> W (a)")
    network = Network("closed", reactions)
    state = xr.Dataset(
        {"net_flux": ("reaction", [1.0, 1.0, 0.0, 0.0]), "exchange_flux": ("reaction", [0.0, 0.0, 5.0, 1.0])},
        coords={"reaction": list(network.reaction_names)},
    )
    fraction = atom_paths(network, "X_x", [1], state).set_index("metabolite").labeled_fraction
    assert fraction["Y"] == 1.0 and np.isnan(fraction["V"]) and np.isnan(fraction["W"])


def test_what_cannot_be_followed_is_refused(ccm):
    with pytest.raises(TracerError, match="'Glc' is no input pool of 'ccm'. Did you mean 'Glc_x'"):
        atom_paths(ccm, "Glc", [1])
    with pytest.raises(TracerError, match="Glc_x has atoms 1 to 6 of C in 'ccm', not 7"):
        atom_paths(ccm, "Glc_x", [7])
    with pytest.raises(TracerError, match="no atom of 'Glc_x'"):
        atom_paths(ccm, "Glc_x", [])
    with pytest.raises(FluxError, match=r"one flux state, not several over 'draw'; use .isel\(draw=0\)"):
        atom_paths(ccm, "Glc_x", [1], fluxkit.draw_fluxes(ccm, 2, seed=0))


def test_steps_go_outward_and_end_where_the_table_says(ccm):
    data = label_path_data(ccm, "[1,2-13C2]glucose")
    steps = data["choices"][0]["steps"]
    assert [each["distance"] for each in steps] == sorted(each["distance"] for each in steps)
    assert steps[0]["text"] == "GLC_up carries C1, C2 of Glc_x to C1, C2 of G6P.c"
    assert "PGD carries C1 of PG6.c to C1 of CO2" in [each["text"] for each in steps]
    assert [each["name"] for each in data["choices"]] == ["all labeled atoms", "C1 of Glc_x", "C2 of Glc_x"]
    seen = {(pool, element, position) for pool, element, position in data["choices"][0]["start"]}
    for step in steps:
        assert all(tuple(move[:3]) in seen for move in step["moves"])  # label only comes from where it already is
        seen |= {(step["target"], move[1], move[3]) for move in step["moves"]}
    table = atom_paths(ccm, "Glc_x", [1, 2])
    table = table[(table.labeled_fraction >= data["smallest"]) & table.metabolite.isin([*ccm.balanced, "Glc_x"])]
    names = [each["name"] for each in data["pools"]]
    assert seen == {(names.index(r.metabolite), r.element, r.position - 1) for r in table.itertuples()}


def test_fractions_of_single_atoms_add_up_to_those_of_the_tracer(ccm):
    data = label_path_data(ccm, "Glc_x: 50% [1-13C] + 30% [U-13C6]", smallest=0.0)
    whole, *parts = data["choices"]
    for i, pool in enumerate(data["pools"]):
        for element in pool["atoms"]:
            total = np.sum([each["fractions"][i][element] for each in parts], axis=0)
            assert total == pytest.approx(whole["fractions"][i][element], abs=4e-4)  # each is rounded to four digits
    assert whole["fractions"][0]["C"] == [0.8, 0.3, 0.3, 0.3, 0.3, 0.3]


def test_a_symmetric_molecule_is_said_to_split_its_label(ccm):
    texts = [each["text"] for each in label_path_data(ccm, "Gln_x[4]")["choices"][0]["steps"]]
    assert "SCS carries C3 of SucCoA.m to C2 or C3 of Suc.m, half of the label each way" in texts


def test_the_widget_refuses_what_it_cannot_show_and_its_page_needs_no_network(ccm, tmp_path):
    widget = fluxkit.label_path(ccm, "Gln_x: 100% [U-13C5,15N2]", title="</script>")
    assert widget.data == label_path_data(ccm, "Gln_x: 100% [U-13C5,15N2]", title="</script>")
    with pytest.raises(TypeError, match="no setting 'stepp'. Did you mean 'step'"):
        LabelPath(data=widget.data, stepp=1)
    with pytest.raises(traitlets.TraitError, match="there is no choice 99"):
        widget.choice = 99
    with pytest.raises(traitlets.TraitError, match="data lacks choices"):
        LabelPath(data={"pools": [], "elements": [], "tracer": ""})
    widget.step = 5
    page = widget.to_html(tmp_path / "path.html").read_text(encoding="utf-8")
    assert '"step":5' in page.replace(" ", "") and len(page) < 150_000
    assert re.findall(r"https?://[^\"'\s]+", page) == ["http://www.w3.org/2000/svg"]  # a name space, never fetched
    assert page.count("</script>") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Cit.m[1]", "'Cit.m\\[1\\]': label enters with an input pool, and Cit.m is none of 'ccm'"),
        ("Glc_x: 100% unlabeled", "labels no atom"),
        ("Glc_x: ?% [U-13C6]", "leaves a percentage open"),
    ],
)
def test_a_tracer_that_labels_nothing_known_is_refused(ccm, text, message):
    with pytest.raises(TracerError, match=message):
        label_path_data(ccm, text)
