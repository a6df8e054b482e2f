from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fluxkit
from fluxkit.errors import FluxError
from fluxkit.physiology import (
    conversion_fluxes,
    conversions_of_state,
    direct_contributions,
    direct_oxidation,
    normalised_labeling,
    nutrient_cycle,
    organ_balances,
    oxidised_fraction,
    quantity,
    read_mouse,
    recompute_turnover,
    tissue_balance,
    turnover_table,
)
from fluxkit.view.physiology_figures import (
    balance_figure,
    cycle_figure,
    organ_figure,
    oxidation_figure,
    source_figure,
    source_matrix_figure,
    turnover_figure,
)
from tests.view.pictures import browser, find_chromium

FOLDER = Path(__file__).parents[2] / "data" / "mouse_physiology"


@pytest.fixture(scope="module")
def mouse():
    return read_mouse(FOLDER)


@pytest.fixture(scope="module")
def contributions(mouse):
    return direct_contributions(mouse.enrichment, draws=20)


@pytest.fixture(scope="module")
def body():
    network = fluxkit.load_network("wholebody")
    return network, network.reference_fluxes()


@pytest.fixture(scope="module")
def oxidation(mouse):
    """What breath would show for the published shares, at the protocol's infusions."""
    share = (mouse.oxidation["value"] / mouse.circulatory_flux["value"]).clip(max=1)
    breath = quantity(share * 0.906 * mouse.infusion["value"] / 1750, 0.0005 * share, "fraction")
    found = oxidised_fraction(breath, quantity(1750.0, 50.0, "nmol C/min/g"), mouse.infusion)
    rate = recompute_turnover(mouse, "atom disappearance")
    return found, direct_oxidation(mouse.enrichment, rate, found, draws=50)


@pytest.fixture(scope="module")
def balance():
    tissues = ["leg", "liver", "heart"]
    index = xr.DataArray(tissues, dims="tissue", coords={"tissue": tissues})
    return tissue_balance(
        quantity(index.copy(data=[0.2, 1.5, 3.0]), 0.05, "mL/min/g"), quantity(2000.0, 60.0, "nmol/mL"),
        quantity(index.copy(data=[2300.0, 1500.0, 1800.0]), 60.0, "nmol/mL"),
        quantity(0.18, 0.004, "fraction", basis="atom"),
        quantity(index.copy(data=[0.1, 0.15, 0.17]), 0.004, "fraction", basis="atom"),
    )  # fmt: skip


def trace(figure, name):
    return next(each for each in figure.data if each.name == name)


def test_turnover_is_drawn_beside_the_published_with_the_errors_of_both(mouse):
    table = turnover_table(mouse).sort_values("published")
    figure = turnover_figure(table)
    np.testing.assert_array_equal(trace(figure, "published ± sd").x, table["published"])
    np.testing.assert_array_equal(trace(figure, "recomputed ± sd").error_x.array, table["recomputed_sd"])
    missed = trace(figure, "inputs alone do not explain it")
    assert set(missed.customdata) == {"Valine", "C18:1", "Glutamine"}
    assert list(figure.layout.yaxis.ticktext) == list(table.index)


def test_a_ratio_whose_interval_leaves_one_has_a_colour_of_its_own(mouse):
    table = turnover_table(mouse).assign(ratio_upper=0.9, ratio_lower=0.5)
    assert len(trace(turnover_figure(table), "interval leaves 1").x) == 10


def test_bars_of_every_metabolite_add_up_to_all_of_its_carbon(contributions):
    figure = source_figure(contributions)
    total = sum(np.asarray(each.x) for each in figure.data)
    np.testing.assert_allclose(total, 1.0, atol=1e-9)
    assert figure.data[-1].name == "not explained"


def test_the_matrix_shows_what_its_table_holds(mouse, contributions):
    labeling = source_matrix_figure(normalised_labeling(mouse.enrichment)).data[0]
    rows, columns = list(labeling.y), list(labeling.x)
    assert labeling.text[rows.index("Lactate")][columns.index("Glucose")] == "65"
    np.testing.assert_allclose(np.diag(np.asarray(labeling.z)), 100)
    shares = source_matrix_figure(contributions).data[0]
    np.testing.assert_allclose(shares.z, 100 * contributions["contribution"])


def test_bands_between_organs_are_net_transport_of_carbon(body):
    network, fluxes = body
    balances = organ_balances(fluxes, network, element="C")
    figure = organ_figure(balances, smallest=0.0)
    sankey = figure.data[0]
    labels = np.array(sankey.node.label)
    source, target = labels[list(sankey.link.source)], labels[list(sankey.link.target)]
    value = dict(zip(zip(source, target, strict=True), sankey.link.value, strict=True))
    lactate = balances["value"].sel(nutrient="Lac")
    assert value["lactate", "liver"] == pytest.approx(-float(lactate.sel(organ="L")))
    assert value["red cells", "lactate"] == pytest.approx(float(lactate.sel(organ="E")))
    for nutrient in ("lactate", "glucose", "alanine"):  # what enters plasma leaves it
        enters = sum(amount for (_, to), amount in value.items() if to == nutrient)
        assert enters == pytest.approx(sum(amount for (start, _), amount in value.items() if start == nutrient))


def test_a_posterior_is_drawn_by_its_median(body):
    network, fluxes = body
    draws = xr.concat([fluxes * scale for scale in (0.5, 1.0, 3.0)], "draw")
    one, many = (organ_figure(organ_balances(each, network, element="C")) for each in (fluxes, draws))
    np.testing.assert_allclose(one.data[0].link.value, many.data[0].link.value)


def test_oxidation_is_drawn_with_its_correction_and_its_errors(oxidation):
    shares, direct = oxidation
    figure = oxidation_figure(shares, direct)
    np.testing.assert_allclose(
        trace(figure, "corrected for bicarbonate").x, trace(figure, "recovered in breath").x / 0.906
    )
    np.testing.assert_array_equal(trace(figure, "burnt directly").error_x.array, direct["sd"])


def test_release_of_a_tissue_points_the_other_way(balance):
    figure = balance_figure(balance)
    np.testing.assert_allclose(
        trace(figure, "net uptake").x, trace(figure, "uptake").x + trace(figure, "release").x, atol=1e-9
    )


def cycles_of(mouse, contributions):
    fluxes = conversion_fluxes(contributions, recompute_turnover(mouse), protocol="one infusion each")
    return {
        f"glucose – {name.lower()}": nutrient_cycle(fluxes, "Glucose", name)
        for name in ("Lactate", "Alanine", "Glycerol")
    }


def test_cycles_are_drawn_from_labeling_and_from_draws_of_fluxes(mouse, contributions, body):
    cycles = cycles_of(mouse, contributions)
    figure = cycle_figure(cycles)
    np.testing.assert_array_equal(
        trace(figure, "cycle").x, np.minimum(trace(figure, "forward").x, trace(figure, "backward").x)
    )
    network, fluxes = body
    draws = xr.concat([fluxes * scale for scale in (0.9, 1.0, 1.1)], "draw")
    cori = nutrient_cycle(conversions_of_state(draws, network), "Glc", "Lac")
    drawn = trace(cycle_figure({"Cori": cori}), "cycle")
    assert drawn.x[0] == pytest.approx(float(cori["cycle"].isel(draw=1)))
    assert drawn.error_x.array[0] == pytest.approx(0.09 * drawn.x[0])
    with pytest.raises(FluxError, match="cannot stand on one axis"):
        cycle_figure({**cycles, "Cori": cori})


def test_figures_refuse_what_they_cannot_draw(body, mouse):
    network, fluxes = body
    with pytest.raises(FluxError, match="bands compare carbon"):
        organ_figure(organ_balances(fluxes, network))
    with pytest.raises(FluxError, match="no column 'published'"):
        turnover_figure(pd.DataFrame({"recomputed": [1.0], "recomputed_sd": [0.1]}))


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium on PATH; apt-get install chromium")
def test_every_label_of_the_figures_stays_on_the_page(mouse, contributions, body, oxidation, balance, tmp_path):
    network, fluxes = body
    figures = {
        "turnover": turnover_figure(turnover_table(mouse)),
        "sources": source_figure(contributions),
        "matrix": source_matrix_figure(normalised_labeling(mouse.enrichment)),
        "oxidation": oxidation_figure(*oxidation),
        "balance": balance_figure(balance),
        "cycles": cycle_figure(cycles_of(mouse, contributions)),
        "organs": organ_figure(organ_balances(fluxes, network, element="C")),
    }
    with browser() as chromium:
        for name, figure in figures.items():
            page = tmp_path / f"{name}.html"
            figure.write_html(page, include_plotlyjs=True, default_width="900px", config={"displayModeBar": False})
            tab = chromium.new_page(viewport={"width": 900, "height": int(figure.layout.height)})
            tab.goto(page.as_uri())
            tab.wait_for_selector(".main-svg text")
            outside = tab.evaluate(
                """() => [...document.querySelectorAll('.main-svg text')].filter(each => {
                    const box = each.getBoundingClientRect();
                    return box.width && (box.left < -1 || box.right > 921 || box.top < -1);
                }).map(each => each.textContent)"""
            )
            assert outside == [], name
            tab.close()
