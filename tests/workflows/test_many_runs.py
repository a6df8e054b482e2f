"""Many runs: side by side, each by itself, never twice, never half, and all on record."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fluxkit
from fluxkit.__main__ import main
from fluxkit.errors import NotebookError
from fluxkit.workflows.many import NotebookRuns

PARAMETERS = """\
frac: float = 0.3  # share of labeled glucose
table: str | None = None  # data
seed: int = 7
out_dir: str = "results"  # where to write
"""
WORK = """\
from pathlib import Path
if table:
    frac = float(Path(table).read_text())
rest = 1 / (1 - frac)
Path(out_dir, "fluxes.csv").write_text(f"sample,best\\ns,{rest:.2f}\\n")
Path(out_dir, "report.html").write_text(f"<p>{out_dir}</p>")"""
SUMMARY = 'print(f"- {out_dir}: {rest:.2f}")'


def write_notebook(path: Path, *cells: str, parameters: str = PARAMETERS, summary: str = SUMMARY) -> Path:
    sources = [(parameters, ["parameters"]), *[(cell, []) for cell in cells], (summary, ["summary"])]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    listed = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {"tags": tags}, "source": source, "outputs": []}
        for i, (source, tags) in enumerate(sources)
    ]
    listed = [{**each, "execution_count": None} for each in listed]
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": listed}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def run(notebook: Path, runs=None, out="out", **options) -> tuple[NotebookRuns, list[str]]:
    lines: list[str] = []
    options = {"workers": 1, "progress": lines.append, **options}
    return fluxkit.run_notebooks(notebook, runs, out, **options), lines


def test_a_failed_run_stops_no_other_and_all_are_on_record_and_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    notebook = write_notebook(tmp_path / "story.ipynb", WORK)
    Path("data.csv").write_text("0.5")
    Path("samples.csv").write_text("name,frac,table\nbad,1,\nplain,0.2,\nmeasured,,data.csv\n")
    found, lines = run(notebook, "samples.csv")

    assert found.failed == {"bad": "ZeroDivisionError: division by zero"}
    assert lines[0].startswith("[1/3] bad: FAILED after ") and "ZeroDivisionError" in lines[0]
    assert "; 2 left, about " in lines[0] and "all done in" in lines[2]
    out = tmp_path / "out"
    assert {each.name for each in (out / "bad").iterdir()} == {"story.failed.ipynb", "manifest.json"}
    assert {each.name for each in (out / "plain").iterdir()} == {
        "story.ipynb", "manifest.json", "fluxes.csv", "report.html",
    }  # fmt: skip
    assert not hidden(out)
    assert (out / "fluxes.csv").read_text() == "run,sample,best\nplain,s,1.25\nmeasured,s,2.00\n"
    assert (out / "summary.csv").read_text() == "run,line\nplain,- out/plain: 1.25\nmeasured,- out/measured: 2.00\n"
    assert (out / "plain" / "report.html").read_text() == "<p>out/plain</p>"
    statuses = [line.split(",")[:2] for line in (out / "runs.csv").read_text().splitlines()[1:]]
    assert statuses == [["bad", "failed"], ["plain", "finished"], ["measured", "finished"]]
    page = (out / "index.html").read_text(encoding="utf-8")
    assert 'href="plain/report.html"' in page and 'href="bad/story.failed.ipynb"' in page
    assert "ZeroDivisionError: division by zero" in page and "out/measured: 2.00" in page

    manifest = json.loads((out / "measured" / "manifest.json").read_text())
    assert manifest["notebook"] == {"name": "story.ipynb", "sha256": hashlib.sha256(notebook.read_bytes()).hexdigest()}
    assert manifest["data"] == {"data.csv": hashlib.sha256(b"0.5").hexdigest()}
    assert manifest["parameters"] == {"frac": 0.3, "table": "data.csv", "seed": 7}
    assert (manifest["seed"], manifest["status"], manifest["fluxkit"]) == (7, "finished", fluxkit.__version__)
    assert manifest["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "torch", "papermill"} <= set(manifest["packages"])
    assert manifest["start"] <= manifest["end"] and manifest["seconds"] > 0

    Path("samples.csv").write_text("name,frac,table\nplain,0.2,\nmeasured,,data.csv\n")
    (out / "measured" / "notes.txt").write_text("mine")
    again, lines = run(notebook, "samples.csv")
    assert again.kept == ("plain", "measured")
    assert lines == ["2 of 2 runs are done already and are kept."]
    Path("data.csv").write_text("0.75")
    again, lines = run(notebook, "samples.csv")
    assert again.kept == ("plain",) and lines[1].startswith("[1/1] measured: finished in")
    assert (out / "fluxes.csv").read_text() == "run,sample,best\nplain,s,1.25\nmeasured,s,4.00\n"
    assert (out / "measured" / "notes.txt").read_text() == "mine"


def test_a_run_is_done_anew_when_asked_or_changed_or_when_its_files_are_gone(tmp_path):
    notebook, out = write_notebook(tmp_path / "story.ipynb", WORK), tmp_path / "out"
    runs = [{"name": "a"}]
    assert run(notebook, runs, out)[0].kept == ()
    assert run(notebook, runs, out)[0].kept == ("a",)
    assert run(notebook, [{"name": "a", "frac": 0.3}], out)[0].kept == ("a",)  # the default, said
    assert run(notebook, runs, out, again=True)[0].kept == ()
    (out / "a" / "report.html").unlink()
    assert run(notebook, runs, out)[0].kept == ()
    write_notebook(notebook, WORK, "more = 1")
    assert run(notebook, runs, out)[0].kept == ()


def test_runs_go_side_by_side_each_with_its_share_of_the_processors(tmp_path):
    meet = """\
import os, time
from pathlib import Path
folder = Path(out_dir).parent
(folder / f"started-{seed}").touch()
end = time.monotonic() + 120
while len(list(folder.glob("started-*"))) < 2:
    assert time.monotonic() < end, "the other run has not started"
    time.sleep(0.05)"""
    summary = 'print(os.environ["OMP_NUM_THREADS"], len(os.sched_getaffinity(0)))'
    notebook = write_notebook(tmp_path / "story.ipynb", meet, summary=summary)
    before = dict(os.environ)
    found, _ = run(notebook, None, tmp_path / "out", grid={"seed": [1, 2]}, workers=2)
    assert found.failed == {}
    assert dict(os.environ) == before
    share = max(1, len(os.sched_getaffinity(0)) // 2)
    for each in found.records:
        threads, cores = map(int, each["summary"].split())
        assert threads <= share and cores <= share + 1


def test_runs_go_to_the_scheduler_at_an_address(tmp_path):
    from distributed import LocalCluster

    notebook = write_notebook(tmp_path / "story.ipynb", WORK)
    settings = {"n_workers": 1, "threads_per_worker": 2, "processes": True, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**settings) as cluster:
        address = cluster.scheduler_address
        found, _ = run(notebook, None, tmp_path / "out", grid={"frac": [0.5, 1]}, workers=None, cluster=address)
    assert list(found.failed) == ["frac=1"]
    assert (tmp_path / "out" / "frac=0.5" / "fluxes.csv").is_file()


@pytest.mark.slow
def test_a_worker_that_dies_takes_its_own_run_along_only(tmp_path):
    kill = "import os, signal, time\nif frac == 0.5:\n    os.kill(os.getppid(), signal.SIGKILL)\n    time.sleep(60)"
    notebook = write_notebook(tmp_path / "story.ipynb", kill, summary="")
    found, _ = run(notebook, None, tmp_path / "out", grid={"frac": [0.5, 0.1, 0.2, 0.3]}, workers=2)
    assert list(found.failed) == ["frac=0.5"]
    assert found.failed["frac=0.5"].startswith("the worker that ran it died")
    assert not hidden(tmp_path / "out")


@pytest.mark.slow
def test_an_interrupt_ends_all_and_leaves_no_unfinished_folder(tmp_path):
    wait = "import time\nfrom pathlib import Path\nPath(out_dir, 'half').touch()\ntime.sleep(1000)"
    notebook, out = write_notebook(tmp_path / "story.ipynb", wait, summary=""), tmp_path / "out"
    command = [sys.executable, "-m", "fluxkit", "run", str(notebook), "--grid", "frac=0.1,0.5,0.7", "--workers", "2"]
    started = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 120
    while len(list(out.glob(".running-*/half"))) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert (started.returncode, said.splitlines()[-1]) == (130, "fluxkit: interrupted")
    time.sleep(3)  # a kernel notices within a second or two that nobody is left to tell
    assert not out.exists()


def test_a_scheduler_that_does_not_answer_is_refused_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("fluxkit.workflows.many.pool.SECONDS_TO_CONNECT", 1)
    notebook = write_notebook(tmp_path / "story.ipynb", WORK)
    for address in ("tcp://127.0.0.1:9", "nowhere"):
        with pytest.raises(NotebookError, match=f"no Dask scheduler answers at '{address}'.*'dask scheduler'"):
            run(notebook, [{"name": "a"}], tmp_path / "out", workers=None, cluster=address)
    assert not (tmp_path / "out").exists()


def test_a_killed_process_leaves_nothing_half_written_and_the_next_one_goes_on(tmp_path):
    slow = (
        "import time\nfrom pathlib import Path\nPath(out_dir, 'half').touch()\ntime.sleep(1000 if frac == 0.5 else 0)"
    )
    notebook, out = write_notebook(tmp_path / "story.ipynb", slow, summary=""), tmp_path / "out"
    command = [sys.executable, "-m", "fluxkit", "run", str(notebook), "--grid", "frac=0.1,0.5", "--workers", "1"]
    started = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while not ((out / "frac=0.1").exists() and list(out.glob(".running-*/half"))) and time.monotonic() < end:
            time.sleep(0.1)
        with pytest.raises(NotebookError, match="another process is running notebooks into"):
            run(notebook, [{"name": "a"}], out)
    finally:
        started.send_signal(signal.SIGKILL)
        started.wait()
    assert not (out / "frac=0.5").exists()
    write_notebook(notebook, "", summary="")
    found, _ = run(notebook, None, out, grid={"frac": [0.1, 0.5]})
    assert not found.failed and not hidden(out)


def test_the_command_line_lists_what_failed_and_ends_with_1(tmp_path, capsys):
    notebook = write_notebook(tmp_path / "story.ipynb", WORK)
    said = ["run", str(notebook), "-p", "seed=3", "--workers", "1", "--out", str(tmp_path / "out")]
    assert main([*said, "--grid", "frac=0.5,1"]) == 1
    captured = capsys.readouterr()
    assert "[1/2] frac=0.5: finished in" in captured.out and "index.html" in captured.out
    assert "1 of 2 runs failed:\n  frac=1: ZeroDivisionError" in captured.err
    assert main([*said, "--grid", "frac=0.5"]) == 0
    assert "1 of 1 runs are done already" in capsys.readouterr().out
    assert main(said) == 2
    assert "--workers is for many runs; say which with --samples SHEET or --grid" in capsys.readouterr().err


@pytest.mark.slow
def test_a_script_without_a_guard_starts_its_runs_once(tmp_path):
    notebook = write_notebook(tmp_path / "story.ipynb", WORK)
    script = tmp_path / "script.py"
    script.write_text(
        "import fluxkit\nopen('started', 'a').write('x')\n"
        f"runs = fluxkit.run_notebooks({str(notebook)!r}, out_dir='out', grid={{'frac': [0.1, 0.2]}}, workers=2)\n"
        "print(sorted(runs.failed))\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, (tmp_path / "started").read_text()) == (0, "[]\n", "x"), done.stderr


def test_dask_loads_only_when_it_is_used():
    script = "import sys, fluxkit.workflows.many; print([n for n in ('dask', 'distributed') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
