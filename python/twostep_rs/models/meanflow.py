"""The network of stage I: the average velocity over a time interval."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from twostep_rs.models.network import Condition, TwoTimeNetwork

# selu(x) = scale x for x > 0, else scale alpha (exp(x) - 1); Klambauer et al. 2017.
_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717


class Tangent(NamedTuple):
    """Direction of a derivative in position, time and interval; each (n, d) or (n, 1)."""

    z: Tensor
    t: Tensor
    h: Tensor


class Trunk(NamedTuple):
    """Outputs of the hidden layers, before skip connections, and the last features."""

    outputs: list[Tensor]
    features: Tensor

    def rows(self, rows: slice) -> Trunk:
        """Some of the rows, without gradient."""
        return Trunk([o.detach()[rows] for o in self.outputs], self.features.detach()[rows])


class AverageVelocity(TwoTimeNetwork):
    r"""MeanFlow's network :math:`u_\theta(z, t, h, \sigma)`, the mean velocity over [t - h, t].

    An MLP with SELU and skip connections on standardised positions (on a torus: waves of them),
    embedded times t and h, and the parameter. Time runs from the target at t = 0 to the source
    at t = 1.

    Args:
        scaling: where the training data lie.
        width: width of every hidden layer.
        depth: number of hidden layers, at least 1.
        head: how the parameter enters the output.
        waves: octaves of waves of the positions among the inputs.
    """

    def forward(
        self, z: Tensor, t: Tensor, h: Tensor, parameter: Tensor, seen: Tensor | None = None
    ) -> Tensor:
        """Average velocity, (n, d).

        Args:
            z: positions, (n, d).
            t: times, (n, 1).
            h: intervals, (n, 1).
            parameter: physical parameters, (n, 1).
            seen: what the trunk sees in their place, (n, 1); the head gets the true ones.
        """
        condition = self.condition(parameter, seen)
        return self.velocity(self.trunk(z, t, h, condition), condition)

    def trunk(self, z: Tensor, t: Tensor, h: Tensor, condition: Condition) -> Trunk:
        """Everything before the head; arguments as for :meth:`forward`."""
        features = self.inputs(z, torch.cat([t, h], dim=1), condition)
        outputs: list[Tensor] = []
        for layer in self.hidden:
            outputs.append(functional.selu(layer(features)))
            features = features + outputs[-1] if len(outputs) > 1 else outputs[-1]
        return Trunk(outputs, features)

    def velocity(self, trunk: Trunk, condition: Condition) -> Tensor:
        """Average velocity, (n, d), of what comes before the head."""
        return self.outputs(trunk.features, condition)

    @torch.no_grad()
    def tangent(
        self,
        z: Tensor,
        t: Tensor,
        h: Tensor,
        condition: Condition,
        direction: Tangent,
        trunk: Trunk,
    ) -> Tensor:
        """Derivative of :meth:`forward` along ``direction``, (n, d), by forward mode.

        Exact, and it takes no second evaluation, since the slope of selu is a function of its
        value. It carries no gradient: both losses stop it here.

        Args:
            z: positions, (n, d).
            t: times, (n, 1).
            h: intervals, (n, 1).
            condition: of the parameters.
            direction: of the derivative.
            trunk: of these arguments.
        """
        times = torch.cat([t, h], dim=1)
        dtimes = torch.cat([direction.t, direction.h], dim=1)
        dfeatures = self.inputs_tangent(z, direction.z, times, dtimes, condition)
        for index, (layer, outputs) in enumerate(zip(self.hidden, trunk.outputs, strict=True)):
            dlinear = functional.linear(dfeatures, layer.get_parameter("weight"))
            doutputs = _times_selu_slope(dlinear, outputs)
            dfeatures = dfeatures + doutputs if index > 0 else doutputs
        return self.outputs_tangent(dfeatures, condition)

    @torch.no_grad()
    def transport(
        self,
        source: Tensor,
        parameter: Tensor,
        *,
        evaluations: int | None = None,
        random: torch.Generator | None = None,
    ) -> Tensor:
        r"""Carry source particles to the target; arguments as for :class:`Generator`.

        One evaluation takes :math:`s - u_\theta(s, 1, 1)`; k evaluations take k steps of length
        1/k, :math:`z \leftarrow z - u_\theta(z, t, 1/k) / k`.
        """
        del random  # the path is a function of the source
        steps = self.evaluations if evaluations is None else evaluations
        z = source
        h = z.new_full((z.shape[0], 1), 1.0 / steps)
        for k in range(steps, 0, -1):
            z = z - self(z, k * h, h, parameter) / steps
        return z


def _times_selu_slope(tangent: Tensor, selu: Tensor) -> Tensor:
    """``tangent`` times the derivative of selu where that has the value ``selu``."""
    found: Tensor = torch.ops.aten.elu_backward(tangent, _SELU_ALPHA, _SELU_SCALE, 1.0, True, selu)
    return found
