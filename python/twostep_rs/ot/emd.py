"""Exact optimal transport (earth mover's distance) by network simplex on lazy costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from twostep_rs import _core
from twostep_rs._arrays import as_float64, as_points, like
from twostep_rs._scalars import as_integer, as_threads
from twostep_rs.errors import DtypeError, InputError, ShapeError
from twostep_rs.ot.memory import check_batch_fits, check_matrix_fits, check_points_fit
from twostep_rs.ot.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

Metric = Literal["sqeuclidean", "euclidean"]


def emd(
    x: ArrayLike,
    y: ArrayLike,
    *,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    metric: Metric = "sqeuclidean",
    period: float | Sequence[float] | None = None,
    warm_start: Plan | None = None,
    max_pivots: int | None = None,
    threads: int | None = None,
) -> Plan:
    """Transport the weighted points ``x`` to the weighted points ``y`` at least cost.

    Solves ``min sum_ij c(x_i, y_j) pi_ij`` subject to ``sum_j pi_ij = a_i``,
    ``sum_i pi_ij = b_j``, ``pi >= 0`` exactly, in memory ``O(n + m)``: costs are computed when
    they are needed, and a pricing pass over all pairs proves the result. One axis (``d = 1``) is
    solved by sorting, with the best cut of the circle where there is a period.

    Args:
        x: sources, ``(n, d)``.
        y: targets, ``(m, d)``.
        a: masses of the sources, ``(n,)``; equal masses ``1/n`` by default.
        b: masses of the targets, ``(m,)``; equal masses ``1/m`` by default. The totals of ``a``
            and ``b`` may differ by rounding (1e-8 relative).
        metric: ``"sqeuclidean"`` for ``|x - y|^2`` or ``"euclidean"`` for ``|x - y|``.
        period: period of every axis (or one for all) where points live on a torus.
        warm_start: plan of an earlier problem of the same sizes whose points were near these.
            Where it would not pay, and for ``d = 1``, it is left alone.
        max_pivots: budget of simplex pivots; none by default, since the method always ends.
        threads: number of threads; the package default if not given. Fewer than 6000 points of both
            sides together are left to the calling thread; the plan is the same for any number.

    Returns:
        The plan, with potentials and certificate.

    Raises:
        ShapeError: shapes do not fit, or a cloud is empty.
        MassError: masses are negative, vanish, or do not balance.
        InputError: NaN or infinite entries, an unknown metric, a period that is not positive, or
            clouds that need more memory than the machine has.
        ConvergenceError: ``max_pivots`` ran out; ``.gap`` bounds the distance to the optimum.

    Example:
        >>> import numpy as np, twostep_rs as ts
        >>> plan = ts.ot.emd(np.array([[0.0], [1.0]]), np.array([[1.0], [0.5]]))
        >>> plan.permutation
        array([1, 0])
        >>> round(plan.cost, 3)
        0.125
    """
    check_points_fit(x, y)
    points = as_points("x", x), as_points("y", y)
    raw = _core.emd_points(
        *points,
        None if a is None else as_float64("a", a, 1),
        None if b is None else as_float64("b", b, 1),
        metric,
        _periods(period, points[0].shape[1]),
        _raw("warm_start", warm_start),
        _budget(max_pivots),
        as_threads(threads),
    )
    return Plan(raw, (len(points[0]), len(points[1])), metric, like(x, y))


def emd_batch(
    xs: Sequence[ArrayLike],
    ys: Sequence[ArrayLike],
    *,
    metric: Metric = "sqeuclidean",
    period: float | Sequence[float] | None = None,
    warm_starts: Sequence[Plan | None] | None = None,
    max_pivots: int | None = None,
    threads: int | None = None,
) -> list[Plan]:
    """Solve many problems with equal masses at once, spread over all threads.

    Args:
        xs: sources of every problem: a sequence of ``(n_k, d)`` arrays or one ``(k, n, d)``.
        ys: targets of every problem, likewise.
        metric: as for :func:`emd`.
        period: as for :func:`emd`.
        warm_starts: one plan (or None) for every problem.
        max_pivots: budget of every problem.
        threads: number of threads; the package default if not given.

    Returns:
        One plan for every problem, each the same as :func:`emd` would give.

    Raises:
        ShapeError: the sequences have different lengths, or as for :func:`emd`.
        InputError: as for :func:`emd`.
        ConvergenceError: as for :func:`emd`.
    """
    if len(xs) != len(ys):
        raise ShapeError(f"ys: expected {len(xs)} problems, like xs, got {len(ys)}")
    if warm_starts is None:
        warm_starts = [None] * len(xs)
    if len(warm_starts) != len(xs):
        raise ShapeError(f"warm_starts: expected {len(xs)} plans, got {len(warm_starts)}")
    if len(xs) == 0:
        return []
    check_batch_fits(xs, ys)
    sources = [as_points(f"xs[{k}]", x) for k, x in enumerate(xs)]
    targets = [as_points(f"ys[{k}]", y) for k, y in enumerate(ys)]
    raws = _core.emd_batch(
        sources,
        targets,
        metric,
        _periods(period, sources[0].shape[1]),
        [_raw(f"warm_starts[{k}]", plan) for k, plan in enumerate(warm_starts)],
        _budget(max_pivots),
        as_threads(threads),
    )
    return [
        Plan(raw, (len(source), len(target)), metric, like(x, y))
        for raw, source, target, x, y in zip(raws, sources, targets, xs, ys, strict=True)
    ]


def emd_matrix(
    a: ArrayLike,
    b: ArrayLike,
    M: ArrayLike,
    *,
    max_pivots: int | None = None,
    threads: int | None = None,
) -> Any:
    """Optimal plan for an explicit cost matrix, as a dense matrix.

    Takes the arguments of POT's ``ot.emd`` and returns what that returns; but it never stops
    early without saying so.

    Args:
        a: masses of the sources, ``(n,)``; an empty list for equal masses ``1/n``.
        b: masses of the targets, ``(m,)``; an empty list for equal masses ``1/m``.
        M: costs, ``(n, m)``, any finite real numbers.
        max_pivots: budget of simplex pivots; none by default.
        threads: number of threads; the package default if not given. Matrices of less than 262 144
            entries are left to the calling thread.

    Returns:
        The plan, ``(n, m)``, of the kind (list in, NumPy out; torch in, torch out) of ``M``.

    Raises:
        ShapeError: shapes do not fit.
        MassError: masses are negative, vanish, or do not balance.
        InputError: NaN or infinite entries, or a matrix that needs more memory than the machine
            has.
        ConvergenceError: ``max_pivots`` ran out.
    """
    check_matrix_fits(M)
    costs = as_float64("M", M, 2)
    if costs.size == 0:
        raise ShapeError(f"M: expected at least one source and one target, got {costs.shape}")
    masses = [
        weights if weights.size else np.full(count, 1.0 / count)
        for weights, count in zip(
            (as_float64("a", a, 1), as_float64("b", b, 1)), costs.shape, strict=True
        )
    ]
    raw = _core.emd_matrix(masses[0], masses[1], costs, _budget(max_pivots), as_threads(threads))
    return Plan(raw, (costs.shape[0], costs.shape[1]), None, like(M, a, b)).to_dense()


def _budget(max_pivots: int | None) -> int | None:
    return None if max_pivots is None else as_integer("max_pivots", max_pivots, low=0)


def _periods(period: float | Sequence[float] | None, dim: int) -> list[float] | None:
    if period is None:
        return None
    periods: NDArray[np.float64] = np.asarray(period, dtype=np.float64)
    if periods.ndim == 0:
        return [float(periods)] * dim
    if periods.shape != (dim,):
        raise InputError(f"period: expected one number or {dim}, got shape {periods.shape}")
    return [float(value) for value in periods]


def _raw(name: str, plan: Plan | None) -> _core.RawPlan | None:
    if plan is None:
        return None
    if not isinstance(plan, Plan):
        raise DtypeError(f"{name}: expected a Plan, got {type(plan).__name__}")
    return plan._raw  # noqa: SLF001
