"""The law of the two times of a flow map."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor


class TwoTimes(NamedTuple):
    """Times that maps start from and lead to, both (n, 1); equal in the first rows."""

    s: Tensor
    t: Tensor


def draw_two_times(
    size: int, random: torch.Generator, *, longest: float, backward: bool, diagonal: int = 0
) -> TwoTimes:
    """Draw uniformly from the pairs in [0, 1] that are at most ``longest`` apart.

    Args:
        size: number of rows.
        random: source of the times.
        longest: longest interval, above 0 and at most 1.
        backward: whether half of the rows have t < s.
        diagonal: number of rows, the first ones, with s = t, uniform in [0, 1].
    """
    u = torch.rand((size, 3), generator=random, device=random.device)
    # There are 1 - h places for an interval of length h.
    h = 1.0 - torch.sqrt(1.0 - u[:, :1] * (1.0 - (1.0 - longest) ** 2))
    h[:diagonal] = 0.0
    first = u[:, 1:2] * (1.0 - h)
    second = first + h
    if not backward:
        return TwoTimes(first, second)
    forward = u[:, 2:] < 0.5
    return TwoTimes(torch.where(forward, first, second), torch.where(forward, second, first))
