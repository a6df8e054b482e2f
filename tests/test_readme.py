"""The README tells the truth: its example runs, and its first screen names the two commands."""

import re
from functools import partial
from pathlib import Path

import fluxkit
from fluxkit.inference import QuantifySettings, SamplerSettings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_example_runs_as_printed(tmp_path, monkeypatch, capsys):
    code = re.search(r"<!-- example -->\n```python\n(.*?)```", README, re.DOTALL)[1]
    sampler = SamplerSettings(windows=(10, 10), max_draws=20, seconds=5.0)
    quick = QuantifySettings(starts=2, learned_draws=32, sampler=sampler)
    monkeypatch.setattr(fluxkit, "quantify", partial(fluxkit.quantify, settings=quick))
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert "serine from glucose" in capsys.readouterr().out
    assert (tmp_path / "map.html").stat().st_size > 10_000


def test_the_first_screen_names_both_commands():
    first_screen = README[:1600]
    assert "make demo" in first_screen
    assert "make test" in first_screen


def test_every_picture_and_link_within_the_project_exists():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
