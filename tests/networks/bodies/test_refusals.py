"""What a plan that cannot be a body is told: the value, the place and the cure."""

import re

import pytest

from fluxkit import BodyPlan, Circulation, Tissue, compose_body, read_network
from fluxkit.errors import NetworkError, UnknownNameError
from fluxkit.networks.bodies.templates import read_defaults

EATER = ("IN: Glc.@ (abcdef) -> Glc (abcdef)", "OUT: Glc (abcdef) -> Used_x (abcdef)")
FLOWS = {"M": 0.4, "B": 0.2, "G": 0.15, "L": 0.4}


def eaters(flows=None, **fields) -> BodyPlan:
    """Tissues that take up glucose, one of them draining into the portal vein where flows are given."""
    tissues = tuple(
        Tissue(letter, EATER, flow=(flows or {}).get(letter), drains="portal" if flows and letter == "G" else "venous")
        for letter in FLOWS
    )
    return BodyPlan(tissues, **{"name": "small", "infusions": "Glc", **fields})


def portal(flows=None, **fields) -> BodyPlan:
    return eaters(FLOWS if flows is None else flows, circulation=Circulation("portal", **fields))


def refused(message: str, plan, error: type[Exception] = NetworkError) -> None:
    with pytest.raises(error, match=re.escape(message)):
        compose_body(plan() if callable(plan) else plan)


def test_the_small_body_is_one():
    assert len(compose_body(eaters()).reactions) == 9
    assert len(compose_body(portal()).equalities) == 3


def test_a_tissue_that_nothing_joins_to_the_circulation_is_refused():
    lines = ("IN: Store_x (ab) -> A (ab)", "OUT: A (ab) -> Used_x (ab)")
    refused(
        "tissue 'T' (tumour): no reaction joins it to the circulation. Add transport, such as the module 'lactate'",
        BodyPlan((Tissue("T", lines, name="tumour"),)),
    )


@pytest.mark.parametrize("kind", ["infusions", "diet"])
def test_what_goes_into_an_unknown_pool_is_refused(kind):
    prefix = {"infusions": "INF", "diet": "DIET"}[kind]
    refused(
        f"body 'small': {prefix}_Glx goes into 'Glx', which no tissue exchanges with the circulation. Did you mean",
        eaters(**{kind: ["Glc", "Glx"]}),
    )


def test_rest_and_order_name_what_circulates():
    refused(
        "body 'small', rest: no tissue exchanges 'Glx' with the circulation. Did you mean 'Glc'?", eaters(rest="Glx")
    )
    refused(
        "circulation, metabolites: no tissue exchanges 'Lac'. Did you mean 'Glc'?",
        eaters(circulation=Circulation("arterial-venous", metabolites=("Lac",))),
    )


def test_what_only_enters_the_circulation_is_refused_with_its_cure():
    refused(
        "body 'small', circulation: 'Glc' only leaves it; at steady state nothing flows there. Add a tissue or "
        "interface that closes the balance, omit the reactions, or name what the rest of the body does: rest = ['Glc']",
        eaters(infusions=()),
    )


def test_what_one_reaction_alone_exchanges_is_refused():
    refused(
        "body 'body', circulation: 'Lac' takes part in 'M_MCT' only; at steady state nothing flows there.",
        BodyPlan((Tissue("M", ("glycolysis", "lactate")),), rest="Glc"),
    )


def test_units_of_tissues_and_body_must_agree():
    refused(
        "tissue 'L' (liver): its template has fluxes in 'nmol/min/g body weight', the body in 'umol/min'. Give the "
        "body that unit, or leave the numbers of templates out by targets = false and give a limit.",
        BodyPlan((Tissue("L", "liver"),), flux_unit="umol/min"),
    )
    refused(
        "tissue 'L' (liver): 'fibroblast' has fluxes in nmol/h/10^6 cells, what stands before it in nmol/min/g body",
        BodyPlan((Tissue("L", ("liver", "fibroblast"), omit="LDH"),)),
    )


def test_units_of_flows_must_agree():
    mixed = {**FLOWS, "B": "3 mL/min/g body weight"}
    refused(
        "flows disagree in their unit: 'M' is in shares of the cardiac output, 'B' in mL/min/g body weight",
        portal(mixed),
    )
    hourly = {letter: f"{value} mL/h/g body weight" for letter, value in FLOWS.items()}
    refused("flows in mL/h/g body weight need the cardiac output in mL/h/g body weight; add", portal(hourly))
    refused(
        "flows are in mL/h/g body weight, fluxes in nmol/min/g body weight: per 'h' and per 'min'. Write both",
        portal(hourly, cardiac_output="1 mL/h/g body weight"),
    )
    refused("tissue 'M' (M): cannot read the flow 'much'; write a share", lambda: portal({**FLOWS, "M": "much"}))
    refused("cannot read the flow -0.1; write a share", lambda: portal({**FLOWS, "M": -0.1}))


def test_blood_flow_that_does_not_balance_is_refused():
    refused(
        "body 'small': the organs get 1.1 of a cardiac output of 1 (shares of the cardiac output); correct a flow",
        portal({**FLOWS, "B": 0.3}),
    )
    refused("correct a flow, or say what flows past them by rest_flow = 0.1.", portal({**FLOWS, "B": 0.1}))
    compose_body(portal({**FLOWS, "B": 0.1}, rest_flow=0.1))
    refused(
        "the portal vein carries 0.2 (shares of the cardiac output), but G drain 0.15 into it; correct one",
        portal(portal_flow=0.2),
    )
    refused(
        "0.1 (shares of the cardiac output) flow through 'L', less than the 0.15 that G drain into the portal vein",
        portal({**FLOWS, "L": 0.1}),
    )


def test_flows_are_given_to_all_tissues_or_to_none():
    refused(
        "body 'small', tissue 'B' (B) has no blood flow, but others do; give it one, or none to any.",
        portal({letter: value for letter, value in FLOWS.items() if letter != "B"}),
    )
    refused("body 'small', tissue 'B' (B): flow = 0; a tissue needs blood", portal({**FLOWS, "B": 0}))
    refused("flows are stated (M, B, G, L), but kind = 'plasma' has no use for them.", eaters(FLOWS))
    refused(
        "'G' drains into a portal vein, but kind = 'arterial-venous'",
        eaters(FLOWS, circulation=Circulation("arterial-venous")),
    )
    refused("the portal vein feeds 'X', which is no tissue. ", portal(liver="X"))
    for given, text in (({"cardiac_output": "1 mL/min"}, "cardiac_output"), ({"rest_flow": 0.1}, "rest_flow")):
        refused(
            f"body 'small': {text} given, but no tissue has a blood flow; write flow = ... for each of M, B, G, L, or "
            f"leave out {text}.",
            eaters(circulation=Circulation("arterial-venous", **given)),
        )


def test_a_rest_of_the_body_without_blood_takes_nothing_from_it():
    refused(
        "body 'small': rest = ['Glc'] is taken from the blood by parts of the body without a tissue here, but "
        "rest_flow = 0 of a cardiac output of 1 (shares of the cardiac output) brings them none. Give them a "
        "rest_flow and the tissues less, or leave it out of rest and add the tissue that uses it.",
        eaters(FLOWS, rest="Glc", circulation=Circulation("portal")),
    )


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_tissue_without_mass_is_refused(scale):
    refused(
        f"tissue 'T' (muscle): scale = {scale:g}; it is the mass of the tissue",
        lambda: Tissue("T", "muscle", scale=scale),
    )


@pytest.mark.parametrize("fraction", [-0.1, 0.0, 1.5])
def test_a_population_fraction_outside_of_0_to_1_is_refused(fraction):
    refused(
        f"tissue 'F' (fibroblast): fraction = {fraction:g}; a share of a population is from 0 to 1.",
        lambda: Tissue("F", "fibroblast", fraction=fraction),
    )
    refused("scale and fraction say the same", lambda: Tissue("F", "fibroblast", fraction=0.5, scale=2))
    halves = [Tissue(letter, EATER, fraction=0.7) for letter in "TF"]
    refused(
        "body 'body': the fractions of its populations sum to 1.4; they must not exceed 1.",
        lambda: BodyPlan(tuple(halves)),
    )


def test_an_omitted_reaction_that_the_template_lacks_is_refused():
    refused(
        "tissue 'L' (liver) omits reaction 'PCCX', which its template lacks. Did you mean 'PCC' or",
        BodyPlan((Tissue("L", "liver", omit="PCCX"),)),
    )


def test_letters_are_given_once():
    refused(
        "body 'body': letter 'L' of muscle already means liver; choose another.",
        lambda: BodyPlan((Tissue("L", "liver"), Tissue("L", "muscle"))),
    )
    refused("letter 'P' of liver already means plasma", lambda: BodyPlan((Tissue("P", "liver"),)))
    refused("tissue 'a b': a letter is a short name such as 'L' or 'K2'.", lambda: Tissue("a b", "liver"))


def test_an_unknown_template_is_refused_with_the_nearest_name():
    refused(
        "tissue 'L' (livr): there is no template or module 'livr'. Did you mean 'liver'",
        BodyPlan((Tissue("L", "livr"),)),
        UnknownNameError,
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("IN: Glc.@ (abcdef) -> Glc", "reaction 'M_IN': Glc.M has 0 carbon letters, but 6 in reaction 'M_OUT'"),
        (
            "IN: Glc.@ (abcdef) -> Glc.m (abcdef)",
            "'Glc.m' is in compartment 'm', which the body lacks. Write 'Glc' in the",
        ),
        ("IN: Glc@ (abcdef) -> Glc (abcdef)", "names 'Glc@'; write 'Pyr' in the tissue, 'Pyr.@' in the circulation"),
        ("IN: Glc.@ = Glc", "tissue 'M' (M): cannot read 'IN: Glc.@ = Glc'; write 'name: A (ab) -> B (ab)'"),
        ("OUT: Glc.@ (abcdef) -> Glc (abcdef)", "reaction 'OUT' stands twice; omit one of them, or rename it."),
        ("%symetric Glc", "unknown directive '%symetric'. Did you mean '%symmetric'"),
        (
            "IN: Glc.@ (abcdef) -> Glc (abcdef)\n%symmetric Glx",
            "symmetric metabolite 'Glx' takes part in no reaction. Did you mean 'Glc'",
        ),
    ],
)
def test_a_wrong_line_is_refused(line, message):
    refused(message, BodyPlan((Tissue("M", (EATER[1], line)),), infusions="Glc" if "Glc.@ (" in line else ()))


def test_a_reaction_to_reverse_must_exist():
    refused("reversible names no reaction of it, 'INN'. Did you mean 'IN'", eaters(reversible="INN"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[tissues]\nL = "liver"\nL = "muscle"',
            "Cannot overwrite a value (at end of document). A letter or field may stand only once. Correct the line.",
        ),
        ("[tissues]\nL = liver", "body.toml cannot be read as TOML: Invalid value (at line 2"),
        ('tissue = "liver"', "body.toml: unknown field 'tissue'. Did you mean 'tissues'?"),
        (
            "[tissues]\nL = { modules = 'liver', scal = 2 }",
            "body.toml: tissue 'L': unknown field 'scal'. Did you mean 'scale'",
        ),
        ("[tissues]\nL = { modules = 'liver', scale = 'two' }", "tissue 'L': scale = 'two'; write a number."),
        ("[tissues]\nL = { modules = 'liver', scale = true }", "tissue 'L': scale = True; write a number."),
        ("[tissues]\nL = { scale = 2 }", "body.toml: tissue 'L' has no modules; write modules = 'liver', or a list"),
        ("[tissues]\nL = ['liver', 2]", "body.toml: 2 stands where a text is meant; put it into quotes."),
        (
            "diet = { Glc = 'much' }\n[tissues]\nL = 'liver'",
            "body.toml: diet: the rate of 'Glc' is 'much'; write a number.",
        ),
        (
            "diet = { Glc = -1 }\n[tissues]\nL = 'liver'",
            "body.toml: body 'body', diet: the rate of 'Glc' is -1; it is at least 0.",
        ),
        (
            "[circulation]\nkind = 'portals'\n[tissues]\nL = 'liver'",
            "circulation: there is no kind 'portals'. Did you mean 'portal'",
        ),
        ("limit = 0\n[tissues]\nL = 'liver'", "body.toml: body 'body': limit = 0; the largest flux is above 0."),
        ("", "body.toml: body 'body' has no tissues; add one, L = 'liver'."),
        ("base = 'body.toml'", "body.toml: its base is itself; name another base, or none."),
        ("base = 'wholebody'\nwithout = ['X']", "body.toml: without: the base has no tissue 'X'."),
    ],
)
def test_a_wrong_text_is_refused_with_its_place(text, message, tmp_path):
    (tmp_path / "body.toml").write_text(text, encoding="utf-8")
    with pytest.raises(NetworkError, match=re.escape(message)):
        read_network(tmp_path / "body.toml")


@pytest.mark.parametrize("weight", ["0", "-1", "inf"])
def test_a_target_without_weight_is_refused(weight, tmp_path):
    (tmp_path / "liver.tsv").write_text(f"name\ttarget\tweight\nHK\t5\t{weight}\n", encoding="utf-8")
    message = (
        f"liver.tsv, line 2: the target of 'HK' has weight {float(weight):g}; a weight is above 0. Leave the target"
    )
    with pytest.raises(NetworkError, match=re.escape(message)):
        read_defaults(tmp_path / "liver.tsv", "unit")


def test_an_unknown_base_is_refused_with_the_nearest_name(tmp_path):
    (tmp_path / "body.toml").write_text("base = 'wholebdy'")
    with pytest.raises(UnknownNameError, match="neither a file beside it nor a bundled body. Did you mean 'wholebody'"):
        read_network(tmp_path / "body.toml")
