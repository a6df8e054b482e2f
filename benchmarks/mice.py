"""Six measured mice on glucose or lactate tracers, in pairs that share one flux state: fit, answers, predictions.

Each pair is quantified under both readings of plasma from the tail, and predicts the mice of the other pairs. Then what
the pairs have in common is told from what varies between them, and the observation model is taken apart: chi-square of
the best fit without the mixture of tail blood, and without dilutions of tissue pools.
"""

import argparse
import json
import time
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import keeping
import numpy as np
import xarray as xr
from keeping import Kept, checksum, describe_making, model_checksum
from machine import publish
from threadpoolctl import threadpool_limits
from whole_body import NEARLY, of_sampler_before, peak_memory

import fluxkit
from fluxkit.inference import FluxEstimate, QuantifySettings, SamplerSettings, common_fluxes, predict_left_out
from fluxkit.inference.estimate import load_estimate
from fluxkit.inference.problem import build_density, choose_model
from fluxkit.inference.quantify import find_best
from fluxkit.inference.verdict.chi_square import chi_square
from fluxkit.labeling import parse_tracers, pool_replicates, select_labeling, with_open_infusions
from fluxkit.learning import has_model
from fluxkit.networks import Network
from fluxkit.networks.observations import ObservationTable
from fluxkit.physiology import carbon_sources, conversions_of_state
from fluxkit.physiology.organs import nutrient_of

RESULTS_OF = 2  # raise it when this script or the library is changed so that a case would come out otherwise
SEED, SECONDS, NETWORK = 50_000, 120.0, "wholebody_mouse"
DATA = Path(__file__).resolve().parents[1] / "data" / "mouse_infusion"
PAIRS = {"+".join(pair): pair for pair in (("M1", "M3"), ("M5", "M4"), ("M7", "M10"))}
ARTERIAL = {"plasma lactate": "Lac.P:1", "plasma pyruvate": "Pyr.P:1"}
PLASMA = ("tail", "arterial")
FITS = {
    "as in use": (),
    "no tail mixture": ("tail mixture",),
    "no dilutions": ("dilutions",),
    "neither": ("tail mixture", "dilutions"),
}
"""Of the observation model, what is left out."""
FED = {"glucose": ["Glc"], "lactate and pyruvate": ["Lac", "Pyr"]}
MADE_FROM = {"Lac": "lactate", "Pyr": "pyruvate", "Glyc": "glycerol", "Ala": "alanine", "stores": "stores"}
INFUSED = {"Glc": "plasma glucose", "Lac": "plasma lactate"}
DRAWS_OF_ORIGINS, DRAWS_OF_PREDICTION, KEPT_DRAWS = 100, 20, 4000
TAILS = (0.05, 0.5, 0.95)
FIT_STARTS = 64  # a poor model has more local optima
MISSED = 2.0  # sd, root mean square of a fragment


@cache
def body(leave_out: tuple[str, ...] = ()) -> Network:
    """Return the network, with parts of its observation model left out.

    Parameters
    ----------
    leave_out : tuple of str
        ``"tail mixture"``: plasma is arterial; ``"dilutions"``: no tissue pool is diluted by unlabeled material.
    """
    network = fluxkit.load_network(NETWORK)
    observed = network.observations
    for name, pools in ARTERIAL.items() if "tail mixture" in leave_out else ():
        observed = observed.with_pools(name, pools)
    if "dilutions" in leave_out:
        entries = {name: replace(each, diluted=False) for name, each in observed.entries.items()}
        observed = ObservationTable(entries, observed.typical_weights)
    return network.with_changes(observations=observed)


def body_with(plasma: str) -> Network:
    """Return the network under a reading of plasma, ``"tail"`` or ``"arterial"``."""
    return body(("tail mixture",) if plasma == "arterial" else ())


@cache
def table() -> xr.Dataset:
    """Return the measured labeling of all mice."""
    return fluxkit.read_labeling(DATA / "labeling.csv", body(), masks=DATA / "masks.tsv", unknown="drop")


def sample_of(mice: tuple[str, ...], open_infusions: bool = False) -> xr.Dataset:
    """Return the labeling of some mice as one sample, replicates pooled."""
    chosen = select_labeling(table(), experiments=list(mice))
    chosen = with_open_infusions(chosen, body()) if open_infusions else chosen
    (pooled,) = pool_replicates(chosen).values()
    return pooled


def work(key: str, seconds: float) -> dict:
    """Do what a key says: ``"pair M1+M3 tail"``, ``"fit M1+M3 no dilutions"`` or ``"common tail"``."""
    kind, _, rest = key.partition(" ")
    with threadpool_limits(1):
        if kind == "common":
            return _common(rest, seconds)
        pair, _, what = rest.partition(" ")
        return _pair(pair, what, seconds) if kind == "pair" else _fit(pair, what)


def _pair(pair: str, plasma: str, seconds: float) -> dict:
    """Quantify a pair; answer what is asked, and predict the mice of the others."""
    begin = time.perf_counter()
    estimate = quantify_pair(pair, plasma, seconds)
    spent = time.perf_counter() - begin
    result: dict[str, object] = {"seconds": spent, "chi_square": estimate.ssr, "freedom": estimate.degrees_of_freedom}
    result |= {each: float(estimate.diagnostics[each]) for each in ("rhat_max", "ess_min", "gradients", "draws")}
    result |= {"trusted": estimate.verdict.trusted, "reasons": list(estimate.verdict.reasons)}
    result |= {"fed": what_feeds(estimate), "made_from": what_glucose_is_made_from(estimate)}
    others = [mouse for name, mice in PAIRS.items() if name != pair for mouse in mice]
    result["left_out"] = {mouse: _predict(estimate, pair, mouse) for mouse in others}
    result |= {"memory": peak_memory(), "seconds with predictions": time.perf_counter() - begin}
    result["shown"] = f"{spent:.0f} s, R-hat {result['rhat_max']:.3f}, chi-square {estimate.ssr:.0f}"
    return result


def quantify_pair(pair: str, plasma: str, seconds: float) -> FluxEstimate:
    """Quantify two mice that share one flux state, and keep some draws of the estimate for :func:`common_fluxes`."""
    settings = QuantifySettings(fallbacks=False, sampler=SamplerSettings(seconds=seconds))
    estimate = fluxkit.quantify(sample_of(PAIRS[pair]), body_with(plasma), settings=settings, seed=SEED)
    if not isinstance(estimate, FluxEstimate):
        raise TypeError("one sample gives one estimate")
    path = _estimate_file(pair, plasma, seconds)
    path.parent.mkdir(parents=True, exist_ok=True)
    draws = estimate.posterior.sizes["chain"] * estimate.posterior.sizes["draw"]
    thinned = estimate.posterior.isel(draw=slice(None, None, -(-draws // KEPT_DRAWS)))
    replace(estimate, posterior=thinned).save(path)
    return estimate


def _estimate_file(pair: str, plasma: str, seconds: float) -> Path:
    made = checksum(json.dumps(made_with(seconds), sort_keys=True).encode())
    return keeping.RUNNING / f"mice-{made}" / f"{pair}-{plasma}.nc"


def what_feeds(estimate: FluxEstimate) -> dict[str, dict]:
    """Return of the TCA cycle of each tissue which share of its malate glucose gives, and lactate with pyruvate."""
    network = estimate.network
    pools = {f"Mal.{key}": name for key, name in network.compartments.items() if f"Mal.{key}" in network.balanced}
    value = carbon_sources(estimate.draws(DRAWS_OF_ORIGINS), network, list(pools))["value"]
    found = {}
    for pool, tissue in pools.items():
        shares = {name: value.sel(pool=pool, source=each).sum("source").values for name, each in FED.items()}
        glucose, lactate = shares.values()
        found[tissue] = {name: _quantiles(each) for name, each in shares.items()}
        found[tissue]["of both"] = _quantiles(glucose / np.maximum(glucose + lactate, 1e-12))
        found[tissue]["glucose gives more"] = float(np.mean(glucose > lactate))
    return found


def what_glucose_is_made_from(estimate: FluxEstimate) -> dict[str, list[float]]:
    """Return the shares of the nutrients that plasma glucose is made from, glucose itself left out."""
    value = conversions_of_state(estimate.draws(DRAWS_OF_ORIGINS), estimate.network, ["Glc"])["value"]
    made = value.sel(target="Glc").drop_sel(source="Glc")
    shares = made / made.sum("source")
    return {str(each): _quantiles(shares.sel(source=each).values) for each in shares["source"].values}


def _predict(estimate: FluxEstimate, pair: str, mouse: str) -> dict:
    """Predict one mouse that was left out."""
    begin, sample = time.perf_counter(), sample_of((mouse,), open_infusions=True)
    left = predict_left_out(estimate, sample, draws=DRAWS_OF_PREDICTION, seed=SEED)
    infused = _infused(mouse)
    twin = next(each for each in PAIRS[pair] if _infused(each) == infused)
    missed = dict(zip(map(str, left.by_fragment["fragment"]), map(float, left.by_fragment["mean_square"]), strict=True))
    result: dict[str, object] = {"chi_square": _quantiles(left.chi_square), "of_prior": _quantiles(left.of_prior)}
    result |= {"freedom": left.degrees_of_freedom, "p_value": left.p_value, "infused": infused, "twin": twin}
    result |= {"enrichment": enrichment(mouse, infused), "of_twin": enrichment(twin, infused)}
    result["mean_square"] = missed[infused]
    result["worst"] = [[name, round(value, 2)] for name, value in list(missed.items())[:5]]
    return result | {"seconds": time.perf_counter() - begin}


def _infused(mouse: str) -> str:
    """Return the measured name of the plasma nutrient that a mouse was infused with."""
    text = json.loads(table().attrs["tracers"])[mouse]
    (pool,) = parse_tracers(text, body()).labeled_pools
    return INFUSED[nutrient_of(pool.removesuffix("_x").replace("_inf", ".P"))]


def enrichment(mouse: str, name: str) -> list[float]:
    """Return the mean share of labeled atoms of what is measured under a name, and its standard deviation."""
    sample = sample_of((mouse,))
    part = sample.isel(isotopologue=sample["fragment"].values == name)
    mid, sd = (part[each].values.reshape(-1) for each in ("mid", "mid_sd"))
    shift, seen = part["mass_shift"].values.astype(float), np.isfinite(mid)
    share = shift[seen] / shift.max()
    return [float(share @ mid[seen] / mid[seen].sum()), float(np.sqrt((share**2) @ sd[seen] ** 2))]


def beyond_infusion(found: dict) -> bool:
    """Return whether a mouse has more of its tracer in plasma than the fitted infusion allows, and is missed there.

    The infusion of the fitted mouse is taken as all labeled, and the part of a new mouse is at most that.
    """
    return found["enrichment"][0] > found["of_twin"][0] and found["mean_square"] > MISSED**2


def _fit(pair: str, what: str) -> dict:
    """Return chi-square of the best fit with a part of the observation model left out."""
    begin, network, labeling = time.perf_counter(), body(FITS[what]), sample_of(PAIRS[pair])
    density = build_density(labeling, network)
    model, settings = choose_model("shipped", network), QuantifySettings(starts=FIT_STARTS, fallbacks=False)
    best = find_best(density, labeling, model, settings, np.random.default_rng(SEED))
    ssr, freedom, p_value, determined = chi_square(density, best.refined)
    result = {"chi_square": ssr, "freedom": freedom, "p_value": p_value, "determined": determined}
    result |= {"shares": len(density.measurement.weight_names), "values": len(density.known)}
    result["log_density"] = float(density.log_value(best.refined.points[:1])[0])
    spent = time.perf_counter() - begin
    return result | {"seconds": spent, "shown": f"{spent:.0f} s, chi-square {ssr:.0f} at {freedom:.0f}"}


def ratios(network: Network) -> dict[str, str]:
    """Return ratios of fluxes that the data may tell, by what they mean, for every tissue that has the reactions.

    The transport of lactate is written as release.
    """
    names, found = set(network.reaction_names), {}
    wanted = {
        "pyruvate oxidised per turn of the TCA cycle": "{0}_PDH / {0}_CS",
        "pyruvate carboxylated per turn of the TCA cycle": "{0}_PC / {0}_CS",
        "plasma lactate in what it and glucose bring": "{0}_MCT_backward / ({0}_MCT_backward + 2 * {0}_HK)",
    }
    for title, text in wanted.items():
        for key, tissue in network.compartments.items():
            used = [f"{key}_{each}" for each in ("PDH", "CS", "PC", "MCT", "HK") if f"_{each}" in text]
            if names.issuperset(used):
                found[f"{tissue}: {title}"] = text.format(key)
    return found


def _common(plasma: str, seconds: float) -> dict:
    """Say which ratios of fluxes the pairs have in common."""
    begin, network, estimates = time.perf_counter(), body_with(plasma), {}
    for pair in PAIRS:
        path = _estimate_file(pair, plasma, seconds)
        if not path.is_file():
            quantify_pair(pair, plasma, seconds)
        estimates[pair] = load_estimate(path, network)
    rows = common_fluxes(estimates, ratios(network)).to_dict("records")
    for row in rows:
        row |= {name: None for name, value in row.items() if isinstance(value, float) and np.isnan(value)}
    spent = time.perf_counter() - begin
    return {"seconds": spent, "rows": rows, "shown": f"{spent:.0f} s, {len(rows)} ratios"}


def _quantiles(values: np.ndarray) -> list[float]:
    return [float(f"{each:.5g}") for each in np.quantile(values, TAILS)]


def summarise(lines: dict[str, dict]) -> str:
    """Return the section of the results page from kept lines; it says so where parts are missing."""
    wanted = keys()
    missing = [each for each in wanted if each not in lines]
    caveat = f"**Preliminary: {len(missing)} of {len(wanted)} parts are missing.** " if missing else ""
    made = next(iter(lines.values()))["made with"]
    pairs = {
        (pair, plasma): lines[f"pair {pair} {plasma}"]
        for pair in PAIRS
        for plasma in PLASMA
        if f"pair {pair} {plasma}" in lines
    }
    head = (
        f"{caveat}Six fasted mice of Hui et al. 2017 (doi:10.1038/nature24057), on [U-13C6]glucose or [U-13C3]lactate, "
        f"on {NETWORK}. A glucose and a lactate mouse share one flux state. *Tail* lets plasma lactate and pyruvate be "
        "a mixture of arterial plasma and muscle, *arterial* does not. No fall-backs, sampling ends after "
        f"{made['seconds']:g} s at the latest; brackets hold 90 %; {describe_making(lines.values())}."
        + of_sampler_before(lines.values())
    )
    sections = [head]
    if pairs:
        sections += [_quality(pairs), _feeding(pairs), _glucose(pairs), _left_out(pairs)]
    sections += [_common_table(lines), _taken_apart(lines)]
    return "\n\n".join(each for each in sections if each)


def _table(heads: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(each)} |" for each in (heads, ["---"] * len(heads), *rows))


def _bracket(values: list[float], form: str = "{:.2f}") -> str:
    low, middle, high = (form.format(each) for each in values)
    return f"{middle} [{low}, {high}]"


def _quality(pairs: dict[tuple[str, str], dict]) -> str:
    rows = [
        [
            pair,
            plasma,
            f"{each['chi_square']:.0f}",
            f"{each['freedom']:.0f}",
            f"{each['rhat_max']:.3f}",
            f"{each['ess_min']:.0f}",
            f"{each['seconds']:.0f}",
            f"{each['memory']:.0f} MB",
            "yes" if each["trusted"] else "no",
            f"1 of {len(each['reasons'])}: {each['reasons'][0]}" if each["reasons"] else "",
        ]
        for (pair, plasma), each in pairs.items()
    ]
    heads = ["mice", "plasma", "chi-square", "degrees of freedom", "R-hat", "effective draws", "seconds", "memory"]
    return _table([*heads, "trusted", "first reason why not"], rows)


def _feeding(pairs: dict[tuple[str, str], dict]) -> str:
    rows = []
    for tissue in next(iter(pairs.values()))["fed"]:
        for (pair, plasma), each in pairs.items():
            found = each["fed"][tissue]
            shares = [_bracket(found[name]) for name in (*FED, "of both")]
            rows.append([tissue, plasma, pair, *shares, f"{found['glucose gives more']:.2f}"])
    rows.sort(key=lambda each: (list(next(iter(pairs.values()))["fed"]).index(each[0]), PLASMA.index(each[1])))
    heads = ["tissue", "plasma", "mice", *FED, "glucose, of these", "P(glucose gives more)"]
    text = "What feeds the TCA cycle: shares of the carbon of malate that were last in plasma as these nutrients."
    return f"{text}\n\n{_table(heads, rows)}"


def _glucose(pairs: dict[tuple[str, str], dict]) -> str:
    rows = [
        [pair, plasma, *(_bracket(each["made_from"][name]) for name in MADE_FROM)]
        for (pair, plasma), each in pairs.items()
    ]
    text = (
        "What glucose is made from: shares of carbon by the nutrient that it last was in plasma (stores: glycogen too)."
    )
    return f"{text}\n\n{_table(['mice', 'plasma', *MADE_FROM.values()], rows)}"


def _left_out(pairs: dict[tuple[str, str], dict]) -> str:
    rows, beyond = [], 0
    for (pair, plasma), each in pairs.items():
        for mouse, found in each["left_out"].items():
            remark = ""
            if beyond_infusion(found):
                beyond += 1
                remark = f"beyond the infusion: {found['infused']} misses by {np.sqrt(found['mean_square']):.1f} sd"
            ratio = found["enrichment"][0] / found["of_twin"][0]
            chi, prior = (_bracket(found[name], "{:.0f}") for name in ("chi_square", "of_prior"))
            twin = f"{ratio:.2f} of {found['twin']}"
            worst = ", ".join(name for name, _ in found["worst"][:3])
            rows.append([pair, plasma, mouse, chi, f"{found['freedom']:.0f}", prior, twin, worst, remark])
    heads = ["fluxes of", "plasma", "mouse", "chi-square", "degrees of freedom", "from the prior"]
    heads += ["enrichment of the infused", "worst", "remark"]
    text = (
        "Mice that were left out, predicted from the fluxes of a pair; of the new mouse only its part of the infusion, "
        "blood, dilutions and tail mixture are found. The infusion of the fitted mouse is the most that this allows: "
        "a mouse with more of its tracer in plasma cannot be predicted, which its chi-square shows from plasma on "
        f"({beyond} of {len(rows)}). Where plasma is met and chi-square is large all the same, fluxes or pools differ."
    )
    return f"{text}\n\n{_table(heads, rows)}"


def _common_table(lines: dict[str, dict]) -> str:
    rows = []
    for plasma in PLASMA:
        for each in lines.get(f"common {plasma}", {}).get("rows", []):
            own = [_number(each.get(f"mean of {pair}")) for pair in PAIRS]
            mean, between = (_with_interval(each, name) for name in ("mean", "between_sd"))
            varies = _number(each["probability_varies"])
            rows.append([each["flux"], plasma, str(each["animals"]), mean, between, varies, *own])
    if not rows:
        return ""
    heads = [
        "ratio of fluxes",
        "plasma",
        "pairs that tell it",
        "common mean",
        "sd between pairs",
        "P(varies by > 20 %)",
    ]
    text = "What the pairs have in common, the flux prior counted once (empty: fewer than two pairs tell it)."
    rhat = max((each["rhat_max"] for key, each in lines.items() if key.startswith("pair ")), default=np.inf)
    if rhat > NEARLY:
        text += (
            f" **Chains of a pair do not agree (R-hat up to {rhat:.2f}), so scatter between pairs is partly theirs.**"
        )
    return f"{text}\n\n{_table([*heads, *PAIRS], rows)}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _with_interval(row: dict, name: str) -> str:
    if row[name] is None:
        return ""
    return _bracket([row[f"{name}_lower"], row[name], row[f"{name}_upper"]])


def _taken_apart(lines: dict[str, dict]) -> str:
    there = [pair for pair in PAIRS if any(f"fit {pair} {what}" in lines for what in FITS)]
    if not there:
        return ""
    rows = []
    for what in FITS:
        cells = []
        for pair in there:
            each = lines.get(f"fit {pair} {what}")
            text = each and f"{each['chi_square']:.0f} at {each['freedom']:.0f} ({each['shares']} shares)"
            cells.append(text or "")
        rows.append([what, *cells])
    text = (
        "What each assumption of the observation model buys: chi-square of the best fit at its degrees of freedom, and "
        "how many unknown shares the model has, as parts of it are left out: the most probable point from "
        f"{FIT_STARTS} starts, no sampling. The prior pulls too, so chi-square need not grow from row to row."
    )
    return f"{text}\n\n{_table(['observation model', *there], rows)}"


def keys(pairs: list[str] | None = None) -> list[str]:
    """Return all parts, of some pairs or of all."""
    chosen = list(PAIRS) if pairs is None else pairs
    found = [f"pair {pair} {plasma}" for pair in chosen for plasma in PLASMA]
    found += [f"fit {pair} {what}" for pair in chosen for what in FITS]
    return found + [f"common {plasma}" for plasma in PLASMA if set(chosen) == set(PAIRS)]


def made_with(seconds: float) -> dict:
    """Return what decides a result beside its part; results made otherwise are not mixed with these."""
    network = body()
    data = checksum((DATA / "labeling.csv").read_bytes() + (DATA / "masks.tsv").read_bytes())
    observed = checksum(repr(sorted(network.observations.entries.items())).encode())
    made = {"results of": RESULTS_OF, "network": network.fingerprint, "table": observed, "data": data}
    made["model"] = model_checksum(NETWORK) if has_model(network) else None
    return {**made, "seconds": seconds, "seed": SEED}


def main() -> None:
    """Run what is missing and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", default=",".join(PAIRS), help="pairs of mice, with commas between them")
    parser.add_argument("--parts", default="pair,fit,common", help="what to run, with commas between them")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="longest sampling time of a pair")
    parser.add_argument("--workers", type=int, default=2, help="processes, each on a core of its own")
    parser.add_argument("--no-run", action="store_true", help="run nothing: pack what is kept and write the section")
    parser.add_argument("--print", action="store_true", help="print the section; neither write it to the page nor pack")
    options = parser.parse_args()
    pairs, parts = options.pairs.split(","), options.parts.split(",")
    if unknown := [each for each in pairs if each not in PAIRS]:
        raise SystemExit(f"--pairs: there is no {unknown[0]!r}; there are {', '.join(PAIRS)}.")
    kept, failed = Kept("mice", made_with(options.seconds)), []
    for part in ("pair", "fit", "common"):  # one after the other: the last reads what the first writes
        wanted = [each for each in keys(pairs) if each.partition(" ")[0] == part and part in parts]
        if not options.no_run:
            failed += kept.run(partial(work, seconds=options.seconds), wanted, options.workers)
    if not options.print:
        kept.pack()
    lines = kept.lines()
    if not lines:
        raise SystemExit("no part with these settings is finished; run without --no-run.")
    publish("Fasted mice", summarise(lines), options.print)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}; the next run tries them again.")


if __name__ == "__main__":
    main()
