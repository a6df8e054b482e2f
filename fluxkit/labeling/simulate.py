"""Simulated labeling: flux states and tracers in, a labeling dataset out."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from fluxkit.emu import simulate_mids
from fluxkit.errors import LabelingError, TracerError, UnknownNameError, suggest
from fluxkit.fluxes import as_flux_dataset, directed_fluxes
from fluxkit.labeling.dataset import labeling_dataset
from fluxkit.labeling.isotopologues import isotope_texts
from fluxkit.labeling.meaning import resolve_measurement
from fluxkit.labeling.measurement import measurement_model
from fluxkit.labeling.programs import labeling_program
from fluxkit.labeling.tracers import labeled_elements, normalise_experiments
from fluxkit.networks import Network


def simulate(
    network: Network,
    fluxes: xr.Dataset | Mapping[str, float],
    tracers: str | Mapping[str, str],
    *,
    exchange: Mapping[str, float] | None = None,
    fragments: Sequence[str] | None = None,
    purity: float = 1.0,
    natural_abundance: str = "",
    weights: Mapping[str, float] | None = None,
    noise: float = 0.0,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate labeling at metabolic and isotopic steady state.

    Parameters
    ----------
    network : Network
        The network.
    fluxes : xarray.Dataset or mapping of str to float
        Flux states with any leading dimensions ``draw`` or ``sample``, or net fluxes by reaction.
    tracers : str or mapping of str to str
        Tracers of one experiment, or of several by name.
    exchange : mapping of str to float, optional
        Exchange fluxes by reaction, where ``fluxes`` is a mapping.
    fragments : sequence of str, optional
        Fragments or names of the observation table; every balanced metabolite by default. ``Glu.c`` is seen by
        mass through all elements that a tracer labels, ``Glu.c:N`` through nitrogen alone, and ``Glu.c:C+N`` tells
        the isotopes apart: one value for each number of heavy carbons and of heavy nitrogens.
    purity : float
        Isotopic purity of every labeled position, 0 to 1.
    natural_abundance : str
        Elements whose natural isotopes the simulated instrument does not resolve, ``"C"`` or ``"CHNOPS"``; needs
        a formula from the observation table. ``""`` simulates labeling that is free of natural abundance.
    weights : mapping of str to float, optional
        Unknown shares and dilutions of the observation table; its typical values (else 0.5, and 0 for a dilution)
        by default.
    noise : float
        Standard deviation of normal noise added to every value, at most 0.5; the result then holds it as ``mid_sd``.
    seed : int
        Seed of the noise.

    Returns
    -------
    xarray.Dataset
        A labeling dataset: ``mid`` over ``(draw, experiment, isotopologue)`` with ``net_flux`` and
        ``exchange_flux``. Coordinates of ``isotopologue`` are ``fragment``, ``mass_shift`` and, where a fragment tells
        isotopes apart, ``isotopes``: ``"13C2 15N1"`` there, ``""`` where the mass is seen. A fragment that no flux
        supplies has no labeling: its values are NaN.

    Raises
    ------
    FluxError
        The fluxes do not balance, or a reaction is missing.
    TracerError, LabelingError, UnknownNameError
        A tracer, fragment or weight cannot be understood.
    """
    if not 0 <= noise <= 0.5:
        raise LabelingError(
            f"noise = {noise!r} is the standard deviation of values between 0 and 1; give zero, or a number such as "
            "0.005."
        )
    states = as_flux_dataset(network, fluxes, exchange)
    experiments = normalise_experiments(tracers, network)
    for name, each in experiments.items():
        if each.unknown:
            raise TracerError(
                f"experiment {name!r}: {each.text!r} leaves a percentage open; a simulation needs a number."
            )
    elements = labeled_elements(experiments.values()) or "C"
    names = _names(network, fragments, elements)
    frame = _frame(network, names, elements, experiments, purity, natural_abundance)
    model = measurement_model(network, frame)
    program = labeling_program(network, model.fragments, tuple(experiments.values()), purity)
    leading = [str(dim) for dim in states["net_flux"].dims if dim != "reaction"]
    if len(leading) > 1 or (leading and leading[0] not in ("draw", "sample")):
        raise LabelingError(f"flux states may have one leading dimension, 'draw' or 'sample', not {leading}.")
    net, rates = (states[name].transpose(..., "reaction").values for name in ("net_flux", "exchange_flux"))
    shape = (-1, len(network.reactions))
    directed = directed_fluxes(network, net.reshape(shape), rates.reshape(shape)[:, network.reversible])
    shares = _weights(network, model.weight_names, weights)
    mids = simulate_mids(program, np.maximum(directed, 0.0))
    mids = np.maximum(mids, 0.0)  # an unlabeled share is one minus the rest, up to rounding
    values = model.predict(mids, np.broadcast_to(shares, (len(mids), len(shares))))
    values = np.where(_supplied(frame, values), values, np.nan)
    if noise:
        values = values + noise * np.random.default_rng(seed).standard_normal(values.shape)
    dims = (*leading, "experiment", "isotopologue")
    result = labeling_dataset(
        values.reshape(*net.shape[:-1], *values.shape[1:]),
        dims=dims,
        fragments=frame["fragment"].values.tolist(),
        mass_shifts=frame["mass_shift"].values.tolist(),
        isotopes=isotope_texts(frame),
        network=network,
        experiments={name: each.text for name, each in experiments.items()},
        mid_sd=np.full((*net.shape[:-1], *values.shape[1:]), noise) if noise else None,
        purity=purity,
        natural_abundance=natural_abundance,
        formulas=json.loads(frame.attrs["formulas"]),
        seed=seed,
        source="simulated",
    )
    return result.assign(net_flux=states["net_flux"], exchange_flux=states["exchange_flux"])


def _names(network: Network, fragments: Sequence[str] | None, elements: str) -> list[str]:
    if fragments is None:
        return [name for name in network.balanced if any(network.atom_counts[name].get(e) for e in elements)]
    if isinstance(fragments, str):
        raise LabelingError(f"fragments must be a list of names, not the text {fragments!r}; write [{fragments!r}].")
    return list(dict.fromkeys(fragments))


def _frame(network, names, elements, experiments, purity, natural_abundance) -> xr.Dataset:
    """Return a dataset that asks for all isotopologues of the named fragments in every experiment."""
    meanings = {name: resolve_measurement(name, network, elements) for name in names}
    rows = [(name, *isotopologue) for name, each in meanings.items() for isotopologue in each.isotopologues]
    fragments, shifts, isotopes = zip(*rows, strict=True) if rows else ((), (), ())
    formulas = {name: each.formula for name, each in meanings.items() if each.formula is not None}
    one = np.tile(np.array([float(shift == 0) for shift in shifts]), (len(experiments), 1))
    return labeling_dataset(
        one,
        dims=("experiment", "isotopologue"),
        fragments=fragments,
        mass_shifts=shifts,
        isotopes=isotopes,
        network=network,
        experiments={name: each.text for name, each in experiments.items()},
        purity=purity,
        natural_abundance=natural_abundance,
        formulas=formulas if natural_abundance else {},
    )


def _weights(network: Network, names: Sequence[str], given: Mapping[str, float] | None) -> np.ndarray:
    given = dict(given or {})
    for name, value in given.items():
        if name not in names:
            raise UnknownNameError(f"no simulated fragment has a weight {name!r}. {suggest(name, names)}")
        if not 0 <= value <= 1:
            raise LabelingError(f"weight {name!r} = {value:g} is a share of molecules; give a number from 0 to 1.")
    typical = network.observations.typical_weights
    default = {name: typical.get(name, 0.0 if name.startswith("dilution") else 0.5) for name in names}
    return np.array([{**default, **given}[name] for name in names], dtype=float)


def _supplied(frame: xr.Dataset, values: np.ndarray) -> np.ndarray:
    """Which values belong to a fragment whose MID sums to one; no label and no mass reaches the others."""
    names = frame["fragment"].values.astype(str)
    starts = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    total = np.add.reduceat(np.nan_to_num(values), starts, axis=-1)
    sizes = np.diff(np.r_[starts, len(names)])
    return np.repeat(total > 0.5, sizes, axis=-1)
