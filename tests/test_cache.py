"""Compiled programs on disk: their name is part of the checksum, and the folder stays tidy."""

import os
import time
from pathlib import Path

import pytest

from fluxkit import cache
from fluxkit.cache import cache_folder, read_kept, write_kept
from fluxkit.emu import compiler

FIRST, SECOND, THIRD = ("abc"[k] * 64 for k in range(3))


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FLUXKIT_CACHE", str(tmp_path))
    found = cache_folder("programs")
    assert found == tmp_path / "programs"
    return found


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def make_older(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_what_is_written_is_read_under_its_name_and_no_other(folder):
    write_kept(folder, FIRST, b"code")
    assert read_kept(folder, FIRST) == b"code"
    assert read_kept(folder, SECOND) is None
    (folder / FIRST).rename(folder / SECOND)
    assert read_kept(folder, SECOND) is None


def test_the_programs_that_were_not_used_for_longest_are_removed_above_the_limit(folder, monkeypatch):
    for name, age in ((FIRST, 300), (SECOND, 200)):
        write_kept(folder, name, bytes(1000))
        make_older(folder / name, age)
    (folder / "notes.txt").write_text("of the user")
    make_older(folder / "notes.txt", 900)
    assert read_kept(folder, FIRST) is not None  # used now: the second is the oldest
    monkeypatch.setattr(cache, "LIMIT", 2500)
    write_kept(folder, THIRD, bytes(1000))
    assert names(folder) == {FIRST, THIRD, "notes.txt"}
    monkeypatch.setattr(cache, "LIMIT", 0)
    write_kept(folder, SECOND, bytes(1000))
    assert names(folder) == {"notes.txt"}


def test_programs_may_take_500_megabytes():
    assert cache.LIMIT == 500e6


def test_what_killed_processes_left_is_removed_after_an_hour(folder):
    for ending, age in (("old", 3700), ("new", 3500)):
        (folder / f"{FIRST}.{ending}").write_bytes(b"half")
        make_older(folder / f"{FIRST}.{ending}", age)
    write_kept(folder, SECOND, b"code")
    assert names(folder) == {SECOND, f"{FIRST}.new"}


def test_without_readable_sources_the_version_stands_for_them(monkeypatch):
    found = [compiler.compiler_name()]
    for version in ("7.0", "7.1"):
        with monkeypatch.context() as patch:
            patch.setattr(compiler, "__file__", "/nowhere/fluxkit.zip/compiler.py")
            patch.setattr(compiler, "__version__", version)
            found.append(compiler.compiler_name.__wrapped__())
    assert len(set(found)) == 3
