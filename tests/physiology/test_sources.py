import numpy as np
import pytest
import xarray as xr

import fluxkit
from fluxkit.errors import FluxError, LabelingError, UnknownNameError
from fluxkit.fluxes.states import directed_fluxes
from fluxkit.labeling import simulate
from fluxkit.physiology import (
    atom_enrichment,
    carbon_sources,
    conversion_fluxes,
    conversions_of_state,
    direct_contributions,
    direct_oxidation,
    normalised_labeling,
    nutrient_cycle,
    oxidised_fraction,
    quantity,
    turnover,
)
from tests.physiology.small_bodies import TRIO, TRIO_EXCHANGE, TRIO_NET, TRIO_TRACERS, UNIT, body

CARBON = "nmol C/min/g"


def state():
    net = np.array([TRIO_NET[name] for name in TRIO.reaction_names])
    swap = np.array([TRIO_EXCHANGE.get(name, 0.0) for name in TRIO.reaction_names])
    return xr.Dataset(
        {"net_flux": ("reaction", net), "exchange_flux": ("reaction", swap)},
        coords={"reaction": list(TRIO.reaction_names)},
    )


@pytest.fixture(scope="module")
def labeling():
    return simulate(TRIO, state(), TRIO_TRACERS).rename(experiment="tracer")


def enrichment_of(labeling, names):
    parts = [atom_enrichment(labeling, f"{name}.P", site="artery") for name in names]
    index = xr.DataArray(list(names), dims="nutrient", coords={"nutrient": list(names)})
    together = xr.concat([part["value"].reset_coords(drop=True) for part in parts], index)
    return quantity(together.transpose("tracer", "nutrient"), 0.0, "fraction", basis="atom", site="artery")


@pytest.fixture(scope="module")
def enrichment(labeling):
    return enrichment_of(labeling, "ABC")


@pytest.fixture(scope="module")
def disappearance(enrichment):
    own = xr.DataArray(np.diag(enrichment["value"]), dims="nutrient", coords={"nutrient": list("ABC")})
    infusion = xr.DataArray([2.0, 1.0, 0.5], dims="nutrient", coords={"nutrient": list("ABC")})
    plasma = quantity(own, 0.0, "fraction", basis="atom", site="artery")
    return turnover(plasma, quantity(infusion, 0.0, CARBON), definition="atom disappearance")


def test_the_direct_sources_of_a_simulated_body_are_its_fluxes(enrichment):
    found = direct_contributions(enrichment, draws=0)
    # A enters plasma new (10 + 1), from B (3), from C (1); of what its tissue (20 in, 5 back) returns all is its own
    shares = {("A", "B"): 3 / 15, ("A", "C"): 1 / 15, ("B", "A"): 6 / 10.5, ("C", "B"): 2 / 3.25}
    for target in "ABC":
        for source in "ABC":
            value = float(found["contribution"].sel(target=target, source=source))
            assert value == pytest.approx(shares.get((target, source), 0.0), abs=1e-9)
    assert float(found["other"].sel(target="A")) == pytest.approx(11 / 15, abs=1e-9)
    np.testing.assert_allclose(found["chi_square"], 0, atol=1e-12)


def test_conversions_from_labeling_are_the_fluxes_between_nutrients(enrichment, disappearance):
    found = conversion_fluxes(direct_contributions(enrichment, draws=0), disappearance, protocol="all infused")["value"]
    fluxes = {("A", "B"): 6.0, ("A", "C"): 2.0, ("B", "A"): 12.0, ("C", "B"): 4.0}  # two carbons each
    for target in "ABC":
        for source in "ABC":
            expected = fluxes.get((target, source), 0.0)
            assert float(found.sel(target=target, source=source)) == pytest.approx(expected, abs=1e-8)


def test_conversions_of_a_flux_state_are_those_that_labeling_finds(enrichment, disappearance):
    exact = conversions_of_state(state(), TRIO)
    found = conversion_fluxes(direct_contributions(enrichment, draws=0), disappearance, protocol="all infused")
    for target in "ABC":
        for source in set("ABC") - {target}:
            both = [float(each["value"].sel(target=target, source=source)) for each in (exact, found)]
            assert both[0] == pytest.approx(both[1], abs=1e-8)
    # the tissue takes up 20 and gives back 5: all of it is its own, two carbons each
    assert float(exact["value"].sel(target="A", source="A")) == pytest.approx(10.0)
    assert float(exact["value"].sel(target="A", source="stores")) == pytest.approx(22.0)


def alone(infused):
    """The body where one nutrient alone is infused; what is infused more of it is burnt more, nothing else changes."""
    net = dict(TRIO_NET)
    for name in set("ABC") - {infused}:
        rate = TRIO_NET[f"i{name}"]
        net[f"i{name}"] = 0.0
        net[f"o{name}"] -= rate
        net["breath"] -= 2 * rate
        if name == "A":
            net["tA"] -= rate
    values = state()["net_flux"].copy(data=[net[name] for name in TRIO.reaction_names])
    return state().assign(net_flux=values)


@pytest.fixture(scope="module")
def one_each():
    """Enrichment where the experiment of each tracer infuses that nutrient alone."""
    parts = [
        enrichment_of(simulate(TRIO, alone(name), {name: TRIO_TRACERS[name]}).rename(experiment="tracer"), "ABC")
        for name in "ABC"
    ]
    together = xr.concat([part["value"] for part in parts], "tracer")
    return quantity(together, 0.0, "fraction", basis="atom", site="artery")


def turnover_of(enrichment, definition):
    index = xr.DataArray(list("ABC"), dims="nutrient", coords={"nutrient": list("ABC")})
    plasma = quantity(index.copy(data=np.diag(enrichment["value"])), 0.0, "fraction", basis="atom", site="artery")
    return turnover(plasma, quantity(index.copy(data=[2.0, 1.0, 0.5]), 0.0, CARBON), definition=definition)


def test_conversions_where_each_experiment_infuses_one_nutrient_are_the_fluxes_between_them(one_each):
    shares = direct_contributions(one_each, draws=0)
    assert float(shares["contribution"].sel(target="A", source="B")) == pytest.approx(3 / 14)  # no infusion in it
    rate = turnover_of(one_each, "atom appearance")
    found = conversion_fluxes(shares, rate, protocol="one infusion each")["value"]
    fluxes = {("A", "B"): 6.0, ("A", "C"): 2.0, ("B", "A"): 12.0, ("C", "B"): 4.0}
    for target in "ABC":
        for source in "ABC":
            expected = fluxes.get((target, source), 0.0)
            assert float(found.sel(target=target, source=source)) == pytest.approx(expected, abs=1e-8)
    wrong = turnover_of(one_each, "atom disappearance")
    too_much = conversion_fluxes(shares, wrong, protocol="all infused")["value"]
    assert float(too_much.sel(target="A", source="B")) > 6.4  # the infusion, 1 of 15, counted though none was there


def test_the_turnover_must_be_that_of_the_protocol(one_each, disappearance):
    shares = direct_contributions(one_each, draws=0)
    with pytest.raises(FluxError, match="'one infusion each' shares of carbon belong to 'atom appearance' alone"):
        conversion_fluxes(shares, disappearance, protocol="one infusion each")
    with pytest.raises(FluxError, match="'all infused' shares of carbon belong to 'atom disappearance' alone"):
        conversion_fluxes(shares, turnover_of(one_each, "atom appearance"), protocol="all infused")
    with pytest.raises(UnknownNameError, match="no protocol 'one infusion'. Did you mean 'one infusion each'"):
        conversion_fluxes(shares, disappearance, protocol="one infusion")
    with pytest.raises(TypeError, match="protocol"):
        conversion_fluxes(shares, disappearance)


def test_a_loop_of_pools_that_nothing_supplies_has_no_origin():
    loop = body(
        "loop",
        """
        feed: S.L_x (ab) -> A.P (ab)
        use: A.P (ab) -> Out.M_x (ab)
        in: A.P (ab) <-> X.M (ab)
        swap: X.M (ab) <-> Y.M (ab)
        back: Y.M (ab) -> X.M (ab)
        """,
    )
    fluxes = xr.Dataset(
        {
            "net_flux": ("reaction", [2.0, 2.0, 0.0, 3.0, 3.0]),
            "exchange_flux": ("reaction", [0.0, 0.0, 0.0, 5.0, 0.0]),
        },
        coords={"reaction": list(loop.reaction_names)},
    )
    found = carbon_sources(fluxes, loop, ["X.M", "Y.M"])["value"]
    assert (found == 0).all()
    supplied = fluxes.assign(exchange_flux=("reaction", [0.0, 0.0, 1.0, 5.0, 0.0]))
    np.testing.assert_allclose(carbon_sources(supplied, loop, ["X.M", "Y.M"])["value"].sel(source="A"), 1.0)
    np.testing.assert_allclose(conversions_of_state(fluxes, loop)["value"].sel(target="A", source="stores"), 4.0)


def test_a_cycle_carries_the_smaller_of_its_two_directions(enrichment, disappearance):
    cycle = nutrient_cycle(
        conversion_fluxes(direct_contributions(enrichment, draws=0), disappearance, protocol="all infused"), "A", "B"
    )
    assert float(cycle["forward"]) == pytest.approx(12.0)
    assert float(cycle["backward"]) == float(cycle["cycle"]) == pytest.approx(6.0)


def test_breath_of_a_simulated_body_tells_what_each_nutrient_burns(labeling, enrichment, disappearance):
    breath = atom_enrichment(labeling, "CO2.P")["value"].reset_coords(drop=True).rename(tracer="nutrient")
    infusion = xr.DataArray([2.0, 1.0, 0.5], dims="nutrient", coords={"nutrient": list("ABC")})
    produced = xr.full_like(infusion, 33.5)
    share = oxidised_fraction(
        quantity(breath.assign_coords(nutrient=list("ABC")), 0.0, "fraction"), quantity(produced, 0.0, CARBON),
        quantity(infusion, 0.0, CARBON), recovery=1.0,
    )  # fmt: skip
    np.testing.assert_allclose(share["value"], 1.0, rtol=1e-9)  # nothing is stored in this body
    burnt = direct_oxidation(enrichment, disappearance, share, draws=0)
    np.testing.assert_allclose(burnt["value"], [18.0, 11.0, 4.5], rtol=1e-8)
    exact = conversions_of_state(state(), TRIO, ["CO2"])["value"].sel(target="CO2", source=list("ABC"))
    np.testing.assert_allclose(burnt["value"], exact, rtol=1e-8)


def test_tissue_metabolites_have_plasma_nutrients_as_direct_sources(enrichment):
    truth = np.array([0.5, 0.2, 0.0])
    mixed = xr.DataArray(
        enrichment["value"].values @ truth[:, None], dims=("tracer", "target"),
        coords={"tracer": list("ABC"), "target": ["Cit"]},
    )  # fmt: skip
    found = direct_contributions(enrichment, quantity(mixed, 0.0, "fraction", basis="atom"), draws=0)
    np.testing.assert_allclose(found["contribution"].values[0], truth, atol=1e-9)
    assert np.isnan(found["recycled"]).all()


def test_intervals_hold_the_truth_as_often_as_they_say(enrichment):
    rng, hits, tries = np.random.default_rng(0), 0, 60
    sd = xr.full_like(enrichment["value"], 0.001)
    for trial in range(tries):
        noisy = (enrichment["value"] + sd * rng.standard_normal(sd.shape)).clip(0, 1)
        seen = quantity(noisy, sd, "fraction", basis="atom")
        found = direct_contributions(seen, draws=200, seed=trial).sel(target="B", source="A")
        hits += bool(found["lower"] <= 6 / 10.5 <= found["upper"])
    assert 0.78 <= hits / tries <= 0.98  # 90 % intervals; 60 trials have a standard error of 4 %


def test_the_sum_of_shares_is_at_most_one_only_where_asked(enrichment):
    much = enrichment["value"].sel(nutrient="A").values * 1.3
    too_much = xr.DataArray(much[:, None], dims=("tracer", "target"), coords={"tracer": list("ABC"), "target": ["X"]})
    target = quantity(too_much, 0.0, "fraction", basis="atom")
    held = direct_contributions(enrichment, target, draws=0)
    free = direct_contributions(enrichment, target, draws=0, at_most_one=False)
    assert float(held["contribution"].sum()) == pytest.approx(1.0)
    assert float(free["contribution"].sum()) == pytest.approx(1.3)


def test_scaling_a_tracer_leaves_normalised_labeling_and_sources(enrichment):
    scaled = enrichment.copy()
    scaled["value"] = enrichment["value"] * xr.DataArray([0.5, 0.3, 1.0], dims="tracer", coords={"tracer": list("ABC")})
    np.testing.assert_allclose(normalised_labeling(scaled)["value"], normalised_labeling(enrichment)["value"])
    both = [direct_contributions(each, draws=0)["contribution"] for each in (scaled, enrichment)]
    np.testing.assert_allclose(both[0], both[1], atol=1e-9)


def test_all_carbon_that_enters_a_plasma_pool_of_the_whole_body_has_a_source():
    network = fluxkit.load_network("wholebody")
    fluxes = network.reference_fluxes()
    found = conversions_of_state(fluxes, network)["value"]
    rates = directed_fluxes(network, fluxes["net_flux"].values, fluxes["exchange_flux"].values)
    back = dict(zip(np.flatnonzero(network.reversible), rates[len(network.reactions) :], strict=True))
    for name in ("Glc", "Lac", "Gln", "CO2"):
        enters = 0.0
        for place, reaction in enumerate(network.reactions):
            enters += rates[place] * sum(p.coefficient for p in reaction.products if p.metabolite == f"{name}.P")
            if place in back:
                enters += back[place] * sum(p.coefficient for p in reaction.substrates if p.metabolite == f"{name}.P")
        carbon = network.atom_counts[f"{name}.P"]["C"]
        assert float(found.sel(target=name).sum()) == pytest.approx(carbon * enters, rel=1e-9)
    assert (found >= -1e-9).all()


INFUSED = {
    "Glc": "[U-13C6]", "Lac": "[U-13C3]", "Glyc": "[U-13C3]", "Ala": "[U-13C3]", "Gln": "[U-13C5]", "BHB": "[U-13C4]",
    "Ac": "[U-13C2]", "Pal": "[U-13C2]", "OFA": "[U-13C2]", "Val": "[U-13C5]", "Ser": "[U-13C3]", "Leu": "[U-13C6]",
}  # fmt: skip


@pytest.mark.slow
def test_labeling_of_a_simulated_mouse_gives_back_its_direct_sources_and_conversions():
    network = fluxkit.load_network("wholebody")
    fluxes = network.reference_fluxes()
    tracers = {name: f"{name}_inf_x: 100% {label}" for name, label in INFUSED.items()}
    labeling = simulate(network, fluxes, tracers, fragments=[f"{name}.P:C" for name in INFUSED])
    labeling = labeling.rename(experiment="tracer")
    index = xr.DataArray(list(INFUSED), dims="nutrient", coords={"nutrient": list(INFUSED)})
    parts = [atom_enrichment(labeling, f"{name}.P:C")["value"].reset_coords(drop=True) for name in INFUSED]
    enrichment = quantity(xr.concat(parts, index), 0.0, "fraction", basis="atom", site="artery")
    found = direct_contributions(enrichment, draws=0)
    exact = conversions_of_state(fluxes, network, list(INFUSED))["value"]
    own = sum(exact.sel(target=name, source=name) * (exact["target"] == name) for name in INFUSED)
    share = (exact / (exact.sum("source") - own)).sel(source=list(INFUSED))
    apart = share["target"] != share["source"]
    # labeling by mass sees the mean of a molecule's carbons; here they are not labeled alike, which costs up to 0.01
    assert float(abs(share - found["contribution"]).where(apart).max()) < 0.01
    net = fluxes["net_flux"].to_series()
    infusion = [net[f"INF_{name}"] * network.atom_counts[f"{name}.P"]["C"] for name in INFUSED]
    plasma = quantity(index.copy(data=np.diag(enrichment["value"].transpose("tracer", "nutrient"))), 0.0, "fraction",
                      basis="atom", site="artery")  # fmt: skip
    rate = turnover(plasma, quantity(index.copy(data=infusion), 0.0, CARBON), definition="atom disappearance")
    flux = conversion_fluxes(found, rate, protocol="all infused")["value"]
    for source, target in (("Lac", "Glc"), ("Glc", "Lac"), ("Glyc", "Glc"), ("OFA", "BHB")):
        place = {"source": source, "target": target}
        assert float(flux.sel(place)) == pytest.approx(float(exact.sel(place)), rel=0.03)


def test_draws_of_a_posterior_keep_their_dimension():
    fluxes = xr.concat([state(), state() * 2], "draw")
    found = conversions_of_state(fluxes, TRIO, ["B"])["value"]
    np.testing.assert_allclose(found.isel(draw=1), 2 * found.isel(draw=0))
    assert nutrient_cycle(conversions_of_state(fluxes, TRIO), "A", "B")["cycle"].dims == ("draw",)


def test_shares_of_carbon_go_with_atom_disappearance_alone(enrichment, disappearance):
    shares = direct_contributions(enrichment, draws=0)
    with pytest.raises(FluxError, match="the turnover is of 'molecule' 'disappearance'"):
        conversion_fluxes(shares, disappearance.assign_attrs(basis="molecule"), protocol="all infused")
    with pytest.raises(FluxError, match="the turnover of 'tail': sites are never mixed"):
        conversion_fluxes(shares, disappearance.assign_attrs(site="tail"), protocol="all infused")
    with pytest.raises(FluxError, match="shares are of carbon. Use in_carbon first"):
        conversion_fluxes(shares, disappearance.assign_attrs(units=UNIT), protocol="all infused")
    with pytest.raises(FluxError, match="'atom' 'appearance', but the balance of label in CO2"):
        direct_oxidation(enrichment, disappearance.assign_attrs(side="appearance"), disappearance)
    with pytest.raises(FluxError, match="direct sources are balances of atoms"):
        direct_contributions(enrichment.assign_attrs(basis="molecule"))


def test_what_has_no_sources_is_refused(enrichment):
    with pytest.raises(UnknownNameError, match="tracer 'C' is not among the nutrients"):
        direct_contributions(enrichment.sel(nutrient=["A", "B"]))
    empty = enrichment.copy(deep=True)
    empty["value"].loc[{"tracer": "B", "nutrient": "B"}] = 0.0
    with pytest.raises(LabelingError, match="infused nutrient has no label at tracer 'B'"):
        normalised_labeling(empty)
    empty["value"].loc[{"tracer": "A", "nutrient": "C"}] = 1.5
    with pytest.raises(LabelingError, match="is 1.5 fraction at tracer 'A', nutrient 'C'"):
        normalised_labeling(empty)


def test_breath_needs_one_unit_of_carbon_and_a_real_infusion():
    carbon, co2 = quantity(30.0, 1.0, CARBON), quantity(0.01, 0.0005, "fraction")
    found = oxidised_fraction(co2, quantity(1750.0, 50.0, CARBON), carbon)
    assert float(found["recovered"]) == pytest.approx(17.5 / 30)
    assert float(found["value"]) == pytest.approx(17.5 / 30 / 0.906)
    relative = np.sqrt(0.05**2 + (50 / 1750) ** 2 + (1 / 30) ** 2)
    assert float(found["sd"] / found["value"]) == pytest.approx(relative)
    with pytest.raises(FluxError, match="CO2 production is in 'nmol/min/g', the infusion in 'nmol C/min/g'"):
        oxidised_fraction(co2, quantity(1750.0, 50.0, UNIT), carbon)
    with pytest.raises(FluxError, match="infusion rate is -3"):
        oxidised_fraction(co2, quantity(1750.0, 50.0, CARBON), quantity(-3.0, 0.0, CARBON))
    with pytest.raises(FluxError, match="no label to recover"):
        oxidised_fraction(co2, quantity(1750.0, 50.0, CARBON), quantity(0.0, 0.0, CARBON))
    with pytest.raises(LabelingError, match="bicarbonate recovery is 1.2"):
        oxidised_fraction(co2, quantity(1750.0, 50.0, CARBON), carbon, recovery=1.2)
    with pytest.raises(FluxError, match="enrichment of breath CO2 is in 'percent', but 'fraction' is needed"):
        oxidised_fraction(quantity(1.0, 0.05, "percent"), quantity(1750.0, 50.0, CARBON), carbon)
    with pytest.raises(FluxError, match="bicarbonate recovery is in 'percent', but 'fraction' is needed"):
        oxidised_fraction(co2, quantity(1750.0, 50.0, CARBON), carbon, recovery=quantity(0.9, 0.05, "percent"))


def test_direct_oxidation_names_what_was_not_measured(enrichment, disappearance):
    shares = quantity(xr.full_like(disappearance["value"], 0.5), 0.01, "fraction")
    gap = enrichment.copy(deep=True)
    gap["value"].loc[{"tracer": "B", "nutrient": "C"}] = np.nan
    with pytest.raises(LabelingError, match="the enrichment is NaN at tracer 'B', nutrient 'C'"):
        direct_oxidation(gap, disappearance, shares)
    with pytest.raises(FluxError, match="the oxidised share is NaN at nutrient 'A'"):
        direct_oxidation(enrichment, disappearance, shares.where(shares["nutrient"] != "A"))
    with pytest.raises(FluxError, match="the oxidised share is in 'percent'"):
        direct_oxidation(enrichment, disappearance, shares.assign_attrs(units="percent"))
    with pytest.raises(UnknownNameError, match="no oxidised share of 'C'"):
        direct_oxidation(enrichment, disappearance, shares.sel(nutrient=["A", "B"]))
