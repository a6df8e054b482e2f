"""Simulated experiments are what the public simulator says, with the noise and the gaps that were asked for."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import xarray as xr
from scipy import stats
from scipy.special import ndtr

import fluxkit
from fluxkit.errors import LabelingError
from fluxkit.fluxes import entropic_map, flux_space
from fluxkit.labeling import parse_tracers
from fluxkit.learning.experiments import PURITIES, ExperimentSettings, ExperimentSimulator
from fluxkit.learning.vocabulary import ABUNDANCE_MODES, build_vocabulary

TOY = fluxkit.load_network("toy")
CCM = fluxkit.load_network("ccm")
EXACT = ExperimentSettings(floor=(1e-9, 1e-9), slope=0.0, missing=0.0, masked=0.0, mixture=0.0)
CCM_TRACERS = ["Glc_x: 100% [1,2-13C2]", "Gln_x: 100% [U-13C5]", "Glc_x: 100% [U-13C6]; Lac_x: 100% [3-13C]"]


def simulator(network=TOY, tracers=None, **changes):
    return ExperimentSimulator(build_vocabulary(network, tracers), replace(EXACT, **changes))


def draw(source, count, seed=0):
    rng = np.random.default_rng(seed)
    z = source.net_pool(count, rng)
    return z, source.batch(z, rng)


def split(source, batch):
    """Return mid, sd and mask, shape (sample, experiment, measurement, width)."""
    mid, scale, kept = np.split(batch.rows.astype(float), 3, axis=-1)
    return mid, 10 ** (-scale - 2.0), kept.astype(bool)


def fluxes_of(source, z, target):
    network, space = source.vocabulary.network, source.space
    exchange = np.zeros(len(network.reactions))
    free = len(space.free)
    exchange[network.reversible] = space.exchange(target[free : free + space.exchange_scale.size].astype(float))
    names = {"reaction": list(network.reaction_names)}
    variables = {"net_flux": ("reaction", space.net(z)), "exchange_flux": ("reaction", exchange)}
    return xr.Dataset(variables, coords=names)


def single_tracer(source, context):
    """Return text, purity and natural abundance of an experiment with one unmixed tracer."""
    vocabulary = source.vocabulary
    for tracer, purity in product(vocabulary.tracers, PURITIES):
        features = vocabulary.tracer_features(tracer, purity)
        if np.allclose(features, context[:-3], atol=1e-6):
            return tracer.text, purity, ABUNDANCE_MODES[int(context[-3:].argmax())]
    raise AssertionError("no tracer has these features")


def mixed_tracer(source, context):
    """Return text and purity of a mixture of two tracers, or of one with unlabeled molecules."""
    vocabulary = source.vocabulary
    nothing = parse_tracers("A_x: unlabeled", TOY)
    for purity in PURITIES:
        for first, second in product(vocabulary.tracers, (*vocabulary.tracers, nothing)):
            a, b = (vocabulary.tracer_features(each, purity) for each in (first, second))
            share = float((context[:-3] - b) @ (a - b) / max((a - b) @ (a - b), 1e-12)) if first != second else 1.0
            if 0 < share <= 1 + 1e-6 and np.allclose(share * a + (1 - share) * b, context[:-3], atol=1e-6):
                labels = [each.text.partition("% ")[2] for each in (first, second)]
                terms = [f"{100 * min(share, 1):.10f}% {labels[0]}"]
                if second is not nothing and first != second:
                    terms.append(f"{100 * max(1 - share, 0):.10f}% {labels[1]}")
                return "A_x: " + " + ".join(terms), purity
    raise AssertionError("no mixture has these features")


def assert_simulated(source, z, batch, sample, slot, text, purity, elements):
    """Compare with fluxkit.simulate: another program, another path from pools to measurements."""
    words = [each for each in source.vocabulary.measurements if each.formula or not elements]
    names = [each.name for each in words]
    needed = {share.weight for each in words for share in each.shares} | {f"dilution of {name}" for name in names}
    target = batch.target[sample].astype(float)
    weights = dict(zip(source.weight_names, ndtr(target[len(target) - len(source.weight_names) :]), strict=True))
    expected = fluxkit.simulate(
        source.vocabulary.network,
        fluxes_of(source, z[sample], target),
        text,
        fragments=names,
        purity=purity,
        natural_abundance=elements,
        weights={name: weight for name, weight in weights.items() if name in needed},
    )
    mid, _, kept = (each[sample, slot] for each in split(source, batch))
    compared = 0
    for name in names:
        place = source.vocabulary.find(name, "C")
        if kept[place].any():
            values = expected["mid"].values.reshape(-1)[expected["fragment"].values == name]
            np.testing.assert_allclose(mid[place][: len(values)], values / values.sum(), atol=3e-6)  # float32 targets
            compared += 1
    assert compared > len(names) // 3


def test_noiseless_experiments_are_those_of_the_public_simulator():
    source = simulator(CCM, CCM_TRACERS)
    z, batch = draw(source, 6)
    seen = set()
    for sample, slot in zip(*np.nonzero(batch.present), strict=True):
        text, purity, elements = single_tracer(source, batch.context[sample, slot])
        assert_simulated(source, z, batch, sample, slot, text, purity, elements)
        seen |= {text, elements}
    assert seen == {*CCM_TRACERS, *ABUNDANCE_MODES}


def test_mixed_tracers_are_those_of_the_public_simulator():
    source = simulator(mixture=1.0)
    z, batch = draw(source, 12)
    for sample, slot in zip(*np.nonzero(batch.present), strict=True):
        text, purity = mixed_tracer(source, batch.context[sample, slot])
        assert_simulated(source, z, batch, sample, slot, text, purity, "")


def test_targets_are_the_coordinates_of_the_fluxes():
    source = simulator()
    z, batch = draw(source, 50)
    free = source.map.to_polytope(batch.target[:, : z.shape[1]].astype(float))
    np.testing.assert_allclose(free, z, atol=1e-5)
    assert entropic_map(flux_space(TOY)).to_unbounded(z).shape == z.shape
    assert batch.target.shape == (50, source.parameter_count)


def test_noise_has_the_stated_sd():
    source, clean = simulator(floor=(0.01, 0.01), slope=0.05), simulator()
    z = source.net_pool(3000, np.random.default_rng(0))
    noisy, exact = (each.batch(z, np.random.default_rng(1)) for each in (source, clean))
    mid, sd, kept = split(source, noisy)
    truth, _, same = split(clean, exact)
    np.testing.assert_array_equal(kept, same)
    standard = ((mid - truth) / sd)[kept]
    assert abs(standard.mean()) < 4 / np.sqrt(standard.size)
    assert abs(standard.std() - 1) < 0.02
    assert stats.kstest(standard[::7], "norm").pvalue > 1e-3


def test_the_floor_and_the_slope_of_the_noise_stay_in_their_ranges():
    source = simulator(floor=(0.002, 0.01), slope=0.05)
    _, batch = draw(source, 2000)
    mid, sd, kept = split(source, batch)
    middle = np.median(np.log(sd[kept & (mid < 0.01)]))
    # Log-uniform between the ends; each measurement then varies by a factor of exp(0.4 normal).
    assert abs(middle - np.log(np.sqrt(0.002 * 0.01))) < 0.15
    assert sd[kept].max() < 0.01 * np.exp(0.4 * 5) + 0.05 / 4


@pytest.mark.parametrize("missing", [0.0, 0.4, 0.8])
def test_measurements_are_missing_at_the_stated_rate(missing):
    source = simulator(missing=missing)
    _, batch = draw(source, 4000)
    share = batch.known[batch.present.astype(bool)].mean()
    # A rate uniform up to the largest; one of four measurements is always there; 3 % more gaps by experiment.
    expected = (1 - missing / 2 * (1 - 1 / 4)) * 0.97
    assert abs(share - expected) < 0.02


def test_single_mass_shifts_are_missing_at_the_stated_rate():
    source = simulator(CCM, CCM_TRACERS[:1], masked=0.1)
    _, batch = draw(source, 200)
    _, _, kept = split(source, batch)
    real = np.arange(source.vocabulary.width) < source.vocabulary.sizes[:, None]
    large = kept[:, :, source.vocabulary.sizes > 5][batch.known[:, :, source.vocabulary.sizes > 5] > 0]
    expected = np.broadcast_to(real, kept.shape)[:, :, source.vocabulary.sizes > 5][
        batch.known[:, :, source.vocabulary.sizes > 5] > 0
    ]
    assert abs(1 - large.sum() / expected.sum() - 0.1) < 0.01
    assert (kept.sum(axis=-1)[batch.known > 0] >= 2).all()


def test_what_is_kept_sums_to_one_without_noise():
    _, batch = draw(simulator(masked=0.2), 300)
    mid, _, kept = split(None, batch)
    np.testing.assert_allclose(mid.sum(axis=-1)[batch.known > 0], 1, atol=1e-5)
    assert (mid[~kept] == 0).all()


def test_the_number_of_experiments_follows_its_probabilities():
    _, batch = draw(simulator(experiments=(0.5, 0.2, 0.3)), 4000)
    counts = np.bincount(batch.present.sum(axis=1).astype(int), minlength=4)[1:] / 4000
    np.testing.assert_allclose(counts, (0.5, 0.2, 0.3), atol=0.03)


def test_the_same_seed_gives_the_same_batch_and_another_seed_another():
    source = simulator(floor=(0.001, 0.01))
    (_, first), (_, again), (_, other) = draw(source, 20), draw(source, 20), draw(source, 20, seed=1)
    for name in first._fields:
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not np.array_equal(first.target, other.target)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"experiments": (0.5, 0.2)}, "probabilities; let them sum to 1"),
        ({"experiments": ()}, "probabilities"),
        ({"missing": 1.2}, "missing = 1.2 is a share"),
        ({"gaps": 1.5}, "gaps = 1.5 is a share; give a number from 0 to 1"),
        ({"gaps": float("nan")}, "gaps = nan is a share"),
        ({"mixture": -0.1}, "mixture = -0.1 is a share"),
        ({"floor": (0.0, 0.1)}, "two rising numbers above 0"),
        ({"floor": (0.02, 0.01)}, "two rising numbers above 0"),
        ({"slope": -1}, "not below 0"),
        ({"rates": 2.0}, "rates = 2.0 is a share"),
        ({"rate_error": (0.2, 0.02)}, "rate_error = .* two rising numbers above 0"),
    ],
)
def test_impossible_settings_are_refused(wrong, message):
    with pytest.raises(LabelingError, match=message):
        ExperimentSettings(**wrong)
