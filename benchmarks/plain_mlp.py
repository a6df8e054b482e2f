"""A plain network for comparison: all MIDs in one fixed vector, zeros where nothing is measured, net fluxes out.

What a first attempt at learned flux estimation looks like: four fully connected layers trained by mean squared error on
the same simulated experiments (same flux prior, tracers, noise and gaps) and for as long as the posterior network of
fluxkit. It gives a number for each net flux: no uncertainty, and no promise that the fluxes balance.
"""

import argparse
import math
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from keeping import PLAIN_NETWORK
from torch import nn

import fluxkit
from fluxkit.errors import ModelError
from fluxkit.learning import ExperimentSettings
from fluxkit.learning.experiments import ExperimentSimulator
from fluxkit.learning.observed import Observed, observe
from fluxkit.learning.vocabulary import Vocabulary, build_vocabulary
from fluxkit.networks import Network
from fluxkit.workflows.training import TrainingSettings

SETTINGS = replace(ExperimentSettings(), rates=0.0)  # it reads labeling alone
PLACES = len(SETTINGS.experiments)
MINUTES = TrainingSettings().minutes
WIDTH, LAYERS, BATCH, POOL, RATE = 768, 4, 256, 20_000, 1e-3


def vectors(vocabulary: Vocabulary, seen: Observed) -> np.ndarray:
    """Return one vector per sample: values, log sd, mask and tracer features of up to four experiments, float32."""
    slot = np.arange(len(seen.owner)) - np.searchsorted(seen.owner, seen.owner)
    if slot.max(initial=0) >= PLACES:
        raise ModelError(f"the plain network has room for {PLACES} parallel experiments, not {slot.max() + 1}.")
    rows, _, context = seen.encode(vocabulary)
    features = np.concatenate([rows.reshape(len(rows), -1), context], axis=1)
    result = np.zeros((seen.samples, PLACES, features.shape[1]), dtype=np.float32)
    result[seen.owner, slot] = features
    return result.reshape(seen.samples, -1)


class PlainNetwork(nn.Module):
    """Fully connected layers between standardised inputs and standardised net fluxes."""

    input_mean: torch.Tensor
    input_scale: torch.Tensor
    output_mean: torch.Tensor
    output_scale: torch.Tensor

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        for name, size in (("input", inputs), ("output", outputs)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_scale", torch.ones(size))
        sizes = [inputs, *[WIDTH] * LAYERS]
        hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())]
        self.body = nn.Sequential(*hidden, nn.Linear(WIDTH, outputs))

    def forward(self, vector: torch.Tensor) -> torch.Tensor:
        """Return standardised net fluxes ``(sample, reaction)``."""
        return self.body((vector - self.input_mean) / self.input_scale)


@dataclass(frozen=True)
class PlainModel:
    """A trained plain network and what it reads."""

    vocabulary: Vocabulary
    network: PlainNetwork

    def net_fluxes(self, labeling: xr.Dataset) -> np.ndarray:
        """Return the net fluxes of one measured sample, shape ``(reaction,)``, in the flux unit of the network."""
        vector = torch.from_numpy(vectors(self.vocabulary, observe(self.vocabulary, labeling)))
        with torch.no_grad():
            standard = self.network(vector)[0]
            return (self.network.output_mean + self.network.output_scale * standard).double().numpy()


def train(network: Network, minutes: float = MINUTES, seed: int = 0, out: Path = PLAIN_NETWORK) -> PlainModel:
    """Train a plain network for some minutes and save it.

    Parameters
    ----------
    network : Network
        The metabolic network.
    minutes : float
        Time of training; the learning rate falls to zero over it.
    seed : int
        Seed of weights and experiments.
    out : pathlib.Path
        Where it is saved.
    """
    torch.manual_seed(seed)
    vocabulary, rng = build_vocabulary(network), np.random.default_rng(seed)
    simulator = ExperimentSimulator(vocabulary, SETTINGS)
    held, truth = _batch(simulator, simulator.net_pool(2048, rng), rng)
    made = PlainNetwork(held.shape[1], truth.shape[1])
    for name, values in (("input", held), ("output", truth)):
        getattr(made, f"{name}_mean").copy_(values.mean(dim=0))
        getattr(made, f"{name}_scale").copy_(values.std(dim=0).clamp(min=0.02))
    optimiser = torch.optim.AdamW(made.parameters(), lr=RATE, weight_decay=1e-4)
    begin, step, states = time.perf_counter(), 0, np.zeros((0, 0))
    while (over := (time.perf_counter() - begin) / (60 * minutes)) < 1:
        place = step * BATCH % (POOL // BATCH * BATCH)
        if not place:
            states = simulator.net_pool(POOL, rng)
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 300) * 0.5 * (1 + math.cos(math.pi * over))
        loss = _loss(made, *_batch(simulator, states[place : place + BATCH], rng))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        if step % 500 == 0:
            _say(made, held, truth, step, time.perf_counter() - begin)
    _say(made, held, truth, step, time.perf_counter() - begin)
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.save(made.state_dict(), out)
    return PlainModel(vocabulary, made.eval())


def load(network: Network, path: Path = PLAIN_NETWORK) -> PlainModel:
    """Return a plain network that was saved."""
    weights = torch.load(path, weights_only=True)
    made = PlainNetwork(len(weights["input_mean"]), len(weights["output_mean"]))
    made.load_state_dict(weights)
    return PlainModel(build_vocabulary(network), made.eval())


def _batch(
    simulator: ExperimentSimulator, z: np.ndarray, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    seen, _ = simulator.observe(z, rng)
    net = simulator.space.net(z).astype(np.float32)
    return torch.from_numpy(vectors(simulator.vocabulary, seen)), torch.from_numpy(net)


def _loss(made: PlainNetwork, vector: torch.Tensor, net: torch.Tensor) -> torch.Tensor:
    return (made(vector) - (net - made.output_mean) / made.output_scale).square().mean()


def _say(made: PlainNetwork, held: torch.Tensor, truth: torch.Tensor, step: int, seconds: float) -> None:
    with torch.no_grad():
        error = _loss(made, held, truth).item() / _loss_of_the_prior(made, truth)
    print(f"{seconds / 60:5.1f} min, step {step}: squared error {error:.4f} of the prior's", flush=True)


def _loss_of_the_prior(made: PlainNetwork, truth: torch.Tensor) -> float:
    return ((truth - made.output_mean) / made.output_scale).square().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"time of training (default {MINUTES:g})")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and experiments (default 0)")
    parser.add_argument(
        "--out", type=Path, default=PLAIN_NETWORK, help="where to save it (default results/plain_mlp.pt)"
    )
    options = parser.parse_args()
    train(fluxkit.load_network("ccm"), options.minutes, options.seed, options.out)
