r"""Losses of two-time maps that are their own teachers (Boffi et al. 2025).

In the rows with s = t the velocity :math:`v_{t,t}` of the map learns that of the paths, by flow
matching; in the others the map learns from its own velocity, which stands still there (sg).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

from twostep_rs.models.flow_map import Direction

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.losses.flow_map import FlowMapBatch
    from twostep_rs.models.flow_map import TwoTimeMap
    from twostep_rs.models.interpolant import Interpolant
    from twostep_rs.models.network import Condition

Stop = Literal["velocity", "gradient", "derivative"]


@dataclass(frozen=True)
class SelfDistillationLoss:
    """A loss and its parts.

    Attributes:
        loss: what is minimised, a scalar: the mean of squared errors, weighted where a loss says
            so, over all rows.
        velocity: what the rows with s = t contribute, without gradient.
        distillation: what the others contribute, without weights and gradient.
    """

    loss: Tensor
    velocity: Tensor
    distillation: Tensor


def lagrangian_self_distillation(
    net: TwoTimeMap, batch: FlowMapBatch, *, path: Interpolant
) -> SelfDistillationLoss:
    r"""LSD: :math:`|\partial_t X_{s,t}(I_s) - \mathrm{sg} \, v_{t,t}(X_{s,t}(I_s))|^2`.

    Args:
        net: the map.
        batch: ends, parameter and times.
        path: of the particles.
    """
    part = _Part.of(net, batch, path)
    zeros, ones = torch.zeros_like(part.t), torch.ones_like(part.t)
    along = Direction(torch.zeros_like(part.x), zeros, ones)
    x, dx = net.jump_tangent(*part, along)
    with torch.no_grad():
        b = net.velocity(x, part.t, part.condition)
    return _joined(net, batch, path, dx - b)


def progressive_self_distillation(
    net: TwoTimeMap, batch: FlowMapBatch, *, path: Interpolant
) -> SelfDistillationLoss:
    r"""PSD: the mean velocity of one jump is that of two.

    .. math::
        |v_{s,t}(I_s) - \mathrm{sg}[(1 - h) v_{s,u}(I_s) + h \, v_{u,t}(X_{s,u}(I_s))]|^2,
        \qquad u = h s + (1 - h) t

    with the batch's shares h; one half everywhere is the loss of shortcut models (Frans et al.
    2024). Arguments as for :func:`lagrangian_self_distillation`.
    """
    part = _Part.of(net, batch, path)
    h = 0.5 if batch.share is None else batch.share[batch.diagonal :]
    v = net.mean_velocity(*part)
    with torch.no_grad():
        u = part.t + h * (part.s - part.t)
        first = net.mean_velocity(part.x, part.s, u, part.condition)
        second = net.mean_velocity(part.x + (u - part.s) * first, u, part.t, part.condition)
    return _joined(net, batch, path, v - (1.0 - h) * first - h * second)


def eulerian_self_distillation(
    net: TwoTimeMap,
    batch: FlowMapBatch,
    *,
    path: Interpolant,
    stop: Stop = "velocity",
    adaptive_power: float = 0.0,
    unit: float = 1.0,
) -> SelfDistillationLoss:
    r"""ESD: :math:`|\partial_s X_{s,t}(I_s) + \nabla X_{s,t} \, \mathrm{sg}[v_{s,s}](I_s)|^2`.

    More may stand still: :math:`\mathrm{sg}[\nabla X_{s,t} v_{s,s}]`, so that no derivative along
    space is differentiated again; or all of the derivative. With :math:`\dot v` the derivative of v
    along :math:`(v_{s,s}, 1, 0)` the error is :math:`v_{s,s} - v_{s,t} + (t - s) \dot v`, and then
    that of MeanFlow, :math:`v_{s,t} - \mathrm{sg}[v_{s,s} + (t - s) \dot v]`, in the time that runs
    from source to target.

    With the velocity alone the residual is minimised. With more, what moves the map is no gradient
    of a loss, and nothing bounds it: errors grow in bursts where the map is steep. A squared error
    e may count as :math:`e / \mathrm{sg}[(1 + e / c)^p]`, by the weight of MeanFlow (Geng et al.
    2025a), which leaves the minimiser, where e is zero, and small errors as they are.

    Args:
        net: the map.
        batch: ends, parameter and times.
        path: of the particles.
        stop: what carries no gradient: the ``velocity``, the part along the spatial ``gradient``,
            or the whole ``derivative``.
        adaptive_power: p; with 0 all errors count alike.
        unit: c, a squared velocity.
    """
    part = _Part.of(net, batch, path)
    zeros, ones = torch.zeros_like(part.s), torch.ones_like(part.s)
    with torch.no_grad():
        b = net.velocity(part.x, part.s, part.condition)
    if stop == "derivative":
        with torch.no_grad():
            _, dv = net.tangent(*part, Direction(b, ones, zeros))
        error = b + (part.t - part.s) * dv - net.mean_velocity(*part)
    elif stop == "velocity":
        _, error = net.jump_tangent(*part, Direction(b, ones, zeros))
    else:
        with torch.no_grad():
            _, along_b = net.jump_tangent(*part, Direction(b, zeros, zeros))
        still = torch.zeros_like(part.x)
        _, along_s = net.jump_tangent(*part, Direction(still, ones, zeros))
        error = along_s + along_b
    squared = error.detach().square().sum(dim=1)
    return _joined(net, batch, path, error, (1.0 + squared / unit).pow(-adaptive_power))


class _Part(NamedTuple):
    """The rows with an interval, as arguments of a map."""

    x: Tensor
    s: Tensor
    t: Tensor
    condition: Condition

    @classmethod
    def of(cls, net: TwoTimeMap, batch: FlowMapBatch, path: Interpolant) -> _Part:
        batch = batch.rows(slice(batch.diagonal, None))
        x = path.position(batch.ends, batch.s)
        return cls(x, batch.s, batch.t, net.condition(batch.parameter, batch.seen))


def _joined(
    net: TwoTimeMap,
    batch: FlowMapBatch,
    path: Interpolant,
    error: Tensor,
    weight: Tensor | None = None,
) -> SelfDistillationLoss:
    """The loss of ``error`` in the rows with an interval and of flow matching in the others.

    Weights of the former, (n,), are 1 by default.
    """
    equal = batch.rows(slice(batch.diagonal))
    condition = net.condition(equal.parameter, equal.seen)
    v = net.velocity(path.position(equal.ends, equal.t), equal.t, condition)
    velocity = (v - path.velocity(equal.ends, equal.t)).square().sum() / len(batch)
    squared = error.square().sum(dim=1)
    weighted = squared if weight is None else weight * squared
    return SelfDistillationLoss(
        velocity + weighted.sum() / len(batch),
        velocity.detach(),
        squared.detach().sum() / len(batch),
    )
