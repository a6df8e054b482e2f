"""A plain reference: every EMU by size, ``A X = B Y`` solved densely, gradients by the implicit adjoint.

Nothing is merged, ordered or folded. The numbers may be floats or exact fractions.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from fluxkit.networks import Network

Key = tuple[str, tuple[tuple[str, int], ...]]


def productions(network: Network) -> list[tuple[int, float, str, dict, dict]]:
    """List ``(directed flux, coefficient, product, letters of the product, home of each letter)``."""
    found = []
    backward = len(network.reactions)
    for forward, reaction in enumerate(network.reactions):
        sides = [(forward, reaction.substrates, reaction.products)]
        if reaction.reversible:
            sides.append((backward, reaction.products, reaction.substrates))
            backward += 1
        for flux, substrates, products in sides:
            home = {
                (element, letter): (place, each.metabolite, i)
                for place, each in enumerate(substrates)
                for element, letters in each.atoms.items()
                for i, letter in enumerate(letters)
            }
            for each in products:
                turns = (1, -1) if each.metabolite in network.symmetric else (1,)
                for turn in turns:
                    letters = {element: text[::turn] for element, text in each.atoms.items()}
                    found.append((flux, each.coefficient / len(turns), each.metabolite, letters, home))
    return found


def convolve(left, right):
    total = np.array([left[0] * 0] * (len(left) + len(right) - 1), dtype=left.dtype)
    for i, a in enumerate(left):
        total[i : i + len(right)] += a * right
    return total


def solve_exactly(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Gaussian elimination for arrays of fractions."""
    a, b = matrix.copy(), right.copy()
    for k in range(len(a)):
        pivot = next(i for i in range(k, len(a)) if a[i, k] != 0)
        a[[k, pivot]], b[[k, pivot]] = a[[pivot, k]], b[[pivot, k]]
        for i in range(len(a)):
            if i != k and a[i, k] != 0:
                factor = a[i, k] / a[k, k]
                a[i] -= factor * a[k]
                b[i] -= factor * b[k]
    return b / np.diag(a)[:, None]


class DenseEmu:
    """EMU balances of a network for some fragments, block by size."""

    def __init__(self, network: Network, fragments: list[Key]):
        self.network, self.fragments = network, fragments
        ways = productions(network)
        self.sources: dict[Key, list[tuple[int, float, list[Key]]]] = {}
        pending = list(fragments)
        while pending:
            key = pending.pop()
            if key in self.sources or key[0] in network.inputs:
                continue
            self.sources[key] = []
            for flux, coefficient, product, letters, home in ways:
                if product == key[0]:
                    parts: dict[int, tuple[str, list]] = {}
                    for element, i in key[1]:
                        place, metabolite, position = home[element, letters[element][i]]
                        parts.setdefault(place, (metabolite, []))[1].append((element, position))
                    source = [(name, tuple(sorted(atoms))) for name, atoms in parts.values()]
                    self.sources[key].append((flux, coefficient, source))
                    pending.extend(source)
        self.sizes = sorted({len(key[1]) for key in self.sources})

    def solve(self, fluxes, inputs: Mapping, solver: Callable = np.linalg.solve) -> dict[Key, np.ndarray]:
        """MID of every EMU; that of an EMU without inflow is zero."""
        kind = np.asarray(fluxes).dtype
        known = {key: np.asarray(mid, dtype=kind) for key, mid in inputs.items()}
        self.matrices = {}
        for size in self.sizes:
            block = [key for key in self.sources if len(key[1]) == size]
            matrix, right = self._balance(block, fluxes, known, kind)
            self.matrices[size] = (block, matrix)
            known.update(zip(block, solver(matrix, right), strict=True))
        return known

    def _balance(self, block, fluxes, known, kind):
        index = {key: i for i, key in enumerate(block)}
        matrix = np.zeros((len(block), len(block)), dtype=kind)
        right = np.zeros((len(block), len(block[0][1]) + 1), dtype=kind)
        for key, i in index.items():
            for flux, coefficient, source in self.sources[key]:
                weight = fluxes[flux] * type(fluxes[flux])(coefficient)
                matrix[i, i] += weight
                if source[0] in index:
                    matrix[i, index[source[0]]] -= weight
                else:
                    right[i] += weight * self._mid(source, known)
            if not any(fluxes[flux] for flux, _, _ in self.sources[key]):
                matrix[i, i] = 1
        return matrix, right

    @staticmethod
    def _mid(source: list[Key], known) -> np.ndarray:
        mid = known[source[0]]
        for each in source[1:]:
            mid = convolve(mid, known[each])
        return mid

    def gradient(self, fluxes, inputs, cotangent: Mapping[Key, np.ndarray]) -> np.ndarray:
        """Gradient of ``sum(cotangent * MID)``: lambda = A^-T g, from the largest EMUs down."""
        known = self.solve(fluxes, inputs)
        wanted = {key: np.zeros(len(key[1]) + 1) for key in known}
        for key, each in cotangent.items():
            wanted[key] += each
        gradient = np.zeros(len(fluxes))
        for size in reversed(self.sizes):
            block, matrix = self.matrices[size]
            multiplier = np.linalg.solve(matrix.T, np.array([wanted[key] for key in block]))
            for key, adjoint in zip(block, multiplier, strict=True):
                for flux, coefficient, source in self.sources[key]:
                    mid = self._mid(source, known)
                    gradient[flux] += coefficient * adjoint @ (mid - known[key])
                    if len(source) == 1 and source[0] in block:
                        continue  # part of A, already in the multiplier
                    for k, each in enumerate(source):
                        rest = [known[other] for j, other in enumerate(source) if j != k]
                        for shift in range(len(each[1]) + 1):
                            unit = np.eye(len(each[1]) + 1)[shift]
                            for other in rest:
                                unit = convolve(unit, other)
                            wanted[each][shift] += coefficient * fluxes[flux] * adjoint @ unit
        return gradient


def exact(values) -> np.ndarray:
    """The same numbers as fractions, without rounding."""
    return np.array([Fraction(float(each)) for each in np.ravel(values)], dtype=object)
