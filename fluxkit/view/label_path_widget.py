"""The notebook widget of the label path: traits and one JavaScript file, all computing elsewhere."""

from typing import Any

import traitlets

from fluxkit.view.drawn_widget import DrawnWidget
from fluxkit.view.label_path import SCRIPT, SETTINGS, STYLE, label_path_page


class LabelPath(DrawnWidget):
    """A label path in a notebook; build it with :func:`fluxkit.label_path`.

    Parameters
    ----------
    data : dict
        From :func:`fluxkit.view.label_path_data.label_path_data`; assign a new one to redraw.
    step : int
        Steps done, from 0 to their number; more shows the last.
    choice : int
        What is followed: 0 for all labeled atoms, then each of them in the order of ``data["choices"]``.
    speed : float
        1 for about one step a second.
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
    _settings = tuple(SETTINGS)
    _parts = frozenset({"pools", "choices", "elements", "tracer"})
    _maker = "fluxkit.view.label_path_data.label_path_data"
    step = traitlets.Int(SETTINGS["step"], min=0).tag(sync=True)
    choice = traitlets.Int(SETTINGS["choice"], min=0).tag(sync=True)
    speed = traitlets.Float(SETTINGS["speed"], min=0.25, max=8.0).tag(sync=True)

    @traitlets.validate("choice")
    def _check_choice(self, proposal: dict[str, Any]) -> int:
        names = [each["name"] for each in self.data.get("choices", [])]
        if names and proposal["value"] >= len(names):
            known = ", ".join(f"{i}: {name}" for i, name in enumerate(names))
            raise traitlets.TraitError(f"there is no choice {proposal['value']}. Known: {known}.")
        return proposal["value"]

    def _page(self) -> str:
        return label_path_page(self.data, theme=self.theme, **self._shown())
