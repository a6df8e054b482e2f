"""Compiled programs in this process and on disk: made once for a content, kept safely, never required."""

import contextlib
import ctypes
import hashlib
import os
import stat
import tempfile
import threading
import warnings
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from fluxkit.emu.tape import Tape

_LOCK = threading.RLock()
_WARNED = threading.Event()
_KERNELS: "WeakKeyDictionary[Tape, dict[str, Kernel | None]]" = WeakKeyDictionary()


class Kernel:
    """Machine code of a tape, loaded into this process.

    Parameters
    ----------
    tape : Tape
        The program.
    dtype : str
        ``"float64"`` or ``"float32"``.
    code : bytes
        Its object code.
    """

    def __init__(self, tape: Tape, dtype: str, code: bytes):
        from llvmlite import binding as llvm

        from fluxkit.emu.compiler import lane_count, new_engine, vector_bytes, work_layout

        self.lanes = lane_count(dtype)
        self._alignment = vector_bytes()
        self._scratch_size = work_layout(tape).size * self._alignment
        self._engine = new_engine()
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        count = len(tape.inputs) + len(tape.outputs)
        self._has_fixed = tape.fixed > 0
        types = [*[ctypes.c_int64] * 3, ctypes.c_void_p, *[ctypes.c_void_p, ctypes.c_int64] * count]
        self._run = ctypes.CFUNCTYPE(ctypes.c_int64, *types)(self._engine.get_function_address("run"))
        self.packed_address: int = self._engine.get_function_address("run_packed")
        self._local = threading.local()

    def packed(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], states: int) -> np.ndarray:
        """Return the arguments of a run of all states, for compiled code that calls :attr:`packed_address`.

        The result owns the work array behind its arguments; the inputs and outputs must live as long as it is used.

        Parameters
        ----------
        inputs, outputs : sequence of numpy.ndarray
            As in :meth:`run`.
        states : int
            Number of states, at least :attr:`lanes`.
        """
        count = 4 + 2 * (len(inputs) + len(outputs))
        memory = np.zeros(count + (self._scratch_size + self._alignment) // 8, dtype=np.int64)
        scratch = -(-(memory.ctypes.data + 8 * count) // self._alignment) * self._alignment
        rows = [(_address(each), each.shape[1] if len(each) > 1 else 0) for each in (*inputs, *outputs)]
        memory[:count] = [0, states, 0, scratch, *chain.from_iterable(rows)]
        return memory

    def _scratch(self) -> int:
        """Return the address of the work array of this thread."""
        if not hasattr(self._local, "address"):
            self._local.memory = np.zeros(self._scratch_size + self._alignment, dtype=np.uint8)
            self._local.address = -(-self._local.memory.ctypes.data // self._alignment) * self._alignment
        return self._local.address

    def run(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], first: int, last: int) -> bool:
        """Run the states from ``first`` to ``last``, one alone or at least a group of lanes.

        Parameters
        ----------
        inputs : sequence of numpy.ndarray
            Contiguous, shape ``(state, width)``, or ``(1, width)`` where all states share the values.
        outputs : sequence of numpy.ndarray
            Contiguous arrays to fill, shape ``(state, width)``.
        first, last : int
            Range of states.

        Returns
        -------
        bool
            Whether all values of the first input were finite and not negative.
        """
        if last - first == 1:  # all lanes repeat the one state: no array has a stride
            bounds, rows = [0, self.lanes], [(_address(each, first), 0) for each in (*inputs, *outputs)]
        else:
            bounds = [first, last]
            rows = [(_address(each), each.shape[1] if len(each) > 1 else 0) for each in (*inputs, *outputs)]
        resumes = self._has_fixed and all(len(each) == 1 for each in inputs[:-1])
        return self._run(*bounds, resumes, self._scratch(), *chain.from_iterable(rows)) == 0


def _address(array: np.ndarray, row: int = 0) -> int:
    """Return where a row begins in memory; the only row, where all states share it."""
    start: int = array.__array_interface__["data"][0]
    return start + row * array.strides[0] if row and len(array) > 1 else start


def kernel(tape: Tape, dtype: str) -> Kernel | None:
    """Return the compiled form of a tape, or None where this machine cannot compile.

    The code is looked up in this process, then on disk (see :func:`cache_folder`), and else compiled. The environment
    variable ``FLUXKIT_ENGINE=interpreter`` turns compiling off.

    Parameters
    ----------
    tape : Tape
        The program.
    dtype : str
        ``"float64"`` or ``"float32"``.
    """
    known = _KERNELS.get(tape, {})
    if dtype not in known:
        with _LOCK:
            known = _KERNELS.setdefault(tape, {})
            if dtype not in known:
                known[dtype] = _load(tape, dtype)
    return known[dtype]


def _load(tape: Tape, dtype: str) -> Kernel | None:
    if os.environ.get("FLUXKIT_ENGINE") == "interpreter":
        return None
    try:
        from fluxkit.emu.compiler import compiler_name, emit_object

        name = hashlib.sha256(f"{tape.digest} {dtype} {compiler_name()}".encode()).hexdigest()
        folder = cache_folder()
        code = _read(folder, name)
        if code is None:
            code = emit_object(tape, dtype)
            _write(folder, name, code)
        return Kernel(tape, dtype, code)
    except (ImportError, OSError, RuntimeError) as reason:
        _warn(reason)
        return None


def _warn(reason: Exception) -> None:
    """Say why programs run interpreted, once in this process."""
    if _WARNED.is_set():
        return
    _WARNED.set()
    warnings.warn(
        f"labeling programs run interpreted, about 50 times slower: they cannot be compiled here ({reason}).",
        RuntimeWarning,
        stacklevel=4,
    )


def cache_folder() -> Path | None:
    """Return the folder of compiled programs: ``FLUXKIT_CACHE``, else ``fluxkit`` in the user's cache folder.

    None where it cannot be made, belongs to somebody else, or can be written by others: code from there would not be
    safe to run.
    """
    given = os.environ.get("FLUXKIT_CACHE")
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = (Path(given) if given else base / "fluxkit") / "programs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder if _is_private(folder.stat()) else None
    except (OSError, RuntimeError):
        return None


def _is_private(status: os.stat_result) -> bool:
    others_write = bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not others_write)


def _read(folder: Path | None, name: str) -> bytes | None:
    """Return stored code whose checksum fits, else None."""
    if folder is None:
        return None
    try:
        with (folder / name).open("rb") as file:
            if not _is_private(os.fstat(file.fileno())):
                return None
            content = file.read()
    except OSError:
        return None
    checksum, code = content[:32], content[32:]
    return code if hashlib.sha256(code).digest() == checksum else None


def _write(folder: Path | None, name: str, code: bytes) -> None:
    """Store code: written aside, then moved into place, so that no reader sees a part of it."""
    if folder is None:
        return
    try:
        handle, aside = tempfile.mkstemp(dir=folder, prefix=name)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(aside, folder / name)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
