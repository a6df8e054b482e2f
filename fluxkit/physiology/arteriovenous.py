"""What a tissue takes up and gives off, from blood flow and the difference between artery and vein."""

import xarray as xr

from fluxkit.errors import FluxError, LabelingError
from fluxkit.physiology.quantity import (
    aligned_quantities,
    first_place,
    propagate,
    quantity,
    require_range,
    require_units,
)


def balance_units(flow: str, concentration: str) -> str:
    """Return the unit of flow times concentration: mL/min/g * nmol/mL = nmol/min/g.

    Parameters
    ----------
    flow : str
        Unit of blood or plasma flow, a volume per time, such as ``"mL/min/g"``.
    concentration : str
        Unit of concentration, an amount per the same volume, such as ``"nmol/mL"``.

    Raises
    ------
    FluxError
        The volumes differ.
    """
    volume, _, time = flow.partition("/")
    amount, _, per = concentration.partition("/")
    if not time or volume != per:
        raise FluxError(
            f"flow is in {flow!r} and concentration in {concentration!r}: the volumes must agree, such as "
            "'mL/min/g' and 'nmol/mL' (which is uM). Convert one of them."
        )
    return f"{amount}/{time}"


def tissue_balance(
    flow: xr.Dataset,
    artery: xr.Dataset,
    vein: xr.Dataset,
    artery_enrichment: xr.Dataset | None = None,
    vein_enrichment: xr.Dataset | None = None,
) -> xr.Dataset:
    r"""Return net uptake of a tissue and, with a tracer, its simultaneous uptake and release.

    Conservation of mass and of tracer across the tissue at steady state (doi:10.1038/s12276-022-00803-2, the tracer as
    in doi:10.3803/EnM.2020.406):

    .. math::

        net = Q (c_a - c_v), \quad T = Q (c_a E_a - c_v E_v), \quad x = T / (Q c_a E_a)

        R_d = T / E_a = Q c_a x, \quad R_a = R_d - net = Q c_v (1 - E_v / E_a)

    with the enrichment at which tissue takes up taken as that of the artery: of a nutrient that the tissue both takes
    up and gives back labeled, uptake and release are lower bounds. Errors by the delta method; a value that
    stands in several terms is one variable.

    Parameters
    ----------
    flow : xarray.Dataset
        Quantity, flow Q of blood or plasma, as the concentrations are of, such as mL/min/g tissue.
    artery, vein : xarray.Dataset
        Quantities, concentrations, such as nmol/mL.
    artery_enrichment, vein_enrichment : xarray.Dataset, optional
        Quantities, fraction labeled, of one basis: molecules (M+n) or atoms.

    Returns
    -------
    xarray.Dataset
        ``net_uptake`` (negative where a tissue gives off) and, with enrichment, ``tracer_uptake``,
        ``fractional_extraction`` (a fraction), ``uptake`` (R_d) and ``release`` (R_a), each with ``_sd``; in amount per
        time, such as nmol/min/g. A release below zero is noise and is kept.

    Raises
    ------
    FluxError
        Units or bases that disagree, a negative flow or concentration, one enrichment without the other.
    LabelingError
        An enrichment outside 0 to 1, or zero in the artery.
    """
    units = balance_units(flow.attrs.get("units", ""), artery.attrs.get("units", ""))
    require_units(vein, artery.attrs["units"], "the venous concentration")
    for each, what in ((flow, "the flow"), (artery, "the arterial concentration"), (vein, "the venous concentration")):
        require_range(each, what)
    results = {"net_uptake": propagate(lambda q, a, v: q * (a - v), flow, artery, vein, units=units)}
    if (artery_enrichment is None) != (vein_enrichment is None):
        raise FluxError(
            "a tracer balance needs enrichment of both artery and vein, but one is missing. Give both, or none."
        )
    if artery_enrichment is not None and vein_enrichment is not None:
        _check_enrichments(artery_enrichment, vein_enrichment)
        blood = (flow, artery, vein, artery_enrichment, vein_enrichment)
        formulas = {
            "tracer_uptake": lambda q, a, v, ea, ev: q * (a * ea - v * ev),
            "fractional_extraction": lambda q, a, v, ea, ev: 1 - v * ev / (a * ea),
            "uptake": lambda q, a, v, ea, ev: q * (a - v * ev / ea),
            "release": lambda q, a, v, ea, ev: q * v * (1 - ev / ea),
        }
        for name, formula in formulas.items():
            results[name] = propagate(formula, *blood, units=units, same=("basis",))
    basis = {"basis": artery_enrichment.attrs["basis"]} if artery_enrichment is not None else {}
    variables = {name: each["value"] for name, each in results.items()}
    variables |= {f"{name}_sd": each["sd"] for name, each in results.items()}
    return xr.Dataset(variables, attrs={"units": units, **basis})


def unmixed_vein(sample: xr.Dataset, artery: xr.Dataset, arterial_share: xr.Dataset | float) -> xr.Dataset:
    r"""Return what leaves a tissue, from a venous sample into which arterial blood is mixed.

    Shunts and the capillaries of tail blood bring arterial blood past the tissue; with its share s

    .. math:: c_v = (c_{sample} - s \, c_a) / (1 - s)

    by conservation of mass (doi:10.1038/s12276-022-00803-2); for tracer, give the product of concentration and
    enrichment. Errors by the delta method.

    Parameters
    ----------
    sample, artery : xarray.Dataset
        Quantities of one unit: concentration, or concentration of tracer.
    arterial_share : xarray.Dataset or float
        Share s of the sample's volume that bypassed the tissue, 0 to below 1.

    Raises
    ------
    FluxError
        Units that disagree.
    LabelingError
        A share outside 0 to below 1.
    """
    require_units(artery, sample.attrs.get("units", ""), "the artery")
    share = arterial_share if isinstance(arterial_share, xr.Dataset) else quantity(arterial_share, 0.0, "fraction")
    require_range(require_units(share, "fraction", "the arterial share"), "the arterial share", 0.0, 1 - 1e-9)
    return propagate(lambda c, a, s: (c - s * a) / (1 - s), sample, artery, share, units=sample.attrs["units"])


def mixed_vein(flow: xr.Dataset, concentration: xr.Dataset, dim: str = "tissue") -> xr.Dataset:
    r"""Return the concentration where the veins of several tissues meet: the mean weighted by flow.

    .. math:: c = \sum_k Q_k c_k / \sum_k Q_k

    (doi:10.1038/s12276-022-00803-2). Errors by the delta method, those of the tissues independent.

    Parameters
    ----------
    flow, concentration : xarray.Dataset
        Quantities over ``dim``: flow through each tissue, and the concentration, or that of tracer, in what leaves it.
    dim : str
        Dimension of the tissues.

    Raises
    ------
    FluxError
        A negative flow, no flow at all, or tissues of which only flow or only concentration is known.
    """
    require_range(flow, "the flow")
    (flow_value, flow_sd), (value, sd) = aligned_quantities(flow, concentration)
    unknown = flow_value.isnull() | value.isnull()
    if bool(unknown.any()):
        raise FluxError(
            f"flow or concentration is NaN{first_place(unknown)}: what leaves all tissues is not known without it. "
            "Measure it, or leave that tissue out of both and say that the mean is of the others."
        )
    total = flow_value.sum(dim)
    if bool((total <= 0).any()):
        raise FluxError("no blood flows through any of the tissues, so nothing is mixed. Give a flow above zero.")
    weight = flow_value / total
    mean = (weight * value).sum(dim)
    variance = ((weight * sd) ** 2).sum(dim, skipna=False)
    variance = variance + (((value - mean) / total * flow_sd) ** 2).sum(dim, skipna=False)
    return xr.Dataset({"value": mean, "sd": variance**0.5}, attrs={"units": concentration.attrs.get("units", "")})


def _check_enrichments(artery: xr.Dataset, vein: xr.Dataset) -> None:
    for each, what in ((artery, "the arterial enrichment"), (vein, "the venous enrichment")):
        if "basis" not in each.attrs:
            raise FluxError(f"{what} does not state its basis. Say basis='molecule' or 'atom' to quantity.")
        require_range(require_units(each, "fraction", what), what, 0.0, 1.0)
    none = artery["value"] <= 0
    if bool(none.any()):
        raise LabelingError(
            f"the arterial enrichment is zero{first_place(none)}: no tracer reaches the tissue. Leave it out."
        )
