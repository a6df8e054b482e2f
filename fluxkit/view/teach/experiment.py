"""A simulated experiment of a lesson: at the press of a button a cell is measured with noise, and quantified."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets
import xarray as xr

from fluxkit.errors import FluxError, FluxkitError
from fluxkit.inference import FluxEstimate, QuantifySettings, SamplerSettings, quantify
from fluxkit.labeling import simulate
from fluxkit.networks import Network
from fluxkit.view.explore.posterior_scene import posterior_scene
from fluxkit.view.explore.viewer_widgets import PosteriorViewer
from fluxkit.view.map_data import format_flux
from fluxkit.view.teach.answers import cells_beside, least_known

NOISE = {"0.002, a very good instrument": 0.002, "0.005": 0.005, "0.01": 0.01, "0.03, a poor one": 0.03}


def quantify_cell(
    network: Network,
    truth: xr.Dataset,
    tracers: str | dict[str, str],
    *,
    noise: float = 0.005,
    seconds: float = 20.0,
    seed: int = 0,
    name: str = "",
) -> FluxEstimate:
    """Simulate an experiment on a cell and return what it tells; the estimate does not see the fluxes of the cell.

    Parameters
    ----------
    network : Network
        The network.
    truth : xarray.Dataset
        ``net_flux(reaction)`` and ``exchange_flux(reaction)`` of the cell.
    tracers : str or dict of str to str
        Tracers of one experiment, or of several by name.
    noise : float
        Standard deviation of every measured fraction.
    seconds : float
        Longest sampling time. Chains are asked for less agreement than by default, so that a lesson goes on.
    seed : int
        Of noise, starts and chains.
    name : str
        Of the estimate.

    Returns
    -------
    FluxEstimate
        The posterior, with a verdict.
    """
    seen = [each for each in network.observations if network.observations[each].sd and ":" not in each] or None
    data = simulate(network, truth, tracers, fragments=seen, noise=noise, seed=seed)
    data = data.drop_vars(["net_flux", "exchange_flux"])
    sampler = SamplerSettings(seconds=seconds, rhat=1.05, effective_draws=200)
    settings = QuantifySettings(starts=8, sampler=sampler, fallbacks=False)
    found = quantify(data, network, model=None, settings=settings, seed=seed)  # without a model: PyTorch stays out
    if not isinstance(found, FluxEstimate):
        raise FluxError("a cell is a single flux state; choose one draw, such as fluxes.isel(draw=0).")
    return replace(found, sample=name) if name else found


def told(estimate: FluxEstimate, truth: xr.Dataset, reaction: str) -> str:
    """Return in words what an estimate says of one net flux, and how many true fluxes its intervals hold.

    Parameters
    ----------
    estimate : FluxEstimate
        The estimate.
    truth : xarray.Dataset
        The fluxes of the cell.
    reaction : str
        The net flux that was moved.
    """
    everything = cells_beside(estimate.intervals, truth, [])
    inside = everything["inside"].tolist()
    held = f"{sum(inside)} of {len(inside)} true net fluxes lie inside their 90 % interval."
    if reaction not in everything.index:
        return held
    true, lower, upper = (format_flux(everything.at[reaction, name]) for name in ("truth", "lower", "upper"))
    return f"{reaction} of the cell is {true}; the data say {lower} to {upper}. {held}"


class Experiment(ipywidgets.VBox):
    """Buttons of an experiment, and the posterior that it gives against the prior.

    Parameters
    ----------
    network : Network
        The network.
    cell : callable
        Returns the flux state that is measured, the tracer text, and the name of the net flux that the lesson is about.
    seconds : float
        Longest sampling time.
    seed : int
        Of noise, starts and chains.
    theme : {"auto", "light", "dark"}
        Colours.
    """

    def __init__(
        self,
        network: Network,
        cell: Callable[[], tuple[xr.Dataset, str, str]],
        *,
        seconds: float = 20.0,
        seed: int = 0,
        theme: str = "auto",
    ) -> None:
        self.network, self.cell, self.seconds, self.seed, self._theme = network, cell, seconds, seed, theme
        self.estimates: list[FluxEstimate] = []
        self.viewer: PosteriorViewer | None = None
        self._heard: list[Callable[[FluxEstimate], Any]] = []
        wide = {"description_width": "initial"}
        self.noise = ipywidgets.Dropdown(options=NOISE, value=0.005, description="Error of a fraction", style=wide)
        others = {"none": "", **{text: text for text in network.standard_tracers.values()}}
        self.second = ipywidgets.Dropdown(options=others, description="Parallel experiment", style=wide)
        self.button = ipywidgets.Button(description="Measure this cell", button_style="primary")
        self.button.on_click(self._press)
        self.said = ipywidgets.HTML("Nothing is measured yet.")
        row = ipywidgets.HBox([self.noise, self.second, self.button])
        row.layout.flex_flow = "row wrap"
        super().__init__([row, self.said])
        self.add_class("fluxkit-experiment")

    def on_estimate(self, heard: Callable[[FluxEstimate], Any]) -> None:
        """Call a function with each new estimate.

        Parameters
        ----------
        heard : callable
            Takes the estimate.
        """
        self._heard.append(heard)

    def measure(self) -> FluxEstimate:
        """Measure and quantify the cell as it stands now, as the button does; the one before stays beside it.

        Raises
        ------
        FluxkitError
            The cell cannot be measured or quantified; the page says why.
        """
        truth, tracer, reaction = self.cell()
        tracers = {"first": tracer, "second": self.second.value} if self.second.value else tracer
        name = " and ".join(filter(None, [tracer, self.second.value]))
        self.button.disabled = True
        self.said.value = f"Measuring with {escape(name)}, and looking for all fluxes that agree; at most " + (
            f"{self.seconds:.0f} seconds of sampling ..."
        )
        try:
            estimate = quantify_cell(
                self.network, truth, tracers, noise=NOISE[str(self.noise.label)], seconds=self.seconds, seed=self.seed,
                name=f"{len(self.estimates) + 1}: {name}",
            )  # fmt: skip
        except FluxkitError as error:
            self.said.value = escape(str(error))
            raise
        finally:
            self.button.disabled = False
        self.estimates.append(estimate)
        self.said.value = f"<b>{escape(told(estimate, truth, reaction))}</b> Verdict: {escape(str(estimate.verdict))}."
        self._show(f"net {reaction}")
        for heard in self._heard:
            heard(estimate)
        return estimate

    def _press(self, _: ipywidgets.Button) -> None:
        with suppress(FluxkitError):  # the page says it
            self.measure()

    def _show(self, key: str) -> None:
        first, second = (*self.estimates[-2:], None)[:2]
        scene = posterior_scene(first, second)
        spread = [f"net {name}" for name in least_known(self.estimates[-1].intervals, 6)]
        known = {each["key"] for each in scene["fluxes"]}
        chosen = [each for each in dict.fromkeys([key, *spread]) if each in known]
        if self.viewer is None:
            self.viewer = PosteriorViewer(data=scene, chosen=chosen, theme=self._theme)
            self.children = (*self.children, self.viewer)
            return
        with self.viewer.hold_sync():  # one message: the page never sees fluxes of one estimate beside another's
            self.viewer.chosen, self.viewer.pair = [], 0
            self.viewer.data, self.viewer.chosen = scene, chosen
