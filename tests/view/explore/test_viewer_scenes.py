"""What the viewers show, without a browser: the numbers of the estimate, the worst first, contours of a known share."""

import importlib.util
import json
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import traitlets
from scipy.stats import chi2, spearmanr

import fluxkit
from fluxkit.errors import FluxError, LabelingError
from fluxkit.inference import FluxEstimate, Verdict, compare
from fluxkit.view.explore import mid_scene, mid_viewer, posterior_scene, posterior_viewer
from fluxkit.view.explore.contours import contour_lines, level_of_share, smooth_density
from fluxkit.view.explore.posterior_scene import histogram, rank_correlation, strongest_pairs

_spec = importlib.util.spec_from_file_location("synthetic", Path(__file__).parents[1] / "synthetic_estimate.py")
synthetic = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(synthetic)


@pytest.fixture(scope="module")
def control():
    return synthetic.synthetic_estimate("ccm", "control", 0, 2)


@pytest.fixture(scope="module")
def treated():
    return synthetic.synthetic_estimate("ccm", "treated", 1, 2)


def test_the_worst_fragment_comes_first_with_the_numbers_of_the_fit(control):
    scene = mid_scene(control)
    worst = [each["worst"] for each in scene["panels"]]
    assert worst == sorted(worst, reverse=True)
    assert worst[0] == pytest.approx(float(np.abs(control.fit["residual"]).max()), abs=1e-3)
    panel = next(each for each in scene["panels"] if each["key"] == "tracer 2 | citrate")
    rows = control.fit.sel(experiment="tracer 2").isel(isotopologue=control.fit["fragment"].values == "citrate")
    for name in ("measured", "fitted", "sd"):
        np.testing.assert_allclose(panel[name], rows[name].values, atol=1e-5)
    assert panel["names"] == [f"M+{i}" for i in range(7)]


def test_labeling_is_judged_by_a_simulation_in_standard_deviations():
    network = fluxkit.load_network("toy")
    tracers = {"one": "A: 100% [2-13C]", "two": "A: 100% [1-13C]"}
    state = network.reference_fluxes()
    data = fluxkit.simulate(network, state, tracers, noise=0.01, seed=1)
    model = fluxkit.simulate(network, state, tracers)
    for panel in mid_scene(data, model)["panels"]:
        z = (np.array(panel["fitted"]) - panel["measured"]) / panel["sd"]
        np.testing.assert_allclose(panel["residual"], z, atol=0.003)  # of values that are shown to five digits
    alone = mid_scene(data)
    assert alone["experiments"] == ["one", "two"] and alone["panels"][0]["worst"] is None
    two = np.stack([data["mid"].values, data["mid"].values + 0.01])
    samples = data.assign(mid=(("sample", "experiment", "isotopologue"), two)).assign_coords(sample=["a", "b"])
    scene = mid_scene(samples, model)
    assert scene["experiments"] == ["a, one", "a, two", "b, one", "b, two"]
    assert all(each["worst"] is not None for each in scene["panels"])


def test_labeling_that_cannot_be_shown_is_refused(control):
    network = fluxkit.load_network("toy")
    one = fluxkit.simulate(network, network.reference_fluxes(), "A: 100% [2-13C]", fragments=["B"])
    other = fluxkit.simulate(network, network.reference_fluxes(), "A: 100% [2-13C]", fragments=["D"])
    with pytest.raises(LabelingError, match="no measured isotopologue is in the fitted labeling"):
        mid_scene(one, other)
    with pytest.raises(LabelingError, match="nothing is measured"):
        mid_scene(one.assign(mid=one["mid"] * np.nan))
    with pytest.raises(LabelingError, match="cannot show a dict"):
        mid_scene({})
    with pytest.raises(LabelingError, match="holds its own fit"):
        mid_scene(control, other)


def test_intervals_and_information_are_those_of_the_estimate(control, treated):
    scene = posterior_scene(control, treated)
    item = next(each for each in scene["fluxes"] if each["key"] == "net PDH")
    for state, estimate in zip(item["states"], (control, treated), strict=True):
        table = estimate.intervals
        row = table[(table["reaction"] == "PDH") & (table["kind"] == "net")].iloc[0]
        for name in ("best", "median", "lower", "upper"):
            assert state[name] == pytest.approx(row[name], rel=1e-4)
        assert state["information"] == pytest.approx(row["information"], abs=1e-3)
        assert state["determined"] == row["determined"]
    medians = [each["median"] for each in item["states"]]
    width = max(each["upper"] - each["lower"] for each in item["states"])
    assert item["shift"] == pytest.approx((medians[1] - medians[0]) / width, rel=1e-3)
    swap = next(each for each in scene["fluxes"] if each["key"] == "exchange PGI")
    draws = np.log10(control.posterior["exchange_flux"].sel(reaction="PGI").values)
    assert swap["logarithmic"] and draws.min() <= swap["states"][0]["histogram"]["low"] <= draws.max()
    assert all(each["reaction"] != "GLC_up" for each in scene["fluxes"])  # fixed by the network


def test_the_probability_that_two_conditions_differ_is_that_of_compare(control, treated):
    first, second = (
        FluxEstimate(**{each.name: getattr(one, each.name) for each in fields(FluxEstimate)})
        for one in (control, treated)
        for one in [SimpleNamespace(**(vars(one) | {"verdict": Verdict(True, ())}))]
    )
    table = compare(first, second).set_index(["kind", "reaction"])
    table = table[table["probability_changed"].notna()]
    scene = posterior_scene(control, treated)
    told = {(each["kind"], each["reaction"]): each["change"] for each in scene["fluxes"]}
    assert set(told) == set(table.index)
    for key, change in told.items():
        row = table.loc[key]
        assert change["probability"] == pytest.approx(row["probability_changed"], abs=1e-4)
        assert (change["direction"], change["changed"]) == (row["direction"], row["changed"])
        assert change["q"] == pytest.approx(row["q_value"], abs=1e-4)
        name = "ratio" if key[0] == "exchange" else "difference"
        assert change[name] == pytest.approx([row[f"{name}{end}"] for end in ("", "_lower", "_upper")], rel=6e-3)
    assert all(each["change"] is None for each in posterior_scene(control)["fluxes"])
    strict = posterior_scene(control, treated, rate=0.01)
    assert (scene["rate"], strict["rate"]) == (0.05, 0.01)
    assert all(each["change"]["changed"] == (each["change"]["q"] <= 0.01) for each in strict["fluxes"])


def test_a_histogram_is_a_density_with_its_mode_at_100():
    values = np.random.default_rng(0).normal(3, 2, 400_000)
    bars = histogram(values)
    edges = np.linspace(bars["low"], bars["high"], len(bars["heights"]) + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    np.testing.assert_allclose(
        bars["heights"], 100 * np.exp(-((middle - 3) ** 2) / 8), atol=4
    )  # counting noise of 1 %, cut to whole percents
    assert max(bars["heights"]) == 100
    assert len(histogram(values[:50])["heights"]) == 12
    assert histogram(np.full(9, 4.0))["low"] < 4 < histogram(np.full(9, 4.0))["high"]


def test_correlation_of_ranks_is_that_of_scipy():
    generator = np.random.default_rng(1)
    a, noise = generator.normal(size=(2, 500))
    columns = [a, np.exp(a + noise), -a, np.zeros(500)]
    found = rank_correlation(columns)
    assert found[0, 1] == pytest.approx(spearmanr(a, columns[1]).statistic, abs=1e-12)
    assert found[0, 2] == pytest.approx(-1) and found[0, 3] == 0


def test_pairs_are_those_that_the_data_tie_and_not_the_network():
    prior = np.eye(4)
    prior[0, 1] = prior[1, 0] = 1.0
    posterior = np.array([[1, 1, 0.3, -0.8], [1, 1, 0.3, -0.8], [0.3, 0.3, 1, 0.5], [-0.8, -0.8, 0.5, 1]])
    assert strongest_pairs(posterior, prior, 2) == [(0, 3), (2, 3)]


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_contours_of_a_normal_hold_their_share(share):
    x, y = np.random.default_rng(2).normal(size=(2, 60_000)) * [[3.0], [0.5]]
    density, grid_x, grid_y = smooth_density(x, y, bins=60)
    lines = contour_lines(density, grid_x, grid_y, level_of_share(density, share))
    radius = np.hypot(lines[..., 0] / 3, lines[..., 1] / 0.5)
    # smoothing by 1.3 bins of some 0.14 sd widens the normal by 2 %; the rest is noise of the level
    assert radius.mean() == pytest.approx(np.sqrt(chi2.ppf(share, 2)), rel=0.04)
    starts, ends = ({tuple(np.round(p, 9)) for p in lines[:, k]} for k in (0, 1))
    assert starts == ends  # closed


def test_a_page_of_two_conditions_stays_below_one_megabyte(control, treated, tmp_path):
    def grown(estimate):  # as many draws as an estimate has
        return type(estimate)(**{**vars(estimate), "posterior": estimate.posterior.isel(draw=np.arange(2000) % 100)})

    viewer = posterior_viewer(grown(control), grown(treated))
    assert viewer.to_html(tmp_path / "page.html").stat().st_size < 1_000_000
    json.dumps(viewer.data, allow_nan=False)
    strength = [abs(each["correlation"]) for each in viewer.data["pairs"]]
    assert strength == sorted(strength, reverse=True)


def test_pages_load_nothing_from_elsewhere(control, tmp_path):
    for viewer in (mid_viewer(control), posterior_viewer(control)):
        page = viewer.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
        addresses = page.replace("http://www.w3.org/2000/svg", "")
        assert "http" not in addresses and "import " not in addresses and "export default" not in page


def test_what_the_viewers_do_not_know_is_refused(control):
    with pytest.raises(TypeError, match="MidViewer has no setting 'select'. Did you mean 'selected'"):
        type(mid_viewer(control))(select="a")
    with pytest.raises(traitlets.TraitError, match="no panel 'tracer 1 | citrat'"):
        mid_viewer(control).selected = "tracer 1 | citrat"
    with pytest.raises(traitlets.TraitError, match="no flux 'PDH'. Did you mean 'net PDH'"):
        posterior_viewer(control).chosen = ["PDH"]
    with pytest.raises(traitlets.TraitError, match="none with number 99"):
        posterior_viewer(control).pair = 99
    with pytest.raises(FluxError, match="different networks, 'ccm' and 'toy'"):
        posterior_scene(control, synthetic.synthetic_estimate("toy"))
