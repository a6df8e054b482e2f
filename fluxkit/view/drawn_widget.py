"""What every drawing in a notebook shares: its data, its colours, refusals by name, and a page of its own."""

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from fluxkit.errors import suggest
from fluxkit.files import write_text


class DrawnWidget(anywidget.AnyWidget):
    """A dictionary that JavaScript draws; all computing is elsewhere.

    Raises
    ------
    TypeError
        A keyword that is no trait.
    traitlets.TraitError
        A value that a trait does not take.
    """

    _settings: tuple[str, ...] = ()
    """Traits beside ``data`` and ``theme`` that say what is shown."""
    _parts: frozenset[str] = frozenset()
    """What the data must hold."""
    _maker = ""
    """The function that makes the data."""
    data = traitlets.Dict().tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        for name in traits:
            if not self.has_trait(name):
                known = ("data", *self._settings, "theme")
                raise TypeError(f"{type(self).__name__} has no setting {name!r}. {suggest(name, known)}")
        super().__init__(**traits)

    @traitlets.validate("data")
    def _check_data(self, proposal: dict[str, Any]) -> dict[str, Any]:
        lacking = self._parts - set(proposal["value"])
        if lacking:
            raise traitlets.TraitError(f"data lacks {', '.join(sorted(lacking))}; make it with {self._maker}.")
        return proposal["value"]

    def _shown(self) -> dict[str, Any]:
        """Return the settings that say what is shown."""
        return {name: getattr(self, name) for name in self._settings}

    def _page(self) -> str:
        """Return the page that shows what the widget shows."""
        raise NotImplementedError

    def to_html(self, path: str | Path) -> Path:
        """Write what the widget shows as one page that opens without a network.

        Parameters
        ----------
        path : str or pathlib.Path
            File to write; appears whole or not at all.

        Returns
        -------
        pathlib.Path
            The file.
        """
        return write_text(path, self._page())
