"""Compiled programs in this process: made once for a content, in whatever thread or fork, and never required."""

import ctypes
import hashlib
import os
import threading
import warnings
from collections.abc import Sequence
from itertools import chain
from weakref import WeakKeyDictionary

import numpy as np

from fluxkit.cache import cache_folder, read_kept, write_kept
from fluxkit.emu.tape import Tape

_WARNED = threading.Event()


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
    lanes : int, optional
        States in one group of lanes, as the code was made.
    """

    def __init__(self, tape: Tape, dtype: str, code: bytes, lanes: int | None = None):
        from llvmlite import binding as llvm

        from fluxkit.emu.compiler import lane_count, new_engine

        self.lanes = lanes or lane_count(dtype)
        self._alignment = self.lanes * np.dtype(dtype).itemsize
        self._engine = new_engine()
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self._work_size = ctypes.CFUNCTYPE(ctypes.c_int64)(self._engine.get_function_address("work_size"))()
        self._scratch_size = self._work_size * self._alignment
        place = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(self._engine.get_function_address("output_place"))
        self.output_places: list[int] = [place(k) for k in range(len(tape.outputs))]
        self.input_places: list[int] = [sum(tape.inputs[:k]) for k in range(len(tape.inputs))]
        self.work_address: int = self._engine.get_function_address("run_work")
        count = len(tape.inputs) + len(tape.outputs)
        self._can_resume = tape.fixed > 0 and len(tape.inputs) > 1
        types = [*[ctypes.c_int64] * 3, ctypes.c_void_p, *[ctypes.c_void_p, ctypes.c_int64] * count]
        self._run = ctypes.CFUNCTYPE(ctypes.c_int64, *types)(self._engine.get_function_address("run"))
        run_packed = self._engine.get_function_address("run_packed")
        self._run_packed = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(run_packed)
        self._dtype, self._widths = dtype, (tape.inputs, [len(each) for each in tape.outputs])
        self._local = threading.local()

    def _packed(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> np.ndarray:
        """Return the arguments of a run of one group of lanes as an array, which owns the work array behind them.

        The inputs and outputs must live as long as it is used.
        """
        count = 4 + 2 * (len(inputs) + len(outputs))
        memory = np.zeros(count + (self._scratch_size + self._alignment) // 8, dtype=np.int64)
        scratch = -(-(memory.ctypes.data + 8 * count) // self._alignment) * self._alignment
        rows = [(_address(each), each.shape[1] if len(each) > 1 else 0) for each in (*inputs, *outputs)]
        memory[:count] = [0, self.lanes, 0, scratch, *chain.from_iterable(rows)]
        return memory

    def work_array(self) -> np.ndarray:
        """Return a work array for compiled code that calls :attr:`work_address` with its address.

        Returns
        -------
        numpy.ndarray
            Zeros, shape ``(place, lane)``: inputs from :attr:`input_places` on, which a run leaves as they are, and
            outputs from :attr:`output_places` on.
        """
        size = np.dtype(self._dtype).itemsize
        memory = np.zeros(self._work_size * self.lanes + self._alignment // size, dtype=self._dtype)
        skipped = -_address(memory) % self._alignment // size
        return memory[skipped : skipped + self._work_size * self.lanes].reshape(self._work_size, self.lanes)

    def run_one(self, inputs: Sequence[np.ndarray]) -> tuple[list[np.ndarray], bool]:
        """Run one state; its arguments stay packed in arrays of this thread, which spares half of the time.

        Parameters
        ----------
        inputs : sequence of numpy.ndarray
            Shape ``(1, width)`` each.

        Returns
        -------
        outputs : list of numpy.ndarray
            Shape ``(1, width)`` each.
        good : bool
            As :meth:`run` returns it.
        """
        try:
            arguments, own_inputs, own_outputs, address = self._local.one
        except AttributeError:
            own_inputs, own_outputs = ([np.zeros((1, n), dtype=self._dtype) for n in each] for each in self._widths)
            # all lanes repeat the state: arrays of one row have no stride
            arguments = self._packed(own_inputs, own_outputs)
            address = arguments.ctypes.data
            self._local.one = (arguments, own_inputs, own_outputs, address)
        for own, given in zip(own_inputs, inputs, strict=True):
            own[...] = given
        good = self._run_packed(address) == 0
        return [each.copy() for each in own_outputs], good

    def _scratch(self) -> int:
        """Return the address of the work array of this thread."""
        if not hasattr(self._local, "address"):
            self._local.memory = np.zeros(self._scratch_size + self._alignment, dtype=np.uint8)
            self._local.address = -(-self._local.memory.ctypes.data // self._alignment) * self._alignment
        return self._local.address

    def run(self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], first: int, last: int) -> bool:
        """Run the states from ``first`` to ``last``, at least a group of lanes.

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
        rows = [(_address(each), each.shape[1] if len(each) > 1 else 0) for each in (*inputs, *outputs)]
        resumes = self._can_resume and all(len(each) == 1 for each in inputs[:-1])
        return self._run(first, last, resumes, self._scratch(), *chain.from_iterable(rows)) == 0


class _Compiled:
    """What this process knows of one tape: its machine code by dtype and lanes, made by one thread at a time."""

    def __init__(self):
        self.lock = threading.Lock()
        self.kernels: dict[tuple[str, int | None], Kernel | None] = {}


_KNOWN: WeakKeyDictionary[Tape, _Compiled] = WeakKeyDictionary()
_GUARD = threading.Lock()
"""Held for a moment, while a tape becomes known."""
_LLVM = threading.Lock()
"""Held while LLVM works, which runs one call at a time anyway; forks wait for it, else its own lock stays locked."""


def _after_fork() -> None:
    """Give a forked child locks of its own: threads that held them did not come along."""
    global _GUARD
    _LLVM.release()
    _GUARD = threading.Lock()
    for each in _KNOWN.values():
        each.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_LLVM.acquire, after_in_parent=_LLVM.release, after_in_child=_after_fork)


def _address(array: np.ndarray) -> int:
    """Return where an array begins in memory."""
    address: int = array.__array_interface__["data"][0]
    return address


def kernel(tape: Tape, dtype: str, lanes: int | None = None) -> Kernel | None:
    """Return the compiled form of a tape, or None where this machine cannot compile.

    The code is looked up in this process, then on disk (see :func:`fluxkit.cache.cache_folder`), and else compiled.
    The environment variable ``FLUXKIT_ENGINE=interpreter`` turns compiling off.

    Parameters
    ----------
    tape : Tape
        The program.
    dtype : str
        ``"float64"`` or ``"float32"``.
    lanes : int, optional
        States in one group of lanes, a power of two; what fills a register by default.
    """
    known = _KNOWN.get(tape)
    if known is None:
        with _GUARD:
            known = _KNOWN.setdefault(tape, _Compiled())
    key = (dtype, lanes)
    if key not in known.kernels:
        with known.lock:
            if key not in known.kernels:
                known.kernels[key] = _load(tape, dtype, lanes)
    return known.kernels[key]


def _load(tape: Tape, dtype: str, lanes: int | None) -> Kernel | None:
    if os.environ.get("FLUXKIT_ENGINE") == "interpreter":
        return None
    try:
        with _LLVM:
            from fluxkit.emu.compiler import compiler_name, emit_object

            compiler = compiler_name()
        name = hashlib.sha256(f"{tape.digest} {dtype} {lanes or ''} {compiler}".encode()).hexdigest()
        folder = cache_folder("programs")
        code = read_kept(folder, name)
        if code is None:
            with _LLVM:
                code = emit_object(tape, dtype, lanes)
            write_kept(folder, name, code)
        with _LLVM:
            return Kernel(tape, dtype, code, lanes)
    except (ImportError, OSError, RuntimeError) as reason:
        _warn(reason)
        return None


def _warn(reason: Exception) -> None:
    """Say why programs run interpreted, once in this process."""
    if _WARNED.is_set():
        return
    _WARNED.set()
    warnings.warn(
        f"labeling programs run interpreted, 50 times slower or more: they cannot be compiled here ({reason}).",
        RuntimeWarning,
        stacklevel=4,
    )
