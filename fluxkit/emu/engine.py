"""The engine: labeling of many flux states at once, forward, adjoint and tangent.

Arrays run on the processor (:mod:`fluxkit.emu.running`); tensors of torch stay on their device
(:mod:`fluxkit.emu.tensors`).
"""

import sys
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fluxkit.emu.program import Program
from fluxkit.emu.running import run_tape
from fluxkit.emu.tape import SMALLEST
from fluxkit.errors import FluxError, LabelingError

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array", np.ndarray, "torch.Tensor")


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of torch; torch is not loaded to find out.

    Parameters
    ----------
    value : object
        Anything.
    """
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _arguments(program: Program, fluxes, inputs, dtype: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    fluxes = np.ascontiguousarray(fluxes, dtype=check_precision(dtype or "float64"))
    if inputs is None and fluxes.dtype == np.float64:
        inputs = program.input_values[None]
    else:
        inputs = program.input_values if inputs is None else inputs
        inputs = np.ascontiguousarray(np.atleast_2d(np.asarray(inputs, dtype=fluxes.dtype)))
    check_shapes(program, fluxes, inputs)
    return fluxes, inputs


def check_precision(dtype: str) -> str:
    """Return the name of a dtype, or refuse one that programs do not run in.

    Parameters
    ----------
    dtype : str
        Name of the dtype.

    Raises
    ------
    FluxError
        It is neither float64 nor float32.
    """
    if dtype not in SMALLEST:
        raise FluxError(f"labeling is not simulated in {dtype!r}; give fluxes or dtype= of 'float64' or 'float32'.")
    return dtype


def check_shapes(program: Program, fluxes: Any, inputs: Any) -> None:
    """Refuse fluxes and inputs, arrays or tensors, that do not fit a program.

    Parameters
    ----------
    program : Program
        The eliminated balances.
    fluxes : numpy.ndarray or torch.Tensor
        Should have shape ``(state, directed flux)``.
    inputs : numpy.ndarray or torch.Tensor
        Should have shape ``(1, input)`` or ``(state, input)``.

    Raises
    ------
    FluxError, LabelingError
        A shape is wrong.
    """
    if fluxes.ndim != 2 or fluxes.shape[1] != program.flux_count:
        raise FluxError(
            f"directed fluxes have shape {tuple(fluxes.shape)}, but network {program.system.network.name!r} needs "
            f"(state, {program.flux_count}): forward of every reaction, then backward of the reversible ones."
        )
    if inputs.ndim != 2 or len(inputs) not in (1, len(fluxes)) or inputs.shape[1] != len(program.input_values):
        raise LabelingError(
            f"input values have shape {tuple(inputs.shape)}; give ({len(program.input_values)},) for all states or "
            f"{(len(fluxes), len(program.input_values))}, as Program.bind returns them."
        )


def refuse(program: Program, fluxes: np.ndarray) -> FluxError:
    """Return the error that names the first directed flux that is negative or not finite.

    Parameters
    ----------
    program : Program
        The eliminated balances.
    fluxes : numpy.ndarray
        Shape ``(state, directed flux)``; at least one value is negative or not finite.
    """
    network = program.system.network
    names = [
        *network.reaction_names,
        *(f"{each.name} (backward)" for each in network.reactions if each.reversible),
    ]
    state, i = np.argwhere(~((fluxes >= 0) & (fluxes < np.inf)))[0]
    return FluxError(
        f"state {state}: directed flux {names[i]!r} is {fluxes[state, i]:g}; directed fluxes are finite and "
        "not negative (forward = max(net, 0) + exchange, backward = max(-net, 0) + exchange)."
    )


def simulate_mids(
    program: Program,
    fluxes: Array,
    inputs: Array | None = None,
    *,
    dtype: str | None = None,
    block: int | None = None,
    out: np.ndarray | None = None,
) -> Array:
    """Return the MIDs of all fragments.

    Parameters
    ----------
    program : Program
        The eliminated balances.
    fluxes : numpy.ndarray or torch.Tensor
        Directed fluxes, shape ``(state, directed flux)``, non-negative, in any one unit.
    inputs : numpy.ndarray or torch.Tensor, optional
        Input values, shape ``(input,)`` or ``(state, input)``; those of the program by default.
    dtype : {"float64", "float32"}, optional
        Precision of the computation and of the result; float64 for arrays, that of the fluxes for tensors.
    block : int, optional
        States that run together where a program is interpreted; 65,536 on a GPU, where fewer need less memory.
    out : numpy.ndarray, optional
        Array to fill and return: for large batches new memory takes as long as the simulation.

    Returns
    -------
    numpy.ndarray or torch.Tensor
        As the fluxes are; a tensor lies on their device and is differentiable by them. Shape
        ``(state, experiment, value)``. The values of a fragment whose supply has no flux in a state
        are all zero, unless they follow without it: it has one possible source only, or none that carries
        label. The unlabeled share is one minus the rest, and never below zero.

    Raises
    ------
    FluxError
        A flux is negative or not finite, or the shape does not fit the network.
    """
    if is_tensor(fluxes):
        from fluxkit.emu import tensors

        return tensors.simulate(program, fluxes, inputs, dtype, block)
    arrays = _arguments(program, fluxes, inputs, dtype)
    flat = None if out is None else [_flat(out, len(arrays[0]), program)]
    (mids,), good = run_tape(program.tape, arrays, len(arrays[0]), block, flat)
    if not good:
        raise refuse(program, arrays[0])
    result: Any = mids.reshape(-1, *program.shape)
    return result


def _flat(out: np.ndarray, states: int, program: Program) -> np.ndarray:
    """Return an array for MIDs as a view with one row per state."""
    expected = (states, *program.shape)
    if out.shape != expected or not out.flags.c_contiguous:
        raise LabelingError(f"out has shape {out.shape}; the MIDs need a contiguous array of shape {expected}.")
    return out.reshape(states, program.shape[0] * program.shape[1])


def pull_back(
    program: Program,
    fluxes: Array,
    cotangent: Array,
    inputs: Array | None = None,
    *,
    dtype: str | None = None,
    block: int | None = None,
    out: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[Array, Array]:
    """Return the MIDs and the gradient of ``sum(cotangent * mids)`` with respect to the directed fluxes.

    Parameters
    ----------
    program : Program
        The eliminated balances.
    fluxes : numpy.ndarray or torch.Tensor
        Directed fluxes, shape ``(state, directed flux)``.
    cotangent : numpy.ndarray or torch.Tensor
        Shape ``(state, experiment, value)``.
    inputs, dtype, block
        As in :func:`simulate_mids`.
    out : tuple of numpy.ndarray, optional
        Arrays to fill and return, for the MIDs and for the gradient.

    Returns
    -------
    mids : numpy.ndarray or torch.Tensor
        Shape ``(state, experiment, value)``.
    gradient : numpy.ndarray or torch.Tensor
        Shape ``(state, directed flux)``. Where several sources of one EMU all have zero flux the derivative
        depends on the direction; there the EMU counts as unsupplied.

    Raises
    ------
    FluxError
        As in :func:`simulate_mids`.
    """
    if is_tensor(fluxes):
        from fluxkit.emu import tensors

        return tensors.pull_back(program, fluxes, cotangent, inputs, dtype, block)
    arrays = _arguments(program, fluxes, inputs, dtype)
    given = np.ascontiguousarray(cotangent, dtype=arrays[0].dtype)
    expected = (len(arrays[0]), *program.shape)
    if given.shape != expected:
        raise FluxError(f"the cotangent has shape {given.shape}, but the MIDs have {expected}; give the same.")
    packed = given.reshape(len(given), program.shape[0] * program.shape[1])
    flat = None if out is None else [_flat(out[0], len(given), program), out[1]]
    (mids, gradient), good = run_tape(program.adjoint, (*arrays, packed), len(arrays[0]), block, flat)
    if not good:
        raise refuse(program, arrays[0])
    result: Any = (mids.reshape(expected), gradient)
    return result


def push_forward(
    program: Program, fluxes: np.ndarray, directions: np.ndarray, inputs: np.ndarray | None = None
) -> np.ndarray:
    """Return the derivatives of the MIDs along directions of the directed fluxes.

    Parameters
    ----------
    program : Program
        The eliminated balances.
    fluxes : numpy.ndarray
        Directed fluxes, shape ``(state, directed flux)``.
    directions : numpy.ndarray
        Shape ``(direction, directed flux)`` for all states, or ``(state, direction, directed flux)``.
    inputs : numpy.ndarray, optional
        As in :func:`simulate_mids`.

    Returns
    -------
    numpy.ndarray
        Shape ``(state, direction, experiment, value)``.

    Raises
    ------
    FluxError
        As in :func:`simulate_mids`.
    """
    fluxes, inputs = _arguments(program, fluxes, inputs)
    directions = np.ascontiguousarray(directions, dtype=float)
    if directions.ndim not in (2, 3) or directions.shape[-1] != program.flux_count:
        raise FluxError(
            f"the directions have shape {directions.shape}; give (direction, {program.flux_count}), or one such array "
            "for each state."
        )
    if directions.ndim == 3 and len(directions) != len(fluxes):
        raise FluxError(f"there are directions for {len(directions)} states, but {len(fluxes)} states.")
    result = np.empty((len(fluxes), directions.shape[-2], *program.shape))
    for k in range(len(fluxes)):
        own = directions if directions.ndim == 2 else directions[k]
        shared = (fluxes[k : k + 1], inputs[k : k + 1] if len(inputs) > 1 else inputs)
        (moved,), good = run_tape(program.tangent, (*shared, own), len(own))
        if not good:
            raise refuse(program, fluxes)
        result[k] = moved.reshape(result.shape[1:])
    return result


def jacobian(program: Program, fluxes: np.ndarray, inputs: np.ndarray | None = None) -> np.ndarray:
    """Return the derivatives of the MIDs of one state with respect to the directed fluxes.

    Parameters
    ----------
    program : Program
        The eliminated balances.
    fluxes : numpy.ndarray
        Directed fluxes of one state, shape ``(directed flux,)``.
    inputs : numpy.ndarray, optional
        Input values, shape ``(input,)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(experiment, value, directed flux)``.

    Raises
    ------
    FluxError
        As in :func:`simulate_mids`.
    """
    fluxes = np.asarray(fluxes, dtype=float)
    if fluxes.ndim != 1:
        raise FluxError(f"the Jacobian is that of one state, but the fluxes have shape {fluxes.shape}; give one row.")
    moved = push_forward(program, fluxes[None], np.eye(program.flux_count), inputs)[0]
    return np.moveaxis(moved, 0, -1)
