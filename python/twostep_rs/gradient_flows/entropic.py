r"""Entropic plans between batches of particles: scaled potentials, costs, displacements.

The cost of a pair is half its squared distance, :math:`c = |x - y|^2 / 2`, so that the gradient of
a transport cost is a displacement. Potentials are in units of epsilon,
:math:`\pi_{ij} = a_i b_j \exp(u_i + v_j - c_{ij} / \varepsilon)`, and all masses are equal unless
logarithms of others are given. Problems come in batches: clouds are (k, n, d), epsilon is (k,).

Two ways to iterate: a fixed number of updates, which never waits for a device and can be recorded,
and updates down to a residual, from a large epsilon to the last one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import torch

from twostep_rs._torus import shortest
from twostep_rs.errors import ConvergenceError
from twostep_rs.ot.log_sums import Pull, laid_out, log_sums, pull, weights

if TYPE_CHECKING:
    from torch import Tensor

#: Updates between two looks at the residual, each of which waits for the device.
_CHECK_EVERY = 10

#: Updates in the log domain before a plan is scaled: from then on its entries are moderate.
_BEFORE_SCALING = 2

#: Entries of the largest plan that is kept.
_LARGEST_PLAN = 2**22

#: Partners whose distances stand for all of them on a torus, where no formula has the mean.
_SHIFTS = 16


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of two clouds, k problems at once.

    Attributes:
        x: sources, (k, n, d).
        y: targets, (k, m, d).
        epsilon: strength of the entropy, in units of the cost, (k,).
        period: periods of the axes of a torus, (d,); None for free space.
        others: whether pairs of the same index are left out.
        log_a: logarithms of the masses of the sources, (k, n); those of 1 / n where None.
        log_b: logarithms of the masses of the targets, (k, m); those of 1 / m where None.
    """

    x: Tensor
    y: Tensor
    epsilon: Tensor
    period: Tensor | None = None
    others: bool = False
    log_a: Tensor | None = None
    log_b: Tensor | None = None

    def sources(self, v: Tensor) -> Tensor:
        """The u, (k, n), whose rows of the plan have the masses of the sources."""
        return -self.sums(self.x, self.y, v + _masses(self.log_b, self.y))

    def targets(self, u: Tensor) -> Tensor:
        """The v, (k, m), whose columns of the plan have the masses of the targets."""
        return -self.sums(self.y, self.x, u + _masses(self.log_a, self.x))

    def pull(self, v: Tensor) -> Pull:
        """Displacements from the sources to the means of their partners, with the sums of u."""
        h = v + _masses(self.log_b, self.y)
        return pull(self.x, self.y, h, self.rate, period=self.period, others=self.others)

    def start(self) -> Tensor:
        """A v of zeros, (k, m)."""
        return self.y.new_zeros(self.y.shape[:2])

    def sums(self, x: Tensor, y: Tensor, h: Tensor, masses: Tensor | None = None) -> Tensor:
        """Sums over the pairs of one of the clouds with the other, as of :func:`log_sums`."""
        rate, period = self.rate, self.period
        return log_sums(x, y, h, rate, period=period, others=self.others, masses=masses)

    @cached_property
    def rate(self) -> Tensor:
        """Factor of a squared distance in the exponent, (k,)."""
        return 0.5 / self.epsilon


class Potentials(NamedTuple):
    """Potentials of an entropic plan, in units of epsilon.

    Attributes:
        u: of the sources, (k, n). The row sums of the plan are exact.
        v: of the targets, (k, m).
        residual: sum of the absolute errors of the column sums, (k,), for total mass one.
        iterations: updates of both sides.
    """

    u: Tensor
    v: Tensor
    residual: Tensor
    iterations: int


def iterated(pairs: Pairs, iterations: int) -> Tensor:
    """The v of a fixed number of updates of both sides from zero, (k, m).

    On a CPU exponentials are dear and small matrices cheap: there the plan of the second update
    is kept, and the others scale its rows and columns.
    """
    pairs = _laid_out(pairs)
    v = pairs.start()
    first = min(iterations, _BEFORE_SCALING) if _keeps_plan(pairs) else iterations
    if pairs.x is pairs.y:
        for _ in range(first):
            v, _, _ = _updated(pairs, v)
    else:
        v = _in_turns(pairs, v, first)
    return v if first == iterations else _scaled(pairs, v, iterations - first)


def _in_turns(pairs: Pairs, v: Tensor, updates: int) -> Tensor:
    """The next v by turns, one sum each."""
    log_a, log_b = _masses(pairs.log_a, pairs.x), _masses(pairs.log_b, pairs.y)
    h = v + log_b
    for _ in range(updates):
        h = pairs.sums(pairs.x, pairs.y, h, log_a)
        h = pairs.sums(pairs.y, pairs.x, h, log_b)
    return h - log_b


def _laid_out(pairs: Pairs) -> Pairs:
    """The same pairs, for many sums."""
    x = laid_out(pairs.x)
    # A cloud with itself is known by that.
    return replace(pairs, x=x, y=x if pairs.x is pairs.y else laid_out(pairs.y))


def _keeps_plan(pairs: Pairs) -> bool:
    k, n, _ = pairs.x.shape
    small = k * n * pairs.y.shape[1] <= _LARGEST_PLAN
    return small and pairs.x.device.type == "cpu" and pairs.x is not pairs.y


def _scaled(pairs: Pairs, v: Tensor, iterations: int) -> Tensor:
    """Sinkhorn's iteration as products with the plan of v, whose entries are of moderate size."""
    log_b = _masses(pairs.log_b, pairs.y)
    plan = weights(
        pairs.x, pairs.y, v + log_b, pairs.rate, period=pairs.period, others=pairs.others
    )
    a, b = _masses(pairs.log_a, pairs.x).exp().unsqueeze(1), log_b.exp().unsqueeze(1)
    tiny = torch.finfo(plan.dtype).tiny
    rows = torch.ones_like(a)
    for _ in range(iterations):
        columns = b / torch.bmm(a * rows, plan).clamp_min_(tiny)
        rows = 1.0 / torch.bmm(columns, plan.mT).clamp_min_(tiny)
    return v + columns.squeeze(1).log()


def converged(pairs: Pairs, *, tolerance: float = 1e-3, max_iterations: int = 10_000) -> Potentials:
    """Potentials by updates until the residual of every problem is below ``tolerance``.

    Epsilon falls by halves from the scale of the clouds to its value first.

    Raises:
        ConvergenceError: the updates ran out; ``.gap`` is the residual times the cost's scale.
    """
    pairs = _laid_out(pairs)
    v = pairs.start()
    for wider in _annealing(pairs):
        # The potential in units of the cost stays; epsilon is its unit here.
        factor = (wider.epsilon / pairs.epsilon).unsqueeze(1)
        v = factor * _updated(wider, v / factor)[0]
    iterations = 0
    b = _masses(pairs.log_b, pairs.y).exp()
    while True:
        following, u, after = _updated(pairs, v)
        iterations += 1
        if iterations % _CHECK_EVERY == 0 or iterations >= max_iterations:
            residual = (b * torch.expm1(v - after)).abs().sum(dim=1)
            worst = float(residual.max())
            if worst <= tolerance:
                return Potentials(u, v, residual, iterations)
            if iterations >= max_iterations or not math.isfinite(worst):
                raise ConvergenceError(
                    f"max_iterations: expected a residual of {tolerance:g} within {iterations} "
                    f"iterations, got {worst:.1e}; a larger epsilon takes fewer",
                    worst * float(mean_square(pairs).max()),
                )
        v = following


def _updated(pairs: Pairs, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The next v, the u of v, and the v of that.

    Of a cloud with itself both potentials are one, and the mean of old and new takes tens of
    updates where turns would take thousands (Feydy et al. 2019, 3.1).
    """
    u = pairs.sources(v)
    if pairs.x is pairs.y:
        return 0.5 * (u + v), u, u
    after = pairs.targets(u)
    return after, u, after


def cost(pairs: Pairs, found: Potentials) -> Tensor:
    r"""The entropic cost :math:`\min \langle c, \pi \rangle + \varepsilon KL(\pi | ab)`, (k,).

    It is the value of the dual at potentials whose row sums are exact.
    """
    a = _masses(pairs.log_a, pairs.x).exp()
    b = _masses(pairs.log_b, pairs.y).exp()
    return pairs.epsilon * ((a * found.u).sum(dim=1) + (b * found.v).sum(dim=1))


def divergence(
    x: Tensor,
    y: Tensor,
    epsilon: Tensor,
    *,
    period: Tensor | None = None,
    log_a: Tensor | None = None,
    log_b: Tensor | None = None,
    tolerance: float = 1e-6,
) -> Tensor:
    r"""The Sinkhorn divergence, (k,), of k pairs of clouds.

    .. math:: S(q, p) = OT(q, p) - OT(q, q) / 2 - OT(p, p) / 2

    (Feydy et al. 2019) of converged entropic costs, with half the squared distance as cost.

    Args:
        x: (k, n, d).
        y: (k, m, d).
        epsilon: in units of the cost, (k,).
        period: periods of the axes of a torus, (d,).
        log_a: logarithms of the masses of x, (k, n).
        log_b: logarithms of the masses of y, (k, m).
        tolerance: residual of the plans.

    Raises:
        ConvergenceError: a plan did not converge.
    """
    clouds = ((x, log_a), (y, log_b))

    def between(first: int, second: int) -> Tensor:
        (x, log_a), (y, log_b) = clouds[first], clouds[second]
        pairs = Pairs(x, y, epsilon, period, log_a=log_a, log_b=log_b)
        return cost(pairs, converged(pairs, tolerance=tolerance))

    return between(0, 1) - 0.5 * between(0, 0) - 0.5 * between(1, 1)


def mean_square(pairs: Pairs) -> Tensor:
    """Mean squared distance of sources and targets of equal masses, (k,).

    On a torus it is that of some pairs: every source with sixteen targets, the same each time.
    """
    x, y = pairs.x, pairs.y
    if pairs.period is None:
        # |x - y|^2 by its moments, around the middle of y, so that little cancels.
        middle = y.mean(dim=1, keepdim=True)
        x, y = x - middle, y - middle
        return x.square().sum(dim=2).mean(dim=1) + y.square().sum(dim=2).mean(dim=1)
    n, m = x.shape[1], y.shape[1]
    first = torch.arange(n, device=x.device).unsqueeze(1)
    shifts = torch.arange(min(_SHIFTS, m), device=x.device) * max(1, m // _SHIFTS)
    gap = shortest(y[:, (first + shifts) % m] - x.unsqueeze(2), pairs.period)
    return gap.square().sum(dim=3).mean(dim=(1, 2))


def _annealing(pairs: Pairs) -> list[Pairs]:
    """The same pairs at larger epsilons, falling by halves."""
    scale = float((mean_square(pairs) / pairs.epsilon).max())
    halvings = max(0, math.ceil(math.log2(max(scale, 1.0))))
    return [replace(pairs, epsilon=pairs.epsilon * 2.0**k) for k in range(halvings, 0, -1)]


def _masses(logarithms: Tensor | None, points: Tensor) -> Tensor:
    """Logarithms of the masses of points, (k, n)."""
    if logarithms is not None:
        return logarithms
    count = points.shape[1]
    return points.new_full(points.shape[:2], -math.log(count))
