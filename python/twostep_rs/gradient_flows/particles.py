"""The explicit flow: particles that follow a velocity, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from twostep_rs._scalars import as_integer, as_real
from twostep_rs.errors import InputError
from twostep_rs.models.features import wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from twostep_rs.gradient_flows.velocity import Field


@torch.no_grad()
def flow(
    x: Tensor,
    y: Tensor,
    field: Field,
    *,
    steps: int,
    step_size: float,
    period: Tensor | None = None,
) -> Iterator[Tensor]:
    r"""Particles along the gradient flow of an energy, by Euler steps :math:`x + \eta V(x)`.

    With ``self_transport="one-batch"`` it is the gradient flow of the energy between both clouds
    as they are. As they grow, it approaches the flow of their laws (Candès et al. 2026,
    theorem 3.1), which a trained generator is to end where it ends.

    Two clouds cannot be each other's second batch: the difference D of their means would obey
    dD/dt = D, and run away.

    Args:
        x: particles, (k, n, d).
        y: targets, (k, m, d).
        field: the velocity; not of two batches.
        steps: number of steps.
        step_size: eta.
        period: periods of the axes of a torus, (d,).

    Yields:
        The particles after every step, (k, n, d).

    Raises:
        InputError: a field of two batches, or a value out of range.
    """
    steps = as_integer("steps", steps, low=0)
    step_size = as_real("step_size", step_size, low=0.0, strict=True)
    if field.self_transport == "two-batch":
        raise InputError(
            "field.self_transport: expected 'one-batch' or 'others' for one cloud, got 'two-batch'"
        )
    for _ in range(steps):
        x = wrapped(x + step_size * field.velocity(x, x, y, period), period)
        yield x
