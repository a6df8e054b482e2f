"""The methods of a report are those of its estimates; data and settings come back from the page, offline."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

import fluxkit
from fluxkit.inference import QuantifySettings, SamplerSettings, compare, load_estimate, quantify
from fluxkit.labeling import to_table
from fluxkit.view.report import write_report
from fluxkit.view.report_methods import methods_of
from fluxkit.view.report_sources import SOURCES, references
from tests.inference.problems import CCM, QUICK, TOY, hct116_control_labeling, toy_labeling
from tests.view.pictures import browser, find_chromium
from tests.view.synthetic_estimate import synthetic_estimate

FEW = QuantifySettings(starts=2, fallbacks=False, sampler=SamplerSettings(chains=2, windows=(4, 4), max_draws=6))
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def measured():
    """Real data: pooled replicates, masked and censored values, natural isotopes; few draws are enough."""
    return quantify(hct116_control_labeling(), CCM, settings=FEW, seed=11)


@pytest.fixture(scope="module")
def page(measured, tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "report.html"
    return write_report(measured, path, title="Record", map_html="", settings={"chosen by": "me"})


def files_of(page: Path) -> dict[str, str]:
    """Return the files that stand in a page, by name."""
    links = re.findall(r'href="data:[^,"]+;base64,([^"]+)" download="([^"]+)"', page.read_text(encoding="utf-8"))
    return {name: base64.b64decode(coded).decode() for coded, name in links}


def read_as_the_page_says(page: Path, folder: Path, monkeypatch):
    """Save the files of a page, run the lines that it gives, and return the labeling."""
    for name, content in files_of(page).items():
        (folder / name).write_text(content, encoding="utf-8", newline="")
    monkeypatch.chdir(folder)
    (lines,) = re.findall(r"<pre>(.*?)</pre>", page.read_text(encoding="utf-8"), re.S)
    known = {}
    exec(unescape(lines), known)
    return known["labeling"]


def text_of(estimates, comparison=None) -> str:
    return "\n".join(methods_of(estimates, comparison)[0])


def test_the_measured_table_reads_back_to_the_values_that_were_fitted(measured, page, tmp_path):
    (tmp_path / "labeling.csv").write_text(files_of(page)["labeling.csv"], encoding="utf-8")
    again = fluxkit.read_labeling(tmp_path / "labeling.csv", CCM, purity=0.99, natural_abundance="C").isel(sample=0)
    own = measured.labeling
    known = set(again["fragment"].values)
    kept = [i for i, each in enumerate(own["fragment"].values) if each in known]
    assert not own["mid"].drop_isel(isotopologue=kept).notnull().any()
    own = own.isel(isotopologue=kept)
    for name in ("mid", "mid_sd", "mid_limit"):
        np.testing.assert_allclose(again[name].values, own[name].values, rtol=1e-12)
    np.testing.assert_array_equal(again["masked"].values, own["masked"].values)
    assert own["masked"].any() and own["mid_limit"].notnull().any()
    assert again.attrs["tracers"] == own.attrs["tracers"] and again.attrs["purity"] == own.attrs["purity"]


def test_the_hash_is_that_of_the_table_in_the_page(page):
    files = files_of(page)
    record = json.loads(files["settings.json"])
    assert record["labeling"]["sha256"] == hashlib.sha256(files["labeling.csv"].encode()).hexdigest()
    assert record["labeling"]["sha256"] in page.read_text(encoding="utf-8")


def test_the_settings_in_the_page_are_those_of_the_estimate(measured, page):
    record = json.loads(files_of(page)["settings.json"])
    assert record["method"] == measured.method
    assert record["method"]["seed"] == 11 and record["method"]["settings"]["sampler"]["chains"] == 2
    assert record["method"]["versions"]["fluxkit"] == fluxkit.__version__
    assert record["network"]["fingerprint"] == CCM.fingerprint
    assert record["fit"]["chi_square"] == measured.ssr and record["chosen"] == {"chosen by": "me"}
    fluxes = pd.read_csv(io.StringIO(files_of(page)["fluxes.csv"]))
    np.testing.assert_allclose(fluxes["median"], measured.intervals["median"], rtol=1e-5)


def test_the_numbers_of_the_methods_are_those_of_the_estimate(measured):
    said = text_of({"control": measured})
    used = np.isfinite(measured.fit["residual"].values)
    free = measured.method["parameters"]
    assert free["weights"] == measured.posterior.sizes["weight_name"] and free["exchange"] == CCM.reversible.sum()
    for words in (
        f"The network ccm (fingerprint {CCM.fingerprint[:12]}) has {len(CCM.reactions)} reactions, "
        f"{CCM.reversible.sum()} of them reversible",
        f"{free['net']} free net fluxes, {free['exchange']} exchange fluxes and {free['weights']} unknown shares",
        "The tracer was Glc_x: 98.9% [U-13C6] (isotopic purity 99 %).",
        "Natural isotopes of C were not corrected for in the data but simulated (Berglund & Wieser 2011).",
        f"{used.sum()} mass isotopologue fractions of ",
        f"{int((measured.labeling['mid_limit'] > 0).sum())} of them zeros",
        f"means of 3 replicates; {int(measured.labeling['masked'].sum())} more were masked.",
        "sd² = 0.005² + (0.04 y(1 − y))² + (100000/T)²",
        "2 starts, 1 proposed by a neural network trained on simulated experiments",
        f"There were 2 chains of {measured.method['chains']['draws']} draws after warm-up (seed 11); "
        f"the largest R-hat is {measured.diagnostics['rhat_max']:.3f}",
        f"effective sample size {measured.diagnostics['ess_min']:,.0f}.",
        f"Chi-square is {measured.ssr:.1f} at {measured.degrees_of_freedom:.1f} degrees of freedom "
        f"(p = {measured.p_value:.3g})",
        "The estimate does not count as trusted: ",
    ):  # fmt: skip
        assert words in said


def test_a_start_without_a_network_and_more_starts_are_told():
    found = quantify(toy_labeling(), TOY, model=None, settings=QUICK)
    said = text_of({"toy": found})
    assert "does not enter the answer, as far as the chains have converged." in said
    assert "from 4 starts, all drawn from the prior, by Gauss-Newton" in said and "neural" not in said
    assert "The data were taken as corrected for natural isotopes." in said
    assert "No test failed: the estimate counts as trusted." in said
    wider = replace(found, method=found.method | {"starts": {"learned": 0, "prior": 4, "added": 48}})
    assert "all drawn from the prior, and then from 48 more from the prior" in text_of({"toy": wider})


def test_least_squares_are_not_told_as_a_posterior():
    said = text_of({"toy": fluxkit.fit_fluxes(toy_labeling(), TOY, starts=3, monte_carlo=4, seed=5)})
    assert "least squares (Branch et al. 1999) from 3 random starts (seed 5); intervals come from 4 refits" in said
    assert "Hamiltonian" not in said and "Before the data" not in said


def test_what_two_samples_share_is_said_once_and_the_rest_for_each():
    found = {name: quantify(toy_labeling(seed=i), TOY, model=None, settings=QUICK) for i, name in enumerate("ab")}
    comparison = compare(*found.values(), threshold=2.0, rate=0.1)
    paragraphs, cited = methods_of(found, comparison)
    said = "\n".join(paragraphs)
    assert said.count("The tracer was") == said.count("free net") == 1
    for name, each in found.items():
        (own,) = [one for one in paragraphs if one.startswith(f"{name}: ")]
        assert f"Chi-square is {each.ssr:.1f}" in own
    called = int(comparison["changed"].sum())
    assert f"{len(comparison)} quantities were compared" in paragraphs[-1]
    assert "by more than 2 (Kruschke 2018) at a false discovery rate of 10 %" in paragraphs[-1]
    assert f"{called or 'none'} of them" in paragraphs[-1]
    assert {"negligible", "false discovery", "emu", "fluxkit"} <= set(cited)


@pytest.mark.parametrize("unit", [TOY.flux_unit, 'nmol/"10⁶ cells"/h'])
def test_measured_rates_come_back_with_their_unit(unit, tmp_path, monkeypatch):
    labeling = fluxkit.with_rates(toy_labeling(), {"v6": (81.0, 4.0)}, TOY, unit=unit)
    found = quantify(labeling, TOY, model=None, settings=QUICK)
    path = write_report(found, tmp_path / "r.html", title="t", map_html="")
    again = read_as_the_page_says(path, tmp_path, monkeypatch)
    np.testing.assert_array_equal(again["rate"].squeeze(), labeling["rate"])
    np.testing.assert_array_equal(again["rate_sd"].squeeze(), labeling["rate_sd"])
    assert again["rate"].attrs == labeling["rate"].attrs == {"units": unit, "absolute": int(unit == TOY.flux_unit)}
    assert json.loads(files_of(path)["settings.json"])["rates"] == {"unit": unit, "absolute": unit == TOY.flux_unit}
    said = text_of({"toy": found})
    assert f"1 measured rate (unit: {unit}) entered the fit" in said
    assert ("with a common factor" in said) == (unit != TOY.flux_unit)


def test_a_network_of_ones_own_comes_back(tmp_path, monkeypatch):
    rules = {**TOY.rules, "v4": replace(TOY.rule("v4"), upper=90.0)}
    own = replace(TOY, rules=rules, description="")
    assert own.name in fluxkit.list_networks() and own.fingerprint != TOY.fingerprint
    found = quantify(toy_labeling(), own, model=None, settings=QUICK)
    path = write_report(found, tmp_path / "r.html", title="t", map_html="")
    assert {"network.rxn", "bounds.tsv"} <= set(files_of(path))
    read = []
    true = fluxkit.read_network
    monkeypatch.setattr(fluxkit, "read_network", lambda *args, **how: read.append(true(*args, **how)) or read[-1])
    read_as_the_page_says(path, tmp_path, monkeypatch)
    assert read[0].fingerprint == own.fingerprint
    assert (read[0].name, read[0].flux_unit) == (own.name, own.flux_unit)
    assert read[0].observations == own.observations and dict(read[0].reference) == dict(own.reference)


def test_a_bundled_network_is_read_by_name_and_the_count_of_replicates_is_kept(measured, page, tmp_path, monkeypatch):
    assert set(files_of(page)) == {"labeling.csv", "fluxes.csv", "settings.json"}
    again = read_as_the_page_says(page, tmp_path, monkeypatch)
    for name in ("tracers", "purity", "natural_abundance", "replicates", "network"):
        assert again.attrs[name] == measured.labeling.attrs[name]
    assert again.attrs["replicates"] == 3


@pytest.mark.parametrize("names", [("+dox", "-dox"), ("対照", "薬"), ("dox 2", "+dox", "-dox")])
def test_every_file_has_a_name_of_its_own(names, tmp_path):
    estimates = {name: synthetic_estimate("toy", name, seed=i) for i, name in enumerate(names)}
    path = write_report(estimates, tmp_path / "r.html", title="t", map_html="")
    links = re.findall(r'download="([^"]+)"', path.read_text(encoding="utf-8"))
    assert len(links) == len({each.lower() for each in links}) == 3 * len(names)
    told = [json.loads(words)["sample"] for file, words in files_of(path).items() if file.endswith(".json")]
    assert told == list(names)


def test_words_of_users_are_never_citations(tmp_path):
    named = {"a [@home]": synthetic_estimate("toy"), "b [@negligible]": synthetic_estimate("toy", seed=1)}
    network = replace(TOY, name="toy [@sidak]")
    for each in named.values():
        each.network = network
    write_report(named, tmp_path / "r.html", title="t", map_html="")
    paragraphs, cited = methods_of(named)
    assert [one.split(":")[0] for one in paragraphs if one[1:4] == " [@"] == list(named)
    assert "The network toy [@sidak] (" in paragraphs[0]
    assert {"emu", "chi-square"} <= set(cited) and not {"negligible", "sidak"} & set(cited)


def test_values_are_said_to_be_masked_only_where_some_are():
    found = synthetic_estimate("toy")
    assert "masked" not in text_of({"toy": found})
    masked = xr.zeros_like(found.labeling["mid"], dtype=bool)
    masked[0, 0] = True
    found.labeling = found.labeling.assign(masked=masked)
    assert "fragments were fitted; 1 more was masked." in text_of({"toy": found})


def test_an_estimate_that_was_saved_has_the_same_methods(measured, tmp_path):
    again = load_estimate(measured.save(tmp_path / "estimate.nc"), CCM)
    assert again.method == measured.method
    assert text_of({"control": again}) == text_of({"control": measured})


def test_a_table_may_say_itself_what_is_masked_and_below_which_limit():
    rows = to_table(toy_labeling(fragments=("B",))).assign(masked="no", detection_limit=np.nan)
    rows.loc[3, "masked"] = "yes"
    rows.loc[2, ["fraction", "detection_limit"]] = [0.0, 0.01]
    rows["fraction"] /= rows["fraction"].sum()
    found = fluxkit.read_labeling(rows, TOY)
    assert found["masked"].values.tolist() == [[False, False, False, True]]
    assert np.isnan(found["mid"].values[0, 3]) and found["mid_limit"].values[0, 2] > 0
    with pytest.raises(fluxkit.errors.LabelingError, match="masked = 'maybe' of 'B' M\\+0 .* must be 'yes' or 'no'"):
        fluxkit.read_labeling(rows.assign(masked="maybe"), TOY)
    with pytest.raises(fluxkit.errors.LabelingError, match="detection_limit = -1 of 'B' M\\+0 .* must be positive"):
        fluxkit.read_labeling(rows.assign(detection_limit=-1), TOY)


def test_every_doi_stands_where_the_library_uses_it():
    others = [each for each in (ROOT / "fluxkit").rglob("*.py") if each.name != "report_sources.py"]
    library = "".join(each.read_text(encoding="utf-8") for each in others)
    for source in SOURCES.values():
        assert source.doi in library or not source.doi, source.cite


def test_fluxkit_is_cited_as_its_citation_file_says():
    stated = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    words, _ = references(["fluxkit"], fluxkit.__version__)["software"]
    assert words == f"{stated['authors'][0]['name']}, {stated['title']}, version {stated['version']}"


@pytest.mark.browser
@pytest.mark.skipif(find_chromium() is None, reason="no chromium on PATH: apt-get install chromium")
def test_a_click_saves_the_table_offline(page, tmp_path):
    asked = []
    with browser() as chromium:
        tab = chromium.new_page(viewport={"width": 1200, "height": 900})
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(page.as_uri())
        with tab.expect_download() as download:
            tab.click("a[download='labeling.csv']")
        download.value.save_as(tmp_path / "labeling.csv")
        tab.click("button.copy")
        tab.wait_for_function("document.querySelector('button.copy').textContent !== 'Copy the text'")
        selected = tab.evaluate("getSelection().toString()")
    assert (tmp_path / "labeling.csv").read_text(encoding="utf-8") == files_of(page)["labeling.csv"]
    assert selected.startswith("Fluxes were estimated with fluxkit")
    assert [each for each in asked if not each.startswith(("file:", "data:"))] == []
