"""The losses of stage I."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from twostep_rs.losses.rows import Rows
from twostep_rs.models.meanflow import Tangent

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.models.meanflow import AverageVelocity, Trunk
    from twostep_rs.models.network import Condition

Method = Literal["meanflow", "imf"]


@dataclass(frozen=True)
class MeanFlowBatch(Rows):
    """Rows of one loss evaluation; the last ``len(source) - equal`` have an interval.

    Attributes:
        source: particles at t = 1, (n, d).
        target: particles at t = 0, (n, d).
        parameter: physical parameter, (n, 1).
        seen: parameter that the trunk of the network sees, (n, 1).
        t: later time, (n, 1).
        h: length of the interval t - r, (n, 1); zero in the first ``equal`` rows.
        equal: number of rows with r = t, whose target needs no derivative.
    """

    source: Tensor
    target: Tensor
    parameter: Tensor
    seen: Tensor
    t: Tensor
    h: Tensor
    equal: int


@dataclass(frozen=True)
class MeanFlowLoss:
    """A loss and what is worth logging beside it.

    Attributes:
        loss: what is minimised, a scalar.
        error: mean squared error without weights, a scalar that carries no gradient.
    """

    loss: Tensor
    error: Tensor


def meanflow_loss(
    net: AverageVelocity,
    batch: MeanFlowBatch,
    *,
    method: Method,
    weighting_power: float,
    weighting_offset: float,
) -> MeanFlowLoss:
    r"""MeanFlow and improved MeanFlow.

    With :math:`z = (1 - t) x + t s` for target x and source s, and :math:`v = s - x`,

    .. math::
        e = \big| u_\theta - \mathrm{sg}[v - (t - r) \dot u] \big|^2, \qquad
        L = \mathrm{mean} \; e \, / \, \mathrm{sg}[(e + c)^p],

    where :math:`\dot u` is the derivative of :math:`u_\theta(z, t, t - r)` along (w, 1, 1).
    ``meanflow``: w = v (Geng et al. 2025a, eq. 11). ``imf``: w is the network's own marginal
    velocity :math:`\mathrm{sg}[u_\theta(z, t, 0)]` (Geng et al. 2025b), which takes the noise of v
    out of the derivative.

    Args:
        net: the average velocity.
        batch: source, target, parameter and times.
        method: the direction of the derivative.
        weighting_power: p.
        weighting_offset: c.
    """
    z = torch.lerp(batch.target, batch.source, batch.t)
    v = batch.source - batch.target
    condition = net.condition(batch.parameter, batch.seen)
    trunk = net.trunk(z, batch.t, batch.h, condition)
    u = net.velocity(trunk, condition)
    rows = slice(batch.equal, None)
    later = batch.rows(rows), z[rows], v[rows], condition.rows(rows), trunk.rows(rows)
    aim = _aim(net, *later, method)
    error = (u - torch.cat([v[: batch.equal], aim])).square().sum(dim=1)
    weight = (error.detach() + weighting_offset).pow(-weighting_power)
    return MeanFlowLoss((weight * error).mean(), error.detach().mean())


@torch.no_grad()
def _aim(
    net: AverageVelocity,
    batch: MeanFlowBatch,
    z: Tensor,
    v: Tensor,
    condition: Condition,
    trunk: Trunk,
    method: Method,
) -> Tensor:
    """What u is regressed on in rows with an interval, where its trunk is this one."""
    direction = v
    if method == "imf":
        now = torch.zeros_like(batch.h)
        direction = net.velocity(net.trunk(z, batch.t, now, condition), condition)
    ones = torch.ones_like(batch.t)
    along = Tangent(direction, ones, ones)
    return v - batch.h * net.tangent(z, batch.t, batch.h, condition, along, trunk)
