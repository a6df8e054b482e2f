"""Organs of bodies whose circulation is not called P, and cycles that pass through one pool twice."""

import numpy as np
import pytest
import xarray as xr
from scipy.optimize import linprog

import fluxkit
from fluxkit.errors import NetworkError
from fluxkit.fluxes.completion import as_flux_dataset
from fluxkit.networks import read_network
from fluxkit.networks.checks import equality_system
from fluxkit.physiology import organ_balances, oxidation_by_tissue, substrate_cycle, urea_turnover
from fluxkit.physiology.body_parts import parts_of
from fluxkit.view import organ_exchange
from tests.physiology.small_bodies import body

PORTAL = """\
name = "portal mouse"
base = "wholebody"

[circulation]
kind = "portal"

[tissues]
L = { flow = 0.25 }
M = { flow = 0.35 }
A = { flow = 0.05 }
B = { flow = 0.10 }
K = { flow = 0.20 }
H = { flow = 0.05 }
G = { flow = 0.20, drains = "portal" }
"""
SMALL = """
%compartment L liver
%compartment M muscle
%compartment Q haemolymph
L_MAKE: Glyg.L_x (abcdef) -> Glc.L (abcdef)
L_GIVE: Glc.L (abcdef) -> Glc.Q (abcdef)
M_TAKE: Glc.Q (abcdef) -> Glc.M (abcdef)
M_BURN: Glc.M (abcdef) -> Out.M_x (abcdef)
"""


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    path = tmp_path_factory.mktemp("body") / "portal.toml"
    path.write_text(PORTAL, encoding="utf-8")
    network = read_network(path)
    return network, xr.concat([balanced_state(network, seed) for seed in (1, 2)], "draw")


def balanced_state(network, seed):
    """Return a balanced state within the bounds, the middle of random corners: a body's flux space takes a minute."""
    costs = np.random.default_rng(seed).standard_normal((12, len(network.reactions)))
    bounds = np.clip(np.stack(network.net_bounds, axis=1), -1e4, 1e4)
    matrix, value = equality_system(network)
    corners = [linprog(cost, A_eq=matrix, b_eq=value, bounds=bounds).x for cost in costs]
    net = dict(zip(network.reaction_names, np.mean(corners, axis=0), strict=True))
    return as_flux_dataset(network, net, exchange=1.0)


@pytest.mark.parametrize("element", [None, "C"])
def test_a_portal_vein_is_circulation_and_no_organ(portal, element):
    network, fluxes = portal
    balances = organ_balances(fluxes, network, element=element)["value"]
    assert set(balances["organ"].values) == {*"LMABKHGE", "outside"}
    np.testing.assert_allclose(balances.sum("organ"), 0.0, atol=1e-6 * float(abs(balances).max()))


def test_every_organ_of_a_portal_body_gives_off_the_carbon_dioxide_of_its_own_reactions(portal):
    network, fluxes = portal
    net = fluxes["net_flux"]
    balances = organ_balances(fluxes, network, ["CO2"])["value"].sel(nutrient="CO2")
    for organ in "LMABKHGE":
        made = 0.0
        for place, reaction in enumerate(network.reactions):
            if reaction.name.startswith(f"{organ}_"):
                for sign, side in ((-1, reaction.substrates), (1, reaction.products)):
                    count = sum(each.coefficient for each in side if each.metabolite.startswith("CO2.P"))
                    made = made + sign * count * net.isel(reaction=place, drop=True)
        found = balances.sel(organ=organ) if organ in balances["organ"] else 0.0
        np.testing.assert_allclose(found, made, atol=1e-9)
    burnt = oxidation_by_tissue(fluxes.isel(draw=[0]), network)["value"]
    assert set(burnt["tissue"].values) <= set("LMABKHGE")


def test_the_circulation_may_have_any_letter(tmp_path):
    (tmp_path / "small.rxn").write_text(SMALL, encoding="utf-8")
    network = read_network(tmp_path / "small.rxn")
    net = dict.fromkeys(network.reaction_names, 2.0)
    table = organ_balances(net, network)["value"]
    assert table["organ_name"].values.tolist() == ["liver", "muscle"]
    np.testing.assert_allclose(table.sel(nutrient="Glc"), [2.0, -2.0])
    assert parts_of(network, ["M"]).circulation == {"M": "muscle"}


def test_compartments_without_a_circulation_are_refused_with_the_cure(tmp_path):
    (tmp_path / "small.rxn").write_text(SMALL.replace("%compartment Q haemolymph\n", ""), encoding="utf-8")
    network = read_network(tmp_path / "small.rxn")
    net = dict.fromkeys(network.reaction_names, 2.0)
    with pytest.raises(NetworkError, match=r"none of them a circulation.*plasma=\[...\]"):
        organ_balances(net, network)
    assert float(organ_balances(net, network, plasma=["Q"])["value"].sel(organ="L", nutrient="Glc")) == 2.0


@pytest.mark.parametrize("name", ["wholebody", "wholebody_av", "wholebody_core", "coculture"])
def test_the_map_of_a_body_shows_the_balances_of_its_organs(name):
    network = fluxkit.load_network(name)
    state = network.reference_fluxes()
    table = organ_exchange(state, network)
    table = table[(table.partner == "circulation") & (table.letter != "")].set_index(["key", "letter"])["net_flux"]
    balances = organ_balances(state, network)["value"].drop_sel(organ="outside", errors="ignore")
    balances = balances.to_series().rename_axis(["key", "letter"])
    np.testing.assert_allclose(balances[table.index], table, rtol=0, atol=1e-9)
    np.testing.assert_allclose(balances.drop(table.index), 0.0, atol=1e-12)


def test_urine_belongs_to_the_kidney_and_is_still_excretion():
    network = fluxkit.load_network("wholebody")
    state = network.reference_fluxes()
    excreted = float(state["net_flux"].sel(reaction="K_UREAu"))
    assert float(organ_balances(state, network, ["Urea"])["value"].sel(organ="K", nutrient="Urea")) == pytest.approx(
        -excreted
    )
    assert float(urea_turnover(state, network)["excreted"]) == pytest.approx(excreted)


def test_a_pool_that_takes_part_twice_counts_twice_in_a_cycle():
    network = body(
        "twice",
        """
        in: S_x (abc) -> T.L (abc)
        up: T.L (abc) + T.L (def) -> H.L (abcdef)
        down: H.L (abcdef) -> T.L (abc) + T.L (def)
        out: H.L (abcdef) -> Out.L_x (abcdef)
        """,
    )
    net = {"in": 2.0, "up": 4.0, "down": 3.0, "out": 1.0}
    found = substrate_cycle(net, network, "T.L", "H.L")
    assert (float(found["forward"]), float(found["backward"])) == (8.0, 6.0)
    assert float(found["cycle"]) == 2 * float(substrate_cycle(net, network, "H.L", "T.L")["cycle"])
