"""An independent witness: the balance of every isotopomer of every metabolite, without EMUs.

An isotopomer is a bit vector, one bit per atom. Each reaction joins the bit vectors of its substrates and
deals the bits out to a product. The steady state is the root of these polynomial balances, found by Newton's
method after a few sweeps of the renormalised fixed-point iteration (without renormalising, that iteration
diverges). Newton's residual is formed in extended precision: where exchange is 1e5 times net, the digits that
cancel in it would otherwise leave an error of 1e-11.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fluxkit.networks import Network, Participant

Atom = tuple[str, int]
EXTENDED = np.finfo(np.longdouble).eps < 1e-18
"""Whether this machine has extended precision; Windows and some ARM processors have not."""


def atoms_of(network: Network, metabolite: str, elements: str = "CNH") -> list[Atom]:
    """Atoms of a metabolite in the order of the bits."""
    counts = network.atom_counts[metabolite]
    return [(element, i) for element in elements for i in range(counts.get(element, 0))]


def marginal_mid(isotopomers: np.ndarray, atoms: list[Atom], chosen) -> np.ndarray:
    """MID of some atoms, from the distribution over all isotopomers."""
    mask = sum(1 << atoms.index(atom) for atom in chosen)
    shifts = np.bitwise_count(np.arange(len(isotopomers)) & mask)
    return np.bincount(shifts, weights=isotopomers, minlength=len(chosen) + 1)


@dataclass(frozen=True)
class Transition:
    """One way to make a product: which isotopomer comes out of which joint isotopomer of the substrates."""

    flux: int
    weight: float
    product: str
    substrates: tuple[str, ...]
    parts: tuple[np.ndarray, ...]  # isotopomer of each substrate, per joint isotopomer
    made: np.ndarray  # isotopomer of the product, per joint isotopomer


def transitions(network: Network, elements: str) -> list[Transition]:
    found = []
    backward = len(network.reactions)
    for forward, reaction in enumerate(network.reactions):
        sides = [(forward, reaction.substrates, reaction.products)]
        if reaction.reversible:
            sides.append((backward, reaction.products, reaction.substrates))
            backward += 1
        for flux, substrates, products in sides:
            for product in products:
                turns = (1, -1) if product.metabolite in network.symmetric else (1,)
                for turn in turns:
                    weight = product.coefficient / len(turns)
                    found.append(_transition(network, elements, flux, weight, substrates, product, turn))
    return found


def _transition(network, elements, flux, weight, substrates, product: Participant, turn: int) -> Transition:
    wanted = [(e, letter) for e in elements for letter in product.atoms.get(e, "")[::turn]]
    givers = [s for s in substrates if any(letter in s.atoms.get(e, "") for e, letter in wanted)]
    bits, sizes = [], []
    for giver in givers:
        own = [(e, letter) for e in elements for letter in giver.atoms.get(e, "")]
        sizes.append(len(own))
        bits.extend(own)
    joint = np.arange(1 << len(bits))
    offsets = np.cumsum([0, *sizes])
    parts = tuple((joint >> start) & ((1 << size) - 1) for start, size in zip(offsets, sizes, strict=False))
    made = np.zeros_like(joint)
    for k, atom in enumerate(wanted):
        made |= ((joint >> bits.index(atom)) & 1) << k
    return Transition(flux, weight, product.metabolite, tuple(g.metabolite for g in givers), parts, made)


def solve_isotopomers(
    network: Network,
    fluxes: np.ndarray,
    inputs: Mapping[str, np.ndarray],
    elements: str = "CNH",
    sweeps: int = 30,
) -> dict[str, np.ndarray]:
    """Isotopomer distribution of every metabolite that some flux makes.

    Parameters
    ----------
    network : Network
        The network.
    fluxes : numpy.ndarray
        Directed fluxes, shape ``(directed flux,)``.
    inputs : mapping of str to numpy.ndarray
        Isotopomer distribution of each input pool, over the bits of :func:`atoms_of`.
    elements : str
        Elements to follow.
    sweeps : int
        Fixed-point sweeps before Newton's method.
    """
    active = [t for t in transitions(network, elements) if fluxes[t.flux] > 0 and t.product not in inputs]
    inflow: dict[str, np.longdouble] = {}
    for t in active:
        inflow[t.product] = inflow.get(t.product, np.longdouble(0)) + np.longdouble(t.weight) * fluxes[t.flux]
    sizes = {name: 1 << len(atoms_of(network, name, elements)) for name in inflow}
    values = dict(inputs)
    for name, size in sizes.items():
        values[name] = np.eye(1, size)[0]
    for _ in range(sweeps):
        made = {name: np.zeros(size) for name, size in sizes.items()}
        for t in active:
            share = float(t.weight * fluxes[t.flux] / inflow[t.product])
            made[t.product] += share * np.bincount(t.made, _joint(t, values), sizes[t.product])
        values.update({name: each / each.sum() for name, each in made.items()})
    return _newton(active, fluxes, inflow, sizes, values) if active else values


def _joint(t: Transition, values, skip: int | None = None) -> np.ndarray:
    product = np.ones(len(t.made), dtype=values[t.product].dtype)
    for k, (name, part) in enumerate(zip(t.substrates, t.parts, strict=True)):
        if k != skip:
            product = product * values[name][part]
    return product


def _newton(active, fluxes, inflow, sizes, values) -> dict[str, np.ndarray]:
    starts, total = {}, 0
    for name, size in sizes.items():
        starts[name], total = total, total + size
    closing = np.array(list(starts.values()), dtype=int)  # one equation per metabolite becomes: the sum is 1
    values = {name: each.astype(np.longdouble) for name, each in values.items()}
    for _ in range(40):
        residual = -np.concatenate([values[name] for name in sizes])
        slope = -np.eye(total)
        for t in active:
            share = np.longdouble(t.weight) * fluxes[t.flux] / inflow[t.product]
            np.add.at(residual, starts[t.product] + t.made, share * _joint(t, values))
            for k, name in enumerate(t.substrates):
                if name in starts:
                    rows, columns = starts[t.product] + t.made, starts[name] + t.parts[k]
                    np.add.at(slope, (rows, columns), (share * _joint(t, values, skip=k)).astype(float))
        slope[closing] = 0.0
        for name, start in starts.items():
            slope[start, start : start + sizes[name]] = 1.0
            residual[start] = values[name].sum() - 1.0
        step = np.linalg.solve(slope, -residual.astype(float))
        for name, start in starts.items():
            values[name] = values[name] + step[start : start + sizes[name]]
        if np.abs(step).max() < 1e-13:
            return {name: each.astype(float) for name, each in values.items()}
    raise ArithmeticError(f"the isotopomer balance did not converge; last step {np.abs(step).max():.1e}")
