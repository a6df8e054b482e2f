"""Along which directions the usual faults of labeling data shift the measured values.

Each is a shift of the data by a small amount of the fault, in units of their sd: a peak of something else under one
ion, two metabolites taken for each other, a tracer of another purity, an exchange flux that its bounds do not allow.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import xarray as xr

from fluxkit.inference.density import FluxDensity
from fluxkit.inference.verdict.misfit import Misfit
from fluxkit.labeling import normalise_experiments
from fluxkit.labeling.isotopologues import isotopologue_names
from fluxkit.labeling.programs import labeling_program

LESS_PURE = 0.02
"""Loss of isotopic purity that makes the unit of that fault."""


@dataclass(frozen=True, eq=False)
class Fault:
    """One fault that would shift the data.

    Parameters
    ----------
    name : str
        What and where, in plain words.
    direction : numpy.ndarray
        Shift of the data in units of their sd by a unit of the fault, shape ``(datum,)``.
    """

    name: str
    direction: np.ndarray


@dataclass(frozen=True, eq=False)
class DataTable:
    """The data of a fit by fragment and experiment, in the order of its residuals.

    Parameters
    ----------
    fragment, experiment : numpy.ndarray
        Names, shape ``(datum,)``; None for measured rates.
    ion : numpy.ndarray
        Names of the isotopologues, shape ``(datum,)``.
    fitted, sd : numpy.ndarray
        Fitted values and standard deviations, shape ``(datum,)``; NaN and 1 for rates.
    """

    fragment: np.ndarray
    experiment: np.ndarray
    ion: np.ndarray
    fitted: np.ndarray
    sd: np.ndarray

    @property
    def rate(self) -> np.ndarray:
        """Which data are measured rates, shape ``(datum,)``."""
        return np.array([name is None for name in self.experiment], dtype=bool)

    @property
    def fragments(self) -> list[str]:
        """Measured fragments."""
        return [name for name in dict.fromkeys(self.fragment.tolist()) if name is not None]

    @property
    def experiments(self) -> list[str]:
        """Experiments that measured something."""
        return [name for name in dict.fromkeys(self.experiment.tolist()) if name is not None]


class Place(NamedTuple):
    """Where a fault may be.

    Parameters
    ----------
    name : str
        The experiment, or that it is in all of them.
    members : numpy.ndarray
        The data there, shape ``(datum,)``, bool.
    everywhere : bool
        Whether that is in all experiments.
    """

    name: str
    members: np.ndarray
    everywhere: bool


def data_table(density: FluxDensity, labeling: xr.Dataset, point: np.ndarray, fit: Misfit) -> DataTable:
    """Return names and fitted values of the data.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    labeling : xarray.Dataset
        The data that it is of.
    point : numpy.ndarray
        The best point, shape ``(1, parameter)``.
    fit : Misfit
        What it leaves unexplained.
    """
    row, column = np.divmod(fit.position, density.measured.shape[1])
    rate = fit.position < 0
    row, column = np.where(rate, 0, row), np.where(rate, 0, column)
    experiments = np.array(list(json.loads(labeling.attrs["tracers"])), dtype=object)
    names = labeling["fragment"].values.astype(object)
    nameless = np.full(len(rate), None, dtype=object)
    return DataTable(
        fragment=np.where(rate, nameless, names[column]),
        experiment=np.where(rate, nameless, experiments[row]),
        ion=np.where(rate, "rate", np.asarray(isotopologue_names(labeling), dtype=object)[column]),
        fitted=np.where(rate, np.nan, density.prediction(point)[0][row, column]),
        sd=np.where(rate, 1.0, density.sd[row, column]),
    )


def places(table: DataTable) -> Iterator[Place]:
    """Yield every experiment, and all together where there are several.

    Parameters
    ----------
    table : DataTable
        The data.
    """
    for name in table.experiments:
        yield Place(name, table.experiment == name, False)
    if len(table.experiments) > 1:
        yield Place("all experiments", ~table.rate, True)


def foreign_peaks(table: DataTable) -> Iterator[Fault]:
    """Yield what a foreign peak under each ion would do, in one experiment and in all.

    A share ``a`` of something of one mass shifts a MID by ``a (e_k - mid)``; what is unlabeled by ``a (e_0 - mid)``.
    """
    for where, members, _ in places(table):
        for fragment in table.fragments:
            mine = members & (table.fragment == fragment)
            ions = dict.fromkeys(table.ion[mine].tolist())
            for ion in ions if len(ions) > 1 else ():
                shift = (mine & (table.ion == ion)).astype(float) - np.where(mine, table.fitted, 0.0)
                yield Fault(f"{ion} in {where}", shift / table.sd)


def exchanged_fragments(table: DataTable) -> Iterator[Fault]:
    """Yield what exchanging two fragments of the same ions would do, in one experiment and in all."""
    for where, members, _ in places(table):
        parts: dict[str, np.ndarray] = {}
        for fragment in table.fragments:
            parts[fragment] = np.flatnonzero(members & (table.fragment == fragment))
        for i, first in enumerate(table.fragments):
            for second in table.fragments[i + 1 :]:
                one, other = parts[first], parts[second]
                if not one.size or not _alike(table, one, other):
                    continue
                shift = np.zeros(len(table.sd))
                shift[one] = table.fitted[other] - table.fitted[one]
                shift[other] = table.fitted[one] - table.fitted[other]
                if np.abs(shift / table.sd).max() > 1:  # else they are the same within the errors
                    yield Fault(f"{first} and {second} in {where}", shift / table.sd)


def _alike(table: DataTable, one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two fragments have the same ions in the same experiments."""
    if one.size != other.size or (table.experiment[one] != table.experiment[other]).any():
        return False
    ending = [[name.removeprefix(str(table.fragment[i])) for i, name in zip(x, table.ion[x], strict=True)]
              for x in (one, other)]  # fmt: skip
    return ending[0] == ending[1]


def wrong_purity(density: FluxDensity, labeling: xr.Dataset, point: np.ndarray, table: DataTable) -> Iterator[Fault]:
    """Yield what a tracer of another isotopic purity would do, in one experiment and in all."""
    network, purity = density.space.network, float(labeling.attrs["purity"])
    if purity <= LESS_PURE:
        return
    experiments = normalise_experiments(json.loads(labeling.attrs["tracers"]), network)
    fragments, tracers = density.measurement.fragments, tuple(experiments.values())
    other = labeling_program(network, fragments, tracers, purity - LESS_PURE)
    moved = replace(density, program=other).prediction(point) - density.prediction(point)
    by_name = dict(zip(experiments, moved[0], strict=True))
    column = {name: i for i, name in enumerate(isotopologue_names(labeling))}
    shift = np.zeros(len(table.sd))
    for i, (name, ion) in enumerate(zip(table.experiment, table.ion, strict=True)):
        if name is not None:
            shift[i] = by_name[name][column[ion]] / table.sd[i]
    for where, members, _ in places(table):
        yield Fault(where, np.where(members, shift, 0.0))


def exchange_beyond_prior(density: FluxDensity, point: np.ndarray, fit: Misfit) -> Iterator[Fault]:
    """Yield what larger exchange fluxes would do, one reaction each.

    A flux that labeling cannot tell from zero, between bounds that allow less and more, can be neither too large nor
    too small for them: it is left out.
    """
    _, y, _ = density.split(point)
    scale = density.space.exchange_scale
    exchange, slope, _, _ = scale.expand(y)
    by_log = (exchange[:, scale.varies] + scale.offset) / slope
    names = np.array(density.space.network.reaction_names)[density.space.network.reversible][scale.varies]
    least, most = scale.bounds
    settled = (exchange[0, scale.varies] < scale.offset) & (least < scale.offset) & (most > scale.offset)
    first = len(density.space.free)
    for k, name in enumerate(names):
        if settled[k]:
            continue
        yield Fault(str(name), fit.jacobian[:, first + k] * by_log[0, k])
