"""Exact Wasserstein-2 as a differentiable loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs._arrays import is_tensor
from twostep_rs.errors import DtypeError
from twostep_rs.ot.emd import emd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from twostep_rs.ot.plan import Plan


def w2_loss(
    x: Tensor,
    y: Tensor,
    *,
    period: float | Sequence[float] | None = None,
    plan: Plan | None = None,
    threads: int | None = None,
) -> Tensor:
    """W2 squared between two clouds of equal masses, differentiable in both.

    The plan is a constant for the gradient (envelope theorem): where the optimal plan is unique,
    ``d W2^2 / d x_i = 2 sum_j pi_ij (x_i - y_j)`` exactly.

    Args:
        x: points, ``(n, d)``, on any device.
        y: points, ``(m, d)``, on the same device.
        period: period of every axis (or one for all) where points live on a torus.
        plan: a plan to use as it is, when it is known already; solved for by default.
        threads: number of threads of the solve.

    Returns:
        The loss, a scalar tensor.

    Raises:
        DtypeError: an argument is no tensor.
        InputError: as for :func:`twostep_rs.ot.emd`.
    """
    for name, value in (("x", x), ("y", y)):
        if not is_tensor(value):
            raise DtypeError(f"{name}: expected a torch tensor, got {type(value).__name__}")
    if plan is None:
        plan = emd(x, y, period=period, threads=threads)
    difference = x[plan.rows] - y[plan.cols]
    if period is not None:
        periods = difference.new_tensor(period)
        difference = difference - periods * (difference / periods).detach().round()
    loss: Tensor = (plan.mass * difference.square().sum(dim=-1)).sum()
    return loss
