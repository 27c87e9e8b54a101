r"""Losses of two-time maps that are distilled from a velocity or matched to paths of particles.

All are means over rows with times s and t, for the path :math:`I` of a row's ends and the map
:math:`X_{s,t}`; numbers of equations are those of Boffi et al. 2024. A weight in s and t is the
law that the rows' times are drawn from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from twostep_rs.losses.rows import Rows
from twostep_rs.models.flow_map import Direction
from twostep_rs.models.interpolant import Ends

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.models.flow_map import TwoTimeMap
    from twostep_rs.models.interpolant import Interpolant


@dataclass(frozen=True)
class FlowMapBatch(Rows):
    """Rows of one loss evaluation.

    Attributes:
        source: particles at time 0, (n, d).
        target: particles at time 1, (n, d).
        noise: latent noise of the paths, (n, d); None where they have none.
        parameter: physical parameter, (n, 1).
        seen: parameter that the trunk of the network sees, (n, 1).
        s: times that maps start from, (n, 1).
        t: times that they lead to, (n, 1).
        diagonal: number of rows, the first ones, with s = t.
        share: h of the times h s + (1 - h) t between, (n, 1); None for the middle.
    """

    source: Tensor
    target: Tensor
    noise: Tensor | None
    parameter: Tensor
    seen: Tensor
    s: Tensor
    t: Tensor
    diagonal: int = 0
    share: Tensor | None = None

    @property
    def ends(self) -> Ends:
        """What the paths join."""
        return Ends(self.source, self.target, self.noise)


@dataclass(frozen=True)
class FlowMapLoss:
    """A loss.

    Attributes:
        loss: what is minimised, a scalar.
    """

    loss: Tensor


def velocity_loss(net: TwoTimeMap, batch: FlowMapBatch, *, path: Interpolant) -> FlowMapLoss:
    r"""Flow matching on the diagonal, :math:`|v_{t,t}(I_t) - \dot I_t|^2` (3.14).

    Its minimiser is the velocity :math:`b_t(x) = E[\dot I_t | I_t = x]` that distillation starts
    from. Times s are not used.
    """
    condition = net.condition(batch.parameter, batch.seen)
    v = net.velocity(path.position(batch.ends, batch.t), batch.t, condition)
    return FlowMapLoss(_mean(v - path.velocity(batch.ends, batch.t)))


def lagrangian_loss(
    net: TwoTimeMap, batch: FlowMapBatch, *, path: Interpolant, teacher: TwoTimeMap
) -> FlowMapLoss:
    r"""Lagrangian distillation, :math:`|\partial_t X_{s,t}(I_s) - b_t(X_{s,t}(I_s))|^2` (3.7).

    Args:
        net: the map.
        batch: ends, parameter and times.
        path: of the particles.
        teacher: has the velocity b; the gradient passes through its argument.
    """
    condition = net.condition(batch.parameter, batch.seen)
    start = path.position(batch.ends, batch.s)
    x, dx = net.jump_tangent(start, batch.s, batch.t, condition, _later(start, batch.t))
    b = teacher.velocity(x, batch.t, teacher.condition(batch.parameter, batch.seen))
    return FlowMapLoss(_mean(dx - b))


def eulerian_loss(
    net: TwoTimeMap, batch: FlowMapBatch, *, path: Interpolant, teacher: TwoTimeMap
) -> FlowMapLoss:
    r"""Eulerian distillation, :math:`|\partial_s X_{s,t}(I_s) + \nabla X_{s,t} b_s(I_s)|^2` (3.9).

    It says that the end of a path does not depend on where on the path the map starts. (Algorithm 2
    prints :math:`b_t` for :math:`b_s`.) Arguments as for :func:`lagrangian_loss`.
    """
    condition = net.condition(batch.parameter, batch.seen)
    start = path.position(batch.ends, batch.s)
    b = _frozen_velocity(teacher, start, batch)
    ones = torch.ones_like(batch.s)
    along = Direction(b, ones, torch.zeros_like(ones))
    _, dx = net.jump_tangent(start, batch.s, batch.t, condition, along)
    return FlowMapLoss(_mean(dx))


def consistency_loss(
    net: TwoTimeMap, batch: FlowMapBatch, *, path: Interpolant, teacher: TwoTimeMap, share: float
) -> FlowMapLoss:
    r"""Consistency distillation, the Eulerian loss with a difference for its derivative (C.9).

    .. math::
        \frac{|X_{s,t}(I_s) - \mathrm{sg} X_{s',t}(x')|^2}{(s' - s)^2} =
        \frac{|v_{s,t}(I_s) - \mathrm{sg}[\epsilon b + (1 - \epsilon) v_{s',t}(x')]|^2}
        {\epsilon^2}

    where a step of Heun's method, with mean velocity b, carries :math:`I_s` to x' at the time s' =
    s + epsilon (t - s). Its value tends to that of :func:`eulerian_loss` as epsilon tends to zero;
    its gradient does not, since the other map stands still.

    Args:
        net: the map.
        batch: ends, parameter and times.
        path: of the particles.
        teacher: has the velocity that is integrated.
        share: epsilon.
    """
    condition = net.condition(batch.parameter, batch.seen)
    start = path.position(batch.ends, batch.s)
    with torch.no_grad():
        told = teacher.condition(batch.parameter, batch.seen)
        later = torch.lerp(batch.s, batch.t, share)
        step = later - batch.s
        b = teacher.velocity(start, batch.s, told)
        b = 0.5 * (b + teacher.velocity(start + step * b, later, told))
        rest = net.mean_velocity(start + step * b, later, batch.t, condition)
    v = net.mean_velocity(start, batch.s, batch.t, condition)
    return FlowMapLoss(_mean((v - share * b - (1.0 - share) * rest) / share))


def matching_loss(net: TwoTimeMap, batch: FlowMapBatch, *, path: Interpolant) -> FlowMapLoss:
    r"""Flow map matching without a teacher (3.15).

    .. math::
        |\partial_t X_{s,t}(y) - \dot I_t|^2 + |X_{s,t}(y) - I_t|^2, \qquad y = X_{t,s}(I_t)

    The time derivative is that of the outer map alone. Both orders of s and t must occur.

    Args:
        net: the map.
        batch: ends, parameter and times.
        path: of the particles.
    """
    condition = net.condition(batch.parameter, batch.seen)
    end = path.position(batch.ends, batch.t)
    y = net.jump(end, batch.t, batch.s, condition)
    x, dx = net.jump_tangent(y, batch.s, batch.t, condition, _later(y, batch.t))
    error = dx - path.velocity(batch.ends, batch.t)
    return FlowMapLoss(_mean(error) + _mean(x - end))


def progressive_loss(
    net: TwoTimeMap, batch: FlowMapBatch, *, path: Interpolant, teacher: TwoTimeMap, jumps: int
) -> FlowMapLoss:
    r"""Progressive matching: one jump for several equal jumps of a frozen map (3.16).

    (The printed grid :math:`s + (k - 1)(t - s)` leaves the interval for k > 2.)

    Args:
        net: the map, usually initialised with the weights of the teacher.
        batch: ends, parameter and times.
        path: of the particles.
        teacher: the map whose jumps are joined.
        jumps: their number.
    """
    condition = net.condition(batch.parameter, batch.seen)
    start = path.position(batch.ends, batch.s)
    with torch.no_grad():
        told = teacher.condition(batch.parameter, batch.seen)
        aim, s = start, batch.s
        for k in range(jumps):
            t = torch.lerp(batch.s, batch.t, (k + 1) / jumps)
            aim, s = teacher.jump(aim, s, t, told), t
    return FlowMapLoss(_mean(net.jump(start, batch.s, batch.t, condition) - aim))


def _later(x: Tensor, t: Tensor) -> Direction:
    """The direction in which only t grows."""
    return Direction(torch.zeros_like(x), torch.zeros_like(t), torch.ones_like(t))


@torch.no_grad()
def _frozen_velocity(teacher: TwoTimeMap, x: Tensor, batch: FlowMapBatch) -> Tensor:
    return teacher.velocity(x, batch.s, teacher.condition(batch.parameter, batch.seen))


def _mean(error: Tensor) -> Tensor:
    return error.square().sum(dim=1).mean()
