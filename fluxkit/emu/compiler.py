"""Machine code for a straight-line program, by way of LLVM: no compiler needs to be installed.

States are lanes of the processor's vector registers. The code walks the program once for each group of lanes; values
live in registers while a chunk of operations runs, and between chunks in a small work array whose places are used
again as soon as a value is no longer needed. LLVM comes as the Python package ``llvmlite``.
"""

import hashlib
import struct
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from llvmlite import binding as llvm

from fluxkit import __version__
from fluxkit.emu import lanes
from fluxkit.emu.tape import ADD, ARITY, MULTIPLY, MULTIPLY_ADD, MULTIPLY_SUBTRACT, RECIPROCAL, SMALLEST, Tape

CHUNK = 100
"""Operations compiled as one function; compiling takes longer than linearly in it."""
_TYPES = {"float64": ("double", 8), "float32": ("float", 4)}


def _target_machine(effort: int = 0) -> llvm.TargetMachine:
    """Return a code generator for this processor; an engine takes possession of its own."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=effort,
        codemodel="jitdefault",
    )


@cache
def compiler_name() -> str:
    """Return what the code depends on beside the program: processor, version of LLVM, and how it is written here."""
    try:
        files = [Path(__file__).with_name(f"{each}.py") for each in ("compiler", "lanes", "tape")]
        sources = b"".join(each.read_bytes() for each in files)
    except OSError:  # installed without its sources, or inside an archive
        sources = __version__.encode()
    features = llvm.get_host_cpu_features().flatten()
    machine = f"{llvm.get_process_triple()} {llvm.get_host_cpu_name()} {features} {llvm.llvm_version_info}"
    return f"{machine} {hashlib.sha256(sources).hexdigest()}"


def new_engine() -> llvm.ExecutionEngine:
    """Return an empty engine that object code can be added to."""
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())


@cache
def vector_bytes() -> int:
    """Return the width of a group of lanes: 64 bytes where registers have them, else 32."""
    return 64 if llvm.get_host_cpu_features().get("avx512f") else 32


def lane_count(dtype: str) -> int:
    """Return the number of states in one group of lanes.

    Parameters
    ----------
    dtype : {"float64", "float32"}
        Precision.
    """
    return vector_bytes() // _TYPES[dtype][1]


@dataclass(frozen=True)
class Layout:
    """Where values lie in the work array: inputs, values between chunks, outputs.

    Parameters
    ----------
    places : dict of int to int
        Place of each slot that is stored.
    outputs : tuple of int
        First place of each output array.
    size : int
        Number of places.
    """

    places: dict[int, int]
    outputs: tuple[int, ...]
    size: int


def chunk_ranges(tape: Tape) -> list[range]:
    """Return the operations of each chunk; the fixed ones have chunks of their own, the others at least one.

    Parameters
    ----------
    tape : Tape
        The program.
    """
    count = len(tape.operations)
    starts = [*range(0, tape.fixed, CHUNK), *(range(tape.fixed, count, CHUNK) or [tape.fixed])]
    return [range(a, b) for a, b in pairwise([*starts, count])]


def work_layout(tape: Tape) -> Layout:
    """Return the places of the values that outlive their chunk.

    Parameters
    ----------
    tape : Tape
        The program.
    """
    places = {slot: slot for slot in range(tape.first_constant)}
    free: list[int] = []
    top = tape.first_constant
    ranges = chunk_ranges(tape)
    chunk_of = np.repeat(np.arange(len(ranges)), [len(each) for each in ranges])
    ending: dict[int, list[int]] = {}
    for number, operations in enumerate(ranges):
        free += ending.pop(number - 1, [])
        for index in operations:
            last = tape.last_use[tape.first_operation + index]
            if last < operations.stop:
                continue
            if not free:
                free.append(top)
                top += 1
            place = places[tape.first_operation + index] = free.pop()
            if index >= tape.fixed or last < tape.fixed:  # else the value waits for the next group of lanes
                ending.setdefault(int(chunk_of[last]), []).append(place)
    starts = []
    for slots in tape.outputs:
        starts.append(top)
        top += len(slots)
    return Layout(places, tuple(starts), top)


def emit_object(tape: Tape, dtype: str, lanes: int | None = None) -> bytes:
    """Return the object code of a tape.

    Its function ``run`` is described at ``_Writer._driver``; ``run_work`` runs a group of lanes whose inputs stand in
    the work array already; ``work_size`` counts the places of the work array, ``output_place`` says where an output
    begins.

    Parameters
    ----------
    tape : Tape
        The program.
    dtype : {"float64", "float32"}
        Precision.
    lanes : int, optional
        States in one group of lanes, a power of two; what fills a register by default.

    Raises
    ------
    RuntimeError
        LLVM refuses the code: that of llvmlite before 0.45 does.
    """
    module = llvm.parse_assembly(_Writer(tape, dtype, lanes or lane_count(dtype)).text())
    return _target_machine(tape.effort).emit_object(module)


class _Writer:
    """Writes the LLVM assembly of a tape."""

    def __init__(self, tape: Tape, dtype: str, lanes: int):
        self.tape, self.dtype, self.lanes = tape, dtype, lanes
        self.scalar = _TYPES[dtype][0]
        self.vector = f"<{self.lanes} x {self.scalar}>"
        self.layout = work_layout(tape)
        self.stored: dict[int, list[int]] = {}  # slot of an operation -> its places among the outputs
        for start, slots in zip(self.layout.outputs, tape.outputs, strict=True):
            for j, slot in enumerate(slots.tolist()):
                self.stored.setdefault(slot, []).append(start + j)

    def text(self) -> str:
        """Return the whole module."""
        ranges = chunk_ranges(self.tape)
        parts = [self._chunk(number, each) for number, each in enumerate(ranges)]
        fixed = sum(1 for each in ranges if each.start < self.tape.fixed)
        driver = self._driver(range(fixed), range(fixed, len(ranges)))
        functions = lanes.lane_functions(self.lanes, self.scalar)
        others = [self._packed_driver(), self._work_driver(len(ranges)), self._measures()]
        return "\n".join([self._declarations(), functions, *parts, driver, *others])

    def _declarations(self) -> str:
        v = self.vector
        return f"declare {v} @llvm.fmuladd.v{self.lanes}f{8 * _TYPES[self.dtype][1]}({v}, {v}, {v})"

    def _constant(self, value: float) -> str:
        rounded = float(np.dtype(self.dtype).type(value))
        bits = struct.unpack(">Q", struct.pack(">d", rounded))[0]
        return f"splat ({self.scalar} 0x{bits:016X})"

    def _chunk(self, number: int, operations: range) -> str:
        """Return the function of one chunk of operations."""
        tape, v = self.tape, self.vector
        fused = f"call {v} @llvm.fmuladd.v{self.lanes}f{8 * _TYPES[self.dtype][1]}"
        lines: list[str] = []
        names: dict[int, str] = {}

        def value(slot: int) -> str:
            if slot not in names:
                if tape.first_constant <= slot < tape.first_operation:
                    return self._constant(tape.constants[slot - tape.first_constant])
                names[slot] = f"%l{slot}"
                lines.append(f"%p{slot} = getelementptr {v}, ptr %w, i64 {self.layout.places[slot]}")
                lines.append(f"%l{slot} = load {v}, ptr %p{slot}")
            return names[slot]

        def store(name: str, slot: int, place: int) -> None:
            lines.append(f"%s{slot}.{place} = getelementptr {v}, ptr %w, i64 {place}")
            lines.append(f"store {v} {name}, ptr %s{slot}.{place}")

        if operations.start == tape.fixed:  # every group of lanes passes here, with or without the fixed part
            for slot, places in self.stored.items():
                if slot < tape.first_operation:
                    for place in places:
                        store(value(slot), slot, place)
        rows = tape.operations[operations.start : operations.stop].tolist()
        for index, row in zip(operations, rows, strict=True):
            slot = tape.first_operation + index
            kind, (a, b, c) = row[0], (value(s) if i < ARITY[row[0]] else "" for i, s in enumerate(row[1:]))
            names[slot] = f"%v{slot}"
            if kind == MULTIPLY:
                lines.append(f"%v{slot} = fmul {v} {a}, {b}")
            elif kind == ADD:
                lines.append(f"%v{slot} = fadd {v} {a}, {b}")
            elif kind == MULTIPLY_ADD:
                lines.append(f"%v{slot} = {fused}({v} {a}, {v} {b}, {v} {c})")
            elif kind == MULTIPLY_SUBTRACT:
                lines.append(f"%n{slot} = fneg {v} {a}")
                lines.append(f"%v{slot} = {fused}({v} %n{slot}, {v} {b}, {v} {c})")
            else:  # a branch without flux: its reciprocal is taken as zero, so that nothing else is touched
                positive = self._constant(1.0)
                if kind == RECIPROCAL:
                    lines.append(f"%r{slot} = fdiv {v} {positive}, {a}")
                    positive = f"%r{slot}"
                lines.append(f"%c{slot} = fcmp ogt {v} {a}, {self._constant(SMALLEST[self.dtype])}")
                zero = f"{v} zeroinitializer"
                lines.append(f"%v{slot} = select <{self.lanes} x i1> %c{slot}, {v} {positive}, {zero}")
            places = [*self.stored.get(slot, ()), *([self.layout.places[slot]] if slot in self.layout.places else ())]
            for place in places:
                store(names[slot], slot, place)
        body = "\n".join(lines)
        return f"define internal void @chunk{number}(ptr noalias %w) noinline {{\n{body}\nret void\n}}"

    def _driver(self, fixed: range, varying: range) -> str:
        """Return ``i64 run(i64 first, i64 last, i64 resume, ptr work, ptr, i64 stride, ...)`` for inputs, then outputs.

        It runs the states ``first`` to ``last``, at least one group of lanes; the last group overlaps its predecessor.
        A stride counts values from one state to the next and may be zero. With ``resume`` the fixed operations run
        for the first group only, which needs two inputs or more. The result is 0, or 1 where a value of the first
        input is negative or not finite.
        """
        n, tape = self.lanes, self.tape
        arguments = ["i64 %first", "i64 %last", "i64 %resume", "ptr %work"]
        arguments += [f"ptr %in{k}, i64 %in.stride{k}" for k in range(len(tape.inputs))]
        arguments += [f"ptr %out{k}, i64 %out.stride{k}" for k in range(len(tape.outputs))]
        starts = np.cumsum([0, *tape.inputs]).tolist()
        gathers = [self._carry("gather", "in", k, width, starts[k]) for k, width in enumerate(tape.inputs)]
        early = gathers[:-1] or gathers  # the first input is looked at, so it must be there
        looked_at = f"call i64 @check(ptr %work, i64 {tape.inputs[0]})" if tape.inputs[0] else "add i64 0, 0"
        head = [*early, f"%bad = {looked_at}"]
        head += [f"call void @chunk{k}(ptr %work)" for k in fixed]
        body = [*gathers[len(early) :], *(f"call void @chunk{k}(ptr %work)" for k in varying)]
        for k, slots in enumerate(tape.outputs):
            body.append(self._carry("scatter", "out", k, len(slots), self.layout.outputs[k]))
        head_text, body_text = "\n".join(head), "\n".join(body)
        return f"""define i64 @run({", ".join(arguments)}) {{
entry:
%highest = sub i64 %last, {n}
br label %group
group:
%at = phi i64 [%first, %entry], [%next, %end]
%found = phi i64 [0, %entry], [%any, %end]
%over = icmp sgt i64 %at, %highest
%row = select i1 %over, i64 %highest, i64 %at
%later = icmp sgt i64 %at, %first
%resumes = icmp ne i64 %resume, 0
%skip = and i1 %later, %resumes
br i1 %skip, label %end, label %begin
begin:
{head_text}
br label %end
end:
%new = phi i64 [0, %group], [%bad, %begin]
%any = or i64 %found, %new
{body_text}
%next = add i64 %at, {n}
%more = icmp slt i64 %next, %last
br i1 %more, label %group, label %done
done:
ret i64 %any
}}"""

    def _packed_driver(self) -> str:
        """Return ``i64 run_packed(i64 address)``: ``run`` with its arguments from an array of 64-bit integers."""
        count = len(self.tape.inputs) + len(self.tape.outputs)
        kinds = ["i64", "i64", "i64", "ptr", *["ptr", "i64"] * count]
        loads = [
            f"%p{i} = getelementptr i64, ptr %a, i64 {i}\n%v{i} = load {kind}, ptr %p{i}"
            for i, kind in enumerate(kinds)
        ]
        arguments = ", ".join(f"{kind} %v{i}" for i, kind in enumerate(kinds))
        body = "\n".join(["%a = inttoptr i64 %address to ptr", *loads])
        return f"""define i64 @run_packed(i64 %address) {{
{body}
%result = call i64 @run({arguments})
ret i64 %result
}}"""

    def _work_driver(self, chunks: int) -> str:
        """Return ``i64 run_work(i64 address)``: every chunk, on a work array at an address that holds the inputs."""
        calls = "\n".join(f"call void @chunk{k}(ptr %w)" for k in range(chunks))
        return f"define i64 @run_work(i64 %address) {{\n%w = inttoptr i64 %address to ptr\n{calls}\nret i64 0\n}}"

    def _measures(self) -> str:
        """Return ``work_size`` and ``output_place``."""
        starts = self.layout.outputs
        listed = ", ".join(f"i64 {each}" for each in starts)
        return f"""@starts = internal constant [{len(starts)} x i64] [{listed}]
define i64 @work_size() {{
ret i64 {self.layout.size}
}}
define i64 @output_place(i64 %k) {{
%p = getelementptr i64, ptr @starts, i64 %k
%v = load i64, ptr %p
ret i64 %v
}}"""

    def _carry(self, name: str, side: str, k: int, width: int, place: int) -> str:
        """Return the call that carries one array to the lanes or back."""
        if not width:
            return ""
        function = name if width >= self.lanes else f"{name}_few"
        arguments = f"ptr %{side}.row{k}, i64 %{side}.stride{k}, i64 {width}, ptr %{side}.work{k}"
        return f"""%{side}.offset{k} = mul i64 %row, %{side}.stride{k}
%{side}.row{k} = getelementptr {self.scalar}, ptr %{side}{k}, i64 %{side}.offset{k}
%{side}.work{k} = getelementptr {self.vector}, ptr %work, i64 {place}
call void @{function}({arguments})"""
