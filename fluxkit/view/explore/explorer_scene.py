"""What the flux explorer shows of a state: the slider, the labeling before and after, what changed most."""

from typing import Any

import numpy as np
import xarray as xr

from fluxkit.fluxes import FluxSpace
from fluxkit.view.explore.forward import ReadySimulator, fragment_slices

DECADES = 6.0  # a logarithmic slider of a flux that may be zero ends that far below its upper end
CHANGES = 3


def flux_options(space: FluxSpace) -> list[dict[str, str]]:
    """Return the fluxes that can be moved: ``key``, ``reaction`` and ``kind``, net fluxes first.

    Parameters
    ----------
    space : FluxSpace
        The flux space.
    """
    network = space.network
    moves = np.linalg.norm(space.basis, axis=1) > 1e-9 * network.normalising_flux
    options = [_option(name, "net") for name, free in zip(network.reaction_names, moves, strict=True) if free]
    names = np.array(network.reaction_names)[network.reversible][space.exchange_scale.varies]
    return options + [_option(str(name), "exchange") for name in names]


def _option(reaction: str, kind: str) -> dict[str, str]:
    return {"key": f"{kind} {reaction}", "reaction": reaction, "kind": kind}


def slider_scale(lower: float, upper: float, kind: str) -> dict[str, Any]:
    """Return the ends of a slider: linear for a net flux, logarithmic for an exchange flux.

    Parameters
    ----------
    lower, upper : float
        Range of the flux.
    kind : {"net", "exchange"}
        Which flux.
    """
    if kind == "net" or upper <= 0:
        return {"low": lower, "high": upper, "logarithmic": False}
    return {"low": max(lower, upper * 10**-DECADES), "high": upper, "logarithmic": True}


def bar_panels(ready: ReadySimulator) -> list[dict[str, Any]]:
    """Return the panels of the labeling: ``fragment``, and ``names`` of its isotopologues.

    Parameters
    ----------
    ready : ReadySimulator
        What is simulated.
    """
    return [
        {"fragment": ready.fragments[start], "names": list(ready.names[start:stop])}
        for start, stop in fragment_slices(ready.fragments)
    ]


def bar_values(ready: ReadySimulator, mids: np.ndarray) -> list[list[list[float | None]]]:
    """Return simulated labeling for JSON, by experiment, fragment and isotopologue; None where no flux brings label.

    Parameters
    ----------
    ready : ReadySimulator
        What is simulated.
    mids : numpy.ndarray
        Fractions, shape ``(experiment, isotopologue)``.
    """
    slices = fragment_slices(ready.fragments)
    return [
        [[round(float(v), 5) if np.isfinite(v) else None for v in row[start:stop]] for start, stop in slices]
        for row in mids
    ]


def largest_changes(
    ready: ReadySimulator, before: np.ndarray, after: np.ndarray, count: int = CHANGES
) -> list[dict[str, Any]]:
    """Return the isotopologues that moved most, one for each fragment and experiment.

    Parameters
    ----------
    ready : ReadySimulator
        What is simulated.
    before, after : numpy.ndarray
        Fractions, shape ``(experiment, isotopologue)``.
    count : int
        The most to name.

    Returns
    -------
    list of dict
        ``experiment``, ``fragment``, ``name``, ``before`` and ``after``, the largest change first; changes below 0.001
        are left out.
    """
    change = np.nan_to_num(np.abs(after - before))
    found = []
    for e in range(len(change)):
        for start, stop in fragment_slices(ready.fragments):
            i = start + int(change[e, start:stop].argmax())
            found.append((float(change[e, i]), e, i))
    found = [each for each in sorted(found, reverse=True)[:count] if each[0] >= 1e-3]
    return [
        {
            "experiment": ready.experiments[e],
            "fragment": ready.fragments[i],
            "name": ready.names[i],
            "before": round(float(before[e, i]), 4),
            "after": round(float(after[e, i]), 4),
        }
        for _, e, i in found
    ]


def flux_value(state: xr.Dataset, reaction: str, kind: str) -> float:
    """Return one flux of a state.

    Parameters
    ----------
    state : xarray.Dataset
        ``net_flux(reaction)`` and ``exchange_flux(reaction)``.
    reaction : str
        Name of the reaction.
    kind : {"net", "exchange"}
        Which flux.
    """
    return float(state[f"{kind}_flux"].sel(reaction=reaction))
