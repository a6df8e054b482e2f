"""The wiring of the tracer designer in a real browser; what it shows is tested without one."""

import importlib.util
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


pictures, lab = (load(each) for each in (HERE.parent / "pictures.py", HERE / "lab.py"))

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(pictures.find_chromium() is None, reason="no chromium on PATH; apt-get install chromium"),
]

CELL = """import fluxkit
network = fluxkit.load_network("mlflux_uppergly")
designer = fluxkit.tracer_designer(network, "Glc_x: 100% [U-13C6]", states=fluxkit.draw_fluxes(network, 4, seed=2))
designer"""


@pytest.fixture(scope="module")
def chromium():
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed; pip install playwright")
    with pictures.browser() as browser:
        yield browser


def bars(page):
    return page.eval_on_selector_all(".fx-bar", "nodes => nodes.map(n => Number(n.dataset.value))")


def answered(page):
    page.wait_for_function("document.querySelector('.td-designer:not(.td-waiting)') !== null")


def test_in_jupyterlab_atoms_are_picked_with_keys_and_the_shares_of_a_mix_are_moved(chromium, tmp_path):
    page = chromium.new_page(viewport={"width": 1300, "height": 1000})
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    network = fluxkit.load_network("mlflux_uppergly")
    states = fluxkit.draw_fluxes(network, 4, seed=2)

    def compare(text):
        """Read the tracer and its MIDs back from the page, and simulate it."""
        page.wait_for_function("wanted => document.querySelector('.td-text').value === wanted", arg=text)
        answered(page)
        names = page.eval_on_selector_all(".fx-panel", "nodes => nodes.map(n => n.dataset.fragment)")
        made = fluxkit.simulate(network, states, text, fragments=names)["mid"].mean("draw").values.ravel()
        np.testing.assert_allclose(bars(page), made, atol=6e-6)  # five digits are shown

    with lab.jupyter_lab(tmp_path, CELL) as address:
        lab.run_all(page, address, ".td-atom")
        compare("Glc_x: 100% [U-13C6]")
        page.focus('[data-key="C1"]')
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        assert page.locator('[data-key="C2"]').get_attribute("aria-checked") == "false"
        compare("Glc_x: 100% [1,3,4,5,6-13C5]")
        page.click('[data-name="glc_12"]')
        compare("Glc_x: 100% [1,2-13C2]")
        page.focus(".td-share")
        for _ in range(40):
            page.keyboard.press("ArrowLeft")
        compare("Glc_x: 60% [1,2-13C2]")
        page.click(".td-add")
        page.wait_for_selector("text=has no labeled atom; choose one in the drawing")
        page.click(".td-all")
        compare("Glc_x: 60% [1,2-13C2] + 40% [U-13C6]")
        page.fill(".td-percent >> nth=1", "70")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=The shares of Glc_x sum to 130 %, above 100 %")
        page.click(".td-scale")
        compare("Glc_x: 46.1% [1,2-13C2] + 53.9% [U-13C6]")
        page.fill(".td-text", "[1-13C]glucose")
        page.keyboard.press("Enter")
        compare("Glc_x: 100% [1-13C]")
        rows = page.locator(".td-interval")
        flux = rows.first.get_attribute("data-flux")
        ranked = fluxkit.design_tracers(network, ["[1-13C]glucose"], fluxes_of_interest=flux, states=states)
        half = float(rows.first.get_attribute("data-half"))
        assert half == pytest.approx(1.6448536 * float(ranked["expected_width"].squeeze()), rel=1e-5)
    page.close()
    assert complaints == []


@pytest.mark.parametrize("width", [400, 1920])
def test_the_page_of_a_design_fits_phone_and_projector_and_names_all_it_shows(chromium, tmp_path, width):
    network = fluxkit.load_network("liver_hc")
    widget = fluxkit.tracer_designer(network, "Glc_x: 100% [6,7-2H2]; H_x: 5% [1-2H]", draws=4)
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme="dark")
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(widget.to_html(tmp_path / "page.html").as_uri())
    page.wait_for_selector(".td-interval")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.td-designer')).backgroundColor") == "rgb(20, 24, 28)"
    )
    sizes = page.eval_on_selector_all("svg text", "nodes => nodes.map(n => n.getBoundingClientRect().height)")
    assert min(sizes) >= (9 if width == 400 else 13)
    targets = page.eval_on_selector_all(".td-atom", "nodes => nodes.map(n => n.getBoundingClientRect().width)")
    assert min(targets) >= 22  # pixels that a finger finds
    bare = (
        "[...document.querySelectorAll('input, select, button, textarea, [role=checkbox], [role=img]')]"
        ".filter(n => !n.labels?.length && !n.textContent.trim() && !n.getAttribute('aria-label'))"
    )
    assert page.evaluate(f"{bare}.length") == 0
    assert page.evaluate("document.querySelectorAll('.td-left :enabled').length") == 0  # a page computes nothing
    assert bars(page) == [value for each in widget.answer["panels"] for value in each["mean"]]
    page.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
