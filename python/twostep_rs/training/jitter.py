"""What the trunks of the networks see of the parameter while they are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.models.features import Scaling


def jittered(
    parameter: Tensor, scaling: Scaling, width: float, generator: torch.Generator
) -> Tensor:
    """Shift every parameter by normal noise within the training range.

    An affine head a + s b is ambiguous when its trunk knows s exactly: a and b can trade at every
    training parameter, and what they add up to beyond the range is chance. A trunk that sees a
    parameter nearby leaves s to the head, so that b becomes the slope and the head extrapolates.

    Args:
        parameter: (n, 1), within the range.
        scaling: has the training range.
        width: standard deviation in units of the length of the range (of its logarithm where
            parameters are positive).
        generator: source of the noise.
    """
    low, high = scaling.parameters
    if width == 0.0 or low == high:
        return parameter
    noise = torch.randn(parameter.shape, generator=generator, device=parameter.device)
    if scaling.logarithmic:
        return (parameter * (high / low) ** (width * noise)).clamp(low, high)
    return (parameter + width * (high - low) * noise).clamp(low, high)
