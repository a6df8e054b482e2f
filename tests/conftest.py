"""What every test shares: how property tests run, and a cache apart from that of the user."""

import contextlib
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the processors: threads of theirs would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

WEEK = 7 * 24 * 3600


def pytest_configure(config: pytest.Config) -> None:
    """Keep compiled programs from run to run beside pytest's own cache, where the workers of a run share them."""
    kept = getattr(config, "cache", None)  # absent under -p no:cacheprovider
    folder = Path(kept.mkdir("fluxkit") if kept else tempfile.mkdtemp(prefix="fluxkit-tests-"))
    os.environ["FLUXKIT_CACHE"] = str(folder)
    for each in (folder / "programs").glob("*"):  # property tests leave programs that no later run asks for
        with contextlib.suppress(FileNotFoundError):  # another worker was faster
            if each.stat().st_mtime < time.time() - WEEK:
                each.unlink()
