import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fluxkit.errors import FluxError
from fluxkit.inference import Verdict
from fluxkit.view.figure_style import DARK
from fluxkit.view.report import write_report
from fluxkit.view.report_text import fit_in_words
from tests.view.pictures import browser, find_chromium
from tests.view.synthetic_estimate import synthetic_comparison, synthetic_estimate

EVIL = "<script>alert('1')</script> & \"quotes\""


class Page(HTMLParser):
    """The elements of a page, its visible words, and what it would load."""

    def __init__(self, page: str):
        super().__init__()
        self.words, self.loads, self.links, self.scripts, self.ids = "", [], [], [], []
        self._stack, self.hidden = [], False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.hidden = tag in ("script", "style")
        if tag == "script":
            self.scripts.append([attrs, ""])
        if tag == "a":
            self.links.append(attrs["href"])
        else:
            self.loads += [attrs[name] for name in ("src", "href", "data", "poster", "srcset") if name in attrs]

    def handle_endtag(self, tag):
        self.hidden = False

    def handle_data(self, data):
        if not self.hidden:
            self.words += f" {data}"
        elif self.scripts and not self.scripts[-1][1]:
            self.scripts[-1][1] = data


@pytest.fixture(scope="module")
def two():
    return {
        "control": synthetic_estimate("toy", "control", experiments=2),
        "treated": synthetic_estimate("toy", "treated", seed=1, experiments=2),
    }


@pytest.fixture(scope="module")
def page(two, tmp_path_factory):
    path = write_report(
        two,
        tmp_path_factory.mktemp("report") / "deep" / "report.html",
        title=f"Two samples {EVIL}",
        findings=["The first finding.", EVIL],
        comparison=synthetic_comparison(*two.values()),
        comparison_title="treated minus control",
        settings={"seed": 3, EVIL: EVIL},
        notes=[f"note {EVIL}"],
        limits=["Do not compare apples."],
    )
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def parsed(page):
    return Page(page)


def test_the_page_loads_nothing_from_elsewhere(page, parsed):
    assert parsed.loads == ["data:,"]
    assert all(
        each.startswith(("#", "https://doi.org/", "data:text/csv;", "data:application/json;")) for each in parsed.links
    )
    styles = "".join(re.findall(r"<style>(.*?)</style>", page, re.S))
    assert "url(" not in styles and "@import" not in styles


def test_plotly_stands_in_the_page_exactly_once_and_keeps_it_small(page, parsed):
    assert sum(len(content) > 1e6 for _, content in parsed.scripts) == 1
    assert len(page.encode()) < 5.5e6


def test_what_users_write_is_shown_and_never_run(page, parsed):
    assert "<script>alert" not in page
    assert parsed.words.count("alert('1')") >= 5
    assert parsed.words.index("The first finding.") < parsed.words.index("Verdict")


def test_every_figure_finds_its_numbers_and_identifiers_are_unique(page, parsed):
    sources = re.findall(r'data-source="(figure-\d+)"', page)
    assert len(sources) == len(set(sources)) == 1 + 2 * 4
    numbers = {
        attrs["id"]: json.loads(content) for attrs, content in parsed.scripts if attrs.get("type", "").endswith("json")
    }
    assert all(numbers[source]["data"] for source in sources)
    assert numbers["dark-colours"] == DARK
    assert len(parsed.ids) == len(set(parsed.ids))


def test_fit_limits_methods_and_notes_are_told(parsed, two):
    for words in (
        f"{two['control'].ssr:.1f}", "degrees of freedom", "Worst residuals", "Do not compare apples.",
        "Fluxes are relative to v1 = 100", "taken as not measured", "Glc_x: 100% [U-13C6]",
        "10.1016/j.ymben.2006.09.001", "Vehtari", "treated minus control", "fluxkit",
    ):  # fmt: skip
        assert words in parsed.words


def test_an_undetermined_flux_gets_no_value(two, tmp_path):
    estimate = synthetic_estimate("toy")
    estimate.intervals["median"] = 12345.0
    estimate.intervals["determined"] = False
    written = write_report(estimate, tmp_path / "r.html", title="t", map_html="").read_text(encoding="utf-8")
    words = Page(written).words
    assert words.count("not determined") >= (~np.isclose(estimate.intervals["prior_lower"], 100)).sum() - 1
    assert "12345" not in words.replace("v1", "").split("fixed")[1]


def test_a_single_estimate_has_no_tabs_and_no_empty_sections(tmp_path):
    estimate = synthetic_estimate("toy", sample="only")
    estimate.diagnostics = {}
    page = Page(write_report(estimate, tmp_path / "r.html", title="One", map_html="<p>own map</p>").read_text("utf-8"))
    assert "tabs" not in " ".join(page.ids) and "comparison" not in page.ids and "settings" not in page.ids
    assert "own map" in page.words and "Findings" not in page.words
    assert "Hamiltonian" not in page.words  # nothing was sampled


def test_fitted_shares_are_shown_as_nuisance(tmp_path):
    estimate = synthetic_estimate("toy")
    estimate.posterior = estimate.posterior.assign(
        weight=(("chain", "draw", "weight_name"), np.full((4, 100, 1), 0.25))
    ).assign_coords(weight_name=["w3"])
    page = Page(write_report(estimate, tmp_path / "r.html", title="t", map_html="").read_text("utf-8"))
    assert "0.25 (0.25 to 0.25)" in page.words
    assert "no measurement of compartments" in page.words


@pytest.mark.parametrize(
    ("p", "freedom", "words"),
    [(0.4, 60, "agrees"), (1e-5, 60, "worse"), (0.03, 60, "barely"), (0.999, 60, "overstated"),
     (0.4, 0, "cannot be tested")],
)  # fmt: skip
def test_chi_square_is_read_in_words(p, freedom, words):
    assert words in fit_in_words(p, freedom)


def test_a_failed_report_leaves_the_old_one_and_nothing_beside_it(two, tmp_path, monkeypatch):
    path = write_report(two["control"], tmp_path / "report.html", title="old", map_html="")
    with pytest.raises(FluxError, match="the comparison lacks column 'kind'"):
        write_report(two, path, title="new", comparison=two["control"].intervals[["reaction"]])

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(two["control"], path, title="new", map_html="")
    assert "<title>old</title>" in path.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [path]


def test_the_card_of_a_verdict_shows_its_remark(tmp_path):
    estimate = synthetic_estimate("toy")
    estimate.verdict = Verdict(True, (), ("errors are overstated",))
    page = Page(write_report(estimate, tmp_path / "r.html", title="t", map_html="").read_text("utf-8"))
    assert "✓ trusted Remark: errors are overstated." in " ".join(page.words.split())


def test_no_estimate_is_refused(tmp_path):
    with pytest.raises(FluxError, match="there is no estimate to report"):
        write_report({}, tmp_path / "r.html", title="t")
    assert not list(tmp_path.iterdir())


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium on PATH: apt-get install chromium")
@pytest.mark.parametrize("width", [400, 1200])
def test_the_page_draws_itself_offline_and_fits_the_screen(page, tmp_path, width):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    wrong, asked = [], []
    with browser() as chromium:
        tab = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme="dark")
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(path.as_uri())
        tab.locator("#measured-against-fitted").get_by_role("tab", name="treated").click()
        tab.wait_for_selector(".figure:visible .main-svg")
        tab.evaluate("for (const each of document.querySelectorAll('.figure')) each.scrollIntoView()")
        tab.wait_for_function(
            "[...document.querySelectorAll('.figure')].every(e => !e.clientWidth || e.querySelector('.main-svg'))"
        )
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        texts = tab.evaluate("[...document.querySelectorAll('.figure .ytick text')].map(e => e.textContent)")
        inks = tab.evaluate("[...document.querySelectorAll('.figure .ytick text')].map(e => e.style.fill)")
    assert not wrong
    assert [each for each in asked if not each.startswith(("file:", "data:"))] == []
    assert {"v1", "v2"} <= set(texts)
    assert "rgb(232, 235, 238)" in inks


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium on PATH: apt-get install chromium")
def test_names_that_look_like_tags_do_not_break_the_page(two, tmp_path):
    names = ("<!--<script>", "</script><!--<script>")
    network = replace(two["control"].network, name="<!--<script>")
    estimates = {
        name: SimpleNamespace(**{**vars(each), "sample": name, "network": network})
        for name, each in zip(names, two.values(), strict=True)
    }
    path = write_report(estimates, tmp_path / "report.html", title="<!--<script>")
    wrong = []
    with browser() as chromium:
        tab = chromium.new_page(viewport={"width": 1200, "height": 900})
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.goto(path.as_uri())
        tab.wait_for_selector("#map-0 g[data-reaction]", state="attached", timeout=30_000)
        tab.wait_for_selector("#map-1 g[data-reaction]", state="attached", timeout=30_000)
        tab.locator("#measured-against-fitted").scroll_into_view_if_needed()
        tab.wait_for_selector(".figure:visible .main-svg")
        assert tab.locator("#measured-against-fitted").get_by_role("tab").all_text_contents() == list(names)
    assert not wrong
