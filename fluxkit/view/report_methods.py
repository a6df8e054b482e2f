"""The methods paragraph of a report: how these estimates were found, with their own numbers, ready for a paper."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from fluxkit import __version__
from fluxkit.inference.verdict.fit_tests import BUDGET
from fluxkit.labeling.natural_abundance import parse_elements
from fluxkit.view.report_sources import Citations

SHORT = 12
"""Characters of a fingerprint that a text shows; the record holds all of them."""

_PRIORS = {
    "targets": "Before the data, net fluxes are uniform over all that balance within the bounds of the network, times "
    "a broad normal distribution around each stated target, and exchange fluxes are log-uniform.",
    "uniform": "Before the data, net fluxes are uniform over all that balance within the bounds of the network, and "
    "exchange fluxes are log-uniform.",
}


def methods_of(estimates: Mapping[str, Any], comparison: pd.DataFrame | None = None) -> tuple[list[str], list[str]]:
    """Return the methods as paragraphs, and the keys of the sources that they cite.

    Parameters
    ----------
    estimates : mapping of str to FluxEstimate
        By sample. What all of them share is said once, the rest in a paragraph for each.
    comparison : pandas.DataFrame, optional
        From :func:`fluxkit.inference.compare`.
    """
    data = [_software, _network, _simulation, _tracers, _natural_isotopes, _values, _errors, _rates]
    search = [_prior, _starts, _sampling, _chains, _intervals, _tests, _fit, _verdict]
    cite = Citations()
    said = [
        {topic: {name: topic(each, cite) for name, each in estimates.items()} for topic in part}
        for part in (data, search)
    ]
    paragraphs = [" ".join(_first(each) for each in part.values() if _shared(each)) for part in said]
    own = [each for part in said for each in part.values() if not _shared(each)]
    if own:
        paragraphs += [f"{name}: {' '.join(filter(None, (each[name] for each in own)))}" for name in estimates]
    if comparison is not None and not comparison.empty:
        paragraphs.append(_compared(comparison, cite))
    return [" ".join(each.split()) for each in paragraphs], cite.keys


def _first(by_sample: Mapping[str, str]) -> str:
    return next(iter(by_sample.values()))


def _shared(by_sample: Mapping[str, str]) -> bool:
    return len(set(by_sample.values())) == 1


def count(number: float, word: str) -> str:
    """Return a number with its word, in the plural where it is not one: ``1,200 draws``.

    Parameters
    ----------
    number : float
        A whole number.
    word : str
        In the singular.
    """
    return f"{int(number):,} {word}{'' if int(number) == 1 else 's'}"


def _software(estimate: Any, cite: Citations) -> str:
    version = estimate.method.get("versions", {}).get("fluxkit", __version__)
    return f"Fluxes were estimated with fluxkit {version} {cite('fluxkit')}."


def _network(estimate: Any, cite: Citations) -> str:
    network, free = estimate.network, estimate.method.get("parameters")
    words = (
        f"The network {network.name} (fingerprint {network.fingerprint[:SHORT]}) has "
        f"{count(len(network.reactions), 'reaction')}, {int(np.sum(network.reversible))} of them reversible with a net "
        f"and an exchange flux {cite('exchange')}, and {count(len(network.balanced), 'balanced pool')}"
    )
    if free:
        parts = [count(free["net"], "free net flux").replace("fluxs", "fluxes")]
        parts.append(count(free["exchange"], "exchange flux").replace("fluxs", "fluxes"))
        if free["weights"]:
            parts.append(f"{count(free['weights'], 'unknown share')} or dilutions of measured pools")
        words += f"; {', '.join(parts[:-1])} and {parts[-1]} were estimated"
    return f"{words}. Unit of all fluxes: {network.flux_unit}."


def _simulation(estimate: Any, cite: Citations) -> str:
    words = "Labeling was simulated exactly, at metabolic and isotopic steady state, with elementary metabolite units"
    return f"{words} {cite('emu')}."


def _tracers(estimate: Any, cite: Citations) -> str:
    attrs = estimate.labeling.attrs
    tracers = json.loads(attrs["tracers"])
    listed = "; ".join(tracers.values() if len(tracers) == 1 else (f"{name}: {t}" for name, t in tracers.items()))
    what = "The tracer was" if len(tracers) == 1 else f"The tracers of {len(tracers)} parallel experiments were"
    return f"{what} {listed} (isotopic purity {100 * float(attrs['purity']):.4g} %)."


def _natural_isotopes(estimate: Any, cite: Citations) -> str:
    elements = estimate.labeling.attrs["natural_abundance"]
    if not elements:
        return "The data were taken as corrected for natural isotopes."
    named = ", ".join(parse_elements(elements))
    return f"Natural isotopes of {named} were not corrected for in the data but simulated {cite('isotopes')}."


def _values(estimate: Any, cite: Citations) -> str:
    fit, labeling = estimate.fit, estimate.labeling
    used = np.isfinite(fit["residual"].values)
    fragments = len(set(fit["fragment"].values[used.any(axis=0)].astype(str)))
    words = f"{count(used.sum(), 'mass isotopologue fraction')} of {count(fragments, 'fragment')} were fitted"
    censored = estimate.method.get("data", {}).get("censored", 0)
    words += f", {censored} of them zeros below their detection limit" if censored else ""
    replicates = int(labeling.attrs.get("replicates", 1))
    words += f", means of {replicates} replicates" if replicates > 1 else ""
    masked = masked_values(labeling)
    left_out = f"; {masked:,} more {'was' if masked == 1 else 'were'} masked" if masked else ""
    return f"{words}{left_out}."


def masked_values(labeling: Any) -> int:
    """Return how many values of a labeling dataset were left out on purpose.

    Parameters
    ----------
    labeling : xarray.Dataset
        As an estimate holds it.
    """
    return int(labeling["masked"].sum()) if "masked" in labeling else 0


def _errors(estimate: Any, cite: Citations) -> str:
    labeling = estimate.labeling
    stated, replicates = labeling.attrs.get("noise"), int(labeling.attrs.get("replicates", 1))
    scatter = ", or the scatter of the replicates where that is larger" if replicates > 1 else ""
    if not stated:
        return f"Standard deviations were stated with the data{scatter}."
    noise = json.loads(stated)
    ions = f" + ({noise['background']:g}/T)²" if "intensity" in labeling else ""
    meaning = ", T the ions counted of the fragment" if ions else ""
    return (
        f"Standard deviations follow sd² = {noise['floor']:g}² + ({noise['slope']:g} y(1 − y))²{ions}, with y the "
        f"fraction{meaning}{scatter}."
    )


def _rates(estimate: Any, cite: Citations) -> str:
    number = estimate.method.get("data", {}).get("rates", 0)
    if not number:
        return ""
    attrs = estimate.labeling["rate"].attrs
    unit = f" (unit: {attrs['units']})" if attrs.get("units") else ""
    known = attrs.get("absolute")
    scale = "" if known else ", with a common factor between their unit and that of the fluxes found along"
    return f"{count(number, 'measured rate')}{unit} entered the fit with their standard deviations{scale}."


def _prior(estimate: Any, cite: Citations) -> str:
    return _PRIORS.get(estimate.method.get("settings", {}).get("prior", ""), "")


def _starts(estimate: Any, cite: Citations) -> str:
    method = estimate.method
    starts, model = method.get("starts", {}), method.get("model")
    if method.get("kind") == "least squares":
        return (
            f"Fluxes were fitted by least squares {cite('least squares')} from "
            f"{count(starts['prior'], 'random start')} (seed {method['seed']}); intervals come from {method['refits']} "
            "refits of data with fresh noise. They know no prior."
        )
    if not starts:
        return ""
    total = starts["learned"] + starts["prior"]
    if starts["learned"]:
        weights = f", weights {model['sha256'][:SHORT]}" if model.get("sha256") else ""
        trained = f", {count(model['steps'], 'training step')}" if model.get("steps") else ""
        known = f"by a neural network trained on simulated experiments (fluxkit {model['fluxkit']}{trained}{weights})"
        origin = f"{starts['learned']} proposed {known} and {starts['prior']} drawn from the prior"
    else:
        origin = "all drawn from the prior"
    more = (
        f", and then from {starts['added']} more from the prior, since the fit was doubtful" if starts["added"] else ""
    )
    return (
        f"The most probable fluxes were sought from {count(total, 'start')}, {origin}{more}, by Gauss-Newton steps "
        f"with exact derivatives inside the bounds {cite('refinement')}; where a start lies does not enter the "
        "answer, as far as the chains have converged."
    )


def _sampling(estimate: Any, cite: Citations) -> str:
    if "rhat_max" not in estimate.diagnostics:
        return ""
    return (
        f"The posterior {cite('posterior')} was sampled with reflective Hamiltonian Monte Carlo "
        f"{cite('hmc', 'reflection')} on the exact simulation; chains were compared by rank-normalised R-hat and "
        f"effective sample size {cite('r-hat')}."
    )


def _chains(estimate: Any, cite: Citations) -> str:
    found, chains = estimate.diagnostics, estimate.method.get("chains")
    if "rhat_max" not in found:
        return ""
    length = f"There were {chains['number']} chains of {count(chains['draws'], 'draw')} after warm-up" if chains else ""
    seed = f" (seed {estimate.method['seed']})" if "seed" in estimate.method else ""
    return (
        f"{length or 'Chains were sampled'}{seed}; the largest R-hat is {found['rhat_max']:.3f}, the smallest "
        f"effective sample size {found['ess_min']:,.0f}."
    )


def _intervals(estimate: Any, cite: Citations) -> str:
    sizes = estimate.posterior["net_flux"].sizes
    draws = int(np.prod([size for name, size in sizes.items() if name != "reaction"]))
    source = "refits" if estimate.method.get("kind") == "least squares" else "evenly spaced draws"
    return f"Medians and 90 % intervals are those of {draws:,} {source}."


def _tests(estimate: Any, cite: Citations) -> str:
    families = [name.removeprefix("p_value of ") for name in estimate.diagnostics if name.startswith("p_value of ")]
    words = f"The best fit was tested by chi-square {cite('chi-square')}"
    if not families:
        return f"{words}."
    share = 100 * sum(BUDGET[each] for each in ("whole", *families) if each in BUDGET)
    return (
        f"{words}, and beside the whole fit what the fluxes leave of its parts and of the usual faults "
        f"({', '.join(families)}; p-values corrected for their number {cite('sidak')}), at {share:.2g} % false alarms "
        "in all."
    )


def _fit(estimate: Any, cite: Citations) -> str:
    words = (
        f"Chi-square is {estimate.ssr:.1f} at {estimate.degrees_of_freedom:.1f} degrees of freedom "
        f"(p = {estimate.p_value:.3g})"
    )
    if "predictive_p_value" in estimate.diagnostics:
        words += f", the posterior predictive p-value {estimate.diagnostics['predictive_p_value']:.3g}"
    return f"{words}."


def _verdict(estimate: Any, cite: Citations) -> str:
    verdict = estimate.verdict
    words = "No test failed: the estimate counts as trusted"
    if not verdict.trusted:
        words = f"The estimate does not count as trusted: {_joined(verdict.reasons)}"
    return f"{words}. Remark: {_joined(verdict.remarks)}." if verdict.remarks else f"{words}."


def _joined(sentences: Iterable[str]) -> str:
    return "; ".join(each.rstrip(".") for each in sentences)


def _compared(comparison: pd.DataFrame, cite: Citations) -> str:
    said = comparison.attrs
    words = f"{count(len(comparison), 'quantity').replace('quantitys', 'quantities')} were compared between conditions"
    if max(said.get("replicates", [1])) > 1:
        words += ", with the scatter between replicates that were quantified one by one"
    else:
        words += " by pairing the draws of both posteriors"
    if said.get("absolute"):
        words += f", in the unit of the measured rates{' (' + said['unit'] + ')' if said['unit'] else ''}"
    if "rate" not in said:
        return f"{words}."
    least = [f"{said['threshold']:.3g}"] if said.get("threshold", 0.0) > 0 else []
    least += [f"a factor of {said['fold']:.3g}"] if said.get("fold", 1.0) > 1 else []
    beyond = f" by more than {' and '.join(least)} {cite('negligible')}" if least else ""
    called = int(np.count_nonzero(comparison["changed"].to_numpy()))
    return (
        f"{words}. A quantity counts as changed{beyond} at a false discovery rate of {100 * said['rate']:.3g} % "
        f"{cite('false discovery', 'q-value')}; {called or 'none'} of them {'does' if called == 1 else 'do'}."
    )
