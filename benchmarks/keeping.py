"""Results of single cases: run by several processes, kept as soon as they are there, and packed beside the page.

A kept line says with what version and settings it was made; lines made otherwise are not mixed with the others, and a
later run does only what is missing. Packed lines travel with the project, so that a claim can be looked into without
running anything.
"""

import gzip
import json
import os
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import Manager
from pathlib import Path

from machine import describe_machine, processors

PACKED, RUNNING = Path(__file__).with_name("kept"), Path("results/benchmarks")


def commit() -> str:
    """Return the commit of the working tree, with a plus where files differ from it; empty outside of git."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def take_processor(numbers) -> None:
    """Keep a worker on one processor where the system allows it, so that every time is that of one core."""
    number = numbers.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {number})


@dataclass(frozen=True)
class Kept:
    """The kept results of one benchmark.

    Parameters
    ----------
    name : str
        Name of the files.
    made_with : dict
        What decides a result beside its case.
    """

    name: str
    made_with: dict

    @property
    def packed(self) -> Path:
        """The file beside the page."""
        return PACKED / f"{self.name}.jsonl.gz"

    @property
    def running(self) -> Path:
        """The file that a run adds to."""
        return RUNNING / f"{self.name}.jsonl"

    def lines(self) -> dict[str, dict]:
        """Return kept results of the same settings by key; of several the last."""
        found: list[str] = []
        if self.packed.is_file():
            found += gzip.decompress(self.packed.read_bytes()).decode().splitlines()
        if self.running.is_file():
            found += self.running.read_text(encoding="utf-8").splitlines()
        read = [json.loads(line) for line in found if line.endswith("}")]  # the last may be cut off
        return {each["key"]: each for each in read if each["made with"] == self.made_with}

    def pack(self) -> None:
        """Write the kept results beside the page, whole or not at all."""
        lines = self.lines()
        content = "".join(json.dumps(lines[key]) + "\n" for key in sorted(lines))
        self.packed.parent.mkdir(exist_ok=True)
        part = self.packed.with_suffix(".part")
        part.write_bytes(gzip.compress(content.encode(), mtime=0))
        part.replace(self.packed)
        self.running.unlink(missing_ok=True)

    def run(self, work: Callable[[str], dict], keys: Iterable[str], workers: int, alone: bool = False) -> None:
        """Work on the keys that are not kept, and keep each result as soon as it is there.

        Parameters
        ----------
        work : callable
            From a key to a result; a function of a module, since other processes call it.
        keys : iterable of str
            What is wanted.
        workers : int
            Processes.
        alone : bool
            Whether one process has all processors to itself, else each has one of its own.
        """
        done = self.lines()
        missing = [key for key in keys if key not in done]
        self.running.parent.mkdir(parents=True, exist_ok=True)
        made = {"made with": self.made_with, "commit": commit(), "machine": describe_machine()}
        numbers = Manager().Queue()
        for each in processors() * workers:
            numbers.put(each)
        start = {} if alone else {"initializer": take_processor, "initargs": (numbers,)}
        with ProcessPoolExecutor(1 if alone else workers, **start) as pool, self.running.open("a") as file:
            for key, result in zip(missing, pool.map(work, missing), strict=True):
                file.write(json.dumps({"key": key, **made, **result}) + "\n")
                file.flush()
                print(key, result.get("shown", ""), flush=True)
