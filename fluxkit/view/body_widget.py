"""The notebook widget of the body map: traits and one JavaScript module, all computing elsewhere."""

from typing import Any

import traitlets

from fluxkit.errors import suggest
from fluxkit.view.body_map import SETTINGS, body_page, body_script, body_style
from fluxkit.view.drawn_widget import DrawnWidget


class BodyMap(DrawnWidget):
    """A body map in a notebook; build it with :func:`fluxkit.body_map`.

    Parameters
    ----------
    data : dict
        From :func:`fluxkit.view.body_scene`; assign a new one to redraw.
    nutrient : str
        The one nutrient to show, as the network calls it (``"Lac"``); ``""`` for all.
    count : {"carbon", "molecules"}
        What is counted.
    threshold : float
        Fluxes below this share of the largest one shown are left out; 0 to 1.
    organ : str
        Letter of the tissue that is open; ``""`` for the whole body.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Raises
    ------
    TypeError
        A keyword that is no trait.
    traitlets.TraitError
        A value that a trait does not take.
    """

    _esm = body_script()
    _css = body_style()
    _settings = tuple(SETTINGS)
    _parts = frozenset({"organs", "ways", "pools", "nutrients", "flows", "legends", "tissues"})
    _maker = "fluxkit.view.body_scene"
    nutrient = traitlets.Unicode(SETTINGS["nutrient"]).tag(sync=True)
    count = traitlets.Enum(["carbon", "molecules"], SETTINGS["count"]).tag(sync=True)
    threshold = traitlets.Float(SETTINGS["threshold"], min=0.0, max=1.0).tag(sync=True)
    organ = traitlets.Unicode(SETTINGS["organ"]).tag(sync=True)

    @traitlets.validate("nutrient")
    def _check_nutrient(self, proposal: dict[str, Any]) -> str:
        return self._known(proposal["value"], "nutrients", "key", "nutrient")

    @traitlets.validate("organ")
    def _check_organ(self, proposal: dict[str, Any]) -> str:
        return self._known(proposal["value"], "organs", "letter", "tissue with the letter")

    def _known(self, value: str, where: str, key: str, what: str) -> str:
        known = [each[key] for each in self.data.get(where, [])]
        if value and value not in known:
            raise traitlets.TraitError(f"the body map has no {what} {value!r}. {suggest(value, known)}")
        return value

    def _page(self) -> str:
        return body_page(self.data, theme=self.theme, **self._shown())
