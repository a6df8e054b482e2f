"""How long it takes from opening a notebook to its first picture: each in JupyterLab with "run all", the app in Voila.

Each is opened twice: with nothing kept of machine code and flux spaces, as by the first reader of all, and again.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from machine import describe_machine, publish

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.view import pictures, servers  # noqa: E402
from tests.view.browsing import watching  # noqa: E402

APP = "teaching_app"
LIMIT = 10.0
"""Seconds within which a first picture should be there."""
PATIENCE = 150.0
"""Seconds after which a notebook is given up."""
DRAWN = """() => [...document.querySelectorAll('.jp-OutputArea-output svg, .jp-RenderedHTMLCommon .lp-card, .lp-card')]
  .some((node) => node.getBoundingClientRect().width > 40)"""
"""Whether an output shows a picture: of a widget or of plotly; icons are smaller."""


@dataclass(frozen=True)
class Opening:
    """Seconds until the page is there and until its first picture is; MB of the server and the kernel at most.

    ``processor`` counts the seconds that server, kernel and browser used, whatever else the machine had to do.
    """

    page: float
    picture: float
    server: float
    kernel: float
    processor: float


def peak(process: int) -> float:
    """Return the largest resident memory of a process so far, in MB."""
    status = Path(f"/proc/{process}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    return int(found[1]) / 1024 if found else float("nan")


def children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    tasks = [each for each in Path(f"/proc/{process}/task").glob("*/children") if each.is_file()]
    return [int(each) for task in tasks for each in task.read_text().split()]


def processor_seconds(process: int) -> float:
    """Return what a process and those that it started have used."""
    stat = Path(f"/proc/{process}/stat")
    fields = stat.read_text().rpartition(")")[2].split() if stat.is_file() else ["0"] * 13
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor_seconds(each) for each in children(process))


def open_once(watch, address: str, name: str, where: str) -> Opening:
    """Open a notebook in a running server."""
    begin, used = time.perf_counter(), processor_seconds(os.getpid())
    if where == "Voila":
        page = watch.open(f"{address}/voila/render/notebooks/{name}.ipynb", width=1300, height=1000)
    else:
        page = watch.open(f"{address}/doc/tree/notebooks/{name}.ipynb?reset", width=1300, height=1000)
        servers.start_all(page)
    ready = time.perf_counter() - begin
    page.wait_for_function(DRAWN, timeout=1000 * PATIENCE)
    picture, used = time.perf_counter() - begin, processor_seconds(os.getpid()) - used
    (server,) = [each for each in children(os.getpid()) if "jupyterlab" in command(each)]
    memory = [peak(server), max((peak(each) for each in children(server)), default=float("nan"))]
    page.close()
    return Opening(ready, picture, *memory, used)


def command(process: int) -> str:
    """Return the command line of a process."""
    return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")


def measure(name: str, where: str) -> list[Opening | None]:
    """Return both openings of one notebook, each in a server of its own; None where no picture came."""
    found: list[Opening | None] = []
    with tempfile.TemporaryDirectory() as kept:
        os.environ["FLUXKIT_CACHE"] = kept  # the kernels inherit it
        for _ in range(2):
            with (
                tempfile.TemporaryDirectory() as home,
                tempfile.TemporaryDirectory() as folder,
                pictures.browser() as c,
            ):
                shutil.copytree(ROOT / "notebooks", Path(folder) / "notebooks")  # JupyterLab saves by itself
                (Path(folder) / "data").symlink_to(ROOT / "data")
                with servers.lab_server(Path(folder), Path(home)) as address, watching(c, address) as watch:
                    try:
                        found.append(open_once(watch, address, name, where))
                    except Exception as error:
                        if type(error).__name__ != "TimeoutError":
                            raise
                        found.append(None)
                    watch.complaints.clear()  # papers of mathematics and fonts are asked of elsewhere
                    watch.elsewhere.clear()
            print(f"{name} in {where}: {found[-1]}", file=sys.stderr)
    return found


def seconds(opening: Opening | None) -> str:
    """Return the time to the first picture as text."""
    return f"> {PATIENCE:.0f} s" if opening is None else f"{opening.picture:.1f} s"


def section(rows: dict[tuple[str, str], list[Opening | None]], load: tuple[float, float]) -> str:
    """Return the part of the results page."""
    machine = f"{describe_machine()}; load (processes that run or wait) {load[0]:.1f} before, {load[1]:.1f} after"
    text = (
        "From opening a notebook to the first picture to be seen: in JupyterLab with *run all* as soon as its kernel "
        f"is there, the app in Voila; a new server, browser and kernel each time. Aimed at: {LIMIT:.0f} s. {machine}."
    )
    head = (
        "notebook",
        "opened in",
        "first picture, nothing kept",
        "opened again",
        "page is there",
        "processor",
        "kernel, MB",
        "server, MB",
    )
    lines = [text, "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for (name, where), (first, again) in rows.items():
        last = again or first
        memory = (
            f"{last.page:.1f} s | {last.processor:.1f} s | {last.kernel:.0f} | {last.server:.0f}" if last else " | | | "
        )
        lines.append(f"| `{name}` | {where} | {seconds(first)} | {seconds(again)} | {memory} |")
    notes = (
        "*Nothing kept*: no machine code and no flux spaces of earlier sessions; the other columns are of the second "
        "opening. *Processor* is what server, kernel and browser used up to then, whatever else the machine did: "
        "about the time on an idle one. Memory is the largest resident one."
    )
    return "\n".join([*lines, "", notes])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    names = sorted(each.stem for each in (ROOT / "notebooks").glob("*.ipynb") if "." not in each.stem)
    parser.add_argument("--notebooks", default=",".join(names), help="names, joined by commas")
    parser.add_argument("--print", action="store_true", help="print the section instead of writing the page")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    chosen = [each for each in options.notebooks.split(",") if each]
    pairs = [(name, "JupyterLab") for name in chosen] + [(APP, "Voila")] * (APP in chosen)
    rows = {pair: measure(*pair) for pair in pairs}
    publish("Notebooks", section(rows, (before, os.getloadavg()[0])), options.print)


if __name__ == "__main__":
    main()
