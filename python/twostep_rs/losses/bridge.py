"""The loss of score and flow matching along Brownian bridges (SF2M)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from twostep_rs.losses.rows import Rows

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.models.bridge import BridgeFlow


@dataclass(frozen=True)
class BridgeBatch(Rows):
    """Rows of one loss evaluation.

    Attributes:
        source: particles at t = 1, (n, d).
        target: particles at t = 0, (n, d).
        parameter: physical parameter, (n, 1).
        seen: parameter that the trunks of the networks see, (n, 1).
        t: time, strictly between 0 and 1, (n, 1).
        normal: standard normal numbers, (n, d).
    """

    source: Tensor
    target: Tensor
    parameter: Tensor
    seen: Tensor
    t: Tensor
    normal: Tensor


@dataclass(frozen=True)
class BridgeLoss:
    """A loss and its parts.

    Attributes:
        loss: what is minimised, a scalar.
        flow: mean squared error of the velocity, without gradient.
        score: mean of the score's part before its weight, without gradient.
    """

    loss: Tensor
    flow: Tensor
    score: Tensor


class Bridge(NamedTuple):
    """A point of a Brownian bridge between source and target, each (n, d).

    Attributes:
        z: the point.
        velocity: of the flow that has the bridge's marginals, given its ends.
        score: gradient of the logarithm of the bridge's density, given its ends.
    """

    z: Tensor
    velocity: Tensor
    score: Tensor


def bridge(source: Tensor, target: Tensor, t: Tensor, normal: Tensor, noise: float) -> Bridge:
    r"""The bridge of Tong et al. (2023), equations 7 and 8, with the target at t = 0.

    With :math:`m = (1 - t) x + t s` and :math:`k = \sigma_b^2 t (1 - t)` the point is
    :math:`z = m + \sqrt{k} \, \epsilon`, the velocity
    :math:`\dot m + \frac{\dot k}{2 k} (z - m)`, and the score :math:`-(z - m) / k`.

    Args:
        source: (n, d).
        target: (n, d).
        t: (n, 1).
        normal: standard normal numbers, (n, d).
        noise: the bridge's sigma_b, in units of positions.
    """
    spread = noise * (t * (1.0 - t)).sqrt()
    off = spread * normal
    slope = (1.0 - 2.0 * t) / (2.0 * t * (1.0 - t))
    return Bridge(
        z=torch.lerp(target, source, t) + off,
        velocity=source - target + slope * off,
        score=-normal / spread,
    )


def bridge_loss(
    net: BridgeFlow, batch: BridgeBatch, *, score_weight: float, balanced: bool
) -> BridgeLoss:
    r"""Regression on velocity and score of the bridges.

    .. math::
        L = \mathrm{mean} \, |v_\theta - u|^2
            + \lambda \, \mathrm{mean} \, w(t) |s_\theta - \nabla \log p|^2

    with w = 1 as in the paper of the two-step method, or :math:`w = \sigma_b^2 t (1 - t)`, which
    gives all times the same weight: there the error is :math:`|\sqrt{k} s_\theta + \epsilon|^2`.

    Args:
        net: velocity and, where paths are random, score.
        batch: ends of the bridges, times and noise.
        score_weight: lambda.
        balanced: whether the score's error is weighted by its variance.
    """
    point = bridge(batch.source, batch.target, batch.t, batch.normal, net.noise)
    condition = (batch.parameter, batch.seen)
    velocity = net.flow.velocity_at(point.z, batch.t, *condition)
    flow = (velocity - point.velocity).square().sum(dim=1).mean()
    if net.score is None:
        return BridgeLoss(flow, flow.detach(), torch.zeros_like(flow))
    error = net.score_at(point.z, batch.t, *condition) - point.score
    if balanced:
        error = error * (net.noise * (batch.t * (1.0 - batch.t)).sqrt())
    score = error.square().sum(dim=1).mean()
    return BridgeLoss(flow + score_weight * score, flow.detach(), score.detach())
