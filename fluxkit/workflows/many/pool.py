"""Runs shared out over processes: one after the other, over local workers, or over those of a Dask scheduler."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from types import ModuleType
from typing import Any

from fluxkit import __version__
from fluxkit.errors import NotebookError
from fluxkit.workflows.many.carry_out import Task, carry_out, fail

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
SECONDS_TO_CONNECT = 10
SECONDS_TO_WAIT = 30
_LOST = "the worker that ran it died, perhaps for lack of memory; use fewer workers, or look at its log."


def available_cores() -> tuple[int, ...]:
    """Return the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def share_cores(cores: Sequence[int], workers: int) -> tuple[tuple[int, ...], ...]:
    """Return the processors of each worker: equal shares, or one each in turn where workers are more.

    Parameters
    ----------
    cores : sequence of int
        Processors.
    workers : int
        Number of workers.
    """
    if workers >= len(cores):
        return tuple((cores[i % len(cores)],) for i in range(workers))
    edges = [len(cores) * i // workers for i in range(workers + 1)]
    return tuple(tuple(cores[a:b]) for a, b in pairwise(edges))


def check_pool(workers: int | None, cluster: Any) -> None:
    """Refuse a number of workers that cannot be, or that is not ours to choose.

    Parameters
    ----------
    workers, cluster
        As for :func:`open_pool`.

    Raises
    ------
    NotebookError
        There are no workers, or both are given.
    """
    if workers is not None and cluster is not None:
        raise NotebookError(
            f"workers={workers} are local ones, but cluster={str(cluster)!r} has its own; give one of both."
        )
    if workers is not None and workers < 1:
        raise NotebookError(f"workers={workers}: at least one has to do the work; leave it out for one a processor.")


@dataclass(frozen=True)
class Pool:
    """What carries out tasks.

    Attributes
    ----------
    client : object or None
        A Dask client; None to run in this process.
    cores : tuple of tuple of int
        The processors of each local worker; none for workers elsewhere, which whoever started them has set up.
    """

    client: Any = None
    cores: tuple[tuple[int, ...], ...] = ()


@contextmanager
def open_pool(runs: int, workers: int | None, cluster: Any) -> Iterator[Pool]:
    """Give what runs the tasks; what was started for it ends with it.

    Parameters
    ----------
    runs : int
        The number of runs.
    workers : int or None
        Local processes; None for as many as there are processors, at most one a run.
    cluster : object or None
        The address of a Dask scheduler, a Dask cluster, or a client of one.

    Yields
    ------
    Pool
        For :func:`results_of`.

    Raises
    ------
    NotebookError
        The scheduler does not answer, or its workers cannot do the work.
    """
    if cluster is not None:
        with _connected(cluster) as client:
            yield Pool(client)
        return
    count = min(workers or len(available_cores()), runs)
    if count <= 1:
        yield Pool()
        return
    with _local(count) as pool:
        yield pool


def results_of(tasks: Sequence[Task], pool: Pool) -> Iterator[tuple[Task, dict[str, Any]]]:
    """Carry out tasks, and hand on each record as it comes.

    Parameters
    ----------
    tasks : sequence of Task
        What to do.
    pool : Pool
        From :func:`open_pool`.

    Yields
    ------
    tuple of Task and dict
        In the order in which they end.
    """
    if pool.client is None:
        for task in tasks:
            yield task, carry_out(task)
        return
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    started = datetime.now(UTC)
    futures = {pool.client.submit(carry_out, replace(each, cores=pool.cores), pure=False): each for each in tasks}
    lost = []
    for future in as_completed(futures):
        if future.status == "error" and isinstance(future.exception(), KilledWorker):
            lost.append(futures[future])
        else:
            yield futures[future], _record_of(future, futures[future], started)
        future.release()
    # A worker that dies takes along what waits for it: each goes once more, by itself.
    for task in lost:
        started = datetime.now(UTC)
        future = pool.client.submit(carry_out, replace(task, cores=pool.cores), pure=False)
        yield task, _record_of(future, task, started)


def _record_of(future: Any, task: Task, started: datetime) -> dict[str, Any]:
    from concurrent.futures import CancelledError

    from distributed.scheduler import KilledWorker

    try:
        record = future.result()
    except KilledWorker:
        return fail(task, _LOST, started)
    except (Exception, CancelledError) as error:  # whatever went wrong with one run, the others go on
        return fail(task, f"{type(error).__name__}: {error}", started)
    if not (task.folder / "manifest.json").is_file():
        return fail(
            task,
            f"the worker wrote where this process does not see it; both need {str(task.folder.parent)!r}.",
            started,
        )
    return record


@contextmanager
def _local(count: int) -> Iterator[Pool]:
    from dask import config
    from distributed import Client, LocalCluster

    shares = share_cores(available_cores(), count)
    threads = {name: _at_most(min(map(len, shares)), os.environ.get(name)) for name in THREADS}
    settings = {
        "distributed.nanny.pre-spawn-environ": threads,
        "distributed.scheduler.allowed-failures": 0,  # what killed a worker would kill the next
        "distributed.comm.timeouts.connect": "60 s",
    }
    with ExitStack() as stack:
        stack.enter_context(_same_environment(threads))
        stack.enter_context(config.set(settings))
        with _without_main():
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=0,  # the memory is in the kernel, which Dask does not see
                    dashboard_address="127.0.0.1:0",  # any free port: other runs may go on
                    silence_logs=logging.CRITICAL,
                )
            )
        yield Pool(stack.enter_context(Client(cluster)), shares)


@contextmanager
def _connected(cluster: Any) -> Iterator[Any]:
    from distributed import Client

    if isinstance(cluster, Client):
        _check_workers(cluster, str(cluster))
        yield cluster
        return
    try:
        client = Client(cluster, timeout=SECONDS_TO_CONNECT)
    except (OSError, ValueError, TypeError) as error:
        raise NotebookError(
            f"no Dask scheduler answers at {cluster!r} within {SECONDS_TO_CONNECT} s; start one with 'dask scheduler', "
            "and give the address that it prints, tcp://host:8786."
        ) from error
    with client:
        if isinstance(cluster, str):
            _wait_for_workers(client, cluster)
        _check_workers(client, str(cluster))
        yield client


def _wait_for_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS_TO_WAIT)
    except TimeoutError as error:
        raise NotebookError(
            f"the Dask scheduler at {address!r} has had no workers for {SECONDS_TO_WAIT} s; start some with "
            f"'dask worker {address} --nthreads 1'."
        ) from error


def _check_workers(client: Any, place: str) -> None:
    """Refuse workers that have another version of fluxkit, or none."""
    try:
        found = client.run(_version_here)
    except Exception as error:  # what a worker without fluxkit raises depends on its Python
        raise NotebookError(
            f"the workers of {place} cannot load fluxkit: {error}; install it where they run."
        ) from error
    if wrong := {worker: each for worker, each in found.items() if each != __version__}:
        worker, version = next(iter(wrong.items()))
        raise NotebookError(
            f"worker {worker} of {place} has fluxkit {version}, this process {__version__}; install the same."
        )


def _version_here() -> str:
    return __version__


def _at_most(share: int, said: str | None) -> str:
    """Return the share of a worker, or what the user has said where that is less."""
    return said if said is not None and said.isdigit() and 0 < int(said) < share else str(share)


@contextmanager
def _same_environment(for_workers: dict[str, str]) -> Iterator[None]:
    """Set variables for the workers: Dask sets those of a worker in this process, and leaves them there."""
    before = {name: os.environ.get(name) for name in (*for_workers, "PYTHONHASHSEED", "__DASK_PARENT_PID")}
    os.environ.update(for_workers)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _without_main() -> Iterator[None]:
    """Let workers start without the script that started them: it would start runs of its own."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
