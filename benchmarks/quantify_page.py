"""The section of the results page on quantify, from the kept results of single cases."""

from collections.abc import Callable
from functools import cache

import numpy as np
from keeping import describe_making
from machine import publish

import fluxkit
from fluxkit.fluxes import flux_space
from fluxkit.learning.calibration import DRAWS, Calibration, coverage_band, pooled, strata

POINTS = {
    "quantify": "posterior median",
    "best fit": "quantify's most probable fluxes, without sampling",
    "best fit without the network": "the same from starts that the prior alone proposes",
    "network alone": "the median of 128 draws of the learned posterior alone",
    "plain network": "a plain network of fixed inputs, trained on the same prior and noise",
    "least squares": "10-start least squares",
    "least squares with the prior": "10-start least squares with the prior",
}
REFERENCES = ("least squares", "least squares with the prior", "plain network")
BOOTSTRAP = 1000


def summarise(cases: dict[str, dict[int, dict]], printed: bool) -> None:
    """Write or print the section.

    Parameters
    ----------
    cases : dict of str to dict
        Kept results by method, then by number of the case.
    printed : bool
        Whether to print it only.
    """
    found = {method: each for method, each in cases.items() if each}
    if "quantify" not in found:
        raise SystemExit("no case of quantify with these settings and this trained model is finished")
    lines = (line for each in found.values() for line in each.values())
    head = (
        "Experiment sets of ccm with fluxes from the prior, 1 to 4 tracers, noise 0.002 to 0.02 and 0 to 60 % of the "
        f"measurements missing, drawn by fixed seeds; {describe_making(lines)}."
    )
    calibration = _calibration(found["quantify"])
    parts = [head, _errors(found), _times(found), _coverage(calibration), _each_flux(calibration)]
    parts += [_strata(calibration), _widths(found), _verdicts(found["quantify"])]
    text = "\n\n".join(each for each in parts if each)
    publish("Quantify", text, printed)


@cache
def _free() -> tuple[np.ndarray, np.ndarray]:
    """Return which net fluxes vary under the prior, and the sd of these."""
    scale = fluxkit.draw_fluxes(fluxkit.load_network("ccm"), 4000, seed=1)["net_flux"].values.std(axis=0)
    return scale > 1e-6, scale[scale > 1e-6]


def _errors(found: dict[str, dict[int, dict]]) -> str:
    """Return the table of errors, with paired ratios to the references."""
    free, scale = _free()
    errors = {}
    for name in POINTS:
        cases = [number for number in found.get(name, {}) if number in found["quantify"]]
        truth = {number: np.array(found["quantify"][number]["truth"])[free] for number in cases}
        errors[name] = {n: np.abs(np.array(found[name][n]["net"])[free] - truth[n]) for n in cases}
    rows = [
        f"Errors of {free.sum()} net fluxes: the median absolute error (glucose uptake = 100), and the root mean "
        "square of the errors over the prior's standard deviation (nRMSE). Ratios are paired, each on the cases that "
        "both methods have, with 95 % bootstrap intervals over cases; seconds are those of one core (median).",
        "",
        "| method | cases | median error | nRMSE | seconds | " + " | ".join(f"to {each}" for each in REFERENCES) + " |",
        "|---" * (5 + len(REFERENCES)) + "|",
    ]
    for name, title in POINTS.items():
        if not errors[name]:
            continue
        own = np.array(list(errors[name].values()))
        seconds = np.median([found[name][n]["seconds"] for n in errors[name]])
        ratios = [_ratios(errors[name], errors.get(each, {}), scale) for each in REFERENCES]
        rows.append(
            f"| {name}: {title} | {len(own)} | {np.median(own):.3g} | {_rms(own / scale):.3g} | {seconds:.2g} | "
            + " | ".join(ratios)
            + " |"
        )
    return "\n".join(rows)


def _ratios(own: dict[int, np.ndarray], other: dict[int, np.ndarray], scale: np.ndarray) -> str:
    """Return the ratios of median error and of nRMSE with intervals."""
    both = sorted(set(own) & set(other))
    if not both or own is other:
        return ""
    a, b = (np.array([each[number] for number in both]) for each in (own, other))
    median = _interval(lambda rows: float(np.median(a[rows]) / np.median(b[rows])), len(both))
    root = _interval(lambda rows: _rms(a[rows] / scale) / _rms(b[rows] / scale), len(both))
    return f"{median}; {root}"


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _interval(statistic: Callable[[np.ndarray], float], cases: int, form: str = "{:.2f}") -> str:
    """Return a statistic of cases with its bootstrap interval."""
    rng = np.random.default_rng(0)
    values = [statistic(rng.integers(cases, size=cases)) for _ in range(BOOTSTRAP)]
    low, high = np.quantile(values, [0.025, 0.975])
    middle = statistic(np.arange(cases))
    return f"{form} [{form}, {form}]".format(middle, low, high)


def _times(found: dict[str, dict[int, dict]]) -> str:
    timed = list(found.get("time", {}).values())
    if not timed:
        return ""
    rows = [
        f"One sample at a time on all cores of the machine, {len(timed)} cases, from the dataset to the verdict; "
        "converged means R-hat below 1.01 and more than 400 effective draws on every parameter.",
        "",
        "| time | median | 95th percentile | converged |",
        "|---|---|---|---|",
    ]
    titles = {"first": "first sample of a layout (its programs are compiled)", "again": "each further one"}
    for name, title in titles.items():
        seconds = np.array([each[f"seconds {name}"] for each in timed])
        good = np.mean([each[f"rhat {name}"] < 1.01 and each[f"ess {name}"] > 400 for each in timed])
        rows.append(f"| {title} | {np.median(seconds):.1f} s | {np.quantile(seconds, 0.95):.1f} s | {good:.0%} |")
    return "\n".join(rows)


def _calibration(cases: dict[int, dict]) -> Calibration:
    """Return the ranks of the true fluxes among draws."""
    network = fluxkit.load_network("ccm")
    free, _ = _free()
    names = np.array(network.reaction_names)
    varies = flux_space(network).exchange_scale.varies
    exchanging = names[network.reversible][varies]
    lines = list(cases.values())
    ranks = [[*np.array(each["net_rank"])[free], *np.array(each["exchange_rank"])[varies]] for each in lines]
    return Calibration(
        names=(*names[free], *exchanging),
        kinds=("net",) * int(free.sum()) + ("exchange",) * len(exchanging),
        ranks=np.array(ranks),
        widths=np.ones((len(lines), int(free.sum()) + len(exchanging))),
        missing=np.array([each["missing"] for each in lines]),
        noise=np.array([each["noise"] for each in lines]),
        tracers=np.array([each["tracers"] for each in lines]),
        draws=DRAWS,
    )


def _coverage(calibration: Calibration) -> str:
    rows = [
        f"Coverage of the intervals, {calibration.samples} cases, pooled over fluxes; ± is two standard errors over "
        "cases, here and by kind of case below:",
        "",
    ]
    rows += ["| fluxes | 50 % | 90 % |", "|---|---|---|"]
    kinds = np.array(calibration.kinds)
    for title, chosen in (("net", kinds == "net"), ("exchange", kinds == "exchange"), ("all", kinds != "")):
        shares = [pooled(calibration.inside(level)[:, chosen]) for level in (0.5, 0.9)]
        rows.append(f"| {title} | " + " | ".join(f"{100 * a:.1f} % ± {200 * b:.1f}" for a, b in shares) + " |")
    return "\n".join(rows)


def _each_flux(calibration: Calibration) -> str:
    """Return how many fluxes lie inside bands that are corrected for their number."""
    count = len(calibration.names)
    probability = 1 - 0.05 / count
    rows = [f"Each of {count} fluxes by itself, in bands that hold all of them with 95 % (Bonferroni):", ""]
    rows += ["| test | inside | outside |", "|---|---|---|"]
    for level in (0.5, 0.9):
        share = calibration.inside(level).mean(axis=0)
        low, high = coverage_band(calibration.samples, level, probability)
        _add(
            rows,
            f"coverage of {level:.0%} intervals, {low:.1%} to {high:.1%}",
            calibration,
            (share >= low - 1e-9) & (share <= high + 1e-9),
        )
    _add(rows, "uniform ranks (chi-square)", calibration, calibration.uniformity() >= 0.05 / count)
    return "\n".join(rows)


def _add(rows: list[str], title: str, calibration: Calibration, good: np.ndarray) -> None:
    bad = [f"{calibration.names[i]} ({calibration.kinds[i]})" for i in np.flatnonzero(~good)]
    rows.append(f"| {title} | {good.sum()} of {len(good)} | {', '.join(bad)} |")


def _strata(calibration: Calibration) -> str:
    rows = ["| cases | number | 50 % | 90 % |", "|---|---|---|---|"]
    for each in strata(calibration):
        shares = [f"{100 * each[f'coverage_{x}']:.1f} % ± {200 * (each[f'error_{x}'] or 0):.1f}" for x in (50, 90)]
        rows.append(f"| {each['by']}: {each['label']} | {each['samples']} | {shares[0]} | {shares[1]} |")
    return "\n".join(rows)


def _widths(found: dict[str, dict[int, dict]]) -> str:
    """Compare widths with those of a much longer run."""
    longer = {n: each for n, each in found.get("converged", {}).items() if each["rhat_max"] < 1.01}
    both = sorted(set(longer) & set(found["quantify"]))
    if not both:
        return ""
    free, _ = _free()
    ratios = []
    for number in both:
        own, reference = found["quantify"][number], longer[number]
        for kind, chosen in (("net", free), ("exchange", slice(None))):
            a, b = (np.array(each[f"{kind}_width"])[chosen] for each in (own, reference))
            ratios.append(a[b > 0] / b[b > 0])
    joined = np.concatenate(ratios)
    lost = len(found["converged"]) - len(longer)
    left_out = f"; {lost} more runs stayed above R-hat 1.01 and are left out" if lost else ""
    low, high = np.quantile(joined, [0.05, 0.95])
    means = np.array([np.exp(np.mean(np.log(np.maximum(each, 1e-12)))) for each in ratios])
    return (
        f"Width of the 90 % intervals against runs to R-hat 1.002 or 12,000 draws a chain, {len(both)} cases: median "
        f"ratio {np.median(joined):.3f}, 90 % of all fluxes and cases between {low:.3f} and {high:.3f}; mean of a case "
        f"between {means.min():.3f} and {means.max():.3f}{left_out}."
    )


def _verdicts(cases: dict[int, dict]) -> str:
    lines = list(cases.values())
    rhat, ess = (np.array([each[name] for each in lines]) for name in ("rhat_max", "ess_min"))
    trusted = np.mean([each["trusted"] for each in lines])
    return (
        f"On one core each, with at most 60 s of sampling: R-hat below 1.01 and more than 400 effective draws on every "
        f"parameter in {np.mean((rhat < 1.01) & (ess > 400)):.0%} of {len(lines)} cases, R-hat below 1.05 in "
        f"{np.mean(rhat < 1.05):.1%} (largest {rhat.max():.3f}). Trusted by the verdict: {trusted:.0%}."
    )
