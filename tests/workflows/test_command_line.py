"""The command line says what it refuses in one message, and runs what it is told."""

import json

import pytest

import fluxkit
from fluxkit.__main__ import main
from fluxkit.errors import LabelingError


def refusal(capsys, *arguments: str) -> str:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    assert captured.err.count("\n") == 1
    return captured.err


def test_networks_are_listed_one_a_line(capsys):
    assert main(["networks"]) == 0
    assert capsys.readouterr().out.split() == list(fluxkit.list_networks())


def test_an_unknown_network_is_one_line(capsys, tmp_path):
    table = tmp_path / "labeling.csv"
    message = refusal(capsys, "quantify", str(table), "--network", "cmm", "--out", str(tmp_path / "out"))
    assert message.startswith("fluxkit: ")
    assert "cmm" in message
    assert not (tmp_path / "out").exists()


def test_an_unknown_notebook_is_one_line(capsys, tmp_path):
    assert "no notebook 'qantify'" in refusal(capsys, "run", "qantify", "--out", str(tmp_path / "out"))


def test_an_unknown_parameter_is_one_line(capsys, tmp_path):
    cell = {
        "cell_type": "code",
        "metadata": {"tags": ["parameters"]},
        "source": "frac: float = 0.3",
        "outputs": [],
    }
    notebook = tmp_path / "story.ipynb"
    notebook.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}))
    message = refusal(capsys, "run", str(notebook), "-p", "fraq=1", "--out", str(tmp_path / "out"))
    assert "no parameter 'fraq'. Did you mean 'frac'?" in message
    assert "not 'x' of type str" in refusal(
        capsys, "run", str(notebook), "-p", "frac=x", "--out", str(tmp_path)
    )
    assert not (tmp_path / "out").exists()


def test_any_error_of_the_library_is_one_line(capsys, tmp_path, monkeypatch):
    def refuse(name):
        raise LabelingError("row 3: negative intensity -1; remove it.")

    monkeypatch.setattr(fluxkit, "load_network", refuse, raising=False)
    message = refusal(capsys, "quantify", "table.csv", "--out", str(tmp_path / "out"))
    assert message == "fluxkit: row 3: negative intensity -1; remove it.\n"


@pytest.mark.parametrize("command", ["quantify", "simulate", "train", "run", "networks"])
def test_every_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "--" in capsys.readouterr().out
