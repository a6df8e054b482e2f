"""What was found out about a network is kept bit for bit, and only for what made it."""

import numpy as np

from fluxkit.fluxes import disk
from fluxkit.fluxes.disk import kept_arrays


def test_arrays_come_back_bit_for_bit_and_are_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUXKIT_CACHE", str(tmp_path))
    made = []

    def make():
        made.append(1)
        return {"x": np.random.default_rng(len(made)).standard_normal((3, 4)), "free": np.arange(3)}

    first, again = kept_arrays("a network", make), kept_arrays("a network", make)
    assert len(made) == 1
    for name, values in first.items():
        assert again[name].dtype == values.dtype
        np.testing.assert_array_equal(again[name], values)
    assert not np.array_equal(kept_arrays("another network", make)["x"], first["x"])


def test_what_other_code_made_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUXKIT_CACHE", str(tmp_path))
    kept_arrays("a network", lambda: {"x": np.zeros(2)})
    monkeypatch.setattr(disk, "_version", lambda: "other code")
    assert kept_arrays("a network", lambda: {"x": np.ones(2)})["x"].tolist() == [1, 1]


def test_a_damaged_file_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUXKIT_CACHE", str(tmp_path))
    kept_arrays("a network", lambda: {"x": np.zeros(2)})
    (file,) = (tmp_path / "spaces").iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert kept_arrays("a network", lambda: {"x": np.ones(2)})["x"].tolist() == [1, 1]
