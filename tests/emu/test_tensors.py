"""Simulation of tensors: where they lie, in their precision, in blocks, and differentiable."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from fluxkit.emu import build_program, decompose, pull_back, simulate_mids
from fluxkit.emu.interpreter import interpret
from fluxkit.errors import FluxError, LabelingError
from fluxkit.networks import load_network, parse_fragment
from tests.emu.random_networks import directed, input_mids

CCM, TOY = load_network("ccm"), load_network("toy")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
SAME = {"float64": 1e-12, "float32": 1e-6}


def program_of(network, names, pool: str, share: float = 0.5):
    system = decompose(network, [parse_fragment(name, network) for name in names])
    counts = {name: sum(each.values()) for name, each in network.atom_counts.items()}
    inputs = {each: np.eye(1, 1 << counts[each])[0] for each in network.inputs}
    inputs[pool] = (1 - share) * inputs[pool] + share * np.eye(1 << counts[pool])[3]
    return build_program(system, [input_mids(network, system.inputs, inputs)])


PROGRAM = program_of(CCM, ("Cit.m", "Ser.c", "R5P.c"), "Glc_x")
STATE = CCM.reference_fluxes()
FLUXES = directed(CCM, STATE["net_flux"].values, STATE["exchange_flux"].values)
FLUXES = FLUXES * np.random.default_rng(0).lognormal(0, 0.5, (70, len(FLUXES)))
FLUXES[3, ::4] = 0.0  # dead branches
COTANGENT = np.random.default_rng(1).standard_normal((70, *PROGRAM.shape))
MIDS, GRADIENT = pull_back(PROGRAM, FLUXES, COTANGENT)


@pytest.fixture(params=["machine code", "interpreter"])
def fresh(request, monkeypatch):
    """Programs that nobody has compiled, which run as machine code or as on a device without it."""
    if request.param == "interpreter":
        monkeypatch.setenv("FLUXKIT_ENGINE", "interpreter")
    return program_of


def ccm_program(fresh):
    return fresh(CCM, ("Cit.m", "Ser.c", "R5P.c"), "Glc_x")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", list(SAME))
def test_tensors_give_what_arrays_give_in_their_precision_and_place(fresh, device, dtype):
    program = ccm_program(fresh)
    fluxes = torch.tensor(FLUXES, dtype=getattr(torch, dtype), device=device)
    cotangent = torch.tensor(COTANGENT, dtype=fluxes.dtype, device=device)
    simulated = simulate_mids(program, fluxes)
    mids, gradient = pull_back(program, fluxes, cotangent)
    for each in (simulated, mids, gradient):
        assert (each.dtype, each.device) == (fluxes.dtype, fluxes.device)
    np.testing.assert_allclose(simulated.cpu(), MIDS, rtol=0, atol=SAME[dtype])
    np.testing.assert_allclose(mids.cpu(), MIDS, rtol=0, atol=SAME[dtype])
    size = np.abs(GRADIENT).max(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient.cpu().numpy() / size, GRADIENT / size, rtol=0, atol=10 * SAME[dtype])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("block", [13, 69, 70, 1000])
def test_the_size_of_blocks_changes_nothing(monkeypatch, device, block):
    monkeypatch.setenv("FLUXKIT_ENGINE", "interpreter")
    program = ccm_program(program_of)
    fluxes, cotangent = (torch.tensor(each, device=device) for each in (FLUXES, COTANGENT))
    np.testing.assert_allclose(simulate_mids(program, fluxes, block=block).cpu(), MIDS, rtol=0, atol=1e-12)
    np.testing.assert_allclose(simulate_mids(program, FLUXES, block=block), MIDS, rtol=0, atol=1e-12)
    found = pull_back(program, fluxes, cotangent, block=block)[1].cpu()
    np.testing.assert_allclose(found, GRADIENT, rtol=1e-9, atol=1e-12 * np.abs(GRADIENT).max())


@pytest.mark.parametrize("device", DEVICES)
def test_inputs_per_state_and_shared_inputs_are_those_of_arrays(fresh, device):
    program = ccm_program(fresh)
    other = program_of(CCM, ("Cit.m", "Ser.c", "R5P.c"), "Glc_x", 0.8).input_values
    rows = np.where(np.arange(70)[:, None] % 2, program.input_values, other)
    for inputs in (other, rows):
        expected = simulate_mids(PROGRAM, FLUXES, inputs)
        for given in (inputs, torch.tensor(inputs, device=device)):
            found = simulate_mids(program, torch.tensor(FLUXES, device=device), given)
            np.testing.assert_allclose(found.cpu(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_automatic_differentiation_goes_through_the_simulation(fresh, device):
    program = ccm_program(fresh)
    fluxes = torch.tensor(FLUXES, device=device, requires_grad=True)
    loss = (simulate_mids(program, fluxes) * torch.tensor(COTANGENT, device=device)).sum()
    loss.backward()
    np.testing.assert_allclose(fluxes.grad.cpu(), GRADIENT, rtol=1e-9, atol=1e-12 * np.abs(GRADIENT).max())
    assert not simulate_mids(program, fluxes.detach()).requires_grad
    assert not any(each.requires_grad for each in pull_back(program, fluxes, torch.tensor(COTANGENT, device=device)))


def test_gradients_of_tensors_equal_finite_differences(fresh):
    program = fresh(TOY, ("D", "E"), "A_x")
    fluxes = torch.rand(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.5
    assert torch.autograd.gradcheck(lambda v: simulate_mids(program, v), fluxes.requires_grad_())


def test_a_gradient_flows_on_through_what_came_before_and_in_another_precision():
    free = torch.ones(1, dtype=torch.float64, requires_grad=True)
    fluxes = (free * torch.tensor(FLUXES[:1])).T.contiguous().T  # columns lie together
    mids = simulate_mids(PROGRAM, fluxes, dtype="float32")
    assert mids.dtype == torch.float32
    (mids[0, 0, 0] * 100).backward()
    assert abs(float(free.grad)) < 1e-3  # all fluxes together are a direction without slope


def test_no_states_give_empty_tensors(fresh):
    program = ccm_program(fresh)
    fluxes = torch.empty(0, program.flux_count)
    assert simulate_mids(program, fluxes).shape == (0, *program.shape)
    mids, gradient = pull_back(program, fluxes, torch.empty(0, *program.shape))
    assert mids.shape == (0, *program.shape)
    assert gradient.shape == fluxes.shape


def test_what_arrays_are_refused_for_tensors_are_refused_for(fresh):
    program, fluxes = ccm_program(fresh), torch.tensor(FLUXES)
    wrong = fluxes.clone()
    wrong[2, CCM.reaction_index["PDH"]] = -1
    for bad in (wrong, wrong.float()):
        with pytest.raises(FluxError, match="state 2: directed flux 'PDH' is -1"):
            simulate_mids(program, bad)
        with pytest.raises(FluxError, match="state 2: directed flux 'PDH' is -1"):
            pull_back(program, bad, torch.tensor(COTANGENT))
    with pytest.raises(FluxError, match=r"have shape \(70, 111\), but network 'ccm' needs \(state, 112\)"):
        simulate_mids(program, fluxes[:, 1:])
    with pytest.raises(LabelingError, match=r"input values have shape \(1, 2\)"):
        simulate_mids(program, fluxes, torch.zeros(2))
    with pytest.raises(FluxError, match=r"the cotangent has shape \(70, 1\)"):
        pull_back(program, fluxes, torch.zeros(70, 1))
    with pytest.raises(FluxError, match="labeling is not simulated in 'float16'; give"):
        simulate_mids(program, fluxes.half())
    with pytest.raises(FluxError, match="labeling is not simulated in 'int8'; give"):
        simulate_mids(program, FLUXES, dtype="int8")
    inputs = torch.tensor(program.input_values, requires_grad=True)
    with pytest.raises(LabelingError, match="taken by the fluxes only; detach them"):
        simulate_mids(program, fluxes, inputs)


def test_values_are_let_go_after_their_last_use():
    """The adjoint holds a fraction of its values at a time, so that large blocks fit a device."""
    tape, block = PROGRAM.adjoint, 5000
    rows = np.repeat(FLUXES, 100, axis=0)[:block]
    inputs = (rows, PROGRAM.input_values[None], np.repeat(COTANGENT.reshape(70, -1), 100, axis=0)[:block])
    outputs = [np.empty((block, len(slots))) for slots in tape.outputs]
    tracemalloc.start()
    interpret(tape, inputs, outputs, block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.4 * tape.slot_count * block * 8


def test_arrays_are_simulated_without_torch():
    code = """
import sys
import numpy as np
from fluxkit.emu import build_program, decompose, simulate_mids
from fluxkit.networks import load_network, parse_fragment
toy = load_network("toy")
system = decompose(toy, [parse_fragment("E", toy)])
mids = [{emu: np.eye(1, len(emu.atoms) + 1)[0] for emu in system.inputs}]
simulate_mids(build_program(system, mids), np.ones((2, 7)))
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)
