"""Differences of positions on a torus."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def shortest(gap: Tensor, period: Tensor | None) -> Tensor:
    """The shortest way with the same ends as ``gap``; ``gap`` itself in free space.

    Args:
        gap: differences, (..., d), or along one axis, of any shape.
        period: of the axes of a torus, (d,), or of that axis.
    """
    return gap if period is None else gap - period * (gap / period).round()
