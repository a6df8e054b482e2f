"""The wiring of the label path in a real browser; what it plays is tested without one."""

import pytest

from fluxkit.networks import load_network
from fluxkit.view import atom_paths, label_path

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def network():
    return load_network("ccm")


@pytest.fixture(scope="module")
def widget(network):
    return label_path(network, "[1,2-13C2]glucose")


@pytest.fixture
def open_path(watch, widget, tmp_path):
    """Open the page at a width."""

    def opened(width=1200, **options):
        return watch.open(widget.to_html(tmp_path / "path.html").as_uri(), ".lp-card", width=width, **options)

    return opened


def shown(page):
    return page.eval_on_selector_all(
        ".lp-atom",
        "nodes => nodes.map(n => [n.closest('.lp-card').dataset.pool, n.dataset.atom, n.dataset.fraction])",
    )


def test_the_arrow_keys_step_and_the_last_step_shows_the_fractions_of_the_library(open_path, widget, network):
    page = open_path(reduced_motion="reduce")
    page.focus(".fluxkit-path")
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".lp-text") == "GLC_up carries C1, C2 of Glc_x to C1, C2 of G6P.c"
    assert page.locator(".lp-target").get_attribute("data-pool") == "G6P.c"
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute(".fluxkit-path", "data-step") == "0"
    page.keyboard.press("End")
    assert (
        page.inner_text(".lp-count")
        == f"{len(widget.data['choices'][0]['steps'])} / {page.get_attribute('.lp-slider', 'max')}"
    )
    table = atom_paths(network, "Glc_x", [1, 2]).set_index(["metabolite", "element", "position"]).labeled_fraction
    found = {(pool, atom[0], int(atom[1:])): float(value) for pool, atom, value in shown(page) if value}
    assert len(found) > 80
    for key, value in found.items():
        assert value == pytest.approx(table[key], abs=5e-5)  # written with four digits
    for key, value in table.items():
        assert key in found or value < 0.02 or key[0].endswith("_x"), key


def test_space_plays_and_pauses_and_one_atom_can_be_followed(open_path):
    page = open_path(width=400)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.select_option(".lp-choice", label="C1 of Glc_x")
    page.select_option(".lp-speed", "4")
    page.focus(".fluxkit-path")
    page.keyboard.press("Space")
    page.wait_for_function("Number(document.querySelector('.fluxkit-path').dataset.step) >= 3")
    page.keyboard.press("Space")
    assert page.get_attribute(".fluxkit-path", "data-state") == "paused"
    stopped = page.get_attribute(".fluxkit-path", "data-step")
    page.wait_for_timeout(600)
    assert page.get_attribute(".fluxkit-path", "data-step") == stopped
    labeled = {(pool, atom) for pool, atom, value in shown(page) if value}
    assert ("G6P.c", "C1") in labeled and ("G6P.c", "C2") not in labeled


def test_no_dot_flies_for_those_who_asked_for_less_motion(open_path):
    for motion, flying in (("reduce", 0), ("no-preference", 2)):
        page = open_path(reduced_motion=motion)
        page.click(".lp-next")
        assert page.locator(".lp-flying").count() == flying
        assert page.locator(".lp-way").count() == 2
