"""The wiring of the body map in a real browser; what is drawn is tested without one."""

import pytest

from fluxkit.networks import load_network
from fluxkit.view import body_map, organ_exchange
from fluxkit.view.map_data import format_flux

pytestmark = pytest.mark.browser

OVERLAPS = """() => {
  const boxes = [...document.querySelectorAll('.fb-map text')].map(n => [n.textContent, n.getBoundingClientRect()]);
  const found = [];
  boxes.forEach(([a, p], i) => boxes.slice(i + 1).forEach(([b, q]) => {
    if (Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1
      && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 3) found.push([a, b]);
  }));
  return found;
}"""  # boxes of text are higher than its letters


@pytest.fixture(scope="module")
def mouse():
    return load_network("wholebody_mouse")


@pytest.fixture(scope="module")
def widget(mouse):
    return body_map(mouse.reference_fluxes(), mouse, title="Reference state")


@pytest.fixture
def open_map(watch, widget, tmp_path):
    """Open the page at a size."""

    def opened(width=1200, height=900, **options):
        address = widget.to_html(tmp_path / "map.html").as_uri()
        return watch.open(address, ".fb-flow[data-organ]", width=width, height=height, **options)

    return opened


def test_an_organ_opens_to_the_numbers_of_the_library(open_map, mouse):
    page = open_map()
    table = organ_exchange(mouse.reference_fluxes(), mouse).set_index(["organ", "partner", "key"])
    glucose = table.loc[("liver", "circulation", "Glc")]
    drawn = page.locator('.fb-flow[data-organ="L"][data-nutrient="Glc"]')
    assert float(drawn.get_attribute("data-value")) == pytest.approx(glucose.carbon, rel=1e-12)
    assert drawn.locator(".fb-value").text_content() == format_flux(glucose.carbon)
    page.click('.fb-organ[data-organ="L"]')
    row = page.locator('.fb-table tr[data-nutrient="Glc"][data-partner="circulation"]')
    cells = row.locator("td").all_text_contents()
    assert cells == ["liver → plasma", format_flux(glucose.carbon), format_flux(glucose.net_flux)]
    reaction = page.locator('g[data-reaction="L_G6PC"]')
    assert float(reaction.get_attribute("data-net")) == pytest.approx(
        float(mouse.reference_fluxes().net_flux.sel(reaction="L_G6PC"))
    )
    assert page.locator("g[data-reaction]").count() == sum(n.startswith("L_") for n in mouse.reaction_names)
    page.click(".fb-back")
    assert page.locator(".fb-organ").count() == 9


def test_the_keyboard_walks_through_the_organs_opens_one_and_returns(open_map):
    page = open_map()
    page.focus(".fb-threshold")
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.dataset.organ"))
    assert sorted(seen) == ["A", "B", "E", "G", "H", "K", "K2", "L", "M"]
    page.focus('.fb-organ[data-organ="K"]')
    page.keyboard.press("Enter")
    assert page.locator(".fb-tissue").get_attribute("data-organ") == "K"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.organ") == "K"


def test_nutrient_count_and_threshold_choose_what_is_drawn(open_map, mouse):
    page = open_map()
    table = organ_exchange(mouse.reference_fluxes(), mouse)
    page.select_option(".fb-nutrient", "Lac")
    page.select_option(".fb-count", "molecules")
    page.select_option(".fb-threshold", "0")
    shown = page.eval_on_selector_all(
        ".fb-flow[data-organ]", "nodes => nodes.map(n => [n.dataset.nutrient, Number(n.dataset.value)])"
    )
    expected = table[table.key == "Lac"].net_flux
    assert {key for key, _ in shown} == {"Lac"}
    assert sorted(value for _, value in shown) == pytest.approx(sorted(expected[expected != 0]))
    assert sum(value for _, value in shown) == pytest.approx(0, abs=1e-5)


def test_pointing_at_an_arrow_says_from_where_to_where_and_how_much(open_map):
    page = open_map()
    page.hover('.fb-flow[data-organ="L"][data-nutrient="Lac"] .fb-hit')
    tip = page.inner_text(".fb-tip")
    assert "plasma → liver" in tip and "nmol C/min/g body weight" in tip and "nmol/min/g body weight" in tip


@pytest.mark.parametrize("width", [400, 700, 1200, 1920])
@pytest.mark.parametrize("threshold", ["0.01", "0"])
def test_no_text_covers_another_and_all_is_readable_from_phone_to_projector(open_map, width, threshold):
    page = open_map(width=width)
    page.select_option(".fb-threshold", threshold)
    assert page.evaluate(OVERLAPS) == []
    sizes = page.eval_on_selector_all(".fb-label", "nodes => nodes.map(n => n.getBoundingClientRect().height)")
    assert len(sizes) > 50 and min(sizes) >= 11
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click('.fb-organ[data-organ="M"]')
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [400, 1920])
def test_the_widths_of_the_legend_are_those_of_the_map(open_map, width):
    page = open_map(width=width)
    scales = page.evaluate(
        "['.fb-map', '.fb-key'].map(s => { const n = document.querySelector(s); "
        "return n.getBoundingClientRect().width / n.viewBox.baseVal.width; })"
    )
    assert scales[0] == pytest.approx(scales[1], rel=0.01)


def test_colours_follow_the_system(open_map):
    paper = "getComputedStyle(document.querySelector('.fluxkit-body')).backgroundColor"
    assert open_map(color_scheme="light").evaluate(paper) == "rgb(255, 255, 255)"
    assert open_map(color_scheme="dark").evaluate(paper) == "rgb(20, 24, 28)"
