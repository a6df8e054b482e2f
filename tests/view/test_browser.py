"""The wiring of the flux map in a real browser; what is drawn is tested without one."""

import importlib.util
from pathlib import Path

import pytest

from fluxkit.networks import load_network
from fluxkit.view import flux_map

_spec = importlib.util.spec_from_file_location("pictures", Path(__file__).with_name("pictures.py"))
pictures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pictures)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(pictures.find_chromium() is None, reason="no chromium on PATH; apt-get install chromium"),
]


@pytest.fixture(scope="module")
def chromium():
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed; pip install playwright")
    with pictures.browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def widget():
    network = load_network("ccm")
    return flux_map(network.reference_fluxes(), network, title="Reference state")


@pytest.fixture
def open_map(chromium, widget, tmp_path):
    """Open the page at a size; whatever it complains about or asks the network for fails the test."""
    complaints, requests, pages = [], [], []

    def opened(width=1200, height=900, **options):
        page = chromium.new_page(viewport={"width": width, "height": height}, **options)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(widget.to_html(tmp_path / "map.html").as_uri())
        page.wait_for_selector("g[data-reaction]")
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []


def test_the_page_shows_every_flux_of_the_data(open_map, widget):
    page = open_map()
    shown = page.eval_on_selector_all(
        "g[data-reaction]",
        "nodes => nodes.map(n => [n.dataset.reaction, Number(n.dataset.net), "
        "n.querySelector('.fk-line').getAttribute('d')])",
    )
    assert {name: (net, path) for name, net, path in shown} == {
        each["name"]: (each["net"], each["path"]) for each in widget.data["arrows"]
    }
    labels = page.eval_on_selector_all(
        "text[data-reaction]",
        "nodes => nodes.map(n => [n.dataset.reaction, n.querySelector('.fk-value').textContent])",
    )
    assert dict(labels) == {each["name"]: each["label"]["value"] for each in widget.data["arrows"]}


def test_pointing_and_the_keyboard_both_bring_up_the_numbers_of_a_reaction(open_map):
    page = open_map()
    page.hover('text[data-reaction="IDH_c"]')
    panel = page.inner_text(".fk-panel")
    assert "Cit.c ⇌ AKG.c + CO2" in panel and "−1.5" in panel and "exchange" in panel
    page.focus('g[data-reaction="PFK"]')
    assert "F6P.c → FBP.c" in page.inner_text(".fk-panel")
    page.keyboard.press("Tab")
    assert "F6P.c → FBP.c" not in page.inner_text(".fk-panel")


def test_zoom_pan_and_back_again(open_map):
    page = open_map()
    box = "document.querySelector('.fk-map').getAttribute('viewBox')"
    home = page.evaluate(box)
    page.click("text=+")
    near = page.evaluate(box)
    assert float(near.split()[2]) == pytest.approx(float(home.split()[2]) / 1.5)
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(500, 350)
    page.mouse.up()
    assert float(page.evaluate(box).split()[0]) > float(near.split()[0])
    page.click("text=⟲")
    assert page.evaluate(box) == home


@pytest.mark.parametrize("width", [400, 1920])
def test_names_are_readable_on_a_phone_and_on_a_projector(open_map, width):
    page = open_map(width=width, height=1000)
    sizes = page.eval_on_selector_all(
        ".fk-node",
        "nodes => nodes.filter(n => n.getClientRects().length).map(n => n.getBoundingClientRect().height)",
    )
    assert len(sizes) >= 20 and min(sizes) >= 9
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_colours_follow_the_system(open_map):
    paper = "getComputedStyle(document.querySelector('.fluxkit-map')).backgroundColor"
    assert open_map(color_scheme="light").evaluate(paper) == "rgb(255, 255, 255)"
    assert open_map(color_scheme="dark").evaluate(paper) == "rgb(20, 24, 28)"
