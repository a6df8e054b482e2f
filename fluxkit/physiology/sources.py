"""Which circulating nutrients a metabolite is made from directly, from labeling under several infused tracers."""

import numpy as np
import xarray as xr
from scipy.optimize import nnls

from fluxkit.errors import FluxError, LabelingError, UnknownNameError
from fluxkit.physiology.quantity import first_place, propagate, require_range, require_units

LABELING_FLOOR = 0.005
"""Least sd of normalised labeling in the fit: published zeros have a spread of zero, but a correction for natural
abundance is not better than about 0.001 of enrichment, on tracers of 0.1 to 0.25."""

ROUNDS = 3
"""Rounds of reweighting: the first knows the errors of the left sides only, the shares then change by under 1 %."""


def normalised_labeling(enrichment: xr.Dataset, target: xr.Dataset | None = None) -> xr.Dataset:
    r"""Return the enrichment of every nutrient over that of the infused nutrient in plasma.

    .. math:: L_{t,i} = E_{t,i} / E_{t,t}

    (doi:10.1038/nature24057, doi:10.1016/j.cmet.2020.07.013). It says how much of nutrient i stems from nutrient t by
    any route; :func:`direct_contributions` takes the detours out. Errors by the delta method.

    Parameters
    ----------
    enrichment : xarray.Dataset
        Quantity over ``(tracer, nutrient)``, fraction of atoms in plasma; every tracer is one of the nutrients.
    target : xarray.Dataset, optional
        Quantity over ``(tracer, target)``, fraction of atoms of other metabolites, such as those of a tissue; the
        nutrients themselves by default.

    Returns
    -------
    xarray.Dataset
        A quantity over ``(tracer, nutrient)`` or ``(tracer, target)``; 1 +- 0 where a nutrient is its own tracer.

    Raises
    ------
    FluxError
        Enrichment of molecules instead of atoms.
    LabelingError
        An enrichment outside 0 to 1, or an infused nutrient without label.
    UnknownNameError
        A tracer that is not among the nutrients.
    """
    own = _own_enrichment(enrichment)
    if target is not None:
        _check_atoms(target, "the target's enrichment")
        return propagate(lambda e, t: e / t, target.transpose("tracer", ...), own, units="ratio", basis="atom")
    result = propagate(lambda e, t: e / t, enrichment.transpose("tracer", "nutrient"), own, units="ratio", basis="atom")
    itself = result["nutrient"] == result["tracer"]
    return result.assign(value=result["value"].where(~itself, 1.0), sd=result["sd"].where(~itself, 0.0))


def direct_contributions(
    enrichment: xr.Dataset,
    target: xr.Dataset | None = None,
    *,
    at_most_one: bool = True,
    floor: float = LABELING_FLOOR,
    draws: int = 500,
    level: float = 0.9,
    seed: int = 0,
) -> xr.Dataset:
    r"""Return the share of each metabolite's carbon that comes directly from each circulating nutrient.

    The atoms of metabolite i are a mixture of its direct sources j, so under every tracer t
    (doi:10.1016/j.cmet.2020.07.013)

    .. math:: L_{t,i} = \sum_j f_{ij} L_{t,j}, \qquad f_{ij} \ge 0, \quad \sum_j f_{ij} \le 1

    solved by non-negative least squares (doi:10.1137/1.9781611971217), each equation weighted by the sd of both its
    sides (effective variance, doi:10.1119/1.12972). A nutrient in plasma is never its own source,
    and its own tracer says nothing of its sources: both are left out, so its shares are of the carbon that does not
    come back from itself. Errors of both sides enter by Monte Carlo: every enrichment is drawn anew, normal with its
    sd, and all is solved again.

    Parameters
    ----------
    enrichment : xarray.Dataset
        Quantity over ``(tracer, nutrient)``, fraction of atoms in plasma. The tracers are the sources.
    target : xarray.Dataset, optional
        Quantity over ``(tracer, target)`` of other metabolites, such as those of a tissue, under the same tracers.
        By default the plasma nutrients are the targets.
    at_most_one : bool
        Hold the sum of the shares at 1 or less.
    floor : float
        Least sd of normalised labeling in the weights.
    draws : int
        Monte Carlo draws.
    level : float
        Probability of the intervals, 0 to 1.
    seed : int
        Seed of the draws.

    Returns
    -------
    xarray.Dataset
        Over ``(target, source)``: ``contribution``, ``contribution_sd``, ``lower`` and ``upper``, fractions of carbon.
        Over ``target``: ``other``, what none of the sources explains (unlabeled stores, nutrients not infused);
        ``recycled``, the share that is the target's own carbon come back through other nutrients (NaN outside plasma);
        ``chi_square`` of the equations, and their number ``equations``.

    Raises
    ------
    FluxError
        Enrichment of molecules instead of atoms.
    LabelingError
        An enrichment outside 0 to 1, an infused nutrient without label, or a target without any equation.
    UnknownNameError
        A tracer that is not among the nutrients.
    """
    _own_enrichment(enrichment)
    if target is not None:
        _check_atoms(target, "the target's enrichment")
        target = target.sel(tracer=enrichment["tracer"]).transpose("tracer", "target")
    sources = [str(each) for each in enrichment["tracer"].values]
    plasma = enrichment.sel(nutrient=sources).transpose("tracer", "nutrient")
    right = enrichment.transpose("tracer", "nutrient") if target is None else target
    names = [str(each) for each in right["nutrient" if target is None else "target"].values]
    left_sd = np.maximum(normalised_labeling(enrichment, target)["sd"].values, floor)
    right_sd = normalised_labeling(enrichment)["sd"].sel(nutrient=sources).values

    rng = np.random.default_rng(seed)
    sd = left_sd
    for _ in range(ROUNDS):
        best, recycled, chi_square, equations = _solve_all(
            plasma["value"].values, right["value"].values, sd, sources, names, target is None, at_most_one
        )
        sd = np.sqrt(left_sd**2 + right_sd**2 @ best.T**2)
    found = np.empty((draws, *best.shape))
    for draw in range(draws):
        noisy = plasma["value"].values + plasma["sd"].values * rng.standard_normal(plasma["value"].shape)
        if target is None:  # a nutrient that is infused stands on both sides: one draw for both
            other = right["value"].values + right["sd"].values * rng.standard_normal(right["value"].shape)
            for column, name in enumerate(names):
                if name in sources:
                    other[:, column] = noisy[:, sources.index(name)]
        else:
            other = right["value"].values + right["sd"].values * rng.standard_normal(right["value"].shape)
        found[draw] = _solve_all(noisy, other, sd, sources, names, target is None, at_most_one)[0]
    lower, upper = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0) if draws else (best, best)
    both = ("target", "source")
    return xr.Dataset(
        {
            "contribution": (both, best),
            "contribution_sd": (both, found.std(axis=0) if draws else np.zeros_like(best)),
            "lower": (both, lower),
            "upper": (both, upper),
            "other": ("target", 1 - best.sum(axis=1)),
            "recycled": ("target", recycled),
            "chi_square": ("target", chi_square),
            "equations": ("target", equations),
        },
        coords={"target": names, "source": sources},
        attrs={"units": "fraction", "level": level, "basis": "atom", **_site(enrichment)},
    )


def _solve_all(
    plasma: np.ndarray, right: np.ndarray, sd: np.ndarray, sources: list[str], names: list[str],
    itself: bool, at_most_one: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Solve the equations of every target: shares, own carbon that returns, misfit, number of equations."""
    own = np.diag(plasma)[:, None]
    matrix, labels = plasma / own, right / own
    shares = np.zeros((len(names), len(sources)))
    recycled, misfit = np.full(len(names), np.nan), np.full(len(names), np.nan)
    count = np.zeros(len(names), dtype=int)
    for i, name in enumerate(names):
        others = np.array([not itself or each != name for each in sources])
        rows = others & np.isfinite(labels[:, i]) & np.isfinite(matrix[:, others]).all(axis=1)
        if not rows.any():
            raise LabelingError(f"no tracer has the labeling of target {name!r} and of every source. Leave it out.")
        weight = 1 / sd[rows, i]
        shares[i, others], misfit[i] = _non_negative(
            matrix[np.ix_(rows, others)] * weight[:, None], labels[rows, i] * weight, at_most_one
        )
        count[i] = rows.sum()
        if itself and name in sources:
            recycled[i] = shares[i] @ matrix[sources.index(name)]
    return shares, recycled, misfit, count


def _non_negative(matrix: np.ndarray, values: np.ndarray, at_most_one: bool) -> tuple[np.ndarray, float]:
    """Return non-negative shares and the sum of squares; where the sum exceeds 1 the optimum lies at a sum of 1."""
    shares, norm = nnls(matrix, values)
    if at_most_one and shares.sum() > 1:
        heavy = 1e4 * max(np.abs(matrix).max(), np.abs(values).max())
        shares, _ = nnls(np.vstack([matrix, np.full(len(shares), heavy)]), np.append(values, heavy))
        shares = shares / shares.sum()
        norm = np.linalg.norm(matrix @ shares - values)
    return shares, float(norm) ** 2


def _own_enrichment(enrichment: xr.Dataset) -> xr.Dataset:
    """Return the enrichment of the infused nutrient under each tracer, after checks."""
    _check_atoms(enrichment, "the enrichment")
    tracers, nutrients = enrichment["tracer"].values, enrichment["nutrient"].values
    for each in tracers:
        if each not in nutrients:
            raise UnknownNameError(
                f"tracer {each!r} is not among the nutrients {list(map(str, nutrients))}: its own enrichment is "
                "needed. Add it, or drop the tracer."
            )
    own = enrichment.sel(nutrient=xr.DataArray(tracers, dims="tracer")).drop_vars("nutrient")
    if bool((own["value"] <= 0).any() | own["value"].isnull().any()):
        wrong = (own["value"] <= 0) | own["value"].isnull()
        raise LabelingError(f"the infused nutrient has no label{first_place(wrong)}. Drop this tracer.")
    return own


def _check_atoms(enrichment: xr.Dataset, what: str) -> None:
    if enrichment.attrs.get("basis") != "atom":
        raise FluxError(
            f"{what} is of basis {enrichment.attrs.get('basis')!r}: direct sources are balances of atoms, and the two "
            "are never mixed. Use atom_enrichment, or say basis='atom' to quantity."
        )
    require_range(require_units(enrichment, "fraction", what), what, 0.0, 1.0)


def _site(given: xr.Dataset) -> dict[str, str]:
    return {"site": given.attrs["site"]} if "site" in given.attrs else {}
