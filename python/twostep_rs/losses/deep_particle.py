"""The loss of stage II."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.losses.rows import Rows

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.models.corrector import Corrector


@dataclass(frozen=True)
class DeepParticleBatch(Rows):
    """Rows of one loss evaluation.

    Attributes:
        x: outputs of stage I, (n, d).
        at: where the correction is evaluated, (n, d).
        aim: where each particle is to go, (n, d): its partner in an optimal plan, or
            :func:`debiased_aim`.
        parameter: physical parameter, (n, 1).
        seen: parameter that the trunk of the network sees, (n, 1).
    """

    x: Tensor
    at: Tensor
    aim: Tensor
    parameter: Tensor
    seen: Tensor


@dataclass(frozen=True)
class DeepParticleLoss:
    """A loss and its parts.

    Attributes:
        loss: what is minimised, a scalar.
        transport: mean squared distance to the aim, without gradient.
        residual: mean squared correction, without gradient.
    """

    loss: Tensor
    transport: Tensor
    residual: Tensor


def deep_particle_loss(
    net: Corrector, batch: DeepParticleBatch, *, residual_weight: float
) -> DeepParticleLoss:
    r"""Squared distance to the aims of a fixed coupling, and the price of moving.

    .. math::
        L = \mathrm{mean}_i \, |f_\phi(x_i) - a_i|^2
            + \lambda \, \mathrm{mean}_i \, |f_\phi(x_i) - x_i|^2

    Where the aims are the partners in an optimal plan, the first term and its gradient are those
    of W2 squared between the batches (envelope theorem).

    Args:
        net: the corrector.
        batch: positions, aims and parameters.
        residual_weight: lambda.
    """
    moved = net(batch.x, batch.at, batch.parameter, batch.seen)
    transport = (moved - batch.aim).square().sum(dim=1).mean()
    residual = (moved - batch.x).square().sum(dim=1).mean()
    loss = transport + residual_weight * residual
    return DeepParticleLoss(loss, transport.detach(), residual.detach())


def debiased_aim(moved: Tensor, partner: Tensor, twin: Tensor) -> Tensor:
    r"""Aims whose mean correction vanishes where the laws agree.

    An optimal plan between finite samples of one law does not rest: near the boundary the partner
    lies further inside on average, and following it contracts the cloud. A second sample
    of the model's own law suffers the same pull, so that

    .. math:: a_i = f(x_i) + y_{\pi(i)} - f(x')_{\pi'(i)}

    has none. It descends the minibatch energy distance
    :math:`2 W_2^2(X, Y) - W_2^2(X, X') - W_2^2(Y, Y')` (Salimans et al. 2018).

    Args:
        moved: f(x), (n, d).
        partner: the targets coupled with f(x), (n, d).
        twin: the particles of the second sample coupled with f(x), (n, d).
    """
    return moved + partner - twin
