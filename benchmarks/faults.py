"""Faults of simulated experiment sets whose size is known: what a wrong model or wrong data do to exact MIDs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import xarray as xr
from cases import DrawnCase
from scipy.optimize import linprog

import fluxkit
from fluxkit.networks import FluxRule, Network, parse_reactions
from fluxkit.networks.checks import equality_system

MISSING_REACTIONS = {
    "glutamate uptake": "GLU_up: Glu_x (abcde){n} -> Glu.c (abcde){n}",
    "serine dehydratase": "SDS: Ser.c (abc){n} -> Pyr.c (abc) + NH3 {n}",
    "glycerol uptake": "GLYC_up: Glyc_x (abc) -> DHAP.c (abc)",
    "pyruvate uptake": "PYR_up: Pyr_x (abc) -> Pyr.c (abc)",
    "citrate uptake": "CIT_up: Cit_x (abcdef) -> Cit.c (abcdef)",
    "malate from amino acids": "MAL_in: Mal_x (abcd) -> Mal.m (abcd)",
    "succinate uptake": "SUC_up: Suc_x (abcd) -> Suc.m (abcd)",
    "fructose uptake": "FRU_up: Fru_x (abcdef) -> F6P.c (abcdef)",
    "alpha-ketoglutarate uptake": "AKG_up: AKG_x (abcde) -> AKG.c (abcde)",
    "acetyl-CoA from pyruvate in the cytosol": "PDH_c: Pyr.c (abc) -> AcCoA.c (bc) + CO2 (a)",
}
"""Plausible reactions that ccm lacks; what they take up is unlabeled."""

LEAST_SHIFT = 3.0
ATTEMPTS = {"missing reaction": 3, "wrong tracer purity": 2}
"""Draws of a kind before a set counts as untouched by it; 25 for the others, which need no new program."""


@dataclass(frozen=True, eq=False)
class Fault:
    """What a fault does.

    Parameters
    ----------
    what : str
        What was wrong.
    mid : numpy.ndarray
        Exact MIDs as they are read, shape ``(experiment, isotopologue)``.
    nearest : numpy.ndarray, optional
        What the reading model would predict instead; the labeling without the fault by default.
    exchange_bounds : tuple of numpy.ndarray, optional
        Bounds of the exchange fluxes that the reader believes in.
    """

    what: str
    mid: np.ndarray
    nearest: np.ndarray | None = None
    exchange_bounds: tuple[np.ndarray, np.ndarray] | None = None


@dataclass(frozen=True, eq=False)
class Faulty:
    """An experiment set with a fault.

    Parameters
    ----------
    kind, what : str
        Kind of the fault, and what it was.
    exact : xarray.Dataset
        Labeling with the fault, without noise.
    shift : float
        The largest change of a value, in sd.
    exchange_bounds : tuple of numpy.ndarray or None
        Bounds of the exchange fluxes that the reader believes in, where they are wrong.
    """

    kind: str
    what: str
    exact: xr.Dataset
    shift: float
    exchange_bounds: tuple[np.ndarray, np.ndarray] | None = None


def missing_reaction(case: DrawnCase, rng: np.random.Generator) -> Fault:
    """Return labeling of a cell with one more reaction, all else as near to the true fluxes as balances allow."""
    name = str(rng.choice(list(MISSING_REACTIONS)))
    network, flux = _with_reaction(name), float(np.exp(rng.uniform(np.log(3), np.log(60))))
    net = _nearest(network, case.truth["net_flux"].values, flux)
    if net is None:
        return Fault(name, case.exact["mid"].values)
    exchange = np.append(case.truth["exchange_flux"].values, 0.0)
    state = xr.Dataset({"net_flux": ("reaction", net), "exchange_flux": ("reaction", exchange)})
    state = state.assign_coords(reaction=list(network.reaction_names))
    return Fault(f"{name}, {flux:.0f} per 100 glucose", _simulated(case, network, state))


def wrong_purity(case: DrawnCase, rng: np.random.Generator) -> Fault:
    """Return labeling by tracers of 90 to 98 % purity, which are read as pure."""
    purity = float(rng.uniform(0.90, 0.98))
    network = fluxkit.load_network("ccm")
    return Fault(f"purity {purity:.3f} read as 1", _simulated(case, network, case.truth, purity=purity))


def exchange_outside(case: DrawnCase, rng: np.random.Generator) -> Fault:
    """Return bounds of one exchange flux that exclude the true one; the shift is to the nearest that they allow."""
    network = fluxkit.load_network("ccm")
    reversible = np.flatnonzero(network.reversible)
    i = int(rng.integers(len(reversible)))
    lower, upper = (each.copy() for each in network.exchange_bounds)
    true = float(case.truth["exchange_flux"].values[reversible[i]])
    factor = float(np.exp(rng.uniform(np.log(3), np.log(300))))
    if rng.random() < 0.5:
        upper[i] = max(true / factor, 2 * lower[i])
    else:
        lower[i] = min(true * factor, upper[i] / 2)
    exchange = case.truth["exchange_flux"].values.copy()
    exchange[reversible] = np.clip(exchange[reversible], lower, upper)
    nearest = _simulated(case, network, case.truth.assign(exchange_flux=("reaction", exchange)))
    text = f"{network.reaction_names[reversible[i]]} {true:.3g}, bounds {lower[i]:.3g} to {upper[i]:.3g}"
    return Fault(text, case.exact["mid"].values, nearest, (lower, upper))


def swapped_fragments(case: DrawnCase, rng: np.random.Generator) -> Fault:
    """Return labeling in which the MIDs of two metabolites are exchanged, in one experiment or in all."""
    names = case.exact["fragment"].values.astype(str)
    mid, columns = case.exact["mid"].values.copy(), {name: np.flatnonzero(names == name) for name in case.fragments}
    pairs = [
        (a, b)
        for i, a in enumerate(case.fragments)
        for b in case.fragments[i + 1 :]
        if len(columns[a]) == len(columns[b])
    ]
    if not pairs:
        return Fault("none of the same size", mid)
    first, second = pairs[rng.integers(len(pairs))]
    rows, where = _where(case, rng)
    one, other = np.ix_(rows, columns[first]), np.ix_(rows, columns[second])
    mid[one], mid[other] = mid[other].copy(), mid[one].copy()
    return Fault(f"{first} and {second} in {where}", mid)


def contaminated(case: DrawnCase, rng: np.random.Generator) -> Fault:
    """Return labeling with something unlabeled, or a foreign peak under one ion, in one fragment."""
    names = case.exact["fragment"].values.astype(str)
    fragment = str(rng.choice(case.fragments))
    columns = np.flatnonzero(names == fragment)
    rows, where = _where(case, rng)
    mid, ion = case.exact["mid"].values.copy(), int(rng.integers(len(columns))) if rng.random() < 0.5 else 0
    share = float(np.exp(rng.uniform(np.log(0.01), np.log(0.4))))
    place = np.ix_(rows, columns)
    mid[place] = (1 - share) * mid[place] + share * (np.arange(len(columns)) == ion)
    return Fault(f"{share:.1%} at M+{ion} of {fragment} in {where}", mid)


KINDS: dict[str, Callable[[DrawnCase, np.random.Generator], Fault]] = {
    "missing reaction": missing_reaction,
    "wrong tracer purity": wrong_purity,
    "exchange outside the prior": exchange_outside,
    "swapped fragments": swapped_fragments,
    "contaminated sample": contaminated,
}


def draw_fault(case: DrawnCase, kind: str, rng: np.random.Generator) -> Faulty | None:
    """Draw faults of a kind until one moves a value by more than 3 sd; None where none does.

    Parameters
    ----------
    case : DrawnCase
        The experiment set.
    kind : str
        One of :data:`KINDS`.
    rng : numpy.random.Generator
        Source of randomness.
    """
    exact = case.exact["mid"].values
    for _ in range(ATTEMPTS.get(kind, 25)):
        fault = KINDS[kind](case, rng)
        right = exact if fault.nearest is None else fault.nearest
        shift = float(np.nanmax(np.abs(fault.mid - right))) / case.noise
        if shift > LEAST_SHIFT:
            faulty = case.exact.assign(mid=case.exact["mid"].copy(data=fault.mid))
            return Faulty(kind, fault.what, faulty, shift, fault.exchange_bounds)
    return None


def _where(case: DrawnCase, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    count = len(case.tracers)
    if rng.random() < 0.5:
        return np.arange(count), "all experiments"
    row = int(rng.integers(count))
    return np.array([row]), list(case.tracers)[row]


def _simulated(case: DrawnCase, network: Network, state: xr.Dataset, purity: float = 1.0) -> np.ndarray:
    labeling = fluxkit.simulate(network, state, case.tracers, fragments=case.fragments, purity=purity)
    return labeling["mid"].values


@lru_cache
def _with_reaction(name: str) -> Network:
    """Return ccm with one of the missing reactions, irreversible, as the last."""
    network = fluxkit.load_network("ccm")
    reactions, _ = parse_reactions(MISSING_REACTIONS[name])
    rules = {**network.rules, reactions[0].name: FluxRule(0.0, 100.0)}
    return network.with_changes(reactions=(*network.reactions, *reactions), rules=rules, reference={})


def _nearest(network: Network, net: np.ndarray, flux: float) -> np.ndarray | None:
    """Return balanced net fluxes within bounds with a given last one, at the least sum of relative changes."""
    matrix, values = equality_system(network)
    lower, upper = (each.copy() for each in network.net_bounds)
    lower[-1] = upper[-1] = flux
    wanted = np.append(net, flux)
    count, scale = len(wanted), np.maximum(np.abs(wanted), 5.0)
    # net = wanted + more - less
    bounds = [(0, max(u - w, 0)) for u, w in zip(upper, wanted, strict=True)]
    bounds += [(0, max(w - low, 0)) for low, w in zip(lower, wanted, strict=True)]
    cost = np.concatenate([1 / scale, 1 / scale])
    found = linprog(cost, A_eq=np.hstack([matrix, -matrix]), b_eq=values - matrix @ wanted, bounds=bounds)
    return wanted + found.x[:count] - found.x[count:] if found.success else None
