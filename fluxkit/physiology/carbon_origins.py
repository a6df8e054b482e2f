"""Which circulating nutrients each one is made from directly, computed exactly from a flux state, atom by atom."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from fluxkit.errors import UnknownNameError, suggest
from fluxkit.fluxes.completion import as_flux_dataset
from fluxkit.fluxes.states import directed_fluxes
from fluxkit.networks import Network, Participant
from fluxkit.physiology.body_parts import OUTSIDE, organ_of, parts_of, units_of
from fluxkit.physiology.organs import plasma_pools

STORES = "stores"
"""The source of what comes from outside the balanced pools: glycogen, protein, fat, diet, infusion."""

Atom = tuple[str, int]

_ROUNDING = 1e-13
"""Fluxes of this share of the largest are rounding of a zero; a pool fed by them alone would have no stable origin."""


def conversions_of_state(
    fluxes: xr.Dataset,
    network: Network,
    nutrients: Sequence[str] | None = None,
    *,
    element: str = "C",
    plasma: Sequence[str] | None = None,
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
    plasma : sequence of str, optional
        Compartments that are plasma; by default the circulation that the network names.

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
    origin = _Origin(network, element, plasma)
    targets = origin.sources[:-1] if nutrients is None else list(nutrients)
    for each in targets:
        if each not in origin.sources[:-1]:
            hint = suggest(each, origin.sources[:-1])
            raise UnknownNameError(f"plasma has no nutrient {each!r} with {element}. {hint}")
    arriving = {pool: name for pool, name in origin.pools.items() if name in targets}

    def target_of(pool: str, _: int) -> str | None:
        return arriving.get(pool)

    value = origin.over_states(fluxes, "target", targets, lambda rates: origin.arrivals(rates, targets, target_of))
    return _as_quantity(value, units_of(network, element))


def oxidation_by_tissue(
    fluxes: xr.Dataset, network: Network, *, product: str = "CO2", plasma: Sequence[str] | None = None
) -> xr.Dataset:
    r"""Return what each tissue burns: the flux of carbon from each circulating nutrient into CO2, tissue by tissue.

    Each carbon that a reaction of the tissue releases as CO2 is followed back to the plasma nutrient, or the store,
    that it last was in, as in :func:`conversions_of_state`.

    Parameters
    ----------
    fluxes : xarray.Dataset
        ``net_flux`` and ``exchange_flux`` over ``(..., reaction)``, leading dimensions free.
    network : Network
        A whole-body network.
    product : str
        What burning makes, without compartment.
    plasma : sequence of str, optional
        Compartments that are plasma; by default the circulation that the network names.

    Returns
    -------
    xarray.Dataset
        Quantity over ``(..., tissue, source)`` in carbon atoms of the network's flux unit, sd 0. Carbon that was CO2
        and is released again (carboxylation and back) has the source ``"CO2"``.

    Raises
    ------
    UnknownNameError
        The network has no plasma, or the product is none of its nutrients.
    """
    origin = _Origin(network, "C", plasma)
    if product not in origin.sources[:-1]:
        raise UnknownNameError(f"plasma has no nutrient {product!r} with C. {suggest(product, origin.sources[:-1])}")
    parts = parts_of(network, plasma)
    organs = [organ_of(each, parts=parts) for each in network.reactions]
    tissues = [each for each in dict.fromkeys(organs) if each != OUTSIDE]
    burnt = {pool for pool, name in origin.pools.items() if name == product}

    def tissue_of(pool: str, reaction: int) -> str | None:
        return organs[reaction] if pool in burnt and organs[reaction] != OUTSIDE else None

    value = origin.over_states(fluxes, "tissue", tissues, lambda rates: origin.arrivals(rates, tissues, tissue_of))
    return _as_quantity(value, units_of(network, "C"))


def carbon_sources(
    fluxes: xr.Dataset, network: Network, pools: Sequence[str], *, plasma: Sequence[str] | None = None
) -> xr.Dataset:
    r"""Return from which circulating nutrients the carbon of tissue pools directly comes.

    The direct contribution of glucose, lactate and others to the TCA cycle of a tissue, when asked of its malate or
    succinate; to what enters it, when asked of acetyl-CoA. In labeling, :func:`direct_contributions` estimates it.

    Parameters
    ----------
    fluxes : xarray.Dataset
        ``net_flux`` and ``exchange_flux`` over ``(..., reaction)``, leading dimensions free.
    network : Network
        A whole-body network.
    pools : sequence of str
        Metabolites with their compartment, ``["Mal.M", "AcCoA.M"]``.
    plasma : sequence of str, optional
        Compartments that are plasma; by default the circulation that the network names.

    Returns
    -------
    xarray.Dataset
        Quantity over ``(..., pool, source)``: fractions of carbon, sd 0. They sum to one, or to zero where no flux
        supplies the pool.

    Raises
    ------
    UnknownNameError
        The network has no plasma, or no such balanced pool outside of it.
    """
    origin = _Origin(network, "C", plasma)
    inner = list(dict.fromkeys(name for name, _ in origin.row))
    for each in pools:
        if each not in inner:
            raise UnknownNameError(
                f"no tissue of {network.name!r} has a pool {each!r} with carbon. {suggest(each, inner)}"
            )
    rows = [[row for (name, _), row in origin.row.items() if name == each] for each in pools]
    value = origin.over_states(
        fluxes, "pool", list(pools), lambda rates: np.stack([origin.solve(rates)[each].mean(axis=0) for each in rows])
    )
    return _as_quantity(value, "fraction")


def _as_quantity(value: xr.DataArray, units: str) -> xr.Dataset:
    return xr.Dataset({"value": value, "sd": xr.zeros_like(value)}, attrs={"units": units, "basis": "atom"})


class _Origin:
    """The places of atoms of one element: those in plasma are sources, those in tissues have an origin to be found."""

    def __init__(self, network: Network, element: str, plasma: Sequence[str] | None) -> None:
        pools = plasma_pools(network, plasma)
        self.network = network
        self.pools = {pool: name for pool, name in pools.items() if network.atom_counts[pool].get(element, 0)}
        self.sources = [*dict.fromkeys(self.pools.values()), STORES]
        inner = [each for each in network.balanced if each not in pools]
        atoms = [(each, i) for each in inner for i in range(network.atom_counts[each].get(element, 0))]
        self.row: dict[Atom, int] = {atom: i for i, atom in enumerate(atoms)}
        self.flows = _flows(network, element)
        back = np.flatnonzero(network.reversible).tolist()
        self.reaction = [*range(len(network.reactions)), *back]  # of each directed flux

    def over_states(
        self, fluxes: xr.Dataset, dim: str, names: Sequence[str], find: Callable[[np.ndarray], np.ndarray]
    ) -> xr.DataArray:
        """Return what ``find`` makes of the directed fluxes of every state, over ``(..., dim, source)``."""
        network = self.network
        state = as_flux_dataset(network, fluxes)
        lead = [each for each in state["net_flux"].dims if each != "reaction"]
        net = state["net_flux"].transpose(..., "reaction").values
        exchange = state["exchange_flux"].transpose(*lead, "reaction").values
        rates = directed_fluxes(network, net, exchange).reshape(-1, len(self.reaction))
        values = np.stack([find(each) for each in rates])
        coords = {name: state.coords[name] for name in lead if name in state.coords}
        return xr.DataArray(
            values.reshape(*net.shape[:-1], len(names), len(self.sources)),
            dims=(*lead, dim, "source"),
            coords={**coords, dim: list(names), "source": self.sources},
        )

    def solve(self, rates: np.ndarray) -> np.ndarray:
        """Return from which source every atom in tissues comes, shape ``(atom, source)``; zero where none supplies it.

        Pools that only exchange among themselves hold what was there before, which has no source.
        """
        least = _ROUNDING * np.max(rates, initial=0.0)
        size = len(self.row)
        matrix, fixed = np.zeros((size, size)), np.zeros((size, len(self.sources)))
        for atom, source, place, share in self.flows:
            flux = rates[place] * share
            if flux <= least or atom not in self.row:
                continue
            row = self.row[atom]
            matrix[row, row] += flux
            if source in self.row:
                matrix[row, self.row[source]] -= flux
            else:
                fixed[row, self.source_of(source)] += flux
        empty = ~_supplied(matrix, fixed)
        matrix[empty], fixed[empty] = np.eye(size)[empty], 0.0
        return np.linalg.solve(matrix, fixed)

    def arrivals(
        self, rates: np.ndarray, targets: Sequence[str], target_of: Callable[[str, int], str | None]
    ) -> np.ndarray:
        """Return atoms per time from each source into plasma pools, shape ``(target, source)``.

        ``target_of`` says, of a plasma pool and the number of a reaction that supplies it, which target that is.
        """
        origins = self.solve(rates)
        result = np.zeros((len(targets), len(self.sources)))
        for atom, source, place, share in self.flows:
            flux = rates[place] * share
            target = target_of(atom[0], self.reaction[place]) if flux and atom[0] in self.pools else None
            if target is None:
                continue
            row = targets.index(target)
            if source in self.row:
                result[row] += flux * origins[self.row[source]]
            else:
                result[row, self.source_of(source)] += flux
        return result

    def source_of(self, atom: Atom) -> int:
        """Return the number of the source that a place outside the tissues is."""
        return self.sources.index(self.pools.get(atom[0], STORES))


def _supplied(matrix: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Return which atoms are reached from a source, shape ``(atom,)``."""
    size = len(matrix)
    graph = np.zeros((size + 1, size + 1), dtype=bool)
    graph[:size, :size] = matrix.T < 0  # from the substrate's atom to the product's
    graph[size, :size] = fixed.any(axis=1)
    reached = np.zeros(size + 1, dtype=bool)
    reached[breadth_first_order(csr_array(graph), size, return_predecessors=False)] = True
    return reached[:size]


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
