"""Every widget in a real JupyterLab and a real Voila: controls are moved, and the numbers are the library's."""

import re

import numpy as np
import pytest

import fluxkit
from fluxkit.inference.estimate import load_estimate
from fluxkit.view import atom_paths, mid_viewer, organ_exchange
from tests.view import servers
from tests.view.browsing import watching

pytestmark = pytest.mark.browser

TRACER, SEEN = "Glc_x: 100% [U-13C6]", ["citrate", "malate"]
CELLS = [
    """import fluxkit
cell, toy, mouse = (fluxkit.load_network(name) for name in ("ccm", "toy", "wholebody_mouse"))
data = fluxkit.simulate(toy, toy.reference_fluxes(), "A_x: 100% [2-13C]", noise=0.005).drop_vars(
    ["net_flux", "exchange_flux"]
)
estimate = fluxkit.quantify(data, toy)
estimate.save("estimate.nc");""",
    "fluxkit.flux_map(cell.reference_fluxes(), cell)",
    "fluxkit.body_map(mouse.reference_fluxes(), mouse)",
    'fluxkit.label_path(cell, "[1,2-13C2]glucose")',
    f"fluxkit.flux_explorer(cell, {TRACER!r}, {SEEN})",
    "fluxkit.mid_viewer(estimate)",
    "fluxkit.posterior_viewer(estimate)",
]
LAST = ".fx-marginal svg"
ARRIVED = """wanted => {
  const arrow = [...document.querySelectorAll('.fluxkit-map g[data-reaction="PDH"]')].at(-1);
  const box = document.querySelector('.fx-value');
  return [arrow.dataset.net, box.dataset.value].every((value) => Math.abs(value - wanted) < 1e-6);
}"""  # the first such arrow is that of the flux map above the explorer


@pytest.fixture(scope="module", params=["lab", "voila"])
def folder_and_page(request, chromium, tmp_path_factory):
    """Run the notebook once in each server; its page stays open for every test."""
    folder, home = (tmp_path_factory.mktemp(name) for name in ("notebooks", "home"))
    servers.write_notebook(folder / "widgets.ipynb", CELLS)
    serve = {"lab": servers.lab_server, "voila": servers.voila_server}[request.param]
    with serve(folder, home) as address, watching(chromium, address) as watch:
        size = {"width": 1300, "height": 1000}
        if request.param == "voila":
            page = watch.open(f"{address}/voila/render/widgets.ipynb", LAST, **size)
        else:
            page = watch.open(f"{address}/doc/tree/widgets.ipynb?reset", **size)
            servers.run_all(page, LAST)
        yield folder, page, watch


@pytest.fixture
def page(folder_and_page):
    """The page; whatever a test makes it complain about fails that test."""
    _, page, watch = folder_and_page
    yield page
    watch.check()


@pytest.fixture(scope="module")
def network():
    return fluxkit.load_network("ccm")


@pytest.fixture
def estimate(folder_and_page):
    return load_estimate(folder_and_page[0] / "estimate.nc", fluxkit.load_network("toy"))


def numbers(nodes, attribute):
    return nodes.evaluate_all(f"nodes => nodes.map(n => Number(n.dataset.{attribute}))")


def test_the_flux_map_shows_the_fluxes_and_tells_those_of_a_reaction(page, network):
    shown = page.locator(".fluxkit-map").first
    reference = network.reference_fluxes()
    arrows = shown.locator("g[data-reaction]").evaluate_all(
        "nodes => nodes.map(n => [n.dataset.reaction, n.dataset.net])"
    )
    assert {name: float(net) for name, net in arrows} == pytest.approx(reference["net_flux"].to_series().to_dict())
    shown.locator('g[data-reaction="PFK"]').focus()
    page.keyboard.press("Enter")
    panel = shown.locator('.fk-panel[data-reaction="PFK"]')
    panel.wait_for()
    assert "F6P.c → FBP.c" in panel.inner_text()
    page.keyboard.press("Escape")


def test_the_body_map_shows_one_nutrient_in_molecules(page):
    mouse = fluxkit.load_network("wholebody_mouse")
    table = organ_exchange(mouse.reference_fluxes(), mouse)
    lactate = table[(table.key == "Lac") & (table.net_flux != 0)].net_flux
    shown = page.locator(".fluxkit-body")
    shown.locator(".fb-nutrient").select_option("Lac")
    shown.locator(".fb-count").select_option("molecules")
    shown.locator(".fb-threshold").select_option("0")
    flows = shown.locator(".fb-flow[data-organ]")
    assert sorted(numbers(flows, "value")) == pytest.approx(sorted(lactate))
    shown.locator('.fb-organ[data-organ="L"]').click()
    arrow = shown.locator('g[data-reaction="L_G6PC"]')
    true = mouse.reference_fluxes().net_flux.sel(reaction="L_G6PC").item()
    assert float(arrow.get_attribute("data-net")) == pytest.approx(true)
    shown.locator(".fb-back").click()


def test_the_label_path_ends_at_the_fractions_of_the_library(page, network):
    shown = page.locator(".fluxkit-path")
    shown.focus()
    page.keyboard.press("End")
    atoms = shown.locator(".lp-atom").evaluate_all(
        "nodes => nodes.map(n => [n.closest('.lp-card').dataset.pool, n.dataset.atom, n.dataset.fraction])"
    )
    table = atom_paths(network, "Glc_x", [1, 2]).set_index(["metabolite", "element", "position"]).labeled_fraction
    found = {(pool, atom[0], int(atom[1:])): float(value) for pool, atom, value in atoms if value}
    assert len(found) > 80
    assert found == pytest.approx({key: table[key] for key in found}, abs=5e-5)  # written with four digits


def test_in_the_explorer_the_labeling_follows_a_flux_that_is_typed_or_moved_with_keys(page, network):
    controls = page.locator(".fx-controls")
    controls.locator(".fx-flux").select_option("net PDH")
    page.wait_for_selector('.fx-slider[aria-label="PDH flux"]')

    def moved_to(wanted):
        page.wait_for_function(ARRIVED, arg=wanted)
        explorer = fluxkit.flux_explorer(network, TRACER, SEEN)
        mids = fluxkit.simulate(network, explorer.move("PDH", wanted), TRACER, fragments=SEEN)["mid"].values
        np.testing.assert_allclose(numbers(page.locator(".fx-bar"), "value"), mids.ravel(), atol=6e-6)  # five digits

    controls.locator(".fx-value").fill("60")
    page.keyboard.press("Enter")
    moved_to(60.0)
    controls.locator(".fx-slider").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    moved_to(150 / 400)  # a step, of 400 between the bounds 0 and 150 of this flux
    controls.locator(".fx-again").click()
    page.wait_for_selector("text=The labeling is that of the start.")


def test_the_viewer_of_labeling_walks_to_the_fit_of_another_fragment(page, estimate):
    panels = mid_viewer(estimate).data["panels"]
    shown = page.locator(".fluxkit-explore", has=page.locator(".fx-fit"))
    shown.locator(".fx-list").focus()
    page.keyboard.press("End")
    assert shown.locator(".fx-detail").get_attribute("data-key") == panels[-1]["key"]
    assert numbers(shown.locator(".fx-fit"), "value") == panels[-1]["fitted"]


def test_the_viewer_of_posteriors_shows_the_median_of_a_flux_that_is_chosen(page, estimate):
    shown = page.locator(".fluxkit-explore", has=page.locator(".fx-marginals"))
    options = shown.locator(".fx-left [role=option]")
    for i in range(options.count()):
        if options.nth(i).get_attribute("aria-selected") == "true":
            options.nth(i).click()
    assert shown.locator(".fx-marginal").count() == 0
    options.nth(2).click()
    (key,) = shown.locator(".fx-marginal").evaluate_all("nodes => nodes.map(n => n.dataset.key)")
    kind, reaction = re.fullmatch(r"(net|exchange) (\w+)", key).groups()
    exact = estimate.posterior[f"{kind}_flux"].sel(reaction=reaction).median().item()
    assert numbers(shown.locator(".fx-marginal [data-median]"), "median") == pytest.approx([exact], rel=1e-4)
