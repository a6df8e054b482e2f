"""The wiring of explorer and viewers in a real browser; what they show is tested without one."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import fluxkit

HERE = Path(__file__).parent


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pictures, lab, synthetic = (
    load(each) for each in (HERE.parent / "pictures.py", HERE / "lab.py", HERE.parent / "synthetic_estimate.py")
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(pictures.find_chromium() is None, reason="no chromium on PATH; apt-get install chromium"),
]

CELL = """import fluxkit
network = fluxkit.load_network("ccm")
explorer = fluxkit.flux_explorer(network, "Glc_x: 100% [U-13C6]", ["citrate", "malate"])
explorer"""


@pytest.fixture(scope="module")
def chromium():
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed; pip install playwright")
    with pictures.browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def estimates():
    return [synthetic.synthetic_estimate("ccm", name, seed, 2) for seed, name in enumerate(("control", "treated"))]


@pytest.fixture
def open_page(chromium, tmp_path):
    """Open a viewer's page; whatever it complains about or asks the network for fails the test."""
    complaints, requests, pages = [], [], []

    def opened(viewer, width=1200, **options):
        page = chromium.new_page(viewport={"width": width, "height": 900}, **options)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(viewer.to_html(tmp_path / "page.html").as_uri())
        page.wait_for_selector("[role=option]")
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def test_in_jupyterlab_the_arrow_keys_move_a_flux_and_labeling_and_map_follow(chromium, tmp_path):
    page = chromium.new_page(viewport={"width": 1300, "height": 1000})
    with lab.jupyter_lab(tmp_path, CELL) as address:
        lab.run_all(page, address, ".fx-slider")
        page.select_option(".fx-flux", "net PDH")
        page.wait_for_selector('.fx-slider[aria-label="PDH flux"]')
        page.focus(".fx-slider")
        for _ in range(20):
            page.keyboard.press("ArrowRight")
        arrow = page.locator('g[data-reaction="PDH"]').first
        low, high = 0.0, 150.0  # of PDH in this network
        wanted = low + (round(400 * 21 / 150) + 20) / 400 * (high - low)
        page.wait_for_function(
            f"Math.abs(document.querySelector('g[data-reaction=\"PDH\"]').dataset.net - {wanted}) < 1e-3"
        )
        network = fluxkit.load_network("ccm")
        explorer = fluxkit.flux_explorer(network, "Glc_x: 100% [U-13C6]", ["citrate", "malate"])
        state = explorer.move("PDH", float(arrow.get_attribute("data-net")))
        mids = fluxkit.simulate(network, state, "Glc_x: 100% [U-13C6]", fragments=["citrate", "malate"])["mid"].values
        bars = [
            float(each) for each in page.eval_on_selector_all(".fx-bar", "nodes => nodes.map(n => n.dataset.value)")
        ]
        np.testing.assert_allclose(bars, mids.ravel(), atol=2e-5)  # five digits, and a value of eight through the page
        page.click(".fx-again")
        page.wait_for_selector("text=The labeling is that of the start.")
    page.close()


def test_the_list_of_fragments_is_walked_with_the_arrow_keys_and_searched(open_page, estimates):
    viewer = fluxkit.mid_viewer(estimates[0])
    page = open_page(viewer)
    panels = viewer.data["panels"]
    page.focus(".fx-list")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert page.locator(".fx-detail").get_attribute("data-key") == panels[2]["key"]
    bars = page.eval_on_selector_all(".fx-fit", "nodes => nodes.map(n => Number(n.dataset.value))")
    assert bars == panels[2]["fitted"]
    page.fill(".fx-search", "malate 2")
    assert page.locator("[role=option]").count() == 1
    assert page.locator(".fx-detail").get_attribute("data-key") == "tracer 2 | malate"
    cells = page.locator("tbody tr").nth(1).locator("td").all_text_contents()
    panel = next(each for each in panels if each["key"] == "tracer 2 | malate")
    assert cells[:3] == [f"{panel[name][1]:.4f}" for name in ("measured", "sd", "fitted")]


def test_fluxes_are_chosen_with_space_and_show_the_numbers_of_both_conditions(open_page, estimates):
    viewer = fluxkit.posterior_viewer(*estimates)
    page = open_page(viewer)
    page.fill(".fx-search", "PDH")
    page.focus(".fx-left .fx-list")
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    name = page.locator(".fx-left [role=option]").first.get_attribute("data-key")
    medians = page.eval_on_selector_all(
        f'.fx-marginal[data-key="{name}"] [data-median]', "nodes => nodes.map(n => Number(n.dataset.median))"
    )
    kind, reaction = name.split(" ")
    exact = [each.posterior[f"{kind}_flux"].sel(reaction=reaction).median().item() for each in estimates]
    assert medians == pytest.approx(exact, rel=1e-4)
    page.focus('[aria-label="Correlated pairs"]')
    page.keyboard.press("ArrowDown")
    label = page.locator(".fx-joint").get_attribute("aria-label")
    assert viewer.data["pairs"][1]["x"] in label and page.locator(".fx-contour").count() == 4


@pytest.mark.parametrize("width", [400, 1920])
def test_the_pages_fit_phone_and_projector_and_follow_the_colours_of_the_system(open_page, estimates, width):
    for viewer in (fluxkit.mid_viewer(estimates[0]), fluxkit.posterior_viewer(*estimates)):
        page = open_page(viewer, width=width, color_scheme="dark")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shade = page.evaluate("getComputedStyle(document.querySelector('.fluxkit-explore')).backgroundColor")
        assert re.fullmatch(r"rgb\(20, 24, 28\)", shade)
        sizes = page.eval_on_selector_all("svg text", "nodes => nodes.map(n => n.getBoundingClientRect().height)")
        assert min(sizes) >= (9 if width == 400 else 13)
        bare = (
            "[...document.querySelectorAll('input, select, button')].filter(n => !n.labels?.length && !n.textContent)"
        )
        assert page.evaluate(f"{bare}.length") == 0
