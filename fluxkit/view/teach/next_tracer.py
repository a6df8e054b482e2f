"""The last step of a lesson: design the next tracer, and take it up into the page."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING

import ipywidgets

from fluxkit.errors import FluxkitError
from fluxkit.networks import Network
from fluxkit.view.explore.designer import tracer_designer

if TYPE_CHECKING:
    from fluxkit.view.explore.designer_widget import TracerDesigner


class NextTracer(ipywidgets.VBox):
    """A button that opens the tracer designer, and one that uses what was designed.

    Parameters
    ----------
    network : Network
        The network.
    begin : callable
        Returns the tracer text to start from.
    use : callable
        Takes the text of the designed tracer; may refuse it with an error of fluxkit.
    fluxes : sequence of str
        The fluxes that matter.
    draws : int
        Flux states that the designer averages over.
    theme : {"auto", "light", "dark"}
        Colours.
    """

    def __init__(
        self,
        network: Network,
        begin: Callable[[], str],
        use: Callable[[str], None],
        *,
        fluxes: Sequence[str],
        draws: int = 16,
        theme: str = "auto",
    ) -> None:
        self.network, self.begin, self.use, self.fluxes = network, begin, use, list(fluxes)
        self.draws, self._theme = draws, theme
        self.designer: TracerDesigner | None = None
        wide = {"width": "auto"}
        self.open_button = ipywidgets.Button(description="Open the designer", button_style="primary", layout=wide)
        self.use_button = ipywidgets.Button(description="Use this tracer above", layout=wide)
        self.use_button.layout.display = "none"
        self.said = ipywidgets.HTML("")
        self.open_button.on_click(self._open)
        self.use_button.on_click(lambda _: self.take_up())
        super().__init__([ipywidgets.HBox([self.open_button, self.use_button, self.said])])
        self.add_class("fluxkit-next-tracer")

    def show(self) -> "TracerDesigner":
        """Open the designer at the tracer of the page; it takes seconds, so that it waits to be asked for.

        Raises
        ------
        FluxkitError
            There is no design from that tracer; the page says why.
        """
        if self.designer is None:
            self.said.value = "Preparing expected intervals ..."
            self.open_button.disabled = True
            try:
                self.designer = tracer_designer(
                    self.network, self.begin(), fluxes_of_interest=self.fluxes, draws=self.draws, theme=self._theme
                )
            except FluxkitError as error:
                self.said.value = escape(str(error))
                raise
            finally:
                self.open_button.disabled = False
            self.children = (*self.children, self.designer)
            self.open_button.layout.display, self.use_button.layout.display = "none", ""
            self.said.value = ""
        return self.designer

    def _open(self, _: ipywidgets.Button) -> None:
        with suppress(FluxkitError):  # the page says it
            self.show()

    def take_up(self) -> None:
        """Give the designed tracer to the page, or say why it cannot be."""
        try:
            self.use(self.show().tracers)
            self.said.value = "The page above now uses it: look at its path, its bars, and measure."
        except FluxkitError as error:
            self.said.value = escape(str(error))
