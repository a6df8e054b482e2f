"""The calibration report: one offline page that shows how true the posteriors of a trained model are."""

from collections.abc import Mapping
from typing import Any

from fluxkit.learning.calibration import Calibration
from fluxkit.view.page import offline_page, place_figure
from fluxkit.view.report_parts import pairs, references_list, table, text
from fluxkit.workflows.calibration_figures import course_figure, coverage_figure, rank_figure, strata_figure
from fluxkit.workflows.model_card import ENDS, calibration_in_words

REFERENCES = {
    "ranks": (
        "Talts et al. 2018, Validating Bayesian inference algorithms with simulation-based calibration, "
        "arXiv:1804.06788",
        "10.48550/arXiv.1804.06788",
    ),
    "differences of cumulative ranks": (
        "Säilynoja, Bürkner & Vehtari 2022, Graphical test for discrete uniformity and its applications in "
        "goodness-of-fit evaluation and multiple sample comparison, Stat Comput 32, 32",
        "10.1007/s11222-022-10090-6",
    ),
}
_HOW = (
    "Fluxes were drawn from the prior, experiments simulated with noise, gaps and tracers at random, and "
    "the network read each of them. If its posteriors are right, a 90 % interval holds the true flux in 90 % of the "
    "experiments, and the rank of the true flux among draws of its posterior is uniform.",
    "All fluxes of one experiment go wrong together, so the standard error of a pooled share counts experiments, not "
    "fluxes. The band of a single flux is binomial.",
    "This is the network alone. quantify uses it as a start and samples the exact posterior.",
)


def calibration_page(calibration: Calibration, card: Mapping[str, Any]) -> str:
    """Return the report of a calibration as a page that loads nothing from elsewhere.

    Parameters
    ----------
    calibration : Calibration
        Ranks of the truth.
    card : mapping
        The card of the model, with the numbers of the calibration.

    Returns
    -------
    str
        HTML.
    """
    numbers, training, name = card["calibration"], card["training"], card["network"]
    figures: dict[str, str] = {}
    sections = {
        "Coverage of each flux": place_figure(coverage_figure(numbers), "Coverage of each flux", figures)
        + _caption("Shaded: what 99 % of calibrated intervals keep, flux by flux.")
        + f"<details><summary>All numbers</summary>{_flux_rows(numbers)}</details>\n",
        "Ranks of the true fluxes": place_figure(rank_figure(calibration), "Ranks of the true fluxes", figures)
        + _caption(
            "Left: how often the truth has which rank among the draws. A hill means posteriors that are too wide, a "
            "bowl too narrow ones, a slope a bias. Right: the same for each flux, as the difference of its cumulative "
            "ranks from uniform ones; 99 % of calibrated fluxes stay between the dashed lines."
        ),
        "By kind of experiment": place_figure(strata_figure(numbers), "Coverage by kind of experiment", figures)
        + _caption("Bars: two standard errors. Missingness and noise are cut into thirds.")
        + _strata_rows(numbers),
        "Training": place_figure(course_figure(training), "Held-out loss", figures)
        + pairs(
            {
                "steps": training["steps_run"],
                "time": f"{training['seconds'] / 60:.1f} minutes on {training['cores']} cores",
                "ended by": ENDS[training["ended_by"]],
                "weights of step": training["best_step"],
                "went on after an interruption at step": ", ".join(map(str, training["resumed_at"])) or "never",
            }
        ),
        "Methods": "".join(f"<p>{text(each)}</p>\n" for each in _HOW) + references_list(REFERENCES),
    }
    title = f"Calibration of the posterior network for {name}"
    subtitle = f"{numbers['samples']} fresh simulated experiment sets, {numbers['draws']} draws each"
    return offline_page(title, subtitle, calibration_in_words(numbers), sections, figures)


def _caption(words: str) -> str:
    return f'<p class="caption">{text(words)}</p>\n'


def _flux_rows(numbers: Mapping[str, Any]) -> str:
    columns = [("flux", ""), ("kind", "wide"), ("50 % intervals hold", "number"), ("90 % intervals hold", "number")]
    columns += [("p of uniform ranks", "number"), ("width relative to the prior", "number wide")]
    rows = []
    for each in numbers["fluxes"]:
        held = [
            f"{each[f'coverage_{level}']:.1%}" + ("" if low <= each[f"coverage_{level}"] <= high else " ✗")
            for level in (50, 90)
            for low, high in [numbers[f"coverage_{level}_band"]]
        ]
        cells = [text(each["name"]), text(each["kind"]), *held, f"{each['rank_p']:.2g}"]
        rows.append(("", [*cells, f"{each['width_to_prior']:.2f}"]))
    return table(columns, rows, "coverage-rows")


def _strata_rows(numbers: Mapping[str, Any]) -> str:
    columns = [("", ""), ("experiment sets", "number"), ("50 % intervals hold", "number")]
    columns.append(("90 % intervals hold", "number"))
    rows = []
    for each in numbers["strata"]:
        held = [
            f"{each[f'coverage_{level}']:.1%}"
            + (f" ± {each[f'error_{level}']:.1%}" if each[f"error_{level}"] is not None else "")
            for level in (50, 90)
        ]
        rows.append(("", [text(f"{each['by']}: {each['label']}"), str(each["samples"]), *held]))
    return table(columns, rows)
