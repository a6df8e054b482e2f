"""A part of a labeling dataset: some experiments, some of what was measured."""

import json
from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from fluxkit.errors import LabelingError, TracerError, UnknownNameError, suggest
from fluxkit.labeling.label_text import format_label
from fluxkit.labeling.tracers import parse_tracers
from fluxkit.networks import Network


def select_labeling(
    labeling: xr.Dataset,
    *,
    experiments: Sequence[str] | None = None,
    fragments: Sequence[str] | None = None,
    tissues: Sequence[str] | None = None,
) -> xr.Dataset:
    """Return a part of a labeling dataset, with the tracers of the experiments that are left.

    Parameters
    ----------
    labeling : xarray.Dataset
        A labeling dataset.
    experiments : sequence of str, optional
        Experiments (or animals, where each is one) to keep; all by default.
    fragments : sequence of str, optional
        Measured names to keep, ``"citrate"``; all by default.
    tissues : sequence of str, optional
        Of a body: keep what is measured in these tissues, ``"liver"`` for ``"liver citrate"``.

    Raises
    ------
    UnknownNameError
        The dataset has no such experiment, fragment or tissue.
    LabelingError
        Nothing measured is left.
    """
    names = labeling["fragment"].values.astype(str)
    keep = np.ones(len(names), dtype=bool)
    if fragments is not None:
        _require("fragment", fragments, names)
        keep &= np.isin(names, list(fragments))
    if tissues is not None:
        places = np.array([each.rpartition(" ")[0] for each in names])  # "kidney medulla" of "kidney medulla lactate"
        _require("tissue", tissues, places)
        keep &= np.isin(places, list(tissues))
    part = labeling.isel(isotopologue=np.flatnonzero(keep))
    if experiments is not None:
        texts = json.loads(labeling.attrs["tracers"])
        _require("experiment", experiments, texts)
        part = part.sel(experiment=list(experiments))
        part = part.assign_attrs(tracers=json.dumps({name: texts[name] for name in experiments}, ensure_ascii=False))
    known = set(part["fragment"].values.astype(str))
    formulas = {name: each for name, each in json.loads(labeling.attrs["formulas"]).items() if name in known}
    if not bool(part["mid"].notnull().any()):
        raise LabelingError(
            f"nothing is measured in this part of {labeling.attrs.get('source') or 'the dataset'}; choose more "
            "experiments, tissues or fragments."
        )
    return part.assign_attrs(formulas=json.dumps(formulas, ensure_ascii=False))


def _require(kind: str, wanted: Iterable[str], known: Iterable[str]) -> None:
    if isinstance(wanted, str):
        raise LabelingError(f"{kind}s must be a list of names, not the text {wanted!r}; write [{wanted!r}].")
    options = list(dict.fromkeys(map(str, known)))
    for each in wanted:
        if each not in options:
            raise UnknownNameError(f"the dataset has no {kind} {each!r}. {suggest(each, options)}")


def with_open_infusions(labeling: xr.Dataset, network: Network) -> xr.Dataset:
    """Return a dataset in which the labeled part of every tracer is to be found, ``?%``.

    For animals that share one flux state, but were infused at rates of their own: the fastest infusion is a flux of
    the network, of which each animal got a part; what it did not get is made up for by unlabeled molecules.

    Parameters
    ----------
    labeling : xarray.Dataset
        A labeling dataset, each pool with one labeled kind of molecule.
    network : Network
        Its network.

    Raises
    ------
    TracerError
        A pool is fed a mixture of tracers.
    """
    texts = {}
    for name, text in json.loads(labeling.attrs["tracers"]).items():
        pools = parse_tracers(text, network).pools
        several = [pool for pool, mixture in pools.items() if len(mixture) > 1]
        if several:
            raise TracerError(
                f"experiment {name!r}: {several[0]} is fed a mixture; the part of one tracer can be open."
            )
        labels = {pool: format_label(each[0][1], network.atom_counts[pool]) for pool, each in pools.items() if each}
        if not labels:
            raise TracerError(f"experiment {name!r}: {text!r} labels nothing, so no part of it can be open.")
        texts[name] = "; ".join(f"{pool}: ?% {label}" for pool, label in labels.items())
    return labeling.assign_attrs(tracers=json.dumps(texts, ensure_ascii=False))
