"""The loss of inductive moment matching (IMM)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from twostep_rs._torus import shortest
from twostep_rs.losses.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from twostep_rs.models.meanflow import AverageVelocity

# Keeps the gradient of a distance finite where particles meet.
_CONTACT = 1e-8

# Kernels of shorter steps would see no pair but the nearest.
_SHORTEST = 1e-2


@dataclass(frozen=True)
class IMMBatch(Rows):
    """Groups of m particles; those of a group share parameter and times.

    Attributes:
        source: particles at t = 1, (g, m, d).
        target: particles at t = 0, (g, m, d).
        parameter: physical parameter, (g, 1).
        seen: parameter that the trunk of the network sees, (g, 1).
        t: latest time, (g, 1).
        r: time in between, (g, 1).
        s: earliest time, (g, 1).
        weight: of a group, (g, 1).
    """

    source: Tensor
    target: Tensor
    parameter: Tensor
    seen: Tensor
    t: Tensor
    r: Tensor
    s: Tensor
    weight: Tensor

    @property
    def particles(self) -> int:
        """Number of particles in all groups."""
        return self.source.shape[0] * self.source.shape[1]


@dataclass(frozen=True)
class IMMLoss:
    """A loss and what is worth logging beside it.

    Attributes:
        loss: what is minimised, a scalar.
        mmd: mean squared discrepancy without weights and without its bias, without gradient.
    """

    loss: Tensor
    mmd: Tensor


def imm_loss(net: AverageVelocity, batch: IMMBatch, *, bandwidths: Sequence[float]) -> IMMLoss:
    r"""Moments of a long step against those of a short one (Zhou et al. 2025, equation 11).

    The map from time t to s is :math:`f(z, t \to s) = z - (t - s) u_\theta(z, t, t - s)`. Within
    each group :math:`f(z_t, t \to s)` and :math:`\mathrm{sg} f(z_r, r \to s)`, of the same pairs,
    are compared by the maximum mean discrepancy of :func:`laplace` kernels whose width is
    proportional to t - s; on a torus by the shortest ways between particles.

    The published statistic has all pairs. Row i of both clouds comes from one pair, so that the
    terms i = j pull each particle to its own partner: the smaller the groups, the more the map
    that minimises the loss differs from the true one, and the longer the training, the nearer it
    comes to that map.

    Args:
        net: the average velocity.
        batch: groups of pairs and their times.
        bandwidths: factors of the kernels' widths; the discrepancy is the mean over them.
    """
    size = batch.source.shape[1]
    far = _step(net, batch, batch.t, size)
    with torch.no_grad():
        near = _step(net, batch, batch.r, size)
    scale, period = net.positions.scale, net.positions.period
    x, y = far / scale, near / scale
    unit = None if period is None else period / scale
    widths = [b * (batch.t - batch.s).clamp_min(_SHORTEST).unsqueeze(2) for b in bandwidths]

    def squared(*, unbiased: bool) -> Tensor:
        found = [discrepancy(x, y, width, unit, unbiased=unbiased) for width in widths]
        return torch.stack(found).mean(dim=0)

    per_group = squared(unbiased=False)
    with torch.no_grad():
        mmd = squared(unbiased=True).mean()
    return IMMLoss((batch.weight[:, 0] * per_group).mean(), mmd)


def discrepancy(
    x: Tensor, y: Tensor, width: Tensor, period: Tensor | None = None, *, unbiased: bool
) -> Tensor:
    r"""Squared maximum mean discrepancy of two clouds by a Laplace kernel, a number per group.

    :math:`\mathrm{mean}_{ij} [k(x_i, x_j) + k(y_i, y_j) - 2 k(x_i, y_j)]`, over all i and j
    (V-statistic) or over i != j (U-statistic), whose mean is zero where the laws agree, also
    where x and y are coupled row by row.

    Args:
        x: (g, m, d).
        y: (g, m, d).
        width: of the kernel, (g, 1, 1).
        period: of the axes of a torus, (d,), in the units of the clouds.
        unbiased: whether pairs i = j are left out.
    """

    def kernel(one: Tensor, other: Tensor) -> Tensor:
        return laplace(one, other, width, period)

    terms = kernel(x, x) + kernel(y, y) - 2.0 * kernel(x, y)
    if not unbiased:
        return terms.mean(dim=(1, 2))
    m = x.shape[1]
    diagonal = terms.diagonal(dim1=1, dim2=2).sum(dim=1)
    return (terms.sum(dim=(1, 2)) - diagonal) / (m * (m - 1))


def laplace(x: Tensor, y: Tensor, width: Tensor, period: Tensor | None = None) -> Tensor:
    """The kernel exp(-|x - y| / (d width)) of all pairs, (g, m, m), rounded off where they meet."""
    gap = shortest(x.unsqueeze(2) - y.unsqueeze(1), period)
    squares = gap.square().sum(dim=3)
    return torch.exp(-(squares + _CONTACT).sqrt() / (x.shape[2] * width))


def _step(net: AverageVelocity, batch: IMMBatch, t: Tensor, size: int) -> Tensor:
    """Particles at time t, taken to s in one step, (g, m, d)."""
    z = torch.lerp(batch.target, batch.source, t.unsqueeze(2))
    now, h, parameter, seen = (
        part.repeat_interleave(size, dim=0)
        for part in (t, t - batch.s, batch.parameter, batch.seen)
    )
    u = net(z.flatten(0, 1), now, h, parameter, seen)
    moved: Tensor = (z.flatten(0, 1) - h * u).view_as(z)
    return moved
