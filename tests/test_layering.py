"""The folder tree is the architecture: a folder imports only from folders above it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import fluxkit

PACKAGE = Path(fluxkit.__file__).parent
ORDER = [
    "networks",
    "fluxes",
    "emu",
    "labeling",
    "learning",
    "physiology",
    "inference",
    "design",
    "view",
    "workflows",
]
FREE = {"cache", "errors", "files", "versions", "__version__"}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported_parts(tree: ast.AST, file: Path) -> Iterator[str]:
    """Yield what a file imports from fluxkit: the folder, the top-level module, or the public name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = ("fluxkit", *file.relative_to(PACKAGE).parent.parts)
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
            names = [f"fluxkit.{alias.name}" for alias in node.names] if base == "fluxkit" else [base]
        else:
            continue
        for name in names:
            root, _, rest = name.partition(".")
            if root == "fluxkit":
                yield rest.partition(".")[0] or "fluxkit"


def folder_of(file: Path) -> str | None:
    parts = file.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else None


def test_every_folder_has_its_place():
    assert {folder_of(file) for file in FILES} - {None} <= set(ORDER)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_folder_imports_only_from_those_above_it(file):
    folder = folder_of(file)
    if folder is None:
        return
    allowed = FREE | set(ORDER[: ORDER.index(folder) + 1])
    wrong = set(imported_parts(ast.parse(file.read_text("utf-8")), file)) - allowed
    assert not wrong, f"{folder} may import {sorted(allowed)} only"


@pytest.mark.parametrize(("name", "allowed"), [("errors.py", set()), ("files.py", {"errors"})])
def test_what_every_folder_may_import_stands_below_all_of_them(name, allowed):
    file = PACKAGE / name
    assert set(imported_parts(ast.parse(file.read_text("utf-8")), file)) <= allowed


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_the_library_neither_prints_nor_asserts(file):
    tree = ast.parse(file.read_text("utf-8"))
    asserts = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    prints = [node.lineno for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
    assert not asserts, "raise an error of fluxkit.errors instead"
    assert not prints or file.name == "__main__.py"


def test_relative_imports_are_resolved():
    tree = ast.parse("from ..view import flux_map\nfrom . import polytope\nfrom .. import quantify")
    assert set(imported_parts(tree, PACKAGE / "fluxes" / "draws.py")) == {"view", "fluxes", "quantify"}
