"""Animals as replicates: which flux they have in common, and how much they differ, flux by flux."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr

from fluxkit.errors import FluxError, suggest
from fluxkit.inference.comparison.between_animals import FAMILIES, common_posterior
from fluxkit.inference.comparison.one_network import check_one_network
from fluxkit.inference.comparison.replicate_means import summarise_draws
from fluxkit.inference.comparison.without_prior import without_prior
from fluxkit.inference.estimate import LEVEL, FluxEstimate, untrusted_reasons

Quantity = str | Callable[[xr.Dataset], xr.DataArray | np.ndarray]
Quantities = Mapping[str, Quantity] | Sequence[str]

_TAILS = (0.5, 0.5 - LEVEL / 2, 0.5 + LEVEL / 2)
_FIXED = 1e-9  # relative spread below which animals differ by rounding only
_ALIKE = 0.1  # of the prior's sd: less is what a few thousand draws scatter


def common_fluxes(
    estimates: Mapping[str, FluxEstimate] | Sequence[FluxEstimate],
    quantities: Quantities | None = None,
    *,
    variation: float = 0.2,
    scale: float = 0.5,
    family: str = "half-cauchy",
) -> pd.DataFrame:
    r"""Say which fluxes animals have in common, and how much the animals vary.

    Each animal's own flux lies around a common mean, :math:`\theta_a \sim N(\mu, \tau^2)`, and its data tell it up to
    an error, :math:`y_a \sim N(\theta_a, l_a^2)`. Scatter between animals is so told from the error of each estimate,
    and an animal that is known badly is drawn towards the others.

    **The prior counts once.** Every posterior contains the flux prior. Posterior and prior draws of each animal are
    summarised as normal distributions (median, half the width of the central 68 %) and the second is divided from
    the first, which leaves :math:`y_a` and :math:`l_a`
    (:func:`fluxkit.inference.comparison.without_prior.without_prior`). The prior then counts once, as that of the
    common mean: without scatter the answer is that of all data quantified together. Estimates of
    :func:`fluxkit.fit_fluxes` know no prior: nothing is divided, and the common mean has a flat prior.

    **The prior of the scatter** is half-Cauchy or half-normal (Gelman 2006, doi:10.1214/06-BA117A) with a scale that is
    a share of the size of the flux; the size is the root mean square over the draws of all animals. With two or three
    animals this prior decides the upper end of the scatter: try another scale. The scatter is integrated on a grid,
    so nothing is random.

    **Limits.** Quantities are treated one by one, so common means balance only approximately, and they are not held to
    bounds. A quantity should be roughly normal in each animal: of ratios and exchange fluxes that vary by more than
    half of themselves, ask for the logarithm (a function). Errors that all animals share, such as a wrong network,
    are not seen.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate, or sequence of FluxEstimate
        One per animal, by name; at least two, of one network.
    quantities : mapping or sequence of str, optional
        Expressions (see :meth:`FluxEstimate.quantity`) such as ``"A / B"``, by name or by themselves, where the data
        determine only ratios; or functions that take a dataset with ``net_flux`` and ``exchange_flux`` over
        ``(chain, draw, reaction)``, or ``(draw, reaction)`` for the prior, and return a value per draw. Every net flux
        by default.
    variation : float
        Share of the common mean, 0.2 for 20 %, that the sd between animals has to exceed for animals to vary.
    scale : float
        Scale of the prior of the sd between animals, as a share of the size of the flux.
    family : str
        ``"half-cauchy"`` or ``"half-normal"``.

    Returns
    -------
    pandas.DataFrame
        One row per quantity; medians with ``_lower`` and ``_upper`` of their 90 % interval:

        - ``flux`` (or name) and ``unit``; that of a quantity is not known.
        - ``animals``: how many animals the data of which tell the flux: their posterior is narrower than 0.9 times the
          prior. With fewer than two, the rest is NaN.
        - ``mean``: common mean :math:`\mu`, in the unit of the quantity.
        - ``between_sd``: sd between animals :math:`\tau`, in the same unit.
        - ``probability_varies``: posterior probability that :math:`\tau > \mathrm{variation} \cdot |\mu|`; NaN where
          the network fixes the flux.
        - ``scatter_scale``: scale of the prior of the scatter, in the same unit.
        - ``mean of NAME``: posterior mean of each animal.

        The settings and, by animal, the reasons of those that are not trusted (``untrusted``) are in ``attrs``.

    Raises
    ------
    FluxError
        Fewer than two animals, different networks or priors, two animals of one name, an unknown flux, or an impossible
        number.
    """
    _check_numbers(variation, scale, family)
    animals = _named(estimates)
    _check_animals(animals)
    network = next(iter(animals.values())).network
    summaries = _of_fluxes(animals) if quantities is None else _of_quantities(animals, quantities)
    unit = network.flux_unit if quantities is None else ""
    rows = []
    for name, posterior, prior in summaries:
        row, means = _describe(posterior, prior, variation, scale, family)
        named = {f"mean of {each}": value for each, value in zip(animals, means, strict=True)}
        rows.append({"flux": name, "unit": unit} | row | named)
    table = pd.DataFrame(rows)
    untrusted = untrusted_reasons(animals.items())
    table.attrs = {"variation": variation, "scale": scale, "family": family, "untrusted": untrusted}
    return table


def _check_numbers(variation: float, scale: float, family: str) -> None:
    for name, value in (("variation", variation), ("scale", scale)):
        if not 0 < value < np.inf:
            raise FluxError(f"{name} = {value}: give a share of the flux above 0, such as 0.2 for 20 %.")
    if family not in FAMILIES:
        raise FluxError(f"no prior of the scatter between animals is called {family!r}. {suggest(family, FAMILIES)}")


def _named(estimates: Mapping[str, FluxEstimate] | Sequence[FluxEstimate]) -> dict[str, FluxEstimate]:
    if isinstance(estimates, Mapping):
        return dict(estimates)
    named = {each.sample: each for each in estimates}
    if len(named) < len(estimates):
        names = [each.sample for each in estimates]
        twice = next(each for each in names if names.count(each) > 1)
        raise FluxError(f"two animals are called {twice!r}; give a mapping of distinct names to estimates.")
    return named


def _check_animals(animals: dict[str, FluxEstimate]) -> None:
    if len(animals) < 2:
        raise FluxError(
            f"{len(animals)} animal ({', '.join(map(repr, animals)) or 'none'}): what varies between animals needs at "
            "least 2; quantify each animal by itself (pool=False) and give all of them."
        )
    check_one_network(animals.values())
    priors = {name: prior for name, each in animals.items() if (prior := _prior(each)) is not None}
    if 0 < len(priors) < len(animals):
        without = next(name for name in animals if name not in priors)
        raise FluxError(
            f"{next(iter(priors))!r} was quantified with a prior, {without!r} without one; treat all animals alike, "
            "all by quantify or all by fit_fluxes."
        )
    first, *others = priors.items() or [("", None)]
    for name, prior in others:
        if not _alike(first[1], prior):
            raise FluxError(
                f"{first[0]!r} and {name!r} were quantified with different priors of the fluxes; quantify all animals "
                "with the same settings."
            )


def _prior(estimate: FluxEstimate) -> xr.Dataset | None:
    """Return draws of the prior that the posterior contains; least squares know none."""
    if "net_flux" not in estimate.prior or "monte_carlo" in estimate.diagnostics:
        return None
    return estimate.prior


def _alike(first: xr.Dataset | None, second: xr.Dataset | None) -> bool:
    if first is None or second is None:
        return first is second
    a, b = (np.array([summarise_draws(draws) for draws in _columns(each)]) for each in (first, second))
    return bool((np.abs(a - b) <= _ALIKE * a[:, 1:] + _FIXED * np.abs(a[:, :1])).all())


def _columns(fluxes: xr.Dataset) -> np.ndarray:
    """Return draws of every net flux, shape ``(reaction, draw)``."""
    net = fluxes["net_flux"].transpose(..., "reaction").values
    return net.reshape(-1, net.shape[-1]).T


def _of_fluxes(animals: dict[str, FluxEstimate]):
    """Yield name, posterior summaries ``(animal, 2)`` and prior summary of every net flux."""
    first = next(iter(animals.values()))
    draws = [_columns(each.posterior) for each in animals.values()]
    known = _prior(first)
    prior = None if known is None else _columns(known)
    for i, name in enumerate(first.network.reaction_names):
        own = np.array([summarise_draws(each[i]) for each in draws])
        yield name, own, (0.0, np.inf) if prior is None else summarise_draws(prior[i])


def _of_quantities(animals: dict[str, FluxEstimate], quantities: Quantities):
    named = quantities if isinstance(quantities, Mapping) else {each: each for each in _texts(quantities)}
    first = next(iter(animals.values()))
    known = _prior(first)
    for name, quantity in named.items():
        own = np.array([summarise_draws(_draws(each, name, quantity)) for each in animals.values()])
        prior = replace(first, posterior=known) if known is not None else None
        yield name, own, (0.0, np.inf) if prior is None else summarise_draws(_draws(prior, name, quantity))


def _texts(quantities: Sequence[str]) -> Sequence[str]:
    if isinstance(quantities, str):
        raise FluxError(f"quantities must be a list or a mapping, not the text {quantities!r}; write [{quantities!r}].")
    return quantities


def _draws(estimate: FluxEstimate, name: str, quantity: Quantity) -> np.ndarray:
    if isinstance(quantity, str):
        return estimate.quantity(quantity).values.ravel()
    try:
        values = np.asarray(quantity(estimate.posterior), dtype=float)
    except KeyError as error:
        hint = suggest("", estimate.network.reaction_names)
        raise FluxError(f"quantity {name!r} asks for a flux that does not exist ({error}). {hint}") from error
    expected = estimate.posterior["net_flux"].shape[:-1]
    if values.shape != expected:
        raise FluxError(
            f"quantity {name!r} has the shape {values.shape} where there are draws of shape {expected}; return one "
            "value per draw, such as fluxes['net_flux'].sel(reaction=NAME)."
        )
    return values.ravel()


def _describe(
    posterior: np.ndarray, prior: tuple[float, float], variation: float, scale: float, family: str
) -> tuple[dict[str, float], np.ndarray]:
    """Return one row, and the mean of each animal; ``posterior`` holds their centres and widths, ``(animal, 2)``."""
    own, error = posterior.T
    value = float(own.mean())
    if max(error.max(), np.ptp(own)) <= _FIXED * abs(value):  # by the network: nothing to divide but rounding
        return _row(len(own), [value] * 3, [0.0] * 3, np.nan, scale * abs(value)), np.full(len(own), value)
    if not np.isfinite(prior).all():
        prior = (0.0, np.inf)
    centre, width = without_prior(own, error, *prior)
    tells = np.isfinite(width)
    count = int(tells.sum())
    if count < 2:
        return _row(count, [np.nan] * 3, [np.nan] * 3, np.nan, np.nan), np.full(len(own), np.nan)
    size = float(np.sqrt(np.mean(own[tells] ** 2 + error[tells] ** 2)))
    found = common_posterior(centre, width, scale=scale * size, family=family, prior=prior)
    mean, between = found.mean_quantiles(_TAILS), found.scatter_quantiles(_TAILS)
    return _row(count, mean, between, found.probability_beyond(variation), scale * size), found.animals


def _row(count: int, mean: list[float], between: list[float], probability: float, scale: float) -> dict[str, float]:
    ends = ("", "_lower", "_upper")
    return {
        "animals": count,
        **{f"mean{end}": value for end, value in zip(ends, mean, strict=True)},
        **{f"between_sd{end}": value for end, value in zip(ends, between, strict=True)},
        "probability_varies": probability,
        "scatter_scale": scale,
    }
