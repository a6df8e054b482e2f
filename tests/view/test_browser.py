"""The wiring of the flux map in a real browser; what is drawn is tested without one."""

import pytest

from fluxkit.networks import load_network
from fluxkit.view import flux_map
from fluxkit.view.map_data import format_flux
from tests.view import synthetic_estimate as synthetic

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def widget():
    network = load_network("ccm")
    return flux_map(network.reference_fluxes(), network, title="Reference state")


@pytest.fixture
def open_map(watch, widget, tmp_path):
    """Open the page at a size."""

    def opened(width=1200, height=900, shown=None, **options):
        address = (shown or widget).to_html(tmp_path / "map.html").as_uri()
        return watch.open(address, "g[data-reaction]", width=width, height=height, **options)

    return opened


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


def test_search_marks_a_metabolite_with_its_reactions_and_brings_it_to_the_middle(open_map):
    page = open_map(reduced_motion="reduce")
    page.keyboard.press("Escape")
    page.locator('g[data-reaction="PGI"]').focus()
    page.keyboard.press("/")
    page.keyboard.type("citrate")
    assert page.inner_text(".fk-status") == "1 of 2: Cit.m"
    assert page.locator(".fk-node.fk-found").count() == 2
    box, stage = page.locator(".fk-node.fk-best").bounding_box(), page.locator(".fk-map").bounding_box()
    assert abs(box["x"] + box["width"] / 2 - stage["x"] - stage["width"] / 2) < 5
    found = page.eval_on_selector_all("g.fk-found", "nodes => nodes.map(n => n.dataset.reaction)")
    assert sorted(found) == ["CS", "CTP", "IDH_m"]
    page.keyboard.press("Enter")
    assert page.inner_text(".fk-status") == "2 of 2: Cit.c"
    page.keyboard.press("Escape")
    assert page.locator(".fk-found").count() == 0


def test_a_click_or_enter_shows_the_posterior_with_the_numbers_of_the_library(open_map):
    estimate = synthetic.synthetic_estimate()
    shown = flux_map(estimate, estimate.network)
    page = open_map(shown=shown)
    arrow = next(each for each in shown.data["arrows"] if each["name"] == "IDH_m")
    page.click('text[data-reaction="IDH_m"]')
    panel = page.locator(".fk-panel")
    assert float(panel.get_attribute("data-net")) == arrow["net"]
    assert f"{format_flux(arrow['net'])} [{format_flux(arrow['net_lower'])}, " in panel.inner_text()
    assert panel.locator(".fk-histogram").count() == 2
    bars = panel.locator('.fk-histogram[data-kind="net"] rect').count()
    assert bars == sum(count > 0 for count in arrow["histograms"]["net"]["posterior"])
    page.keyboard.press("Escape")
    page.focus('g[data-reaction="PDH"]')
    page.keyboard.press("Enter")
    assert panel.get_attribute("data-reaction") == "PDH" and panel.locator(".fk-histogram").count() == 1


def test_buttons_save_picture_and_page(open_map, widget, tmp_path):
    page = open_map(width=400)

    def saved(kind):
        with page.expect_download() as download:
            page.click(f".fk-save >> text={kind}")
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        return path

    picture = saved("SVG").read_text(encoding="utf-8")
    for each in widget.data["arrows"]:  # all labels, though a small screen hides them
        assert f">{each['label']['text']}</tspan>" in picture and f'data-reaction="{each["name"]}"' in picture
    assert "var(" not in picture and "class=" not in picture
    assert saved("PNG").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    again = saved("HTML")
    page.goto(again.as_uri())
    assert page.locator("g[data-reaction]").count() == len(widget.data["arrows"])


def test_keys_zoom_and_move_the_map(open_map):
    page = open_map()
    box = "document.querySelector('.fk-map').getAttribute('viewBox').split(' ').map(Number)"
    page.focus('g[data-reaction="PGI"]')
    page.keyboard.press("+")
    near = page.evaluate(box)
    page.keyboard.press("ArrowRight")
    moved = page.evaluate(box)
    assert near[2] == pytest.approx(1200 / 1.5) and moved[0] > near[0]
    page.keyboard.press("0")
    assert page.evaluate(box)[2] == 1200
