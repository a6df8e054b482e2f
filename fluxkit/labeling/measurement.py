"""The measurement model: what an instrument reports of the exact MIDs that the simulator returns."""

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import xarray as xr

from fluxkit.errors import LabelingError
from fluxkit.labeling import measurement_kernels as kernels
from fluxkit.labeling.isotopologues import isotope_texts
from fluxkit.labeling.meaning import ResolvedMeasurement, abundance_matrix, resolve_measurement
from fluxkit.labeling.mixing import Mixing, build_mixing
from fluxkit.labeling.tracers import labeled_elements, parse_tracers
from fluxkit.networks import Fragment, Network


@dataclass(frozen=True, eq=False)
class MeasurementModel:
    """Exact MIDs in, predicted measurements out; made by :func:`measurement_model`.

    Parameters
    ----------
    fragments : tuple of Fragment
        What to ask from the simulator. Its values are flat, V of all isotopologues in this order.
    weight_names : tuple of str
        Unknowns in [0, 1]: shares of mixtures (``w3``), then ``dilution of ...``, then ``labeled part of ...``.
    measured : ndarray of bool, shape (experiment, isotopologue)
        What the dataset measures and the model predicts; the rest is NaN in a prediction.
    mixing : Mixing
        From pools to mixtures.
    abundance : ndarray of shape (mixture value, largest mixture)
        Natural abundance: row i of a mixture holds what its exact values 0 to i bring to it.
    keep : ndarray of bool, shape (experiment, mixture value)
        Which isotopologues are kept.
    place : ndarray of int, shape (mixture value,)
        Isotopologue of each mixture value.
    notes : tuple of str
        What was left out, and why.
    strengths : tuple of (int, str)
        Experiment and input pool of which an unknown part is labeled, in the order of the last weights.
    """

    fragments: tuple[Fragment, ...]
    weight_names: tuple[str, ...]
    measured: np.ndarray
    mixing: Mixing
    abundance: np.ndarray
    keep: np.ndarray
    place: np.ndarray
    notes: tuple[str, ...] = ()
    strengths: tuple[tuple[int, str], ...] = ()

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the content: models of other data of the same layout are equal."""
        sha = hashlib.sha256(repr((self.fragments, self.weight_names, self.strengths)).encode())
        mixing = [getattr(self.mixing, each.name) for each in fields(self.mixing)]
        for array in (self.measured, self.abundance, self.keep, self.place, *mixing):
            sha.update(repr(np.shape(array)).encode() + np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MeasurementModel) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def n_values(self) -> int:
        """Number of simulated values V."""
        return sum(len(each.isotopologues) for each in self.fragments)

    @cached_property
    def n_independent(self) -> int:
        """Number of independent data: each fragment of each experiment loses one, since its MID sums to 1."""
        kept = np.add.reduceat(self.keep.astype(int), self.mixing.starts, axis=1)
        return int(np.sum(np.maximum(kept - 1, 0)))

    def predict(self, mids: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Predict what is measured.

        Parameters
        ----------
        mids : ndarray of shape (n, experiment, V)
            Simulated MIDs of :attr:`fragments`, at the labeled parts that hold.
        weights : ndarray of shape (n, weight)
            In the order of :attr:`weight_names`, each in [0, 1].

        Returns
        -------
        ndarray of shape (n, experiment, isotopologue)
            NaN where nothing is measured.

        Raises
        ------
        LabelingError
            The shapes are not those of this model.
        """
        mids = np.ascontiguousarray(mids, dtype=float)
        weights = np.array(weights, dtype=float, order="C")
        self._check_shape("mids", mids, (len(mids), len(self.keep), self.n_values))
        self._check_shape("weights", weights, (len(mids), len(self.weight_names)))
        result = np.full((len(mids), *self.measured.shape), np.nan)
        layout = (*self.mixing.arrays, self.abundance, self.keep, self.place)
        kernels.predict(mids, weights, *layout, result)
        return result

    def _check_shape(self, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
        if array.shape != shape:
            raise LabelingError(f"{name} has shape {array.shape}, this measurement model needs {shape}.")


def labeled_elements_of(labeling: xr.Dataset, network: Network) -> str:
    """Return the elements that some tracer of a labeling dataset labels, such as ``"CN"``.

    Parameters
    ----------
    labeling : xarray.Dataset
        Its ``tracers`` attribute names the experiments.
    network : Network
        Network of the tracers.
    """
    texts = json.loads(labeling.attrs["tracers"]).values()
    return labeled_elements(parse_tracers(text, network) for text in texts) or "C"


def measurement_model(network: Network, labeling: xr.Dataset) -> MeasurementModel:
    """Build the measurement model of one labeling dataset.

    The order follows the molecules: pools mix, an unlabeled pool dilutes them, natural isotopes that the
    instrument does not resolve add to the mass, then the measured mass shifts are kept and renormalised over
    what is kept, as the data are.

    Parameters
    ----------
    network : Network
        Network of the pools.
    labeling : xarray.Dataset
        One sample (pool the replicates or split the samples first), or simulated draws that all measure the
        same. Measured external pools are inputs of the network, not results: they are left out with a note.

    Raises
    ------
    LabelingError
        Samples differ in what is measured, nothing is left to predict, or natural abundance is asked for a
        fragment without a formula or of several elements.
    """
    measured = _measured(labeling)
    names = [str(each) for each in labeling["fragment"].values]
    shifts = [int(each) for each in labeling["mass_shift"].values]
    texts = isotope_texts(labeling)
    elements = labeled_elements_of(labeling, network)
    resolved, notes = [], []
    for name in dict.fromkeys(names):
        mine = np.array([each == name for each in names])
        if not measured[:, mine].any():
            continue
        meaning = resolve_measurement(name, network, elements)
        if meaning.external:
            pools = ", ".join(each.metabolite for each in meaning.fragments)
            notes.append(f"{name!r} is the external pool {pools}: what goes in, not a result; left out of the fit.")
            measured[:, mine] = False
        else:
            resolved.append(meaning)
    if not resolved:
        raise LabelingError("no measured fragment is left to predict; only external pools, or nothing, are measured.")
    mixing, fragments, weight_names = build_mixing(resolved)
    strengths = _strengths(labeling, network)
    where = {key: i for i, key in enumerate(zip(names, shifts, texts, strict=True))}
    values = [(each.name, *isotopologue) for each in resolved for isotopologue in each.isotopologues]
    place = np.array([where.get(key, 0) for key in values])
    keep = measured[:, place] & np.array([key in where for key in values])
    abundance = _abundance(resolved, labeling)
    return MeasurementModel(
        fragments=fragments,
        weight_names=(*weight_names, *(f"labeled part of {pool} in {name}" for _, name, pool in strengths)),
        measured=measured,
        mixing=mixing,
        abundance=abundance,
        keep=keep,
        place=place,
        notes=tuple(notes),
        strengths=tuple((index, pool) for index, _, pool in strengths),
    )


def _strengths(labeling: xr.Dataset, network: Network) -> list[tuple[int, str, str]]:
    """Return index and name of the experiment, and the input pool, wherever an unknown part of the pool is labeled."""
    texts = json.loads(labeling.attrs["tracers"])
    found = ((i, name, parse_tracers(text, network)) for i, (name, text) in enumerate(texts.items()))
    return [(i, name, pool) for i, name, tracers in found for pool in tracers.labeled_pools if pool in tracers.unknown]


def _measured(labeling: xr.Dataset) -> np.ndarray:
    """Which values are measured, shape ``(experiment, isotopologue)``."""
    known = labeling["mid"].notnull()
    for dim in (str(each) for each in known.dims if each not in ("experiment", "isotopologue")):
        if not bool((known.any(dim) == known.all(dim)).all()):
            raise LabelingError(
                f"the {dim}s of this dataset differ in what is measured; pool the replicates or split the "
                "samples first."
            )
        known = known.any(dim)
    if "experiment" not in known.dims:
        known = known.expand_dims("experiment")
    return known.transpose("experiment", "isotopologue").values.copy()


def _abundance(resolved: list[ResolvedMeasurement], labeling: xr.Dataset) -> np.ndarray:
    """Natural-abundance matrices, one below the other; identities where the data are corrected."""
    unresolved = labeling.attrs["natural_abundance"]
    formulas = json.loads(labeling.attrs["formulas"])
    width = max(len(each.isotopologues) for each in resolved)
    blocks = []
    for each in resolved:
        block = np.eye(len(each.isotopologues))
        if unresolved:
            block = abundance_matrix(each, formulas.get(each.name), unresolved)
        blocks.append(np.pad(block, ((0, 0), (0, width - len(block)))))
    return np.concatenate(blocks)
