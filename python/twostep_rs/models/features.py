"""Inputs of the networks: standardised positions, embedded times and parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

Head = Literal["plain", "affine", "log-affine", "quadratic"]

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
        period: periods of a torus, one per axis; None for free space.
        origin: corner of the cell that the torus is cut open to; None where it is not cut.
    """

    location: tuple[float, ...]
    scale: tuple[float, ...]
    parameters: tuple[float, float]
    period: tuple[float, ...] | None = None
    origin: tuple[float, ...] | None = None

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
        self.width = scaling.dim
        self.register_buffer("location", torch.tensor(scaling.location), persistent=False)
        self.register_buffer("scale", torch.tensor(scaling.scale), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Standardise ``z`` of shape (n, d)."""
        return (z - self.location) / self.scale


class Waves(nn.Module):
    r"""Positions on a torus as sines and cosines of :math:`2\pi 2^k x / L`: periodic features.

    A map :math:`x + u(x)` with u of these features is a map of the torus. Products of waves of
    different axes are left to the network.

    Args:
        scaling: where the training data lie.
        waves: octaves of waves, k = 0, 1, ...; at least two are taken.
    """

    scale: Tensor
    frequencies: Tensor
    #: Of the axes, (d,).
    period: Tensor

    def __init__(self, scaling: Scaling, waves: int = 2) -> None:
        super().__init__()
        assert scaling.period is not None
        self.register_buffer("period", torch.tensor(scaling.period), persistent=False)
        harmonics = torch.tensor([2.0**k for k in range(max(waves, 2))])
        self.width = 2 * len(harmonics) * scaling.dim
        frequencies = 2.0 * math.pi * harmonics / torch.tensor(scaling.period)[:, None]
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("scale", torch.tensor(scaling.scale), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Features of shape (n, width) for ``z`` of shape (n, d)."""
        angles = self._angles(z)
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    def tangent(self, z: Tensor, direction: Tensor) -> Tensor:
        """Derivative of the features at ``z`` along ``direction``, both (n, d)."""
        angles, slopes = self._angles(z), self._angles(direction)
        return torch.cat([slopes * angles.cos(), -slopes * angles.sin()], dim=1)

    def _angles(self, z: Tensor) -> Tensor:
        return (z.unsqueeze(2) * self.frequencies).flatten(1)


def nearest_image(x: Tensor, centre: Tensor, period: Tensor | None) -> Tensor:
    """The image of ``x`` on a torus that is nearest to ``centre``; ``x`` itself in free space."""
    return x if period is None else x - period * ((x - centre) / period).round()


def wrapped(x: Tensor, period: Tensor | None, origin: Tensor | float = 0.0) -> Tensor:
    """Positions on a torus within ``origin`` + [0, period); ``x`` itself in free space."""
    if period is None:
        return x
    inside = (x - origin).remainder(period)
    return origin + torch.where(inside < period, inside, 0.0)  # rounding may reach the period


def in_chart(x: Tensor, scaling: Scaling) -> Tensor:
    """Positions as the networks take them: in the cell where a torus is cut open."""
    if scaling.origin is None:
        return x
    return wrapped(x, x.new_tensor(scaling.period), x.new_tensor(scaling.origin))


class PositionFeatures(nn.Module):
    """Standardised positions, and waves of them along every axis, with their tangents.

    The waves are ``sin 2^k x, cos 2^k x`` for k = 0, 1, ... of the standardised coordinate x.
    A trunk that sees them need not make folds from straight pieces.

    Args:
        scaling: where the training data lie.
        waves: octaves of waves; none by default.
    """

    #: Positions are not those of a torus, or of one that is cut open.
    period: None = None
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

    @property
    def scale(self) -> Tensor:
        """Standard deviation of the positions along every axis."""
        return self.standardise.scale

    def forward(self, z: Tensor) -> Tensor:
        """Features of shape (n, width) for ``z`` of shape (n, d)."""
        x: Tensor = self.standardise(z)
        if self.waves == 0:
            return x
        return torch.cat([x, torch.sin(self._angles(x)).flatten(1)], dim=1)

    def tangent(self, z: Tensor, direction: Tensor) -> Tensor:
        """Derivative of the features along ``direction``, (n, d)."""
        dx: Tensor = direction / self.standardise.scale
        if self.waves == 0:
            return dx
        slopes = self._angles(self.standardise(z)).cos() * self.frequencies * dx.unsqueeze(2)
        return torch.cat([dx, slopes.flatten(1)], dim=1)

    def _angles(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.phases, x.unsqueeze(2), self.frequencies)


def position_features(scaling: Scaling, waves: int = 0) -> PositionFeatures | Waves:
    """What networks see of a position; on a torus that is not cut periodic waves alone."""
    whole = scaling.period is not None and scaling.origin is None
    return Waves(scaling, waves) if whole else PositionFeatures(scaling, waves)


class ParameterFeatures(nn.Module):
    """The physical parameter as network inputs.

    ``linear`` maps the training range to [-1, 1] and goes on beyond it; ``logarithm`` does the same
    to the logarithm of positive parameters. For a ``plain`` head the feature is the logarithm
    (``linear`` where there is none). For other heads the features are both, and both stop
    at the ends of the training range: the trunk sees nothing that it was not trained on, and
    the head extrapolates.

    Args:
        scaling: where the training data lie.
        head: how the parameter enters the output; ``log-affine`` needs positive parameters.

    Raises:
        ValueError: a ``log-affine`` head with a parameter that is not positive.
    """

    slope: Tensor
    offset: Tensor

    def __init__(self, scaling: Scaling, *, head: Head) -> None:
        super().__init__()
        if head == "log-affine" and not scaling.logarithmic:
            raise ValueError(f"head: expected positive parameters, got {scaling.parameters[0]:g}")
        self.head = head
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

    def relative(self, parameter: Tensor) -> Tensor:
        """What an affine head is affine in, (n, 1)."""
        return self.logarithm(parameter) if self.head == "log-affine" else self.linear(parameter)

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


def scaling_of(
    positions: Tensor,
    parameters: Sequence[float],
    period: tuple[float, ...] | None = None,
    origin: tuple[float, ...] | None = None,
) -> Scaling:
    """The scaling of ``positions``, shape (n, d), at ``parameters``.

    On a torus that is not cut it is that of uniform positions: nothing there has a mean.
    """
    if period is not None and origin is None:
        return Scaling(
            location=tuple(0.5 * length for length in period),
            scale=tuple(length / math.sqrt(12.0) for length in period),
            parameters=(min(parameters), max(parameters)),
            period=period,
        )
    points = positions.double()
    deviation = points.std(dim=0, correction=0)
    deviation[deviation == 0.0] = 1.0  # an axis that is constant needs no scale
    return Scaling(
        location=tuple(points.mean(dim=0).tolist()),
        scale=tuple(deviation.tolist()),
        parameters=(min(parameters), max(parameters)),
        period=period,
        origin=origin,
    )
