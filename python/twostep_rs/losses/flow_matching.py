"""The loss of flow matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from twostep_rs.losses.rows import Rows

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.models.velocity import Velocity


@dataclass(frozen=True)
class FlowMatchingBatch(Rows):
    """Rows of one loss evaluation.

    Attributes:
        source: particles at t = 1, (n, d).
        target: particles at t = 0, (n, d).
        parameter: physical parameter, (n, 1).
        seen: parameter that the trunk of the network sees, (n, 1).
        t: time, (n, 1).
    """

    source: Tensor
    target: Tensor
    parameter: Tensor
    seen: Tensor
    t: Tensor


@dataclass(frozen=True)
class FlowMatchingLoss:
    """The mean squared error of the velocity, a scalar."""

    loss: Tensor


def flow_matching_loss(net: Velocity, batch: FlowMatchingBatch) -> FlowMatchingLoss:
    r"""Regression on the velocity of straight paths (Lipman et al. 2023, Tong et al. 2024).

    :math:`|v_\theta(z, t) - (s - x)|^2` with :math:`z = (1 - t) x + t s` for target x and source
    s. Its minimiser is the velocity whose flow has the law of z at every time.

    Args:
        net: the velocity.
        batch: source, target, parameter and times.
    """
    z = torch.lerp(batch.target, batch.source, batch.t)
    velocity = net.velocity_at(z, batch.t, batch.parameter, batch.seen)
    error = velocity - (batch.source - batch.target)
    return FlowMatchingLoss(error.square().sum(dim=1).mean())
