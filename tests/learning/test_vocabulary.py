"""Measurements become words of the network's vocabulary, and data become the numbers that training saw."""

import json
import subprocess
import sys

import numpy as np
import pytest

import fluxkit
from fluxkit.errors import LabelingError
from fluxkit.labeling import labeling_dataset, parse_tracers
from fluxkit.learning.observed import observe
from fluxkit.learning.vocabulary import build_vocabulary, encode_context, encode_values

CCM = fluxkit.load_network("ccm")
TOY = fluxkit.load_network("toy")
WORDS = build_vocabulary(CCM)
SMALL = build_vocabulary(TOY)
GLUCOSE = "Glc_x: 80% [U-13C6]"


def simulated(network=CCM, tracers=GLUCOSE, fragments=("lactate", "citrate"), **options):
    return fluxkit.simulate(
        network, network.reference_fluxes(), tracers, fragments=list(fragments), noise=0.01, **options
    )


def encoded(vocabulary, labeling):
    """Rows, which measurements are known, and context of one sample."""
    return observe(vocabulary, labeling).encode(vocabulary)


def test_reading_models_does_not_load_torch():
    script = (
        "import sys, fluxkit.learning; print([m for m in ('torch', 'pytorch_lightning', 'zuko') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_equal_meanings_are_one_word():
    assert WORDS.find("citrate", "C") == WORDS.find("cis-aconitate", "C") == WORDS.find("Cit", "C")
    assert WORDS.find("alanine", "C") == WORDS.find("Ala.c", "C") == WORDS.find("Ala.c:C", "C")
    meanings = [(m.fragments, m.shares, m.diluted) for m in WORDS.measurements]
    assert len(set(meanings)) == len(meanings)


def test_other_pools_shares_or_atoms_are_other_words():
    assert WORDS.find("Cit.m", "C") is None  # one pool of the mixture that citrate is
    assert WORDS.find("hexose-6-phosphate", "C") != WORDS.find("G6P", "C")  # one of them is diluted
    assert WORDS.find("Glu:N", "C") != WORDS.find("glutamate", "C")
    assert WORDS.find("no such metabolite", "C") is None


def test_unknown_fragments_are_ignored_and_the_rest_is_read():
    rest, both = simulated(fragments=["lactate"]), simulated(fragments=["lactate", "Cit.m", "Lac.c[1-2]"])
    for name in ("mid", "mid_sd"):
        both[name].loc[{"isotopologue": both["fragment"].values == "lactate"}] = rest[name].values
    for left, right in zip(encoded(WORDS, rest), encoded(WORDS, both), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_second_reading_of_the_same_pools_is_read_once():
    known = encoded(WORDS, simulated(fragments=["citrate", "cis-aconitate"]))[1]
    assert known.sum() == 1


@pytest.mark.parametrize("purity", [1.0, 0.97])
def test_features_of_a_mixture_are_the_mixture_of_features(purity):
    def features(text):
        return WORDS.tracer_features(parse_tracers(text, CCM), purity)

    mixed = features("Glc_x: 60% [1,2-13C2] + 30% [U-13C6]")
    parts = 0.6 * features("[1,2-13C2]Glc_x") + 0.3 * features("[U-13C6]Glc_x") + 0.1 * features("Glc_x: unlabeled")
    np.testing.assert_allclose(mixed, parts, atol=1e-12)


def test_tracer_features_are_enrichment_by_atom_then_the_mid_of_the_pool():
    features = SMALL.tracer_features(parse_tracers("A_x: 50% [1,2-13C2]", TOY), 0.9)
    # Half of the molecules carry each of two atoms with probability 0.9: 0.81, 0.18, 0.01.
    np.testing.assert_allclose(features, [0.45, 0.45, 0, 0.5 + 0.005, 0.09, 0.405, 0], atol=1e-12)


def test_a_dataset_is_encoded_as_in_training():
    rng = np.random.default_rng(0)
    mids = {"B": rng.dirichlet(np.ones(4)), "E": rng.dirichlet(np.ones(2))}
    sds = {"B": np.array([0.01, 0.002, 0.02, 0.03]), "E": np.array([0.005, 0.006])}
    texts = {"first": "A_x: 70% [2-13C]", "second": "A_x: 100% [1,2-13C2]"}
    labeling = labeling_dataset(
        np.stack([np.concatenate([mids["E"], mids["B"]]), np.concatenate([[np.nan] * 2, mids["B"]])]),
        mid_sd=np.tile(np.concatenate([sds["E"], sds["B"]]), (2, 1)),
        dims=("experiment", "isotopologue"),
        fragments=["E"] * 2 + ["B"] * 4,
        mass_shifts=[0, 1, 0, 1, 2, 3],
        network=TOY,
        experiments=texts,
        purity=0.98,
        natural_abundance="C",
        formulas={"E": "CH4", "B": "C3H6"},
    )
    mid, sd = np.full((2, 4, 4), np.nan), np.full((2, 4, 4), np.nan)
    place_b, place_e = SMALL.find("B", "C"), SMALL.find("E", "C")
    mid[:, place_b], sd[:, place_b] = mids["B"], sds["B"]
    mid[0, place_e, :2], sd[0, place_e, :2] = mids["E"], sds["E"]
    features = np.array([SMALL.tracer_features(parse_tracers(text, TOY), 0.98) for text in texts.values()])
    rows, known, context = encoded(SMALL, labeling)
    np.testing.assert_array_equal(rows, encode_values(SMALL, mid, sd, np.isfinite(mid)))
    np.testing.assert_array_equal(known, np.isfinite(mid).any(axis=-1))
    np.testing.assert_array_equal(context, encode_context(features, 1))
    flipped = encoded(SMALL, labeling.transpose("isotopologue", "experiment"))
    for left, right in zip((rows, known, context), flipped, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("junk", [np.nan, np.inf, -1.0, 1e30])
def test_what_stands_in_unmeasured_cells_changes_nothing(junk):
    rng = np.random.default_rng(1)
    mid, sd = rng.random((3, 4, 4)), rng.uniform(0.001, 0.1, (3, 4, 4))
    kept = rng.random((3, 4, 4)) < 0.5
    clean = encode_values(SMALL, mid, sd, kept)
    assert np.isfinite(clean).all()
    np.testing.assert_array_equal(
        encode_values(SMALL, np.where(kept, mid, junk), np.where(kept, sd, junk), kept), clean
    )


@pytest.mark.parametrize(("elements", "mode"), [("", 0), ("C", 1), ("CHNOPS", 2)])
def test_the_context_says_which_natural_isotopes_are_in_the_data(elements, mode):
    context = encoded(WORDS, simulated(natural_abundance=elements))[2]
    assert context[0, -3:].tolist() == np.eye(3)[mode].tolist()


def test_natural_abundance_matrices_take_mids_to_mids():
    total = WORDS.abundance.sum(axis=-1)
    assert np.all(total <= 1 + 1e-12)
    assert np.all(WORDS.abundance >= 0)
    np.testing.assert_array_equal(WORDS.abundance[0], np.broadcast_to(np.eye(WORDS.width), WORDS.abundance[0].shape))


def test_a_network_without_tracers_is_refused_with_the_cure(tmp_path):
    (tmp_path / "chain.rxn").write_text("r1: A_x (ab) -> B (ab)\nr2: B (ab) -> C_x (ab)\n")
    network = fluxkit.read_network(tmp_path / "chain.rxn")
    with pytest.raises(LabelingError, match="'chain' has no standard tracers; give tracers="):
        build_vocabulary(network)
    assert [each.name for each in build_vocabulary(network, ["A_x: 100% [1-13C]"]).measurements] == ["B"]


def test_several_samples_or_missing_sds_are_refused():
    labeling = simulated(TOY, "A_x: 100% [2-13C]", ["B"])
    with pytest.raises(LabelingError, match="one sample at a time; select one along 'sample'"):
        observe(SMALL, labeling.expand_dims(sample=["a", "b"]))
    with pytest.raises(LabelingError, match="no standard deviations"):
        observe(SMALL, labeling.drop_vars("mid_sd"))
    assert json.loads(labeling.attrs["tracers"]) == {"tracer": "A_x: 100% [2-13C]"}
