"""Each of the usual faults is found, named and measured on the toy network, and nothing where there is none."""

from dataclasses import replace

import numpy as np
import pytest

import fluxkit
from fluxkit.inference.problem import build_density
from fluxkit.inference.refinement import refine
from fluxkit.inference.verdict.bound_pressure import bound_pressure
from fluxkit.inference.verdict.fit_tests import BUDGET, _say_purity, fit_tests
from fluxkit.labeling.rates import with_rates
from tests.inference.problems import TOY, random_points, toy_labeling

PAIR = {"one": "A_x: 100% [2-13C]", "two": "A_x: 100% [1,2-13C2]"}
FRAGMENTS = ("B", "C", "D", "E")


def outcomes(labeling, network=TOY):
    density = build_density(labeling, network)
    refined = refine(density, random_points(density, 4, seed=0))
    return {each.family: each for each in fit_tests(density, labeling, refined)}


def pair(tracers=PAIR, **options):
    return toy_labeling(tracers=tracers, fragments=FRAGMENTS, **options)


def changed(labeling, fragment, experiment, change):
    mid = labeling["mid"].copy()
    place = np.flatnonzero(labeling["fragment"] == fragment)
    mid[experiment, place] = change(mid[experiment, place].values)
    return labeling.assign(mid=mid)


def test_no_fault_fails_no_test():
    tests = outcomes(pair())
    assert {"parts", "values", "foreign peaks", "exchanged fragments", "purity"} <= set(tests) <= set(BUDGET)
    assert not any(each.failed for each in tests.values())


def test_the_budget_of_false_alarms_is_a_few_per_cent():
    assert sum(BUDGET.values()) < 0.04


def test_a_tracer_of_another_purity_is_found_and_its_purity_estimated():
    noise = np.random.default_rng(0).normal(0, 0.005, (2, 13))
    exact = fluxkit.simulate(TOY, TOY.reference_fluxes(), PAIR, fragments=list(FRAGMENTS), purity=0.95)
    labeling = pair()
    test = outcomes(labeling.assign(mid=exact["mid"] + noise[:, : exact.sizes["isotopologue"]]))["purity"]
    assert test.failed
    assert "the tracer of all experiments looks 9" in test.finding
    estimate = float(test.finding.split("looks ")[1].split("%")[0])
    assert estimate == pytest.approx(95, abs=1)


def test_a_purity_that_cannot_be_is_not_stated():
    assert "looks 97.0% pure instead of 99.0%" in _say_purity("one", 4.0, 1.0, 0.99)
    assert "more label than a pure one" in _say_purity("one", 4.0, -1.0, 0.99)
    assert "far less label than one 99.0% pure" in _say_purity("one", 4.0, 50.0, 0.99)
    assert "of one looks 100.0% pure" in _say_purity("one", 4.0, -0.5, 0.99)


def test_names_of_experiments_do_not_matter():
    tests = []
    for names in (("one", "two"), ("rates", "all experiments")):
        tracers = dict(zip(names, PAIR.values(), strict=True))
        labeling = with_rates(pair(tracers=tracers), {"v7": (66.0, 2.0)}, TOY, unit=TOY.flux_unit)
        tests.append({family: each.p_value for family, each in outcomes(labeling).items()})
    assert tests[0] == pytest.approx(tests[1], rel=1e-9)


def test_a_foreign_peak_is_found_with_its_ion_and_its_share():
    spoilt = changed(pair(), "D", 1, lambda mid: 0.9 * mid + 0.1 * np.eye(len(mid))[0])
    tests = outcomes(spoilt)
    assert tests["foreign peaks"].failed
    assert "under D M+0 in two" in tests["foreign peaks"].finding
    share = float(tests["foreign peaks"].finding.split("(")[1].split("%")[0])
    assert share == pytest.approx(10, abs=2)
    assert tests["parts"].failed
    assert "D in two" in tests["parts"].finding


def test_exchanged_fragments_are_found_and_named():
    labeling = pair()
    one, other = (np.flatnonzero(labeling["fragment"] == name) for name in ("B", "D"))
    mid = labeling["mid"].copy()
    mid[:, one], mid[:, other] = mid[:, other].values, mid[:, one].values
    test = outcomes(labeling.assign(mid=mid))["exchanged fragments"]
    assert test.failed
    assert "B and D in all experiments look exchanged" in test.finding


def narrowed(**rule):
    rules = {**TOY.rules, **{name: replace(TOY.rule(name), **change) for name, change in rule.items()}}
    return TOY.with_changes(rules=rules, reference={})


def test_an_exchange_flux_beyond_its_bounds_is_found():
    network = narrowed(v2={"exchange_lower": 0.1, "exchange_upper": 5.0})
    labeling = pair().assign_attrs(network=network.name)
    test = outcomes(labeling, network)["exchange"]
    assert test.failed
    assert "a larger exchange flux of v2" in test.finding


def test_a_net_flux_beyond_its_bound_is_found_and_pressure_is_the_distance_in_sd():
    network = narrowed(v5={"upper": 15.0})  # truth: 20
    labeling = pair().assign_attrs(network=network.name)
    density = build_density(labeling, network)
    refined = refine(density, random_points(density, 4, seed=0))
    names, pressure = bound_pressure(density, refined)
    free = build_density(pair(), TOY)
    best = refine(free, random_points(free, 4, seed=0))
    index = TOY.reaction_index["v5"]
    row = np.zeros(free.size)
    row[: len(free.space.free)] = free.space.basis[index]
    sd = np.sqrt(row @ np.linalg.solve(best.data_precision[0] + 1e-9 * np.eye(free.size), row))
    beyond = (float(free.space.net(free.split(best.points[0])[0])[index]) - 15.0) / sd
    assert pressure.max() == pytest.approx(beyond, rel=0.15)  # curvature between the two points
    assert outcomes(labeling, network)["bounds"].failed
    assert names[int(pressure.argmax())] in {
        f"{name} at its {side} bound of {value:g}"
        for name in TOY.reaction_names
        for side, value in zip(("lower", "upper"), (each[TOY.reaction_index[name]] for each in network.net_bounds),
                               strict=True)
    }  # fmt: skip
