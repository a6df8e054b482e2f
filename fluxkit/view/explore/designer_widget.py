"""The widget of the tracer designer: traits, and what the page asks for; all computing is elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import traitlets

from fluxkit.design.mixtures import best_mixture
from fluxkit.design.prepared import PreparedDesign, asked
from fluxkit.errors import FluxkitError, TracerError, UnknownNameError, suggest
from fluxkit.labeling.tracers import labeled_elements
from fluxkit.view.drawn_widget import DrawnWidget
from fluxkit.view.explore.designer_scene import Shop, designer_answer, designer_scene
from fluxkit.view.explore.mix import in_tenths, mix_tracers, part_label, read_mix
from fluxkit.view.explore.viewer_page import module, style, viewer_page

_SCRIPTS = ("designer_molecule.js", "designer_mix.js", "designer_results.js", "designer.js")
_SHEETS = ("designer.css",)


class TracerDesigner(DrawnWidget):
    """A tracer that is put together atom by atom; build it with :func:`fluxkit.tracer_designer`.

    Parameters
    ----------
    prepared : PreparedDesign
        The question.
    shop : Shop
        Prices.
    mix : list of dict
        The labelings: ``pool``, ``atoms`` (``["C1", "C2"]``) and ``fraction`` of the molecules of the pool, 0 to 1.
    fluxes : list of str
        Fluxes of interest.
    left_out : list of str
        Measurements that are not taken.
    purity : float
        Isotopic purity of every labeled position, 0 to 1.
    answer : dict
        What is shown; see :func:`~fluxkit.view.explore.designer_scene.designer_answer`.
    request : dict
        A button of the page: ``do`` is ``"optimise"``, or ``"read"`` with a ``text``.
    count : int
        Number of choices made in the page.
    notice : str
        What came of the last button.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Raises
    ------
    TypeError
        A keyword that is no trait.
    traitlets.TraitError
        A value that a trait does not take.
    """

    _esm = module(*_SCRIPTS)
    _css = style(*_SHEETS)
    _settings = ("mix", "fluxes", "left_out", "purity")
    _parts = frozenset({"title", "pools", "standards", "fluxes"})
    _maker = "fluxkit.view.explore.designer_scene.designer_scene"
    mix = traitlets.List(traitlets.Dict()).tag(sync=True)
    fluxes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    left_out = traitlets.List(traitlets.Unicode()).tag(sync=True)
    purity = traitlets.Float(1.0).tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    request = traitlets.Dict().tag(sync=True)
    count = traitlets.Int(0).tag(sync=True)
    notice = traitlets.Unicode("").tag(sync=True)

    def __init__(self, prepared: PreparedDesign, shop: Shop, **traits: Any) -> None:
        self.prepared, self._shop, self.milliseconds = prepared, shop, 0.0
        super().__init__(data=designer_scene(prepared), **traits)
        self.observe(self._answer, ["mix", "fluxes", "left_out", "purity"])
        self.observe(self._do, "request")
        self._answer()

    @property
    def tracers(self) -> str:
        """The tracer text of the mix that is shown; a text that is assigned is shown.

        Raises
        ------
        TracerError
            The mix is no tracer yet, or the text cannot be read.
        """
        return mix_tracers(self.prepared.network, self.mix).text

    @tracers.setter
    def tracers(self, text: str) -> None:
        self.mix = read_mix(self.prepared.network, text)

    @property
    def measurements(self) -> tuple[str, ...]:
        """What is measured of what can see the label; assign names to choose.

        Raises
        ------
        UnknownNameError
            No measurement of that name sees the label.
        """
        return tuple(each for each in self.answer["measurable"] if each not in self.left_out)

    @measurements.setter
    def measurements(self, names: Sequence[str]) -> None:
        known = self.answer["measurable"]
        for name in names:
            if name not in known:
                raise UnknownNameError(f"no measurement {name!r} sees this label. {suggest(name, known)}")
        self.left_out = [each for each in known if each not in set(names)]

    @traitlets.validate("mix")
    def _check_mix(self, proposal: dict[str, Any]) -> list[dict[str, Any]]:
        pools = {each["pool"]: each for each in self.data["pools"]}
        for part in proposal["value"]:
            lacking = {"pool", "atoms", "fraction"} - set(part)
            if lacking:
                raise traitlets.TraitError(
                    f"a labeling lacks {', '.join(sorted(lacking))}; give pool, atoms, fraction."
                )
            if part["pool"] not in pools:
                raise traitlets.TraitError(f"no input pool {part['pool']!r}. {suggest(part['pool'], list(pools))}")
            keys = [each["key"] for each in pools[part["pool"]]["atoms"]]
            for atom in part["atoms"]:
                if atom not in keys:
                    raise traitlets.TraitError(f"{part['pool']} has no atom {atom!r}. Known: {', '.join(keys)}.")
        return proposal["value"]

    @traitlets.validate("fluxes")
    def _check_fluxes(self, proposal: dict[str, Any]) -> list[str]:
        known = self.data["fluxes"]
        for name in proposal["value"]:
            if name not in known:
                raise traitlets.TraitError(f"no flux {name!r} can be chosen. {suggest(name, known)}")
        return proposal["value"]

    def _answer(self, _: Any = None) -> None:
        began = perf_counter()
        answer = designer_answer(self.prepared, self._shop, self.mix, self.fluxes, self.left_out, self.purity)
        self.answer = {**answer, "count": self.count}
        self.milliseconds = 1e3 * (perf_counter() - began)

    def _do(self, change: Any) -> None:
        request = change["new"]
        try:
            if request.get("do") == "read":
                self.mix = read_mix(self.prepared.network, request.get("text", ""))
                self.notice = "Read."
            elif request.get("do") == "optimise":
                self.optimise()
        except FluxkitError as error:
            self.notice = str(error)
        self.answer = {**self.answer, "count": self.count}

    def optimise(self) -> str:
        """Find the shares of the labelings that are shown which tell most of the fluxes of interest; return the text.

        Raises
        ------
        TracerError
            A labeling has no atom, or comes twice.
        """
        network = self.prepared.network
        equal = mix_tracers(network, [{**part, "fraction": 1 / (len(self.mix) + 1)} for part in self.mix])
        elements = labeled_elements([equal])
        before = float(self.answer["gain"]) if not self.answer["refusal"] else None
        measured = [each for each in self.prepared.measurable(elements) if each not in set(self.left_out)]
        question = replace(asked(self.prepared, elements, self.fluxes, measured), purity=self.purity)
        names = [f"{part['pool']}: {part_label(network, part)}" for part in self.mix]
        found = best_mixture(question, names).fractions[0]
        if not any(found.values()):
            raise TracerError("no share of these labelings tells anything; label other atoms, or measure more.")
        self.mix = in_tenths([{**part, "fraction": found[name]} for part, name in zip(self.mix, names, strict=True)])
        start = "" if before is None else f", {before:.2f} before"
        self.notice = f"Optimised: {self.answer.get('gain', float('nan')):.2f} nats{start}."
        return self.tracers

    def _page(self) -> str:
        state = {
            "data": self.data, **self._shown(), "answer": dict(self.answer), "count": self.count, "notice": "",
            "offline": True, "theme": self.theme,
        }  # fmt: skip
        return viewer_page(_SCRIPTS, self.data["title"], state, _SHEETS)
