"""The command line says what it refuses in one message, and runs what it is told."""

import ast
import json
import re
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

import fluxkit
from fluxkit.__main__ import _parser, main
from fluxkit.errors import LabelingError
from fluxkit.inference import load_estimate
from fluxkit.learning import load_model


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
    assert "not 'x' of type str" in refusal(capsys, "run", str(notebook), "-p", "frac=x", "--out", str(tmp_path))
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


TRACER = "A_x: 100% [2-13C]"
PARALLEL = ("second=A_x: 100% [1,2-13C2]", f"first={TRACER}")


def run(capsys, *arguments: str) -> list[str]:
    assert main(arguments) == 0, capsys.readouterr().err
    return capsys.readouterr().out.splitlines()


def simulated(capsys, path, *options: str):
    run(capsys, "simulate", "--network", "toy", "--out", str(path), *options)
    return path


def test_a_simulated_table_holds_the_published_mid(capsys, tmp_path):
    path = tmp_path / "new" / "table.csv"
    lines = run(
        capsys, "simulate", "--network", "toy", "--tracers", TRACER, "--fragments", "B", "D", "--out", str(path)
    )
    assert lines == ["Results:", f"  {path}"]
    table = pd.read_csv(path).set_index(["fragment", "mass_shift"])["fraction"]
    # Antoniewicz, Kelleher & Stephanopoulos 2007, doi:10.1016/j.ymben.2006.09.001: F leaves D unchanged.
    assert table["D"].round(4).tolist() == [0.0001, 0.8008, 0.1983, 0.0009]
    assert [each.name for each in path.parent.iterdir()] == ["table.csv"]


def test_simulated_labeling_follows_a_table_of_fluxes(capsys, tmp_path):
    fluxes = tmp_path / "fluxes.csv"
    reference = fluxkit.load_network("toy").reference_fluxes()
    reference.to_dataframe()[["net_flux", "exchange_flux"]].to_csv(fluxes)
    common = ("--tracers", *PARALLEL, "--noise", "0.01", "--seed", "3")
    by_name = simulated(capsys, tmp_path / "a.csv", *common)
    by_table = simulated(capsys, tmp_path / "b.csv", *common, "--fluxes", str(fluxes))
    pd.testing.assert_frame_equal(pd.read_csv(by_name), pd.read_csv(by_table), atol=1e-9)
    assert set(pd.read_csv(by_name)["experiment"]) == {"first", "second"}
    draws = simulated(capsys, tmp_path / "draws.nc", "--tracers", TRACER, "--draws", "3")
    with xr.open_dataset(draws, engine="h5netcdf") as labeling:
        assert labeling["mid"].sizes["draw"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reaction,flux\nv1,100\n", "fluxes.csv has no column 'net_flux'. Did you mean 'flux'?"),
        ("reaction,net_flux\nv1,many\n", "fluxes.csv, row 2: net_flux 'many' of 'v1' is not a number"),
        ("reaction,net_flux\nv1,1\nv1,2\n", "row 3: reaction 'v1' has a second row"),
        ("reaction,net_flux\nw1,1\n", "w1"),
        ("reaction,net_flux,exchange_flux\nv1,100,\nv2,60,50\nv4,30,\nv5,20,\nv6,80,\nv7,60,\n", "balance"),
    ],
)
def test_impossible_fluxes_are_one_line(capsys, tmp_path, text, message):
    (tmp_path / "fluxes.csv").write_text(text)
    out = tmp_path / "out" / "table.csv"
    said = ["simulate", "--network", "toy", "--tracers", TRACER, "--fluxes", str(tmp_path / "fluxes.csv")]
    assert message in refusal(capsys, *said, "--out", str(out))
    assert not out.parent.exists()


def test_quantify_leaves_table_posterior_and_report(capsys, tmp_path):
    table = simulated(capsys, tmp_path / "table.csv", "--tracers", *PARALLEL)
    out = tmp_path / "out"
    lines = run(capsys, "quantify", str(table), "--network", "toy", "--seconds", "2", "--seed", "1", "--out", str(out))
    assert sorted(each.name for each in out.iterdir()) == ["estimate.nc", "fluxes.csv", "report.html"]
    assert lines[:4] == ["Results:", *(f"  {out / name}" for name in ("estimate.nc", "fluxes.csv", "report.html"))]
    assert lines[4].startswith("sample: ") and "chi-square" in lines[4]
    fluxes = pd.read_csv(out / "fluxes.csv").set_index(["reaction", "kind"])
    for name, flux in fluxkit.load_network("toy").reference_fluxes()["net_flux"].to_series().items():
        row = fluxes.loc[(name, "net")]
        assert row["lower"] - 1e-6 <= flux <= row["upper"] + 1e-6


def test_a_table_simulated_with_noise_is_quantified(capsys, tmp_path):
    """Noise leaves values below zero and sums that are not 1; chi-square counts every value, as for the dataset."""
    table = simulated(capsys, tmp_path / "table.csv", "--tracers", *PARALLEL, "--noise", "0.01", "--seed", "3")
    fractions = pd.read_csv(table)
    assert (fractions["fraction"] < 0).any()
    sums = fractions.groupby(["experiment", "fragment"])["fraction"].sum()
    assert (abs(sums - 1) > 0.005).any()
    said = ["quantify", str(table), "--network", "toy", "--seconds", "2", "--seed", "1"]
    lines = run(capsys, *said, "--out", str(tmp_path / "out"))
    assert lines[4].startswith("sample: trusted")
    fitted = load_estimate(tmp_path / "out" / "estimate.nc", fluxkit.load_network("toy"))
    assert fitted.degrees_of_freedom == pytest.approx(len(fractions) - 2, abs=0.5)  # one net, one exchange flux
    assert 0.001 < fitted.p_value < 0.999


def test_draws_simulated_with_noise_are_quantified_one_by_one(capsys, tmp_path):
    out = tmp_path / "out"
    table = simulated(
        capsys, tmp_path / "table.csv", "--tracers", *PARALLEL, "--noise", "0.01", "--draws", "2", "--seed", "3"
    )
    lines = run(capsys, "quantify", str(table), "--network", "toy", "--seconds", "1", "--out", str(out))
    assert [line.split(":")[0] for line in lines[-2:]] == ["draw 0", "draw 1"]


def test_what_noise_does_not_explain_is_refused_in_one_line(capsys, tmp_path):
    path = simulated(capsys, tmp_path / "table.csv", "--tracers", TRACER, "--noise", "0.01")
    for row, value, message in ((2, -0.2, "negative fraction -0.2 of 'B' M+2 (wrong.csv, row 4), more than 6 sd"),
                                (0, 1.9, "MIDs must sum to 1; fragment 'B'")):  # fmt: skip
        table = pd.read_csv(path)
        table.loc[row, "fraction"] = value
        table.to_csv(tmp_path / "wrong.csv", index=False)
        said = ["quantify", str(tmp_path / "wrong.csv"), "--network", "toy", "--out", str(tmp_path / "out")]
        assert message in refusal(capsys, *said)
    assert "noise = 5.0 is the standard deviation of values between 0 and 1" in refusal(
        capsys, "simulate", "--network", "toy", "--tracers", TRACER, "--noise", "5", "--out", str(tmp_path / "t.csv")
    )


def test_metabolites_that_the_network_does_not_know_are_refused_or_dropped(capsys, tmp_path):
    path = simulated(capsys, tmp_path / "table.csv", "--tracers", TRACER)
    table = pd.read_csv(path)
    pd.concat([table, table[table["fragment"] == "B"].assign(fragment="unobtanium")]).to_csv(path, index=False)
    said = ["quantify", str(path), "--network", "toy", "--seconds", "1", "--out", str(tmp_path / "out")]
    assert "leave it out with unknown='drop' (--unknown drop)" in refusal(capsys, *said)
    assert run(capsys, *said, "--unknown", "drop")[-1].startswith("sample: ")
    assert "unobtanium is not in network 'toy'; left out." in str(
        load_estimate(tmp_path / "out" / "estimate.nc", fluxkit.load_network("toy")).labeling.attrs["notes"]
    )


def options_of_the_command_line() -> dict[str, str]:
    """Return the longest flag of every option, by its name in Python."""
    commands = next(each for each in _parser()._actions if each.choices and not each.option_strings).choices
    actions = [action for command in commands.values() for action in command._actions]
    return {action.dest: action.option_strings[-1] for action in actions if action.option_strings}


def texts_of(file):
    """Yield the text of every statement that may hold a message: pieces of an f-string belong together."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Raise | ast.Assign):
            pieces = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
            yield " ".join(each for each in pieces if isinstance(each, str))


@pytest.mark.parametrize("folder", ["fluxes", "labeling", "learning", "inference"])
def test_a_cure_that_names_an_argument_names_its_flag_too(folder):
    flags = options_of_the_command_line()
    for file in sorted((Path(fluxkit.__file__).parent / folder).glob("*.py")):
        for text in texts_of(file):
            for argument in re.findall(r"\b([a-z_]+)=", text):
                if argument in flags:
                    assert flags[argument] in text or "python -m fluxkit" in text, f"{file.name}: {text}"


def test_each_condition_has_a_posterior_and_the_tracers_may_be_said(capsys, tmp_path):
    table = pd.read_csv(simulated(capsys, tmp_path / "table.csv", "--tracers", TRACER)).drop(columns="tracer")
    pd.concat([table.assign(condition=each) for each in ("control", "drug A")]).to_csv(tmp_path / "two.csv")
    said = ["quantify", str(tmp_path / "two.csv"), "--network", "toy", "--tracers", TRACER, "--model", "none"]
    lines = run(capsys, *said, "--seconds", "1", "--no-pool", "--purity", "0.99", "--out", str(tmp_path / "out"))
    names = sorted(each.name for each in (tmp_path / "out").iterdir())
    assert names == ["estimate_control.nc", "estimate_drug_A.nc", "fluxes.csv", "report.html"]
    assert [line.split(":")[0] for line in lines[-2:]] == ["control", "drug A"]


def test_quantify_is_refused_in_one_line_and_writes_nothing(capsys, tmp_path):
    table = pd.read_csv(simulated(capsys, tmp_path / "table.csv", "--tracers", TRACER)).drop(columns="tracer")
    table.to_csv(tmp_path / "table.csv")
    table.assign(fraction=table["fraction"] * (1 - 0.1 * (table["fragment"] == "D"))).to_csv(tmp_path / "short.csv")
    good, out = str(tmp_path / "table.csv"), tmp_path / "out"

    def said(*arguments: str) -> str:
        message = refusal(capsys, "quantify", *arguments, "--out", str(out))
        assert not out.exists()
        return message

    assert "there is no file" in said(str(tmp_path / "none.csv"), "--network", "toy", "--tracers", TRACER)
    assert "no bundled network is called 'toi'. Did you mean 'toy'?" in said(good, "--network", "toi")
    assert "[9-13C]" in said(good, "--network", "toy", "--tracers", "A_x: 100% [9-13C]")
    assert "above 100 %" in said(good, "--network", "toy", "--tracers", "A_x: 80% [1-13C] + 30% [2-13C]")
    assert "MIDs must sum to 1; fragment 'D'" in said(
        str(tmp_path / "short.csv"), "--network", "toy", "--tracers", TRACER
    )
    assert "no 'tracer' column; say what was infused" in said(good, "--network", "toy")
    assert "need names of their own" in said(good, "--network", "toy", "--tracers", "a=A_x: 100% [1-13C]", TRACER)
    assert "there is no model in" in said(good, "--network", "toy", "--tracers", TRACER, "--model", str(tmp_path))
    assert "--bounds belongs to a network of your own" in said(good, "--bounds", "fluxes.tsv")
    assert "seconds = -1" in said(good, "--network", "toy", "--tracers", TRACER, "--seconds", "-1")


def test_a_file_in_the_way_of_the_results_is_one_line(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    for command in (["quantify", "table.csv"], ["train", "--network", "toy"]):
        message = refusal(capsys, *command, "--out", str(tmp_path / "file"))
        assert "cannot write into" in message and "is a file" in message
    assert "cannot write into" in refusal(
        capsys, "simulate", "--network", "toy", "--tracers", TRACER, "--out", str(tmp_path / "file" / "table.csv")
    )


def test_a_network_of_ones_own_is_trained_and_used(capsys, tmp_path):
    catalog = files("fluxkit") / "networks" / "catalog" / "toy"
    own = ("--rxn", str(catalog / "model.rxn"), "--bounds", str(catalog / "fluxes.tsv"))
    model = tmp_path / "model"
    short = ("--steps", "8", "--batch-size", "8", "--workers", "0")
    lines = run(capsys, "train", *own, "--tracers", TRACER, *short, "--out", str(model))
    written = ("calibration.html", "card.json", "card.md", "model.safetensors")
    assert lines[:5] == ["Results:", *(f"  {model / name}" for name in written)]
    assert "90 %" in lines[5]
    network = fluxkit.read_network(own[1], own[3])
    assert load_model(network, model).card["training"]["steps_run"] == 8
    run(capsys, "simulate", *own, "--tracers", TRACER, "--out", str(tmp_path / "table.csv"))
    said = ["quantify", str(tmp_path / "table.csv"), *own, "--model", str(model), "--seconds", "1"]
    run(capsys, *said, "--out", str(tmp_path / "out"))
    assert (tmp_path / "out" / "fluxes.csv").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--network", "toi"], "no bundled network"),
        (["--network", "toy", "--steps", "0"], "steps = 0 must be positive"),
        (["--network", "toy", "--tracers", "Z_x: 100% [1-13C]"], "Z_x"),
        (["--network", "toy", "--trainer", "devices"], "--trainer 'devices' is not NAME=VALUE"),
        (["--network", "toy", "--trainer", "device=2"], "no option 'device'. Did you mean 'devices'"),
        (["--network", "toy", "--trainer", "max_steps=2"], "'max_steps' is decided by settings.steps (--steps)"),
    ],
)
def test_train_is_refused_in_one_line_and_writes_nothing(capsys, tmp_path, options, message):
    assert message in refusal(capsys, "train", *options, "--out", str(tmp_path / "model"))
    assert not (tmp_path / "model").exists()


def test_options_of_a_training_are_handed_on(tmp_path, monkeypatch):
    handed = {}

    def train(network, out, **options):
        handed.update(options)
        raise KeyboardInterrupt

    monkeypatch.setattr(fluxkit, "train", train, raising=False)
    said = ("--trainer", "devices=2", "precision=bf16-mixed", "--trainer", "strategy=ddp", "--resume")
    main(["train", "--network", "toy", *said, "--patience", "3", "--out", str(tmp_path / "model")])
    assert handed["trainer"] == {"devices": 2, "precision": "bf16-mixed", "strategy": "ddp"}
    assert (handed["resume"], handed["settings"].patience) == (True, 3)


def test_an_unfinished_training_is_named_and_gone_on_with(capsys, tmp_path):
    model = tmp_path / "model"
    short = ("--network", "toy", "--steps", "8", "--batch-size", "64", "--workers", "0", "--check-every", "2")
    assert main(["train", *short, "--minutes", "1e-9", "--out", str(model)]) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert "came at step 1 of 8" in message and "go on with resume=True (--resume)" in message
    assert "Go on with it by resume=True (--resume)" in refusal(capsys, "train", *short, "--out", str(model))
    run(capsys, "train", *short, "--resume", "--out", str(model))
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_an_interrupted_training_says_so(capsys, tmp_path, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(fluxkit, "train", interrupt, raising=False)
    assert main(["train", "--network", "toy", "--out", str(tmp_path / "model")]) == 130
    assert capsys.readouterr().err == "fluxkit: interrupted\n"
