"""Error, coverage and time of quantify on simulated experiments, beside least squares and networks alone.

Fluxes come from the flux prior, so a method that knows the prior has an advantage on fluxes that the data do not
determine; the fit with the prior is there to show how much of the gain that is. All methods see the same data.
"""

import argparse
import time
from functools import cache

import numpy as np
from cases import DrawnCase, drawn_case
from keeping import PLAIN_NETWORK, Kept, checksum, model_checksum
from quantify_page import summarise
from threadpoolctl import threadpool_limits

import fluxkit
from fluxkit.fluxes import flux_space
from fluxkit.inference import Estimates, FluxEstimate, QuantifySettings, SamplerSettings
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.least_squares import least_squares_fits
from fluxkit.inference.problem import build_density, random_points
from fluxkit.inference.quantify import find_best
from fluxkit.learning import load_model
from fluxkit.learning.calibration import DRAWS

RESULTS_OF = {"quantify": 2, "converged": 2, "time": 2, "network alone": 2}
"""Raise that of a method, 1 where there is none, when a change makes a case come out otherwise."""
STARTS, SEED = 10, 20_000
NETWORK_DRAWS = 128


@cache
def _network():
    return fluxkit.load_network("ccm")


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{each:.5g}") for each in np.ravel(values)]


def _one(estimate: FluxEstimate | Estimates) -> FluxEstimate:
    assert isinstance(estimate, FluxEstimate)
    return estimate


def _quantify(case: DrawnCase, seconds: float = 60.0, **sampler) -> dict:
    """Return medians, widths and ranks of the posterior."""
    settings = QuantifySettings(sampler=SamplerSettings(seconds=seconds, **sampler))
    begin = time.perf_counter()
    estimate = _one(fluxkit.quantify(case.labeling, _network(), settings=settings, seed=case.number))
    spent = time.perf_counter() - begin
    result = {"seconds": spent, "trusted": estimate.verdict.trusted, "reasons": list(estimate.verdict.reasons)}
    result |= {name: float(estimate.diagnostics[name]) for name in ("rhat_max", "ess_min", "gradients", "draws")}
    rng = np.random.default_rng([SEED, case.number, 1])
    for kind, chosen in (("net", slice(None)), ("exchange", _network().reversible)):
        draws = estimate.posterior[f"{kind}_flux"].values.reshape(-1, len(_network().reactions))[:, chosen]
        low, middle, high = np.quantile(draws, [0.05, 0.5, 0.95], axis=0)
        picked = draws[rng.choice(len(draws), DRAWS, replace=False)]
        truth = case.truth[f"{kind}_flux"].values[chosen]
        ranks = (picked < truth).sum(axis=0)
        result |= {kind: _short(middle), f"{kind}_width": _short(high - low), f"{kind}_rank": ranks.tolist()}
    result["shown"] = f"{spent:.1f} s, R-hat {result['rhat_max']:.3f}"
    return result


def _converged(case: DrawnCase) -> dict:
    """Sample much longer than quantify does, as the truth about the posterior."""
    return _quantify(case, seconds=240.0, rhat=1.002, effective_draws=8000.0, max_draws=12_000)


def _timed(case: DrawnCase) -> dict:
    """Time one sample on all processors: in a layout that is new, then with other noise in the same layout."""
    result = {}
    for name, seed in (("first", 0), ("again", 1)):
        noise = np.random.default_rng([SEED, case.number, 2 + seed]).standard_normal(case.exact["mid"].shape)
        labeling = case.labeling.assign(mid=case.exact["mid"] + case.noise * noise)
        begin = time.perf_counter()
        estimate = _one(fluxkit.quantify(labeling, _network(), seed=seed))
        result[f"seconds {name}"] = time.perf_counter() - begin
        result[f"rhat {name}"], result[f"ess {name}"] = (estimate.diagnostics[x] for x in ("rhat_max", "ess_min"))
        result[f"gradients {name}"] = estimate.diagnostics["gradients"]
    result["shown"] = f"{result['seconds first']:.1f} s, {result['seconds again']:.1f} s, {result['rhat again']:.3f}"
    return result


def _best_fit(case: DrawnCase, learned: bool = True) -> dict:
    """Find the most probable fluxes as quantify does, without sampling."""
    density, model = _density(case), load_model(_network()) if learned else None
    settings = QuantifySettings(fallbacks=False)
    begin = time.perf_counter()
    best = find_best(density, case.labeling, model, settings, np.random.default_rng(case.number))
    return _point(density, best.refined.points[0], time.perf_counter() - begin)


def _best_fit_without(case: DrawnCase) -> dict:
    return _best_fit(case, learned=False)


def _network_alone(case: DrawnCase) -> dict:
    """Take the medians of few draws of the learned posterior: more take longer and hardly move them."""
    model, space = load_model(_network()), flux_space(_network())
    begin = time.perf_counter()
    z, _, _ = model.draw(case.labeling, NETWORK_DRAWS, seed=case.number)
    net = np.median(space.net(z), axis=0)
    return {"seconds": time.perf_counter() - begin, "net": _short(net)}


def _plain_network(case: DrawnCase) -> dict:
    from plain_mlp import load

    plain = load(_network())
    begin = time.perf_counter()
    net = plain.net_fluxes(case.labeling)
    return {"seconds": time.perf_counter() - begin, "net": _short(net)}


def _least_squares(case: DrawnCase, prior: bool = False) -> dict:
    density = _density(case)
    starts = random_points(density, STARTS, np.random.default_rng([SEED, case.number, 3]))
    begin = time.perf_counter()
    fit = least_squares_fits(density, starts, prior=prior)
    return _point(density, fit.points[0], time.perf_counter() - begin)


def _with_prior(case: DrawnCase) -> dict:
    return _least_squares(case, prior=True)


def _density(case: DrawnCase) -> FluxDensity:
    """Return the posterior with its programs compiled, which no time of a fit shall include."""
    density = build_density(case.labeling, _network())
    density.residuals_with_jacobian(np.zeros((1, density.size)))
    return density


def _point(density: FluxDensity, point: np.ndarray, seconds: float) -> dict:
    return {"seconds": seconds, "net": _short(density.space.net(point[: len(density.space.free)]))}


METHODS = {
    "quantify": _quantify,
    "best fit": _best_fit,
    "best fit without the network": _best_fit_without,
    "network alone": _network_alone,
    "plain network": _plain_network,
    "least squares": _least_squares,
    "least squares with the prior": _with_prior,
    "converged": _converged,
    "time": _timed,
}


def work(key: str) -> dict:
    """Run one method on one case."""
    method, _, number = key.rpartition(" ")
    case = drawn_case(int(number), SEED)
    drawn = {"noise": case.noise, "missing": case.missing, "tracers": len(case.tracers)}
    with threadpool_limits(1):
        result = METHODS[method](case)
    if method == "quantify":
        drawn["truth"] = _short(case.truth["net_flux"].values)
    return drawn | result


def keys(method: str, first: int, cases: int) -> list[str]:
    """Return what is wanted of a method."""
    return [f"{method} {number}" for number in range(first, first + cases)]


def kept_results(method: str) -> Kept:
    """Return the kept results of a method; only a trained model that it uses decides whether they hold."""
    made = {"results of": RESULTS_OF.get(method, 1), "network": _network().fingerprint, "seed": SEED}
    if method.startswith("least squares"):
        made["starts"] = STARTS
    elif method == "plain network":
        made["model"] = checksum(PLAIN_NETWORK.read_bytes()) if PLAIN_NETWORK.is_file() else _last_plain_network()
    elif method != "best fit without the network":
        made["model"] = model_checksum()
    return Kept("quantify", made)


def _cases(method: str) -> dict[int, dict]:
    """Return the kept results of a method by number of the case."""
    split = ((key.rpartition(" "), line) for key, line in kept_results(method).lines().items())
    return {int(number): line for (name, _, number), line in split if name == method}


def _last_plain_network() -> str:
    """Return the plain network of the last kept line: its weights, unlike its results, do not travel."""
    lines = [each for each in Kept("quantify", {}).all_lines() if each["key"].startswith("plain network ")]
    return lines[-1]["made with"]["model"] if lines else ""


def _chosen(text: str) -> list[str]:
    """Return the methods that were asked for."""
    names = text.split(",")
    if unknown := [each for each in names if each not in METHODS]:
        raise SystemExit(f"--methods: there is no {unknown[0]!r}; there are {', '.join(METHODS)}.")
    return names


def main() -> None:
    """Run what is missing and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, default=500, help="how many from the first on")
    parser.add_argument("--methods", default=",".join(METHODS), help="names, with commas between them")
    parser.add_argument("--workers", type=int, default=2, help="processes, each on a core of its own")
    parser.add_argument("--no-run", action="store_true", help="run nothing: pack what is kept and write the section")
    parser.add_argument("--print", action="store_true", help="print the section; neither write it to the page nor pack")
    options = parser.parse_args()
    failed = []
    if not options.no_run:
        methods = _chosen(options.methods)
        if "plain network" in methods and not PLAIN_NETWORK.is_file():
            raise SystemExit("train the plain network first (plain_mlp.py), or leave it out of --methods.")
        for method in methods:
            wanted = keys(method, options.first, options.cases)
            failed += kept_results(method).run(work, wanted, options.workers, alone=method == "time")
    if not options.print:
        Kept("quantify", {}).pack()
    summarise({method: _cases(method) for method in METHODS}, options.print)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; the next run tries them again.")


if __name__ == "__main__":
    main()
