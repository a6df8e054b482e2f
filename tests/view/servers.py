"""Real servers for browser tests: JupyterLab and Voila on a folder, apart from the user's settings."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 120  # seconds until a server must answer
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false"},  # no question in the way
    "notebook-extension/tracker": {"windowingMode": "none"},  # every cell is in the page, seen or not
}


def write_notebook(path: Path, cells: Sequence[str]) -> Path:
    """Write a notebook of code cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    code = [
        {"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "outputs": [], "execution_count": None, "source": text}
        for i, text in enumerate(cells)
    ]
    content = {"cells": code, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@contextmanager
def lab_server(folder: Path, home: Path) -> Iterator[str]:
    """Yield the address of a JupyterLab on a folder, ``/voila/`` included."""
    for name, content in SETTINGS.items():
        file = home / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content), encoding="utf-8")
    port = free_port()
    command = [
        "jupyterlab", "--no-browser", f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={folder}", "--allow-root",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", f"--LabApp.workspaces_dir={home}",
        f"--LabApp.user_settings_dir={home}", "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    with _serving(command, f"http://127.0.0.1:{port}", "/api/status", home) as address:
        yield address


@contextmanager
def voila_server(folder: Path, home: Path, *options: str) -> Iterator[str]:
    """Yield the address of a Voila on a folder; a notebook is at ``/voila/render/NAME.ipynb``."""
    port = free_port()
    command = ["voila", str(folder), f"--port={port}", "--no-browser", "--Voila.ip=127.0.0.1", *options]
    with _serving(command, f"http://127.0.0.1:{port}", "/", home) as address:
        yield address


@contextmanager
def _serving(command: Sequence[str], address: str, ready: str, home: Path) -> Iterator[str]:
    home.mkdir(parents=True, exist_ok=True)
    own = {name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    log = home / "server.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=out, stderr=out, cwd=home, env={**os.environ, **own}
        )
        try:
            _wait_until(address + ready, server, log)
            yield address
        finally:
            server.terminate()  # both servers end their kernels
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:  # must not hide why a test failed
                server.kill()
                server.wait()


def _wait_until(address: str, server: subprocess.Popen, log: Path) -> None:
    last = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > last:
                raise RuntimeError(f"no answer from {address}: {log.read_text()[-3000:]}") from None
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_all(page) -> None:
    """Run all cells of the notebook that a page of JupyterLab shows, once its kernel is there."""
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.wait_for_selector('.jp-StatusBar-TextItem:has-text("| Idle")')  # the indicator above is idle without a kernel
    page.click('.lm-MenuBar-itemLabel:text-is("Run")')
    page.click('.lm-Menu-itemLabel:text-is("Run All Cells")')
    page.wait_for_selector(r".jp-CodeCell .jp-InputPrompt:text-matches('\\[(\\*|1)\\]')")


def run_all(page, shows: str) -> None:
    """Do the same, and wait until something shows in the outputs."""
    start_all(page)
    page.wait_for_selector(shows)
