"""The loss of generators whose particles follow a velocity."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch

from twostep_rs.losses.rows import Rows

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.models.meanflow import AverageVelocity


@dataclass(frozen=True)
class MatchingBatch(Rows):
    """Rows of one loss evaluation.

    Attributes:
        source: source particles, (n, d).
        aim: where their images are to go, (n, d): a step along a velocity from where they are.
        parameter: physical parameter, (n, 1).
        seen: parameter that the trunk of the network sees, (n, 1).
    """

    source: Tensor
    aim: Tensor
    parameter: Tensor
    seen: Tensor

    def copy_(self, other: MatchingBatch) -> None:
        """Overwrite with ``other``, in place."""
        for field in fields(self):
            getattr(self, field.name).copy_(getattr(other, field.name))


@dataclass(frozen=True)
class MatchingLoss:
    """A loss.

    Attributes:
        loss: what is minimised, a scalar: before the step the mean of the squared step.
    """

    loss: Tensor


def images(net: AverageVelocity, source: Tensor, parameter: Tensor, seen: Tensor) -> Tensor:
    r"""Where one step of the generator takes source particles, :math:`s - u_\theta(s, 1, 1)`.

    Args:
        net: the generator, of the same kind as that of MeanFlow.
        source: (n, d).
        parameter: physical parameter, (n, 1).
        seen: parameter that the trunk of the network sees, (n, 1).
    """
    whole = torch.ones_like(parameter)
    moved: Tensor = source - net(source, whole, whole, parameter, seen)
    return moved


def matching_loss(net: AverageVelocity, batch: MatchingBatch) -> MatchingLoss:
    r"""Squared distance to the aims, which are constants.

    .. math:: L = \mathrm{mean}_i \, |g_\theta(s_i) - \mathrm{sg}[g_\theta(s_i) + \eta V_i]|^2

    Its gradient is that of the energy whose flow V is, times :math:`2 \eta`, by the chain rule
    through the particles (Candès et al. 2026; Deng et al. 2026).

    Args:
        net: the generator.
        batch: sources, aims and parameters.
    """
    moved = images(net, batch.source, batch.parameter, batch.seen)
    return MatchingLoss((moved - batch.aim).square().sum(dim=1).mean())
