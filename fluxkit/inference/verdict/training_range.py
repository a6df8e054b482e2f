"""In what a measured sample differs from the experiments that a posterior network was trained on, in plain words."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from fluxkit.labeling import Tracers, normalise_experiments
from fluxkit.labeling.label_text import format_label
from fluxkit.labeling.tracers import labeled_elements
from fluxkit.learning.experiments import PURITIES
from fluxkit.learning.measured_rates import RATE_FLOOR, read_rates
from fluxkit.learning.vocabulary import Vocabulary, build_vocabulary
from fluxkit.networks import Network

_SPREAD = 3.0
"""A true rate lies within so many sd of the measured one."""


def outside_training(labeling: xr.Dataset, network: Network, card: Mapping[str, Any]) -> list[str]:
    """Return in what a sample differs from the experiments that a network was trained on, one phrase for each.

    Parameters
    ----------
    labeling : xarray.Dataset
        Labeling without a sample dimension, with ``mid_sd``.
    network : Network
        The metabolic network.
    card : mapping
        The model's card; what it does not say is not compared.
    """
    settings = card.get("experiments", {})
    experiments = list(normalise_experiments(json.loads(labeling.attrs["tracers"]), network).values())
    found = []
    most = settings.get("experiments")
    if isinstance(most, Sequence) and len(experiments) > len(most):
        found.append(f"the sample has {len(experiments)} parallel experiments, where training drew at most {len(most)}")
    found += _noise(labeling, settings)
    if texts := card.get("tracers"):
        vocabulary = build_vocabulary(network, texts)
        found += _pools(experiments, vocabulary.tracers) + _labels(experiments, vocabulary.tracers, network)
        found += _purity(labeling) + _missing(labeling, experiments, vocabulary, settings)
    return found + _rates(labeling, network, card.get("rates"), settings)


def _noise(labeling: xr.Dataset, settings: Mapping[str, Any]) -> list[str]:
    floor, slope = settings.get("floor"), settings.get("slope", 0.0)
    if not isinstance(floor, Sequence) or len(floor) != 2:
        return []
    sd = labeling["mid_sd"].where(labeling["mid"].notnull())
    middle = float(np.nanmedian(sd.values))
    largest = float(np.hypot(floor[1], slope / 4))
    if 0.5 * floor[0] <= middle <= 2 * largest:
        return []
    return [f"the typical sd is {middle:.2g}, where training drew {floor[0]:g} to {largest:.2g}"]


def _pools(experiments: Iterable[Tracers], trained: Iterable[Tracers]) -> list[str]:
    """Compare which pools are labeled, and which of them in one experiment."""
    together = {each.labeled_pools for each in trained}
    known = {pool for pools in together for pool in pools}
    measured = {each.labeled_pools for each in experiments}
    found = []
    if strange := {pool for pools in measured for pool in pools} - known:
        found.append(f"{', '.join(sorted(strange))} is labeled, where training labeled {', '.join(sorted(known))}")
    for pools in sorted(measured - together):
        if known.issuperset(pools):
            usual = " or ".join(sorted(" with ".join(each) for each in together))
            found.append(
                f"{' with '.join(pools) or 'nothing'} is labeled in one experiment, where training labeled {usual}"
            )
    return found


def _labels(experiments: Iterable[Tracers], trained: Iterable[Tracers], network: Network) -> list[str]:
    """Compare which atoms of a pool are labeled; pools that training never labeled are told elsewhere."""
    usual, measured = _atoms(trained), _atoms(experiments)
    found = []
    for pool in usual.keys() & measured.keys():
        counts = network.atom_counts[pool]
        new, old = (
            ", ".join(sorted(format_label(atoms, counts) for atoms in each))
            for each in (measured[pool] - usual[pool], usual[pool])
        )
        if new:
            found.append(f"{pool} carries {new}, where training drew {old}")
    return sorted(found)


def _atoms(experiments: Iterable[Tracers]) -> dict[str, set[frozenset]]:
    """Return the sets of labeled atoms of each labeled pool."""
    atoms: dict[str, set[frozenset]] = {}
    for each in experiments:
        for pool in each.labeled_pools:
            atoms.setdefault(pool, set()).update(label for _, label in each.pools[pool])
    return atoms


def _purity(labeling: xr.Dataset) -> list[str]:
    purity, lowest = float(labeling.attrs.get("purity", 1.0)), min(PURITIES)
    if purity >= lowest:
        return []
    return [f"the tracer purity is {purity:g}, where training drew {lowest:g} to {max(PURITIES):g}"]


def _missing(
    labeling: xr.Dataset, experiments: Sequence[Tracers], vocabulary: Vocabulary, settings: Mapping[str, Any]
) -> list[str]:
    """Compare the share of missing measurements, of those that the network reads, mean over experiments."""
    share, count = settings.get("missing"), len(vocabulary.measurements)
    if share is None:
        return []
    most = share + 2 * np.sqrt(share * (1 - share) / count)  # each is left out by chance, so some samples lack more
    elements = labeled_elements(experiments) or "C"
    names = labeling["fragment"].values.astype(str)
    places = {name: vocabulary.find(name, elements) for name in dict.fromkeys(names)}
    known = labeling["mid"].notnull().transpose(..., "isotopologue").values.reshape(len(experiments), -1)
    read = [{places[name] for name in names[row]} - {None} for row in known]
    missing = 1 - sum(map(len, read)) / (len(read) * count)
    if missing <= most:
        return []
    return [
        f"{missing:.0%} of the {count} measurements that the network reads are missing, where training seldom drew "
        f"more than {most:.0%}"
    ]


def _rates(
    labeling: xr.Dataset, network: Network, reactions: Sequence[str] | None, settings: Mapping[str, Any]
) -> list[str]:
    """Compare which rates are measured, and how precisely."""
    if "rate" not in labeling or reactions is None:
        return []
    names = labeling["measured_reaction"].values.astype(str)
    measured = names[np.isfinite(labeling["rate"].values)]
    if not settings.get("rates", 1.0) or not reactions:
        return [f"{len(measured)} rates are measured, where training drew none"] if len(measured) else []
    found = []
    if strange := [str(name) for name in measured if name not in reactions]:
        found.append(f"the rate of {', '.join(strange)} is measured, where training drew {len(reactions)} other rates")
    if "rate_error" in settings:
        found += _rate_errors(labeling, network, tuple(reactions), settings["rate_error"])
    return found


def _rate_errors(
    labeling: xr.Dataset, network: Network, reactions: tuple[str, ...], error: tuple[float, float]
) -> list[str]:
    """Name rates whose sd no true rate near the measured one would have had in training."""
    rates = read_rates(labeling, reactions)
    places = np.flatnonzero(rates.precision[0])
    if not len(places):
        return []
    size, sd = np.abs(rates.value[0, places]), 1 / rates.precision[0, places]
    # Without a common unit the floor is unknown, but no sd lies below it.
    floor = RATE_FLOOR * network.normalising_flux if rates.absolute[0] else sd.min()
    proportional = np.sqrt(np.maximum(sd**2 - floor**2, 0.0))
    low, high = error
    outside = (sd < low * (size - _SPREAD * sd)) | (proportional > high * (size + _SPREAD * sd))
    if not outside.any():
        return []
    each = ", ".join(
        f"{ratio:.2g} for {reactions[place]}" if ratio <= 1 else f"above 1 for {reactions[place]}"
        for place, ratio in zip(places[outside], sd[outside] / np.maximum(size[outside], 1e-300), strict=True)
    )
    return [f"the relative error of a rate is {each}, where training drew {low:g} to {high:g}"]
