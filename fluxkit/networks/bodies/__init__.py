"""Whole bodies and co-cultures, composed from templates of tissues and a circulation."""

from fluxkit.networks.bodies.compose import body_fields, compose_body
from fluxkit.networks.bodies.plan import BodyPlan, Circulation, Tissue
from fluxkit.networks.bodies.plan_text import read_body
from fluxkit.networks.bodies.templates import list_modules, list_templates

__all__ = [
    "BodyPlan",
    "Circulation",
    "Tissue",
    "body_fields",
    "compose_body",
    "list_modules",
    "list_templates",
    "read_body",
]
