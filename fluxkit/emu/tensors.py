"""Simulation of tensors of torch: on the device where they lie, and part of automatic differentiation.

On the processor the machine code of the program runs on the memory of the tensors; on any other device the program is
interpreted there (:mod:`fluxkit.emu.interpreter`), one launch for each operation and block of states.
"""

from typing import Any

import torch

from fluxkit.emu.engine import check_precision, check_shapes, refuse
from fluxkit.emu.interpreter import interpret
from fluxkit.emu.kernels import kernel
from fluxkit.emu.program import Program
from fluxkit.emu.running import run_tape
from fluxkit.emu.tape import Tape
from fluxkit.errors import FluxError, LabelingError


def simulate(program: Program, fluxes: Any, inputs: Any, dtype: str | None, block: int | None) -> Any:
    """Return the MIDs; see :func:`fluxkit.emu.simulate_mids`."""
    return _Simulation.apply(*_arguments(program, fluxes, inputs, dtype), program, block)


def pull_back(
    program: Program, fluxes: Any, cotangent: Any, inputs: Any, dtype: str | None, block: int | None
) -> tuple[Any, Any]:
    """Return the MIDs and the gradient; see :func:`fluxkit.emu.pull_back`."""
    fluxes, inputs = _arguments(program, fluxes, inputs, dtype)
    cotangent = torch.as_tensor(cotangent, dtype=fluxes.dtype, device=fluxes.device)
    return _pull_back(program, fluxes.detach(), inputs, cotangent.detach(), block)


class _Simulation(torch.autograd.Function):
    """The simulation as a step of automatic differentiation, whose backward pass is the adjoint program."""

    @staticmethod
    def forward(ctx: Any, fluxes: torch.Tensor, inputs: torch.Tensor, program: Program, block: int | None):
        ctx.save_for_backward(fluxes, inputs)
        ctx.program, ctx.block = program, block
        (mids,) = _run(program, program.tape, (fluxes, inputs), block)
        return mids.reshape(-1, *program.shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, cotangent: torch.Tensor):  # type: ignore[override]
        fluxes, inputs = ctx.saved_tensors
        _, gradient = _pull_back(ctx.program, fluxes, inputs, cotangent, ctx.block)
        return gradient, None, None, None


def _pull_back(program: Program, fluxes, inputs, cotangent, block: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    expected = (len(fluxes), *program.shape)
    if cotangent.shape != expected:
        raise FluxError(
            f"the cotangent has shape {tuple(cotangent.shape)}, but the MIDs have {expected}; give the same."
        )
    mids, gradient = _run(program, program.adjoint, (fluxes, inputs, cotangent.flatten(1)), block)
    return mids.reshape(expected), gradient


def _arguments(program: Program, fluxes: Any, inputs: Any, dtype: str | None) -> tuple[torch.Tensor, torch.Tensor]:
    fluxes = fluxes.to(getattr(torch, check_precision(dtype or _name(fluxes.dtype))))
    if getattr(inputs, "requires_grad", False):
        raise LabelingError("the input values ask for a gradient, but it is taken by the fluxes only; detach them.")
    inputs = program.input_values if inputs is None else inputs
    inputs = torch.atleast_2d(torch.as_tensor(inputs, dtype=fluxes.dtype, device=fluxes.device))
    check_shapes(program, fluxes, inputs)
    return fluxes, inputs


def _run(program: Program, tape: Tape, inputs: tuple[torch.Tensor, ...], block: int | None) -> list[torch.Tensor]:
    """Run a tape where the tensors lie."""
    inputs = tuple(each.detach().contiguous() for each in inputs)
    fluxes = inputs[0]
    if fluxes.device.type == "cpu" and kernel(tape, _name(fluxes.dtype)) is not None:
        arrays, good = run_tape(tape, [each.numpy() for each in inputs], len(fluxes))
        outputs = [torch.from_numpy(each) for each in arrays]
    else:
        outputs = [fluxes.new_empty(len(fluxes), len(slots)) for slots in tape.outputs]
        good = interpret(tape, inputs, outputs, block)
    if not good:
        raise refuse(program, fluxes.cpu().numpy())
    return outputs


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
