"""The wiring of explorer and viewers in a real browser; what they show is tested without one."""

import re

import pytest

import fluxkit
from fluxkit.view.explore import posterior_scene
from tests.view import synthetic_estimate as synthetic

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def estimates():
    return [synthetic.synthetic_estimate("ccm", name, seed, 2) for seed, name in enumerate(("control", "treated"))]


@pytest.fixture
def open_page(watch, tmp_path):
    """Open a viewer's page at a width."""

    def opened(viewer, width=1200, **options):
        address = viewer.to_html(tmp_path / "page.html").as_uri()
        return watch.open(address, "[role=option]", width=width, **options)

    return opened


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


def test_the_false_discovery_rate_in_words_is_that_of_the_scene(open_page, estimates):
    viewer = fluxkit.posterior_viewer(*estimates)
    viewer.data = posterior_scene(*estimates, rate=0.075)
    called = sum(each["change"]["changed"] for each in viewer.data["fluxes"] if each["change"])
    said = open_page(viewer).locator(".fluxkit-explore").inner_text()
    assert f"{called} of {len(viewer.data['fluxes'])} are called changed" in said
    assert "at a false discovery rate of 7.5 %, those with q up to 0.075." in said


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
