"""The sampler beside those of hopsy, on the same posteriors, from the same starts, for the same time on one core.

hopsy (Paul et al. 2024, doi:10.1093/bioinformatics/btae430) samples polytopes, for 13CFLUX among others. It gets the
posterior of quantify, in coordinates whitened by the same first covariance, with the compiled density and its gradient;
it calls them through Python, one point at a time, which its interface demands.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from cases import drawn_case
from machine import describe_machine, publish
from threadpoolctl import threadpool_limits

import fluxkit
from fluxkit.inference import SamplerSettings
from fluxkit.inference.problem import build_density, random_points
from fluxkit.inference.refinement import search
from fluxkit.inference.sampler.compiled_density import compiled
from fluxkit.inference.sampler.convergence import diagnose
from fluxkit.inference.sampler.sampling import sample_chains
from fluxkit.inference.sampler.scatter import scattered_starts

SEED, CHAINS, REACH = 20_000, 16, 7.9
HOPSY = ("hopsy==1.7.0", "numpy==2.4.6", "scipy==1.17.1")
PROPOSALS = ("GaussianHitAndRunProposal", "BilliardMALAProposal")


def posterior(number: int):
    """Return the posterior of a case, starts of chains, and a first covariance."""
    density = build_density(drawn_case(number, SEED).labeling, fluxkit.load_network("ccm"))
    rng = np.random.default_rng(number)
    refined = search(density, random_points(density, CHAINS, rng))
    return density, *scattered_starts(density, refined, CHAINS, rng)


def run_own(number: int, seconds: float) -> dict:
    """Sample by fluxkit for a time."""
    density, starts, covariance = posterior(number)
    target = compiled(density)
    assert target is not None
    settings = SamplerSettings(chains=CHAINS, seconds=seconds, effective_draws=1e9, max_draws=10**6)
    rng, space = np.random.default_rng(1), density.space
    chains = sample_chains(target, space.walls, space.offsets, starts, covariance, settings, rng)
    return _told("fluxkit", number, chains.draws, chains.seconds, chains.gradients)


def run_hopsy(number: int, seconds: float, proposal: str) -> dict:
    """Sample by hopsy for a time; the first half of the draws is warm-up."""
    import hopsy  # pyright: ignore[reportMissingImports]

    density, starts, covariance = posterior(number)
    target, factor = compiled(density), np.linalg.cholesky(covariance)
    space, size = density.space, density.size
    free = len(space.free)
    box = np.eye(size)[free:]
    walls = np.concatenate([np.pad(space.walls, ((0, 0), (0, size - free))), box, -box])
    offsets = np.concatenate([space.offsets, np.full(2 * len(box), REACH)])
    model = _Posterior(target, factor)
    problem = hopsy.Problem(walls @ factor, offsets, model)
    white = np.linalg.solve(factor, np.clip(starts, -REACH + 0.1, REACH - 0.1).T).T
    kind = getattr(hopsy, proposal)
    chains = [hopsy.MarkovChain(problem, proposal=kind, starting_point=each) for each in white]
    generators = [hopsy.RandomNumberGenerator(1, i) for i in range(CHAINS)]
    begin, parts = time.perf_counter(), []
    while time.perf_counter() - begin < seconds:
        parts.append(hopsy.sample(chains, generators, n_samples=20, thinning=10)[1])
    draws = np.concatenate(parts, axis=1)
    return _told(f"hopsy, {proposal}", number, draws[:, draws.shape[1] // 2 :], seconds, model.calls)


class _Posterior:
    """The posterior as hopsy asks for it, in whitened coordinates."""

    def __init__(self, target, factor: np.ndarray):
        self.target, self.factor, self.calls = target, factor, 0

    def log_density(self, x: np.ndarray) -> float:
        self.calls += 1
        return float(self.target((self.factor @ np.ravel(x))[None])[0][0])

    def log_gradient(self, x: np.ndarray) -> np.ndarray:
        self.calls += 1
        return self.target((self.factor @ np.ravel(x))[None])[1][0] @ self.factor

    def log_curvature(self, x: np.ndarray) -> np.ndarray:
        return np.eye(len(np.ravel(x)))


def _told(name: str, number: int, draws: np.ndarray, seconds: float, calls: int) -> dict:
    rhat, effective = diagnose(draws)
    figures = {"rhat": float(np.max(rhat)), "ess": float(np.min(effective)), "median ess": float(np.median(effective))}
    return {"sampler": name, "case": number, **figures, "seconds": seconds, "calls": int(calls)}


def summarise(results: list[dict], seconds: float) -> str:
    """Return the section of the results page."""
    cases = len({each["case"] for each in results})
    rows = [
        f"{cases} experiment sets of ccm (1 to 4 tracers, noise 0.002 to 0.02, gaps), {CHAINS} chains from the same "
        f"starts, {seconds:g} s of one core each, warm-up included; {describe_machine()}. Medians over the sets of the "
        "largest R-hat and of the smallest bulk effective sample size of any parameter.",
        "",
        "| sampler | R-hat | effective draws | a second | densities or gradients a second |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(each["sampler"] for each in results):
        own = [each for each in results if each["sampler"] == name]
        rhat, ess, rate, calls = (
            np.median([each[a] / (each["seconds"] if b else 1) for each in own])
            for a, b in (("rhat", False), ("ess", False), ("ess", True), ("calls", True))
        )
        rows.append(f"| {name} | {rhat:.3f} | {ess:.0f} | {rate:.1f} | {calls:,.0f} |")
    return "\n".join(rows)


def main() -> None:
    """Run both and write the section."""
    from peers.environment import python_with

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--print", action="store_true", help="print the section instead of writing it to the page")
    parser.add_argument("--worker", metavar="PROPOSAL", help="run hopsy in its own environment and print the results")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with threadpool_limits(1):
        if options.worker:
            for number in range(options.cases):
                print(json.dumps(run_hopsy(number, options.seconds, options.worker)), flush=True)
            return
        run_own(0, 1.0)  # compiles
        results = [run_own(number, options.seconds) for number in range(options.cases)]
    python = python_with("hopsy", HOPSY, {})
    for proposal in PROPOSALS if python else ():
        command = [str(python), __file__, "--worker", proposal]
        command += ["--cases", str(options.cases), "--seconds", str(options.seconds)]
        paths = [each for each in sys.path if each.endswith("site-packages")] + [str(Path(fluxkit.__file__).parents[1])]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ":".join(paths)}
        )
        if done.returncode:
            raise SystemExit(f"hopsy failed with\n{done.stderr.strip()[-2000:]}")
        results += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    text = summarise(results, options.seconds)
    publish("Sampler", text, options.print)


if __name__ == "__main__":
    main()
