"""Compiled programs on disk: content decides, damage and strangers are ignored, nothing is required."""

import hashlib
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fluxkit import cache
from fluxkit.emu import Program, build_program, compiler, decompose, kernel, kernels, pull_back, simulate_mids
from fluxkit.networks import load_network, parse_fragment
from tests.emu.random_networks import input_mids

TOY = load_network("toy")
FLUXES = np.random.default_rng(0).uniform(0.1, 10, (9, 7))
SAME = {"float64": 1e-12, "float32": 1e-6}


def program(share: float = 0.5, names=("D", "E")) -> Program:
    """A program of its own, equal in content to another of the same arguments."""
    system = decompose(TOY, [parse_fragment(name, TOY) for name in names])
    mixture = {"A_x": (1 - share) * np.eye(8)[0] + share * np.eye(8)[2]}
    return build_program(system, [input_mids(TOY, system.inputs, mixture)])


EXPECTED = simulate_mids(program(), FLUXES)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where compiled programs of one test go."""
    monkeypatch.setenv("FLUXKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "programs"


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()} if folder.exists() else {}


def is_whole(name: str, content: bytes) -> bool:
    return hashlib.sha256(name.encode() + content[32:]).digest() == content[:32]


def refuse(*_, **__):
    raise PermissionError("no")


def test_a_program_of_equal_content_is_not_compiled_again(folder, monkeypatch):
    simulate_mids(program(), FLUXES)
    kept = contents(folder)
    assert len(kept) == 1
    monkeypatch.setattr(compiler, "emit_object", refuse)
    np.testing.assert_array_equal(simulate_mids(program(), FLUXES), EXPECTED)
    assert simulate_mids(program(share=0.9), FLUXES).shape == EXPECTED.shape  # input values are no content
    assert contents(folder) == kept


def test_every_difference_in_content_dtype_or_compiler_is_another_program(folder, monkeypatch):
    tape = program().tape
    one = tape.constants.copy()
    one[-1] += 1e-12
    other = tape.operations.copy()
    other[-1, 1] = 0
    tapes = [
        tape,
        replace(tape, inputs=(tape.inputs[0] + 1, tape.inputs[1] - 1)),
        replace(tape, constants=one),
        replace(tape, operations=other),
        replace(tape, outputs=(tape.outputs[0][::-1],)),
        replace(tape, outputs=(tape.outputs[0][:3], tape.outputs[0][3:])),
        replace(tape, fixed=1),
    ]
    assert len({each.digest for each in tapes}) == len(tapes)
    assert replace(tape, constants=tape.constants.copy()).digest == tape.digest
    for dtype in SAME:
        kernel(program().tape, dtype)
    monkeypatch.setattr(compiler, "compiler_name", lambda: "another processor")
    kernel(program().tape, "float64")
    assert len(contents(folder)) == 3


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:700] + bytes([content[700] ^ 1]) + content[701:],
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content + b"\0",
    ],
    ids=["empty", "stub", "one byte short", "half", "one bit", "checksum", "one byte long"],
)
def test_a_damaged_file_is_ignored_and_made_anew(folder, damage):
    simulate_mids(program(), FLUXES)
    ((name, whole),) = contents(folder).items()
    (folder / name).write_bytes(damage(whole))
    np.testing.assert_array_equal(simulate_mids(program(), FLUXES), EXPECTED)
    assert contents(folder).keys() == {name}
    assert is_whole(name, contents(folder)[name])


SCRIPT = """
import pickle
import sys
from pathlib import Path
from fluxkit.emu import simulate_mids
programs, fluxes = pickle.loads(Path(sys.argv[1]).read_bytes())
print("ready", flush=True)
sys.stdin.readline()
for each in programs:
    print(simulate_mids(each, fluxes).tobytes().hex(), flush=True)
"""


def test_two_processes_that_compile_the_same_at_once_leave_whole_files_and_equal_results(folder, tmp_path):
    programs = [program(0.5, names) for names in (("D", "E"), ("B",), ("C",), ("D",), ("E",), ("B", "C"))]
    (tmp_path / "given").write_bytes(pickle.dumps((programs, FLUXES)))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "given")]
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for each in started:
        assert each.stdout.readline() == "ready\n"
    for each in started:
        each.stdin.write("\n")
        each.stdin.flush()
    first, second = (each.communicate()[0].split() for each in started)
    assert [each.returncode for each in started] == [0, 0]
    assert first == second
    np.testing.assert_array_equal(np.frombuffer(bytes.fromhex(first[0])).reshape(EXPECTED.shape), EXPECTED)
    kept = contents(folder)
    assert len(kept) == len(programs)
    assert all(len(name) == 64 and is_whole(name, content) for name, content in kept.items())


def test_threads_that_need_the_same_program_compile_it_once(folder, monkeypatch):
    made = []
    emit = compiler.emit_object
    monkeypatch.setattr(compiler, "emit_object", lambda *given: made.append(given) or emit(*given))
    shared = program()
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: simulate_mids(shared, FLUXES), range(16)):
            np.testing.assert_array_equal(found, EXPECTED)
    assert len(made) == 1


needs_owners = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files have no owner and mode here")


@needs_owners
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_not_used(folder, mode):
    folder.mkdir(parents=True)
    folder.chmod(mode)
    assert cache.cache_folder("programs") is None
    np.testing.assert_array_equal(simulate_mids(program(), FLUXES), EXPECTED)
    assert not contents(folder)


@needs_owners
def test_a_folder_of_somebody_else_is_not_used(folder, monkeypatch):
    simulate_mids(program(), FLUXES)
    kept = contents(folder)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert cache.cache_folder("programs") is None
    np.testing.assert_array_equal(simulate_mids(program(names=("D",)), FLUXES), EXPECTED[..., :4])
    assert contents(folder) == kept


@needs_owners
def test_a_file_that_others_can_write_to_is_replaced(folder, monkeypatch):
    simulate_mids(program(), FLUXES)
    (file,) = folder.iterdir()
    file.chmod(0o666)
    made = []
    emit = compiler.emit_object
    monkeypatch.setattr(compiler, "emit_object", lambda *given: made.append(given) or emit(*given))
    np.testing.assert_array_equal(simulate_mids(program(), FLUXES), EXPECTED)
    assert made
    assert file.stat().st_mode & 0o777 == 0o600


@needs_owners
def test_the_folder_is_made_for_its_owner_alone(folder):
    assert cache.cache_folder("programs") == folder
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FLUXKIT_CACHE", str(tmp_path / "file" / "cache"))
    assert cache.cache_folder("programs") is None
    assert kernel(program().tape, "float64") is not None
    np.testing.assert_array_equal(simulate_mids(program(), FLUXES), EXPECTED)


def test_a_user_without_a_home_has_compiled_programs_all_the_same(monkeypatch):
    monkeypatch.delenv("FLUXKIT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert cache.cache_folder("programs") is None
    assert kernel(program().tape, "float64") is not None


@pytest.mark.parametrize("function", ["tempfile.mkstemp", "os.replace"])
def test_a_folder_that_cannot_be_written_to_is_done_without(folder, monkeypatch, function):
    module, name = function.split(".")
    monkeypatch.setattr(getattr(cache, module), name, refuse)
    assert kernel(program().tape, "float64") is not None
    np.testing.assert_array_equal(simulate_mids(program(), FLUXES), EXPECTED)
    assert not contents(folder)


def test_the_cache_of_the_user_is_the_default(tmp_path, monkeypatch):
    monkeypatch.delenv("FLUXKIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder("programs") == tmp_path / "fluxkit" / "programs"


def both_engines_agree(dtype: str) -> None:
    """Compare a fresh program, which runs as this process says now, with a compiled one."""
    cotangent = np.random.default_rng(1).standard_normal((9, *EXPECTED.shape[1:]))
    fresh = program()
    assert kernel(fresh.tape, dtype) is None
    found = pull_back(fresh, FLUXES, cotangent, dtype=dtype)
    for one, other in zip(found, pull_back(COMPILED, FLUXES, cotangent), strict=True):
        assert one.dtype == dtype
        np.testing.assert_allclose(one, other, rtol=0, atol=SAME[dtype] * max(1, np.abs(other).max()))
    np.testing.assert_allclose(simulate_mids(fresh, FLUXES, dtype=dtype), EXPECTED, rtol=0, atol=SAME[dtype])


COMPILED = program()
assert kernel(COMPILED.tape, "float64") is not None
assert kernel(COMPILED.adjoint, "float64") is not None


@pytest.mark.parametrize("dtype", list(SAME))
def test_the_interpreter_can_be_asked_for_and_gives_the_same_numbers(folder, monkeypatch, dtype):
    monkeypatch.setenv("FLUXKIT_ENGINE", "interpreter")
    both_engines_agree(dtype)  # without a warning: warnings are errors here
    assert not contents(folder)


@pytest.mark.parametrize("dtype", list(SAME))
def test_without_llvmlite_the_same_numbers_come_with_one_warning(monkeypatch, dtype):
    monkeypatch.setattr(kernels, "_WARNED", threading.Event())
    monkeypatch.delitem(sys.modules, "fluxkit.emu.compiler")
    for name in ("llvmlite", "llvmlite.binding"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.warns(RuntimeWarning, match="programs run interpreted, 50 times slower or more.*llvmlite") as caught:
        both_engines_agree(dtype)
    assert len(caught) == 1
    both_engines_agree(dtype)  # no second warning in this process
