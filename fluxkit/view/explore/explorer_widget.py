"""The widgets of the flux explorer: traits, and the wiring of slider, labeling and flux map."""

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import traitlets
import xarray as xr

from fluxkit.errors import FluxError, UnknownNameError, suggest
from fluxkit.fluxes import FluxSpace
from fluxkit.view.explore.explorer_scene import (
    bar_panels,
    bar_values,
    flux_options,
    flux_value,
    largest_changes,
    slider_scale,
)
from fluxkit.view.explore.forward import predicted_mids, ready_simulator
from fluxkit.view.explore.live_map import live_map, redrawn
from fluxkit.view.explore.moves import feasible_range, moved_state
from fluxkit.view.explore.viewer_page import module, style
from fluxkit.view.widget import FluxMap

THEMES = ["auto", "light", "dark"]


class FluxControls(anywidget.AnyWidget):
    """Choice of a flux, and its slider.

    Parameters
    ----------
    options : list of dict
        From :func:`~fluxkit.view.explore.explorer_scene.flux_options`.
    key : str
        The flux that is moved, as in ``options``: ``"net PDH"``.
    value : float
        Its value, in the flux unit of the network.
    resets : int
        Number of times that the reader went back to the start.
    frame : dict
        What is shown: ``key``, ``value``, ``start``, ``low``, ``high``, ``logarithmic``, ``unit`` and ``changes``.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.
    """

    _esm = module("flux_controls.js")
    _css = style()
    options = traitlets.List().tag(sync=True)
    key = traitlets.Unicode("").tag(sync=True)
    value = traitlets.Float(0.0).tag(sync=True)
    resets = traitlets.Int(0).tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    theme = traitlets.Enum(THEMES, "auto").tag(sync=True)

    @traitlets.validate("key")
    def _check_key(self, proposal: dict[str, Any]) -> str:
        keys = [each["key"] for each in self.options]
        if proposal["value"] and proposal["value"] not in keys:
            raise traitlets.TraitError(
                f"no flux {proposal['value']!r} can be moved. {suggest(proposal['value'], keys)}"
            )
        return proposal["value"]


class LabelingBars(anywidget.AnyWidget):
    """Simulated labeling of a flux state, with that of the start.

    Parameters
    ----------
    panels : list of dict
        From :func:`~fluxkit.view.explore.explorer_scene.bar_panels`.
    experiments : list of str
        Names of the experiments.
    start, now : list
        Fractions by experiment, fragment and isotopologue.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.
    """

    _esm = module("labeling_bars.js")
    _css = style()
    panels = traitlets.List().tag(sync=True)
    experiments = traitlets.List().tag(sync=True)
    start = traitlets.List().tag(sync=True)
    now = traitlets.List().tag(sync=True)
    theme = traitlets.Enum(THEMES, "auto").tag(sync=True)


class FluxExplorer(ipywidgets.VBox):
    """A slider for a flux, with the labeling and the flux map that follow; build it with :func:`fluxkit.flux_explorer`.

    Parameters
    ----------
    space : FluxSpace
        Flux space of the network.
    start : xarray.Dataset
        The flux state to start from.
    tracers : str or mapping of str to str
        Tracers of one experiment, or of several by name.
    fragments : sequence of str, optional
        Fragments to show.
    theme : {"auto", "light", "dark"}
        Colours.
    """

    def __init__(
        self,
        space: FluxSpace,
        start: xr.Dataset,
        tracers: str | Mapping[str, str],
        fragments: Sequence[str] | None = None,
        *,
        theme: str = "auto",
    ) -> None:
        self.space, self.start, self.state, self._anchor = space, start, start, start
        self.milliseconds = 0.0
        self._fragments = fragments
        self.ready = ready_simulator(space.network, start, tracers, fragments)
        self._map_parts = live_map(space.network, start)
        self._start_mids = self._mids = predicted_mids(self.ready, start)
        values = bar_values(self.ready, self._mids)
        self.controls = FluxControls(options=flux_options(space), theme=theme)
        self.map = FluxMap(data=self._map_parts.data, theme=theme)
        self.bars = LabelingBars(
            panels=bar_panels(self.ready), experiments=list(self.ready.experiments), start=values, now=values,
            theme=theme,
        )  # fmt: skip
        self.map.layout.flex, self.bars.layout.flex = "3 1 min(100%, 560px)", "2 1 min(100%, 380px)"
        for each in (self.controls, self.map, self.bars):
            each.layout.min_width, each.layout.max_width = "0", "100%"
        both = ipywidgets.Box([self.map, self.bars])
        both.layout.flex_flow, both.layout.align_items, both.layout.width = "row wrap", "flex-start", "100%"
        super().__init__([self.controls, both])
        self._range = (0.0, 0.0)
        self.controls.observe(self._choose, "key")
        self.controls.observe(self._slide, "value")
        self.controls.observe(self._start_again, "resets")
        self.map.observe(self._choose_on_map, "selected")
        self.controls.key = self.controls.options[0]["key"]

    @property
    def labeling(self) -> np.ndarray:
        """Simulated labeling that is shown: fractions, shape ``(experiment, isotopologue)``."""
        return self._mids

    def move(self, reaction: str, value: float, kind: str = "net") -> xr.Dataset:
        """Move one flux, as the slider does, and return the state.

        Parameters
        ----------
        reaction : str
            Name of the reaction.
        value : float
            New value, in the flux unit of the network.
        kind : {"net", "exchange"}
            Which flux.

        Raises
        ------
        UnknownNameError
            There is no such flux to move.
        FluxError
            The value is out of reach.
        """
        keys = [each["key"] for each in self.controls.options]
        if f"{kind} {reaction}" not in keys:
            names = [each["reaction"] for each in self.controls.options if each["kind"] == kind]
            raise UnknownNameError(f"no {kind} flux of {reaction!r} can be moved. {suggest(reaction, names)}")
        self.controls.key = f"{kind} {reaction}"
        lower, upper = self._range
        if not lower <= value <= upper:
            raise FluxError(f"the {kind} flux of {reaction!r} can go from {lower:g} to {upper:g}, not to {value:g}.")
        self.controls.value = value
        return self.state

    def infuse(self, tracers: str | Mapping[str, str]) -> None:
        """Give other tracers; the fluxes stay where they are.

        Parameters
        ----------
        tracers : str or mapping of str to str
            Tracers of one experiment, or of several by name.

        Raises
        ------
        TracerError, LabelingError
            A tracer cannot be understood.
        """
        self.ready = ready_simulator(self.space.network, self.start, tracers, self._fragments)
        self._start_mids = predicted_mids(self.ready, self.start)
        with self.bars.hold_sync():
            self.bars.panels, self.bars.experiments = bar_panels(self.ready), list(self.ready.experiments)
            self.bars.start = bar_values(self.ready, self._start_mids)
            self._show(self.controls.value)

    def _chosen(self) -> tuple[str, str]:
        kind, _, reaction = self.controls.key.partition(" ")
        return reaction, kind

    def _choose(self, _: Any = None) -> None:
        """Begin a new movement: from here on the slider goes to and fro on one path."""
        self._anchor = self.state
        reaction, kind = self._chosen()
        self._range = feasible_range(self.space, self._anchor, reaction, kind)
        shown = flux_value(self.state, reaction, kind)
        with self.controls.hold_sync():
            self._say_value(shown)
            self._show(shown)
        names = [arrow["name"] for arrow in self.map.data["arrows"]]
        if reaction in names:
            self.map.selected = reaction

    def _slide(self, change: Any) -> None:
        began = perf_counter()
        reaction, kind = self._chosen()
        value = float(np.clip(change["new"], *self._range))
        if value != change["new"]:  # a page that has not yet heard of the new range
            self._say_value(value)
        self.state = moved_state(self.space, self._anchor, reaction, value, kind)
        self._show(value)
        self.milliseconds = 1e3 * (perf_counter() - began)

    def _say_value(self, value: float) -> None:
        self.controls.unobserve(self._slide, "value")
        self.controls.value = value
        self.controls.observe(self._slide, "value")

    def _start_again(self, _: Any) -> None:
        self.state = self.start
        self._choose()

    def _choose_on_map(self, change: Any) -> None:
        key = f"net {change['new']}"
        if change["new"] != self._chosen()[0] and key in [each["key"] for each in self.controls.options]:
            self.controls.key = key

    def _show(self, value: float) -> None:
        reaction, kind = self._chosen()
        self._mids = predicted_mids(self.ready, self.state)
        self.bars.now = bar_values(self.ready, self._mids)
        self.map.data = redrawn(self._map_parts, self.state)
        self.controls.frame = {
            "key": self.controls.key,
            "value": value,
            "start": flux_value(self.start, reaction, kind),
            **slider_scale(*self._range, kind),
            "unit": self.space.network.flux_unit,
            "changes": largest_changes(self.ready, self._start_mids, self._mids),
        }
