"""Every way to install fluxkit asks for the same things."""

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fluxkit

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
EXTRAS = [Requirement(text) for extra in PROJECT["optional-dependencies"].values() for text in extra]
CONDA_NAMES = {"torch": "pytorch"}
CONDA_ONLY = {"python", "pip", "pytorch-cpu"}


def requirements(lines: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


def constraints() -> dict[str, Requirement]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return requirements([line for line in lines if line and not line.startswith("#")])


def test_environment_yml_asks_for_what_pyproject_asks_for():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]
    conda = requirements([each for each in listed if isinstance(each, str)])
    assert str(conda["python"].specifier) == PROJECT["requires-python"]
    wanted = {canonicalize_name(CONDA_NAMES.get(each.name, each.name)): each.specifier for each in RUNTIME}
    assert {name: each.specifier for name, each in conda.items() if name not in CONDA_ONLY} == wanted
    assert [each["pip"] for each in listed if isinstance(each, dict)] == [["--editable ."]]


@pytest.mark.parametrize("requirement", RUNTIME + EXTRAS, ids=str)
def test_constraints_pin_every_requirement_within_its_range(requirement):
    pin = constraints()[canonicalize_name(requirement.name)]
    (exact,) = pin.specifier
    assert exact.operator == "=="
    assert requirement.specifier.contains(exact.version)


def test_no_requirement_names_a_host_or_a_path():
    text = (ROOT / "constraints.txt").read_text("utf-8") + (ROOT / "pyproject.toml").read_text("utf-8")
    assert not re.findall(r"https?://|file:|--index|--find-links| @ ", text)


def test_binder_installs_this_package_under_the_same_constraints():
    lines = (ROOT / "binder" / "requirements.txt").read_text("utf-8").splitlines()
    assert {"-c ../constraints.txt", "notebook", "-e ."} <= set(lines)
    server, lab = (str(constraints()[name].specifier).removeprefix("==") for name in ("notebook", "jupyterlab"))
    major, minor = server.split(".")[:2]  # Notebook 7.6 belongs to JupyterLab 4.6
    assert (major, minor) == ("7", lab.split(".")[1])
    version = (ROOT / "binder" / "runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    assert version in {"3.11", "3.12"}


@pytest.mark.skipif(not importlib.util.find_spec("repo2docker"), reason="jupyter-repo2docker is not installed")
def test_repo2docker_accepts_the_binder_configuration():
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    made = done.stdout + done.stderr  # the Dockerfile among other things
    version = (ROOT / "binder" / "runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    assert f"environment.py-{version}-" in made.replace("-2d", "-").replace("-2e", ".")
    assert 'pip install --no-cache-dir -r "binder/requirements.txt"' in made  # by pip, not by conda
    assert "RUN ./binder/postBuild" in made
    assert "environment.yml" not in re.sub(r"(?m)^#.*$", "", made)


def test_what_binder_runs_after_its_build_is_python_that_compiles():
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    code = re.search(r"python - <<'PYTHON'\n(.*)\nPYTHON\n", script.read_text("utf-8"), re.DOTALL)[1]
    assert {each.id for each in ast.walk(ast.parse(code)) if isinstance(each, ast.Name)} >= {"fluxkit", "Lesson"}


def test_what_binder_opens_is_there():
    links = re.findall(r"`(?:voila/render|lab/tree)/([^`]+)`", (ROOT / "binder" / "README.md").read_text("utf-8"))
    assert len(links) == 2
    assert all((ROOT / each).exists() for each in links)


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == fluxkit.__version__
    assert citation["license"] == PROJECT["license"]
