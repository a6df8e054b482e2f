"""What machine a benchmark ran on, and where its part of the results page goes."""

import os
import platform
import re
from collections.abc import Iterable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import fluxkit

PAGE = Path(__file__).with_name("RESULTS.md")
PACKAGES = ("numpy", "llvmlite", "numba", "torch", "scipy")


def processors() -> list[int]:
    """Return the numbers of the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def describe_machine() -> str:
    """Return processor, cores and versions in one line."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        model = found[1] if found else model
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{date.today()}, {model}, {len(processors())} cores, Python {platform.python_version()}, "
        f"fluxkit {fluxkit.__version__}, {packages}"
    )


def join_machines(texts: Iterable[str]) -> list[str]:
    """Return each of several described machines once, with its first and its last day."""
    days: dict[str, list[str]] = {}
    for text in sorted(set(texts)):
        day, _, machine = text.partition(", ")
        days.setdefault(machine, []).append(day)
    spans = {machine: " to ".join(dict.fromkeys((each[0], each[-1]))) for machine, each in days.items()}
    return [f"{span}, {machine}" for machine, span in spans.items()]


def publish(name: str, text: str, printed: bool) -> None:
    """Replace one section of the results page and keep the others, or print the section only."""
    if printed:
        print(text)
        return
    old = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else "# Results\n"
    sections = dict(re.findall(r"(?ms)^## (.+?)\n(.*?)(?=^## |\Z)", old))
    sections[name] = f"\n{text.strip()}\n\n"
    page = "# Results\n\n" + "".join(f"## {title}\n{body}" for title, body in sorted(sections.items()))
    PAGE.write_text(page.rstrip() + "\n", encoding="utf-8")
