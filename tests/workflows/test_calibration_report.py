"""The calibration report stands on its own: one page, loading nothing, with every number of the card."""

import json
from dataclasses import replace

import numpy as np
import pytest

import fluxkit
from fluxkit.learning.calibration import DRAWS, Calibration, calibration_numbers
from fluxkit.workflows.calibration_figures import course_figure, coverage_figure, rank_figure, strata_figure
from fluxkit.workflows.calibration_report import calibration_page
from fluxkit.workflows.model_card import calibration_in_words
from fluxkit.workflows.training import TrainingSettings, train
from tests.view.pictures import browser, find_chromium
from tests.view.test_report import Page

EVIL = "<script>alert('1')</script>"
HISTORY = [
    {"step": 10, "splines": False, "train_loss": 3.0, "val_loss": 3.1, "val_error": 0.9},
    {"step": 20, "splines": True, "train_loss": 2.0, "val_loss": 2.2, "val_error": 0.8},
    {"step": 30, "splines": True, "train_loss": 1.9, "val_loss": 2.3, "val_error": 0.8},
]


def made(quantities=70, samples=400):
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, DRAWS + 1, (samples, quantities))
    ranks[:, 0] = rng.integers(0, 20, samples)  # a flux whose truth always lies below its interval
    names = (EVIL, *(f"v{i}" for i in range(1, quantities)))
    kinds = tuple(("net", "exchange", "share")[min(2, 3 * i // quantities)] for i in range(quantities))
    return Calibration(
        names, kinds, ranks, np.full(ranks.shape, 0.4), rng.uniform(0, 0.7, samples),
        rng.uniform(0.002, 0.02, samples), rng.integers(1, 5, samples),
    )  # fmt: skip


def card_of(calibration):
    training = {"steps_run": 30, "seconds": 90, "cores": 2, "ended_by": "steps", "best_step": 20, "resumed_at": [10]}
    return {
        "network": "mine",
        "calibration": calibration_numbers(calibration),
        "training": training | {"history": HISTORY},
    }


@pytest.fixture(scope="module")
def page():
    calibration = made()
    return calibration_page(calibration, card_of(calibration))


def test_the_page_loads_nothing_and_escapes_names(page):
    parsed = Page(page)
    assert parsed.loads == ["data:,"]
    assert EVIL not in page
    assert EVIL in parsed.words


def test_the_page_shows_what_the_card_says(page):
    words = " ".join(Page(page).words.split())
    numbers = calibration_numbers(made())
    for said in calibration_in_words(numbers):
        assert said in words
    for each in numbers["fluxes"]:
        assert f"{each['name']} {each['kind']} {each['coverage_50']:.1%}" in words
    for each in numbers["strata"]:
        assert f"{each['by']}: {each['label']} {each['samples']} {each['coverage_50']:.1%}" in words
    assert "went on after an interruption at step 10" in words


def test_a_flux_outside_its_band_is_marked_and_no_other_of_uniform_ranks():
    numbers = calibration_numbers(made())
    low, high = numbers["coverage_90_band"]
    outside = [each["name"] for each in numbers["fluxes"] if not low <= each["coverage_90"] <= high]
    assert outside[0] == EVIL
    assert numbers["coverage_90_outside"] == len(outside) <= 4  # 0.7 of 70 are expected outside a band of 99 %
    calibration = made()
    rows = [row.partition("</tr>")[0] for row in calibration_page(calibration, card_of(calibration)).split("<tr")]
    assert ["✗" in row for row in rows if "alert" in row] == [True]


def test_the_figures_hold_the_numbers():
    calibration = made()
    numbers = calibration_numbers(calibration)
    drawn = [v for trace in coverage_figure(numbers).data if trace.hovertemplate and "90 %" in trace.hovertemplate
             for v in trace.x]  # fmt: skip
    assert drawn == [each["coverage_90"] for each in numbers["fluxes"]]
    lines = [trace for trace in rank_figure(calibration).data if trace.xaxis == "x2" and trace.hovertemplate]
    assert len(lines) == 70
    largest = max(abs(np.array(lines[0].y)))
    assert largest == pytest.approx(0.9, abs=0.02)  # all ranks in the first tenth
    by_level = {trace.name: list(trace.x) for trace in strata_figure(numbers).data}
    assert by_level["90 % intervals"] == [each["coverage_90"] for each in numbers["strata"]]
    course = course_figure(card_of(calibration)["training"])
    assert [list(trace.y) for trace in course.data] == [[3.1], [2.2, 2.3]]


def test_a_page_of_few_samples_can_be_written():
    small = made(quantities=3, samples=3)
    assert "NaN" not in json.dumps(calibration_numbers(small))
    assert "Coverage" in calibration_page(small, card_of(small))


@pytest.mark.browser
@pytest.mark.skipif(not find_chromium(), reason="needs chromium")
def test_a_browser_draws_every_figure_without_a_network(tmp_path, page):
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    with browser() as chromium:
        shown = chromium.new_page(viewport={"width": 900, "height": 800})
        errors, asked = [], []
        shown.on("pageerror", lambda error: errors.append(str(error)))
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto((tmp_path / "page.html").as_uri())
        for figure in shown.locator(".figure").all():
            figure.scroll_into_view_if_needed()
            figure.locator(".main-svg").first.wait_for()
        assert shown.locator(".figure").count() == 4
    assert not errors
    assert all(url.startswith(("file:", "data:")) for url in asked)


def test_a_training_leaves_the_page_beside_its_card(tmp_path):
    settings = TrainingSettings(
        steps=8, batch_size=16, width=4, size=16, blocks=1, couplings=1, workers=0, calibration=30
    )
    model = train(fluxkit.load_network("toy"), tmp_path / "model", settings=settings, progress=False)
    words = " ".join(Page((tmp_path / "model" / "calibration.html").read_text(encoding="utf-8")).words.split())
    assert "Calibration of the posterior network for toy" in words
    assert all(said in words for said in calibration_in_words(model.card["calibration"]))
    kept = json.loads((tmp_path / "model" / "card.json").read_text())
    assert kept["calibration"] == model.card["calibration"]
    assert replace(settings).calibration == kept["calibration"]["samples"]
