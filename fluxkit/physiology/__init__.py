"""Whole-body quantities: turnover, direct sources, oxidation, tissue balances and cycles, with errors."""

from fluxkit.physiology.arteriovenous import mixed_vein, tissue_balance, unmixed_vein
from fluxkit.physiology.carbon_origins import carbon_sources, conversions_of_state, oxidation_by_tissue
from fluxkit.physiology.conversions import CONVERSION_PROTOCOLS, conversion_fluxes, nutrient_cycle
from fluxkit.physiology.enrichment import atom_enrichment, intact_fraction
from fluxkit.physiology.fuels import tissue_fuels
from fluxkit.physiology.mouse import MousePhysiology, read_mouse, recompute_turnover, turnover_table
from fluxkit.physiology.organs import glucose_recycling, organ_balances, substrate_cycle, urea_turnover
from fluxkit.physiology.oxidation import BICARBONATE_RECOVERY, direct_oxidation, oxidised_fraction
from fluxkit.physiology.quantity import from_range, propagate, quantity
from fluxkit.physiology.sources import direct_contributions, normalised_labeling
from fluxkit.physiology.turnover import (
    CIRCULATORY_PROTOCOLS,
    TURNOVER_DEFINITIONS,
    circulatory_flux,
    compare_turnover,
    in_carbon,
    infusion_rate,
    turnover,
)
from fluxkit.physiology.urine import unlabeled_share_of_urine

__all__ = [
    "quantity",
    "from_range",
    "propagate",
    "intact_fraction",
    "atom_enrichment",
    "TURNOVER_DEFINITIONS",
    "CIRCULATORY_PROTOCOLS",
    "turnover",
    "circulatory_flux",
    "compare_turnover",
    "infusion_rate",
    "in_carbon",
    "normalised_labeling",
    "direct_contributions",
    "CONVERSION_PROTOCOLS",
    "conversion_fluxes",
    "nutrient_cycle",
    "BICARBONATE_RECOVERY",
    "oxidised_fraction",
    "direct_oxidation",
    "tissue_balance",
    "unmixed_vein",
    "mixed_vein",
    "organ_balances",
    "conversions_of_state",
    "oxidation_by_tissue",
    "carbon_sources",
    "tissue_fuels",
    "glucose_recycling",
    "substrate_cycle",
    "urea_turnover",
    "unlabeled_share_of_urine",
    "MousePhysiology",
    "read_mouse",
    "turnover_table",
    "recompute_turnover",
]
