"""Power and false alarms of the verdict: wrong models and wrong data, against right ones.

Each experiment set is judged without a fault (twice, with different noise) and once with each kind of fault. The best
fit is found and tested by the code of quantify, with its fall-backs to more starts; only the chains are left out, since
no test of the fit needs them. How often chains alone withhold trust is in the section on quantify.

A fault counts when it moves a value by more than 3 sd. Fluxes can follow many faults: what the best fluxes leave of it,
fitted without noise, is what any test can see, so power is shown against both.
"""

import argparse
import time
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import xarray as xr
from cases import DrawnCase, drawn_case
from faults import KINDS, LEAST_SHIFT, Faulty, draw_fault
from keeping import Kept, describe_making, model_checksum
from machine import publish
from scipy.stats import beta
from threadpoolctl import threadpool_limits

import fluxkit
from fluxkit.inference import QuantifySettings, Verdict
from fluxkit.inference.assembly import fit_dataset
from fluxkit.inference.density import FluxDensity
from fluxkit.inference.problem import build_density, choose_model
from fluxkit.inference.quantify import find_best
from fluxkit.inference.refinement import Refined, refine
from fluxkit.inference.verdict.chi_square import chi_square
from fluxkit.inference.verdict.fit_tests import BUDGET, fit_tests
from fluxkit.inference.verdict.trust import judge

RESULTS_OF = 1  # raise it when this script or the library is changed so that a case would come out otherwise
SEED, REPEATS, FALLBACK_STARTS, CLEAN = 30_000, 2, 16, "no fault"
BINS = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, np.inf)


def made_with(seed: int) -> dict:
    """Return what decides a result beside its case; results made otherwise are not mixed with these."""
    made = {"results of": RESULTS_OF, "network": fluxkit.load_network("ccm").fingerprint, "model": model_checksum()}
    return {**made, "seed": seed, "budget": dict(BUDGET), "starts": FALLBACK_STARTS}


def run_case(key: str, seed: int) -> dict:
    """Judge one experiment set without a fault and with each kind; return what was found."""
    number = int(key)
    case, rng = drawn_case(number, seed), np.random.default_rng([seed, number, 1])
    density = build_density(case.labeling, fluxkit.load_network("ccm"))
    begin, judged = time.perf_counter(), []
    with threadpool_limits(1):
        drawn_faults = [draw_fault(case, kind, rng) for kind in KINDS]
        for fault in [None] * REPEATS + [each for each in drawn_faults if each is not None]:
            judged.append(_judged(case, density, fault, rng))
    drawn = {"tracers": list(case.tracers), "noise": case.noise, "missing": case.missing, "data": len(density.known)}
    spent = time.perf_counter() - begin
    flagged = ", ".join(each["kind"] for each in judged if each["flagged"])
    return {"seconds": spent, **drawn, "judged": judged, "shown": f"{spent:.1f} s, flagged: {flagged}"}


def _judged(case: DrawnCase, density: FluxDensity, fault: Faulty | None, rng: np.random.Generator) -> dict:
    """Add noise and judge."""
    exact = (case.exact if fault is None else fault.exact)["mid"]
    noisy = exact.values + case.noise * rng.standard_normal(exact.shape)
    model = choose_model("shipped", density.space.network)
    if fault is not None and fault.exchange_bounds is not None:
        density, model = _believing(density, fault.exchange_bounds), None
    labeling = case.labeling.assign(mid=exact.copy(data=noisy))
    read = density.with_data(noisy.reshape(density.measured.shape))
    best = find_best(read, labeling, model, QuantifySettings(fallback_starts=FALLBACK_STARTS), rng)
    verdict, failed = _verdict(read, labeling, best.refined)
    kind = CLEAN if fault is None else fault.kind
    result = {"kind": kind, "flagged": not verdict.trusted, "reasons": list(verdict.reasons), "failed": failed}
    result["remarks"] = list(best.remarks)
    if fault is None:
        return result
    left = _left(density.with_data(exact.values.reshape(density.measured.shape)), best.refined, case)
    return {**result, "what": fault.what, "shift": fault.shift, "left": left}


def _verdict(density: FluxDensity, labeling: xr.Dataset, refined: Refined) -> tuple[Verdict, list[str]]:
    """Return the verdict on a best fit as if its chains had converged, and the families of tests that fail."""
    ssr, freedom, p_value, _ = chi_square(density, refined)
    tests = fit_tests(density, labeling, refined)
    fit = fit_dataset(density, labeling, refined.points[:1])
    chains = {"rhat_max": 1.0, "ess_min": np.inf, "largest_residual": float(np.abs(fit["residual"]).max())}
    verdict = judge(ssr, freedom, p_value, chains, fit, tests=tests)
    whole = ["whole"] if freedom > 0 and p_value < BUDGET["whole"] else []
    return verdict, whole + [each.family for each in tests if each.failed]


def _believing(density: FluxDensity, bounds: tuple[np.ndarray, np.ndarray]) -> FluxDensity:
    """Return the posterior of a reader who believes in other bounds of the exchange fluxes."""
    lower, upper = bounds
    scale = replace(density.space.exchange_scale, lower=lower, upper=upper)
    return replace(density, space=replace(density.space, exchange_scale=scale))


def _left(exact: FluxDensity, found: Refined, case: DrawnCase) -> float:
    """Return the largest residual, in sd, that the best fluxes leave of data without noise."""
    space = exact.space
    z = space.coordinates(case.truth["net_flux"].values)
    y = space.exchange_coordinates(case.truth["exchange_flux"].values[space.network.reversible])
    true = np.concatenate([z, np.clip(y, -3, 3), np.zeros(exact.size - len(z) - len(y))])
    fitted = refine(exact, np.stack([found.points[0], true]), barriers=(0.1, 0.01, 1e-3))
    return float(np.abs(exact.residuals(fitted.points[:1])).max())


def summarise(results: list[dict], cases: int) -> str:
    """Return the section of the results page; it says so where cases are missing."""
    judged = [each for result in results for each in result["judged"]]
    clean, faulty = ([each for each in judged if (each["kind"] == CLEAN) == right] for right in (True, False))
    caveat = f"**Preliminary: {len(results)} of {cases} experiment sets.** " if len(results) < cases else ""
    alarms = sum(each["flagged"] for each in clean)
    lines = [
        f"{caveat}{len(results)} simulated experiment sets of ccm: 1 to 4 of its standard 13C tracers, sd 0.002 to "
        f"0.02, 0 to 60 % of the measurements missing, fluxes from the prior, seeds fixed in the script; "
        f"{describe_making(results)}; {np.median([each['seconds'] for each in results]):.0f} s per set (median). "
        f"Each is judged {REPEATS} times without a fault, and once with each kind of fault of which a draw moves a "
        f"value by more than {LEAST_SHIFT:g} sd. Chains are not run: the tests of the fit do not need them; "
        f"a doubtful fit is sought from {FALLBACK_STARTS} more starts (48 in use). *Left* is "
        "the largest residual that the best fluxes of the reading model leave of the faulty data without noise: what "
        "they do not leave they explain by other fluxes, and no test of the data can see it.",
        "",
        f"False alarms: {alarms} of {len(clean)}, {_share(alarms, len(clean))} (95 % interval; stated budget "
        f"{sum(BUDGET.values()):.1%}).",
        "",
        "| fault | shift > 3 sd | flagged | left > 3 sd | flagged | cause named |",
        "|---|---|---|---|---|---|",
    ]
    for kind in (*KINDS, "all faults"):
        mine = [each for each in faulty if kind in (each["kind"], "all faults")]
        seen = [each for each in mine if each["left"] > LEAST_SHIFT]
        named = sum(_names_cause(each) for each in seen if each["flagged"])
        lines.append(
            f"| {kind} | {len(mine)} | {_share(sum(e['flagged'] for e in mine), len(mine))} | {len(seen)} | "
            f"{_share(sum(e['flagged'] for e in seen), len(seen))} | {named} of {sum(e['flagged'] for e in seen)} |"
        )
    for what, title in (("shift", "shift of the data"), ("left", "left by the best fluxes")):
        lines += ["", *_power(faulty, what, title)]
    return "\n".join(lines)


def _power(faulty: list[dict], what: str, title: str) -> list[str]:
    """Return the table of the share flagged, by kind and by size of the shift."""
    bins = [(low, high) for low, high in pairwise(BINS) if what == "left" or low >= LEAST_SHIFT]
    heads = [f"{low:g} to {high:g} sd" if np.isfinite(high) else f"above {low:g} sd" for low, high in bins]
    rows = [f"| flagged, by {title} | {' | '.join(heads)} |", "|---" * (len(bins) + 1) + "|"]
    for kind in (*KINDS, "all faults"):
        mine = [each for each in faulty if kind in (each["kind"], "all faults")]
        cells = []
        for low, high in bins:
            flags = [each["flagged"] for each in mine if low <= each[what] < high]
            cells.append(f"{np.mean(flags):.0%} of {len(flags)}" if flags else "")
        rows.append(f"| {kind} | {' | '.join(cells)} |")
    return rows


def _names_cause(each: dict) -> bool:
    """Return whether the reasons say what is wrong; what is missing from a network they cannot know."""
    text, what = " ".join(each["reasons"]), each["what"]
    if each["kind"] == "wrong tracer purity":
        return "pure instead of" in text
    if each["kind"] == "swapped fragments":
        first, _, second = what.split(" in ")[0].partition(" and ")
        return f"{first} and {second}" in text
    if each["kind"] == "contaminated sample":
        return what.split(" of ")[1].split(" in ")[0] in text
    return each["kind"] == "exchange outside the prior" and what.split()[0] in text


def _share(count: int, total: int) -> str:
    """Return a share with its 95 % interval (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404)."""
    if not total:
        return ""
    low = beta.ppf(0.025, count, total - count + 1) if count else 0.0
    high = beta.ppf(0.975, count + 1, total - count) if count < total else 1.0
    return f"{100 * count / total:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def main() -> None:
    """Run all cases, or those that are missing, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200, help="experiment sets")
    parser.add_argument("--seed", type=int, default=SEED, help="series of experiment sets; tune on another one")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-run", action="store_true", help="run nothing: pack what is kept and write the section")
    parser.add_argument("--print", action="store_true", help="print the section; neither write it to the page nor pack")
    options = parser.parse_args()
    name = "verdict" if options.seed == SEED else f"verdict-{options.seed}"  # a series for tuning is not packed
    kept = Kept(name, made_with(options.seed))
    keys = [f"{number:04d}" for number in range(options.cases)]
    failed = []
    if not options.no_run:
        failed = kept.run(partial(run_case, seed=options.seed), keys, options.workers)
    if options.seed == SEED and not options.print:
        kept.pack()
    lines = kept.lines()
    results = [lines[key] for key in keys if key in lines]
    if not results:
        raise SystemExit("no case with these settings and this trained model is finished; run without --no-run.")
    text = summarise(results, options.cases)
    publish("Verdict", text, options.print)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; the next run tries them again.")


if __name__ == "__main__":
    main()
