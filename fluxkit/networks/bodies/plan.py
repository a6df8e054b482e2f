"""The plan of a body: tissues, what joins them, and what crosses its borders, as frozen records."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fluxkit.errors import NetworkError, suggest
from fluxkit.networks.bodies.flow_text import read_flow
from fluxkit.networks.observations import ObservationTable

KINDS = ("plasma", "arterial-venous", "portal")
BALANCE = 1e-6  # relative; flows are typed with a few digits and must add up as typed
_LETTER = re.compile(r"(?!body$)[A-Za-z][A-Za-z0-9]*")


def entries_of(value: "str | tuple[str, ...] | list[str]") -> tuple[str, ...]:
    """Return one entry or several as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value)


@dataclass(frozen=True)
class Tissue:
    """One tissue, cell type or cell population of a body.

    Parameters
    ----------
    letter : str
        Suffix of its metabolites and prefix of its reactions: ``Pyr.L``, ``L_HK``.
    modules : str or sequence of str
        Templates of tissues (``"liver"``), modules (``"glycolysis"``) and reactions as ``.rxn`` lines, in order. In a
        line a bare metabolite is local to the tissue, ``Glc.@`` is in the circulation, ``NH4_urine.body_x`` an external
        pool of the body as a whole.
    name : str
        What it is called, ``"liver"``; by default its first module.
    add : str or sequence of str
        Further modules and lines.
    omit : str or sequence of str
        Reactions to leave out, named as in the template (``"PCC"``).
    scale : float
        Mass of this tissue per unit of body. Its fluxes are then per mass of tissue, and what crosses its border is
        multiplied by the scale, as a coefficient.
    fraction : float, optional
        Share of a population of cells, from 0 to 1, in place of a scale.
    flow : float or str, optional
        Its blood flow, a share of the cardiac output or a number with unit; for the liver of a portal circulation all
        of its inflow, the portal part included.
    drains : str
        ``"venous"``, or ``"portal"`` for what releases into the portal vein.
    extend : str or sequence of str
        Modules and lines that stand behind those of the whole body, so that the order of what was there stays.
    last : bool
        Whether all of its reactions stand there.

    Raises
    ------
    NetworkError
        A value is not possible.
    """

    letter: str
    modules: str | tuple[str, ...]
    name: str = ""
    add: str | tuple[str, ...] = ()
    omit: str | tuple[str, ...] = ()
    scale: float = 1.0
    fraction: float | None = None
    flow: float | str | None = None
    drains: str = "venous"
    extend: str | tuple[str, ...] = ()
    last: bool = False

    def __post_init__(self) -> None:
        for each in ("modules", "add", "omit", "extend"):
            object.__setattr__(self, each, entries_of(getattr(self, each)))
        if not _LETTER.fullmatch(self.letter):
            raise NetworkError(f"tissue {self.letter!r}: a letter is a short name such as 'L' or 'K2'.")
        if not self.name:
            first = next((each for each in self.modules if ":" not in each and each[:1] != "%"), self.letter)
            object.__setattr__(self, "name", first.replace("_", " "))
        where = f"tissue {self.letter!r} ({self.name})"
        if not 0 < self.scale < math.inf:
            raise NetworkError(
                f"{where}: scale = {self.scale:g}; it is the mass of the tissue per unit of body, above 0. "
                "Leave the tissue out instead of giving it no mass."
            )
        if self.fraction is not None:
            if not 0 < self.fraction <= 1:
                raise NetworkError(f"{where}: fraction = {self.fraction:g}; a share of a population is from 0 to 1.")
            if self.scale != 1:
                raise NetworkError(f"{where}: scale and fraction say the same; give one of them.")
        if self.drains not in ("venous", "portal"):
            raise NetworkError(f"{where}: drains = {self.drains!r}. {suggest(self.drains, ('venous', 'portal'))}")
        if self.flow is not None:
            read_flow(self.flow, where)

    @property
    def size(self) -> float:
        """Units of body per unit of this tissue: its scale or its fraction."""
        return self.scale if self.fraction is None else self.fraction


@dataclass(frozen=True)
class Circulation:
    """What joins the tissues: plasma, arterial and venous plasma, or these with a portal vein; or a medium.

    Parameters
    ----------
    kind : str
        ``"plasma"``: one pool ``P``. ``"arterial-venous"``: tissues take up from ``Pa`` and release into ``Pv``, and
        reversible transport is a pair ``NAME_f`` and ``NAME_r``. ``"portal"``: also, organs that drain into the portal
        vein release into ``Pp``, and the liver takes up from its own inflow ``Ps``, fed by ``Pp`` and its artery.
    pool : str
        The letter ``P``; ``"M"`` for a medium.
    name : str
        What it is called, ``"plasma"`` or ``"medium"``.
    metabolites : sequence of str
        Order of the circulating metabolites in the FLOW and PASS reactions; those not named follow.
    shared : sequence of str
        Metabolites that stand in no compartment, such as CO2 over a culture.
    cardiac_output : float or str, optional
        Sum of all flows, with their unit; 1 where flows are shares of it.
    liver : str
        Letter of the tissue that the portal vein feeds.
    portal_flow : float or str, optional
        Flow of the portal vein; it must be the sum of the organs that drain into it, and is by default.
    rest_flow : float or str
        Blood that flows past every tissue of the plan.
    """

    kind: str = "plasma"
    pool: str = "P"
    name: str = "plasma"
    metabolites: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    cardiac_output: float | str | None = None
    liver: str = "L"
    portal_flow: float | str | None = None
    rest_flow: float | str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "metabolites", entries_of(self.metabolites))
        object.__setattr__(self, "shared", entries_of(self.shared))
        if self.kind not in KINDS:
            raise NetworkError(f"circulation: there is no kind {self.kind!r}. {suggest(self.kind, KINDS)}")
        if not _LETTER.fullmatch(self.pool):
            raise NetworkError(f"circulation: pool = {self.pool!r}; write a letter such as 'P'.")

    @property
    def compartments(self) -> dict[str, str]:
        """Suffix and name of each pool of the circulation."""
        if self.kind == "plasma":
            return {self.pool: self.name}
        names = {"a": f"arterial {self.name}", "v": f"venous {self.name}"}
        if self.kind == "portal":
            names |= {"p": f"portal {self.name}", "s": f"{self.liver} inflow"}
        return {self.pool + end: name for end, name in names.items()}


@dataclass(frozen=True)
class BodyPlan:
    """A body as it is written down: what :func:`fluxkit.compose_body` makes a network of.

    Parameters
    ----------
    tissues : sequence of Tissue
        In order.
    circulation : Circulation
        What joins them.
    name : str
        Name of the network.
    flux_unit : str
        Unit of every flux, per unit of body (a tissue with a scale: per mass of tissue).
    interfaces : sequence of str
        Modules and lines of the body as a whole, such as ``"breath"``; a bare metabolite is in no tissue.
    infusions : mapping of str to float or None, or sequence of str
        Metabolites infused into (arterial) plasma with their rates; ``None`` takes the rate of the bundled bodies or
        leaves it free. ``"HCO3:CO2"`` calls the infusate of CO2 HCO3.
    diet : mapping of str to float or None, or sequence of str
        Metabolites that a meal brings into the circulation (the portal vein, where there is one) from an external pool
        ``Glc_diet_x`` of their own.
    rest : sequence of str
        Circulating metabolites that parts of the body without a tissue here supply (``X_rest_x``) and use.
    reversible : sequence of str
        Reactions to make reversible, in every tissue (``"IDH"``) or in one (``"L_IDH"``).
    targets : bool
        Whether the templates' prior targets are taken; they need the unit of the templates.
    limit : float, optional
        Largest flux of any reaction, where the bounds of the bundled bodies do not fit.
    observations : ObservationTable
        What measured names mean, where common names of metabolites (``"liver citrate"``, ``"plasma lactate"``) do not
        say it; of a plan with a base, the rows of the base.

    Raises
    ------
    NetworkError
        Letters are given twice, or values disagree.
    """

    tissues: tuple[Tissue, ...]
    circulation: Circulation = field(default_factory=Circulation)
    name: str = "body"
    flux_unit: str = "nmol/min/g body weight"
    interfaces: tuple[str, ...] = ()
    infusions: Mapping[str, float | None] | tuple[str, ...] = ()
    diet: Mapping[str, float | None] | tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    reversible: tuple[str, ...] = ()
    targets: bool = True
    limit: float | None = None
    observations: ObservationTable = field(default_factory=ObservationTable)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tissues", tuple(self.tissues))
        for each in ("interfaces", "rest", "reversible"):
            object.__setattr__(self, each, entries_of(getattr(self, each)))
        for each in ("infusions", "diet"):
            value = getattr(self, each)
            value = dict(value) if isinstance(value, Mapping) else dict.fromkeys(entries_of(value))
            object.__setattr__(self, each, MappingProxyType(value))
            self._check_rates(each, value)
        self._check_letters()
        if self.limit is not None and not 0 < self.limit < math.inf:
            raise NetworkError(f"body {self.name!r}: limit = {self.limit:g}; the largest flux is above 0.")
        shares = [each.fraction for each in self.tissues if each.fraction is not None]
        if sum(shares) > 1 + BALANCE:
            raise NetworkError(
                f"body {self.name!r}: the fractions of its populations sum to {sum(shares):g}; they must not exceed 1."
            )

    def __reduce__(self):
        values = (getattr(self, each) for each in self.__dataclass_fields__)
        return (BodyPlan, tuple(dict(v) if isinstance(v, MappingProxyType) else v for v in values))

    def _check_letters(self) -> None:
        if not self.tissues:
            raise NetworkError(f"body {self.name!r} has no tissues; add one, L = 'liver'.")
        taken = dict(self.circulation.compartments)
        for each in self.tissues:
            if each.letter in taken:
                raise NetworkError(
                    f"body {self.name!r}: letter {each.letter!r} of {each.name} already means "
                    f"{taken[each.letter]}; choose another."
                )
            taken[each.letter] = each.name

    def _check_rates(self, kind: str, rates: Mapping[str, float | None]) -> None:
        for name, rate in rates.items():
            if rate is not None and not 0 <= rate < math.inf:
                raise NetworkError(f"body {self.name!r}, {kind}: the rate of {name!r} is {rate:g}; it is at least 0.")

    def rates(self, kind: str) -> dict[str, float | None]:
        """Return what is supplied with its rates.

        Parameters
        ----------
        kind : str
            ``"infusions"`` or ``"diet"``.
        """
        return dict(getattr(self, kind))

    @property
    def compartments(self) -> dict[str, str]:
        """Suffix and name of every compartment."""
        names = {each.letter: each.name for each in self.tissues}
        pools = dict(self.circulation.compartments)
        inflow = self.circulation.pool + "s"
        if inflow in pools:
            pools[inflow] = f"{names.get(self.circulation.liver, self.circulation.liver)} inflow"
        return {**names, **pools}

    @property
    def sizes(self) -> dict[str, float]:
        """Scale or fraction of each tissue that has one: its fluxes are per unit of itself, others per unit of body."""
        return {each.letter: each.size for each in self.tissues if each.fraction is not None or each.scale != 1}
