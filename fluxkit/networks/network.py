"""The frozen metabolic network: reactions atom by atom, with bounds, equalities and prior targets."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
import xarray as xr

from fluxkit.errors import UnknownNameError, suggest
from fluxkit.networks.observations import ObservationTable

ELEMENTS = ("C", "N", "H")
EXTERNAL_SUFFIX = "_x"


def _frozen(values, dtype: type = float) -> np.ndarray:
    """Return a read-only array: networks are shared, and a changed one would change every answer."""
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


@dataclass(frozen=True)
class Participant:
    """One metabolite on one side of a reaction.

    Parameters
    ----------
    metabolite : str
        Name with its compartment, ``Cit.m``; a name that ends in ``_x`` is an external pool.
    coefficient : float
        Molecules per turn of the reaction; may be non-integer where compartments differ in scale.
    atoms : mapping of str to str
        For each element (``"C"``, ``"N"``, ``"H"``) one letter per atom, in the order of the metabolite.
    """

    metabolite: str
    coefficient: float = 1.0
    atoms: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "atoms", MappingProxyType(dict(self.atoms)))

    def __reduce__(self):
        return (Participant, (self.metabolite, self.coefficient, dict(self.atoms)))


@dataclass(frozen=True)
class Reaction:
    """A reaction with its atom transitions; equal letters of one element are the same atom."""

    name: str
    substrates: tuple[Participant, ...]
    products: tuple[Participant, ...]
    reversible: bool = False
    note: str = ""


@dataclass(frozen=True)
class FluxRule:
    r"""What is known beforehand about the flux of one reaction, in the flux unit of the network.

    Parameters
    ----------
    lower, upper : float
        Bounds of the net flux.
    target : float or None
        Centre of the broad normal prior on the net flux; ``None`` for a flux without a target.
    weight : float
        Weight of the target: sd = 3 max(\|target\|, 1) / sqrt(weight).
    exchange_lower, exchange_upper : float or None
        Bounds of the exchange flux; ``None`` takes 1e-3 and 10 times the normalising flux.
    """

    lower: float = -np.inf
    upper: float = np.inf
    target: float | None = None
    weight: float = 1.0
    exchange_lower: float | None = None
    exchange_upper: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Equality:
    """A linear equality between net fluxes: ``sum(coefficient * net_flux) == value``."""

    coefficients: Mapping[str, float]
    value: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "coefficients", MappingProxyType(dict(self.coefficients)))

    def __reduce__(self):
        return (Equality, (dict(self.coefficients), self.value))


@dataclass(frozen=True)
class Network:
    """A metabolic network that is known to be valid.

    Build one with :func:`fluxkit.load_network` or :func:`fluxkit.read_network`; the constructor runs the
    structural checks of :mod:`fluxkit.networks.checks` and refuses an invalid network with the reaction, the
    atom and the cure.

    Parameters
    ----------
    name : str
        Name of the network, ``"ccm"``.
    reactions : tuple of Reaction
        In order; the ``reaction`` dimension of every flux dataset follows it.
    symmetric : frozenset of str
        Rotationally symmetric metabolites: whatever produces them is averaged with its mirror image.
    rules : mapping of str to FluxRule
        Bounds and prior target per reaction; reactions without a rule take the defaults of their direction.
    equalities : tuple of Equality
        Linear equalities on net fluxes beside the mass balances.
    reference : mapping of str to (net, exchange)
        A balanced reference state; empty where there is none.
    flux_unit : str
        Unit of every flux.
    observations : ObservationTable
        Which measured names mean which pools.
    description : str
        What the network is, with its sources.
    standard_tracers : mapping of str to str
        Experiments that are common with this network, as tracer texts by name.
    compartments : mapping of str to str
        What the suffixes of metabolites mean, ``"L"`` the liver, ``"P"`` plasma; empty where nobody said.
    sizes : mapping of str to float
        By suffix, the mass of a tissue per unit of body, or the share of a cell type in all cells, where the fluxes of
        this tissue or cell type are per unit of itself: times its size they are per unit of body or culture. Empty
        where all fluxes are per body or culture.
    """

    name: str
    reactions: tuple[Reaction, ...]
    symmetric: frozenset[str] = frozenset()
    rules: Mapping[str, FluxRule] = field(default_factory=dict)
    equalities: tuple[Equality, ...] = ()
    reference: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    flux_unit: str = "arbitrary"
    observations: ObservationTable = field(default_factory=ObservationTable)
    description: str = ""
    standard_tracers: Mapping[str, str] = field(default_factory=dict)
    compartments: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reactions", tuple(self.reactions))
        object.__setattr__(self, "symmetric", frozenset(self.symmetric))
        object.__setattr__(self, "equalities", tuple(self.equalities))
        object.__setattr__(self, "rules", MappingProxyType(dict(self.rules)))
        object.__setattr__(self, "reference", MappingProxyType(dict(self.reference)))
        object.__setattr__(self, "standard_tracers", MappingProxyType(dict(self.standard_tracers)))
        object.__setattr__(self, "compartments", MappingProxyType(dict(self.compartments)))
        object.__setattr__(self, "sizes", MappingProxyType(dict(self.sizes)))
        from fluxkit.networks.checks import check_network  # the checks read the finished record

        check_network(self)

    def __reduce__(self):
        values = (getattr(self, each.name) for each in fields(self))
        return (Network, tuple(dict(v) if isinstance(v, MappingProxyType) else v for v in values))

    def __repr__(self) -> str:
        reversible = sum(each.reversible for each in self.reactions)
        return (
            f"<Network {self.name!r}: {len(self.reactions)} reactions ({reversible} reversible), "
            f"{len(self.balanced)} balanced pools, flux unit: {self.flux_unit}>"
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides labeling and fluxes; equal networks have equal fingerprints."""

        def number(value: float | None) -> float | None:
            # 1, 1.0 and numpy's 1.0 are one value, and so are 0.0 and -0.0.
            return None if value is None else float(value) + 0.0

        def side(participants: tuple[Participant, ...]) -> list:
            return [(p.metabolite, number(p.coefficient), sorted(p.atoms.items())) for p in participants]

        rules = [
            tuple(map(number, (r.lower, r.upper, r.target, r.weight, r.exchange_lower, r.exchange_upper)))
            for r in map(self.rule, self.reaction_names)
        ]
        equalities = [
            (sorted((name, number(factor)) for name, factor in each.coefficients.items()), number(each.value))
            for each in self.equalities
        ]
        reactions = [(r.name, bool(r.reversible), side(r.substrates), side(r.products)) for r in self.reactions]
        content = repr((reactions, sorted(self.symmetric), rules, equalities))
        return hashlib.sha256(content.encode()).hexdigest()

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @cached_property
    def reaction_names(self) -> tuple[str, ...]:
        """Names of the reactions, in order."""
        return tuple(each.name for each in self.reactions)

    @cached_property
    def reaction_index(self) -> Mapping[str, int]:
        """Position of each reaction by name."""
        return MappingProxyType({name: i for i, name in enumerate(self.reaction_names)})

    @cached_property
    def reversible(self) -> np.ndarray:
        """Which reactions are reversible, shape ``(reaction,)``, bool."""
        return _frozen([each.reversible for each in self.reactions], bool)

    @cached_property
    def atom_counts(self) -> Mapping[str, Mapping[str, int]]:
        """Number of atoms of each element of each metabolite that the network tracks, in first-seen order."""
        counts: dict[str, Mapping[str, int]] = {}
        for reaction in self.reactions:
            for each in (*reaction.substrates, *reaction.products):
                counts.setdefault(each.metabolite, {e: len(a) for e, a in each.atoms.items()})
        return MappingProxyType(counts)

    @cached_property
    def metabolites(self) -> tuple[str, ...]:
        """Every metabolite, in first-seen order."""
        return tuple(self.atom_counts)

    @cached_property
    def balanced(self) -> tuple[str, ...]:
        """Metabolites whose production equals their consumption."""
        return tuple(name for name in self.metabolites if not name.endswith(EXTERNAL_SUFFIX))

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """External pools that supply molecules to the network; these can carry tracers."""
        supplied = [p.metabolite for r in self.reactions for p in r.substrates]
        supplied += [p.metabolite for r in self.reactions if r.reversible for p in r.products]
        return tuple(dict.fromkeys(name for name in supplied if name.endswith(EXTERNAL_SUFFIX)))

    @cached_property
    def stoichiometry(self) -> np.ndarray:
        """Molecules of each balanced pool per net flux, shape ``(balanced, reaction)``."""
        row = {name: i for i, name in enumerate(self.balanced)}
        matrix = np.zeros((len(row), len(self.reactions)))
        for column, reaction in enumerate(self.reactions):
            for sign, side in ((-1.0, reaction.substrates), (1.0, reaction.products)):
                for each in side:
                    if each.metabolite in row:
                        matrix[row[each.metabolite], column] += sign * each.coefficient
        return _frozen(matrix)

    def rule(self, reaction: str) -> FluxRule:
        """Return bounds and target of a reaction; the default keeps an irreversible flux non-negative.

        Parameters
        ----------
        reaction : str
            Name of the reaction.
        """
        if reaction in self.rules:
            return self.rules[reaction]
        return FluxRule() if self.reactions[self.reaction_index[reaction]].reversible else FluxRule(lower=0.0)

    @cached_property
    def net_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds of the net fluxes, two arrays of shape ``(reaction,)``."""
        rules = [self.rule(name) for name in self.reaction_names]
        return _frozen([each.lower for each in rules]), _frozen([each.upper for each in rules])

    @cached_property
    def fixed_fluxes(self) -> dict[str, float]:
        """Net fluxes other than zero that equal bounds fix, by reaction: what the others are relative to."""
        bounds = zip(self.reaction_names, *self.net_bounds, strict=True)
        return {name: float(lower) for name, lower, upper in bounds if lower == upper != 0}

    @cached_property
    def normalising_flux(self) -> float:
        """The size to which fluxes are scaled: the largest flux fixed by equal bounds, else 1."""
        return max(map(abs, self.fixed_fluxes.values()), default=1.0)

    @cached_property
    def exchange_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the exchange fluxes of reversible reactions, two arrays of shape ``(reversible,)``."""
        scale = self.normalising_flux
        rules = [self.rule(each.name) for each in self.reactions if each.reversible]
        lower = [1e-3 * scale if r.exchange_lower is None else r.exchange_lower for r in rules]
        upper = [10.0 * scale if r.exchange_upper is None else r.exchange_upper for r in rules]
        return _frozen(lower), _frozen(upper)

    def reference_fluxes(self) -> xr.Dataset:
        """Return the stored reference state.

        Returns
        -------
        xarray.Dataset
            ``net_flux(reaction)`` and ``exchange_flux(reaction)`` in the flux unit of the network.

        Raises
        ------
        UnknownNameError
            The network stores no reference state.
        """
        if not self.reference:
            raise UnknownNameError(
                f"network {self.name!r} stores no reference state. Draw one with fluxkit.draw_fluxes, "
                "or give a 'ref' column in its flux table."
            )
        values = np.array([self.reference[name] for name in self.reaction_names], dtype=float)
        return xr.Dataset(
            {"net_flux": ("reaction", values[:, 0]), "exchange_flux": ("reaction", values[:, 1])},
            coords={"reaction": list(self.reaction_names)},
            attrs={"network": self.name, "units": self.flux_unit},
        )

    def require_metabolite(self, name: str, where: str = "") -> str:
        """Return the name if the network has the metabolite.

        Parameters
        ----------
        name : str
            Metabolite to look for.
        where : str
            The place that named it, for the message.

        Raises
        ------
        UnknownNameError
            There is no such metabolite; the message offers the nearest names.
        """
        if name not in self.atom_counts:
            place = f" ({where})" if where else ""
            hint = suggest(name, self.metabolites)
            raise UnknownNameError(f"network {self.name!r} has no metabolite {name!r}{place}. {hint}")
        return name

    def with_changes(self, **changes) -> "Network":
        """Return a copy with some fields replaced, checked anew."""
        return replace(self, **changes)
