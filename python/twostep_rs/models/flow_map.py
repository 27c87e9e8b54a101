"""Two-time flow maps: where a particle at one time is at another."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from twostep_rs.models.interpolant import Interpolant
from twostep_rs.models.network import TwoTimeNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.models.features import Head, Scaling
    from twostep_rs.models.network import Condition


class Direction(NamedTuple):
    """Direction of a derivative in position and both times; each (n, d) or (n, 1)."""

    x: Tensor
    s: Tensor
    t: Tensor


class TwoTimeMap(nn.Module, ABC):
    r"""A map :math:`X_{s,t}(x) = x + (t - s) \, v_{s,t}(x)`, the identity at s = t.

    Time runs from the source at 0 to the target at 1; t < s is the inverse. The map is that of
    the velocity :math:`b_t` if and only if :math:`\partial_t X_{s,t}(x) = b_t(X_{s,t}(x))`
    (Boffi et al. 2024, prop. 3.3); then :math:`v_{t,t} = b_t`.

    """

    @abstractmethod
    def condition(self, parameter: Tensor, seen: Tensor | None = None) -> Condition:
        """What the map is told of the parameter.

        Args:
            parameter: physical parameters, (n, 1).
            seen: what the trunk of a network sees in their place, (n, 1).
        """

    @abstractmethod
    def mean_velocity(self, x: Tensor, s: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The mean velocity v at positions (n, d) and times (n, 1), (n, d)."""

    @abstractmethod
    def tangent(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Condition, along: Direction
    ) -> tuple[Tensor, Tensor]:
        """The mean velocity and its derivative along a direction, both (n, d) with gradients."""

    def velocity(self, x: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The velocity at positions (n, d) and times (n, 1): v on the diagonal, (n, d)."""
        return self.mean_velocity(x, t, t, condition)

    def jump(self, x: Tensor, s: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Where particles at positions (n, d) and times s are at times t, (n, d)."""
        return x + (t - s) * self.mean_velocity(x, s, t, condition)

    def jump_tangent(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Condition, along: Direction
    ) -> tuple[Tensor, Tensor]:
        """:meth:`jump` and its derivative along a direction, both (n, d)."""
        v, dv = self.tangent(x, s, t, condition, along)
        h = t - s
        return x + h * v, along.x + (along.t - along.s) * v + h * dv


class FlowMap(TwoTimeNetwork, TwoTimeMap):
    r"""The network of a flow map :math:`X_{s,t}(x, \sigma)`.

    An MLP with SiLU and skip connections on standardised positions (on a torus: waves of them),
    embedded times s and t - s, and the parameter. The activation is smooth, since losses
    differentiate the slopes of the network once more.

    Args:
        scaling: where the training data lie.
        width: width of every hidden layer.
        depth: number of hidden layers, at least 1.
        head: how the parameter enters the output.
        waves: octaves of waves of the positions among the inputs.
        path: of the particles; says where source particles start.
        evaluations: jumps from source to target by default.
    """

    def __init__(
        self,
        scaling: Scaling,
        *,
        width: int,
        depth: int,
        head: Head,
        waves: int = 0,
        path: Interpolant | None = None,
        evaluations: int = 1,
    ) -> None:
        super().__init__(scaling, width=width, depth=depth, head=head, waves=waves)
        self.evaluations = evaluations
        self.path = Interpolant() if path is None else path

    def forward(
        self, x: Tensor, s: Tensor, t: Tensor, parameter: Tensor, seen: Tensor | None = None
    ) -> Tensor:
        """Where particles are at times t, (n, d).

        Args:
            x: positions at times s, (n, d).
            s: times, (n, 1).
            t: times, (n, 1).
            parameter: physical parameters, (n, 1).
            seen: what the trunk sees in their place, (n, 1); the head gets the true ones.
        """
        return self.jump(x, s, t, self.condition(parameter, seen))

    @torch.no_grad()
    def transport(
        self,
        source: Tensor,
        parameter: Tensor,
        *,
        evaluations: int | None = None,
        random: torch.Generator | None = None,
    ) -> Tensor:
        """Equal jumps from source to target, as for every generator."""
        jumps = self.evaluations if evaluations is None else evaluations
        times = [k / jumps for k in range(jumps + 1)]
        return chain(self, self.path.start(source), times, self.condition(parameter))

    def mean_velocity(self, x: Tensor, s: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """The mean velocity, as for every map of two times."""
        features = self.inputs(x, torch.cat([s, t - s], dim=1), condition)
        for index, layer in enumerate(self.hidden):
            outputs = functional.silu(layer(features))
            features = features + outputs if index > 0 else outputs
        return self.outputs(features, condition)

    def tangent(
        self, x: Tensor, s: Tensor, t: Tensor, condition: Condition, along: Direction
    ) -> tuple[Tensor, Tensor]:
        """Both by a forward mode that, other than torch's, may run in several threads."""
        times, dtimes = torch.cat([s, t - s], dim=1), torch.cat([along.s, along.t - along.s], dim=1)
        features = self.inputs(x, times, condition)
        dfeatures = self.inputs_tangent(x, along.x, times, dtimes, condition)
        for index, layer in enumerate(self.hidden):
            dlinear = functional.linear(dfeatures, layer.get_parameter("weight"))
            outputs, doutputs = _silu_tangent(layer(features), dlinear)
            features = features + outputs if index > 0 else outputs
            dfeatures = dfeatures + doutputs if index > 0 else doutputs
        return self.outputs(features, condition), self.outputs_tangent(dfeatures, condition)


def _silu_tangent(x: Tensor, dx: Tensor) -> tuple[Tensor, Tensor]:
    """SiLU and its derivative along ``dx``."""
    sigmoid = torch.sigmoid(x)
    y = x * sigmoid
    return y, torch.addcmul(sigmoid, y, 1.0 - sigmoid) * dx


def chain(net: TwoTimeMap, x: Tensor, times: Sequence[float], condition: Condition) -> Tensor:
    """Carry particles through ``times``, one jump each; falling times are the inverse.

    Args:
        net: the map.
        x: positions at the first time, (n, d).
        times: at least one.
        condition: of the parameters.

    Returns:
        Positions at the last time, (n, d).
    """
    for s, t in itertools.pairwise(times):
        x = net.jump(x, _column(x, s), _column(x, t), condition)
    return x


def integrate(net: TwoTimeMap, x: Tensor, times: Sequence[float], condition: Condition) -> Tensor:
    """Carry particles through ``times`` by the velocity, one Runge-Kutta step of order 4 each.

    Arguments and result as for :func:`chain`; a step takes four evaluations.
    """
    for s, t in itertools.pairwise(times):
        h = t - s
        early, middle, late = (_column(x, s + share * h) for share in (0.0, 0.5, 1.0))
        k1 = net.velocity(x, early, condition)
        k2 = net.velocity(x + 0.5 * h * k1, middle, condition)
        k3 = net.velocity(x + 0.5 * h * k2, middle, condition)
        k4 = net.velocity(x + h * k3, late, condition)
        x = x + h / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)
    return x


def _column(x: Tensor, value: float) -> Tensor:
    return x.new_full((len(x), 1), value)
