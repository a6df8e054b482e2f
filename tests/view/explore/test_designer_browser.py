"""The wiring of the tracer designer in a real browser; what it shows is tested without one."""

import numpy as np
import pytest

import fluxkit
from tests.view import servers
from tests.view.browsing import watching

pytestmark = pytest.mark.browser

CELL = """import fluxkit
network = fluxkit.load_network("mlflux_uppergly")
designer = fluxkit.tracer_designer(network, "Glc_x: 100% [U-13C6]", states=fluxkit.draw_fluxes(network, 4, seed=2))
designer"""


SENT = "save_changes() { (window.sent ??= []).push(structuredClone(state)); }"


def bars(page):
    return page.eval_on_selector_all(".fx-bar", "nodes => nodes.map(n => Number(n.dataset.value))")


def answered(page):
    page.wait_for_function("document.querySelector('.td-designer:not(.td-waiting)') !== null")


def test_in_jupyterlab_atoms_are_picked_with_keys_and_the_shares_of_a_mix_are_moved(chromium, tmp_path):
    network = fluxkit.load_network("mlflux_uppergly")
    states = fluxkit.draw_fluxes(network, 4, seed=2)

    def compare(page, text):
        """Read the tracer and its MIDs back from the page, and simulate it."""
        page.wait_for_function("wanted => document.querySelector('.td-text').value === wanted", arg=text)
        answered(page)
        names = page.eval_on_selector_all(".fx-panel", "nodes => nodes.map(n => n.dataset.fragment)")
        made = fluxkit.simulate(network, states, text, fragments=names)["mid"].mean("draw").values.ravel()
        np.testing.assert_allclose(bars(page), made, atol=6e-6)  # five digits are shown

    folder = tmp_path / "lab"
    folder.mkdir()
    servers.write_notebook(folder / "design.ipynb", [CELL])
    with servers.lab_server(folder, tmp_path / "home") as address, watching(chromium, address) as watch:
        page = watch.open(f"{address}/doc/tree/design.ipynb?reset", width=1300, height=1000)
        servers.run_all(page, ".td-atom")
        compare(page, "Glc_x: 100% [U-13C6]")
        page.focus('[data-key="C1"]')
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        assert page.locator('[data-key="C2"]').get_attribute("aria-checked") == "false"
        compare(page, "Glc_x: 100% [1,3,4,5,6-13C5]")
        page.click('[data-name="glc_12"]')
        compare(page, "Glc_x: 100% [1,2-13C2]")
        page.focus(".td-share")
        for _ in range(40):
            page.keyboard.press("ArrowLeft")
        compare(page, "Glc_x: 60% [1,2-13C2]")
        page.click(".td-add")
        page.wait_for_selector("text=has no labeled atom; choose one in the drawing")
        page.click(".td-all")
        compare(page, "Glc_x: 60% [1,2-13C2] + 40% [U-13C6]")
        page.fill(".td-percent >> nth=1", "70")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=The shares of Glc_x sum to 130 %, above 100 %")
        page.click(".td-scale")
        compare(page, "Glc_x: 46.1% [1,2-13C2] + 53.9% [U-13C6]")
        page.fill(".td-text", "[1-13C]glucose")
        page.keyboard.press("Enter")
        compare(page, "Glc_x: 100% [1-13C]")
        rows = page.locator(".td-interval")
        flux = rows.first.get_attribute("data-flux")
        ranked = fluxkit.design_tracers(network, ["[1-13C]glucose"], fluxes_of_interest=flux, states=states)
        half = float(rows.first.get_attribute("data-half"))
        assert half == pytest.approx(1.6448536 * float(ranked["expected_width"].squeeze()), rel=1e-5)


@pytest.fixture(scope="module")
def body():
    return fluxkit.tracer_designer(fluxkit.load_network("liver_hc"), "Glc_x: 100% [6,7-2H2]; H_x: 5% [1-2H]", draws=4)


@pytest.mark.parametrize("width", [400, 1920])
def test_the_page_of_a_design_fits_phone_and_projector_and_names_all_it_shows(watch, body, tmp_path, width):
    address = body.to_html(tmp_path / "page.html").as_uri()
    page = watch.open(address, ".td-interval", width=width, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shade = page.evaluate("getComputedStyle(document.querySelector('.td-designer')).backgroundColor")
    assert shade == "rgb(20, 24, 28)"
    sizes = page.eval_on_selector_all("svg text", "nodes => nodes.map(n => n.getBoundingClientRect().height)")
    assert min(sizes) >= (9 if width == 400 else 13)
    targets = page.eval_on_selector_all(".td-atom", "nodes => nodes.map(n => n.getBoundingClientRect().width)")
    assert min(targets) >= 22  # pixels that a finger finds
    bare = (
        "[...document.querySelectorAll('input, select, button, textarea, [role=checkbox], [role=img]')]"
        ".filter(n => !n.labels?.length && !n.textContent.trim() && !n.getAttribute('aria-label'))"
    )
    assert page.evaluate(f"{bare}.length") == 0
    assert bars(page) == [value for each in body.answer["panels"] for value in each["mean"]]


def written(widget, path, *changes):
    """Write the page of a design, which then keeps what it would send to a kernel."""
    text = widget.to_html(path).read_text(encoding="utf-8")
    for old, new in (("save_changes() {}", SENT), *changes):
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


def test_no_control_of_a_saved_page_changes_what_it_shows(watch, body, tmp_path):
    page = watch.open(written(body, tmp_path / "page.html"), ".td-interval")
    page.wait_for_selector("p:has-text('Information')", state="attached")  # is spoken a little later
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    shown = "document.querySelector('.td-designer').innerText"
    chosen = """[...document.querySelectorAll('[aria-selected], [aria-checked]')].map(
      (node) => node.getAttribute('aria-selected') || node.getAttribute('aria-checked'))"""
    before = page.evaluate(shown), page.evaluate(chosen)
    assert len(before[1]) > 20
    assert page.locator(".td-left :enabled").count() == 0
    assert page.locator("button:visible:enabled").count() == 0
    for control in page.locator(".td-atom, .fx-option").all():
        control.dispatch_event("click")
    for place in (".td-atom >> nth=0", ".fx-list >> nth=0", ".fx-list >> nth=1"):
        page.focus(place)
        for key in ("Space", "Enter", "ArrowDown", "Space"):
            page.keyboard.press(key)
    locked = page.locator(".td-atom, .fx-list")
    assert {each.get_attribute("aria-disabled") for each in locked.all()} == {"true"}
    assert (page.evaluate(shown), page.evaluate(chosen)) == before
    assert page.evaluate("window.sent") is None
    assert page.locator(".td-waiting").count() == 0


def test_measurements_are_chosen_before_any_mix_was_understood(watch, tmp_path):
    network = fluxkit.load_network("mlflux_uppergly")
    widget = fluxkit.tracer_designer(network, "Glc_x: 100% [U-13C6]", draws=2)
    widget.mix = [{**widget.mix[0], "fraction": 1.5}]
    first, second = widget.answer["measurable"][:2]
    page = watch.open(written(widget, tmp_path / "page.html", ('"offline":true', '"offline":false')), ".td-alarm p")
    page.click("summary:has-text('Measurements')")
    page.locator(f'.fx-option[data-key="{second}"]').last.click()
    assert page.evaluate("window.sent.at(-1).left_out") == [second]
    page.locator(f'.fx-option[data-key="{first}"]').last.click()
    assert page.evaluate("window.sent.at(-1).left_out") == [first, second]


def test_a_nutrient_brings_its_standard_tracer_and_a_design_is_kept_beside(watch, tmp_path):
    widget = fluxkit.tracer_designer(fluxkit.load_network("ccm"), "Glc_x: 50% [1,2-13C2]", draws=2)
    page = watch.open(written(widget, tmp_path / "page.html", ('"offline":true', '"offline":false')), ".td-interval")
    page.click("text=Keep to compare")
    assert page.locator(".td-kept").count() == len(widget.fluxes)
    assert page.locator(".fx-key:has-text('kept: Glc_x: 50% [1,2-13C2]')").count() == 1
    page.click("text=Forget the kept design")
    assert page.locator(".td-kept").count() == 0
    page.select_option(".td-pool", "Gln_x")
    first = next(each for each in widget.data["standards"] if each["mix"][0]["pool"] == "Gln_x")
    assert page.evaluate("window.sent.at(-1).mix") == [{**first["mix"][0], "fraction": 0.5}]
    chips = page.locator(".td-chip").evaluate_all("nodes => nodes.map(each => each.dataset.name)")
    own = [each for each in widget.data["standards"] if any(part["pool"] == "Gln_x" for part in each["mix"])]
    assert chips == [each["name"] for each in own]
