"""Entropic optimal transport in the log domain: potentials of two clouds, in memory O(n + m).

The problem is ``min <c, pi> + epsilon KL(pi | a x b)`` over plans with marginals a and b, its plan
``pi_ij = a_i b_j exp((f_i + g_j - c_ij) / epsilon)`` (Cuturi 2013; in this form Peyré and Cuturi,
Computational Optimal Transport, 4.4). It is an approximation of exact transport, which
:func:`twostep_rs.ot.emd` solves. Costs are squared distances, found anew for each block of rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from twostep_rs.errors import ConvergenceError
from twostep_rs.ot.log_sums import laid_out, log_sums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

#: Costs that are held at a time: what caches like on a CPU, what fills a GPU.
_ENTRIES = {"cpu": 2**18, "cuda": 2**26}
#: Factor between the values of epsilon that lead to the last one.
_SCALING = 0.5
#: Iterations between two looks at the residual, each of which waits for the device.
_CHECK_EVERY = 10


class Potentials(NamedTuple):
    """Entropic potentials of two clouds.

    Attributes:
        f: of the sources, ``(n,)``. The row sums of the plan are exact.
        g: of the targets, ``(m,)``.
        residual: sum of the absolute errors of the column sums, for total mass one.
        iterations: updates of both sides.
    """

    f: Tensor
    g: Tensor
    residual: float
    iterations: int


def potentials(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    epsilon: float,
    *,
    period: Tensor | None = None,
    start: Potentials | None = None,
    tolerance: float = 1e-3,
    max_iterations: int = 10_000,
) -> Potentials:
    """Potentials of the entropic problem by Sinkhorn's iteration.

    Without a start ``epsilon`` falls to its value from the largest cost, one iteration each.

    Args:
        x: sources, ``(n, d)``, float32 or float64, on any device.
        y: targets, ``(m, d)``, of the same dtype and device.
        a: masses of the sources, ``(n,)``, of total one; zeros are allowed.
        b: masses of the targets, ``(m,)``, of total one.
        epsilon: strength of the entropy, in units of the cost.
        period: periods of the axes of a torus, ``(d,)``; free space by default.
        start: potentials of a problem like this one, to go on from.
        tolerance: residual to end at.
        max_iterations: budget of iterations.

    Raises:
        ConvergenceError: the budget ran out; ``.gap`` is the residual times the largest cost.
    """
    log_a, log_b = a.log(), b.log()
    scale = largest_cost(x, y, period)
    x, y = laid_out(x[None])[0], laid_out(y[None])[0]
    if start is None:
        f, g = torch.zeros_like(log_a), torch.zeros_like(log_b)
        steps = annealing(scale, epsilon)
    else:
        f, g, steps = start.f, start.g, [epsilon]
    for step in steps:
        g = softmin(y, x, log_a + f / step, step, period)
        f = softmin(x, y, log_b + g / step, step, period)
    iterations = len(steps)
    while True:
        # The row sums are exact here, so this is what the next update of g would mend.
        after = softmin(y, x, log_a + f / epsilon, epsilon, period)
        if iterations % _CHECK_EVERY == 0 or iterations >= max_iterations:
            residual = float((b * torch.expm1((g - after) / epsilon)).abs().sum())
            if residual <= tolerance:
                return Potentials(f, g, residual, iterations)
            if iterations >= max_iterations or not math.isfinite(residual):
                raise _unconverged(iterations, tolerance, residual, scale)
        g = after
        f = softmin(x, y, log_b + g / epsilon, epsilon, period)
        iterations += 1


def symmetric_potential(
    x: Tensor,
    a: Tensor,
    epsilon: float,
    *,
    period: Tensor | None = None,
    tolerance: float = 1e-3,
    max_iterations: int = 10_000,
) -> Potentials:
    """Potentials of a cloud with itself, where both are one; averaged updates take few iterations.

    Args:
        x: points, ``(n, d)``.
        a: masses, ``(n,)``, of total one.
        epsilon: as for :func:`potentials`.
        period: as for :func:`potentials`.
        tolerance: as for :func:`potentials`.
        max_iterations: as for :func:`potentials`.

    Raises:
        ConvergenceError: as for :func:`potentials`.
    """
    log_a = a.log()
    f = torch.zeros_like(log_a)
    scale = largest_cost(x, x, period)
    x = laid_out(x[None])[0]
    steps = annealing(scale, epsilon)
    for step in steps:
        f = (f + softmin(x, x, log_a + f / step, step, period)) / 2
    residual = math.inf
    for iteration in range(len(steps), max_iterations + 1):
        after = softmin(x, x, log_a + f / epsilon, epsilon, period)
        residual = float((a * torch.expm1((f - after) / epsilon)).abs().sum())
        if residual <= tolerance:
            return Potentials(f, f, residual, iteration)
        f = (f + after) / 2
    raise _unconverged(max_iterations, tolerance, residual, scale)


def softmin(
    x: Tensor, y: Tensor, h: Tensor, epsilon: float, period: Tensor | None = None
) -> Tensor:
    """``-epsilon log sum_j exp(h_j - c(x_i, y_j) / epsilon)`` for every i.

    Args:
        x: points, ``(n, d)``.
        y: points, ``(m, d)``.
        h: logarithms of the weights of y, ``(m,)``; -inf leaves a point out.
        epsilon: in units of the cost.
        period: periods of the axes of a torus, ``(d,)``.

    Returns:
        ``(n,)``.
    """
    rate = x.new_tensor([1.0 / epsilon])
    sums = log_sums(x[None], y[None], h[None], rate, period=period)
    return sums[0].mul(-epsilon)


def transport_cost(
    x: Tensor,
    y: Tensor,
    a: Tensor,
    b: Tensor,
    epsilon: float,
    found: Potentials,
    period: Tensor | None = None,
) -> Tensor:
    """``<c, pi>`` of the plan of the potentials, without its entropy."""
    h = b.log() + found.g / epsilon
    rows = []
    for costs, f in zip(_blocks(x, y, period), torch.split(found.f, _rows(x, y)), strict=True):
        mass = torch.exp((f / epsilon).unsqueeze(1) + h - costs / epsilon)
        rows.append((mass * costs).sum(dim=1))
    return a @ torch.cat(rows)


def mean_cost(x: Tensor, y: Tensor, a: Tensor, b: Tensor, period: Tensor | None = None) -> Tensor:
    """``sum_ij a_i b_j c(x_i, y_j)``: the unit in which epsilon may be given."""
    return a @ torch.cat([costs @ b for costs in _blocks(x, y, period)])


def largest_cost(x: Tensor, y: Tensor, period: Tensor | None = None) -> float:
    """A bound of all costs, from the bounding box of both clouds."""
    if period is not None:
        return float((period / 2).square().sum())
    low = torch.minimum(x.amin(dim=0), y.amin(dim=0))
    high = torch.maximum(x.amax(dim=0), y.amax(dim=0))
    return float((high - low).square().sum())


def annealing(largest: float, epsilon: float) -> list[float]:
    """Values of epsilon from the largest cost to the last one, which ends the list."""
    count = max(0, math.ceil(math.log(max(largest / epsilon, 1.0), 1 / _SCALING)))
    return [epsilon / _SCALING**k for k in range(count, -1, -1)]


def _blocks(x: Tensor, y: Tensor, period: Tensor | None) -> Iterator[Tensor]:
    """Costs of a block of rows after another, each the receiver's own."""
    for rows in torch.split(x, _rows(x, y)):
        if period is None:
            # By differences: products would cancel, and lose bits where TF32 is allowed.
            mode = "donot_use_mm_for_euclid_dist"
            yield torch.cdist(rows, y, compute_mode=mode).square_()
        else:
            costs = rows.new_zeros(len(rows), len(y))
            for axis, length in enumerate(period):
                gap = rows[:, axis, None] - y[:, axis]
                costs += (gap - length * (gap / length).round()).square_()
            yield costs


def _rows(x: Tensor, y: Tensor) -> int:
    return max(1, _ENTRIES.get(x.device.type, _ENTRIES["cuda"]) // len(y))


def _unconverged(
    iterations: int, tolerance: float, residual: float, scale: float
) -> ConvergenceError:
    return ConvergenceError(
        f"max_iterations: expected a residual of {tolerance:g} within {iterations} iterations, "
        f"got {residual:.1e}; a larger epsilon takes fewer",
        residual * scale,
    )
