"""Error and coverage of quantify against least squares and the learned network alone, on simulated experiments.

Fluxes come from the flux prior, so a method that knows the prior has an advantage on fluxes that the data do not
determine; the fit with the prior is there to show how much of the gain that is. All methods see the same data.
"""

import argparse
import json
import os
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Manager
from pathlib import Path

import numpy as np
from cases import TRACERS, measured_names
from machine import describe_machine, processors, write_section
from threadpoolctl import threadpool_limits

import fluxkit
from fluxkit.inference import QuantifySettings, SamplerSettings
from fluxkit.inference.least_squares import least_squares_fits
from fluxkit.inference.problem import build_density, random_points
from fluxkit.learning import load_model

SD, MISSING, STARTS, SEED = 0.005, 0.2, 10, 20_000
METHODS = ("quantify", "network alone", "least squares", "least squares with the prior")


def made_with(seconds: float) -> dict:
    """Return what decides a result beside its case; results made otherwise are not mixed with these."""
    settings = {"seconds": seconds, "sd": SD, "missing": MISSING, "starts": STARTS, "seed": SEED}
    return {"version": fluxkit.__version__, **settings, "tracers": TRACERS}


def commit() -> str:
    """Return the commit of the working tree, with a plus where files differ from it; empty outside of git."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def finished(path: Path, seconds: float) -> dict[int, dict]:
    """Return the kept results of the same version and settings, by case; of several the last."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    kept = [json.loads(line) for line in lines]
    return {each["case"]: each for each in kept if each.get("made with") == made_with(seconds)}


def run_case(case: int, seconds: float) -> dict:
    """Simulate one experiment set and quantify it by every method; return errors, hits and times."""
    network = fluxkit.load_network("ccm")
    rng = np.random.default_rng([SEED, case])
    truth = fluxkit.draw_fluxes(network, 1, seed=SEED + case).isel(draw=0)
    names = [name for name in measured_names(network) if rng.random() >= MISSING]
    labeling = fluxkit.simulate(network, truth, TRACERS, fragments=names, noise=SD, seed=SEED + case)
    labeling = labeling.drop_vars(["net_flux", "exchange_flux"])
    net = truth["net_flux"].values
    result: dict = {"case": case, "truth": net.tolist(), "exchange": truth["exchange_flux"].values.tolist()}
    with threadpool_limits(1):
        begin = time.perf_counter()
        settings = QuantifySettings(sampler=SamplerSettings(seconds=seconds))
        estimate = fluxkit.quantify(labeling, network, settings=settings, seed=case)
        result["seconds quantify"] = time.perf_counter() - begin
        result["quantify"] = estimate.posterior["net_flux"].median(("chain", "draw")).values.tolist()
        result["rhat"], result["ess"] = estimate.diagnostics["rhat_max"], estimate.diagnostics["ess_min"]
        result["p"], result["trusted"] = estimate.p_value, estimate.verdict.trusted
        result["rank"] = _ranks(estimate, truth)
        density = build_density(labeling, network)
        begin = time.perf_counter()
        z, _, _ = load_model(network).draw(labeling, 1000, seed=case)
        result["network alone"] = np.median(density.space.net(z), axis=0).tolist()
        result["seconds network alone"] = time.perf_counter() - begin
        starts = random_points(density, STARTS, rng)
        for name, prior in (("least squares", False), ("least squares with the prior", True)):
            begin = time.perf_counter()
            fit = least_squares_fits(density, starts, prior=prior)
            result[f"seconds {name}"] = time.perf_counter() - begin
            result[name] = density.space.net(fit.points[0, : len(density.space.free)]).tolist()
    return result


def _ranks(estimate, truth) -> dict[str, list[float]]:
    """Return the share of posterior draws below the truth, per net flux and per reversible exchange flux."""
    network = estimate.network
    parts = {}
    for kind, columns in (("net", np.arange(len(network.reactions))), ("exchange", np.flatnonzero(network.reversible))):
        draws = estimate.posterior[f"{kind}_flux"].values.reshape(-1, len(network.reactions))[:, columns]
        parts[kind] = (draws < truth[f"{kind}_flux"].values[columns]).mean(axis=0).tolist()
    return parts


def summarise(results: list[dict], cases: int, seconds: float) -> str:
    """Return the section of the results page; it says so where cases are missing."""
    network = fluxkit.load_network("ccm")
    prior = fluxkit.draw_fluxes(network, 4000, seed=1)["net_flux"].values
    free = prior.std(axis=0) > 1e-6
    truth = np.array([each["truth"] for each in results])[:, free]
    scale = prior.std(axis=0)[free]
    error = {name: np.abs(np.array([each[name] for each in results])[:, free] - truth) for name in METHODS}
    relative = {name: value / scale for name, value in error.items()}
    rng = np.random.default_rng(0)
    picks = rng.integers(len(results), size=(2000, len(results)))
    commits = sorted({each["commit"] for each in results} - {""})
    made = f", commit {', '.join(commits)} (+: with changes)" if commits else ""
    caveat = f"**Preliminary: {len(results)} of {cases} cases.** " if len(results) < cases else ""
    lines = [
        f"{caveat}{len(results)} simulated experiment sets of ccm, {len(TRACERS)} parallel tracers "
        f"({', '.join(TRACERS)}), sd {SD}, {MISSING:.0%} of the measurements missing, fluxes from the prior, seeds "
        f"fixed in the script; {describe_machine()}{made}; one core per case. Sampling stops at convergence or "
        f"{seconds:g} s. Errors are those of {free.sum()} net fluxes: the median absolute error (glucose uptake = "
        "100), and the root mean square of the errors divided by the prior's standard deviation (nRMSE). Ratios are to "
        "least squares, with 95 % bootstrap intervals over cases.",
        "",
        "| method | median error | ratio | nRMSE | ratio | seconds per case |",
        "|---|---|---|---|---|---|",
    ]
    for name in METHODS:
        middle, root = _ratio(error, name, picks, _median), _ratio(relative, name, picks, _rms)
        times = np.median([each[f"seconds {name}"] for each in results])
        lines.append(f"| {name} | {middle[0]:.3g} | {middle[1]} | {root[0]:.3g} | {root[1]} | {times:.2g} |")
    net_rank = np.array([each["rank"]["net"] for each in results])[:, free]
    exchange_rank = np.array([each["rank"]["exchange"] for each in results])
    lines += ["", "| coverage of quantify's intervals | 50 % | 90 % |", "|---|---|---|"]
    for kind, rank in (("net fluxes", net_rank), ("exchange fluxes", exchange_rank)):
        shares = [np.mean(np.abs(rank - 0.5) <= level / 2, axis=1) for level in (0.5, 0.9)]
        texts = [_share(share, picks) for share in shares]
        lines.append(f"| {kind} | {texts[0]} | {texts[1]} |")
    rhat, ess = (np.array([each[key] for each in results]) for key in ("rhat", "ess"))
    spent = np.array([each["seconds quantify"] for each in results])
    lines += [
        "",
        f"Chains: R-hat below 1.01 and more than 400 effective draws on every parameter in "
        f"{np.mean((rhat < 1.01) & (ess > 400)):.0%} of the cases, R-hat below 1.05 in {np.mean(rhat < 1.05):.0%} "
        f"(largest {rhat.max():.3f}); quantify took {np.median(spent):.1f} s (median) and "
        f"{np.quantile(spent, 0.95):.1f} s (95th "
        f"percentile) per case. Trusted by the verdict: {np.mean([each['trusted'] for each in results]):.0%}.",
    ]
    return "\n".join(lines)


def _median(values: np.ndarray) -> float:
    return float(np.median(values))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _ratio(errors: dict, name: str, picks: np.ndarray, statistic) -> tuple[float, str]:
    own, other = errors[name], errors["least squares"]
    ratios = [statistic(own[rows]) / statistic(other[rows]) for rows in picks[:500]]
    low, high = np.quantile(ratios, [0.025, 0.975])
    return statistic(own), f"{statistic(own) / statistic(other):.2f} [{low:.2f}, {high:.2f}]"


def _share(share: np.ndarray, picks: np.ndarray) -> str:
    low, high = np.quantile(share[picks].mean(axis=1), [0.025, 0.975])
    return f"{100 * share.mean():.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def take_processor(numbers) -> None:
    """Keep a worker on one processor where the system allows it, so that every time is that of one core."""
    number = numbers.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {number})


def run_missing(options) -> None:
    """Run the cases that are not kept, and keep each as soon as it is finished."""
    missing = sorted(set(range(options.cases)) - set(finished(options.keep, options.seconds)))
    options.keep.parent.mkdir(parents=True, exist_ok=True)
    made = {"made with": made_with(options.seconds), "commit": commit()}
    numbers = Manager().Queue()
    for each in processors() * options.workers:
        numbers.put(each)
    workers = ProcessPoolExecutor(options.workers, initializer=take_processor, initargs=(numbers,))
    with workers as pool, options.keep.open("a", encoding="utf-8") as file:
        for result in pool.map(run_case, missing, [options.seconds] * len(missing)):
            file.write(json.dumps(made | result) + "\n")
            file.flush()
            print(f"case {result['case']}: {result['seconds quantify']:.1f} s, R-hat {result['rhat']:.3f}", flush=True)


def main() -> None:
    """Run all cases, or those that are missing, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0, help="longest sampling per case")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, default=Path("results/benchmarks/quantify.jsonl"), help="finished cases")
    parser.add_argument("--no-run", action="store_true", help="write the section from the finished cases")
    parser.add_argument("--print", action="store_true", help="print the section instead of writing it to the page")
    options = parser.parse_args()
    if not options.no_run:
        run_missing(options)
    kept = finished(options.keep, options.seconds)
    results = [kept[case] for case in sorted(kept) if case < options.cases]
    if not results:
        raise SystemExit(f"no case of this version and these settings is finished in {str(options.keep)!r}")
    text = summarise(results, options.cases, options.seconds)
    if options.print:
        print(text)
    else:
        write_section("Quantify", text)


if __name__ == "__main__":
    main()
