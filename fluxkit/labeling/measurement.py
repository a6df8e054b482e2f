"""The measurement model: what an instrument reports of the exact MIDs that the simulator returns."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from fluxkit.errors import LabelingError
from fluxkit.labeling.meaning import ResolvedMeasurement, abundance_matrix, resolve_measurement
from fluxkit.labeling.mixing import Mixing, build_mixing
from fluxkit.labeling.tracers import labeled_elements, parse_tracers
from fluxkit.networks import Fragment, Network


def values_of(fragments: tuple[Fragment, ...]) -> tuple[slice, ...]:
    """Return where the MID of each fragment stands in a flat row of values.

    Parameters
    ----------
    fragments : tuple of Fragment
        In order; each takes ``size + 1`` values, mass shift 0 first.
    """
    ends = np.cumsum([each.size + 1 for each in fragments]).tolist()
    return tuple(slice(end - each.size - 1, end) for each, end in zip(fragments, ends, strict=True))


@dataclass(frozen=True, eq=False)
class MeasurementModel:
    """Exact MIDs in, predicted measurements out, with the adjoint; made by :func:`measurement_model`.

    Parameters
    ----------
    fragments : tuple of Fragment
        What to ask from the simulator. Its values are flat, ``V = sum(size + 1)`` in this order.
    weight_names : tuple of str
        Unknowns in [0, 1]: shares of mixtures (``w3``), then ``dilution of ...``.
    measured : ndarray of bool, shape (experiment, isotopologue)
        What the dataset measures and the model predicts; the rest is NaN in a prediction.
    mixing : Mixing
        From pools to mixtures.
    abundance : ndarray of shape (mixture value, mixture value) or None
        Natural abundance, transposed for ``values @ abundance``.
    keep : ndarray of float, shape (experiment, mixture value)
        1 where a mass shift is kept.
    position : ndarray of int, shape (isotopologue,)
        Mixture value of each isotopologue; 0 where the model predicts nothing.
    notes : tuple of str
        What was left out, and why.
    """

    fragments: tuple[Fragment, ...]
    weight_names: tuple[str, ...]
    measured: np.ndarray
    mixing: Mixing
    abundance: np.ndarray | None
    keep: np.ndarray
    position: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def n_values(self) -> int:
        """Number of simulated values V."""
        return sum(each.size + 1 for each in self.fragments)

    @cached_property
    def n_independent(self) -> int:
        """Number of independent measured values: each fragment of each experiment loses one, for its sum "
        "is 1.
        """
        kept = np.add.reduceat(self.keep, self.mixing.starts, axis=1)
        return int(np.sum(np.maximum(kept - 1, 0)))

    def predict(self, mids: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Predict what is measured.

        Parameters
        ----------
        mids : ndarray of shape (n, experiment, V)
            Simulated MIDs of :attr:`fragments`.
        weights : ndarray of shape (n, weight)
            In the order of :attr:`weight_names`, each in [0, 1].

        Returns
        -------
        ndarray of shape (n, experiment, isotopologue)
            NaN where nothing is measured.
        """
        return self.value_and_pullback(mids, weights)[0]

    def pullback(
        self, mids: np.ndarray, weights: np.ndarray, cotangent: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Carry a gradient with respect to the prediction back to MIDs and weights.

        Parameters
        ----------
        mids : ndarray of shape (n, experiment, V)
        weights : ndarray of shape (n, weight)
        cotangent : ndarray of shape (n, experiment, isotopologue)
            Gradient with respect to the prediction; ignored where nothing is measured.

        Returns
        -------
        grad_mids : ndarray of shape (n, experiment, V)
        grad_weights : ndarray of shape (n, weight)
        """
        return self.value_and_pullback(mids, weights)[1](cotangent)

    def value_and_pullback(
        self, mids: np.ndarray, weights: np.ndarray
    ) -> tuple[np.ndarray, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]]:
        """Predict, and return the pullback of this very prediction: the forward pass runs once.

        Parameters
        ----------
        mids : ndarray of shape (n, experiment, V)
        weights : ndarray of shape (n, weight)

        Returns
        -------
        prediction : ndarray of shape (n, experiment, isotopologue)
        pullback : callable
            From the cotangent of the prediction to ``(grad_mids, grad_weights)``.
        """
        mixing = self.mixing
        mixture, mix_back = mixing.mix(mids, weights)
        seen = mixture if self.abundance is None else mixture @ self.abundance
        seen = seen * self.keep
        total = mixing.sums(seen)
        total[total <= 0] = 1.0  # a fragment that one experiment does not measure
        scale = (1.0 / total)[..., mixing.owner]
        relative = seen * scale
        prediction = np.where(self.measured, relative[..., self.position], np.nan)

        def pullback(cotangent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            gradient = np.zeros_like(relative)
            columns = self.position[self.predicted]
            gradient[..., columns] = np.where(self.measured, cotangent, 0.0)[..., self.predicted]
            gradient -= mixing.sums(gradient * relative)[..., mixing.owner]
            gradient *= scale * self.keep
            if self.abundance is not None:
                gradient = gradient @ self.abundance.T
            return mix_back(gradient)

        return prediction, pullback

    @cached_property
    def predicted(self) -> np.ndarray:
        """Isotopologues that some experiment measures, shape ``(predicted,)``, int."""
        return np.flatnonzero(self.measured.any(axis=0))


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

    The order follows the molecules: pools mix, an unlabelled pool dilutes them, natural isotopes that the
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
    shifts = np.asarray(labeling["mass_shift"].values, dtype=int)
    elements = labeled_elements_of(labeling, network)
    resolved, notes = [], []
    for name in dict.fromkeys(names):
        mine = np.array([each == name for each in names])
        if not measured[:, mine].any():
            continue
        meaning = resolve_measurement(name, network, elements)
        if meaning.external:
            pools = ", ".join(each.metabolite for each in meaning.fragments)
            notes.append(
                f"{name!r} is the external pool {pools}: what goes in, not a result; left out of the fit."
            )
            measured[:, mine] = False
        else:
            resolved.append(meaning)
    if not resolved:
        raise LabelingError(
            "no measured fragment is left to predict; only external pools, or nothing, are measured."
        )
    mixing, fragments, weight_names = build_mixing(resolved)
    start = {each.name: begin for each, begin in zip(resolved, mixing.starts.tolist(), strict=True)}
    position = np.array(
        [start[n] + s if n in start else 0 for n, s in zip(names, shifts.tolist(), strict=True)]
    )
    keep = np.zeros((len(measured), len(mixing.owner)))
    for experiment, row in enumerate(measured):
        keep[experiment, position[row]] = 1.0
    return MeasurementModel(
        fragments,
        weight_names,
        measured,
        mixing,
        _abundance(resolved, labeling),
        keep,
        position,
        tuple(notes),
    )


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


def _abundance(resolved: list[ResolvedMeasurement], labeling: xr.Dataset) -> np.ndarray | None:
    """Block-diagonal natural abundance, transposed; None where the data are corrected."""
    unresolved = labeling.attrs["natural_abundance"]
    if not unresolved:
        return None
    formulas = json.loads(labeling.attrs["formulas"])
    sizes = [each.size + 1 for each in resolved]
    matrix = np.zeros((sum(sizes), sum(sizes)))
    end = 0
    for meaning, size in zip(resolved, sizes, strict=True):
        block = abundance_matrix(meaning, formulas.get(meaning.name), unresolved)
        matrix[end : end + size, end : end + size] = block.T
        end += size
    return matrix
