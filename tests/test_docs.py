"""The documentation builds without a warning, its links exist, and its examples run as printed."""

import re
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

import fluxkit
from fluxkit.inference import QuantifySettings, SamplerSettings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FOR_USERS = [
    f"fluxkit.{folder}"
    for folder in ("design", "inference", "labeling", "learning", "networks", "physiology", "view", "workflows")
]
"""The others, fluxes and emu, are for those who build on fluxkit: they are read in the code."""
EXAMPLES = {
    page: "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)) for page in PAGES
}


def test_the_pages_build_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "The first estimate" in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [page for page, code in EXAMPLES.items() if code], ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    sampler = SamplerSettings(windows=(10, 10), max_draws=20, seconds=5.0)
    quick = QuantifySettings(starts=2, learned_draws=32, sampler=sampler, fallbacks=False)
    monkeypatch.setattr(fluxkit, "quantify", partial(fluxkit.quantify, settings=quick))
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    exec(compile(EXAMPLES[page], str(page), "exec"), {})


@pytest.mark.parametrize("package", [fluxkit, *map(import_module, FOR_USERS)], ids=lambda package: package.__name__)
def test_every_public_name_is_in_the_reference(package):
    pages = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md"))
    listed = set(re.findall(r"^\.\. auto\w+:: (\S+)$", pages, re.MULTILINE))
    missing = [name for name in package.__all__ if not listed & {f"fluxkit.{name}", f"{package.__name__}.{name}"}]
    assert not missing


def test_every_notebook_has_its_row():
    listed = (DOCS / "tutorials" / "notebooks.md").read_text(encoding="utf-8")
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        if not notebook.stem.endswith(".failed"):
            assert f"`{notebook.stem}`" in listed
