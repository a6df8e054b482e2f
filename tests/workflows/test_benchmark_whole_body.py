"""The benchmarks of whole bodies: coverage is told with its error, and what is missing is said."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta

import fluxkit

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MACHINE = "2026-01-01, some processor"
MADE = {"code": "abc", "machine": MACHINE, "made with": {"seconds": 60.0, "model": None}}


@pytest.fixture
def whole_body(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("whole_body")


@pytest.fixture
def mice(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("mice")


@pytest.fixture(scope="module")
def core():
    return fluxkit.load_network("wholebody_core")


def kept_case(whole_body, network, error, rng, rhat=1.0):
    """Return a made-up line: every flux is off by a number of the prior's sd, and its rank is at random."""
    line: dict = {"seconds": 20.0, "first": False, "memory": 300.0, "values": 40, "rhat_max": rhat, "ess_min": 500.0}
    for kind, count in (("net", len(network.reactions)), ("organ", len(whole_body.organ_fluxes(network)))):
        line |= {f"{kind}_truth": [1.0] * count, kind: [1.0 + 2.0 * error] * count, f"{kind}_prior_sd": [2.0] * count}
        line[f"{kind}_rank"] = rng.integers(whole_body.DRAWS + 1, size=count).tolist()
    line["net_prior_sd"][0] = 0.0  # fixed by the network, so it counts nowhere
    line["net"][0] = 1e6
    return {**MADE, **line, "information": [None] + [0.6, 0.4] * ((len(network.reactions) - 1) // 2) + [0.4]}


def test_what_organs_take_up_is_what_is_infused_and_enzymes_are_found_by_what_they_do(whole_body, core):
    rows = whole_body.organ_fluxes(core)
    names = np.array(core.reaction_names)
    for nutrient, title in (("Lac", "lactate"), ("Glyc", "glycerol")):
        uptake = sum(row for (_, name), row in rows.items() if name == title)
        balance = core.stoichiometry[core.balanced.index(f"{nutrient}.P")]
        np.testing.assert_array_equal(uptake + balance, names == f"INF_{nutrient}")
    assert names[rows["liver", "citrate synthase"] != 0].tolist() == ["L_CS"]
    assert names[rows["muscle", "pyruvate dehydrogenase"] != 0].tolist() == ["M_PDH"]
    assert ("muscle", "PEP carboxykinase") not in rows


def test_coverage_of_independent_ranks_is_binomial(whole_body):
    ranks = np.repeat(np.arange(whole_body.DRAWS + 1)[:, None], 3, axis=1)  # fluxes of a case are one: 200 trials
    low, high = (100 * beta.ppf(p, 180 + k, 21 - k) for p, k in ((0.025, 0), (0.975, 1)))
    assert whole_body.coverage(ranks, 0.9) == f"90.0 % [{low:.1f}, {high:.1f}]"
    assert whole_body.coverage(ranks[:1], 0.9) == "0.0 % [0.0, 97.5]"  # one case is one trial


def test_the_section_counts_what_is_missing_and_leaves_fixed_fluxes_out(whole_body, core):
    rng = np.random.default_rng(0)
    lines = {f"1 tracer, plasma {i:03d}": kept_case(whole_body, core, 0.5, rng) for i in range(3)}
    lines["8 tracers, plasma 000"] = kept_case(whole_body, core, 0.25, rng, rhat=1.2)
    text = whole_body.summarise(lines, core, 3)
    assert text.startswith("**Preliminary: 14 of 18 cases are missing.** 4 simulated experiments")
    one = next(row for row in text.splitlines() if row.startswith("| 1 tracer, plasma |"))
    assert "| 0.500 | 0.500 | 50% of 173 | 20 | 20 |  | 1.000 | 100% | 300 MB |" in one
    assert "| R-hat of 1.05 or more | 1 |" in text
    assert "| liver | glucose uptake | 2 | 0.50 | 0.25 |" in text


@pytest.mark.slow
def test_a_case_is_drawn_alike_twice_and_does_not_hold_its_truth(whole_body, core):
    (truth, labeling), (again, _) = (whole_body.drawn_case(core, "1 tracer, plasma", 0) for _ in range(2))
    assert truth.equals(again)
    assert "net_flux" not in labeling
    names = set(labeling["fragment"].values.astype(str))
    assert "plasma lactate" in names
    assert "plasma valine" not in names  # labeled glucose does not reach it
    np.testing.assert_allclose(labeling["mid_sd"], 0.0035)


def kept_pair(mice, more):
    """Return a made-up line of a pair in which one mouse was infused faster than the fitted one."""
    share = {"glucose": [0.1, 0.2, 0.3], "lactate and pyruvate": [0.3, 0.4, 0.5], "of both": [0.2, 0.33, 0.5]}
    left = {"chi_square": [90.0, 100.0, 120.0], "of_prior": [900.0, 1000.0, 2000.0], "freedom": 80, "p_value": 0.01}
    left |= {"infused": "plasma glucose", "twin": "M1", "of_twin": [0.1, 0.005], "mean_square": 9.0}
    left |= {"worst": [["plasma glucose", 9.0]]}
    return {
        **MADE,
        "chi_square": 300.0,
        "freedom": 280.0,
        "rhat_max": 1.1,
        "ess_min": 90.0,
        "seconds": 130.0,
        "memory": 900.0,
        "trusted": False,
        "reasons": ["plasma lactate looks exchanged", "the chains have not converged"],
        "fed": {"muscle": {**share, "glucose gives more": more}},
        "made_from": {key: [0.1, 0.2, 0.3] for key in mice.MADE_FROM},
        "left_out": {"M5": {**left, "enrichment": [0.1, 0.005]}, "M7": {**left, "enrichment": [0.15, 0.005]}},
    }


def test_a_mouse_beyond_the_infusion_is_named_and_missing_parts_are_counted(mice):
    lines = {
        "pair M1+M3 tail": kept_pair(mice, 0.2),
        "fit M1+M3 neither": {**MADE, "chi_square": 500.4, "freedom": 290.0, "shares": 8},
    }
    text = mice.summarise(lines)
    assert text.startswith(f"**Preliminary: {len(mice.keys()) - 2} of {len(mice.keys())} parts are missing.**")
    assert "| muscle | tail | M1+M3 | 0.20 [0.10, 0.30] | 0.40 [0.30, 0.50] | 0.33 [0.20, 0.50] | 0.20 |" in text
    assert "beyond the infusion: plasma glucose misses by 3.0 sd" in next(r for r in text.splitlines() if "| M7 |" in r)
    assert "beyond the infusion" not in next(r for r in text.splitlines() if "| M5 |" in r)
    assert "| neither | 500 at 290 (8 shares) |" in text
    assert "| no | 1 of 2: plasma lactate looks exchanged |" in text


def test_the_page_says_how_many_results_are_of_the_sampler_before(whole_body):
    old, new = {"code": next(iter(whole_body.SAMPLER_BEFORE))}, {"code": "abc"}
    assert whole_body.of_sampler_before([new, new]) == ""
    assert whole_body.of_sampler_before([old, old]).startswith(" All were made before a change of the sampler")
    assert whole_body.of_sampler_before([old, new, new]).startswith(" 1 of 3 were made before")


def test_what_pairs_have_in_common_stays_empty_where_they_do_not_tell(mice):
    names = ("mean", "mean_lower", "mean_upper", "between_sd", "between_sd_lower", "between_sd_upper")
    row = dict.fromkeys((*names, "probability_varies", *(f"mean of {each}" for each in mice.PAIRS)))
    told = dict.fromkeys(row, 0.5)
    rows = [{**row, "flux": "unknown", "animals": 1}, {**told, "flux": "known", "animals": 3}]
    text = mice.summarise({"common tail": {**MADE, "rows": rows}})
    assert "| unknown | tail | 1 |  |  |  |  |  |  |" in text
    assert "| known | tail | 3 | 0.50 [0.50, 0.50] | 0.50 [0.50, 0.50] | 0.50 | 0.50 | 0.50 | 0.50 |" in text


def test_parts_of_the_observation_model_are_left_out_one_by_one(mice):
    assert mice.body_with("tail").observations["plasma lactate"].weights == ("wa",)
    assert mice.body_with("arterial").observations["plasma lactate"].weights == ()
    observed = mice.body(mice.FITS["neither"]).observations
    assert not any(observed[name].diluted for name in observed)
    assert observed["plasma lactate"].weights == ()
