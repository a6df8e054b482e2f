"""The widgets of the viewers: traits and one JavaScript module each, all computing elsewhere."""

from typing import Any

import traitlets

from fluxkit.errors import suggest
from fluxkit.view.drawn_widget import DrawnWidget
from fluxkit.view.explore.viewer_page import module, style, viewer_page


class _Viewer(DrawnWidget):
    """What both viewers share: the name of their script, and refusals by name."""

    _script = ""

    def _known(self, name: str, keys: list[str], what: str) -> None:
        if name not in keys:
            raise traitlets.TraitError(f"the viewer has no {what} {name!r}. {suggest(name, keys)}")

    def _page(self) -> str:
        return viewer_page(self._script, self.data["title"], {"data": self.data, **self._shown(), "theme": self.theme})


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
    _settings = ("selected",)
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
    _settings = ("chosen", "pair")
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
