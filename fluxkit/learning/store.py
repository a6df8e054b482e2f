"""The model store: weights as safetensors with a card beside them, read back only if both are whole."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from fluxkit.errors import FluxkitError, ModelError
from fluxkit.files import written_together
from fluxkit.fluxes import flux_space
from fluxkit.learning.chart import Chart
from fluxkit.learning.linearised import Lineariser
from fluxkit.learning.observed import observe
from fluxkit.learning.reading import Reading, read
from fluxkit.learning.vocabulary import Vocabulary, build_vocabulary
from fluxkit.networks import Network

if TYPE_CHECKING:
    from fluxkit.learning.architecture import PosteriorNetwork

SHIPPED = Path(__file__).parent / "models"
WEIGHTS, CARD, PAGE = "model.safetensors", "card.json", "card.md"
_CHART = "chart."
_TRAIN = "fluxkit.train(network, out=...) or 'python -m fluxkit train'"
FORMAT = 2
"""What the weights read and how; it rises whenever weights of before no longer fit."""
_WITHOUT = "model=None (--model none)"


@dataclass(frozen=True, eq=False)
class FluxModel:
    """A trained posterior network of one metabolic network, ready to read labeling.

    Parameters
    ----------
    vocabulary : Vocabulary
        What it can read.
    network : PosteriorNetwork
        The trained weights.
    chart : Chart
        From the coordinates that the weights speak of to net fluxes.
    card : dict
        How it was trained, on what prior, and how calibrated it is.
    """

    vocabulary: Vocabulary
    network: "PosteriorNetwork"
    chart: Chart
    card: dict[str, Any]

    @cached_property
    def lineariser(self) -> Lineariser:
        """What makes linear answers in the coordinates of the model."""
        return Lineariser(self.vocabulary, self.chart)

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Unknown shares and dilutions that a draw holds after the flux coordinates."""
        return self.vocabulary.weight_names

    def draw(self, labeling: xr.Dataset, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw from the learned posterior of one measured sample.

        Parameters
        ----------
        labeling : xarray.Dataset
            Labeling without a sample dimension, with ``mid_sd``.
        count : int
            Number of draws.
        seed : int
            Seed of the draws.

        Returns
        -------
        z : numpy.ndarray
            Net flux coordinates inside the polytope, shape ``(count, free)``.
        y : numpy.ndarray
            Exchange coordinates, shape ``(count, exchange)``.
        w : numpy.ndarray
            Weight coordinates in the order of :attr:`weight_names`, shape ``(count, weight)``.

        Raises
        ------
        LabelingError
            There are several samples, or no standard deviations.
        """
        import torch

        reading = Reading(*map(torch.from_numpy, read(self.lineariser, observe(self.vocabulary, labeling))))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            summary = self.network.summarise(reading)
            drawn = self.network.draw(summary, count, generator)[:, 0].double().numpy()
        return self._split(drawn)

    def _split(self, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        space = flux_space(self.vocabulary.network)
        first, second = len(space.free), len(space.free) + space.exchange_scale.size
        # Data unlike any of training may overflow float32: what is not a number becomes the prior's centre.
        drawn = np.nan_to_num(drawn, nan=0.0)
        far = np.clip(drawn[:, :first], -30, 30)  # beyond, float64 cannot tell a point from its wall
        z = space.coordinates(self.chart.net(far))
        return z, np.clip(drawn[:, first:second], -5, 5), np.clip(drawn[:, second:], -5, 5)


def save_model(
    model: FluxModel, folder: str | Path, page: str = "", others: Mapping[str, str] = MappingProxyType({})
) -> Path:
    """Write weights and card.

    Parameters
    ----------
    model : FluxModel
        What to write.
    folder : str or pathlib.Path
        Folder to write to; made when missing. Each file appears whole or not at all.
    page : str
        The card as a page of text for people, kept beside it.
    others : mapping of str to str
        Further texts by file name.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    import torch
    from safetensors.torch import save

    tensors = {name: value.contiguous() for name, value in model.network.state_dict().items()}
    tensors |= {f"{_CHART}{name}": torch.tensor(value) for name, value in model.chart.arrays().items()}
    weights = save(tensors)
    card = {**model.card, "format": FORMAT, "sha256": hashlib.sha256(weights).hexdigest()}
    files = {WEIGHTS: weights, CARD: (json.dumps(card, indent=2) + "\n").encode()}
    texts = {PAGE: page, **others} if page else others
    files |= {name: content.encode() for name, content in texts.items()}
    with written_together(folder) as part:
        for name, content in files.items():
            (part / name).write_bytes(content)
    return Path(folder)


def load_model(network: Network, folder: str | Path | None = None) -> FluxModel:
    """Read a trained model.

    Parameters
    ----------
    network : Network
        The metabolic network that it must belong to.
    folder : str or pathlib.Path, optional
        Where it was saved; the shipped model of the network by default.

    Raises
    ------
    ModelError
        There is no model, it is damaged, or it was trained on another network or by another version of fluxkit.
    """
    folder = Path(folder) if folder is not None else SHIPPED / network.name
    _refuse_missing(folder)
    card = _read_card(folder / CARD)
    if _format(card) != FORMAT:
        raise ModelError(
            f"the model in {str(folder)!r} has format {_format(card)}, and this version of fluxkit reads format "
            f"{FORMAT}; train it again with {_TRAIN}, or do without: {_WITHOUT}."
        )
    if card["network_fingerprint"] != network.fingerprint:
        raise ModelError(
            f"the model in {str(folder)!r} was trained on another version of network {card.get('network')!r}; "
            f"train one for this network with {_TRAIN}."
        )
    content = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise ModelError(
            f"{str(folder / WEIGHTS)!r} is damaged: its checksum is not the one in its card. "
            "Restore the file, or train the model again."
        )
    try:
        vocabulary = build_vocabulary(network, card["tracers"])
        posterior, chart = _rebuild(content, card["architecture"])
    except (FluxkitError, AttributeError, KeyError, MemoryError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"{str(folder / CARD)!r} is damaged: it does not describe the weights beside it "
            f"({str(error).splitlines()[0]}). Restore the file, or train the model again."
        ) from error
    if [each.name for each in vocabulary.measurements] != card["measurements"]:
        raise ModelError(
            f"the model in {str(folder)!r} was trained on another observation table of network {network.name!r}; "
            f"train one for this network with {_TRAIN}."
        )
    return FluxModel(vocabulary, posterior, chart, card)


def _refuse_missing(folder: Path) -> None:
    lacking = [name for name in (CARD, WEIGHTS) if not (folder / name).is_file()]
    if len(lacking) == 2:
        raise ModelError(f"there is no model in {str(folder)!r}; train one with {_TRAIN}, or do without: {_WITHOUT}.")
    if lacking:
        (beside,) = {CARD, WEIGHTS} - set(lacking)
        raise ModelError(
            f"the model file {str(folder / lacking[0])!r} is missing beside {beside!r}. Restore it, train the model "
            f"again with {_TRAIN}, or do without: {_WITHOUT}."
        )


def _read_card(path: Path) -> dict[str, Any]:
    needed = ("architecture", "measurements", "network_fingerprint", "sha256", "tracers")
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        lacking = [name for name in needed if name not in card] if isinstance(card, dict) else list(needed)
        reason = f"it lacks {lacking[0]!r}" if lacking else ""
    except ValueError as error:
        card, reason = {}, str(error)
    if reason:
        raise ModelError(f"{str(path)!r} is damaged ({reason}). Restore the file, or train the model again.")
    return card


def _format(card: Mapping[str, Any]) -> int:
    return card.get("format", 1)


def _rebuild(content: bytes, architecture: dict[str, int]) -> tuple["PosteriorNetwork", Chart]:
    """Return network and chart from the bytes of a weights file; torch's own randomness stays where it is."""
    import torch
    from safetensors.torch import load

    from fluxkit.learning.architecture import PosteriorNetwork

    tensors = load(content)
    chart = {name.removeprefix(_CHART): tensors.pop(name).numpy() for name in list(tensors) if name.startswith(_CHART)}
    with torch.random.fork_rng(devices=[]):
        posterior = PosteriorNetwork(**architecture)
    posterior.load_state_dict(tensors)
    return posterior.eval(), Chart.from_arrays(chart)


def has_model(network: Network) -> bool:
    """Return whether a model of exactly this network, which this version can read, ships with fluxkit.

    Parameters
    ----------
    network : Network
        The metabolic network.
    """
    card = SHIPPED / network.name / CARD
    if not card.is_file():
        return False
    try:
        kept = _read_card(card)
        return kept["network_fingerprint"] == network.fingerprint and _format(kept) == FORMAT
    except ModelError:
        return True  # damaged: let load_model say so
