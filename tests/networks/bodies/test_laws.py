"""Laws of composed bodies: scales, names and blood that flows fast change nothing of the labeling."""

from dataclasses import replace

import numpy as np
import pytest

from fluxkit import BodyPlan, Circulation, Tissue, compose_body, draw_fluxes, simulate
from fluxkit.networks import Network

TRACER = "Glc_inf_x: 100% [1,2-13C2]"
MUSCLE = ("glycolysis", "lactate", "pyruvate_oxidation", "pyruvate_carboxylase", "tca_cycle", "malic_enzyme")
LIVER = ("lactate", "pyruvate_oxidation", "pyruvate_carboxylase", "tca_cycle", "gluconeogenesis")
LIMITS = {"limit": 100.0, "interfaces": "breath", "infusions": {"Glc": 10.0, "Lac": 5.0}}


@pytest.fixture(autouse=True)
def interpreter(monkeypatch):
    monkeypatch.setenv("FLUXKIT_ENGINE", "interpreter")  # to interpret a few states takes less time than to compile


def body(circulation=None, **tissues: Tissue) -> Network:
    parts = {"L": Tissue("L", LIVER), "M": Tissue("M", MUSCLE), **tissues}
    return compose_body(BodyPlan(tuple(parts.values()), circulation or Circulation(), name="small", **LIMITS))


def mids_of(network: Network, net, exchange) -> dict[str, np.ndarray]:
    """MIDs of every balanced pool, of one state after another."""
    state = draw_fluxes(network, 1, seed=0).isel(draw=[0] * len(net))
    state["net_flux"].values[:], state["exchange_flux"].values[:] = net, exchange
    found = simulate(network, state, TRACER)
    values = found["mid"].values.reshape(len(net), -1)
    return {name: values[:, found["fragment"].values == name] for name in network.balanced}


def states(network: Network, count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draws = draw_fluxes(network, count, seed=5)
    return draws["net_flux"].values, draws["exchange_flux"].values


@pytest.mark.parametrize("field", ["scale", "fraction"])
@pytest.mark.parametrize("size", [0.04, 0.5])
def test_a_scale_with_fluxes_per_mass_is_no_scale_with_fluxes_per_body(field, size):
    plain, scaled = body(), body(M=Tissue("M", MUSCLE, **{field: size}))
    net, exchange = states(plain)
    factor = np.where([name.startswith("M_") for name in plain.reaction_names], 1 / size, 1.0)
    np.testing.assert_allclose(scaled.stoichiometry @ (net * factor).T, 0, atol=1e-9)
    expected, found = mids_of(plain, net, exchange), mids_of(scaled, net * factor, exchange * factor)
    assert list(found) == list(expected)
    for name, mid in expected.items():
        np.testing.assert_allclose(found[name], mid, rtol=0, atol=1e-9)  # rounding of 1/scale, through the solves


def test_a_scaled_template_has_the_prior_of_the_plain_one():
    plan = BodyPlan((Tissue("L", "liver"), Tissue("E", "red_cells")), interfaces="breath", infusions="Glc")
    plan = replace(plan, rest=("Ala", "BHB", "Gln", "Gly", "Glyc", "NH3", "OFA", "Pal", "Prop", "Ser", "Urea"))
    plain = compose_body(plan)
    scaled = compose_body(replace(plan, tissues=(Tissue("L", "liver", scale=0.05), plan.tissues[1])))
    assert len(plain.rules) == len(scaled.rules) == len(plain.reactions)
    for name in plain.reaction_names:
        one, other = plain.rule(name), scaled.rule(name)
        size = 0.05 if name.startswith("L_") else 1.0
        pairs = [(one.lower, other.lower), (one.upper, other.upper), (one.exchange_upper, other.exchange_upper)]
        if one.target is not None:
            deviations = (3 * max(abs(each.target), 1) / np.sqrt(each.weight) for each in (one, other))
            pairs += [(one.target, other.target), tuple(deviations)]
        for here, there in pairs:
            assert (here is None) == (there is None)
            assert here is None or np.isclose(here, there * size, rtol=1e-12), name


def test_names_of_tissues_and_pools_change_nothing():
    plain = body()
    renamed = compose_body(
        BodyPlan((Tissue("Q7", LIVER), Tissue("W", MUSCLE)), Circulation(pool="Z"), name="small", **LIMITS)
    )
    letters = {"L": "Q7", "M": "W", "P": "Z"}
    net, exchange = states(plain)
    expected, found = mids_of(plain, net, exchange), mids_of(renamed, net, exchange)
    for name, mid in expected.items():
        stem, _, letter = name.rpartition(".")
        np.testing.assert_array_equal(found[f"{stem}.{letters[letter]}"], mid)


def split_state(network: Network, plain: Network, net, exchange, flow: float) -> np.ndarray:
    """The state of an arterial-venous body that does what the one-pool body does, with so much blood besides."""
    known = {}
    for i, name in enumerate(plain.reaction_names):
        known |= {name: net[:, i], f"{name}_f": np.maximum(net[:, i], 0) + exchange[:, i]}
        known[f"{name}_r"] = np.maximum(-net[:, i], 0) + exchange[:, i]
    state = np.stack([known.get(name, np.full(len(net), flow)) for name in network.reaction_names], axis=1)
    for name in network.reaction_names:
        if name.startswith("FLOW_"):  # venous return is what passes the tissues and what they release
            row = network.balanced.index(f"{name.removeprefix('FLOW_')}.Pv")
            state[:, network.reaction_index[name]] += network.stoichiometry[row] @ state.T
    return state


def test_one_pool_of_plasma_is_the_limit_of_fast_blood():
    plain, split = body(), body(Circulation("arterial-venous"))
    net, exchange = states(plain)
    expected = mids_of(plain, net, exchange)
    off = []
    for flow in (1e4, 1e5, 1e6):
        state = split_state(split, plain, net, exchange, flow)
        np.testing.assert_allclose(split.stoichiometry @ state.T, 0, atol=1e-9 * flow)
        moving = np.where(
            split.reversible, exchange[:, [plain.reaction_index.get(n, 0) for n in split.reaction_names]], 0
        )
        found = mids_of(split, state, moving)
        pools = {name: name[:-1] if name.endswith((".Pa", ".Pv")) else name for name in found}
        off.append(max(float(np.abs(found[name] - expected[pool]).max()) for name, pool in pools.items()))
    assert off[2] < 1e-3
    np.testing.assert_allclose([off[0] / off[1], off[1] / off[2]], 10, rtol=0.1)  # the difference falls as 1 / flow


def portal_body() -> Network:
    circulation = Circulation("portal", rest_flow=0.1)
    tissues = {
        "L": Tissue("L", LIVER, flow=0.3),
        "M": Tissue("M", MUSCLE, flow=0.5),
        "G": Tissue("G", "glucose_to_lactate", flow=0.2, drains="portal"),
        "K": Tissue("K", "glucose_to_lactate", flow=0.1),
    }
    return body(circulation, **tissues)


def test_uptake_and_passage_of_each_tissue_are_its_blood_flow_times_the_arterial_concentration():
    network = portal_body()
    net, _ = states(network, 4)
    flux = {name: net[:, i] for i, name in enumerate(network.reaction_names)}
    concentration = flux["PASS_Glc"] / 0.1
    assert (concentration > 0).all()
    for outflow, share in (
        (flux["M_HK"] + flux["PASS_M_Glc"], 0.5),
        (flux["K_GLY"] + flux["PASS_K_Glc"], 0.1),
        (flux["G_GLY"] + flux["PASS_G_Glc"], 0.2),
        (flux["FLOW_Ps_Glc"], 0.1),
    ):
        np.testing.assert_allclose(outflow / share, concentration, rtol=1e-6)
    # what enters the arteries leaves them with a whole cardiac output
    np.testing.assert_allclose(flux["FLOW_Glc"] + flux["INF_Glc"], concentration, rtol=1e-6)
    # the liver's inflow is what the intestine left and released, and the hepatic artery
    np.testing.assert_allclose(flux["FLOW_Pp_Lac"], flux["PASS_G_Lac"] + flux["G_MCT_f"], rtol=1e-6)
    np.testing.assert_allclose(
        flux["PASS_L_Lac"] + flux["L_MCT_r"], flux["FLOW_Pp_Lac"] + flux["FLOW_Ps_Lac"], rtol=1e-6
    )


def test_the_portal_vein_carries_arterial_blood_and_what_the_intestine_releases():
    network = portal_body()
    net, exchange = states(network, 2)
    found = mids_of(network, net, exchange)
    flux = {name: net[:, i : i + 1] for i, name in enumerate(network.reaction_names)}
    mixed = flux["PASS_G_Lac"] * found["Lac.Pa"] + flux["G_MCT_f"] * found["Lac.G"]
    np.testing.assert_allclose(found["Lac.Pp"], mixed / flux["FLOW_Pp_Lac"], rtol=0, atol=1e-9)


def test_two_molecules_of_one_pool_count_twice_in_the_flow_of_a_tissue():
    maker = ("FAX: Ac.@ (ab) + Ac.@ (cd) -> AcAc (abcd)", "OUT: AcAc (abcd) -> Used_x (abcd)")
    eater = ("IN: Ac.@ (ab) -> Ac (ab)", "OUT: Ac (ab) -> Used_x (ab)")
    tissues = (Tissue("A", maker, flow=0.5), Tissue("B", eater, flow=0.5))
    (flow,) = compose_body(BodyPlan(tissues, Circulation("arterial-venous"), infusions="Ac")).equalities
    assert {name: abs(each) for name, each in flow.coefficients.items()} == {
        "A_FAX": 4.0,
        "PASS_A_Ac": 2.0,
        "B_IN": 2.0,
        "PASS_B_Ac": 2.0,
    }


def test_the_rest_of_the_body_takes_no_more_than_its_blood_brings():
    eater = ("IN: Glc.@ (abcdef) -> Glc (abcdef)", "OUT: Glc (abcdef) -> Used_x (abcdef)")
    other = ("IN: Lac.@ (abc) -> Lac (abc)", "OUT: Lac (abc) -> Used_x (abc)")
    tissues = (Tissue("M", eater, flow=0.5), Tissue("K", other, flow=0.3))
    circulation = Circulation("arterial-venous", rest_flow=0.2)
    network = compose_body(
        BodyPlan(tissues, circulation, infusions={"Glc": 10.0, "Lac": 5.0}, rest=("Glc", "Lac"), limit=100.0)
    )
    net, _ = states(network, 4)
    flux = {name: net[:, i] for i, name in enumerate(network.reaction_names)}
    for name, uptake, passes, share in (("Glc", "M_IN", "M", 0.5), ("Lac", "K_IN", "K", 0.3)):
        concentration = (flux[uptake] + flux[f"PASS_{passes}_{name}"]) / share
        rest = flux[f"REST_{name}_out"] + flux[f"PASS_{name}"]
        np.testing.assert_allclose(rest / 0.2, concentration, rtol=1e-6)
        assert (flux[f"REST_{name}_out"] <= 0.2 * concentration * (1 + 1e-6)).all()
    # what does not use it is passed by a whole blood flow
    np.testing.assert_allclose(flux["PASS_K_Glc"] / 0.3, flux["PASS_Glc"] / 0.2 + flux["REST_Glc_out"] / 0.2, rtol=1e-6)
