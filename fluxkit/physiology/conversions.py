"""How fast circulating nutrients are made from one another, and the cycles between two of them."""

from types import MappingProxyType

import numpy as np
import xarray as xr

from fluxkit.errors import FluxError, UnknownNameError, suggest

CONVERSION_PROTOCOLS = MappingProxyType({"one infusion each": "appearance", "all infused": "disappearance"})
"""Which turnover of atoms the direct shares belong to, by what was infused in each experiment."""


def conversion_fluxes(contributions: xr.Dataset, turnover: xr.Dataset, *, protocol: str) -> xr.Dataset:
    r"""Return the flux of carbon from each circulating nutrient directly into each other one.

    Atom turnover counts only carbon that is new; of all carbon that enters and is not the nutrient's own, taken up and
    given back unchanged, a share r (``recycled``) is its own come back through others. So all of it is turnover over
    1 - r. The share f of nutrient i is seen under the tracers of the others, so what is infused of i **in those
    experiments** counts with it (from doi:10.1016/j.cmet.2020.07.013):

    .. math::

        J_{j \to i} = f_{ij} \, R_{a,i} / (1 - r_i) \quad \text{(one infusion each)}

        J_{j \to i} = f_{ij} \, R_{d,i} / (1 - r_i) \quad \text{(all infused)}

    Where each experiment infuses one nutrient alone, as is usual, f is a share of endogenous carbon, and the
    appearance Ra excludes the infusion. Where every experiment infuses all nutrients, all but one of them
    unlabeled, the infusion is among what f is a share of, and the disappearance Rd includes it. Either is exact
    where the infusion changes no other flux into plasma. Errors by the delta method, those of shares and turnover
    independent.

    Parameters
    ----------
    contributions : xarray.Dataset
        From :func:`direct_contributions` of the plasma nutrients.
    turnover : xarray.Dataset
        Quantity over ``nutrient``, nmol C/min/g or another unit of carbon: *atom appearance* for ``"one infusion
        each"``, *atom disappearance* for ``"all infused"``.
    protocol : {"one infusion each", "all infused"}
        What was infused in the experiment of each tracer: that nutrient alone, or all of them.

    Returns
    -------
    xarray.Dataset
        A quantity over ``(target, source)`` in the unit of ``turnover``.

    Raises
    ------
    FluxError
        A turnover of another definition, site or unit than shares of carbon go with.
    UnknownNameError
        A protocol that does not exist; a target without a turnover.
    """
    if protocol not in CONVERSION_PROTOCOLS:
        raise UnknownNameError(f"no protocol {protocol!r}. {suggest(protocol, CONVERSION_PROTOCOLS)}")
    side = CONVERSION_PROTOCOLS[protocol]
    if (turnover.attrs.get("basis"), turnover.attrs.get("side")) != ("atom", side):
        raise FluxError(
            f"the turnover is of {turnover.attrs.get('basis')!r} {turnover.attrs.get('side')!r}: with protocol "
            f"{protocol!r} shares of carbon belong to 'atom {side}' alone, definitions are never mixed. Use "
            f"turnover(..., definition='atom {side}')."
        )
    if contributions.attrs.get("site") != turnover.attrs.get("site"):
        raise FluxError(
            f"the shares are of site {contributions.attrs.get('site')!r}, the turnover of "
            f"{turnover.attrs.get('site')!r}: sites are never mixed. Take both of one site."
        )
    if " C/" not in turnover.attrs.get("units", ""):
        raise FluxError(
            f"the turnover is in {turnover.attrs.get('units')!r}: shares are of carbon. Use in_carbon first."
        )
    targets = [str(each) for each in contributions["target"].values]
    for each in targets:
        if each not in turnover["nutrient"].values:
            raise UnknownNameError(f"no turnover of {each!r}. {suggest(each, map(str, turnover['nutrient'].values))}")
    rate = turnover.sel(nutrient=targets).rename(nutrient="target")
    scale = 1 / (1 - contributions["recycled"])
    value = contributions["contribution"] * rate["value"] * scale
    variance = (contributions["contribution_sd"] * rate["value"] * scale) ** 2
    variance = variance + (contributions["contribution"] * rate["sd"] * scale) ** 2
    attrs = {name: turnover.attrs[name] for name in ("units", "basis", "site") if name in turnover.attrs}
    return xr.Dataset({"value": value, "sd": np.sqrt(variance)}, attrs=attrs)


def nutrient_cycle(conversions: xr.Dataset, first: str, second: str) -> xr.Dataset:
    """Return the cycle between two nutrients: the carbon that goes both ways, such as the Cori cycle.

    The Cori cycle is glucose to lactate to glucose, the glucose-alanine cycle the same through alanine
    (doi:10.1016/j.cmet.2020.07.013). The cycle carries the smaller of the two directions.

    Parameters
    ----------
    conversions : xarray.Dataset
        Quantity over ``(..., target, source)`` in a unit of carbon, from labeling (:func:`conversion_fluxes`) or from a
        flux state (:func:`fluxkit.physiology.conversions_of_state`).
    first, second : str
        The two nutrients.

    Returns
    -------
    xarray.Dataset
        ``forward`` (first to second), ``backward`` and ``cycle``, each with ``_sd``, in the unit of ``conversions``;
        ``forward - backward`` is net transport.

    Raises
    ------
    UnknownNameError
        A nutrient that the conversions do not hold.
    """
    for name in (first, second):
        for side in ("target", "source"):
            known = [str(each) for each in conversions[side].values]
            if name not in known:
                raise UnknownNameError(f"the conversions have no {side} {name!r}. {suggest(name, known)}")
    forward = conversions.sel(source=first, target=second).drop_vars(["source", "target"])
    backward = conversions.sel(source=second, target=first).drop_vars(["source", "target"])
    smaller = forward["value"] <= backward["value"]
    return xr.Dataset(
        {
            "forward": forward["value"],
            "forward_sd": forward["sd"],
            "backward": backward["value"],
            "backward_sd": backward["sd"],
            "cycle": xr.where(smaller, forward["value"], backward["value"]),
            "cycle_sd": xr.where(smaller, forward["sd"], backward["sd"]),
        },
        attrs={"units": conversions.attrs["units"], "first": first, "second": second},
    )
