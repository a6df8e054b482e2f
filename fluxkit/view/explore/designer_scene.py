"""What the tracer designer shows: the choices, and what a mix is expected to show, to tell and to cost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from fluxkit.design import PriceTable, candidate_tracers
from fluxkit.design.experiments import seen_elements
from fluxkit.design.prepared import Expectation, PreparedDesign, expect
from fluxkit.errors import FluxkitError, TracerError
from fluxkit.labeling import Tracers
from fluxkit.labeling.label_text import format_label
from fluxkit.labeling.tracers import labeled_elements
from fluxkit.networks import Network
from fluxkit.view.explore.mix import Part, mix_tracers, part_atoms, part_label, read_mix
from fluxkit.view.explore.molecule import molecule

LEVEL = 0.9
HALF = float(ndtri(0.5 + LEVEL / 2))
"""Half of a 90 % interval, in standard deviations."""
_RANGE = (0.1, 0.9)


@dataclass(frozen=True)
class Shop:
    """Prices, and those of the labels that a network can take.

    Parameters
    ----------
    table : PriceTable
        Prices.
    labels : mapping of (str, frozenset) to float
        From :meth:`PriceTable.label_prices`.
    """

    table: PriceTable
    labels: Mapping[tuple, float]


def designer_scene(prepared: PreparedDesign) -> dict[str, Any]:
    """Return what the designer offers, ready for JSON.

    Parameters
    ----------
    prepared : PreparedDesign
        The question.

    Returns
    -------
    dict
        ``title``, ``unit`` of the fluxes, ``draws``, ``pools`` (drawings of the input molecules, see
        :func:`~fluxkit.view.explore.molecule.molecule`), ``standards`` (``name``, ``label``, ``text`` and ``mix`` of
        each common tracer) and ``fluxes`` (all that can be chosen).
    """
    network = prepared.network
    known, _ = candidate_tracers(network)
    standards = [_standard(prepared, name, each) for name, each in known.items() if each.labeled_pools]
    return {
        "title": f"Tracer designer: {network.name}",
        "unit": network.flux_unit,
        "draws": prepared.size,
        "pools": [molecule(network, pool) for pool in network.inputs if network.atom_counts[pool]],
        "standards": standards,
        "fluxes": list(prepared.fluxes),
    }


def _standard(prepared: PreparedDesign, name: str, tracers: Tracers) -> dict[str, Any]:
    mix = read_mix(prepared.network, tracers.text)
    return {"name": name, "label": _label(prepared, mix, name), "text": tracers.text, "mix": mix}


def _label(prepared: PreparedDesign, mix: Sequence[Part], name: str) -> str:
    """Return what stands on the button: a single label, with its share where that is not all, else a name."""
    if len(mix) > 1:
        return name
    share = mix[0]["fraction"]
    return f"{'' if share == 1 else f'{100 * share:g}% '}{part_label(prepared.network, mix[0])}"


def first_mix(prepared: PreparedDesign) -> list[dict[str, Any]]:
    """Return the mix that the designer opens with: the first common tracer, else all atoms of the first input.

    Parameters
    ----------
    prepared : PreparedDesign
        The question.
    """
    network = prepared.network
    known, _ = candidate_tracers(network)
    for each in known.values():
        if each.labeled_pools:
            return read_mix(network, each.text)
    pool = next(each for each in network.inputs if network.atom_counts[each])
    element, count = next(iter(network.atom_counts[pool].items()))
    atoms = frozenset((element, i) for i in range(count))
    return read_mix(network, f"{pool}: 100% {format_label(atoms, network.atom_counts[pool])}")


def first_fluxes(prepared: PreparedDesign, mix: Sequence[Part], offered: Sequence[str], count: int = 8) -> list[str]:
    """Return the fluxes that a mix tells most about, relative to the prior, in the order of the network.

    Parameters
    ----------
    prepared : PreparedDesign
        The question.
    mix : sequence of Part
        The labelings.
    offered : sequence of str
        Fluxes to choose from.
    count : int
        How many.
    """
    expectation = expect(prepared, mix_tracers(prepared.network, mix), offered)
    left = (expectation.width / expectation.prior_width).mean(axis=0)
    best = set(np.argsort(left, kind="stable")[:count].tolist())
    return [name for i, name in enumerate(offered) if i in best]


def designer_answer(
    prepared: PreparedDesign,
    shop: Shop,
    mix: Sequence[Part],
    fluxes: Sequence[str],
    left_out: Sequence[str] = (),
    purity: float = 1.0,
) -> dict[str, Any]:
    """Return what the page shows for one mix, ready for JSON; or why there is nothing to show.

    Parameters
    ----------
    prepared : PreparedDesign
        The question.
    shop : Shop
        Prices.
    mix : sequence of Part
        The labelings.
    fluxes : sequence of str
        Fluxes of interest.
    left_out : sequence of str
        Measurements that are not taken.
    purity : float
        Isotopic purity of every labeled position, 0 to 1.

    Returns
    -------
    dict
        ``labels`` of the mix and ``refusal`` ("" where all is well). Else also ``text`` of the tracers, ``elements``,
        ``measurable`` (names of what sees the label), ``intervals`` (half widths of 90 % intervals in the unit of the
        flux: ``half`` on average, ``high`` what nine of ten flux states stay below, ``prior``), ``gain`` in nats,
        ``panels`` of predicted MIDs with their mean and 10 to 90 % range over the flux states, and ``cost``.
    """
    network = prepared.network
    labels = [part_label(network, each) for each in mix]
    elements = labeled_elements([Tracers({each["pool"]: ((1.0, part_atoms(each)),)}, "") for each in mix])
    known: dict[str, Any] = {"labels": labels, "measurable": []}
    try:
        known["measurable"] = list(prepared.measurable(elements)) if elements else []
        tracers = mix_tracers(network, mix)
        if not 0 < purity <= 1:
            raise TracerError(f"the purity is {100 * purity:g} %; give more than 0 and at most 100 %, such as 99.")
        elements = seen_elements(tracers)
        known["measurable"] = list(prepared.measurable(elements))
        measured = [each for each in known["measurable"] if each not in set(left_out)]
        expectation = expect(prepared, tracers, fluxes, measured, purity)
    except FluxkitError as error:
        return {**known, "refusal": str(error)}
    return {
        **known,
        "refusal": "",
        "text": tracers.text,
        "elements": elements,
        "intervals": _intervals(expectation, fluxes),
        "gain": round(float(expectation.information_gain.mean()), 4),
        "panels": _panels(expectation),
        "cost": _cost(shop, network, tracers, measured),
    }


def _intervals(expectation: Expectation, fluxes: Sequence[str]) -> list[dict[str, Any]]:
    half = HALF * expectation.width
    high = np.quantile(half, _RANGE[1], axis=0)
    mean, before = half.mean(axis=0), HALF * expectation.prior_width.mean(axis=0)
    return [
        {
            "flux": name, "units": expectation.units[i], "half": _digits(mean[i]), "prior": _digits(before[i]),
            "high": _digits(high[i]),
        }
        for i, name in enumerate(fluxes)
    ]  # fmt: skip


def _panels(expectation: Expectation) -> list[dict[str, Any]]:
    whole = np.concatenate(list(expectation.mids.values()), axis=1)
    shown = dict(zip(("mean", "low", "high"), (whole.mean(axis=0), *np.quantile(whole, _RANGE, axis=0)), strict=True))
    panels, start = [], 0
    for name, mids in expectation.mids.items():
        own = slice(start, start := start + mids.shape[1])
        panels.append(
            {
                "fragment": name, "names": list(expectation.names[name]),
                **{key: [round(float(v), 5) for v in row[own]] for key, row in shown.items()},
            }
        )  # fmt: skip
    return panels


def _digits(value: float) -> float:
    return float(f"{value:.6g}")


def _cost(shop: Shop, network: Network, tracers: Tracers, measured: Sequence[str]) -> dict[str, Any]:
    """Return the price of tracers and of measuring; None where a price is missing, and which."""
    bought, missing = 0.0, []
    for pool, mixture in tracers.pools.items():
        for fraction, atoms in mixture:
            price = shop.labels.get((pool, atoms))
            if price is None:
                missing.append(f"{format_label(atoms, network.atom_counts[pool])} of {pool}")
            else:
                bought += fraction * price
    seen = shop.table.measurement_cost(measured)
    return {
        "tracers": None if missing else round(bought, 2),
        "measuring": None if math.isnan(seen) else round(float(seen), 2),
        "missing": missing,
        "unit": shop.table.currency,
    }
