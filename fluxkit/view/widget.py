"""The notebook widget of the flux map: traits and one JavaScript file, all computing elsewhere."""

from pathlib import Path
from typing import Any

import traitlets

from fluxkit.errors import suggest
from fluxkit.files import write_text
from fluxkit.view.drawn_widget import DrawnWidget
from fluxkit.view.flux_map import SCRIPT, STYLE, map_page, map_svg


class FluxMap(DrawnWidget):
    """A flux map in a notebook; build it with :func:`fluxkit.flux_map`.

    Parameters
    ----------
    data : dict
        From :func:`fluxkit.view.map_data`; assign a new one to redraw.
    selected : str
        Reaction that the reader chose; ``""`` for none. Set it to highlight a reaction.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Raises
    ------
    TypeError
        A keyword that is no trait.
    traitlets.TraitError
        A value that a trait does not take.
    """

    _esm = SCRIPT
    _css = STYLE
    _settings = ("selected",)
    _parts = frozenset({"width", "height", "nodes", "arrows", "legend"})
    _maker = "fluxkit.view.map_data"
    selected = traitlets.Unicode("").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._answer)

    def _answer(self, _widget: Any, message: Any, _buffers: Any) -> None:
        """Write the page when the button of the map asks for it."""
        if isinstance(message, dict) and message.get("wants") == "page":
            self.send({"page": self._page()})

    @traitlets.validate("selected")
    def _check_selected(self, proposal: dict[str, Any]) -> str:
        name = proposal["value"]
        names = [arrow["name"] for arrow in self.data.get("arrows", [])]
        if name and name not in names:
            raise traitlets.TraitError(f"the map has no reaction {name!r}. {suggest(name, names)}")
        return name

    def _page(self) -> str:
        return map_page(self.data, theme=self.theme)

    def to_svg(self, path: str | Path) -> Path:
        """Write the map as a picture.

        Parameters
        ----------
        path : str or pathlib.Path
            File to write; appears whole or not at all.

        Returns
        -------
        pathlib.Path
            The file.
        """
        return write_text(path, map_svg(self.data, theme=self.theme))
