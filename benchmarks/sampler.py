"""The sampler beside those of hopsy, on the same posteriors, from the same starts, for the same time on one core.

hopsy (Paul et al. 2024, doi:10.1093/bioinformatics/btae430) samples polytopes, for 13CFLUX among others. It gets the
posterior of quantify, in coordinates whitened by the same first covariance. Its interface asks through Python for one
point of one chain at a time, so it gets the compiled programs for single points, not those that move eight chains at
once: the density alone where a proposal needs no gradient, else both in one evaluation, kept until the other is asked
for. What an evaluation costs that way is no fault of its samplers; effective draws per evaluation leave it out. Step
sizes are tuned in warm-up, to the acceptance at which such moves go farthest.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from cases import drawn_case
from machine import describe_machine, publish
from threadpoolctl import threadpool_limits

import fluxkit
from fluxkit.inference import SamplerSettings
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.problem import build_density, random_points
from fluxkit.inference.refinement import search
from fluxkit.inference.sampler.compiled_density import compiled
from fluxkit.inference.sampler.convergence import diagnose
from fluxkit.inference.sampler.sampling import sample_chains
from fluxkit.inference.sampler.scatter import scattered_starts

SEED, CHAINS, REACH = 20_000, 16, 7.9
MET = 1.1  # largest R-hat of chains that are about the same
HOPSY = ("hopsy==1.7.0", "numpy==2.4.6", "scipy==1.17.1")
WARM_UP = 0.5  # share of the time of hopsy in which the step size is tuned, and whose draws are dropped


class Proposal(NamedTuple):
    """One of hopsy: whether it asks for gradients, and the acceptance to which its step size is tuned."""

    gradients: bool
    acceptance: float


PROPOSALS = {"GaussianHitAndRunProposal": Proposal(False, 0.44), "BilliardMALAProposal": Proposal(True, 0.574)}
"""With the best acceptance of moves along a line and of Langevin moves (doi:10.1214/ss/1015346320)."""


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
    shares: dict[str, float] = {}  # of the time, at the last word of each stage
    chains = sample_chains(
        target, space.walls, space.offsets, starts, covariance, settings, rng, progress=shares.__setitem__
    )
    told = {"warm-up": shares["warm-up"], "step": chains.step, "acceptance": chains.acceptance}
    return told | _told("fluxkit", number, chains.draws, chains.seconds, chains.gradients)


def run_hopsy(number: int, seconds: float, proposal: str) -> dict:
    """Sample by hopsy for a time, the first part of which is warm-up: its draws are dropped."""
    import hopsy  # pyright: ignore[reportMissingImports]

    density, starts, covariance = posterior(number)
    factor = np.linalg.cholesky(covariance)
    space, size = density.space, density.size
    free = len(space.free)
    box = np.eye(size)[free:]
    walls = np.concatenate([np.pad(space.walls, ((0, 0), (0, size - free))), box, -box])
    offsets = np.concatenate([space.offsets, np.full(2 * len(box), REACH)])
    model = OnePoint(density, factor, PROPOSALS[proposal].gradients)
    model.log_density(np.linalg.solve(factor, starts[0]))  # compiles
    model.calls = 0
    problem = hopsy.Problem(walls @ factor, offsets, model)
    white = np.linalg.solve(factor, np.clip(starts, -REACH + 0.1, REACH - 0.1).T).T
    kind = getattr(hopsy, proposal)
    generators = [hopsy.RandomNumberGenerator(1, i) for i in range(CHAINS)]

    def build(points: np.ndarray, step: float) -> list:
        return [hopsy.MarkovChain(problem, proposal=kind(problem, each, stepsize=step)) for each in points]

    def move(chains: list, n_samples: int) -> tuple:
        return hopsy.sample(chains, generators, n_samples=n_samples, thinning=10)

    begin = time.perf_counter()
    chains, step = tune(build, move, white, PROPOSALS[proposal].acceptance, begin + WARM_UP * seconds)
    warm, parts, rates = time.perf_counter() - begin, [], []
    while time.perf_counter() - begin < seconds:
        accepted, draws = move(chains, n_samples=20)
        parts.append(draws)
        rates.append(np.mean(accepted))
    spent = time.perf_counter() - begin
    told = {"warm-up": warm / spent, "step": step, "acceptance": float(np.mean(rates))}
    return told | _told(f"hopsy, {proposal}", number, np.concatenate(parts, axis=1), spent, model.calls)


def tune(build: Callable, move: Callable, points: np.ndarray, acceptance: float, end: float) -> tuple[list, float]:
    """Return chains with a step size at which they accept a share of their moves, and the step size.

    Stochastic approximation (Robbins & Monro 1951, doi:10.1214/aoms/1177729586) from the step size of hopsy, 1; the
    step that stays is the mean of the logarithms over the later half (Polyak & Juditsky 1992, doi:10.1137/0330046).

    Parameters
    ----------
    build : callable
        Makes chains of points and a step size: with BilliardMALAProposal hopsy 1.7 takes no other one later.
    move : callable
        Moves chains ``n_samples`` times ten times; returns acceptance of each, and draws.
    points : numpy.ndarray
        Where chains start, shape ``(chain, parameter)``.
    acceptance : float
        Share of the moves that should be accepted.
    end : float
        When to end, by ``time.perf_counter``.
    """
    logs = [0.0]
    while time.perf_counter() < end:
        accepted, draws = move(build(points, float(np.exp(logs[-1]))), n_samples=2)
        points = draws[:, -1]
        logs.append(logs[-1] + (float(np.mean(accepted)) - acceptance) / np.sqrt(len(logs)))
    step = float(np.exp(np.mean(logs[len(logs) // 2 :])))
    return build(points, step), step


class OnePoint:
    """The posterior as hopsy asks for it: one point at a time, in whitened coordinates.

    Parameters
    ----------
    density : FluxDensity
        The posterior.
    factor : numpy.ndarray
        Cholesky factor of the covariance that whitens, shape ``(parameter, parameter)``.
    gradients : bool
        Whether gradients are asked for too, so that they are made together with the density.
    """

    def __init__(self, density: FluxDensity, factor: np.ndarray, gradients: bool):
        self.density, self.factor, self.gradients, self.calls = density, factor, gradients, 0
        self._last: tuple[bytes, float, np.ndarray] | None = None

    def log_density(self, x: np.ndarray) -> float:
        """Return the log density of a whitened point, shape ``(parameter,)``."""
        if self.gradients:
            return self._both(x)[0]
        self.calls += 1
        return float(self.density.log_value((self.factor @ np.ravel(x))[None])[0])

    def log_gradient(self, x: np.ndarray) -> np.ndarray:
        """Return the gradient of the log density by the whitened point, shape ``(parameter,)``."""
        return self._both(x)[1]

    def log_curvature(self, x: np.ndarray) -> np.ndarray:
        """Return the identity: the coordinates are whitened."""
        return np.eye(len(np.ravel(x)))

    def _both(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        key = np.ravel(x).tobytes()
        if self._last is None or self._last[0] != key:
            self.calls += 1
            value, gradient = self.density.log_density((self.factor @ np.ravel(x))[None])
            self._last = (key, float(value[0]), gradient[0] @ self.factor)
        return self._last[1:]


def _told(name: str, number: int, draws: np.ndarray, seconds: float, calls: int) -> dict:
    rhat, effective = diagnose(draws)
    figures = {"rhat": float(np.max(rhat)), "ess": float(np.min(effective)), "median ess": float(np.median(effective))}
    return {"sampler": name, "case": number, **figures, "seconds": seconds, "calls": int(calls)}


def summarise(results: list[dict], seconds: float, longer: float = 1.0) -> str:
    """Return the section of the results page."""
    cases = len({each["case"] for each in results})
    more = f" (hopsy {longer:g} times as long)" if longer != 1 else ""
    aims = ", ".join(f"{name} {each.acceptance:g}" for name, each in PROPOSALS.items())
    rows = [
        f"{cases} experiment sets of ccm (1 to 4 tracers, noise 0.002 to 0.02, gaps), {CHAINS} chains from the same "
        f"starts, {seconds:g} s of one core each{more}, warm-up included; {describe_machine()}. Medians over the sets "
        "of the largest R-hat and of the smallest bulk effective sample size (ESS) of any parameter, which means "
        f"nothing and is left out where that R-hat is above {MET:g}.",
        "",
        f"Draws of the warm-up are dropped. In it step sizes are tuned, those of hopsy for {WARM_UP:.0%} of the time, "
        f"to the acceptance at which such moves go farthest ({aims}). All start with the same covariance; fluxkit "
        "renews it in warm-up, hopsy keeps it. Step sizes are in whitened units, and mean another thing for each "
        "sampler.",
        "",
        "An evaluation is one density of one chain, with its gradient where the sampler uses one. fluxkit evaluates "
        "eight chains at once in compiled code, gradients in single precision. hopsy asks through Python for one point "
        "at a time, which programs for single points answer in double precision. ESS per 1000 evaluations does not "
        "depend on what an evaluation costs.",
        "",
        "| sampler | warm-up | step size | acceptance | R-hat | evaluations | a second | ESS | a second | per 1000 "
        "evaluations |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(each["sampler"] for each in results):
        own = [each for each in results if each["sampler"] == name]
        spent, calls, rhat, ess = (np.array([each[key] for each in own]) for key in ("seconds", "calls", "rhat", "ess"))
        warm, step, accepted = (np.median([each[key] for each in own]) for key in ("warm-up", "step", "acceptance"))
        row = [name, f"{warm:.0%} of the time", f"{step:.2g}", f"{accepted:.2f}"]
        row += [f"{np.median(rhat):.3f}", f"{np.median(calls):,.0f}", f"{np.median(calls / spent):,.0f}"]
        found = [f"{np.median(each):.3g}" for each in (ess, ess / spent, 1000 * ess / calls)]
        rows.append(f"| {' | '.join(row + (found if np.median(rhat) < MET else [''] * 3))} |")
    return "\n".join(rows)


def main() -> None:
    """Run both and write the section."""
    from peers.environment import python_with

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=12.0)
    parser.add_argument("--longer", type=float, default=1.0, help="give hopsy so many times the seconds (default 1)")
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
        command += ["--cases", str(options.cases), "--seconds", str(options.seconds * options.longer)]
        paths = [each for each in sys.path if each.endswith("site-packages")] + [str(Path(fluxkit.__file__).parents[1])]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ":".join(paths)}
        )
        if done.returncode:
            raise SystemExit(f"hopsy failed with\n{done.stderr.strip()[-2000:]}")
        results += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    text = summarise(results, options.seconds, options.longer)
    publish("Sampler", text, options.print)


if __name__ == "__main__":
    main()
