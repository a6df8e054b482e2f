"""The posterior network: reads a set of measurements, returns a density over flux coordinates.

Each measurement of each experiment is read by weights of its own (what a citrate MID means is learned once, whatever
else was measured), the readings are summed, experiments are summed again, so any subset of measurements and any number
of parallel experiments is a valid input and nothing is ever filled in. Beside them the network reads the linear answer
of the exact simulator (:mod:`fluxkit.learning.linearised`) and learns how far to trust it: the density is a Gaussian
around a mended centre, with the covariance of the linear answer shrunk and widened coordinate by coordinate, bent by
conditional spline couplings (Durkan et al. 2019, Neural spline flows, arXiv:1906.04032). Its coordinates cover all
reals and map one to one to the inside of the flux polytope, so every draw obeys balances and bounds.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from fluxkit.learning.linearised import feature_count
from fluxkit.learning.reading import Reading

_CENTRE_TRUST, _POINT_TRUST = 0.6, 0.2  # before training: the linear answer overshoots
_SHRINKAGE, _WIDENING = -0.2, -0.7  # logarithms


class MeasurementReader(nn.Module):
    """From feature rows of one experiment to one vector; unmeasured rows add exactly nothing.

    Parameters
    ----------
    measurements : int
        Size of the vocabulary.
    features : int
        Features of one measurement.
    context : int
        Features of one experiment (its tracer and how its data were reported).
    width : int
        Hidden width per measurement.
    size : int
        Size of the result.
    """

    def __init__(self, measurements: int, features: int, context: int, width: int, size: int):
        super().__init__()
        self.read = nn.Parameter(torch.randn(measurements, features, width) / features**0.5)
        self.bias = nn.Parameter(torch.zeros(measurements, width))
        self.context = nn.Linear(context, width)
        self.gate = nn.Linear(context, measurements * width)
        self.combine = nn.Parameter(torch.randn(measurements, width, size) / (0.5 * measurements * width) ** 0.5)
        self.summary = nn.Linear(context, size)
        self.norm = nn.LayerNorm(size)

    def forward(self, rows: Tensor, known: Tensor, context: Tensor) -> Tensor:
        """Read experiments.

        Parameters
        ----------
        rows : Tensor
            Shape ``(..., measurement, feature)``.
        known : Tensor
            Which measurements exist, shape ``(..., measurement)``, 0 or 1.
        context : Tensor
            Shape ``(..., context)``.

        Returns
        -------
        Tensor
            Shape ``(..., size)``.
        """
        hidden = torch.einsum("...mf,mfh->...mh", rows, self.read) + self.bias
        hidden = hidden * (1 + self.gate(context).view_as(hidden))
        hidden = nn.functional.gelu(hidden + self.context(context).unsqueeze(-2))
        hidden = hidden * known.unsqueeze(-1)
        combined = hidden.flatten(-2) @ self.combine.flatten(0, 1)
        return nn.functional.gelu(self.norm(combined + self.summary(context)))


class ResidualBlock(nn.Module):
    """A normalised two-layer block that adds to its input."""

    def __init__(self, size: int):
        super().__init__()
        self.body = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, size), nn.GELU(), nn.Linear(size, size))

    def forward(self, value: Tensor) -> Tensor:
        """Add the block's change; shape ``(..., size)`` in and out."""
        return value + self.body(value)


class Summary(NamedTuple):
    """What the density of some samples follows from, in standard coordinates.

    Parameters
    ----------
    state : Tensor
        What the network made of everything, shape ``(batch, size)``.
    centre, point : Tensor
        Centre of the linear answer, and where it was linearised, shape ``(batch, parameter)`` each.
    covariance : Tensor
        Of the linear answer, shape ``(batch, parameter, parameter)``.
    """

    state: Tensor
    centre: Tensor
    point: Tensor
    covariance: Tensor


class PosteriorNetwork(nn.Module):
    """Density over flux coordinates given measurements.

    Parameters
    ----------
    measurements, features, context : int
        As in :class:`MeasurementReader`.
    rates : int
        Features of the measured rates.
    parameters : int
        Number of flux coordinates.
    width, size, blocks : int
        Width per measurement, size of the summary, residual blocks.
    couplings, bins : int
        Spline couplings on top of the Gaussian (0 for none), and bins of each spline.
    """

    row_mean: Tensor
    row_scale: Tensor
    context_mean: Tensor
    context_scale: Tensor
    rate_mean: Tensor
    rate_scale: Tensor
    answer_mean: Tensor
    answer_scale: Tensor
    target_mean: Tensor
    target_scale: Tensor

    def __init__(
        self,
        measurements: int,
        features: int,
        context: int,
        rates: int,
        parameters: int,
        width: int = 48,
        size: int = 512,
        blocks: int = 3,
        couplings: int = 2,
        bins: int = 6,
    ):
        super().__init__()
        self.parameters_count, answer = parameters, feature_count(parameters)
        shapes = {"row": (measurements, features), "context": (context,), "rate": (rates,), "answer": (answer,)}
        for name, shape in {**shapes, "target": (parameters,)}.items():
            self.register_buffer(f"{name}_mean", torch.zeros(shape))
            self.register_buffer(f"{name}_scale", torch.ones(shape))
        self.reader = MeasurementReader(measurements, features, context, width, size)
        self.answer = nn.Linear(answer + rates, size)
        self.trunk = nn.Sequential(*[ResidualBlock(size) for _ in range(blocks)], nn.LayerNorm(size), nn.GELU())
        self.mean = nn.Linear(size, parameters)
        self.trust = nn.Linear(size, 4 * parameters)
        nn.init.normal_(self.trust.weight, std=1e-3)
        start = torch.tensor([_CENTRE_TRUST, _POINT_TRUST, _SHRINKAGE, _WIDENING])
        self.trust.bias.data.copy_(start.repeat_interleave(parameters))
        self.flow = _spline_flow(parameters, 64, couplings, bins) if couplings else None
        self.flow_context = nn.Linear(size, 64) if couplings else None

    def standardise(self, reading: Reading, mean: Tensor, spread: Tensor) -> None:
        """Take centre and spread of everything from a sample of experiments, before training.

        What a MID says about fluxes is a small deviation from what its tracer gives anyway: on raw values the network
        hardly learns.

        Parameters
        ----------
        reading : Reading
            A large batch.
        mean, spread : Tensor
            Of the flux coordinates a priori, in which the linear answer is given, shape ``(parameter,)``.
        """
        exists = reading.present > 0
        rows, context = reading.rows[exists], reading.context[exists]
        kept = self._kept(rows)
        count = kept.sum(dim=0).clamp(min=1)
        centre = (rows * kept).sum(dim=0) / count
        self.row_mean.copy_(centre)
        self.row_scale.copy_((((rows - centre).square() * kept).sum(dim=0) / count).sqrt().clamp(min=0.02))
        width = rows.shape[-1] // 3
        self.row_mean[:, 2 * width :] = 0.0  # the mask itself stays 0 or 1
        self.row_scale[:, 2 * width :] = 1.0
        for name, values in (("context", context), ("rate", reading.rates), ("answer", reading.answer)):
            getattr(self, f"{name}_mean").copy_(values.mean(dim=0))
            getattr(self, f"{name}_scale").copy_(values.std(dim=0).clamp(min=0.05))
        self.target_mean.copy_(mean)
        self.target_scale.copy_(spread)

    @staticmethod
    def _kept(rows: Tensor) -> Tensor:
        """Which features of ``(..., feature)`` rows belong to a measured mass shift."""
        return (rows[..., 2 * (rows.shape[-1] // 3) :] > 0).repeat(*[1] * (rows.dim() - 1), 3)

    def squared_error(self, summary: Summary, target: Tensor) -> Tensor:
        """Return the mean squared error of the Gaussian's centre, in units of the prior's variance."""
        return (self._centre(summary, self._trust(summary)) - self._standard(target)).square().mean()

    def _standard(self, target: Tensor) -> Tensor:
        return (target - self.target_mean) / self.target_scale

    def summarise(self, reading: Reading) -> Summary:
        """Summarise all experiments of a sample.

        Parameters
        ----------
        reading : Reading
            Tensors of a batch.
        """
        owner, slot = reading.present.nonzero(as_tuple=True)
        rows = reading.rows[owner, slot]
        context = (reading.context[owner, slot] - self.context_mean) / self.context_scale
        rows = torch.where(self._kept(rows), (rows - self.row_mean) / self.row_scale, 0.0)
        read = self.reader(rows, reading.known[owner, slot], context)
        rates = (reading.rates - self.rate_mean) / self.rate_scale
        answer = (reading.answer - self.answer_mean) / self.answer_scale
        told = self.answer(torch.cat([answer, rates], dim=-1))
        state = self.trunk(told.index_add(0, owner, read.to(told.dtype)))
        count = self.parameters_count
        return Summary(state, reading.answer[:, :count], reading.answer[:, count : 2 * count], reading.covariance)

    def _trust(self, summary: Summary) -> tuple[Tensor, ...]:
        """Return trust in centre and point, and logarithms of shrinkage and widening, shape ``(batch, parameter)``."""
        return self.trust(summary.state).to(summary.covariance.dtype).chunk(4, dim=-1)

    def _centre(self, summary: Summary, trust: tuple[Tensor, ...]) -> Tensor:
        """Return the Gaussian's mean in standard coordinates."""
        return self.mean(summary.state) + trust[0] * summary.centre + trust[1] * summary.point

    def gaussian(self, summary: Summary) -> tuple[Tensor, Tensor]:
        """Return the Gaussian in standard coordinates.

        Parameters
        ----------
        summary : Summary
            From :meth:`summarise`.

        Returns
        -------
        mean : Tensor
            Shape ``(batch, parameter)``.
        root : Tensor
            Lower factor L of the mended covariance LL' of the linear answer, shape ``(batch, parameter, parameter)``;
            that of the prior where the mended covariance has none in its precision.
        """
        trust = self._trust(summary)
        shrink, widen = trust[2].clamp(-4.0, 2.0).exp(), trust[3].clamp(-4.0, 2.0).exp()
        mended = summary.covariance * shrink.unsqueeze(-1) * shrink.unsqueeze(-2) + torch.diag_embed(widen.square())
        return self._centre(summary, trust), _lower_factor(mended)

    def log_density(self, summary: Summary, target: Tensor, bent: bool = True) -> Tensor:
        """Return the log density of coordinates ``(batch, parameter)``, shape ``(batch,)``.

        Parameters
        ----------
        summary : Summary
            From :meth:`summarise`.
        target : Tensor
            Shape ``(batch, parameter)``.
        bent : bool
            Whether to use the splines, or the Gaussian alone (early in training).
        """
        mean, root = self.gaussian(summary)
        missed = (self._standard(target) - mean).to(root.dtype).unsqueeze(-1)
        white = torch.linalg.solve_triangular(root, missed, upper=False).squeeze(-1)
        log_volume = -torch.diagonal(root, dim1=-2, dim2=-1).log().sum(-1) - self.target_scale.log().sum()
        if self.flow is None or self.flow_context is None or not bent:
            return -0.5 * (white.square() + 1.8378770664093453).sum(-1) + log_volume
        return self.flow(self.flow_context(summary.state)).log_prob(white) + log_volume

    def draw(self, summary: Summary, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw coordinates, shape ``(count, batch, parameter)``.

        Parameters
        ----------
        summary : Summary
            From :meth:`summarise`.
        count : int
            Draws of each sample of the batch.
        generator : torch.Generator, optional
            Randomness; torch's own by default.
        """
        mean, root = self.gaussian(summary)
        noise = torch.randn(count, *mean.shape, generator=generator, dtype=mean.dtype)
        if self.flow is not None and self.flow_context is not None:
            noise = self.flow(self.flow_context(summary.state)).transform.inv(noise)
        return self.target_mean + self.target_scale * (mean + torch.einsum("bij,cbj->cbi", root, noise))


def _lower_factor(covariance: Tensor) -> Tensor:
    """Return Cholesky factors of ``(batch, parameter, parameter)``, the identity where there is none."""
    root, info = torch.linalg.cholesky_ex(covariance)
    failed = (info != 0) | ~root.isfinite().all(dim=-1).all(dim=-1)
    if failed.any():  # data unlike any of training: as wide as the prior
        prior = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
        root = torch.linalg.cholesky(torch.where(failed[:, None, None], prior, covariance))
    return root


def _spline_flow(parameters: int, context: int, couplings: int, bins: int) -> nn.Module:
    import zuko

    return zuko.flows.NSF(
        parameters, context, bins=bins, transforms=couplings, passes=2, hidden_features=(128, 128), randperm=True
    )
