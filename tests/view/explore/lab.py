"""Starts JupyterLab on one notebook of one cell, runs it, and gives the page of a browser that shows its output."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def jupyter_lab(folder: Path, code: str) -> Iterator[str]:
    """Yield the address of the notebook; nothing of the user's settings is read or written."""
    cell = {"cell_type": "code", "id": "one", "metadata": {}, "outputs": [], "execution_count": None, "source": code}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "explore.ipynb").write_text(json.dumps(notebook))
    port, home = free_port(), folder / "home"
    settings = home / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')  # no question in the way
    keep = {name: str(home / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={folder}", "--allow-root",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--LabApp.workspaces_dir={home}", f"--LabApp.user_settings_dir={home}", "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **keep, "OMP_NUM_THREADS": "1"}
        )
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(300):
                try:
                    urllib.request.urlopen(f"{address}/api/status", timeout=2).close()
                    break
                except OSError:
                    if server.poll() is not None:
                        raise RuntimeError((folder / "lab.log").read_text()) from None
                    time.sleep(0.1)
            yield f"{address}/doc/tree/explore.ipynb?reset"
        finally:
            server.terminate()
            server.wait(20)


def run_all(page, address: str, shows: str) -> None:
    """Open the notebook, run its cell, and wait until something shows in its output."""
    page.goto(address)
    page.wait_for_selector(".jp-CodeCell .cm-content")
    page.wait_for_selector("text=Python 3")
    page.click(".jp-CodeCell .cm-content")
    page.keyboard.press("Shift+Enter")
    page.wait_for_selector(shows, timeout=60_000)
