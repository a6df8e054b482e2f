"""The corners of flux space: zero fluxes, fast exchange, tiny and huge fluxes, dead branches, single precision.

The witness is the balance of every isotopomer; in extended precision it reaches 1e-12 even where exchange is 1e5
times net, in double precision only 1e-9.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from fluxkit.emu import build_program, decompose, pull_back, simulate_mids
from fluxkit.fluxes import directed_fluxes, draw_fluxes
from fluxkit.labeling import normalise_experiments, simulate
from fluxkit.labeling.programs import labeling_program
from fluxkit.networks import load_network, parse_fragment
from tests.emu.isotopomer_balance import EXTENDED, atoms_of, marginal_mid, solve_isotopomers
from tests.emu.random_networks import Labeled, directed, input_mids, labeled_networks, program_of, split, starved

FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SEEDS = st.integers(0, 2**32 - 1)
REACH = 1e-12 if EXTENDED else 1e-9
CCM = load_network("ccm")


def pure(network, labeled: dict[str, int], elements: str = "CNH") -> dict[str, np.ndarray]:
    """Isotopomers of the input pools: one of them each, the unlabeled one where none is said."""
    sizes = {pool: 1 << len(atoms_of(network, pool, elements)) for pool in network.inputs}
    return {pool: np.eye(size)[labeled.get(pool, 0)] for pool, size in sizes.items()}


def worst_error(case: Labeled, elements: str = "CNH") -> float:
    """Largest difference from the isotopomer balance; a pool that nothing makes has no MID, or a whole one."""
    found = split(case, simulate_mids(program_of(case), case.fluxes[None])[0])
    worst = 0.0
    for e, inputs in enumerate(case.inputs):
        truth = solve_isotopomers(case.network, case.fluxes, inputs, elements)
        for fragment, mid in zip(case.fragments, found, strict=True):
            name = fragment.metabolite
            if name in truth:
                expected = marginal_mid(truth[name], atoms_of(case.network, name, elements), fragment.atoms)
                worst = max(worst, float(np.abs(mid[e] - expected).max()))
            else:
                assert not mid.any() or abs(mid[e].sum() - 1) < 1e-12
                assert (mid >= -1e-15).all()
    return worst


def test_toy_with_any_reaction_at_rest_agrees_with_the_isotopomer_balance():
    network = load_network("toy")
    fragments = tuple(parse_fragment(name, network) for name in network.balanced)
    for v5, v2, ratio, scale in product((0.0, 2.0), (-2.0, -1.0, 0.0, 3.0), (0.0, 1e-5, 1.0, 1e5), (1e-6, 1.0, 1e6)):
        exchange = ratio * max(abs(v2), 1.0)
        if v5 + v2 < 0 or (v5 == v2 == 0 and exchange):
            continue  # D would flow out of nothing, or B and D would be a closed cycle
        flux = {"v1": v2 + 2 * v5, "v2": v2, "v4": v5, "v5": v5, "v6": v2 + v5, "v7": 3 * v5}
        net = scale * np.array([flux[name] for name in network.reaction_names])
        case = Labeled(
            network, net, scale * np.where(network.reversible, exchange, 0.0), (pure(network, {"A_x": 2}),), fragments
        )
        assert worst_error(case) < REACH


@FEW
@given(labeled_networks(experiments=2), SEEDS)
def test_random_networks_with_exchange_up_to_1e5_times_net_agree_with_the_isotopomer_balance(case, seed):
    rng = np.random.default_rng(seed)
    ratio = 10 ** rng.uniform(-5, 5, len(case.exchange))
    exchange = np.where(case.exchange > 0, np.maximum(np.abs(case.net), 1) * ratio, 0.0)
    scale = 10 ** rng.uniform(-6, 6)
    try:
        error = worst_error(replace(case, net=scale * case.net, exchange=scale * exchange))
    except ArithmeticError:  # the witness gives up where a pool exchanges with itself 1e8 times faster than it is fed
        assume(False)
        return
    assert error < REACH


def corner(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Balanced fluxes of ccm between some corners of its flux cone, with many reactions at rest and fast exchange."""
    off = rng.random(len(CCM.reactions)) < rng.choice([0.0, 0.1, 0.3])
    bounds = [(0, 0) if o else (-100 if r else 0, 100) for o, r in zip(off, CCM.reversible, strict=True)]
    corners = []
    for _ in range(3):
        slope, still = rng.standard_normal(len(bounds)), np.zeros(len(CCM.balanced))
        corners.append(linprog(slope, A_eq=CCM.stoichiometry, b_eq=still, bounds=bounds).x)
    net = rng.dirichlet(np.ones(3)) @ corners
    net[np.abs(net) < 1e-7] = 0.0  # what the solver leaves of a zero
    exchange = np.maximum(np.abs(net), 1) * 10 ** rng.uniform(-5, 5, len(net))
    exchange[~CCM.reversible | (rng.random(len(net)) < 0.5)] = 0.0
    return net, exchange


def touching(names: set[str]) -> np.ndarray:
    """Which reactions of ccm have a participant among the names."""
    return np.array([any(p.metabolite in names for p in (*r.substrates, *r.products)) for r in CCM.reactions])


def ccm_corners(count: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Corners in which every carbon that turns over comes from an input."""
    rng = np.random.default_rng(seed)
    kept = []
    while len(kept) < count:
        net, exchange = corner(rng)
        while hungry := starved(CCM, directed(CCM, net, exchange), "C"):
            closed = touching(set(hungry)) & (exchange > 0)
            if not closed.any():
                break  # a closed cycle of net fluxes: another corner
            exchange[closed] = 0.0
        if not hungry and net.any():
            kept.append((net, exchange))
    return kept


CARBON = tuple(parse_fragment(name, CCM, "C") for name in CCM.balanced if CCM.atom_counts[name].get("C"))
SYSTEM = decompose(CCM, CARBON)
LABELED = {"Glc_x": 0b000011, "Gln_x": 0b11111}
"""Carbons: [1,2-13C2]glucose with [U-13C5]glutamine."""
PROGRAM = build_program(SYSTEM, [input_mids(CCM, SYSTEM.inputs, pure(CCM, LABELED))])


def carbon_mids(fluxes: np.ndarray) -> list[np.ndarray]:
    values = simulate_mids(PROGRAM, fluxes)
    return np.split(values, np.cumsum([each.size + 1 for each in CARBON])[:-1], axis=-1)


def test_ccm_at_the_corners_of_its_flux_cone_agrees_with_the_isotopomer_balance():
    checked = 0
    for net, exchange in ccm_corners(5, seed=1):
        fluxes = directed(CCM, net, exchange)
        try:
            truth = solve_isotopomers(CCM, fluxes, pure(CCM, LABELED, "C"), "C")
        except ArithmeticError:
            continue
        checked += 1
        scales = 10.0 ** np.array([-6, 0, 6])[:, None]
        for fragment, mids in zip(CARBON, carbon_mids(scales * fluxes), strict=True):
            name = fragment.metabolite
            if name in truth:
                expected = marginal_mid(truth[name], atoms_of(CCM, name, "C"), fragment.atoms)
                np.testing.assert_allclose(mids, np.broadcast_to(expected, mids.shape), rtol=0, atol=REACH)
            else:
                total = mids.sum(axis=-1)
                assert ((np.abs(total - 1) < 1e-12) | (total == 0)).all()
    assert checked >= 3


def test_closed_cycles_of_ccm_that_turn_in_dead_branches_change_nothing_elsewhere():
    turned = 0
    for net, exchange in ccm_corners(12, seed=2):
        flowing = np.abs(net) + exchange > 0
        living = [each for each, on in zip(CCM.reactions, flowing, strict=True) if on]
        alive = {p.metabolite for each in living for p in (*each.substrates, *each.products)} | set(CCM.inputs)
        cycles = CCM.reversible & ~touching(alive)
        turned += cycles.sum()
        still, turning = (directed(CCM, net, each)[None] for each in (exchange, exchange + 7.0 * cycles))
        for fragment, one, other in zip(CARBON, carbon_mids(still), carbon_mids(turning), strict=True):
            assert np.isfinite(other).all()
            if fragment.metabolite in alive:
                np.testing.assert_allclose(other, one, rtol=0, atol=1e-15)
        for fluxes in (still, turning):
            assert np.isfinite(pull_back(PROGRAM, fluxes, np.ones((1, *PROGRAM.shape)))[1]).all()
    assert turned > 20


def test_a_simulated_fragment_without_supply_is_nan_and_every_other_sums_to_one():
    corners = ccm_corners(6, seed=3)
    states = CCM.reference_fluxes().expand_dims(draw=6).copy(deep=True)
    states["net_flux"][:], states["exchange_flux"][:] = (np.array(each) for each in zip(*corners, strict=True))
    found = simulate(CCM, states, "Glc_x: 100% [1,2-13C2]; Gln_x: 100% [U-13C5]", fragments=[f.name for f in CARBON])
    fluxes = np.array([directed(CCM, *each) for each in corners])
    dead = 0
    for fragment, mids in zip(CARBON, carbon_mids(fluxes), strict=True):
        values = found["mid"].values[:, 0, found["fragment"].values == fragment.name]
        empty = ~mids[:, 0].any(axis=-1)
        dead += empty.sum()
        assert np.isnan(values[empty]).all()
        np.testing.assert_allclose(values[~empty].sum(axis=-1), 1, rtol=0, atol=1e-12)
    assert dead > 20


@pytest.mark.parametrize("tiny", [1e-12, 1e-30, 1e-160, 1e-290])
def test_a_branch_of_tiny_flux_has_finite_values_and_gradients(tiny):
    fluxes = np.full((1, PROGRAM.flux_count), 1.0)
    fluxes[0, ::3] = tiny
    values, gradient = pull_back(PROGRAM, fluxes, np.ones((1, *PROGRAM.shape)))
    assert np.isfinite(values).all()
    assert np.isfinite(gradient).all()


def test_single_precision_keeps_six_digits_on_draws_from_the_prior_of_ccm():
    tracers = {"glc": "Glc_x: 50% [U-13C6] + 20% [1-13C]", "gln": "Gln_x: 100% [U-13C5]"}
    program = labeling_program(CCM, CARBON, tuple(normalise_experiments(tracers, CCM).values()))
    draws = draw_fluxes(CCM, 500, seed=7)
    net, exchange = (draws[name].values for name in ("net_flux", "exchange_flux"))
    fluxes = np.maximum(directed_fluxes(CCM, net, exchange[:, CCM.reversible]), 0)
    single = simulate_mids(program, fluxes, dtype="float32")
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, simulate_mids(program, fluxes), rtol=0, atol=1e-6)
