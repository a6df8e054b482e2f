"""Turnover of a circulating nutrient at isotopic steady state of a constant tracer infusion, by named definition."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import xarray as xr

from fluxkit.errors import FluxError, LabelingError, UnknownNameError, suggest
from fluxkit.physiology.quantity import first_place, propagate, quantity, require_range, require_units


@dataclass(frozen=True)
class TurnoverDefinition:
    """What a turnover counts.

    Parameters
    ----------
    basis : {"molecule", "atom"}
        Molecules that stay whole, or atoms.
    side : {"appearance", "disappearance"}
        What enters the plasma without the infused tracer, or what leaves it.
    meaning : str
        In words.
    """

    basis: str
    side: str
    meaning: str


TURNOVER_DEFINITIONS = MappingProxyType(
    {
        "intact appearance": TurnoverDefinition(
            "molecule", "appearance", "molecules made or released into plasma, without the infused tracer"
        ),
        "intact disappearance": TurnoverDefinition(
            "molecule", "disappearance", "molecules that leave plasma or are broken, the infused ones among them"
        ),
        "atom appearance": TurnoverDefinition(
            "atom", "appearance", "atoms that are new to plasma's pool, without the infused tracer"
        ),
        "atom disappearance": TurnoverDefinition(
            "atom", "disappearance", "atoms that leave and never return, the infused ones among them"
        ),
    }
)
"""The four definitions. At steady state disappearance = appearance + infusion."""

CIRCULATORY_PROTOCOLS = MappingProxyType({"Hui 2017": ("molecule", "tail"), "Yuan 2024": ("atom", "artery")})
"""What was measured where: fully labeled molecules in tail blood (doi:10.1038/nature24057), atoms in arterial blood
(doi:10.1101/2024.02.11.579776)."""


def turnover(
    enrichment: xr.Dataset, infusion: xr.Dataset, *, definition: str, tracer_enrichment: xr.Dataset | float = 1.0
) -> xr.Dataset:
    r"""Return the rate at which a nutrient enters or leaves plasma, from how far it dilutes an infused tracer.

    At isotopic steady state the label infused equals the label that leaves (isotope dilution,
    doi:10.3803/EnM.2020.406, doi:10.1038/s42255-021-00419-2):

    .. math:: R_d = I \, E_t / E, \qquad R_a = R_d - I = I \, (E_t / E - 1)

    Ra **excludes** the infused tracer, Rd **includes** it: at steady state Rd = Ra + infusion. On the basis of
    molecules, one that is broken and made again (glucose through lactate) counts as new; on the basis of atoms it does
    not, so atom turnover is the lower of the two. Errors by the delta method, those of infusion, tracer and plasma
    independent.

    Parameters
    ----------
    enrichment : xarray.Dataset
        Quantity, fraction of the infused nutrient in plasma that is labeled; its ``basis`` must be that of the
        definition (:func:`intact_fraction`, :func:`atom_enrichment`).
    infusion : xarray.Dataset
        Quantity, rate of infusion of the nutrient, labeled or not, such as nmol/min/g or nmol C/min/g.
    definition : str
        One of :data:`TURNOVER_DEFINITIONS`: ``"intact appearance"``, ``"intact disappearance"``,
        ``"atom appearance"``, ``"atom disappearance"``.
    tracer_enrichment : xarray.Dataset or float
        Fraction of what is infused that is labeled, on the same basis.

    Returns
    -------
    xarray.Dataset
        A quantity in the unit of ``infusion``, with ``definition``, ``basis``, ``side`` and ``site`` in ``attrs``.

    Raises
    ------
    UnknownNameError
        A definition that does not exist.
    FluxError
        A negative infusion; an enrichment of another basis than the definition.
    LabelingError
        An enrichment of zero, above 1, or above the tracer's.
    """
    if definition not in TURNOVER_DEFINITIONS:
        raise UnknownNameError(
            f"turnover has no definition {definition!r}. {suggest(definition, TURNOVER_DEFINITIONS)}"
        )
    meant = TURNOVER_DEFINITIONS[definition]
    tracer = _check(enrichment, infusion, tracer_enrichment, meant.basis, f"definition {definition!r}")
    endogenous = 1.0 if meant.side == "appearance" else 0.0
    result = propagate(
        lambda plasma, rate, source: rate * (source / plasma - endogenous), enrichment, infusion, tracer,
        units=infusion.attrs["units"], same=("site",), basis=meant.basis, side=meant.side,
    )  # fmt: skip
    return result.assign_attrs(definition=definition)


def circulatory_flux(
    enrichment: xr.Dataset, infusion: xr.Dataset, *, protocol: str, tracer_enrichment: xr.Dataset | float = 1.0
) -> xr.Dataset:
    r"""Return the circulatory (turnover) flux of a nutrient as one of two studies defines it; it excludes the tracer.

    .. math:: F_{circ} = I \, (E_t / E - 1)

    ``"Hui 2017"`` takes fully labeled molecules in tail blood (doi:10.1038/nature24057), ``"Yuan 2024"`` atoms in
    arterial blood (doi:10.1101/2024.02.11.579776). They differ by recycling and by where blood is sampled, twofold for
    lactate, and are never mixed. Errors by the delta method.

    Parameters
    ----------
    enrichment : xarray.Dataset
        Quantity, fraction of the infused nutrient in plasma, which states ``basis`` and ``site``.
    infusion : xarray.Dataset
        Quantity, rate of infusion, such as nmol/min/g or nmol C/min/g.
    protocol : {"Hui 2017", "Yuan 2024"}
        Whose definition.
    tracer_enrichment : xarray.Dataset or float
        Fraction of what is infused that is labeled.

    Returns
    -------
    xarray.Dataset
        A quantity in the unit of ``infusion``.

    Raises
    ------
    UnknownNameError
        A protocol that does not exist.
    FluxError
        The enrichment is of another basis or site than the protocol; a negative infusion.
    LabelingError
        An enrichment of zero, above 1, or above the tracer's.
    """
    if protocol not in CIRCULATORY_PROTOCOLS:
        raise UnknownNameError(f"no protocol {protocol!r}. {suggest(protocol, CIRCULATORY_PROTOCOLS)}")
    basis, site = CIRCULATORY_PROTOCOLS[protocol]
    if enrichment.attrs.get("site") != site:
        raise FluxError(
            f"protocol {protocol!r} samples site {site!r}, but the enrichment states {enrichment.attrs.get('site')!r}. "
            "The two are never mixed: state the site where the enrichment was measured, or take the other protocol."
        )
    name = "intact appearance" if basis == "molecule" else "atom appearance"
    return turnover(enrichment, infusion, definition=name, tracer_enrichment=tracer_enrichment).assign_attrs(
        protocol=protocol
    )


def infusion_rate(concentration: xr.Dataset, pump: xr.Dataset) -> xr.Dataset:
    """Return the rate of infusion, concentration times pump rate: mM * uL/min/g = nmol/min/g.

    Parameters
    ----------
    concentration : xarray.Dataset
        Quantity, mM.
    pump : xarray.Dataset
        Quantity, uL/min/g body weight.

    Raises
    ------
    FluxError
        Another unit, or a negative value.
    """
    require_range(require_units(concentration, "mM", "the concentration of the infusate"), "the concentration")
    require_range(require_units(pump, "uL/min/g", "the pump rate"), "the pump rate")
    return propagate(lambda c, v: c * v, concentration, pump, units="nmol/min/g")


def in_carbon(flux: xr.Dataset, carbons: xr.DataArray | float) -> xr.Dataset:
    """Return a flux of molecules as a flux of their carbon atoms: nmol/min/g becomes nmol C/min/g.

    Parameters
    ----------
    flux : xarray.Dataset
        Quantity in a unit of molecules, such as nmol/min/g.
    carbons : xarray.DataArray or float
        Carbon atoms per molecule.

    Raises
    ------
    FluxError
        The flux is in carbon already.
    """
    units = flux.attrs.get("units", "")
    amount, slash, rest = units.partition("/")
    if not slash or " C" in amount:
        raise FluxError(
            f"the flux is in {units!r}; only a flux of molecules, such as 'nmol/min/g', becomes one of carbon."
        )
    return flux.map(lambda each: each * carbons).assign_attrs({**flux.attrs, "units": f"{amount} C/{rest}"})


def compare_turnover(found: xr.Dataset, reference: xr.Dataset) -> xr.Dataset:
    """Return the ratio of two turnovers of one definition, with the errors of both.

    Molecule-based turnover from tail blood and atom-based turnover from arterial blood differ by definition
    (doi:10.1038/nature24057, doi:10.1101/2024.02.11.579776); comparing them is an error.

    Parameters
    ----------
    found, reference : xarray.Dataset
        Quantities of one unit; each must state ``basis``, ``side`` and ``site``.

    Returns
    -------
    xarray.Dataset
        ``value`` and ``sd`` of the ratio found / reference (delta method, independent errors), and ``z``, the
        logarithm of the ratio over its sd: within +-1.96 where the two agree at 95 %.

    Raises
    ------
    FluxError
        The two have other units or definitions, or one does not state its definition.
    """
    for name in ("basis", "side", "site"):
        ours, theirs = found.attrs.get(name), reference.attrs.get(name)
        if ours is None or theirs is None:
            raise FluxError(f"a turnover does not state its {name}: {ours!r} and {theirs!r}. Say it to quantity(...).")
        if ours != theirs:
            raise FluxError(
                f"{name} is {ours!r} and {theirs!r}: turnovers of different definitions are never mixed. Recompute one "
                "from enrichment of the same basis and site."
            )
    require_units(reference, found.attrs["units"], "the reference turnover")
    ratio = propagate(lambda a, b: a / b, found, reference, units="ratio")
    relative = np.hypot(found["sd"] / found["value"], reference["sd"] / reference["value"])
    return ratio.assign(z=np.log(ratio["value"]) / relative)


def _check(
    enrichment: xr.Dataset, infusion: xr.Dataset, tracer_enrichment: xr.Dataset | float, basis: str, who: str
) -> xr.Dataset:
    """Refuse what has no turnover; return the enrichment of the tracer as a quantity."""
    stated = enrichment.attrs.get("basis")
    if stated != basis:
        raise FluxError(
            f"{who} needs enrichment of basis {basis!r}, but it states {stated!r}; the two are never mixed. "
            f"Use {'intact_fraction' if basis == 'molecule' else 'atom_enrichment'}, or say basis={basis!r}."
        )
    require_range(infusion, "the infusion rate")
    require_range(require_units(enrichment, "fraction", "the enrichment"), "the enrichment", 0.0, 1.0)
    if isinstance(tracer_enrichment, xr.Dataset):
        tracer = require_units(tracer_enrichment, "fraction", "the enrichment of the tracer")
        if tracer.attrs.get("basis", basis) != basis:
            raise FluxError(f"the tracer's enrichment is of basis {tracer.attrs['basis']!r}, not {basis!r}.")
    else:
        tracer = quantity(tracer_enrichment, 0.0, "fraction")
    require_range(tracer, "the enrichment of the tracer", 0.0, 1.0)
    none = enrichment["value"] <= 0
    if bool(none.any()):
        raise LabelingError(
            f"the enrichment is zero{first_place(none)}: without label turnover has no bound. Leave the nutrient out."
        )
    above = enrichment["value"] > tracer["value"]
    if bool(above.any()):
        raise LabelingError(
            f"the enrichment {enrichment['value'].values[above.values].flat[0]:.4g}{first_place(above)} is above "
            "that of the tracer: a pool cannot be richer than its only labeled source. Check tracer_enrichment and the "
            "natural-abundance correction."
        )
    return tracer
