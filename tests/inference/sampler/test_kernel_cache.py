"""Kernels on disk are found again until a file that they are made of changes."""

import importlib.util

from fluxkit.inference.sampler import kernel_cache
from fluxkit.inference.sampler.trajectory_kernels import drift, evaluate, trajectories

SOURCE = """
from fluxkit.inference.sampler.kernel_cache import kernel

@kernel(nogil=True)
def double(x):
    return 2 * x
"""


def double_from(path):
    """Import the kernel anew, as another process would."""
    spec = importlib.util.spec_from_file_location("kernel_in_a_file", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.double(3) == 6
    return module.double.stats


def test_a_kernel_is_made_anew_when_what_it_is_made_of_changes(tmp_path, monkeypatch):
    path = tmp_path / "kernel_in_a_file.py"
    path.write_text(SOURCE)
    assert not double_from(path).cache_hits
    assert double_from(path).cache_hits
    monkeypatch.setattr(kernel_cache, "STAMP", "other files")
    assert not double_from(path).cache_hits


def test_the_kernels_of_trajectories_are_kept_so():
    for each in (drift, evaluate, trajectories):
        assert isinstance(each._cache, kernel_cache._StampedCache)
