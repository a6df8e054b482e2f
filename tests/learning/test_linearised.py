"""The linear answer is that of the exact simulator, and training and use make the same one of the same data."""

from dataclasses import replace

import numpy as np
import pytest

import fluxkit
from fluxkit.labeling.rates import with_rates
from fluxkit.learning.experiments import PURITIES, ExperimentSettings, ExperimentSimulator
from fluxkit.learning.linearised import LEVELS, _solve, feature_count
from fluxkit.learning.measured_rates import MeasuredRates, measurable_reactions, no_rates
from fluxkit.learning.observed import observe
from fluxkit.learning.reading import read
from fluxkit.learning.vocabulary import build_vocabulary

CCM, TOY = fluxkit.load_network("ccm"), fluxkit.load_network("toy")
TRACERS = ["Glc_x: 100% [1,2-13C2]", "Gln_x: 100% [U-13C5]"]
PLAIN = ExperimentSettings(mixture=0.0, masked=0.0, gaps=0.0, missing=0.3, experiments=(0.0, 1.0), rates=1.0)


def source(network=CCM, tracers=TRACERS, **changes):
    return ExperimentSimulator(build_vocabulary(network, tracers), replace(PLAIN, **changes))


def observed(made, count=6, seed=0):
    rng = np.random.default_rng(seed)
    z = made.net_pool(count, rng)
    return z, *made.observe(z, rng)


def names_of(made):
    return [each.name for each in made.vocabulary.measurements]


def labeling_of(made, seen, target, sample):
    """Return the labeling dataset that holds what was measured of one simulated sample."""
    lanes = np.flatnonzero(seen.owner == sample)
    which = [(int(np.abs(made.features - seen.tracers[lane]).sum(axis=-1).argmin())) for lane in lanes]
    purity, tracer = np.divmod(which, made.features.shape[1])
    return lanes, purity, [made.vocabulary.tracers[k].text for k in tracer]


def as_dataset(made, seen, target, sample, purity, texts):
    """Simulate by the public simulator for the form of the dataset; put in what was measured."""
    network, lanes = made.vocabulary.network, np.flatnonzero(seen.owner == sample)
    labeling = fluxkit.simulate(
        network,
        network.reference_fluxes(),
        {f"experiment {k}": text for k, text in enumerate(texts)},
        fragments=names_of(made),
        purity=purity,
        noise=0.01,
        weights=dict.fromkeys(made.weight_names, 0.5),
    )
    mid, sd = (np.full(labeling["mid"].shape, np.nan) for _ in range(2))
    for column, (name, shift) in enumerate(
        zip(labeling["fragment"].values, labeling["mass_shift"].values, strict=True)
    ):
        place = names_of(made).index(name)
        kept = seen.kept[lanes, place, shift]
        mid[:, column] = np.where(kept, seen.mid[lanes, place, shift], np.nan)
        sd[:, column] = np.where(kept, seen.sd[lanes, place, shift], np.nan)
    labeling = labeling.assign(mid=(labeling["mid"].dims, mid), mid_sd=(labeling["mid"].dims, sd))
    rates, known = seen.rates, seen.rates.precision[sample] > 0
    if known.any():
        measured = {
            name: (float(rates.value[sample, k]), float(1 / rates.precision[sample, k]))
            for k, name in enumerate(made.vocabulary.rates)
            if known[k]
        }
        unit = network.flux_unit if rates.absolute[sample] else "pmol/cell/h"
        labeling = with_rates(labeling, measured, network, unit=unit)
    return labeling


def test_a_dataset_gives_what_training_saw_of_the_same_measurements(monkeypatch):
    """Labeling, its gaps and its noise, two parallel tracers and rates: the same arrays by the same code."""
    made = source()
    _, seen, target = observed(made, 12)
    whole = read(made.lineariser, seen)
    compared = 0
    for sample in range(12):
        lanes, purity, texts = labeling_of(made, seen, target, sample)
        if len(set(purity)) > 1 or seen.mode[lanes[0]] != 0:
            continue  # a dataset has one purity; corrected data need no formulas
        labeling = as_dataset(made, seen, target, sample, PURITIES[purity[0]], texts)
        alone = read(made.lineariser, observe(made.vocabulary, labeling))
        for name in ("rows", "known", "context", "present", "rates"):
            np.testing.assert_allclose(getattr(alone, name)[0], getattr(whole, name)[sample], atol=1e-6)
        # single precision: the simulator's rounding of 1e-7 of a MID, over an sd of 1e-3, in up to 79 coordinates
        np.testing.assert_allclose(alone.answer[0], whole.answer[sample], atol=5e-3)
        np.testing.assert_allclose(alone.covariance[0], whole.covariance[sample], atol=5e-3)
        compared += 1
    assert compared >= 1


def test_the_residuals_are_those_of_the_public_simulator():
    made = source(rates=0.0)
    z, seen, target = observed(made)
    lineariser = made.lineariser
    free, until = len(made.space.free), len(made.space.free) + made.space.exchange_scale.size
    points = lineariser._at(z, target[:, free:until], target[:, until:])
    residual = lineariser._residuals(points, seen, lineariser._data(seen, 0.0))
    kept = seen.kept[:, lineariser._real]
    # at the truth what is left is the noise, standard normal by construction
    assert abs(residual[kept].std() - 1) < 4 / np.sqrt(2 * kept.sum())
    assert (residual[~kept] == 0).all()


def test_the_normal_equations_are_those_of_finite_differences():
    made = source(rates=1.0)
    z, seen, target = observed(made, 3)
    lineariser, step = made.lineariser, 3e-3
    free, until = len(made.space.free), len(made.space.free) + made.space.exchange_scale.size
    points = lineariser._at(z, target[:, free:until], target[:, until:])
    data = lineariser._data(seen, 0.05)
    found = list(lineariser._normal_equations(points, made.map.inverse_slope(z), seen, data))

    def cost(standard):
        mean, spread = lineariser.scale
        theta = mean + spread * standard
        moved = lineariser._at(made.map.to_polytope(theta[:, :free]), theta[:, free:until], theta[:, until:])
        return lineariser._cost(moved, seen, data)

    for k in (0, free - 1, free, until - 1, until, lineariser.size - 1):
        ahead, behind = points.standard.copy(), points.standard.copy()
        ahead[:, k] += step
        behind[:, k] -= step
        slope = (cost(ahead) - cost(behind)) / (2 * step)
        np.testing.assert_allclose([gradient[k] for _, gradient, _ in found], slope, rtol=0.02, atol=0.05)


def test_steps_lower_the_cost_and_come_closer_to_the_truth():
    made = source(rates=0.0, missing=0.0, floor=(0.002, 0.002), slope=0.0)
    _, seen, target = observed(made, 60)
    answer, (mean, spread) = made.lineariser.answer(seen), made.lineariser.scale
    errors = [np.mean((np.clip(each, -4, 4) - (target - mean) / spread) ** 2) for each in answer.centres.swapaxes(0, 1)]
    assert len(errors) == len(LEVELS) and (np.diff(errors) < 0).all()
    assert errors[-1] < 0.85  # 1 is the prior alone
    assert answer.features().shape == (60, feature_count(made.parameter_count))


def test_nothing_measured_gives_the_prior():
    made = source(TOY, None, experiments=(1.0,), rates=0.0)
    _, seen, _ = observed(made, 4)
    empty = made.lineariser.answer(replace(seen, kept=np.zeros_like(seen.kept)))
    np.testing.assert_allclose(empty.centres, 0, atol=1e-9)
    np.testing.assert_allclose(empty.covariance, np.broadcast_to(np.eye(made.parameter_count), empty.covariance.shape))


@pytest.mark.parametrize("broken", [np.nan, np.inf, -1e9])
def test_normal_equations_without_an_answer_give_the_prior(broken):
    matrix = np.eye(5)
    matrix[3, 3] = broken
    step, inverse = _solve(matrix, np.ones(5), invert=True)
    np.testing.assert_array_equal(step, np.zeros(5))
    np.testing.assert_array_equal(inverse, np.eye(5))
    step, _ = _solve(np.eye(5), np.full(5, broken if broken > 0 else np.nan), invert=False)
    np.testing.assert_array_equal(step, np.zeros(5))


def test_rates_of_an_unknown_factor_say_the_same_in_any_unit():
    made = source(rates=1.0)
    _, seen, _ = observed(made, 5)
    relative = replace(seen.rates, absolute=np.zeros(5, dtype=bool))
    other = MeasuredRates(7 * relative.value, relative.precision / 7, relative.absolute)
    one, two = (made.lineariser.answer(replace(seen, rates=each)) for each in (relative, other))
    np.testing.assert_allclose(one.centres, two.centres, atol=1e-6)
    np.testing.assert_allclose(relative.features(100.0), other.features(100.0), atol=1e-6)


def test_an_absolute_rate_pins_its_flux():
    """Of one exact rate alone: the linear answer's net flux is the measured one, its spread what was stated."""
    made = source(rates=0.0)
    _, seen, _ = observed(made, 1)
    place = made.vocabulary.rates.index("GLN_up")
    rates = no_rates(1, len(made.vocabulary.rates))
    value, precision = rates.value.copy(), rates.precision.copy()
    value[0, place], precision[0, place] = 30.0, 1.0
    only = replace(seen, kept=np.zeros_like(seen.kept), rates=MeasuredRates(value, precision, np.array([True])))
    answer = made.lineariser.answer(only)
    net = made.chart.net(answer.point[:, : len(made.space.free)])[0, CCM.reaction_index["GLN_up"]]
    assert abs(net - 30.0) < 2.0


def test_measurable_rates_are_those_of_exchange_with_the_outside():
    assert measurable_reactions(TOY) == tuple(
        each.name
        for each in TOY.reactions
        if any(p.metabolite.endswith("_x") for p in (*each.substrates, *each.products))
    )
    assert {"GLC_up", "MCT_out", "GLN_up", "NUC"} <= set(measurable_reactions(CCM))
    assert "PGI" not in measurable_reactions(CCM)


@pytest.mark.parametrize("extra", ["MCT_out - MCT_in", "PGI"])
def test_sums_of_rates_and_inner_reactions_are_left_to_exact_refinement(extra):
    made = source()
    labeling = fluxkit.simulate(CCM, CCM.reference_fluxes(), TRACERS[0], fragments=["lactate"], noise=0.01)
    rates = {"GLN_up": (25.0, 1.0)}
    one, two = (
        observe(made.vocabulary, with_rates(labeling, each, CCM, unit=CCM.flux_unit)).rates
        for each in (rates, rates | {extra: (3.0, 1.0)})
    )
    np.testing.assert_array_equal(one.value, two.value)
    assert one.absolute[0] and one.value.sum() == 25.0


def test_an_experiment_whose_tracer_labels_another_pool_is_not_read():
    made = source()
    labeling = fluxkit.simulate(
        CCM,
        CCM.reference_fluxes(),
        {"a": TRACERS[0], "b": "Lac_x: 100% [U-13C3]"},
        fragments=["lactate", "alanine"],
        noise=0.01,
    )
    kept = observe(made.vocabulary, labeling).kept.any(axis=(1, 2))
    assert kept.tolist() == [True, False]
