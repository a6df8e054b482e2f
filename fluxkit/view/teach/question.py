"""A question with several answers, of which one is right; the reply says why."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from fluxkit.view.explore.viewer_page import HERE as SHARED
from fluxkit.view.explore.viewer_page import style

HERE = Path(__file__).parent


def reply_to(chosen: int, right: int, why: str, hint: str) -> str:
    """Return what is said to an answer.

    Parameters
    ----------
    chosen, right : int
        The answer given and the right one, from 0; -1 for no answer yet.
    why, hint : str
        What is said to the right answer, and to a wrong one.
    """
    if chosen < 0:
        return ""
    return f"Right. {why}" if chosen == right else f"Not yet. {hint}"


class Question(anywidget.AnyWidget):
    """A question whose answer is checked at once.

    Parameters
    ----------
    text : str
        The question.
    options : sequence of str
        The answers to choose from.
    right : int
        Which of them is right, from 0.
    why, hint : str
        What is said to the right answer, and to a wrong one.
    chosen : int
        The answer that was chosen; -1 for none.
    reply : str
        What was said to it.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Raises
    ------
    traitlets.TraitError
        An answer that is not there.
    """

    _esm = "".join(each.read_text(encoding="utf-8") for each in (SHARED / "common.js", HERE / "question.js"))
    _css = style() + (HERE / "question.css").read_text(encoding="utf-8")
    text = traitlets.Unicode("").tag(sync=True)
    options = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)
    reply = traitlets.Unicode("").tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)
    right, why, hint = traitlets.Int(0), traitlets.Unicode(""), traitlets.Unicode("")  # stay with the kernel

    def __init__(
        self, text: str, options: Sequence[str], right: int, *, why: str = "", hint: str = "", theme: str = "auto"
    ) -> None:
        super().__init__(theme=theme)
        self.ask(text, options, right, why=why, hint=hint)

    def ask(self, text: str, options: Sequence[str], right: int, *, why: str = "", hint: str = "") -> None:
        """Ask something else, and forget the answer.

        Parameters
        ----------
        text, options, right, why, hint
            As for the class.
        """
        if not 0 <= right < len(options):
            raise traitlets.TraitError(f"right = {right} is none of the {len(options)} options, which count from 0.")
        with self.hold_sync():
            self.text, self.options, self.right, self.why, self.hint = text, list(options), right, why, hint
            self.chosen, self.reply = -1, ""

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal: dict[str, Any]) -> int:
        if not -1 <= proposal["value"] < max(len(self.options), 1):
            raise traitlets.TraitError(
                f"there is no answer {proposal['value']}; the answers count from 0 to {len(self.options) - 1}."
            )
        return proposal["value"]

    @traitlets.observe("chosen")
    def _answer(self, _: Any) -> None:
        self.reply = reply_to(self.chosen, self.right, self.why, self.hint)
