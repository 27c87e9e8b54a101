"""The loss of shortcut models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from twostep_rs.losses.rows import Rows

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.models.meanflow import AverageVelocity


@dataclass(frozen=True)
class ShortcutBatch(Rows):
    """Rows of one loss evaluation; the last ``len(source) - equal`` have an interval.

    Attributes:
        source: particles at t = 1, (n, d).
        target: particles at t = 0, (n, d).
        parameter: physical parameter, (n, 1).
        seen: parameter that the trunk of the network sees, (n, 1).
        t: later time, (n, 1).
        h: length of the interval, (n, 1); zero in the first ``equal`` rows.
        half: what its halves are taken to be, (n, 1): zero where they are the shortest.
        equal: number of rows of flow matching.
    """

    source: Tensor
    target: Tensor
    parameter: Tensor
    seen: Tensor
    t: Tensor
    h: Tensor
    half: Tensor
    equal: int


@dataclass(frozen=True)
class ShortcutLoss:
    """A loss and its parts.

    Attributes:
        loss: what is minimised, a scalar.
        flow: mean squared error of rows without interval, without gradient.
        consistency: mean squared error of rows with one, without gradient.
    """

    loss: Tensor
    flow: Tensor
    consistency: Tensor


def shortcut_loss(net: AverageVelocity, batch: ShortcutBatch) -> ShortcutLoss:
    r"""Flow matching, and one step against two of half the length (Frans et al. 2025, equation 5).

    With :math:`z = (1 - t) x + t s` for target x and source s, the velocity over no interval is
    regressed on s - x, and that over h on

    .. math:: \mathrm{sg} \, \tfrac12 [u(z, t, h/2) + u(z', t - h/2, h/2)], \quad
        z' = z - \tfrac{h}{2} u(z, t, h/2).

    Args:
        net: the average velocity.
        batch: source, target, parameter and times.
    """
    z = torch.lerp(batch.target, batch.source, batch.t)
    u = net(z, batch.t, batch.h, batch.parameter, batch.seen)
    error = (u - torch.cat([_velocities(batch), _halves(net, batch, z)])).square().sum(dim=1)
    equal = batch.equal
    return ShortcutLoss(error.mean(), error.detach()[:equal].mean(), error.detach()[equal:].mean())


def _velocities(batch: ShortcutBatch) -> Tensor:
    return (batch.source - batch.target)[: batch.equal]


@torch.no_grad()
def _halves(net: AverageVelocity, batch: ShortcutBatch, z: Tensor) -> Tensor:
    """The mean velocity of two steps, in rows with an interval."""
    rows = slice(batch.equal, None)
    t, half = batch.t[rows], 0.5 * batch.h[rows]
    condition = (batch.parameter[rows], batch.seen[rows])
    first = net(z[rows], t, batch.half[rows], *condition)
    second = net(z[rows] - half * first, t - half, batch.half[rows], *condition)
    mean: Tensor = 0.5 * (first + second)
    return mean
