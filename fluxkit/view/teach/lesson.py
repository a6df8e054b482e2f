"""The lesson of the teaching app: one tracer and one cell, seen by every widget of the page."""

from collections.abc import Sequence
from typing import Any

import ipywidgets

from fluxkit.errors import NetworkError, UnknownNameError, suggest
from fluxkit.fluxes import draw_fluxes
from fluxkit.inference import FluxEstimate
from fluxkit.networks import Network
from fluxkit.view.explore.explorer import flux_explorer
from fluxkit.view.explore.forward import ready_simulator
from fluxkit.view.label_path import label_path
from fluxkit.view.label_path_data import label_path_data
from fluxkit.view.teach.answers import SEEN, grows_most, least_known, lost_carbon
from fluxkit.view.teach.experiment import Experiment
from fluxkit.view.teach.next_tracer import NextTracer
from fluxkit.view.teach.question import Question

NONE = "none of them"
SHOWN = 0.05  # labeled fraction below which the path leaves an atom out: a lesson needs no trace


class Lesson:
    """The parts of the teaching app: the tracer that is chosen is that of path, bars and experiment.

    Parameters
    ----------
    network : Network
        The network.
    reaction : str
        The net flux that the lesson is about.
    fragments : sequence of str
        Whose labeling is shown; the first is asked about.
    tracer : str
        The tracer to begin with.
    decarboxylation : str
        A reaction of a single substrate that gives CO2, asked about.
    seconds : float
        Longest sampling time of an experiment.
    cell : int or None
        The cell is the draw of the flux prior with this seed; None takes the reference state of the network.
    seed : int
        Of noise, starts and chains.
    theme : {"auto", "light", "dark"}
        ``auto`` follows the reader's system.

    Attributes
    ----------
    cell : xarray.Dataset
        Its fluxes at the start.
    tracer : ipywidgets.Dropdown
        Choice of the tracer.
    path : LabelPath
        Where its atoms go in that cell.
    explorer : FluxExplorer
        The cell, whose fluxes can be moved.
    experiment : Experiment
        Measures this cell.
    designer : NextTracer
        Designs the next tracer, and takes it up.
    lost, grows, unknown : Question
        What the reader is asked about path, bars and posterior.

    Raises
    ------
    NetworkError
        The network has no standard tracers to choose from.
    UnknownNameError, TracerError, LabelingError
        Reaction, tracer or fragment is not of this network.
    """

    def __init__(
        self,
        network: Network,
        *,
        reaction: str = "G6PDH",
        fragments: Sequence[str] = ("lactate", "pyruvate", "ribose-5-phosphate", "citrate", "malate", "glutamate"),
        tracer: str = "Glc_x: 100% [1,2-13C2]",
        decarboxylation: str = "PGD",
        seconds: float = 20.0,
        cell: int | None = None,
        seed: int = 0,
        theme: str = "auto",
    ) -> None:
        known = list(network.standard_tracers.values())
        if not known:
            raise NetworkError(f"network {network.name!r} has no standard tracers; take a network that has.")
        if reaction not in network.reaction_names:
            raise UnknownNameError(
                f"{network.name!r} has no reaction {reaction!r}. {suggest(reaction, network.reaction_names)}"
            )
        self.network, self.reaction, self.fragments = network, reaction, list(fragments)
        self.tracer = ipywidgets.Dropdown(
            options=list(dict.fromkeys([tracer, *_seen_by(known)])), value=tracer, description="Tracer"
        )
        self.cell = network.reference_fluxes() if cell is None else draw_fluxes(network, 1, seed=cell).isel(draw=0)
        self.path = label_path(network, tracer, self.cell, smallest=SHOWN, theme=theme)
        self.explorer = flux_explorer(network, tracer, self.fragments, self.cell, theme=theme)
        self.explorer.controls.key = f"net {reaction}"
        self.experiment = Experiment(network, self._shown, seconds=seconds, seed=seed, theme=theme)
        self.lost = self._ask_lost(decarboxylation, theme)
        self.grows = Question(**self._growing(), theme=theme)
        self.unknown = Question("Measure the cell first.", ["I have"], 0, why="Then the question changes.", theme=theme)
        self.designer = NextTracer(network, self._chosen, self.feed, fluxes=[reaction], theme=theme)
        self.tracer.observe(self._infuse, "value")
        self.experiment.on_estimate(self._ask_unknown)

    def feed(self, tracer: str) -> None:
        """Give the cell another tracer, one of the list or not.

        Parameters
        ----------
        tracer : str
            Such as ``"Glc_x: 50% [1,2-13C2] + 50% [U-13C6]"``.

        Raises
        ------
        TracerError, LabelingError
            The tracer does not fit the network, or labels nothing that the lesson shows.
        """
        ready_simulator(self.network, self.cell, tracer, self.fragments)  # refuses before anything has changed
        label_path_data(self.network, tracer, self.cell, smallest=SHOWN)
        self.tracer.options = list(dict.fromkeys([*self.tracer.options, tracer]))
        self.tracer.value = tracer

    def _chosen(self) -> str:
        return str(self.tracer.value)

    def _shown(self) -> tuple[Any, str, str]:
        return self.explorer.state, self._chosen(), self.reaction

    def _infuse(self, change: dict[str, Any]) -> None:
        with self.path.hold_sync():
            self.path.step, self.path.choice = 0, 0
            self.path.data = label_path_data(self.network, change["new"], self.cell, smallest=SHOWN)
        self.explorer.infuse(change["new"])
        self.grows.ask(**self._growing())

    def _ask_lost(self, reaction: str, theme: str) -> Question:
        place = lost_carbon(self.network, reaction, "CO2")
        found = self.network.reactions[self.network.reaction_index[reaction]]
        count = len(found.substrates[0].atoms["C"])
        return Question(
            f"Which carbon atom of {found.substrates[0].metabolite} does {reaction} turn into CO2?",
            [f"C{i + 1}" for i in range(count)],
            place - 1,
            why="A tracer labeled there loses its label on this way and keeps it on others: that tells them apart.",
            hint=f"Choose a tracer labeled at a single carbon above and step to {reaction}: does its label reach CO2?",
            theme=theme,
        )

    def _growing(self) -> dict[str, Any]:
        ready, fragment = self.explorer.ready, self.fragments[0]
        names = [name for name, of in zip(ready.names, ready.fragments, strict=True) if of == fragment]
        found = grows_most(self.explorer.space, self.explorer.start, ready, self.reaction, fragment)
        seen = f"This is how {self.reaction} becomes visible in {fragment}."
        silent = f"With this tracer {fragment} is silent about {self.reaction}; another tracer or fragment is needed."
        return {
            "text": f"{self.reaction} doubles. Which isotopologue of {fragment} grows most with this tracer?",
            "options": [*names, NONE],
            "right": [*names, NONE].index(found or NONE),
            "why": seen if found else silent,
            "hint": f"Go back to the start, type twice the value of {self.reaction}, and look at {fragment}; a change "
            f"below {SEEN:g} is not seen.",
        }

    def _ask_unknown(self, estimate: FluxEstimate) -> None:
        names = least_known(estimate.intervals)
        options = sorted(names, key=self.network.reaction_names.index)
        share = max(0.0, dict(estimate.information)[(names[-1], "net")])
        self.unknown.ask(
            "About which of these net fluxes did this experiment tell least?",
            options,
            options.index(names[-1]),
            why=f"Its interval is {share:.0%} narrower than before the data. A good fit is no proof.",
            hint="Find them in the list: the more the posterior looks like the grey prior, the less the data said.",
        )


def _seen_by(tracers: Sequence[str]) -> list[str]:
    """Return the tracers labeled with carbon: the fragments of the lesson are counted in it."""
    return [each for each in tracers if "13C" in each]
