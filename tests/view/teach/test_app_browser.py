"""The teaching app as Binder opens it, by Voila inside JupyterLab: what it shows is what the library says."""

import re
import shutil
from pathlib import Path

import pytest

import fluxkit
from tests.view import servers
from tests.view.browsing import watching

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[3]
SEEN = ["lactate", "pyruvate", "ribose-5-phosphate", "citrate", "malate", "glutamate"]
TRACER = "Glc_x: 100% [1-13C]"
LINK = re.search(r"`(voila/render/[^`]+)`", (ROOT / "binder" / "README.md").read_text("utf-8"))[1]
LIGHT = 'theme: str = \\"light\\"'
ARRIVED = """wanted => {
  const values = [...document.querySelectorAll('.fx-bar')].filter((bar) => !bar.closest('.td-designer'))
    .map((bar) => Number(bar.dataset.value));
  return values.length === wanted.length && values.every((value, i) => Math.abs(value - wanted[i]) < 1e-4);
}"""


@pytest.fixture(scope="module")
def network():
    return fluxkit.load_network("ccm")


@pytest.fixture(scope="module")
def cell(network):
    return fluxkit.draw_fluxes(network, 1, seed=33).isel(draw=0)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder, home = (tmp_path_factory.mktemp(name) for name in ("project", "home"))
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    text = (ROOT / "notebooks" / "teaching_app.ipynb").read_text("utf-8")
    assert text.count(LIGHT) == 1
    (folder / "notebooks" / "dark.ipynb").write_text(text.replace(LIGHT, LIGHT.replace("light", "dark")), "utf-8")
    with servers.lab_server(folder, home) as address:
        yield address


@pytest.fixture(scope="module")
def page(chromium, server):
    with watching(chromium, server) as watch:
        yield watch.open(f"{server}/{LINK}", ".fx-slider", width=1300, height=1000)


def feed(page, tracer):
    page.get_by_label("Tracer", exact=True).select_option(tracer)
    page.wait_for_selector(f'.fluxkit-path:has-text("{tracer}")')


def test_another_tracer_changes_path_and_bars_to_those_of_the_library(page, network, cell):
    page.locator(".fx-again").click()
    feed(page, TRACER)
    mids = fluxkit.simulate(network, cell, TRACER, fragments=SEEN)["mid"].values.ravel()
    page.wait_for_function(ARRIVED, arg=mids.tolist())
    filled = page.locator('.lp-card[data-pool="Glc_x"] .lp-atom').evaluate_all("n => n.map(a => a.dataset.fraction)")
    assert [float(each or 0) for each in filled] == [1, 0, 0, 0, 0, 0]


def test_a_wrong_answer_gets_a_hint_and_the_right_one_a_reason(page):
    question = page.locator(".fx-question").first
    question.get_by_label("C2").check()
    question.get_by_text("Not yet.").wait_for()
    question.get_by_label("C1").check()
    question.get_by_text("Right.").wait_for()


def test_the_cell_is_measured_as_it_was_moved(page):
    page.select_option(".fx-flux", "net G6PDH")
    page.fill(".fx-value", "30")
    page.keyboard.press("Enter")
    page.wait_for_function("Math.abs(document.querySelector('.fx-value').dataset.value - 30) < 1e-9")
    page.get_by_role("button", name="Measure this cell").click()
    told = page.locator("text=G6PDH of the cell is 30.0; the data say")
    told.wait_for()
    lower, upper = map(float, re.search(r"the data say (\S+) to (\S+?)\. ", told.inner_text()).groups())
    page.wait_for_selector(".fx-marginal svg")
    medians = page.locator('.fx-marginal[data-key="net G6PDH"] [data-median]').evaluate_all(
        "nodes => nodes.map(n => Number(n.dataset.median))"
    )
    assert len(medians) == 1 and lower < medians[0] < upper  # what the kernel found is what the page draws
    page.locator(".fx-question").last.get_by_text("About which of these net fluxes").wait_for()


def test_a_tracer_is_designed_and_used_above(page):
    feed(page, TRACER)
    page.get_by_role("button", name="Open the designer").click()
    page.wait_for_selector(".td-atom")
    page.click('[data-name="glc_12"]')
    page.wait_for_function("document.querySelector('.td-text').value === 'Glc_x: 100% [1,2-13C2]'")
    page.get_by_role("button", name="Use this tracer above").click()
    page.wait_for_selector('.fluxkit-path:has-text("Glc_x: 100% [1,2-13C2]")')
    assert page.get_by_label("Tracer", exact=True).input_value() == "Glc_x: 100% [1,2-13C2]"


def test_the_app_fits_a_phone_in_dark_colours(chromium, server):
    with watching(chromium, server) as watch:
        page = watch.open(f"{server}/{LINK.replace('teaching_app', 'dark')}", ".fx-slider", width=400, height=800)
        page.wait_for_selector(".fluxkit-next-tracer")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shades = page.locator(".fluxkit-explore").evaluate_all(
            "n => n.map(each => getComputedStyle(each).backgroundColor)"
        )
        assert set(shades) == {"rgb(20, 24, 28)"}
