"""The widgets of the viewers: traits and one JavaScript module each, all computing elsewhere."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from fluxkit.errors import suggest
from fluxkit.view.explore.viewer_page import module, style, write_page


class _Viewer(anywidget.AnyWidget):
    """What both viewers share: a scene, colours, and a page."""

    _script = ""
    _shown: tuple[str, ...] = ()
    data = traitlets.Dict().tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        for name in traits:
            if not self.has_trait(name):
                known = ("data", *self._shown, "theme")
                raise TypeError(f"{type(self).__name__} has no setting {name!r}. {suggest(name, known)}")
        super().__init__(**traits)

    def _known(self, name: str, keys: list[str], what: str) -> None:
        if name not in keys:
            raise traitlets.TraitError(f"the viewer has no {what} {name!r}. {suggest(name, keys)}")

    def to_html(self, path: str | Path) -> Path:
        """Write the viewer as one page that opens without a network, showing what the widget shows.

        Parameters
        ----------
        path : str or pathlib.Path
            File to write; appears whole or not at all.

        Returns
        -------
        pathlib.Path
            The file.
        """
        state = {name: getattr(self, name) for name in ("data", *self._shown, "theme")}
        return write_page(path, self._script, self.data["title"], state)


class MidViewer(_Viewer):
    """Measured and fitted labeling in a notebook; build it with :func:`fluxkit.mid_viewer`.

    Parameters
    ----------
    data : dict
        From :func:`~fluxkit.view.explore.mid_scene.mid_scene`.
    selected : str
        Key of the panel that is shown: ``"glc_U | citrate"``.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.
    """

    _script = "mid_viewer.js"
    _shown = ("selected",)
    _esm = module(_script)
    _css = style()
    selected = traitlets.Unicode("").tag(sync=True)

    @traitlets.validate("selected")
    def _check_selected(self, proposal: dict[str, Any]) -> str:
        if proposal["value"]:
            self._known(proposal["value"], [each["key"] for each in self.data.get("panels", [])], "panel")
        return proposal["value"]


class PosteriorViewer(_Viewer):
    """A posterior in a notebook; build it with :func:`fluxkit.posterior_viewer`.

    Parameters
    ----------
    data : dict
        From :func:`~fluxkit.view.explore.posterior_scene.posterior_scene`.
    chosen : list of str
        Keys of the fluxes that are shown, such as ``["net PDH", "exchange PGI"]``.
    pair : int
        Which of the correlated pairs is shown, from 0.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.
    """

    _script = "posterior_viewer.js"
    _shown = ("chosen", "pair")
    _esm = module(_script)
    _css = style()
    chosen = traitlets.List(traitlets.Unicode()).tag(sync=True)
    pair = traitlets.Int(0).tag(sync=True)

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: dict[str, Any]) -> list[str]:
        keys = [each["key"] for each in self.data.get("fluxes", [])]
        for name in proposal["value"]:
            self._known(name, keys, "flux")
        return proposal["value"]

    @traitlets.validate("pair")
    def _check_pair(self, proposal: dict[str, Any]) -> int:
        count = len(self.data.get("pairs", []))
        if not 0 <= proposal["value"] < max(count, 1):
            raise traitlets.TraitError(f"the viewer has {count} pairs, and none with number {proposal['value']}.")
        return proposal["value"]
