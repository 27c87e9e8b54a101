"""The law of the times of MeanFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.config import StageOneConfig


class Times(NamedTuple):
    """Times t, intervals h = t - r, both (n, 1); h = 0 in the first ``equal`` rows."""

    t: Tensor
    h: Tensor
    equal: int


def draw_times(config: StageOneConfig, size: int, generator: torch.Generator) -> Times:
    """Draw t and r, the larger and the smaller of two times, and r = t in a fixed share of rows."""
    shape = (size, 2)
    if config.times == "uniform":
        pair = torch.rand(shape, generator=generator, device=generator.device)
    else:
        normal = torch.randn(shape, generator=generator, device=generator.device)
        pair = torch.sigmoid(config.times_mean + config.times_scale * normal)
    t, r = pair.amax(dim=1, keepdim=True), pair.amin(dim=1, keepdim=True)
    equal = round(config.equal_times * size)
    h = t - r
    h[:equal] = 0.0
    return Times(t, h, equal)
