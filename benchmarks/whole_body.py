"""Error, coverage and time of quantify on simulated whole-body experiments, by how many tracers and what is measured.

Fluxes come from the flux prior, unknown shares of blood and the like are uniform between 0 and 1, and values scatter by
the typical standard deviations of the network's observation table. Every stratum has one layout (tracers and measured
names), so its programs are compiled once per process.
"""

import argparse
import resource
import sys
import time
from collections.abc import Collection
from functools import cache, partial

import numpy as np
import xarray as xr
from cases import measured_names
from keeping import Kept, checksum, describe_making, model_checksum
from machine import publish
from scipy.stats import beta, norm
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

import fluxkit
from fluxkit.errors import NetworkError
from fluxkit.inference import Estimates, FluxEstimate, QuantifySettings, SamplerSettings
from fluxkit.labeling import measurement_model, parse_tracers
from fluxkit.labeling.meaning import resolve_measurement
from fluxkit.learning import has_model
from fluxkit.learning.calibration import DRAWS
from fluxkit.networks import Network, Reaction, check_reachable
from fluxkit.physiology.organs import OUTSIDE, PLASMA, nutrient_of, organ_of, plasma_pools

RESULTS_OF = 1  # raise it when this script or the library is changed so that a case would come out otherwise
SEED, PER_STRATUM, SECONDS = 40_000, 34, 20.0
TRACERS = {
    "1 tracer": ("glc_U",),
    "2 tracers": ("glc_U", "lac_U"),
    "8 tracers": ("glc_U", "lac_U", "ala_U", "gln_U", "glyc_U", "bhb_U", "ac_U", "val_U"),
}
MEASURED = ("plasma", "plasma and tissues")
STRATA = {f"{number}, {where}": (tracers, where) for number, tracers in TRACERS.items() for where in MEASURED}
UPTAKES = {"Glc": "glucose", "Lac": "lactate", "Ala": "alanine", "Gln": "glutamine", "Glyc": "glycerol", "BHB": "BHB"}
STEPS = {
    "pyruvate dehydrogenase": ({"Pyr"}, {"AcCoA"}),
    "pyruvate carboxylase": ({"Pyr"}, {"OAA"}),
    "citrate synthase": ({"OAA", "AcCoA"}, {"Cit"}),
    "PEP carboxykinase": ({"OAA"}, {"PEP"}),
}
"""What an enzyme takes and gives, without compartments; it may take and give more."""
HEADS = ("stratum", "cases", "values", "50 %", "90 %", "median error", "nRMSE", "determined", "seconds", "p95", "first")
HEADS += ("R-hat", "converged", "memory")
CONVERGED, NEARLY = (1.01, 400.0), 1.05
FIXED = 1e-6  # of the normalising flux: what varies less is fixed by the network
SAMPLER_BEFORE = frozenset({"43922d1a2f61", "500d0b929421"})
"""States of the code that made the kept results of whole bodies and mice before single chains of the sampler took far
shorter steps now and then (2026-11-28). Intervals are the same, times and convergence are not."""
_SEEN: set[str] = set()  # strata that this process has worked on


def organ_fluxes(network: Network) -> dict[tuple[str, str], np.ndarray]:
    """Return what is asked of each organ, by organ and name: coefficients of net fluxes, by what reactions do.

    Parameters
    ----------
    network : Network
        A whole-body network.
    """
    pools, found = plasma_pools(network), {}
    for column, reaction in enumerate(network.reactions):
        organ = organ_of(reaction)
        if organ == OUTSIDE or organ in PLASMA:
            continue
        shares = {name: _uptake(reaction, pools, nutrient) for nutrient, name in UPTAKES.items()}
        shares |= {name: float(_does(reaction, *sides)) for name, sides in STEPS.items()}
        for name, share in shares.items():
            if share:
                row = found.setdefault((network.compartments.get(organ, organ), name), np.zeros(len(network.reactions)))
                row[column] += share
    order = list(dict.fromkeys(organ for organ, _ in found))
    names = [*UPTAKES.values(), *STEPS]
    return dict(sorted(found.items(), key=lambda each: (order.index(each[0][0]), names.index(each[0][1]))))


def _uptake(reaction: Reaction, pools: dict[str, str], nutrient: str) -> float:
    """Return how many molecules of a plasma nutrient a reaction takes up."""
    sides = ((1.0, reaction.substrates), (-1.0, reaction.products))
    return sum(sign * e.coefficient for sign, side in sides for e in side if pools.get(e.metabolite) == nutrient)


def _does(reaction: Reaction, taken: set[str], given: set[str]) -> bool:
    left, right = ({nutrient_of(e.metabolite) for e in side} for side in (reaction.substrates, reaction.products))
    return taken <= left and given <= right


@cache
def layout(network: Network, stratum: str) -> tuple[dict[str, str], list[str], tuple[str, ...]]:
    """Return tracers, measured names and unknown shares of a stratum.

    Parameters
    ----------
    network : Network
        A whole-body network.
    stratum : str
        One of ``STRATA``.
    """
    names, where = STRATA[stratum]
    tracers = {name: network.standard_tracers[name] for name in names}
    places = [place for key, place in network.compartments.items() if key in PLASMA or where != "plasma"]
    labeled = {pool for text in tracers.values() for pool in parse_tracers(text, network).labeled_pools}
    measured = [
        each
        for each in measured_names(network)
        if any(each.startswith(f"{place} ") for place in places) and _is_reached(network, each, labeled)
    ]
    truth = fluxkit.draw_fluxes(network, 1, seed=0).isel(draw=0)
    exact = fluxkit.simulate(network, truth, tracers, fragments=measured)
    return tracers, measured, measurement_model(network, exact).weight_names


def _is_reached(network: Network, name: str, labeled: set[str]) -> bool:
    try:
        check_reachable(network, resolve_measurement(name, network).fragments, labeled)
    except NetworkError:
        return False
    return True


def drawn_case(network: Network, stratum: str, number: int, seed: int = SEED) -> tuple[xr.Dataset, xr.Dataset]:
    """Return true fluxes, and labeling with noise that does not hold them.

    Parameters
    ----------
    network : Network
        A whole-body network.
    stratum : str
        One of ``STRATA``; cases of one number have other fluxes in each.
    number : int
        Number of the case.
    seed : int
        Seed of the series.
    """
    rng = np.random.default_rng([seed, list(STRATA).index(stratum), number])
    tracers, measured, shares = layout(network, stratum)
    truth = fluxkit.draw_fluxes(network, 1, seed=int(rng.integers(2**31))).isel(draw=0)
    weights = {name: float(rng.uniform()) for name in shares}
    exact = fluxkit.simulate(network, truth, tracers, fragments=measured, weights=weights)
    table = network.observations
    sd = np.array([table[name].sd for name in exact["fragment"].values.astype(str)], dtype=float)
    noisy = exact["mid"] + sd * rng.standard_normal(exact["mid"].shape)
    labeling = exact.drop_vars(["net_flux", "exchange_flux"])
    return truth, labeling.assign(mid=noisy, mid_sd=(noisy.dims, np.broadcast_to(sd, noisy.shape).copy()))


def run_case(key: str, name: str, seconds: float, seed: int = SEED) -> dict:
    """Quantify one simulated experiment; return how near the truth is, and what it took.

    Parameters
    ----------
    key : str
        Stratum and number.
    name : str
        The network.
    seconds : float
        Longest sampling time.
    seed : int
        Seed of the series.
    """
    stratum, _, number = key.rpartition(" ")
    network = fluxkit.load_network(name)
    settings = QuantifySettings(fallbacks=False, sampler=SamplerSettings(seconds=seconds))
    first = stratum not in _SEEN
    _SEEN.add(stratum)
    with threadpool_limits(1):
        truth, labeling = drawn_case(network, stratum, int(number), seed)
        begin = time.perf_counter()
        estimate = fluxkit.quantify(labeling, network, settings=settings, seed=int(number))
        spent = time.perf_counter() - begin
    if isinstance(estimate, Estimates):
        raise TypeError("one sample gives one estimate")
    result = {"seconds": spent, "first": first, "memory": peak_memory(), "values": int(labeling["mid"].notnull().sum())}
    result |= {each: float(estimate.diagnostics[each]) for each in ("rhat_max", "ess_min", "gradients", "draws")}
    result |= {"chi_square": estimate.ssr, "freedom": estimate.degrees_of_freedom}
    result |= {"trusted": estimate.verdict.trusted, "reasons": list(estimate.verdict.reasons)}
    result |= set_beside(estimate, truth["net_flux"].values, np.random.default_rng([seed, int(number), 1]))
    result["shown"] = f"{spent:.1f} s, R-hat {result['rhat_max']:.3f}, {result['memory']:.0f} MB"
    return result


def peak_memory() -> float:
    """Return the largest memory that this process has held, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # kilobytes but on macOS


@cache
def prior_net(network: Network) -> np.ndarray:
    """Return net fluxes of the flux prior, shape ``(draw, reaction)``."""
    return fluxkit.draw_fluxes(network, 4000, seed=1)["net_flux"].values


def set_beside(estimate: FluxEstimate, truth: np.ndarray, rng: np.random.Generator) -> dict:
    """Return medians, ranks of the truth and the prior's sd, of net fluxes and of what is asked of organs."""
    network = estimate.network
    draws = estimate.posterior["net_flux"].values.reshape(-1, len(network.reactions))
    picked = rng.choice(len(draws), DRAWS, replace=len(draws) < DRAWS)
    asked = np.array(list(organ_fluxes(network).values()))
    result = {}
    for kind, matrix in (("net", np.eye(len(network.reactions))), ("organ", asked)):
        own, true = draws @ matrix.T, matrix @ truth
        result |= {kind: _short(np.median(own, axis=0)), f"{kind}_truth": _short(true)}
        result[f"{kind}_rank"] = (own[picked] < true).sum(axis=0).tolist()
        result[f"{kind}_prior_sd"] = _short((prior_net(network) @ matrix.T).std(axis=0))
    known = np.asarray(estimate.intervals.query("kind == 'net'")["information"], dtype=float)
    result["information"] = [None if np.isnan(each) else round(float(each), 4) for each in known]
    return result


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{each:.5g}") for each in values]


def summarise(lines: dict[str, dict], network: Network, per_stratum: int) -> str:
    """Return the section of the results page; it says so where cases are missing.

    Parameters
    ----------
    lines : dict of str to dict
        Kept results by stratum and number.
    network : Network
        What they are of.
    per_stratum : int
        How many there should be in each stratum.
    """
    by_stratum = {
        each: [line for key, line in sorted(lines.items()) if key.rpartition(" ")[0] == each] for each in STRATA
    }
    missing, there = sum(max(0, per_stratum - len(each)) for each in by_stratum.values()), len(lines)
    caveat = f"**Preliminary: {missing} of {per_stratum * len(STRATA)} cases are missing.** " if missing else ""
    made = next(iter(lines.values()))["made with"]
    start = "starts from the prior" if made["model"] is None else "half of the starts by the shipped model"
    rows = [
        f"{caveat}{there} simulated experiments of {network.name} ({len(network.reactions)} reactions): fluxes from "
        "the prior, shares of blood uniform, noise of the typical sd of the observation table, seeds fixed in the "
        f"script. Tracers, each an experiment of its own with the same fluxes: {_tracers()}. {start.capitalize()}, no "
        f"fall-backs, sampling ends after {made['seconds']:g} s at the latest; {describe_making(lines.values())}."
        + of_sampler_before(lines.values()),
        "",
        "Coverage is pooled over the net fluxes that the prior leaves free; intervals are binomial (95 %), with as "
        "many independent trials as the scatter between cases shows. Errors of the posterior median are relative to "
        "the prior's sd: their median, and the root mean square (nRMSE). Determined: the 90 % interval is less than "
        f"half as wide as the prior's. Converged: R-hat below {CONVERGED[0]} and more than {CONVERGED[1]:.0f} "
        "effective draws of every parameter. Seconds are those of one core, *first* with the compilation where the "
        "programs were not on disk. Memory is the peak of the process.",
        "",
        f"| {' | '.join(HEADS)} |",
        "|---" * len(HEADS) + "|",
    ]
    for name, found in by_stratum.items():
        if found:
            rows.append(_stratum_row(name, found, network))
    rows += ["", *_by_convergence([each for found in by_stratum.values() for each in found], network)]
    return "\n".join([*rows, "", *_organ_table(by_stratum, network)])


def of_sampler_before(lines: Collection[dict]) -> str:
    """Say how many kept results are of the sampler as it was before it changed.

    Parameters
    ----------
    lines : collection of dict
        Kept results.
    """
    old = sum(each["code"] in SAMPLER_BEFORE for each in lines)
    if not old:
        return ""
    which = "All" if old == len(lines) else f"{old} of {len(lines)}"
    return (
        f" {which} were made before a change of the sampler (single chains take far shorter steps now and then): "
        "R-hat, effective draws and seconds are those of the sampler before."
    )


def _tracers() -> str:
    (one,), two, many = TRACERS.values()
    return f"{one}; {' and '.join(two)}; these and {', '.join(each for each in many if each not in two)}"


def _stratum_row(name: str, found: list[dict], network: Network) -> str:
    relative, ranks = _relative_errors(found, "net", network), _ranks(found, network)
    information = np.array([[np.nan if e is None else e for e in each["information"]] for each in found])
    free = np.isfinite(information).all(axis=0)
    seconds, memory = (np.array([each[kind] for each in found]) for kind in ("seconds", "memory"))
    again = np.array([each["seconds"] for each in found if not each["first"]])
    first = np.array([each["seconds"] for each in found if each["first"]])
    used = again if len(again) else seconds
    good = [each["rhat_max"] < CONVERGED[0] and each["ess_min"] > CONVERGED[1] for each in found]
    cells = [
        name,
        str(len(found)),
        f"{np.median([each['values'] for each in found]):.0f}",
        coverage(ranks, 0.5),
        coverage(ranks, 0.9),
        f"{np.median(np.abs(relative)):.3f}",
        f"{_rms(relative):.3f}",
        f"{np.mean(information[:, free] > 0.5):.0%} of {free.sum()}",
        f"{np.median(used):.0f}",
        f"{np.quantile(used, 0.95):.0f}",
        f"{np.median(first):.0f}" if len(first) else "",
        f"{np.median([each['rhat_max'] for each in found]):.3f}",
        f"{np.mean(good):.0%}",
        f"{memory.max():.0f} MB",
    ]
    return f"| {' | '.join(cells)} |"


def _by_convergence(found: list[dict], network: Network) -> list[str]:
    """Return coverage of cases whose chains agree, and of the others."""
    rows = [
        "| chains | cases | 50 % | 90 % | nRMSE |",
        "|---|---|---|---|---|",
    ]
    for title, near in ((f"R-hat below {NEARLY}", True), (f"R-hat of {NEARLY} or more", False)):
        mine = [each for each in found if (each["rhat_max"] < NEARLY) == near]
        if mine:
            ranks, relative = _ranks(mine, network), _relative_errors(mine, "net", network)
            rows.append(
                f"| {title} | {len(mine)} | {coverage(ranks, 0.5)} | {coverage(ranks, 0.9)} | {_rms(relative):.3f} |"
            )
    return rows


def _organ_table(by_stratum: dict[str, list[dict]], network: Network) -> list[str]:
    there = {name: found for name, found in by_stratum.items() if found}
    errors = {name: _relative_errors(found, "organ", network, free=False) for name, found in there.items()}
    rows = [
        "nRMSE by organ (1: no better than the prior). Uptake is net, from plasma; release is negative.",
        "",
        f"| organ | flux | prior sd ({network.flux_unit}) | {' | '.join(there)} |",
        "|---" * (3 + len(there)) + "|",
    ]
    scale = np.array(next(iter(there.values()))[0]["organ_prior_sd"])
    for i, (organ, name) in enumerate(organ_fluxes(network)):
        if scale[i] <= FIXED * network.normalising_flux:
            continue
        title = f"{name} uptake" if name in UPTAKES.values() else name
        cells = [f"{_rms(each[:, i]):.2f}" for each in errors.values()]
        rows.append(f"| {organ} | {title} | {scale[i]:.3g} | {' | '.join(cells)} |")
    return rows


def _free(found: list[dict], kind: str, network: Network) -> np.ndarray:
    return np.array(found[0][f"{kind}_prior_sd"]) > FIXED * network.normalising_flux


def _relative_errors(found: list[dict], kind: str, network: Network, free: bool = True) -> np.ndarray:
    """Return errors over the prior's sd, ``(case, flux)``."""
    names = (kind, f"{kind}_truth", f"{kind}_prior_sd")
    own, true, scale = (np.array([each[name] for each in found]) for name in names)
    chosen = _free(found, kind, network) if free else np.ones(own.shape[1], dtype=bool)
    return (own - true)[:, chosen] / np.maximum(scale[:, chosen], 1e-300)


def _ranks(found: list[dict], network: Network) -> np.ndarray:
    return np.array([each["net_rank"] for each in found])[:, _free(found, "net", network)]


def coverage(ranks: np.ndarray, level: float) -> str:
    """Return the share of truths in central intervals with its 95 % interval.

    Fluxes of one case hang together: the binomial interval (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404) is
    that of as many trials as have the variance that is seen between cases, fewer where few cases tell it, and one per
    case at least (Korn & Graubard 1998, Survey Methodology 24, 193-201).

    Parameters
    ----------
    ranks : numpy.ndarray
        Draws of ``DRAWS`` below the truth, shape ``(case, flux)``.
    level : float
        Level of the intervals.
    """
    tail = (1 - level) / 2 * (DRAWS + 1)
    inside = (ranks >= tail - 1e-9) & (ranks < DRAWS + 1 - tail - 1e-9)
    each = inside.mean(axis=1)
    share, cases = float(each.mean()), len(each)
    variance = each.var(ddof=1) / cases if cases > 1 else np.inf
    spread = share * (1 - share)
    trials = spread / variance if variance > 0 else inside.size
    trials *= (norm.ppf(0.975) / student.ppf(0.975, cases - 1)) ** 2 if cases > 1 else 1.0
    trials = float(np.clip(trials, cases, inside.size))
    hits = share * trials
    low = beta.ppf(0.025, hits, trials - hits + 1) if hits > 0 else 0.0
    high = beta.ppf(0.975, hits + 1, trials - hits) if trials - hits > 1e-9 else 1.0
    return f"{100 * share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def kept_results(network: Network, seconds: float) -> Kept:
    """Return what is kept of a network, made with a sampling time and with the model that ships now, if any."""
    table = repr((sorted(network.observations.entries.items()), sorted(network.standard_tracers.items())))
    made = {"results of": RESULTS_OF, "network": network.fingerprint, "table": checksum(table.encode())}
    made |= {"model": model_checksum(network.name) if has_model(network) else None, "seconds": seconds, "seed": SEED}
    return Kept("whole_body", made)


def main() -> None:
    """Run what is missing, stratum by stratum, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="wholebody_core", help="a bundled body; the page is of the default one")
    parser.add_argument("--cases", type=int, default=PER_STRATUM, help="cases of each stratum")
    parser.add_argument("--strata", default=";".join(STRATA), help="names, with semicolons between them")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="longest sampling time of a case")
    parser.add_argument("--workers", type=int, default=2, help="processes, each on a core of its own")
    parser.add_argument("--no-run", action="store_true", help="run nothing: pack what is kept and write the section")
    parser.add_argument("--print", action="store_true", help="print the section; neither write it to the page nor pack")
    options = parser.parse_args()
    chosen = [each.strip() for each in options.strata.split(";")]
    if unknown := [each for each in chosen if each not in STRATA]:
        raise SystemExit(f"--strata: there is no {unknown[0]!r}; there are {'; '.join(STRATA)}.")
    network = fluxkit.load_network(options.network)
    kept, failed = kept_results(network, options.seconds), []
    work = partial(run_case, name=options.network, seconds=options.seconds)
    for stratum in [] if options.no_run else chosen:  # new processes for each: their memory is that of the stratum
        failed += kept.run(work, [f"{stratum} {number:03d}" for number in range(options.cases)], options.workers)
    if not options.print:
        kept.pack()
    lines = kept.lines()
    if not lines:
        raise SystemExit("no case with these settings is finished; run without --no-run.")
    title = "Whole body" if network.name == "wholebody_core" else f"Whole body, {network.name}"
    publish(title, summarise(lines, network, options.cases), options.print)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; the next run tries them again.")


if __name__ == "__main__":
    main()
