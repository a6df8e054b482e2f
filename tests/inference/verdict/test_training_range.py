"""What a sample has that training never drew is named; samples drawn as training draws them are not remarked on."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import xarray as xr

import fluxkit
from fluxkit.inference.verdict.training_range import outside_training
from fluxkit.learning.experiments import PURITIES, ExperimentSettings, ExperimentSimulator
from fluxkit.learning.observed import Observed
from fluxkit.learning.vocabulary import Vocabulary, build_vocabulary
from tests.inference.problems import CCM, hct116_control_labeling

TEXTS = (
    "Glc_x: 100% [U-13C6]",
    "Glc_x: 100% [1,2-13C2]",
    "Gln_x: 100% [U-13C5]",
    "Gln_x: 100% [2-15N]",
    "Ac_x: 100% [U-13C2]",
)
VOCABULARY = build_vocabulary(CCM, TEXTS)
# A name with its element means the same whichever elements the tracers label.
NAMES = [each.name if ":" in each.name else f"{each.name}:C" for each in VOCABULARY.measurements]
CARD = {
    "tracers": list(TEXTS),
    "measurements": [each.name for each in VOCABULARY.measurements],
    "rates": list(VOCABULARY.rates),
    "experiments": asdict(ExperimentSettings()),
}


def labeling(tracers: str | dict[str, str] = TEXTS[1], fragments=NAMES, noise=0.005, **options) -> xr.Dataset:
    state = CCM.reference_fluxes()
    return fluxkit.simulate(CCM, state, tracers, fragments=list(fragments), noise=noise, **options)


def with_rates(rates: dict[str, tuple[float, float]], unit: str = CCM.flux_unit) -> xr.Dataset:
    return fluxkit.with_rates(labeling(), rates, CCM, unit=unit)


def drawn_samples(count: int, seed: int) -> list[xr.Dataset]:
    """Draw samples by the training's own generator, and write them as measured labeling."""
    simulator, rng = ExperimentSimulator(VOCABULARY), np.random.default_rng(seed)
    kinds = len(TEXTS) + 1  # the last is unlabeled
    # In the place of tracer features, which purity and tracer they are of.
    simulator.features = np.eye(len(PURITIES) * kinds).reshape(len(PURITIES), kinds, -1)
    seen, _ = simulator.observe(simulator.net_pool(count, rng), rng)
    skeleton = labeling()
    return [as_labeling(seen, sample, skeleton, VOCABULARY) for sample in range(count)]


def as_labeling(seen: Observed, sample: int, skeleton: xr.Dataset, vocabulary: Vocabulary) -> xr.Dataset:
    lanes = np.flatnonzero(seen.owner == sample)
    shares = seen.tracers[lanes].reshape(len(lanes), len(PURITIES), -1)
    tracers = {f"experiment {k}": mixture(each.sum(axis=0)) for k, each in enumerate(shares)}
    purity = PURITIES[int(np.flatnonzero(shares[0].any(axis=1))[0])]
    real = np.arange(vocabulary.width) < vocabulary.sizes[:, None]
    kept = seen.kept[lanes][:, real]
    variables = {
        name: (("experiment", "isotopologue"), np.where(kept, values[lanes][:, real], np.nan))
        for name, values in (("mid", seen.mid), ("mid_sd", seen.sd))
    }
    coords = {name: skeleton[name] for name in ("fragment", "mass_shift")}
    attrs = {"tracers": json.dumps(tracers), "purity": purity}
    made = xr.Dataset(variables, {"experiment": list(tracers), **coords}, attrs)
    measured = np.flatnonzero(seen.rates.precision[sample])
    if not len(measured):
        return made
    rates = {vocabulary.rates[k]: (seen.rates.value[sample, k], 1 / seen.rates.precision[sample, k]) for k in measured}
    return fluxkit.with_rates(made, rates, CCM, unit=CCM.flux_unit if seen.rates.absolute[sample] else "own")


def mixture(shares: np.ndarray) -> str:
    """Write the shares of the tracers, and of none, in one pool."""
    (pool,) = {text.split(": ")[0] for text, share in zip(TEXTS, shares, strict=False) if share}
    labels = [text.split("% ")[1] for text in TEXTS] + ["unlabeled"]
    parts = [f"{100 * share:.6f}% {label}" for share, label in zip(shares, labels, strict=True) if share]
    return f"{pool}: {' + '.join(parts)}"


def test_samples_drawn_as_training_draws_them_are_not_remarked_on():
    samples = drawn_samples(24, seed=3)
    assert {each.sizes["experiment"] for each in samples} == {1, 2, 3, 4}
    assert sum("rate" in each for each in samples) >= 4
    assert [outside_training(each, CCM, CARD) for each in samples] == [[]] * len(samples)


def test_measured_cells_are_like_those_of_training():
    assert outside_training(hct116_control_labeling(), CCM, CARD) == []


def test_what_a_card_does_not_say_is_not_compared():
    strange = labeling("Glc_x: 100% [2-13C]", ["Lac"], noise=0.1, purity=0.5)
    assert outside_training(fluxkit.with_rates(strange, {"GLC_up": (100, 0.1)}, CCM), CCM, {}) == []


@pytest.mark.parametrize(
    "sample, remark",
    [
        (
            lambda: labeling(dict.fromkeys("abcde", TEXTS[0])),
            "the sample has 5 parallel experiments, where training drew at most 4",
        ),
        (lambda: labeling(noise=0.1), "the typical sd is 0.1, where training drew 0.0015 to 0.024"),
        (
            lambda: labeling("Lac_x: 100% [U-13C3]"),
            "Lac_x is labeled, where training labeled Ac_x, Glc_x, Gln_x",
        ),
        (
            lambda: labeling("Glc_x: 100% [U-13C6]; Gln_x: 100% [U-13C5]"),
            "Glc_x with Gln_x is labeled in one experiment, where training labeled Ac_x or Glc_x or Gln_x",
        ),
        (
            lambda: labeling({"fed": TEXTS[0], "control": "Glc_x: 100% unlabeled"}),
            "nothing is labeled in one experiment, where training labeled Ac_x or Glc_x or Gln_x",
        ),
        (
            lambda: labeling("Glc_x: 50% [2-13C] + 50% [U-13C6]"),
            "Glc_x carries [2-13C], where training drew [1,2-13C2], [U-13C6]",
        ),
        (lambda: labeling(purity=0.9), "the tracer purity is 0.9, where training drew 0.97 to 1"),
        (
            lambda: labeling(fragments=["Lac", "Cit"]),
            "93% of the 27 measurements that the network reads are missing, where training seldom drew more than 88%",
        ),
        (
            lambda: with_rates({"GLC_up": (100, 5), "MCT_out - MCT_in": (120, 10)}),
            "the rate of MCT_out - MCT_in is measured, where training drew 32 other rates",
        ),
        (
            lambda: with_rates({"GLC_up": (100, 0.5), "GLN_up": (20, 30), "MCT_out": (120, 6)}),
            "the relative error of a rate is 0.005 for GLC_up, above 1 for GLN_up, where training drew 0.02 to 0.2",
        ),
        (
            lambda: with_rates({"GLC_up": (900, 45), "GLN_up": (90, 80)}, unit="nmol/h"),
            "the relative error of a rate is 0.89 for GLN_up, where training drew 0.02 to 0.2",
        ),
    ],
    ids=[
        "experiments",
        "sd",
        "pool",
        "pools",
        "unlabeled",
        "label",
        "purity",
        "missing",
        "rate",
        "error",
        "error in own unit",
    ],
)
def test_what_training_never_drew_is_named(sample, remark):
    assert outside_training(sample(), CCM, CARD) == [remark]


def test_rates_are_named_where_training_drew_none():
    card = {"rates": CARD["rates"], "experiments": asdict(ExperimentSettings(rates=0.0))}
    (remark,) = outside_training(with_rates({"GLC_up": (100, 5), "GLN_up": (20, 2)}), CCM, card)
    assert remark == "2 rates are measured, where training drew none"


def test_a_rate_that_may_be_zero_is_as_training_draws_it():
    assert outside_training(with_rates({"GLC_up": (100, 5), "GLN_up": (0.0, 0.1)}), CCM, CARD) == []
