"""The page of results: a benchmark replaces its own section, and leaves the others as they were."""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return the module, writing a page of its own."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("machine")
    monkeypatch.setattr(module, "PAGE", tmp_path / "RESULTS.md")
    return module


def test_sections_keep_their_order_and_have_one_blank_line_before_each(machine):
    machine.PAGE.write_text("# Results\n\n## Widgets\n\nold\n## Another\n\nkept\n\n\n## Whole body, mouse\ntable\n")
    for name in ("Widgets", "Quantify", "Whole body"):
        machine.publish(name, f"\nnew {name}\n\n", printed=False)
    titles = ["Quantify", "Whole body", "Whole body, mouse", "Widgets", "Another"]
    texts = ["new Quantify", "new Whole body", "table", "new Widgets", "kept"]
    sections = [f"## {title}\n\n{text}\n" for title, text in zip(titles, texts, strict=True)]
    assert machine.PAGE.read_text() == "# Results\n\n" + "\n".join(sections)


def test_the_page_of_the_project_has_the_form_that_benchmarks_write(machine, monkeypatch):
    page = (BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8")
    machine.PAGE.write_text(page, encoding="utf-8")
    title, rest = page.split("\n## ")[1].split("\n", 1)
    machine.publish(title, rest, printed=False)
    assert machine.PAGE.read_text(encoding="utf-8") == page
