"""The posterior network: reads a set of measurements, returns a density over flux coordinates.

Each measurement of each experiment is read by weights of its own (what a citrate MID means is learned once, whatever
else was measured), the readings are summed, experiments are summed again, so any subset of measurements and any number
of parallel experiments is a valid input and nothing is ever filled in. The density is a Gaussian with full covariance
bent by conditional spline couplings (Durkan et al. 2019, Neural spline flows, arXiv:1906.04032). Its coordinates cover
all reals and map one to one to the inside of the flux polytope, so every draw obeys balances and bounds.
"""

import torch
from torch import Tensor, nn


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


class PosteriorNetwork(nn.Module):
    """Density over flux coordinates given measurements.

    Parameters
    ----------
    measurements, features, context : int
        As in :class:`MeasurementReader`.
    parameters : int
        Number of flux coordinates.
    width, size, blocks : int
        Width per measurement, size of the summary, residual blocks.
    couplings, bins : int
        Spline couplings on top of the Gaussian (0 for none), and bins of each spline.
    """

    lower: Tensor
    row_mean: Tensor
    row_scale: Tensor
    context_mean: Tensor
    context_scale: Tensor
    target_mean: Tensor
    target_scale: Tensor

    def __init__(
        self,
        measurements: int,
        features: int,
        context: int,
        parameters: int,
        width: int = 48,
        size: int = 512,
        blocks: int = 3,
        couplings: int = 2,
        bins: int = 6,
    ):
        super().__init__()
        self.parameters_count = parameters
        for name, shape in (("row", (measurements, features)), ("context", (context,)), ("target", (parameters,))):
            self.register_buffer(f"{name}_mean", torch.zeros(shape))
            self.register_buffer(f"{name}_scale", torch.ones(shape))
        self.reader = MeasurementReader(measurements, features, context, width, size)
        self.trunk = nn.Sequential(*[ResidualBlock(size) for _ in range(blocks)], nn.LayerNorm(size), nn.GELU())
        self.mean = nn.Linear(size, parameters)
        self.factor = nn.Linear(size, parameters * (parameters + 1) // 2)
        nn.init.zeros_(self.factor.bias)
        nn.init.normal_(self.factor.weight, std=1e-3)
        self.register_buffer("lower", torch.tril_indices(parameters, parameters), persistent=False)
        self.flow = _spline_flow(parameters, 64, couplings, bins) if couplings else None
        self.flow_context = nn.Linear(size, 64) if couplings else None

    def standardise(self, rows: Tensor, known: Tensor, context: Tensor, present: Tensor, target: Tensor) -> None:
        """Take centre and spread of everything from a sample of experiments, before training.

        What a MID says about fluxes is a small deviation from what its tracer gives anyway: on raw values the network
        hardly learns.

        Parameters
        ----------
        rows, known, context, present, target : Tensor
            A large batch, shapes as in :meth:`summarise` and :meth:`log_density`.
        """
        exists = present > 0
        rows, context = rows[exists], context[exists]
        kept = self._kept(rows)
        count = kept.sum(dim=0).clamp(min=1)
        mean = (rows * kept).sum(dim=0) / count
        spread = (((rows - mean).square() * kept).sum(dim=0) / count).sqrt()
        self.row_mean.copy_(mean)
        self.row_scale.copy_(spread.clamp(min=0.02))
        width = rows.shape[-1] // 3
        self.row_mean[:, 2 * width :] = 0.0  # the mask itself stays 0 or 1
        self.row_scale[:, 2 * width :] = 1.0
        self.context_mean.copy_(context.mean(dim=0))
        self.context_scale.copy_(context.std(dim=0).clamp(min=0.05))
        self.target_mean.copy_(target.mean(dim=0))
        self.target_scale.copy_(target.std(dim=0).clamp(min=1e-3))

    @staticmethod
    def _kept(rows: Tensor) -> Tensor:
        """Which features of ``(..., feature)`` rows belong to a measured mass shift."""
        return (rows[..., 2 * (rows.shape[-1] // 3) :] > 0).repeat(*[1] * (rows.dim() - 1), 3)

    def squared_error(self, summary: Tensor, target: Tensor) -> Tensor:
        """Return the mean squared error of the Gaussian's centre, in units of the prior's variance."""
        return (self.mean(summary) - (target - self.target_mean) / self.target_scale).square().mean()

    def summarise(self, rows: Tensor, known: Tensor, context: Tensor, present: Tensor) -> Tensor:
        """Summarise all experiments of a sample.

        Parameters
        ----------
        rows : Tensor
            Shape ``(batch, experiment, measurement, feature)``.
        known : Tensor
            Shape ``(batch, experiment, measurement)``.
        context : Tensor
            Shape ``(batch, experiment, context)``.
        present : Tensor
            Which experiments exist, shape ``(batch, experiment)``.

        Returns
        -------
        Tensor
            Shape ``(batch, size)``.
        """
        owner, slot = present.nonzero(as_tuple=True)
        rows, context = rows[owner, slot], (context[owner, slot] - self.context_mean) / self.context_scale
        rows = torch.where(self._kept(rows), (rows - self.row_mean) / self.row_scale, 0.0)
        read = self.reader(rows, known[owner, slot], context)
        return self.trunk(read.new_zeros(len(present), read.shape[-1]).index_add(0, owner, read))

    def gaussian(self, summary: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean ``(batch, parameter)`` and the lower factor A of the precision A'A, parameter by parameter.

        Parameters
        ----------
        summary : Tensor
            Shape ``(batch, size)``.
        """
        flat = self.factor(summary)
        matrix = flat.new_zeros(len(flat), self.parameters_count, self.parameters_count)
        matrix[:, self.lower[0], self.lower[1]] = flat
        diagonal = torch.diagonal(matrix, dim1=-2, dim2=-1)
        positive = nn.functional.softplus(diagonal + 0.5413)  # 1 at zero
        return self.mean(summary), torch.tril(matrix, -1) + torch.diag_embed(positive)

    def log_density(self, summary: Tensor, target: Tensor, bent: bool = True) -> Tensor:
        """Return the log density of coordinates ``(batch, parameter)``, shape ``(batch,)``.

        Parameters
        ----------
        summary : Tensor
            Shape ``(batch, size)``.
        target : Tensor
            Shape ``(batch, parameter)``.
        bent : bool
            Whether to use the splines, or the Gaussian alone (early in training).
        """
        mean, factor = self.gaussian(summary)
        standard = (target - self.target_mean) / self.target_scale
        white = torch.einsum("bij,bj->bi", factor, standard - mean)
        log_volume = torch.diagonal(factor, dim1=-2, dim2=-1).log().sum(-1) - self.target_scale.log().sum()
        if self.flow is None or self.flow_context is None or not bent:
            return -0.5 * (white.square() + 1.8378770664093453).sum(-1) + log_volume
        return self.flow(self.flow_context(summary)).log_prob(white) + log_volume

    def draw(self, summary: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw coordinates, shape ``(count, batch, parameter)``.

        Parameters
        ----------
        summary : Tensor
            Shape ``(batch, size)``.
        count : int
            Draws of each sample of the batch.
        generator : torch.Generator, optional
            Randomness; torch's own by default.
        """
        mean, factor = self.gaussian(summary)
        noise = torch.randn(count, *mean.shape, generator=generator, dtype=mean.dtype)
        if self.flow is not None and self.flow_context is not None:
            noise = self.flow(self.flow_context(summary)).transform.inv(noise)
        solved = torch.linalg.solve_triangular(factor, noise.unsqueeze(-1), upper=False).squeeze(-1)
        return self.target_mean + self.target_scale * (mean + solved)


def _spline_flow(parameters: int, context: int, couplings: int, bins: int) -> nn.Module:
    import zuko

    return zuko.flows.NSF(
        parameters, context, bins=bins, transforms=couplings, passes=2, hidden_features=(128, 128), randperm=True
    )
