"""How long widgets take to follow a move: in the kernel, and from the slider to the redrawn page in JupyterLab.

Every move is another one than the last: another share, another atom, another value of the flux. What is shown is
compared with the library.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import describe_machine, publish

import fluxkit
from fluxkit.view.explore.designer_scene import HALF

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.view import pictures, servers  # noqa: E402
from tests.view.browsing import watching  # noqa: E402

NETWORKS = ("toy", "ccm", "coculture", "liver_hc")
LIMIT = 200.0
"""Milliseconds within which a widget should follow."""
WAIT = """async ({ inputs, value, root, key }) => new Promise((done) => {
  const input = document.querySelector(inputs), shown = document.querySelector(root), begin = performance.now();
  const before = shown.dataset[key];
  const observer = new MutationObserver(() => {
    if (shown.dataset[key] === before) return;
    observer.disconnect();
    requestAnimationFrame(() => done(performance.now() - begin));
  });
  observer.observe(shown, { attributes: true });
  input.value = value;
  input.dispatchEvent(new Event("input", { bubbles: true }));
})"""
"""Moves a slider, and waits until the answer is in the page and a frame is drawn; milliseconds."""


@dataclass(frozen=True)
class Times:
    """Milliseconds of many moves, and how long the processor worked on each on average."""

    values: tuple[float, ...]
    processor: float = 0.0

    def text(self) -> str:
        """Return median and 95 % quantile, and the processor's time where it is known."""
        spent = f" ({self.processor:.0f})" if self.processor else ""
        return f"{np.median(self.values):.0f} / {np.quantile(self.values, 0.95):.0f}{spent}"


def taken(action: Callable[[int], object], moves: int) -> Times:
    """Return the times of moves 1 to ``moves``, after one that does not count."""
    action(0)
    times, worked = [], time.process_time()
    for k in range(1, moves + 1):
        begin = time.perf_counter()
        action(k)
        times.append(1e3 * (time.perf_counter() - begin))
    return Times(tuple(times), 1e3 * (time.process_time() - worked) / moves)


def opening(make: Callable[[], object]) -> float:
    """Return the seconds of opening a widget, machine code being on disk."""
    begin = time.perf_counter()
    make()
    return time.perf_counter() - begin


def share(k: int) -> float:
    """Return another share for each move."""
    return (37 * k % 99 + 1) / 100


def designer_row(name: str, moves: int) -> list[str]:
    """Return network, size of the question, opening, and times of moved shares and picked atoms."""
    network = fluxkit.load_network(name)
    fluxkit.tracer_designer(network)  # machine code is made once
    seconds = opening(lambda: fluxkit.tracer_designer(network))
    widget = fluxkit.tracer_designer(network)
    ranked = fluxkit.design_tracers(network, [widget.tracers], fluxes_of_interest=widget.fluxes)
    shown = [each["half"] for each in widget.answer["intervals"]]
    np.testing.assert_allclose(shown, HALF * ranked["expected_width"].squeeze("design"), rtol=1e-5)
    first = widget.mix[0]
    keys = [each["key"] for pool in widget.data["pools"] if pool["pool"] == first["pool"] for each in pool["atoms"]]
    keys = [each for each in keys if each[0] == first["atoms"][0][0]]

    def move(k: int) -> None:
        widget.mix = [{**first, "fraction": share(k)}]

    def pick(k: int) -> None:
        chosen = [key for i, key in enumerate(keys) if (k % (2 ** len(keys) - 1) + 1) >> i & 1]
        widget.mix = [{**first, "atoms": chosen, "fraction": share(k)}]

    values = sum(len(each["names"]) for each in widget.answer["panels"])
    size = len(json.dumps(widget.answer)) / 1000
    return [
        f"tracer designer, {name}", f"{widget.prepared.size} states, {values} MID values", f"{seconds:.1f}",
        taken(move, moves).text(), taken(pick, moves).text(), f"{size:.0f}",
    ]  # fmt: skip


def explorer_row(name: str, moves: int) -> list[str]:
    """Return network, what is simulated, opening, and times of moved net fluxes."""
    network = fluxkit.load_network(name)
    tracers = next(iter(network.standard_tracers.values()))
    fluxkit.flux_explorer(network, tracers)
    seconds = opening(lambda: fluxkit.flux_explorer(network, tracers))
    widget = fluxkit.flux_explorer(network, tracers)
    frame = widget.controls.frame

    def move(k: int) -> None:
        widget.controls.value = frame["low"] + share(k) * (frame["high"] - frame["low"])

    text = taken(move, moves).text()
    names = [each["fragment"] for each in widget.bars.panels]
    made = fluxkit.simulate(network, widget.state, tracers, fragments=names)["mid"].values
    np.testing.assert_allclose(widget.labeling, made, atol=1e-9)
    return [f"flux explorer, {name}", f"{made.size} MID values", f"{seconds:.1f}", text, "", ""]


def in_the_page(moves: int) -> str:
    """Return the times from the input of a slider to the redrawn page, in JupyterLab on this machine."""
    if pictures.find_chromium() is None:
        return "Times in the page need chromium, which was not there."
    cells = {
        "tracer designer": (
            'import fluxkit\nfluxkit.tracer_designer(fluxkit.load_network("ccm"))',
            {"inputs": ".td-share", "root": ".td-designer", "key": "count"}, ".td-atom", lambda k: 100 * share(k),
        ),
        "flux explorer": (
            'import fluxkit\nfluxkit.flux_explorer(fluxkit.load_network("ccm"), "Glc_x: 100% [U-13C6]")',
            {"inputs": ".fx-slider", "root": ".fx-value", "key": "value"}, ".fx-slider", lambda k: int(400 * share(k)),
        ),
    }  # fmt: skip
    found = {}
    with pictures.browser() as browser:
        for name, (code, where, shows, value) in cells.items():
            with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as home:
                servers.write_notebook(Path(folder) / "widget.ipynb", [code])
                with servers.lab_server(Path(folder), Path(home)) as address, watching(browser, address) as watch:
                    page = watch.open(f"{address}/doc/tree/widget.ipynb?reset", width=1300, height=1000)
                    servers.run_all(page, shows)
                    page.wait_for_timeout(2000)
                    times = [page.evaluate(WAIT, {**where, "value": value(k)}) for k in range(moves + 3)][3:]
                    found[name] = Times(tuple(times))
    parts = [f"{name} {times.text()} ms" for name, times in found.items()]
    return (
        "From the input of a slider to the frame that shows the answer, in JupyterLab with chromium on this machine, "
        f"ccm, {moves} moves, median / 95 %: {'; '.join(parts)}."
    )


def main() -> None:
    """Read the number of moves and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--no-browser", action="store_true", help="leave out the times in JupyterLab")
    parser.add_argument("--print", action="store_true", help="print the section instead of writing it to the page")
    options = parser.parse_args()
    load = [f"{each:.1f}" for each in os.getloadavg()]
    rows = [designer_row(name, options.moves) for name in NETWORKS]
    rows += [explorer_row(name, options.moves) for name in NETWORKS]
    browser = "" if options.no_browser else in_the_page(options.moves)
    head = ["widget", "shown", "opening, s", "a move, ms", "an atom, ms", "answer, kB"]
    lines = [f"| {' | '.join(each)} |" for each in (head, ["---"] * len(head), *rows)]
    text = (
        f"{describe_machine()}. Milliseconds in the kernel: median / 95 % of {options.moves} moves (mean time of the "
        f"processor), {LIMIT:.0f} being the aim. Load of the machine before, over 1, 5 and 15 minutes: "
        f"{', '.join(load)}; other work makes all but the processor's time longer. A move is another share of a "
        "labeling, or another value of a net flux. Opening with code on disk; an element that is labeled for the first "
        "time opens a program of its own.\n\n" + "\n".join(lines)
    )
    publish("Widgets", f"{text}\n\n{browser}", options.print)


if __name__ == "__main__":
    sys.exit(main())
