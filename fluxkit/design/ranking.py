"""Ranking of tracers, sets of parallel experiments and measurement sets by what they tell about chosen fluxes."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from fluxkit.design.candidates import Candidates, parallel_sets, read_candidates
from fluxkit.design.criteria import detection_power, information_gain
from fluxkit.design.experiments import MeasurementSets, Question, make_question
from fluxkit.design.flux_targets import FluxTarget
from fluxkit.design.prices import PriceTable, efficient, read_prices
from fluxkit.errors import FluxError, UnknownNameError, suggest
from fluxkit.labeling import NoiseModel, Tracers
from fluxkit.networks import Network

QUANTILES = (0.1, 0.5, 0.9)
_MOST = 20_000
_DIGITS = 10  # of a criterion: what differs by rounding alone is a tie, which names decide


def design_tracers(
    network: Network,
    candidates: Candidates = None,
    *,
    fluxes_of_interest: Sequence[str] | str | None = None,
    measurements: MeasurementSets = None,
    parallel: int = 1,
    difference: float | Mapping[str, float] | None = None,
    rank_by: str = "information_gain",
    prices: PriceTable | str | Path | None = None,
    draws: int = 32,
    seed: int = 0,
    prior: str = "targets",
    states: xr.Dataset | None = None,
    noise: NoiseModel | float = NoiseModel(),  # noqa: B008, a frozen record
    purity: float = 1.0,
    natural_abundance: str = "",
    rates: Mapping[str, float] | None = None,
    rate_unit: str = "",
) -> xr.Dataset:
    r"""Rank tracers, mixtures, parallel experiments and measurements by what they will tell about chosen fluxes.

    The posterior is linearised at draws from the flux prior, with exact Jacobians :math:`J` of the predicted
    measurements in units of their standard deviations: its covariance is :math:`(1 + J'J)^{-1}` in coordinates of unit
    variance a priori, unknown mixing shares and dilutions among them. Widths, information and power are averages over
    these draws, not values at one guess (Chaloner & Verdinelli 1995, doi:10.1214/ss/1177009939). Parallel experiments
    share the flux state, so their :math:`J'J` add up (Crown & Antoniewicz 2013, doi:10.1016/j.ymben.2012.11.010).

    A linearised posterior knows neither the walls of the flux polytope nor the curvature of the labeling: where the
    prior's width is that of a wall, or data determine a flux poorly, the true posterior may be narrower or wider.

    Parameters
    ----------
    network : Network
        The network.
    candidates : mapping of str to text or texts, or sequence of str, optional
        Tracer texts, ``{"mix": "50% [1,2-13C2]glucose + 50% [U-13C6]glucose"}``; several texts under one name are
        parallel experiments. By default the network's standard tracers and those that are commonly bought. An open
        ``"Glc_inf_x: ?% [U-13C6]"`` is averaged over all parts of the pool, and is not known to the one who measures;
        its cost is that of the whole pool.
    fluxes_of_interest : sequence of str, or str
        Net fluxes by reaction, ``exchange(LDH)``, and expressions such as ``G6PDH / GLC_up``; by default a set of free
        net fluxes. Exchange fluxes count in decades of their logarithmic coordinate.
    measurements : sequence of str, or mapping of str to sequence of str, optional
        Measured names, or several sets of them that are compared; by default everything in the observation table,
        else every balanced metabolite, each once. A name that states elements (``Cit.m:C``) sees these alone; any other
        is seen through the elements that the tracers of the experiment label.
    parallel : int
        Sets of up to so many candidates are ranked, too.
    difference : float or mapping of str to float, optional
        True difference of a flux between two conditions, in the unit of the flux, that should be detected; half of the
        prior's width by default.
    rank_by : str
        ``"information_gain"`` (most first), ``"mean_relative_variance"``, or a flux of interest, by its width.
    prices : PriceTable or path, optional
        Prices; by default rough list prices, see :func:`fluxkit.design.read_prices`.
    draws, seed, prior
        Number of draws from the prior, their seed, and which prior; see :func:`fluxkit.draw_fluxes`.
    states : xarray.Dataset, optional
        Flux states to average over instead, such as posterior draws of a first experiment.
    noise : NoiseModel or float
        Standard deviation of a MID value.
    purity : float
        Isotopic purity of every labeled position, 0 to 1.
    natural_abundance : str
        Elements whose natural isotopes the instrument does not resolve and that are not corrected for, ``"C"`` or
        ``"CHNOPS"``, as for :func:`fluxkit.simulate`; needs formulas in the observation table.
    rates : mapping of str to float, optional
        Standard deviations of rates that will be measured beside the labeling, in the flux unit of the network, by
        reaction or sum of reactions: ``{"GLC_up": 5.0, "MCT_out - MCT_in": 8.0}``. They count
        once for a design, however many experiments it has.
    rate_unit : str
        Unit of the rates, as for :func:`fluxkit.quantify`: that of the network's fluxes puts both on one scale, else
        their common factor is unknown, and rates tell of ratios of fluxes alone.

    Returns
    -------
    xarray.Dataset
        The best design first. ``expected_width(design, flux)`` is the mean standard deviation, ``width`` its
        ``quantile`` 0.1, 0.5 and 0.9 over the draws, ``prior_width(flux)`` what it was; ``power(design, flux)`` the
        probability to detect ``difference(flux)`` at 95 %. ``information_gain(design)`` of all chosen fluxes together
        in nats with ``information_quantile``, ``mean_relative_variance(design)`` (1: nothing learned),
        ``cost(design)`` with NaN where a price is missing, ``efficient(design)``: no design costs less and
        tells as much. Coordinates say ``tracers``, ``measurement_set`` and ``experiments`` of a design, ``units`` of a
        flux. ``attrs["left_out"]`` says which common tracers do not fit the network, and why.

    Raises
    ------
    UnknownNameError, FluxError, TracerError, LabelingError
        A flux, tracer, measurement or price cannot be understood, there is no draw, or a difference is not positive.
    """
    table = prices if isinstance(prices, PriceTable) else read_prices(prices)
    given, left_out = read_candidates(network, candidates, bool(natural_abundance))
    members = parallel_sets(list(given), parallel, _MOST)
    experiments = list(dict.fromkeys(each for part in given.values() for each in part))
    question = make_question(
        network, experiments, fluxes_of_interest, measurements,
        draws=draws, seed=seed, prior=prior, states=states, noise=noise, purity=purity,
        natural_abundance=natural_abundance, rates=rates, rate_unit=rate_unit,
    )  # fmt: skip
    goal = _differences(question, difference)
    _check_rank(question.targets, rank_by)
    covariance = _covariances(question, given, members)
    result = _criteria(question, covariance, goal)
    names = [" + ".join(each) for each in members]
    labels = [(name, part) for part in question.sets for name in names]
    many = len(question.sets) > 1
    result = result.assign_coords(
        design=[f"{name}, {part}" if many else name for name, part in labels],
        tracers=("design", [_text(given, each) for _ in question.sets for each in members]),
        measurement_set=("design", [part for _, part in labels]),
        experiments=("design", [sum(len(given[one]) for one in each) for _ in question.sets for each in members]),
    )
    result["cost"] = ("design", _costs(question, table, given, members), {"units": table.currency})
    result["efficient"] = ("design", efficient(result["cost"].values, result["information_gain"].values))
    result.attrs = {
        "network": network.name, "draws": len(question.states), "seed": seed, "prior": prior, "rank_by": rank_by,
        "noise": question.noise.to_json(), "purity": purity, "natural_abundance": natural_abundance,
        "rates": json.dumps(dict(rates or {})), "left_out": json.dumps(left_out),
    }  # fmt: skip
    return result.isel(design=_order(result, rank_by))


def _differences(question: Question, difference: float | Mapping[str, float] | None) -> np.ndarray:
    """Return the difference to detect of each target, shape ``(target,)``."""
    names = [each.text for each in question.targets]
    result = 0.5 * question.prior_width.mean(axis=0)
    if difference is None:
        return result
    given = dict(difference) if isinstance(difference, Mapping) else dict.fromkeys(names, difference)
    for name, value in given.items():
        if name not in names:
            raise UnknownNameError(f"difference of {name!r}, which is no flux of interest. {suggest(name, names)}")
        if not (math.isfinite(value) and value > 0):
            raise FluxError(f"the difference of {name!r} to detect is {value!r}; give a positive number.")
        result[names.index(name)] = value
    return result


def _check_rank(targets: Sequence[FluxTarget], rank_by: str) -> None:
    known = ["information_gain", "mean_relative_variance", *(each.text for each in targets)]
    if rank_by not in known:
        raise UnknownNameError(f"designs cannot be ranked by {rank_by!r}. {suggest(rank_by, known)}")


def _covariances(
    question: Question, given: Mapping[str, tuple[Tracers, ...]], members: Sequence[tuple[str, ...]]
) -> np.ndarray:
    """Return posterior covariances, shape ``(set * member, state, target, target)``."""
    each = {name: sum(question.information(one) for one in part) for name, part in given.items()}
    parts = [
        question.covariance(sum(each[name][s] for name in chosen))  # type: ignore[index]
        for s in range(len(question.sets))
        for chosen in members
    ]
    return np.array(parts)


def _criteria(question: Question, covariance: np.ndarray, goal: np.ndarray) -> xr.Dataset:
    before = question.prior_width
    width = np.minimum(np.sqrt(np.einsum("dnkk->dnk", covariance)), before)  # rounding must not widen
    gain = information_gain(covariance, question.gradients)
    power = detection_power(width, before, goal).mean(axis=1)
    return xr.Dataset(
        {
            "expected_width": (("design", "flux"), width.mean(axis=1)),
            "width": (("quantile", "design", "flux"), np.quantile(width, QUANTILES, axis=1)),
            "prior_width": ("flux", before.mean(axis=0)),
            "power": (("design", "flux"), power),
            "difference": ("flux", goal),
            "information_gain": ("design", gain.mean(axis=1), {"units": "nats"}),
            "information_quantile": (("quantile", "design"), np.quantile(gain, QUANTILES, axis=1), {"units": "nats"}),
            "mean_relative_variance": ("design", ((width / before) ** 2).mean(axis=(1, 2))),
        },
        coords={
            "flux": [each.text for each in question.targets],
            "units": ("flux", [each.units for each in question.targets]),
            "quantile": list(QUANTILES),
        },
    )


def _text(given: Mapping[str, tuple[Tracers, ...]], members: tuple[str, ...]) -> str:
    return " | ".join(each.text for name in members for each in given[name])


def _costs(
    question: Question,
    prices: PriceTable,
    given: Mapping[str, tuple[Tracers, ...]],
    members: Sequence[tuple[str, ...]],
) -> list[float]:
    """Return what each design costs, in the order of :func:`_covariances`."""
    label = {name: prices.tracer_costs(question.network, part) for name, part in given.items()}
    costs = []
    for part in question.sets:
        own = {
            name: sum(label[name]) + sum(prices.measurement_cost(question.measured(one, part)) for one in each)
            for name, each in given.items()
        }
        costs += [sum(own[name] for name in chosen) for chosen in members]
    return costs


def _order(result: xr.Dataset, rank_by: str) -> list[int]:
    """Return the designs, best first; ties by name."""
    if rank_by == "information_gain":
        value = -result["information_gain"].values
    elif rank_by == "mean_relative_variance":
        value = result["mean_relative_variance"].values
    else:
        value = result["expected_width"].sel(flux=rank_by).values
    names = result["design"].values.astype(str)
    return sorted(range(len(names)), key=lambda i: (float(f"{value[i]:.{_DIGITS}g}"), names[i]))
