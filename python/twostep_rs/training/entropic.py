"""Entropic couplings of batches: Sinkhorn's iteration for all parameters at once.

The plan ``pi_ij = a_i b_j exp((f_i + g_j - c_ij) / epsilon)`` of equal masses stands for the exact
one, and a particle aims at the barycentre of its partners. It is there to be compared with exact
couplings: the plan spreads a particle over a ball of about ``sqrt(epsilon)``, and a map that
follows barycentres ends with variances that are too small, by ``epsilon / 2`` an axis.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, NamedTuple

import torch

from twostep_rs._torus import shortest
from twostep_rs.ot.sinkhorn import annealing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from twostep_rs.config import StageTwoConfig
    from twostep_rs.training.couplings import Pair

# Iterations between two looks at the residual, each of which waits for the device.
_CHECK_EVERY = 10


class Barycentres(NamedTuple):
    """Where the entropic plans of some problems lead.

    Attributes:
        points: barycentre of the partners of every source, (k, n, d).
        potential: of the targets over epsilon, (k, m).
        residual: largest sum of absolute errors of the column sums, for total mass one.
        iterations: updates of both sides.
    """

    points: Tensor
    potential: Tensor
    residual: float
    iterations: int


def barycentres(
    x: Tensor,
    y: Tensor,
    epsilon: float,
    *,
    relative: bool = False,
    start: Tensor | None = None,
    period: Tensor | None = None,
    tolerance: float = 1e-3,
    iterations: int = 1_000,
) -> Barycentres:
    """Barycentric maps of the entropic plans between clouds of equal masses.

    Costs are squared distances, held in memory: every iteration reads all of them. Without a start
    ``epsilon`` falls to its value from the largest cost, one iteration each.

    Args:
        x: sources of every problem, (k, n, d).
        y: targets, (k, m, d).
        epsilon: strength of the entropy, in units of the cost.
        relative: whether it is in units of each problem's mean cost instead.
        start: potential of similar problems to go on from.
        period: periods of the axes of a torus, (d,); free space by default.
        tolerance: residual to end at.
        iterations: budget. Where it runs out the residual is larger; rows still have their mass.
    """
    costs = _costs(x, y, period)
    unit = costs.mean(dim=(1, 2), keepdim=True) if relative else costs.new_ones(1)
    exponent = costs.div_(-epsilon * unit)
    log_n, log_m = math.log(x.shape[1]), math.log(y.shape[1])
    u, v = exponent.new_zeros(x.shape[:2]), exponent.new_zeros(y.shape[:2])
    if start is None:
        largest = float(-exponent.min()) * epsilon
        for step in annealing(largest, epsilon)[:-1]:
            ratio = epsilon / step
            softer = exponent * ratio
            v = (log_n - torch.logsumexp(softer + ratio * u.unsqueeze(2), dim=1)) / ratio
            u = (log_m - torch.logsumexp(softer + ratio * v.unsqueeze(1), dim=2)) / ratio
    else:
        v = start
    done, residual = 0, math.inf
    while done < iterations and residual > tolerance:
        for _ in range(min(_CHECK_EVERY, iterations - done)):
            u = log_m - torch.logsumexp(exponent + v.unsqueeze(1), dim=2)
            before, v = v, log_n - torch.logsumexp(exponent + u.unsqueeze(2), dim=1)
            done += 1
        # The column sums before the last update of v, when the rows were exact.
        residual = float(torch.expm1(before - v).abs().mean(dim=1).max())
    weights = torch.softmax(exponent + v.unsqueeze(1), dim=2)
    return Barycentres(_mean(weights, x, y, period), v, residual, done)


class EntropicCouplings:
    """Barycentric maps of batches, warm from refresh to refresh; in place of exact couplings.

    Args:
        config: solver, epsilon and budget.
        period: periods of a torus, one per axis; None for free space.

    Attributes:
        seconds: wall time spent on them.
        residual: of the last batch.
    """

    def __init__(self, config: StageTwoConfig, period: tuple[float, ...] | None = None) -> None:
        self.seconds = 0.0
        self.residual = 0.0
        self._config = config
        self._period = period
        self._potentials: dict[int, list[Tensor | None]] = {}

    def forget(self, number: int | None = None) -> None:
        """Start the next solves of batch ``number``, or of all, from nothing."""
        if number is None:
            self._potentials.clear()
        else:
            self._potentials.pop(number, None)

    def begin(self, number: int, pairs: Sequence[Pair]) -> Sequence[Pair]:
        """Take the ``pairs`` of clouds (x, y), each (k, n, d), of batch ``number``."""
        del number
        return pairs

    def finish(self, number: int, pairs: Sequence[Pair]) -> list[Tensor]:
        """Barycentres of every pair, each (k, n, d)."""
        _wait(pairs[0][0])
        started = time.perf_counter()
        config = self._config
        none: list[Tensor | None] = [None] * len(pairs)
        starts = self._potentials.get(number, none)
        found = [
            barycentres(
                x,
                y,
                config.epsilon,
                relative=config.epsilon_unit == "mean-cost",
                start=start,
                period=None if self._period is None else x.new_tensor(self._period),
                iterations=config.sinkhorn_iterations,
            )
            for (x, y), start in zip(pairs, starts, strict=True)
        ]
        self._potentials[number] = [one.potential for one in found]
        self.residual = max(one.residual for one in found)
        _wait(pairs[0][0])
        self.seconds += time.perf_counter() - started
        return [one.points for one in found]


def _gap(x: Tensor, y: Tensor, axis: int, period: Tensor | None) -> Tensor:
    """``y_j - x_i`` along an axis, the short way on a torus; (k, n, m)."""
    gap = y[:, None, :, axis] - x[:, :, None, axis]
    return shortest(gap, None if period is None else period[axis])


def _costs(x: Tensor, y: Tensor, period: Tensor | None) -> Tensor:
    costs = x.new_zeros(x.shape[0], x.shape[1], y.shape[1])
    for axis in range(x.shape[2]):
        costs += _gap(x, y, axis, period).square_()
    return costs


def _mean(weights: Tensor, x: Tensor, y: Tensor, period: Tensor | None) -> Tensor:
    """Weighted means of the targets as seen from every source."""
    moves = [(weights * _gap(x, y, axis, period)).sum(dim=2) for axis in range(x.shape[2])]
    return x + torch.stack(moves, dim=2)


def _wait(x: Tensor) -> None:
    if x.is_cuda:
        torch.cuda.current_stream(x.device).synchronize()
