"""Inputs of the networks: standardised positions, embedded times and parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

Head = Literal["plain", "affine", "quadratic"]

# The tangent differentiates the embedding in time, so a frequency multiplies its variance: none
# is above 4 pi.
_TIME_FREQUENCIES = (2.0 * math.pi, 4.0 * math.pi)


@dataclass(frozen=True)
class Scaling:
    """Where positions and parameters of the training data lie.

    Attributes:
        location: mean position, one number per axis.
        scale: standard deviation of the positions, one positive number per axis.
        parameters: smallest and largest parameter of training.
    """

    location: tuple[float, ...]
    scale: tuple[float, ...]
    parameters: tuple[float, float]

    @property
    def dim(self) -> int:
        """Number of coordinates of a particle."""
        return len(self.location)

    @property
    def logarithmic(self) -> bool:
        """Whether parameters are embedded by their logarithm too: all of them are positive."""
        return self.parameters[0] > 0.0


class Standardise(nn.Module):
    """Positions shifted and scaled per axis to mean zero and variance one."""

    location: Tensor
    scale: Tensor

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        self.register_buffer("location", torch.tensor(scaling.location), persistent=False)
        self.register_buffer("scale", torch.tensor(scaling.scale), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Standardise ``z`` of shape (n, d)."""
        return (z - self.location) / self.scale


class PositionFeatures(nn.Module):
    """Standardised positions, and waves of them along every axis, with their tangents.

    The waves are ``sin 2^k x, cos 2^k x`` for k = 0, 1, ... of the standardised coordinate x.
    A trunk that sees them need not make folds from straight pieces.

    Args:
        scaling: where the training data lie.
        waves: octaves of waves; none by default.
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(self, scaling: Scaling, waves: int = 0) -> None:
        super().__init__()
        self.standardise = Standardise(scaling)
        self.waves = waves
        self.width = scaling.dim * (1 + 2 * waves)
        # cos x = sin(x + pi / 2): all waves are one call.
        frequencies = torch.tensor([2.0**k for k in range(waves)]).repeat_interleave(2)
        phases = torch.tensor([0.0, 0.5 * math.pi]).repeat(waves)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("phases", phases, persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Features of shape (n, width) for ``z`` of shape (n, d)."""
        x = self.standardise(z)
        if self.waves == 0:
            return x
        return torch.cat([x, self._angles(x).sin().flatten(1)], dim=1)

    def tangent(self, z: Tensor, direction: Tensor) -> Tensor:
        """Derivative of the features along ``direction``, (n, d)."""
        dx = direction / self.standardise.scale
        if self.waves == 0:
            return dx
        slopes = self._angles(self.standardise(z)).cos() * self.frequencies * dx.unsqueeze(2)
        return torch.cat([dx, slopes.flatten(1)], dim=1)

    def _angles(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.phases, x.unsqueeze(2), self.frequencies)


class ParameterFeatures(nn.Module):
    """The physical parameter as network inputs.

    ``linear`` maps the training range to [-1, 1] and goes on beyond it; ``logarithm`` does the same
    to the logarithm of positive parameters. For a ``plain`` head the feature is the logarithm
    (``linear`` where there is none). For other heads the features are both, and both stop
    at the ends of the training range: the trunk sees nothing that it was not trained on, and
    the head extrapolates.

    Args:
        scaling: where the training data lie.
        head: how the parameter enters the output.
    """

    slope: Tensor
    offset: Tensor

    def __init__(self, scaling: Scaling, *, head: Head) -> None:
        super().__init__()
        self.plain = head == "plain"
        self.range = scaling.parameters
        self.logarithmic = scaling.logarithmic
        self.width = 2 if self.logarithmic and not self.plain else 1
        ranges = [self.range]
        if self.logarithmic:
            low, high = self.range
            ranges.append((math.log(low), math.log(high)))
        # A single parameter sits in the middle of its range.
        slope = torch.tensor([2.0 / (high - low or 2.0) for low, high in ranges])
        middle = torch.tensor([0.5 * (low + high) for low, high in ranges])
        self.register_buffer("slope", slope, persistent=False)
        self.register_buffer("offset", -middle * slope, persistent=False)

    def linear(self, parameter: Tensor) -> Tensor:
        """``parameter`` of shape (n, 1) relative to the training range."""
        return torch.addcmul(self.offset[:1], parameter, self.slope[:1])

    def logarithm(self, parameter: Tensor) -> Tensor:
        """Logarithm of ``parameter``, (n, 1), relative to that of the training range."""
        return torch.addcmul(self.offset[1:], parameter.log(), self.slope[1:])

    def forward(self, parameter: Tensor) -> Tensor:
        """Features of shape (n, width)."""
        if self.plain:
            return self.logarithm(parameter) if self.logarithmic else self.linear(parameter)
        parameter = parameter.clamp(*self.range)
        if not self.logarithmic:
            return self.linear(parameter)
        both = torch.cat([parameter, parameter.log()], dim=1)
        return torch.addcmul(self.offset, both, self.slope)


class TimeFeatures(nn.Module):
    """Times as ``(t, sin 2 pi t, cos 2 pi t, sin 4 pi t, cos 4 pi t)``, with their tangents."""

    frequencies: Tensor
    phases: Tensor

    width = 1 + 2 * len(_TIME_FREQUENCIES)

    def __init__(self) -> None:
        super().__init__()
        # cos x = sin(x + pi / 2): all waves are one call.
        frequencies = torch.tensor(_TIME_FREQUENCIES).repeat_interleave(2)
        phases = torch.tensor([0.0, 0.5 * math.pi]).repeat(len(_TIME_FREQUENCIES))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("phases", phases, persistent=False)

    def forward(self, times: Tensor) -> Tensor:
        """Features of shape (n, k * width) for ``times`` of shape (n, k), one after the other."""
        return torch.cat([times.unsqueeze(2), self._angles(times).sin()], dim=2).flatten(1)

    def tangent(self, times: Tensor, direction: Tensor) -> Tensor:
        """Derivative of the features along ``direction``, (n, k)."""
        along = direction.unsqueeze(2)
        slopes = self._angles(times).cos() * self.frequencies * along
        return torch.cat([along, slopes], dim=2).flatten(1)

    def _angles(self, times: Tensor) -> Tensor:
        return torch.addcmul(self.phases, times.unsqueeze(2), self.frequencies)


def scaling_of(positions: Tensor, parameters: Sequence[float]) -> Scaling:
    """The scaling of ``positions``, shape (n, d), at ``parameters``."""
    points = positions.double()
    deviation = points.std(dim=0, correction=0)
    deviation[deviation == 0.0] = 1.0  # an axis that is constant needs no scale
    return Scaling(
        location=tuple(points.mean(dim=0).tolist()),
        scale=tuple(deviation.tolist()),
        parameters=(min(parameters), max(parameters)),
    )
