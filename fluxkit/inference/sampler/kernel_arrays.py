"""What the kernels of trajectories are given, by name: a metric, a density, and its labeling programs."""

from typing import NamedTuple

import numpy as np


class Metric(NamedTuple):
    """Whitened coordinates ``u`` of positions ``factor u``, and the walls in them.

    Parameters
    ----------
    factor : numpy.ndarray
        Lower Cholesky factor of a covariance, shape ``(parameter, parameter)``.
    normals : numpy.ndarray
        Normals of the walls, shape ``(wall, parameter)``.
    products : numpy.ndarray
        ``normals @ normals.T``, shape ``(wall, wall)``.
    """

    factor: np.ndarray
    normals: np.ndarray
    products: np.ndarray


class Sparse(NamedTuple):
    """A matrix of few entries, row after row.

    Parameters
    ----------
    starts : numpy.ndarray
        First entry of each row, and the number of entries; shape ``(row + 1,)``.
    columns, values : numpy.ndarray
        Shape ``(entry,)``.
    """

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray


class Motion(NamedTuple):
    """A :class:`Metric` as it moves free fluxes and the other coordinates.

    Parameters
    ----------
    net : numpy.ndarray
        From whitened net coordinates to free fluxes, shape ``(free, free)``.
    net_back : numpy.ndarray
        Its transpose.
    other : numpy.ndarray
        From whitened coordinates to the other coordinates, shape ``(other, parameter)``.
    other_back : numpy.ndarray
        Its transpose.
    normals, products : numpy.ndarray
        Normals of the walls, shape ``(wall, free)``, and their products, ``(wall, wall)``.
    """

    net: np.ndarray
    net_back: np.ndarray
    other: np.ndarray
    other_back: np.ndarray
    normals: np.ndarray
    products: np.ndarray


class Shape(NamedTuple):
    """What a density is made of beside the likelihood.

    Parameters
    ----------
    origin, floor : numpy.ndarray
        Net fluxes are ``origin + basis x`` for free fluxes ``x`` (less those of the origin), at least ``floor`` (0
        where irreversible); shape ``(reaction,)``.
    basis, basis_back : Sparse
        Shape ``(reaction, free)``, and its transpose.
    walls, walls_away : Sparse
        Walls, shape ``(wall, free)``, and minus these.
    offsets, nothing : numpy.ndarray
        Shape ``(wall,)``, and as many zeros as anything has rows.
    prior, prior_back : Sparse
        Minus the prior matrix, shape ``(target, free)``, and the transpose of the prior matrix.
    prior_offset : numpy.ndarray
        Shape ``(target,)``.
    reversible, varies : numpy.ndarray
        Reactions that are reversible; positions among them whose exchange flux has a coordinate.
    lower : numpy.ndarray
        Lower bound of each reversible exchange flux.
    low, span, prior_floor, least, most : numpy.ndarray
        Scale and bounds of the exchange coordinates, shape ``(exchange,)``.
    offset : float
        Offset of the exchange scale, in the flux unit.
    table : numpy.ndarray
        Value and slope of what each other coordinate stands for, an exchange flux or a share, at the nodes from
        ``-reach`` to ``reach``; shape ``(other, node, 2)``.
    reach, spacing : float
        Where the table ends, and the distance of its nodes.
    rate_rows, rates : numpy.ndarray
        Coefficients of measured rates, and these, both over their sd; see
        :class:`fluxkit.inference.rate_term.RateTerm`.
    absolute : bool
        Whether rates are in the unit of the fluxes.
    """

    origin: np.ndarray
    floor: np.ndarray
    basis: Sparse
    basis_back: Sparse
    walls: Sparse
    walls_away: Sparse
    offsets: np.ndarray
    nothing: np.ndarray
    prior: Sparse
    prior_back: Sparse
    prior_offset: np.ndarray
    reversible: np.ndarray
    varies: np.ndarray
    lower: np.ndarray
    low: np.ndarray
    span: np.ndarray
    prior_floor: np.ndarray
    least: np.ndarray
    most: np.ndarray
    offset: float
    table: np.ndarray
    reach: float
    spacing: float
    rate_rows: np.ndarray
    rates: np.ndarray
    absolute: bool


class Programs(NamedTuple):
    """The labeling programs of one group of chains: addresses of code and work arrays of shape ``(place, lane)``.

    The residuals, in double precision, may have fewer lanes than the group has chains: then they run several times.

    Parameters
    ----------
    gradient, residuals : int
        Addresses of the code.
    gradient_work, residual_work : numpy.ndarray
        Their work arrays; fluxes stand first.
    weights : int
        Where the weights stand.
    by_fluxes, by_weights : int
        Where the gradients appear.
    residual : int
        Where the residuals appear.
    data : int
        Number of residuals.
    """

    gradient: int
    residuals: int
    gradient_work: np.ndarray
    residual_work: np.ndarray
    weights: int
    by_fluxes: int
    by_weights: int
    residual: int
    data: int
