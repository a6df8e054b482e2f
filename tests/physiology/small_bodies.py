"""Small whole bodies whose turnover, sources and balances are known by construction."""

from fluxkit.networks import Network, parse_reactions

UNIT = "nmol/min/g"


def body(name: str, text: str) -> Network:
    return Network(name, *parse_reactions(text), flux_unit=UNIT)


CORI = body(
    "cori",
    """
    new: Glyg.L_x (abcdef) -> Glc.P (abcdef)
    inf_glc: Glc_inf_x (abcdef) -> Glc.P (abcdef)
    glycolysis: Glc.P (abcdef) -> Lac.P (cba) + Lac.P (def)
    gng: Lac.P (abc) + Lac.P (def) -> Glc.P (cbadef)
    inf_lac: Lac_inf_x (abc) -> Lac.P (abc)
    burn: Lac.P (abc) -> Out.M_x (abc)
    """,
)
"""Glucose is new or made again from lactate."""


def cori_fluxes(new: float, glucose: float, again: float, lactate: float) -> dict[str, float]:
    glycolysis = new + glucose + again
    return {
        "new": new, "inf_glc": glucose, "glycolysis": glycolysis, "gng": again, "inf_lac": lactate,
        "burn": 2 * glycolysis - 2 * again + lactate,
    }  # fmt: skip


EXCHANGE = body(
    "exchange",
    """
    new: S.L_x (ab) -> A.P (ab)
    inf: A_inf_x (ab) -> A.P (ab)
    take: A.P (ab) <-> A.M (ab)
    protein: Prot.M_x (ab) -> A.M (ab)
    use: A.M (ab) -> Out.M_x (ab)
    """,
)
"""Plasma exchanges a nutrient with a tissue that also makes it."""

TRIO = body(
    "trio",
    """
    sA: SA.L_x (ab) -> A.P (ab)
    sB: SB.M_x (ab) -> B.P (ab)
    sC: SC.K_x (ab) -> C.P (ab)
    iA: A_inf_x (ab) -> A.P (ab)
    iB: B_inf_x (ab) -> B.P (ab)
    iC: C_inf_x (ab) -> C.P (ab)
    tA: A.P (ab) <-> A.M (ab)
    AB: A.M (ab) -> B.P (ab)
    BA: B.P (ab) -> A.P (ab)
    BC: B.P (ab) -> C.P (ab)
    CA: C.P (ab) -> A.P (ab)
    oA: A.M (ab) -> CO2.P (a) + CO2.P (b)
    oB: B.P (ab) -> CO2.P (a) + CO2.P (b)
    oC: C.P (ab) -> CO2.P (a) + CO2.P (b)
    breath: CO2.P (a) -> CO2_breath_x (a)
    """,
)
"""Three nutrients made from one another, one of them through a tissue that gives some of it back, and burnt."""

TRIO_NET = {
    "sA": 10.0, "sB": 4.0, "sC": 1.0, "iA": 1.0, "iB": 0.5, "iC": 0.25, "tA": 15.0, "AB": 6.0, "BA": 3.0, "BC": 2.0,
    "CA": 1.0, "oA": 9.0, "oB": 5.5, "oC": 2.25, "breath": 33.5,
}  # fmt: skip
TRIO_EXCHANGE = {"tA": 5.0}
TRIO_TRACERS = {name: f"{name}_inf_x: 100% [U-13C2]" for name in "ABC"}
