"""Which circulating nutrients each one is made from directly, computed exactly from a flux state, atom by atom."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fluxkit.errors import UnknownNameError, suggest
from fluxkit.fluxes.completion import as_flux_dataset
from fluxkit.fluxes.states import directed_fluxes
from fluxkit.networks import Network, Participant
from fluxkit.physiology.organs import PLASMA, plasma_pools

STORES = "stores"
"""The source of what comes from outside the balanced pools: glycogen, protein, fat, diet, infusion."""

Atom = tuple[str, int]


def conversions_of_state(
    fluxes: xr.Dataset,
    network: Network,
    nutrients: Sequence[str] | None = None,
    *,
    element: str = "C",
    plasma: Sequence[str] = PLASMA,
) -> xr.Dataset:
    r"""Return the flux of atoms from each circulating nutrient directly into each other one, in a flux state.

    Every atom that enters a plasma pool is followed back to the plasma pool, or the store, that it last was in. In the
    tissues between, the origin x of each atom is the mean of what flows into it, a linear balance as for isotopic
    steady state (doi:10.1016/j.cmet.2020.07.013; elementary metabolite units of one atom,
    doi:10.1016/j.ymben.2006.09.001):

    .. math:: x_a \sum_b v_{b \to a} = \sum_b v_{b \to a} x_b

    with x fixed in plasma. Exchange fluxes count: carbon that a tissue takes up and gives back unchanged is a flux of a
    nutrient into itself, and so is blood that flows from venous to arterial pools. This is what
    :func:`conversion_fluxes` estimates from labeling.

    Parameters
    ----------
    fluxes : xarray.Dataset
        ``net_flux`` and ``exchange_flux`` over ``(..., reaction)``, leading dimensions free.
    network : Network
        A whole-body network.
    nutrients : sequence of str, optional
        Targets, without compartment; every plasma nutrient with this element by default. ``"CO2"`` as a target gives
        direct oxidation.
    element : {"C", "N", "H"}
        Whose atoms are followed.
    plasma : sequence of str
        Compartments that are plasma.

    Returns
    -------
    xarray.Dataset
        Quantity over ``(..., target, source)`` in atoms of the network's flux unit, sd 0; the sources are all plasma
        nutrients and ``"stores"``.

    Raises
    ------
    UnknownNameError
        The network has no plasma, or no such nutrient in it.
    """
    state = as_flux_dataset(network, fluxes)
    pools = plasma_pools(network, plasma)
    named = {pool: name for pool, name in pools.items() if network.atom_counts[pool].get(element, 0)}
    sources = [*dict.fromkeys(named.values()), STORES]
    targets = sources[:-1] if nutrients is None else list(nutrients)
    for each in targets:
        if each not in sources[:-1]:
            raise UnknownNameError(f"plasma has no nutrient {each!r} with {element}. {suggest(each, sources[:-1])}")
    lead = [dim for dim in state["net_flux"].dims if dim != "reaction"]
    net = state["net_flux"].transpose(..., "reaction").values
    exchange = state["exchange_flux"].transpose(*lead, "reaction").values
    rates = directed_fluxes(network, net, exchange).reshape(-1, len(network.reactions) + int(network.reversible.sum()))
    flows = _flows(network, element)
    origin = _Origin(network, element, named, sources)
    values = np.stack([origin.solve(flows, each, targets) for each in rates])
    shape = net.shape[:-1]
    coords = {name: state.coords[name] for name in lead if name in state.coords}
    amount, slash, rest = network.flux_unit.partition("/")
    value = xr.DataArray(
        values.reshape(*shape, len(targets), len(sources)), dims=(*lead, "target", "source"),
        coords={**coords, "target": targets, "source": sources},
    )  # fmt: skip
    units = f"{amount} {element}{slash}{rest}" if slash else f"{network.flux_unit} {element}"
    return xr.Dataset({"value": value, "sd": xr.zeros_like(value)}, attrs={"units": units, "basis": "atom"})


class _Origin:
    """The places of atoms: which are unknown, and what is fixed."""

    def __init__(self, network: Network, element: str, pools: dict[str, str], sources: list[str]) -> None:
        inner = [each for each in network.balanced if each not in pools]
        atoms = [(each, i) for each in inner for i in range(network.atom_counts[each].get(element, 0))]
        self.pools, self.sources = pools, sources
        self.row: dict[Atom, int] = {atom: i for i, atom in enumerate(atoms)}

    def solve(self, flows: list[tuple[Atom, Atom, int, float]], rates: np.ndarray, targets: list[str]) -> np.ndarray:
        """Return atoms per time that each source gives to each target, shape ``(target, source)``."""
        size, count = len(self.row), len(self.sources)
        matrix, fixed = np.zeros((size, size)), np.zeros((size, count))
        arrivals: list[tuple[int, Atom, float]] = []
        for atom, source, place, share in flows:
            flux = rates[place] * share
            if flux == 0:
                continue
            if atom in self.row:
                row = self.row[atom]
                matrix[row, row] += flux
                if source in self.row:
                    matrix[row, self.row[source]] -= flux
                else:
                    fixed[row, self.source_of(source)] += flux
            elif self.pools.get(atom[0]) in targets:
                arrivals.append((targets.index(self.pools[atom[0]]), source, flux))
        empty = np.diag(matrix) == 0  # a pool that nothing supplies
        matrix[empty, empty] = 1.0
        origins = np.linalg.solve(matrix, fixed)
        result = np.zeros((len(targets), count))
        for target, source, flux in arrivals:
            if source in self.row:
                result[target] += flux * origins[self.row[source]]
            else:
                result[target, self.source_of(source)] += flux
        return result

    def source_of(self, atom: Atom) -> int:
        return self.sources.index(self.pools.get(atom[0], STORES))


def _flows(network: Network, element: str) -> list[tuple[Atom, Atom, int, float]]:
    """Return (product atom, substrate atom, place of the directed flux, atoms per turn) of every transition."""
    flows, place = [], len(network.reactions)
    for index, reaction in enumerate(network.reactions):
        flows += _one_way(network, reaction.substrates, reaction.products, element, index)
        if reaction.reversible:
            flows += _one_way(network, reaction.products, reaction.substrates, element, place)
            place += 1
    return flows


def _one_way(
    network: Network, left: Sequence[Participant], right: Sequence[Participant], element: str, place: int
) -> list[tuple[Atom, Atom, int, float]]:
    origin = {
        letter: (each.metabolite, i) for each in left for i, letter in enumerate(each.atoms.get(element, ""))
    }  # fmt: skip
    flows = []
    for each in right:
        letters = each.atoms.get(element, "")
        turns = (letters, letters[::-1]) if each.metabolite in network.symmetric else (letters,)
        for turned in turns:
            for i, letter in enumerate(turned):
                if letter in origin:
                    flows.append(((each.metabolite, i), origin[letter], place, each.coefficient / len(turns)))
    return flows
