from itertools import pairwise
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fluxkit.errors import LabelingError
from fluxkit.labeling import labeling_dataset, measurement_model, pool_replicates, read_labeling, simulate
from fluxkit.networks import load_network
from tests.inference.problems import hct116_control_labeling
from tests.labeling.likelihood_gradient import assert_likelihood_gradient

CCM = load_network("ccm")
HCT116 = Path(__file__).parents[2] / "data" / "hct116" / "labeling.csv"
TRACER = "Glc_x: 100% [U-13C6]"
SIZES = {"citrate": 6, "lactate": 3, "fructose-1,6-bisphosphate": 6, "fumarate": 4, "glucose": 6}
FORMULAS = {
    "citrate": "C6H8O7",
    "lactate": "C3H6O3",
    "fructose-1,6-bisphosphate": "C6H14O12P2",
    "fumarate": "C4H4O4",
    "glucose": "C6H12O6",
}


def labeling_of(names, natural_abundance="", missing=(), experiments=("e",)):
    """Build a flat dataset; ``missing`` holds (experiment, name, mass shift)."""
    fragments = [name for name in names for _ in range(SIZES[name] + 1)]
    shifts = [shift for name in names for shift in range(SIZES[name] + 1)]
    mid = np.zeros((len(experiments), len(fragments)))
    for e, experiment in enumerate(experiments):
        for name in names:
            mine = [i for i, each in enumerate(fragments) if each == name]
            kept = [i for i in mine if (experiment, name, shifts[i]) not in missing]
            mid[e, mine] = np.nan
            mid[e, kept] = 1 / len(kept) if kept else np.nan
    return labeling_dataset(
        mid,
        dims=("experiment", "isotopologue"),
        fragments=fragments,
        mass_shifts=shifts,
        network=CCM,
        experiments=dict.fromkeys(experiments, TRACER),
        natural_abundance=natural_abundance,
        formulas={name: FORMULAS[name] for name in names},
    )


def draw_mids(model, n, n_experiments, seed=0):
    rng = np.random.default_rng(seed)
    parts = [rng.dirichlet(np.ones(each.size + 1), (n, n_experiments)) for each in model.fragments]
    return np.concatenate(parts, axis=-1), rng.random((n, len(model.weight_names)))


def test_a_plain_metabolite_passes_unchanged():
    model = measurement_model(CCM, labeling_of(["lactate"]))
    mids, weights = draw_mids(model, 3, 1)
    assert [each.metabolite for each in model.fragments] == ["Lac.c"]
    assert weights.shape == (3, 0)
    np.testing.assert_allclose(model.predict(mids, weights), mids, rtol=1e-14)


def test_mixing_dilution_natural_carbon_and_masks_agree_with_a_calculation_by_hand():
    names = ["citrate", "fructose-1,6-bisphosphate"]
    model = measurement_model(CCM, labeling_of(names, "C", {("e", "citrate", 6)}))
    assert model.weight_names == ("w3", "dilution of fructose-1,6-bisphosphate")
    mids, weights = draw_mids(model, 1, 1)
    ends = np.cumsum([each.size + 1 for each in model.fragments])
    at = {each.metabolite: slice(end - each.size - 1, end) for each, end in zip(model.fragments, ends, strict=True)}
    w, d = weights[0]
    citrate = (1 - w) * mids[0, 0, at["Cit.m"]] + w * mids[0, 0, at["Cit.c"]]
    bisphosphate = (1 - d) * mids[0, 0, at["FBP.c"]] + d * np.eye(7)[0]
    natural = 0.0107  # 13C, IUPAC 2013, doi:10.1515/pac-2015-0305

    def seen(mid):
        result = np.zeros(7)
        for labeled, share in enumerate(mid):
            for extra in range(7 - labeled):
                ways = comb(6 - labeled, extra)
                result[labeled + extra] += share * ways * natural**extra * (1 - natural) ** (6 - labeled - extra)
        return result

    prediction = model.predict(mids, weights)[0, 0]
    kept = seen(citrate)[:6] / seen(citrate)[:6].sum()
    np.testing.assert_allclose(prediction[:6], kept, rtol=1e-3)
    assert np.isnan(prediction[6])
    np.testing.assert_allclose(prediction[7:], seen(bisphosphate), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("natural_abundance", ["", "C"])
def test_the_gradient_of_the_likelihood_is_that_of_the_measurement_model_by_finite_differences(natural_abundance):
    missing = {("a", "citrate", 2), ("b", "citrate", 5), *(("b", "fumarate", i) for i in range(5))}
    names = ["citrate", "lactate", "fructose-1,6-bisphosphate", "fumarate"]
    model = measurement_model(CCM, labeling_of(names, natural_abundance, missing, ("a", "b")))
    assert model.weight_names == ("w3", "w5", "dilution of fructose-1,6-bisphosphate")
    assert_likelihood_gradient(model, CCM, [TRACER, "Gln_x: 100% [U-13C5]"])


def test_the_compiled_model_agrees_with_array_operations_on_the_cells():
    cells = read_labeling(HCT116, CCM, TRACER, natural_abundance="C")
    model = measurement_model(CCM, pool_replicates(cells)["control"])
    mids, weights = draw_mids(model, 4, 1)
    mixtures = model.mixing.mix(mids, weights)
    starts = [*model.mixing.starts.tolist(), len(model.place)]
    expected = np.full((4, 1, model.measured.shape[1]), np.nan)
    for begin, end in pairwise(starts):
        natural = model.abundance[begin:end, : end - begin]
        kept = model.keep[0, begin:end]
        seen = (mixtures[..., begin:end] @ natural.T)[..., kept]
        expected[..., model.place[begin:end][kept]] = seen / seen.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(model.predict(mids, weights), expected, rtol=1e-12)


def test_arrays_of_the_wrong_shape_are_refused():
    model = measurement_model(CCM, labeling_of(["lactate"]))
    with pytest.raises(LabelingError, match=r"mids has shape \(1, 1, 3\), this measurement model needs \(1, 1, 4\)"):
        model.predict(np.ones((1, 1, 3)), np.ones((1, 0)))
    with pytest.raises(LabelingError, match="weights has shape"):
        model.predict(np.ones((1, 1, 4)), np.ones((1, 1)))


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(0, 6), min_size=2, max_size=7), st.integers(0, 100))
def test_a_mask_renormalises_over_what_is_kept(kept, seed):
    whole = measurement_model(CCM, labeling_of(["citrate"], "C"))
    part = measurement_model(
        CCM, labeling_of(["citrate"], "C", {("e", "citrate", i) for i in range(7) if i not in kept})
    )
    mids, weights = draw_mids(whole, 2, 1, seed)
    full, masked = whole.predict(mids, weights), part.predict(mids, weights)
    chosen = sorted(kept)
    np.testing.assert_allclose(
        masked[..., chosen], full[..., chosen] / full[..., chosen].sum(-1, keepdims=True), rtol=1e-12
    )
    assert np.isnan(np.delete(masked, chosen, axis=-1)).all()
    assert part.n_independent == len(kept) - 1


def test_two_pools_with_an_unknown_share_beside_blood_mix_as_calculated_by_hand():
    network = load_network("wholebody_mouse")
    frame = labeling_dataset(
        np.array([1.0, 0.0, 0.0, 0.0]),
        dims=("isotopologue",),
        fragments=["kidney lactate"] * 4,
        mass_shifts=range(4),
        network=network,
        experiments={"e": "Glc_inf_x: 100% [U-13C6]"},
    )
    model = measurement_model(network, frame)
    assert [each.metabolite for each in model.fragments] == ["Lac.K", "Lac.K2", "Lac.P"]
    mids, weights = draw_mids(model, 4, 1)
    cortex, medulla, plasma = (mids[:, 0, 4 * i : 4 * i + 4] for i in range(3))
    expected = 0.95 * ((1 - weights) * cortex + weights * medulla) + 0.05 * plasma
    np.testing.assert_allclose(model.predict(mids, weights)[:, 0], expected, rtol=1e-13)
    assert_likelihood_gradient(model, network, ["Glc_inf_x: 100% [U-13C6]"])


def test_scaling_simulated_mids_changes_nothing_without_dilution():
    model = measurement_model(CCM, labeling_of(["citrate", "lactate"], "C"))
    mids, weights = draw_mids(model, 2, 1)
    np.testing.assert_allclose(model.predict(3 * mids, weights), model.predict(mids, weights), rtol=1e-12)


def test_a_shared_pool_is_asked_once():
    names = ["citrate", "lactate"]
    labeling = labeling_of(names)
    twice = labeling.assign_coords(fragment=("isotopologue", ["citrate"] * 7 + ["Lac"] * 4))
    model = measurement_model(CCM, twice)
    assert [each.metabolite for each in model.fragments] == ["Cit.m", "Cit.c", "Lac.c"]
    cells = read_labeling(HCT116, CCM, TRACER, natural_abundance="C")
    model = measurement_model(CCM, pool_replicates(cells)["control"])
    pools = [each.metabolite for each in model.fragments]
    assert len(pools) == len(set(pools))
    assert model.weight_names.count("w3") == 1
    assert model.weight_names[-1].startswith("dilution of ")


def test_external_pools_are_inputs_and_not_predicted():
    model = measurement_model(CCM, labeling_of(["glucose", "lactate"]))
    assert [each.metabolite for each in model.fragments] == ["Lac.c"]
    assert "'glucose' is the external pool Glc_x" in model.notes[0]
    mids, weights = draw_mids(model, 1, 1)
    prediction = model.predict(mids, weights)[0, 0]
    assert np.isnan(prediction[:7]).all()
    assert np.isfinite(prediction[7:]).all()
    with pytest.raises(LabelingError, match="no measured fragment is left to predict"):
        measurement_model(CCM, labeling_of(["glucose"]))


def test_unlabeled_molecules_show_their_natural_carbon():
    model = measurement_model(CCM, labeling_of(["lactate"], "C"))
    prediction = model.predict(np.array([[[1.0, 0.0, 0.0, 0.0]]]), np.zeros((1, 0)))[0, 0]
    assert prediction[1] / prediction[0] == pytest.approx(3 * 0.0107 / 0.9893, rel=2e-2)


def test_a_missing_formula_is_refused_where_natural_abundance_needs_it():
    labeling = labeling_of(["lactate"], "C")
    labeling.attrs["formulas"] = "{}"
    with pytest.raises(
        LabelingError, match="fragment 'lactate' has no formula, and natural abundance of 'C' needs one"
    ):
        measurement_model(CCM, labeling)


def test_samples_that_differ_in_what_they_measure_are_refused():
    frame = pd.DataFrame({"replicate": [1] * 4 + [2] * 3, "metabolite": "lactate", "mass_shift": [0, 1, 2, 3, 0, 1, 2]})
    labeling = read_labeling(frame.assign(intensity=1e7), CCM, TRACER)
    with pytest.raises(LabelingError, match="pool the replicates or split the samples first"):
        measurement_model(CCM, labeling)


def test_models_of_the_same_layout_are_equal_and_of_another_are_not():
    labeling = hct116_control_labeling()
    first, second = measurement_model(CCM, labeling), measurement_model(CCM, labeling.assign(mid=labeling["mid"] * 1.0))
    assert first == second
    assert hash(first) == hash(second)
    gap = labeling["mid"].copy()
    gap.values.flat[np.flatnonzero(np.isfinite(gap.values.ravel()))[0]] = np.nan
    assert measurement_model(CCM, labeling.assign(mid=gap)) != first


def body_model(names, tracers):
    network = load_network("wholebody_core")
    return network, measurement_model(network, simulate(network, network.reference_fluxes(), tracers, fragments=names))


def test_breath_holds_up_to_a_tenth_of_unlabeled_bicarbonate():
    _, model = body_model(["breath CO2", "CO2.P"], "Glc_inf_x: 100% [U-13C6]")
    mids = np.array([[[0.7, 0.3, 0.7, 0.3]]])[..., : model.n_values]
    for weight, recovery in ((0.0, 1.0), (0.5, 0.95), (1.0, 0.9)):
        breath = model.predict(mids, np.array([[weight]]))[0, 0, :2]
        np.testing.assert_allclose(breath, [1 - 0.3 * recovery, 0.3 * recovery], rtol=1e-14)


def test_plasma_in_a_tissue_sample_is_up_to_8_percent_and_amino_acids_hold_another_share():
    _, model = body_model(["liver lactate", "liver alanine"], "Lac_inf_x: 100% [U-13C3]")
    assert model.weight_names == ("b_L", "a_L")
    rng = np.random.default_rng(0)
    mids = np.concatenate([rng.dirichlet(np.ones(each.size + 1)) for each in model.fragments])[None, None]
    for weight, blood in ((0.0, 0.0), (0.5, 0.04), (1.0, 0.08)):
        seen = model.predict(mids, np.array([[weight, 0.3]]))[0, 0, :4]
        liver, plasma = mids[0, 0, :4], mids[0, 0, 4:8]
        np.testing.assert_allclose(seen, (1 - blood) * liver + blood * plasma, rtol=1e-12)


def test_the_gradient_knows_unlabeled_pools_and_blood_by_finite_differences():
    network, model = body_model(["breath CO2", "urine urea", "liver lactate"], "Glc_inf_x: 100% [U-13C6]")
    assert model.weight_names == ("r_CO2", "u_urea", "b_L")
    assert_likelihood_gradient(model, network, ["Glc_inf_x: 100% [U-13C6]"])
