"""What networks of a position, two times and a parameter share."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from twostep_rs.models.features import (
    Head,
    ParameterFeatures,
    Scaling,
    TimeFeatures,
    position_features,
)
from twostep_rs.models.generator import Generator
from twostep_rs.models.head import OutputLayer

_SMALL_GAIN = 0.1


class Condition(NamedTuple):
    """What a network is told of the parameter: features of the trunk, and of the head."""

    trunk: Tensor
    relative: Tensor

    def rows(self, rows: slice) -> Condition:
        """Some of the rows."""
        return Condition(self.trunk[rows], self.relative[rows])


class TwoTimeNetwork(Generator):
    """An MLP on standardised positions (on a torus: waves of them), two times, and the parameter.

    Args:
        scaling: where the training data lie.
        width: width of every hidden layer.
        depth: number of hidden layers, at least 1.
        head: how the parameter enters the output.
        waves: octaves of waves of the positions among the inputs.
    """

    def __init__(
        self, scaling: Scaling, *, width: int, depth: int, head: Head, waves: int = 0
    ) -> None:
        super().__init__()
        self.scaling = scaling
        self.positions = position_features(scaling, waves)
        self.times = TimeFeatures()
        self.parameter_features = ParameterFeatures(scaling, head=head)
        inputs = self.positions.width + 2 * self.times.width + self.parameter_features.width
        widths = [inputs, *[width] * depth]
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(widths))
        self.head = OutputLayer(width, scaling.dim, head=head, gain=_SMALL_GAIN)

    def condition(self, parameter: Tensor, seen: Tensor | None = None) -> Condition:
        """What the network is told of the parameter.

        Args:
            parameter: physical parameters, (n, 1).
            seen: what the trunk sees in their place, (n, 1); the head gets the true ones.
        """
        features = self.parameter_features(parameter if seen is None else seen)
        return Condition(features, self.parameter_features.relative(parameter))

    def inputs(self, x: Tensor, times: Tensor, condition: Condition) -> Tensor:
        """What the first layer gets, of positions (n, d) and times (n, 2)."""
        return torch.cat([self.positions(x), self.times(times), condition.trunk], dim=1)

    def inputs_tangent(
        self, x: Tensor, dx: Tensor, times: Tensor, dtimes: Tensor, condition: Condition
    ) -> Tensor:
        """Derivative of :meth:`inputs` along ``dx``, (n, d), and ``dtimes``, (n, 2)."""
        return torch.cat(
            [
                self.positions.tangent(x, dx),
                self.times.tangent(times, dtimes),
                torch.zeros_like(condition.trunk),
            ],
            dim=1,
        )

    def outputs(self, features: Tensor, condition: Condition) -> Tensor:
        """Velocities, (n, d), of the features behind the last layer."""
        return self._scaled(self.head(features, condition.relative))

    def outputs_tangent(self, dfeatures: Tensor, condition: Condition) -> Tensor:
        """Derivative of :meth:`outputs` along ``dfeatures``."""
        return self._scaled(self.head.tangent(dfeatures, condition.relative))

    def _scaled(self, outputs: Tensor) -> Tensor:
        return outputs * self.positions.scale
