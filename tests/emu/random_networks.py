"""Random small networks with a balanced flux state and labeled inputs, for property tests."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from fluxkit.emu import Program, build_program, decompose
from fluxkit.networks import Fragment, Network, Participant, Reaction
from tests.emu.isotopomer_balance import atoms_of, marginal_mid

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Labeled:
    """A network with one flux state, and isotopomer distributions of its input pools."""

    network: Network
    net: np.ndarray
    exchange: np.ndarray
    inputs: tuple[dict[str, np.ndarray], ...]  # per experiment
    fragments: tuple[Fragment, ...]

    @property
    def fluxes(self) -> np.ndarray:
        return directed(self.network, self.net, self.exchange)


def directed(network: Network, net, exchange) -> np.ndarray:
    """Forward fluxes of every reaction, then backward fluxes of the reversible ones."""
    forward, backward = np.maximum(net, 0) + exchange, np.maximum(-np.asarray(net), 0) + exchange
    return np.concatenate([forward, backward[network.reversible]])


def input_mids(network: Network, keys, inputs: dict[str, np.ndarray]) -> dict:
    """MID of each input EMU, from the isotopomers of its pool."""
    return {key: marginal_mid(inputs[key[0]], atoms_of(network, key[0]), key[1]) for key in keys}


def program_of(case: Labeled, network: Network | None = None) -> Program:
    system = decompose(network or case.network, case.fragments)
    return build_program(system, [input_mids(system.network, system.inputs, each) for each in case.inputs])


def split(case: Labeled, values: np.ndarray) -> list[np.ndarray]:
    """Cut the value axis into the MIDs of the fragments."""
    return np.split(values, np.cumsum([each.size + 1 for each in case.fragments])[:-1], axis=-1)


def supplied(case: Labeled) -> set[str]:
    """Pools that some flux makes."""
    inflow = np.maximum(case.network.stoichiometry, 0) @ np.maximum(case.net, 0)
    backward = np.maximum(-case.network.stoichiometry, 0) @ np.maximum(-case.net, 0)
    exchanged = np.abs(case.network.stoichiometry) @ case.exchange
    total = inflow + backward + exchanged
    return {name for name, each in zip(case.network.balanced, total, strict=True) if each > 0}


def _deal(draw, atoms: list[tuple[str, str]], counts: list[dict[str, int]]) -> list[dict[str, str]]:
    """Deal shuffled atoms out to metabolites of the given composition."""
    shuffled = draw(st.permutations(atoms))
    pool = {element: [letter for e, letter in shuffled if e == element] for element in "CNH"}
    dealt = []
    for each in counts:
        dealt.append({e: "".join(pool[e].pop() for _ in range(n)) for e, n in each.items() if n})
    return dealt


def _lettered(counts: list[dict[str, int]]) -> list[dict[str, str]]:
    letters = {element: iter(LETTERS) for element in "CNH"}
    return [{e: "".join(next(letters[e]) for _ in range(n)) for e, n in each.items() if n} for each in counts]


def _add(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {e: left[e] + right[e] for e in "CNH"}


@st.composite
def _metabolism(draw, linear: bool) -> tuple[list[dict[str, int]], list[tuple[list[int], list[int], bool]]]:
    """Compositions of the metabolites, and reactions as (substrates, products, reversible)."""
    some = st.integers(0, 1)
    composition = st.fixed_dictionaries({"C": st.integers(1, 3), "N": some, "H": some})
    pools = draw(st.lists(composition, min_size=2, max_size=3))

    def pool(counts: dict[str, int]) -> int:
        same = [i for i, each in enumerate(pools) if each == counts]
        if same and draw(st.booleans()):
            return draw(st.sampled_from(same))
        pools.append(counts)
        return len(pools) - 1

    reactions = []
    kinds = ["rearrange", "rearrange", "cleave"] + ([] if linear else ["condense", "condense", "transfer"])
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=6)):
        first, second = (draw(st.integers(0, len(pools) - 1)) for _ in range(2))
        size = sum(pools[first].values()) + sum(pools[second].values())
        if kind == "condense" and size <= 5:
            sides = ([first, second], [pool(_add(pools[first], pools[second]))])
        elif kind == "cleave" and sum(pools[first].values()) > 1:
            small = {e: draw(st.integers(0, n)) for e, n in pools[first].items()}
            rest = {e: n - small[e] for e, n in pools[first].items()}
            sides = ([first], [pool(each) for each in (small, rest) if sum(each.values())])
        elif kind == "transfer" and size <= 6:
            small = {e: draw(st.integers(0, n)) for e, n in _add(pools[first], pools[second]).items()}
            rest = {e: pools[first][e] + pools[second][e] - small[e] for e in "CNH"}
            sides = ([first, second], [pool(each) for each in (small, rest) if sum(each.values())])
        else:
            sides = ([first], [pool(pools[first])])
        reversible = draw(st.booleans()) and not (linear and len(sides[1]) > 1)
        reactions.append((*sides, reversible))
    return pools, reactions


@st.composite
def networks(draw, linear: bool = False) -> Network:
    """A valid network: condensations, cleavages, transfers; symmetric pools; inlets and outlets."""
    pools, reactions = draw(_metabolism(linear))
    built = []
    for k, (left, right, reversible) in enumerate(reactions):
        substrates = _lettered([pools[i] for i in left])
        atoms = [(e, letter) for each in substrates for e, text in each.items() for letter in text]
        products = _deal(draw, atoms, [pools[i] for i in right])
        built.append(
            Reaction(
                f"r{k}",
                tuple(Participant(f"M{i}", 1.0, each) for i, each in zip(left, substrates, strict=True)),
                tuple(Participant(f"M{i}", 1.0, each) for i, each in zip(right, products, strict=True)),
                reversible,
            )
        )
    for i, counts in enumerate(pools):
        atoms = _lettered([counts])[0]
        inside = (Participant(f"M{i}", 1.0, atoms),)
        built.append(Reaction(f"in{i}", (Participant(f"M{i}_in_x", 1.0, atoms),), inside))
        built.append(Reaction(f"out{i}", inside, (Participant(f"M{i}_out_x", 1.0, atoms),)))
    symmetric = draw(st.sets(st.sampled_from([f"M{i}" for i in range(len(pools))]), max_size=2))
    return Network("random", tuple(built), frozenset(symmetric))


@st.composite
def labeled_networks(draw, linear: bool = False, positive: bool = False, experiments: int = 1) -> Labeled:
    """A random network with a balanced flux state, which may have zeros unless ``positive``."""
    network = draw(networks(linear=linear))
    size = st.floats(0.1, 10.0) if positive else st.one_of(st.just(0.0), st.floats(0.1, 10.0))
    net, exchange = np.zeros(len(network.reactions)), np.zeros(len(network.reactions))
    for i, reaction in enumerate(network.reactions):
        if reaction.name.startswith("r"):
            net[i] = draw(size) * (draw(st.sampled_from([1, -1])) if reaction.reversible else 1)
            exchange[i] = draw(size) * draw(st.sampled_from([0.1, 10.0])) if reaction.reversible else 0.0
        elif reaction.name.startswith("in"):
            net[i] = draw(size)
    for _ in range(len(network.reactions)):
        _close(network, net)
        hungry = starved(network, directed(network, net, exchange))
        if not hungry:
            break
        net[network.reaction_index[f"in{hungry.pop()[1:]}"]] += 1.0
    _close(network, net, positive)
    inputs = tuple({pool: draw(isotopomers(network, pool)) for pool in network.inputs} for _ in range(experiments))
    return Labeled(network, net, exchange, inputs, tuple(_fragments(draw, network)))


def _close(network: Network, net: np.ndarray, positive: bool = False) -> None:
    """Let the inlet or the outlet of each pool take what is missing or left over."""
    index = network.reaction_index
    for row, name in zip(network.stoichiometry, network.balanced, strict=True):
        out, inlet = index[f"out{name[1:]}"], index[f"in{name[1:]}"]
        net[out] = 0.0
        excess = float(row @ net)
        net[out], net[inlet] = max(excess, 0.0), net[inlet] + max(-excess, 0.0)
        if positive:
            net[inlet] += 1.0
            net[out] += 1.0


def starved(network: Network, fluxes: np.ndarray, elements: str = "CNH") -> list[str]:
    """Pools that turn over although some of their atoms come from no input: closed cycles."""
    fed = {(name, *atom) for name in network.inputs for atom in atoms_of(network, name)}
    sides, backward = [], len(network.reactions)
    for i, each in enumerate(network.reactions):
        sides.append((fluxes[i], each.substrates, each.products))
        if each.reversible:
            sides.append((fluxes[backward], each.products, each.substrates))
            backward += 1
    turning = {p.metabolite for flux, _, products in sides if flux > 0 for p in products}
    while True:
        before = len(fed)
        for flux, substrates, products in sides:
            letters = {
                (element, letter)
                for p in substrates
                for element, text in p.atoms.items()
                for i, letter in enumerate(text)
                if (p.metabolite, element, i) in fed
            }
            for p in products if flux > 0 else ():
                for element, text in p.atoms.items():
                    for i, letter in enumerate(text):
                        if (element, letter) in letters:
                            fed.add((p.metabolite, element, i))
                            if p.metabolite in network.symmetric:
                                fed.add((p.metabolite, element, len(text) - 1 - i))
        if len(fed) == before:
            break
    balanced = set(network.balanced)
    return sorted(
        name
        for name in turning & balanced
        if any((name, *atom) not in fed for atom in atoms_of(network, name, elements))
    )


@st.composite
def isotopomers(draw, network: Network, pool: str) -> np.ndarray:
    """Unlabeled, pure, a mixture of two, or any distribution."""
    size = 1 << len(atoms_of(network, pool))
    kind = draw(st.sampled_from(["unlabeled", "pure", "mixture", "any"]))
    if kind == "unlabeled":
        return np.eye(size)[0]
    if kind == "pure":
        return np.eye(size)[draw(st.integers(0, size - 1))]
    if kind == "mixture":
        share = draw(st.floats(0.05, 0.95))
        return share * np.eye(size)[draw(st.integers(0, size - 1))] + (1 - share) * np.eye(size)[0]
    weights = np.array(draw(st.lists(st.integers(0, 9), min_size=size, max_size=size)), float)
    weights[0] += 1.0
    return weights / weights.sum()


def _fragments(draw, network: Network):
    for name in network.balanced:
        atoms = atoms_of(network, name)
        yield Fragment(name, name, tuple(atoms))
        some = draw(st.sets(st.sampled_from(atoms), min_size=1))
        yield Fragment(f"part of {name}", name, tuple(sorted(some)))
