"""The folder of a training that is under way: its checkpoint, written whole, and whether it may be gone on with."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fluxkit.errors import ModelError
from fluxkit.files import written_whole

_CHECKPOINT, _WRITING, _RESULT = "last.ckpt", "writing.ckpt", "result.pt"
RECORD = "fluxkit"


@dataclass(frozen=True)
class TrainingFolder:
    """Where a training keeps what it needs to go on.

    Parameters
    ----------
    path : pathlib.Path
        The folder; it is made when the first checkpoint is written.
    lasting : bool
        Whether checkpoints are written at all, or the result alone.
    """

    path: Path
    lasting: bool = True

    @classmethod
    def beside(cls, out: str | Path) -> "TrainingFolder":
        """Return the folder that belongs to the folder of a model: ``mine.training`` beside ``mine``."""
        out = Path(os.path.abspath(out))  # "." has no name to stand beside
        return cls(out.with_name(f"{out.name}.training"))

    @property
    def checkpoint(self) -> Path:
        """The latest checkpoint."""
        return self.path / _CHECKPOINT

    def write_checkpoint(self, trainer: Any) -> None:
        """Write a checkpoint, whole or not at all; in every process of a training, which the first one writes for."""
        if not self.lasting:
            return
        trainer.save_checkpoint(self.path / _WRITING, weights_only=False)
        if trainer.is_global_zero:
            os.replace(self.path / _WRITING, self.checkpoint)

    def read_checkpoint(self) -> dict[str, Any] | None:
        """Return what fluxkit keeps in the checkpoint; ``None`` where there is none.

        Raises
        ------
        ModelError
            The checkpoint is damaged.
        """
        import torch

        if not self.checkpoint.is_file():
            return None
        try:
            return torch.load(self.checkpoint, map_location="cpu", weights_only=True)[RECORD]
        except Exception as error:  # whatever a damaged file makes of unpickling
            raise ModelError(
                f"the checkpoint {str(self.checkpoint)!r} is damaged ({type(error).__name__}). "
                f"Remove the folder {str(self.path)!r} to begin anew."
            ) from error

    def write_result(self, result: dict[str, Any]) -> None:
        """Write what a finished training hands over to the process that asked for it."""
        import torch

        with written_whole(self.path / _RESULT) as part:
            torch.save(result, part)

    def read_result(self) -> dict[str, Any]:
        """Return what :meth:`write_result` wrote."""
        import torch

        return torch.load(self.path / _RESULT, map_location="cpu", weights_only=True)

    def clear(self, finished: bool) -> None:
        """Remove the result, and the checkpoint of a finished training.

        Parameters
        ----------
        finished : bool
            Whether nothing is left to go on with.
        """
        for name in (_RESULT, _WRITING, *([_CHECKPOINT] if finished else [])):
            (self.path / name).unlink(missing_ok=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def refuse_to_begin(self) -> None:
        """Refuse to begin where an unfinished training would be lost.

        Raises
        ------
        ModelError
            There is a checkpoint.
        """
        if self.checkpoint.is_file():
            raise ModelError(
                f"there is an unfinished training in {str(self.path)!r}. Go on with it by resume=True (--resume), or "
                "remove the folder to begin anew."
            )

    def refuse_another(
        self, record: Mapping[str, Any], begun: Mapping[str, Any], chart: Mapping[str, np.ndarray]
    ) -> None:
        """Refuse to go on with a training that was begun in another way.

        Parameters
        ----------
        record : mapping
            From :meth:`read_checkpoint`.
        begun : mapping
            How a training would be begun now: plain values, nested by name.
        chart : mapping of str to numpy.ndarray
            The flux coordinates of now.

        Raises
        ------
        ModelError
            Something differs, by name and both values.
        """
        then, now = dict(_flat(json.loads(record["begun"]))), dict(_flat(json.loads(json.dumps(begun))))
        for name in dict.fromkeys([*then, *now]):
            if then.get(name) != now.get(name):
                raise ModelError(
                    f"the training in {str(self.path)!r} was begun with {name} = {then.get(name)!r}, not "
                    f"{now.get(name)!r}. Go on with it as it was begun, or remove the folder to begin anew."
                )
        kept = {name: value.numpy() for name, value in record["chart"].items()}
        if not all(kept[name].shape == chart[name].shape and np.allclose(kept[name], chart[name]) for name in chart):
            raise ModelError(
                f"the training in {str(self.path)!r} was begun on a processor whose flux coordinates differ from those "
                "of this one. Go on with it there, or remove the folder to begin anew."
            )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
