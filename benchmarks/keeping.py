"""Results of single cases: run by several processes, kept as soon as they are there, and packed beside the page.

A kept line says what it was made with: settings, trained models, and a number that is raised by hand when the results
of a benchmark change. Lines made otherwise stay where they are and are not mixed with the others; a later run does only
what is missing. The state of the code is recorded, but decides nothing, so that a run may take days while the project
goes on. Packed lines travel with the project, so that a claim can be looked into without running anything.
"""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import Manager
from pathlib import Path

from machine import describe_machine, join_machines, processors

import fluxkit
from fluxkit.learning.store import CARD, SHIPPED, WEIGHTS

HERE = Path(__file__).resolve().parent
PACKED, RUNNING = HERE / "kept", HERE.parent / "results" / "benchmarks"
PLAIN_NETWORK = HERE.parent / "results" / "plain_mlp.pt"
LIBRARY = Path(fluxkit.__file__).parent
DECIDING = ("networks", "fluxes", "emu", "labeling", "learning", "inference")
"""Folders of the library whose code the recorded state is that of."""
READ_OF_A_CARD = ("architecture", "experiments", "format", "measurements", "network_fingerprint", "tracers")


@cache
def commit() -> str:
    """Return the commit of the working tree, with a plus where files differ from it; empty outside of git."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def checksum(content: bytes) -> str:
    """Return twelve hexadecimal digits of the SHA-256 of some bytes."""
    return hashlib.sha256(content).hexdigest()[:12]


@cache
def state_of_code(name: str, network: str = "ccm") -> str:
    """Return a checksum of the code that decides the results of a benchmark, as it was at the first call.

    Parameters
    ----------
    name : str
        Name of the script; what follows a hyphen does not count.
    network : str
        The only bundled network that it is about.
    """
    files = [path for folder in DECIDING for path in (LIBRARY / folder).rglob("*.py")]
    files += [path for path in (LIBRARY / "networks" / "catalog" / network).rglob("*") if path.is_file()]
    files += [path for path in (HERE / f"{name.partition('-')[0]}.py", HERE / "cases.py") if path.is_file()]
    state = b""
    for path in sorted(path for path in files if "__pycache__" not in path.parts):
        root = LIBRARY.parent if path.is_relative_to(LIBRARY) else HERE.parent
        state += f"{path.relative_to(root)}\n".encode() + path.read_bytes()
    return checksum(state)


@cache
def model_checksum(network: str = "ccm") -> str:
    """Return a checksum of the shipped model of a network: its weights, and what is read of its card."""
    folder = SHIPPED / network
    card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    read = json.dumps([card.get(name) for name in READ_OF_A_CARD], sort_keys=True)
    return checksum((folder / WEIGHTS).read_bytes() + read.encode())


def take_processor(numbers) -> None:
    """Keep a worker on one processor where the system allows it, so that every time is that of one core."""
    number = numbers.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {number})


def describe_making(lines: Iterable[dict]) -> str:
    """Return by how many states of the code, and on what machines, lines were made."""
    lines = list(lines)
    states, machines = {line["code"] for line in lines}, join_machines(line["machine"] for line in lines)
    return f"made with {len(states)} state{'s' * (len(states) > 1)} of the code on: {'; '.join(machines)}"


@dataclass(frozen=True)
class Kept:
    """The kept results of one benchmark, made in one way.

    Parameters
    ----------
    name : str
        Name of the files and of the script.
    made_with : dict
        What decides a result beside its case, in plain values.
    """

    name: str
    made_with: dict

    @property
    def packed(self) -> Path:
        """The file beside the page."""
        return PACKED / f"{self.name}.jsonl.gz"

    @property
    def running(self) -> Path:
        """The file that runs add to."""
        return RUNNING / f"{self.name}.jsonl"

    def lines(self) -> dict[str, dict]:
        """Return kept results of the same settings by key; of several the last."""
        return {each["key"]: each for each in self.all_lines() if each["made with"] == self.made_with}

    def all_lines(self) -> list[dict]:
        """Return all kept results, whatever they were made with; of several alike the last."""
        found: dict[tuple[str, str], dict] = {}
        texts = [gzip.decompress(self.packed.read_bytes()).decode()] if self.packed.is_file() else []
        texts += [self.running.read_text(encoding="utf-8")] if self.running.is_file() else []
        for line in (line for text in texts for line in text.splitlines()):
            try:
                each = json.loads(line)
            except ValueError:
                continue  # a run that was killed while it wrote
            found[each["key"], json.dumps(each["made with"], sort_keys=True)] = each
        return list(found.values())

    def pack(self) -> None:
        """Write all kept results beside the page, whole or not at all.

        The file of the running results stays: another process may be adding to it.
        """
        lines = sorted(self.all_lines(), key=lambda each: (each["key"], json.dumps(each["made with"], sort_keys=True)))
        content = "".join(json.dumps(each) + "\n" for each in lines)
        self.packed.parent.mkdir(exist_ok=True)
        part = self.packed.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(gzip.compress(content.encode(), mtime=0))
        part.replace(self.packed)

    def run(self, work: Callable[[str], dict], keys: Iterable[str], workers: int, alone: bool = False) -> list[str]:
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

        Returns
        -------
        list of str
            Keys of cases that failed; the others are kept, and the next run tries these again.
        """
        done = self.lines()
        missing = [key for key in keys if key not in done]
        if not missing:
            return []
        self._end_cut_line()
        made = {"made with": self.made_with, "code": state_of_code(self.name), "commit": commit()}
        made["machine"] = describe_machine()
        numbers = Manager().Queue()
        for each in processors() * workers:
            numbers.put(each)
        start = {} if alone else {"initializer": take_processor, "initargs": (numbers,)}
        failed = []
        with ProcessPoolExecutor(1 if alone else workers, **start) as pool:
            waiting = {pool.submit(work, key): key for key in missing}
            try:
                for each in as_completed(waiting):
                    key = waiting.pop(each)
                    try:
                        result = each.result()
                    except BrokenExecutor:
                        raise
                    except Exception as error:
                        failed.append(key)
                        print(f"{key} failed: {error!r}", file=sys.stderr, flush=True)
                        continue
                    self._add({"key": key, **made, **result})
                    print(key, result.get("shown", ""), flush=True)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return failed

    def _add(self, line: dict) -> None:
        """Add a line in one piece, since several processes may share the file."""
        with self.running.open("ab", buffering=0) as file:
            file.write((json.dumps(line) + "\n").encode())

    def _end_cut_line(self) -> None:
        """Keep what is added apart from what a killed run left unfinished."""
        self.running.parent.mkdir(parents=True, exist_ok=True)
        with self.running.open("ab+", buffering=0) as file:
            if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                file.write(b"\n")
