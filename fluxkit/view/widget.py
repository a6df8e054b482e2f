"""The notebook widget of the flux map: traits and one JavaScript file, all computing elsewhere."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from fluxkit.errors import suggest
from fluxkit.files import written_whole
from fluxkit.view.flux_map import SCRIPT, STYLE, map_page, map_svg


class FluxMap(anywidget.AnyWidget):
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
    data = traitlets.Dict().tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        for name in traits:
            if not self.has_trait(name):
                raise TypeError(f"FluxMap has no setting {name!r}. {suggest(name, ('data', 'selected', 'theme'))}")
        super().__init__(**traits)
        self.on_msg(self._answer)

    def _answer(self, _widget: Any, message: Any, _buffers: Any) -> None:
        """Write the page when the button of the map asks for it."""
        if isinstance(message, dict) and message.get("wants") == "page":
            self.send({"page": map_page(self.data, theme=self.theme)})

    @traitlets.validate("data")
    def _check_data(self, proposal: dict[str, Any]) -> dict[str, Any]:
        lacking = {"width", "height", "nodes", "arrows", "legend"} - set(proposal["value"])
        if lacking:
            raise traitlets.TraitError(f"data lacks {', '.join(sorted(lacking))}; make it with fluxkit.view.map_data.")
        return proposal["value"]

    @traitlets.validate("selected")
    def _check_selected(self, proposal: dict[str, Any]) -> str:
        name = proposal["value"]
        names = [arrow["name"] for arrow in self.data.get("arrows", [])]
        if name and name not in names:
            raise traitlets.TraitError(f"the map has no reaction {name!r}. {suggest(name, names)}")
        return name

    def to_html(self, path: str | Path) -> Path:
        """Write the map as one page that opens without a network.

        Parameters
        ----------
        path : str or pathlib.Path
            File to write; appears whole or not at all.

        Returns
        -------
        pathlib.Path
            The file.
        """
        with written_whole(path) as part:
            part.write_text(map_page(self.data, theme=self.theme), encoding="utf-8")
        return Path(path)

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
        with written_whole(path) as part:
            part.write_text(map_svg(self.data, theme=self.theme), encoding="utf-8")
        return Path(path)
