"""Tests of the best fit, each with its share of the false alarms: of the whole, of parts, and of the usual faults.

Chi-square of the whole fit hardly sees a fault of one fragment among hundreds of values, so parts and the directions in
which the usual faults would shift the data are tested beside it. Within a family the smallest p-value is corrected for
the number of tests (Sidak 1967, doi:10.1080/01621459.1967.10482935); the families share out the budget of false alarms.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import xarray as xr

from fluxkit.inference.density import FluxDensity
from fluxkit.inference.refinement import Refined
from fluxkit.inference.verdict.bound_pressure import bound_pressure
from fluxkit.inference.verdict.fault_directions import (
    LESS_PURE,
    DataTable,
    Fault,
    data_table,
    exchange_beyond_prior,
    exchanged_fragments,
    foreign_peaks,
    places,
    wrong_purity,
)
from fluxkit.inference.verdict.misfit import Misfit, chi_square_tail, misfit, sidak, two_sided, upper_tail

BUDGET: Mapping[str, float] = MappingProxyType(
    {
        "whole": 0.010,
        "parts": 0.004,
        "values": 0.002,
        "foreign peaks": 0.003,
        "exchanged fragments": 0.002,
        "purity": 0.002,
        "exchange": 0.002,
        "bounds": 0.001,
    }
)
"""False alarms allowed to each family of tests; together 2.6 %, less where families agree."""


@dataclass(frozen=True)
class FitTest:
    """The outcome of one family of tests.

    Parameters
    ----------
    family : str
        One of :data:`BUDGET`.
    p_value : float
        Probability, by chance, of something as improbable anywhere in the family.
    size : float
        The most improbable one, in sd.
    finding : str
        What it is and where, with the cure.
    """

    family: str
    p_value: float
    size: float
    finding: str

    @property
    def failed(self) -> bool:
        """Whether it is less probable than the family's share of false alarms."""
        return bool(self.p_value < BUDGET[self.family])


def fit_tests(
    density: FluxDensity, labeling: xr.Dataset, refined: Refined, fit: Misfit | None = None
) -> tuple[FitTest, ...]:
    """Test the most probable fit.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    labeling : xarray.Dataset
        The data that it is of.
    refined : Refined
        Its refined points; the first is tested.
    fit : Misfit, optional
        What that point leaves unexplained, where it is known already.
    """
    fit = fit or misfit(density, refined)
    point = refined.points[:1]
    table = data_table(density, labeling, point, fit)
    purity = float(labeling.attrs["purity"])
    return tuple(
        test
        for test in (
            _parts(fit, table),
            _values(fit, table),
            _family(fit, "foreign peaks", foreign_peaks(table), upper_tail, _say_peak),
            _family(fit, "exchanged fragments", exchanged_fragments(table), upper_tail, _say_exchanged),
            _family(
                fit,
                "purity",
                wrong_purity(density, labeling, point, table),
                two_sided,
                lambda name, score, amount: _say_purity(name, score, amount, purity),
            ),
            _family(fit, "exchange", exchange_beyond_prior(density, point, fit), two_sided, _say_exchange),
            _bounds(density, refined),
        )
        if test is not None
    )


def _parts(fit: Misfit, table: DataTable) -> FitTest | None:
    """Test each fragment in each experiment and in all, each experiment, and the rates."""
    names, tails, sizes = [], [], []
    for name, members in _part_members(table):
        value, freedom = fit.group(members)
        if freedom > 0:
            names.append(f"{name} (chi-square {value:.0f} at {freedom:.0f} degrees of freedom)")
            tails.append(chi_square_tail(value, freedom))
            sizes.append(np.sqrt(value))
    if not tails:
        return None
    worst = int(np.argmin(tails))
    text = f"the fluxes do not explain {names[worst]}; check its peaks, or leave it out"
    return FitTest("parts", sidak(np.array(tails)), float(sizes[worst]), text)


def _part_members(table: DataTable) -> Iterable[tuple[str, np.ndarray]]:
    if table.rate.any():
        yield "the rates", table.rate
    for where, members, everywhere in places(table):
        if not everywhere:
            yield f"experiment {where}", members
        for fragment in table.fragments:
            mine = members & (table.fragment == fragment)
            if mine.any():
                yield f"{fragment} in {where}", mine


def _values(fit: Misfit, table: DataTable) -> FitTest | None:
    ions = [
        Fault(f"{ion} in {'rates' if where is None else where}", row)
        for ion, where, row in zip(table.ion, table.experiment, np.eye(len(table.ion)), strict=True)
    ]
    return _family(fit, "values", ions, two_sided, _say_value)


def _family(
    fit: Misfit,
    family: str,
    faults: Iterable[Fault],
    tail: Callable[[np.ndarray], np.ndarray],
    say: Callable[[str, float, float], str],
) -> FitTest | None:
    """Test all faults of a family, and describe the most improbable one by name, score and amount."""
    named = list(faults)
    if not named:
        return None
    scores, amounts = fit.scores(np.array([each.direction for each in named]))
    tails = tail(scores)
    if not np.isfinite(tails).any():
        return None
    worst = int(np.nanargmin(np.where(tails > 0, np.log(np.maximum(tails, 1e-300)), -np.abs(scores) * 1e3)))
    size = float(abs(scores[worst]))
    return FitTest(family, sidak(tails), size, say(named[worst].name, size, float(amounts[worst])))


def _bounds(density: FluxDensity, refined: Refined) -> FitTest | None:
    names, pressure = bound_pressure(density, refined)
    if not names:
        return None
    worst = int(pressure.argmax())
    text = (
        f"the data push {names[worst]} {pressure[worst]:.1f} sd beyond it; check the bound, and whether a reaction is "
        "missing"
    )
    return FitTest("bounds", sidak(two_sided(pressure)), float(pressure[worst]), text)


def _say_peak(name: str, score: float, amount: float) -> str:
    share = f"{amount:.1%}" if amount < 0.5 else "more than half"
    return (
        f"a foreign peak seems to lie under {name} ({share} of the fragment, {score:.1f} sd); check this ion for an "
        "interference or something unlabeled, or mask it"
    )


def _say_exchanged(name: str, score: float, amount: float) -> str:
    return f"{name} look exchanged ({score:.1f} sd); check which peak is which"


def _say_purity(name: str, score: float, amount: float, stated: float) -> str:
    purity = stated - LESS_PURE * amount
    if 0 <= purity <= 1:
        return (
            f"the tracer of {name} looks {purity:.1%} pure instead of {stated:.1%} ({score:.1f} sd); check its "
            "isotopic purity and its share of the medium"
        )
    than = "more label than a pure one has" if purity > 1 else f"far less label than one {stated:.1%} pure has"
    return (
        f"the tracer of {name} seems to bring {than} ({score:.1f} sd); check which tracer it is, its isotopic purity "
        "and its share of the medium"
    )


def _say_exchange(name: str, score: float, amount: float) -> str:
    way = "larger" if amount > 0 else "smaller"
    return (
        f"the data ask for a {way} exchange flux of {name} than its bounds make likely ({score:.1f} sd); check its "
        "bounds, and whether a reaction is missing"
    )


def _say_value(name: str, score: float, amount: float) -> str:
    return f"{name} lies {score:.1f} sd from what all other data leave room for; check this ion, or mask it"
