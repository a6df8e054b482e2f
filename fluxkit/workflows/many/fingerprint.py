"""What a run is made of: its parameters, its notebook, the data it reads and the version, as one checksum."""

import ast
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fluxkit.workflows.parameters import Parameter


def all_values(given: Mapping[str, object], signature: Mapping[str, Parameter]) -> dict[str, object]:
    """Return every parameter of a run: what was given, else the default, as text where it is no plain value.

    Parameters
    ----------
    given : mapping of str to object
        Values of the run.
    signature : mapping of str to Parameter
        What the notebook declares; ``out_dir`` is left out.
    """
    return {
        name: given[name] if name in given else _default(parameter)
        for name, parameter in signature.items()
        if name != "out_dir"
    }


def data_files(values: Mapping[str, object], folder: Path, out_dir: Path) -> dict[str, Path]:
    """Return the files that parameters name, as a notebook finds them: from its folder, or from the one above.

    Parameters
    ----------
    values : mapping of str to object
        From :func:`all_values`. Texts in lists and dictionaries count too.
    folder : pathlib.Path
        Where the notebook works.
    out_dir : pathlib.Path
        Where results go; a folder that holds this or `folder` is no data.

    Returns
    -------
    dict of str to pathlib.Path
        By the text of the parameter. A folder, such as a trained model, stands for all files in it.
    """
    found: dict[str, Path] = {}
    no_data = {each for top in (folder.resolve(), out_dir.resolve()) for each in (top, *top.parents)}
    for text in filter(None, _texts(list(values.values()))):
        for place in (folder / text, folder.parent / text):
            try:
                if place.is_file():
                    found[text] = place
                elif place.is_dir() and place.resolve() not in no_data:
                    found |= {os.path.join(text, each.relative_to(place)): each for each in _files(place)}
            except (OSError, ValueError):  # too long for a path, or holds a null character: not a file
                continue
            if any(each == text or each.startswith(os.path.join(text, "")) for each in found):
                break
    return found


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(values: Mapping[str, object], notebook: str, data: Mapping[str, str], version: str) -> str:
    """Return one checksum of all that a run is made of: the same for runs that need not be done again.

    Parameters
    ----------
    values : mapping of str to object
        From :func:`all_values`.
    notebook : str
        Checksum of the notebook.
    data : mapping of str to str
        Checksums of the data.
    version : str
        Of fluxkit.
    """
    text = json.dumps([dict(values), notebook, dict(sorted(data.items())), version], default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _default(parameter: Parameter) -> object:
    try:
        return ast.literal_eval(parameter.default)
    except (ValueError, SyntaxError):
        return parameter.default


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts(list(value.values()))
    elif isinstance(value, Sequence | set):
        for each in value:
            yield from _texts(each)


def _files(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if each.is_file() and not each.name.startswith("."))
