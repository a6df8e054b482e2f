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
ORDER = ("Quantify", "Sampler", "Simulator", "Verdict", "Whole body", "Fasted mice", "Widgets", "Notebooks")
"""Beginnings of the titles of the sections, as they follow each other; others come last."""
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
    count = len(processors())
    cores = "1 core" if count == 1 else f"{count} cores"
    return (
        f"{date.today()}, {model}, {cores}, Python {platform.python_version()}, "
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
    sections[name] = text
    parts = [f"## {title}\n\n{sections[title].strip()}\n" for title in sorted(sections, key=_place)]
    PAGE.write_text("\n".join(["# Results\n", *parts]), encoding="utf-8")


def _place(title: str) -> tuple[int, str]:
    return next((i for i, each in enumerate(ORDER) if title.startswith(each)), len(ORDER)), title
