"""Exact Wasserstein-2 as a differentiable loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs._arrays import is_tensor
from twostep_rs._torus import shortest
from twostep_rs.errors import DtypeError, InputError
from twostep_rs.ot.emd import emd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from torch import Tensor

    from twostep_rs.ot.plan import Plan


def w2_loss(
    x: Tensor,
    y: Tensor,
    *,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    period: float | Sequence[float] | None = None,
    plan: Plan | None = None,
    threads: int | None = None,
) -> Tensor:
    """W2 squared between two weighted clouds, differentiable in the positions of both.

    The plan is a constant for the gradient (envelope theorem): where the optimal plan is unique,
    ``d W2^2 / d x_i = 2 sum_j pi_ij (x_i - y_j)`` exactly. Masses are constants too: no gradient
    goes to ``a`` and ``b``.

    Args:
        x: points, ``(n, d)``, on any device.
        y: points, ``(m, d)``, on the same device.
        a: masses of x, ``(n,)``; equal masses ``1/n`` by default. The loss grows with their total.
        b: masses of y, ``(m,)``, of the same total; equal masses ``1/m`` by default.
        period: period of every axis (or one for all) where points live on a torus.
        plan: a plan to use as it is, when it is known already; solved for by default.
        threads: number of threads of the solve.

    Returns:
        The loss, a scalar tensor.

    Raises:
        DtypeError: an argument is no tensor.
        InputError: as for :func:`twostep_rs.ot.emd`, or masses beside a plan, which has its own.
    """
    for name, value in (("x", x), ("y", y)):
        if not is_tensor(value):
            raise DtypeError(f"{name}: expected a torch tensor, got {type(value).__name__}")
    if plan is not None and not (a is None and b is None):
        raise InputError("a, b: expected none beside a plan, which has its own masses")
    if plan is None:
        plan = emd(x, y, a=a, b=b, period=period, threads=threads)
    difference = x[plan.rows] - y[plan.cols]
    periods = None if period is None else difference.new_tensor(period)
    loss: Tensor = (plan.mass * shortest(difference, periods).square().sum(dim=-1)).sum()
    return loss
