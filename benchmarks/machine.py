"""What machine a benchmark ran on, and where its part of the results page goes."""

import os
import platform
import re
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
