"""Co-cultures: the population is recovered from labeling of the whole culture; fluxes per cell; refusals."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import ndtr

import fluxkit
from fluxkit.errors import FluxError, UnknownNameError
from fluxkit.inference import FluxEstimate, QuantifySettings, SamplerSettings, Verdict, quantify
from fluxkit.inference.populations import cell_types, per_cell_fluxes, population_fractions
from fluxkit.inference.problem import build_density
from fluxkit.inference.quantify import find_best
from fluxkit.networks.observations import Observation, ObservationTable, PoolShare
from tests.inference.problems import TOY

CULTURE = fluxkit.load_network("coculture")
TRACERS = {
    "glc_12": "Glc_feed_x: 100% [1,2-13C2]",
    "glc_U": "Glc_feed_x: 100% [U-13C6]",
    "gln_U": "Gln_feed_x: 100% [U-13C5]",
    "lac_U": "Lac_feed_x: 100% [U-13C3]",
}
PROTEIN = [f"protein {name}" for name in ("alanine", "serine", "aspartate", "glutamate")]
METABOLITES = ["lactate", "alanine", "glutamate", "serine", "aspartate", "malate", "citrate"]
MEDIUM = [f"medium {name}" for name in ("lactate", "alanine", "glutamine", "glutamate", "pyruvate", "serine")]
POOLS = {"t_Lac": 0.7, "t_Ala": 0.4, "t_Glu": 0.55, "t_Ser": 0.5, "t_Asp": 0.6, "t_Mal": 0.6, "t_Cit": 0.3}


@lru_cache
def whole_culture(fraction: float, seed: int, reference: bool = True) -> xr.Dataset:
    """Labeling of an extract, of protein and of the medium, of four tracers with noise of 0.003."""
    state = CULTURE.reference_fluxes() if reference else fluxkit.draw_fluxes(CULTURE, 10, seed=4).isel(draw=seed)
    fragments = [*PROTEIN, *METABOLITES, *MEDIUM]
    weights = {"t_protein": fraction, **POOLS}
    return fluxkit.simulate(CULTURE, state, TRACERS, fragments=fragments, weights=weights, noise=0.003, seed=seed)


@pytest.mark.parametrize(
    ("fraction", "seed", "reference"), [(0.2, 1, True), (0.35, 2, True), (0.7, 3, False), (0.85, 4, False)]
)
def test_the_best_fit_of_a_whole_culture_recovers_its_population(fraction, seed, reference):
    labeling = whole_culture(fraction, seed, reference)
    density = build_density(labeling, CULTURE)
    settings = QuantifySettings(starts=6, fallbacks=False)
    refined = find_best(density, labeling, None, settings, np.random.default_rng(seed)).refined
    names = density.measurement.weight_names
    place = density.size - len(names) + names.index("t_protein")
    y = refined.points[0, place]
    sd = np.sqrt(np.linalg.inv(refined.precision[0])[place, place]) * np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)
    assert sd < 0.07  # a uniform prior has 0.29
    assert abs(ndtr(y) - fraction) < 3 * sd


@pytest.mark.slow
def test_the_posterior_of_a_whole_culture_holds_its_population():
    settings = QuantifySettings(starts=6, fallbacks=False, sampler=SamplerSettings(seconds=90.0))
    estimate = quantify(whole_culture(0.7, 1), CULTURE, model=None, settings=settings)
    assert isinstance(estimate, FluxEstimate)
    row = population_fractions(estimate).set_index("cell_type").loc["T"]
    assert row["lower"] < 0.7 < row["upper"]
    assert row["upper"] - row["lower"] < 0.2  # a uniform prior has 0.9


def culture(share: np.ndarray, factor: np.ndarray | float = 1.0, weight: str = "t_protein") -> FluxEstimate:
    """An estimate whose share has these draws ``(chain, draw)`` and whose fluxes are the reference times a factor."""
    reference = CULTURE.reference_fluxes()
    factors = np.broadcast_to(factor, share.shape)[..., None]
    dims = ("chain", "draw", "reaction")
    coords = {"reaction": list(CULTURE.reaction_names), "weight_name": [weight]}
    fluxes = {f"{kind}_flux": reference[f"{kind}_flux"].values for kind in ("net", "exchange")}
    posterior = {name: (dims, factors * values) for name, values in fluxes.items()}
    posterior["weight"] = (("chain", "draw", "weight_name"), share[..., None])
    best = {name: ("reaction", values) for name, values in fluxes.items()}
    best["weight"] = ("weight_name", [float(np.median(share))])
    empty = xr.Dataset()
    states = xr.Dataset(posterior, coords=coords), empty, xr.Dataset(best, coords=coords), empty
    return FluxEstimate(CULTURE, "dish", empty, *states, 1.0, 1.0, 0.5, {}, Verdict(True, ()))


def rows(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index(["reaction", "kind"])


REFERENCE = CULTURE.reference_fluxes()["net_flux"].to_series()
SHARES = 0.3 + 0.1 * np.random.default_rng(0).random((2, 500))


def test_the_share_of_protein_belongs_to_the_cancer_cells_and_the_rest_to_fibroblasts():
    assert tuple(cell_types(CULTURE)) == ("T", "F")
    table = population_fractions(culture(SHARES)).set_index("cell_type")
    assert table["name"].to_dict() == {"T": "cancer cell", "F": "fibroblast"}
    np.testing.assert_allclose(
        table.loc["T", ["lower", "median", "upper"]].astype(float), [0.305, 0.35, 0.395], atol=3e-3
    )
    np.testing.assert_allclose(table["median"].sum(), 1.0, rtol=1e-9)
    assert table.loc["F", "lower"] == pytest.approx(1 - table.loc["T", "upper"])


def test_cells_with_twice_the_protein_are_fewer():
    constant = np.full((1, 10), 0.5)
    table = population_fractions(culture(constant), protein_ratio=2.0).set_index("cell_type")
    np.testing.assert_allclose(table["median"], [1 / 3, 2 / 3])
    per_cell = rows(per_cell_fluxes(culture(constant), protein_ratio=2.0))
    assert per_cell.loc[("T_PDH", "net"), "median"] == pytest.approx(3 * REFERENCE["T_PDH"])


def test_fluxes_per_cell_times_cells_are_those_of_the_culture():
    table = rows(per_cell_fluxes(culture(SHARES), {"T": 0.35}))
    for reaction, share in (("T_MCT", 0.35), ("T_LDH", 0.35), ("F_CS", 0.65), ("F_MCT", 0.65)):
        row = table.loc[(reaction, "net")]
        assert share * row["median"] == pytest.approx(REFERENCE[reaction])
        assert row["lower"] == row["median"] == row["upper"] == row["best"]  # fluxes and share are known here
    assert table.loc[("T_MCT", "net"), "unit"] == "nmol/h/10^6 cells of T"
    million = rows(per_cell_fluxes(culture(SHARES), {"F": 0.65}, million_cells=4.0))
    np.testing.assert_allclose(4 * million["median"], table["median"])


def test_fluxes_that_are_per_cell_already_are_not_divided_by_the_fraction_again():
    estimate = culture(SHARES)
    own = replace(estimate, network=estimate.network.with_changes(sizes={"T": 0.35, "F": 0.65}))
    table = rows(per_cell_fluxes(own, {"T": 0.35}, million_cells=2.0))
    for reaction in ("T_MCT", "F_CS"):
        assert table.loc[(reaction, "net"), "median"] == pytest.approx(REFERENCE[reaction] / 2)


def test_every_reaction_of_a_cell_has_a_row_and_none_of_the_medium():
    table = per_cell_fluxes(culture(SHARES))
    counts = table[table["kind"] == "net"].groupby("cell_type").size()
    assert counts.to_dict() == {"T": 45, "F": 45}
    assert (table["reaction"].str[0] == table["cell_type"]).all()
    assert (table["kind"] == "exchange").sum() == CULTURE.reversible.sum()


def test_intervals_know_how_fluxes_depend_on_the_share():
    both = rows(per_cell_fluxes(culture(SHARES, factor=SHARES)))  # the flux of the culture follows the share
    row = both.loc[("T_CS", "net")]
    assert row["lower"] == pytest.approx(row["upper"]) == pytest.approx(REFERENCE["T_CS"])
    alone = rows(per_cell_fluxes(culture(SHARES))).loc[("T_CS", "net")]
    expected = REFERENCE["T_CS"] / np.quantile(SHARES, [0.95, 0.5, 0.05])
    np.testing.assert_allclose(alone[["lower", "median", "upper"]].astype(float), expected, rtol=1e-3)


@pytest.mark.parametrize("value", [-0.1, 0.0, 1.0, 1.5, float("nan"), 35])
def test_a_fraction_that_is_none_is_refused(value):
    with pytest.raises(FluxError, match=f"'T' = {value} does not lie between 0 and 1; .* such as 0.35 for 35 %"):
        per_cell_fluxes(culture(SHARES), {"T": value})


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"fractions": {"T": 0.3, "F": 0.3}}, FluxError, "sum to 0.6, not to 1"),
        ({"fractions": {}}, FluxError, "fractions are empty"),
        ({"fractions": {"M": 0.3}}, UnknownNameError, "no cell type 'M'.*'F', 'T'"),
        ({"weight": "t_protien"}, UnknownNameError, "Did you mean 't_protein'"),
        (
            {"weight": "t_Lac"},
            UnknownNameError,
            "'dish' has no share 't_Lac', because nothing that it mixes was measured",
        ),
        ({"protein_ratio": 0.0}, FluxError, "protein_ratio = 0.0"),
        ({"million_cells": -1.0}, FluxError, "million_cells = -1.0"),
    ],
)
def test_what_makes_no_population_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        per_cell_fluxes(culture(SHARES), **options)


def test_a_network_of_one_cell_type_has_no_population():
    with pytest.raises(UnknownNameError, match="'toy' have no share 't_protein'"):
        cell_types(TOY)
    pools = PoolShare("Lac.T", weight="w"), PoolShare("Ala.T", weight="w", complement=True)
    mixed = replace(CULTURE, observations=ObservationTable({"mixture": Observation("mixture", pools)}))
    with pytest.raises(FluxError, match="needs a share of one cell type against one other"):
        cell_types(mixed, "w")


def test_counted_cells_need_no_share_of_protein():
    table = rows(per_cell_fluxes(culture(SHARES, weight="t_Lac"), {"T": 0.5, "F": 0.5}))
    assert table.loc[("F_CS", "net"), "median"] == pytest.approx(2 * REFERENCE["F_CS"])
