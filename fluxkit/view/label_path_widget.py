"""The notebook widget of the label path: traits and one JavaScript file, all computing elsewhere."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from fluxkit.errors import suggest
from fluxkit.files import written_whole
from fluxkit.view.label_path import SCRIPT, SETTINGS, STYLE, label_path_page


class LabelPath(anywidget.AnyWidget):
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
    data = traitlets.Dict().tag(sync=True)
    step = traitlets.Int(SETTINGS["step"], min=0).tag(sync=True)
    choice = traitlets.Int(SETTINGS["choice"], min=0).tag(sync=True)
    speed = traitlets.Float(SETTINGS["speed"], min=0.25, max=8.0).tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        for name in traits:
            if not self.has_trait(name):
                raise TypeError(f"LabelPath has no setting {name!r}. {suggest(name, ('data', *SETTINGS, 'theme'))}")
        super().__init__(**traits)

    @traitlets.validate("data")
    def _check_data(self, proposal: dict[str, Any]) -> dict[str, Any]:
        lacking = {"pools", "choices", "elements", "tracer"} - set(proposal["value"])
        if lacking:
            raise traitlets.TraitError(
                f"data lacks {', '.join(sorted(lacking))}; make it with fluxkit.view.label_path_data.label_path_data."
            )
        return proposal["value"]

    @traitlets.validate("choice")
    def _check_choice(self, proposal: dict[str, Any]) -> int:
        names = [each["name"] for each in self.data.get("choices", [])]
        if names and proposal["value"] >= len(names):
            known = ", ".join(f"{i}: {name}" for i, name in enumerate(names))
            raise traitlets.TraitError(f"there is no choice {proposal['value']}. Known: {known}.")
        return proposal["value"]

    def to_html(self, path: str | Path) -> Path:
        """Write the path as one page that opens without a network.

        Parameters
        ----------
        path : str or pathlib.Path
            File to write; appears whole or not at all.

        Returns
        -------
        pathlib.Path
            The file.
        """
        shown = {name: getattr(self, name) for name in SETTINGS}
        with written_whole(path) as part:
            part.write_text(label_path_page(self.data, theme=self.theme, **shown), encoding="utf-8")
        return Path(path)
