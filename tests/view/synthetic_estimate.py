"""Estimates with made-up numbers and real xarray and pandas inside, for figures and reports."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import xarray as xr

import fluxkit

FRAGMENTS = {
    "toy": {"B": 4, "F": 4},
    "ccm": {
        "hexose-6-phosphate": 7, "fructose-1,6-bisphosphate": 7, "dihydroxyacetone-phosphate": 4,
        "pyruvate": 4, "lactate": 4, "alanine": 4, "serine": 4, "glycine": 3, "ribose-5-phosphate": 6,
        "citrate": 7, "alpha-ketoglutarate": 6, "succinate": 5, "fumarate": 4, "malate": 5, "aspartate": 5,
        "glutamate": 6, "glutamine": 6, "asparagine": 5, "proline": 6,
    },
}  # fmt: skip

SYNTHETIC_METHOD = {
    "kind": "posterior",
    "seed": 7,
    "settings": {"prior": "targets"},
    "starts": {"learned": 0, "prior": 16, "added": 0},
    "chains": {"number": 4, "draws": 100},
    "model": None,
    "parameters": {"net": 5, "exchange": 2, "weights": 0},
    "data": {"values": 9, "censored": 0, "rates": 0},
    "versions": {"fluxkit": fluxkit.__version__, "numpy": np.__version__},
}


def synthetic_estimate(name: str = "ccm", sample: str = "control", seed: int = 0, experiments: int = 1):
    """Return a stand-in whose posterior is a narrowed prior around the reference state."""
    generator = np.random.default_rng(seed)
    network = fluxkit.load_network(name)
    names = list(network.reaction_names)
    lower, upper = network.net_bounds
    reference = network.reference_fluxes()
    net, exchange = reference["net_flux"].values, np.maximum(reference["exchange_flux"].values, 0.1)
    share = np.where(generator.random(len(names)) < 0.4, 0.95, generator.uniform(0.02, 0.4, len(names)))
    spread = np.where(lower == upper, 0.0, np.minimum((upper - lower) / 6, np.maximum(np.abs(net), 3)))
    prior_net = np.clip(net + spread * generator.normal(size=(400, len(names))), lower, upper)
    post_net = np.clip(net + share * spread * generator.normal(size=(4, 100, len(names))), lower, upper)
    prior_exchange = 10 ** generator.uniform(-1, 3, (400, len(names))) * network.reversible
    post_exchange = exchange * 10 ** (share * generator.normal(size=(4, 100, len(names)))) * network.reversible

    def state(net_flux, exchange_flux, *dims):
        dims = (*dims, "reaction")
        return xr.Dataset(
            {"net_flux": (dims, net_flux), "exchange_flux": (dims, exchange_flux)}, coords={"reaction": names}
        )

    rows = []
    for kind, prior, post, best in (
        ("net", prior_net, post_net, net),
        ("exchange", prior_exchange, post_exchange, exchange),
    ):
        low, median, high = np.quantile(post.reshape(-1, len(names)), [0.05, 0.5, 0.95], axis=0)
        before, after = np.quantile(prior, [0.05, 0.95], axis=0)
        for i, reaction in enumerate(names):
            if kind == "net" or network.reversible[i]:
                width = after[i] - before[i]
                information = 1 - (high[i] - low[i]) / width if width > 0 else 1.0
                rows.append((reaction, kind, best[i], median[i], low[i], high[i], before[i], after[i],
                             max(information, 0.0), bool(information > 0.3), network.flux_unit))  # fmt: skip
    columns = "reaction kind best median lower upper prior_lower prior_upper information determined unit"
    fit = _fit(FRAGMENTS[name], generator, experiments)
    ssr = float((fit["residual"] ** 2).sum())
    notes = ["asparagine, replicate 2: all intensities are zero, taken as not measured."]
    tracers = dict.fromkeys(fit["experiment"].values.tolist(), "Glc_x: 100% [U-13C6]")
    labeling = (
        fit[["measured", "sd"]]
        .rename(measured="mid", sd="mid_sd")
        .assign_attrs(
            tracers=json.dumps(tracers), purity=0.99, natural_abundance="C", formulas="{}",
            notes=json.dumps(notes), source="labeling.csv", network=name,
        )
    )  # fmt: skip
    return SimpleNamespace(
        network=network,
        labeling=labeling,
        posterior=state(post_net, post_exchange, "chain", "draw"),
        prior=state(prior_net, prior_exchange, "draw"),
        best=state(net, exchange * network.reversible),
        intervals=pd.DataFrame(rows, columns=columns.split()),
        fit=fit,
        ssr=ssr,
        degrees_of_freedom=64.0,
        p_value=0.42,
        diagnostics={"rhat_max": 1.008, "ess_min": 612.0, "divergences": 0.0},
        verdict=SimpleNamespace(
            trusted=True, reasons=("chi-square agrees with the noise (p = 0.42).", "all chains agree."), remarks=()
        ),
        sample=sample,
        has_scale=False,  # no measured rates
        method=SYNTHETIC_METHOD,
    )


def _fit(fragments: dict[str, int], generator: np.random.Generator, experiments: int) -> xr.Dataset:
    """Fitted fractions with measured ones around them; the last isotopologue was not measured."""
    shape = (experiments, sum(fragments.values()))
    fitted = np.hstack([generator.dirichlet(np.full(n, 0.5), experiments) for n in fragments.values()])
    sd = np.sqrt(0.005**2 + (0.04 * fitted * (1 - fitted)) ** 2)
    measured = np.clip(fitted + sd * generator.normal(size=shape) * 1.15, 0, 1)
    measured[:, -1] = np.nan
    values = {"measured": measured, "fitted": fitted, "sd": sd, "residual": (fitted - measured) / sd}
    return xr.Dataset(
        {name: (("experiment", "isotopologue"), value) for name, value in values.items()},
        coords={
            "experiment": [f"tracer {i + 1}" for i in range(experiments)],
            "fragment": ("isotopologue", [f for f, n in fragments.items() for _ in range(n)]),
            "mass_shift": ("isotopologue", [i for n in fragments.values() for i in range(n)]),
        },
    )


def synthetic_comparison(first, second) -> pd.DataFrame:
    """Return the comparison table of two stand-ins: second minus first."""
    rows = []
    for reaction in first.network.reaction_names:
        a, b = (each.posterior["net_flux"].sel(reaction=reaction).values.ravel() for each in (first, second))
        difference = b - a
        low, median, high = np.quantile(difference, [0.05, 0.5, 0.95])
        up = float((difference > 0).mean())
        rows.append((reaction, "net", median, low, high, max(up, 1 - up) if np.ptp(difference) else np.nan))
    columns = "reaction kind difference difference_lower difference_upper probability_changed"
    return pd.DataFrame(rows, columns=columns.split())
