"""Two cell types in one culture: which share of the cells each is, and the fluxes of a cell of each type.

All fluxes of a co-culture network are those of the whole culture. Labeling of protein, which is stable and made in
proportion to cells, tells the share of each type without separating them, together with the fluxes (Gebreselassie &
Antoniewicz 2015, Metabolic Engineering 31:132-139).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fluxkit.errors import FluxError, UnknownNameError, suggest
from fluxkit.inference.estimate import LEVEL, FluxEstimate
from fluxkit.networks import Network
from fluxkit.networks.fragments import parse_fragment
from fluxkit.physiology.organs import compartment_of

_TAILS = (0.5, 0.5 - LEVEL / 2, 0.5 + LEVEL / 2)


@dataclass(frozen=True)
class CellTypes:
    """The two cell types that an unknown share of a network tells apart.

    Parameters
    ----------
    first, second : str
        Suffixes of their metabolites. The share itself counts for the first, one minus the share for the second.
    """

    first: str
    second: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.first, self.second))


def cell_types(network: Network, weight: str = "t_protein") -> CellTypes:
    """Say which cell types a share of the observation table tells apart.

    Parameters
    ----------
    network : Network
        A network of two cell types, such as ``coculture``.
    weight : str
        Name of the share.

    Raises
    ------
    UnknownNameError
        The observation table has no such share.
    FluxError
        The share is not one of two cell types.
    """
    shares = [share for name in network.observations for share in network.observations[name].pools]
    if weight not in (known := {share.weight for share in shares if share.weight is not None}):
        raise UnknownNameError(
            f"the observations of network {network.name!r} have no share {weight!r}. {suggest(weight, known)}"
        )
    sides: tuple[set[str], set[str]] = (set(), set())
    for share in shares:
        if share.weight == weight:
            sides[share.complement].add(compartment_of(parse_fragment(share.fragment, network).metabolite))
    if len(sides[0]) != 1 or len(sides[1]) != 1 or sides[0] == sides[1]:
        raise FluxError(
            f"share {weight!r} of network {network.name!r} mixes the compartments {sorted(sides[0])} with "
            f"{sorted(sides[1])}; a population needs a share of one cell type against one other."
        )
    return CellTypes(sides[0].pop(), sides[1].pop())


def population_fractions(
    estimate: FluxEstimate, weight: str = "t_protein", *, protein_ratio: float = 1.0
) -> pd.DataFrame:
    r"""Return which share of the cells of a culture each cell type is.

    Protein-bound amino acids are a mixture of the protein of both types. Their share :math:`t` is that of the protein
    of the first type; its share of the cells is

    .. math:: p = \frac{t / r}{t / r + 1 - t}

    where a cell of the first type holds :math:`r` times the protein of a cell of the second. Shares of metabolites
    (``t_Lac``) tell pool sizes, not populations.

    Parameters
    ----------
    estimate : FluxEstimate
        Of a whole culture, with protein-bound amino acids among its data. Protein has to be as old as the label: its
        turnover, or the growth of the culture, has replaced what was there before.
    weight : str
        The unknown share of the observation table.
    protein_ratio : float
        Protein per cell of the first type over that of the second, :math:`r`; 1 gives shares of protein.

    Returns
    -------
    pandas.DataFrame
        One row per cell type: ``cell_type`` (suffix of its metabolites), ``name``, and its share of all cells, between
        0 and 1: ``best`` at the most probable point, ``median``, ``lower`` and ``upper`` of the 90 % interval.

    Raises
    ------
    UnknownNameError
        The network or the estimate has no such share.
    FluxError
        The share tells no two cell types apart, or the ratio is impossible.
    """
    types = cell_types(estimate.network, weight)
    draws, best = _inferred(estimate, weight, protein_ratio)
    names = estimate.network.compartments
    rows = []
    for cell, share, point in zip(types, (draws, 1 - draws), (best, 1 - best), strict=True):
        median, lower, upper = np.quantile(share, _TAILS).tolist()
        row = {"cell_type": cell, "name": names.get(cell, cell), "best": point, "median": median}
        rows.append(row | {"lower": lower, "upper": upper})
    return pd.DataFrame(rows)


def per_cell_fluxes(
    estimate: FluxEstimate,
    fractions: Mapping[str, float] | None = None,
    *,
    weight: str = "t_protein",
    protein_ratio: float = 1.0,
    million_cells: float = 1.0,
) -> pd.DataFrame:
    r"""Return the fluxes of each cell type per cell of this type.

    .. math:: v_\mathrm{cell} = \frac{v}{p\,N}

    where :math:`v` is the flux of a cell type in the whole culture, :math:`p` its share of the cells and :math:`N` the
    number of all cells. Flux and share are those of the same draw, so intervals know how the two depend on each other.

    **Unit.** The fluxes of the network ``coculture`` are in nmol/h per 10^6 cells of the culture, both types counted
    together; then :math:`N` is 1 (million), and the result is in nmol/h per 10^6 cells *of this type*, which is the
    same number in fmol/h per cell. In a culture of 35 % cancer cells a lactate secretion of 70 nmol/h/10^6 cells by
    cancer cells is 200 nmol/h per 10^6 cancer cells.

    Parameters
    ----------
    estimate : FluxEstimate
        Of a whole culture.
    fractions : mapping of str to float, optional
        Known share of the cells by cell type, ``{"T": 0.35}``, between 0 and 1, where cells were counted; the other
        type is the rest. Inferred by :func:`population_fractions` by default.
    weight : str
        The unknown share that tells the cell types apart, and their population where it is inferred.
    protein_ratio : float
        Protein per cell of the first type over that of the second; only for an inferred population.
    million_cells : float
        All cells, in 10^6, of the culture that fluxes are of: 1 where fluxes are per 10^6 cells.

    Returns
    -------
    pandas.DataFrame
        One row per flux of a cell type: ``cell_type``, ``reaction``, ``kind`` (net or exchange), ``best``, ``median``,
        ``lower`` and ``upper`` (90 %), ``unit``. Where the network was composed with the fraction of a type, its fluxes
        are per cell of that type already, and only the number of cells divides them. Transport between a cell and the
        medium belongs to the cell; reactions of the medium alone, and such that touch both types, have no row.

    Raises
    ------
    UnknownNameError
        The network or the estimate has no such share, or no such cell type.
    FluxError
        A share does not lie between 0 and 1, shares do not sum to 1, or a number is impossible.
    """
    network = estimate.network
    types = cell_types(network, weight)
    if not 0 < million_cells < np.inf:
        raise FluxError(f"million_cells = {million_cells}: give the number of all cells in 10^6, above 0.")
    if fractions is None:
        draws, best = _inferred(estimate, weight, protein_ratio)
    else:
        best = _given(fractions, types)
        draws = np.full(estimate.posterior["net_flux"].shape[:2], best)
    shares = {types.first: (draws, best), types.second: (1 - draws, 1 - best)}
    rows = []
    for i, cell in _owners(network, types):
        share, point = (1.0, 1.0) if cell in network.sizes else shares[cell]  # of that type's cells already
        for kind in ("net", "exchange") if network.reversible[i] else ("net",):
            values = estimate.posterior[f"{kind}_flux"].transpose("chain", "draw", "reaction").values[..., i]
            with np.errstate(divide="ignore", invalid="ignore"):
                values = values / (share * million_cells)
            median, lower, upper = np.quantile(values, _TAILS).tolist()
            rows.append(
                {
                    "cell_type": cell,
                    "reaction": network.reaction_names[i],
                    "kind": kind,
                    "best": float(estimate.best[f"{kind}_flux"].values[i]) / (point * million_cells),
                    "median": median,
                    "lower": lower,
                    "upper": upper,
                    "unit": f"{network.flux_unit} of {cell}",
                }
            )
    return pd.DataFrame(rows)


def _inferred(estimate: FluxEstimate, weight: str, protein_ratio: float) -> tuple[np.ndarray, float]:
    """Return draws of the share of the first type in all cells ``(chain, draw)``, and its best value."""
    if not 0 < protein_ratio < np.inf:
        raise FluxError(f"protein_ratio = {protein_ratio}: protein per cell of one type over the other is above 0.")
    known = estimate.posterior["weight_name"].values.astype(str).tolist() if "weight" in estimate.posterior else []
    if weight not in known:
        raise UnknownNameError(
            f"estimate {estimate.sample!r} has no share {weight!r}, because nothing that it mixes was measured; "
            f"measure protein-bound amino acids, or count cells and give fractions=. It has: {known or 'no shares'}."
        )
    draws = estimate.posterior["weight"].sel(weight_name=weight).transpose("chain", "draw").values
    best = float(estimate.best["weight"].sel(weight_name=weight))
    return _of_cells(draws, protein_ratio), float(_of_cells(np.array(best), protein_ratio))


def _of_cells(protein: np.ndarray, ratio: float) -> np.ndarray:
    return protein / ratio / (protein / ratio + 1 - protein)


def _given(fractions: Mapping[str, float], types: CellTypes) -> float:
    """Return the share of the first type that the user knows."""
    cure = "give the share of the cells of each type, such as 0.35 for 35 %"
    for cell, value in fractions.items():
        if cell not in tuple(types):
            raise UnknownNameError(f"fractions name no cell type {cell!r}. {suggest(cell, types)}")
        if not 0 < value < 1:
            raise FluxError(f"fractions: {cell!r} = {value} does not lie between 0 and 1; {cure}.")
    if not fractions:
        raise FluxError(f"fractions are empty; {cure}, or leave them out to infer them.")
    if len(fractions) == 2 and not np.isclose(total := sum(fractions.values()), 1.0, atol=1e-6):
        raise FluxError(f"fractions of {types.first!r} and {types.second!r} sum to {total:g}, not to 1; {cure}.")
    first = fractions.get(types.first)
    return float(1 - fractions[types.second] if first is None else first)


def _owners(network: Network, types: CellTypes) -> list[tuple[int, str]]:
    """Return index and cell type of every reaction that touches one of the types, by type."""
    owners = []
    for cell in types:
        for i, reaction in enumerate(network.reactions):
            touched = {compartment_of(each.metabolite) for each in (*reaction.substrates, *reaction.products)}
            if touched & set(types) == {cell}:
                owners.append((i, cell))
    return owners
