"""A model is read back exactly as it was saved, or refused with the name of the file and the cure."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import fluxkit
from fluxkit.errors import ModelError
from fluxkit.fluxes import entropic_map, flux_space
from fluxkit.learning import Chart, FluxModel, has_model, load_model, save_model, store
from fluxkit.learning.architecture import PosteriorNetwork
from fluxkit.learning.vocabulary import build_vocabulary

TOY = fluxkit.load_network("toy")
LABELING = fluxkit.simulate(
    TOY, TOY.reference_fluxes(), {"a": "A_x: 100% [2-13C]", "b": "A_x: 50% [1-13C]"}, fragments=["B", "E"], noise=0.01
)


@pytest.fixture(scope="module")
def model():
    vocabulary, space = build_vocabulary(TOY), flux_space(TOY)
    architecture = {
        "measurements": len(vocabulary.measurements),
        "features": vocabulary.feature_count,
        "context": vocabulary.context_count,
        "rates": vocabulary.rate_count,
        "parameters": len(space.free) + space.exchange_scale.size,
        "width": 8,
        "size": 16,
        "blocks": 1,
        "couplings": 2,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = PosteriorNetwork(**architecture).eval()
    card = {
        "network": TOY.name,
        "network_fingerprint": TOY.fingerprint,
        "architecture": architecture,
        "tracers": [each.text for each in vocabulary.tracers],
        "measurements": [each.name for each in vocabulary.measurements],
    }
    return FluxModel(vocabulary, network, Chart(entropic_map(space), space.origin, space.basis), card)


@pytest.fixture
def folder(model, tmp_path):
    return save_model(model, tmp_path / "model", "# A model\n")


def edit_card(folder: Path, **changes) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_saved_model_draws_the_same(model, folder):
    before = torch.random.get_rng_state()
    loaded = load_model(TOY, folder)
    assert torch.equal(torch.random.get_rng_state(), before)
    for left, right in zip(model.draw(LABELING, 50, 3), loaded.draw(LABELING, 50, 3), strict=True):
        np.testing.assert_array_equal(left, right)
    assert loaded.card.items() >= model.card.items()
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "card.md", "model.safetensors"]


def test_the_seed_decides_the_draws(model):
    first, again, other = (model.draw(LABELING, 20, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("mid", "sd"), [(1e30, 1e-30), (1e200, 0.01), (np.inf, 0.01), (0.3, 1e-200)])
def test_data_unlike_any_of_training_give_finite_draws_inside_the_polytope(model, mid, sd):
    strange = LABELING.assign(mid=xr.full_like(LABELING["mid"], mid), mid_sd=xr.full_like(LABELING["mid"], sd))
    with np.errstate(all="ignore"):
        z, y, w = model.draw(strange, 20)
    space = flux_space(TOY)
    assert all(np.isfinite(each).all() for each in (z, y, w))
    assert (z @ space.walls.T <= space.offsets + 1e-9).all()


def test_a_model_keeps_its_own_coordinates(model, tmp_path):
    """A chart that is rotated against ours, as another processor may round it, gives the same net fluxes."""
    chart, space = model.chart, flux_space(TOY)
    turned = turned_chart(chart)
    rotated = FluxModel(model.vocabulary, model.network, turned, model.card)
    loaded = load_model(TOY, save_model(rotated, tmp_path))
    expected = space.net(model.draw(LABELING, 20)[0])
    np.testing.assert_allclose(space.net(loaded.draw(LABELING, 20)[0]), expected, atol=1e-7)


def turned_chart(chart):
    """Return the chart in coordinates of the opposite sign."""
    parts = chart.arrays()
    flipped = parts | {name: -parts[name] for name in ("walls", "basis", "shift", "scale")}
    return Chart.from_arrays(flipped)


@pytest.mark.parametrize("place", [0.001, 0.5, 0.999])
def test_a_flipped_byte_in_the_weights_is_refused(folder, place):
    path = folder / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="model.safetensors' is damaged: its checksum is not the one in its card"):
        load_model(TOY, folder)


def test_truncated_weights_are_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="model.safetensors' is damaged"):
        load_model(TOY, folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"card"', "{}", '{"sha256": "0"}', "\udcff"])
def test_a_damaged_card_is_refused(folder, text):
    (folder / "card.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError, match="card.json' is damaged .*train the model again"):
        load_model(TOY, folder)


def test_a_card_cut_in_the_middle_is_refused(folder):
    path = folder / "card.json"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelError, match="card.json' is damaged"):
        load_model(TOY, folder)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 9},
        {"couplings": 0},
        {"parameters": -1},
        {"size": "large"},
        {"measurements": None},
        {"depth": 3},
        {"blocks": 2.5},
        {"size": 10**12},
    ],
)
def test_a_card_of_another_architecture_is_refused(model, folder, change):
    edit_card(folder, architecture=model.card["architecture"] | change)
    with pytest.raises(ModelError, match="card.json' is damaged: it does not describe the weights beside it"):
        load_model(TOY, folder)


@pytest.mark.parametrize("tracers", [["B_x: 100% [1-13C]"], "A_x", 3, []])
def test_a_card_of_other_tracers_is_refused(folder, tracers):
    edit_card(folder, tracers=tracers)
    with pytest.raises(ModelError, match="card.json' is damaged"):
        load_model(TOY, folder)


def test_a_model_of_another_network_is_refused_with_the_cure(folder):
    with pytest.raises(ModelError, match="trained on another version of network 'toy'; train one for this network"):
        load_model(fluxkit.load_network("ccm"), folder)


def test_a_model_of_another_observation_table_is_refused(folder):
    edit_card(folder, measurements=["B", "C"])
    with pytest.raises(ModelError, match="another observation table"):
        load_model(TOY, folder)


@pytest.mark.parametrize("older", [1, None])
def test_a_model_of_another_format_is_refused_with_the_cure_and_does_not_ship(folder, monkeypatch, older):
    monkeypatch.setattr(store, "SHIPPED", folder.parent)
    folder = folder.rename(folder.parent / "toy")
    card = json.loads((folder / "card.json").read_text())
    del card["format"]
    (folder / "card.json").write_text(json.dumps(card | ({"format": older} if older else {})))
    with pytest.raises(ModelError, match="has format 1, and this version of fluxkit reads format 2; train it again"):
        load_model(TOY)
    assert not has_model(TOY)


def test_a_missing_model_is_refused_with_the_cure(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED", tmp_path)
    with pytest.raises(
        ModelError,
        match=r"there is no model in .*; train one with fluxkit.train.*or do without: model=None \(--model none\)",
    ):
        load_model(TOY, tmp_path / "none")
    with pytest.raises(ModelError, match="there is no model in .*toy"):
        load_model(TOY)


@pytest.mark.parametrize(("lost", "kept"), [("model.safetensors", "card.json"), ("card.json", "model.safetensors")])
def test_half_a_model_is_refused_with_the_file_that_is_missing(folder, lost, kept):
    (folder / lost).unlink()
    with pytest.raises(ModelError, match=rf"model file '.*{lost}' is missing beside '{kept}'\. Restore it, train"):
        load_model(TOY, folder)


def test_a_failing_disk_leaves_nothing_half_written(model, tmp_path, monkeypatch):
    write = Path.write_bytes

    def fail(path, content):
        if path.name == "card.json":
            raise OSError("disk full")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(model, tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == []


def test_the_shipped_model_is_found_by_its_network(folder, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED", folder.parent)
    folder.rename(folder.parent / "toy")
    assert has_model(TOY)
    assert not has_model(fluxkit.load_network("ccm"))
    edit_card(folder.parent / "toy", network_fingerprint="0")
    assert not has_model(TOY)
    (folder.parent / "toy" / "card.json").write_text("[]")
    assert has_model(TOY)  # so that loading says what is wrong
    with pytest.raises(ModelError, match="damaged"):
        load_model(TOY)


@pytest.mark.parametrize("name", ["ccm", "wholebody_core"])
def test_a_model_that_ships_reads_data_and_is_calibrated_by_its_card(name):
    network = fluxkit.load_network(name)
    model = load_model(network)
    assert abs(model.card["calibration"]["coverage_50"] - 0.5) < 0.02
    assert abs(model.card["calibration"]["coverage_90"] - 0.9) < 0.01
    tracer = next(iter(network.standard_tracers.values()))
    seen = [each.name for each in model.vocabulary.measurements][:20]
    truth = fluxkit.draw_fluxes(network, 1, seed=3).isel(draw=0)
    labeling = fluxkit.simulate(network, truth, tracer, fragments=seen, noise=0.005, seed=0)
    z, _, _ = model.draw(labeling, 50)
    net = flux_space(network).net(z)
    balance = net @ network.stoichiometry.T
    np.testing.assert_allclose(balance, 0, atol=1e-8 * abs(net).max())
