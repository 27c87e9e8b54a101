"""The network of stage I: the average velocity over a time interval."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from twostep_rs.models.features import (
    Head,
    ParameterFeatures,
    Scaling,
    TimeFeatures,
    position_features,
)
from twostep_rs.models.head import OutputLayer

_SMALL_GAIN = 0.1

# selu(x) = scale x for x > 0, else scale alpha (exp(x) - 1); Klambauer et al. 2017.
_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_ALPHA = 1.6732632423543772848170429916717


class Tangent(NamedTuple):
    """Direction of a derivative in position, time and interval; each (n, d) or (n, 1)."""

    z: Tensor
    t: Tensor
    h: Tensor


class AverageVelocity(nn.Module):
    r"""MeanFlow's network :math:`u_\theta(z, t, h, \sigma)`, the mean velocity over [t - h, t].

    An MLP with SELU and skip connections on standardised positions (on a torus: waves of them),
    embedded times t and h, and the parameter. Time runs from the target at t = 0 to the source
    at t = 1.

    Args:
        scaling: where the training data lie.
        width: width of every hidden layer.
        depth: number of hidden layers, at least 1.
        head: ``plain``, ``affine`` or ``log-affine`` in the parameter.
    """

    def __init__(self, scaling: Scaling, *, width: int, depth: int, head: Head) -> None:
        super().__init__()
        self.scaling = scaling
        self.positions = position_features(scaling)
        self.times = TimeFeatures()
        self.parameter_features = ParameterFeatures(scaling, head=head)
        inputs = self.positions.width + 2 * self.times.width + self.parameter_features.width
        widths = [inputs, *[width] * depth]
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))
        self.head = OutputLayer(width, scaling.dim, head=head, gain=_SMALL_GAIN)

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
        features = functional.selu(self.hidden[0](self._inputs(z, t, h, parameter, seen)))
        for layer in self.hidden[1:]:
            features = features + functional.selu(layer(features))
        return self._outputs(self.head(features, self.parameter_features.relative(parameter)))

    @torch.no_grad()
    def tangent(
        self,
        z: Tensor,
        t: Tensor,
        h: Tensor,
        parameter: Tensor,
        seen: Tensor | None,
        direction: Tangent,
    ) -> Tensor:
        """Derivative of :meth:`forward` along ``direction``, (n, d), by forward mode.

        Exact, and about twice as fast as a generic Jacobian-vector product. It carries no
        gradient: both losses stop it here.
        """
        dfeatures = torch.cat(
            [
                self.positions.tangent(z, direction.z),
                self.times.tangent(t) * direction.t,
                self.times.tangent(h) * direction.h,
                z.new_zeros(len(z), self.parameter_features.width),
            ],
            dim=1,
        )
        features = self._inputs(z, t, h, parameter, seen)
        for index, layer in enumerate(self.hidden):
            outputs = functional.selu(layer(features))
            doutputs = _selu_slope(outputs) * functional.linear(
                dfeatures, layer.get_parameter("weight")
            )
            skip = index > 0
            features = features + outputs if skip else outputs
            dfeatures = dfeatures + doutputs if skip else doutputs
        relative = self.parameter_features.relative(parameter)
        return self._outputs(self.head.tangent(dfeatures, relative))

    def _inputs(
        self, z: Tensor, t: Tensor, h: Tensor, parameter: Tensor, seen: Tensor | None
    ) -> Tensor:
        condition = self.parameter_features(parameter if seen is None else seen)
        return torch.cat([self.positions(z), self.times(t), self.times(h), condition], dim=1)

    def _outputs(self, outputs: Tensor) -> Tensor:
        return outputs * self.positions.scale


def _selu_slope(selu: Tensor) -> Tensor:
    """Derivative of selu where it has the value ``selu``."""
    return torch.where(selu > 0.0, _SELU_SCALE, selu + _SELU_SCALE * _SELU_ALPHA)


@torch.no_grad()
def generate(
    net: AverageVelocity, source: Tensor, parameter: Tensor, *, evaluations: int = 1
) -> Tensor:
    r"""Carry source particles to the target.

    One evaluation takes :math:`s - u_\theta(s, 1, 1)`; k evaluations take k steps of length 1/k,
    :math:`z \leftarrow z - u_\theta(z, t, 1/k) / k`.

    Args:
        net: the average velocity.
        source: (n, d).
        parameter: (n, 1).
        evaluations: number of steps.
    """
    z = source
    h = z.new_full((len(z), 1), 1.0 / evaluations)
    for k in range(evaluations, 0, -1):
        z = z - net(z, k * h, h, parameter) / evaluations
    return z
