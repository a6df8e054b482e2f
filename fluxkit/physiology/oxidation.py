"""How much of an infused nutrient is burnt, from the labeled CO2 of breath."""

import numpy as np
import xarray as xr
from scipy.optimize import nnls

from fluxkit.errors import FluxError, LabelingError, UnknownNameError, suggest
from fluxkit.physiology.quantity import first_place, propagate, quantity, require_range, require_units
from fluxkit.physiology.sources import normalised_labeling

BICARBONATE_RECOVERY = 0.906
"""Share of infused labeled bicarbonate that mice breathe out, from the notes to the tables of
doi:10.1101/2024.02.11.579776; the rest stays in the body or is fixed. Depends on species and duration: measure it."""


def oxidised_fraction(
    breath_enrichment: xr.Dataset,
    co2_production: xr.Dataset,
    infusion: xr.Dataset,
    *,
    tracer_enrichment: float = 1.0,
    recovery: xr.Dataset | float = BICARBONATE_RECOVERY,
) -> xr.Dataset:
    r"""Return the share of the infused label that is burnt, by all routes: directly or through other nutrients.

    Label breathed out over label infused, and corrected for label that bicarbonate keeps
    (doi:10.1101/2024.02.11.579776):

    .. math:: F_{raw} = V_{CO2} \, E_{CO2} / (I \, E_t), \qquad F_{ox} = F_{raw} / r

    Errors by the delta method, all inputs independent.

    Parameters
    ----------
    breath_enrichment : xarray.Dataset
        Quantity, fraction of breath CO2 that is 13C above the background, at isotopic steady state.
    co2_production : xarray.Dataset
        Quantity, CO2 breathed out, in a unit of carbon such as nmol C/min/g.
    infusion : xarray.Dataset
        Quantity, carbon of the nutrient infused, in the same unit.
    tracer_enrichment : float
        Fraction of the infused carbon that is 13C.
    recovery : xarray.Dataset or float
        Share of labeled bicarbonate recovered in breath, 0 to 1; a quantity carries its error.

    Returns
    -------
    xarray.Dataset
        A quantity, the fraction burnt, as :func:`direct_oxidation` takes it; with it ``recovered`` and
        ``recovered_sd``, the fraction before the correction for bicarbonate. A value above 1 is not cut: it tells that
        the steady state, VCO2 or the recovery is off.

    Raises
    ------
    FluxError
        Units that disagree, or are not of carbon; an enrichment or recovery that is not a fraction; a negative rate; an
        infusion of zero.
    LabelingError
        An enrichment or recovery outside 0 to 1.
    """
    units = infusion.attrs.get("units", "")
    if co2_production.attrs.get("units") != units or " C/" not in units:
        raise FluxError(
            f"CO2 production is in {co2_production.attrs.get('units')!r}, the infusion in {units!r}: both must be in "
            "one unit of carbon, such as 'nmol C/min/g'. Use in_carbon, with 1 carbon for CO2."
        )
    require_range(co2_production, "the CO2 production")
    require_range(infusion, "the infusion rate")
    if bool((infusion["value"] == 0).any()):
        raise FluxError("the infusion rate is zero: no label to recover. Leave the experiment out.")
    breath = "the enrichment of breath CO2"
    require_range(require_units(breath_enrichment, "fraction", breath), breath, 0.0, 1.0)
    if not 0 < tracer_enrichment <= 1:
        raise LabelingError(f"tracer_enrichment = {tracer_enrichment:g} must be above 0 and at most 1.")
    kept = recovery if isinstance(recovery, xr.Dataset) else quantity(recovery, 0.0, "fraction")
    share = "the bicarbonate recovery"
    require_range(require_units(kept, "fraction", share), share, 1e-6, 1.0)
    raw = propagate(
        lambda e, v, i: v * e / (i * tracer_enrichment), breath_enrichment, co2_production, infusion, units="fraction"
    )
    corrected = propagate(
        lambda e, v, i, r: v * e / (i * tracer_enrichment * r),
        breath_enrichment, co2_production, infusion, kept, units="fraction",
    )  # fmt: skip
    return corrected.assign(recovered=raw["value"], recovered_sd=raw["sd"])


def direct_oxidation(
    enrichment: xr.Dataset, turnover: xr.Dataset, oxidised: xr.Dataset, *, draws: int = 500, seed: int = 0
) -> xr.Dataset:
    r"""Return how much of each nutrient's carbon goes to CO2 directly, without becoming another nutrient first.

    The label in CO2 under tracer t comes from every nutrient j that it labels (doi:10.1101/2024.02.11.579776):

    .. math:: F_{ox,t} \, R_{d,t} = \sum_j L_{t,j} \, x_j, \qquad x_j \ge 0

    with the atom disappearance R_d, solved by non-negative least squares
    (doi:10.1137/1.9781611971217), each equation relative to the sd of its left side. Errors by Monte Carlo
    over all inputs.

    Parameters
    ----------
    enrichment : xarray.Dataset
        Quantity over ``(tracer, nutrient)``, fraction of atoms in plasma.
    turnover : xarray.Dataset
        Quantity over ``nutrient``, *atom disappearance*, such as nmol C/min/g.
    oxidised : xarray.Dataset
        Quantity over ``nutrient``, fraction of the infused label that is burnt by all routes
        (:func:`oxidised_fraction`).
    draws : int
        Monte Carlo draws.
    seed : int
        Their seed.

    Returns
    -------
    xarray.Dataset
        A quantity over ``nutrient``, in the unit of ``turnover``.

    Raises
    ------
    FluxError
        A turnover of another definition, oxidation that is not a fraction, or a value that was not measured.
    LabelingError
        An enrichment outside 0 to 1, or not measured.
    UnknownNameError
        A tracer without turnover or oxidation.
    """
    if (turnover.attrs.get("basis"), turnover.attrs.get("side")) != ("atom", "disappearance"):
        raise FluxError(
            f"the turnover is of {turnover.attrs.get('basis')!r} {turnover.attrs.get('side')!r}, but the balance of "
            "label in CO2 holds for 'atom disappearance' alone. Use turnover(..., definition='atom disappearance')."
        )
    names = [str(each) for each in enrichment["tracer"].values]
    normalised_labeling(enrichment)  # checks the enrichments
    plasma = enrichment.sel(nutrient=names).transpose("tracer", "nutrient")
    require_units(oxidised, "fraction", "the oxidised share")
    for given, what in ((turnover, "turnover"), (oxidised, "oxidised share")):
        for each in names:
            if each not in given["nutrient"].values:
                raise UnknownNameError(f"no {what} of {each!r}. {suggest(each, map(str, given['nutrient'].values))}")
    rate, share = turnover.sel(nutrient=names), oxidised.sel(nutrient=names)
    for given, what, error in (
        (plasma, "the enrichment", LabelingError),
        (rate, "the turnover", FluxError),
        (share, "the oxidised share", FluxError),
    ):
        unknown = given["value"].isnull() | given["sd"].isnull()
        if bool(unknown.any()):
            raise error(
                f"{what} is NaN{first_place(unknown)}: the balance of CO2 needs every value. Measure it, or leave that "
                "nutrient out as tracer and as nutrient."
            )
    left = propagate(lambda f, r: f * r, share, rate, units=turnover.attrs["units"])
    size = np.maximum(left["sd"].values, 1e-3 * left["value"].values.max())
    rng = np.random.default_rng(seed)

    def solve(labeled: np.ndarray, burnt: np.ndarray) -> np.ndarray:
        matrix = labeled / np.diag(labeled)[:, None]
        return nnls(matrix / size[:, None], burnt / size)[0]

    best = solve(plasma["value"].values, left["value"].values)
    found = [
        solve(
            plasma["value"].values + plasma["sd"].values * rng.standard_normal(plasma["value"].shape),
            left["value"].values + left["sd"].values * rng.standard_normal(len(names)),
        )
        for _ in range(draws)
    ]
    spread = np.std(found, axis=0) if draws else np.zeros(len(names))
    coords = {"nutrient": names}
    attrs = {"units": turnover.attrs["units"], "basis": "atom"}
    return xr.Dataset({"value": ("nutrient", best), "sd": ("nutrient", spread)}, coords=coords, attrs=attrs)
