"""Small networks whose flux spaces can be worked out by hand."""

from fluxkit.networks import FluxRule, Network, parse_reactions

FORK = """
up: A_x (a) -> A (a)
left: A (a) -> B_x (a)
right: A (a) -> C_x (a)
"""
TRIPLE = FORK + "straight: A (a) -> D_x (a)\n"


def network(text: str, **rules: FluxRule) -> Network:
    """Build a network from ``.rxn`` text with flux rules by reaction name."""
    reactions, symmetric = parse_reactions(text)
    return Network("small", reactions, symmetric, rules=rules)


def fork(**rules: FluxRule) -> Network:
    """Build a network with one free flux: ``left + right = 100``."""
    return network(FORK, **{"up": FluxRule(100, 100), "left": FluxRule(0), "right": FluxRule(0), **rules})


def triple(**rules: FluxRule) -> Network:
    """Build a network with two free fluxes on a triangle: ``left + right + straight = 100``."""
    bounds = {name: FluxRule(0) for name in ("left", "right", "straight")}
    return network(TRIPLE, **{"up": FluxRule(100, 100), **bounds, **rules})
